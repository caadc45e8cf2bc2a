//! The numbers that the core gives away: order numbers of requests that can move money, identifiers of its own
//! operations, and numbers of requests.

use crate::core::event::RequestId;

/// Counters; none gives the same number twice.
#[derive(Debug)]
pub(super) struct Numbers {
    prefix: String,
    orders: u64,
    own: u64,
    requests: RequestId,
}

impl Numbers {
    /// `prefix`: of all order numbers of this process, unlike that of any other process of any till, so that not even
    /// a disk that forgets makes a number come again. `next_own`: above every `~N` of the journal.
    pub(super) fn new(prefix: String, next_own: u64) -> Numbers {
        Numbers {
            prefix,
            orders: 0,
            own: next_own.max(1),
            requests: 0,
        }
    }

    /// Unique across tills and years by the prefix, within the process by the counter.
    pub(super) fn order_number(&mut self) -> String {
        self.orders += 1;
        format!("{}-{:x}", self.prefix, self.orders)
    }

    /// The identifier of the next operation of the daemon's own: "ids that begin with `~` are the daemon's own".
    pub(super) fn own_id(&mut self) -> String {
        let id = format!("~{}", self.own);
        self.own += 1;
        id
    }

    /// The number of a request, by which its answer is known.
    pub(super) fn request(&mut self) -> RequestId {
        self.requests += 1;
        self.requests
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_given_twice() {
        let mut numbers = Numbers::new("p".into(), 0);
        let orders = [(); 17].map(|()| numbers.order_number());
        assert_eq!((orders[0].as_str(), orders[16].as_str()), ("p-1", "p-11"));
        assert_eq!([(); 2].map(|()| numbers.own_id()), ["~1", "~2"]);
        assert_eq!(Numbers::new("p".into(), 7).own_id(), "~7");
        assert_eq!([(); 2].map(|()| numbers.request()), [1, 2]);
    }
}

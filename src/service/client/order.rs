//! In which order the service's addresses are tried.
//!
//! The HTTP library goes on to the next address only where a connection fails. One that connects and is not the
//! service, a front end that was left behind or a router's page, would be met for ever, since the system names the
//! addresses in the same order each time. So an address that disappoints is put behind the others for a while: the
//! *next* connection goes elsewhere, and nothing is sent twice because of it. A lone address has nothing to stand
//! behind. Some name servers name other addresses each time: what is known of one is kept though a look-up does not
//! name it.
//!
//! Two designs were weighed. A client for each address, one of them chosen for each request, would know exactly who is
//! asked, but would have to do anew what the library does well: to go on within one request from an address that is
//! dead, and to race the two families. So the library keeps its list, and is handed it in the order of this module;
//! which address a request without an answer has met is taken from what its own look-up put first ([`watching`]). Where
//! that one was dead and the library went on, it is put behind for a good reason, and the next request shows what the
//! other does.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// An address that has disappointed once stands behind so long, twice as long after each further time.
const SETBACK_PERIOD: Duration = Duration::from_secs(10 * 60);
/// From then on neither the period grows nor the blame.
const MAX_SETBACKS: u32 = 3;
/// So many addresses are remembered, the last that have disappointed.
const MAX_REMEMBERED: usize = 64;

tokio::task_local! {
    /// The address that was put first for the connection of the request at hand.
    static FIRST: Cell<Option<IpAddr>>;
}

/// How an address has disappointed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Setback {
    /// In a row.
    times: u32,
    last_at: Instant,
    /// The weightiest errand of those.
    with: Errand,
}

/// What an address was asked for, the weightier the later. That it serves one proves nothing of what is weightier: a
/// front end may answer each question and swallow every payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Errand {
    /// Changes nothing.
    Question,
    /// A session or a token.
    Opening,
    /// A payment or its reversal.
    Money,
}

/// How much a disappointment proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// This address did it.
    Certain,
    /// A used connection gave no answer, as it does when it has died: enough to try another that has never disappointed.
    Likely,
}

/// The addresses that have disappointed.
#[derive(Debug, Default)]
pub(super) struct Order {
    setbacks: BTreeMap<IpAddr, Setback>,
}

impl Order {
    /// `addresses`, those that have disappointed last; among these the one that did so seldom, or long ago, first.
    pub(super) fn of(&self, mut addresses: Vec<SocketAddr>, now: Instant) -> Vec<SocketAddr> {
        addresses.sort_by_key(|address| {
            let setback = self.setbacks.get(&address.ip());
            setback
                .filter(|setback| setback.is_in_force(now))
                .map(|setback| (setback.times, setback.last_at))
        });
        addresses
    }

    /// The address has disappointed on that errand, and the service's name has `addresses` now. Returns whether another
    /// is tried before it.
    pub(super) fn set_back(
        &mut self,
        address: IpAddr,
        addresses: &[SocketAddr],
        (errand, blame): (Errand, Blame),
        now: Instant,
    ) -> bool {
        self.forget_old(addresses, now);
        let mut others = addresses.iter().map(SocketAddr::ip);
        if !others.any(|ip| ip != address) {
            return false;
        }
        let is_better = |ip: IpAddr| {
            let setback = self.setbacks.get(&ip);
            ip != address && !setback.is_some_and(|setback| setback.is_in_force(now))
        };
        let mut others = addresses.iter().map(SocketAddr::ip);
        if blame == Blame::Likely && !others.any(is_better) {
            return false;
        }
        let setback = self.setbacks.entry(address).or_insert(Setback {
            times: 0,
            last_at: now,
            with: errand,
        });
        setback.times = (setback.times + 1).min(MAX_SETBACKS);
        setback.last_at = now;
        setback.with = setback.with.max(errand);
        self.forget_most();
        true
    }

    /// Forgets those that the name does not have now and that would stand behind no longer.
    fn forget_old(&mut self, addresses: &[SocketAddr], now: Instant) {
        let is_named = |ip: &IpAddr| addresses.iter().any(|named| named.ip() == *ip);
        self.setbacks
            .retain(|ip, setback| is_named(ip) || setback.is_in_force(now));
    }

    /// Forgets those that disappointed longest ago, as far as they are too many.
    fn forget_most(&mut self) {
        while self.setbacks.len() > MAX_REMEMBERED {
            let oldest = self
                .setbacks
                .iter()
                .min_by_key(|(_, setback)| setback.last_at);
            let Some(oldest) = oldest.map(|(ip, _)| *ip) else {
                return;
            };
            self.setbacks.remove(&oldest);
        }
    }

    /// The service has answered there on that errand: that excuses all but a disappointment with something weightier.
    pub(super) fn restore(&mut self, address: IpAddr, errand: Errand) {
        self.setbacks
            .retain(|ip, setback| *ip != address || setback.with > errand);
    }
}

impl Setback {
    fn is_in_force(self, now: Instant) -> bool {
        let period = SETBACK_PERIOD * 2_u32.pow(self.times.saturating_sub(1));
        now.saturating_duration_since(self.last_at) < period
    }
}

/// Runs a request, and returns with it the address that was put first for its connection; `None` where it needed no new
/// one.
pub(super) async fn watching<T>(request: impl Future<Output = T>) -> (T, Option<IpAddr>) {
    let watched = async {
        let done = request.await;
        (done, FIRST.with(Cell::get))
    };
    FIRST.scope(Cell::new(None), watched).await
}

/// A connection of the request at hand is made to the first of these.
pub(super) fn note_first(addresses: &[SocketAddr]) {
    let first = addresses.first().map(SocketAddr::ip);
    // For somebody who does not watch there is nothing to note.
    let _ = FIRST.try_with(|noted| noted.set(first));
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTAIN: (Errand, Blame) = (Errand::Question, Blame::Certain);

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn addresses<const N: usize>(last: [u8; N]) -> Vec<SocketAddr> {
        last.map(|last| SocketAddr::from((ip(last), 0))).to_vec()
    }

    /// Three addresses, and a clock.
    struct Case {
        order: Order,
        now: Instant,
    }

    impl Case {
        fn new() -> Case {
            Case {
                order: Order::default(),
                now: Instant::now(),
            }
        }

        fn blames(&mut self, last: u8, blame: Blame) -> bool {
            self.now += Duration::from_secs(1);
            let all = addresses([1, 2, 3]);
            let how = (Errand::Question, blame);
            self.order.set_back(ip(last), &all, how, self.now)
        }

        fn disappoints(&mut self, last: u8) {
            assert!(self.blames(last, Blame::Certain));
        }

        fn is<const N: usize>(&self, expected: [u8; N]) -> bool {
            self.order.of(addresses([1, 2, 3]), self.now) == addresses(expected)
        }
    }

    #[test]
    fn whoever_disappoints_goes_last_for_a_while() {
        let mut case = Case::new();
        assert!(case.is([1, 2, 3]));
        case.disappoints(1);
        assert!(case.is([2, 3, 1]));
        case.disappoints(2);
        assert!(case.is([3, 1, 2]));
        case.disappoints(3);
        assert!(case.is([1, 2, 3]));
        case.disappoints(1);
        assert!(case.is([2, 3, 1]), "who did it once goes before");
        case.now += SETBACK_PERIOD;
        assert!(case.is([2, 3, 1]), "twice is remembered longer");
        case.now += SETBACK_PERIOD;
        assert!(case.is([1, 2, 3]));
    }

    #[test]
    fn an_answer_of_the_service_takes_the_blame_away() {
        let mut case = Case::new();
        case.disappoints(1);
        case.order.restore(ip(1), Errand::Question);
        assert!(case.is([1, 2, 3]));
    }

    #[test]
    fn an_answer_to_a_question_does_not_excuse_a_payment_without_one() {
        let mut case = Case::new();
        let all = addresses([1, 2, 3]);
        let how = (Errand::Money, Blame::Certain);
        assert!(case.order.set_back(ip(1), &all, how, case.now));
        case.disappoints(1);
        for errand in [Errand::Question, Errand::Opening] {
            case.order.restore(ip(1), errand);
            assert!(case.is([2, 3, 1]), "{errand:?}");
        }
        case.now += SETBACK_PERIOD * 2;
        assert!(case.is([1, 2, 3]), "it has stood its time");
        case.order.restore(ip(1), Errand::Question);
        assert!(case.order.set_back(ip(1), &all, how, case.now));
        case.now += SETBACK_PERIOD * 2;
        assert!(case.is([2, 3, 1]), "and longer the next time");
        case.order.restore(ip(1), Errand::Money);
        assert!(case.is([1, 2, 3]));
    }

    #[test]
    fn one_that_always_disappoints_stays_behind_one_that_seldom_does() {
        let mut case = Case::new();
        for _ in 0..20 {
            case.disappoints(1);
        }
        case.disappoints(2);
        case.disappoints(3);
        assert!(case.is([2, 3, 1]));
        let longest = SETBACK_PERIOD * 4;
        case.now += longest;
        assert!(case.is([1, 2, 3]), "nothing is for ever");
    }

    #[test]
    fn a_connection_that_has_died_blames_only_where_somebody_better_is_known() {
        let mut case = Case::new();
        assert!(case.blames(1, Blame::Likely));
        assert!(case.is([2, 3, 1]));
        assert!(case.blames(2, Blame::Likely));
        assert!(!case.blames(3, Blame::Likely));
        assert!(case.is([3, 1, 2]));
    }

    #[test]
    fn what_is_known_of_an_address_outlives_a_look_up_that_does_not_name_it() {
        let mut case = Case::new();
        let order = &mut case.order;
        for bad in [1, 3, 5] {
            let set = addresses([bad, bad + 1]);
            assert!(order.set_back(ip(bad), &set, CERTAIN, case.now));
        }
        for bad in [1, 3, 5] {
            let set = order.of(addresses([bad, bad + 1]), case.now);
            assert_eq!(set, addresses([bad + 1, bad]));
        }
        // One whose answer came after the look-up that names it no more.
        assert!(order.set_back(ip(7), &addresses([1, 2]), CERTAIN, case.now));
        assert_eq!(order.of(addresses([7, 8]), case.now), addresses([8, 7]));
        case.now += SETBACK_PERIOD;
        case.disappoints(1);
        let remembered: Vec<_> = case.order.setbacks.keys().copied().collect();
        assert_eq!(remembered, [ip(1), ip(3)], "3 is named now");
    }

    #[test]
    fn only_so_many_are_remembered_and_the_oldest_goes() {
        let mut order = Order::default();
        let mut now = Instant::now();
        for last in 0..=u8::MAX {
            now += Duration::from_secs(1);
            let set = addresses([last, last.wrapping_add(1)]);
            assert!(order.set_back(ip(last), &set, CERTAIN, now));
        }
        assert_eq!(order.setbacks.len(), MAX_REMEMBERED);
        let first = u8::try_from(256 - MAX_REMEMBERED).unwrap();
        assert_eq!(order.setbacks.keys().next(), Some(&ip(first)));
    }

    #[test]
    fn a_lone_address_is_left_alone() {
        let mut order = Order::default();
        let now = Instant::now();
        for (last, known) in [(1, addresses([1])), (1, Vec::new())] {
            assert!(!order.set_back(ip(last), &known, CERTAIN, now));
        }
        assert!(order.setbacks.is_empty());
    }
}

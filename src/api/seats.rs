//! Who is connected at a door, and who has to go when it is full.
//!
//! A call that acts never waits for others to go: a newcomer is let in at once, in the place of whoever matters
//! least. Callers without a token are few, and go first, those before all whose answer stands and whose body is still
//! thrown away; then connections between two calls; then waiting calls and
//! listeners, which are answered early and come back. Within each kind the oldest goes: a till has sent what it wants
//! at once, and one that has come long ago and sent nothing has come for nothing.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustix::process::{Resource, getrlimit};
use tokio::sync::watch;

use crate::base::lock::lock;

/// Callers at the same time, for each door.
const MAX_CALLERS: usize = 1024;
/// As many there are even where the system gives few descriptors.
const MIN_CALLERS: usize = 64;
/// Of these without a token.
const MAX_STRANGERS: usize = 64;
/// A caller takes two descriptors: its connection, and the handle by which its going is noticed.
const DESCRIPTORS_OF_CALLER: usize = 2;
/// The socket and TCP.
const DOORS: usize = 2;
/// Journal, devices, the service and whatever else is open.
const OTHER_DESCRIPTORS: usize = 256;

/// The seats of one door.
#[derive(Clone, Debug)]
pub(super) struct Seats {
    taken: Arc<Mutex<Taken>>,
    max: usize,
}

/// In the order of coming.
#[derive(Debug, Default)]
struct Taken(Vec<Arc<Place>>);

#[derive(Debug, Default)]
struct Place {
    /// It has shown the token, or came by the socket.
    is_trusted: AtomicBool,
    /// Calls under way, of which there is one at most, and what they left running.
    calls: AtomicUsize,
    waits: AtomicUsize,
    leftovers: AtomicUsize,
    must_go: watch::Sender<bool>,
}

/// What a caller does; what may go first comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Errand {
    /// It has no right to more than an answer that stands, and what it sends is thrown away.
    Leftover,
    /// Between two calls.
    Idle,
    /// Waits for a change, or listens.
    Waiting,
    /// A call is being answered.
    Acting,
}

impl Place {
    fn errand(&self) -> Errand {
        if self.leftovers.load(Ordering::Relaxed) > 0 {
            Errand::Leftover
        } else if self.waits.load(Ordering::Relaxed) > 0 {
            Errand::Waiting
        } else if self.calls.load(Ordering::Relaxed) > 0 {
            Errand::Acting
        } else {
            Errand::Idle
        }
    }

    fn rank(&self) -> (bool, Errand) {
        (self.is_trusted.load(Ordering::Relaxed), self.errand())
    }
}

impl Seats {
    /// As many as the system has descriptors for.
    pub(super) fn new() -> Seats {
        let descriptors = getrlimit(Resource::Nofile).current;
        let descriptors = descriptors.map(|count| usize::try_from(count).unwrap_or(usize::MAX));
        let max = descriptors.map_or(MAX_CALLERS, |count| {
            count.saturating_sub(OTHER_DESCRIPTORS) / (DESCRIPTORS_OF_CALLER * DOORS)
        });
        Seats::with(max.clamp(MIN_CALLERS, MAX_CALLERS))
    }

    fn with(max: usize) -> Seats {
        Seats {
            taken: Arc::default(),
            max,
        }
    }

    /// A seat for a newcomer; somebody may have to go for it. `None` when every seat is taken by a call that acts.
    pub(super) fn take(&self, is_trusted: bool) -> Option<Seat> {
        let place = Arc::new(Place::default());
        place.is_trusted.store(is_trusted, Ordering::Relaxed);
        let mut taken = lock(&self.taken);
        let is_stranger = |place: &Place| !place.is_trusted.load(Ordering::Relaxed);
        let strangers = taken.0.iter().filter(|place| is_stranger(place)).count();
        if !is_trusted && strangers >= MAX_STRANGERS {
            taken.send_away(&is_stranger);
        }
        let may_go = |place: &Place| place.rank() < (true, Errand::Acting);
        if taken.0.len() >= self.max && !taken.send_away(&may_go) {
            return None;
        }
        taken.0.push(Arc::clone(&place));
        drop(taken);
        Some(Seat {
            place,
            taken: Arc::clone(&self.taken),
        })
    }
}

impl Taken {
    /// The one that matters least of those: the first of the lowest rank. False when there is none.
    fn send_away(&mut self, may_go: &dyn Fn(&Place) -> bool) -> bool {
        let candidates = self.0.iter().enumerate();
        let candidates = candidates.filter(|(_, place)| may_go(place));
        let Some((index, _)) = candidates.min_by_key(|(_, place)| place.rank()) else {
            return false;
        };
        self.0.remove(index).must_go.send_replace(true);
        true
    }
}

/// A caller's seat, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    place: Arc<Place>,
    taken: Arc<Mutex<Taken>>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.0.retain(|place| !Arc::ptr_eq(place, &self.place));
    }
}

impl Seat {
    /// What a call knows of its caller.
    pub(super) fn sitter(&self) -> Sitter {
        Sitter(Arc::clone(&self.place))
    }
}

/// The caller of a call.
#[derive(Clone, Debug)]
pub(super) struct Sitter(Arc<Place>);

impl Sitter {
    /// It has shown that it may call.
    pub(super) fn trust(&self) {
        self.0.is_trusted.store(true, Ordering::Relaxed);
    }

    /// From now on a call is being answered.
    pub(super) fn acts(&self) -> Busy {
        Busy::new(self, |place| &place.calls)
    }

    /// From now on it waits or listens.
    pub(super) fn waits(&self) -> Busy {
        Busy::new(self, |place| &place.waits)
    }

    /// From now on what its answered call has left is thrown away. One that has shown that it may call keeps its rank.
    pub(super) fn leaves(&self) -> Option<Busy> {
        (!self.is_trusted()).then(|| Busy::new(self, |place| &place.leftovers))
    }

    /// Waits until it has to go for somebody else.
    pub(super) async fn must_go(&self) {
        let mut must_go = self.0.must_go.subscribe();
        // The sender lives as long as this does.
        drop(must_go.wait_for(|must_go| *must_go).await);
    }

    /// Whether it may finish what it waits for when it has to go.
    pub(super) fn is_trusted(&self) -> bool {
        self.0.is_trusted.load(Ordering::Relaxed)
    }
}

/// What a caller does, until this is dropped.
#[derive(Debug)]
pub(super) struct Busy {
    place: Arc<Place>,
    count: fn(&Place) -> &AtomicUsize,
}

impl Busy {
    fn new(sitter: &Sitter, count: fn(&Place) -> &AtomicUsize) -> Busy {
        count(&sitter.0).fetch_add(1, Ordering::Relaxed);
        Busy {
            place: Arc::clone(&sitter.0),
            count,
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        (self.count)(&self.place).fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_to_go(seat: &Seat) -> bool {
        *seat.place.must_go.borrow()
    }

    #[test]
    fn who_matters_least_goes_first_and_who_acts_never() {
        let seats = Seats::with(4);
        let [stranger, idle, waiting, acting] =
            [false, true, true, true].map(|is_trusted| seats.take(is_trusted).unwrap());
        let _waits = waiting.sitter().waits();
        let _acts = acting.sitter().acts();
        let mut newcomers = Vec::new();
        for goes in [&stranger, &idle, &waiting] {
            assert!(!has_to_go(goes));
            let newcomer = seats.take(true).unwrap();
            let acts = newcomer.sitter().acts();
            newcomers.push((newcomer, acts));
            assert!(has_to_go(goes));
        }
        assert!(seats.take(true).is_none(), "all act");
        assert!(!has_to_go(&acting));
        drop(newcomers.pop());
        assert!(seats.take(true).is_some());
    }

    #[test]
    fn strangers_take_their_own_share_and_the_oldest_goes() {
        let seats = Seats::with(MAX_STRANGERS + 2);
        let till = seats.take(true).unwrap();
        let strangers: Vec<Seat> = (0..MAX_STRANGERS)
            .map(|_| seats.take(false).unwrap())
            .collect();
        assert!(strangers.iter().all(|stranger| !has_to_go(stranger)));
        let newcomer = seats.take(false).unwrap();
        assert!(has_to_go(&strangers[0]) && !has_to_go(&strangers[1]));
        // Whoever has shown the token is no stranger.
        newcomer.sitter().trust();
        let another = seats.take(false).unwrap();
        assert!(!has_to_go(&strangers[1]) && !has_to_go(&newcomer));
        drop((till, another));
        // A page that listens without a token goes after those who send nothing.
        let _listens = strangers[1].sitter().waits();
        let _last = (seats.take(false), seats.take(false));
        assert!(!has_to_go(&strangers[1]) && has_to_go(&strangers[2]));
    }

    #[test]
    fn a_stranger_whose_body_is_thrown_away_goes_before_all_others() {
        let seats = Seats::with(MAX_STRANGERS + 2);
        let [page, newcomer, refused] = [(); 3].map(|()| seats.take(false).unwrap());
        let _listens = page.sitter().waits();
        let _acts = refused.sitter().acts();
        let leaves = refused.sitter().leaves();
        assert!(leaves.is_some());
        let strangers: Vec<Seat> = (3..=MAX_STRANGERS)
            .map(|_| seats.take(false).unwrap())
            .collect();
        assert!(has_to_go(&refused) && !has_to_go(&newcomer) && !has_to_go(&page));
        drop((leaves, seats.take(false)));
        assert!(has_to_go(&newcomer) && !has_to_go(&page), "the oldest");
        drop(strangers);
        let till = seats.take(true).unwrap();
        assert!(till.sitter().leaves().is_none());
    }

    #[test]
    fn a_seat_that_was_given_away_frees_no_other() {
        let seats = Seats::with(1);
        let first = seats.take(true).unwrap();
        let second = seats.take(true).unwrap();
        drop(first);
        assert_eq!(lock(&seats.taken).0.len(), 1);
        drop(second);
        assert_eq!(lock(&seats.taken).0.len(), 0);
    }
}

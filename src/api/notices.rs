//! Events for listeners: numbered without gaps, kept for those who come back.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::sync::broadcast;

use crate::base::lock::lock;

/// Events that a listener who comes back can still get.
const KEPT: usize = 1000;
/// Traces that may wait for a slow listener; beyond that it misses some.
const TRACES: usize = 256;

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    /// An operation changed.
    Operation,
    /// A code was read.
    Scan,
    /// A device came or went.
    Device,
    /// An entry of the queue changed.
    Queue,
    /// Health changed.
    Health,
}

impl NoticeKind {
    /// The event's name on the wire.
    pub fn word(self) -> &'static str {
        match self {
            NoticeKind::Operation => "operation",
            NoticeKind::Scan => "scan",
            NoticeKind::Device => "device",
            NoticeKind::Queue => "queue",
            NoticeKind::Health => "health",
        }
    }
}

/// What is sent only to those who ask for it, while they listen: it is frequent, and nothing follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceKind {
    /// A request to the service ended.
    Request,
    /// The buyer sees something else.
    Scene,
}

impl TraceKind {
    /// The event's name on the wire.
    pub fn word(self) -> &'static str {
        match self {
            TraceKind::Request => "request",
            TraceKind::Scene => "scene",
        }
    }

    pub fn of_word(word: &str) -> Option<TraceKind> {
        [TraceKind::Request, TraceKind::Scene]
            .into_iter()
            .find(|kind| kind.word() == word)
    }
}

/// One of those; it has no number, and is not kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    pub kind: TraceKind,
    pub data: serde_json::Value,
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Increases by one from event to event.
    pub id: u64,
    pub kind: NoticeKind,
    pub data: serde_json::Value,
}

/// All events of this process.
#[derive(Debug)]
pub struct EventLog {
    kept: Mutex<Kept>,
    sender: broadcast::Sender<Arc<Notice>>,
    traces: broadcast::Sender<Arc<Trace>>,
}

#[derive(Debug)]
struct Kept {
    next: u64,
    ring: VecDeque<Arc<Notice>>,
}

impl EventLog {
    /// The first event gets `first_id`: the time in milliseconds, so that ids increase from one
    /// process to the next.
    pub fn new(first_id: u64) -> EventLog {
        let kept = Mutex::new(Kept {
            next: first_id,
            ring: VecDeque::new(),
        });
        EventLog {
            kept,
            sender: broadcast::Sender::new(KEPT),
            traces: broadcast::Sender::new(TRACES),
        }
    }

    /// Sends it to those who asked for it.
    pub fn trace(&self, kind: TraceKind, data: serde_json::Value) {
        drop(self.traces.send(Arc::new(Trace { kind, data })));
    }

    /// What is traced from now on.
    pub fn traces(&self) -> broadcast::Receiver<Arc<Trace>> {
        self.traces.subscribe()
    }

    /// Sends it to all listeners.
    pub fn publish(&self, kind: NoticeKind, data: serde_json::Value) {
        let mut kept = lock(&self.kept);
        let notice = Arc::new(Notice {
            id: kept.next,
            kind,
            data,
        });
        kept.next += 1;
        if kept.ring.len() == KEPT {
            kept.ring.pop_front();
        }
        kept.ring.push_back(notice.clone());
        // Nobody listens: nothing to do.
        drop(self.sender.send(notice));
    }

    /// What came after that event, and all that follows, nothing twice and nothing left out. Without a number only
    /// what follows.
    pub fn subscribe(&self, after: Option<u64>) -> (Missed, broadcast::Receiver<Arc<Notice>>) {
        let kept = lock(&self.kept);
        let receiver = self.sender.subscribe();
        let missed = after.map(|after| kept.since(after));
        (missed.unwrap_or_default(), receiver)
    }
}

impl Kept {
    fn since(&self, after: u64) -> Missed {
        let oldest = self.ring.front().map_or(self.next, |notice| notice.id);
        // What was before the oldest is forgotten, or was another process's; what is yet to come was never sent.
        let is_lost = after.saturating_add(1) < oldest || after >= self.next;
        let newer = |notice: &&Arc<Notice>| is_lost || notice.id > after;
        Missed {
            lost: is_lost.then_some(oldest.saturating_sub(1)),
            events: self.ring.iter().filter(newer).cloned().collect(),
        }
    }
}

/// What a listener who comes back has missed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Missed {
    /// More than the events here, which can no longer be sent: what the listener has may be old, and it must read anew.
    /// With the number up to which that holds.
    pub lost: Option<u64>,
    /// What can be sent.
    pub events: Vec<Arc<Notice>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(missed: &Missed) -> Vec<u64> {
        missed.events.iter().map(|notice| notice.id).collect()
    }

    #[test]
    fn who_comes_back_misses_nothing_and_gets_nothing_twice() {
        let notices = EventLog::new(100);
        for n in 0..5 {
            notices.publish(NoticeKind::Scan, n.into());
        }
        let (missed, mut following) = notices.subscribe(Some(102));
        notices.publish(NoticeKind::Health, 5.into());
        assert_eq!(ids(&missed), [103, 104]);
        assert_eq!(following.try_recv().unwrap().id, 105);
        assert!(following.try_recv().is_err());
        for nothing_missed in [None, Some(105)] {
            assert_eq!(ids(&notices.subscribe(nothing_missed).0), [0; 0]);
        }
    }

    #[test]
    fn the_ring_is_bounded() {
        let notices = EventLog::new(0);
        (0..2500).for_each(|n| notices.publish(NoticeKind::Scan, n.into()));
        let (missed, _) = notices.subscribe(Some(1499));
        let ids = ids(&missed);
        assert_eq!((ids.len(), ids[0]), (1000, 1500));
    }

    #[test]
    fn what_can_no_longer_be_sent_is_reported() {
        let notices = EventLog::new(100);
        let lost = |after| notices.subscribe(Some(after)).0.lost;
        // Another process's; the newest of that one may be the last before this one's first.
        assert_eq!(
            [5, 98, 99, 100].map(lost),
            [Some(99), Some(99), None, Some(99)]
        );
        (0..1001).for_each(|n| notices.publish(NoticeKind::Scan, n.into()));
        let past = [99, 100, 1100, 1101, u64::MAX];
        assert_eq!(
            past.map(lost),
            [Some(100), None, None, Some(100), Some(100)]
        );
        // What is known all the same is sent after it.
        assert_eq!(ids(&notices.subscribe(Some(99)).0).len(), 1000);
    }
}

//! Events for listeners: numbered without gaps, kept for those who come back.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast;

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
    #[must_use]
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

/// What only those hear who ask for it, while they listen: it is frequent, and nothing follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceKind {
    /// A request to the service ended.
    Request,
    /// The buyer sees something else.
    Scene,
}

impl TraceKind {
    /// The event's name on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            TraceKind::Request => "request",
            TraceKind::Scene => "scene",
        }
    }

    /// By its name.
    #[must_use]
    pub fn of_word(word: &str) -> Option<TraceKind> {
        [TraceKind::Request, TraceKind::Scene]
            .into_iter()
            .find(|kind| kind.word() == word)
    }
}

/// One of those; it has no number, and is not kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// What it is about.
    pub kind: TraceKind,
    /// The facts.
    pub data: serde_json::Value,
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Increases by one from event to event.
    pub id: u64,
    /// What it is about.
    pub kind: NoticeKind,
    /// The resource.
    pub data: serde_json::Value,
}

/// All events of this process.
#[derive(Debug)]
pub struct Notices {
    kept: Mutex<Kept>,
    sender: broadcast::Sender<Arc<Notice>>,
    traces: broadcast::Sender<Arc<Trace>>,
}

#[derive(Debug)]
struct Kept {
    next: u64,
    ring: VecDeque<Arc<Notice>>,
}

impl Notices {
    /// The first event gets `first_id`: the time in milliseconds, so that ids increase from one
    /// process to the next.
    #[must_use]
    pub fn new(first_id: u64) -> Notices {
        let kept = Mutex::new(Kept {
            next: first_id,
            ring: VecDeque::new(),
        });
        Notices {
            kept,
            sender: broadcast::Sender::new(KEPT),
            traces: broadcast::Sender::new(TRACES),
        }
    }

    /// Tells those who asked for it.
    pub fn trace(&self, kind: TraceKind, data: serde_json::Value) {
        drop(self.traces.send(Arc::new(Trace { kind, data })));
    }

    /// What is traced from now on.
    #[must_use]
    pub fn traces(&self) -> broadcast::Receiver<Arc<Trace>> {
        self.traces.subscribe()
    }

    /// Tells all listeners.
    pub fn publish(&self, kind: NoticeKind, data: serde_json::Value) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// The kept events after that one, and all that follow, none twice and none left out. Without a
    /// number only what follows.
    #[must_use]
    pub fn subscribe(
        &self,
        after: Option<u64>,
    ) -> (Vec<Arc<Notice>>, broadcast::Receiver<Arc<Notice>>) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = self.sender.subscribe();
        let missed = after.map(|after| {
            kept.ring
                .iter()
                .filter(|notice| notice.id > after)
                .cloned()
                .collect()
        });
        (missed.unwrap_or_default(), receiver)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_back_misses_nothing_and_gets_nothing_twice() {
        let notices = Notices::new(100);
        for n in 0..5 {
            notices.publish(NoticeKind::Scan, n.into());
        }
        let (missed, mut following) = notices.subscribe(Some(102));
        notices.publish(NoticeKind::Health, 5.into());
        assert_eq!(
            missed.iter().map(|notice| notice.id).collect::<Vec<_>>(),
            [103, 104]
        );
        assert_eq!(following.try_recv().unwrap().id, 105);
        assert!(following.try_recv().is_err());
        assert!(notices.subscribe(None).0.is_empty());
    }

    #[test]
    fn the_ring_is_bounded() {
        let notices = Notices::new(0);
        (0..2500).for_each(|n| notices.publish(NoticeKind::Scan, n.into()));
        let (missed, _) = notices.subscribe(Some(0));
        assert_eq!((missed.len(), missed[0].id), (1000, 1500));
    }
}

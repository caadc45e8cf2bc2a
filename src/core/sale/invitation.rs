//! What is known of the sessions with the buyer: those that are asked for, and the one that is being opened.

use super::*;
use crate::core::call::Failure;
use crate::model::operation::Shows;

/// First interval before a call that moves no money is repeated; doubles up to [`MAX_RETRY_INTERVAL`].
const RETRY_INTERVAL: Duration = Duration::from_millis(300);
pub(super) const MAX_RETRY_INTERVAL: Duration = Duration::from_secs(2);
/// How long a session lives until the service has shown otherwise (R).
pub(in crate::core) const SESSION_LIFE: Duration = Duration::from_secs(60);
/// No service ends a session sooner than this, or it could not be used.
const MIN_SESSION_LIFE: Duration = Duration::from_secs(1);

/// How long before its end a session is renewed, or half of a life that is shorter than twice this.
const RENEWAL_LEAD: Duration = Duration::from_secs(10);
/// Sessions that end at once are not renewed faster than this.
const MIN_RENEWAL_INTERVAL: Duration = Duration::from_secs(3);
/// Sessions of one buyer that are asked for at the same time.
const MAX_SESSIONS: usize = 3;

/// A `demandPayment` that is under way, or is to be repeated.
#[derive(Debug)]
pub(in crate::core) struct Opening {
    pub request: Option<RequestId>,
    /// When the first try left.
    pub(super) asked_at: Duration,
    /// Tries that fail are repeated for a while from here on.
    pub(super) since: Duration,
    pub(super) retry_at: Duration,
    pub(super) interval: Duration,
    pub(super) code: Option<Secret>,
    /// What the last try met.
    pub(super) failure: Option<Failure>,
}

impl Opening {
    pub(super) fn asked(request: RequestId, code: Option<Secret>, now: Duration) -> Opening {
        Opening {
            request: Some(request),
            ..Opening::put_off(code, now)
        }
    }

    /// Nothing has left yet: the service has asked for patience.
    pub(super) fn put_off(code: Option<Secret>, now: Duration) -> Opening {
        Opening {
            request: None,
            asked_at: now,
            since: now,
            retry_at: now,
            interval: RETRY_INTERVAL,
            code,
            failure: None,
        }
    }

    /// The try failed: when the next one follows.
    pub(super) fn failed(&mut self, failure: &Failure, now: Duration) {
        self.request = None;
        self.retry_at = now + self.interval;
        self.interval = (self.interval * 2).min(MAX_RETRY_INTERVAL);
        self.failure = Some(failure.clone());
    }

    /// When the next try may leave; `None` while one is under way.
    pub(super) fn due_at(&self, link: &Link) -> Option<Duration> {
        let due = self.retry_at.max(link.free_at(&[]));
        self.request.is_none().then_some(due)
    }
}

/// A session's number, which is as good as a key: `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SessionId(pub(super) String);

impl std::fmt::Debug for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// One session with the buyer.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    /// `None` for the consumer's QR, which opened it.
    pub(super) shows: Option<Shows>,
    pub(super) opened_at: Duration,
    pub(super) request: Option<RequestId>,
    /// When the present question left.
    pub(super) asked_at: Duration,
    pub(super) next_at: Duration,
    /// The last moment at which it was known to live.
    pub(super) alive_at: Duration,
}

impl Session {
    pub(super) fn subject(&self) -> [Subject; 1] {
        [Subject::Session(self.id.0.clone())]
    }
}

/// The buyer's invitation: at least one session, or one that is being opened.
#[derive(Debug)]
pub(in crate::core) struct Invitation {
    /// Oldest first.
    pub(super) sessions: Vec<Session>,
    pub(super) opening: Option<Opening>,
    /// When the last session was asked for.
    pub(super) demanded_at: Duration,
    /// The session whose code is on the display.
    pub(super) shown: Option<SessionId>,
    /// The display shows that no session can be opened.
    pub(super) gap_shown: bool,
    /// The first of the failed questions since the last answered one.
    pub(super) failing_since: Option<Duration>,
}

impl Invitation {
    pub(in crate::core) fn awaits(&self, id: RequestId) -> bool {
        let opening = self.opening.as_ref().and_then(|opening| opening.request);
        opening == Some(id) || self.sessions.iter().any(|one| one.request == Some(id))
    }

    /// The session whose code the buyer shall see now.
    pub(super) fn visible(&self, mode: Mode, life: Duration, now: Duration) -> Option<&Session> {
        let mut living = self
            .sessions
            .iter()
            .filter(|session| now.saturating_sub(session.opened_at) < life);
        match mode {
            // The cashier has told the buyer the code: it changes only when nobody joined by its end.
            Mode::StaticQr => living.next(),
            Mode::DynamicQr | Mode::ConsumerQr => living.next_back(),
        }
    }
}

impl Invitation {
    /// The moments at which something is due while the buyer is waited for.
    pub(super) fn wakeup<'a>(
        &'a self,
        mode: Mode,
        common: &'a Common,
    ) -> impl Iterator<Item = (Duration, &'static str)> + 'a {
        let Common {
            link,
            settings,
            session_life: life,
            ..
        } = common;
        let polls = self.sessions.iter().filter_map(|session| {
            let due = link.free_at(&session.subject()).max(session.next_at);
            let waits = session.request.is_none();
            waits.then_some((due, "session poll"))
        });
        let opening = match &self.opening {
            Some(opening) => opening.due_at(link).map(|at| (at, "repeat")),
            None => self
                .renewal_due_at(mode, *life, link)
                .map(|at| (at, "renewal")),
        };
        let shown = self.shown.as_ref().and_then(|shown| {
            let session = self.sessions.iter().find(|one| one.id == *shown)?;
            Some((session.opened_at + *life, "a session's end"))
        });
        let failing = self.failing_since;
        let failing = failing.map(|since| (since + settings.patience(), "polls fail"));
        let gap = self.gap_ends_at(settings).map(|at| (at, "no session"));
        polls.chain([opening, shown, failing, gap].into_iter().flatten())
    }

    /// When the next session is to be asked for; sessions that a buyer's code opened are not renewed.
    pub(super) fn renewal_due_at(
        &self,
        mode: Mode,
        life: Duration,
        link: &Link,
    ) -> Option<Duration> {
        // One more would be one too many to ask for.
        if mode == Mode::ConsumerQr || self.sessions.len() >= MAX_SESSIONS {
            return None;
        }
        let lead = RENEWAL_LEAD.min(half(life));
        let due = self
            .sessions
            .last()
            .map_or(Duration::ZERO, |newest| newest.opened_at + life - lead);
        let due = due.max(self.demanded_at + MIN_RENEWAL_INTERVAL);
        Some(due.max(link.free_at(&[])))
    }

    /// Without any session the next one is asked for within `timeout`, then the line is down.
    pub(super) fn gap_ends_at(&self, settings: &Settings) -> Option<Duration> {
        let opening = self.opening.as_ref()?;
        let is_gap = self.sessions.is_empty() && opening.failure.is_some();
        is_gap.then(|| opening.since + settings.patience())
    }

    pub(super) fn new(demanded_at: Duration) -> Invitation {
        Invitation {
            sessions: Vec::new(),
            opening: None,
            demanded_at,
            shown: None,
            gap_shown: false,
            failing_since: None,
        }
    }
}

impl Session {
    pub(super) fn new(
        id: String,
        shows: Option<Shows>,
        opened_at: Duration,
        now: Duration,
    ) -> Session {
        Session {
            id: SessionId(id),
            shows,
            opened_at,
            request: None,
            asked_at: now,
            next_at: now,
            alive_at: opened_at,
        }
    }

    /// One whose code the buyer is shown.
    pub(super) fn invited(id: String, shows: Shows, opened_at: Duration, turn: &Turn) -> Session {
        let mut session = Session::new(id, Some(shows), opened_at, turn.now.mono);
        session.next_at = turn.now.mono + turn.settings.poll_session;
        session
    }
}

/// What the end of a session shows of the life of the next ones: it was `seen` alive at that age, and `over` at this
/// one. Where nobody asked in between, the end lies somewhere, and what was believed stays if it can be.
pub(super) fn estimate_life(
    believed: Duration,
    seen: Duration,
    over: Duration,
    pause: Duration,
) -> Duration {
    if (seen..over).contains(&believed) {
        return believed;
    }
    let is_dense = over.saturating_sub(seen) <= pause * 2 + MAX_RETRY_INTERVAL;
    let life = match (is_dense, seen.is_zero()) {
        // One that was never seen alive is an exception: no service could be used so.
        (true, true) => believed,
        (true, false) => seen,
        (false, _) => over.min(believed),
    };
    life.max(MIN_SESSION_LIFE)
}

/// In whole milliseconds, as the journal keeps times.
fn half(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis() / 2).unwrap_or(u64::MAX))
}

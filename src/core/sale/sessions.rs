//! The buyer is invited: a session is opened, its QR or code shown, and renewed until somebody joins.
//!
//! A session of the real service ends about 60 s after it was opened (recorded: 57 to 63 s), while
//! the buyer has `waitBuyer`. Two designs were weighed. Opening the next session when the old one has
//! ended is simple, but the buyer then looks at a dead code for one poll and a round trip, and who
//! scans in that moment is turned away. The other opens the next one ahead of time and asks for both
//! until the old one has ended, so that a buyer who scanned the old code just before still pays; whoever is
//! joined first wins. It wins for the price of a few questions.
//!
//! What the display shows is computed and not remembered: of the sessions that still live by what the
//! service has shown of their life, the newest in mode 2, the oldest in mode 1, since the cashier has
//! told its code. With none left the display says so.

use super::invitation::{MAX_RETRY_INTERVAL, SESSION_LIFE, Session, half, learned};
use super::*;
use crate::core::call::{Failure, Reply};
use crate::core::sale::completion::foreign_reply;
use crate::core::words;
use crate::model::operation::{Card, ErrorCode, OperationError, Shows};

/// How long before its end a session is renewed, or half of a life that is shorter than twice this.
const RENEWAL_LEAD: Duration = Duration::from_secs(10);
/// Sessions that end at once are not renewed faster than this.
const MIN_RENEWAL_INTERVAL: Duration = Duration::from_secs(3);
/// Sessions of one buyer that are asked for at the same time.
const MAX_SESSIONS: usize = 3;

impl Core {
    // ---- the first session --------------------------------------------------------------------

    /// When the next try may leave; `None` while one is under way.
    pub(super) fn opening_due_at(&self, opening: &Opening) -> Option<Duration> {
        let due = opening.retry_at.max(self.link.free_at(&[]));
        opening.request.is_none().then_some(due)
    }

    pub(super) fn opening_tick(&mut self, sale: &mut ActiveSale, turn: &mut Turn) {
        let Phase::Opening(opening) = &sale.phase else {
            return;
        };
        if self
            .opening_due_at(opening)
            .is_none_or(|at| at > turn.now.mono)
        {
            return;
        }
        let mode = session_mode(sale.record.operation.mode, opening.code.clone());
        let request = self.request(&sale.record.operation.id, Call::OpenSession(mode), turn);
        if let Phase::Opening(opening) = &mut sale.phase {
            (opening.request, opening.asked_at) = (Some(request), turn.now.mono);
        }
    }

    pub(super) fn opening_answered(
        &mut self,
        mut sale: ActiveSale,
        answer: &Answer,
        turn: &mut Turn,
    ) {
        let by_code = sale.record.operation.mode == Mode::ConsumerQr;
        match answer {
            Ok(Reply::Session {
                session,
                shows: None,
            }) if by_code => match sale.record.request {
                BuyerRequest::Sale(_) => self.pay(&mut sale, session.clone(), turn),
                BuyerRequest::Card(_) => self.await_card(&mut sale, session.clone(), turn.now),
            },
            Ok(Reply::Session {
                session,
                shows: Some(shows),
            }) if !by_code => {
                self.invite(&mut sale, session.clone(), shows.clone(), turn);
            }
            Err(failure @ Failure::Refused { .. }) if by_code => {
                let message = words::of_failure(failure).message;
                self.arm(&mut sale, Some(&message), turn);
            }
            // It may have used the code up: the cashier reads it once more.
            Err(Failure::Lost { .. } | Failure::TooManyRequests { .. }) if by_code => {
                self.arm(&mut sale, Some(cashier::SCAN_AGAIN), turn);
            }
            Err(
                failure @ (Failure::NotSent { .. }
                | Failure::Lost { .. }
                | Failure::SessionOver { .. }
                | Failure::TooManyRequests { .. }),
            ) => {
                if !self.repeat_later(&mut sale, failure, turn.now) {
                    return self.fail(sale, failure, turn);
                }
            }
            Err(failure @ (Failure::Refused { .. } | Failure::Token { .. })) => {
                return self.fail(sale, failure, turn);
            }
            Ok(_) => return self.fail(sale, &foreign_reply(), turn),
        }
        self.sale = Some(sale);
    }

    /// Calls that move no money are repeated within `timeout`.
    fn repeat_later(&self, sale: &mut ActiveSale, failure: &Failure, now: Now) -> bool {
        let Phase::Opening(opening) = &mut sale.phase else {
            return false;
        };
        opening.failed(failure, now.mono);
        let due = opening.retry_at.max(self.link.free_at(&[]));
        // Also where the service asks for patience: no buyer stands before a display that shows nothing for minutes.
        due.saturating_sub(opening.since) < self.settings.timeout
    }

    /// The buyer's code was taken: the service tells the card when it has found the buyer.
    fn await_card(&self, sale: &mut ActiveSale, session: String, now: Now) {
        let opened_at = opened_at(&sale.phase, now);
        let mut invitation = Invitation::new(opened_at);
        let mut session = Session::new(session, None, opened_at, now.mono);
        // He has joined already: the first question is due at once.
        session.next_at = now.mono;
        invitation.sessions.push(session);
        sale.phase = Phase::AwaitingBuyer(invitation);
    }

    fn invite(&mut self, sale: &mut ActiveSale, session: String, shows: Shows, turn: &mut Turn) {
        let opened_at = opened_at(&sale.phase, turn.now);
        let mut invitation = Invitation::new(opened_at);
        invitation
            .sessions
            .push(self.new_session(session, shows, opened_at, turn.now));
        sale.phase = Phase::AwaitingBuyer(invitation);
        self.show_visible(sale, "the buyer is invited", turn);
    }

    fn new_session(&self, id: String, shows: Shows, opened_at: Duration, now: Now) -> Session {
        let mut session = Session::new(id, Some(shows), opened_at, now.mono);
        session.next_at = now.mono + self.settings.poll_session;
        session
    }

    // ---- waiting for the buyer ----------------------------------------------------------------

    /// The moments at which something is due while the buyer is waited for.
    pub(super) fn invitation_wakeup<'a>(
        &'a self,
        invitation: &'a Invitation,
        mode: Mode,
    ) -> impl Iterator<Item = (Duration, &'static str)> + 'a {
        let life = self.session_life;
        let polls = invitation.sessions.iter().filter_map(|session| {
            let due = self.link.free_at(&session.subject()).max(session.next_at);
            let waits = session.request.is_none();
            waits.then_some((due, "session poll"))
        });
        let opening = match &invitation.opening {
            Some(opening) => self.opening_due_at(opening).map(|at| (at, "repeat")),
            None => self
                .renewal_due_at(invitation, mode)
                .map(|at| (at, "renewal")),
        };
        let shown = invitation.shown.as_ref().and_then(|shown| {
            let session = invitation.sessions.iter().find(|one| one.id == *shown)?;
            Some((session.opened_at + life, "a session's end"))
        });
        let failing = invitation.failing_since;
        let failing = failing.map(|since| (since + self.patience(), "polls fail"));
        let gap = self.gap_ends_at(invitation).map(|at| (at, "no session"));
        polls.chain([opening, shown, failing, gap].into_iter().flatten())
    }

    /// When the next session is to be asked for; sessions that a buyer's code opened are not renewed.
    fn renewal_due_at(&self, invitation: &Invitation, mode: Mode) -> Option<Duration> {
        // One more would be one too many to ask for.
        if mode == Mode::ConsumerQr || invitation.sessions.len() >= MAX_SESSIONS {
            return None;
        }
        let life = self.session_life;
        let lead = RENEWAL_LEAD.min(half(life));
        let due = invitation
            .sessions
            .last()
            .map_or(Duration::ZERO, |newest| newest.opened_at + life - lead);
        let due = due.max(invitation.demanded_at + MIN_RENEWAL_INTERVAL);
        Some(due.max(self.link.free_at(&[])))
    }

    /// Without any session the next one is asked for within `timeout`, then the line is down.
    fn gap_ends_at(&self, invitation: &Invitation) -> Option<Duration> {
        let opening = invitation.opening.as_ref()?;
        let is_gap = invitation.sessions.is_empty() && opening.failure.is_some();
        is_gap.then(|| opening.since + self.patience())
    }

    pub(super) fn invitation_tick(&mut self, mut sale: ActiveSale, turn: &mut Turn) {
        let Phase::AwaitingBuyer(invitation) = &sale.phase else {
            self.sale = Some(sale);
            return;
        };
        let patience = self.patience();
        let failing = invitation.failing_since;
        if failing.is_some_and(|since| since + patience <= turn.now.mono) {
            return self.fail(sale, &crate::core::sale::completion::silence(), turn);
        }
        if self
            .gap_ends_at(invitation)
            .is_some_and(|at| at <= turn.now.mono)
        {
            let failure = invitation
                .opening
                .as_ref()
                .and_then(|one| one.failure.clone());
            let failure = failure.unwrap_or_else(crate::core::sale::completion::silence);
            return self.fail(sale, &failure, turn);
        }
        self.ask_sessions(&mut sale, turn);
        self.renew(&mut sale, turn);
        self.show_visible(&mut sale, "the session was renewed", turn);
        self.sale = Some(sale);
    }

    /// Every session that may be asked for is asked for.
    fn ask_sessions(&mut self, sale: &mut ActiveSale, turn: &mut Turn) {
        let Phase::AwaitingBuyer(invitation) = &mut sale.phase else {
            return;
        };
        for session in &mut invitation.sessions {
            let subject = session.subject();
            let due = self.link.free_at(&subject).max(session.next_at);
            if session.request.is_some() || due > turn.now.mono {
                continue;
            }
            let call = Call::ConsumerStatus {
                session: session.id.0.clone(),
            };
            session.asked_at = turn.now.mono;
            let id = &sale.record.operation.id;
            session.request = Some(self.question(id, call, subject.to_vec(), turn));
        }
    }

    /// The next session is asked for, before the present one ends.
    fn renew(&mut self, sale: &mut ActiveSale, turn: &mut Turn) {
        let mode = sale.record.operation.mode;
        let Phase::AwaitingBuyer(invitation) = &mut sale.phase else {
            return;
        };
        let due = match &invitation.opening {
            Some(opening) => self.opening_due_at(opening),
            None => self.renewal_due_at(invitation, mode),
        };
        if due.is_none_or(|at| at > turn.now.mono) {
            return;
        }
        let call = Call::OpenSession(session_mode(mode, None));
        let request = self.request(&sale.record.operation.id, call, turn);
        invitation.demanded_at = turn.now.mono;
        match &mut invitation.opening {
            Some(opening) => (opening.request, opening.asked_at) = (Some(request), turn.now.mono),
            None => invitation.opening = Some(Opening::asked(request, None, turn.now.mono)),
        }
    }

    /// The display shows a living session, or says that there is none.
    fn show_visible(&mut self, sale: &mut ActiveSale, what: &str, turn: &mut Turn) {
        let (mode, amount) = (sale.record.operation.mode, sale.shown_amount());
        let Phase::AwaitingBuyer(invitation) = &mut sale.phase else {
            return;
        };
        if mode == Mode::ConsumerQr {
            return;
        }
        let visible = invitation.visible(mode, self.session_life, turn.now.mono);
        let visible = visible.and_then(|one| Some((one.id.clone(), one.shows.clone()?)));
        let is_shown = invitation.shown.as_ref() == visible.as_ref().map(|(id, _)| id);
        let failure = invitation.opening.as_ref();
        let failure = failure.and_then(|opening| opening.failure.as_ref());
        let is_down =
            |failure: &Failure| matches!(failure, Failure::NotSent { .. } | Failure::Lost { .. });
        let fails = failure.is_some_and(is_down);
        match visible {
            Some((id, shows)) if !is_shown => {
                invitation.shown = Some(id);
                sale.set_state(State::AwaitingBuyer, turn.now);
                let scene = match &shows {
                    Shows::Qr(text) => Scene::qr(text.clone(), amount),
                    Shows::Code(code) => {
                        sale.record.operation.message = cashier::tell_code(code);
                        Scene::code(code.clone(), amount)
                    }
                };
                sale.record.operation.shows = Some(shows);
                turn.write_sale(&mut sale.record, what);
                turn.show(scene);
            }
            None if !is_shown || sale.record.operation.shows.is_some() => {
                invitation.shown = None;
                sale.set_state(State::InProgress, turn.now);
                sale.record.operation.shows = None;
                turn.write_sale(
                    &mut sale.record,
                    "the session ended, and there is no new one yet",
                );
                turn.show(without_session(fails));
            }
            // It became known that there is no line.
            None if fails && !invitation.gap_told => {
                turn.show(without_session(fails));
            }
            Some(_) | None => {}
        }
        if let Phase::AwaitingBuyer(invitation) = &mut sale.phase {
            invitation.gap_told = invitation.shown.is_none() && fails;
        }
    }

    // ---- what the service says ----------------------------------------------------------------

    pub(super) fn invitation_answered(
        &mut self,
        mut sale: ActiveSale,
        request: RequestId,
        answer: &Answer,
        turn: &mut Turn,
    ) {
        let Phase::AwaitingBuyer(invitation) = &mut sale.phase else {
            self.sale = Some(sale);
            return;
        };
        let asked = |session: &Session| session.request == Some(request);
        match invitation.sessions.iter().position(asked) {
            Some(index) => self.consumer_answered(sale, index, answer, turn),
            None => self.renewal_answered(sale, answer, turn),
        }
    }

    fn renewal_answered(&mut self, mut sale: ActiveSale, answer: &Answer, turn: &mut Turn) {
        let Phase::AwaitingBuyer(invitation) = &mut sale.phase else {
            self.sale = Some(sale);
            return;
        };
        let failure = match answer {
            Ok(Reply::Session {
                session,
                shows: Some(shows),
            }) => {
                let asked_at = invitation
                    .opening
                    .take()
                    .map_or(turn.now.mono, |one| one.asked_at);
                let session = self.new_session(session.clone(), shows.clone(), asked_at, turn.now);
                invitation.sessions.push(session);
                None
            }
            Ok(_) => Some(foreign_reply()),
            Err(failure) => Some(failure.clone()),
        };
        if let Some(failure) = failure {
            let refused = matches!(failure, Failure::Refused { .. } | Failure::Token { .. });
            // While a session lives, a buyer may still join it.
            if refused && invitation.sessions.is_empty() {
                return self.fail(sale, &failure, turn);
            }
            if let Some(opening) = &mut invitation.opening {
                opening.failed(&failure, turn.now.mono);
            }
        }
        self.show_visible(&mut sale, "the session was renewed", turn);
        self.sale = Some(sale);
    }

    fn consumer_answered(
        &mut self,
        mut sale: ActiveSale,
        index: usize,
        answer: &Answer,
        turn: &mut Turn,
    ) {
        let Phase::AwaitingBuyer(invitation) = &mut sale.phase else {
            self.sale = Some(sale);
            return;
        };
        let Some(session) = invitation.sessions.get_mut(index) else {
            self.sale = Some(sale);
            return;
        };
        session.request = None;
        session.next_at = turn.now.mono;
        match answer {
            // Whoever is joined first wins, though his session may be the older one.
            Ok(Reply::Consumer { ready: true, card }) => {
                let session = session.id.0.clone();
                match sale.record.request {
                    BuyerRequest::Sale(_) => self.pay(&mut sale, session, turn),
                    BuyerRequest::Card(_) => {
                        return self.finish_card(sale, card.clone(), turn);
                    }
                }
            }
            Ok(Reply::Consumer { ready: false, .. }) => {
                session.alive_at = session.asked_at;
                let age = session.alive_at.saturating_sub(session.opened_at);
                invitation.failing_since = None;
                if age > self.session_life {
                    // The one that ended sooner was an exception.
                    self.session_life = age.max(SESSION_LIFE);
                    self.show_visible(&mut sale, "the session lives on", turn);
                }
            }
            Err(Failure::SessionOver { .. }) => {
                return self.session_over(sale, index, turn);
            }
            // A plea for patience is no failure: the service lives, and the clock obeys.
            Err(Failure::TooManyRequests { .. }) => invitation.failing_since = None,
            Ok(_) | Err(_) => {
                session.next_at = turn.now.mono + MAX_RETRY_INTERVAL / 2;
                let since = *invitation.failing_since.get_or_insert(turn.now.mono);
                if since + self.patience() <= turn.now.mono {
                    let failure = answer.as_ref().err().cloned().unwrap_or_else(foreign_reply);
                    return self.fail(sale, &failure, turn);
                }
            }
        }
        self.sale = Some(sale);
    }

    /// A session ended, as every one does: neither the line failed nor is the sale over.
    fn session_over(&mut self, mut sale: ActiveSale, index: usize, turn: &mut Turn) {
        let Phase::AwaitingBuyer(invitation) = &mut sale.phase else {
            self.sale = Some(sale);
            return;
        };
        invitation.failing_since = None;
        let session = invitation.sessions.remove(index);
        let seen = session.alive_at.saturating_sub(session.opened_at);
        let over = session.asked_at.saturating_sub(session.opened_at);
        let by_code = sale.record.operation.mode == Mode::ConsumerQr;
        if !by_code {
            let pause = self.settings.poll_session;
            self.session_life = learned(self.session_life, seen, over, pause);
        }
        if let Some(opening) = &mut invitation.opening {
            // From now on nothing else can bring the buyer.
            opening.since = turn.now.mono;
        }
        if by_code {
            // The buyer was not found by his code: he shows it once more.
            self.arm(&mut sale, Some(cashier::SESSION_OVER_SCAN_AGAIN), turn);
        } else {
            turn.write_sale(&mut sale.record, "a session ended");
            self.renew(&mut sale, turn);
            self.show_visible(&mut sale, "the session was renewed", turn);
        }
        self.sale = Some(sale);
    }

    /// The buyer is known, with a card or without one.
    fn finish_card(&mut self, mut sale: ActiveSale, card: Option<Card>, turn: &mut Turn) {
        sale.record.operation.card = card;
        self.finish(sale, State::Done, None, "the buyer is known", turn);
    }

    /// No display can show the QR: the buyer would wait in vain.
    pub(in crate::core) fn scene_refused(&mut self, reason: &str, turn: &mut Turn) {
        let invited = |sale: &mut ActiveSale| matches!(sale.phase, Phase::AwaitingBuyer(_));
        let Some(sale) = self.sale.take_if(invited) else {
            return;
        };
        let error = OperationError {
            code: ErrorCode::Invalid,
            message: cashier::QR_TOO_LARGE.to_owned(),
            detail: words::support_text(reason),
            remedy: cashier::QR_TOO_LARGE_REMEDY.to_owned(),
        };
        self.finish(
            sale,
            State::Failed,
            Some(error),
            "no display can show the QR",
            turn,
        );
    }
}

/// A session's life is counted from the request that opened it: it began no earlier.
fn opened_at(phase: &Phase, now: Now) -> Duration {
    match phase {
        Phase::Opening(opening) => opening.asked_at,
        Phase::Starting
        | Phase::AwaitingScan
        | Phase::AwaitingBuyer(_)
        | Phase::Paying(_)
        | Phase::Confirming { .. }
        | Phase::InDoubt(_)
        | Phase::Undoing { .. } => now.mono,
    }
}

/// What the buyer sees instead of a code that is over.
fn without_session(fails: bool) -> Scene {
    if fails {
        Scene::NoConnection
    } else {
        Scene::Checking
    }
}

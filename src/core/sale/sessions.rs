//! The buyer is invited: a session is opened, its QR or code shown, and renewed until somebody joins.
//!
//! A session of the real service ends about 60 s after it was opened (recorded: 57 to 63 s), while
//! the buyer has `waitBuyer`. Two designs were weighed. Opening the next session when the old one has
//! ended is simple, but the buyer then looks at a dead code for one poll and a round trip, and who
//! scans in that moment is turned away. The other opens the next one ahead of time and asks for both
//! until the old one has ended, so that a buyer who scanned the old code just before still pays; whoever is
//! joined first wins. It wins for the price of a few questions.
//!
//! What the display shows is computed and not remembered: of the sessions that still live by what the service has shown
//! of their life, the newest in mode 2, the oldest in mode 1, since the cashier has told its code. With none left the
//! display shows that there is none.

use super::invitation::{MAX_RETRY_INTERVAL, SESSION_LIFE, Session, estimate_life};
use super::*;
use crate::core::call::{Failure, Reply};
use crate::core::messages;
use crate::core::sale::completion::foreign_reply;
use crate::model::operation::{Card, ErrorCode, OperationError, Shows};

impl ActiveSale {
    // ---- the first session --------------------------------------------------------------------

    pub(super) fn opening_tick(&mut self, turn: &mut Turn) {
        let Phase::Opening(opening) = &self.phase else {
            return;
        };
        if opening
            .due_at(turn.link)
            .is_none_or(|at| at > turn.now.mono)
        {
            return;
        }
        let mode = session_mode(self.record.operation.mode, opening.code.clone());
        let request = turn.request(&self.record.operation.id, Call::OpenSession(mode));
        if let Phase::Opening(opening) = &mut self.phase {
            (opening.request, opening.asked_at) = (Some(request), turn.now.mono);
        }
    }

    pub(super) fn opening_answered(
        mut self,
        answer: &Answer,
        turn: &mut Turn,
    ) -> Option<ActiveSale> {
        let by_code = self.record.operation.mode == Mode::ConsumerQr;
        match answer {
            Ok(Reply::Session {
                session,
                shows: None,
            }) if by_code => match self.record.request {
                BuyerRequest::Sale(_) => self.pay(session.clone(), turn),
                BuyerRequest::Card(_) => self.await_card(session.clone(), turn.now),
            },
            Ok(Reply::Session {
                session,
                shows: Some(shows),
            }) if !by_code => {
                self.invite(session.clone(), shows.clone(), turn);
            }
            Err(failure @ Failure::Refused { .. }) if by_code => {
                let message = messages::of_failure(failure).message;
                self.arm(Some(&message), turn);
            }
            // It may have used the code up: the cashier reads it once more.
            Err(Failure::Lost { .. } | Failure::TooManyRequests { .. }) if by_code => {
                self.arm(Some(cashier::SCAN_AGAIN), turn);
            }
            Err(
                failure @ (Failure::NotSent { .. }
                | Failure::Lost { .. }
                | Failure::SessionOver { .. }
                | Failure::TooManyRequests { .. }),
            ) => {
                if !self.repeat_later(failure, turn) {
                    return self.fail(failure, turn);
                }
            }
            Err(failure @ (Failure::Refused { .. } | Failure::Token { .. })) => {
                return self.fail(failure, turn);
            }
            Ok(_) => return self.fail(&foreign_reply(), turn),
        }
        Some(self)
    }

    /// Calls that move no money are repeated within `timeout`.
    fn repeat_later(&mut self, failure: &Failure, turn: &Turn) -> bool {
        let Phase::Opening(opening) = &mut self.phase else {
            return false;
        };
        opening.failed(failure, turn.now.mono);
        let due = opening.retry_at.max(turn.link.free_at(&[]));
        // Also where the service asks for patience: no buyer stands before a display that shows nothing for minutes.
        due.saturating_sub(opening.since) < turn.settings.timeout
    }

    /// The buyer's code was taken: the service sends the card when it has found the buyer.
    fn await_card(&mut self, session: String, now: Now) {
        let opened_at = opened_at(&self.phase, now);
        let mut invitation = Invitation::new(opened_at);
        let mut session = Session::new(session, None, opened_at, now.mono);
        // He has joined already: the first question is due at once.
        session.next_at = now.mono;
        invitation.sessions.push(session);
        self.phase = Phase::AwaitingBuyer(invitation);
    }

    fn invite(&mut self, session: String, shows: Shows, turn: &mut Turn) {
        let opened_at = opened_at(&self.phase, turn.now);
        let mut invitation = Invitation::new(opened_at);
        invitation
            .sessions
            .push(Session::invited(session, shows, opened_at, turn));
        self.phase = Phase::AwaitingBuyer(invitation);
        self.show_visible("the buyer is invited", turn);
    }

    // ---- waiting for the buyer ----------------------------------------------------------------

    pub(super) fn invitation_tick(mut self, turn: &mut Turn) -> Option<ActiveSale> {
        let Phase::AwaitingBuyer(invitation) = &self.phase else {
            return Some(self);
        };
        let patience = turn.settings.patience();
        let failing = invitation.failing_since;
        if failing.is_some_and(|since| since + patience <= turn.now.mono) {
            return self.fail(&crate::core::sale::completion::silence(), turn);
        }
        let gap_ends_at = invitation.gap_ends_at(turn.settings);
        if gap_ends_at.is_some_and(|at| at <= turn.now.mono) {
            let failure = invitation
                .opening
                .as_ref()
                .and_then(|one| one.failure.clone());
            let failure = failure.unwrap_or_else(crate::core::sale::completion::silence);
            return self.fail(&failure, turn);
        }
        self.ask_sessions(turn);
        self.renew(turn);
        self.show_visible("the session was renewed", turn);
        Some(self)
    }

    /// Every session that may be asked for is asked for.
    fn ask_sessions(&mut self, turn: &mut Turn) {
        let Phase::AwaitingBuyer(invitation) = &mut self.phase else {
            return;
        };
        for session in &mut invitation.sessions {
            let subject = session.subject();
            let due = turn.link.free_at(&subject).max(session.next_at);
            if session.request.is_some() || due > turn.now.mono {
                continue;
            }
            let call = Call::ConsumerStatus {
                session: session.id.0.clone(),
            };
            session.asked_at = turn.now.mono;
            let id = &self.record.operation.id;
            session.request = Some(turn.question(id, call, subject.to_vec()));
        }
    }

    /// The next session is asked for, before the present one ends.
    fn renew(&mut self, turn: &mut Turn) {
        let mode = self.record.operation.mode;
        let Phase::AwaitingBuyer(invitation) = &mut self.phase else {
            return;
        };
        let due = match &invitation.opening {
            Some(opening) => opening.due_at(turn.link),
            None => invitation.renewal_due_at(mode, *turn.session_life, turn.link),
        };
        if due.is_none_or(|at| at > turn.now.mono) {
            return;
        }
        let call = Call::OpenSession(session_mode(mode, None));
        let request = turn.request(&self.record.operation.id, call);
        invitation.demanded_at = turn.now.mono;
        match &mut invitation.opening {
            Some(opening) => (opening.request, opening.asked_at) = (Some(request), turn.now.mono),
            None => invitation.opening = Some(Opening::asked(request, None, turn.now.mono)),
        }
    }

    /// The display shows a living session, or that there is none.
    fn show_visible(&mut self, what: &str, turn: &mut Turn) {
        let (mode, amount) = (self.record.operation.mode, self.shown_amount());
        let Phase::AwaitingBuyer(invitation) = &mut self.phase else {
            return;
        };
        if mode == Mode::ConsumerQr {
            return;
        }
        let visible = invitation.visible(mode, *turn.session_life, turn.now.mono);
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
                self.set_state(State::AwaitingBuyer, turn.now);
                let scene = match &shows {
                    Shows::Qr(text) => Scene::qr(text.clone(), amount),
                    Shows::Code(code) => {
                        self.record.operation.message = cashier::tell_code(code);
                        Scene::code(code.clone(), amount)
                    }
                };
                self.record.operation.shows = Some(shows);
                turn.defer_sale(&mut self.record, what);
                turn.show(scene);
            }
            None if !is_shown || self.record.operation.shows.is_some() => {
                invitation.shown = None;
                self.set_state(State::InProgress, turn.now);
                self.record.operation.shows = None;
                turn.defer_sale(
                    &mut self.record,
                    "the session ended, and there is no new one yet",
                );
                turn.show(without_session(fails));
            }
            // It became known that there is no line.
            None if fails && !invitation.gap_shown => {
                turn.show(without_session(fails));
            }
            Some(_) | None => {}
        }
        if let Phase::AwaitingBuyer(invitation) = &mut self.phase {
            invitation.gap_shown = invitation.shown.is_none() && fails;
        }
    }

    // ---- what the service answers -------------------------------------------------------------

    pub(super) fn invitation_answered(
        mut self,
        request: RequestId,
        answer: &Answer,
        turn: &mut Turn,
    ) -> Option<ActiveSale> {
        let Phase::AwaitingBuyer(invitation) = &mut self.phase else {
            return Some(self);
        };
        let asked = |session: &Session| session.request == Some(request);
        match invitation.sessions.iter().position(asked) {
            Some(index) => self.consumer_answered(index, answer, turn),
            None => self.renewal_answered(answer, turn),
        }
    }

    fn renewal_answered(mut self, answer: &Answer, turn: &mut Turn) -> Option<ActiveSale> {
        let Phase::AwaitingBuyer(invitation) = &mut self.phase else {
            return Some(self);
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
                let (session, shows) = (session.clone(), shows.clone());
                let session = Session::invited(session, shows, asked_at, turn);
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
                return self.fail(&failure, turn);
            }
            if let Some(opening) = &mut invitation.opening {
                opening.failed(&failure, turn.now.mono);
            }
        }
        self.show_visible("the session was renewed", turn);
        Some(self)
    }

    fn consumer_answered(
        mut self,
        index: usize,
        answer: &Answer,
        turn: &mut Turn,
    ) -> Option<ActiveSale> {
        let Phase::AwaitingBuyer(invitation) = &mut self.phase else {
            return Some(self);
        };
        let Some(session) = invitation.sessions.get_mut(index) else {
            return Some(self);
        };
        session.request = None;
        session.next_at = turn.now.mono;
        match answer {
            // Whoever is joined first wins, though his session may be the older one.
            Ok(Reply::Consumer { ready: true, card }) => {
                let session = session.id.0.clone();
                match self.record.request {
                    BuyerRequest::Sale(_) => self.pay(session, turn),
                    BuyerRequest::Card(_) => {
                        return self.finish_card(card.clone(), turn);
                    }
                }
            }
            Ok(Reply::Consumer { ready: false, .. }) => {
                session.alive_at = session.asked_at;
                let age = session.alive_at.saturating_sub(session.opened_at);
                invitation.failing_since = None;
                if age > *turn.session_life {
                    // The one that ended sooner was an exception.
                    *turn.session_life = age.max(SESSION_LIFE);
                    self.show_visible("the session lives on", turn);
                }
            }
            Err(Failure::SessionOver { .. }) => {
                return self.session_over(index, turn);
            }
            // A plea for patience is no failure: the service lives, and the clock obeys.
            Err(Failure::TooManyRequests { .. }) => invitation.failing_since = None,
            Ok(_) | Err(_) => {
                session.next_at = turn.now.mono + MAX_RETRY_INTERVAL / 2;
                let since = *invitation.failing_since.get_or_insert(turn.now.mono);
                if since + turn.settings.patience() <= turn.now.mono {
                    let failure = answer.as_ref().err().cloned().unwrap_or_else(foreign_reply);
                    return self.fail(&failure, turn);
                }
            }
        }
        Some(self)
    }

    /// A session ended, as every one does: neither the line failed nor is the sale over.
    fn session_over(mut self, index: usize, turn: &mut Turn) -> Option<ActiveSale> {
        let Phase::AwaitingBuyer(invitation) = &mut self.phase else {
            return Some(self);
        };
        invitation.failing_since = None;
        let session = invitation.sessions.remove(index);
        let seen = session.alive_at.saturating_sub(session.opened_at);
        let over = session.asked_at.saturating_sub(session.opened_at);
        let by_code = self.record.operation.mode == Mode::ConsumerQr;
        if !by_code {
            let pause = turn.settings.poll_session;
            *turn.session_life = estimate_life(*turn.session_life, seen, over, pause);
        }
        if let Some(opening) = &mut invitation.opening {
            // From now on nothing else can bring the buyer.
            opening.since = turn.now.mono;
        }
        if by_code {
            // The buyer was not found by his code: he shows it once more.
            self.arm(Some(cashier::SESSION_OVER_SCAN_AGAIN), turn);
        } else {
            turn.defer_sale(&mut self.record, "a session ended");
            self.renew(turn);
            self.show_visible("the session was renewed", turn);
        }
        Some(self)
    }

    /// The buyer is known, with a card or without one.
    fn finish_card(mut self, card: Option<Card>, turn: &mut Turn) -> Option<ActiveSale> {
        self.record.operation.card = card;
        self.finish(State::Done, None, "the buyer is known", turn);
        None
    }

    /// No display can show the QR: the buyer would wait in vain.
    pub(in crate::core) fn scene_refused(
        self,
        reason: &str,
        turn: &mut Turn,
    ) -> Option<ActiveSale> {
        if !matches!(self.phase, Phase::AwaitingBuyer(_)) {
            return Some(self);
        }
        let error = OperationError {
            code: ErrorCode::Invalid,
            message: cashier::QR_TOO_LARGE.to_owned(),
            detail: messages::support_text(reason),
            remedy: cashier::QR_TOO_LARGE_REMEDY.to_owned(),
        };
        let what = "no display can show the QR";
        self.finish(State::Failed, Some(error), what, turn);
        None
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

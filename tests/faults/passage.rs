//! How time passes.

use std::time::Duration;

use jiff::SignedDuration;
use oplati::base::clock::Now;
use oplati::core::event::Event;
use oplati::engine::Engine;

use crate::plan::RequestFate;
use crate::world::{Check, World};

impl World<'_> {
    pub(crate) fn jump_to(&mut self, mono: Duration) {
        let step = SignedDuration::try_from(mono - self.now.mono).unwrap_or_default();
        self.real += mono - self.now.mono;
        self.now = Now {
            wall: self.now.wall.checked_add(step).unwrap_or(self.now.wall),
            mono,
        };
        self.service.arrive(self.real);
    }

    fn next_wakeup(&self) -> Option<(Duration, &'static str)> {
        self.engine.as_ref().and_then(Engine::next_wakeup)
    }

    /// The machine sleeps: only the steady clock stands still, and no connection outlives it.
    pub(crate) fn suspend(&mut self, seconds: u64) -> Check {
        let time = Duration::from_secs(seconds);
        let broken: Vec<_> = std::mem::take(&mut self.pending);
        let mut answers = Vec::new();
        for (request, call, _) in broken {
            let fate = self
                .random
                .pick(&[RequestFate::AnswerLost, RequestFate::RequestLost]);
            let answer = self.fate_of(&call, fate);
            answers.push((request, call, answer));
        }
        self.real += time;
        let slept = SignedDuration::try_from(time).unwrap_or_default();
        self.now.wall = self.now.wall.checked_add(slept).unwrap_or(self.now.wall);
        self.service.arrive(self.real);
        self.troubled = true;
        let crashes = self.counts.crashes;
        for (request, call, answer) in answers {
            if crashes != self.counts.crashes {
                break;
            }
            self.note_asked(&call, &answer);
            self.note_closed(&call);
            self.event(Event::Answered { request, answer })?;
        }
        self.cut_held()
    }

    /// What the civil clock should show.
    pub(crate) fn true_wall(&self) -> jiff::Timestamp {
        self.service.wall(self.real)
    }

    pub(crate) fn run_due(&mut self) -> Check {
        for _ in 0..200 {
            match self.next_wakeup() {
                Some((at, _)) if at <= self.now.mono => self.event(Event::Tick)?,
                _ => return Ok(()),
            }
        }
        Err(format!("the core never rests: {:?}", self.next_wakeup()))
    }

    pub(crate) fn pass(&mut self, time: Duration) -> Check {
        let end = self.now.mono + time;
        self.run_due()?;
        for _ in 0..20_000 {
            self.answer_held()?;
            match self.next_moment(end) {
                Some(at) => {
                    self.jump_to(at.max(self.now.mono));
                    self.pulse()?;
                    self.answer_held()?;
                    self.event(Event::Tick)?;
                    self.fail_in_outage()?;
                }
                None => {
                    self.jump_to(end.max(self.now.mono));
                    return self.answer_held();
                }
            }
        }
        Err("time does not pass".into())
    }

    /// When something happens next, up to `end`.
    pub(crate) fn next_moment(&self, end: Duration) -> Option<Duration> {
        let wakeup = self.next_wakeup().map(|(at, _)| at);
        let held = self.held.iter().map(|held| held.until);
        held.chain(wakeup).min().filter(|at| *at <= end)
    }

    /// During an outage requests end by themselves.
    pub(crate) fn fail_in_outage(&mut self) -> Check {
        while self.now.mono < self.outage_until && !self.pending.is_empty() {
            self.counts.note("in an outage");
            self.answer(false, RequestFate::NotSent)?;
        }
        if self.now.mono < self.outage_until {
            self.cut_held()?;
        }
        Ok(())
    }

    /// Everything is answered as it comes, for so long.
    pub fn advance(&mut self, time: Duration) -> Check {
        let end = self.now.mono + time;
        for _ in 0..100_000 {
            self.run_due()?;
            if !self.pending.is_empty() {
                let number = self.pending.first().map_or(0, |(_, _, sent)| sent.number);
                let fate = self
                    .exact
                    .fate
                    .remove(&number)
                    .unwrap_or(RequestFate::Answered);
                self.answer(false, fate)?;
                continue;
            }
            self.answer_held()?;
            if !self.pending.is_empty() {
                continue;
            }
            match self.next_moment(end) {
                Some(at) => {
                    self.jump_to(at.max(self.now.mono));
                    self.pulse()?;
                }
                None => {
                    self.jump_to(end.max(self.now.mono));
                    self.pulse()?;
                    return self.answer_held();
                }
            }
        }
        Err("the core is never done".into())
    }
}

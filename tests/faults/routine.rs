//! How people go about it, whatever they are about: they make the till ready, invite the buyer, wait, and
//! look after what is set aside.

use std::time::Duration;

use oplati::core::call::PaymentStatus;
use oplati::core::record::Record;
use oplati::model::money::Kopecks;
use oplati::model::operation::{Kind, Operation, State};

use crate::plan::{Endpoint, RequestFate};
use crate::tales::{MINUTE, MOMENT, PART, Remedy, Undoing};
use crate::world::{Check, World};

/// Nobody waits for a line that is down for longer than this.
const MAX_OUTAGE_WAIT: Duration = Duration::from_secs(3 * 3600);

impl World<'_> {
    /// People wait until the line is there, stop what hangs, and let the queue have its time; whether
    /// anything can be begun.
    pub(crate) fn make_ready(&mut self) -> Result<bool, String> {
        self.end_troubles();
        if self.outage_until > self.now.mono + MAX_OUTAGE_WAIT {
            return Ok(false);
        }
        if self.outage_until > self.now.mono {
            self.pass(self.outage_until - self.now.mono + MOMENT)?;
        }
        let skew = self.now.wall.duration_since(self.true_wall());
        if skew.abs() > jiff::SignedDuration::from_mins(2) && self.random.one_in(2) {
            self.set_clock_right();
        }
        self.advance(MOMENT)?;
        let is_buyers = |operation: &Operation| matches!(operation.kind, Kind::Sale | Kind::Card);
        let open = self.open_operation().filter(|id| {
            let record = self.records.get(id);
            record.is_some_and(|record| is_buyers(record.operation()))
        });
        if let Some(id) = open {
            self.abort(&id)?;
            self.await_end(&id)?;
        }
        self.live_until(MINUTE, |world| {
            world.core().status(world.now).queue_depth == 0
        })?;
        Ok(true)
    }

    /// What the tale made ill is well again.
    pub(crate) fn end_troubles(&mut self) {
        let broken = self.broken;
        let lasts = |endpoint, fate| broken == Some((endpoint, fate));
        self.troubles.retain(|one| lasts(one.endpoint, one.fate));
    }

    pub(crate) fn is_final(&self, id: &str) -> bool {
        self.state(id).is_none_or(State::is_final)
    }

    pub(crate) fn state(&self, id: &str) -> Option<State> {
        self.records.get(id).map(|record| record.operation().state)
    }

    pub(crate) fn is_done(&self, id: &str) -> bool {
        self.state(id) == Some(State::Done)
    }

    pub(crate) fn is_set_aside(&self, id: &str) -> bool {
        let record = self.records.get(id);
        record.is_some_and(|record| matches!(record, Record::Entry(entry) if entry.set_aside))
    }

    /// Lives on from event to event until that is so, but not longer.
    pub(crate) fn live_until(
        &mut self,
        most: Duration,
        is_so: impl Fn(&World<'_>) -> bool,
    ) -> Check {
        let end = self.now.mono + most;
        self.advance(Duration::ZERO)?;
        while !is_so(self) && self.now.mono < end {
            let next = self.next_moment(end).unwrap_or(end);
            let step = next.saturating_sub(self.now.mono).max(MOMENT);
            self.advance(step)?;
        }
        Ok(())
    }

    pub(crate) fn await_end(&mut self, id: &str) -> Check {
        let id = id.to_owned();
        self.live_until(MINUTE, |world| world.is_final(&id))
    }

    /// The cashier shows what the display shows, the buyer joins.
    pub(crate) fn invite(&mut self, id: &str) -> Check {
        for _ in 0..20 {
            self.advance(Duration::ZERO)?;
            match self.records.get(id) {
                Some(Record::Sale(sale)) if !sale.payment_sent => match sale.operation.state {
                    state if state.is_final() => return Ok(()),
                    State::AwaitingScan => self.scan()?,
                    State::AwaitingBuyer => self.service.join(),
                    _ => {}
                },
                Some(_) => return Ok(()),
                // It is admitted when the queue and a probe allow it.
                None => {}
            }
            self.advance(MOMENT)?;
        }
        Ok(())
    }

    /// A sale whose payment the service has, if it comes so far.
    pub(crate) fn sale_until_payment(&mut self) -> Result<Option<String>, String> {
        let id = self.begin_sale()?;
        self.invite(&id)?;
        Ok((!self.is_final(&id)).then_some(id))
    }

    /// A fair sale; its id, if it is done.
    pub(crate) fn sell(&mut self) -> Result<Option<String>, String> {
        let Some(id) = self.sale_until_payment()? else {
            return Ok(None);
        };
        self.buyer_decides(PaymentStatus::Ok)?;
        self.await_end(&id)?;
        Ok(self.is_done(&id).then_some(id))
    }

    /// A sale that is paid and untouched: one that is there, or a new one.
    pub(crate) fn paid_sale(&mut self) -> Result<Option<String>, String> {
        let fresh = self.records.values().find(|record| {
            let operation = record.operation();
            operation.kind == Kind::Sale
                && operation.state == State::Done
                && operation.undo.is_none()
                && operation.left == Some(operation.amount)
                && Some(record.account()) == self.settings.account.as_ref()
                && !self
                    .settled_as
                    .keys()
                    .any(|id| self.is_entry_of(id, &operation.id))
        });
        match fresh.map(|record| record.operation().id.clone()) {
            Some(id) => Ok(Some(id)),
            None => self.sell(),
        }
    }

    pub(crate) fn is_entry_of(&self, entry: &str, of: &str) -> bool {
        let record = self.records.get(entry);
        record.is_some_and(|record| record.operation().of.as_deref() == Some(of))
    }

    pub(crate) fn with_paid_sale(&mut self, act: impl FnOnce(&mut Self, String) -> Check) -> Check {
        match self.paid_sale()? {
            Some(sale) => act(self, sale),
            None => Ok(()),
        }
    }

    /// A refund that is done, of a part of a paid sale.
    pub(crate) fn paid_refund(&mut self) -> Result<Option<String>, String> {
        let Some(sale) = self.paid_sale()? else {
            return Ok(None);
        };
        let id = self.refund(&sale, PART)?;
        self.await_end(&id)?;
        Ok(self.is_done(&id).then_some(id))
    }

    /// What can be cancelled in that way.
    pub(crate) fn target_of(&mut self, undoing: Undoing) -> Result<Option<String>, String> {
        match undoing {
            Undoing::Cancel | Undoing::Annul => self.paid_sale(),
            Undoing::CancelRefund => self.paid_refund(),
        }
    }

    pub(crate) fn cancel_and(
        &mut self,
        undoing: Undoing,
        act: impl FnOnce(&mut Self, String) -> Check,
    ) -> Check {
        let Some(target) = self.target_of(undoing)? else {
            return Ok(());
        };
        let id = self.cancel(&target, undoing == Undoing::Annul)?;
        act(self, id)
    }

    /// The same, with a reversal that fares so.
    pub(crate) fn cancel_ill(
        &mut self,
        undoing: Undoing,
        fate: RequestFate,
        times: u64,
        act: impl FnOnce(&mut Self, String) -> Check,
    ) -> Check {
        let Some(target) = self.target_of(undoing)? else {
            return Ok(());
        };
        self.trouble(Endpoint::Reverse, fate, MINUTE, times);
        let id = self.cancel(&target, undoing == Undoing::Annul)?;
        act(self, id)
    }

    pub(crate) fn abort_acknowledged(&mut self, id: &str) -> Check {
        if self.acked.contains(id) {
            self.abort(id)?;
        }
        self.await_end(id)
    }

    /// What a person does about an entry that is set aside.
    pub(crate) fn remedy(&mut self, id: &str, remedy: Remedy) -> Check {
        let Some(Record::Entry(entry)) = self.records.get(id) else {
            return Ok(());
        };
        if !entry.set_aside {
            return Ok(());
        }
        let (target, of) = (entry.target.payment_id, entry.operation.of.clone());
        let amount: Kopecks = entry.operation.amount;
        match remedy {
            Remedy::Nothing => Ok(()),
            Remedy::Retry => {
                self.retry(id)?;
                self.await_end(id)
            }
            Remedy::Again => {
                let Some(of) = of else { return Ok(()) };
                let again = self.cancel(&of, false)?;
                self.await_end(&again)
            }
            Remedy::ByHand => {
                if let Some(target) = target
                    && !self.moves_yet_of(id)
                    && self.service.reverse_by_hand(target, amount, self.real)
                {
                    self.counts
                        .note("money given back in the merchant's account");
                    self.settle(id)?;
                }
                Ok(())
            }
            Remedy::Leave => self.settle(id),
        }
    }
}

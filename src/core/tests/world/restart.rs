//! A process that dies, and the one that reads its journal.

use std::time::Duration;

use super::World;
use crate::core::Core;
use crate::core::event::Restored;
use crate::core::record::Record;
use crate::model::operation::{Kind, State};

impl World {
    /// The power fails, and takes what it may take of the journal.
    pub(crate) fn power_cut(&mut self, off: Duration) {
        self.journal.clone_from(&self.on_disk);
        self.crash(off);
    }

    /// The process dies; another reads the journal.
    pub(crate) fn crash(&mut self, off: Duration) {
        self.pending.clear();
        self.held.clear();
        // A restart may forget one pause.
        self.asked_at.clear();
        self.started += 1;
        self.jump_to(self.now.mono + off);
        let mut restored = Restored {
            next_own: self.journal.keys().filter(|id| id.starts_with('~')).count() as u64 + 1,
            newest: self
                .journal
                .values()
                .map(|record| record.operation().updated_at)
                .max(),
            ..Restored::default()
        };
        let sales = self.journal.values().filter_map(|record| match record {
            Record::Sale(sale) if sale.operation.kind == Kind::Sale => Some(sale),
            Record::Sale(_) | Record::Entry(_) => None,
        });
        let newest = sales.max_by_key(|sale| sale.operation.created_at);
        restored.own_shift = newest.and_then(|sale| sale.request.receipt()?.shift.clone());
        for record in self.journal.values() {
            if let Record::Sale(sale) = record
                && sale.operation.state == State::Done
            {
                restored.witnesses.push(sale.as_ref().clone());
            }
        }
        for record in self.journal.values().filter(|record| record.is_open()) {
            match record {
                Record::Sale(sale) => restored.sales.push(sale.as_ref().clone()),
                Record::Entry(entry) => {
                    restored.entries.push(entry.as_ref().clone());
                    let mut of = entry.operation.of.clone();
                    while let Some(id) = of {
                        let target = self.journal[&id].clone();
                        of = target.operation().of.clone();
                        restored.targets.push(target);
                    }
                }
            }
        }
        self.settings.order_prefix = format!("p{}", self.started);
        let (core, step) = Core::new(self.settings.clone(), restored, self.now);
        self.core = core;
        self.take(step);
    }
}

//! The journal on a disk that fails: a full one, a broken one, one that lies about what it has kept, and one
//! whose machine dies in the middle of a transaction.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::rc::Rc;

use jiff::Timestamp;
use oplati::core::event::{Durability, JournalContext, Restored, Write};
use oplati::core::record::{Record, ReversalRecord};
use oplati::engine::Storage;
use oplati::journal::{Journal, JournalError};
use oplati::model::operation::OperationRequest;

use crate::plan::DiskFault;
use crate::store::Store;

/// So many commits can be lost at once.
const MAX_LOST: usize = 12;

/// How a commit can be taken back.
#[derive(Debug)]
struct Before {
    /// What a row was, by the operation's id.
    rows: Vec<(String, Option<Record>)>,
    /// Whether a power cut may take it.
    is_deferred: bool,
}

/// What a test does to a disk, and what it met.
#[derive(Debug)]
pub struct Faults {
    /// What the next commits meet.
    pub next: VecDeque<DiskFault>,
    /// The process dies when the fuse blows; else its transaction fails.
    pub fuse_kills: bool,
    /// The process died in a transaction: nothing that it does from now on counts.
    pub died: bool,
    /// What was met, for the counts.
    pub met: Vec<&'static str>,
}

/// The one hand on a disk that the engine does not hold.
pub type Hand = Rc<RefCell<Faults>>;

#[derive(Debug)]
pub struct Disk<'a> {
    journal: &'a mut Journal,
    store: &'a Store,
    faults: Hand,
    /// What was reported as failed and is in the log all the same, until the log is overwritten or emptied.
    ghost: Option<Vec<Write>>,
    /// How the last commits can be taken back.
    undo_log: VecDeque<Before>,
    /// The rows as they are.
    rows: BTreeMap<String, Record>,
}

impl<'a> Disk<'a> {
    /// A disk that is well, with these rows in its journal; and a hand on it.
    pub fn new(
        journal: &'a mut Journal,
        store: &'a Store,
        rows: BTreeMap<String, Record>,
    ) -> (Disk<'a>, Hand) {
        let faults = Rc::new(RefCell::new(Faults {
            next: VecDeque::new(),
            fuse_kills: true,
            died: false,
            met: Vec::new(),
        }));
        let disk = Disk {
            journal,
            store,
            faults: Rc::clone(&faults),
            ghost: None,
            undo_log: VecDeque::new(),
            rows,
        };
        (disk, faults)
    }

    fn met(&self, what: &'static str) {
        self.faults.borrow_mut().met.push(what);
    }

    /// What was reported as failed turns out to be in the log that the next process reads.
    pub fn find_ghost(&mut self) -> Result<(), JournalError> {
        let Some(ghost) = self.ghost.take() else {
            return Ok(());
        };
        self.met("what was reported as failed is there after a restart");
        self.keep(&ghost)
    }

    /// A power cut takes the last deferred commits, as it may.
    pub fn lose_deferred(&mut self) -> Result<(), JournalError> {
        while self.undo_log.back().is_some_and(|last| last.is_deferred) {
            self.met("deferred commit lost at a power cut");
            self.take_back()?;
        }
        Ok(())
    }

    /// The last commits are not there after a crash, whatever was reported. Returns whose rows they were.
    pub fn lose(&mut self, commits: u64) -> Result<Vec<String>, JournalError> {
        self.ghost = None;
        let mut lost = Vec::new();
        for _ in 0..commits {
            if self.undo_log.is_empty() {
                break;
            }
            self.met("commit lost at a crash");
            lost.extend(self.take_back()?);
        }
        Ok(lost)
    }

    /// Takes the last commit back; whose rows it was of.
    fn take_back(&mut self) -> Result<Vec<String>, JournalError> {
        let mut lost = Vec::new();
        if let Some(before) = self.undo_log.pop_back() {
            for (id, record) in before.rows {
                match record {
                    Some(record) => {
                        let (what, at) = (String::new(), record.operation().updated_at);
                        let durability = Durability::Immediate;
                        let write = Write {
                            record,
                            what,
                            at,
                            durability,
                        };
                        self.journal.commit(std::slice::from_ref(&write))?;
                        self.rows.insert(id.clone(), write.record);
                    }
                    None => {
                        self.store.delete(&id);
                        self.rows.remove(&id);
                    }
                }
                lost.push(id);
            }
        }
        Ok(lost)
    }

    /// The rows as they are.
    pub fn rows(&self) -> &BTreeMap<String, Record> {
        &self.rows
    }

    fn keep(&mut self, writes: &[Write]) -> Result<(), JournalError> {
        self.journal.commit(writes)?;
        self.ghost = None;
        let mut before = Vec::new();
        for write in writes {
            let id = write.record.operation().id.clone();
            let old = self.rows.insert(id.clone(), write.record.clone());
            if !before.iter().any(|(known, _)| *known == id) {
                before.push((id, old));
            }
        }
        let mut writes = writes.iter();
        self.undo_log.push_back(Before {
            rows: before,
            is_deferred: writes.all(|write| write.durability == Durability::Deferred),
        });
        if self.undo_log.len() > MAX_LOST {
            self.undo_log.pop_front();
        }
        Ok(())
    }

    fn fail(&mut self, fault: DiskFault, writes: &[Write]) -> Result<(), JournalError> {
        self.met(match fault {
            DiskFault::Full => "disk full",
            DiskFault::Broken => "disk broken for a while",
            DiskFault::ReportedFailed => "commit reported as failed, and in the log",
            DiskFault::KeptButFailed => "commit reported as failed, and kept",
        });
        match fault {
            DiskFault::Full => return Err(full()),
            DiskFault::Broken => {}
            DiskFault::ReportedFailed => self.ghost = Some(writes.to_vec()),
            DiskFault::KeptButFailed => self.keep(writes)?,
        }
        Err(broken())
    }
}

fn full() -> JournalError {
    let path = PathBuf::from("journal");
    JournalError::Full { path }
}

fn broken() -> JournalError {
    JournalError::Statement {
        doing: "written",
        source: rusqlite::Error::InvalidQuery,
    }
}

impl Storage for Disk<'_> {
    fn commit(&mut self, writes: &[Write]) -> Result<(), JournalError> {
        if writes.is_empty() {
            return Ok(());
        }
        if self.faults.borrow().died {
            return Err(broken());
        }
        let fault = self.faults.borrow_mut().next.pop_front();
        if let Some(fault) = fault {
            return self.fail(fault, writes);
        }
        let kept = self.keep(writes);
        if kept.is_err() {
            // The fuse: the process died between two statements of the transaction, or one of them failed.
            self.store.disarm();
            let mut faults = self.faults.borrow_mut();
            faults.died = std::mem::replace(&mut faults.fuse_kills, true);
            let what = if faults.died {
                "crash in a transaction"
            } else {
                "a statement of a transaction fails"
            };
            faults.met.push(what);
        }
        kept
    }

    fn find(&self, id: &str) -> Result<Option<Record>, JournalError> {
        self.journal.find(id)
    }

    fn context(
        &self,
        requested: &OperationRequest,
        shift: &str,
    ) -> Result<JournalContext, JournalError> {
        self.journal.context(requested, shift)
    }

    fn entry(&self, id: &str) -> Result<Option<(ReversalRecord, Vec<Record>)>, JournalError> {
        self.journal.entry(id)
    }

    fn restore(&self) -> Result<Restored, JournalError> {
        self.journal.restore()
    }

    fn secure_room(&mut self) -> Result<(), JournalError> {
        let mut faults = self.faults.borrow_mut();
        if faults.next.front() == Some(&DiskFault::Full) {
            // What would fill the reserve finds the disk full, too.
            faults.next.pop_front();
            faults.met.push("no room for another operation");
            return Err(full());
        }
        Ok(())
    }

    fn use_reserve(&mut self) {
        self.journal.use_reserve();
    }

    fn start_aging(&mut self, now: Timestamp) -> Result<bool, JournalError> {
        self.journal.start_aging(now)
    }

    fn purge(&mut self, before: Timestamp, limit: u32) -> Result<u32, JournalError> {
        let removed = self.journal.purge(before, limit)?;
        if removed > 0 {
            self.met("old operations are removed");
            // They are gone for good, and so are the commits that knew them.
            self.undo_log.clear();
            let journal = &self.journal;
            self.rows
                .retain(|id, _| journal.find(id).is_ok_and(|row| row.is_some()));
        }
        Ok(removed)
    }

    fn empty_log(&mut self) -> bool {
        self.ghost = None;
        true
    }

    fn operations(&self) -> u64 {
        self.journal.operations()
    }
}

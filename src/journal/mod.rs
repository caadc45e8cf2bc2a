//! The durable truth: one SQLite file, written by the core's thread, read by the API.
//!
//! Two designs were weighed: an append-only file of our own with checksums, and SQLite. Our own would
//! be a few hundred lines, quick and simple, and would have to earn in years what SQLite has: survive
//! torn writes, full disks and power cuts at any instant, and open in a technician's hands with a
//! tool that every distribution has. So SQLite: WAL, and one transaction for each step of the core.
//!
//! A commit is on the disk when it returns (`synchronous=FULL`), unless each of its changes is
//! [deferred](Durability::Deferred): then it is in the log, where every reader and the next process finds it, and
//! reaches the disk with the next one (`synchronous=NORMAL`). A power cut takes the last of those. Two designs were
//! weighed for changes that no restart needs to know: to keep them in memory until something durable is written would
//! save their pages as well, but readers would have to look into two places, and a crash of the process alone would
//! lose them; so they are written, and only the wait for the disk is saved.
//!
//! - `operations` holds each operation as it is now: columns for queries, `record` for everything.
//! - `history` holds what happened to it and when: the time line of an operation.
//!
//! Room for the end of an operation is secured before it begins: a reserve file beside the journal
//! is filled with real blocks; when the disk is full in the middle of an operation, the reserve is
//! given up and the end can be written. No operation begins without the reserve.
//!
//! Damage is believed when two looks have confirmed it, and not on the word of one failed read, which may be the
//! disk's fault: see `doubt`. Nothing at a start reads the whole of a large journal: see `background`.
//!
//! What a till asked for can be large and never changes: it is written once, beside what does change.

mod background;
mod doubt;
mod error;
mod inspect;
mod lock;
mod log_rescue;
mod opening;
mod place;
mod quarantine;
mod quota;
mod reader;
mod reserve;
mod row;
mod schema;
mod trouble;
mod wal_index;
mod witnesses;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use crate::core::event::{Durability, JournalContext, Restored, Write};
use crate::core::record::{Record, ReversalRecord};
use crate::model::operation::{OperationRequest, rfc3339_ms};

pub(crate) use background::BackgroundCheck;
use background::CheckState;
pub use error::JournalError;
use error::{preparing, reading, writing};
pub(crate) use inspect::{Inspected, inspect};
pub(crate) use lock::{Lock, running_holder, stopping_holder};
use opening::{check, damaged_or};
use place::Identity;
pub(crate) use reader::{Reader, ShiftReader};
pub(crate) use trouble::Trouble;

use reserve::Reserve;
use row::{COLUMNS, parse, read_row};

/// How long a statement waits for another process that holds the file, a backup for example.
const BUSY_WAIT: Duration = Duration::from_secs(2);
/// Statements that are kept prepared: more than there are.
const MAX_PREPARED: usize = 64;
/// So many of the newest rows are looked at for what no index holds.
const MAX_NEWEST_ROWS: u32 = 500;
/// Most rows whose age one call of [`Journal::start_aging`] reckons: the core waits for it.
const MAX_AGED_AT_ONCE: u32 = 2000;

/// The writing end: one in a process, one process for a file.
#[derive(Debug)]
pub struct Journal {
    connection: Connection,
    path: PathBuf,
    /// Of a journal in a file.
    file: Option<File>,
    count: Count,
    /// Whether a commit is on the disk when it returns.
    waits_for_disk: bool,
}

/// How many operations there are.
#[derive(Debug)]
struct Count {
    /// So many at the start at most, until they are counted.
    at_start: u64,
    /// Of one that is counted in the background.
    counting: Option<Arc<CheckState>>,
    added: u64,
    removed: u64,
}

/// What belongs to a journal in a file.
#[derive(Debug)]
struct File {
    reserve: Reserve,
    /// To be read plainly, and held as long as the connection: closing it would give up SQLite's locks.
    content: Arc<std::fs::File>,
    /// Held as long for the same reason.
    _wal_index: Option<std::fs::File>,
    /// Whether the paths still lead to what is open.
    identity: Identity,
    /// A log that was taken away has its name again, and must not be written any more.
    is_log_secured: bool,
    lock: Lock,
}

/// Descriptors of a journal that live as long as its connection.
#[derive(Debug)]
struct Held {
    content: Arc<std::fs::File>,
    wal_index: Option<std::fs::File>,
    is_checked: bool,
}

impl Journal {
    /// The check of a journal that is too large to be checked before it is used; `None` of one that was.
    ///
    /// # Errors
    /// [`JournalError::Statement`].
    pub fn background_check(&self) -> Result<Option<BackgroundCheck>, JournalError> {
        let (Some(state), Some(file)) = (&self.count.counting, &self.file) else {
            return Ok(None);
        };
        let newest = "SELECT COALESCE(MAX(seq), 0) FROM operations";
        let last = self.connection.query_row(newest, [], |row| row.get(0));
        Ok(Some(BackgroundCheck {
            path: self.path.clone(),
            content: Arc::clone(&file.content),
            last: last.map_err(reading)?,
            state: Arc::clone(state),
        }))
    }

    /// Whether the operations are counted: those of a large journal are counted in the background.
    pub fn is_counted(&self) -> bool {
        let counting = self.count.counting.as_ref();
        counting.is_none_or(|state| state.count().is_some())
    }

    /// How many operations it holds; at most so many until they are counted.
    pub fn operations(&self) -> u64 {
        let Count {
            at_start,
            counting,
            added,
            removed,
        } = &self.count;
        let counted = counting.as_ref().and_then(|state| state.count());
        (counted.unwrap_or(*at_start) + added).saturating_sub(*removed)
    }

    /// Makes the writes of one step durable, all or none.
    ///
    /// # Errors
    /// [`JournalError::Statement`]: nothing of the step is in the journal then.
    pub fn commit(&mut self, writes: &[Write]) -> Result<(), JournalError> {
        if writes.is_empty() {
            return Ok(());
        }
        self.check_place()?;
        let is_deferred = |write: &Write| write.durability == Durability::Deferred;
        self.wait_for_disk(!writes.iter().all(is_deferred))?;
        let transaction = self.connection.transaction().map_err(writing)?;
        let mut added = 0;
        for write in writes {
            added += u64::from(row::store(&transaction, write)?);
        }
        transaction.commit().map_err(writing)?;
        self.count.added += added;
        Ok(())
    }

    /// Whether commits from now on are on the disk when they return.
    fn wait_for_disk(&mut self, waits: bool) -> Result<(), JournalError> {
        if self.waits_for_disk != waits {
            self.connection
                .pragma_update(None, "synchronous", if waits { "FULL" } else { "NORMAL" })
                .map_err(writing)?;
            self.waits_for_disk = waits;
        }
        Ok(())
    }

    /// Secures room for the end of an operation.
    ///
    /// # Errors
    /// [`JournalError::Full`] or [`JournalError::Prepare`]: no operation may begin.
    pub fn secure_room(&mut self) -> Result<(), JournalError> {
        self.check_place()?;
        self.check_content()?;
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        if file.reserve.is_something_else() {
            return Err(JournalError::Reserve {
                path: file.reserve.path().to_owned(),
            });
        }
        file.reserve.fill().map_err(preparing(&self.path))
    }

    /// Gives the secured room up for the end of an operation.
    pub fn use_reserve(&mut self) {
        if let Some(file) = &mut self.file {
            file.reserve.give_up();
        }
    }

    /// One operation, whole.
    pub fn find(&self, id: &str) -> Result<Option<Record>, JournalError> {
        find(&self.connection, id)
    }

    /// What the journal knows of a request; `shift` is the present one, for a sale that names none.
    pub fn context(
        &self,
        requested: &OperationRequest,
        shift: &str,
    ) -> Result<JournalContext, JournalError> {
        let mut context = JournalContext::default();
        match requested {
            OperationRequest::Card(_) => {}
            OperationRequest::Sale(sale) => {
                let shift = sale.receipt.shift.as_deref().unwrap_or(shift);
                context.set_aside = self.set_aside(&sale.receipt.number, shift)?;
            }
            OperationRequest::Refund(refund) => {
                context.target = match (&refund.sale, refund.payment_id) {
                    (Some(sale), _) => self.find(sale)?,
                    (None, Some(payment_id)) => self.sale_of_payment(payment_id)?,
                    (None, None) => None,
                };
                context.reversals = match (&context.target, refund.payment_id) {
                    (Some(sale), _) => self.reversals_of(&sale.operation().id)?,
                    (None, Some(payment_id)) => self.reversals_of_payment(payment_id)?,
                    (None, None) => Vec::new(),
                };
            }
            OperationRequest::Cancellation(cancellation) => {
                context.target = self.find(&cancellation.operation)?;
                context.reversals = self.reversals_of(&cancellation.operation)?;
                if let Some(Record::Entry(entry)) = &context.target
                    && let Some(sale) = &entry.operation.of
                {
                    context.sale = self.find(sale)?;
                }
            }
        }
        Ok(context)
    }

    fn set_aside(&self, receipt: &str, shift: &str) -> Result<Option<String>, JournalError> {
        // What stands beside a sale names it in its record alone; those that are open and set aside are few.
        let sql = "SELECT entry.id FROM operations entry \
                   JOIN operations target ON target.id = COALESCE(entry.of, json_extract(entry.record, '$.entry.beside')) \
                   WHERE entry.open = 1 AND entry.set_aside = 1 AND target.receipt = ?1 AND target.shift = ?2 \
                   LIMIT 1";
        let mut query = self.connection.prepare_cached(sql).map_err(reading)?;
        let row = query.query_row(params![receipt, shift], |row| row.get(0));
        row.optional().map_err(reading)
    }

    /// The shift that the newest sale named.
    fn own_shift(&self) -> Result<Option<String>, JournalError> {
        let newest = "seq = (SELECT seq FROM operations WHERE kind = ?1 ORDER BY seq DESC LIMIT 1)";
        let newest = self.records(newest, &[&"sale"])?.pop();
        Ok(newest.and_then(|record| match record {
            Record::Sale(sale) => sale.request.receipt()?.shift.clone(),
            Record::Entry(_) => None,
        }))
    }

    fn sale_of_payment(&self, payment_id: i64) -> Result<Option<Record>, JournalError> {
        let condition = "payment_id = ?1 AND kind = 'sale'";
        let mut found = self.records(condition, &[&payment_id])?;
        Ok(found.pop())
    }

    fn reversals_of(&self, id: &str) -> Result<Vec<ReversalRecord>, JournalError> {
        Ok(entries(self.records("of = ?1", &[&id])?))
    }

    fn reversals_of_payment(&self, payment_id: i64) -> Result<Vec<ReversalRecord>, JournalError> {
        let found = self.records("target_payment = ?1 AND kind = 'refund'", &[&payment_id])?;
        Ok(entries(found))
    }

    /// In the order in which they were made.
    fn records(
        &self,
        condition: &str,
        values: &[&dyn rusqlite::ToSql],
    ) -> Result<Vec<Record>, JournalError> {
        let sql = format!("SELECT {COLUMNS} FROM operations WHERE {condition} ORDER BY seq");
        let mut query = self.connection.prepare_cached(&sql).map_err(reading)?;
        let rows = query.query_map(values, read_row).map_err(reading)?;
        rows.map(|row| parse(&row.map_err(reading)?)).collect()
    }

    /// How many operations with money are not over: sales and reversals under way, and all that the queue
    /// holds, what was set aside included. What was found absent and is only asked for again is over.
    pub fn unfinished(&self) -> Result<usize, JournalError> {
        let sql = "SELECT COUNT(*) FROM operations WHERE open = 1 AND kind <> 'card' AND (live = 1 OR state NOT IN \
                   ('done', 'declined', 'not_enough_money', 'expired', 'cancelled', 'failed'))";
        let count: i64 = self
            .connection
            .query_row(sql, [], |row| row.get(0))
            .map_err(reading)?;
        Ok(usize::try_from(count).unwrap_or_default())
    }

    /// What a restart must take up.
    ///
    /// # Errors
    /// [`JournalError`] when a row cannot be read: nothing is guessed.
    pub fn restore(&self) -> Result<Restored, JournalError> {
        let mut restored = Restored {
            next_own: self.next_own()?,
            own_shift: self.own_shift()?,
            ..Restored::default()
        };
        // A number in the text, and no value that is bound: the index is of those that are open.
        for record in self.records("open = 1", &[])? {
            match record {
                Record::Sale(sale) => restored.sales.push(*sale),
                Record::Entry(entry) => {
                    self.restore_targets(&entry, &mut restored.targets)?;
                    restored.entries.push(*entry);
                }
            }
        }
        restored.newest = self.newest_update()?;
        self.restore_witnesses(&mut restored)?;
        Ok(restored)
    }

    /// The newest time at which an operation was changed last, of those that are new or open: no index holds it, and an
    /// old one is seldom changed.
    fn newest_update(&self) -> Result<Option<Timestamp>, JournalError> {
        let sql = "SELECT MAX(updated_at) FROM (SELECT updated_at FROM operations WHERE open = 1 UNION ALL \
                   SELECT updated_at FROM (SELECT updated_at FROM operations ORDER BY seq DESC LIMIT ?1))";
        self.time(sql, MAX_NEWEST_ROWS)
    }

    /// When the first operation was changed last.
    ///
    /// # Errors
    /// [`JournalError::Statement`].
    pub fn oldest_update(&self) -> Result<Option<Timestamp>, JournalError> {
        let sql =
            "SELECT MIN(updated_at) FROM (SELECT updated_at FROM operations ORDER BY seq LIMIT ?1)";
        self.time(sql, 1)
    }

    fn time(&self, sql: &str, limit: u32) -> Result<Option<Timestamp>, JournalError> {
        let text: Option<String> = self
            .connection
            .query_row(sql, [limit], |row| row.get(0))
            .map_err(reading)?;
        Ok(text.and_then(|text| text.parse().ok()))
    }

    fn restore_targets(
        &self,
        entry: &ReversalRecord,
        targets: &mut Vec<Record>,
    ) -> Result<(), JournalError> {
        let mut id = entry.operation.of.clone();
        // A cancelled refund leads on to its sale.
        while let Some(of) = id {
            let target = self.find(&of)?.ok_or_else(|| JournalError::Orphan {
                id: entry.operation.id.clone(),
            })?;
            id = target.operation().of.clone();
            targets.push(target);
        }
        Ok(())
    }

    /// An entry with what it reverses, and the sale of a refund that it reverses, to look into it once more.
    pub fn entry(&self, id: &str) -> Result<Option<(ReversalRecord, Vec<Record>)>, JournalError> {
        let Some(Record::Entry(entry)) = self.find(id)? else {
            return Ok(None);
        };
        let (mut targets, mut id) = (Vec::new(), entry.operation.of.clone());
        // What is over long ago may be purged already.
        while let Some(of) = id.take()
            && let Some(target) = self.find(&of)?
        {
            id.clone_from(&target.operation().of);
            targets.push(target);
        }
        Ok(Some((*entry, targets)))
    }

    fn next_own(&self) -> Result<u64, JournalError> {
        // An identifier of a till begins with a letter or a digit.
        let sql = "SELECT COALESCE(MAX(CAST(SUBSTR(id, 2) AS INTEGER)), 0) FROM operations WHERE id >= '~'";
        let last: i64 = self
            .connection
            .query_row(sql, [], |row| row.get(0))
            .map_err(reading)?;
        Ok(u64::try_from(last).unwrap_or_default() + 1)
    }

    /// Reckons the age of what was written since the last call: it ages from `now` on, by a clock that is
    /// confirmed. Answers whether there may be more.
    pub fn start_aging(&mut self, now: Timestamp) -> Result<bool, JournalError> {
        let mut update = self
            .connection
            .prepare_cached(row::START_AGING)
            .map_err(writing)?;
        let aged = update
            .execute(params![rfc3339_ms::text(now), MAX_AGED_AT_ONCE])
            .map_err(writing)?;
        Ok(u32::try_from(aged).is_ok_and(|aged| aged == MAX_AGED_AT_ONCE))
    }

    /// Removes at most `limit` operations that are over and age from a moment before `before`, oldest
    /// first, with their time lines. What is unfinished stays, and so does what an unfinished or younger
    /// operation reverses. Answers how many were removed.
    ///
    /// # Errors
    /// [`JournalError::Statement`]; nothing is removed then.
    pub fn purge(&mut self, before: Timestamp, limit: u32) -> Result<u32, JournalError> {
        if !self.is_counted() {
            return Ok(0);
        }
        let before = rfc3339_ms::text(before);
        let transaction = self.connection.transaction().map_err(writing)?;
        let old: Vec<(i64, String)> = {
            let mut query = transaction
                .prepare_cached(row::PURGEABLE)
                .map_err(reading)?;
            let rows = query
                .query_map(params![before, limit], |row| Ok((row.get(0)?, row.get(1)?)))
                .map_err(reading)?;
            rows.collect::<Result<_, _>>().map_err(reading)?
        };
        for (seq, id) in &old {
            let row = "DELETE FROM operations WHERE seq = ?1";
            for steps in [
                &format!(
                    "DELETE FROM history WHERE seq IN (SELECT seq FROM ({}))",
                    row::HISTORY
                ),
                "DELETE FROM steps WHERE operation = ?1",
            ] {
                transaction
                    .prepare_cached(steps)
                    .and_then(|mut delete| delete.execute([id]))
                    .map_err(writing)?;
            }
            transaction
                .prepare_cached(row)
                .and_then(|mut delete| delete.execute([seq]))
                .map_err(writing)?;
        }
        transaction.commit().map_err(writing)?;
        let removed = u32::try_from(old.len()).unwrap_or(limit);
        self.count.removed += u64::from(removed);
        Ok(removed)
    }
}

fn find(connection: &Connection, id: &str) -> Result<Option<Record>, JournalError> {
    let sql = format!("SELECT {COLUMNS} FROM operations WHERE id = ?1");
    let row = connection
        .prepare_cached(&sql)
        .and_then(|mut query| query.query_row([id], read_row).optional())
        .map_err(reading)?;
    row.as_ref().map(parse).transpose()
}

/// A second connection that can only read.
fn open_reader(path: &Path) -> Result<Connection, JournalError> {
    let open = |source| JournalError::Open {
        path: path.to_owned(),
        source,
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(open)?;
    place::keep_log_at_close(&connection).map_err(open)?;
    connection.busy_timeout(BUSY_WAIT).map_err(open)?;
    Ok(connection)
}

#[cfg(test)]
mod tests;

fn entries(records: Vec<Record>) -> Vec<ReversalRecord> {
    let entry = |record| match record {
        Record::Entry(entry) => Some(*entry),
        Record::Sale(_) => None,
    };
    records.into_iter().filter_map(entry).collect()
}

//! The reading end, which is never in the way of the writer. Looking for one operation and reading
//! lists have a connection each: a long list does not hold up a till that waits for its sale. Only
//! what tills see is read, not what was asked for.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, ToSql, params};

use super::row::{HISTORY, Parts};
use super::{COLUMNS, JournalError, open_reader, parse, read_row, reading};
use crate::base::error_chain::with_causes;
use crate::base::lock::lock;
use crate::core::record::{Record, ReversalRecord};
use crate::model::archive::{Archive, OperationStep, OperationsQuery};
use crate::model::operation::{Kind, Operation, QueueItem, State, word};
use crate::model::problem::{Code, Problem};
use crate::texts::cashier;

/// Most steps of one operation that are returned: one that waits in the queue for days has many.
const MAX_STEPS: u32 = 1000;

/// A connection that compares a shift with the service's report.
#[derive(Debug)]
pub struct ShiftReader {
    connection: Connection,
    shift: String,
    /// One bit for each row of the journal from `first` on: whether the report held it.
    first: i64,
    seen: Vec<u64>,
    /// Order numbers under which reversals of the shift were refused before they had their present one.
    earlier: HashMap<String, i64>,
}

impl ShiftReader {
    /// Opens a connection of its own, so that nobody waits for a long comparison.
    pub fn open(path: &Path, shift: &str) -> Result<ShiftReader, JournalError> {
        let connection = open_reader(path)?;
        let sql =
            "SELECT COALESCE(MIN(seq), 0), COALESCE(MAX(seq), 0) FROM operations WHERE shift = ?1";
        let (first, last): (i64, i64) = connection
            .query_row(sql, [shift], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(reading)?;
        let words = usize::try_from((last - first) / 64 + 1).unwrap_or_default();
        let earlier = earlier_numbers(&connection, shift)?;
        Ok(ShiftReader {
            earlier,
            connection,
            shift: shift.to_owned(),
            first,
            seen: vec![0; words],
        })
    }

    /// What the journal knows of a row of the report: the operation with the service's own number, or the newest
    /// that carries our order number, since a cancellation takes over that of the set-aside one that it repeats,
    /// and may have had others since. The operation counts as seen from now on, if it is this very payment.
    pub fn reported(
        &mut self,
        order_number: &str,
        payment_id: i64,
    ) -> Result<Option<Record>, JournalError> {
        let mut found = self.newest("payment_id", &payment_id)?;
        if found.is_none() {
            found = self.newest("order_number", &order_number)?;
            // A cancellation that takes over a set-aside one has its number, and may have gone on under another.
            let is_newer = |seq: &&i64| found.as_ref().is_none_or(|(_, newest)| *seq > newest);
            if let Some(seq) = self.earlier.get(order_number).filter(is_newer) {
                found = self.newest("seq", seq)?;
            }
        }
        let Some((parts, seq)) = found else {
            return Ok(None);
        };
        let record = parse(&parts)?;
        if record.is_reported_as(payment_id)
            && let Some((word, bit)) = self.place(seq)
            && let Some(word) = self.seen.get_mut(word)
        {
            *word |= bit;
        }
        Ok(Some(record))
    }

    /// The newest operation that has that value in a column, and where its row is.
    fn newest(
        &self,
        column: &str,
        value: &dyn ToSql,
    ) -> Result<Option<(Parts, i64)>, JournalError> {
        let sql = format!(
            "SELECT {COLUMNS}, seq FROM operations WHERE {column} = ?1 ORDER BY seq DESC LIMIT 1"
        );
        let mut query = self.connection.prepare_cached(&sql).map_err(reading)?;
        let read = |row: &rusqlite::Row<'_>| Ok((read_row(row)?, row.get(4)?));
        query.query_row([value], read).optional().map_err(reading)
    }

    fn place(&self, seq: i64) -> Option<(usize, u64)> {
        let offset = u64::try_from(seq.checked_sub(self.first)?).ok()?;
        Some((usize::try_from(offset / 64).ok()?, 1 << (offset % 64)))
    }

    /// Every operation of the shift, and whether the report held it.
    pub fn each(&self, mut each: impl FnMut(&Record, bool)) -> Result<(), JournalError> {
        let sql = format!("SELECT {COLUMNS}, seq FROM operations WHERE shift = ?1 ORDER BY seq");
        let mut query = self.connection.prepare(&sql).map_err(reading)?;
        let mut rows = query.query([&self.shift]).map_err(reading)?;
        while let Some(row) = rows.next().map_err(reading)? {
            let parts = read_row(row).map_err(reading)?;
            let seq: i64 = row.get(4).map_err(reading)?;
            let seen = self
                .place(seq)
                .is_some_and(|(word, bit)| self.seen.get(word).is_some_and(|word| word & bit != 0));
            each(&parse(&parts)?, seen);
        }
        Ok(())
    }

    /// What was done to undo a payment that the report shows, oldest first: a sale that ended as not paid, or a further
    /// payment under a sale's number. Of any other record nothing.
    pub fn undoings_of(
        &self,
        record: &Record,
        payment_id: i64,
    ) -> Result<Vec<ReversalRecord>, JournalError> {
        let operation = record.operation();
        let is_own = record.is_reported_as(payment_id);
        if operation.kind != Kind::Sale || is_own && operation.state == State::Done {
            return Ok(Vec::new());
        }
        let (condition, value): (_, &dyn ToSql) = if is_own {
            ("of", &operation.id)
        } else {
            ("target_payment", &payment_id)
        };
        let sql = format!("SELECT {COLUMNS} FROM operations WHERE {condition} = ?1 ORDER BY seq");
        let mut query = self.connection.prepare_cached(&sql).map_err(reading)?;
        let rows = query.query_map([value], read_row).map_err(reading)?;
        let mut undoings = Vec::new();
        for row in rows {
            if let Record::Entry(entry) = parse(&row.map_err(reading)?)? {
                undoings.push(*entry);
            }
        }
        Ok(undoings)
    }

    /// What is asked for again when an operation that ended as not carried out is in the report: the newest undoing of
    /// a sale, or the sale itself, if it has none; the refund or the cancellation itself. Of a sale, a cancellation
    /// that ended as not made is none of its undoings.
    pub fn to_recheck(&self, id: &str) -> Result<Option<String>, JournalError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM operations WHERE (of = ?1 AND kind IN ('cancel', 'annul')) \
             OR (id = ?1 AND kind <> 'card') ORDER BY seq DESC"
        );
        let mut query = self.connection.prepare_cached(&sql).map_err(reading)?;
        for row in query.query_map([id], read_row).map_err(reading)? {
            let record = parse(&row.map_err(reading)?)?;
            let is_itself = record.operation().id == id;
            if is_itself || !matches!(&record, Record::Entry(entry) if entry.was_dropped()) {
                return Ok(Some(record.operation().id.clone()));
            }
        }
        Ok(None)
    }
}

/// The order numbers that reversals of a shift had before their present ones, and where their rows are: no index
/// holds them, and they are few.
fn earlier_numbers(
    connection: &Connection,
    shift: &str,
) -> Result<HashMap<String, i64>, JournalError> {
    let sql = "SELECT earlier.value, seq FROM operations, json_each(record, '$.entry.earlier') AS earlier \
               WHERE shift = ?1 AND kind <> 'sale' ORDER BY seq";
    let mut query = connection.prepare(sql).map_err(reading)?;
    let rows = query
        .query_map([shift], |row| Ok((row.get(0)?, row.get(1)?)))
        .map_err(reading)?;
    rows.collect::<Result<_, _>>().map_err(reading)
}

/// Reads what is durable.
#[derive(Debug)]
pub struct Reader {
    single: Mutex<Connection>,
    lists: Mutex<Connection>,
    /// What indicates damage, until the core takes it to be judged.
    doubt: Mutex<Option<JournalError>>,
}

impl Reader {
    /// Opens the journal that a [`super::Journal`] has made.
    ///
    /// # Errors
    /// [`JournalError::Open`] naming the file.
    pub fn open(path: &Path) -> Result<Reader, JournalError> {
        Ok(Reader {
            single: Mutex::new(open_reader(path)?),
            lists: Mutex::new(open_reader(path)?),
            doubt: Mutex::default(),
        })
    }

    /// What was met that indicates damage, once: only the writing end knows whether the disk is at fault, see
    /// [`super::Journal::judge`].
    #[must_use]
    pub fn take_doubt(&self) -> Option<JournalError> {
        let mut doubt = lock(&self.doubt);
        doubt.take()
    }

    /// Somebody else has met what indicates damage.
    pub fn note_doubt(&self, error: JournalError) {
        *lock(&self.doubt) = Some(error);
    }

    fn read<T>(
        &self,
        connection: &Mutex<Connection>,
        read: impl FnOnce(&Connection) -> Result<T, JournalError>,
    ) -> Result<T, Problem> {
        let connection = lock(connection);
        read(&connection).map_err(|error| {
            tracing::error!(error = %with_causes(&error), "The journal cannot be read");
            if error.is_doubt() {
                self.note_doubt(error);
            }
            Problem::journal_unreadable()
        })
    }
}

fn rows(
    connection: &Connection,
    sql: &str,
    values: &[&dyn ToSql],
) -> Result<Vec<(String, String)>, JournalError> {
    let mut statement = connection.prepare_cached(sql).map_err(reading)?;
    let rows = statement
        .query_map(values, |row| Ok((row.get(0)?, row.get(1)?)))
        .map_err(reading)?;
    rows.collect::<Result<_, _>>().map_err(reading)
}

fn page(
    connection: &Connection,
    query: &OperationsQuery,
    before: Option<i64>,
) -> Result<Vec<Operation>, JournalError> {
    let state = query.state.map(word);
    let before = before.unwrap_or(i64::MAX);
    let mut values: Vec<&dyn ToSql> = vec![&before, &query.limit];
    let mut condition = String::from("seq < ?1");
    if let Some(shift) = &query.shift {
        values.push(shift);
        condition.push_str(" AND shift = ?3");
    }
    if let Some(state) = &state {
        values.push(state);
        condition.push_str(&format!(" AND state = ?{}", values.len()));
    }
    let is_unusual = query.shift.is_none() && query.state.is_some_and(|state| state != State::Done);
    let sql = if is_unusual {
        unusual(&condition)
    } else {
        format!("SELECT id, operation FROM operations WHERE {condition} ORDER BY seq DESC LIMIT ?2")
    };
    let rows = rows(connection, &sql, &values)?;
    rows.iter()
        .map(|(id, text)| operation_of(id, text))
        .collect()
}

/// Few are open, and those that ended otherwise than usual have an index; years of rows are neither.
fn unusual(condition: &str) -> String {
    let newest = |which: &str| {
        format!(
            "SELECT seq FROM (SELECT seq FROM operations WHERE {which} AND {condition} ORDER BY seq DESC LIMIT ?2)"
        )
    };
    format!(
        "SELECT id, operation FROM operations WHERE seq IN ({} UNION ALL {}) ORDER BY seq DESC LIMIT ?2",
        newest("open = 1"),
        newest("open = 0 AND state <> 'done'")
    )
}

fn operation_of(id: &str, text: &str) -> Result<Operation, JournalError> {
    serde_json::from_str(text).map_err(|source| JournalError::Row {
        id: id.to_owned(),
        source,
    })
}

/// The newest [`MAX_STEPS`], oldest first.
fn steps(connection: &Connection, id: &str) -> Result<Vec<OperationStep>, JournalError> {
    // Those of versions before stand in a table of their own.
    let sql = format!(
        "SELECT at, state, what FROM ({HISTORY}) UNION ALL \
         SELECT at, state, what FROM (SELECT at, state, what FROM steps WHERE operation = ?1 ORDER BY seq DESC) LIMIT ?2"
    );
    let mut query = connection.prepare_cached(&sql).map_err(reading)?;
    let rows = query.query_map(params![id, MAX_STEPS], |row| {
        Ok(OperationStep {
            at: row.get(0)?,
            state: row.get(1)?,
            what: row.get(2)?,
            ms: 0,
        })
    });
    let mut steps: Vec<OperationStep> = rows
        .map_err(reading)?
        .collect::<Result<_, _>>()
        .map_err(reading)?;
    steps.reverse();
    let mut before: Option<Timestamp> = None;
    for step in &mut steps {
        let at = step.at.parse::<Timestamp>().ok();
        if let (Some(before), Some(at)) = (before, at) {
            // A clock that was set back makes no step shorter than nothing.
            step.ms = u64::try_from(at.duration_since(before).as_millis()).unwrap_or_default();
        }
        before = at;
    }
    Ok(steps)
}

impl Archive for Reader {
    fn operation(&self, id: &str) -> Result<Option<Operation>, Problem> {
        self.read(&self.single, |connection| {
            let sql = "SELECT operation FROM operations WHERE id = ?1";
            let text = connection
                .prepare_cached(sql)
                .and_then(|mut query| {
                    let row = query.query_row([id], |row| row.get::<_, String>(0));
                    row.optional()
                })
                .map_err(reading)?;
            text.map(|text| operation_of(id, &text)).transpose()
        })
    }

    fn steps(&self, id: &str) -> Result<Option<Vec<OperationStep>>, Problem> {
        self.read(&self.single, |connection| {
            let known = "SELECT 1 FROM operations WHERE id = ?1";
            let is_known = connection
                .prepare_cached(known)
                .and_then(|mut query| query.exists([id]))
                .map_err(reading)?;
            is_known.then(|| steps(connection, id)).transpose()
        })
    }

    fn operations(&self, query: &OperationsQuery) -> Result<Vec<Operation>, Problem> {
        let before = match &query.before {
            None => None,
            Some(id) => {
                let seq = self.read(&self.lists, |connection| {
                    let sql = "SELECT seq FROM operations WHERE id = ?1";
                    connection
                        .query_row(sql, params![id], |row| row.get::<_, i64>(0))
                        .optional()
                        .map_err(reading)
                })?;
                Some(seq.ok_or_else(|| {
                    Code::NotFound.problem(
                        cashier::NO_OPERATION_BEFORE,
                        cashier::NO_OPERATION_BEFORE_REMEDY,
                    )
                })?)
            }
        };
        self.read(&self.lists, |connection| page(connection, query, before))
    }

    fn queue(&self) -> Result<Vec<QueueItem>, Problem> {
        self.read(&self.lists, |connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM operations WHERE open = 1 AND live = 1 ORDER BY seq"
            );
            let mut query = connection.prepare_cached(&sql).map_err(reading)?;
            let rows = query.query_map([], read_row).map_err(reading)?;
            let mut items = Vec::new();
            for row in rows {
                if let Record::Entry(entry) = parse(&row.map_err(reading)?)? {
                    items.push(entry.queue_item());
                }
            }
            Ok(items)
        })
    }
}

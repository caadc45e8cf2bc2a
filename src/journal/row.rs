//! One operation as rows: what queries need in columns, the rest as JSON in three parts.
//!
//! `operation` is what tills see, `request` what was asked for (written once: a receipt may have a
//! thousand lines), `record` the rest, which the core needs to go on after a crash.

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{JournalError, writing};
use crate::core::event::Write;
use crate::core::record::{
    Account, Record, ReversalProgress, ReversalRecord, SaleRecord, StopReason, Target,
};
use crate::model::money::Kopecks;
use crate::model::operation::{Outcome, Receipt, rfc3339_ms, word};

/// What [`read_row`] reads.
pub(super) const COLUMNS: &str = "id, operation, request, record";

/// Closed operations that age from before `?1`, but for those that an open or younger one leads to; at
/// most `?2`.
pub(super) const PURGEABLE: &str = "
SELECT seq, id FROM operations old
WHERE open = 0 AND ages_from < ?1
  AND NOT EXISTS (SELECT 1 FROM operations r WHERE r.of = old.id
                  AND (r.open = 1 OR r.ages_from IS NULL OR r.ages_from >= ?1))
  AND NOT EXISTS (SELECT 1 FROM operations r JOIN operations c ON c.of = r.id WHERE r.of = old.id
                  AND (c.open = 1 OR c.ages_from IS NULL OR c.ages_from >= ?1))
ORDER BY ages_from, seq LIMIT ?2";

/// Operations that were written since their age was reckoned last, at most `?2`, age from `?1` on.
pub(super) const START_AGING: &str = "
UPDATE operations SET ages_from = ?1
WHERE seq IN (SELECT seq FROM operations WHERE ages_from IS NULL LIMIT ?2)";

/// The parts of a row.
pub(super) struct Parts {
    pub id: String,
    operation: String,
    request: String,
    record: String,
}

pub(super) fn read_row(row: &Row<'_>) -> rusqlite::Result<Parts> {
    Ok(Parts {
        id: row.get(0)?,
        operation: row.get(1)?,
        request: row.get(2)?,
        record: row.get(3)?,
    })
}

/// Puts the parts together.
pub(super) fn parse(parts: &Parts) -> Result<Record, JournalError> {
    let unreadable = |source| JournalError::Row {
        id: parts.id.clone(),
        source,
    };
    let mut outer: Map<String, Value> = serde_json::from_str(&parts.record).map_err(unreadable)?;
    let asked: Map<String, Value> = serde_json::from_str(&parts.request).map_err(unreadable)?;
    let operation: Value = serde_json::from_str(&parts.operation).map_err(unreadable)?;
    if let Some(Value::Object(inner)) = outer.values_mut().next() {
        inner.extend(asked);
        inner.insert("operation".to_owned(), operation);
    }
    serde_json::from_value(Value::Object(outer)).map_err(unreadable)
}

/// The part of a sale that changes, without what the till sees.
#[derive(Serialize)]
struct SaleRest<'a> {
    account: &'a Account,
    deadline: &'a Timestamp,
    payment_sent: bool,
    ending: &'a Option<StopReason>,
    ended_by_service: &'a Option<Timestamp>,
}

/// The part of an entry that changes, without what the till sees.
#[derive(Serialize)]
struct EntryRest<'a> {
    account: &'a Account,
    target: &'a Target,
    reversal: &'a ReversalProgress,
    earlier: &'a [String],
    earlier_amounts: &'a [Kopecks],
    sent_once: bool,
    resent: bool,
    denied_while_pending: bool,
    queued_once: bool,
    tries: u32,
    last_error: &'a Option<String>,
    next_try: &'a Option<Timestamp>,
    answered_errors: u32,
    errors_since: &'a Option<Timestamp>,
    set_aside: bool,
    rechecks: &'a [Timestamp],
    settled: &'a Option<String>,
    outcome: &'a Option<Outcome>,
    left_held_until: &'a Option<usize>,
    needs_review: bool,
    copies: &'a [i64],
    beside: &'a Option<String>,
    ended_by_service: &'a Option<Timestamp>,
}

#[derive(Serialize)]
struct Asked<'a, R> {
    request: &'a R,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<&'a Receipt>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Rest<'a> {
    Sale(SaleRest<'a>),
    Entry(Box<EntryRest<'a>>),
}

/// What was asked for, which no change touches: a receipt may have a thousand lines.
pub(super) fn request(record: &Record) -> Result<String, serde_json::Error> {
    match record {
        Record::Sale(sale) => serde_json::to_string(&Asked {
            request: &sale.request,
            receipt: None,
        }),
        Record::Entry(entry) => serde_json::to_string(&Asked {
            request: &entry.request,
            receipt: entry.receipt.as_ref(),
        }),
    }
}

/// What changes of a record: operation, the rest. No field is named twice, and with [`request`] none is left out,
/// which the patterns without `..` make sure of.
pub(super) fn split(record: &Record) -> Result<(String, String), serde_json::Error> {
    let (operation, rest) = match record {
        Record::Sale(sale) => {
            let SaleRecord {
                operation,
                request: _,
                account,
                deadline,
                payment_sent,
                ending,
                ended_by_service,
            } = sale.as_ref();
            let rest = Rest::Sale(SaleRest {
                account,
                deadline,
                payment_sent: *payment_sent,
                ending,
                ended_by_service,
            });
            (operation, rest)
        }
        Record::Entry(entry) => (
            &entry.operation,
            Rest::Entry(Box::new(rest_of_entry(entry))),
        ),
    };
    Ok((
        serde_json::to_string(operation)?,
        serde_json::to_string(&rest)?,
    ))
}

fn rest_of_entry(entry: &ReversalRecord) -> EntryRest<'_> {
    let ReversalRecord {
        operation: _,
        request: _,
        receipt: _,
        account,
        target,
        reversal,
        earlier,
        earlier_amounts,
        sent_once,
        resent,
        denied_while_pending,
        queued_once,
        tries,
        last_error,
        next_try,
        answered_errors,
        errors_since,
        set_aside,
        rechecks,
        settled,
        outcome,
        left_held_until,
        needs_review,
        copies,
        beside,
        ended_by_service,
    } = entry;
    EntryRest {
        account,
        target,
        reversal,
        earlier,
        earlier_amounts,
        sent_once: *sent_once,
        resent: *resent,
        denied_while_pending: *denied_while_pending,
        queued_once: *queued_once,
        tries: *tries,
        last_error,
        next_try,
        answered_errors: *answered_errors,
        errors_since,
        set_aside: *set_aside,
        rechecks,
        settled,
        outcome,
        left_held_until,
        needs_review: *needs_review,
        copies,
        beside,
        ended_by_service,
    }
}

/// The common change: what an operation is known by stays, so no index is written. SQLite writes those of a column that
/// is set, also to what it was.
const UPDATE: &str = "
UPDATE operations SET state = ?3, updated_at = ?11, operation = ?15, record = ?17, last_step = ?18
WHERE id = ?1 AND shift = ?4 AND order_number = ?6 AND payment_id IS ?7 AND target_payment IS ?9
  AND open = ?12 AND live = ?13 AND set_aside = ?14 AND ages_from IS NULL";

/// Any other change of an operation that is there.
const UPDATE_ALL: &str = "
UPDATE operations SET state = ?3, shift = ?4, order_number = ?6, payment_id = ?7, target_payment = ?9,
    updated_at = ?11, open = ?12, live = ?13, set_aside = ?14, operation = ?15, record = ?17, ages_from = NULL,
    last_step = ?18
WHERE id = ?1";

const INSERT: &str = "
INSERT INTO operations (id, kind, state, shift, receipt, order_number, payment_id, of, target_payment,
    created_at, updated_at, open, live, set_aside, operation, request, record, last_step)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";

const STEP: &str = "
INSERT INTO history (before, at, state, what)
VALUES ((SELECT last_step FROM operations WHERE id = ?1), ?2, ?3, ?4)";

/// The history of the operation `?1`, newest first: `seq`, `at`, `state`, `what`.
pub(super) const HISTORY: &str = "
WITH RECURSIVE chain (seq, before, at, state, what) AS (
    SELECT seq, before, at, state, what FROM history
    WHERE seq = (SELECT last_step FROM operations WHERE id = ?1)
    UNION ALL
    SELECT step.seq, step.before, step.at, step.state, step.what FROM history step JOIN chain ON step.seq = chain.before
)
SELECT seq, at, state, what FROM chain";

/// Writes one change and its step of the history; answers whether the operation is new.
pub(super) fn store(connection: &Connection, write: &Write) -> Result<bool, JournalError> {
    let operation = write.record.operation();
    let unwritable = |source| JournalError::Row {
        id: operation.id.clone(),
        source,
    };
    let (seen, rest) = split(&write.record).map_err(unwritable)?;
    let (live, set_aside, target_payment) = match &write.record {
        Record::Sale(_) => (false, false, None),
        // What blocks is always shown, also while a cashier stands and waits for it.
        Record::Entry(entry) => (
            entry.is_in_queue(),
            entry.set_aside,
            entry.target.payment_id,
        ),
    };
    let at = rfc3339_ms::text(operation.updated_at);
    let step_at = rfc3339_ms::text(write.at);
    connection
        .prepare_cached(STEP)
        .and_then(|mut insert| {
            insert.execute(params![
                operation.id,
                step_at,
                word(operation.state),
                write.what
            ])
        })
        .map_err(writing)?;
    let last_step = connection.last_insert_rowid();
    let run = |sql: &str, asked: Option<String>| {
        let row = params![
            operation.id,
            word(operation.kind),
            word(operation.state),
            operation.shift,
            receipt_number(&write.record),
            operation.order_number,
            operation.payment_id,
            operation.of,
            target_payment,
            rfc3339_ms::text(operation.created_at),
            at,
            write.record.is_open(),
            live,
            set_aside,
            seen,
            asked,
            rest,
            last_step,
        ];
        connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(row))
            .map_err(writing)
    };
    let is_new = run(UPDATE, None)? == 0 && run(UPDATE_ALL, None)? == 0;
    if is_new {
        run(INSERT, Some(request(&write.record).map_err(unwritable)?))?;
    }
    Ok(is_new)
}

fn receipt_number(record: &Record) -> Option<&str> {
    let receipt = match record {
        Record::Sale(sale) => sale.request.receipt(),
        Record::Entry(entry) => entry.receipt.as_ref(),
    };
    receipt.map(|receipt| receipt.number.as_str())
}

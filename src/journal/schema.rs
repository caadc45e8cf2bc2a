//! The tables, and the way from every earlier form of them to the present one.
//!
//! A new journal takes the same way as an old one, from nothing through every version: the steps are
//! then tried each time a journal is made, and not only on the day when an old one turns up.

use std::path::Path;

use rusqlite::{Connection, Transaction, params};
use serde_json::{Map, Value, json};

use super::{JournalError, reading, row, writing};
use crate::core::record::Record;

/// The version that this program writes.
pub(super) const VERSION: i64 = 4;

const FIRST: &str = "
CREATE TABLE operations (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    shift TEXT NOT NULL,
    receipt TEXT,
    order_number TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    open INTEGER NOT NULL,
    live INTEGER NOT NULL,
    set_aside INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT;
CREATE INDEX operations_open ON operations (seq) WHERE open = 1;
CREATE INDEX operations_shift ON operations (shift, seq);
CREATE INDEX operations_state ON operations (state, seq);
CREATE INDEX operations_updated ON operations (updated_at);
CREATE TABLE steps (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    operation TEXT NOT NULL,
    at TEXT NOT NULL,
    state TEXT NOT NULL,
    what TEXT NOT NULL
) STRICT;
CREATE INDEX steps_operation ON steps (operation, seq);
";

const SECOND: &str = "
ALTER TABLE operations ADD COLUMN payment_id INTEGER;
ALTER TABLE operations ADD COLUMN of TEXT;
ALTER TABLE operations ADD COLUMN target_payment INTEGER;
ALTER TABLE operations ADD COLUMN operation TEXT NOT NULL DEFAULT '';
ALTER TABLE operations ADD COLUMN request TEXT NOT NULL DEFAULT '{}';
CREATE INDEX operations_order ON operations (order_number);
CREATE INDEX operations_payment ON operations (payment_id) WHERE payment_id IS NOT NULL;
CREATE INDEX operations_of ON operations (of) WHERE of IS NOT NULL;
CREATE INDEX operations_target ON operations (target_payment) WHERE target_payment IS NOT NULL;
CREATE INDEX operations_created ON operations (created_at);
";

/// An operation's own times are as good as the till's clock was then. `ages_from` is a moment at which a confirmed
/// clock found it unchanged; nothing follows from that for what was written before.
const THIRD: &str = "
ALTER TABLE operations ADD COLUMN ages_from TEXT;
CREATE INDEX operations_ages ON operations (ages_from);
DROP INDEX operations_created;
";

/// A change of a running sale writes two pages, its row's and that of the history: nothing that it changes stands in an
/// index. The history is one row after the other, each naming the one before it of the same operation, which its
/// operation names in turn; `steps` keeps what was written before. Operations in a usual state are found by their
/// rows, those in any other, or of our own, by an index that few are in.
const FOURTH: &str = "
CREATE TABLE history (
    seq INTEGER PRIMARY KEY,
    before INTEGER,
    at TEXT NOT NULL,
    state TEXT NOT NULL,
    what TEXT NOT NULL
) STRICT;
ALTER TABLE operations ADD COLUMN last_step INTEGER;
DROP INDEX operations_state;
DROP INDEX operations_updated;
CREATE INDEX operations_ended ON operations (state, seq) WHERE open = 0 AND state <> 'done';
CREATE INDEX operations_own ON operations (CAST(SUBSTR(id, 2) AS INTEGER)) WHERE id >= '~';
";

/// Brings the database to [`VERSION`], each version in one transaction.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), JournalError> {
    loop {
        let found: i64 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(reading)?;
        let steps: fn(&Transaction<'_>) -> Result<(), JournalError> = match found {
            VERSION => return Ok(()),
            0 => |transaction| transaction.execute_batch(FIRST).map_err(writing),
            1 => second,
            2 => |transaction| transaction.execute_batch(THIRD).map_err(writing),
            3 => |transaction| transaction.execute_batch(FOURTH).map_err(writing),
            found => {
                return Err(JournalError::TooNew {
                    path: path.to_owned(),
                    found,
                });
            }
        };
        let transaction = connection.transaction().map_err(writing)?;
        steps(&transaction)?;
        transaction
            .pragma_update(None, "user_version", found + 1)
            .map_err(writing)?;
        transaction.commit().map_err(writing)?;
    }
}

/// Version 1 knew sales and their undoings only, each row as one JSON.
fn second(transaction: &Transaction<'_>) -> Result<(), JournalError> {
    transaction.execute_batch(SECOND).map_err(writing)?;
    let mut query = transaction
        .prepare("SELECT seq, id, record FROM operations ORDER BY seq")
        .map_err(reading)?;
    let mut rows = query.query([]).map_err(reading)?;
    while let Some(found) = rows.next().map_err(reading)? {
        let (seq, id, text): (i64, String, String) = (
            found.get(0).map_err(reading)?,
            found.get(1).map_err(reading)?,
            found.get(2).map_err(reading)?,
        );
        let record = first_to_second(transaction, &id, &text)?;
        let unwritable = |source| JournalError::Row {
            id: id.clone(),
            source,
        };
        let (operation, rest) = row::split(&record).map_err(unwritable)?;
        let request = row::request(&record).map_err(unwritable)?;
        let target = match &record {
            Record::Sale(_) => None,
            Record::Entry(entry) => entry.target.payment_id,
        };
        let sql = "UPDATE operations SET payment_id = ?2, of = ?3, target_payment = ?4, operation = ?5, \
                   request = ?6, record = ?7 WHERE seq = ?1";
        let seen = record.operation();
        let values = params![
            seq,
            seen.payment_id,
            seen.of,
            target,
            operation,
            request,
            rest
        ];
        transaction.execute(sql, values).map_err(writing)?;
    }
    Ok(())
}

fn first_to_second(
    transaction: &Transaction<'_>,
    id: &str,
    text: &str,
) -> Result<Record, JournalError> {
    let unreadable = |source| JournalError::Row {
        id: id.to_owned(),
        source,
    };
    let mut outer: Map<String, Value> = serde_json::from_str(text).map_err(unreadable)?;
    if let Some(Value::Object(mut undoing)) = outer.remove("undoing") {
        let of = undoing
            .get("operation")
            .and_then(|operation| operation.get("of")?.as_str())
            .unwrap_or_default()
            .to_owned();
        complete_undoing(transaction, id, &of, &mut undoing)?;
        outer.insert("entry".to_owned(), Value::Object(undoing));
    }
    serde_json::from_value(Value::Object(outer)).map_err(unreadable)
}

/// What an undoing of version 1 left to its sale.
fn complete_undoing(
    transaction: &Transaction<'_>,
    id: &str,
    of: &str,
    undoing: &mut Map<String, Value>,
) -> Result<(), JournalError> {
    let orphan = || JournalError::Orphan { id: id.to_owned() };
    // Earlier rows are of the new form already.
    let sql = "SELECT operation, request, record FROM operations WHERE id = ?1";
    let parts: (String, String, String) = transaction
        .query_row(sql, [of], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .map_err(|_| orphan())?;
    let value = |text: &str| serde_json::from_str::<Value>(text).map_err(|_| orphan());
    let (operation, request, record) = (value(&parts.0)?, value(&parts.1)?, value(&parts.2)?);
    let field = |from: &Value, name: &str| from.get(name).cloned().unwrap_or_default();
    let target = json!({
        "payment_id": undoing.remove("target").unwrap_or_default(),
        "order_number": field(&operation, "order_number"),
        "sum": field(&operation, "amount"),
        "shift": field(&operation, "shift"),
        "refund": false,
    });
    undoing.insert("target".to_owned(), target);
    undoing.insert("request".to_owned(), json!("own"));
    let account = record.get("sale").map(|sale| field(sale, "account"));
    undoing.insert("account".to_owned(), account.unwrap_or_default());
    let receipt = request.get("request").map(|sale| field(sale, "receipt"));
    undoing.insert("receipt".to_owned(), receipt.unwrap_or_default());
    undoing.insert("earlier".to_owned(), json!([]));
    undoing.insert("resent".to_owned(), json!(false));
    undoing.insert("queued_once".to_owned(), json!(true));
    Ok(())
}

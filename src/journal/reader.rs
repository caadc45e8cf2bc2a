//! The reading end: any number of them, none in the way of the writer.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension, ToSql, params};

use super::{JournalError, find, open_reader, operation_of, parse, reading, state_name};
use crate::api::till::{Archive, OperationsQuery};
use crate::core::record::Record;
use crate::operation::{Operation, QueueItem};
use crate::problem::{Code, Problem};

/// Reads what is durable.
#[derive(Debug)]
pub struct Reader {
    connection: Mutex<Connection>,
}

impl Reader {
    /// Opens the journal that a [`super::Journal`] has made.
    ///
    /// # Errors
    /// [`JournalError::Open`] naming the file.
    pub fn open(path: &Path) -> Result<Reader, JournalError> {
        Ok(Reader {
            connection: Mutex::new(open_reader(path)?),
        })
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, JournalError>,
    ) -> Result<T, Problem> {
        let connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        read(&connection).map_err(|error| {
            tracing::error!(error = %crate::causes::with_causes(&error), "The journal cannot be read");
            Problem::new(
                Code::Storage,
                "Журнал операций не читается",
                "Проверьте диск кассы: oplati selftest",
            )
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
    let mut sql = String::from("SELECT id, record FROM operations WHERE 1 = 1");
    let state = query.state.map(state_name);
    let mut values: Vec<&dyn ToSql> = Vec::new();
    if let Some(shift) = &query.shift {
        sql.push_str(" AND shift = ?");
        values.push(shift);
    }
    if let Some(state) = &state {
        sql.push_str(" AND state = ?");
        values.push(state);
    }
    if let Some(before) = &before {
        sql.push_str(" AND seq < ?");
        values.push(before);
    }
    sql.push_str(" ORDER BY seq DESC LIMIT ?");
    values.push(&query.limit);
    let rows = rows(connection, &sql, &values)?;
    rows.iter()
        .map(|(id, text)| operation_of(id, text))
        .collect()
}

impl Archive for Reader {
    fn operation(&self, id: &str) -> Result<Option<Operation>, Problem> {
        self.read(|connection| Ok(find(connection, id)?.map(|record| record.operation().clone())))
    }

    fn operations(&self, query: &OperationsQuery) -> Result<Vec<Operation>, Problem> {
        let before = match &query.before {
            None => None,
            Some(id) => {
                let seq = self.read(|connection| {
                    let sql = "SELECT seq FROM operations WHERE id = ?1";
                    connection
                        .query_row(sql, params![id], |row| row.get::<_, i64>(0))
                        .optional()
                        .map_err(reading)
                })?;
                Some(seq.ok_or_else(|| {
                    Problem::new(
                        Code::NotFound,
                        "Операция, названная в before, не найдена",
                        "Начните список сначала",
                    )
                })?)
            }
        };
        self.read(|connection| page(connection, query, before))
    }

    fn queue(&self) -> Result<Vec<QueueItem>, Problem> {
        self.read(|connection| {
            let sql = "SELECT id, record FROM operations WHERE open = 1 AND live = 1 ORDER BY seq";
            let mut items = Vec::new();
            for (id, text) in rows(connection, sql, &[])? {
                if let Record::Undoing(undoing) = parse(&id, &text)? {
                    items.push(undoing.queue_item());
                }
            }
            Ok(items)
        })
    }

    fn count(&self) -> Result<u64, Problem> {
        self.read(|connection| {
            let count = connection.query_row("SELECT COUNT(*) FROM operations", [], |row| {
                row.get::<_, i64>(0)
            });
            count
                .map(|count| u64::try_from(count).unwrap_or_default())
                .map_err(reading)
        })
    }
}

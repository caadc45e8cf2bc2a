//! Sales that a report must hold, as a restart finds them: without them it would believe a report that was cut
//! short.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{OptionalExtension, params};

use super::error::reading;
use super::row::{COLUMNS, parse, read_row};
use super::{Journal, JournalError};
use crate::core::event::Restored;
use crate::core::record::{Record, SaleRecord};
use crate::core::witness::MAX_OF_SHIFT;
use crate::model::operation::rfc3339_ms;

/// Older sales bear no witness. By the journal's newest time: the clock may be wrong at a start.
const WITNESS_AGE: SignedDuration = SignedDuration::from_hours(48);

impl Journal {
    /// Paid sales of the shifts that may be asked for: those of open operations, and the present one.
    pub(super) fn restore_witnesses(&self, restored: &mut Restored) -> Result<(), JournalError> {
        let newest = "SELECT shift FROM operations WHERE state = 'done' ORDER BY seq DESC LIMIT 1";
        let newest: Option<String> = self
            .connection
            .query_row(newest, [], |row| row.get(0))
            .optional()
            .map_err(reading)?;
        let sales = restored.sales.iter().map(|sale| &sale.operation.shift);
        let entries = restored.entries.iter();
        let entries = entries.flat_map(|entry| [&entry.operation.shift, &entry.target.shift]);
        let shifts: BTreeSet<String> = sales.chain(entries).chain(&newest).cloned().collect();
        let Some(since) = restored
            .newest
            .and_then(|newest| newest.checked_sub(WITNESS_AGE).ok())
        else {
            return Ok(());
        };
        for shift in &shifts {
            self.restore_witnesses_of(shift, since, &mut restored.witnesses)?;
        }
        Ok(())
    }

    /// The first and the newest few, as the core keeps them.
    fn restore_witnesses_of(
        &self,
        shift: &str,
        since: Timestamp,
        witnesses: &mut Vec<SaleRecord>,
    ) -> Result<(), JournalError> {
        // By the shift's index: those that are done are years of rows.
        let paid = "kind = 'sale' AND +state = 'done' AND shift = ?1 AND created_at >= ?2";
        let sql = format!(
            "SELECT {COLUMNS} FROM operations WHERE seq IN ( \
             SELECT seq FROM (SELECT seq FROM operations WHERE {paid} ORDER BY seq LIMIT 1) UNION \
             SELECT seq FROM (SELECT seq FROM operations WHERE {paid} ORDER BY seq DESC LIMIT ?3)) ORDER BY seq"
        );
        let mut query = self.connection.prepare_cached(&sql).map_err(reading)?;
        let values = params![shift, rfc3339_ms::text(since), MAX_OF_SHIFT - 1];
        let rows = query.query_map(values, read_row).map_err(reading)?;
        for row in rows {
            if let Record::Sale(sale) = parse(&row.map_err(reading)?)? {
                witnesses.push(*sale);
            }
        }
        Ok(())
    }
}

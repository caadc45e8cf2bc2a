//! The journal's database in memory, with a fuse that blows in the middle of a transaction.

use oplati::journal::Journal;
use rusqlite::Connection;

/// Holds the database while journals come and go.
#[derive(Debug)]
pub struct Store {
    control: Connection,
    name: String,
}

/// After each row that is written the fuse burns down by one; at nought the transaction dies, as it
/// does when the process dies.
const FUSE: &str = "
CREATE TABLE fuse (rows INTEGER NOT NULL);
INSERT INTO fuse VALUES (-1);
CREATE TRIGGER fuse_history AFTER INSERT ON history WHEN (SELECT rows FROM fuse) > 0 BEGIN
    UPDATE fuse SET rows = rows - 1;
    SELECT RAISE(ROLLBACK, 'the process died') FROM fuse WHERE rows = 0;
END;
CREATE TRIGGER fuse_new AFTER INSERT ON operations WHEN (SELECT rows FROM fuse) > 0 BEGIN
    UPDATE fuse SET rows = rows - 1;
    SELECT RAISE(ROLLBACK, 'the process died') FROM fuse WHERE rows = 0;
END;
CREATE TRIGGER fuse_changed AFTER UPDATE ON operations WHEN (SELECT rows FROM fuse) > 0 BEGIN
    UPDATE fuse SET rows = rows - 1;
    SELECT RAISE(ROLLBACK, 'the process died') FROM fuse WHERE rows = 0;
END;
";

impl Store {
    /// A database of its own for the thread of that number.
    pub fn new(thread: u64) -> Store {
        let name = format!(
            "file:faults{}-{thread}?mode=memory&cache=shared",
            std::process::id()
        );
        let store = Store {
            control: Connection::open(&name).unwrap(),
            name,
        };
        // A step writes few bytes to many pages, and each page is copied before it is changed.
        store
            .control
            .pragma_update(None, "page_size", 1024)
            .unwrap();
        drop(store.journal());
        store.control.execute_batch(FUSE).unwrap();
        store
    }

    pub fn journal(&self) -> Journal {
        Journal::in_database(Connection::open(&self.name).unwrap()).unwrap()
    }

    /// As good as new.
    pub fn clear(&self) {
        let sql = "UPDATE fuse SET rows = -1; DELETE FROM operations; DELETE FROM history;";
        self.control.execute_batch(sql).unwrap();
    }

    /// The row of an operation was never written.
    pub fn delete(&self, id: &str) {
        let statements = [
            "WITH RECURSIVE chain (seq) AS (
                 SELECT last_step FROM operations WHERE id = ?1
                 UNION ALL SELECT before FROM history JOIN chain USING (seq) WHERE before IS NOT NULL
             ) DELETE FROM history WHERE seq IN (SELECT seq FROM chain)",
            "DELETE FROM operations WHERE id = ?1",
        ];
        for sql in statements {
            let mut delete = self.control.prepare_cached(sql).unwrap();
            delete.execute([id]).unwrap();
        }
    }

    /// The next transaction dies after so many rows, if it has so many.
    pub fn arm(&self, rows: i64) {
        self.set(rows);
    }

    pub fn disarm(&self) {
        self.set(-1);
    }

    fn set(&self, rows: i64) {
        let mut update = self
            .control
            .prepare_cached("UPDATE fuse SET rows = ?1")
            .unwrap();
        update.execute([rows]).unwrap();
    }
}

//! Damaged files: after a power cut the write-ahead log's tail may be missing or garbage, and of the pages
//! that a checkpoint was writing some may be old, some new, and one torn. Whatever byte it is, the journal
//! that is opened afterwards is one that was there after some commit, never a mixture; and the till goes on
//! from it with the buyers and the service that it had, until every rouble is accounted for.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use oplati::journal::Journal;
use rusqlite::Connection;

use crate::plan::{Action, Plan};
use crate::prng::Random;
use crate::store::Store;
use crate::world::World;

/// So much happens before the power fails.
const DEEDS: usize = 5;
/// Bytes of a page of the database.
const PAGE: usize = 4096;

pub fn run(seeds: u64) -> bool {
    let began = Instant::now();
    // Where there is a disk in memory: nothing here outlives the test, and every commit would wait for a disk.
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    };
    let store = Store::new(2000);
    let (mut lost, mut whole) = (0, 0);
    for seed in 0..seeds {
        match damage(seed, folder.path(), &store) {
            Ok(true) => whole += 1,
            Ok(false) => lost += 1,
            Err(what) => {
                println!("torn: seed {seed}: {what}");
                return false;
            }
        }
    }
    println!(
        "torn: {seeds} write-ahead logs cut or damaged, {whole} opened with every commit, {lost} with a beginning of them, {:.0} s",
        began.elapsed().as_secs_f64()
    );
    true
}

/// Every row of the journal.
fn content(path: &Path) -> Result<Vec<(String, String)>, String> {
    let text = |error: rusqlite::Error| error.to_string();
    let connection = Connection::open(path).map_err(text)?;
    let mut query = connection
        .prepare("SELECT id, operation || record FROM operations ORDER BY seq")
        .map_err(text)?;
    let rows = query
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .map_err(text)?;
    rows.collect::<Result<_, _>>().map_err(text)
}

/// Whether nothing that was committed is missing.
fn damage(seed: u64, folder: &Path, store: &Store) -> Result<bool, String> {
    let mut random = Random::new(seed ^ 0x7042);
    let live = folder.join(format!("live{seed}.sqlite3"));
    let plan = Plan::of_seed(seed);
    let torn = folder.join(format!("torn{seed}.sqlite3"));
    let (mut journal, mut torn_journal);
    journal = Journal::open(&live).map_err(|error| error.to_string())?;
    let path = live.clone();
    let kept = Rc::new(RefCell::new(vec![Vec::new()]));
    let after = Rc::clone(&kept);
    let mut world = World::new(&plan, &mut journal, store)?;
    world.after_commit = Some(Box::new(move || {
        after.borrow_mut().push(content(&path).unwrap());
    }));
    // What the files lose here, they must not lose before.
    let loses = |deed: &&Action| matches!(deed, Action::CrashForgetting(_));
    let deeds: Vec<Action> = plan
        .deeds
        .iter()
        .filter(|deed| !loses(deed))
        .copied()
        .collect();
    let length = deeds.len().min(DEEDS);
    world.play(&deeds[..length])?;
    // The power fails here: what is on the disk stays.
    copy(&live, &torn)?;
    let is_checkpoint = random.one_in(4);
    if is_checkpoint {
        tear_checkpoint(&torn, &mut random)?;
    } else {
        spoil(&torn, &mut random)?;
    }
    torn_journal = match Journal::open(&torn) {
        Ok(journal) => journal,
        Err(error) => return Err(format!("it does not open: {error}")),
    };
    let found = content(&torn)?;
    let states = kept.borrow();
    let at = states.iter().rposition(|state| *state == found);
    let Some(at) = at else {
        return Err("what was opened was never committed".to_owned());
    };
    let whole = at + 1 == states.len();
    if is_checkpoint && !whole {
        return Err("a torn checkpoint has lost a commit".to_owned());
    }
    // And the till goes on from there.
    let mut world = world.after_power_cut(&plan, &mut torn_journal, store)?;
    world.quiesce()?;
    drop(world);
    drop(torn_journal);
    drop(journal);
    for path in [&live, &torn] {
        for ending in ["", "-wal", "-shm", ".lock", ".reserve"] {
            drop(std::fs::remove_file(format!("{}{ending}", path.display())));
        }
    }
    Ok(whole)
}

/// The database and its log.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    for ending in ["", "-wal"] {
        let file = |path: &Path| format!("{}{ending}", path.display());
        if Path::new(&file(from)).exists() {
            std::fs::copy(file(from), file(to)).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// A checkpoint was writing the log's pages into the database: some are written, some are not, one is half
/// written. The log is whole until a checkpoint is over.
fn tear_checkpoint(torn: &Path, random: &mut Random) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    let done = torn.with_extension("done");
    copy(torn, &done)?;
    {
        let database = Connection::open(&done).map_err(|error| error.to_string())?;
        let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
        database
            .query_row(checkpoint, [], |_| Ok(()))
            .map_err(|error| error.to_string())?;
    }
    let mut pages = std::fs::read(torn).map_err(text)?;
    let new = std::fs::read(&done).map_err(text)?;
    pages.resize(new.len().max(pages.len()), 0);
    for (old, new) in pages.chunks_mut(PAGE).zip(new.chunks(PAGE)) {
        let written = match random.below(4) {
            0 => new.len() / 2,
            1 => 0,
            _ => new.len(),
        };
        old[..written].copy_from_slice(&new[..written]);
    }
    std::fs::write(torn, pages).map_err(text)?;
    for ending in ["", "-wal", "-shm"] {
        drop(std::fs::remove_file(format!("{}{ending}", done.display())));
    }
    Ok(())
}

/// Cuts the log at a random byte, or changes bytes from there on.
fn spoil(torn: &Path, random: &mut Random) -> Result<(), String> {
    let wal = format!("{}-wal", torn.display());
    let Ok(mut bytes) = std::fs::read(&wal) else {
        return Ok(());
    };
    if bytes.is_empty() {
        return Ok(());
    }
    let at = random.below(bytes.len() as u64) as usize;
    if random.one_in(2) {
        bytes.truncate(at);
    } else {
        for byte in bytes
            .iter_mut()
            .skip(at)
            .take(1 + random.below(64) as usize)
        {
            *byte ^= 1 + random.below(255) as u8;
        }
    }
    std::fs::write(&wal, bytes).map_err(|error| error.to_string())
}

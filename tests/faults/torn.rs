//! Damaged write-ahead logs: after a power cut the log's tail may be missing or garbage. Whatever
//! byte it is, the journal that is opened afterwards is one that was there after some commit, never
//! a mixture, and the core goes on from it.

use std::path::Path;
use std::time::Instant;

use oplati::journal::Journal;
use rusqlite::Connection;

use crate::plan::Plan;
use crate::random::Random;
use crate::store::Store;
use crate::world::World;

pub fn run(seeds: u64) -> bool {
    let began = Instant::now();
    let folder = tempfile::tempdir().unwrap();
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
    let mut states: Vec<Vec<(String, String)>> = vec![Vec::new()];
    let torn = folder.join(format!("torn{seed}.sqlite3"));
    {
        let mut journal = Journal::open(&live).map_err(|error| error.to_string())?;
        let mut world = World::new(&plan, &mut journal, store)?;
        let path = live.clone();
        let kept = &mut states;
        world.after_commit = Some(Box::new(move || {
            kept.push(content(&path).unwrap());
        }));
        let length = plan.deeds.len().min(12);
        world.play(&plan.deeds[..length])?;
        // The power fails here: what is on the disk stays.
        for ending in ["", "-wal"] {
            let file = |path: &Path| format!("{}{ending}", path.display());
            if Path::new(&file(&live)).exists() {
                std::fs::copy(file(&live), file(&torn)).map_err(|error| error.to_string())?;
            }
        }
    }
    spoil(&torn, &mut random)?;
    let mut journal = match Journal::open(&torn) {
        Ok(journal) => journal,
        Err(error) => return Err(format!("it does not open: {error}")),
    };
    let found = content(&torn)?;
    let at = states.iter().rposition(|state| *state == found);
    let Some(at) = at else {
        return Err("what was opened was never committed".to_owned());
    };
    let whole = at + 1 == states.len();
    // And the core goes on from there.
    let mut world = World::new(&plan, &mut journal, store)?;
    world.live_on(std::time::Duration::from_secs(30))?;
    drop(world);
    drop(journal);
    for path in [&live, &torn] {
        for ending in ["", "-wal", "-shm", ".lock", ".reserve"] {
            drop(std::fs::remove_file(format!("{}{ending}", path.display())));
        }
    }
    Ok(whole)
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

//! A short run of every fuzz target without a fuzzer: the committed corpus, and bytes made from it.
//! The real thing is `tests/fuzz/run`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets something else than it expects shall fail"
)]

mod targets;

use std::path::Path;

/// Inputs made from each file of the corpus.
const CHANGED: u64 = 20_000;

/// Repeatable chance.
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 32).unwrap()
}

#[test]
fn every_target_takes_its_corpus_and_what_is_near_it() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    for (name, target) in targets::ALL {
        let files: Vec<Vec<u8>> = std::fs::read_dir(corpus.join(name))
            .unwrap()
            .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
            .collect();
        assert!(!files.is_empty(), "no corpus of {name}");
        let mut state = 0x9E37_79B9_7F4A_7C15;
        target(&[]);
        for file in &files {
            target(file);
            for _ in 0..CHANGED {
                let mut bytes = file.clone();
                for _ in 0..=next(&mut state) % 4 {
                    change(&mut bytes, &files, &mut state);
                }
                target(&bytes);
            }
        }
    }
}

fn change(bytes: &mut Vec<u8>, files: &[Vec<u8>], state: &mut u64) {
    let at = next(state) % (bytes.len() + 1);
    match next(state) % 4 {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, u8::try_from(next(state) % 256).unwrap()),
        2 if at < bytes.len() => bytes[at] ^= 1 << (next(state) % 8),
        _ => {
            let other = &files[next(state) % files.len()];
            let from = next(state) % (other.len() + 1);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
    }
}

//! The seeds of the fuzz target, and what it has found, replayed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

#[path = "../../../fuzz/targets/answers.rs"]
#[allow(unreachable_pub, reason = "the fuzz target is a program of its own")]
mod answers;

use std::path::Path;

#[test]
fn every_seed_is_read_to_its_end() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/check");
    let seeds: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(seeds.len() >= 20, "only {} seeds", seeds.len());
    for seed in seeds {
        println!("{}", seed.display());
        answers::read(&std::fs::read(seed).unwrap());
    }
}

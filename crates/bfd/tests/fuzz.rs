//! The seeds of the fuzz target, and what it has found, replayed.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

#[path = "../../../fuzz/targets/datagrams.rs"]
#[allow(unreachable_pub, reason = "the fuzz target is a program of its own")]
mod datagrams;

use std::path::Path;

#[test]
fn every_seed_is_received_to_its_end() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/bfd");
    let seeds: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(seeds.len() >= 8, "only {} seeds", seeds.len());
    for seed in seeds {
        println!("{}", seed.display());
        datagrams::receive(&std::fs::read(seed).unwrap());
    }
}

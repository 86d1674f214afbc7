//! The seeds of the fuzz target, and what it has found, replayed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test that panics has failed"
)]

#[path = "../../../fuzz/targets/adverts.rs"]
#[allow(unreachable_pub, reason = "the fuzz target is a program of its own")]
mod adverts;
#[path = "../../../fuzz/replay.rs"]
#[allow(unreachable_pub, reason = "it belongs to the fuzz targets")]
mod replay;

#[test]
fn every_seed_is_received_to_its_end() {
    replay::replay("vrrp", adverts::seeds(), adverts::receive);
}

/// Or the fuzzer would begin in front of the first check.
#[test]
fn the_seeds_are_adverts_that_are_believed() {
    let seeds = adverts::seeds();
    let kinds = seeds.iter().filter(|(name, _)| name.starts_with('V'));
    for (name, bytes) in kinds {
        assert_eq!(adverts::believed(bytes), 3, "{name}");
    }
}

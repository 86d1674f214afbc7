//! The seeds of the fuzz target, and what it has found, replayed.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

#[path = "../../../fuzz/targets/agent.rs"]
#[allow(unreachable_pub, reason = "the fuzz target is a program of its own")]
mod agent;
#[path = "../../../fuzz/replay.rs"]
#[allow(unreachable_pub, reason = "it belongs to the fuzz targets")]
mod replay;

#[test]
fn every_seed_is_heard_to_its_end() {
    replay::replay("agentx", agent::seeds(), agent::hear);
}

//! Seeded simulations of three routers with sync groups and everything that can be tracked, under partitions, freezes,
//! restarts, results of trackers and reloads.
//!
//! A failing seed prints the shortest story that still breaks the rule, and how to run it again: `VRRP_SEED=N cargo test -p vrrp --test groups_simulation`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod common;

use common::stories;

/// Simulations in one run.
const SEEDS: u64 = 600;

#[test]
fn groups_that_track_settle_on_one_router_and_addresses_are_always_with_masters() {
    stories::play_all("groups and trackers", SEEDS, "groups_simulation", stories::of_groups);
}

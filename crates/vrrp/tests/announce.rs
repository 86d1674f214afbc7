//! When addresses are announced (`spec/vrrp-behaviour.md` 11).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]
mod common;

use base::Instant;
use common::bench::{Bench, packet_from};
use common::{Wish, models};
use core::time::Duration;
use std::sync::Arc;
use vrrp::action::Action;
use vrrp::config::Announcing;
use vrrp::input::Input;

#[test]
fn a_master_announces_at_once_again_after_the_delay_and_then_every_period() {
    let announcing = Announcing {
        repeat: 3,
        second_block: Duration::from_secs(2),
        refresh: Duration::from_secs(10),
        refresh_repeat: 2,
        ..Announcing::default()
    };
    let frames = announced(announcing, Duration::from_secs(30));
    // Master at 3.609375 s; the second block two seconds later, the refreshes ten seconds apart after that.
    let expected = [(3_609_375, 3), (5_609_375, 3), (15_609_375, 2), (25_609_375, 2)];
    assert_eq!(frames, expected);
}

#[test]
fn without_delay_and_period_there_is_one_block() {
    let announcing = Announcing {
        second_block: Duration::ZERO,
        ..Announcing::default()
    };
    assert_eq!(announced(announcing, Duration::from_secs(30)), [(3_609_375, 5)]);
}

#[test]
fn a_competing_advert_is_answered_by_announcements_now_and_after_the_delay() {
    let announcing = Announcing {
        second_block: Duration::ZERO,
        lower_priority_repeat: 2,
        lower_priority_second_block: Duration::from_secs(1),
        ..Announcing::default()
    };
    let mut bench = bench(announcing);
    bench.run_for(Duration::from_secs(5));
    bench.actions.clear();
    let lower = Wish {
        priority: 50,
        addresses: 1,
        ..Wish::default()
    };
    let bytes = packet_from(&lower, "10.0.0.9".parse().unwrap());
    bench.hear(&bytes);
    bench.run_for(Duration::from_millis(10));
    assert_eq!(count(&bench.actions), 2);
    bench.run_for(Duration::from_secs(2));
    assert_eq!(count(&bench.actions), 4);
}

/// When and how many frames were sent.
fn announced(announcing: Announcing, span: Duration) -> Vec<(u64, usize)> {
    let mut bench = bench(announcing);
    let began = bench.now;
    let mut seen: Vec<(u64, usize)> = Vec::new();
    while let Some(deadline) = bench
        .engine
        .deadline()
        .filter(|deadline| deadline.at <= began.after(span))
    {
        bench.now = bench.now.max(deadline.at);
        let mut actions = bench.feed(Input::DeadlineReached);
        let batches: Vec<_> = actions.iter().filter_map(batch).collect();
        for batch in batches {
            actions.extend(bench.feed(Input::AddressesChanged { batch, refused: &[] }));
        }
        let frames = count(&actions);
        if frames > 0 {
            seen.push((Instant::as_micros(bench.now) - began.as_micros(), frames));
        }
    }
    seen
}

fn bench(announcing: Announcing) -> Bench {
    let mut model = models(&[Wish {
        addresses: 1,
        ..Wish::default()
    }]);
    for config in model.instances.values_mut() {
        Arc::make_mut(config).announcing = announcing;
    }
    Bench::with_model(model)
}

fn batch(action: &Action) -> Option<vrrp::input::BatchId> {
    match action {
        Action::ChangeAddresses { batch, .. } => Some(*batch),
        Action::SendAdvert(_)
        | Action::Announce(_)
        | Action::Notify { .. }
        | Action::NotifyGroup { .. }
        | Action::NotifyPriority { .. }
        | Action::LowerPrioritySeen { .. }
        | Action::Tell(_)
        | Action::ChangeRoutes { .. }
        | Action::ChangeRules { .. }
        | Action::PromoteSecondaries { .. }
        | Action::ChangeFilter { .. }
        | Action::SocketsChanged => None,
    }
}

fn count(actions: &[Action]) -> usize {
    actions
        .iter()
        .filter(|action| matches!(action, Action::Announce(_)))
        .count()
}

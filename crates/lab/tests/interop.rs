//! Every scenario with the original alone, with ours as master and as backup of the original, and with ours alone.
//!
//! The original goes first: what it does not manage itself is no test of ours.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

use lab::catalogue::{self, Row, plain};
use lab::daemon::{Binary, Make};
use lab::scenario::Scenario;
use lab::stage::run_in_namespaces;
use std::time::Duration;

/// One module for each scenario, with a test for each pair of routers.
macro_rules! pairs {
    ($($name:ident: $scenario:expr;)*) => { $(
        mod $name {
            use super::*;

            #[test]
            fn upstream_among_itself() { play($scenario, Make::Upstream, Make::Upstream); }

            #[test]
            fn ours_above_upstream() { play($scenario, Make::Ours, Make::Upstream); }

            #[test]
            fn ours_below_upstream() { play($scenario, Make::Upstream, Make::Ours); }

            #[test]
            fn ours_among_itself() { play($scenario, Make::Ours, Make::Ours); }
        }
    )* };
}

pairs! {
    v2_multicast_1s: matrix(V2);
    v2_multicast_pass_1s: matrix(Row { auth: Some("PASS"), ..V2 });
    v2_multicast_ah_1s: matrix(Row { auth: Some("AH"), ..V2 });
    v2_unicast_1s: matrix(Row { unicast: true, ..V2 });
    v2_unicast_pass_1s: matrix(Row { unicast: true, auth: Some("PASS"), ..V2 });
    v2_unicast_ah_1s: matrix(Row { unicast: true, auth: Some("AH"), ..V2 });
    v3_multicast_1s: matrix(plain(SECOND));
    v3_multicast_100ms: matrix(plain(TENTH));
    v3_multicast_10ms: matrix(plain(HUNDREDTH));
    v3_unicast_1s: matrix(Row { unicast: true, ..plain(SECOND) });
    v3_unicast_100ms: matrix(Row { unicast: true, ..plain(TENTH) });
    v3_unicast_10ms: matrix(Row { unicast: true, ..plain(HUNDREDTH) });
    v3_ipv6_multicast_1s: matrix(Row { six: true, ..plain(SECOND) });
    v3_ipv6_multicast_100ms: matrix(Row { six: true, ..plain(TENTH) });
    v3_ipv6_multicast_10ms: matrix(Row { six: true, ..plain(HUNDREDTH) });
    v3_ipv6_unicast_1s: matrix(Row { six: true, unicast: true, ..plain(SECOND) });
    v3_ipv6_unicast_100ms: matrix(Row { six: true, unicast: true, ..plain(TENTH) });
    v3_ipv6_unicast_10ms: matrix(Row { six: true, unicast: true, ..plain(HUNDREDTH) });

    frozen_backup: catalogue::a_frozen_backup_wakes_up_beside_its_master(plain(TENTH));
    partition: catalogue::a_partition_heals(plain(TENTH));
    partition_ipv6: catalogue::a_partition_heals(Row { six: true, ..plain(TENTH) });
    one_way_partition: catalogue::a_one_way_partition_heals(plain(TENTH));
    equal_priorities: catalogue::of_equal_masters_the_one_with_the_higher_address_stays(plain(TENTH));
    lossy_segment: catalogue::a_lossy_segment_recovers(plain(TENTH));
}

const SECOND: Duration = Duration::from_secs(1);
const TENTH: Duration = Duration::from_millis(100);
const HUNDREDTH: Duration = Duration::from_millis(10);

/// Version 2 knows whole seconds only.
const V2: Row = Row {
    version: 2,
    ..plain(SECOND)
};

fn matrix(row: Row) -> Scenario {
    catalogue::a_master_is_lost_in_every_way_and_returns(row)
}

fn play(scenario: Scenario, a: Make, b: Make) {
    let Some(upstream) = Binary::upstream() else {
        eprintln!("skipped: Debian's keepalived is not installed (make setup)");
        return;
    };
    let binary = |make| match make {
        Make::Ours => Binary::ours().unwrap(),
        Make::Upstream => upstream.clone(),
    };
    match run_in_namespaces(&scenario, &[binary(a), binary(b)]) {
        Ok(report) => eprintln!("a is {a}, b is {b}\n{report}"),
        Err(failure) => panic!("a is {a}, b is {b}\n{failure}"),
    }
}

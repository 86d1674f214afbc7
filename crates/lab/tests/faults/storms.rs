//! More changes than the kernel can report: it drops reports (ENOBUFS), and everything must be asked for anew.

use crate::stand::{Cost, Stand, times};
use crate::support::address;
use lab::catalogue::{Row, row};
use lab::journal::Seen;
use nix::sys::signal::Signal;
use std::fmt::Write;
use std::fs;

/// Small on purpose: ours only grow, so a storm has to fill what we have all the same.
const GLOBALS: &str = "    vrrp_netlink_cmd_rcv_bufs 1024\n    vrrp_netlink_monitor_rcv_bufs 1024\n";
/// An interface that goes down in the middle of the storm, when nobody hears of it.
const LINES: &str = "    track_interface {\n        z0 weight -20\n    }\n";
/// Addresses that come and go, and how often.
const ADDRESSES: usize = 2_500;
const WAVES: usize = 6;

fn seconds() -> Row {
    row(3, 1000, &[])
}

#[test]
fn reports_of_the_kernel_are_lost() {
    let more = (LINES, GLOBALS, "");
    let fault = "netlink overrun: 30,000 changes of addresses unread";
    let started = Stand::start_with(fault, Cost::TakeOver, seconds(), more, |lab| {
        for name in ["a", "b"] {
            let lines = ["link add z0 type veth peer name z1", "link set z0 up", "link set z1 up"];
            lab.host(name).ip(&lines).unwrap();
        }
    });
    let Some(mut stand) = started else { return };
    let mut dropped_before = 0;
    for time in 0..times() {
        let down = time.is_multiple_of(2);
        stand.round(|stand| {
            let host = stand.lab.host("a").clone();
            let role = stand.await_role("a", "vrrp", None);
            assert!(role.signal(Signal::SIGSTOP));
            let mut lines = String::new();
            for wave in 0..WAVES {
                for n in 0..ADDRESSES {
                    writeln!(
                        lines,
                        "address add 10.{}.{}.{}/32 dev z0",
                        100 + wave,
                        n / 250,
                        n % 250 + 1
                    )
                    .unwrap();
                }
                if wave == WAVES / 2 {
                    // What nobody is told of.
                    let state = if down { "down" } else { "up" };
                    writeln!(
                        lines,
                        "link set z1 {state}\naddress del {}/24 dev eth0",
                        address(seconds())
                    )
                    .unwrap();
                }
                for n in 0..ADDRESSES {
                    writeln!(
                        lines,
                        "address del 10.{}.{}.{}/32 dev z0",
                        100 + wave,
                        n / 250,
                        n % 250 + 1
                    )
                    .unwrap();
                }
            }
            host.ip(&[lines.trim_end()]).unwrap();
            assert!(role.signal(Signal::SIGCONT));
            stand.lab.note("the storm is over");
            // The other half of what was missed: the weight of the interface.
            let priority = if down { 130 } else { 150 };
            let since = stand.lab.now();
            stand.lab.seen(
                since,
                "a",
                |what| matches!(what, Seen::Advert(one) if one.priority == priority || one.priority == priority + 1),
            );
        });
        let role = stand.await_role("a", "vrrp", None);
        let dropped = drops(role.pid);
        assert!(dropped > dropped_before, "no report was lost: nothing was tested");
        dropped_before = dropped;
    }
    stand.lab.host("a").ip(&["link set z1 up"]).unwrap();
    stand.finish();
}

/// Reports the kernel had no room for, of all netlink sockets of a network namespace.
fn drops(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/net/netlink")).unwrap();
    let numbers = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().nth(8)?.parse::<u64>().ok());
    numbers.sum()
}

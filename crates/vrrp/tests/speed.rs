//! What an advert costs us, without the kernel: run with `--ignored --nocapture`, best at opt-level 3.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod common;

use common::Wish;
use common::bench::{Bench, packet_from};
use core::time::Duration;
use vrrp::action::StateName;
use vrrp::config::{Model, Version};
use vrrp::input::{Body, Input, Packet};

/// Instances: as many as one segment has, four times, on as many interfaces.
const INTERFACES: u8 = 4;
const ROUNDS: u64 = 100;

#[test]
#[ignore = "a measurement, not a test"]
#[allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn the_cost_of_sending_and_of_receiving_an_advert() {
    let mut bench = Bench::with_model(model(100));
    for number in 1..INTERFACES {
        let name = format!("eth{number}").parse().unwrap();
        let mut facts = common::bench::facts();
        facts.index = base::IfIndex(2 + u32::from(number));
        bench.feed(Input::Interface {
            name,
            facts: Some(facts),
        });
    }
    bench.run_for(Duration::from_secs(2));
    let masters = bench
        .engine
        .status()
        .iter()
        .filter(|s| s.state == StateName::Master)
        .count();
    bench.actions.clear();
    let mut actions = Vec::with_capacity(2000);
    let (mut sent, mut wakes) = (0, 0);
    let start = std::time::Instant::now();
    let until = bench.now.after(Duration::from_millis(100 * ROUNDS));
    while let Some(deadline) = bench.engine.deadline().filter(|d| d.at <= until) {
        actions.clear();
        bench
            .engine
            .handle(deadline.at.max(bench.now), Input::DeadlineReached, &mut actions);
        sent += actions.len();
        wakes += 1;
    }
    let spent = start.elapsed();
    println!(
        "{masters} masters: {} ns an advert, {sent} adverts, {wakes} wake-ups",
        spent.as_nanos() / sent as u128
    );

    receiving();
    reloading();
}

#[allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn receiving() {
    let theirs = packet_from(
        &Wish {
            vrid: 7,
            version: Version::V3,
            interval: Duration::from_millis(100),
            priority: 200,
            first: 1007,
            ..Wish::default()
        },
        "10.0.0.9".parse().unwrap(),
    );
    let mut bench = Bench::with_model(model(100));
    let mut actions = Vec::new();
    let socket = bench.socket();
    let start = std::time::Instant::now();
    let rounds = 100_000u64;
    for _ in 0..rounds {
        actions.clear();
        let body = Body::V4(&theirs);
        bench
            .engine
            .handle(bench.now, Input::Packet(Packet { socket, body }), &mut actions);
    }
    let spent = start.elapsed();
    println!(
        "backup: {} ns an advert, state {:?}",
        spent.as_nanos() / u128::from(rounds),
        bench.engine.status()[7].counters.advert_rcvd
    );
}

#[allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn reloading() {
    let mut bench = Bench::with_model(model(100));
    let mut actions = Vec::new();
    let mut model = model(100);
    let same = model.clone();
    let start = std::time::Instant::now();
    bench.engine.reconfigure(bench.now, same, &mut actions);
    println!("reload without change: {} us", start.elapsed().as_micros());
    if let Some(config) = model.instances.values_mut().next() {
        std::sync::Arc::make_mut(config).higher_prio_send_advert = true;
    }
    let start = std::time::Instant::now();
    bench.engine.reconfigure(bench.now, model, &mut actions);
    println!("reload with one change: {} us", start.elapsed().as_micros());
}

fn model(priority: u8) -> Model {
    let mut model = Model::default();
    for interface in 0..INTERFACES {
        for vrid in 1..=250u8 {
            let wish = Wish {
                vrid,
                version: Version::V3,
                interval: Duration::from_millis(100),
                priority,
                addresses: 1,
                first: 1000 + u16::from(interface) * 1000 + u16::from(vrid),
                ..Wish::default()
            };
            let mut config = common::config(&wish);
            config.name = vrrp::config::Name::from(format!("V{interface}_{vrid}").as_str());
            config.interface = Some(format!("eth{interface}").parse().unwrap());
            for address in &mut config.addresses {
                address.interface = format!("eth{interface}").parse().unwrap();
            }
            model.instances.insert(config.name.clone(), std::sync::Arc::new(config));
        }
    }
    model
}

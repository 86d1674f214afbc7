//! One line for each input and action: traces, failing simulations and recordings read alike.
//!
//! Decides only how things are written. Secrets are never in it: an advert is shown by its sender's claim.

use crate::action::{Action, AddressStep, Advert, Announced, RoutingStep, StateName};
use crate::input::{BatchId, Body, Input, SocketKey};
use crate::wire::{self, Head, PROTOCOL_AH};
use core::fmt;

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for SocketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.interface {
            Some(index) => write!(f, "{} protocol {} on {index}", self.local, self.protocol),
            None => write!(f, "{} protocol {}", self.local, self.protocol),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::SendAdvert(advert) => advert.fmt(f),
            Action::ChangeAddresses { batch, steps } => {
                write!(f, "addresses #{}", batch.0)?;
                for step in steps {
                    match step {
                        AddressStep::Add { address, .. } => write!(f, " +{}", address.prefix)?,
                        AddressStep::Remove { key, .. } => write!(f, " -{}", key.prefix)?,
                    }
                }
                Ok(())
            }
            Action::ChangeRoutes { batch, steps } => routing(f, "routes", *batch, steps),
            Action::ChangeRules { batch, steps } => routing(f, "rules", *batch, steps),
            Action::PromoteSecondaries { interface, on: true } => write!(f, "promote secondaries on {interface}"),
            Action::PromoteSecondaries { interface, on: false } => {
                write!(f, "promote secondaries on {interface} as before")
            }
            Action::ChangeFilter { batch, steps, .. } => {
                write!(f, "filter #{}", batch.0)?;
                steps.iter().try_for_each(|step| write!(f, " {step}"))
            }
            Action::Announce(announcement) => match announcement.what {
                Announced::Arp(address) => write!(f, "announce {address}"),
                Announced::Neighbour { address, .. } => write!(f, "announce {address}"),
            },
            Action::Notify {
                instance,
                state,
                priority,
                ..
            } => write!(f, "notify {instance} {state} priority={priority}"),
            Action::NotifyGroup { group, state, .. } => write!(f, "notify group {group} {state}"),
            Action::NotifyPriority {
                instance,
                state,
                priority,
            } => write!(f, "notify {instance} {state}_PRIORITY {priority}"),
            Action::LowerPrioritySeen { instance, priority } => {
                write!(f, "lower-priority-seen {instance} priority={priority}")
            }
            Action::Tell(event) => write!(f, "say {event}"),
            Action::SocketsChanged => f.write_str("sockets"),
        }
    }
}

impl fmt::Display for Advert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "advert {} {}>{}", self.instance, self.source, self.destination)?;
        let message = if self.destination.is_ipv4() {
            let ah = if self.protocol == PROTOCOL_AH {
                wire::auth::AH_LEN
            } else {
                0
            };
            self.bytes.get(wire::ipv4::LEN + ah..)
        } else {
            Some(self.bytes.as_slice())
        };
        match message.and_then(Head::read) {
            Some((head, _)) => write!(f, " vrid={} priority={}", head.vrid, head.priority),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Input::DeadlineReached => f.write_str("timer"),
            Input::WallClock { since_1970 } => write!(f, "clock {}", since_1970.as_secs()),
            Input::Slept { span } => write!(f, "slept {}.{:06} s", span.as_secs(), span.subsec_micros()),
            Input::Interface { name, facts: None } => write!(f, "interface {name} gone"),
            Input::Interface {
                name,
                facts: Some(facts),
            } => {
                let word = if facts.up && facts.running { "up" } else { "down" };
                write!(f, "interface {name} {word}")
            }
            Input::Address { key, present } => {
                write!(f, "address {key} {}", there(*present))
            }
            Input::Route { route, present } => write!(f, "route {route} {}", there(*present)),
            Input::Rule { rule, present } => write!(f, "rule {rule} {}", there(*present)),
            Input::RoutingUncertain => f.write_str("routes and rules uncertain"),
            Input::Packet(packet) => match packet.body {
                Body::V4(bytes) => write!(f, "packet of {} bytes", bytes.len()),
                Body::V6 { source, payload, .. } => write!(f, "packet of {} bytes from {source}", payload.len()),
            },
            Input::AddressesChanged { batch, refused } => done(f, "", *batch, refused),
            Input::RoutesChanged { batch, refused } => done(f, "routes ", *batch, refused),
            Input::RulesChanged { batch, refused } => done(f, "rules ", *batch, refused),
            Input::FilterLost => f.write_str("filter gone"),
            Input::FilterChanged { batch, refused: None } => write!(f, "filtered #{}", batch.0),
            Input::FilterChanged {
                batch,
                refused: Some(errno),
            } => write!(f, "filter #{} refused error {errno}", batch.0),
            Input::SocketFailed { socket, errno } => write!(f, "socket {socket} failed error {errno}"),
            Input::SocketOpened { socket } => write!(f, "socket {socket} opened"),
            Input::SendFailed { instance, errno } => write!(f, "send of {instance} failed error {errno}"),
            Input::ScriptResult { name, outcome } => write!(f, "script {name} {outcome}"),
            Input::FileValue { name, value } => write!(f, "file {name} holds {value}"),
            Input::ProcessCount { name, count } => write!(f, "process {name} runs {count} times"),
            Input::BfdState { name, up } => write!(f, "bfd {name} {}", if *up { "up" } else { "down" }),
            Input::Shutdown { keep_addresses: true } => f.write_str("shutdown keeping addresses"),
            Input::Shutdown { keep_addresses: false } => f.write_str("shutdown"),
        }
    }
}

fn there(present: bool) -> &'static str {
    if present { "there" } else { "gone" }
}

fn done(f: &mut fmt::Formatter<'_>, what: &str, batch: BatchId, refused: &[(usize, i32)]) -> fmt::Result {
    write!(f, "done {what}#{}", batch.0)?;
    for (step, errno) in refused {
        write!(f, " step {step} error {errno}")?;
    }
    Ok(())
}

fn routing<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    batch: BatchId,
    steps: &[RoutingStep<T>],
) -> fmt::Result {
    write!(f, "{what} #{}", batch.0)?;
    for step in steps {
        match step {
            RoutingStep::Add(item) => write!(f, " +[{item}]")?,
            RoutingStep::Remove(item) => write!(f, " -[{item}]")?,
        }
    }
    Ok(())
}

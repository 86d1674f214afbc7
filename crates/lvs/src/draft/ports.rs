//! Ports of destinations: NAT has its own, the other methods have that of the service.

use super::finish::Finishing;
use crate::config::{Endpoint, Entry, Forwarding, Group, Range, Target};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// What is done about a port.
enum Settled {
    /// It is set to this, and what is said about it.
    To(u16, Option<String>),
    /// It stays as it is.
    Stays(Vec<String>),
}

/// Gives every real server and the sorry server the port it has in the kernel; 0: that of the service.
pub(super) fn settle(this: &mut Finishing<'_>) {
    for at in 0..this.reals.len() {
        let Some(candidate) = this.reals.get(at) else { continue };
        let (index, place, forwarding) = (candidate.index, candidate.real.at, candidate.real.forwarding);
        let name = format!("real server {}", this.named(place));
        let port = apply(this, place, forwarding, &name, Some(index));
        if let Some(candidate) = this.reals.get_mut(at) {
            candidate.real.at.port = port;
        }
    }
    if let Some(sorry) = &this.sorry {
        let (place, forwarding) = (sorry.at, sorry.forwarding);
        let port = apply(this, place, forwarding, "sorry server", None);
        if let Some(sorry) = &mut this.sorry {
            sorry.at.port = port;
        }
    }
}

/// Says what there is to say and gives the port.
fn apply(this: &mut Finishing<'_>, at: Endpoint, forwarding: Forwarding, name: &str, real: Option<usize>) -> u16 {
    let keyword = if real.is_some() { "real_server" } else { "sorry_server" };
    match settled(this, at, forwarding, name, real.is_some()) {
        Settled::To(port, text) => {
            if let Some(text) = text {
                this.say(keyword, real, text);
            }
            port
        }
        Settled::Stays(texts) => {
            for text in texts {
                this.say(keyword, real, text);
            }
            at.port
        }
    }
}

fn settled(this: &Finishing<'_>, at: Endpoint, forwarding: Forwarding, name: &str, is_real: bool) -> Settled {
    let key = &this.key;
    match (&key.target, forwarding.has_port()) {
        (Target::Address { at: service, .. }, true) => {
            Settled::To(if at.port == 0 { service.port } else { at.port }, None)
        }
        (Target::Address { at: service, .. }, false) => {
            let wrong = at.port != 0 && at.port != service.port;
            let text = || match service.port {
                0 => format!("WARNING - virtual server {key}, {name} has port specified - clearing"),
                _ => format!("WARNING - virtual server {key} and {name} ports don't match - resetting"),
            };
            Settled::To(service.port, wrong.then(text))
        }
        (Target::Mark { .. }, true) | (Target::Group(_), true) => Settled::Stays(Vec::new()),
        (Target::Mark { .. }, false) => {
            let text = || format!("WARNING - fwmark virtual server {key}, {name} has port specified - clearing");
            Settled::To(0, (at.port != 0).then(text))
        }
        (Target::Group(_), false) if at.port == 0 => Settled::Stays(Vec::new()),
        (Target::Group(_), false) => Settled::Stays(in_group(this, at.port, name, is_real)),
    }
}

/// A group may have many ports: a port of a destination is ignored, which is said where it is another.
fn in_group(this: &Finishing<'_>, port: u16, name: &str, is_real: bool) -> Vec<String> {
    let key = &this.key;
    let mut texts = Vec::new();
    if this.families.marks {
        texts.push(format!(
            "WARNING - fwmark virtual server {key}, {name} has port specified - port will be ignored"
        ));
    }
    let mut others = this.group.map(|group| others(group, port)).unwrap_or_default();
    if is_real {
        texts.extend(others.drain(..).map(|range| {
            let (first, port) = (range.first(), range.port());
            format!("virtual server {key}:[{first},{port}] and {name} ports don't match")
        }));
    } else if !others.is_empty() {
        texts.push(format!(
            "WARNING - virtual server {key}, {name} has port specified - port will be ignored"
        ));
    }
    texts
}

/// Entries of a group that are named for one destination. Of a larger group only the first entry of each port is looked
/// at: with thousands of entries and thousands of servers there would be no end of messages.
const NAMED: usize = 16;

/// Addresses of a group that have another port.
fn others(group: &Group, port: u16) -> Vec<Range> {
    let differs = |range: &Range| range.port() != port;
    if group.entries.len() > NAMED {
        let ranges = group.summary.ports.values().copied();
        return ranges.filter(differs).take(NAMED).collect();
    }
    let ranges = group.entries.iter().filter_map(|entry| match entry {
        Entry::Range(range) => Some(*range),
        Entry::Mark { .. } => None,
    });
    ranges.filter(differs).collect()
}

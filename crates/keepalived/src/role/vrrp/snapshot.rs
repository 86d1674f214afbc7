//! What the role reports of itself to the manage role: translation only.

use super::Role;
use crate::status::{
    Condition, Counts, InstanceStatus, InterfaceStatus, State, Succession, TrackedKind, TrackedStatus, VrrpStatus,
};
use ::vrrp::action::StateName;
use ::vrrp::config::{Preempt, Tracked};
use ::vrrp::counters::Counters;
use ::vrrp::engine::Status;
use ::vrrp::track;
use base::Instant;
use std::collections::BTreeMap;

impl Role {
    /// Everything, as it is now.
    pub(super) fn snapshot(&self, now: Instant) -> VrrpStatus {
        let status = self.engine.status();
        let groups = self.engine.groups().into_iter();
        VrrpStatus {
            age: now.since(self.started),
            groups: groups
                .map(|group| (group.config.name.to_string(), state(group.state)))
                .collect(),
            tracked: tracked(&status),
            interfaces: self.watcher.interfaces(),
            unknown_vrid: self.engine.counters().unknown_vrid,
            instances: status.iter().map(|one| instance(now, one)).collect(),
        }
    }
}

impl super::facts::Watcher {
    fn interfaces(&self) -> Vec<InterfaceStatus> {
        let links = self.links().map(|link| InterfaceStatus {
            name: link.name.to_string(),
            index: link.index.0,
            mac: link.mac.map(|mac| mac.0),
        });
        links.collect()
    }
}

fn instance(now: Instant, one: &Status) -> InstanceStatus {
    InstanceStatus {
        name: one.name.to_string(),
        state: state(one.state),
        priority: one.priority.get(),
        base_priority: one.config.priority.get(),
        preempts: one.config.preempt != Preempt::No,
        master: one.master,
        source: one.source,
        master_interval: one.master_interval,
        taking_part: one.takes_part_since.map(|since| now.since(since)),
        succession: match one.succession {
            ::vrrp::Succession::Unanswered => Succession::Unanswered,
            ::vrrp::Succession::Resigned => Succession::Resigned,
            ::vrrp::Succession::Outranks => Succession::Outranks,
        },
        held: one.held.clone(),
        routes_held: one.routes_held.clone(),
        rules_held: one.rules_held.clone(),
        counts: counts(&one.counters),
    }
}

/// The state as it travels.
pub(super) const fn state(state: StateName) -> State {
    match state {
        StateName::Init => State::Init,
        StateName::Backup => State::Backup,
        StateName::Master => State::Master,
        StateName::Fault => State::Fault,
        StateName::Stop => State::Stop,
        StateName::Deleted => State::Deleted,
    }
}

const fn counts(c: &Counters) -> Counts {
    Counts {
        become_master: c.become_master,
        received: c.advert_rcvd,
        interval_errors: c.advert_interval_err,
        auth_failures: c.auth_failure,
        ttl_errors: c.ip_ttl_err,
        zero_received: c.pri_zero_rcvd,
        zero_sent: c.pri_zero_sent,
        type_errors: c.invalid_type_rcvd,
        address_errors: c.addr_list_err,
        auth_type_errors: c.invalid_authtype,
        auth_mismatches: c.authtype_mismatch,
        length_errors: c.packet_len_err,
        checksum_errors: c.chk_err,
        version_errors: c.version_err,
    }
}

/// What is known of each object that somebody tracks.
fn tracked(status: &[Status]) -> Vec<TrackedStatus> {
    let parts = status.iter().flat_map(|one| &one.sum.parts);
    let known: BTreeMap<&Tracked, track::Condition> = parts.map(|part| (&part.object, part.condition)).collect();
    let one = |(object, condition): (&Tracked, track::Condition)| TrackedStatus {
        kind: kind(object),
        name: object.name().to_owned(),
        condition: match condition {
            track::Condition::Unknown => Condition::Unknown,
            track::Condition::Good => Condition::Good,
            track::Condition::Bad => Condition::Bad,
            track::Condition::Value(value) => Condition::Value(value),
        },
    };
    known.into_iter().map(one).collect()
}

const fn kind(object: &Tracked) -> TrackedKind {
    match object {
        Tracked::Interface(_) => TrackedKind::Interface,
        Tracked::Script(_) => TrackedKind::Script,
        Tracked::File(_) => TrackedKind::File,
        Tracked::Process(_) => TrackedKind::Process,
        Tracked::Bfd(_) => TrackedKind::Bfd,
    }
}

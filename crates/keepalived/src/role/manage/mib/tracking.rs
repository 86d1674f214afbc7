//! What is tracked, and by whom, in KEEPALIVED-MIB: `2.4`, `2.5`, `2.9`, `2.12`, `2.13`, `2.17`, `2.18`, `2.20`, `2.21`.
//!
//! Objects are numbered by their names.

use super::{KEEPALIVED, Known, Row, command, gauge, integer};
use crate::status::{Condition, TrackedKind};
use ::vrrp::config::{Tracked, Weight};
use agentx::table::Builder;
use agentx::{Oid, Value};
use conf::model::ParameterMatch;
use std::time::Duration;

/// A kind of object, with the table of those who track it.
const KINDS: [(TrackedKind, u32); 5] = [
    (TrackedKind::Interface, 4),
    (TrackedKind::Script, 5),
    (TrackedKind::File, 12),
    (TrackedKind::Bfd, 17),
    (TrackedKind::Process, 20),
];

pub(super) fn put(known: &Known<'_>, builder: &mut Builder) {
    let base = Oid::new(&KEEPALIVED).with(&[2]);
    for row in known.rows() {
        for (kind, table) in KINDS {
            trackers(&row, kind, &base.with(&[table, 1]), builder);
        }
    }
    scripts(known, &base.with(&[9, 1]), builder);
    files(known, &base.with(&[13, 1]), builder);
    sessions(known, &base.with(&[18, 1]), builder);
    processes(known, &base.with(&[21, 1]), builder);
}

const fn kind_of(object: &Tracked) -> TrackedKind {
    match object {
        Tracked::Interface(_) => TrackedKind::Interface,
        Tracked::Script(_) => TrackedKind::Script,
        Tracked::File(_) => TrackedKind::File,
        Tracked::Process(_) => TrackedKind::Process,
        Tracked::Bfd(_) => TrackedKind::Bfd,
    }
}

/// What an instance tracks of one kind. Interfaces have their names in the first column, as they have no column of a number.
fn trackers(row: &Row<'_>, kind: TrackedKind, columns: &Oid, builder: &mut Builder) {
    let first = if kind == TrackedKind::Interface { 1 } else { 2 };
    let all = row
        .config
        .trackers
        .iter()
        .filter(|tracker| kind_of(&tracker.object) == kind);
    for (number, tracker) in (1..).zip(all) {
        let index = [row.number, number];
        let mut put = |column: u32, value: Value| builder.put(&columns.with(&[first + column]), &index, value);
        put(0, Value::text(tracker.object.name()));
        put(1, integer(tracker.weight.value));
        put(2, Value::truth(tracker.weight.reverse));
    }
}

impl Known<'_> {
    fn condition(&self, kind: TrackedKind, name: &str) -> Condition {
        let all = self.vrrp.map(|status| &status.tracked);
        let found = all
            .into_iter()
            .flatten()
            .find(|one| one.kind == kind && one.name == name);
        found.map_or(Condition::Unknown, |one| one.condition)
    }

    fn weight(&self, object: &Tracked) -> Weight {
        self.model.listing.weights.get(object).copied().unwrap_or_default()
    }
}

/// Microseconds.
fn micros(span: Duration) -> Value {
    gauge(span.as_micros())
}

fn scripts(known: &Known<'_>, columns: &Oid, builder: &mut Builder) {
    for (number, (name, script)) in (1..).zip(&known.model.vrrp.objects.scripts) {
        let mut put = |column: u32, value: Value| builder.put(&columns.with(&[column]), &[number], value);
        put(2, Value::text(name.as_str()));
        let weight = known.weight(&Tracked::Script(name.clone()));
        put(5, integer(weight.value));
        put(
            6,
            Value::Integer(match known.condition(TrackedKind::Script, name.as_str()) {
                Condition::Bad => 2,
                Condition::Good | Condition::Value(_) => 3,
                Condition::Unknown if script.init_fail => 5,
                Condition::Unknown => 1,
            }),
        );
        put(7, gauge(script.rise));
        put(8, gauge(script.fall));
        put(9, Value::truth(weight.reverse));
        let Some(run) = known.model.tracking.scripts.get(name.as_str()) else {
            continue;
        };
        put(3, command(&run.command));
        put(4, integer(run.interval.as_secs()));
        if let Some(file) = &run.command.file {
            put(10, Value::bytes(file));
        }
        put(11, micros(run.interval));
        put(12, micros(run.timeout));
    }
}

fn files(known: &Known<'_>, columns: &Oid, builder: &mut Builder) {
    for (number, name) in (1..).zip(&known.model.vrrp.objects.files) {
        let mut put = |column: u32, value: Value| builder.put(&columns.with(&[column]), &[number], value);
        put(2, Value::text(name.as_str()));
        let value = match known.condition(TrackedKind::File, name.as_str()) {
            Condition::Value(value) => value,
            Condition::Unknown | Condition::Good | Condition::Bad => 0,
        };
        put(4, integer(value));
        if let Some(file) = known.model.tracking.files.get(name.as_str()) {
            put(3, Value::text(&file.path));
            put(5, integer(file.weight.value));
            put(6, Value::truth(file.weight.reverse));
        }
    }
}

fn sessions(known: &Known<'_>, columns: &Oid, builder: &mut Builder) {
    for (number, name) in (1..).zip(&known.model.vrrp.objects.sessions) {
        let mut put = |column: u32, value: Value| builder.put(&columns.with(&[column]), &[number], value);
        let weight = known.weight(&Tracked::Bfd(name.clone()));
        put(2, Value::text(name.as_str()));
        let up = known.condition(TrackedKind::Bfd, name.as_str()) == Condition::Good;
        put(3, integer(i32::from(up)));
        put(4, integer(weight.value));
        put(5, Value::truth(weight.reverse));
    }
}

fn processes(known: &Known<'_>, columns: &Oid, builder: &mut Builder) {
    for (number, (name, process)) in (1..).zip(&known.model.vrrp.objects.processes) {
        let mut put = |column: u32, value: Value| builder.put(&columns.with(&[column]), &[number], value);
        let weight = known.weight(&Tracked::Process(name.clone()));
        put(2, Value::text(name.as_str()));
        put(6, integer(weight.value));
        put(7, Value::truth(weight.reverse));
        put(8, gauge(process.quorum));
        let most = (process.quorum_max != u32::MAX).then_some(process.quorum_max);
        put(9, most.map_or(Value::Integer(-1), integer));
        put(10, micros(process.fork_delay));
        put(11, micros(process.terminate_delay));
        let good = known.condition(TrackedKind::Process, name.as_str()) == Condition::Good;
        put(14, Value::truth(good));
        let Some(which) = known.model.tracking.processes.get(name.as_str()) else {
            continue;
        };
        put(3, Value::text(&which.path));
        put(4, Value::text(&which.parameters.join(" ")));
        put(
            5,
            Value::Integer(match which.parameter_match {
                ParameterMatch::None => 0,
                ParameterMatch::Exact => 1,
                ParameterMatch::Partial => 2,
                ParameterMatch::Initial => 3,
            }),
        );
        put(12, Value::truth(which.full_command));
    }
}

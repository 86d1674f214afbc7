//! Weights that change nothing.

use super::{Report, Rule};
use crate::forecast::{Failure, Outcome, Router, Why, allows_weights, routers};
use crate::node::{Instance, Kind, Tracker};

pub(super) static WEIGHT_WITHOUT_EFFECT: Rule = Rule {
    name: "weight-without-effect",
    about: "The owner of the addresses has priority 255 whatever happens, and no other router can have more than 254: a \
            weight that is swallowed by these bounds changes nothing.",
    hint: "choose a priority that leaves room for the weights, or give the tracker no weight",
    check: weight_without_effect,
};

fn weight_without_effect(report: &mut Report<'_>) {
    for (node, instance) in report.instances() {
        let base = instance.config.priority;
        let trackers = instance.trackers();
        let total = |failed: Option<&Tracker<'_>>| -> i32 {
            let good = |t: &Tracker<'_>| failed.is_none_or(|f| (f.kind, f.name) != (t.kind, t.name));
            let sum: i32 = trackers
                .iter()
                .filter(|t| t.weight != 0)
                .map(|t| t.contribution(good(t)))
                .sum();
            (i32::from(base.get()) + sum).clamp(1, 254)
        };
        for tracker in trackers.iter().filter(|tracker| tracker.weight != 0) {
            let why = if base.is_owner() {
                "its priority is 255, whatever fails"
            } else if total(None) == total(Some(tracker)) {
                "the priority stays at its bound"
            } else {
                continue;
            };
            let message = format!(
                "the weight of {} `{}` changes nothing for {}: {why}",
                tracker.kind.word(),
                tracker.name,
                instance.name()
            );
            report.say(node, tracker.line.at.as_ref(), message);
        }
    }
}

pub(super) static SYNC_GROUP_WEIGHT: Rule = Rule {
    name: "sync-group-weight",
    about: "In a sync group of several members the weights of what a member tracks are left out, unless the group has \
            sync_group_tracking_weight.",
    hint: "track it in the vrrp_sync_group with `sync_group_tracking_weight`, or give it no weight",
    check: sync_group_weight,
};

fn sync_group_weight(report: &mut Report<'_>) {
    for (node, instance) in report.instances() {
        let Some(group) = instance.group().filter(|group| !allows_weights(group)) else {
            continue;
        };
        let ignored = |t: &&Tracker<'_>| t.weight != 0 && !by_default(t);
        for tracker in instance.trackers().iter().filter(ignored) {
            let what = match tracker.kind {
                Kind::Interface => "counts as none",
                Kind::Script | Kind::File | Kind::Process | Kind::Bfd => "makes it be ignored",
            };
            let message = format!(
                "the weight of {} `{}` {what}: {} is in the sync group {}",
                tracker.kind.word(),
                tracker.name,
                instance.name(),
                group.word(0).unwrap_or_default()
            );
            report.say(node, tracker.line.at.as_ref(), message);
        }
    }
}

/// A file without a weight of its own becomes a fault tracker in a group, as most would expect.
fn by_default(tracker: &Tracker<'_>) -> bool {
    tracker.kind == Kind::File && !tracker.line.words.iter().any(|word| word == "weight")
}

pub(super) static WEIGHT_CANNOT_MOVE: Rule = Rule {
    name: "weight-cannot-move",
    about: "Even when everything the master tracks by weight fails at once, it keeps a higher priority than any other \
            node: the check is there and can never move the addresses.",
    hint: "make the weights larger than the distance of the priorities, or give the tracker no weight",
    check: weight_cannot_move,
};

fn weight_cannot_move(report: &mut Report<'_>) {
    if report.nodes.len() < 2 {
        return;
    }
    for router in routers(report.nodes) {
        let Ok(master) = router.master() else { continue };
        let Outcome::Stays(lowest, why) = router.all_weights_failed() else {
            continue;
        };
        // The other reasons have rules of their own.
        if why != Why::StillHighest {
            continue;
        }
        let Some(member) = router.members.get(master) else {
            continue;
        };
        let notes = others(&router, master, report);
        let weighted = router.failures().into_iter().filter_map(|(failure, _)| match failure {
            Failure::Tracker(tracker) if tracker.weight != 0 => Some(tracker),
            Failure::Node | Failure::Interface(_) | Failure::Companion(_) | Failure::Tracker(_) => None,
        });
        if router.members.len() < 2 {
            continue;
        }
        for tracker in weighted {
            let message = message(
                &member.instance,
                &tracker,
                member.priority(|t| t.name == tracker.name),
                lowest,
            );
            report.say_with(member.node, tracker.line.at.as_ref(), message, notes.clone());
        }
    }
}

fn message(instance: &Instance<'_>, tracker: &Tracker<'_>, alone: Option<u8>, lowest: u8) -> String {
    let alone = alone.unwrap_or(lowest);
    format!(
        "{} `{}` can never move the addresses of {}: when it fails the priority is still {alone}",
        tracker.kind.word(),
        tracker.name,
        instance.name()
    )
}

fn others(router: &Router<'_>, master: usize, report: &Report<'_>) -> Vec<String> {
    let rest = router
        .members
        .iter()
        .enumerate()
        .filter(|(number, _)| *number != master);
    rest.map(|(_, member)| {
        let place = report.place(member.node, member.instance.place("priority"));
        format!("{place}: the priority here is {}", member.healthy().unwrap_or(0))
    })
    .collect()
}

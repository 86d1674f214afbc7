//! States and preemption of one node.

use super::{Report, Rule};

pub(super) static NOPREEMPT_MASTER: Rule = Rule {
    name: "nopreempt-master",
    about: "A router that starts as master takes the addresses from whoever has them, so nopreempt is switched off again.",
    hint: "write `state BACKUP` on every node; the priorities say who becomes master first",
    check: nopreempt_master,
};

fn nopreempt_master(report: &mut Report<'_>) {
    for (node, instance) in report.instances() {
        let master = instance
            .block
            .get("state")
            .is_some_and(|item| item.word(0) == Some("MASTER"));
        if master && instance.has("nopreempt") {
            let message = format!("`nopreempt` of {} does nothing beside `state MASTER`", instance.name());
            report.say(node, instance.place("nopreempt"), message);
        }
    }
}

pub(super) static NOPREEMPT_WEIGHT: Rule = Rule {
    name: "nopreempt-weight",
    about: "A failing check lowers the priority of the master, but a backup with nopreempt does not take over from a \
            master that is alive, however low its priority.",
    hint: "give the tracker no weight, so that its failure is a fault and the master steps down; or leave out `nopreempt`",
    check: nopreempt_weight,
};

fn nopreempt_weight(report: &mut Report<'_>) {
    for (node, instance) in report.instances() {
        if !instance.has("nopreempt") {
            continue;
        }
        for tracker in instance.trackers().iter().filter(|tracker| tracker.weight != 0) {
            let message = format!(
                "the weight of {} `{}` cannot move the addresses of {} to a node with `nopreempt`",
                tracker.kind.word(),
                tracker.name,
                instance.name()
            );
            let nopreempt = report.place(node, instance.place("nopreempt"));
            report.say_with(
                node,
                tracker.line.at.as_ref(),
                message,
                vec![format!("{nopreempt}: `nopreempt` is here")],
            );
        }
    }
}

pub(super) static MASTER_WITHOUT_PRIORITY: Rule = Rule {
    name: "master-without-priority",
    about: "Without a priority, `state MASTER` means priority 255: the router counts as the owner of the addresses, \
            ignores the adverts of others and the weights of its trackers.",
    hint: "write the priority, for example `priority 150`",
    check: master_without_priority,
};

fn master_without_priority(report: &mut Report<'_>) {
    for (node, instance) in report.instances() {
        let state = instance
            .block
            .get("state")
            .filter(|item| item.word(0) == Some("MASTER"));
        if let (Some(state), None) = (state, instance.block.get("priority")) {
            let message = format!(
                "{} has `state MASTER` and no priority, which makes it 255",
                instance.name()
            );
            report.say(node, state.at.as_ref(), message);
        }
    }
}

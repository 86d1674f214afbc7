//! `garp_group`: interfaces that share one allowance of announcements.

use super::Lowering;
use crate::diagnostic::Class;
use crate::tree::Statement;
use base::IfName;
use std::time::Duration;
use vrrp::config::PacingGroup;

type Line<'s, 't> = &'s Statement<'t>;

/// `garp_group {`.
pub(crate) fn open_garp_group(low: &mut Lowering<'_>, _: Line<'_, '_>) {
    low.pacing = Some(PacingGroup {
        garp_interval: Duration::ZERO,
        gna_interval: Duration::ZERO,
        interfaces: Vec::new(),
    });
}

/// The end of `garp_group`.
pub(crate) fn close_garp_group(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some(group) = low.pacing.take() else { return };
    if group.interfaces.is_empty() {
        let text = "garp_group does not have any interfaces assigned - removing".to_owned();
        return low.error(line, 0, "garp-group", text);
    }
    low.settings.pacing_groups.push(group);
}

/// The interval of a group.
fn group_interval(low: &mut Lowering<'_>, line: Line<'_, '_>, set: fn(&mut PacingGroup, Duration)) {
    let interval = low.seconds(line, 1, 0, u64::from(u32::MAX));
    match (interval, low.pacing.as_mut()) {
        (Some(interval), Some(group)) => set(group, interval),
        (None, _) => {
            let (keyword, word) = (line.word(0).unwrap_or_default(), line.word(1).unwrap_or_default());
            low.error(
                line,
                1,
                "garp-group",
                format!("garp_group {keyword} '{word}' is invalid"),
            );
        }
        (Some(_), None) => {}
    }
}

/// `garp_interval SECS` of a group.
pub(crate) fn group_garp_interval(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    group_interval(low, line, |group, interval| group.garp_interval = interval);
}

/// `gna_interval SECS` of a group.
pub(crate) fn group_gna_interval(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    group_interval(low, line, |group, interval| group.gna_interval = interval);
}

/// `interface IFNAME` of a group.
pub(crate) fn group_interface(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    group_member(low, line, 1);
}

/// An entry of `interfaces` of a group.
pub(crate) fn group_interfaces(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    for word in 0..line.words.len() {
        group_member(low, line, word);
    }
}

/// Nothing happens at the beginning of `interfaces`.
pub(crate) fn open_group_interfaces(_: &mut Lowering<'_>, _: Line<'_, '_>) {}

fn group_member(low: &mut Lowering<'_>, line: Line<'_, '_>, word: usize) {
    let Some(name) = low.interface(line, word, "garp_group") else {
        return;
    };
    let taken = |groups: &[PacingGroup], name: &IfName| groups.iter().any(|group| group.interfaces.contains(name));
    if low
        .pacing
        .as_ref()
        .is_some_and(|group| group.interfaces.contains(&name))
    {
        return;
    }
    if taken(&low.settings.pacing_groups, &name) {
        let text = format!("garp_group already specified for {name} - ignoring");
        return low.say(line, word, Class::Error, "garp-group", text);
    }
    if let Some(group) = low.pacing.as_mut() {
        group.interfaces.push(name);
    }
}

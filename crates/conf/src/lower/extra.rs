//! `garp_extra_if` and what it was called before: announcements on interfaces that send no adverts.

use super::Lowering;
use crate::diagnostic::Class;
use crate::tree::Statement;
use std::time::Duration;
use vrrp::config::Extra;

type Line<'s, 't> = &'s Statement<'t>;

const CODE: &str = "garp-extra-if";
/// Seconds.
const MOST: u32 = 24 * 60 * 60;

/// `[all] SECS`, at least `least`; the error is what is wrong about it, and at which word.
fn read(low: &mut Lowering<'_>, line: Line<'_, '_>, least: u32) -> Result<Option<Extra>, (usize, String)> {
    let all = line.word(1) == Some("all");
    let at = if all { 2 } else { 1 };
    let Some(word) = line.word(at) else {
        return Err((1, "specified without time - ignoring".to_owned()));
    };
    match low.unsigned(line, at, least, MOST) {
        Some(0) => Ok(None),
        Some(seconds) => Ok(Some(Extra {
            every: Duration::from_secs(u64::from(seconds)),
            all,
        })),
        None => Err((at, format!("'{word}' invalid - ignoring"))),
    }
}

fn old(low: &mut Lowering<'_>, line: Line<'_, '_>, before: &str, now: &str) {
    let text = format!("Keyword \"{before}\" is deprecated - please use \"{now}\"");
    low.say(line, 0, Class::Error, "deprecated", text);
}

/// `vrrp_garp_extra_if [all] SECS`.
pub(crate) fn default(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match read(low, line, 1) {
        Ok(extra) => low.defaults.announcing.extra = Some(extra),
        Err((at, wrong)) => {
            let text = format!("vrrp_garp_extra_if {wrong}");
            low.error(line, at, CODE, text);
        }
    }
}

/// `vrrp_vmac_garp_intvl [all] SECS`.
pub(crate) fn old_default(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    old(low, line, "vrrp_vmac_garp_intvl", "vrrp_garp_extra_if");
    default(low, line);
}

/// `garp_extra_if [all] SECS` of an instance.
pub(crate) fn own(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match read(low, line, 0) {
        Ok(extra) => {
            if let Some(draft) = low.draft(line, "garp_extra_if") {
                draft.announcing.extra = Some(extra);
            }
        }
        Err((_, wrong)) => low.wrong(line, CODE, format!(": garp_extra_if {wrong}")),
    }
}

/// `vmac_garp_intvl [all] SECS` of an instance.
pub(crate) fn old_own(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    old(low, line, "vmac_garp_intvl", "garp_extra_if");
    own(low, line);
}

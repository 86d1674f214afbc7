//! `timer_expired_backup`: what a master does that was not scheduled for too long.

use super::Lowering;
use super::instance::InstanceDraft;
use crate::diagnostic::Class;
use crate::tree::Statement;
use vrrp::config::Priority;

type Line<'s, 't> = &'s Statement<'t>;

/// The highest priority that is not an owner's; what the bare keyword means.
const HIGHEST: u32 = 254;

/// `timer_expired_backup [N]`.
pub(crate) fn timer_expired_backup(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let number = match line.word(1) {
        None => Some(HIGHEST),
        Some(_) => low.unsigned(line, 1, 1, HIGHEST),
    };
    let priority = number.and_then(|n| u8::try_from(n).ok()).and_then(Priority::new);
    let Some(priority) = priority else {
        let word = line.word(1).unwrap_or_default();
        let text = format!(
            "{} timer_expired_backup '{word}' not valid - must be between 1 & {HIGHEST}",
            low.who()
        );
        return low.error(line, 1, "timer-expired-backup", text);
    };
    let mark = line.mark(0);
    if let Some(InstanceDraft { draft, marks, .. }) = low.current() {
        marks.push(("timer_expired_backup", mark));
        draft.timer_expired_backup = Some(priority);
    }
}

/// `thread_timer_expired [N]`: the old name.
pub(crate) fn thread_timer_expired(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let text = format!(
        "{} thread_timer_expired has been renamed - please use timer_expired_backup",
        low.who()
    );
    low.say(line, 0, Class::Notice, "thread-timer-expired", text);
    timer_expired_backup(low, line);
}

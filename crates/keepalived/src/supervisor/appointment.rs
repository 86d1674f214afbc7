//! A reload at the time that is written in a file (`reload_time_file`, `reload_repeat`; `spec/cli-and-runtime.md` 7).
//!
//! Decides when that is. What a reload does is not known here.

use super::Supervisor;
use crate::log::Level;
use base::Instant;
use linux::SysError;
use linux::process;
use linux::reactor::wall_clock;
use linux::watch::{FileWatch, beginning};
use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::Duration;
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

/// Bytes of the file that are looked at; a date with a time has 20.
const LOOKED_AT: usize = 64;
/// How often the wall clock is looked at: somebody may set it.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How often a directory that cannot be watched is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// Lists of local offsets that are tried for a time: before and after a change to or from summer time.
const ZONE_TURNS: usize = 2;

/// The file and what was in it.
#[derive(Default)]
pub(super) struct Appointment {
    path: Option<PathBuf>,
    watch: Option<FileWatch>,
    due: Option<Due>,
}

/// When a reload is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// Since 1970.
    pub(crate) at: Duration,
    /// The text had a date: there is no next day.
    dated: bool,
}

/// A time as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    date: Option<Date>,
    time: Time,
    utc: bool,
}

impl Appointment {
    /// What to wait for.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.watch.as_ref().map(AsFd::as_fd)
    }

    /// When to look at the wall clock again.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let retry = self.watch.as_ref().filter(|watch| watch.is_incomplete());
        let retry = retry.map(|_| RETRY);
        let due = self.due.map(|due| due.at.saturating_sub(wall_clock()).min(LOOK_EVERY));
        retry.into_iter().chain(due).min().map(|pause| now.after(pause))
    }
}

/// `HH:MM:SS`, `YY-MM-DD HH:MM:SS` or `YYYY-MM-DD HH:MM:SS`, each with `Z` behind it for UTC.
pub(crate) fn written(text: &str) -> Option<Written> {
    let text = text.trim();
    let (text, utc) = match text.strip_suffix(['Z', 'z']) {
        Some(rest) => (rest.trim_end(), true),
        None => (text, false),
    };
    let (date, time) = match text.split_once(' ') {
        Some((date, time)) => (Some(read_date(date)?), time.trim_start()),
        None => (None, text),
    };
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let part = |number: u32| u8::try_from(number).ok();
    let time = Time::from_hms(part(hour)?, part(minute)?, part(second)?).ok()?;
    Some(Written { date, time, utc })
}

fn read_date(text: &str) -> Option<Date> {
    let [year, month, day] = numbers(text, '-', [4, 2, 2])?;
    let year = if text.find('-') == Some(2) { 2000 + year } else { year };
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    Date::from_calendar_date(i32::try_from(year).ok()?, month, u8::try_from(day).ok()?).ok()
}

/// Three numbers with something between them, each of two digits or of as many as it may have.
fn numbers(text: &str, between: char, digits: [usize; 3]) -> Option<[u32; 3]> {
    let mut parts = text.split(between);
    let mut found = [0; 3];
    for (place, most) in found.iter_mut().zip(digits) {
        let part = parts.next()?;
        let fits = part.len() == 2 || part.len() == most;
        *place = part
            .parse()
            .ok()
            .filter(|_| fits && part.bytes().all(|digit| digit.is_ascii_digit()))?;
    }
    parts.next().is_none().then_some(found)
}

/// When that is next, seen from `now`; `None`: never again. `offset` gives the local offset from UTC at a time.
pub(crate) fn next(written: Written, now: Duration, offset: impl Fn(OffsetDateTime) -> UtcOffset) -> Option<Due> {
    let now = OffsetDateTime::UNIX_EPOCH.checked_add(now.try_into().ok()?)?;
    let here = if written.utc { now } else { now.to_offset(offset(now)) };
    let at = |date: Date| {
        let plain = PrimitiveDateTime::new(date, written.time);
        let mut found = plain.assume_offset(if written.utc { UtcOffset::UTC } else { offset(now) });
        // What is the offset then may be known only when it is known when that is.
        for _ in 0..ZONE_TURNS {
            if !written.utc {
                found = plain.assume_offset(offset(found));
            }
        }
        found
    };
    let moment = match written.date {
        Some(date) => Some(at(date)).filter(|moment| *moment > now)?,
        None => [here.date(), here.date().next_day()?]
            .into_iter()
            .map(at)
            .find(|moment| *moment > now)?,
    };
    let at = Duration::try_from(moment - OffsetDateTime::UNIX_EPOCH).ok()?;
    let dated = written.date.is_some();
    Some(Due { at, dated })
}

/// The local offset at a time. The supervisor has one thread, so that the zone can be asked for.
fn local(at: OffsetDateTime) -> UtcOffset {
    UtcOffset::local_offset_at(at).unwrap_or(UtcOffset::UTC)
}

impl Supervisor {
    /// Watches the file the configuration names, and reads it.
    pub(super) fn appointment_follows(&mut self) {
        let wanted = self.model.global.reload_time_file.as_ref().map(PathBuf::from);
        if wanted == self.appointment.path {
            return;
        }
        self.appointment = Appointment::default();
        let Some(path) = wanted else { return };
        let watch = FileWatch::open().map(|mut watch| {
            for error in watch.watch([path.clone()]) {
                self.reporter.error(error);
            }
            watch
        });
        match watch {
            Ok(watch) => self.appointment.watch = Some(watch),
            Err(error) => return self.reporter.error(error),
        }
        self.appointment.path = Some(path);
        self.read_appointment();
    }

    /// Reads reports of the file.
    pub(super) fn hear_of_appointment(&mut self) -> Result<(), SysError> {
        let mut changed = BTreeSet::new();
        if let Some(watch) = &mut self.appointment.watch {
            if watch.is_incomplete() {
                watch.retry(&mut changed);
            }
            let _ = watch.read(&mut changed)?;
        }
        if !changed.is_empty() {
            self.read_appointment();
        }
        Ok(())
    }

    fn read_appointment(&mut self) {
        let Some(path) = self.appointment.path.clone() else {
            return;
        };
        let before = self.appointment.due.take();
        let text = String::from_utf8_lossy(&beginning(&path, LOOKED_AT)).into_owned();
        if text.trim().is_empty() {
            if before.is_some() {
                self.reporter.info("Reload at a time cancelled");
            }
            return;
        }
        let due = written(&text).and_then(|written| next(written, wall_clock(), local));
        match due {
            Some(due) => {
                self.appointment.due = Some(due);
                let date = crate::log::date::Date::local(due.at).console();
                self.reporter.info(format_args!("Scheduling reload at {date}"));
            }
            None => {
                let text = format_args!("{}: no time to come - not reloading at a time", path.display());
                self.reporter.say(Level::Warning, text);
            }
        }
    }

    /// Reloads if it is time to.
    pub(super) fn keep_appointment(&mut self) {
        let Some(due) = self.appointment.due.filter(|due| due.at <= wall_clock()) else {
            return;
        };
        self.appointment.due = None;
        self.reporter.info("Reloading at the time that was given");
        if let Some(path) = &self.appointment.path {
            if self.model.global.reload_repeat && !due.dated {
                // Tomorrow again.
                self.read_appointment();
            } else if let Err(error) = std::fs::remove_file(path) {
                self.reporter.error(SysError::new("remove", path.display(), error));
            }
        }
        self.request_reload();
    }

    /// When the file wants to be looked after.
    pub(super) fn appointment_deadline(&self) -> Option<Instant> {
        self.appointment.deadline(process::monotonic())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-27 12:00:00 UTC.
    const NOON: u64 = 1_795_780_800;

    fn due(text: &str, offset_hours: i8) -> Option<(i64, bool)> {
        let offset = UtcOffset::from_hms(offset_hours, 0, 0).unwrap();
        let due = next(written(text)?, Duration::from_secs(NOON), |_| offset)?;
        let from_noon = i64::try_from(due.at.as_secs()).unwrap() - i64::try_from(NOON).unwrap();
        Some((from_noon, due.dated))
    }

    #[test]
    fn a_time_alone_is_today_or_tomorrow() {
        assert_eq!(due("12:00:05", 0), Some((5, false)));
        assert_eq!(due("12:00:00\n", 0), Some((24 * 3600, false)), "that is now, and past");
        assert_eq!(due("11:00:00", 0), Some((23 * 3600, false)));
        assert_eq!(due("13:00:05", 1), Some((5, false)));
        assert_eq!(due("12:00:05Z", 9), Some((5, false)));
    }

    #[test]
    fn a_date_is_once_and_never_past() {
        assert_eq!(due("2026-11-27 12:00:01", 0), Some((1, true)));
        assert_eq!(due("26-11-28 12:00:00 Z", 5), Some((24 * 3600, true)));
        assert_eq!(due("2026-11-27 11:59:59", 0), None);
    }

    #[test]
    fn a_time_that_falls_behind_a_change_of_the_clock_has_the_offset_of_then() {
        let change = i64::try_from(NOON).unwrap() + 6 * 3600;
        let offset = |at: OffsetDateTime| {
            let hours = if at.unix_timestamp() < change { 2 } else { 1 };
            UtcOffset::from_hms(hours, 0, 0).unwrap()
        };
        let due = next(written("23:00:00").unwrap(), Duration::from_secs(NOON), offset).unwrap();
        assert_eq!(due.at, Duration::from_secs(NOON + 10 * 3600), "22:00 UTC");
    }

    #[test]
    fn anything_else_is_no_time() {
        for text in [
            "",
            "now",
            "12:00",
            "24:00:00",
            "1:2:3",
            "12:00:00:00",
            "2026-13-01 12:00:00",
            "026-11-28 12:00:00",
            "2026-11-28",
            "+1:00:00",
            "12:00:00 2026-11-28",
        ] {
            assert_eq!(written(text), None, "{text}");
        }
    }
}

//! Dates as log lines carry them, in the local time of the machine and the words of the C locale.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

const CONSOLE: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short] [month repr:short] [day padding:space] [hour]:[minute]:[second] [year]");
const FILE: &[BorrowedFormatItem<'_>] = format_description!(
    "[weekday repr:short] [month repr:short] [day] [hour]:[minute]:[second].[subsecond digits:9] [year]"
);
const MAIL: &[BorrowedFormatItem<'_>] = format_description!(
    "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] [offset_hour sign:mandatory][offset_minute]"
);
const SYSLOG: &[BorrowedFormatItem<'_>] =
    format_description!("[month repr:short] [day padding:space] [hour]:[minute]:[second]");

/// A point in wall time as people here read it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Date(OffsetDateTime);

impl Date {
    /// A time since 1970, UTC, in the local zone as it is at that time.
    pub(crate) fn local(at: Duration) -> Date {
        /// The second asked for last, and its offset: asking costs several system calls, and lines come in bursts.
        static LAST: Mutex<Option<(u64, UtcOffset)>> = Mutex::new(None);
        let date = Date::utc(at);
        // Poisoned or not, the value is whole.
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        let offset = match *last {
            Some((second, offset)) if second == at.as_secs() => offset,
            Some(_) | None => {
                // Refused when the process has several threads, which the supervisor has not; then dates are UTC.
                let offset = UtcOffset::local_offset_at(date.0).unwrap_or(UtcOffset::UTC);
                *last = Some((at.as_secs(), offset));
                offset
            }
        };
        Date(date.0.to_offset(offset))
    }

    fn utc(at: Duration) -> Date {
        Date(OffsetDateTime::UNIX_EPOCH.saturating_add(at.try_into().unwrap_or(time::Duration::MAX)))
    }

    /// `Sun Nov 22 12:40:02 2026`, before lines on a terminal.
    pub(crate) fn console(self) -> String {
        self.with(CONSOLE)
    }

    /// `Sun Nov 22 12:40:02.123456789 2026`, before lines in a log file.
    pub(crate) fn file(self) -> String {
        self.with(FILE)
    }

    /// `Nov 22 12:40:02`, in messages to syslog (RFC 3164 section 4.1.2).
    pub(crate) fn syslog(self) -> String {
        self.with(SYSLOG)
    }

    /// `Sun, 22 Nov 2026 12:40:02 +0100`, in mail (RFC 5322 section 3.3).
    pub(crate) fn mail(self) -> String {
        self.with(MAIL)
    }

    fn with(self, format: &[BorrowedFormatItem<'_>]) -> String {
        // The formats are made of parts that every date has.
        self.0.format(format).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_look_like_those_of_the_c_library() {
        let date = Date::utc(Duration::new(1_793_672_405, 7_000_000));
        assert_eq!(date.console(), "Tue Nov  3 02:20:05 2026");
        assert_eq!(date.file(), "Tue Nov 03 02:20:05.007000000 2026");
        assert_eq!(date.syslog(), "Nov  3 02:20:05");
        assert_eq!(date.mail(), "Tue, 03 Nov 2026 02:20:05 +0000");
    }
}

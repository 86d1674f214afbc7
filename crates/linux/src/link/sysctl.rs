//! Settings of interfaces under `/proc/sys/net`, and what they were before.
//!
//! [`Sysctls`] counts who needs a setting: the first remembers what it was, the last puts that back. What it was can be
//! written as text ([`Before`]), short enough for the alias of an interface, so that a run after a crash can put it back
//! too. Does not know why somebody needs a setting.
//!
//! The files are those of the network namespace of the calling thread.

use crate::SysError;
use base::{Family, IfName};
use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::str::FromStr;

/// One setting of one interface. `all` and `default` are interfaces here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Setting {
    /// IPv4 or IPv6.
    pub family: Family,
    /// Of which interface.
    pub interface: IfName,
    /// The name of the file.
    pub name: &'static str,
}

/// The settings that are known; others are never read or written.
pub const NAMES: [&str; 7] = [
    "arp_ignore",
    "arp_filter",
    "accept_local",
    "rp_filter",
    "promote_secondaries",
    "disable_ipv6",
    "addr_gen_mode",
];

impl Setting {
    fn path(&self) -> PathBuf {
        let family = match self.family {
            Family::V4 => "ipv4",
            Family::V6 => "ipv6",
        };
        // The name of an interface has neither a slash nor is it `.` or `..`.
        PathBuf::from("/proc/sys/net")
            .join(family)
            .join("conf")
            .join(self.interface.as_str())
            .join(self.name)
    }

    /// What it is; `None` if there is no such interface or family.
    pub fn read(&self) -> Result<Option<i32>, SysError> {
        match std::fs::read_to_string(self.path()) {
            Ok(text) => Ok(text.trim().parse().ok()),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(SysError::new("read", self, error)),
        }
    }

    /// Sets it. False if there is no such interface or family.
    pub fn write(&self, value: i32) -> Result<bool, SysError> {
        match std::fs::write(self.path(), value.to_string()) {
            Ok(()) => Ok(true),
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => Err(SysError::new("set", self, error)),
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = match self.family {
            Family::V4 => 4,
            Family::V6 => 6,
        };
        write!(f, "{family}/{}/{}", self.interface, self.name)
    }
}

impl FromStr for Setting {
    type Err = ();

    fn from_str(text: &str) -> Result<Setting, ()> {
        let mut parts = text.split('/');
        let (Some(family), Some(interface), Some(name), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(());
        };
        Ok(Setting {
            family: match family {
                "4" => Family::V4,
                "6" => Family::V6,
                _ => return Err(()),
            },
            interface: interface.parse().map_err(|_| ())?,
            name: NAMES.into_iter().find(|known| *known == name).ok_or(())?,
        })
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENODEV)
}

/// What settings were before somebody changed them, as text `SETTING=VALUE ...`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Before(BTreeMap<Setting, i32>);

impl Before {
    /// The settings found in a text; words that are none are left out.
    pub fn from_text(text: &str) -> Before {
        let word = |word: &str| {
            let (setting, value) = word.split_once('=')?;
            Some((setting.parse().ok()?, value.parse().ok()?))
        };
        Before(text.split_whitespace().filter_map(word).collect())
    }

    /// Puts everything back; errors of one setting do not keep the others.
    pub fn restore(&self) -> Vec<SysError> {
        let results = self.0.iter().map(|(setting, value)| setting.write(*value));
        results.filter_map(Result::err).collect()
    }
}

impl fmt::Display for Before {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (setting, value)) in self.0.iter().enumerate() {
            let space = if at > 0 { " " } else { "" };
            write!(f, "{space}{setting}={value}")?;
        }
        Ok(())
    }
}

/// The settings that are in use, with what they were.
#[derive(Debug, Default)]
pub struct Sysctls {
    held: BTreeMap<Setting, Held>,
}

#[derive(Debug)]
struct Held {
    users: u32,
    before: i32,
    now: i32,
}

impl Sysctls {
    /// Takes over what an earlier run remembered: these values are the ones to put back.
    pub fn inherit(&mut self, before: &Before) -> Result<(), SysError> {
        for (setting, value) in &before.0 {
            if !self.held.contains_key(setting)
                && let Some(now) = setting.read()?
            {
                let held = Held {
                    users: 0,
                    before: *value,
                    now,
                };
                self.held.insert(setting.clone(), held);
            }
        }
        Ok(())
    }

    /// Sets a setting until [`Sysctls::release`] was called as often. False if there is no such setting.
    pub fn hold(&mut self, setting: &Setting, value: i32) -> Result<bool, SysError> {
        if let Some(held) = self.held.get_mut(setting) {
            if held.now != value && !setting.write(value)? {
                return Ok(false);
            }
            held.now = value;
            held.users += 1;
            return Ok(true);
        }
        let Some(before) = setting.read()? else {
            return Ok(false);
        };
        if before != value && !setting.write(value)? {
            return Ok(false);
        }
        let held = Held {
            users: 1,
            before,
            now: value,
        };
        self.held.insert(setting.clone(), held);
        Ok(true)
    }

    /// One user less; the last puts back what was before.
    pub fn release(&mut self, setting: &Setting) -> Result<(), SysError> {
        let Some(held) = self.held.get_mut(setting) else {
            return Ok(());
        };
        held.users = held.users.saturating_sub(1);
        if held.users > 0 {
            return Ok(());
        }
        let (before, now) = (held.before, held.now);
        self.held.remove(setting);
        if before == now {
            return Ok(());
        }
        // The interface may be gone, and its settings with it.
        setting.write(before).map(|_| ())
    }

    /// An interface is gone, and its settings with it: one that has its name later begins with its own.
    pub fn forget(&mut self, interface: IfName) {
        self.held.retain(|setting, _| setting.interface != interface);
    }

    /// Puts everything back.
    pub fn release_all(&mut self) -> Vec<SysError> {
        let before = self.before();
        self.held.clear();
        before.restore()
    }

    /// What to put back if this process cannot.
    pub fn before(&self) -> Before {
        let changed = self.held.iter().filter(|(_, held)| held.before != held.now);
        Before(changed.map(|(setting, held)| (setting.clone(), held.before)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Netns;

    fn setting(interface: &str, name: &'static str) -> Setting {
        Setting {
            family: Family::V4,
            interface: interface.parse().unwrap(),
            name,
        }
    }

    #[test]
    fn what_was_before_is_written_and_read_as_text() {
        let text = "4/all/rp_filter=2 4/eth0.7/arp_ignore=0 6/eth0/disable_ipv6=1";
        assert_eq!(Before::from_text(text).to_string(), text);
        let rubbish = "keepalived 4/eth0/mtu=1 4/eth0/arp_ignore=x 4/../arp_ignore=1 5/a/rp_filter=1 a/b/c/d=1 =";
        assert_eq!(Before::from_text(rubbish), Before::default());
    }

    #[test]
    fn the_last_user_puts_back_what_was_before() {
        let Some(net) = Netns::new() else { return };
        net.run(|| {
            let ignore = setting("lo", "arp_ignore");
            ignore.write(2).unwrap();
            let mut sysctls = Sysctls::default();
            assert!(sysctls.hold(&ignore, 1).unwrap());
            assert!(sysctls.hold(&ignore, 1).unwrap());
            assert_eq!(sysctls.before().to_string(), "4/lo/arp_ignore=2");
            sysctls.release(&ignore).unwrap();
            assert_eq!(ignore.read().unwrap(), Some(1));
            sysctls.release(&ignore).unwrap();
            assert_eq!(ignore.read().unwrap(), Some(2));
            assert_eq!(sysctls.before(), Before::default());
        });
    }

    #[test]
    fn a_run_after_a_crash_puts_back_what_the_first_found() {
        let Some(net) = Netns::new() else { return };
        net.run(|| {
            let filter = setting("lo", "arp_filter");
            let mut first = Sysctls::default();
            first.hold(&filter, 1).unwrap();
            let remembered = first.before().to_string();
            drop(first);
            let mut second = Sysctls::default();
            second.inherit(&Before::from_text(&remembered)).unwrap();
            second.hold(&filter, 1).unwrap();
            assert_eq!(second.before().to_string(), remembered);
            second.release(&filter).unwrap();
            assert_eq!(filter.read().unwrap(), Some(0));
        });
    }

    #[test]
    fn an_interface_that_takes_the_name_of_another_is_set_anew() {
        let Some(net) = Netns::new() else { return };
        net.run(|| {
            let ignore = setting("lo", "arp_ignore");
            let mut sysctls = Sysctls::default();
            sysctls.hold(&ignore, 1).unwrap();
            // As a new interface has it.
            ignore.write(2).unwrap();
            sysctls.forget(ignore.interface);
            assert!(sysctls.hold(&ignore, 1).unwrap());
            assert_eq!(ignore.read().unwrap(), Some(1));
            sysctls.release(&ignore).unwrap();
            assert_eq!(ignore.read().unwrap(), Some(2));
        });
    }

    #[test]
    fn settings_of_an_interface_that_does_not_exist_are_no_error() {
        let Some(net) = Netns::new() else { return };
        net.run(|| {
            let gone = setting("gone0", "arp_ignore");
            assert_eq!(gone.read().unwrap(), None);
            assert!(!Sysctls::default().hold(&gone, 1).unwrap());
            assert_eq!(Before::from_text("4/gone0/arp_ignore=1").restore().len(), 0);
        });
    }
}

//! What the lab has seen, as one list by time, and the picture of the moment that follows from it.
//!
//! Observers write, scenarios wait. A wait is woken by every new entry, so nothing sleeps until something should have
//! happened. The list is printed when a scenario fails: states, packets, kernel changes and log lines together.

use crate::clock::Clock;
use crate::frame::Advert;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The name of a host.
pub type Host = Arc<str>;

/// Something that was seen.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When, on the time line of the lab.
    pub at: Duration,
    /// At which host.
    pub host: Host,
    /// What.
    pub what: Seen,
}

/// What can be seen of a host from outside.
#[derive(Clone, Debug)]
pub enum Seen {
    /// It sent an advertisement (which may have been lost on its way).
    Advert(Advert),
    /// It told the segment where an address is.
    Announcement(IpAddr),
    /// It answered the client for this address, having not been the last to do so.
    Answers(IpAddr),
    /// Its kernel has an address now.
    AddressAdded(String, IpAddr),
    /// Its kernel no longer has an address.
    AddressRemoved(String, IpAddr),
    /// Its daemon logged a line.
    Log(String),
    /// The lab did something to it.
    Act(String),
    /// The lab noticed that something came true.
    Noted(String),
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Seen::Advert(advert) => {
                let ah = if advert.authenticated { " in AH" } else { "" };
                let (version, vrid, priority) = (advert.version, advert.vrid, advert.priority);
                write!(
                    f,
                    "advert v{version} vrid {vrid} priority {priority} from {}{ah}",
                    advert.source
                )
            }
            Seen::Announcement(address) => write!(f, "announces {address}"),
            Seen::Answers(address) => write!(f, "answers the client for {address}"),
            Seen::AddressAdded(interface, address) => write!(f, "address + {address} on {interface}"),
            Seen::AddressRemoved(interface, address) => write!(f, "address - {address} on {interface}"),
            Seen::Log(line) => write!(f, "log: {line}"),
            Seen::Act(what) => write!(f, "=== {what}"),
            Seen::Noted(what) => write!(f, "... {what}"),
        }
    }
}

/// The picture of the moment.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// The last advertisement of each host and virtual router.
    adverts: BTreeMap<(Host, u8), (Duration, u8)>,
    /// What each kernel has.
    addresses: BTreeMap<Host, BTreeSet<(String, IpAddr)>>,
    /// Who answered for an address last, and when.
    answers: BTreeMap<IpAddr, (Host, Duration)>,
    /// What the lab itself could not see.
    pub blind: Option<String>,
}

impl Picture {
    /// When this host last claimed to be master of a virtual router; `None` if never or if it has resigned since.
    pub fn last_claim(&self, host: &str, vrid: u8) -> Option<Duration> {
        let (at, priority) = self.adverts.get(&(Host::from(host), vrid))?;
        (*priority > 0).then_some(*at)
    }

    /// Whether a kernel has an address, on whichever interface.
    pub fn has_address(&self, host: &str, address: IpAddr) -> bool {
        self.addresses
            .get(host)
            .is_some_and(|all| all.iter().any(|(_, one)| *one == address))
    }

    /// All addresses of a host as `address on interface`.
    pub fn addresses(&self, host: &str) -> impl Iterator<Item = &(String, IpAddr)> {
        self.addresses.get(host).into_iter().flatten()
    }

    /// Who answered for an address last, and when.
    pub fn last_answer(&self, address: IpAddr) -> Option<(&Host, Duration)> {
        self.answers.get(&address).map(|(host, at)| (host, *at))
    }

    fn take(&mut self, entry: &Entry) {
        let host = entry.host.clone();
        match &entry.what {
            Seen::Advert(advert) => {
                self.adverts.insert((host, advert.vrid), (entry.at, advert.priority));
            }
            Seen::AddressAdded(interface, address) => {
                self.addresses
                    .entry(host)
                    .or_default()
                    .insert((interface.clone(), *address));
            }
            Seen::AddressRemoved(interface, address) => {
                self.addresses
                    .entry(host)
                    .or_default()
                    .remove(&(interface.clone(), *address));
            }
            Seen::Announcement(_) | Seen::Answers(_) | Seen::Log(_) | Seen::Act(_) | Seen::Noted(_) => {}
        }
    }
}

/// The list and the picture, shared by observers and scenarios.
#[derive(Debug)]
pub struct Journal {
    /// The time line.
    pub clock: Clock,
    inner: Mutex<Inner>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    entries: Vec<Entry>,
    picture: Picture,
}

impl Journal {
    /// An empty journal on a new time line.
    pub fn start() -> Arc<Journal> {
        let (inner, news) = (Mutex::default(), Condvar::new());
        Arc::new(Journal {
            clock: Clock::start(),
            inner,
            news,
        })
    }

    /// Adds what was seen at a time.
    pub fn record(&self, at: Duration, host: &Host, what: Seen) {
        let entry = Entry {
            at,
            host: host.clone(),
            what,
        };
        let mut inner = self.lock();
        inner.picture.take(&entry);
        inner.entries.push(entry);
        self.news.notify_all();
    }

    /// Adds what was seen just now.
    pub fn record_now(&self, host: &Host, what: Seen) {
        self.record(self.clock.now(), host, what);
    }

    /// Notes who answered for an address. Only a change of who answers is worth an entry.
    pub fn answered(&self, at: Duration, host: &Host, address: IpAddr) {
        let mut inner = self.lock();
        let before = inner.picture.answers.insert(address, (host.clone(), at));
        if before.is_none_or(|(last, _)| last != *host) {
            inner.entries.push(Entry {
                at,
                host: host.clone(),
                what: Seen::Answers(address),
            });
        }
        self.news.notify_all();
    }

    /// Notes that an observer lost something: no verdict can be trusted from now on.
    pub fn blinded(&self, why: String) {
        self.lock().picture.blind.get_or_insert(why);
        self.news.notify_all();
    }

    /// The picture as it is now.
    pub fn picture(&self) -> Picture {
        self.lock().picture.clone()
    }

    /// Waits until `holds` says yes to the picture and the time, at most until `deadline`; the time it did.
    ///
    /// It is asked after every entry and at least every 20 ms, because claims age without an entry. The journal is
    /// locked meanwhile: what is asked must not write to it.
    pub fn wait(&self, deadline: Duration, mut holds: impl FnMut(&Picture, Duration) -> bool) -> Option<Duration> {
        let mut inner = self.lock();
        loop {
            let now = self.clock.now();
            if holds(&inner.picture, now) {
                return Some(now);
            }
            let left = deadline.checked_sub(now).filter(|left| !left.is_zero())?;
            let patience = left.min(LONGEST_NAP);
            (inner, _) = self
                .news
                .wait_timeout(inner, patience)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for an entry not older than `since`, at most until `deadline`.
    pub fn wait_entry(&self, since: Duration, deadline: Duration, wanted: impl Fn(&Entry) -> bool) -> Option<Entry> {
        let mut inner = self.lock();
        let mut read = 0;
        loop {
            let fresh = inner.entries.get(read..).unwrap_or_default();
            if let Some(entry) = fresh.iter().find(|entry| entry.at >= since && wanted(entry)) {
                return Some(entry.clone());
            }
            read = inner.entries.len();
            let left = deadline.checked_sub(self.clock.now()).filter(|left| !left.is_zero())?;
            (inner, _) = self
                .news
                .wait_timeout(inner, left.min(LONGEST_NAP))
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// All entries so far, by time.
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries = self.lock().entries.clone();
        entries.sort_by_key(|entry| entry.at);
        entries
    }

    /// The list as text. Adverts that only repeat the one before are counted instead of printed.
    pub fn timeline(&self) -> String {
        let mut text = String::new();
        let mut repeats: BTreeMap<Host, (Advert, usize, Duration)> = BTreeMap::new();
        for entry in self.entries() {
            if let Seen::Advert(advert) = &entry.what {
                if let Some((same, count, last)) = repeats.get_mut(&entry.host).filter(|(same, ..)| same == advert) {
                    let _ = same;
                    *count += 1;
                    *last = entry.at;
                    continue;
                }
                flush(&mut text, &mut repeats, &entry.host);
                repeats.insert(entry.host.clone(), (*advert, 0, entry.at));
            } else if matches!(entry.what, Seen::Act(_)) {
                let hosts: Vec<Host> = repeats.keys().cloned().collect();
                hosts.iter().for_each(|host| flush(&mut text, &mut repeats, host));
            }
            line(&mut text, entry.at, &entry.host, &entry.what);
        }
        let hosts: Vec<Host> = repeats.keys().cloned().collect();
        hosts.iter().for_each(|host| flush(&mut text, &mut repeats, host));
        text
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic of another thread leaves the list readable, and the timeline is wanted then most of all.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Claims age without an entry, so a wait looks again at least this often.
const LONGEST_NAP: Duration = Duration::from_millis(20);

fn flush(text: &mut String, repeats: &mut BTreeMap<Host, (Advert, usize, Duration)>, host: &Host) {
    if let Some((advert, count, last)) = repeats.remove(host)
        && count > 0
    {
        line(
            text,
            last,
            host,
            &format_args!("{} (the last of {count} more)", Seen::Advert(advert)),
        );
    }
}

fn line(text: &mut String, at: Duration, host: &Host, what: &dyn fmt::Display) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{:>10.6}  {host:<4} {what}", at.as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_resigned_no_longer_claims_anything() {
        let journal = Journal::start();
        let a = Host::from("a");
        journal.record(Duration::from_secs(1), &a, Seen::Advert(advert(100)));
        assert_eq!(journal.picture().last_claim("a", 7), Some(Duration::from_secs(1)));
        assert_eq!(journal.picture().last_claim("a", 8), None);
        journal.record(Duration::from_secs(2), &a, Seen::Advert(advert(0)));
        assert_eq!(journal.picture().last_claim("a", 7), None);
    }

    #[test]
    fn an_address_is_there_until_it_is_removed_from_its_interface() {
        let journal = Journal::start();
        let (a, address) = (Host::from("a"), "10.0.0.1".parse().unwrap());
        journal.record_now(&a, Seen::AddressAdded("eth0".into(), address));
        journal.record_now(&a, Seen::AddressRemoved("eth1".into(), address));
        assert!(journal.picture().has_address("a", address));
        journal.record_now(&a, Seen::AddressRemoved("eth0".into(), address));
        assert!(!journal.picture().has_address("a", address));
    }

    #[test]
    fn a_wait_ends_when_the_picture_fits_and_not_later_than_its_deadline() {
        let journal = Journal::start();
        let a = Host::from("a");
        let at = std::thread::scope(|scope| {
            scope.spawn(|| journal.record_now(&a, Seen::Advert(advert(9))));
            journal.wait(Duration::from_secs(20), |picture, _| {
                picture.last_claim("a", 7).is_some()
            })
        });
        assert!(at.is_some());
        assert_eq!(journal.wait(Duration::ZERO, |_, _| false), None);
    }

    #[test]
    fn the_timeline_is_sorted_and_counts_adverts_that_say_the_same() {
        let journal = Journal::start();
        let a = Host::from("a");
        journal.record(Duration::from_secs(9), &a, Seen::Log("late".into()));
        for second in 1..5 {
            journal.record(Duration::from_secs(second), &a, Seen::Advert(advert(9)));
        }
        let text = journal.timeline();
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.contains("the last of 3 more"), "{text}");
        assert!(
            text.starts_with("  1.000000  a    advert v3 vrid 7 priority 9"),
            "{text}"
        );
    }

    fn advert(priority: u8) -> Advert {
        let (interval, source) = (Duration::from_secs(1), "10.0.0.1".parse().unwrap());
        Advert {
            version: 3,
            vrid: 7,
            priority,
            interval,
            source,
            authenticated: false,
        }
    }
}

//! The virtual interfaces of instances (VMAC, ipvlan): made before the instances begin, made again when somebody deletes
//! them, removed when nobody wants them any more.
//!
//! Decides nothing about instances: the engine sees these interfaces come and go like all others. A request is answered at
//! once, in some hundred microseconds, so this happens at the start, at a reload and after somebody's interference (and once a
//! second while the kernel refuses), and never because of a packet or a timer of an instance. After the start there is one
//! interface in a turn of the loop: hundreds of them delay adverts no longer than one.
//!
//! What is ours is known by the alias of the interface, which also says what settings of the parent were before.

use crate::log::{Level, Reporter};
use ::vrrp::config::{Config, IpvlanMode, Link, LinkKind, LinkLocal, Model, Name};
use base::{Family, IfIndex, IfName, Instant, MacAddr, Prefix};
use linux::SysError;
use linux::link::sysctl::{Before, Setting, Sysctls};
use linux::link::{Existing, Kind, LinkSocket, NewLink, Step, plan};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// How the alias of our interfaces begins.
const OWNER: &str = "keepalived";
/// The pause after something could not be made.
const RETRY: Duration = Duration::from_secs(1);
/// The prefix length of link-local addresses.
const LINK_LOCAL_BITS: u8 = 64;

/// One that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    link: Link,
    instance: Name,
    /// An IPv6 address is to be on it.
    ipv6: bool,
}

/// One that is there.
#[derive(Clone, Copy, Debug)]
struct Made {
    index: IfIndex,
    /// The number of its parent.
    parent: IfIndex,
    link: Link,
    local: Option<Ipv6Addr>,
}

/// All of them.
#[derive(Default)]
pub(super) struct Links {
    socket: Option<LinkSocket>,
    wanted: BTreeMap<IfName, Wanted>,
    made: BTreeMap<IfName, Made>,
    /// Not wanted any more; they go when their addresses are gone.
    leaving: Vec<Made>,
    /// Those to look at that a new configuration cannot begin without.
    needed: BTreeSet<IfName>,
    /// Those to look at, the needed ones among them.
    todo: BTreeSet<IfName>,
    /// What went wrong since the looking began.
    wrong: Option<String>,
    sysctls: Sysctls,
    /// Which daemon this is, as interfaces are marked.
    owner: String,
    /// The last thing that went wrong: it is not said again each second.
    said: Option<String>,
    /// The setting of all interfaces has been seen to.
    filter_seen: bool,
    retry_at: Option<Instant>,
}

impl Links {
    /// None yet. `owner` tells one daemon of a network namespace from another, and is the same in its next run.
    pub(super) fn of(owner: String) -> Links {
        Links {
            owner,
            ..Links::default()
        }
    }

    /// Removes what an earlier run of the same daemon left and `model` does not want.
    pub(super) fn remove_leftovers(&mut self, model: &Model, reporter: &Reporter) {
        let wanted = wanted(model);
        for name in interfaces().into_iter().filter(|name| !wanted.contains_key(name)) {
            let result = self.remove_leftover(name, reporter);
            report(result, reporter);
        }
    }

    /// Takes over what `model` wants and makes it so: at the start, when nobody waits for an advert.
    pub(super) fn make_all(&mut self, now: Instant, model: &Model, reporter: &Reporter) {
        self.want(model);
        while self.has_work() {
            self.step(now, reporter);
        }
    }

    /// Takes over what `model` wants; [`Links::step`] makes it so.
    pub(super) fn want(&mut self, model: &Model) {
        let wanted = wanted(model);
        let stays = |name: &IfName| self.made.contains_key(name) && self.wanted.get(name) == wanted.get(name);
        self.needed = wanted.keys().filter(|name| !stays(name)).copied().collect();
        self.wanted = wanted;
        for made in std::mem::take(&mut self.leaving) {
            // One that is wanted again before it went stays.
            match self.wanted.contains_key(&made.link.name) {
                true => drop(self.made.insert(made.link.name, made)),
                false => self.leaving.push(made),
            }
        }
        for name in self.made.keys().copied().collect::<Vec<_>>() {
            if !self.wanted.contains_key(&name) {
                self.leaving.extend(self.made.remove(&name));
            }
        }
        self.look_through();
    }

    /// Looks at everything that is wanted again.
    pub(super) fn look_through(&mut self) {
        self.retry_at = None;
        self.wrong = None;
        self.todo = self.wanted.keys().copied().collect();
    }

    /// Looks at nothing any more: the role ends.
    pub(super) fn stop(&mut self) {
        self.retry_at = None;
        self.needed.clear();
        self.todo.clear();
    }

    /// Whether there is something to look at.
    pub(super) fn has_work(&self) -> bool {
        !self.todo.is_empty()
    }

    /// Whether what was wanted last can begin.
    pub(super) fn is_ready(&self) -> bool {
        self.needed.is_empty()
    }

    /// Whether something that is wanted is not there, as far as `exists` knows of interfaces.
    pub(super) fn miss(&self, exists: impl Fn(&IfName) -> bool, locals: impl Fn(&IfName) -> Vec<Ipv6Addr>) -> bool {
        self.wanted.values().any(|wanted| {
            let link = &wanted.link;
            if !exists(&link.parent) {
                return false;
            }
            let Some(made) = self.made.get(&link.name).filter(|_| exists(&link.name)) else {
                return true;
            };
            if link.link_local == LinkLocal::Without {
                return false;
            }
            let local = wanted_local(link, &locals(&link.parent), None);
            made.local.is_some_and(|made| !locals(&link.name).contains(&made))
                || (made.local.is_some() && local.is_some() && local != made.local)
        })
    }

    /// When it is to be tried again.
    pub(super) const fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Makes the next one, if it is not there, or is not as it should be.
    pub(super) fn step(&mut self, now: Instant, reporter: &Reporter) {
        let Some(name) = self.needed.pop_first().or_else(|| self.todo.first().copied()) else {
            return;
        };
        self.todo.remove(&name);
        if let Some(wanted) = self.wanted.get(&name).cloned()
            && let Err(error) = self.make(&wanted, reporter)
        {
            let text = error.to_string();
            if self.wrong.is_none() && self.said.as_ref() != Some(&text) {
                reporter.error(&text);
            }
            self.wrong.get_or_insert(text);
            self.retry_at = Some(now.after(RETRY));
        }
        if self.todo.is_empty() {
            self.said = self.wrong.take();
        }
    }

    /// Removes one of those that nobody wants any more.
    pub(super) fn remove_leaving(&mut self, reporter: &Reporter) {
        if let Some(made) = self.leaving.pop() {
            let result = self.remove(&made, reporter);
            report(result, reporter);
        }
    }

    /// Removes everything and puts all settings back.
    pub(super) fn remove_all(&mut self, reporter: &Reporter) {
        self.wanted.clear();
        self.leaving.extend(std::mem::take(&mut self.made).into_values());
        while self.has_leaving() {
            self.remove_leaving(reporter);
        }
        for error in self.sysctls.release_all() {
            reporter.error(error);
        }
    }

    /// Whether some wait to be removed.
    pub(super) const fn has_leaving(&self) -> bool {
        !self.leaving.is_empty()
    }

    fn socket(&mut self) -> Result<&mut LinkSocket, SysError> {
        match &mut self.socket {
            Some(socket) => Ok(socket),
            empty @ None => Ok(empty.insert(LinkSocket::open()?)),
        }
    }

    /// With a parent that is gone its settings and links are gone too, whatever has its name now.
    fn forget_replaced(&mut self, parent: IfName, now: Option<IfIndex>) {
        let before = self.made.len();
        self.made
            .retain(|_, made| made.link.parent != parent || Some(made.parent) == now);
        if self.made.len() != before {
            self.sysctls.forget(parent);
        }
    }

    fn make(&mut self, wanted: &Wanted, reporter: &Reporter) -> Result<(), SysError> {
        let link = &wanted.link;
        let parent = self.socket()?.find(link.parent)?;
        self.forget_replaced(link.parent, parent.as_ref().map(|found| found.index));
        let Some(parent) = parent else {
            // It may come later; then so does this one.
            return Ok(());
        };
        let found = self.socket()?.find(link.name)?;
        if let Some(found) = &found
            && let Some(before) = self.mark_of(found)
        {
            self.sysctls.inherit(&Before::from_text(before))?;
        }
        if !self.made.contains_key(&link.name) {
            self.hold_settings(link)?;
        }
        let new = NewLink {
            name: link.name,
            parent: parent.index,
            kind: kind(&link.kind),
            group: Some(link.group.unwrap_or(parent.group)),
            master: self.vrf_of(&parent)?,
            alias: format!("{OWNER} {} {}", self.owner, self.sysctls.before()),
        };
        let same = |made: &&Made| found.as_ref().is_some_and(|found| found.index == made.index) && made.link == *link;
        if let Some(made) = self.made.get(&link.name).filter(same)
            && matches!(plan(&new, found.as_ref()), Step::Keep)
            && local_is_there(made, parent.index)
        {
            return Ok(());
        }
        let index = self.put_right(wanted, &new, found.as_ref(), reporter)?;
        self.set_up(wanted, index, &parent)
    }

    /// The interface is made, changed or left as it is; gives its number.
    fn put_right(
        &mut self,
        wanted: &Wanted,
        new: &NewLink,
        found: Option<&Existing>,
        reporter: &Reporter,
    ) -> Result<IfIndex, SysError> {
        let (name, instance) = (new.name, &wanted.instance);
        let what = match wanted.link.kind {
            LinkKind::Vmac(_) => "VMAC",
            LinkKind::Ipvlan { .. } => "ipvlan",
        };
        match (plan(new, found), found) {
            (Step::Keep, Some(found)) => return Ok(found.index),
            (Step::Adjust, Some(found)) => {
                if found.mac != new_mac(new) && new_mac(new).is_some() {
                    reporter.info(format_args!(
                        "({instance}) Update old {what} interface {name} due to wrong MAC/mode"
                    ));
                }
                self.socket()?.adjust(found.index, new)?;
                return Ok(found.index);
            }
            (Step::Refuse, _) => {
                let text = format!("({instance}) {what} {name} conflicts with existing interface");
                return Err(SysError::new("create interface", name, std::io::Error::other(text)));
            }
            (Step::Replace, Some(found)) => {
                reporter.info(format_args!(
                    "({instance}) Removing old {what} interface {name} due to conflicting interface"
                ));
                self.socket()?.remove(found.index, name)?;
            }
            (Step::Create | Step::Keep | Step::Adjust | Step::Replace, _) => {}
        }
        self.socket()?.create(new)?;
        let made = self.socket()?.find(name)?.ok_or_else(|| {
            SysError::new(
                "find interface",
                name,
                std::io::Error::from(std::io::ErrorKind::NotFound),
            )
        })?;
        reporter.info(format_args!("({instance}): Success creating {what} interface {name}"));
        Ok(made.index)
    }

    /// Settings, switch and address of an interface that is there.
    fn set_up(&mut self, wanted: &Wanted, index: IfIndex, parent: &Existing) -> Result<(), SysError> {
        let link = wanted.link;
        if matches!(link.kind, LinkKind::Vmac(_)) {
            let settings: &[(&str, i32)] = match link.family {
                Family::V4 => &[
                    ("arp_ignore", 1),
                    ("accept_local", 1),
                    ("rp_filter", 0),
                    ("promote_secondaries", 1),
                ],
                Family::V6 => &[("arp_ignore", 1)],
            };
            for &(name, value) in settings {
                setting(Family::V4, link.name, name).write(value)?;
            }
        }
        // Before it is switched on: or it would make a link-local address for itself.
        let without = i32::from(!wanted.ipv6 && link.family == Family::V4);
        setting(Family::V6, link.name, "disable_ipv6").write(without)?;
        setting(Family::V6, link.name, "addr_gen_mode").write(1)?;
        self.socket()?.switch_on(index, link.name)?;
        let local = wanted_local(&link, &link_locals(parent.index), parent.mac);
        let before = self
            .made
            .get(&link.name)
            .filter(|made| made.index == index)
            .and_then(|made| made.local);
        if let Some(old) = before.filter(|old| Some(*old) != local)
            && let Some(prefix) = local_prefix(old)
        {
            self.socket()?.remove_address(index, link.name, prefix)?;
        }
        if let Some(prefix) = local.and_then(local_prefix) {
            self.socket()?.add_address(index, link.name, prefix)?;
        }
        if let LinkKind::Ipvlan {
            address: Some(address), ..
        } = link.kind
        {
            self.socket()?.add_address(index, link.name, address)?;
        }
        let made = Made {
            index,
            parent: parent.index,
            link,
            local,
        };
        let first = self.made.insert(link.name, made).is_none();
        if link.notify && first {
            self.socket()?.touch(parent.index, link.parent, parent.group)?;
        }
        Ok(())
    }

    /// Settings of other interfaces that a VMAC needs, counted.
    fn hold_settings(&mut self, link: &Link) -> Result<(), SysError> {
        if matches!(link.kind, LinkKind::Ipvlan { .. }) {
            return Ok(());
        }
        for name in ["arp_ignore", "arp_filter"] {
            self.sysctls.hold(&setting(Family::V4, link.parent, name), 1)?;
        }
        if link.family == Family::V4 && !self.filter_seen {
            self.filter_seen = true;
            self.spread_filter()?;
        }
        Ok(())
    }

    /// `rp_filter` of all interfaces would overrule that of a VMAC: each gets it for itself.
    fn spread_filter(&mut self) -> Result<(), SysError> {
        let Some(all) = name_of("all").map(|name| setting(Family::V4, name, "rp_filter")) else {
            return Ok(());
        };
        let Some(value) = all.read()?.filter(|value| *value > 0) else {
            return Ok(());
        };
        for name in interfaces() {
            let own = setting(Family::V4, name, "rp_filter");
            // The kernel takes the greater of the two.
            if own.read()?.is_some_and(|own| own < value) {
                self.sysctls.hold(&own, value)?;
            }
        }
        self.sysctls.hold(&all, 0)?;
        Ok(())
    }

    /// The VRF the parent belongs to.
    fn vrf_of(&mut self, parent: &Existing) -> Result<Option<IfIndex>, SysError> {
        let Some(master) = parent.master else { return Ok(None) };
        let found = self.socket()?.find_number(master)?;
        Ok(found
            .filter(|found| found.kind.as_deref() == Some("vrf"))
            .map(|_| master))
    }

    fn remove(&mut self, made: &Made, reporter: &Reporter) -> Result<(), SysError> {
        let link = &made.link;
        self.socket()?.remove(made.index, link.name)?;
        reporter.say(
            Level::Detail,
            format_args!("Success removing VMAC interface {}", link.name),
        );
        if matches!(link.kind, LinkKind::Vmac(_)) {
            for name in ["arp_ignore", "arp_filter"] {
                self.sysctls.release(&setting(Family::V4, link.parent, name))?;
            }
        }
        Ok(())
    }

    /// What is written behind our mark, if it is ours.
    fn mark_of<'e>(&self, found: &'e Existing) -> Option<&'e str> {
        let rest = found.alias.strip_prefix(OWNER)?.strip_prefix(' ')?;
        let (owner, before) = rest.split_once(' ').unwrap_or((rest, ""));
        (owner == self.owner).then_some(before)
    }

    /// Of a run that was killed, and nobody wants it any more.
    fn remove_leftover(&mut self, name: IfName, reporter: &Reporter) -> Result<(), SysError> {
        let Some(found) = self.socket()?.find(name)? else {
            return Ok(());
        };
        let Some(before) = self.mark_of(&found) else {
            return Ok(());
        };
        if !matches!(found.kind.as_deref(), Some("macvlan" | "ipvlan")) {
            return Ok(());
        }
        reporter.info(format_args!("Removing VMAC interface {name} of an earlier run"));
        let before = Before::from_text(before);
        self.socket()?.remove(found.index, name)?;
        for error in before.restore() {
            reporter.error(error);
        }
        Ok(())
    }
}

fn report(result: Result<(), SysError>, reporter: &Reporter) {
    if let Err(error) = result {
        reporter.error(error);
    }
}

/// The interfaces that the instances of a model want.
fn wanted(model: &Model) -> BTreeMap<IfName, Wanted> {
    let mut all = BTreeMap::new();
    for config in model.instances.values() {
        for link in &config.links {
            all.entry(link.name).or_insert_with(|| Wanted {
                link: *link,
                instance: config.name.clone(),
                ipv6: link.family == Family::V6 || has_ipv6(config, &link.name),
            });
        }
    }
    all
}

fn has_ipv6(config: &Config, name: &IfName) -> bool {
    let mut all = config.addresses.iter().chain(&config.excluded);
    all.any(|address| address.interface == *name && address.prefix.family() == Family::V6)
}

fn kind(kind: &LinkKind) -> Kind {
    match kind {
        LinkKind::Vmac(mac) => Kind::Macvlan(*mac),
        LinkKind::Ipvlan { mode, .. } => Kind::Ipvlan(match mode {
            IpvlanMode::Bridge => linux::link::IpvlanMode::Bridge,
            IpvlanMode::Private => linux::link::IpvlanMode::Private,
            IpvlanMode::Vepa => linux::link::IpvlanMode::Vepa,
        }),
    }
}

const fn new_mac(link: &NewLink) -> Option<MacAddr> {
    match link.kind {
        Kind::Macvlan(mac) => Some(mac),
        Kind::Ipvlan(_) => None,
    }
}

const fn setting(family: Family, interface: IfName, name: &'static str) -> Setting {
    Setting {
        family,
        interface,
        name,
    }
}

fn name_of(text: &str) -> Option<IfName> {
    text.parse().ok()
}

/// The interfaces that have settings, `default` among them.
fn interfaces() -> Vec<IfName> {
    let entries = std::fs::read_dir("/proc/sys/net/ipv4/conf")
        .into_iter()
        .flatten()
        .flatten();
    let names = entries.filter_map(|entry| name_of(entry.file_name().to_str()?));
    names.filter(|name| name.as_str() != "all").collect()
}

/// The link-local address a link should have, given those of its parent.
fn wanted_local(link: &Link, parents: &[Ipv6Addr], mac: Option<MacAddr>) -> Option<Ipv6Addr> {
    match link.link_local {
        LinkLocal::Without => None,
        LinkLocal::Fixed(address) => Some(address),
        LinkLocal::OfParent => parents.first().copied().or(mac.map(made_of)),
    }
}

/// RFC 4291, appendix A.
fn made_of(MacAddr([a, b, c, d, e, f]): MacAddr) -> Ipv6Addr {
    let [ab, c_, d_, ef] = [
        u16::from_be_bytes([a ^ 2, b]),
        u16::from_be_bytes([c, 0xff]),
        u16::from_be_bytes([0xfe, d]),
        u16::from_be_bytes([e, f]),
    ];
    Ipv6Addr::new(0xfe80, 0, 0, 0, ab, c_, d_, ef)
}

/// Whether its link-local address is as it should be.
fn local_is_there(made: &Made, parent: IfIndex) -> bool {
    let wanted = wanted_local(&made.link, &link_locals(parent), None);
    let there = made.local.is_none_or(|local| addresses(made.index).contains(&local));
    there && (wanted.is_none() || wanted == made.local)
}

fn local_prefix(address: Ipv6Addr) -> Option<Prefix> {
    let bits = if address.is_unicast_link_local() {
        LINK_LOCAL_BITS
    } else {
        128
    };
    Prefix::new(IpAddr::V6(address), bits)
}

/// The link-local addresses of an interface.
fn link_locals(index: IfIndex) -> Vec<Ipv6Addr> {
    let mut all = addresses(index);
    all.retain(Ipv6Addr::is_unicast_link_local);
    all
}

/// The IPv6 addresses of an interface.
fn addresses(index: IfIndex) -> Vec<Ipv6Addr> {
    let text = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    let address = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let (address, number) = (words.next()?, words.next()?);
        let here = u32::from_str_radix(number, 16).ok()? == index.0;
        let address = Ipv6Addr::from(u128::from_str_radix(address, 16).ok()?);
        here.then_some(address)
    };
    text.lines().filter_map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_made_of_the_mac_address_where_the_parent_has_none() {
        let mac = MacAddr([0x00, 0x15, 0x5d, 0x01, 0x02, 0x03]);
        assert_eq!(made_of(mac).to_string(), "fe80::215:5dff:fe01:203");
    }
}

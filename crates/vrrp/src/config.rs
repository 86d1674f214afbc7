//! The validated model of a virtual router, and the settings all of them share.
//!
//! A [`Config`] that exists is valid: the only way to make one is [`crate::draft::Draft::finish`], which turns
//! what a file said into what a router does and reports every change it made on the way.

mod group;
mod link;
pub mod route;
pub mod rule;
mod track;

pub use group::Group;
pub use link::{IpvlanMode, Link, LinkKind, LinkLocal, virtual_mac};
pub use route::Route;
pub use rule::Rule;
pub use track::{Delays, Objects, Process, Script, Tracked, Tracker, Weight};

mod hmac;

pub use hmac::{AntiReplay, HmacAuth, HmacMode, Key, KeyId, MAX_KEY, MIN_KEY, WINDOWS};

use crate::filter::FilterSettings;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use base::{Family, IfName, Prefix};
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::num::NonZeroU8;
use core::time::Duration;

/// The name of an instance: its identity across reloads, in logs and in scripts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Name {
        Name(Arc::from(text))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// Everything the vrrp role runs: the settings and the instances by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// What all instances share.
    pub settings: Settings,
    /// The virtual routers by name.
    pub instances: BTreeMap<Name, Arc<Config>>,
    /// What is there whoever is master.
    pub statics: Statics,
    /// The sync groups by name.
    pub groups: BTreeMap<Name, Arc<Group>>,
    /// What the instances track.
    pub objects: Objects,
}

/// Addresses, routes and rules that are there from start to stop: `static_ipaddress`, `static_routes`, `static_rules`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statics {
    /// Addresses.
    pub addresses: Vec<VirtualAddress>,
    /// Routes.
    pub routes: Vec<Route>,
    /// Rules.
    pub rules: Vec<Rule>,
}

/// Settings of the vrrp role as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `vrrp_mcast_group4`: where IPv4 adverts go; also the pseudo header of old unicast checksums.
    pub group4: Ipv4Addr,
    /// `vrrp_mcast_group6`.
    pub group6: Ipv6Addr,
    /// Pause between gratuitous ARPs on one interface, unless the interface is in `pacing_groups`; zero: none.
    pub garp_interval: Duration,
    /// Pause between unsolicited neighbour advertisements on one interface; zero: none.
    pub gna_interval: Duration,
    /// `garp_group` blocks.
    pub pacing_groups: Vec<PacingGroup>,
    /// `vrrp_startup_delay`: nothing is sent and nothing heard for this long after the start.
    pub startup_delay: Duration,
    /// `vrrp_delay_after_boot`: the same, counted from the boot of the machine.
    pub delay_after_boot: Duration,
    /// `log_unknown_vrids`.
    pub log_unknown_vrids: bool,
    /// `nftables` and the keywords beside it.
    pub filter: FilterSettings,
    /// `vrrp_rx_bufs_policy` and its multiplier, `None` for the system's default.
    pub receive_buffer: Option<ReceiveBuffer>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            group4: Ipv4Addr::new(224, 0, 0, 18),
            group6: Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12),
            garp_interval: Duration::ZERO,
            gna_interval: Duration::ZERO,
            pacing_groups: Vec::new(),
            startup_delay: Duration::ZERO,
            delay_after_boot: Duration::ZERO,
            log_unknown_vrids: false,
            filter: FilterSettings::default(),
            receive_buffer: None,
        }
    }
}

/// How large a receive buffer of a socket is, for each instance that listens on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiveBuffer {
    /// So many bytes.
    Bytes(u32),
    /// So many times the length of an advert.
    Adverts(u32),
    /// So many times the MTU of the interface.
    Mtu(u32),
}

/// A `garp_group`: interfaces that share one allowance of announcements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacingGroup {
    /// Pause between gratuitous ARPs on the interfaces of the group together.
    pub garp_interval: Duration,
    /// Pause between neighbour advertisements.
    pub gna_interval: Duration,
    /// The interfaces.
    pub interfaces: Vec<IfName>,
}

/// The number of a virtual router on its segment: 1 to 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vrid(pub NonZeroU8);

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A configured or effective priority: 1 to 255. Zero exists only on the wire, as "resigning".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(NonZeroU8);

impl Priority {
    /// The router that has the addresses as its own (RFC 9568 section 5.2.4).
    pub const OWNER: Priority = Priority(NonZeroU8::MAX);
    /// What a router has that says nothing else.
    pub const DEFAULT: Priority = Priority(NonZeroU8::MIN.saturating_add(99));

    /// A priority from a number; `None` for zero.
    pub const fn new(value: u8) -> Option<Priority> {
        match NonZeroU8::new(value) {
            Some(value) => Some(Priority(value)),
            None => None,
        }
    }

    /// The number, 1 to 255.
    pub const fn get(self) -> u8 {
        self.0.get()
    }

    /// Whether this is the priority of an address owner.
    pub const fn is_owner(self) -> bool {
        self.get() == u8::MAX
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The version of the protocol an instance speaks. It accepts no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// RFC 3768: whole seconds, authentication.
    V2,
    /// RFC 5798, RFC 9568: centiseconds, IPv6.
    V3,
}

/// Whether a backup of higher priority takes over from a master of lower priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preempt {
    /// At once.
    Yes,
    /// Never: `nopreempt`.
    No,
    /// After having heard the lower priority for this long: `preempt_delay`.
    After(Duration),
}

/// The state an instance wants when it starts: `state MASTER|BACKUP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Claim the addresses soon, without waiting out the full master-down time.
    Master,
    /// Listen for the full master-down time first.
    Backup,
}

/// How adverts travel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// To everybody in a group on the segment.
    Multicast {
        /// The group; of the family of the instance.
        group: IpAddr,
    },
    /// To each configured peer.
    Unicast {
        /// The peers; none only with `unicast_fault_no_peer`, and then the instance is in FAULT.
        peers: Vec<Peer>,
        /// `unicast_ttl`; `None`: 255 for IPv4, the kernel's for IPv6.
        ttl: Option<u8>,
        /// `check_unicast_src`: refuse adverts of others.
        check_source: bool,
    },
}

/// A unicast peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Where to.
    pub address: IpAddr,
    /// The lowest TTL or hop limit accepted from there (checked with `check_unicast_src`).
    pub min_ttl: u8,
    /// The highest.
    pub max_ttl: u8,
}

/// `old_unicast_checksum` (`spec/vrrp-behaviour.md` 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnicastChecksum {
    /// The real destination, until a peer is seen to use the old form.
    Automatic,
    /// The multicast group in place of the destination, both ways.
    Old,
    /// The real destination, no retry.
    Never,
}

/// Authentication of version 2 (`spec/vrrp-behaviour.md` 2.5, 2.6).
#[derive(Clone, PartialEq, Eq)]
pub enum Auth {
    /// None.
    None,
    /// The password in clear text in every packet, zero padded.
    Pass([u8; 8]),
    /// An IPsec authentication header with HMAC-MD5-96 under the zero padded password. IPv4 only.
    Ah([u8; 8]),
}

/// Secrets are never printed.
impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Auth::None => "None",
            Auth::Pass(_) => "Pass(********)",
            Auth::Ah(_) => "Ah(********)",
        })
    }
}

/// An address that moves with the master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualAddress {
    /// The address and the length of its network.
    pub prefix: Prefix,
    /// The interface it is put on; that of the instance unless `dev` says otherwise.
    pub interface: IfName,
    /// `scope`, the kernel's number: 0 global, 253 link, 254 host.
    pub scope: u8,
    /// `broadcast`; IPv4 only.
    pub broadcast: Option<Ipv4Addr>,
    /// `label`; IPv4 only; 15 bytes at most.
    pub label: Option<IfName>,
    /// `peer`.
    pub peer: Option<IpAddr>,
    /// Kernel flags (IFA_F_*) wanted on the address: `home`, `-nodad`, `mngtmpaddr`, `noprefixroute`, `autojoin`.
    pub flags: AddressFlags,
    /// `preferred_lft` in seconds; `None`: for ever.
    pub preferred_lifetime: Option<u32>,
    /// Whether its removal by somebody else matters; cleared by `no_track`.
    pub tracked: bool,
}

impl VirtualAddress {
    /// What identifies this address in the kernel.
    pub fn key(&self) -> AddressKey {
        AddressKey {
            interface: self.interface,
            prefix: self.prefix,
        }
    }
}

/// Options of an address that are flags in the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddressFlags {
    /// `home` (IPv6).
    pub home: bool,
    /// Duplicate address detection runs for it (`-nodad`; IPv6; off by default).
    pub dad: bool,
    /// `mngtmpaddr` (IPv6).
    pub mngtmpaddr: bool,
    /// `noprefixroute`.
    pub noprefixroute: bool,
    /// `autojoin`.
    pub autojoin: bool,
}

/// The identity of an address in the kernel: where, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressKey {
    /// The interface by name.
    pub interface: IfName,
    /// The address and prefix length.
    pub prefix: Prefix,
}

impl fmt::Display for AddressKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.prefix, self.interface)
    }
}

/// How often a master says where its addresses are (`spec/vrrp-behaviour.md` 11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcing {
    /// `garp_master_repeat`: announcements of each address in a block, at least 1.
    pub repeat: u32,
    /// `garp_master_delay`: when the second block follows; zero: no second block.
    pub second_block: Duration,
    /// `garp_master_refresh`: period of refreshing; zero: never.
    pub refresh: Duration,
    /// `garp_master_refresh_repeat`, at least 1.
    pub refresh_repeat: u32,
    /// `garp_lower_prio_repeat`: announcements after a lower priority advert; zero: none.
    pub lower_priority_repeat: u32,
    /// `garp_lower_prio_delay`: when the second block after it follows; zero: no second block.
    pub lower_priority_second_block: Duration,
    /// `garp_extra_if`.
    pub extra: Option<Extra>,
}

/// `garp_extra_if`: interfaces that have addresses and send no adverts are announced now and then, so that switches do not
/// forget where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extra {
    /// How often, 1 s to 24 h.
    pub every: Duration,
    /// Not only interfaces that are made for the instance.
    pub all: bool,
}

impl Default for Announcing {
    fn default() -> Announcing {
        Announcing {
            repeat: 5,
            second_block: Duration::from_secs(5),
            refresh: Duration::ZERO,
            refresh_repeat: 1,
            lower_priority_repeat: 5,
            lower_priority_second_block: Duration::from_secs(5),
            extra: None,
        }
    }
}

/// One virtual router, valid by construction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Its name.
    pub name: Name,
    /// Where adverts are sent and heard: `interface`, or the VMAC on it; `None` only for unicast with a source address.
    pub interface: Option<IfName>,
    /// `vrf`: the routing domain that packets of an instance without an interface are in.
    pub vrf: Option<IfName>,
    /// The interface under `interface` if that is a VMAC: the source of IPv4 adverts is its address, and its faults count.
    pub base: Option<IfName>,
    /// The virtual interfaces made for this instance, its own first.
    pub links: Vec<Link>,
    /// `virtual_router_id`.
    pub vrid: Vrid,
    /// The family of its adverts and virtual addresses.
    pub family: Family,
    /// `version`.
    pub version: Version,
    /// `priority`.
    pub priority: Priority,
    /// `state`.
    pub wanted: Wanted,
    /// `advert_int`: whole seconds 1 to 255 in version 2; 10 ms to 40.95 s in steps of 10 ms in version 3.
    pub interval: Duration,
    /// `down_timer_adverts`, 1 to 100.
    pub down_adverts: u8,
    /// `nopreempt`, `preempt_delay`.
    pub preempt: Preempt,
    /// `timer_expired_backup`: a master that was late for so long that a router of this priority may have taken over
    /// becomes backup at once.
    pub late_backup: Option<Priority>,
    /// `unicast_peer` and what goes with it, or the group.
    pub delivery: Delivery,
    /// `mcast_src_ip` or `unicast_src_ip`; `None`: the primary address of the interface.
    pub source: Option<IpAddr>,
    /// `track_src_ip`: the loss of `source` is a fault.
    pub track_source: bool,
    /// Whether a fault of the interface counts; cleared by `dont_track_primary`.
    pub track_interface: bool,
    /// `authentication`.
    pub auth: Auth,
    /// `auth_hmac`; excludes `auth`.
    pub hmac: Option<HmacAuth>,
    /// `virtual_ipaddress`: in the adverts, in this order.
    pub addresses: Vec<VirtualAddress>,
    /// `virtual_ipaddress_excluded`: moved with them, not in the adverts.
    pub excluded: Vec<VirtualAddress>,
    /// `virtual_routes`.
    pub routes: Vec<Route>,
    /// `virtual_rules`.
    pub rules: Vec<Rule>,
    /// `promote_secondaries`: while it has addresses, the removal of a primary address makes the next one primary.
    pub promote_secondaries: bool,
    /// Interfaces of static items whose `track_group` names this instance: their fault is its fault.
    pub static_interfaces: Vec<IfName>,
    /// Announcements.
    pub announcing: Announcing,
    /// `v3_checksum_as_v2`.
    pub checksum_as_v2: bool,
    /// `old_unicast_checksum`.
    pub unicast_checksum: UnicastChecksum,
    /// `vrrp_strict`: what it implies is in the other fields.
    pub strict: bool,
    /// `accept`: packets to the virtual addresses are taken although another router owns them.
    pub accept: bool,
    /// `skip_check_adv_addr`.
    pub skip_check_adv_addr: bool,
    /// `lower_prio_no_advert`.
    pub lower_prio_no_advert: bool,
    /// `higher_prio_send_advert`.
    pub higher_prio_send_advert: bool,
    /// `owner_ignore_adverts`.
    pub owner_ignore_adverts: bool,
    /// `kernel_rx_buf_size`, bytes.
    pub receive_buffer: Option<u32>,
    /// The sync group it is a member of.
    pub group: Option<Name>,
    /// What it tracks, its group's trackers included; no object twice.
    pub trackers: Vec<Tracker>,
    /// `notify_priority_changes`: the outside is told of every change of the effective priority.
    pub notify_priority_changes: bool,
}

impl Config {
    /// Whether it is the interface of adverts, or the one under it.
    pub fn is_own(&self, name: &IfName) -> bool {
        self.interface.as_ref() == Some(name) || self.base.as_ref() == Some(name)
    }

    /// Whose address adverts come from, unless a source is configured. An IPv6 VMAC has a link-local address of its own;
    /// an IPv4 one has none.
    pub const fn source_interface(&self) -> Option<IfName> {
        match (self.family, self.base) {
            (Family::V4, Some(base)) => Some(base),
            (Family::V4 | Family::V6, _) => self.interface,
        }
    }

    /// Whether packets to its virtual addresses are dropped while it is master (RFC 9568 section 6.4.3).
    pub const fn drops_packets(&self) -> bool {
        !self.accept && !self.priority.is_owner()
    }
}

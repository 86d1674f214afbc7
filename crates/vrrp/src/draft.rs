//! What a file said of an instance, and how it becomes a [`Config`].
//!
//! `conf` fills a [`Draft`] word by word and knows no rules between words; the rules are here
//! (`spec/vrrp-behaviour.md` 1, 6.1, 9, 14 and the notes of `spec/keywords.tsv`). Nothing here stops the program:
//! every correction and refusal is a [`Finding`] that names the keyword it is about, so that `conf` can say where.

mod finish;
mod join;
mod link;

use crate::config::{
    AddressFlags, Config, Name, Peer, Priority, ReceiveBuffer, Route, Rule, Tracker, UnicastChecksum, Version,
    VirtualAddress, Vrid, Wanted,
};
use crate::config::{AntiReplay, Extra, HmacMode, Key, KeyId};
pub use join::{About, GroupDraft, Joined, Remark, join};
pub use link::{IpvlanDraft, MacDraft, Prefixes, VmacDraft, name_links};

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use base::{Family, IfName, Prefix};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

/// Defaults that `global_defs` sets for all instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// `vrrp_version`; `None`: 2 for IPv4, 3 for IPv6.
    pub version: Option<Version>,
    /// `vrrp_strict`.
    pub strict: bool,
    /// `vrrp_mcast_group4`.
    pub group4: Ipv4Addr,
    /// `vrrp_mcast_group6`.
    pub group6: Ipv6Addr,
    /// `vrrp_garp_*`, with `vrrp_min_garp` already applied. `None`: not set, the built-in default holds.
    pub announcing: AnnouncingDraft,
    /// `vrrp_down_timer_adverts`.
    pub down_adverts: Option<u8>,
    /// `vrrp_check_unicast_src`.
    pub check_unicast_source: bool,
    /// `vrrp_skip_check_adv_addr`.
    pub skip_check_adv_addr: bool,
    /// `vrrp_lower_prio_no_advert`.
    pub lower_prio_no_advert: bool,
    /// `vrrp_higher_prio_send_advert`.
    pub higher_prio_send_advert: bool,
    /// `vrrp_owner_ignore_adverts`.
    pub owner_ignore_adverts: bool,
    /// `v3_checksum_as_v2`.
    pub checksum_as_v2: bool,
    /// `vrrp_rx_bufs_policy`.
    pub receive_buffer: Option<ReceiveBuffer>,
    /// `vrrp_notify_priority_changes`.
    pub notify_priority_changes: bool,
}

impl Default for Defaults {
    /// What holds without `global_defs`.
    fn default() -> Defaults {
        let settings = crate::config::Settings::default();
        Defaults {
            version: None,
            strict: false,
            group4: settings.group4,
            group6: settings.group6,
            announcing: AnnouncingDraft::default(),
            down_adverts: None,
            check_unicast_source: false,
            skip_check_adv_addr: false,
            lower_prio_no_advert: false,
            higher_prio_send_advert: false,
            owner_ignore_adverts: false,
            checksum_as_v2: false,
            receive_buffer: None,
            notify_priority_changes: false,
        }
    }
}

/// `garp_*` keywords as written; `None` where nothing was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnnouncingDraft {
    /// `garp_master_repeat`.
    pub repeat: Option<u32>,
    /// `garp_master_delay`.
    pub second_block: Option<Duration>,
    /// `garp_master_refresh`.
    pub refresh: Option<Duration>,
    /// `garp_master_refresh_repeat`.
    pub refresh_repeat: Option<u32>,
    /// `garp_lower_prio_repeat`.
    pub lower_priority_repeat: Option<u32>,
    /// `garp_lower_prio_delay`.
    pub lower_priority_second_block: Option<Duration>,
    /// `garp_extra_if`; `Some(None)`: not, whatever the usual is.
    pub extra: Option<Option<Extra>>,
}

/// `auth_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthType {
    /// PASS.
    Pass,
    /// AH.
    Ah,
}

/// `auth_hmac` as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HmacDraft {
    /// `key`.
    pub keys: BTreeMap<KeyId, Key>,
    /// `active_key`.
    pub active: Option<KeyId>,
    /// `time_window`, seconds.
    pub window: Option<u32>,
    /// `anti_replay`.
    pub anti_replay: Option<AntiReplay>,
    /// `mode`.
    pub mode: Option<HmacMode>,
}

/// An address line of `virtual_ipaddress` or `virtual_ipaddress_excluded`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressDraft {
    /// Which entry of its block this is, from 0: findings name it.
    pub entry: usize,
    /// The address and its prefix length.
    pub prefix: Prefix,
    /// `dev`.
    pub interface: Option<IfName>,
    /// `scope`, the kernel's number.
    pub scope: u8,
    /// `broadcast`, with `+` and `-` resolved.
    pub broadcast: Option<Ipv4Addr>,
    /// `label`.
    pub label: Option<IfName>,
    /// `peer`.
    pub peer: Option<IpAddr>,
    /// Flags.
    pub flags: AddressFlags,
    /// `preferred_lft`: not given, for ever (`Some(None)`), or seconds.
    pub preferred_lifetime: Option<Option<u32>>,
    /// Not `no_track`.
    pub tracked: bool,
    /// `use_vmac`.
    pub use_vmac: bool,
    /// The VMAC it is put on; set by [`name_links`].
    pub link: Option<IfName>,
}

impl AddressDraft {
    /// The address on an interface, with what holds where nothing was said.
    pub fn on(&self, interface: IfName) -> VirtualAddress {
        let deprecated = self.prefix.family() == Family::V6 && self.prefix.len() == Family::V6.bits();
        VirtualAddress {
            prefix: self.prefix,
            interface,
            scope: self.scope,
            broadcast: self.broadcast,
            label: self.label,
            peer: self.peer,
            flags: self.flags,
            preferred_lifetime: self.preferred_lifetime.unwrap_or(deprecated.then_some(0)),
            tracked: self.tracked,
        }
    }
}

/// What the block of an instance said; `None` where it said nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// `interface`.
    pub interface: Option<IfName>,
    /// `use_vmac`.
    pub vmac: Option<VmacDraft>,
    /// `use_ipvlan`.
    pub ipvlan: Option<IpvlanDraft>,
    /// `vmac_xmit_base`.
    pub vmac_xmit_base: bool,
    /// `use_vmac_addr`.
    pub use_vmac_addr: bool,
    /// `vrf`.
    pub vrf: Option<IfName>,
    /// `virtual_router_id`.
    pub vrid: Option<Vrid>,
    /// `native_ipv6`.
    pub native_ipv6: bool,
    /// `version`.
    pub version: Option<Version>,
    /// `priority`, 1 to 255.
    pub priority: Option<u8>,
    /// `state`.
    pub wanted: Option<Wanted>,
    /// `advert_int` as written.
    pub interval: Option<Duration>,
    /// `down_timer_adverts`.
    pub down_adverts: Option<u8>,
    /// `nopreempt` (and not a later `preempt`).
    pub nopreempt: bool,
    /// `preempt_delay`.
    pub preempt_delay: Option<Duration>,
    /// `unicast_peer` was there, even if empty.
    pub unicast: bool,
    /// `unicast_peer`.
    pub peers: Vec<Peer>,
    /// `unicast_fault_no_peer`.
    pub unicast_fault_no_peer: bool,
    /// `unicast_ttl`.
    pub unicast_ttl: Option<u8>,
    /// `check_unicast_src`.
    pub check_unicast_source: Option<bool>,
    /// `unicast_src_ip`.
    pub unicast_source: Option<IpAddr>,
    /// `mcast_src_ip`.
    pub multicast_source: Option<IpAddr>,
    /// `mcast_dst_ip`.
    pub multicast_group: Option<IpAddr>,
    /// `track_src_ip`.
    pub track_source: bool,
    /// `dont_track_primary`.
    pub dont_track_primary: bool,
    /// `auth_type`.
    pub auth_type: Option<AuthType>,
    /// `auth_pass` as written. Never printed.
    pub auth_pass: Option<Secret>,
    /// `auth_hmac`.
    pub hmac: Option<HmacDraft>,
    /// `virtual_ipaddress`.
    pub addresses: Vec<AddressDraft>,
    /// `virtual_ipaddress_excluded`.
    pub excluded: Vec<AddressDraft>,
    /// `virtual_routes`.
    pub routes: Vec<Route>,
    /// `virtual_rules`.
    pub rules: Vec<Rule>,
    /// `promote_secondaries`.
    pub promote_secondaries: bool,
    /// Interfaces of static items whose `track_group` names this instance.
    pub static_interfaces: Vec<IfName>,
    /// `no_virtual_ipaddress`.
    pub no_virtual_ipaddress: bool,
    /// `garp_*`.
    pub announcing: AnnouncingDraft,
    /// `v3_checksum_as_v2`.
    pub checksum_as_v2: Option<bool>,
    /// `old_unicast_checksum`.
    pub unicast_checksum: Option<UnicastChecksum>,
    /// `skip_check_adv_addr`.
    pub skip_check_adv_addr: Option<bool>,
    /// `strict_mode`.
    pub strict: Option<bool>,
    /// `accept` (true) or `no_accept` (false).
    pub accept: Option<bool>,
    /// `timer_expired_backup`: the highest priority of other routers.
    pub timer_expired_backup: Option<Priority>,
    /// `lower_prio_no_advert`.
    pub lower_prio_no_advert: Option<bool>,
    /// `higher_prio_send_advert`.
    pub higher_prio_send_advert: Option<bool>,
    /// `owner_ignore_adverts`.
    pub owner_ignore_adverts: Option<bool>,
    /// `kernel_rx_buf_size`.
    pub receive_buffer: Option<u32>,
    /// `track_*`, in the order of the file.
    pub trackers: Vec<Tracker>,
    /// `notify_priority_changes`.
    pub notify_priority_changes: Option<bool>,
}

/// Text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("********")
    }
}

/// What [`Draft::finish`] made of a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The instance, if one can run from this.
    pub config: Option<Config>,
    /// What was corrected or refused, in the order it was noticed.
    pub findings: Vec<Finding>,
}

/// A correction or refusal, in upstream's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The keyword it is about, as in `keywords.tsv`; `vrrp_instance` for the block as a whole.
    pub keyword: &'static str,
    /// The entry of the block `keyword`, from 0, if it is about one line of it.
    pub entry: Option<usize>,
    /// How bad it is.
    pub weight: Weight,
    /// The message, with the `(NAME) ` prefix where upstream has it.
    pub text: String,
}

/// How bad a [`Finding`] is, for the exit code of `-t` and for whether the daemon starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Said, but no configuration error: `-t` still exits 0.
    Note,
    /// A configuration error that was put right: `-t` exits 5, the daemon runs.
    Error,
    /// The instance, or upstream as a whole, cannot run like this.
    Fatal,
}

/// What the surroundings say of interfaces, where they are known.
pub trait Surroundings {
    /// The MTU of an interface in bytes; `None` if it is not known.
    fn mtu(&self, interface: &IfName) -> Option<u32>;
    /// Whether the interface can do multicast; `None` if it is not known.
    fn multicast(&self, interface: &IfName) -> Option<bool>;
}

impl Draft {
    /// The family the addresses decide, or `native_ipv6`, or IPv4.
    pub fn family(&self) -> Family {
        let first = self.addresses.first().map(|a| a.prefix.family());
        let peer = self.peers.first().map(|p| Family::of(p.address));
        first
            .or(peer)
            .unwrap_or(if self.native_ipv6 { Family::V6 } else { Family::V4 })
    }

    /// Applies the defaults and every rule between keywords.
    pub fn finish(self, name: Name, defaults: &Defaults, surroundings: &dyn Surroundings) -> Finished {
        finish::finish(self, name, defaults, surroundings)
    }
}

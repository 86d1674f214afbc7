//! Names for virtual interfaces, and the rules between `use_vmac` and the rest of an instance.
//!
//! Names are given for all instances together, before any is finished: configured ones first, then the others in the
//! order of the file (`spec/vrrp-behaviour.md` 12). What exists in the kernel under such a name is not known here.

use super::Draft;
use crate::config::{IpvlanMode, Link, LinkKind, LinkLocal, Vrid, virtual_mac};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;
use base::{Family, IfName, MacAddr, Prefix};
use core::net::IpAddr;

/// The longest name of an interface.
const NAME_MAX: usize = 15;
/// Numbers that are tried for a name: more than there can be virtual routers of one number.
const ATTEMPTS: u32 = 100_000;

/// `use_vmac`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VmacDraft {
    /// The name; given by [`name_links`] where nobody did.
    pub name: Option<IfName>,
    /// Another MAC address than that of the virtual router.
    pub mac: Option<MacDraft>,
    /// `netlink_notify_msg`.
    pub notify: bool,
    /// `group`.
    pub group: Option<u32>,
}

/// A configured MAC address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacDraft {
    /// All of it.
    Whole(MacAddr),
    /// The virtual router id is the last octet.
    WithVrid([u8; 5]),
}

/// `use_ipvlan`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpvlanDraft {
    /// The name; given by [`name_links`] where nobody did.
    pub name: Option<IfName>,
    /// Its address.
    pub address: Option<Prefix>,
    /// Which others it reaches.
    pub mode: IpvlanMode,
    /// `group`.
    pub group: Option<u32>,
}

/// How names that are made begin.
#[derive(Clone, Copy, Debug)]
pub struct Prefixes<'a> {
    /// `vmac_prefix`.
    pub own: &'a str,
    /// `vmac_addr_prefix`.
    pub of_addresses: &'a str,
}

/// Gives names to all links that have none, and puts addresses on theirs.
pub fn name_links<'d>(drafts: impl Iterator<Item = &'d mut Draft>, prefixes: Prefixes<'_>) {
    let mut drafts: Vec<&mut Draft> = drafts.collect();
    let mut taken: BTreeSet<IfName> = BTreeSet::new();
    for draft in &drafts {
        taken.extend(draft.vmac.iter().filter_map(|vmac| vmac.name));
        taken.extend(draft.ipvlan.iter().filter_map(|ipvlan| ipvlan.name));
    }
    for draft in &mut drafts {
        let (Some(vrid), family) = (draft.vrid, draft.family()) else {
            continue;
        };
        let own = draft.vmac.as_mut().map(|vmac| &mut vmac.name);
        if let Some(name) = own.or(draft.ipvlan.as_mut().map(|ipvlan| &mut ipvlan.name))
            && name.is_none()
        {
            *name = free_name(prefixes.own, vrid, family, &mut taken);
        }
        name_address_links(draft, vrid, prefixes.of_addresses, &mut taken);
    }
}

/// Addresses elsewhere than on the interface of the instance, each parent and family with a link of its own.
fn name_address_links(draft: &mut Draft, vrid: Vrid, prefix: &str, taken: &mut BTreeSet<IfName>) {
    let (family, parent, all) = (draft.family(), draft.interface, draft.use_vmac_addr);
    let own = draft.vmac.as_ref().and_then(|vmac| vmac.name);
    let mut links: Vec<((IfName, Family), IfName)> = Vec::new();
    for address in draft.addresses.iter_mut().chain(&mut draft.excluded) {
        let other = address.interface.is_some_and(|name| Some(name) != parent);
        let moves = address.use_vmac || (all && other);
        if !moves {
            continue;
        }
        let (Some(place), of) = (address.interface.or(parent), address.prefix.family()) else {
            continue;
        };
        if own.is_some() && Some(place) == parent && of == family {
            address.link = own;
            continue;
        }
        let known = links.iter().find(|(key, _)| *key == (place, of)).map(|(_, name)| *name);
        let name = known.or_else(|| free_name(prefix, vrid, of, taken));
        if let (None, Some(name)) = (known, name) {
            links.push(((place, of), name));
        }
        address.link = name;
        address.interface = Some(place);
    }
}

/// PREFIX.VRID, or with a number between the two. The prefix gives way where there is no room.
fn free_name(prefix: &str, vrid: Vrid, family: Family, taken: &mut BTreeSet<IfName>) -> Option<IfName> {
    let first = match family {
        Family::V4 => None,
        Family::V6 => Some(6),
    };
    let others = (1..ATTEMPTS).filter(|number| Some(*number) != first);
    let numbers = core::iter::once(None).chain(first.map(Some)).chain(others.map(Some));
    for number in numbers {
        let rest = match number {
            None => format!(".{}", vrid.0),
            Some(number) => format!("{number}.{}", vrid.0),
        };
        let room = NAME_MAX.saturating_sub(rest.len());
        let start: &str = prefix.get(..room.min(prefix.len())).unwrap_or_default();
        if let Ok(name) = format!("{start}{rest}").parse::<IfName>()
            && taken.insert(name)
        {
            return Some(name);
        }
    }
    None
}

/// What becomes of the links of an instance.
pub(super) struct Links {
    /// The interface of adverts.
    pub(super) interface: Option<IfName>,
    /// Where addresses go that name no interface.
    pub(super) home: Option<IfName>,
    /// Under `interface`, if that is virtual.
    pub(super) base: Option<IfName>,
    /// The links, the instance's own first.
    pub(super) links: Vec<Link>,
}

impl super::finish::Finisher<'_> {
    /// Judges `use_vmac`, `use_ipvlan` and what goes with them.
    fn link_rules(&mut self, draft: &mut Draft, unicast: bool) {
        let virtual_own = draft.vmac.is_some() || draft.ipvlan.is_some();
        if virtual_own && draft.interface.is_none() {
            let text = format!(
                "({}): Cannot use VMAC/ipvlan with unicast and no interface - clearing use_vmac",
                self.name()
            );
            self.push("use_vmac", None, super::Weight::Error, text);
            (draft.vmac, draft.ipvlan) = (None, None);
        }
        if draft.vmac_xmit_base && draft.vmac.is_none() {
            self.error("vmac_xmit_base", "vmac_xmit_base is only valid with a vmac");
            draft.vmac_xmit_base = false;
        }
        if self.strict() && draft.vmac_xmit_base {
            self.error(
                "vmac_xmit_base",
                "xmit_base is incompatible with strict mode - resetting",
            );
            draft.vmac_xmit_base = false;
        }
        if self.strict() && draft.vmac.as_ref().is_some_and(|vmac| vmac.mac.is_some()) {
            self.error("use_vmac", "VMAC address cannot be chosen in strict mode - ignoring");
            if let Some(vmac) = &mut draft.vmac {
                vmac.mac = None;
            }
        }
        if draft.vmac.is_some() && unicast && !draft.vmac_xmit_base {
            self.error("use_vmac", "unicast with use_vmac requires vmac_xmit_base - setting");
            draft.vmac_xmit_base = true;
        }
        if draft.promote_secondaries && draft.vmac.is_some() {
            self.error(
                "promote_secondaries",
                "promote_secondaries is automatically set for vmacs - ignoring",
            );
            draft.promote_secondaries = false;
        }
        if let Some(ipvlan) = &mut draft.ipvlan {
            let family = self.family();
            if let Some(address) = ipvlan.address.filter(|address| address.family() != family) {
                ipvlan.address = None;
                let text = format!(
                    "ipvlan address[{}] MUST match vrrp instance family !!! Skipping...",
                    address.address()
                );
                self.error("use_ipvlan", &text);
            }
        }
    }

    /// The links. `None`: the instance cannot run.
    pub(super) fn links(
        &mut self,
        draft: &mut Draft,
        vrid: Vrid,
        source: Option<IpAddr>,
        unicast: bool,
    ) -> Option<Links> {
        self.link_rules(draft, unicast);
        let family = self.family();
        let mut all = Links {
            interface: draft.interface,
            home: draft.interface,
            base: None,
            links: Vec::new(),
        };
        let (vmac, ipvlan) = (draft.vmac.as_ref(), draft.ipvlan.as_ref());
        if let (Some(vmac), Some(name), Some(parent)) = (vmac, vmac.and_then(|vmac| vmac.name), draft.interface) {
            let local = match (family, source) {
                (Family::V4, _) => LinkLocal::Without,
                (Family::V6, _) if draft.vmac_xmit_base => LinkLocal::Without,
                (Family::V6, Some(IpAddr::V6(source))) => LinkLocal::Fixed(source),
                (Family::V6, _) => LinkLocal::OfParent,
            };
            let mac = match vmac.mac {
                None => virtual_mac(family, vrid),
                Some(MacDraft::Whole(mac)) => mac,
                Some(MacDraft::WithVrid([a, b, c, d, e])) => MacAddr([a, b, c, d, e, vrid.0.get()]),
            };
            all.links.push(Link {
                name,
                parent,
                kind: LinkKind::Vmac(mac),
                family,
                group: vmac.group,
                notify: vmac.notify,
                link_local: local,
            });
            all.home = Some(name);
            if !draft.vmac_xmit_base {
                (all.interface, all.base) = (Some(name), Some(parent));
            }
        } else if let (Some(ipvlan), Some(name), Some(parent)) =
            (ipvlan, ipvlan.and_then(|ipvlan| ipvlan.name), draft.interface)
        {
            if family == Family::V4 && ipvlan.address.is_none() && source.is_none() {
                let text = "IPv4 ipvlan requires a source ip address to be configured. setting instance to fault state";
                self.fatal("use_ipvlan", text);
                return None;
            }
            all.links.push(Link {
                name,
                parent,
                kind: LinkKind::Ipvlan {
                    mode: ipvlan.mode,
                    address: ipvlan.address.or(source.map(Prefix::host)),
                },
                family,
                group: ipvlan.group,
                notify: false,
                link_local: LinkLocal::Without,
            });
            (all.interface, all.home) = (Some(name), Some(name));
        }
        self.address_links(draft, vrid, &mut all.links);
        Some(all)
    }

    fn address_links(&self, draft: &Draft, vrid: Vrid, links: &mut Vec<Link>) {
        for address in draft.addresses.iter().chain(&draft.excluded) {
            let (Some(name), Some(parent)) = (address.link, address.interface.or(draft.interface)) else {
                continue;
            };
            if links.iter().any(|link| link.name == name) {
                continue;
            }
            let family = address.prefix.family();
            links.push(Link {
                name,
                parent,
                kind: LinkKind::Vmac(virtual_mac(family, vrid)),
                family,
                group: None,
                notify: false,
                link_local: LinkLocal::Without,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};
    use alloc::vec;

    fn draft(vrid: u8, address: &str) -> Draft {
        let mut draft = Draft {
            interface: Some("eth0".parse().unwrap()),
            vrid: core::num::NonZeroU8::new(vrid).map(Vrid),
            vmac: Some(VmacDraft::default()),
            ..Draft::default()
        };
        draft.peers.clear();
        draft.addresses = vec![line(address)];
        draft
    }

    fn line(address: &str) -> super::super::AddressDraft {
        super::super::AddressDraft {
            entry: 0,
            prefix: Prefix::host(address.parse().unwrap()),
            interface: None,
            scope: 0,
            broadcast: None,
            label: None,
            peer: None,
            flags: Default::default(),
            preferred_lifetime: None,
            tracked: true,
            use_vmac: false,
            link: None,
        }
    }

    fn names(drafts: &mut [Draft], own: &str) -> Vec<String> {
        let prefixes = Prefixes { own, of_addresses: own };
        name_links(drafts.iter_mut(), prefixes);
        let name = |draft: &Draft| draft.vmac.as_ref().unwrap().name.unwrap().to_string();
        drafts.iter().map(name).collect()
    }

    #[test]
    fn names_are_made_of_prefix_and_virtual_router_id_and_never_twice() {
        let mut drafts = [
            draft(51, "10.0.0.1"),
            draft(51, "fd00::1"),
            draft(51, "10.0.0.2"),
            draft(7, "10.0.0.3"),
        ];
        assert_eq!(
            names(&mut drafts, "vrrp"),
            ["vrrp.51", "vrrp6.51", "vrrp1.51", "vrrp.7"]
        );
    }

    #[test]
    fn a_configured_name_is_nobody_elses() {
        let mut drafts = [draft(51, "10.0.0.1"), draft(52, "10.0.0.2")];
        drafts[1].vmac.as_mut().unwrap().name = Some("vrrp.51".parse().unwrap());
        assert_eq!(names(&mut drafts, "vrrp"), ["vrrp1.51", "vrrp.51"]);
    }

    #[test]
    fn a_long_prefix_gives_way() {
        let mut drafts = [draft(251, "10.0.0.1"), draft(251, "10.0.0.2")];
        assert_eq!(
            names(&mut drafts, "averylongprefix"),
            ["averylongpr.251", "averylongp1.251"]
        );
    }
}

//! The virtual addresses of an instance: where each goes, that there is one, and what has no room in a packet.

use super::Finisher;
use crate::config::{AddressKey, Auth, HmacAuth, Version, VirtualAddress};
use crate::draft::{AddressDraft, Draft, Weight};
use crate::wire;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;
use base::{Family, IfName};
use core::net::IpAddr;

/// The MTU taken where an interface says none.
const DEFAULT_MTU: u32 = 1500;
/// Bytes of an IPv6 header.
const IPV6_HEADER_LEN: usize = 40;

impl Finisher<'_> {
    pub(super) fn all_addresses(
        &mut self,
        draft: &mut Draft,
        home: Option<IfName>,
    ) -> (Vec<VirtualAddress>, Vec<VirtualAddress>) {
        let mut seen = BTreeSet::new();
        let mut addresses = Vec::new();
        for line in core::mem::take(&mut draft.addresses) {
            if line.prefix.family() == self.family {
                self.address("virtual_ipaddress", line, home, &mut seen, &mut addresses);
            } else {
                let address = line.prefix.address();
                let text = format!(
                    "({}): address family must match VRRP instance [{address}] - ignoring",
                    self.name
                );
                self.push("virtual_ipaddress", Some(line.entry), Weight::Error, text);
            }
        }
        let mut excluded = Vec::new();
        for line in core::mem::take(&mut draft.excluded) {
            self.address("virtual_ipaddress_excluded", line, home, &mut seen, &mut excluded);
        }
        (addresses, excluded)
    }

    fn address(
        &mut self,
        keyword: &'static str,
        line: AddressDraft,
        own: Option<IfName>,
        seen: &mut BTreeSet<AddressKey>,
        into: &mut Vec<VirtualAddress>,
    ) {
        let excluded = if keyword == "virtual_ipaddress" { "" } else { "e" };
        let Some(interface) = line.link.or(line.interface).or(own) else {
            let text = format!(
                "({}): no interface for {excluded}vip {} - removing",
                self.name,
                line.prefix.address()
            );
            self.push(keyword, Some(line.entry), Weight::Error, text);
            return;
        };
        let address = line.on(interface);
        if !seen.insert(address.key()) {
            let text = self.prefixed(&format!(
                "{excluded}VIP {} is specified twice - ignoring",
                address.key()
            ));
            self.push(keyword, Some(line.entry), Weight::Note, text);
            return;
        }
        into.push(address);
    }

    pub(super) fn require_addresses(&mut self, draft: &Draft, version: Version, count: usize) -> Option<()> {
        if draft.no_virtual_ipaddress && self.strict {
            self.error(
                "no_virtual_ipaddress",
                "no_virtual_ipaddress is incompatible with strict mode - ignoring",
            );
        }
        if count > 0 || (draft.no_virtual_ipaddress && !self.strict) {
            return Some(());
        }
        match (self.strict, version) {
            (false, Version::V2) => {
                self.error("vrrp_instance", "No VIP specified; at least one is sensible");
                Some(())
            }
            (true, _) | (false, Version::V3) => {
                self.fatal("vrrp_instance", "No VIP specified; at least one is required");
                None
            }
        }
    }

    pub(super) fn first_link_local(&mut self, addresses: &[VirtualAddress]) {
        let Some(IpAddr::V6(first)) = addresses.first().map(|address| address.prefix.address()) else {
            return;
        };
        if self.strict && !first.is_unicast_link_local() {
            self.error("virtual_ipaddress", "the first IPv6 VIP address must be link local");
        }
    }

    /// What does not fit into a packet moves with the others, unadvertised.
    pub(super) fn limit_addresses(
        &mut self,
        draft: &Draft,
        version: Version,
        auth: &Auth,
        hmac: Option<&HmacAuth>,
        addresses: &mut Vec<VirtualAddress>,
        excluded: &mut Vec<VirtualAddress>,
    ) {
        let mtu = draft.interface.and_then(|name| self.surroundings.mtu(&name));
        let mtu = usize::try_from(mtu.unwrap_or(DEFAULT_MTU)).unwrap_or(usize::MAX);
        let ip_header = match (self.family, auth) {
            (Family::V4, Auth::Ah(_)) => wire::ipv4::LEN + wire::auth::AH_LEN,
            (Family::V4, Auth::None | Auth::Pass(_)) => wire::ipv4::LEN,
            (Family::V6, _) => IPV6_HEADER_LEN,
        };
        let message = match version {
            Version::V2 => wire::v2::len(self.family, 0),
            Version::V3 => wire::v3::len(self.family, 0),
        };
        let trailer = hmac.filter(|hmac| hmac.signs()).map_or(0, |_| wire::hmac::LEN);
        let room = mtu.saturating_sub(ip_header + message + trailer) / wire::address_len(self.family);
        let most = room.min(usize::from(u8::MAX));
        if addresses.len() <= most {
            return;
        }
        let text = format!(
            "Number of VIPs ({}) exceeds maximum/space available in packet (max {most} addresses) - excess moved to eVIPs",
            addresses.len()
        );
        self.error("virtual_ipaddress", &text);
        let excess = addresses.split_off(most);
        excluded.splice(0..0, excess);
    }
}

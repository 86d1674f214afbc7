//! Peers and authentication of one node.

use super::{Report, Rule};

pub(super) static EMPTY_PEERS: Rule = Rule {
    name: "empty-peers",
    about: "A unicast_peer list without peers does not mean silence: the instance sends its adverts by multicast, where \
            no peer that expects unicast hears it.",
    hint: "name the peers; or write `unicast_fault_no_peer`, with which it waits in FAULT until there are some",
    check: empty_peers,
};

fn empty_peers(report: &mut Report<'_>) {
    for (node, block) in report.blocks("vrrp_instance") {
        let mut lists = block.all("unicast_peer").peekable();
        let Some(first) = lists.peek().map(|list| list.at.as_ref()) else {
            continue;
        };
        if lists.any(|list| !list.inside.is_empty()) {
            continue;
        }
        let name = block.word(0).unwrap_or_default();
        let what = if block.get("unicast_fault_no_peer").is_some() {
            "stays in FAULT"
        } else {
            "falls back to multicast"
        };
        report.say(node, first, format!("the peer list of {name} is empty: it {what}"));
    }
}

pub(super) static OWN_ADDRESS_IN_PEERS: Rule = Rule {
    name: "own-address-in-peers",
    about: "A router that is its own peer hears its own adverts.",
    hint: "leave the own address out of the list; with one list for all nodes, use an `@ID` line for each",
    check: own_address_in_peers,
};

fn own_address_in_peers(report: &mut Report<'_>) {
    for (node, block) in report.blocks("vrrp_instance") {
        let source = block.get("unicast_src_ip").and_then(|item| item.word(0));
        let Some(source) = source else { continue };
        let entries = block.all("unicast_peer").flat_map(|list| &list.inside);
        for entry in entries.filter(|entry| entry.word(0) == Some(source)) {
            let name = block.word(0).unwrap_or_default();
            report.say(
                node,
                entry.at.as_ref(),
                format!("the peer list of {name} has its own address {source}"),
            );
        }
    }
}

/// Bytes of a password in a packet.
const PASSWORD: usize = 8;

pub(super) static PASSWORD_CUT: Rule = Rule {
    name: "password-cut",
    about: "A packet has room for eight bytes of password; the rest is cut off, and passwords that differ only there are \
            the same.",
    hint: "use eight bytes, or auth_hmac, whose keys are longer and not sent",
    check: password_cut,
};

fn password_cut(report: &mut Report<'_>) {
    for (node, block) in report.blocks("vrrp_instance") {
        let lines = block.all("authentication").flat_map(|auth| auth.all("auth_pass"));
        for line in lines {
            // The word is masked and has the length of the password.
            let length = line.word(0).unwrap_or_default().len();
            if length > PASSWORD {
                let name = block.word(0).unwrap_or_default();
                report.say(
                    node,
                    line.at.as_ref(),
                    format!("the password of {name} has {length} bytes, of which {PASSWORD} are used"),
                );
            }
        }
    }
}

pub(super) static AH_UNICAST: Rule = Rule {
    name: "ah-unicast",
    about: "An authentication header covers addresses and is dropped by many devices between routers; whoever needs \
            unicast has such devices. It also needs one counter for each sender, which few implementations keep.",
    hint: "use auth_hmac",
    check: ah_unicast,
};

fn ah_unicast(report: &mut Report<'_>) {
    for (node, block) in report.blocks("vrrp_instance") {
        let kind = block
            .all("authentication")
            .flat_map(|auth| auth.all("auth_type"))
            .last();
        let peers = block.all("unicast_peer").any(|list| !list.inside.is_empty());
        if let Some(line) = kind.filter(|line| peers && line.word(0) == Some("AH")) {
            let name = block.word(0).unwrap_or_default();
            report.say(
                node,
                line.at.as_ref(),
                format!("{name} has `auth_type AH` and unicast peers"),
            );
        }
    }
}

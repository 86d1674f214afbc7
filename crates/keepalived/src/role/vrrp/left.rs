//! What a run may leave in the kernel, as lines of a record: addresses, routes, rules, virtual interfaces and the table of
//! the packet filter.
//!
//! Routes and rules are written as a configuration has them, so that they are read by the code that reads those. The
//! kernel is always asked for everything a line says, the protocol number among it: a route of somebody else that leads
//! to the same place is another one. Who keeps the lines, and when, is decided by the supervisor.

use ::vrrp::config::{AddressKey, Model, Route, Rule, VirtualAddress};
use base::Prefix;
use std::collections::BTreeSet;

/// How lines begin that are about no address. No name of an interface has a slash in it.
const ROUTE: &str = "/route ";
const RULE: &str = "/rule ";
const LINK: &str = "/link ";
const TABLE: &str = "/table ";

/// What an earlier run, or role, may have left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Left {
    /// Addresses.
    pub(crate) addresses: Vec<AddressKey>,
    /// Routes.
    pub(crate) routes: Vec<Route>,
    /// Rules.
    pub(crate) rules: Vec<Rule>,
    /// Tables of the packet filter, by name.
    pub(crate) tables: Vec<String>,
}

/// All that a model may put into the kernel: an address is `INTERFACE PREFIX`, everything else says what it is.
pub(crate) fn of(model: &Model) -> BTreeSet<String> {
    let instances = || model.instances.values();
    let statics = &model.statics;
    let addresses = instances().flat_map(|instance| instance.addresses.iter().chain(&instance.excluded));
    let addresses = addresses.chain(&statics.addresses).map(VirtualAddress::key);
    let routes = instances().flat_map(|instance| &instance.routes).chain(&statics.routes);
    let rules = instances().flat_map(|instance| &instance.rules).chain(&statics.rules);
    let links = instances().flat_map(|instance| &instance.links);
    let filters = instances().any(|instance| instance.drops_packets() || !instance.links.is_empty());
    let table = filters.then_some(&model.settings.filter.table);
    addresses
        .map(|key| format!("{} {}", key.interface, key.prefix))
        .chain(routes.map(|route| format!("{ROUTE}{route}")))
        .chain(rules.map(|rule| format!("{RULE}{rule}")))
        .chain(links.map(|link| format!("{LINK}{}", link.name)))
        .chain(table.map(|table| format!("{TABLE}{table}")))
        .collect()
}

/// The lines that say this.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn lines(left: &Left) -> impl Iterator<Item = String> {
    let addresses = left
        .addresses
        .iter()
        .map(|key| format!("{} {}", key.interface, key.prefix));
    let routes = left.routes.iter().map(|route| format!("{ROUTE}{route}"));
    let rules = left.rules.iter().map(|rule| format!("{RULE}{rule}"));
    let tables = left.tables.iter().map(|table| format!("{TABLE}{table}"));
    addresses.chain(routes).chain(rules).chain(tables)
}

/// Whether a line is about something that only exists in the network and the run of the kernel it was written in, and
/// that carries no mark by which it could be known elsewhere.
pub(crate) fn is_bound_to_place(line: &str) -> bool {
    line.starts_with('/')
}

/// Whether a line says something. Of routes and rules that is found out when it is needed.
pub(crate) fn makes_sense(line: &str) -> bool {
    let said = [ROUTE, RULE, LINK, TABLE].iter().any(|word| line.starts_with(word));
    said || address(line).is_some()
}

/// What lines say. Those that make no sense, or would not be written like that, are left out.
pub(crate) fn read<'l>(lines: impl IntoIterator<Item = &'l str>) -> Left {
    let mut left = Left::default();
    let (mut routes, mut rules) = (Vec::new(), Vec::new());
    // What opens or ends a block would change what the lines behind it mean.
    let plain = |line: &&str| !line.contains(['{', '}', '\\', '"']);
    for line in lines.into_iter().filter(plain) {
        if let Some(route) = line.strip_prefix(ROUTE) {
            routes.push(route);
        } else if let Some(rule) = line.strip_prefix(RULE) {
            rules.push(rule);
        } else if let Some(table) = line.strip_prefix(TABLE) {
            left.tables.push(table.to_owned());
        } else {
            left.addresses.extend(address(line));
        }
    }
    if !routes.is_empty() || !rules.is_empty() {
        let statics = statics(&routes, &rules);
        let (routes, rules): (BTreeSet<&str>, BTreeSet<&str>) =
            (routes.into_iter().collect(), rules.into_iter().collect());
        // What reads otherwise than it was written may be something of somebody else.
        left.routes = statics.0;
        left.routes.retain(|route| routes.contains(route.to_string().as_str()));
        left.rules = statics.1;
        left.rules.retain(|rule| rules.contains(rule.to_string().as_str()));
    }
    left
}

/// Reads routes and rules as those of a configuration.
fn statics(routes: &[&str], rules: &[&str]) -> (Vec<Route>, Vec<Rule>) {
    const NAME: &str = "/record";
    let text = format!(
        "static_routes {{\n{}\n}}\nstatic_rules {{\n{}\n}}\n",
        routes.join("\n"),
        rules.join("\n")
    );
    let loader = conf::MapLoader::default().with(NAME, text);
    let statics = conf::compile(&conf::load(NAME, conf::Facts::default(), &loader))
        .model
        .vrrp
        .statics;
    (statics.routes, statics.rules)
}

/// An address from a line `INTERFACE PREFIX`.
fn address(line: &str) -> Option<AddressKey> {
    let (interface, prefix) = line.split_once(' ')?;
    let (address, length) = prefix.split_once('/')?;
    Some(AddressKey {
        interface: interface.parse().ok()?,
        prefix: Prefix::new(address.parse().ok()?, length.parse().ok()?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(text: &str) -> Model {
        let loader = conf::MapLoader::default().with("/k.conf", text);
        let compiled = conf::compile(&conf::load("/k.conf", conf::Facts::default(), &loader));
        compiled.model.vrrp
    }

    const EVERYTHING: &str = "vrrp_instance V {
        interface eth0
        virtual_router_id 1
        use_vmac
        virtual_ipaddress {
            10.0.0.9/24
        }
        virtual_ipaddress_excluded {
            2001:db8::9/64 dev eth1
        }
        virtual_routes {
            10.1.0.0/16 via 10.0.0.3 dev eth0 metric 7 no_track protocol 4 mtu lock 1400
            10.2.0.0/16 nexthop via 10.0.0.3 weight 2 nexthop via 10.0.0.4 dev eth0 onlink
            blackhole 10.3.0.0/16
            2001:db8:1::/48 dev eth0 pref low
        }
        virtual_rules {
            from 10.1.0.0/16 table 181 preference 181
            not to 2001:db8::/32 preference 182 fwmark 16/255 iif eth0 unreachable no_track
        }
    }
    static_ipaddress {
        10.5.0.1/24 dev eth2
    }
    static_routes {
        10.6.0.0/16 dev eth2
    }
    static_rules {
        from 10.6.0.0/16 table 183 preference 183
    }
    ";

    #[test]
    fn everything_that_a_configuration_puts_into_the_kernel_is_written_and_read_again() {
        let model = model(EVERYTHING);
        let lines = of(&model);
        assert!(lines.iter().all(|line| makes_sense(line)), "{lines:?}");
        assert_eq!(lines.len(), 13, "{lines:?}");
        let left = read(lines.iter().map(String::as_str));
        let instance = model.instances.values().next().unwrap();
        let mut routes = [instance.routes.as_slice(), &model.statics.routes].concat();
        let mut rules = [instance.rules.as_slice(), &model.statics.rules].concat();
        assert_eq!((routes.len(), rules.len()), (5, 3));
        let mut read = left.clone();
        for routes in [&mut routes, &mut read.routes] {
            routes.sort();
        }
        for rules in [&mut rules, &mut read.rules] {
            rules.sort();
        }
        assert_eq!((read.routes, read.rules), (routes, rules));
        assert_eq!(left.tables, ["keepalived"]);
        let addresses: Vec<String> = left.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(
            addresses,
            ["2001:db8::9/64 on eth1", "10.5.0.1/24 on eth2", "10.0.0.9/24 on vrrp.1"]
        );
        let bound = lines.iter().filter(|line| is_bound_to_place(line)).count();
        assert_eq!(bound, lines.len() - 3);
        assert!(lines.contains("/link vrrp.1"), "{lines:?}");
    }

    #[test]
    fn a_line_that_is_not_as_it_would_be_written_says_nothing() {
        for line in [
            "",
            "eth0",
            "eth0 10.0.0.1",
            "eth0 10.0.0.1/33",
            "eth0 10.0.0/8",
            "a/b 10.0.0.1/8",
            " 10.0.0.1/8",
            "/route ",
            "/route 10.1.0.0/16 dev a#b",
            "/route 10.1.0.0/16 dev eth0 }",
            "/route }\nstatic_ipaddress {",
            "/route 10.1.0.0/16 via nowhere",
            "/route $A",
            "/rule from all",
            "/rule from 10.1.0.0/16 table 181",
            "route 10.1.0.0/16 dev eth0",
        ] {
            assert_eq!(read([line]), Left::default(), "{line:?}");
        }
        // One of them does not take others with it.
        let one = "/route 10.1.0.0/16 dev eth0 scope 253";
        for bad in [
            "/route }",
            "/route 10.1.0.0/16 {",
            "/route include /etc/passwd",
            "/rule x",
        ] {
            assert_eq!(read([one, bad, one]).routes.len(), 2, "{bad}");
        }
    }

    #[test]
    fn an_address_is_read_from_the_line_that_records_it() {
        let left = read(["eth0.7 2001:db8::1/64"]);
        assert_eq!(left.addresses[0].to_string(), "2001:db8::1/64 on eth0.7");
    }
}

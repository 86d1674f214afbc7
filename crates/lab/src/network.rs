//! Hosts joined by switches, and the faults that can be put between them.
//!
//! A host is a network namespace, a segment is a bridge in one more namespace (the switch room), a cable is a veth
//! pair. Faults are made in the switch room only, where no daemon can see how they are done: a port that goes down is
//! a cut cable (the host loses its carrier), rules of nftables on the way between two ports are everything a host
//! cannot notice.

use crate::command::{Result, Trouble, run};
use crate::journal::{Host, Journal};
use crate::netns::Namespace;
use crate::watch::{Ear, Watch};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// What a host is to look like.
#[derive(Clone, Debug)]
pub struct HostPlan {
    /// Its name in the scenario.
    pub name: String,
    /// Its cables.
    pub ports: Vec<PortPlan>,
}

/// A cable from a host to a segment.
#[derive(Clone, Debug)]
pub struct PortPlan {
    /// The segment at the far end.
    pub segment: String,
    /// The interface at the host's end.
    pub interface: String,
    /// The interface's addresses, `ADDRESS/LENGTH`.
    pub addresses: Vec<String>,
}

/// A network that exists. Dropping it removes it, with everything that runs in it.
#[derive(Debug)]
pub struct Network {
    /// What is seen.
    pub journal: Arc<Journal>,
    // Dropped in this order: the observer before the namespaces it looks into.
    watch: Watch,
    hosts: BTreeMap<Host, Arc<Namespace>>,
    switch: Namespace,
    ports: BTreeMap<Host, Vec<String>>,
    cables: Vec<Laid>,
    faults: Faults,
}

/// A cable that was laid.
#[derive(Debug)]
struct Laid {
    host: Host,
    port: String,
    interface: String,
    bridge: String,
    addressing: Vec<String>,
}

/// The interfaces of a host that are not there at present.
#[derive(Debug)]
pub struct Unplugged {
    host: Host,
    lines: Vec<String>,
}

impl Network {
    /// Builds the network and begins to observe it.
    pub fn build(plan: &[HostPlan]) -> Result<Network> {
        static BUILT: AtomicU32 = AtomicU32::new(0);
        let number = BUILT.fetch_add(1, Ordering::Relaxed);
        let journal = Journal::start();
        let switch = Namespace::create(&format!("{number}sw"))?;
        let mut hosts = BTreeMap::new();
        for host in plan {
            let namespace = Namespace::create(&format!("{number}{}", host.name))?;
            namespace.sysctl(HOST_SETTINGS)?;
            hosts.insert(Host::from(host.name.as_str()), Arc::new(namespace));
        }
        let wiring = Wiring::of(plan);
        switch.ip(&wiring.commands(&hosts)?)?;
        let (mut numbers, mut ears, mut ports) = (BTreeMap::new(), Vec::new(), BTreeMap::<Host, Vec<String>>::new());
        for cable in &wiring.cables {
            numbers.insert(number_of(&switch, &cable.port)? as usize, cable.host.clone());
            ports.entry(cable.host.clone()).or_default().push(cable.port.clone());
        }
        for (host, namespace) in &hosts {
            let mut interfaces = BTreeMap::new();
            for cable in wiring.cables.iter().filter(|cable| cable.host == *host) {
                interfaces.insert(
                    number_of(namespace, &cable.plan.interface)?,
                    cable.plan.interface.clone(),
                );
            }
            ears.push(Ear::open(host.clone(), namespace, interfaces)?);
        }
        let watch = Watch::start(journal.clone(), &switch, numbers, ears)?;
        for cable in &wiring.cables {
            namespace_of(&hosts, &cable.host)?.ip(&cable.addressing())?;
        }
        Ok(Network {
            journal,
            watch,
            hosts,
            switch,
            ports,
            cables: wiring.cables.iter().map(Cable::laid).collect(),
            faults: Faults::default(),
        })
    }

    /// The namespace of a host.
    pub fn host(&self, name: &str) -> Result<&Arc<Namespace>> {
        namespace_of(&self.hosts, name)
    }

    /// Deletes the interfaces of a host, as a driver does that is unloaded. What it takes to make them again is given back.
    pub fn unplug(&self, host: &str) -> Result<Unplugged> {
        let namespace = self.host(host)?;
        let mut lines = Vec::new();
        for cable in self.cables.iter().filter(|cable| &*cable.host == host) {
            let (port, interface) = (&cable.port, &cable.interface);
            // With the numbers they had: the observer knows them by these.
            let (near, far) = (number_of(&self.switch, port)?, number_of(namespace, interface)?);
            let (name, mac) = (namespace.name(), mac_of(namespace, interface)?);
            lines.push(format!(
                "link add {port} index {near} type veth peer name {interface} index {far} address {mac} netns {name}"
            ));
            lines.push(format!("link set {port} master {} up", cable.bridge));
            namespace.ip(&[format!("link del {interface}")])?;
        }
        Ok(Unplugged {
            host: host.into(),
            lines,
        })
    }

    /// Makes the interfaces of a host again, with their addresses.
    pub fn plug_in(&self, unplugged: &Unplugged) -> Result<()> {
        self.switch.ip(&unplugged.lines)?;
        let namespace = self.host(&unplugged.host)?;
        for cable in self.cables.iter().filter(|cable| cable.host == unplugged.host) {
            namespace.ip(&cable.addressing)?;
        }
        Ok(())
    }

    /// Cuts all cables of a host (`false`) or mends them (`true`): its interfaces lose or regain their carrier.
    pub fn carrier(&mut self, host: &str, on: bool) -> Result<()> {
        let state = if on { "up" } else { "down" };
        let ports = self
            .ports
            .get(host)
            .ok_or_else(|| Trouble::new(format!("no host {host}")))?;
        let commands: Vec<String> = ports.iter().map(|port| format!("link set {port} {state}")).collect();
        self.switch.ip(&commands)
    }

    /// Changes which packets are lost on their way.
    pub fn faults<T>(&mut self, change: impl FnOnce(&mut Faults) -> T) -> Result<()> {
        change(&mut self.faults);
        self.switch.nft(&self.faults.rules(&self.ports))
    }

    /// Whether something is lost on its way now.
    pub fn is_faulty(&self) -> bool {
        self.faults != Faults::default()
    }

    /// Ends the observer, so that nothing is seen of the dismantling.
    pub fn close(self) {
        drop(self.watch);
    }
}

/// What the switches do to packets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Hosts whose packets go nowhere and who receive none, while their interfaces look well.
    pub silenced: BTreeSet<Host>,
    /// From whom to whom nothing passes: a one-way partition.
    pub blocked: BTreeSet<(Host, Host)>,
    /// How many packets of a hundred are lost, for every receiver on its own.
    pub loss: u8,
}

impl Faults {
    fn rules(&self, ports: &BTreeMap<Host, Vec<String>>) -> String {
        // Declaring the table before deleting it makes the replacement work the first time too.
        let mut text = String::from("table bridge lab\ndelete table bridge lab\ntable bridge lab {\nchain faults {\n");
        text.push_str("type filter hook forward priority 0;\n");
        let of = |host: &Host| ports.get(host).into_iter().flatten();
        let mut rule = |words: std::fmt::Arguments<'_>| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{words} drop");
        };
        for port in self.silenced.iter().flat_map(of) {
            rule(format_args!("iifname {port}"));
            rule(format_args!("oifname {port}"));
        }
        for (from, to) in &self.blocked {
            for from in of(from) {
                for to in of(to) {
                    rule(format_args!("iifname {from} oifname {to}"));
                }
            }
        }
        if self.loss > 0 {
            rule(format_args!("numgen random mod 100 < {}", self.loss));
        }
        text.push_str("}\n}\n");
        text
    }
}

/// Settings every host needs before it gets interfaces: addresses that work at once, answers whatever the route back.
const HOST_SETTINGS: &[(&str, &str)] = &[
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv6/conf/all/disable_ipv6", "0"),
    ("ipv6/conf/default/disable_ipv6", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/default/dad_transmits", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
];

/// Who is joined with whom, and under which names.
struct Wiring<'a> {
    segments: Vec<&'a str>,
    cables: Vec<Cable<'a>>,
}

struct Cable<'a> {
    host: Host,
    port: String,
    bridge: String,
    plan: &'a PortPlan,
}

impl<'a> Wiring<'a> {
    fn of(plan: &'a [HostPlan]) -> Wiring<'a> {
        let mut wiring = Wiring {
            segments: Vec::new(),
            cables: Vec::new(),
        };
        for (nth, host) in plan.iter().enumerate() {
            for port in &host.ports {
                let known = wiring.segments.iter().position(|segment| *segment == port.segment);
                let segment = known.unwrap_or_else(|| {
                    wiring.segments.push(&port.segment);
                    wiring.segments.len() - 1
                });
                wiring.cables.push(Cable {
                    host: Host::from(host.name.as_str()),
                    port: format!("p{nth}s{segment}"),
                    bridge: bridge(segment),
                    plan: port,
                });
            }
        }
        wiring
    }

    fn commands(&self, hosts: &BTreeMap<Host, Arc<Namespace>>) -> Result<Vec<String>> {
        let mut commands = Vec::new();
        for nth in 0..self.segments.len() {
            let name = bridge(nth);
            commands.push(format!(
                "link add {name} type bridge stp_state 0 forward_delay 0 mcast_snooping 0"
            ));
            commands.push(format!("link set {name} up"));
        }
        for cable in &self.cables {
            let (port, interface) = (&cable.port, &cable.plan.interface);
            let namespace = namespace_of(hosts, &cable.host)?.name();
            commands.push(format!(
                "link add {port} type veth peer name {interface} netns {namespace}"
            ));
            commands.push(format!("link set {port} master {} up", cable.bridge));
        }
        Ok(commands)
    }
}

impl Cable<'_> {
    fn laid(&self) -> Laid {
        Laid {
            host: self.host.clone(),
            port: self.port.clone(),
            interface: self.plan.interface.clone(),
            bridge: self.bridge.clone(),
            addressing: self.addressing(),
        }
    }

    fn addressing(&self) -> Vec<String> {
        let interface = &self.plan.interface;
        let mut commands = vec![format!("link set {interface} up")];
        for address in &self.plan.addresses {
            let nodad = if address.contains(':') { " nodad" } else { "" };
            commands.push(format!("addr add {address} dev {interface}{nodad}"));
        }
        commands
    }
}

fn bridge(segment: usize) -> String {
    format!("br{segment}")
}

fn namespace_of<'a>(hosts: &'a BTreeMap<Host, Arc<Namespace>>, name: &str) -> Result<&'a Arc<Namespace>> {
    hosts.get(name).ok_or_else(|| Trouble::new(format!("no host {name}")))
}

fn mac_of(namespace: &Namespace, interface: &str) -> Result<String> {
    let text = run("ip", &["-n", namespace.name(), "-br", "link", "show", interface], "")?;
    let mac = text.split_whitespace().nth(2);
    mac.map(str::to_owned)
        .ok_or_else(|| Trouble::new(format!("no interface {interface}: {text}")))
}

fn number_of(namespace: &Namespace, interface: &str) -> Result<u32> {
    namespace
        .inside(|| nix::net::if_::if_nametoindex(interface))?
        .map_err(Trouble::when(format!("no interface {interface}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn without_faults_the_switch_drops_nothing() {
        assert!(!Faults::default().rules(&ports()).contains("drop"));
    }

    #[test]
    fn a_one_way_partition_drops_one_direction_only() {
        let blocked = BTreeSet::from([(Host::from("a"), Host::from("b"))]);
        let rules = Faults {
            blocked,
            ..Faults::default()
        }
        .rules(&ports());
        assert!(rules.contains("iifname p0s0 oifname p1s0 drop"), "{rules}");
        assert!(!rules.contains("iifname p1s0"), "{rules}");
    }

    #[test]
    fn the_kernel_takes_the_rules_again_and_again_and_tells_of_addresses() {
        let mut network = Network::build(&[host("a", 1), host("b", 2)]).unwrap();
        network.faults(|faults| faults.loss = 20).unwrap();
        network.faults(|faults| faults.silenced.insert("a".into())).unwrap();
        network.faults(|faults| *faults = Faults::default()).unwrap();
        assert!(!network.is_faulty());
        network
            .host("b")
            .unwrap()
            .ip(&["addr add 10.0.0.77/32 dev eth0", "addr add fd00::77/64 dev eth0"])
            .unwrap();
        let deadline = network.journal.clock.now() + Duration::from_secs(10);
        let both = network.journal.wait(deadline, |picture, _| {
            ["10.0.0.77", "fd00::77"]
                .iter()
                .all(|one| picture.has_address("b", one.parse().unwrap()))
        });
        assert!(both.is_some(), "{}", network.journal.timeline());
        assert!(network.journal.picture().has_address("a", "10.0.0.1".parse().unwrap()));
        assert!(network.host("c").is_err());
    }

    fn ports() -> BTreeMap<Host, Vec<String>> {
        BTreeMap::from([("a".into(), vec!["p0s0".into()]), ("b".into(), vec!["p1s0".into()])])
    }

    fn host(name: &str, number: u8) -> HostPlan {
        let addresses = vec![format!("10.0.0.{number}/24")];
        let port = PortPlan {
            segment: "lan".into(),
            interface: "eth0".into(),
            addresses,
        };
        HostPlan {
            name: name.into(),
            ports: vec![port],
        }
    }
}

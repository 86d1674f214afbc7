//! What a run may leave in the kernel, as lines of a record: the virtual services and the nftables table of a configuration.
//!
//! The kernel has no room for a mark of ours on a service, so what was ours is known by these lines alone. Who keeps them, and
//! when, is decided by the supervisor; what is still there, and whether it is wanted, by [`super::kernel`].

use conf::model::Servers;
use lvs::config::{Endpoint, Namespace, Protocol, Target};
use lvs::marks::Marks;
use lvs::table::{Services, Virtual};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What stands for the network namespace of process 1: no name of a namespace has it.
const INITIAL: &str = "/";

/// Something a run may have left.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// A service.
    Service(Virtual),
    /// The table of `nftables_ipvs`, by name.
    Table(Arc<str>),
}

/// Something that was left, and in which network namespace; `None`: that of the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// What.
    pub(crate) what: What,
    /// Where.
    pub(crate) place: Option<Namespace>,
}

/// One line: `tcp ADDRESS PORT`, `fwmark MARK inet6` or `nftables TABLE -`, then perhaps a network namespace.
pub(crate) fn line(what: &What, place: Option<&Namespace>) -> String {
    let mut line = match what {
        What::Service(Virtual::Address { protocol, at }) => format!("{protocol} {} {}", at.address, at.port),
        What::Service(Virtual::Mark { mark, family }) => {
            let family = match family {
                base::Family::V4 => "inet",
                base::Family::V6 => "inet6",
            };
            format!("fwmark {mark} {family}")
        }
        What::Table(name) => format!("nftables {name} -"),
    };
    match place {
        None => {}
        Some(Namespace::Initial) => line.push_str(&format!(" {INITIAL}")),
        Some(Namespace::Named(name)) => line.push_str(&format!(" {name}")),
    }
    line
}

/// What a line says; `None` if it makes no sense.
pub(crate) fn read(line: &str) -> Option<Left> {
    let mut words = line.splitn(4, ' ');
    let (kind, first, second) = (words.next()?, words.next()?, words.next()?);
    let place = match words.next() {
        None => None,
        Some(INITIAL) => Some(Namespace::Initial),
        // It becomes part of a path.
        Some(name) if name.is_empty() || name.contains('/') || name.starts_with('.') => return None,
        Some(name) => Some(Namespace::Named(name.into())),
    };
    let what = match kind {
        "fwmark" => What::Service(Virtual::Mark {
            mark: first.parse().ok().filter(|mark| *mark != 0)?,
            family: match second {
                "inet" => base::Family::V4,
                "inet6" => base::Family::V6,
                _ => return None,
            },
        }),
        "nftables" if !first.is_empty() && second == "-" => What::Table(first.into()),
        _ => {
            let all = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
            let protocol = all.into_iter().find(|protocol| protocol.to_string() == kind)?;
            let at = Endpoint::new(first.parse().ok()?, second.parse().ok()?);
            What::Service(Virtual::Address { protocol, at })
        }
    };
    Some(Left { what, place })
}

/// All that these virtual servers may put into the kernel, but for services of marks that are given to groups: those are
/// said by the role, which decides them.
pub(crate) fn of(servers: &Servers) -> BTreeSet<String> {
    let settings = &servers.settings;
    let place = settings.namespace.as_ref();
    let mut lines = BTreeSet::new();
    for server in servers.services.values() {
        let service = &server.service;
        let group = match &service.key.target {
            Target::Group(name) => servers.groups.get(name),
            Target::Address { .. } | Target::Mark { .. } => None,
        };
        if settings.nftables.is_some() && group.is_some_and(|group| Marks::fits(group.summary.families)) {
            continue;
        }
        let services = Services::of(service, group.map(|group| &**group));
        lines.extend(services.all.iter().map(|one| line(&What::Service(*one), place)));
    }
    if let Some(nftables) = &settings.nftables {
        lines.insert(line(&What::Table(Arc::clone(&nftables.table)), place));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in [
            "tcp 192.0.2.200 80",
            "udp fd00:2::200 53",
            "sctp 192.0.2.200 0 /",
            "fwmark 7 inet",
            "fwmark 4294967295 inet6 blue green",
            "nftables keepalived_ipvs - blue",
        ] {
            let left = read(text).unwrap();
            assert_eq!(line(&left.what, left.place.as_ref()), text);
        }
    }

    #[test]
    fn what_makes_no_sense_is_nothing() {
        for text in [
            "",
            "tcp",
            "tcp 192.0.2.200",
            "tcp 192.0.2.200 65536",
            "tcp 192.0.2.300 80",
            "icmp 192.0.2.200 80",
            "TCP 192.0.2.200 80",
            "fwmark 0 inet",
            "fwmark 7 ipx",
            "tcp 192.0.2.200 80 ../../etc",
            "tcp 192.0.2.200 80 ..",
            "tcp 192.0.2.200 80 ",
            "nftables  -",
            "nftables x y",
            "\u{0}\u{0}\u{0}",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}

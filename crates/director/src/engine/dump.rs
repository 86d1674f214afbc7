//! What the director says of itself on request.

use super::{Engine, Watch};
use alloc::format;
use alloc::string::String;
use base::Instant;
use core::fmt::{Display, Write};
use lvs::config::{Endpoint, Forwarding, TunnelKind};
use lvs::service::weight;

impl Engine {
    /// Configuration and state of every virtual server.
    pub fn dump(&self, now: Instant) -> String {
        let mut text = String::from("------< LVS Topology >------\n");
        for (key, server) in &self.servers {
            // Writing to a String does not fail.
            let _ = writeln!(text, " VS {key}");
            let service = server.running.config();
            let mut line = |name: &str, value: &dyn Display| {
                let _ = writeln!(text, "   {name} = {value}");
            };
            line("lb_algo", &service.scheduler);
            if let Some(seconds) = service.persistence {
                line("persistence timeout (s)", &seconds);
            }
            line("services in the kernel", &server.services.all.len());
            let quorum = if server.running.has_quorum() { "met" } else { "not met" };
            line(
                "quorum",
                &format_args!("{}, hysteresis {}: {quorum}", service.quorum, service.hysteresis),
            );
            line("total weight of servers that are up", &server.running.total_weight());
            line("checks suspended", &server.suspended);
            line("omega", &service.omega);
            if let Some(sorry) = &service.sorry {
                let state = if server.running.is_sorry() {
                    "in use"
                } else {
                    "not in use"
                };
                line("sorry server", &format_args!("{}, {state}", service.named(sorry.at)));
            }
            for real in &service.reals {
                let Some(standing) = server.running.standing(real.at) else {
                    continue;
                };
                let state = if standing.up { "up" } else { "down" };
                let _ = writeln!(text, "   RS {}: {state}", service.named(real.at));
                let mut line = |name: &str, value: &dyn Display| {
                    let _ = writeln!(text, "     {name} = {value}");
                };
                line("forwarding method", &method(real.forwarding));
                line(
                    "weight",
                    &format_args!("{}, configured {}", weight(real, standing), real.weight),
                );
                line("inhibit_on_failure", &real.inhibit_on_failure);
                self.dump_checks(now, server.checks.get(&real.at).into_iter().flatten(), &mut text);
            }
        }
        let _ = writeln!(
            text,
            "------< Checks >------\n   different questions = {}",
            self.probes.len()
        );
        text
    }

    fn dump_checks<'a>(&self, now: Instant, watches: impl Iterator<Item = &'a Watch>, text: &mut String) {
        for watch in watches {
            let described = match watch {
                Watch::Probe(id) => {
                    let Some(run) = self.probes.get(id) else { continue };
                    let state = match (run.judge.has_judged(), run.judge.is_up()) {
                        (false, _) => "not run yet",
                        (true, true) => "up",
                        (true, false) => "down",
                    };
                    let next = match run.judge.deadline() {
                        Some(at) => format!("next in {} ms", at.since(now).as_millis()),
                        None if run.resting => "suspended".into(),
                        None => "asking".into(),
                    };
                    let shared = run.followers.len();
                    format!(
                        "{} {state}, {next}, asked for {shared} server(s)",
                        kind(&run.probe.dialogue)
                    )
                }
                Watch::File(check) => {
                    let value = self.files.get(&check.file).unwrap_or(0);
                    format!("FILE_CHECK {} value {value}", check.file)
                }
                Watch::Session(check) => {
                    let up = self.sessions.get(&check.session).unwrap_or(!check.alpha);
                    format!("BFD_CHECK {} {}", check.session, if up { "up" } else { "down" })
                }
            };
            let _ = writeln!(text, "     check = {described}");
        }
    }

    /// How a real server of a virtual server is called in logs.
    pub fn named(&self, key: &lvs::Key, at: Endpoint) -> Option<lvs::config::Named> {
        self.service_of(key).map(|service| service.named(at))
    }
}

const fn kind(dialogue: &check::config::Dialogue) -> &'static str {
    use check::config::Dialogue;
    match dialogue {
        Dialogue::Tcp(_) => "TCP_CHECK",
        Dialogue::Http(http) if http.tls => "SSL_GET",
        Dialogue::Http(_) => "HTTP_GET",
        Dialogue::Smtp(_) => "SMTP_CHECK",
        Dialogue::Dns(_) => "DNS_CHECK",
        Dialogue::Udp(_) => "UDP_CHECK",
        Dialogue::Ping(_) => "PING_CHECK",
        Dialogue::Misc(_) => "MISC_CHECK",
    }
}

const fn method(forwarding: Forwarding) -> &'static str {
    match forwarding {
        Forwarding::Nat => "NAT",
        Forwarding::Direct => "DR",
        Forwarding::Tunnel(tunnel) => match tunnel.kind {
            TunnelKind::Ipip => "TUN (ipip)",
            TunnelKind::Gue { .. } => "TUN (gue)",
            TunnelKind::Gre => "TUN (gre)",
        },
    }
}

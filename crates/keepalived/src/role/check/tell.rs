//! Who hears of a change of a virtual or real server: its script, the FIFOs, mail (`spec/cli-and-runtime.md` 9, 10).
//!
//! Says what is run, written and sent; the supervisor does it.

use super::Role;
use crate::ipc::{Script, ServerNotice};
use crate::status::{Happening, service_name};
use conf::model::{Command, Servers, VirtualServer};
use director::Notice;
use lvs::config::{Endpoint, Key, Named};
use std::sync::Arc;

impl Role {
    /// What is to be done about a notice; `None`: nobody is told. `old`: the servers before a reload that may have removed
    /// what it is about.
    pub(super) fn notice(&self, notice: &Notice, old: Option<&Servers>) -> Option<ServerNotice> {
        let find = |key: &Key, has: &dyn Fn(&VirtualServer) -> bool| {
            let now = self.servers.services.get(key).filter(|server| has(server));
            now.or_else(|| old?.services.get(key)).map(Arc::clone)
        };
        let named = |server: &VirtualServer, at: Endpoint| Named::of(at, server.service.protocol);
        match notice {
            Notice::Real { key, at, up } => {
                let server = find(key, &|server| server.service.reals.iter().any(|real| real.at == *at))?;
                let notify = server.notify.get(at);
                let command = notify.and_then(|notify| if *up { notify.up.as_ref() } else { notify.down.as_ref() });
                let subject = format!("RS {} {key}", named(&server, *at));
                let names = [("RS", named(&server, *at).to_string()), ("VS", key.to_string())];
                let happening = Happening::Real {
                    service: service_name(key),
                    address: at.address,
                    port: at.port,
                    up: *up,
                };
                Some(ServerNotice {
                    happening: Some(happening),
                    ..self.change(subject, *up, command, &names)
                })
            }
            Notice::Quorum { key, up } => {
                let server = find(key, &|_| true)?;
                let command = if *up { &server.quorum_up } else { &server.quorum_down };
                let names = [("VS", key.to_string())];
                let happening = Happening::Quorum {
                    service: service_name(key),
                    up: *up,
                };
                Some(ServerNotice {
                    happening: Some(happening),
                    ..self.change(format!("VS {key}"), *up, command.as_ref(), &names)
                })
            }
            Notice::RealMail { key, at, up, body } => {
                let server = find(key, &|server| server.service.reals.iter().any(|real| real.at == *at))?;
                let title = format!(
                    "Realserver {} of virtual server {key} - {}",
                    named(&server, *at),
                    state(*up)
                );
                Some(mail(title, body))
            }
            Notice::QuorumMail { key, up, body } => Some(mail(format!("Virtualserver {key} - {}", state(*up)), body)),
        }
    }

    fn change(
        &self,
        subject: String,
        up: bool,
        command: Option<&Arc<Command>>,
        names: &[(&str, String)],
    ) -> ServerNotice {
        let state = state(up);
        let script = command.map(|command| {
            let names = names.iter().map(|(name, value)| (*name, value.as_str()));
            let environment = names.chain([("STATE", state)]);
            Script {
                environment: environment
                    .map(|(name, value)| (format!("KEEPALIVED_{name}"), value.to_owned()))
                    .collect(),
                ..script(command, self.supplementary_groups)
            }
        });
        ServerNotice {
            // The NUL is upstream's: readers skip it.
            line: Some(format!("{subject} {state}\n\0")),
            subject,
            script,
            ..ServerNotice::default()
        }
    }
}

const fn state(up: bool) -> &'static str {
    if up { "UP" } else { "DOWN" }
}

fn mail(title: String, body: &str) -> ServerNotice {
    ServerNotice {
        mail: Some((title, body.to_owned())),
        ..ServerNotice::default()
    }
}

/// A command of the configuration, for the launcher.
pub(crate) fn script(command: &Command, supplementary_groups: bool) -> Script {
    let identity = &command.identity;
    Script {
        arguments: command.arguments.clone(),
        file: command.file.clone(),
        uid: identity.uid,
        gid: identity.gid,
        groups_of: supplementary_groups.then(|| identity.user.clone()),
        environment: Vec::new(),
        ends_with: None,
    }
}

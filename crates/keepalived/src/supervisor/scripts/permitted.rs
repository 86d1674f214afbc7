//! Which scripts a role may have run: those its configuration names.
//!
//! A role says what to run in full, and it reads what strangers send: one that is taken over must not make the supervisor
//! run what it likes. Only the check role has anything run. When is for it to decide.

use super::super::Supervisor;
use crate::configuration::Model;
use crate::ipc::Script;
use crate::log::Level;
use crate::role::Kind;
use crate::role::check::{kernel, tell};
use std::collections::HashSet;

/// Variables that the check role may give to scripts of real and virtual servers.
const VARIABLES: [&str; 3] = ["KEEPALIVED_RS", "KEEPALIVED_VS", "KEEPALIVED_STATE"];

/// The scripts of a configuration and of the one before, which a role may still run.
#[derive(Debug, Default)]
pub(in crate::supervisor) struct Permitted {
    now: HashSet<Script>,
    before: HashSet<Script>,
}

impl Permitted {
    /// From now on there is this configuration.
    pub(in crate::supervisor) fn follow(&mut self, model: &Model) {
        self.before = std::mem::take(&mut self.now);
        let servers = &model.servers;
        let notified = servers.services.values().flat_map(|server| {
            let reals = server.notify.values().flat_map(|notify| [&notify.up, &notify.down]);
            reals.chain([&server.quorum_up, &server.quorum_down]).flatten()
        });
        self.now = servers
            .commands
            .values()
            .chain(notified)
            .map(|command| tell::script(command, model.global.supplementary_groups))
            .collect();
    }

    fn contains(&self, script: &Script) -> bool {
        let known = script
            .environment
            .iter()
            .all(|(name, _)| VARIABLES.contains(&name.as_str()));
        let plain = Script {
            environment: Vec::new(),
            ends_with: None,
            ..script.clone()
        };
        known && (self.now.contains(&plain) || self.before.contains(&plain) || plain == kernel::module_loader())
    }
}

impl Supervisor {
    /// Whether a role may have this run; if not it is said.
    pub(in crate::supervisor) fn may_run(&self, kind: Kind, script: &Script) -> bool {
        let may = kind == Kind::Check && self.runner.permitted.contains(script);
        if !may {
            let program = script.arguments.first().map_or(&b""[..], Vec::as_slice);
            let program = String::from_utf8_lossy(program).into_owned();
            self.reporter.say(
                Level::Alert,
                format_args!(
                    "the {} process wants to run {program}, which no configuration names: not run",
                    kind.title()
                ),
            );
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(program: &str) -> Model {
        let text = format!(
            "global_defs {{\n script_user root\n}}\nvirtual_server 192.0.2.200 80 {{\nprotocol TCP\n\
             quorum_up {program}\nreal_server 10.0.0.1 80 {{\nnotify_down \"{program} down\"\n\
             MISC_CHECK {{\nmisc_path \"{program} check\"\n}}\n}}\n}}\n"
        );
        let loader = conf::MapLoader::default().with("/k.conf", text).with_program(program);
        let bundle = conf::load("/k.conf", conf::Facts::default(), &loader);
        conf::compile(&bundle).model
    }

    fn script(words: &[&str]) -> Script {
        Script {
            arguments: words.iter().map(|word| word.as_bytes().to_vec()).collect(),
            ..Script::default()
        }
    }

    #[test]
    fn a_role_has_run_what_its_configuration_names_and_nothing_else() {
        let mut permitted = Permitted::default();
        permitted.follow(&model("/bin/one"));
        let named = permitted.now.clone();
        assert_eq!(named.len(), 3, "{named:?}");
        assert!(named.iter().all(|script| permitted.contains(script)));
        for script in &named {
            let as_somebody_else = Script {
                uid: script.uid + 1,
                ..script.clone()
            };
            let other_file = Script {
                file: Some(b"/bin/sh".to_vec()),
                ..script.clone()
            };
            let mut more = script.clone();
            more.arguments.push(b"more".to_vec());
            for wrong in [as_somebody_else, other_file, more] {
                assert!(!permitted.contains(&wrong), "{wrong:?}");
            }
            let with = |name: &str| Script {
                environment: vec![(name.to_owned(), "x".to_owned())],
                ends_with: Some(1),
                ..script.clone()
            };
            assert!(permitted.contains(&with("KEEPALIVED_STATE")));
            assert!(!permitted.contains(&with("LD_PRELOAD")));
        }
        assert!(!permitted.contains(&script(&["/bin/sh", "-c", "id"])));
        assert!(!permitted.contains(&Script::default()));
    }

    #[test]
    fn what_the_configuration_before_named_may_still_be_run_by_who_has_not_changed_over() {
        let mut permitted = Permitted::default();
        permitted.follow(&model("/bin/one"));
        let old = permitted.now.clone();
        permitted.follow(&model("/bin/two"));
        assert!(old.iter().all(|script| permitted.contains(script)));
        permitted.follow(&model("/bin/two"));
        assert!(!old.iter().any(|script| permitted.contains(script)));
    }

    #[test]
    fn the_module_of_ipvs_may_be_loaded_as_the_kernel_would() {
        let permitted = Permitted::default();
        assert!(permitted.contains(&kernel::module_loader()));
        let mut other = kernel::module_loader();
        other.arguments.pop();
        other.arguments.push(b"other_module".to_vec());
        assert!(!permitted.contains(&other));
    }
}

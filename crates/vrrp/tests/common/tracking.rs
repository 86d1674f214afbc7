//! Models that track, and groups.

use core::time::Duration;
use std::sync::Arc;
use vrrp::config::{Config, Group, Model, Name, Process, Script, Tracked, Tracker};

pub(crate) fn group(model: &mut Model, name: &str, members: &[&str]) {
    let name = Name::from(name);
    for member in members {
        change(model, member, |config| config.group = Some(name.clone()));
    }
    let group = Group {
        name: name.clone(),
        members: members.iter().map(|member| Name::from(*member)).collect(),
        smtp_alert: None,
    };
    model.groups.insert(name, Arc::new(group));
}

pub(crate) fn track(model: &mut Model, instance: &str, trackers: &[Tracker]) {
    change(model, instance, |config| config.trackers = trackers.to_vec());
    for tracker in trackers {
        match &tracker.object {
            Tracked::Script(name) => {
                let rule = Script {
                    rise: 1,
                    fall: 1,
                    init_fail: false,
                    runs: name.as_str().into(),
                };
                model.objects.scripts.insert(name.clone(), rule);
            }
            Tracked::File(name) => {
                model.objects.files.insert(name.clone());
            }
            Tracked::Process(name) => {
                let rule = Process {
                    quorum: 1,
                    quorum_max: u32::MAX,
                    fork_delay: Duration::from_secs(1),
                    terminate_delay: Duration::from_secs(1),
                };
                model.objects.processes.insert(name.clone(), rule);
            }
            Tracked::Bfd(name) => {
                model.objects.sessions.insert(name.clone());
            }
            Tracked::Interface(_) => {}
        }
    }
}

pub(crate) fn change(model: &mut Model, name: &str, how: impl FnOnce(&mut Config)) {
    let config = model.instances.get_mut(&Name::from(name)).unwrap();
    how(Arc::make_mut(config));
}

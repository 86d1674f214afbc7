//! Who hears of a change: scripts, FIFOs, mail, in this order (`spec/cli-and-runtime.md` 8.2, 9, 10).
//!
//! Scripts of one subject run one after the other ([`super::queue`]); lines and mail are on their way at once. What the
//! change is, is said by a role; whom it is told, by the model.

use super::Purpose;
use super::fifo::Kind as FifoKind;
use super::queue::Subject;
use super::script;
use crate::ipc::{Mail, ServerNotice};
use crate::log::Level;
use crate::role::Kind;
use crate::supervisor::{Phase, Supervisor};
use base::Instant;
use conf::model::{Command, Notify};
use linux::process;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::supervisor) struct Change {
    /// To whom.
    pub(in crate::supervisor) subject: Subject,
    /// `MASTER`, `BACKUP`, `FAULT`, `STOP` or `DELETED`.
    pub(in crate::supervisor) state: String,
    /// The effective priority; zero for groups.
    pub(in crate::supervisor) priority: u8,
    /// Why, in the words of the log; may be empty.
    pub(in crate::supervisor) cause: String,
}

impl Supervisor {
    /// Tells everybody of a change of state.
    pub(in crate::supervisor) fn tell_change(&mut self, mut change: Change) {
        let notify = self.notify_of(&change.subject);
        if change.state == "DELETED" && !notify.report_deleted {
            "FAULT".clone_into(&mut change.state);
        }
        let before = self.told.insert(change.subject.clone(), change.state.clone());
        let specific = match change.state.as_str() {
            "MASTER" => &notify.master,
            "BACKUP" => &notify.backup,
            "FAULT" => &notify.fault,
            "STOP" => &notify.stop,
            "DELETED" => &notify.deleted,
            _ => &None,
        };
        if let Some(command) = specific {
            self.queue_script(&change, before.as_deref(), command, false, false);
        }
        if let Some(command) = &notify.any {
            self.queue_script(&change, before.as_deref(), command, true, false);
        }
        self.start_notifications(process::monotonic());
        self.write_fifo_line(&change.subject, &change.state, change.priority);
        let known = before.as_deref() == Some(change.state.as_str());
        if notify.mail && !known {
            self.mail_change(&change);
        }
        if matches!(change.state.as_str(), "STOP" | "DELETED") {
            self.told.remove(&change.subject);
        }
    }

    /// Tells everybody of a change of a virtual or real server, as its role says.
    pub(in crate::supervisor) fn tell_server(&mut self, kind: Kind, notice: ServerNotice) {
        if let Some(happening) = notice.happening {
            self.tell_manage_of(happening);
        }
        if let Some(mut script) = notice.script.filter(|script| self.may_run(kind, script)) {
            self.changes += 1;
            let sequence = ("KEEPALIVED_SEQUENCE".to_owned(), self.changes.to_string());
            script.environment.push(sequence);
            let subject = Subject::Server(notice.subject.clone());
            if self.queues.push(&subject, script, false) {
                let text = format!(
                    "{}: too many notifications wait for a script, the oldest is dropped",
                    notice.subject
                );
                self.reporter.say(Level::Warning, text);
            }
            self.start_notifications(process::monotonic());
        }
        if let Some(line) = notice.line {
            for kind in [FifoKind::Global, FifoKind::Lvs] {
                self.write_fifo(kind, &line);
            }
        }
        if let Some((title, body)) = notice.mail {
            self.send_mail(&title, &body);
        }
    }

    /// A master has seen an advert of lower priority.
    pub(in crate::supervisor) fn tell_lower_priority(&mut self, instance: String, priority: u8) {
        let change = Change {
            subject: Subject::Instance(instance),
            state: "MASTER_RX_LOWER_PRI".to_owned(),
            priority,
            cause: String::new(),
        };
        if let Some(command) = &self.notify_of(&change.subject).lower_priority {
            self.queue_script(&change, Some("MASTER"), command, false, true);
            self.start_notifications(process::monotonic());
        }
        self.write_fifo_line(&change.subject, &change.state, priority);
    }

    /// The effective priority of an instance has changed, and somebody wants to know (`notify_priority_changes`).
    pub(in crate::supervisor) fn tell_priority(&mut self, instance: String, state: &str, priority: u8) {
        let subject = Subject::Instance(instance);
        if matches!(state, "MASTER" | "BACKUP") {
            self.write_fifo_line(&subject, &format!("{state}_PRIORITY"), priority);
        }
    }

    /// What the model says of a subject; of one that a reload removed, what the last model that had it said.
    fn notify_of(&self, subject: &Subject) -> Notify {
        let find = |model: &crate::configuration::Model| match subject {
            Subject::Instance(name) => model.notify.get(name).cloned(),
            Subject::Group(name) => model.notify_groups.get(name).cloned(),
            // Its role says what is to be done.
            Subject::Server(_) => None,
        };
        find(&self.model)
            .or_else(|| self.removed.get(subject).cloned())
            .unwrap_or_default()
    }

    /// Remembers what is to be told of subjects that the new model does not have any more.
    pub(in crate::supervisor) fn remember_removed(&mut self, old: &crate::configuration::Model) {
        let instances = old.notify.iter().map(|(name, n)| (Subject::Instance(name.clone()), n));
        let groups = old
            .notify_groups
            .iter()
            .map(|(name, n)| (Subject::Group(name.clone()), n));
        // Of the reload before, nothing is to come any more.
        self.removed = instances
            .chain(groups)
            .map(|(subject, n)| (subject, n.clone()))
            .collect();
    }

    fn queue_script(
        &mut self,
        change: &Change,
        before: Option<&str>,
        command: &Command,
        arguments: bool,
        repeats: bool,
    ) {
        let mut script = script(command, self.model.global.supplementary_groups);
        let (kind, name) = (change.subject.kind(), change.subject.name());
        if arguments {
            let priority = change.priority.to_string();
            for word in [kind, name, &change.state, &priority] {
                script.arguments.push(word.as_bytes().to_vec());
            }
        }
        self.changes += 1;
        let variable = |name: &str, value: &str| (format!("KEEPALIVED_{name}"), value.to_owned());
        script.environment = vec![
            variable(kind, name),
            variable("STATE", &change.state),
            variable("PREVIOUS_STATE", before.unwrap_or("INIT")),
            variable("PRIORITY", &change.priority.to_string()),
            variable("CAUSE", &change.cause),
            variable("SEQUENCE", &self.changes.to_string()),
        ];
        if self.queues.push(&change.subject, script, repeats) {
            let text = format!("{kind} {name}: too many notifications wait for a script, the oldest is dropped");
            self.reporter.say(Level::Warning, text);
        }
    }

    /// Starts what waits for nothing.
    pub(in crate::supervisor) fn start_notifications(&mut self, now: Instant) {
        while self.runner.has_room_for_notifications() {
            let Some((subject, call)) = self.queues.start(now) else {
                return;
            };
            self.run_script(now, Purpose::Notify(subject, call.number), &call.script, None);
        }
    }

    /// Goes on after scripts that take too long.
    pub(in crate::supervisor) fn notifications_on_time(&mut self, now: Instant) {
        for subject in self.queues.on_time(now) {
            let text = format!(
                "{} {}: a notification script takes longer than {} seconds - not waiting for it any longer",
                subject.kind(),
                subject.name(),
                super::queue::PATIENCE.as_secs()
            );
            self.reporter.say(Level::Warning, text);
        }
        self.start_notifications(now);
    }

    fn write_fifo_line(&mut self, subject: &Subject, state: &str, priority: u8) {
        let line = format!("{} \"{}\" {state} {priority}\n", subject.kind(), subject.name());
        for kind in [FifoKind::Global, FifoKind::Vrrp] {
            self.write_fifo(kind, &line);
        }
    }

    /// Writes the states of all instances again, for who lost count during a reload.
    pub(in crate::supervisor) fn write_states_after_reload(&mut self) {
        if !self.model.global.fifo_states_on_reload {
            return;
        }
        let states: Vec<(Subject, String)> = self.told.iter().map(|(s, state)| (s.clone(), state.clone())).collect();
        for (subject, state) in states {
            let priority = self.instances.get(subject.name()).map_or(0, |(_, priority)| *priority);
            let priority = if subject.kind() == "GROUP" { 0 } else { priority };
            self.write_fifo_line(&subject, &state, priority);
        }
    }

    fn mail_change(&mut self, change: &Change) {
        let settings = &self.model.global.mail;
        if settings.no_faults && change.state == "FAULT" {
            return;
        }
        let Some((title, body)) = words(change) else { return };
        self.send_mail(&title, &body);
    }

    /// Sends mail to all recipients, if there is a relay and somebody to get it.
    pub(in crate::supervisor) fn send_mail(&mut self, title: &str, body: &str) {
        let settings = &self.model.global.mail;
        let Some(server) = settings.server.as_ref().filter(|_| !settings.recipients.is_empty()) else {
            return;
        };
        let host = host_name();
        let router = self.model.global.router_id.clone().unwrap_or_else(|| host.clone());
        let mail = Mail {
            host: server.host.clone(),
            port: server.port,
            helo: settings.helo.clone().unwrap_or_else(|| host.clone()),
            from: settings.from.clone().unwrap_or_else(|| format!("root@{host}")),
            to: settings.recipients.clone(),
            subject: format!("[{router}] {title}"),
            body: body.to_owned(),
            timeout: settings.timeout,
            date: crate::mailer::date(),
        };
        self.queue_mail(mail);
    }

    /// Whether the daemon is past telling anybody anything.
    pub(in crate::supervisor) fn is_stopping(&self) -> bool {
        matches!(self.phase, Phase::Stopping)
    }
}

fn host_name() -> String {
    let name = linux::machine::host_name();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

/// Subject and body, in the words of the original.
fn words(change: &Change) -> Option<(String, String)> {
    let name = change.subject.name();
    let (what, group) = match change.subject {
        Subject::Instance(_) => ("Instance", false),
        Subject::Group(_) => ("Group", true),
        Subject::Server(_) => return None,
    };
    let title = |text: &str| format!("VRRP {what} {name} - {text}");
    let state = change.state.as_str();
    let all = |text: &str| format!("=> All VRRP group instances are now {text} <=");
    Some(match state {
        "MASTER" | "BACKUP" | "FAULT" => {
            let body = match (group, state) {
                (true, _) => all(&format!("in {state} state")),
                (false, "MASTER") => "=> VRRP Instance is now owning VRRP VIPs <=".to_owned(),
                (false, _) => "=> VRRP Instance is no longer owning VRRP VIPs <=".to_owned(),
            };
            (title(&format!("Entering {state} state")), body)
        }
        "STOP" if group => (title("Stopping"), all("stopping")),
        "STOP" => (title("Stopping"), "=> VRRP Instance stopping <=".to_owned()),
        "DELETED" => (title("Deleted"), "=> VRRP Deleted at reload <=".to_owned()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_has_the_words_of_the_original() {
        let change = |subject: Subject, state: &str| Change {
            subject,
            state: state.to_owned(),
            priority: 1,
            cause: String::new(),
        };
        let instance = |state| words(&change(Subject::Instance("V".into()), state)).unwrap();
        assert_eq!(
            instance("MASTER"),
            (
                "VRRP Instance V - Entering MASTER state".to_owned(),
                "=> VRRP Instance is now owning VRRP VIPs <=".to_owned()
            )
        );
        assert_eq!(instance("STOP").0, "VRRP Instance V - Stopping");
        let group = |state| words(&change(Subject::Group("G".into()), state)).unwrap();
        assert_eq!(
            group("FAULT").1,
            "=> All VRRP group instances are now in FAULT state <="
        );
        assert_eq!(group("STOP").1, "=> All VRRP group instances are now stopping <=");
    }
}

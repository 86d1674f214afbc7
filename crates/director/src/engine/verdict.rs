//! What answers mean: for the servers, for the log, for those who are told.

use super::{Engine, Watch};
use crate::action::{Action, Level, Notice, Ticket};
use crate::words;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use base::Instant;
use check::Probe;
use check::judge::{Answer, Verdict};
use check::probe::{file, misc};
use lvs::config::{Endpoint, Key, Real};
use lvs::event::Event;
use lvs::service::Standing;

impl Engine {
    /// A question was answered.
    pub(super) fn answered(
        &mut self,
        now: Instant,
        ticket: Ticket,
        answer: Answer,
        reason: &str,
        weight: Option<u8>,
        out: &mut Vec<Action>,
    ) {
        let id = ticket.probe;
        let Some(run) = self.probes.get_mut(&id) else { return };
        if run.ticket(id) != ticket || !run.is_asking() {
            return;
        }
        let verdict = run.judge.conclude(now, answer);
        if answer == Answer::Good && verdict == Verdict::AsBefore && run.weight == weight && run.hindrance.is_empty() {
            // A server that goes on being well: nothing follows from it, thousands of times each second.
            return self.arm(id);
        }
        match (answer, verdict) {
            (Answer::Good, _) => run.weight = weight,
            (Answer::Bad, Verdict::Forgiven { .. }) | (Answer::Unasked, _) => {}
            (Answer::Bad, _) => run.weight = None,
        }
        let hindrance = if answer == Answer::Unasked { reason } else { "" };
        let known = run.hindrance == hindrance;
        if !known {
            run.hindrance = String::from(hindrance);
        }
        let reason = if known && answer == Answer::Unasked { "" } else { reason };
        let (probe, followers) = (Arc::clone(&run.probe), run.followers.clone());
        self.arm(id);
        for (key, at) in followers {
            self.follow(&probe, &key, at, answer, verdict, reason, out);
        }
    }

    #[allow(clippy::too_many_arguments, reason = "all that is known of one answer")]
    fn follow(
        &mut self,
        probe: &Probe,
        key: &Key,
        at: Endpoint,
        answer: Answer,
        verdict: Verdict,
        reason: &str,
        out: &mut Vec<Action>,
    ) {
        let Some(service) = self.service_of(key) else { return };
        let real = service.named(at);
        let was_up = self.is_up(key, at);
        let everything = probe.log_all_failures || self.config.settings.log_all_failures;
        let mut log = |text: String| out.push(Action::Log(Level::Info, text));
        match verdict {
            Verdict::Up | Verdict::Confirmed { up: true } => log(words::success(&probe.dialogue, &real, key)),
            Verdict::Down { .. } | Verdict::Confirmed { up: false } => {
                if !reason.is_empty() && everything && words::says_apart(&probe.dialogue) {
                    log(words::why(&probe.dialogue, &real, reason));
                }
                let retries = match verdict {
                    Verdict::Down { retries } => retries,
                    Verdict::Up
                    | Verdict::Confirmed { .. }
                    | Verdict::AsBefore
                    | Verdict::Forgiven { .. }
                    | Verdict::NextStage => 0,
                };
                log(words::failure(probe, &real, key, retries, reason));
            }
            Verdict::Forgiven { attempt, of } if everything && !reason.is_empty() => {
                log(words::forgiven(&probe.dialogue, &real, key, (attempt, of), reason));
            }
            Verdict::AsBefore if answer == Answer::Bad && everything && !reason.is_empty() => {
                log(words::why(&probe.dialogue, &real, reason));
            }
            Verdict::AsBefore if answer == Answer::Unasked && !reason.is_empty() => {
                log(format!("{reason} Rescheduling check of {real}."));
            }
            Verdict::Forgiven { .. } | Verdict::AsBefore | Verdict::NextStage => {}
        }
        self.refresh(key, at, out);
        let up = match verdict {
            Verdict::Confirmed { up: false } => {
                // What was assumed is true, and nobody has been told yet.
                let key = key.clone();
                out.push(Action::Tell(Notice::Real { key, at, up: was_up }));
                return;
            }
            Verdict::Up => true,
            Verdict::Down { .. } => false,
            Verdict::Confirmed { up: true } | Verdict::AsBefore | Verdict::Forgiven { .. } | Verdict::NextStage => {
                return;
            }
        };
        self.mail_of_check(key, at, was_up, &words::mail(&probe.dialogue, &real, up, reason), out);
    }

    /// Mail about a check that changed, if the real server changed with it or somebody wants all.
    fn mail_of_check(&self, key: &Key, at: Endpoint, was_up: bool, body: &str, out: &mut Vec<Action>) {
        let settings = &self.config.settings;
        let Some(server) = self.servers.get(key) else { return };
        let config = server.running.config();
        let alerts = config.reals.iter().any(|real| real.at == at && real.alerts(settings));
        let up = self.is_up(key, at);
        if alerts && (was_up != up || !settings.no_checker_emails) {
            let (key, body) = (key.clone(), body.into());
            out.push(Action::Tell(Notice::RealMail { key, at, up, body }));
        }
    }

    /// A BFD session went up or down.
    pub(super) fn session(&mut self, name: &str, up: bool, out: &mut Vec<Action>) {
        for (key, at) in self.sessions.set(name, up) {
            let was_up = self.is_up(&key, at);
            let Some(service) = self.service_of(&key) else { continue };
            let real = service.named(at);
            let result = if up { "succeeded" } else { "failed" };
            let text = format!("BFD check of [{real} VS {key}] by [{name}] {result}");
            out.push(Action::Log(Level::Info, text));
            self.refresh(&key, at, out);
            let body = format!("=> BFD CHECK {name} {result} on service <=");
            self.mail_of_check(&key, at, was_up, &body, out);
        }
    }

    fn is_up(&self, key: &Key, at: Endpoint) -> bool {
        let standing = self.servers.get(key).and_then(|server| server.running.standing(at));
        standing.is_some_and(|standing| standing.up)
    }

    /// What all checks of a real server say now.
    pub(super) fn standing(&self, watches: &[Watch], real: &Real) -> Standing {
        Standing::of(watches.iter().map(|watch| match watch {
            Watch::Probe(id) => self.probes.get(id).map_or((true, 0), |run| {
                (run.judge.is_up(), misc::contribution(run.weight, real.weight))
            }),
            // A file that cannot be read says 0, as in upstream.
            Watch::File(check) => match file::standing(self.files.get(&check.file).unwrap_or(0), check.weight) {
                file::Standing::Down => (false, 0),
                file::Standing::Up(weight) => (true, weight),
            },
            Watch::Session(check) => (self.sessions.get(&check.session).unwrap_or(!check.alpha), 0),
        }))
    }

    /// Draws the consequences of what the checks of a real server say now.
    pub(super) fn refresh(&mut self, key: &Key, at: Endpoint, out: &mut Vec<Action>) {
        let Some(server) = self.servers.get(key) else { return };
        let Some(real) = server.running.config().reals.iter().find(|real| real.at == at) else {
            return;
        };
        let watches = server.checks.get(&at).map_or(&[][..], Vec::as_slice);
        let standing = self.standing(watches, real);
        if server.running.standing(at) == Some(standing) {
            return;
        }
        let mut events = Vec::new();
        if let Some(server) = self.servers.get_mut(key) {
            server.running.set(at, standing, &mut events);
        }
        self.changed.insert(key.clone());
        self.spread(key, &events, out);
    }

    /// Says what happened to a virtual server, and tells those who want to know.
    pub(super) fn spread(&self, key: &Key, events: &[Event], out: &mut Vec<Action>) {
        let Some(service) = self.service_of(key) else { return };
        for &event in events {
            out.push(Action::Log(Level::Info, event.text(&service)));
            let key = key.clone();
            match event {
                Event::RealUp(at) => out.push(Action::Tell(Notice::Real { key, at, up: true })),
                Event::RealDown(at) => out.push(Action::Tell(Notice::Real { key, at, up: false })),
                Event::Quorum { up, at_start, .. } => {
                    // At the start nobody waits to hear that there is none, unless somebody takes over.
                    if at_start && !up && service.sorry.is_none() {
                        continue;
                    }
                    let mail = event.mail(&service).filter(|_| service.alerts(&self.config.settings));
                    out.push(Action::Tell(Notice::Quorum { key: key.clone(), up }));
                    if let Some(body) = mail {
                        out.push(Action::Tell(Notice::QuorumMail { key, up, body }));
                    }
                }
                Event::Weight { .. }
                | Event::AliveRemoved
                | Event::AliveAdded
                | Event::SorryAdded
                | Event::SorryRemoved => {}
            }
        }
    }
}

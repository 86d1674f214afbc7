//! What the supervisor and its roles say to each other.
//!
//! Messages are small and whole; a configuration or a dump travels beside its message as sealed memory. Both ends
//! are the same executable, so there are no versions to negotiate; a message that cannot be read is still an error
//! and not a panic.

use crate::configuration::Bundle;
use crate::log::Line;
use crate::role::Kind;
use crate::status::{Errand, Happening, Wish};
use linux::SysError;
use linux::memfd::Sealed;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;
use std::time::Duration;

/// From the supervisor to a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ToRole {
    /// The first message. With it: a [`Briefing`] in sealed memory, then the lock of the role's pid file, which the
    /// role holds as long as it lives.
    Start,
    /// A configuration that is being checked: it may be ordered soon. With it: a [`Bundle`] in sealed memory.
    Prepare {
        /// The number it will have then.
        generation: u64,
    },
    /// A new configuration. With it: a [`Bundle`] in sealed memory, which may have been prepared.
    Reload {
        /// To be named in the acknowledgement.
        generation: u64,
    },
    /// What was prepared is not ordered.
    Forget,
    /// Withdraw and end.
    Stop,
    /// Describe yourself; answered by [`FromRole::DumpText`].
    Dump(DumpKind),
    /// Set the counters to zero.
    ClearStats,
    /// A role that tracks BFD sessions, or the one that runs them, is (again) there. With it: one end of a channel
    /// between the two, for [`SessionNews`].
    Link {
        /// Who is at the other end.
        with: Kind,
    },
    /// A run of a track script of the configuration has ended, or had to be ended. The supervisor runs them by their
    /// intervals as long as the vrrp role runs; the first results come soon after [`FromRole::Ready`].
    ScriptResult {
        /// The name of the `vrrp_script` block.
        script: String,
        /// How it ended.
        outcome: Outcome,
    },
    /// The answer to [`FromRole::RunScript`].
    ScriptRan {
        /// The ticket of the request.
        ticket: u64,
        /// How it ended.
        outcome: Outcome,
    },
    /// No process is left of what [`FromRole::RunScript`] started; after its [`ToRole::ScriptRan`].
    ScriptGone {
        /// The ticket of the request.
        ticket: u64,
    },
    /// The instance that decides the direction of the IPVS sync daemon has a new state.
    InstanceState {
        /// It is master.
        master: bool,
    },
    /// Report your state, for the manage role; answered by [`Managing::Report`].
    Report,
    /// To the manage role: these were asked for their state; [`ToRole::ReportOf`] comes of each that lives.
    Asked {
        /// Who.
        roles: Vec<Kind>,
    },
    /// To the manage role, with what a role has reported in sealed memory.
    ReportOf {
        /// Whose.
        role: Kind,
    },
    /// To the manage role.
    Happened(Happening),
    /// A manager sets this.
    Set(Wish),
}

/// A change of a virtual or real server, and whom it is told: all that is there, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServerNotice {
    /// Whom it is about: the first words of the FIFO line. Scripts of one subject run one after the other.
    pub(crate) subject: String,
    /// The script.
    pub(crate) script: Option<Script>,
    /// The whole line for FIFOs.
    pub(crate) line: Option<String>,
    /// Subject and text of a mail.
    pub(crate) mail: Option<(String, String)>,
    /// What managers may be told.
    pub(crate) happening: Option<Happening>,
}

/// How a run of a script ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// By itself, with this code.
    Exited(u8),
    /// By a signal of this number, which was not ours.
    Killed(i32),
    /// It took longer than allowed. Said at once; the processes are ended afterwards.
    TimedOut,
    /// It could not be run, for this reason.
    NotRun(String),
}

/// A script for the launcher: everything about one run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Script {
    /// The program, then its arguments; bytes, because an escape of the configuration can make any.
    pub(crate) arguments: Vec<Vec<u8>>,
    /// The file, if its name is another one than the first argument.
    pub(crate) file: Option<Vec<u8>>,
    /// The user it runs as.
    pub(crate) uid: u32,
    /// Its group.
    pub(crate) gid: u32,
    /// The user whose supplementary groups it gets; `None`: it has none.
    pub(crate) groups_of: Option<String>,
    /// Variables it sees besides those of the daemon.
    pub(crate) environment: Vec<(String, String)>,
    /// The process that started the launcher, if the script is to end with it.
    pub(crate) ends_with: Option<i32>,
}

/// A mail for the mailer, as text for people; the mailer makes it safe for the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mail {
    /// The relay: its name or address.
    pub(crate) host: String,
    /// Its port.
    pub(crate) port: u16,
    /// Who we say we are.
    pub(crate) helo: String,
    /// The sender, perhaps with a display part.
    pub(crate) from: String,
    /// The recipients, likewise.
    pub(crate) to: Vec<String>,
    /// The subject.
    pub(crate) subject: String,
    /// The text.
    pub(crate) body: String,
    /// For the connection, and for each answer.
    pub(crate) timeout: Duration,
    /// The date, as in the header.
    pub(crate) date: String,
}

/// From the bfd role to a role that tracks sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionNews {
    /// The name of the session.
    pub(crate) session: String,
    /// What is known of it now.
    pub(crate) state: PathState,
}

/// What the bfd role says of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum PathState {
    /// The path works.
    Up,
    /// It does not.
    Down,
    /// The session is too young to know.
    Undecided,
}

/// What a role starts with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Briefing {
    /// The process that started the role.
    pub(crate) supervisor: i32,
    /// The number of the configuration, which [`FromRole::Ready`] acknowledges.
    pub(crate) generation: u64,
    /// The configuration.
    pub(crate) bundle: Bundle,
    /// What the command line says to roles.
    pub(crate) options: Options,
    /// What an earlier run, or role, may have left, as [`crate::role::vrrp::left`] writes it.
    pub(crate) leftovers: Vec<String>,
    /// Virtual services an earlier run, or role, may have left, as [`crate::role::check::left`] writes them.
    pub(crate) services: Vec<String>,
    /// IPVS is in another network namespace than the daemon.
    pub(crate) ipvs_elsewhere: bool,
    /// The first start of this role by this daemon; no other one has left anything it should go on with.
    pub(crate) first: bool,
}

/// Options of the command line that matter to a role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Options {
    /// How often `-D` was given.
    pub(crate) detail: u8,
    /// `-V`: leave addresses in place at the end.
    pub(crate) keep_addresses: bool,
    /// `-I`: leave virtual services in place at the end.
    pub(crate) keep_services: bool,
    /// `-X`: release addresses on a transition that a signal caused.
    pub(crate) release_vips: bool,
    /// `-a`: log every address that comes or goes.
    pub(crate) address_monitoring: bool,
    /// `-m`: a crash leaves a core file.
    pub(crate) core_files: bool,
    /// `-x`: SNMP serves everything it can.
    pub(crate) snmp: bool,
    /// `-A`: where the master agent of SNMP is.
    pub(crate) snmp_socket: Option<String>,
    /// The network namespace and the instance of the daemon, as far as they have names: a part of its own ones on D-Bus.
    pub(crate) place: Vec<String>,
    /// How often the role has to send [`FromRole::Beat`]; `None`: nobody listens for it.
    pub(crate) beat_every: Option<Duration>,
}

/// What can be asked of a role in writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum DumpKind {
    /// Configuration and state (SIGUSR1).
    Data,
    /// Counters (SIGUSR2).
    Stats,
    /// Both for programs (SIGRTMIN+2).
    Json,
    /// As `Data`, to be kept: before a reload (`config_save_dir`).
    Before,
    /// The same after a reload.
    After,
}

impl DumpKind {
    /// Whether somebody waits for it, and reads in the log that it comes.
    pub(crate) const fn is_asked_by_signal(self) -> bool {
        match self {
            DumpKind::Data | DumpKind::Stats | DumpKind::Json => true,
            DumpKind::Before | DumpKind::After => false,
        }
    }
}

/// From a role to the supervisor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum FromRole {
    /// The configuration of the briefing runs.
    Ready {
        /// The number in the [`Briefing`].
        generation: u64,
    },
    /// This configuration runs.
    Reloaded {
        /// The number in [`ToRole::Reload`].
        generation: u64,
    },
    /// This configuration cannot be run, for a reason that was logged; the role goes on with the one it has.
    Refused {
        /// The number in [`ToRole::Reload`].
        generation: u64,
    },
    /// The channel of [`ToRole::Link`] could not be taken: it is to be sent again later.
    NotJoined {
        /// Who is at its other end.
        with: Kind,
    },
    /// Lines for the log.
    Log {
        /// In order.
        lines: Vec<Line>,
        /// Lines that had no room since the last message of this kind.
        dropped: u64,
    },
    /// The loop of the role turns.
    Beat,
    /// An instance has a new state.
    StateChanged {
        /// Its name.
        instance: String,
        /// `MASTER`, `BACKUP`, ...
        state: String,
        /// Its effective priority.
        priority: u8,
        /// Why, in the words of the log; may be empty.
        cause: String,
    },
    /// A sync group has a new state; after those of its members.
    GroupChanged {
        /// Its name.
        group: String,
        /// `MASTER`, `BACKUP`, ...
        state: String,
        /// Why, in the words of the log; may be empty.
        cause: String,
    },
    /// The effective priority of an instance has changed.
    PriorityChanged {
        /// Its name.
        instance: String,
        /// The state it is in.
        state: String,
        /// The new priority.
        priority: u8,
    },
    /// An instance that is master has seen an advert of lower priority.
    LowerPrioritySeen {
        /// Its name.
        instance: String,
        /// Its effective priority.
        priority: u8,
    },
    /// The answer to [`ToRole::Dump`]. With it: the text in sealed memory.
    DumpText(DumpKind),
    /// Run this once; answered by [`ToRole::ScriptRan`].
    RunScript {
        /// To be named in the answer.
        ticket: u64,
        /// What.
        script: Script,
        /// How long it may take.
        timeout: Duration,
    },
    /// About what managers read and set.
    Managing(Managing),
    /// A virtual or real server has changed.
    ServerChanged(Box<ServerNotice>),
    /// Groups get marks (`nftables_ipvs`): the services of these, before they are set up.
    ServicesMarked {
        /// As [`crate::role::check::left`] writes them.
        lines: Vec<String>,
        /// Besides those of the messages before; if not, those are on their way out.
        more: bool,
    },
    /// The kernel has none of the virtual services any more that this configuration does not have.
    ServicesSettled {
        /// Which configuration.
        generation: u64,
    },
    /// Everything is withdrawn; the process ends now.
    Finished,
}

/// What roles say about what managers read and set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Managing {
    /// Of the manage role: it wants the state of the others; answered by [`ToRole::Asked`].
    WantReports,
    /// Of the manage role: a manager sets this, and it is permitted.
    Set(Wish),
    /// Of the manage role: a manager asks for this, and it is permitted.
    Ask(Errand),
    /// The answer to [`ToRole::Report`]. With it: the state in sealed memory.
    Report,
}

/// Bytes of a message or of something sealed.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, SysError> {
    postcard::to_allocvec(value).map_err(|error| SysError::new("write a message", "", io::Error::other(error)))
}

/// The value that [`encode`] wrote; bytes left over are an error.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, SysError> {
    let fail = |text: String| SysError::new("read a message", "", io::Error::new(io::ErrorKind::InvalidData, text));
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(fail(format!("{} bytes too many", rest.len()))),
        Err(error) => Err(fail(error.to_string())),
    }
}

/// A value in sealed memory.
pub(crate) fn seal<T: Serialize>(name: &str, value: &T) -> Result<Sealed, SysError> {
    Sealed::new(name, &encode(value)?)
}

/// The value that [`seal`] sealed.
pub(crate) fn unseal<T: DeserializeOwned>(sealed: &Sealed) -> Result<T, SysError> {
    decode(&sealed.read()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Level;
    use conf::{Facts, MapLoader};

    fn to_role() -> Vec<ToRole> {
        vec![
            ToRole::Start,
            ToRole::Prepare { generation: 2 },
            ToRole::Reload { generation: u64::MAX },
            ToRole::Forget,
            ToRole::Stop,
            ToRole::Dump(DumpKind::Data),
            ToRole::Dump(DumpKind::Stats),
            ToRole::Dump(DumpKind::Json),
            ToRole::ClearStats,
            ToRole::Link { with: Kind::Bfd },
            ToRole::ScriptResult {
                script: "chk".to_owned(),
                outcome: Outcome::Exited(2),
            },
            ToRole::ScriptResult {
                script: "chk".to_owned(),
                outcome: Outcome::TimedOut,
            },
            ToRole::ScriptRan {
                ticket: 7,
                outcome: Outcome::NotRun("no".to_owned()),
            },
            ToRole::ScriptGone { ticket: 7 },
            ToRole::InstanceState { master: true },
            ToRole::Report,
            ToRole::Asked {
                roles: vec![Kind::Vrrp, Kind::Check],
            },
            ToRole::ReportOf { role: Kind::Vrrp },
            ToRole::Set(Wish::Preempt {
                instance: "one".to_owned(),
                preempt: true,
            }),
            ToRole::Happened(Happening::Group {
                name: "G".to_owned(),
                state: crate::status::State::Fault,
            }),
        ]
    }

    fn from_role() -> Vec<FromRole> {
        vec![
            FromRole::Ready { generation: 1 },
            FromRole::Reloaded { generation: 2 },
            FromRole::Refused { generation: 2 },
            FromRole::NotJoined { with: Kind::Vrrp },
            FromRole::Log {
                lines: vec![Line::new(Level::Warning, "one"), Line::new(Level::Debug, "")],
                dropped: 3,
            },
            FromRole::Beat,
            FromRole::Managing(Managing::WantReports),
            FromRole::Managing(Managing::Set(Wish::Weight {
                service: "x 0".to_owned(),
                address: std::net::IpAddr::from([10, 0, 0, 1]),
                port: 80,
                weight: 7,
            })),
            FromRole::Managing(Managing::Report),
            FromRole::StateChanged {
                instance: "VI_1".to_owned(),
                state: "MASTER".to_owned(),
                priority: 255,
                cause: "Receive advertisement timeout".to_owned(),
            },
            FromRole::GroupChanged {
                group: "G".to_owned(),
                state: "FAULT".to_owned(),
                cause: String::new(),
            },
            FromRole::PriorityChanged {
                instance: "VI_1".to_owned(),
                state: "MASTER".to_owned(),
                priority: 1,
            },
            FromRole::LowerPrioritySeen {
                instance: "VI_1".to_owned(),
                priority: 1,
            },
            FromRole::DumpText(DumpKind::Json),
            FromRole::RunScript {
                ticket: 7,
                script: Script {
                    arguments: vec![b"/bin/\xff".to_vec()],
                    ..Script::default()
                },
                timeout: Duration::from_secs(1),
            },
            FromRole::ServerChanged(Box::new(ServerNotice {
                subject: "VS [192.0.2.1]:tcp:80".to_owned(),
                script: Some(Script::default()),
                line: Some("VS [192.0.2.1]:tcp:80 UP\n\0".to_owned()),
                mail: Some(("subject".to_owned(), "text".to_owned())),
                happening: Some(Happening::Quorum {
                    service: "x 0".to_owned(),
                    up: true,
                }),
            })),
            FromRole::ServicesMarked {
                lines: vec!["fwmark 7 inet".to_owned()],
                more: true,
            },
            FromRole::ServicesSettled { generation: 2 },
            FromRole::Finished,
        ]
    }

    #[test]
    fn every_message_is_read_as_it_was_written() {
        for message in to_role() {
            assert_eq!(decode::<ToRole>(&encode(&message).unwrap()).unwrap(), message);
        }
        for message in from_role() {
            assert_eq!(decode::<FromRole>(&encode(&message).unwrap()).unwrap(), message);
        }
    }

    #[test]
    fn a_message_that_was_cut_or_has_a_tail_is_an_error() {
        for message in from_role() {
            let mut bytes = encode(&message).unwrap();
            for length in 0..bytes.len() {
                assert!(
                    decode::<FromRole>(&bytes[..length]).is_err(),
                    "{message:?} cut at {length}"
                );
            }
            bytes.push(0);
            assert!(decode::<FromRole>(&bytes).is_err(), "{message:?} with a tail");
        }
    }

    #[test]
    fn a_briefing_survives_the_way_through_sealed_memory() {
        let loader = MapLoader::default().with("/k.conf", "vrrp_instance V {\n}\n");
        let facts = Facts {
            directory: "/".into(),
            ..Facts::default()
        };
        let briefing = Briefing {
            supervisor: 7,
            generation: 1,
            bundle: conf::load("/k.conf", facts, &loader),
            options: Options {
                detail: 2,
                beat_every: Some(Duration::from_millis(5)),
                ..Options::default()
            },
            leftovers: vec!["eth0 10.0.0.1/24".to_owned()],
            services: vec!["tcp 192.0.2.200 80".to_owned()],
            ipvs_elsewhere: true,
            first: true,
        };
        let sealed = seal("test", &briefing).unwrap();
        assert_eq!(unseal::<Briefing>(&sealed).unwrap(), briefing);
        let other = seal("test", &briefing.bundle).unwrap();
        assert!(unseal::<Briefing>(&other).is_err());
    }
}

//! D-Bus: the objects of the daemon on the system bus, and the task that keeps them there.
//!
//! The task alone waits for the bus; the role hands it what is new and never waits for it. A bus that is not there, goes away
//! or does not read costs nobody else anything: that is said once, and it is tried again. What an instance is called and
//! says is in [`objects`]; what a call leads to is not known here.

mod objects;

use crate::log::Level;
use crate::status::State;
use objects::{Daemon, Instance, MAX_CALLS, Shared, element, number, path};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};
use zbus::object_server::SignalEmitter;
use zbus::{Connection, connection};

/// The name on the bus, unless another is configured (`dbus_service_name`).
const SERVICE: &str = "org.keepalived.Vrrp1";
/// Where the objects are.
const ROOT: &str = "/org/keepalived/Vrrp1";
/// The element of the path of an instance without interface (`dbus_no_interface_name`).
const NO_INTERFACE: &str = "none";
/// The pause before a bus is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// How long a bus may take for anything. One that takes longer is left.
const PATIENCE: Duration = Duration::from_secs(10);
/// What may wait for the task. When there is more, the bus is left and joined anew with what is true then.
const MAX_NEWS: usize = 4096;
/// How long the end may wait for a bus to take the last signal.
const FAREWELL: Duration = Duration::from_secs(1);

/// What somebody on the bus asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// The state, in a file.
    PrintData,
    /// The counters, in a file.
    PrintStats,
    /// The same, then zero.
    PrintStatsClear,
    /// A reload.
    ReloadConfig,
    /// An announcement of the addresses of this instance.
    SendGarp(String),
}

/// What the task says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Somebody calls.
    Call(Call),
    /// A line for the log.
    Line(Level, String),
}

/// Under which names the daemon is on the bus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// `dbus_service_name`.
    pub(super) service: Option<String>,
    /// `dbus_no_interface_name`.
    pub(super) no_interface: Option<String>,
    /// The network namespace, and the instance of the daemon.
    pub(super) place: Vec<String>,
}

impl Names {
    fn service(&self) -> &str {
        self.service.as_deref().unwrap_or(SERVICE)
    }

    fn root(&self) -> String {
        let elements = self.place.iter().map(|word| format!("/{}", element(word)));
        elements.fold(ROOT.to_owned(), |path, element| path + &element)
    }
}

/// An instance as it is to be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// Its name.
    pub(super) name: String,
    /// The interface of the configuration.
    pub(super) interface: Option<String>,
    /// Its VRID.
    pub(super) vrid: u8,
    /// Its family.
    pub(super) ipv6: bool,
    /// Its state; `None`: as it was.
    pub(super) state: Option<State>,
}

enum News {
    Instances(Vec<Shown>),
    State(String, State),
    Reloaded,
    Stopped,
}

/// The role's side.
pub(super) struct Bus {
    names: Names,
    news: Sender<News>,
    calls: Receiver<Call>,
    lines: Receiver<(Level, String)>,
    task: JoinHandle<()>,
}

impl Bus {
    /// Begins to look for the bus.
    pub(super) fn join(names: Names, instances: Vec<Shown>) -> Bus {
        let (news, listening) = channel(MAX_NEWS);
        let (calling, calls) = channel(MAX_CALLS);
        let (saying, lines) = channel(MAX_CALLS);
        let mut guest = Guest {
            root: names.root(),
            names: names.clone(),
            entries: BTreeMap::new(),
            news: listening,
            calls: calling,
            lines: saying,
            trouble: None,
        };
        guest.entries = guest.entries_of(instances);
        Bus {
            names,
            news,
            calls,
            lines,
            task: tokio::spawn(guest.stay()),
        }
    }

    /// Under which names it is there.
    pub(super) const fn names(&self) -> &Names {
        &self.names
    }

    /// What it says next; waits for it. Nothing is lost when the waiting is given up.
    pub(super) async fn said(&mut self) -> Said {
        tokio::select! {
            Some(call) = self.calls.recv() => Said::Call(call),
            Some((level, line)) = self.lines.recv() => Said::Line(level, line),
            // The task has ended: it has nothing more to say.
            else => std::future::pending().await,
        }
    }

    /// These are the instances now. False: the task is behind by too much.
    pub(super) fn show(&self, instances: Vec<Shown>) -> bool {
        self.news.try_send(News::Instances(instances)).is_ok()
    }

    /// An instance has a new state.
    pub(super) fn tell(&self, name: &str, state: State) -> bool {
        self.news.try_send(News::State(name.to_owned(), state)).is_ok()
    }

    /// There is a new configuration.
    pub(super) fn reloaded(&self) -> bool {
        self.news.try_send(News::Reloaded).is_ok()
    }

    /// Says that this is the end, if the bus listens, and leaves.
    pub(super) async fn leave(mut self) {
        // One that cannot be told is left without a word.
        if self.news.try_send(News::Stopped).is_ok() {
            let _ = timeout(FAREWELL, &mut self.task).await;
        }
        self.task.abort();
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An instance on the bus, by path.
struct Entry {
    name: String,
    state: Shared,
}

/// The task.
struct Guest {
    root: String,
    names: Names,
    entries: BTreeMap<String, Entry>,
    news: Receiver<News>,
    calls: Sender<Call>,
    lines: Sender<(Level, String)>,
    /// Why the bus cannot be used, as it was said.
    trouble: Option<String>,
}

/// Why the task is not on the bus any more.
enum Left {
    /// The daemon ends, or does not want the bus.
    Wanted,
    /// Something went wrong.
    Lost(zbus::Error),
}

impl From<zbus::Error> for Left {
    fn from(error: zbus::Error) -> Left {
        Left::Lost(error)
    }
}

impl Guest {
    /// Is on the bus whenever there is one.
    async fn stay(mut self) {
        loop {
            let reason = match self.visit().await {
                Left::Wanted => return,
                Left::Lost(error) => error.to_string(),
            };
            if self.trouble.as_ref() != Some(&reason) {
                let text = format!("D-Bus: {reason}; trying again every {} seconds", RETRY.as_secs());
                self.say(Level::Warning, text);
                self.trouble = Some(reason);
            }
            let until = Instant::now() + RETRY;
            loop {
                tokio::select! {
                    () = sleep_until(until) => break,
                    news = self.news.recv() => match news {
                        None | Some(News::Stopped) => return,
                        Some(News::Reloaded) => {}
                        Some(News::State(name, state)) => self.set(&name, state),
                        Some(News::Instances(instances)) => self.entries = self.entries_of(instances),
                    }
                }
            }
        }
    }

    /// Is on the bus as long as it is there.
    async fn visit(&mut self) -> Left {
        let connection = match timeout(PATIENCE, self.arrive()).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return error.into(),
            Err(_) => return late().into(),
        };
        loop {
            let news = tokio::select! {
                biased;
                () = connection.closed() => return zbus::Error::Failure("the bus has closed the connection".into()).into(),
                news = self.news.recv() => news,
            };
            let ends = matches!(news, None | Some(News::Stopped));
            let Some(news) = news else { return Left::Wanted };
            match timeout(PATIENCE, self.pass_on(&connection, news)).await {
                Ok(Ok(())) if ends => {
                    // What was said is still to be sent.
                    connection.graceful_shutdown().await;
                    return Left::Wanted;
                }
                Ok(Ok(())) => {}
                Ok(Err(error)) => return error.into(),
                Err(_) => return late().into(),
            }
        }
    }

    async fn arrive(&mut self) -> zbus::Result<Connection> {
        let daemon = Daemon {
            calls: self.calls.clone(),
        };
        let here = format!("{}/Vrrp", self.root);
        let connection = connection::Builder::system()
            .serve_at(here.as_str(), daemon)
            .build()
            .await?;
        for (path, entry) in &self.entries {
            self.serve(&connection, path, entry).await?;
        }
        connection.request_name(self.names.service()).await?;
        self.trouble = None;
        self.say(Level::Info, format!("D-Bus: serving {}", self.names.service()));
        Daemon::vrrp_started(&SignalEmitter::new(&connection, here.as_str())?).await?;
        for (path, entry) in &self.entries {
            announce(&connection, path, entry.state.get()).await?;
        }
        Ok(connection)
    }

    async fn serve(&self, connection: &Connection, path: &str, entry: &Entry) -> zbus::Result<()> {
        let instance = Instance {
            name: entry.name.clone(),
            state: entry.state.clone(),
            calls: self.calls.clone(),
        };
        connection.object_server().at(path, instance).await.map(|_| ())
    }

    async fn pass_on(&mut self, connection: &Connection, news: News) -> zbus::Result<()> {
        let here = format!("{}/Vrrp", self.root);
        let emitter = SignalEmitter::new(connection, here.as_str())?;
        match news {
            News::Instances(instances) => self.replace(connection, instances).await,
            News::State(name, state) => {
                self.set(&name, state);
                for (path, _) in self.entries.iter().filter(|(_, entry)| entry.name == name) {
                    changed(connection, path, state).await?;
                }
                Ok(())
            }
            News::Reloaded => Daemon::vrrp_reloaded(&emitter).await,
            News::Stopped => Daemon::vrrp_stopped(&emitter).await,
        }
    }

    /// Takes away the objects that are gone, adds those that are new, says what is different about the others.
    async fn replace(&mut self, connection: &Connection, instances: Vec<Shown>) -> zbus::Result<()> {
        let new = self.entries_of(instances);
        let old = std::mem::replace(&mut self.entries, new);
        let stays = |path: &String, entry: &Entry| self.entries.get(path).is_some_and(|new| new.name == entry.name);
        for (path, entry) in old.iter().filter(|(path, entry)| !stays(path, entry)) {
            if entry.state.get() != State::Deleted {
                entry.state.set(State::Deleted);
                changed(connection, path, State::Deleted).await?;
            }
            connection.object_server().remove::<Instance, _>(path.as_str()).await?;
        }
        for (path, entry) in &self.entries {
            let before = old.get(path).filter(|old| old.name == entry.name);
            match before {
                None => {
                    self.serve(connection, path, entry).await?;
                    announce(connection, path, entry.state.get()).await?;
                }
                Some(before) => {
                    let (was, is) = (before.state.get(), entry.state.get());
                    // The object has the old one.
                    before.state.set(is);
                    if was != is {
                        changed(connection, path, is).await?;
                    }
                }
            }
        }
        for (path, before) in old {
            if let Some(entry) = self.entries.get_mut(&path).filter(|entry| entry.name == before.name) {
                entry.state = before.state;
            }
        }
        Ok(())
    }

    fn set(&self, name: &str, state: State) {
        for entry in self.entries.values().filter(|entry| entry.name == name) {
            entry.state.set(state);
        }
    }

    /// By path. Of two that would have the same one the first has it, and that is said.
    fn entries_of(&self, instances: Vec<Shown>) -> BTreeMap<String, Entry> {
        let mut entries = BTreeMap::<String, Entry>::new();
        let none = self.names.no_interface.as_deref().unwrap_or(NO_INTERFACE);
        for shown in instances {
            let interface = shown.interface.as_deref().unwrap_or(none);
            let path = path(&self.root, interface, shown.vrid, shown.ipv6);
            let before = self.entries.get(&path).filter(|entry| entry.name == shown.name);
            let state = shown.state.or_else(|| Some(before?.state.get()));
            if let Some(first) = entries.get(&path) {
                let text = format!("D-Bus: {} and {} have the same path {path}", first.name, shown.name);
                self.say(Level::Warning, text);
                continue;
            }
            entries.insert(
                path,
                Entry {
                    name: shown.name,
                    state: Shared::new(state.unwrap_or(State::Init)),
                },
            );
        }
        entries
    }

    fn say(&self, level: Level, text: String) {
        // If nobody has read so many lines, this one is not missed.
        let _ = self.lines.try_send((level, text));
    }
}

fn late() -> zbus::Error {
    zbus::Error::Failure("the bus does not answer".into())
}

/// Says the state of an instance.
async fn announce(connection: &Connection, path: &str, state: State) -> zbus::Result<()> {
    Instance::vrrp_status_change(&SignalEmitter::new(connection, path)?, number(state)).await
}

/// Says the new state of an instance, also to those who keep what they have read of it.
async fn changed(connection: &Connection, path: &str, state: State) -> zbus::Result<()> {
    announce(connection, path, state).await?;
    let object = connection.object_server().interface::<_, Instance>(path).await?;
    object.get().await.state_changed(object.signal_emitter()).await
}

//! `make demo`: two routers and a client, a failover before your eyes, in a person's words.
//!
//! It shows what happens and measures it; it judges only whether each step came true at all. The last line is
//! `demo: ok, failover <ms> ms`; anything else ends with what was seen, and exit code 1.
#![forbid(unsafe_code)]

use lab::daemon::{Binary, Daemon, PATIENCE};
use lab::journal::{Entry, Host, Picture, Seen};
use lab::network::{HostPlan, Network, PortPlan};
use lab::probe::{Answers, Prober};
use lab::{Result, Trouble, netns};
use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// The virtual router of the examples.
const VRID: u8 = 50;

/// Its addresses and where the examples put them.
const ADDRESSES: [(&str, &str); 3] = [("10.0.0.10", "ens33"), ("10.0.0.11", "eth0"), ("10.0.0.12", "eth1")];

/// The routers, named as their `router_id`.
const ROUTERS: [(&str, &str); 2] = [("ka2", "node-a.conf"), ("ka3", "node-b.conf")];

const CLIENT: &str = "client";

/// How often the client asks; the figures are as fine as this.
const ASK: Duration = Duration::from_millis(5);

/// No step of the story takes longer than four intervals of one second; a busy machine gets the rest.
const LIMIT: Duration = PATIENCE;

/// How long the client goes on asking after a change, to see that it lasts.
const AFTERWARDS: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "examples/two-nodes".into());
    if let Err(trouble) = netns::clean_up_when_interrupted() {
        println!("demo: failed: {trouble}");
        return ExitCode::FAILURE;
    }
    let outcome = Demo::build(Path::new(&folder)).and_then(|mut demo| {
        let outcome = demo.play();
        if outcome.is_err() {
            println!(
                "\nEverything that was seen, by time:\n{}",
                demo.network.journal.timeline()
            );
        }
        demo.close();
        outcome
    });
    match outcome {
        Ok(failover) => {
            println!("demo: ok, failover {} ms", failover.as_millis());
            ExitCode::SUCCESS
        }
        Err(trouble) => {
            println!("demo: failed: {trouble}");
            ExitCode::FAILURE
        }
    }
}

struct Demo {
    old: Daemon,
    new: Daemon,
    network: Network,
}

impl Demo {
    fn build(folder: &Path) -> Result<Demo> {
        let binary = Binary::ours()?;
        println!("The daemon is {}: {}.", binary.path.display(), binary.version()?);
        println!("Two routers and a client, each a network namespace of its own, joined by three switches:");
        let mut network = Network::build(&plan())?;
        // The examples put every address in 10.0.0.0/24, on three segments: the client must know which is where.
        for (address, interface) in ADDRESSES.iter().skip(1) {
            network
                .host(CLIENT)?
                .ip(&[format!("route add {address}/32 dev {interface}")])?;
        }
        let mut daemons = Vec::new();
        for (host, file) in ROUTERS {
            let path = folder.join(file);
            let conf =
                std::fs::read_to_string(&path).map_err(Trouble::when(format!("cannot read {}", path.display())))?;
            let namespace = network.host(host)?.clone();
            println!("  {host}     {}  ({})", own_addresses(host), path.display());
            daemons.push(Daemon::new(
                host,
                namespace,
                network.journal.clone(),
                binary.clone(),
                &conf,
            )?);
        }
        println!("  {CLIENT}  {}", own_addresses(CLIENT));
        // Nothing is lost in this network, and nothing is left of an earlier fault.
        network.faults(|faults| *faults = Default::default())?;
        match <[Daemon; 2]>::try_from(daemons) {
            Ok([old, new]) => Ok(Demo { old, new, network }),
            Err(_) => Err(Trouble::new("the story needs two routers")),
        }
    }

    fn play(&mut self) -> Result<Duration> {
        let [(old, _), (new, _)] = ROUTERS;
        self.say(&format!(
            "Both daemons start. Who is master is for them to find out; {old} has the higher priority."
        ));
        self.old.start()?;
        self.new.start()?;
        self.wait("a master", |picture, now| {
            is_master(picture, now, old) && !is_master(picture, now, new)
        })?;
        self.wait("the addresses", |picture, _| holds_all(picture, old))?;
        self.say(&format!("{old} is master, {new} is its backup."));
        self.show_addresses();
        self.reach_all(old)?;

        let failover = self.fail_over(old, new)?;
        self.come_back(old, new)?;

        self.say("Both daemons are stopped; a daemon that ends takes its addresses with it.");
        for daemon in [&mut self.new, &mut self.old] {
            let ended = daemon.stop()?;
            if !ended.status.success() {
                return Err(Trouble::new(format!("a daemon ended with {}", ended.status)));
            }
        }
        self.wait("the end of the addresses", |picture, _| {
            ROUTERS.iter().all(|(host, _)| holds_none(picture, host))
        })?;
        Ok(failover)
    }

    fn fail_over(&mut self, old: &str, new: &str) -> Result<Duration> {
        let prober = self.prober()?;
        self.wait("an answer", |picture, _| picture.last_answer(main_address()).is_some())?;
        let killed = self.old.kill_everything()?;
        self.say(&format!(
            "kill -9 for every process of the daemon on {old}. Nobody says goodbye; {new} has to notice."
        ));
        let answered = self.entry(
            killed,
            new,
            |what| matches!(what, Seen::Answers(one) if *one == main_address()),
        )?;
        self.wait("a master", |picture, now| is_master(picture, now, new))?;
        self.wait("the addresses", |picture, _| holds_all(picture, new))?;
        let answers = self.finish(prober)?;
        let failover = answered.saturating_sub(killed);
        self.say(&format!("{new} is master."));
        self.show_addresses();
        let advert = self.entry(killed, new, |what| matches!(what, Seen::Advert(_)))?;
        let last = self.last_advert(old, killed);
        self.tell(&format!(
            "From the last advert of {old} to the first of {new}: {} ms.",
            ms(advert.saturating_sub(last))
        ));
        self.tell(&format!(
            "From the kill to the first answer of {new}: {} ms.",
            ms(failover)
        ));
        let (silent, _) = answers.longest_silence(killed, answered + AFTERWARDS);
        self.tell(&format!(
            "The longest the client waited for any answer: {} ms, of {} questions.",
            ms(silent),
            answers.asked
        ));
        self.tell(&format!(
            "(Only the daemon died: the kernel of {old} still has the addresses and answered until {new}"
        ));
        self.tell("announced itself. With the power gone, the second figure would be the client's wait.)");
        self.reach_all(new)?;
        Ok(failover)
    }

    fn come_back(&mut self, old: &str, new: &str) -> Result<()> {
        let prober = self.prober()?;
        let started = self.network.journal.clock.now();
        self.say(&format!("The daemon on {old} is started again."));
        self.old.start()?;
        let cleaned = self.entry(
            started,
            old,
            |what| matches!(what, Seen::AddressRemoved(_, one) if is_virtual(one)),
        );
        let advert = self.entry(started, old, |what| matches!(what, Seen::Advert(_)))?;
        if cleaned.is_ok_and(|at| at < advert) {
            self.tell("First it removed the addresses that its killed predecessor had left on the interfaces.");
        }
        self.wait("a master", |picture, now| {
            is_master(picture, now, old) && !is_master(picture, now, new)
        })?;
        self.wait("the addresses", |picture, _| {
            holds_all(picture, old) && holds_none(picture, new)
        })?;
        self.say(&format!("{old} is master again, {new} has given the addresses back."));
        let answered = self.entry(
            started,
            old,
            |what| matches!(what, Seen::Answers(one) if *one == main_address()),
        )?;
        let answers = self.finish(prober)?;
        self.show_addresses();
        let (silent, _) = answers.longest_silence(started, answered.max(advert) + AFTERWARDS);
        self.tell(&format!(
            "{old} took over {} ms after its start;",
            ms(advert.saturating_sub(started))
        ));
        self.tell(&format!(
            "the longest the client waited for an answer meanwhile: {} ms.",
            ms(silent)
        ));
        self.reach_all(old)
    }

    fn prober(&self) -> Result<Prober> {
        Prober::start(
            self.network.host(CLIENT)?,
            main_address(),
            ASK,
            self.network.journal.clock,
        )
    }

    /// Lets the client go on a little, then counts.
    fn finish(&self, prober: Prober) -> Result<Answers> {
        std::thread::sleep(AFTERWARDS);
        prober.finish()
    }

    /// The client asks at each address until the router answers there.
    fn reach_all(&mut self, router: &str) -> Result<()> {
        for (address, interface) in ADDRESSES {
            let address = parse(address);
            let since = self.network.journal.clock.now();
            let prober = Prober::start(self.network.host(CLIENT)?, address, ASK, self.network.journal.clock)?;
            let fresh = |picture: &Picture, _: Duration| {
                picture
                    .last_answer(address)
                    .is_some_and(|(host, at)| **host == *router && at >= since)
            };
            self.wait(&format!("an answer of {router} at {address} on {interface}"), fresh)?;
            drop(prober);
        }
        self.tell(&format!("The client pings all three addresses, and {router} answers."));
        Ok(())
    }

    fn wait(&mut self, what: &str, holds: impl Fn(&Picture, Duration) -> bool) -> Result<()> {
        let deadline = self.network.journal.clock.now() + LIMIT;
        loop {
            let now = self.network.journal.clock.now();
            let turn = deadline.min(now + Duration::from_millis(100));
            if self.network.journal.wait(turn, &holds).is_some() {
                return Ok(());
            }
            if self.old.fell_over() || self.new.fell_over() {
                return Err(Trouble::new("a daemon ended by itself"));
            }
            if now >= deadline {
                return Err(Trouble::new(format!("waited {} s for {what}", LIMIT.as_secs())));
            }
        }
    }

    fn entry(&self, since: Duration, host: &str, wanted: impl Fn(&Seen) -> bool) -> Result<Duration> {
        let journal = &self.network.journal;
        let found = journal.wait_entry(since, journal.clock.now() + LIMIT, |entry| {
            *entry.host == *host && wanted(&entry.what)
        });
        found
            .map(|entry| entry.at)
            .ok_or_else(|| Trouble::new(format!("waited {} s for {host}", LIMIT.as_secs())))
    }

    fn last_advert(&self, host: &str, before: Duration) -> Duration {
        let is_it = |entry: &Entry| entry.at <= before && *entry.host == *host && matches!(entry.what, Seen::Advert(_));
        let entries = self.network.journal.entries();
        entries
            .iter()
            .filter(|entry| is_it(entry))
            .map(|entry| entry.at)
            .max()
            .unwrap_or_default()
    }

    fn show_addresses(&self) {
        let picture = self.network.journal.picture();
        for (host, _) in ROUTERS {
            let mut held: Vec<String> = picture
                .addresses(host)
                .filter(|(_, one)| is_virtual(one))
                .map(|(on, one)| format!("{one} on {on}"))
                .collect();
            held.sort();
            let held = if held.is_empty() {
                "none".into()
            } else {
                held.join(", ")
            };
            self.tell(&format!("virtual addresses of {host}: {held}"));
        }
    }

    fn say(&self, text: &str) {
        let now = self.network.journal.clock.now();
        self.network
            .journal
            .record_now(&Host::from("demo"), Seen::Noted(text.into()));
        println!("\n{:>7.3} s  {text}", now.as_secs_f64());
    }

    fn tell(&self, text: &str) {
        println!("           {text}");
    }

    fn close(self) {
        drop(self.old);
        drop(self.new);
        self.network.close();
    }
}

/// A router that was heard in the last interval and a half is master.
fn is_master(picture: &Picture, now: Duration, host: &str) -> bool {
    let fresh = Duration::from_millis(1500);
    picture
        .last_claim(host, VRID)
        .is_some_and(|at| now.saturating_sub(at) <= fresh)
}

fn holds_all(picture: &Picture, host: &str) -> bool {
    ADDRESSES.iter().all(|(address, on)| {
        picture
            .addresses(host)
            .any(|(has, one)| has == on && *one == parse(address))
    })
}

fn holds_none(picture: &Picture, host: &str) -> bool {
    !picture.addresses(host).any(|(_, one)| is_virtual(one))
}

fn is_virtual(address: &IpAddr) -> bool {
    ADDRESSES.iter().any(|(one, _)| parse(one) == *address)
}

fn main_address() -> IpAddr {
    let [(first, _), ..] = ADDRESSES;
    parse(first)
}

/// Only for the constants above; anything else becomes an address nobody has.
fn parse(address: &str) -> IpAddr {
    address.parse().unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED))
}

fn plan() -> Vec<HostPlan> {
    let hosts = ROUTERS.iter().map(|(name, _)| *name).chain([CLIENT]);
    hosts
        .map(|name| HostPlan {
            name: name.into(),
            ports: ports(name),
        })
        .collect()
}

fn ports(host: &str) -> Vec<PortPlan> {
    let last = if host == CLIENT {
        "100"
    } else {
        host.trim_start_matches("ka")
    };
    let port = |(nth, (_, interface)): (usize, &(&str, &str))| PortPlan {
        segment: (*interface).into(),
        interface: (*interface).into(),
        addresses: vec![format!("10.0.{nth}.{last}/24")],
    };
    ADDRESSES.iter().enumerate().map(port).collect()
}

fn own_addresses(host: &str) -> String {
    let shown: Vec<String> = ports(host)
        .into_iter()
        .map(|port| format!("{} {}", port.interface, port.addresses.concat()))
        .collect();
    shown.join("  ")
}

fn ms(span: Duration) -> u128 {
    span.as_millis()
}

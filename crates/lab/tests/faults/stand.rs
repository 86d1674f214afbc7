//! The two routers of every fault, what must hold of them, and the figures that come of it.

use crate::support::{Lab, address, tenth};
use lab::catalogue::{self, FOLLOWER, LEADER, Row};
use lab::daemon::{Binary, Make, PATIENCE};
use lab::journal::Seen;
use lab::netns::Namespace;
use lab::probe::{Answers, Prober};
use lab::process::Process;
use lab::scenario::{Act, Check, Scenario, Stage, Step, master_is};
use lab::stage::{ALLOWANCE, CLIENT, Namespaces};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// How often the client asks.
const ASK: Duration = Duration::from_millis(5);

/// What one of the two may take to come back where the protocol says nothing: a start, an end, a reload.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// How often a fault is made: `KEEPALIVED_FAULTS`, or once.
pub(crate) fn times() -> usize {
    let many = std::env::var("KEEPALIVED_FAULTS").ok();
    many.and_then(|many| many.parse().ok()).unwrap_or(1)
}

/// Whether nobody has asked for a number: a part of everything is enough then.
pub(crate) fn is_sample() -> bool {
    std::env::var_os("KEEPALIVED_FAULTS").is_none()
}

/// A row of the table of faults.
pub(crate) fn tell(row: &str) {
    println!("{row}");
    if let Some(path) = std::env::var_os("KEEPALIVED_FAULTS_REPORT") {
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.unwrap().write_all(format!("{row}\n").as_bytes()).unwrap();
    }
}

/// What the fault may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cost {
    /// Nothing: the address stays where it is.
    Nothing,
    /// The other router may have to take over, and the client may wait for it.
    TakeOver,
}

/// What one fault did.
struct Outcome {
    /// The longest time without an answer.
    silence: Duration,
    /// How often another router than before answered.
    moves: usize,
}

/// A running pair, `a` is master.
pub(crate) struct Stand {
    pub(crate) lab: Lab,
    row: Row,
    fault: String,
    cost: Cost,
    untouched: [BTreeSet<String>; 2],
    outcomes: Vec<Outcome>,
    /// Words by which processes are known that are not the daemon's to end: ended where they are in the way.
    outlived_by: Vec<String>,
}

/// Our daemon; `None` if the original stands in for it: it makes other promises.
pub(crate) fn ours() -> Option<Binary> {
    let binary = Binary::ours().unwrap();
    if binary.make == Make::Upstream {
        eprintln!("skipped: the original stands in for ours");
        return None;
    }
    Some(binary)
}

/// To be put among the globals: no real-time priority.
pub(crate) const ORDINARY: &str = "    # of ordinary priority\n";

/// What keeps the noise of a busy machine out of the figures.
const HASTE: &str = "    vrrp_rt_priority 50\n    bfd_rt_priority 50\n";

/// A configuration of `nth` with something to do for every role. `lines` are more of the instance, `globals` more of
/// `global_defs`.
pub(crate) fn conf(row: Row, nth: usize, (lines, globals, blocks): (&str, &str, &str)) -> String {
    let place = if nth == 0 { LEADER } else { FOLLOWER };
    let (own, other) = (nth + 1, 2 - nth);
    let base = row.conf(nth, place);
    let haste = if globals.contains(ORDINARY) { "" } else { HASTE };
    let base = base.replacen(
        "global_defs {",
        &format!("global_defs {{\n    script_user root\n    enable_snmp_vrrp\n    snmp_socket unix:/nowhere/agentx\n{haste}{globals}"),
        1,
    );
    let base = base.replacen(
        "    virtual_ipaddress",
        &format!(
            "    accept\n    track_bfd {{\n        path weight -10\n    }}\n    track_script {{\n        sometimes weight 1\n    \
             }}\n    notify \"/usr/bin/true\"\n{lines}    virtual_ipaddress"
        ),
        1,
    );
    // What is tracked comes before who tracks it.
    let (global, instance) = base.split_once("vrrp_instance").unwrap();
    format!(
        "{global}vrrp_script sometimes {{\n    script \"/usr/bin/sleep 0.1\"\n    interval 1\n}}\nbfd_instance path {{\n    \
         neighbor_ip 10.0.0.{other}\n    source_ip 10.0.0.{own}\n    min_rx 50\n    min_tx 50\n    multiplier 5\n}}\n\
         {blocks}vrrp_instance{instance}virtual_server 192.0.2.1 80 {{\n    delay_loop 2\n    lb_algo rr\n    lb_kind NAT\n    protocol TCP\n    \
         real_server 127.0.0.1 9 {{\n        TCP_CHECK {{\n            connect_timeout 1\n        }}\n    }}\n    \
         real_server 127.0.0.2 9 {{\n        MISC_CHECK {{\n            misc_path /usr/bin/false\n            delay_loop 5\n        }}\n    }}\n}}\n"
    )
}

impl Stand {
    /// A pair with the usual configuration. `None` if this is not about our daemon.
    pub(crate) fn start(fault: &str, cost: Cost) -> Option<Stand> {
        Stand::start_with(fault, cost, tenth(), ("", "", ""), |_| {})
    }

    /// A pair with more in its configuration; `prepare` is called before the daemons are started.
    pub(crate) fn start_with(
        fault: &str,
        cost: Cost,
        row: Row,
        more: (&str, &str, &str),
        prepare: impl FnOnce(&mut Lab),
    ) -> Option<Stand> {
        let binary = ours()?;
        let mut scenario = catalogue::routers(fault, row, LEADER, FOLLOWER);
        for (nth, (_, text)) in scenario.routers.iter_mut().enumerate() {
            *text = conf(row, nth, more);
        }
        let mut lab = Lab {
            stage: Namespaces::build(&scenario, &[binary.clone(), binary]).unwrap(),
        };
        prepare(&mut lab);
        let untouched = ["a", "b"].map(|name| settled(lab.host(name)));
        let mut stand = Stand {
            lab,
            row,
            fault: fault.to_owned(),
            cost,
            untouched,
            outcomes: Vec::new(),
            outlived_by: Vec::new(),
        };
        stand.act(Act::Start("a".into()));
        stand.act(Act::Start("b".into()));
        stand.is_right();
        Some(stand)
    }

    pub(crate) fn act(&mut self, act: Act) {
        self.lab.play(Scenario::steps(vec![Step::Then(act)]));
    }

    /// `a` is master, has the address and answers; `b` is ready to take over.
    pub(crate) fn is_right(&mut self) {
        self.serves("a");
    }

    pub(crate) fn serves(&mut self, router: &str) {
        self.lab.play(Scenario::steps(vec![
            Step::Within(LONG, master_is(router)),
            Step::Within(LONG, Check::Holds(router.into())),
            Step::Within(LONG, Check::Answers(router.into())),
        ]));
    }

    /// One of the two serves, whichever.
    pub(crate) fn somebody_serves(&mut self) {
        let since = self.lab.now();
        let vip = address(self.row);
        let journal = self.lab.stage.network().journal.clone();
        let bound = since + self.row.down() + ALLOWANCE;
        let at = journal.wait(bound, |picture, _| {
            picture.last_answer(vip).is_some_and(|(_, at)| at > since)
        });
        assert!(at.is_some(), "{}: nobody answers\n{}", self.fault, self.lab.timeline());
    }

    /// Makes the fault and measures until all is right again, which `fault` waits for.
    pub(crate) fn round(&mut self, fault: impl FnOnce(&mut Stand)) {
        let client = self.lab.host(CLIENT).clone();
        let vip = address(self.row);
        let clock = self.lab.stage.network().journal.clock;
        let prober = Prober::start_punctual(&client, vip, ASK, clock).unwrap();
        // Answers must have begun to come, or the begin of asking would count.
        let from = self.lab.now();
        let journal = self.lab.stage.network().journal.clone();
        journal.wait(from + PATIENCE, |picture, _| {
            picture.last_answer(vip).is_some_and(|(_, at)| at > from)
        });
        let from = self.lab.now();
        fault(self);
        self.is_right();
        let to = self.lab.now();
        self.take_down(&prober.finish().unwrap(), from, to);
        self.has_no_zombies();
    }

    fn take_down(&mut self, answers: &Answers, from: Duration, to: Duration) {
        let (silence, since) = answers.longest_silence(from, to);
        let vip = address(self.row);
        let entries = self.lab.stage.network().journal.entries();
        let within = entries.iter().filter(|entry| entry.at > from && entry.at < to);
        let (mut moves, mut lost) = (0, 0);
        for entry in within {
            let is_taken = |what: &Seen| matches!(what, Seen::AddressRemoved(_, one) if *one == vip);
            if matches!(&entry.what, Seen::Answers(one) if *one == vip) {
                moves += 1;
            } else if *entry.host == *"a" && is_taken(&entry.what) {
                lost += 1;
            }
        }
        if self.cost == Cost::Nothing {
            assert_eq!((moves, lost), (0, 0), "{}\n{}", self.fault, self.lab.timeline());
        }
        let bound = self.row.down() + ALLOWANCE;
        assert!(
            silence < bound,
            "{}: no answer for {silence:?} from {since:?}\n{}",
            self.fault,
            self.lab.timeline()
        );
        self.outcomes.push(Outcome { silence, moves });
    }

    /// What has ended has been asked about, a moment later at the latest.
    pub(crate) fn has_no_zombies(&mut self) {
        for name in ["a", "b"] {
            let supervisor = self.lab.stage.daemon(name).unwrap().supervisor().unwrap();
            self.lab.until("no zombie is left", || supervisor.zombies().is_empty());
        }
    }

    /// The process of a role (`vrrp`, `bfd`, `check`, `manage`).
    pub(crate) fn role(&mut self, router: &str, role: &str) -> Option<Process> {
        let supervisor = self.lab.stage.daemon(router).unwrap().supervisor().ok()?;
        let word = format!("--role={role}");
        let mut family = supervisor.descendants().into_iter();
        family.find(|process| process.words().contains(&word))
    }

    /// The same, when it is there.
    pub(crate) fn await_role(&mut self, router: &str, role: &str, but: Option<Process>) -> Process {
        let end = self.lab.now() + LONG;
        loop {
            if let Some(process) = self.role(router, role).filter(|process| Some(*process) != but) {
                return process;
            }
            let now = self.lab.now();
            assert!(now < end, "no {role} role of {router}\n{}", self.lab.timeline());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The supervisor of a router and all it has started.
    pub(crate) fn family(&mut self, router: &str) -> Vec<Process> {
        let supervisor = self.lab.stage.daemon(router).unwrap().supervisor().unwrap();
        std::iter::once(supervisor).chain(supervisor.descendants()).collect()
    }

    /// A router is stopped and leaves nothing: no process, no file, nothing in the kernel.
    pub(crate) fn stops_clean(&mut self, router: &str) {
        self.act(Act::Stop(router.into()));
        self.left_nothing(router);
    }

    pub(crate) fn left_nothing(&mut self, router: &str) {
        let host = self.lab.host(router).clone();
        self.has_no_process(router);
        let before = &self.untouched[usize::from(router == "b")];
        let end = self.lab.now() + LONG;
        loop {
            let now = kernel(&host);
            let left: Vec<&String> = now.difference(before).collect();
            if left.is_empty() {
                return;
            }
            assert!(self.lab.now() < end, "left behind: {left:#?}\n{}", self.lab.timeline());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// See the field.
    pub(crate) fn outlived_by(&mut self, words: &[&str]) {
        self.outlived_by = words.iter().map(|word| (*word).to_owned()).collect();
    }

    /// What the daemon of a router started has ended.
    pub(crate) fn has_no_process(&mut self, router: &str) {
        let host = self.lab.host(router).clone();
        let end = self.lab.now() + LONG;
        while !host.processes().is_empty() {
            for process in host.processes() {
                let words = process.words();
                let is_one = |word: &String| words.iter().any(|one| one.contains(word.as_str()));
                if self.outlived_by.iter().any(is_one) {
                    process.signal(Signal::SIGKILL);
                }
            }
            let left: Vec<_> = host.processes().iter().map(Process::words).collect();
            assert!(self.lab.now() < end, "left behind: {left:?}\n{}", self.lab.timeline());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn says(&self, since: Duration, router: &str, line: &str) {
        self.lab.seen(
            since,
            router,
            |what| matches!(what, Seen::Log(text) if text.contains(line)),
        );
    }

    pub(crate) fn configure(&mut self, text: &str) {
        self.lab.a().configure(text).unwrap();
    }

    /// Stops both, judges the whole run, and tells the figures.
    pub(crate) fn finish(mut self) {
        self.stops_clean("a");
        self.stops_clean("b");
        let row = self.report();
        assert_eq!(self.lab.stage.verdict().unwrap(), [], "{}", self.lab.timeline());
        self.lab.finish();
        tell(&row);
    }

    /// Fault, how often, what was lost, the longest time without an answer, its median, the most moves in one time.
    fn report(&self) -> String {
        let mut silences: Vec<u128> = self.outcomes.iter().map(|one| one.silence.as_millis()).collect();
        silences.sort_unstable();
        let lost = match self.cost {
            Cost::Nothing => "nothing",
            Cost::TakeOver => "the time to take over",
        };
        let moves = self.outcomes.iter().map(|one| one.moves).max().unwrap_or(0);
        format!(
            "{}\t{}\t{lost}\t{} ms\t{} ms\t{moves}",
            self.fault,
            silences.len(),
            silences.last().copied().unwrap_or(0),
            silences.get(silences.len() / 2).copied().unwrap_or(0),
        )
    }
}

/// The same when it does not change any more: the kernel takes its time with routes of new interfaces.
fn settled(host: &Arc<Namespace>) -> BTreeSet<String> {
    let mut last = kernel(host);
    loop {
        std::thread::sleep(Duration::from_millis(60));
        let now = kernel(host);
        if now == last {
            return now;
        }
        last = now;
    }
}

/// What `ip` and `nft` list on a host, and the settings of its interface; a line each.
pub(crate) fn kernel(host: &Arc<Namespace>) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for words in [
        "ip -br link",
        "ip -4 -br address",
        "ip -6 -br address",
        "ip route show table all",
        "ip -6 route show table all",
        "ip rule",
        "ip -6 rule",
        "nft list ruleset",
    ] {
        for line in shown(host, words).lines() {
            lines.insert(format!("{words}: {}", line.trim_end()));
        }
    }
    let settings = host.inside(|| {
        let mut found = Vec::new();
        for family in ["ipv4", "ipv6"] {
            let folder = format!("/proc/sys/net/{family}/conf/eth0");
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let value = fs::read_to_string(entry.path()).unwrap_or_default();
                found.push(format!("{family} {:?} {}", entry.file_name(), value.trim()));
            }
        }
        found
    });
    lines.extend(settings.unwrap());
    lines
}

/// What a program prints on a host; nothing if it fails.
pub(crate) fn shown(host: &Arc<Namespace>, words: &str) -> String {
    let mut words = words.split(' ').map(str::to_owned);
    let program = words.next().unwrap();
    let arguments: Vec<String> = words.collect();
    let output = host.inside(move || Command::new(program).args(arguments).output());
    String::from_utf8_lossy(&output.unwrap().unwrap().stdout).into_owned()
}

//! `virtual_server` and its own keywords.

use super::{LONGEST_DELAY, LONGEST_TIMEOUT, Line, ServiceReading};
use crate::diagnostic::Class;
use crate::lower::Lowering;
use crate::model::Command;
use base::Family;
use check::draft::Inherited;
use lvs::config::{
    Endpoint, Granularity, PERSISTENCE_DEFAULT, PERSISTENCE_MAX, Protocol, Scheduler, SchedulerFlags, Target,
    WEIGHT_MAX,
};
use lvs::draft::{ServiceDraft, SorryDraft};
use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::sync::Arc;

/// The longest name of a persistence engine, in bytes: what the kernel takes.
const ENGINE_NAME: usize = 15;

/// `virtual_server IP [PORT] | fwmark N | group NAME {`.
pub(crate) fn open(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if !low.has_room(line, crate::limits::Cost::Service) {
        return low.refuse_block();
    }
    low.has_checkers = true;
    let word = line.word(1).unwrap_or_default();
    let target = match word {
        "fwmark" | "group" if line.word(2).is_none() => return low.missing_parameter(line, 2),
        "group" => Some(Target::Group(line.word(2).unwrap_or_default().into())),
        "fwmark" => mark(low, line),
        _ => address(low, line),
    };
    let Some(target) = target else {
        return low.refuse_block();
    };
    low.lvs.opened += 1;
    low.lvs.service = Some(ServiceReading {
        draft: ServiceDraft::new(target),
        number: low.lvs.opened,
        at: line.mark(1),
        end: None,
        marks: Vec::new(),
        inherited: Inherited::default(),
        host: None,
        quorum_up: None,
        quorum_down: None,
        reals: Vec::new(),
    });
}

fn mark(low: &mut Lowering<'_>, line: Line<'_, '_>) -> Option<Target> {
    // Upstream takes 0, which no packet is marked with; see docs/divergences.md, "mark-zero".
    let mark = low.mark_number(line, 2).filter(|mark| *mark > 0);
    if mark.is_none() {
        let word = line.word(2).unwrap_or_default();
        let least = u32::from(word.bytes().all(|b| b == b'0'));
        let text = format!(
            "virtual server fwmark '{word}' must be in [{least}, {}] - ignoring",
            u32::MAX
        );
        low.error(line, 2, "service-mark", text);
    }
    mark.map(|mark| Target::Mark { mark, family: None })
}

fn address(low: &mut Lowering<'_>, line: Line<'_, '_>) -> Option<Target> {
    let word = line.word(1).unwrap_or_default();
    let address = Lowering::server_address(word);
    let port = low.port(line, 2);
    if let (Some(address), Ok(port)) = (address, port) {
        let at = Endpoint::new(address, port);
        return Some(Target::Address { at, protocol: None });
    }
    let text = match line.word(2) {
        Some(port) => format!("Invalid virtual server IP address/port {word}/{port} - skipping"),
        None => format!("Invalid virtual server IP address {word} - skipping"),
    };
    low.error(line, 1, "service-address", text);
    None
}

/// The end of a virtual server.
pub(crate) fn close(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if let Some(mut reading) = low.lvs.service.take() {
        reading.end = Some(line.mark(0));
        low.lvs.take(reading);
    }
}

impl Lowering<'_> {
    /// The draft that is being filled; remembers where `keyword` stands.
    fn service(&mut self, line: Line<'_, '_>, keyword: &'static str) -> Option<&mut ServiceDraft> {
        let mark = line.mark(line.words.len().saturating_sub(1).min(1));
        let reading = self.lvs.service.as_mut()?;
        reading.marks.push((keyword, mark));
        Some(&mut reading.draft)
    }

    /// What the virtual server says to the checks below it.
    fn for_checks(&mut self) -> Option<&mut Inherited> {
        self.lvs.service.as_mut().map(|reading| &mut reading.inherited)
    }

    /// `KEYWORD N` of `retry` in a virtual or real server.
    pub(super) fn server_retry(&mut self, line: Line<'_, '_>) -> Option<u32> {
        let value = self.unsigned(line, 1, 1, u32::MAX);
        if value.is_none() {
            let word = line.word(1).unwrap_or_default();
            self.error(line, 1, "retry", format!("retry value invalid - {word}"));
        }
        value
    }

    /// One word, and nothing after it.
    pub(super) fn sole_word(&mut self, line: Line<'_, '_>, missing: &str) -> Option<Arc<str>> {
        match (line.word(1), line.word(2)) {
            (Some(word), None) => Some(self.lvs.share(word)),
            (None, _) | (_, Some(_)) => {
                self.error(line, 0, "name", missing.to_owned());
                None
            }
        }
    }

    /// A word, whatever follows it.
    pub(super) fn first_word(&mut self, line: Line<'_, '_>, missing: &str) -> Option<Arc<str>> {
        if line.word(1).is_none() {
            self.error(line, 0, "name", missing.to_owned());
        }
        line.word(1).map(|word| self.lvs.share(word))
    }
}

macro_rules! marks {
    ($($name:ident $keyword:literal |$draft:ident| $set:expr;)*) => {
        $(pub(crate) fn $name(low: &mut Lowering<'_>, line: Line<'_, '_>) {
            if let Some($draft) = low.service(line, $keyword) {
                $set;
            }
        })*
    };
}

marks! {
    ops "ops" |d| d.one_packet = true;
    ha_suspend "ha_suspend" |d| d.ha_suspend = true;
    omega "omega" |d| d.omega = true;
    inhibit_on_failure "inhibit_on_failure" |d| d.inhibit_on_failure = true;
    flag_1 "flag-1" |d| d.flags |= SchedulerFlags::ONE;
    flag_2 "flag-2" |d| d.flags |= SchedulerFlags::TWO;
    flag_3 "flag-3" |d| d.flags |= SchedulerFlags::THREE;
}

/// `alpha`.
pub(crate) fn alpha(low: &mut Lowering<'_>, _: Line<'_, '_>) {
    if let Some(inherited) = low.for_checks() {
        inherited.alpha = Some(true);
    }
}

/// `ip_family inet|inet6`.
pub(crate) fn ip_family(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let word = line.word(1).unwrap_or_default();
    let Some(family) = Lowering::family_word(word) else {
        return low.error(line, 1, "service-family", format!("unknown address family {word}"));
    };
    let known = low
        .lvs
        .service
        .as_ref()
        .and_then(|reading| reading.draft.known_family());
    if known.is_some_and(|known| known != family) {
        let text = format!("Virtual server specified family {word} conflicts with server family");
        return low.error(line, 1, "service-family", text);
    }
    if let Some(draft) = low.service(line, "ip_family") {
        draft.family = Some(family);
    }
}

/// `retry N`.
pub(crate) fn retry(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let value = low.server_retry(line);
    if let Some(inherited) = low.for_checks() {
        inherited.retry = value.or(inherited.retry);
    }
}

/// `delay_before_retry SECS`.
pub(crate) fn delay_before_retry(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let value = low.delay(line);
    if let Some(inherited) = low.for_checks() {
        inherited.delay_before_retry = value.or(inherited.delay_before_retry);
    }
}

/// `warmup SECS`.
pub(crate) fn warmup(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let value = low.delay(line);
    if let Some(inherited) = low.for_checks() {
        inherited.warmup = value.or(inherited.warmup);
    }
}

/// `connect_timeout SECS`.
pub(crate) fn connect_timeout(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let invalid = |word: &str| format!("virtual server connect_timeout {word} invalid - ignoring");
    let value = low.positive(line, LONGEST_TIMEOUT, invalid);
    if let Some(inherited) = low.for_checks() {
        inherited.connect_timeout = value.or(inherited.connect_timeout);
    }
}

/// `delay_loop SECS`.
pub(crate) fn delay_loop(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let invalid = |word: &str| format!("virtual server delay loop '{word}' invalid - ignoring");
    let value = low.positive(line, LONGEST_DELAY, invalid);
    if let Some(inherited) = low.for_checks() {
        inherited.delay_loop = value.or(inherited.delay_loop);
    }
}

/// `lb_algo NAME`.
pub(crate) fn lb_algo(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let word = line.word(1).unwrap_or_default();
    let Some(scheduler) = Scheduler::named(word) else {
        let text = format!("Invalid lvs_scheduler '{word}' - ignoring");
        low.error(line, 1, "service-scheduler", text);
        let names = Scheduler::ALL.into_iter().map(Scheduler::as_str);
        let near = crate::suggest::nearest(word, names).map(|near| format!("did you mean `{near}`?"));
        return low.hint(near.into_iter().collect());
    };
    if let Some(draft) = low.service(line, "lb_algo") {
        draft.scheduler = Some(scheduler);
    }
}

/// A flag of a hashing scheduler: taken after its own, ignored after the other, reported after any else.
fn hash_flag(low: &mut Lowering<'_>, line: Line<'_, '_>, own: Option<Scheduler>, flag: SchedulerFlags) {
    let scheduler = low.lvs.service.as_ref().and_then(|reading| reading.draft.scheduler);
    if !matches!(scheduler, Some(Scheduler::Sh | Scheduler::Mh)) {
        let keyword = line.word(0).unwrap_or_default();
        let text = format!("{keyword} only applies to sh scheduler - ignoring");
        return low.error(line, 0, "service-scheduler", text);
    }
    if let Some(reading) = low.lvs.service.as_mut().filter(|_| own.is_some() && scheduler == own) {
        reading.draft.flags |= flag;
    }
}

macro_rules! hash_flags {
    ($($name:ident $own:expr, $flag:expr;)*) => {
        $(pub(crate) fn $name(low: &mut Lowering<'_>, line: Line<'_, '_>) {
            hash_flag(low, line, $own, $flag);
        })*
    };
}

hash_flags! {
    hashed None, SchedulerFlags::empty();
    sh_port Some(Scheduler::Sh), SchedulerFlags::TWO;
    sh_fallback Some(Scheduler::Sh), SchedulerFlags::ONE;
    mh_port Some(Scheduler::Mh), SchedulerFlags::TWO;
    mh_fallback Some(Scheduler::Mh), SchedulerFlags::ONE;
}

/// `lb_kind NAT|DR|TUN ...`.
pub(crate) fn lb_kind(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if let Some(method) = super::method::read(low, line, "virtual")
        && let Some(draft) = low.service(line, "lb_kind")
    {
        draft.forwarding = Some(method);
    }
}

/// `persistence_engine NAME`.
pub(crate) fn persistence_engine(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let mut word = line.word(1).unwrap_or_default();
    if word.len() > ENGINE_NAME {
        let text = format!("persistence_name too long, truncating - {word}");
        low.error(line, 1, "service-persistence", text);
        let end = (0..=ENGINE_NAME)
            .rev()
            .find(|&at| word.is_char_boundary(at))
            .unwrap_or(0);
        word = word.get(..end).unwrap_or_default();
    }
    let engine = low.lvs.share(word);
    if let Some(draft) = low.service(line, "persistence_engine") {
        draft.engine = Some(engine);
    }
}

/// `persistence_timeout [SECS]`.
pub(crate) fn persistence_timeout(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let seconds = match line.word(1) {
        None => Some(PERSISTENCE_DEFAULT),
        Some(_) => low.unsigned(line, 1, 1, PERSISTENCE_MAX),
    };
    match seconds.and_then(NonZeroU32::new) {
        Some(seconds) => {
            if let Some(draft) = low.service(line, "persistence_timeout") {
                draft.persistence = Some(seconds);
            }
        }
        None => low.error(line, 1, "service-persistence", "persistence_timeout invalid".to_owned()),
    }
}

/// `persistence_granularity MASK|PREFIX`.
pub(crate) fn persistence_granularity(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let word = line.word(1).unwrap_or_default();
    let known = low
        .lvs
        .service
        .as_ref()
        .and_then(|reading| reading.draft.known_family());
    let family = known.unwrap_or(if word.contains('.') { Family::V4 } else { Family::V6 });
    let granularity = match family {
        Family::V4 => word.parse::<Ipv4Addr>().ok().map(|mask| Granularity::V4(mask.into())),
        Family::V6 => low.unsigned(line, 1, 1, 128).map(|bits| Granularity::V6(bits as u8)),
    };
    match granularity {
        Some(granularity) => {
            if let Some(draft) = low.service(line, "persistence_granularity") {
                draft.granularity = Some(granularity);
            }
        }
        None => {
            let text = format!("Invalid {family} persistence_granularity specified - {word}");
            low.error(line, 1, "service-persistence", text);
        }
    }
}

/// `protocol TCP|UDP|SCTP`.
pub(crate) fn protocol(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let word = line.word(1).unwrap_or_default();
    let known = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp]
        .into_iter()
        .find(|protocol| word.eq_ignore_ascii_case(&protocol.to_string()));
    match known {
        Some(protocol) => {
            if let Some(draft) = low.service(line, "protocol") {
                draft.protocol = Some(protocol);
            }
        }
        None => low.error(
            line,
            1,
            "service-protocol",
            format!("Unknown protocol {word} - ignoring"),
        ),
    }
}

/// `smtp_alert [BOOL]`.
pub(crate) fn smtp_alert(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match low.flag(line) {
        Some(value) => {
            if let Some(draft) = low.service(line, "smtp_alert") {
                draft.smtp_alert = Some(value);
            }
        }
        None => {
            let word = line.word(1).unwrap_or_default();
            let text = format!("Invalid virtual_server smtp_alert parameter {word}");
            low.error(line, 1, "boolean", text);
        }
    }
}

/// `virtualhost STRING`.
pub(crate) fn virtualhost(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let host = low.first_word(line, "virtual server virtualhost missing");
    if let Some(reading) = &mut low.lvs.service {
        reading.host = host.or(reading.host.take());
    }
}

/// `snmp_name STRING`.
pub(crate) fn snmp_name(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let name = low.sole_word(line, "virtual server snmp_name missing or extra parameters");
    if let Some(reading) = &mut low.lvs.service {
        reading.draft.snmp_name = name.or(reading.draft.snmp_name.take());
    }
}

/// A command that may be given once.
fn quorum_command(
    low: &mut Lowering<'_>,
    line: Line<'_, '_>,
    slot: fn(&mut ServiceReading) -> &mut Option<Arc<Command>>,
) {
    let taken = low.lvs.service.as_mut().is_some_and(|reading| slot(reading).is_some());
    if taken {
        let target = low.lvs.service.as_ref().map(|reading| reading.draft.target.clone());
        let who = target
            .map(|target| lvs::Key { target, sequence: 0 }.to_string())
            .unwrap_or_default();
        let (keyword, word) = (line.word(0).unwrap_or_default(), line.word(1).unwrap_or_default());
        let text = format!("({who}) {keyword} script already specified - ignoring {word}");
        return low.error(line, 1, "script", text);
    }
    let command = low.server_command(line);
    if let Some(reading) = &mut low.lvs.service {
        *slot(reading) = command;
    }
}

/// `quorum_up COMMAND`.
pub(crate) fn quorum_up(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    quorum_command(low, line, |reading| &mut reading.quorum_up);
}

/// `quorum_down COMMAND`.
pub(crate) fn quorum_down(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    quorum_command(low, line, |reading| &mut reading.quorum_down);
}

/// `quorum N`.
pub(crate) fn quorum(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let value = low.unsigned(line, 1, 1, u32::MAX).and_then(NonZeroU32::new);
    if value.is_none() {
        let word = line.word(1).unwrap_or_default();
        let text = format!("Quorum {word} must be in [1, {}]. Setting to 1.", u32::MAX);
        low.error(line, 1, "quorum", text);
    }
    if let Some(draft) = low.service(line, "quorum") {
        draft.quorum = value.unwrap_or(NonZeroU32::MIN);
    }
}

/// `hysteresis N`.
pub(crate) fn hysteresis(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match low.unsigned(line, 1, 0, u32::MAX) {
        Some(value) => {
            if let Some(draft) = low.service(line, "hysteresis") {
                draft.hysteresis = value;
            }
        }
        None => {
            let word = line.word(1).unwrap_or_default();
            let text = format!("Hysteresis {word} must be in [0, {}] - ignoring", u32::MAX);
            low.error(line, 1, "quorum", text);
        }
    }
}

/// `weight N`.
pub(crate) fn weight(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match low.unsigned(line, 1, 1, WEIGHT_MAX) {
        Some(value) => {
            if let Some(draft) = low.service(line, "weight") {
                draft.weight = value;
            }
        }
        None => {
            let word = line.word(1).unwrap_or_default();
            let text = format!("Virtual server weight {word} is outside range 1-{WEIGHT_MAX}");
            low.error(line, 1, "weight", text);
        }
    }
}

/// `sorry_server ADDR [PORT]`.
pub(crate) fn sorry_server(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let word = line.word(1).unwrap_or_default();
    let (address, port) = (Lowering::server_address(word), low.port(line, 2));
    let (Some(address), Ok(port)) = (address, port) else {
        let text = format!("Invalid sorry server IP address {word} - skipping");
        return low.error(line, 1, "sorry-server", text);
    };
    if let Some(draft) = low.service(line, "sorry_server") {
        draft.sorry = Some(SorryDraft {
            at: Endpoint::new(address, port),
            forwarding: None,
            inhibit: false,
        });
    }
}

/// `sorry_server_inhibit`.
pub(crate) fn sorry_server_inhibit(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let sorry = low
        .service(line, "sorry_server_inhibit")
        .and_then(|draft| draft.sorry.as_mut());
    match sorry {
        Some(sorry) => sorry.inhibit = true,
        None => {
            let text = "Ignoring sorry_server inhibit used before or without sorry_server";
            low.error(line, 0, "sorry-server", text.to_owned());
        }
    }
}

/// `sorry_server_lvs_method NAT|DR|TUN ...`.
pub(crate) fn sorry_server_lvs_method(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let has_sorry = low
        .lvs
        .service
        .as_ref()
        .is_some_and(|reading| reading.draft.sorry.is_some());
    if !has_sorry {
        let text = "sorry_server forwarding used without sorry_server";
        return low.error(line, 0, "sorry-server", text.to_owned());
    }
    if let Some(method) = super::method::read(low, line, "sorry")
        && let Some(sorry) = low
            .lvs
            .service
            .as_mut()
            .and_then(|reading| reading.draft.sorry.as_mut())
    {
        sorry.forwarding = Some(method);
    }
}

/// Says what a check found out about itself.
pub(crate) fn check_found(low: &mut Lowering<'_>, line: Line<'_, '_>, finding: check::draft::Finding) {
    let class = if finding.is_error { Class::Error } else { Class::Notice };
    low.say(line, 0, class, "check", finding.text);
}

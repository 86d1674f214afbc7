//! The whole way: lines to views, views to drafts, drafts to a model, and everything said in order.
//!
//! Decides how the parts are driven, in which order messages come, and that the same complaint of several views is one.

mod join;

use crate::Compiled;
use crate::bundle::{Bundle, Facts, LoadError, Replay};
use crate::diagnostic::{Class, Diagnostic, Location, Note, Stage};
use crate::expand::Reader;
use crate::limits;
use crate::lower::hmac::KeyFile;
use crate::lower::instance::InstanceDraft;
use crate::lower::vmac::DEFAULT_PREFIX;
use crate::lower::{BufferDraft, Lowering, Said};
use crate::model::{DynamicInterfaces, Model, Notify};
use crate::source::{Mark, Sources};
use crate::tree::{Statement, Walker};
use base::IfName;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use vrrp::config::{Config, Name, ReceiveBuffer};
use vrrp::draft::{Finding, Surroundings, Weight};

/// What a buffer is multiplied with when nothing is said.
const BUFFER_FACTOR: u32 = 3;

/// Steps of its way that a diagnostic tells; nobody reads more.
const NOTES: usize = 8;

/// See [`crate::compile`].
pub(crate) fn compile(bundle: &Bundle) -> Compiled {
    let facts = bundle.facts();
    let mut low = Lowering::new(facts, bundle.answers());
    let mut reader = Reader::new(facts, Replay::new(bundle));
    let mut walkers = [Stage::Parent, Stage::Checker, Stage::Vrrp, Stage::Bfd].map(Walker::new);
    reader.open_main(bundle.main());
    let mut words = Vec::new();
    loop {
        let more = reader.next();
        low.stage = Stage::Parent;
        for message in reader.take_messages() {
            let placed = message.at.is_some();
            // What is open at the end has no place of its own; the outermost open block is the best there is.
            let open = walkers
                .iter()
                .find_map(Walker::open_block)
                .filter(|_| message.class == Class::MissingClose);
            let at = message.at.or(open.map(|(_, mark)| mark));
            low.say_at(at, placed, message.class, message.code, message.text);
            low.hint(
                open.map(|(name, _)| format!("block `{name}` is still open at the end"))
                    .into_iter()
                    .collect(),
            );
        }
        if more.is_none() {
            break;
        }
        if low.unsaid > limits::UNKEPT {
            low.stop_for_mistakes();
            break;
        }
        let Some(logical) = reader.line() else { break };
        let balanced = crate::token::words(logical.text.text, &mut words);
        let line = Statement {
            text: logical.text,
            words: &words,
            balanced,
            at: logical.at,
            secret: logical.secret,
        };
        low.key_file = key_file(bundle, &reader, &line);
        for walker in &mut walkers {
            walker.push(&line, &mut low);
        }
    }
    let halted = walkers.iter().filter(|walker| walker.halted()).map(Walker::stage).min();
    let model = finish(&mut low, halted);
    let diagnostics = diagnostics(low, halted, reader.sources());
    Compiled { model, diagnostics }
}

/// What is in the file that a line names as that of a key.
fn key_file<F: crate::expand::Files>(bundle: &Bundle, reader: &Reader<'_, F>, line: &Statement<'_>) -> Option<KeyFile> {
    if !line.text.text.starts_with("key") {
        return None;
    }
    let words: Vec<&str> = line.from(0).collect();
    let path = reader.directory().join(crate::bundle::key_file(&words)?);
    let content = bundle.secret(&path).cloned();
    Some(KeyFile {
        content: content.unwrap_or(Err(LoadError::Missing)),
        path,
    })
}

/// Finishes what the file left as drafts.
fn finish(low: &mut Lowering<'_>, halted: Option<Stage>) -> Model {
    crate::lower::bfd::finish(low, halted);
    low.stage = Stage::Checker;
    let mut servers = low.finish_servers(halted.is_some_and(|stage| stage <= Stage::Checker));
    low.stage = Stage::Vrrp;
    let buffer = receive_buffer(low.buffers);
    low.settings.receive_buffer = buffer;
    low.defaults.receive_buffer = buffer;
    // An instance whose block never ended is one all the same, as in upstream.
    let open = low.instance.take();
    let mut drafts: Vec<InstanceDraft> = std::mem::take(&mut low.instances).into_iter().chain(open).collect();
    name_links(low, &mut drafts);
    low.resolve_track_groups(&mut drafts, halted.is_none_or(|stage| stage > Stage::Vrrp));
    let surroundings = Known::new(low.facts);
    let mut configs: BTreeMap<Name, Config> = BTreeMap::new();
    // Upstream's VRRP process never comes so far when a parameter is missing, and looks no further at instances after
    // what keeps it from running.
    let mut reached = halted.is_none_or(|stage| stage > Stage::Vrrp);
    let dynamic = low.global.dynamic_interfaces != DynamicInterfaces::No;
    low.said.retain(|said| !(dynamic && said.unless_dynamic));
    let reads = reached;
    if low.absent_interface && !dynamic && reached {
        let text = "Non-existent interface specified in configuration".to_owned();
        low.say_at(None, false, Class::BadInterface, "interface-missing-fatal", text);
        reached = false;
    }
    // Scripts it judges before it looks at instances.
    let judges = reached;
    for draft in &mut drafts {
        let name = Name::from(draft.name.as_str());
        let silent = draft.draft.notify_priority_changes;
        let finished = std::mem::take(&mut draft.draft).finish(name.clone(), &low.defaults, &surroundings);
        draft.draft.notify_priority_changes = silent;
        for finding in finished.findings {
            let fatal = finding.weight == Weight::Fatal;
            // While it reads it still says what it notices of a line.
            if reached || reads && is_placed(draft, &finding) {
                found(low, draft, finding);
            }
            reached &= !fatal;
        }
        if let Some(config) = finished.config {
            configs.insert(name, config);
        }
    }
    // Upstream's VRRP process goes no further without its interfaces, nor without a parameter.
    if judges {
        join::drop_scripts(low, &mut configs);
    }
    let joined = join::join(low, &drafts, &mut configs, reached);
    let instances: BTreeMap<Name, Arc<Config>> = configs.into_iter().map(|(n, c)| (n, Arc::new(c))).collect();
    if halted.is_none_or(|stage| stage > Stage::Checker) {
        low.finish_check_scripts(&mut servers);
    }
    let (notify, notify_groups) = tellings(low, &joined, &instances, reached);
    Model {
        notify,
        listing: joined.listing,
        notify_groups,
        global: std::mem::take(&mut low.global),
        has_vrrp: low.has_vrrp || !instances.is_empty(),
        has_checkers: low.has_checkers,
        has_bfd: low.has_bfd,
        servers,
        tracking: joined.tracking,
        bfd: std::mem::take(&mut low.bfd.model),
        vrrp: vrrp::config::Model {
            settings: low.settings.clone(),
            instances,
            statics: std::mem::take(&mut low.statics.items),
            groups: joined.groups,
            objects: joined.objects,
        },
    }
}

/// Gives every virtual interface its name.
fn name_links(low: &Lowering<'_>, drafts: &mut [InstanceDraft]) {
    let own = low.vmac_prefixes.own.as_deref().unwrap_or(DEFAULT_PREFIX);
    let of_addresses = low.vmac_prefixes.of_addresses.as_deref().unwrap_or(own);
    let prefixes = vrrp::draft::Prefixes { own, of_addresses };
    vrrp::draft::name_links(drafts.iter_mut().map(|draft| &mut draft.draft), prefixes);
}

/// What is told of instances and of groups, by name.
type Tellings = (BTreeMap<String, Notify>, BTreeMap<String, Notify>);

/// Finishes who is told what, and judges every command that is run for it.
fn tellings(
    low: &mut Lowering<'_>,
    joined: &join::Joined,
    instances: &BTreeMap<Name, Arc<Config>>,
    reached: bool,
) -> Tellings {
    if !reached {
        return Tellings::default();
    }
    low.finish_global_scripts();
    let groups = joined.groups.values();
    let groups = low.finish_group_notify(groups.map(|group| (group.name.as_str(), group.smtp_alert)));
    let notify = low.finish_notify(instances.keys().map(Name::as_str));
    low.script_security();
    (notify, groups)
}

/// Where the entry of a list stands that a finding is about.
fn entry_of(draft: &InstanceDraft, finding: &Finding) -> Option<Mark> {
    draft.entries.get(finding.keyword)?.get(finding.entry?).copied()
}

/// Whether upstream notices it while it reads and names the line; it does not for what it notices afterwards.
fn is_placed(draft: &InstanceDraft, finding: &Finding) -> bool {
    entry_of(draft, finding).is_some() || crate::render::is_secret_keyword(finding.keyword)
}

/// Says what an instance found out about itself, where the keyword stands.
fn found(low: &mut Lowering<'_>, draft: &InstanceDraft, finding: Finding) {
    let entry = entry_of(draft, &finding);
    let keyword = draft
        .marks
        .iter()
        .rev()
        .find(|(name, _)| *name == finding.keyword)
        .map(|(_, mark)| *mark);
    let at = entry.or(keyword).unwrap_or(draft.at);
    let secret = crate::render::is_secret_keyword(finding.keyword);
    let placed = is_placed(draft, &finding);
    let class = match finding.weight {
        Weight::Note => Class::Notice,
        Weight::Error => Class::Error,
        Weight::Fatal => Class::Unusable,
    };
    low.say_at(Some(at), placed, class, code(finding.keyword), finding.text);
    if let Some(said) = low.said.last_mut() {
        said.secret |= secret;
    }
}

/// The stable name of a finding: its keyword as code.
fn code(keyword: &'static str) -> &'static str {
    match keyword {
        "auth_hmac" | "active_key" | "mode" => "instance-hmac",
        "auth_pass" | "auth_type" | "authentication" => "instance-authentication",
        "virtual_ipaddress" | "virtual_ipaddress_excluded" | "no_virtual_ipaddress" => "instance-addresses",
        "virtual_router_id" => "instance-vrid",
        "unicast_peer" | "unicast_src_ip" | "unicast_ttl" | "check_unicast_src" => "instance-unicast",
        "nopreempt" | "preempt_delay" => "instance-preempt",
        "priority" | "state" => "instance-priority",
        "advert_int" => "instance-interval",
        "version" => "instance-version",
        "strict_mode" => "instance-strict",
        "interface" => "instance-interface",
        "vrrp_sync_group" | "group" => "sync-group",
        "track_interface" | "track_script" | "track_file" | "track_process" | "track_bfd" => "tracker",
        _ => "instance",
    }
}

/// A number beats a word, and the MTU beats the advert.
fn receive_buffer(draft: BufferDraft) -> Option<ReceiveBuffer> {
    let factor = draft.multiplier.unwrap_or(BUFFER_FACTOR);
    draft
        .bytes
        .map(ReceiveBuffer::Bytes)
        .or(draft.mtu.then_some(ReceiveBuffer::Mtu(factor)))
        .or(draft.advert.then_some(ReceiveBuffer::Adverts(factor)))
}

/// Interfaces as the facts know them.
struct Known<'f> {
    interfaces: HashMap<&'f str, (u32, bool)>,
}

impl<'f> Known<'f> {
    fn new(facts: &'f Facts) -> Known<'f> {
        let all = facts.interfaces.iter().flatten();
        Known {
            interfaces: all.map(|i| (i.name.as_str(), (i.mtu, i.multicast))).collect(),
        }
    }
}

impl Surroundings for Known<'_> {
    fn mtu(&self, interface: &IfName) -> Option<u32> {
        self.interfaces.get(interface.as_str()).map(|(mtu, _)| *mtu)
    }

    fn multicast(&self, interface: &IfName) -> Option<bool> {
        self.interfaces.get(interface.as_str()).map(|(_, multicast)| *multicast)
    }
}

/// Everything said, in upstream's order, each complaint once.
fn diagnostics(low: Lowering<'_>, halted: Option<Stage>, sources: &Sources) -> Vec<Diagnostic> {
    let unsaid = low.unsaid;
    let mut said = low.said;
    said.retain(|said| halted.is_none_or(|stage| said.stage <= stage));
    said.sort_by_key(|said| said.stage);
    let mut seen: HashMap<(Option<(u32, u32)>, String), Stage> = HashMap::new();
    said.retain(|said| {
        let place = said.at.map(|mark| (mark.inclusion.0, mark.line));
        // Within one view a complaint may rightly come twice; another view only repeats it.
        *seen.entry((place, said.message.clone())).or_insert(said.stage) == said.stage
    });
    let hinted = said.len() <= limits::HINTS;
    let mut all: Vec<Diagnostic> = said.into_iter().map(|said| diagnostic(said, sources)).collect();
    if !hinted {
        let text = format!("only the first {} messages have hints", limits::HINTS);
        all.push(last_word("too-many-hints", text));
    }
    if sources.lost_origins() && !all.is_empty() {
        let text = format!("only the first {} expansions are shown with messages", limits::ORIGINS);
        all.push(last_word("too-many-expansions", text));
    }
    if unsaid > 0 {
        all.push(last_word(
            "too-many-messages",
            format!("{unsaid} more messages are not shown"),
        ));
    }
    all
}

/// Something about the messages before it.
fn last_word(code: &'static str, message: String) -> Diagnostic {
    Diagnostic {
        code,
        class: Class::Notice,
        stage: Stage::Bfd,
        message,
        at: None,
        placed: false,
        named: false,
        expands_to: None,
        origin: Vec::new(),
        hints: Vec::new(),
        hidden: false,
    }
}

pub(crate) fn location(mark: Mark, sources: &Sources) -> Option<Location> {
    let inclusion = sources.inclusion(mark.inclusion)?;
    Some(Location {
        source: inclusion.file,
        file: Arc::clone(&inclusion.name),
        line: mark.line,
        span: mark.from as usize..mark.to as usize,
    })
}

fn diagnostic(said: Said, sources: &Sources) -> Diagnostic {
    let mut origin = Vec::new();
    let mut chain = said.at.and_then(|mark| mark.origin);
    while let Some(step) = chain.and_then(|id| sources.origin(id)).filter(|_| origin.len() < NOTES) {
        origin.push(Note {
            text: step.what.clone(),
            // A definition may hold the password itself.
            at: step
                .at
                .filter(|_| !said.secret)
                .and_then(|mark| location(mark, sources)),
        });
        chain = step.parent;
    }
    let mut inclusion = said.at.and_then(|mark| sources.inclusion(mark.inclusion)?.by);
    while let Some(by) = inclusion {
        origin.push(Note {
            text: "included here".to_owned(),
            at: location(by, sources),
        });
        inclusion = sources.inclusion(by.inclusion).and_then(|reading| reading.by);
    }
    Diagnostic {
        code: said.code,
        class: said.class,
        stage: said.stage,
        message: said.message,
        at: said.at.and_then(|mark| location(mark, sources)),
        placed: said.placed,
        named: said.stage != Stage::Parent || said.at.is_some_and(|mark| sources.names_matter(mark.inclusion)),
        expands_to: said.expands_to,
        origin,
        hints: said.hints,
        hidden: said.hidden,
    }
}

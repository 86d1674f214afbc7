//! From words to drafts.
//!
//! A [`Lowering`] is what the keyword tables write into while the file is read: drafts of everything, and what there is
//! to say. It decides about single words (ranges, spelling, upstream's messages); rules between keywords are
//! [`crate::resolve`]'s and the subject crates'.

pub mod address;
pub mod bfd;
pub(crate) mod check;
pub mod command;
pub mod extra;
pub mod files;
pub mod filter;
pub mod garp_group;
pub mod global;
pub mod hmac;
pub mod instance;
pub mod lateness;
pub(crate) mod lvs;
pub mod notify;
pub mod process;
pub mod route;
pub mod rule;
pub mod track;
pub mod track_group;
pub mod tracker;
pub mod value;
pub mod vmac;
mod words;

use crate::bundle::Facts;
use crate::diagnostic::{Class, Stage};
use crate::limits;
use crate::model::Global;
use crate::programs::Answers;
use crate::source::Mark;
use crate::tree::Statement;
use base::IfName;
use hmac::KeyFile;
use instance::{InstanceDraft, Named};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use vrrp::config::{PacingGroup, Settings};
use vrrp::draft::Defaults;

/// Something said, before its place is looked up.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) stage: Stage,
    pub(crate) class: Class,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) at: Option<Mark>,
    pub(crate) placed: bool,
    pub(crate) expands_to: Option<String>,
    pub(crate) hints: Vec<String>,
    /// Nothing around it may be shown: it is about a password.
    pub(crate) secret: bool,
    /// Not even a masked line may be shown: it may hold a key.
    pub(crate) hidden: bool,
    /// Said only if interfaces may not come and go.
    pub(crate) unless_dynamic: bool,
}

/// How a receive buffer is sized, as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BufferDraft {
    pub(crate) bytes: Option<u32>,
    pub(crate) mtu: bool,
    pub(crate) advert: bool,
    pub(crate) multiplier: Option<u32>,
}

/// What the tables write into.
#[derive(Debug)]
pub struct Lowering<'f> {
    pub(crate) facts: &'f Facts,
    pub(crate) stage: Stage,
    pub(crate) said: Vec<Said>,
    pub(crate) unsaid: usize,
    /// Bytes of the model so far.
    pub(crate) bytes: u32,
    pub(crate) global: Global,
    pub(crate) settings: Settings,
    pub(crate) defaults: Defaults,
    pub(crate) buffers: BufferDraft,
    pub(crate) vmac_prefixes: vmac::VmacPrefixes,
    pub(crate) instance: Option<InstanceDraft>,
    pub(crate) instances: Vec<InstanceDraft>,
    pub(crate) instance_names: HashSet<String>,
    pub(crate) pacing: Option<PacingGroup>,
    pub(crate) statics: track_group::StaticDraft,
    /// Virtual servers.
    pub(crate) lvs: lvs::Reading,
    pub(crate) group: Option<tracker::GroupBlock>,
    pub(crate) groups: Vec<tracker::GroupBlock>,
    pub(crate) tracking: track::Tracking,
    pub(crate) bfd: bfd::Sessions,
    /// What is known of programs and users.
    pub(crate) answers: &'f Answers,
    pub(crate) scripts: command::Scripts,
    pub(crate) notify: BTreeMap<String, notify::NotifyDraft>,
    pub(crate) notify_groups: BTreeMap<String, notify::NotifyDraft>,
    /// Recipients in the block that is being read.
    pub(crate) recipients: usize,
    pub(crate) has_vrrp: bool,
    pub(crate) has_checkers: bool,
    pub(crate) has_bfd: bool,
    later: BTreeSet<&'static str>,
    interfaces: Option<BTreeSet<&'f str>>,
    pub(crate) absent_interface: bool,
    /// What is in the file that the line being read names as that of a key.
    pub(crate) key_file: Option<KeyFile>,
    /// Inside `auth_hmac`, where whatever is no known keyword may be a key.
    pub(crate) in_hmac: bool,
    /// `nftables` was there.
    pub(crate) nftables: bool,
    halt: bool,
    refused: bool,
}

impl<'f> Lowering<'f> {
    /// Nothing read yet.
    pub(crate) fn new(facts: &'f Facts, answers: &'f Answers) -> Lowering<'f> {
        let settings = Settings::default();
        let defaults = Defaults::default();
        let names = |facts: &'f Facts| {
            facts
                .interfaces
                .as_ref()
                .map(|all| all.iter().map(|i| i.name.as_str()).collect())
        };
        Lowering {
            facts,
            stage: Stage::Parent,
            said: Vec::new(),
            unsaid: 0,
            bytes: 0,
            statics: track_group::StaticDraft::default(),
            lvs: lvs::Reading::default(),
            bfd: bfd::Sessions::default(),
            answers,
            scripts: command::Scripts::default(),
            notify: BTreeMap::new(),
            notify_groups: BTreeMap::new(),
            recipients: 0,
            has_vrrp: false,
            global: Global::default(),
            settings,
            defaults,
            buffers: BufferDraft::default(),
            vmac_prefixes: vmac::VmacPrefixes::default(),
            instance: None,
            instances: Vec::new(),
            instance_names: HashSet::new(),
            pacing: None,
            group: None,
            groups: Vec::new(),
            tracking: track::Tracking::default(),
            has_checkers: false,
            has_bfd: false,
            later: BTreeSet::new(),
            interfaces: names(facts),
            absent_interface: false,
            key_file: None,
            in_hmac: false,
            nftables: false,
            halt: false,
            refused: false,
        }
    }

    /// Says something about a word of a line.
    pub(crate) fn say(&mut self, line: &Statement<'_>, word: usize, class: Class, code: &'static str, message: String) {
        let secret = self.is_secret(line, word);
        let hidden = self.hides(line);
        let shown = line.expanded(word) && !secret;
        let said = Said {
            stage: self.stage,
            class,
            code,
            message,
            at: Some(line.mark(word)),
            placed: true,
            expands_to: shown.then(|| line.word(word).unwrap_or_default().to_owned()),
            hints: Vec::new(),
            secret,
            hidden,
            unless_dynamic: false,
        };
        self.push(said);
    }

    /// An error about a word of a line.
    pub(crate) fn error(&mut self, line: &Statement<'_>, word: usize, code: &'static str, message: String) {
        self.say(line, word, Class::Error, code, message);
    }

    /// Says something at a mark, or nowhere.
    pub(crate) fn say_at(&mut self, at: Option<Mark>, placed: bool, class: Class, code: &'static str, message: String) {
        let said = Said {
            stage: self.stage,
            class,
            code,
            message,
            at,
            placed,
            expands_to: None,
            hints: Vec::new(),
            secret: placed && self.in_hmac,
            hidden: placed && self.in_hmac,
            unless_dynamic: false,
        };
        self.push(said);
    }

    fn push(&mut self, said: Said) {
        if self.said.len() < limits::DIAGNOSTICS {
            self.said.push(said);
        } else {
            self.unsaid += 1;
        }
    }

    /// What to do about what was said last.
    pub(crate) fn hint(&mut self, hints: Vec<String>) {
        if let Some(said) = self.said.last_mut().filter(|_| self.unsaid == 0) {
            said.hints.extend(hints);
        }
    }

    /// Whether a word is, or may be, part of a password.
    pub(crate) fn is_secret(&self, line: &Statement<'_>, word: usize) -> bool {
        line.secret || self.hides(line) || word > 0 && line.word(0).is_some_and(crate::render::is_secret_keyword)
    }

    /// Whether a line is inside `auth_hmac` and may be, or be part of, a key.
    pub(crate) fn hides(&self, line: &Statement<'_>) -> bool {
        let harmless = line.word(0).is_some_and(hmac::is_harmless);
        self.in_hmac && (!harmless || line.from(1).any(hmac::may_be_key))
    }

    /// Ends the reading of what is nothing but mistakes. Said beyond the limit of what is kept.
    pub(crate) fn stop_for_mistakes(&mut self) {
        let text = format!("more than {} messages - stopping", limits::DIAGNOSTICS + limits::UNKEPT);
        // The last one makes room for it.
        self.said.pop();
        self.say_at(None, false, Class::Fatal, "too-many-mistakes", text);
    }

    /// Whether there is room for one more thing in the model; the first time there is none, that is said.
    pub(crate) fn has_room(&mut self, line: &Statement<'_>, cost: limits::Cost) -> bool {
        let had = self.bytes <= limits::MODEL_BYTES;
        self.bytes = self.bytes.saturating_add(cost as u32);
        let has = self.bytes <= limits::MODEL_BYTES;
        if had && !has {
            let text = format!(
                "The configuration describes more than {} MiB - ignoring the rest",
                limits::MODEL_BYTES >> 20
            );
            self.error(line, 0, "model-limit", text);
        }
        has
    }

    /// Whether nothing more is kept; counts what would have been said.
    pub(crate) fn is_full(&mut self) -> bool {
        let full = self.said.len() >= limits::DIAGNOSTICS;
        self.unsaid += usize::from(full);
        full
    }

    /// Whether hints are still worth their time: nobody reads the thousandth.
    pub(crate) fn wants_hints(&self) -> bool {
        self.said.len() < limits::HINTS
    }

    /// A keyword that the tables know and nothing implements: said once for each.
    pub(crate) fn not_yet(&mut self, line: &Statement<'_>, keyword: &'static str) {
        if self.later.insert(keyword) {
            let text = format!("{keyword} is not implemented yet - ignoring");
            self.say(line, 0, Class::Notice, "not-implemented-yet", text);
        }
    }

    /// A keyword that gets something else than what it asks for. Said once.
    pub(crate) fn instead(&mut self, line: &Statement<'_>, keyword: &'static str, what: &str) {
        if self.later.insert(keyword) {
            let text = format!("{keyword}: {what}");
            self.say(line, 0, Class::Notice, "not-implemented-yet", text);
        }
    }

    /// A keyword whose parameter is missing: reading stops.
    pub(crate) fn missing_parameter(&mut self, line: &Statement<'_>, position: usize) {
        let first = line.word(0).unwrap_or_default();
        let last = if self.hides(line) || crate::render::is_secret_keyword(first) {
            first
        } else {
            line.word(position.saturating_sub(1)).unwrap_or(first)
        };
        let text = format!(
            "*** Configuration line starting `{first}` is missing a parameter after keyword `{last}` at word position {}",
            position + 1
        );
        self.say(
            line,
            position.saturating_sub(1),
            Class::MissingParameter,
            "missing-parameter",
            text,
        );
        self.halt = true;
    }

    /// Asks the walker to leave out the block that would follow.
    pub(crate) fn refuse_block(&mut self) {
        self.refused = true;
    }

    pub(crate) fn take_refusal(&mut self) -> bool {
        std::mem::take(&mut self.refused)
    }

    pub(crate) fn take_halt(&mut self) -> bool {
        std::mem::take(&mut self.halt)
    }

    /// An interface by its name; says what is wrong with the name, and that it does not exist where that is known.
    pub(crate) fn interface(&mut self, line: &Statement<'_>, word: usize, whose: &str) -> Option<IfName> {
        let text = line.word(word)?;
        let Ok(name) = text.parse::<IfName>() else {
            self.error(
                line,
                word,
                "interface-name",
                format!("Interface name '{text}' is not valid for {whose}"),
            );
            return None;
        };
        let missing = format!("WARNING - interface {text} for {whose} doesn't exist");
        self.absent_interface |= !self.require_interface(line, word, Class::Warning, missing);
        Some(name)
    }

    /// The interface a line begins with, if it exists or may come; else `missing` is said.
    pub(crate) fn existing_interface(&mut self, line: &Statement<'_>, missing: &str) -> Option<IfName> {
        let Ok(name) = line.word(0)?.parse::<IfName>() else {
            self.error(line, 0, "interface-name", missing.to_owned());
            return None;
        };
        let exists = self.require_interface(line, 0, Class::Error, missing.to_owned());
        let dynamic = self.global.dynamic_interfaces != crate::model::DynamicInterfaces::No;
        (exists || dynamic).then_some(name)
    }

    /// Whether an interface exists; else that has been said.
    fn require_interface(&mut self, line: &Statement<'_>, word: usize, class: Class, missing: String) -> bool {
        let text = line.word(word).unwrap_or_default();
        if self.knows_interface(text) {
            return true;
        }
        self.say(line, word, class, "interface-missing", missing);
        let names = self.interfaces.iter().flatten().copied();
        let near = crate::suggest::nearest(text, names).map(|near| format!("did you mean `{near}`?"));
        let hint =
            near.unwrap_or_else(|| "`dynamic_interfaces` in global_defs allows interfaces that come later".into());
        self.hint(vec![hint]);
        if let Some(said) = self.said.last_mut() {
            said.unless_dynamic = true;
        }
        false
    }

    /// Whether there is an interface of this name, as far as is known.
    pub(crate) fn knows_interface(&self, name: &str) -> bool {
        self.interfaces.as_ref().is_none_or(|all| all.contains(name))
    }

    /// Names of routing tables and the like.
    pub(crate) fn names(&self) -> &'f crate::names::Names {
        &self.facts.names
    }

    /// The instance that is being read.
    pub(crate) fn current(&mut self) -> Option<&mut InstanceDraft> {
        self.instance.as_mut()
    }

    /// The name of the instance that is being read, for messages.
    pub(crate) fn who(&self) -> Named {
        Named(self.instance.as_ref().map(|i| i.name.clone()).unwrap_or_default())
    }
}

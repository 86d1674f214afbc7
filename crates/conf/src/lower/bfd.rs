//! `bfd_instance`: words into a [`Draft`].
//!
//! Three of upstream's processes read the block and see different things in it: the bfd process all of it but the
//! weight; the vrrp process its name, its weight, and for whom it is; the checker its name and for whom it is. So a
//! session that has no neighbour is none for the bfd process and can still be tracked, as in upstream. The names are in
//! [`Sessions`], as far as the file has been read.

use super::Lowering;
use crate::diagnostic::{Class, Stage};
use crate::source::Mark;
use crate::tree::Statement;
use ::bfd::config::{Config, Model, NAME_MAX, Name};
use ::bfd::draft::Draft;
use ::vrrp::config::Weight;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

/// The longest interval in microseconds: 4294967 ms.
const LONGEST: u64 = 4_294_967_000;
/// The shortest interval in microseconds.
const SHORTEST: u64 = 1_000;
/// The shortest interval of a session that is not up, in microseconds (RFC 5880 section 6.8.3).
const SHORTEST_IDLE: u64 = 1_000_000;
/// Upstream warns above this.
const SENSIBLE: Duration = Duration::from_secs(10);
/// The largest weight.
const WEIGHT: i64 = 253;

type Line<'s, 't> = &'s Statement<'t>;

/// Sessions so far, as each reader sees them, and the one whose block is open.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    /// What the bfd role runs.
    pub(crate) model: Model,
    /// What `BFD_CHECK` can name.
    pub(crate) checked: BTreeSet<String>,
    /// The block each reader is in.
    open: BTreeMap<Stage, Open>,
    /// The names each reader has seen.
    names: BTreeSet<(Stage, String)>,
}

#[derive(Debug)]
struct Open {
    name: String,
    draft: Draft,
    weight: Weight,
    at: Mark,
    /// Its neighbour was no address: nothing comes of it.
    broken: bool,
}

/// `bfd_instance NAME {`.
pub(crate) fn open(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    low.has_bfd = true;
    let (stage, name) = (low.stage, line.word(1).unwrap_or_default());
    if low.bfd.names.contains(&(stage, name.to_owned())) {
        let text = match stage {
            Stage::Bfd => format!("Configuration error: BFD instance {name} already configured - ignoring"),
            Stage::Parent | Stage::Checker | Stage::Vrrp => format!("BFD {name} already specified"),
        };
        low.error(line, 1, "bfd-duplicate", text);
        return low.refuse_block();
    }
    if name.len() > NAME_MAX {
        let text = match stage {
            Stage::Bfd => format!(
                "Configuration error: BFD instance {name} name too long (maximum length is {NAME_MAX} characters) - ignoring"
            ),
            Stage::Parent | Stage::Checker | Stage::Vrrp => format!("BFD name {name} too long"),
        };
        // The checker leaves it out without a word.
        if stage != Stage::Checker {
            low.error(line, 1, "bfd-name", text);
        }
        return low.refuse_block();
    }
    low.bfd.names.insert((stage, name.to_owned()));
    let open = Open {
        name: name.to_owned(),
        draft: Draft::default(),
        weight: Weight::FAULT,
        at: line.mark(1),
        broken: false,
    };
    low.bfd.open.insert(stage, open);
}

/// The end of `bfd_instance`: only now it is one.
pub(crate) fn close(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if let Some(open) = low.bfd.open.remove(&low.stage) {
        let at = line.mark(0);
        settle(low, low.stage, open, Some(at));
    }
}

/// What is still open at the end of the file is one all the same, as in upstream.
pub(crate) fn finish(low: &mut Lowering<'_>, halted: Option<Stage>) {
    for (stage, open) in std::mem::take(&mut low.bfd.open) {
        if halted.is_none_or(|halted| halted > stage) {
            settle(low, stage, open, None);
        }
    }
}

fn settle(low: &mut Lowering<'_>, stage: Stage, open: Open, end: Option<Mark>) {
    let Open {
        name,
        draft,
        weight,
        at,
        broken,
    } = open;
    match stage {
        Stage::Parent => {}
        Stage::Checker => {
            if draft.audience().checker {
                low.bfd.checked.insert(name);
            }
        }
        Stage::Vrrp => {
            if draft.audience().vrrp {
                low.declare_session(&name, weight);
            }
        }
        Stage::Bfd if broken => {}
        Stage::Bfd => {
            let name = Name::from(name.as_str());
            let finished = draft.finish(name.clone(), &low.bfd.model);
            low.stage = stage;
            for finding in finished.findings {
                // Upstream names the line of the closing brace.
                let place = end.unwrap_or(at);
                low.say_at(
                    Some(place),
                    end.is_some(),
                    Class::Error,
                    code(finding.keyword),
                    finding.text,
                );
            }
            if let Some(config) = finished.config {
                low.bfd.model.sessions.insert(name, Arc::<Config>::new(config));
            }
        }
    }
}

/// The stable name of a finding.
fn code(keyword: &'static str) -> &'static str {
    match keyword {
        "neighbor_ip" | "bfd_instance" => "bfd-neighbor",
        "source_ip" => "bfd-source",
        _ => "bfd",
    }
}

impl Lowering<'_> {
    /// Whether this reader reads a keyword; if so, whether its value is there.
    fn bfd_reads(&mut self, line: Line<'_, '_>, reader: Stage) -> bool {
        if self.stage != reader {
            return false;
        }
        if line.word(1).is_none() {
            self.missing_parameter(line, 1);
            return false;
        }
        true
    }

    fn bfd_draft(&mut self) -> Option<&mut Draft> {
        self.bfd.open.get_mut(&self.stage).map(|open| &mut open.draft)
    }

    fn bfd_name(&self) -> &str {
        self.bfd.open.get(&self.stage).map_or("", |open| open.name.as_str())
    }

    /// An error about a session, in upstream's form.
    fn bfd_error(&mut self, line: Line<'_, '_>, word: usize, code: &'static str, text: &str) {
        let message = format!("Configuration error: BFD instance {} {text}", self.bfd_name());
        self.error(line, word, code, message);
    }

    /// `KEYWORD MSEC`.
    fn bfd_interval(&mut self, line: Line<'_, '_>, keyword: &str, low: u64) -> Option<Duration> {
        if !self.bfd_reads(line, Stage::Bfd) {
            return None;
        }
        let word = line.word(1).unwrap_or_default();
        let interval = self.milliseconds(line, 1, low, LONGEST);
        match interval {
            None => {
                let (low, high) = (low / 1000, LONGEST / 1000);
                let text = format!("{keyword} value {word} is not valid (must be in range [{low}-{high}]), ignoring");
                self.bfd_error(line, 1, "bfd-interval", &text);
            }
            // Upstream says it when it starts, and not when it checks a file.
            Some(interval) if interval > SENSIBLE && !self.facts.checking => {
                let (name, most) = (self.bfd_name(), SENSIBLE.as_millis());
                let text = format!(
                    "Configuration warning: BFD instance {name} {keyword} value {word} is larger than max sensible ({most})"
                );
                self.say(line, 1, Class::Notice, "bfd-interval", text);
            }
            Some(_) => {}
        }
        interval
    }

    /// `KEYWORD N`, 1 to 255.
    fn bfd_number(&mut self, line: Line<'_, '_>, keyword: &str) -> Option<NonZeroU8> {
        if !self.bfd_reads(line, Stage::Bfd) {
            return None;
        }
        let number = self.unsigned(line, 1, 1, 255).and_then(|n| NonZeroU8::new(n as u8));
        if number.is_none() {
            let word = line.word(1).unwrap_or_default();
            let text = format!("{keyword} value {word} not valid (must be in range [1-255]), ignoring");
            self.bfd_error(line, 1, "bfd-number", &text);
        }
        number
    }
}

/// `neighbor_ip ADDR`.
pub(crate) fn neighbor_ip(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if !low.bfd_reads(line, Stage::Bfd) {
        return;
    }
    let word = line.word(1).unwrap_or_default();
    match word.parse() {
        Ok(address) => {
            if let Some(draft) = low.bfd_draft() {
                draft.neighbor = Some(address);
            }
        }
        Err(_) => {
            let text = format!("has malformed neighbor address {word}, ignoring instance");
            low.bfd_error(line, 1, "bfd-neighbor", &text);
            if let Some(open) = low.bfd.open.get_mut(&Stage::Bfd) {
                open.broken = true;
            }
        }
    }
}

/// `source_ip ADDR`.
pub(crate) fn source_ip(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if !low.bfd_reads(line, Stage::Bfd) {
        return;
    }
    let word = line.word(1).unwrap_or_default();
    match word.parse() {
        Ok(address) => {
            if let Some(draft) = low.bfd_draft() {
                draft.source = Some(address);
            }
        }
        Err(_) => {
            let text = format!("has malformed source address {word}, ignoring");
            low.bfd_error(line, 1, "bfd-source", &text);
        }
    }
}

/// `min_rx MSEC`.
pub(crate) fn min_rx(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let interval = low.bfd_interval(line, "min_rx", SHORTEST);
    if let (Some(interval), Some(draft)) = (interval, low.bfd_draft()) {
        draft.min_rx = Some(interval);
    }
}

/// `min_tx MSEC`.
pub(crate) fn min_tx(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let interval = low.bfd_interval(line, "min_tx", SHORTEST);
    if let (Some(interval), Some(draft)) = (interval, low.bfd_draft()) {
        draft.min_tx = Some(interval);
    }
}

/// `idle_tx MSEC`.
pub(crate) fn idle_tx(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let interval = low.bfd_interval(line, "idle_tx", SHORTEST_IDLE);
    if let (Some(interval), Some(draft)) = (interval, low.bfd_draft()) {
        draft.idle_tx = Some(interval);
    }
}

/// `multiplier N`.
pub(crate) fn multiplier(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let number = low.bfd_number(line, "multiplier");
    if let (Some(number), Some(draft)) = (number, low.bfd_draft()) {
        draft.multiplier = Some(number);
    }
}

/// `ttl N` or `hoplimit N`.
pub(crate) fn ttl(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let number = low.bfd_number(line, "ttl/hoplimit");
    if let (Some(number), Some(draft)) = (number, low.bfd_draft()) {
        draft.ttl = Some(number);
    }
}

/// `max_hops N`; -1 is the same as 255.
pub(crate) fn max_hops(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if !low.bfd_reads(line, Stage::Bfd) {
        return;
    }
    match low.signed(line, 1, -1, 255) {
        Some(number) => {
            if let Some(draft) = low.bfd_draft() {
                draft.max_hops = Some(u8::try_from(number).unwrap_or(u8::MAX));
            }
        }
        None => {
            let word = line.word(1).unwrap_or_default();
            let text = format!("max_hops value {word} not valid (must be in range [-1-255]), ignoring");
            low.bfd_error(line, 1, "bfd-number", &text);
        }
    }
}

/// `passive`.
pub(crate) fn passive(low: &mut Lowering<'_>, _: Line<'_, '_>) {
    if let Some(draft) = low.bfd_draft() {
        draft.passive = true;
    }
}

/// `multihop [BOOL]`.
pub(crate) fn multihop(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if low.stage != Stage::Bfd {
        return;
    }
    match low.flag(line) {
        Some(value) => {
            if let Some(draft) = low.bfd_draft() {
                draft.multihop = value;
            }
        }
        None => {
            let word = line.word(1).unwrap_or_default();
            low.bfd_error(
                line,
                1,
                "bfd-multihop",
                &format!("multihop value {word} is not valid, ignoring"),
            );
        }
    }
}

/// `vrrp`.
pub(crate) fn vrrp(low: &mut Lowering<'_>, _: Line<'_, '_>) {
    if let Some(draft) = low.bfd_draft() {
        draft.vrrp = true;
    }
}

/// `checker`.
pub(crate) fn checker(low: &mut Lowering<'_>, _: Line<'_, '_>) {
    if let Some(draft) = low.bfd_draft() {
        draft.checker = true;
    }
}

/// `weight N [reverse]`, which only the vrrp process reads.
pub(crate) fn weight(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if !low.bfd_reads(line, Stage::Vrrp) {
        return;
    }
    let Some(value) = low.signed(line, 1, -WEIGHT, WEIGHT) else {
        let word = line.word(1).unwrap_or_default();
        let text = format!("weight value {word} not valid (must be in range [-{WEIGHT}-{WEIGHT}]), ignoring");
        return low.bfd_error(line, 1, "bfd-weight", &text);
    };
    let reverse = match line.word(2) {
        None => false,
        Some("reverse") => true,
        Some(word) => {
            low.bfd_error(line, 2, "bfd-weight", &format!("unknown weight option {word}"));
            false
        }
    };
    if let Some(open) = low.bfd.open.get_mut(&Stage::Vrrp) {
        open.weight = Weight {
            value: value as i32,
            reverse,
        };
    }
}

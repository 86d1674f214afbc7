//! Rule lines: `virtual_rules` and `static_rules` (`spec/config-language.md` 13.3).
//!
//! One line, one rule, its words in any order. What one line can say wrong is said here in upstream's words, and drops
//! that line only.

use super::Lowering;
use super::words::{Dropped, Words, family};
use crate::diagnostic::Class;
use crate::names::number;
use crate::tree::Statement;
use base::{Family, Prefix};
use vrrp::config::Rule;
use vrrp::config::route::PROTOCOL_KEEPALIVED;
use vrrp::config::rule::RuleAction;

type Line<'s, 't> = &'s Statement<'t>;

/// The code of what is said about rules.
const CODE: &str = "rule";
/// The preference the first rule of a family gets that says none; the next gets one less.
const FIRST_PREFERENCE: u32 = 16384;

/// What a line says until it is complete.
struct Draft {
    family: Option<Family>,
    action: Option<RuleAction>,
    preference: Option<u32>,
    protocol: Option<u8>,
    track_group: Option<String>,
    /// With an action that says nothing until the end.
    rule: Rule,
}

/// `virtual_rules`: its entries say everything.
pub(crate) fn virtual_block(_: &mut Lowering<'_>, _: Line<'_, '_>) {}

/// An entry of `virtual_rules`.
pub(crate) fn virtual_entry(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if !low.has_room(line, crate::limits::Cost::Rule) {
        return;
    }
    if let Ok((rule, _)) = read(low, line, false)
        && let Some(instance) = low.current()
    {
        instance.draft.rules.push(rule);
    }
}

/// `static_rules`.
pub(crate) fn static_block(low: &mut Lowering<'_>, _: Line<'_, '_>) {
    low.has_vrrp = true;
}

/// An entry of `static_rules`.
pub(crate) fn static_entry(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if !low.has_room(line, crate::limits::Cost::Rule) {
        return;
    }
    let Ok((rule, group)) = read(low, line, true) else {
        return;
    };
    low.statics.tie(group, rule.interfaces().collect());
    low.statics.items.rules.push(rule);
}

fn read(low: &mut Lowering<'_>, line: Line<'_, '_>, fixed: bool) -> Result<(Rule, Option<String>), Dropped> {
    let mut draft = Draft {
        family: None,
        action: None,
        preference: None,
        protocol: None,
        track_group: None,
        rule: Rule::new(Family::V4, 0, RuleAction::Nop),
    };
    let mut words = Words::new(line);
    while let Some(word) = words.take() {
        option(low, &mut words, word, &mut draft, fixed)?;
    }
    finish(low, &words, draft)
}

fn option(
    low: &mut Lowering<'_>,
    words: &mut Words<'_, '_>,
    word: &str,
    draft: &mut Draft,
    fixed: bool,
) -> Result<(), Dropped> {
    let rule = &mut draft.rule;
    match word {
        "from" => rule.from = selector(low, words, "from", &mut draft.family)?,
        "to" => rule.to = selector(low, words, "to", &mut draft.family)?,
        "inet" | "inet6" => {
            let forced = family(word);
            if let (Some(forced), Some(other)) = (forced, draft.family)
                && forced != other
            {
                return words.refuse(low, CODE, format!("{word} specified for {other} rule"));
            }
            draft.family = forced.or(draft.family);
        }
        "not" => rule.invert = true,
        "preference" | "order" | "priority" => {
            let value = words.value(low)?;
            match number(value) {
                Some(preference) => draft.preference = Some(preference),
                None => return wrong_number(low, words, format!("Invalid rule preference {word} specified")),
            }
        }
        "tos" | "dsfield" => rule.tos = tos(low, words)?,
        "fwmark" => rule.mark = Some(mark(low, words)?),
        "realms" => {
            let value = words.value(low)?;
            rule.realms = low.names().realms(value);
            if rule.realms.is_none() {
                return words.refuse(low, CODE, format!("invalid realms {value} for rule"));
            }
        }
        "suppress_prefixlength" | "sup_pl" => {
            let wrong = |_: &str| format!("Invalid suppress_prefixlength {word} specified");
            rule.suppress_prefix_length = Some(words.number(low, CODE, (0, i32::MAX as u32), wrong)?);
        }
        "suppress_ifgroup" | "sup_group" => {
            let value = words.value(low)?;
            rule.suppress_group = low.names().group(value);
            if rule.suppress_group.is_none() {
                return words.refuse(low, CODE, format!("suppress_group {value} is invalid"));
            }
        }
        "dev" | "iif" => rule.iif = Some(words.interface(low, "rule")?),
        "oif" => rule.oif = Some(words.interface(low, "rule")?),
        "tunnel-id" => {
            let wrong = |_: &str| format!("Invalid tunnel-id {word} specified");
            rule.tunnel_id = Some(words.long(low, CODE, wrong)?);
        }
        "uidrange" => match range(words.value(low)?) {
            Some(uids) => rule.uids = Some(uids),
            None => return words.refuse(low, CODE, format!("Invalid uidrange {word} specified")),
        },
        "sport" => rule.source_ports = Some(ports(low, words, word)?),
        "dport" => rule.destination_ports = Some(ports(low, words, word)?),
        "ipproto" => {
            let value = words.value(low)?;
            rule.ip_protocol = ip_protocol(value);
            if rule.ip_protocol.is_none() {
                return words.refuse(low, CODE, format!("Invalid ipproto {value}"));
            }
        }
        "protocol" => {
            let wrong = |value: &str| format!("Invalid protocol {value}");
            draft.protocol = Some(words.number(low, CODE, (0, 255), wrong)? as u8);
        }
        "no_track" => rule.tracked = false,
        "track_group" if fixed => draft.track_group = low.track_group(words)?,
        _ => return action(low, words, word, draft),
    }
    Ok(())
}

/// `table T`, `l3mdev`, or `[type] ACTION`.
fn action(low: &mut Lowering<'_>, words: &mut Words<'_, '_>, word: &str, draft: &mut Draft) -> Result<(), Dropped> {
    const ONE_ACTION: &str = "Cannot specify more than one of table/nop/goto/blackhole/prohibit/unreachable";
    if word == "table" || word == "lookup" {
        if draft.action.is_some() {
            return words.refuse(low, CODE, format!("{ONE_ACTION} for rule"));
        }
        let name = words.value(low)?;
        draft.action = Some(RuleAction::Table(match low.names().table(name) {
            Some(0) => return words.refuse(low, CODE, "Table 0 is not valid".to_owned()),
            Some(table) => table,
            None => return words.refuse(low, CODE, format!("Routing table {name} not found for rule")),
        }));
        return Ok(());
    }
    if word == "l3mdev" {
        if draft.action.is_some() {
            return words.refuse(low, CODE, "Cannot specify l3mdev with other action".to_owned());
        }
        draft.action = Some(RuleAction::L3mdev);
        return Ok(());
    }
    let word = if word == "type" { words.value(low)? } else { word };
    let action = match word {
        "goto" => RuleAction::Goto(0),
        "nop" => RuleAction::Nop,
        "blackhole" => RuleAction::Blackhole,
        "unreachable" => RuleAction::Unreachable,
        "prohibit" => RuleAction::Prohibit,
        other => return words.refuse(low, CODE, format!("Unknown rule option {other}")),
    };
    if draft.action.is_some() {
        return words.refuse(low, CODE, format!("{ONE_ACTION}/l3mdev for rule"));
    }
    draft.action = Some(action);
    if action == RuleAction::Goto(0) {
        match number(words.value(low)?) {
            Some(target) => draft.action = Some(RuleAction::Goto(target)),
            None => return wrong_number(low, words, format!("Invalid target {word} specified")),
        }
    }
    Ok(())
}

/// Says that the last word is no number, and what follows from it.
fn wrong_number<T>(low: &mut Lowering<'_>, words: &Words<'_, '_>, text: String) -> Result<T, Dropped> {
    let value = words.line.word(words.at - 1).unwrap_or_default();
    let message = format!("invalid number '{value}'");
    low.say(words.line, words.at - 1, Class::InvalidNumber, "number", message);
    words.refuse(low, CODE, text)
}

/// `from` and `to`; `None`: everything.
fn selector(
    low: &mut Lowering<'_>,
    words: &mut Words<'_, '_>,
    which: &str,
    known: &mut Option<Family>,
) -> Result<Option<Prefix>, Dropped> {
    if let Some("all" | "any" | "default") = words.peek() {
        words.at += 1;
        return Ok(None);
    }
    let wrong = |word: &str| format!("Invalid rule {which} address {word}");
    let prefix = words.prefix(low, CODE, wrong)?;
    let family = prefix.family();
    if known.replace(family).is_some_and(|other| other != family) {
        return words.refuse(low, CODE, "rule specification has mixed IPv4 and IPv6".to_owned());
    }
    Ok((!prefix.is_empty()).then_some(prefix))
}

/// A value of the DS field.
pub(super) fn tos(low: &mut Lowering<'_>, words: &mut Words<'_, '_>) -> Result<u8, Dropped> {
    let word = words.value(low)?;
    match low.names().field(word) {
        Some(field) => Ok(field),
        None => words.refuse(low, CODE, format!("TOS value {word} is invalid")),
    }
}

/// `V[/M]`.
fn mark(low: &mut Lowering<'_>, words: &mut Words<'_, '_>) -> Result<(u32, Option<u32>), Dropped> {
    let word = words.value(low)?;
    let read = match word.split_once('/') {
        Some((value, mask)) => number(value).zip(number(mask)).map(|(value, mask)| (value, Some(mask))),
        None => number(word).map(|value| (value, None)),
    };
    match read {
        Some(mark) => Ok(mark),
        None => words.refuse(low, CODE, format!("Invalid rule fwmark {word} specified")),
    }
}

/// `A-B`.
fn range<T: std::str::FromStr>(word: &str) -> Option<(T, T)> {
    let (from, to) = word.split_once('-')?;
    from.parse().ok().zip(to.parse().ok())
}

fn ports(low: &mut Lowering<'_>, words: &mut Words<'_, '_>, which: &str) -> Result<(u16, u16), Dropped> {
    let word = words.value(low)?;
    match range(word) {
        Some(ports) => Ok(ports),
        None => words.refuse(low, CODE, format!("invalid {which} range {word}")),
    }
}

/// A protocol by number, or by one of the names of /etc/protocols that rules are written for.
fn ip_protocol(word: &str) -> Option<u8> {
    let known = match word {
        "icmp" => 1,
        "igmp" => 2,
        "tcp" => 6,
        "udp" => 17,
        "dccp" => 33,
        "ipv6" => 41,
        "gre" => 47,
        "esp" => 50,
        "ah" => 51,
        "ipv6-icmp" | "icmpv6" => 58,
        "ospf" => 89,
        "vrrp" => 112,
        "sctp" => 132,
        "udplite" => 136,
        other => return number(other).and_then(|number| u8::try_from(number).ok()),
    };
    Some(known)
}

/// The rules between the words of a line.
fn finish(low: &mut Lowering<'_>, words: &Words<'_, '_>, draft: Draft) -> Result<(Rule, Option<String>), Dropped> {
    let mut rule = draft.rule;
    rule.family = draft.family.unwrap_or(Family::V4);
    let Some(action) = draft.action else {
        return words.refuse(low, CODE, "No action specified for rule - ignoring".to_owned());
    };
    rule.action = action;
    if let Some(text) = contradiction(&rule, draft.preference) {
        low.error(words.line, 0, CODE, text);
        return Err(Dropped);
    }
    if let Some(protocol) = draft.protocol {
        rule.protocol = protocol;
    }
    if rule.tracked && rule.protocol != PROTOCOL_KEEPALIVED {
        let text = format!(
            "Rule cannot be tracked if protocol is not RTPROT_KEEPALIVED({PROTOCOL_KEEPALIVED}), resetting protocol"
        );
        low.error(words.line, 0, CODE, text);
        rule.protocol = PROTOCOL_KEEPALIVED;
    }
    let mut group = draft.track_group;
    if group.is_some() && rule.iif.is_none() {
        let text = "Static rule cannot have track_group if dev/iif not specified".to_owned();
        low.error(words.line, 0, CODE, text);
        group = None;
    }
    if group.is_some() && !rule.tracked {
        let text = "Static rule has both track_group and no_track set - not tracking".to_owned();
        low.say(words.line, 0, Class::Notice, CODE, text);
        group = None;
    }
    rule.preference = match draft.preference {
        Some(preference) => preference,
        None => {
            let preference = low.next_preference(rule.family, FIRST_PREFERENCE);
            let text = format!(
                "Rule has no preference specified - setting to {preference}. This is probably not what you want."
            );
            low.error(words.line, 0, CODE, text);
            preference
        }
    };
    Ok((rule, group))
}

/// What a rule says against itself.
fn contradiction(rule: &Rule, preference: Option<u32>) -> Option<String> {
    let narrows = rule.suppress_prefix_length.is_some() || rule.suppress_group.is_some() || rule.realms.is_some();
    if rule.realms.is_some() && rule.family == Family::V6 {
        return Some("realms is only valid for IPv4".to_owned());
    }
    match (rule.action, preference) {
        (RuleAction::Goto(target), None) => Some(format!(
            "Invalid rule - goto target {target} specified without preference"
        )),
        (RuleAction::Goto(target), Some(own)) if own >= target => {
            Some(format!("Invalid rule - preference {own} >= goto target {target}"))
        }
        (RuleAction::Table(_), _) => None,
        (_, _) if narrows => Some("suppressor/realm specified for non table action - skipping".to_owned()),
        (_, _) => None,
    }
}

//! What only one kind of check has, `HTTP_GET` and `SSL_GET` apart.

use super::super::lvs::MiscReading;
use super::Line;
use crate::lower::Lowering;
use crate::model::Command;
use check::config::{CommandName, FileWeight, RecordType};
use check::draft::{ConnectionDraft, DnsDraft, FileDraft, Inherited, Kind, MiscDraft, SmtpDraft};
use std::sync::Arc;
use std::time::Duration;

/// The longest `misc_timeout`, in seconds.
const LONGEST_RUN: u64 = 4294;
/// The longest label of a name, in bytes (RFC 1035 section 2.3.4).
const LABEL: usize = 63;
/// The longest name, in bytes with its dots (RFC 1035 section 2.3.4: 255 with lengths and root).
const NAME: usize = 253;

macro_rules! openers {
    ($($name:ident $kind:expr;)*) => {
        $(pub(crate) fn $name(low: &mut Lowering<'_>, line: Line<'_, '_>) {
            super::open(low, line, $kind);
        })*
    };
}

openers! {
    open_tcp Kind::Tcp;
    open_ping Kind::Ping;
    open_smtp Kind::Smtp(SmtpDraft::default());
    open_dns Kind::Dns(DnsDraft::default());
    open_udp Kind::Udp(Box::default());
    open_file Kind::File(FileDraft::default());
    open_bfd Kind::Bfd(None);
}

/// A draft of one kind, if that is what is being read.
macro_rules! kind {
    ($low:expr, $kind:ident) => {
        match $low.lvs.check.as_mut().map(|check| &mut check.kind) {
            Some(Kind::$kind(draft)) => Some(draft),
            _ => None,
        }
    };
}

/// `helo_name STRING`.
pub(crate) fn helo_name(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some(word) = line.word(1) else {
        return low.error(line, 0, "check-smtp", "SMTP_CHECK helo name missing".to_owned());
    };
    let helo = low.lvs.share(word);
    if let Some(smtp) = kind!(low, Smtp) {
        smtp.helo = Some(helo);
    }
}

/// `host {`: a check of its own, in the old form.
pub(crate) fn open_host(low: &mut Lowering<'_>, _: Line<'_, '_>) {
    low.lvs.host = Some((Inherited::default(), ConnectionDraft::default()));
}

/// The end of a `host`.
pub(crate) fn close_host(low: &mut Lowering<'_>, _: Line<'_, '_>) {
    if let Some(host) = low.lvs.host.take()
        && let Some(smtp) = kind!(low, Smtp)
    {
        smtp.hosts.push(host);
    }
}

/// `type TYPE`.
pub(crate) fn dns_type(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some(record) = line.word(1).and_then(RecordType::named) else {
        return low.wrong_value(line, |word| format!("Unknown DNS check type {word} - ignoring"));
    };
    if let Some(dns) = kind!(low, Dns) {
        dns.record = Some(record);
    }
}

/// `name DOMAIN`.
pub(crate) fn dns_name(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let word = line.word(1).unwrap_or_default();
    let taken = kind!(low, Dns).is_some_and(|dns| dns.name.is_some());
    let name = if word == "." { "" } else { word };
    let text = if taken {
        "DNS_CHECK name already specified - ignoring".to_owned()
    } else if !name.is_empty() && name.split('.').any(str::is_empty) {
        format!("DNS_CHECK name '{word}' has empty label - ignoring")
    } else if name.len() > NAME || name.split('.').any(|label| label.len() > LABEL) {
        // Upstream cuts such labels while it makes the packet; see docs/divergences.md, "dns-name-length".
        format!("DNS_CHECK name '{word}' has too long a label or is too long - ignoring")
    } else {
        let name = low.lvs.share(name);
        if let Some(dns) = kind!(low, Dns) {
            dns.name = Some(name);
        }
        return;
    };
    low.error(line, 1, "check-dns", text);
}

/// Bytes in hexadecimal digits with the bits that count; `None` if it is no such text.
///
/// Two digits are a byte, and one that white space follows; with `any`, `x` is a digit that may be any.
fn hex(text: &str, any: bool) -> Option<Vec<(u8, u8)>> {
    let digit = |c: char| match c {
        'x' | 'X' if any => Some((0, 0)),
        _ => c.to_digit(16).map(|value| (value as u8, 0xf)),
    };
    let mut bytes = Vec::new();
    for word in text.split_ascii_whitespace() {
        let mut chars = word.chars();
        while let Some(first) = chars.next() {
            let (high, high_mask) = digit(first)?;
            bytes.push(match chars.next() {
                Some(second) => {
                    let (low, low_mask) = digit(second)?;
                    (high << 4 | low, high_mask << 4 | low_mask)
                }
                // A digit alone is a byte: its high digit is zero.
                None => (high, 0xf0 | high_mask),
            });
        }
    }
    Some(bytes)
}

/// Everything after the keyword.
fn rest(line: Line<'_, '_>) -> String {
    line.from(1).collect::<Vec<_>>().join(" ")
}

/// `payload HEX`.
pub(crate) fn payload(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if line.word(1).is_none() {
        let text = "UDP_CHECK payload requires a payload";
        return low.error(line, 0, "check-udp", text.to_owned());
    }
    let Some(bytes) = hex(&rest(line), false) else {
        let text = "Invalid hex string for UDP_CHECK payload";
        return low.error(line, 1, "check-udp", text.to_owned());
    };
    if let Some(udp) = kind!(low, Udp) {
        udp.payload = Some(bytes.into_iter().map(|(byte, _)| byte).collect());
    }
}

/// `require_reply [HEX]`.
pub(crate) fn require_reply(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let pattern = line.word(1).map(|_| hex(&rest(line), true));
    if let Some(udp) = kind!(low, Udp) {
        udp.require_reply = true;
    }
    match pattern {
        Some(Some(pattern)) => {
            if let Some(udp) = kind!(low, Udp) {
                udp.pattern = Some(pattern);
            }
        }
        Some(None) => {
            let text = "Invalid hex string for UDP_CHECK reply";
            low.error(line, 1, "check-udp", text.to_owned());
        }
        None => {}
    }
}

fn reply_length(low: &mut Lowering<'_>, line: Line<'_, '_>, which: &str) -> Option<u16> {
    let most = u32::from(u16::MAX);
    let value = low.unsigned(line, 1, 0, most);
    if value.is_none() {
        low.wrong_value(line, |word| {
            format!("UDP_CHECK {which} length {word} not valid - must be between 0 & {most}")
        });
    }
    value.map(|value| value as u16)
}

/// `min_reply_length N`.
pub(crate) fn min_reply_length(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let value = reply_length(low, line, "min");
    if let Some(udp) = kind!(low, Udp) {
        udp.min = value.or(udp.min);
    }
}

/// `max_reply_length N`.
pub(crate) fn max_reply_length(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let value = reply_length(low, line, "max");
    if let Some(udp) = kind!(low, Udp) {
        udp.max = value.or(udp.max);
    }
}

/// `MISC_CHECK {`.
pub(crate) fn open_misc(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    low.lvs.misc = MiscReading::default();
    super::open(low, line, Kind::Misc(MiscDraft::default()));
}

/// `misc_path COMMAND`. Words after the command are nothing: the identity has its own keyword.
pub(crate) fn misc_path(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if line.word(1).is_none_or(str::is_empty) {
        return;
    }
    if let Some(arguments) = low.program(line) {
        let words = crate::token::script_words(line.text.text).unwrap_or_default();
        low.lvs.misc.path = words.into_iter().nth(1);
        low.lvs.misc.arguments = arguments;
    }
}

/// `misc_timeout SECS`.
pub(crate) fn misc_timeout(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some(seconds) = low.unsigned(line, 1, 0, LONGEST_RUN as u32) else {
        return low.wrong_value(line, |word| format!("Invalid misc_timeout value '{word}'"));
    };
    if let Some(misc) = kind!(low, Misc) {
        misc.timeout = Some(Duration::from_secs(u64::from(seconds)));
    }
}

/// `misc_dynamic`.
pub(crate) fn misc_dynamic(low: &mut Lowering<'_>, _: Line<'_, '_>) {
    if let Some(misc) = kind!(low, Misc) {
        misc.dynamic = true;
    }
}

/// `user USER [GROUP]`.
pub(crate) fn misc_user(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some(user) = line.word(1) else {
        let path = low.lvs.misc.path.clone().unwrap_or_default();
        let text = format!("No user specified for misc checker script {path}");
        return low.error(line, 0, "check-misc", text);
    };
    let identity = low.identity(line, 1, user, line.word(2), "script");
    if identity.is_none() {
        let path = low.lvs.misc.path.clone().unwrap_or_default();
        let text = format!("Failed to set uid/gid for misc checker script {path} - removing");
        low.error(line, 1, "check-misc", text);
    }
    low.lvs.misc.user = Some(identity);
}

/// The end of a `MISC_CHECK`: command and identity are one.
pub(crate) fn close_misc(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let MiscReading { path, arguments, user } = std::mem::take(&mut low.lvs.misc);
    let named = user.is_some();
    let identity = match user {
        Some(named) => named,
        None => {
            let usual = low.default_identity();
            if let (Some(path), None) = (&path, &usual) {
                let text = format!("Unable to set default user for misc script {path} - removing");
                low.error(line, 0, "check-misc", text);
            }
            usual
        }
    };
    if path.is_some() && identity.is_none() {
        // It has been said why.
        low.lvs.check = None;
        return;
    }
    if let (Some(path), Some(identity)) = (path, identity) {
        let name = if named {
            format!("{path} as {}:{}", identity.user, identity.gid)
        } else {
            path
        };
        let command = Command {
            arguments,
            file: None,
            identity,
        };
        let name = CommandName(low.lvs.share(&name));
        if let Some(misc) = kind!(low, Misc) {
            misc.command = Some(name.clone());
        }
        low.lvs
            .servers
            .commands
            .entry(name)
            .or_insert_with(|| Arc::new(command));
    }
    super::close(low, line);
}

/// `track_file NAME`: one that is defined above.
pub(crate) fn track_file(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let word = line.word(1).unwrap_or_default();
    let Some(weight) = low.tracking.files.get(word).map(|file| file.weight) else {
        low.error(line, 1, "check-file", format!("track_file {word} not found"));
        if !low.wants_hints() {
            return;
        }
        let near = crate::suggest::nearest(word, low.tracking.files.keys().map(String::as_str));
        let near = near.map(|near| format!("did you mean `{near}`?"));
        return low.hint(near.into_iter().collect());
    };
    let file = low.lvs.share(word);
    if let Some(draft) = kind!(low, File) {
        draft.file = Some(file);
        draft.default = Some(FileWeight {
            factor: weight.value,
            reverse: weight.reverse,
        });
    }
}

/// `weight N [reverse|noreverse]`.
pub(crate) fn file_weight(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    if line.word(1).is_none() {
        return low.error(line, 0, "check-file", "track file weight missing".to_owned());
    }
    let most = i64::from(i32::MAX);
    let Some(factor) = low.signed(line, 1, -most, most) else {
        let text = format!(
            "weight for track file must be in [{}..{most}] inclusive. Ignoring...",
            -most
        );
        return low.error(line, 1, "check-file", text);
    };
    let reverse = match line.word(2) {
        None | Some("noreverse") => false,
        Some("reverse") => true,
        Some(word) => {
            let text = format!("unknown track file weight option {word} - ignoring");
            return low.error(line, 2, "check-file", text);
        }
    };
    if let Some(file) = kind!(low, File) {
        file.weight = Some(FileWeight {
            factor: factor as i32,
            reverse,
        });
    }
}

/// `name NAME` of a BFD session.
pub(crate) fn bfd_name(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let (Some(word), None) = (line.word(1), line.word(2)) else {
        let who = low.real_name();
        let text = format!("({who}) BFD_CHECK - No or too many names specified - skipping checker");
        low.error(line, 0, "check-bfd", text);
        low.lvs.check = None;
        return;
    };
    if !low.bfd.checked.contains(word) {
        let text = format!("({}) BFD_CHECK - BFD {word} not configured", low.real_name());
        low.error(line, 1, "check-bfd", text);
        low.lvs.check = None;
        return;
    }
    let taken = kind!(low, Bfd).and_then(|session| session.clone());
    if let Some(taken) = taken {
        let who = low.real_name();
        let text = format!("({who}) BFD_CHECK - BFD {word} already specified as {taken}");
        return low.error(line, 1, "check-bfd", text);
    }
    let name = low.lvs.share(word);
    if let Some(session) = kind!(low, Bfd) {
        *session = Some(name);
    }
}

/// The end of a `BFD_CHECK`.
pub(crate) fn close_bfd(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let nameless = kind!(low, Bfd).is_some_and(|session| session.is_none());
    if nameless {
        let text = format!(
            "({}) No name has been specified for BFD_CHECKER - skipping",
            low.real_name()
        );
        low.error(line, 0, "check-bfd", text);
        low.lvs.check = None;
    }
    super::close(low, line);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_pairs_of_digits_or_digits_alone() {
        assert_eq!(
            hex("01 2 ab0", false),
            Some(vec![(1, 0xff), (2, 0xff), (0xab, 0xff), (0, 0xff)])
        );
        assert_eq!(hex("0g", false), None);
        assert_eq!(hex("x1", false), None);
    }

    #[test]
    fn an_x_is_any_digit_in_a_pattern() {
        assert_eq!(hex("x1 2X xx", true), Some(vec![(1, 0x0f), (0x20, 0xf0), (0, 0)]));
        assert_eq!(hex("x", true), Some(vec![(0, 0xf0)]));
    }
}

//! `HTTP_GET`, `SSL_GET` and their pages.

use super::super::lvs::service::check_found;
use super::Line;
use crate::diagnostic::Class;
use crate::lower::Lowering;
use check::config::{DIGEST_LEN, HttpVersion, RegexOptions};
use check::draft::{HttpDraft, Kind, UrlDraft};
use std::sync::Arc;

/// `HTTP_GET {`.
pub(crate) fn open_http(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    super::open(low, line, Kind::Http(Box::default()));
}

/// `SSL_GET {`.
pub(crate) fn open_ssl(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let draft = HttpDraft {
        tls: true,
        ..HttpDraft::default()
    };
    super::open(low, line, Kind::Http(Box::new(draft)));
}

fn http<'l>(low: &'l mut Lowering<'_>) -> Option<&'l mut HttpDraft> {
    match &mut low.lvs.check.as_mut()?.kind {
        Kind::Http(http) => Some(http),
        Kind::Tcp
        | Kind::Smtp(_)
        | Kind::Dns(_)
        | Kind::Udp(_)
        | Kind::Ping
        | Kind::Misc(_)
        | Kind::File(_)
        | Kind::Bfd(_) => None,
    }
}

/// `nb_get_retry N`, the old name of `retry`.
pub(crate) fn nb_get_retry(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let text = "nb_get_retry is deprecated - please use 'retry'";
    low.say(line, 0, Class::Deprecated, "deprecated", text.to_owned());
    let Some(value) = low.unsigned(line, 1, 0, u32::MAX) else {
        return low.wrong_value(line, |word| format!("Invalid nb_get_retry value '{word}'"));
    };
    if let Some(common) = low.check_common() {
        common.retry = Some(value);
    }
}

/// `virtualhost STRING` of the check.
pub(crate) fn virtualhost(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some(word) = line.word(1) else {
        return low.error(line, 0, "check-http", "HTTP_GET virtualhost name missing".to_owned());
    };
    let host = low.lvs.share(word);
    if let Some(http) = http(low) {
        http.host = Some(host);
    }
}

/// `http_protocol 1.0|1.0C|1.0c|1.1`.
pub(crate) fn http_protocol(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let version = match line.word(1) {
        Some("1.0") => HttpVersion::V10,
        Some("1.0C" | "1.0c") => HttpVersion::V10Close,
        Some("1.1") => HttpVersion::V11,
        Some(word) => {
            let text = format!("Invalid http_protocol version {word}");
            return low.error(line, 1, "check-http", text);
        }
        None => return low.error(line, 0, "check-http", "Missing http_protocol version".to_owned()),
    };
    if let Some(http) = http(low) {
        http.version = version;
    }
}

/// `enable_sni [BOOL]`.
pub(crate) fn enable_sni(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let value = low.switch_or(line, "Invalid enable_sni parameter");
    if let (Some(value), Some(http)) = (value, http(low)) {
        http.enable_sni = value;
    }
}

/// `sni_name [NAME]`: implies `enable_sni`.
pub(crate) fn sni_name(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let name = line.word(1).map(|word| low.lvs.share(word));
    if let Some(http) = http(low) {
        http.enable_sni = true;
        http.sni_name = name.or(http.sni_name.take());
    }
}

/// `fast_recovery [BOOL]`.
pub(crate) fn fast_recovery(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let value = low.switch_or(line, "Invalid fast_recovery parameter");
    if let (Some(value), Some(http)) = (value, http(low)) {
        http.fast_recovery = value;
    }
}

/// `tls_compliant [BOOL]` of the check or of a page.
pub(crate) fn tls_compliant(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some(value) = low.switch_or(line, "Invalid tls_compliant parameter") else {
        return;
    };
    if let Some(url) = &mut low.lvs.url {
        url.tls_compliant = Some(value);
    } else if let Some(http) = http(low) {
        http.tls_compliant = value;
    }
}

/// `url {`.
pub(crate) fn open_url(low: &mut Lowering<'_>, _: Line<'_, '_>) {
    low.lvs.url = Some(UrlDraft::default());
}

/// The end of a `url`.
pub(crate) fn close_url(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some(draft) = low.lvs.url.take() else { return };
    let mut findings = Vec::new();
    let settled = draft.settle(&mut findings);
    for finding in findings {
        check_found(low, line, finding);
    }
    match settled {
        Ok(url) => {
            if let Some(http) = http(low) {
                http.urls.push(url);
            }
        }
        Err(finding) => check_found(low, line, finding),
    }
}

/// Upstream says this only in the log of a running daemon.
fn noted(low: &mut Lowering<'_>, line: Line<'_, '_>, word: usize, text: String) {
    low.say(line, word, Class::Notice, "check-regex", text);
}

/// `path PATH`.
pub(crate) fn path(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let path = low.lvs.share(line.word(1).unwrap_or_default());
    if let Some(url) = &mut low.lvs.url {
        url.path = Some(path);
    }
}

/// `digest HEX`.
pub(crate) fn digest(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let word = line.word(1).unwrap_or_default();
    let (expected, len) = (2 * DIGEST_LEN, word.len());
    if len != expected {
        let text = format!("digest '{word}' character length should be {expected} rather than {len}");
        return low.error(line, 1, "check-http", text);
    }
    let mut digest = [0; DIGEST_LEN];
    for (at, (byte, pair)) in digest.iter_mut().zip(word.as_bytes().chunks(2)).enumerate() {
        match hex_pair(pair) {
            Some(value) => *byte = value,
            None => {
                let shown = String::from_utf8_lossy(pair).into_owned();
                let text = format!(
                    "Unable to interpret hex digit in '{shown}' at offset {}/{}",
                    2 * at,
                    2 * at + 1
                );
                return low.error(line, 1, "check-http", text);
            }
        }
    }
    let Some(url) = &mut low.lvs.url else { return };
    if url.digest.is_some() {
        return low.error(line, 1, "check-http", format!("Digest '{word}' is a duplicate"));
    }
    url.digest = Some(digest);
}

fn hex_pair(pair: &[u8]) -> Option<u8> {
    let &[high, low] = pair else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    Some(digit(high)? << 4 | digit(low)?)
}

/// `status_code N[-N] ...`.
pub(crate) fn status_code(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some(mut url) = low.lvs.url.take() else { return };
    for (at, word) in line.from(1).enumerate() {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        let allowed = match (code(first), code(last)) {
            (Some(first), Some(last)) => url.status.allow(first, last),
            _ => false,
        };
        if !allowed {
            let text = format!("Invalid HTTP_GET status code '{word}'");
            low.error(line, at + 1, "check-http", text);
        }
    }
    low.lvs.url = Some(url);
}

fn code(word: &str) -> Option<u16> {
    word.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| word.parse().ok())
        .flatten()
}

/// `virtualhost STRING` of a page.
pub(crate) fn url_virtualhost(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some(word) = line.word(1) else {
        let text = "Missing HTTP_GET virtualhost name";
        return low.error(line, 0, "check-http", text.to_owned());
    };
    let host = low.lvs.share(word);
    if let Some(url) = &mut low.lvs.url {
        url.host = Some(host);
    }
}

/// `regex PATTERN`, with the quoting of commands.
pub(crate) fn regex(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let words = crate::token::command(line.text.text).unwrap_or_default();
    let [_, pattern] = words.as_slice() else {
        return noted(low, line, 0, "regex missing or too many fields".to_owned());
    };
    if let Some(url) = &mut low.lvs.url {
        url.regex = Some(Arc::from(pattern.as_slice()));
    }
}

/// `regex_no_match`.
pub(crate) fn regex_no_match(low: &mut Lowering<'_>, _: Line<'_, '_>) {
    if let Some(url) = &mut low.lvs.url {
        url.no_match = true;
    }
}

/// `regex_options OPTION ...`.
pub(crate) fn regex_options(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    for (at, word) in line.from(1).enumerate() {
        let name = word.to_ascii_uppercase();
        let known = RegexOptions::from_name(&name).filter(|_| word.bytes().all(|b| !b.is_ascii_uppercase()));
        match (known, &mut low.lvs.url) {
            (Some(option), Some(url)) => url.options |= option,
            _ => noted(low, line, at + 1, format!("Unknown regex option {word} - ignoring")),
        }
    }
}

fn offset(low: &mut Lowering<'_>, line: Line<'_, '_>, which: &str) -> Option<u64> {
    let (Some(word), None) = (line.word(1), line.word(2)) else {
        noted(
            low,
            line,
            0,
            format!("Missing or too may options for regex_{which}_offset"),
        );
        return None;
    };
    let value = word.parse().ok();
    if value.is_none() {
        noted(low, line, 1, format!("Invalid regex_{which}_offset {word} specified"));
    }
    value
}

/// `regex_min_offset N`.
pub(crate) fn regex_min_offset(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let value = offset(low, line, "min");
    if let Some(url) = &mut low.lvs.url {
        url.min_offset = value.or(url.min_offset);
    }
}

/// `regex_max_offset N`.
pub(crate) fn regex_max_offset(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let value = offset(low, line, "max");
    if let Some(url) = &mut low.lvs.url {
        url.max_offset = value.or(url.max_offset);
    }
}

/// `regex_stack START MAX`.
pub(crate) fn regex_stack(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let (Some(start), Some(max)) = (line.word(1), line.word(2)) else {
        return noted(low, line, 0, "regex_stack requires start and max values".to_owned());
    };
    let positive = |word: &str| word.parse::<u64>().ok().filter(|value| *value > 0);
    let text = match (positive(start), positive(max)) {
        (None, _) => "regex_stack invalid start value",
        (_, None) => "regex_stack invalid max value",
        (Some(start), Some(max)) if start > max => "regex stack start cannot exceed max value",
        (Some(start), Some(max)) => {
            if let Some(url) = &mut low.lvs.url {
                url.stack = Some((start, max));
            }
            return;
        }
    };
    noted(low, line, 1, text.to_owned());
}

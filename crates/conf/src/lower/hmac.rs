//! `auth_hmac` and what is inside it.
//!
//! Keys go nowhere but into the draft: no message here shows more of a `key` line than its number and the path of its
//! file, and while the block is open nothing of a line that is not known to be harmless is shown by anybody.

use super::Lowering;
use crate::bundle::{LoadError, SecretFile};
use crate::diagnostic::Class;
use crate::tree::Statement;
use std::path::PathBuf;
use vrrp::config::{AntiReplay, HmacMode, Key, KeyId, MAX_KEY, MIN_KEY, WINDOWS};
use vrrp::draft::HmacDraft;

type Line<'s, 't> = &'s Statement<'t>;

/// The file of a key, as the bundle has it.
#[derive(Clone, Debug)]
pub(crate) struct KeyFile {
    pub(crate) path: PathBuf,
    pub(crate) content: Result<SecretFile, LoadError>,
}

/// Keywords of the block whose lines hold no key.
pub(super) fn is_harmless(word: &str) -> bool {
    [
        "auth_hmac",
        "active_key",
        "time_window",
        "anti_replay",
        "mode",
        "{",
        "}",
    ]
    .contains(&word)
}

/// Whether a word may be a key in the wrong place.
pub(super) fn may_be_key(word: &str) -> bool {
    word.len() >= MIN_KEY || word.starts_with("hex:")
}

/// `auth_hmac {`.
pub(crate) fn open(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    low.in_hmac = true;
    if let Some(draft) = low.draft(line, "auth_hmac") {
        draft.hmac.get_or_insert_default();
    }
}

/// The end of `auth_hmac`.
pub(crate) fn close(low: &mut Lowering<'_>, _: Line<'_, '_>) {
    low.in_hmac = false;
}

/// The draft of the block that is open.
fn draft<'l>(low: &'l mut Lowering<'_>, line: Line<'_, '_>, keyword: &'static str) -> Option<&'l mut HmacDraft> {
    low.draft(line, keyword).and_then(|draft| draft.hmac.as_mut())
}

/// `key ID VALUE`.
pub(crate) fn key(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let Some(id) = line.word(1).and_then(|word| word.parse::<KeyId>().ok()) else {
        // The word may be the key itself, its number forgotten.
        let text = " auth_hmac key id not valid - must be between 1 & 255".to_owned();
        return low.wrong(line, "hmac-key", text);
    };
    let value = line.word(2).unwrap_or_default();
    let key = match low.key_file.clone() {
        Some(file) => from_file(low, line, id, &file),
        None => from_text(low, line, id, value.as_bytes()),
    };
    let Some(key) = key else { return };
    if let Some(draft) = draft(low, line, "auth_hmac")
        && draft.keys.insert(id, key).is_some()
    {
        low.wrong(
            line,
            "hmac-key",
            format!(" auth_hmac key {id} is specified twice - using the last one"),
        );
    }
}

/// A key as it stands in a file: what would stand on the line, and the end of the line.
fn from_file(low: &mut Lowering<'_>, line: Line<'_, '_>, id: KeyId, file: &KeyFile) -> Option<Key> {
    let path = file.path.display();
    let content = match &file.content {
        Ok(content) => content,
        Err(error) => {
            let text = format!(" auth_hmac key {id}: file '{path}' open problem ({error})");
            low.wrong(line, "hmac-key-file", text);
            return None;
        }
    };
    if content.open_to_others {
        let text = format!(
            "{} WARNING - auth_hmac key file '{path}' is accessible by group or others",
            low.who()
        );
        low.say(line, 2, Class::Security, "hmac-key-file-open", text);
        low.hint(vec!["give it the mode 0400 or 0600".to_owned()]);
    }
    let bytes = content.bytes.strip_suffix(b"\n").unwrap_or(&content.bytes);
    from_text(low, line, id, bytes)
}

/// `hex:DIGITS`, or the key as text.
fn from_text(low: &mut Lowering<'_>, line: Line<'_, '_>, id: KeyId, text: &[u8]) -> Option<Key> {
    let bytes = match text.strip_prefix(b"hex:") {
        None => text.to_vec(),
        Some(digits) => match unhex(digits) {
            Some(bytes) => bytes,
            None => {
                let text = format!(" auth_hmac key {id} has invalid hexadecimal digits");
                low.wrong(line, "hmac-key", text);
                return None;
            }
        },
    };
    let key = Key::new(&bytes);
    if key.is_none() {
        let text = format!(
            " auth_hmac key {id} has {} bytes - must be between {MIN_KEY} & {MAX_KEY}",
            bytes.len()
        );
        low.wrong(line, "hmac-key", text);
    }
    key
}

fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    let value = |digit: u8| char::from(digit).to_digit(16);
    let byte = |[high, low]: &[u8; 2]| u8::try_from(value(*high)? << 4 | value(*low)?).ok();
    pairs.iter().map(byte).collect()
}

/// `active_key ID`.
pub(crate) fn active_key(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match line.word(1).unwrap_or_default().parse::<KeyId>() {
        Ok(id) => {
            if let Some(draft) = draft(low, line, "active_key") {
                draft.active = Some(id);
            }
        }
        Err(_) => {
            let word = low.shown(line, 1);
            let text = format!(" active_key '{word}' not valid - must be between 1 & 255");
            low.wrong(line, "hmac-active-key", text);
        }
    }
}

/// `time_window SECS`.
pub(crate) fn time_window(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    match low.unsigned(line, 1, *WINDOWS.start(), *WINDOWS.end()) {
        Some(seconds) => {
            if let Some(draft) = draft(low, line, "time_window") {
                draft.window = Some(seconds);
            }
        }
        None => {
            let word = low.shown(line, 1);
            let text = format!(
                " time_window '{word}' not valid - must be between {} & {}",
                WINDOWS.start(),
                WINDOWS.end()
            );
            low.wrong(line, "hmac-time-window", text);
        }
    }
}

/// `anti_replay time|monotonic`.
pub(crate) fn anti_replay(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let word = line.word(1).unwrap_or_default();
    let known = [AntiReplay::Time, AntiReplay::Monotonic];
    let Some(wanted) = known.into_iter().find(|one| one.as_str() == word) else {
        let text = format!(" unknown anti_replay '{}' - ignoring", low.shown(line, 1));
        return low.wrong(line, "hmac-anti-replay", text);
    };
    if let Some(draft) = draft(low, line, "anti_replay") {
        draft.anti_replay = Some(wanted);
    }
}

/// `mode enforce|permissive|receive-only`.
pub(crate) fn mode(low: &mut Lowering<'_>, line: Line<'_, '_>) {
    let word = line.word(1).unwrap_or_default();
    let known = [HmacMode::Enforce, HmacMode::Permissive, HmacMode::ReceiveOnly];
    let Some(wanted) = known.into_iter().find(|one| one.as_str() == word) else {
        let text = format!(" unknown auth_hmac mode '{}' - ignoring", low.shown(line, 1));
        return low.wrong(line, "hmac-mode", text);
    };
    if let Some(draft) = draft(low, line, "mode") {
        draft.mode = Some(wanted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits_come_in_pairs() {
        assert_eq!(unhex(b"00fFa0"), Some(vec![0, 255, 160]));
        assert_eq!(unhex(b"0"), None);
        assert_eq!(unhex(b"0g"), None);
    }
}

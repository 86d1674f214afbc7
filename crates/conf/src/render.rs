//! The picture of a diagnostic, as rustc draws it, and what is never shown in one.
//!
//! Passwords are masked wherever a line of a file is shown, in pictures and in messages.

use crate::bundle::Bundle;
use crate::diagnostic::{Diagnostic, Location};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// Keywords whose value is a secret.
const SECRETS: [&str; 2] = ["auth_pass", "password"];

/// Whether a word is a keyword whose value is a secret, or a slip of the finger away from one.
pub(crate) fn is_secret_keyword(word: &str) -> bool {
    // Looking for a slip of the finger is dear; a word that shares no syllable is none.
    let near = || ["pas", "auth", "word"].iter().any(|part| word.contains(part));
    SECRETS.contains(&word) || near() && crate::suggest::nearest(word, SECRETS.into_iter()).is_some()
}

/// A line with the values of secrets as asterisks, one for each byte.
pub(crate) fn mask(line: &str) -> String {
    let mut masked = String::with_capacity(line.len());
    let mut secret = false;
    let mut before = "";
    for piece in line.split_inclusive([' ', '\t', '{', '}', '=', '"']) {
        if secret {
            masked.extend(
                piece
                    .bytes()
                    .map(|b| if b == b' ' || b == b'\t' { char::from(b) } else { '*' }),
            );
            continue;
        }
        let word = piece.trim_end_matches([' ', '\t', '{', '}', '=', '"']);
        // `key ID VALUE` is a shared key; `key FILE` is a name.
        let in_place_of_id = before == "key" && !looks_like_a_file(word);
        if word.starts_with("hex:") || in_place_of_id && word.bytes().any(|b| !b.is_ascii_digit()) {
            secret = true;
            masked.extend(
                piece
                    .bytes()
                    .map(|b| if b == b' ' || b == b'\t' { char::from(b) } else { '*' }),
            );
            continue;
        }
        secret = is_secret_keyword(word) || before == "key" && !word.is_empty();
        masked.push_str(piece);
        if !word.is_empty() {
            before = word;
        }
    }
    masked
}

/// Whether a word after `key` may be shown because it names a file and is no key.
fn looks_like_a_file(word: &str) -> bool {
    !word.starts_with("hex:") && word.len() < vrrp::config::MIN_KEY && word.contains(['/', '.'])
}

/// What is cut out of a file for a picture: one line, and where the span is in it.
struct Cut {
    text: String,
    from: usize,
    to: usize,
}

fn cut(bundle: &Bundle, at: &Location, hidden: bool) -> Option<Cut> {
    let text = bundle.text(at.source)?;
    let start = at.span.start.min(text.len());
    let begin = text.get(..start)?.rfind('\n').map_or(0, |newline| newline + 1);
    let end = text
        .get(start..)?
        .find('\n')
        .map_or(text.len(), |newline| start + newline);
    let line = text.get(begin..end)?.trim_end_matches('\r');
    // Control characters would move the carets or the terminal; each becomes one visible byte.
    let shown = if hidden { hide(line) } else { mask(line) };
    let line: String = shown
        .chars()
        .map(|c| if c.is_control() && c != '\t' { '?' } else { c })
        .collect();
    let from = (start - begin).min(line.len());
    let to = (at.span.end.max(start) - begin).clamp(from, line.len());
    let floor = |mut at: usize| {
        while !line.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let (from, to) = (floor(from), floor(to));
    Some(Cut { text: line, from, to })
}

/// A line of which nothing may be seen but how long it is.
fn hide(line: &str) -> String {
    line.bytes()
        .map(|b| if b == b' ' || b == b'\t' { char::from(b) } else { '*' })
        .collect()
}

impl Diagnostic {
    /// Upstream's line as it is, and under it the picture: source line with a caret, the way the text took, hints.
    pub fn render(&self, bundle: &Bundle, color: bool) -> String {
        let level = match self.class.severity() {
            "note" => Level::NOTE,
            "warning" => Level::WARNING,
            _ => Level::ERROR,
        };
        let main = self
            .at
            .as_ref()
            .and_then(|at| Some((at, cut(bundle, at, self.hidden)?)));
        let notes: Vec<_> = self
            .origin
            .iter()
            .map(|note| (note, note.at.as_ref().and_then(|at| cut(bundle, at, self.hidden))))
            .collect();
        let mut group = Group::with_title(level.primary_title(self.message.as_str()).id(self.code));
        if let Some((at, cut)) = &main {
            let mut caret = AnnotationKind::Primary.span(cut.from..cut.to);
            if let Some(text) = &self.expands_to {
                caret = caret.label(format!("expands to `{text}`"));
            }
            group = group.element(picture(at, cut).annotation(caret));
        }
        let mut groups = Vec::new();
        for hint in &self.hints {
            group = group.element(Level::HELP.message(hint.as_str()));
        }
        groups.push(group);
        for (note, cut) in &notes {
            let title = Level::NOTE.secondary_title(note.text.as_str());
            let mut group = Group::with_title(title);
            if let (Some(at), Some(cut)) = (&note.at, cut) {
                group = group.element(picture(at, cut).annotation(AnnotationKind::Primary.span(cut.from..cut.to)));
            }
            groups.push(group);
        }
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let drawn = renderer.render(&groups);
        // The first line of the drawing is a title of its own; ours is the line that scripts know.
        match drawn.split_once('\n') {
            Some((_, picture)) => format!("{self}\n{picture}"),
            None => self.to_string(),
        }
    }
}

fn picture<'c>(at: &'c Location, cut: &'c Cut) -> Snippet<'c, annotate_snippets::Annotation<'c>> {
    Snippet::source(cut.text.as_str())
        .line_start(at.line as usize)
        .path(&*at.file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_a_secret_is_masked_byte_by_byte() {
        assert_eq!(mask("  auth_pass geheim # x"), "  auth_pass ****** * *");
        assert_eq!(
            mask("authentication { auth_pass \"a b\" }"),
            "authentication { auth_pass ** ** *"
        );
        assert_eq!(mask("auth_pas geheim"), "auth_pas ******");
        assert_eq!(mask("key 1 hex:00"), "key 1 ******");
        assert_eq!(mask("key abc geheim"), "key *** ******");
        assert_eq!(mask("key hex:00"), "key ******");
        assert_eq!(mask("$K=hex:00"), "$K=******");
        assert_eq!(mask("key \"1 a\" b"), "key \"1 ** *");
        assert_eq!(mask("key file.pem"), "key file.pem");
        assert_eq!(mask("priority 100"), "priority 100");
    }
}

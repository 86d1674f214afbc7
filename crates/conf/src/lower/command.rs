//! Commands: the lines of script keywords, and whose identity they run under.
//!
//! Decides how a command is split into program and arguments (`spec/config-language.md` 4.2) and which user is named.
//! Whether the program exists, and whether others may change it, is asked of the facts; how it is run is the daemon's.

use super::Lowering;
use crate::model::{Command, User};
use crate::tree::Statement;

impl Lowering<'_> {
    /// `KEYWORD COMMAND [USER [GROUP]]`; `None` if nothing can be run, and then it has been said why.
    pub(crate) fn command(&mut self, line: &Statement<'_>) -> Option<Command> {
        let keyword = line.word(0).unwrap_or_default().to_owned();
        let Ok(words) = crate::token::script_words(line.text.text) else {
            self.error(line, 1, "script", format!("Unbalanced quotes in {keyword}"));
            return None;
        };
        let mut words = words.into_iter().skip(1);
        let text = words.next()?;
        let user = words.next().map(|user| User {
            user,
            group: words.next(),
        });
        let Ok(arguments) = crate::token::command(&text) else {
            self.error(line, 1, "script", format!("Unbalanced quotes in {keyword}"));
            return None;
        };
        if arguments.is_empty() {
            self.error(line, 1, "script", format!("{keyword}: no script specified"));
            return None;
        }
        Some(Command { arguments, user })
    }
}

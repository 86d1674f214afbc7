//! What a configuration says, line by line, with everything expanded and each line in its block.
//!
//! For those who judge how something is written, where [`crate::model`] says what it means. Every keyword of the tables
//! is here, whether something reads it or not. It decides nothing about values and complains about nothing; secrets are
//! masked, so that what is shown of it shows none.

use crate::bundle::{Bundle, Replay};
use crate::diagnostic::Location;
use crate::expand::Reader;
use crate::keywords::{self, Block, Keyword, Shape};
use crate::limits;
use crate::resolve::location;
use crate::source::Sources;
use crate::token;
use crate::tree::Statement;

/// A line: a keyword, or an entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The keyword; empty for an entry.
    pub keyword: &'static str,
    /// The words behind the keyword, or all words of an entry. The command of a script is one word.
    pub words: Vec<String>,
    /// Where the line stands.
    pub at: Option<Location>,
    /// What is in its block.
    pub inside: Vec<Item>,
}

impl Item {
    /// A word by its number, from 0; the keyword does not count.
    pub fn word(&self, number: usize) -> Option<&str> {
        self.words.get(number).map(String::as_str)
    }

    /// Everything inside with this keyword.
    pub fn all<'i>(&'i self, keyword: &'i str) -> impl Iterator<Item = &'i Item> {
        self.inside.iter().filter(move |item| item.keyword == keyword)
    }

    /// The last one inside with this keyword: it is the one that counts.
    pub fn get(&self, keyword: &str) -> Option<&Item> {
        self.inside.iter().rev().find(|item| item.keyword == keyword)
    }
}

/// A block whose end has not come yet.
struct Open {
    item: Item,
    inside: Inside,
    needs_open: bool,
}

#[derive(Clone, Copy)]
enum Inside {
    Block(&'static Block),
    Entries,
}

/// Reads a bundle to its end. As total as [`crate::compile`], and under the same limits.
pub fn read(bundle: &Bundle) -> Vec<Item> {
    let mut reader = Reader::new(bundle.facts(), Replay::new(bundle));
    reader.open_main(bundle.main());
    let mut outline = Outline {
        done: Vec::new(),
        open: Vec::new(),
    };
    let mut words = Vec::new();
    for _ in 0..limits::OUTLINE_LINES {
        if reader.next().is_none() {
            break;
        }
        let Some(logical) = reader.line() else { break };
        let balanced = token::words(logical.text.text, &mut words);
        let line = Statement {
            text: logical.text,
            words: &words,
            balanced,
            at: logical.at,
            secret: logical.secret,
        };
        outline.push(&line, reader.sources());
    }
    while outline.close() {}
    outline.done
}

struct Outline {
    done: Vec<Item>,
    open: Vec<Open>,
}

impl Outline {
    fn push(&mut self, line: &Statement<'_>, sources: &Sources) {
        let Some(first) = line.word(0) else { return };
        let (opens, closes) = (line.text.text == "{", line.text.text == "}");
        if let Some(open) = self.open.last_mut().filter(|open| open.needs_open) {
            open.needs_open = false;
            if opens {
                return;
            }
        }
        if closes {
            self.close();
            return;
        }
        let inside = self.open.last().map(|open| open.inside);
        let row = match inside {
            Some(Inside::Entries) => {
                let words = shown(line, 0);
                self.add(item("", words, line, sources));
                return;
            }
            Some(Inside::Block(block)) => block.find(first),
            None => keywords::root(first).map(|(_, row)| row),
        };
        // Words that are no keyword here are the business of a check.
        let Some(row) = row else { return };
        let item = item(row.name, words_of(row, line), line, sources);
        let inside = match row.shape {
            Shape::Line | Shape::Script => return self.add(item),
            Shape::Values(..) => Inside::Entries,
            Shape::Block(block) => Inside::Block(block),
        };
        if self.open.len() < limits::BLOCK_DEPTH {
            self.open.push(Open {
                item,
                inside,
                needs_open: true,
            });
        }
    }

    fn add(&mut self, item: Item) {
        match self.open.last_mut() {
            Some(open) => open.item.inside.push(item),
            None => self.done.push(item),
        }
    }

    /// Ends the innermost block, if there is one.
    fn close(&mut self) -> bool {
        let Some(open) = self.open.pop() else { return false };
        self.add(open.item);
        true
    }
}

fn item(keyword: &'static str, words: Vec<String>, line: &Statement<'_>, sources: &Sources) -> Item {
    Item {
        keyword,
        words,
        at: location(line.at, sources),
        inside: Vec::new(),
    }
}

/// The words behind a keyword.
fn words_of(row: &Keyword, line: &Statement<'_>) -> Vec<String> {
    let secret = line.secret || crate::render::is_secret_keyword(row.name);
    match (row.shape, token::script_words(line.text.text)) {
        (Shape::Script, Ok(words)) if !secret => words.into_iter().skip(1).collect(),
        _ => shown(line, 1),
    }
}

/// Words from a number on. A secret keeps its length and nothing else.
fn shown(line: &Statement<'_>, from: usize) -> Vec<String> {
    let masked = crate::render::mask(line.text.text);
    let cut = |range: &std::ops::Range<usize>| {
        if line.secret {
            return "*".repeat(range.len());
        }
        masked.get(range.clone()).unwrap_or_default().to_owned()
    };
    line.words.iter().skip(from).map(cut).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Facts, MapLoader, load};

    fn outline(text: &str) -> Vec<Item> {
        let loader = MapLoader::default().with("/k.conf", text);
        read(&load("/k.conf", Facts::default(), &loader))
    }

    #[test]
    fn lines_stand_in_their_blocks_with_everything_expanded() {
        let all = outline("$P=7\nvrrp_instance A {\n  priority $P\n  virtual_ipaddress { 192.0.2.1 dev e0 }\n}\n");
        let [instance] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!((instance.keyword, instance.word(0)), ("vrrp_instance", Some("A")));
        assert_eq!(instance.get("priority").unwrap().words, ["7"]);
        assert_eq!(instance.get("priority").unwrap().at.as_ref().unwrap().line, 3);
        let entry = &instance.get("virtual_ipaddress").unwrap().inside[0];
        assert_eq!(
            (entry.keyword, entry.words.as_slice()),
            ("", &["192.0.2.1".to_owned(), "dev".into(), "e0".into()][..])
        );
    }

    #[test]
    fn a_command_is_one_word_and_a_secret_is_its_length() {
        let all = outline(
            "vrrp_script s { script \"/bin/x -y\" }\nvrrp_instance A { authentication { auth_pass geheim123 } }\n",
        );
        assert_eq!(all[0].get("script").unwrap().words, ["/bin/x -y"]);
        let password = all[1].get("authentication").unwrap().get("auth_pass").unwrap();
        assert_eq!(password.words, ["*********"]);
    }

    #[test]
    fn an_outline_ends_after_so_many_lines() {
        let all = outline("global_defs {\n~SEQ(A,1,400000) router_id x\n}\n");
        assert_eq!(all[0].inside.len(), limits::OUTLINE_LINES - 2);
    }

    #[test]
    fn a_block_that_never_ends_is_there_all_the_same() {
        let all = outline("vrrp_instance A {\n priority 7\n nonsense {\n");
        assert_eq!(all[0].get("priority").unwrap().words, ["7"]);
    }
}

//! One typing mistake in a good file: where the original complains of the line, so do we.
//!
//! Takes the files of the corpus in which the original finds nothing wrong, makes a mistake in one line, and asks both.
//! The corpus and the original lie outside the repository; without them the test says so and passes.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use base::rng::Rng;
use lab::daemon::Binary;
use lab::netns::Namespace;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

#[path = "support/corpus.rs"]
#[allow(dead_code, reason = "shared by several test programs")]
mod corpus;

/// Mistakes made in each file.
const EACH: usize = 30;

/// Of a hundred lines of which the original complains, so many must be noticed. It may rise, never fall.
const NOTICED: usize = 99;

#[test]
fn a_typing_mistake_that_the_original_notices_is_noticed_on_its_line() {
    let (Some(root), Some(original)) = (corpus::find(), Binary::upstream()) else {
        println!("no corpus, or no original keepalived: nothing compared");
        return;
    };
    let place = corpus::place(&root);
    let ours = Binary::ours().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut rng = Rng::from_seed(1);
    let (mut judged, mut missed) = (0, Vec::new());
    for file in corpus::clean(&root) {
        let text = fs::read_to_string(root.join("configs").join(&file)).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        if text.contains("include") || lines.is_empty() {
            continue;
        }
        for _ in 0..EACH {
            let Some((number, changed)) = mistake(&lines, &mut rng) else {
                continue;
            };
            let path = folder.path().join("k.conf");
            let mut all: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            all.splice(number - 1..number, [changed.clone()]);
            fs::write(&path, all.join("\n") + "\n").unwrap();
            if !complained(&place, &original.path, &path).contains(&number) {
                continue;
            }
            judged += 1;
            if !complained(&place, &ours.path, &path).contains(&number) {
                missed.push(format!("{file}:{number}: {changed}"));
            }
        }
    }
    println!("{judged} mistakes that the original notices, {} missed", missed.len());
    println!("{}", missed.join("\n"));
    assert!(judged > 100, "only {judged} mistakes judged");
    assert!(
        (judged - missed.len()) * 100 >= judged * NOTICED,
        "{}",
        missed.join("\n")
    );
}

/// The lines of which a check complains.
fn complained(place: &Namespace, program: &Path, file: &Path) -> BTreeSet<usize> {
    let output = place
        .inside(|| {
            Command::new("timeout")
                .args(["10"])
                .arg(program)
                .args(["-t", "-f"])
                .arg(file)
                .stdin(Stdio::null())
                .output()
        })
        .unwrap()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    said.lines()
        .filter(|line| !line.contains("not implemented yet"))
        .filter_map(|line| line.split_once("Line ")?.1.split_once(')')?.0.parse().ok())
        .collect()
}

/// A line with a mistake, and its number.
fn mistake(lines: &[&str], rng: &mut Rng) -> Option<(usize, String)> {
    let number = pick(rng, lines.len());
    let line = lines.get(number)?;
    let code = line.split(['#', '!']).next().unwrap_or_default();
    let first = code.split_whitespace().next()?;
    let changed = match pick(rng, 4) {
        0 => line.replacen(first, &misspelt(first, rng), 1),
        1 if code.contains('{') => line.replacen('{', "", 1),
        1 if code.contains('}') => line.replacen('}', "} }", 1),
        2 if code.contains('"') => line.replacen('"', "", 1),
        _ => {
            let digit = code.find(|c: char| c.is_ascii_digit())?;
            let (before, after) = line.split_at(digit);
            let garbage = ["x", "99999999999", "-", "o"];
            format!("{before}{}{after}", garbage.get(pick(rng, garbage.len()))?)
        }
    };
    (changed != **line).then_some((number + 1, changed))
}

fn misspelt(word: &str, rng: &mut Rng) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    let at = pick(rng, letters.len());
    match pick(rng, 3) {
        0 => {
            letters.remove(at);
        }
        1 => letters.insert(at, 'q'),
        _ if at > 0 => letters.swap(at, at - 1),
        _ => letters.push('s'),
    }
    letters.into_iter().collect()
}

fn pick(rng: &mut Rng, below: usize) -> usize {
    rng.below(below as u64) as usize
}

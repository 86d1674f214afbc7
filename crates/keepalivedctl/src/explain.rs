//! What a keyword is, for somebody who has met it in a file.

use conf::keywords;
use conf::suggest::nearest;
use std::fmt::Write;

/// Everything about a keyword, in every block that has it; or why there is nothing.
pub(crate) fn explain(asked: &str) -> Result<String, String> {
    let (path, name) = match asked.rsplit_once('/') {
        Some((path, name)) => (Some(path), name),
        None => (None, asked),
    };
    let mut text = String::new();
    for (block, row) in keywords::all() {
        if row.name != name || path.is_some_and(|path| path != block) {
            continue;
        }
        let place = if block == "(root)" { "the top level" } else { block };
        let _ = writeln!(text, "{name}, in {place}");
        let _ = writeln!(text, "  written  {}", row.arguments);
        for (what, value) in [("values", row.range), ("default", row.default)] {
            if !value.is_empty() {
                let _ = writeln!(text, "  {what:<8} {value}");
            }
        }
        let _ = writeln!(text, "  {}", row.help);
        if row.lower.is_none() {
            let _ = writeln!(text, "  Known, but not implemented yet.");
        }
        text.push('\n');
    }
    if !text.is_empty() {
        return Ok(text.trim_end().to_owned() + "\n");
    }
    let known = keywords::all();
    let near = nearest(name, known.iter().map(|(_, row)| row.name));
    Err(match near {
        Some(near) => format!("no keyword `{asked}`; did you mean `{near}`?"),
        None => format!("no keyword `{asked}`"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyword_is_explained_in_every_block_that_has_it() {
        let text = explain("delay_loop").unwrap();
        assert!(text.contains("delay_loop, in virtual_server\n"), "{text}");
        assert!(text.contains("in virtual_server/real_server/TCP_CHECK\n"), "{text}");
    }

    #[test]
    fn a_path_chooses_one_block() {
        let text = explain("vrrp_instance/priority").unwrap();
        assert!(
            text.contains("1-255") && text.matches("priority, in").count() == 1,
            "{text}"
        );
    }

    #[test]
    fn a_slip_of_the_finger_is_noticed() {
        assert_eq!(
            explain("priorty"),
            Err("no keyword `priorty`; did you mean `priority`?".to_owned())
        );
        assert_eq!(explain("zzzzzz"), Err("no keyword `zzzzzz`".to_owned()));
    }
}

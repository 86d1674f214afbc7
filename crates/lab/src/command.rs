//! Running the system's own tools, and the one error type of the lab.
//!
//! The lab builds its world with `ip`, `nft` and friends: slower than netlink, but what it does can be read in a
//! timeline and repeated by hand.

use std::fmt;
use std::io::Write;
use std::process::{Command, Stdio};

/// Something the lab itself could not do: no verdict about the daemon under test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble(String);

impl Trouble {
    /// Trouble in a person's words.
    pub fn new(what: impl Into<String>) -> Trouble {
        Trouble(what.into())
    }

    /// For `map_err`: what was being done when this error came.
    pub fn when<E: fmt::Display>(doing: impl fmt::Display) -> impl FnOnce(E) -> Trouble {
        move |error| Trouble(format!("{doing}: {error}"))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Trouble {}

/// What most of the lab returns.
pub type Result<T> = std::result::Result<T, Trouble>;

/// Runs a program to its end with `input` on its standard input and returns what it printed.
pub fn run(program: &str, arguments: &[&str], input: &str) -> Result<String> {
    let shown = || format!("{program} {}", arguments.join(" "));
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| Trouble::new(format!("cannot run `{}` (try `make setup`): {e}", shown())))?;
    let fed = child.stdin.take().map(|mut pipe| pipe.write_all(input.as_bytes()));
    let output = child.wait_with_output().map_err(Trouble::when(shown()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Trouble::new(format!("`{}` failed: {}\n{input}", shown(), said.trim())));
    }
    if let Some(Err(error)) = fed {
        return Err(Trouble::new(format!("`{}` did not read its input: {error}", shown())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_fails_is_trouble_with_its_own_words() {
        let trouble = run("ls", &["/does-not-exist"], "").unwrap_err().to_string();
        assert!(
            trouble.contains("ls /does-not-exist") && trouble.contains("No such file"),
            "{trouble}"
        );
    }

    #[test]
    fn a_program_that_is_missing_is_trouble_that_says_what_to_do() {
        let trouble = run("no-such-program", &[], "").unwrap_err().to_string();
        assert!(trouble.contains("make setup"), "{trouble}");
    }

    #[test]
    fn what_a_program_prints_is_returned() {
        assert_eq!(run("cat", &[], "as it is").unwrap(), "as it is");
    }
}

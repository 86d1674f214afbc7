//! What came of a probe.

use check::judge::Answer;
use std::fmt;
use std::time::Duration;

/// What came of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The answer, for the judge.
    pub answer: Answer,
    /// Why it is not good, in upstream's words, as they stand in the middle of its lines ("timeout" of "TCP connection to
    /// [..] timeout."). Empty if it is good. For [`Answer::Unasked`] a whole sentence.
    pub reason: String,
    /// What else is known.
    pub details: Details,
}

impl Outcome {
    pub(crate) fn good() -> Outcome {
        Outcome::new(Answer::Good, String::new())
    }

    pub(crate) fn bad(reason: impl fmt::Display) -> Outcome {
        Outcome::new(Answer::Bad, reason.to_string())
    }

    pub(crate) fn unasked(reason: impl fmt::Display) -> Outcome {
        Outcome::new(Answer::Unasked, reason.to_string())
    }

    /// With the error behind it.
    pub(crate) fn because(mut self, error: impl fmt::Display) -> Outcome {
        self.details.error = Some(error.to_string());
        self
    }

    fn new(answer: Answer, reason: String) -> Outcome {
        Outcome {
            answer,
            reason,
            details: Details::default(),
        }
    }
}

/// What is known of a probe beside its answer: for logs at a high level, dumps and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// From the first to the last system call.
    pub took: Duration,
    /// The path of the page that was asked for.
    pub path: Option<std::sync::Arc<str>>,
    /// The status of HTTP, or the error of DNS.
    pub status: Option<u16>,
    /// The MD5 of the page, if a digest was wanted.
    pub digest: Option<[u8; check::config::DIGEST_LEN]>,
    /// The length its header named and the bytes that came, if they differ: worth a line once, nothing more.
    pub length_differs: Option<(u64, u64)>,
    /// The error behind the answer ("Connection refused (os error 111)"), if there is one.
    pub error: Option<String>,
}

/// What is wrong with checks, and is found before any of them asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble(pub String);

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

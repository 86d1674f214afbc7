//! Everything in the language that could grow without end, and where it stops.
//!
//! The crate promises a verdict on any bytes in bounded time and memory; these are the bounds. Reaching one is a
//! diagnostic that names it, never a silent cut.

/// The longest line, in bytes, before and after expansion. Longer lines are reported and left out, as upstream does.
pub const LINE_BYTES: usize = 1023;

/// How deep files may include files. A file that includes itself ends here.
pub const INCLUDE_DEPTH: usize = 32;

/// Files one configuration may be made of.
pub const INCLUDED_FILES: usize = 10_000;

/// Rounds of substitution on one line. Only a definition that contains itself needs more than a few.
pub const SUBSTITUTION_ROUNDS: u32 = 100;

/// Repetitions and multi-line definitions that may be inside each other on one line.
pub const NESTED_EXPANSIONS: usize = 64;

/// Steps of work a configuration may cost: one for each logical line, each substitution and each 64 bytes expanded.
///
/// 65,024 instances of twenty lines made by `~SEQ` need about five million; nested sequences that would run for
/// hours end here after a few seconds.
pub const EXPANSION_STEPS: u64 = 6_000_000;

/// Bytes that what a configuration describes may take: instances, addresses, routes, rules, servers and checks, each counted
/// with its [`Cost`]. 65,024 instances, or 50,000 real servers with their checks, have room twice over; what comes after is
/// left out, which is said once.
pub const MODEL_BYTES: u32 = 160 * 1024 * 1024;

/// Bytes that a thing takes while the configuration is read, roughly. Measured, as some hundred thousand of one kind divided:
/// instances, addresses, routes, and a real server together with one check; the others are estimates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Cost {
    /// An instance without what is in it.
    Instance = 1_400,
    /// A virtual or static address.
    Address = 350,
    /// A route.
    Route = 650,
    /// A rule.
    Rule = 400,
    /// A virtual server without what is in it.
    Service = 1_500,
    /// A real server without its checks.
    Real = 700,
    /// A check.
    Check = 750,
    /// A line of a virtual server group, a peer, a tracked object.
    Entry = 150,
}

/// Diagnostics kept. What comes after is counted and said in one line.
pub const DIAGNOSTICS: usize = 10_000;

/// Diagnostics that are only counted; then reading ends. No file that somebody wrote has so many mistakes.
pub const UNKEPT: usize = 100_000;

/// Expansions inside each other after which a step costs one more.
pub const CHEAP_DEPTH: u64 = 8;

/// Diagnostics that get hints; looking for what was meant costs more than everything else about a wrong word.
pub const HINTS: usize = 1_000;

/// Steps an iteration of a repetition costs: it sets variables and copies its line.
pub const ITERATION_STEPS: u64 = 6;

/// Expansions whose way is remembered. Diagnostics about later ones say where, but not all of how.
pub const ORIGINS: usize = 200_000;

/// Lines an outline keeps. What comes after is not judged by the linter; nobody writes so much, and a bomb of repetitions would
/// take hundreds of megabytes.
pub const OUTLINE_LINES: usize = 300_000;

/// Total bytes of all files. A configuration is text written by people; what is larger was included by mistake.
pub const TOTAL_BYTES: usize = 256 * 1024 * 1024;

/// Bytes of a file that holds a key (`key ID file:PATH`): 64 bytes as hexadecimal digits, and room for a mistake that can
/// then be named.
pub const KEY_FILE_BYTES: usize = 1024;

/// Blocks inside blocks. No keyword table is deeper than five; the limit guards the walker's stack.
pub const BLOCK_DEPTH: usize = 16;

/// Programs, users, groups and hosts asked about, each. What comes later counts as not found, which is said.
pub const QUESTIONS: usize = 10_000;

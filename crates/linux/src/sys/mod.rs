//! Raw system calls: the only `unsafe` code of the project.
//!
//! Only what the safe wrappers of `nix` and `socket2` lack: many messages in one call with control messages, and
//! integer socket options without a name there; and the matcher of PCRE2, whose safe crate knows a third of its options. Everything here has a safe interface; nothing here has an opinion.

pub(crate) mod carrier;
pub(crate) mod messages;
mod option;
pub(crate) mod pcre;
pub(crate) mod process;
pub(crate) mod sandbox;

pub(crate) use option::set_option;

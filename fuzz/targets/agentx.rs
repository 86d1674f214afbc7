//! Any bytes as what a master agent says. `make fuzz TARGET=agentx SECONDS=600`.
#![no_main]

mod agent;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| agent::hear(bytes));

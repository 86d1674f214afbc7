//! Any bytes as messages between processes, records, tracked files, answers of mail relays. `make fuzz TARGET=daemon SECONDS=600`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| keepalived::foreign::read(bytes));

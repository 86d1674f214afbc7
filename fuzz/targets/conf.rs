//! Any bytes as a configuration. `make fuzz TARGET=conf SECONDS=600`.
#![no_main]

mod read;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| read::read(bytes));

//! Any bytes as pattern and body of a page. `make fuzz TARGET=search SECONDS=600`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| prober::foreign::read(bytes));

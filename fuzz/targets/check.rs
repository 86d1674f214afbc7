//! Any bytes as answers of servers to health checks. `make fuzz TARGET=check SECONDS=600`.
#![no_main]

mod answers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| answers::read(bytes));

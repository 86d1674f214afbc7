//! Any bytes as what the kernel says. `make fuzz TARGET=netlink SECONDS=600`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| linux::foreign::read(bytes));

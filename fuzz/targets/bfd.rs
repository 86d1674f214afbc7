//! Any bytes as datagrams of a neighbour. `make fuzz TARGET=bfd SECONDS=600`.
#![no_main]

mod datagrams;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| datagrams::receive(bytes));

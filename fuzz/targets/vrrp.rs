//! Any bytes as adverts of other routers. `make fuzz TARGET=vrrp SECONDS=600`.
#![no_main]

mod adverts;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| adverts::receive(bytes));

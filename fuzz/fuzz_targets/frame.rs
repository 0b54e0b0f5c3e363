//! libFuzzer's door to the target `frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| andiron_fuzz::frame::frame(data));

//! libFuzzer's door to the target `recovery`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| andiron_fuzz::recovery::recovery(data));

//! libFuzzer's door to the target `batches`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| andiron_fuzz::batches::batches(data));

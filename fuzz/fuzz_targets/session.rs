//! libFuzzer's entry to [`rillcast_fuzz::session`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::session(data));

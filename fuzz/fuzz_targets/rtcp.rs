//! libFuzzer's entry to [`rillcast_fuzz::rtcp`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::rtcp(data));

//! libFuzzer's entry to [`rillcast_fuzz::sdp`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::sdp(data));

//! libFuzzer's entry to [`rillcast_fuzz::chunks`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::chunks(data));

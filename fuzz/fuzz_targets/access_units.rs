//! libFuzzer's entry to [`rillcast_fuzz::access_units`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::access_units(data));

//! libFuzzer's entry to [`rillcast_fuzz::flv_tags`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::flv_tags(data));

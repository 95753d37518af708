//! libFuzzer's entry to [`rillcast_fuzz::http_head`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::http_head(data));

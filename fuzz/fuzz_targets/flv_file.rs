//! libFuzzer's entry to [`rillcast_fuzz::flv_file`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::flv_file(data));

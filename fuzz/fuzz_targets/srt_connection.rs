//! libFuzzer's entry to [`rillcast_fuzz::srt_connection`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::srt_connection(data));

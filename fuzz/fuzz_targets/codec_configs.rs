//! libFuzzer's entry to [`rillcast_fuzz::codec_configs`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::codec_configs(data));

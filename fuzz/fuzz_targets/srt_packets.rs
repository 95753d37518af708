//! libFuzzer's entry to [`rillcast_fuzz::srt_packets`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::srt_packets(data));

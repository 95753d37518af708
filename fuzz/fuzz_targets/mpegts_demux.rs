//! libFuzzer's entry to [`rillcast_fuzz::mpegts_demux`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::mpegts_demux(data));

//! libFuzzer's entry to [`rillcast_fuzz::rtsp_session`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::rtsp_session(data));

//! libFuzzer's entry to [`rillcast_fuzz::rtp_payloads`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::rtp_payloads(data));

//! Codecs of Enhanced FLV: what MPEG-TS can carry is played, the rest is told in log and status.

use crate::program::{Running, file, run};

/// A program that plays a recording of the `rtmp` crate as the stream `clip`.
fn play(recording: &str) -> Running {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../rtmp/testdata");
    let config =
        format!("streams: {{clip: {{inputs: [{{url: 'file://{folder}/{recording}.flv?loop=true'}}]}}}}\n");
    Running::start(&mut run(file(&format!("{recording}.yaml"), &config)))
}

/// The warnings of the only stream in the status.
fn warnings(server: &Running) -> Vec<String> {
    let (_, body) = server.get_bytes("/api/v1/streams");
    let status: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    serde_json::from_value(status["streams"][0]["warnings"].clone()).expect("texts")
}

/// Waits until the log has each warning, and finds the same in the status.
fn expect_warnings(server: &mut Running, expected: &[&str]) {
    for warning in expected {
        let line = server.wait_for_log(warning);
        assert!(line.contains(" WARN ") && line.ends_with("stream=clip"), "{line}");
    }
    assert_eq!(warnings(server), expected);
}

/// The first segment in the playlist.
fn segment(server: &Running) -> Vec<u8> {
    let playlist = server.get_when_there("/clip/track_1.m3u8");
    let name = playlist.lines().find(|line| line.ends_with(".ts")).expect("a segment");
    let (head, body) = server.get_bytes(&format!("/clip/{name}"));
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    body
}

/// Whether a program map has an elementary stream of this type (ISO/IEC 13818-1 2.4.4.9) on this PID.
fn has_stream(segment: &[u8], stream_type: u8, pid: u16) -> bool {
    let [high, low] = (0xe000 | pid).to_be_bytes();
    segment.windows(3).any(|bytes| bytes == [stream_type, high, low])
}

#[test]
fn hevc_and_opus_are_carried_with_a_word_about_browsers() {
    let mut server = play("enhanced-hevc-opus");
    let none = "in HLS with MPEG-TS segments is played by no browser";
    expect_warnings(&mut server, &[&format!("track 0: H.265 {none}"), &format!("track 1: Opus {none}")]);
    let segment = segment(&server);
    let top = server.get("/clip/index.m3u8");
    assert!(top.contains("CODECS=\"hvc1.1.6.L30.90,opus\"") && top.contains("RESOLUTION=64x48"), "{top}");
    assert!(has_stream(&segment, 0x24, 0x100) && has_stream(&segment, 0x06, 0x101));
    assert!(segment.windows(6).any(|bytes| bytes == b"\x05\x04Opus"), "the registration of Opus");
}

#[test]
fn vp9_is_left_out_and_the_ac3_beside_it_plays() {
    let mut server = play("enhanced-vp9-ac3");
    expect_warnings(&mut server, &["track 0 is left out of HLS and MPEG-TS: VP9 has no mapping to MPEG-TS"]);
    let segment = segment(&server);
    let top = server.get("/clip/index.m3u8");
    assert!(top.contains("CODECS=\"ac-3\"") && !top.contains("RESOLUTION"), "{top}");
    assert!(has_stream(&segment, 0x81, 0x101) || has_stream(&segment, 0x06, 0x101));
}

#[test]
fn av1_and_flac_are_taken_in_and_no_output_can_carry_them() {
    let mut server = play("enhanced-av1-flac");
    expect_warnings(
        &mut server,
        &[
            "track 0 is left out of HLS and MPEG-TS: no player takes AV1 in MPEG-TS",
            "track 1 is left out of HLS and MPEG-TS: FLAC has no mapping to MPEG-TS",
        ],
    );
    let answer = server.get("/clip/index.m3u8");
    assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{answer}");
    let status = server.get("/api/v1/streams");
    assert!(status.contains("\"codec\":\"AV1\"") && status.contains("\"codec\":\"FLAC\""), "{status}");
}

//! Codecs of Enhanced FLV: DASH and HLS play them all in fragmented MP4; what MPEG-TS cannot carry is told in log and
//! status.

use std::io::{Read as _, Write as _};

use crate::program::{Running, file, run};

/// A program that plays a recording of the `rtmp` crate as the stream `clip`, with these settings of `publisher.hls`.
fn play(recording: &str, hls: &str) -> Running {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../rtmp/testdata");
    let config = format!(
        "publisher: {{hls: {{{hls}}}}}\nstreams: {{clip: {{inputs: [{{url: 'file://{folder}/{recording}.flv?loop=true'}}]}}}}\n"
    );
    let name: String = hls.chars().filter(char::is_ascii_alphanumeric).collect();
    Running::start(&mut run(file(&format!("{recording}{name}.yaml"), &config)))
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

/// The first segment in the playlist, whose name ends like that.
fn segment(server: &Running, end: &str) -> Vec<u8> {
    let playlist = server.get_when_there("/clip/track_1.m3u8");
    let name =
        playlist.lines().find(|line| line.ends_with(end)).unwrap_or_else(|| panic!("{end} in {playlist}"));
    let (head, body) = server.get_bytes(&format!("/clip/{name}"));
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    body
}

/// The beginning of HTTP MPEG-TS.
fn transport(server: &Running) -> Vec<u8> {
    let mut stream = server.connect();
    stream.write_all(b"GET /clip/mpegts HTTP/1.0\r\n\r\n").expect("sent");
    let mut bytes = vec![0; 6000];
    stream.read_exact(&mut bytes).expect("media");
    bytes
}

/// Expects HLS and DASH in fragmented MP4 with these codecs, and no warning.
fn expect_fragments(server: &Running, video: &str, audio: &str) {
    let fragment = segment(server, ".m4s");
    assert_eq!(&fragment[4..8], b"styp");
    let top = server.get_when_there("/clip/index.m3u8");
    assert!(top.contains(&format!("CODECS=\"{video},{audio}\",RESOLUTION=64x48")), "{top}");
    assert!(top.contains("URI=\"sound.1.m3u8\""), "{top}");
    let manifest = server.get_when_there("/clip/index.mpd");
    for codec in [video, audio] {
        assert!(manifest.contains(&format!("codecs=\"{codec}\"")), "{codec} in {manifest}");
    }
    assert_eq!(warnings(server), [""; 0]);
}

/// Whether a program map has an elementary stream of this type (ISO/IEC 13818-1 2.4.4.9) on this PID.
fn has_stream(segment: &[u8], stream_type: u8, pid: u16) -> bool {
    let [high, low] = (0xe000 | pid).to_be_bytes();
    segment.windows(3).any(|bytes| bytes == [stream_type, high, low])
}

#[test]
fn hevc_and_opus_go_out_in_fragments_and_in_http_ts() {
    let server = play("enhanced-hevc-opus", "");
    expect_fragments(&server, "hvc1.1.6.L30.90", "opus");
    let transport = transport(&server);
    assert!(has_stream(&transport, 0x24, 0x100) && has_stream(&transport, 0x06, 0x101));
}

#[test]
fn hevc_and_opus_in_ts_segments_go_with_a_word_about_browsers() {
    let mut server = play("enhanced-hevc-opus", "segment_type: ts");
    let none = "in HLS with MPEG-TS segments is played by no browser";
    expect_warnings(&mut server, &[&format!("track 0: H.265 {none}"), &format!("track 1: Opus {none}")]);
    let segment = segment(&server, ".ts");
    let top = server.get("/clip/index.m3u8");
    assert!(top.contains("CODECS=\"hvc1.1.6.L30.90,opus\"") && top.contains("RESOLUTION=64x48"), "{top}");
    assert!(has_stream(&segment, 0x24, 0x100) && has_stream(&segment, 0x06, 0x101));
    assert!(segment.windows(6).any(|bytes| bytes == b"\x05\x04Opus"), "the registration of Opus");
}

#[test]
fn vp9_is_left_out_of_http_ts_alone() {
    let mut server = play("enhanced-vp9-ac3", "");
    expect_fragments(&server, "vp09.00.10.08", "ac-3");
    let transport = transport(&server);
    assert!(has_stream(&transport, 0x81, 0x101) || has_stream(&transport, 0x06, 0x101));
    expect_warnings(&mut server, &["track 0 is left out of MPEG-TS: VP9 has no mapping to MPEG-TS"]);
}

#[test]
fn av1_and_flac_have_no_http_ts() {
    let mut server = play("enhanced-av1-flac", "");
    expect_fragments(&server, "av01.0.00M.08", "fLaC");
    let answer = server.get("/clip/mpegts");
    assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{answer}");
    expect_warnings(
        &mut server,
        &[
            "track 0 is left out of MPEG-TS: no player takes AV1 in MPEG-TS",
            "track 1 is left out of MPEG-TS: FLAC has no mapping to MPEG-TS",
        ],
    );
}

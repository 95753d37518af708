//! Play tokens: made by the command and by a call, good for every output of their stream, and for nothing else.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use serde_json::json;

use crate::client::{call, give};
use crate::encoder::{ask_to_play, publish};
use crate::program::{Running, file, output, rillcast, run};

const OLD: &str = "geheim-old-0123456789";
const NEW: &str = "geheim-new-0123456789";

fn config(keys: &str) -> String {
    format!(
        "publisher: {{hls: {{live_segment_sec: 1}}, dash: {{live_segment_sec: 1}}}}\n\
         play_auth: token\nplay_auth_keys: [geheim-default-0123456789]\n\
         streams:\n  news: {{play_auth_keys: [{keys}]}}\n  other: {{}}\n  open: {{play_auth: none}}\n"
    )
}

/// The token that `rillcast play-token` makes.
fn made(path: &Path, arguments: &[&str]) -> String {
    let (status, stdout, stderr) = output(rillcast(&["play-token", "-c"]).arg(path).args(arguments));
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    let token = stdout.lines().next().expect("a token").to_owned();
    assert!(stdout.contains(&format!("/t/{token}/news")) || !arguments[0].starts_with("news"), "{stdout}");
    token
}

/// Status and body of a GET.
fn get(server: &Running, path: &str) -> (String, Vec<u8>) {
    let (head, body) = server.get_bytes(path);
    (head.split(' ').nth(1).expect("a status").to_owned(), body)
}

/// The status of a GET of something that does not end.
fn begin(server: &Running, path: &str) -> String {
    let mut stream = server.connect();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: tv\r\n\r\n").expect("sent");
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).expect("an answer");
    String::from_utf8_lossy(&begin[9..]).into_owned()
}

/// The answer's status to DESCRIBE.
fn describe(server: &Running, query: &str) -> String {
    let url = server.status()["rtsp"].as_str().expect("it listens").to_owned();
    let mut stream = TcpStream::connect(url.trim_start_matches("rtsp://")).expect("it listens");
    write!(stream, "DESCRIBE {url}/live/news{query} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n")
        .expect("sent");
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).expect("an answer");
    String::from_utf8_lossy(&begin[9..]).into_owned()
}

/// The files that a playlist names.
fn files(playlist: &[u8], end: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(playlist);
    text.lines().filter(|line| line.ends_with(end)).map(str::to_owned).collect()
}

#[test]
fn every_output_is_played_with_a_token_of_its_stream_and_no_line_has_it() {
    let path = file("play-auth.yaml", &config(OLD));
    let mut server = Running::start(&mut run(&path));
    publish(&server, "news", "track_1");
    publish(&server, "open", "track_1");
    let good = made(&path, &["news"]);
    let [other, expired, far, here] = [
        made(&path, &["other"]),
        made(&path, &["news", "--expires-in", "0"]),
        made(&path, &["news", "--client", "192.0.2.1"]),
        made(&path, &["news", "--client", "127.0.0.1"]),
    ];
    server.get_when_there(&format!("/t/{good}/news/index.m3u8"));
    server.get_when_there(&format!("/t/{good}/news/index.mpd"));

    for token in [&other, &expired, &far, "x"] {
        for file in ["index.m3u8", "track_1.m3u8", "index.mpd", "mpegts", "none.ts", "none.m4s"] {
            assert_eq!(begin(&server, &format!("/t/{token}/news/{file}")), "403", "{token} {file}");
        }
        assert_eq!(begin(&server, &format!("/news/mpegts?token={token}")), "403");
        assert_eq!(describe(&server, &format!("?token={token}")), "403");
        assert_eq!(ask_to_play(&server, &format!("news?token={token}")), "NetStream.Play.Failed");
    }
    for path in ["/news/index.m3u8", "/news/index.mpd", "/news/mpegts", "/news/none.ts"] {
        assert_eq!(begin(&server, path), "403", "{path}");
    }
    assert_eq!(describe(&server, ""), "403");
    assert_eq!(ask_to_play(&server, "news"), "NetStream.Play.Failed");
    assert_eq!(begin(&server, "/news/time"), "200", "the clock is no secret");
    assert_eq!(get(&server, &format!("/t/{expired}/news/index.m3u8")).1, b"the play token has expired\n");

    for token in [&good, &here] {
        assert_eq!(begin(&server, &format!("/t/{token}/news/mpegts")), "200");
        assert_eq!(begin(&server, &format!("/news/mpegts?token={token}")), "200");
        assert_eq!(describe(&server, &format!("?token={token}")), "200");
        assert_eq!(ask_to_play(&server, &format!("news?token={token}")), "NetStream.Play.Start");
        // What is named is found beside, under the same token.
        let base = format!("/t/{token}/news");
        let variants = files(&get(&server, &format!("{base}/index.m3u8")).1, ".m3u8");
        let playlist = get(&server, &format!("{base}/{}", variants[0])).1;
        let segment = files(&playlist, ".ts").last().expect("segments").clone();
        let (head, _) = server.get_bytes(&format!("{base}/{segment}"));
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("private, max-age"), "{head}");
    }
    // The bytes are the same for all.
    let base = |token: &str| format!("/t/{token}/news/track_1.m3u8");
    let segment = files(&get(&server, &base(&good)).1, ".ts").last().expect("segments").clone();
    let both = [&good, &here].map(|token| get(&server, &format!("/t/{token}/news/{segment}")));
    assert!(both[0] == both[1] && !both[0].1.is_empty());
    // Who needs no token may have one.
    assert_eq!(begin(&server, "/open/mpegts"), "200");
    assert_eq!(begin(&server, &format!("/t/{good}/open/mpegts")), "200");

    // A viewer with a token is told by it.
    let sessions = call(&server, "GET", "/v1/sessions?protocol=hls").body;
    let estimated: Vec<_> =
        sessions["sessions"].as_array().expect("a list").iter().map(|one| &one["estimated"]).collect();
    assert!(!estimated.is_empty() && estimated.iter().all(|one| **one == false), "{sessions}");

    // The key is changed, the old one first good beside it and then no more.
    std::fs::write(&path, config(&format!("{NEW}, {OLD}"))).expect("written");
    server.signal("-HUP");
    let mut log = server.log_until("configuration applied");
    assert!(log.iter().any(|line| line.contains("other tokens for viewers")), "{log:?}");
    let newer = give(&server, "POST", "/v1/streams/news/play-token", &json!({"expires_in_sec": 60}));
    assert_eq!(newer.status, 200, "{}", newer.body);
    let (newer, under) =
        (newer.body["token"].as_str().expect("text"), newer.body["path"].as_str().expect("text"));
    assert_eq!(get(&server, &format!("/t/{good}/news/index.m3u8")).0, "200");
    assert_eq!(get(&server, &format!("{under}/index.m3u8")).0, "200");
    std::fs::write(&path, config(NEW)).expect("written");
    server.signal("-HUP");
    log.extend(server.log_until("configuration applied"));
    assert_eq!(get(&server, &format!("/t/{good}/news/index.m3u8")).0, "403", "who watched cannot go on");
    assert_eq!(get(&server, &format!("/t/{newer}/news/index.m3u8")).0, "200");

    for (document, pointer) in
        [(json!({"client": "x"}), "/client"), (json!({"expires_in_sec": 0}), "/expires_in_sec")]
    {
        let refused = give(&server, "POST", "/v1/streams/news/play-token", &document);
        refused.problem(422, "invalid");
        assert_eq!(refused.places("pointer"), [pointer]);
    }
    assert_eq!(give(&server, "POST", "/v1/streams/open/play-token", &json!({})).status, 409);
    assert_eq!(give(&server, "POST", "/v1/streams/none/play-token", &json!({})).status, 404);
    let shown = call(&server, "GET", "/v1/streams/news").body;
    assert_eq!(shown["config"]["play_auth_keys"], json!(["***"]), "{shown}");

    let told =
        format!("{shown}{sessions}{}{}", call(&server, "GET", "/v1/config").body, server.get("/metrics"));
    server.signal("-TERM");
    log.extend(server.log_until("stopped"));
    let log = log.join("\n");
    assert!(log.contains("refused: news: the play token "), "{log}");
    for secret in [&good, &other, &expired, &far, &here, newer, "geheim"] {
        assert!(!log.contains(secret) && !told.contains(secret), "{secret} in {log} {told}");
    }
}

#[test]
fn a_token_without_a_key_is_told_with_its_place() {
    let path =
        file("play-auth-bad.yaml", "streams: {a: {play_auth: token}, b: {play_auth_keys: [geheim]}}\n");
    let (status, _, stderr) = output(rillcast(&["check", "-c"]).arg(&path));
    assert_eq!(status, Some(1));
    for part in [
        "streams.a.play_auth: ***: tokens are made with a key; give one or several as play_auth_keys",
        "streams.b.play_auth_keys[0]: *** is not allowed; allowed: 16 to 256 characters",
    ] {
        assert!(stderr.contains(part), "{part} in {stderr}");
    }
    assert!(!stderr.contains("geheim"), "{stderr}");
    let path = file("play-auth-none.yaml", "streams: {a: }\n");
    let (status, _, stderr) = output(rillcast(&["play-token", "-c"]).arg(&path).arg("a"));
    assert_eq!(status, Some(1));
    assert!(stderr.contains("stream a is played without a token"), "{stderr}");
}

//! What the commands say, and with which exit status.

use crate::program::{file, output, rillcast};

#[test]
fn a_check_says_what_would_run() {
    let path = file("good.yaml", "streams: {news: {stream_key: geheim}}\n");
    let (status, stdout, stderr) = output(rillcast(&["check", "-c"]).arg(&path));
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    let expected = format!(
        "{} is valid. It would run:

HTTP      127.0.0.1:0
RTMP      :0
RTSP      :0, UDP 20000-20999
SRT       :0, latency 120 ms
HLS       2 s segments, a window of 12, in memory
DASH      2 s segments, a window of 12, in memory
stream    news: from a publisher, with a stream key, as HLS, DASH, HTTP MPEG-TS, RTMP, RTSP, SRT
",
        path.display()
    );
    assert_eq!(stdout, expected);
}

#[test]
fn the_example_file_can_be_run() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../rillcast.example.yaml");
    let (status, stdout, stderr) = output(&mut rillcast(&["check", "-c", path]));
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    for part in [
        "news: from a publisher, with a stream key",
        "region/north/sport",
        "in 1080p (1920x1080, 6000 kbit/s), 720p (1280x720, 3000 kbit/s), 360p (640x360, 800 kbit/s), as",
        "clip: from /srv/clip.flv in a loop",
    ] {
        assert!(stdout.contains(part), "{part} in {stdout}");
    }
}

#[test]
fn a_bad_file_fails_check_and_run_with_every_fault_on_a_line() {
    let path = file("bad.yaml", "http: {lisen: ':1'}\nstreams:\n  news: {takeover: 1}\n");
    for command in ["check", "run"] {
        let (status, stdout, stderr) = output(rillcast(&[command, "-c"]).arg(&path));
        assert_eq!((status, stdout.as_str()), (Some(1), ""));
        let path = path.display();
        let expected = format!(
            "rillcast: the configuration cannot be used
{path}:1:8: http.lisen: unknown key; did you mean listen? allowed: listen
{path}:3:20: streams.news.takeover: 1 is not allowed; allowed: true, false
"
        );
        assert_eq!(stderr, expected);
    }
}

#[test]
fn a_bad_variable_is_named() {
    for (name, value, expected) in [
        ("RILLCAST_HTTP_PORT", "1", "RILLCAST_HTTP_PORT: unknown variable"),
        (
            "RILLCAST_PUBLISHER_HLS_LIVE_WINDOW",
            "1",
            "publisher.hls.live_window: 1 is not allowed; allowed: a whole number from 3",
        ),
        ("RILLCAST_LOG", "loud", "RILLCAST_LOG: \"loud\" is not allowed; allowed: off, error"),
        ("RILLCAST_LOG_FORMAT", "xml", "RILLCAST_LOG_FORMAT: \"xml\" is not allowed; allowed: text, json"),
    ] {
        let (status, _, stderr) = output(rillcast(&["run"]).env(name, value));
        assert!(status == Some(1) && stderr.contains(expected), "{name}: {stderr}");
    }
}

#[test]
fn help_and_version_are_told() {
    let (status, stdout, _) = output(&mut rillcast(&["--help"]));
    assert!(
        status == Some(0)
            && stdout.contains("rillcast check -c rillcast.yaml")
            && stdout.contains("RILLCAST_LOG")
    );
    assert_eq!(
        output(&mut rillcast(&["--version"])).1,
        concat!("rillcast ", env!("CARGO_PKG_VERSION"), "\n")
    );
    assert_eq!(output(&mut rillcast(&[])).0, Some(2), "a command is needed");
}

//! SIGHUP: the file is read again.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use crate::encoder::publish;
use crate::program::{Running, file, run};

/// The summary's beginning and end.
const APPLIED: &str = "configuration applied";
/// Short segments, so that the first is soon there.
const QUICK: &str = "publisher: {hls: {live_segment_sec: 1}, dash: {live_segment_sec: 1}}\n";

/// A stream `news` with these renditions, and whatever else.
fn config(renditions: &str, others: &str) -> String {
    format!("{QUICK}streams:\n  news: {{renditions: [{renditions}]}}\n{others}")
}

fn start(name: &str, text: &str) -> (Running, PathBuf) {
    let path = file(name, text);
    (Running::start(&mut run(&path)), path)
}

/// Has another text read, and returns the log up to the summary.
fn reload(server: &mut Running, path: &Path, text: &str) -> Vec<String> {
    std::fs::write(path, text).expect("written");
    server.signal("-HUP");
    server.log_until(APPLIED)
}

/// A viewer of HTTP MPEG-TS; its answer's head is read.
fn watch(server: &Running, address: &str) -> TcpStream {
    let mut stream = server.connect();
    write!(stream, "GET /{address}/mpegts HTTP/1.0\r\n\r\n").expect("sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head");
        head.extend(byte);
    }
    assert!(head.starts_with(b"HTTP/1.0 200 OK") || head.starts_with(b"HTTP/1.1 200 OK"));
    stream
}

/// That many packets of MPEG-TS.
fn packets(viewer: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; 188 * count];
    viewer.read_exact(&mut bytes).expect("the viewer is served on");
    assert!(bytes.chunks(188).all(|packet| packet[0] == 0x47));
    bytes
}

/// Whether each PID's continuity counter goes on (ISO/IEC 13818-1 2.4.3.3).
fn is_continuous(bytes: &[u8]) -> bool {
    let mut last = std::collections::BTreeMap::new();
    bytes.chunks(188).filter(|packet| packet[3] & 0x10 != 0).all(|packet| {
        let (pid, count) = (u16::from_be_bytes([packet[1] & 0x1f, packet[2]]), packet[3] & 0x0f);
        last.insert(pid, count).is_none_or(|before: u8| (before + 1) & 0x0f == count)
    })
}

/// The lines of the multivariant playlist that name variants.
fn variants(playlist: &str) -> Vec<&str> {
    playlist.lines().filter(|line| line.ends_with(".m3u8")).collect()
}

/// The names of the segments that a playlist lists.
fn segments(playlist: &str) -> Vec<String> {
    playlist.lines().filter(|line| line.ends_with(".ts")).map(str::to_owned).collect()
}

#[test]
fn a_rung_is_added_while_viewers_of_another_go_on_and_a_rate_is_announced_in_place() {
    let (mut server, path) = start("reload-ladder.yaml", &config("{name: a}, {name: b}", ""));
    publish(&server, "news", "a");
    publish(&server, "news", "b");
    let mut viewer = watch(&server, "news@a");
    let mut seen = packets(&mut viewer, 200);
    server.get_when_there("/news/index.m3u8");

    let three = "{name: a}, {name: b}, {name: c}";
    let log = reload(&mut server, &path, &config(three, "  more:\n")).join("\n");
    assert!(log.contains("started=1") && log.contains("hls_dash_restarted=1"), "{log}");
    publish(&server, "news", "c");
    let playlist = server.poll(|server| {
        let playlist = server.get_when_there("/news/index.m3u8");
        (variants(&playlist) == ["a.m3u8", "b.m3u8", "c.m3u8"]).then_some(playlist)
    });
    assert!(!playlist.contains("BANDWIDTH=9000000,"), "{playlist}");
    let manifest = server.get_when_there("/news/index.mpd");
    for rung in ["a", "b", "c"] {
        assert!(manifest.contains(&format!("<Representation id=\"{rung}\" ")), "{rung} in {manifest}");
    }
    seen.extend(packets(&mut viewer, 400));
    assert!(is_continuous(&seen), "the viewer lost something");

    let before = segments(&server.get("/news/b.m3u8"));
    let rates = "{name: a}, {name: b, bitrate_kbps: 9000}, {name: c}";
    let log = reload(&mut server, &path, &config(rates, "  more:\n")).join("\n");
    assert!(log.contains("announced=1") && log.contains("hls_dash_restarted=0"), "{log}");
    let playlist = server.get("/news/index.m3u8");
    assert!(playlist.contains("BANDWIDTH=9000000,"), "{playlist}");
    let manifest = server.get("/news/index.mpd");
    assert!(manifest.contains("<Representation id=\"b\" bandwidth=\"9000000\""), "{manifest}");
    let after = segments(&server.get("/news/b.m3u8"));
    assert!(after.contains(before.last().expect("segments")), "{before:?} {after:?}");
    let rendition = &server.status()["streams"][1]["renditions"][1];
    assert_eq!(rendition["bitrate_kbps"], 9000, "{rendition}");

    // What runs is compared with what was applied: the same file once more changes nothing.
    server.signal("-HUP");
    let summary = server.wait_for_log(APPLIED);
    assert!(summary.contains("unchanged=2") && summary.contains("announced=0"), "{summary}");
    packets(&mut viewer, 100);
}

#[test]
fn a_broken_file_changes_nothing_and_every_fault_is_told() {
    let (mut server, path) = start("reload-broken.yaml", "streams: {news: , old: }\n");
    std::fs::write(&path, "http: {lisen: ':1'}\nstreams:\n  new: {takeover: 1}\n").expect("written");
    server.signal("-HUP");
    let log = server.log_until("the configuration cannot be used: nothing was changed");
    let told = |text: &str| log.iter().any(|line| line.contains("ERROR") && line.contains(text));
    let path_shown = path.display();
    assert!(told(&format!("{path_shown}:1:8: http.lisen: unknown key; did you mean listen?")), "{log:?}");
    assert!(told(&format!("{path_shown}:3:19: streams.new.takeover: 1 is not allowed")), "{log:?}");
    assert_eq!(server.codes(), ["news", "old"]);

    std::fs::remove_file(&path).expect("it was there");
    server.signal("-HUP");
    let log = server.log_until("the configuration cannot be used: nothing was changed");
    assert!(log.iter().any(|line| line.contains("cannot be read: No such file")), "{log:?}");
    assert_eq!(server.codes(), ["news", "old"]);

    reload(&mut server, &path, "streams: {news: , new: }\n");
    assert_eq!(server.codes(), ["new", "news"]);
    server.signal("-TERM");
    assert_eq!(server.child.wait().expect("ended").code(), Some(0));
}

#[test]
fn what_needs_a_restart_is_named_each_time_and_a_stream_is_changed_as_a_whole() {
    let (mut server, path) = start("reload-all.yaml", &format!("{QUICK}streams: {{news: , cam: }}\n"));
    publish(&server, "news", "track_1");
    let mut viewer = watch(&server, "news");
    let mut seen = packets(&mut viewer, 100);
    let text = "publisher: {hls: {live_segment_sec: 1, live_window: 7}, dash: {live_segment_sec: 1}}\nfan_out: {workers: 2}\n\
                streams:\n  news: {stream_key: geheim, takeover: false, protocols: {rtmp: false, dash: false}}\n  \
                cam: {inputs: [{url: 'file:///nowhere/a.flv'}], protocols: {mpegts: false}}\n";
    for times in 0..2 {
        let log = reload(&mut server, &path, text).join("\n");
        assert!(log.contains("restart of the program: publisher.hls.live_window, fan_out.workers"), "{log}");
        let (stopped, inputs) = if times == 0 { (3, 1) } else { (0, 0) };
        assert_eq!(log.matches("input file:///nowhere/a.flv added").count(), inputs, "{log}");
        assert!(
            log.contains(&format!("outputs_stopped={stopped}")) && log.contains("settings_left=2"),
            "{log}"
        );
        assert!(log.contains("failed=0") && log.contains("publishers_ended=0"), "{log}");
        assert!(!log.contains("geheim"), "{log}");
        let status = server.status();
        let outputs = |n: usize| status["streams"][n]["outputs"].clone();
        assert_eq!((&outputs(0)["dash"], &outputs(0)["mpegts"]), (&"/cam/index.mpd".into(), &().into()));
        assert_eq!((&outputs(1)["dash"], &outputs(1)["rtmp"]), (&().into(), &().into()));
        assert_eq!(outputs(1)["mpegts"], "/news/mpegts");
        seen.extend(packets(&mut viewer, 200));
    }
    assert!(is_continuous(&seen), "the viewer lost something");
    let error = server.poll(|server| {
        let error = server.status()["streams"][0]["last_error"]["message"].clone();
        error.as_str().map(str::to_owned)
    });
    assert!(error.contains("/nowhere/a.flv: No such file"), "{error}");
}

#[test]
fn listeners_move_and_who_is_connected_stays() {
    let (mut server, path) = start("reload-listen.yaml", "streams: {news: }\n");
    publish(&server, "news", "track_1");
    let mut viewer = watch(&server, "news");
    let mut seen = packets(&mut viewer, 100);
    let before = [&server.status()["rtmp"], &server.status()["rtsp"]]
        .map(|url| url.as_str().expect("it listens").to_owned());
    let connect = |url: &str| TcpStream::connect(url.split("://").nth(1).expect("a host"));
    // The environment has the system choose the port, so that another address is another port as well.
    let text = "listeners: {rtmp: {enabled: false}, rtsp: {listen_host: 127.0.0.2}}\nstreams: {news: }\n";
    let log = reload(&mut server, &path, text).join("\n");
    assert!(log.contains("listeners_moved=2") && log.contains("settings_left=0"), "{log}");
    assert!(log.contains("publishers_ended=0") && log.contains("unchanged=1"), "{log}");
    let status = server.status();
    assert!(status["rtmp"].is_null() && connect(&before[0]).is_err(), "{status}");
    let moved = status["rtsp"].as_str().expect("it listens");
    assert!(moved.starts_with("rtsp://127.0.0.2:"), "{moved}");
    assert!(connect(moved).is_ok() && connect(&before[1]).is_err());
    seen.extend(packets(&mut viewer, 300));
    assert!(is_continuous(&seen), "the publisher lost something");
    let log = reload(&mut server, &path, "streams: {news: }\n").join("\n");
    assert!(log.contains("listeners_moved=2"), "{log}");
    publish(&server, "news", "track_1");
}

#[test]
fn pushes_are_changed_one_by_one_and_no_line_of_the_log_has_a_key() {
    let push = |name: &str, more: &str| format!("{{url: 'rtmp://localhost:9/live/geheim-{name}'{more}}}");
    let stream = |pushes: &[String]| format!("streams: {{news: {{push: [{}]}}}}\n", pushes.join(", "));
    let (mut server, path) = start("reload-push.yaml", &stream(&[push("a", ""), push("b", "")]));
    publish(&server, "news", "track_1");
    let pushes = |server: &Running| {
        let answer = server.get("/api/v1/streams/news/runtime");
        let body = answer.rsplit("\r\n").next().expect("a body").to_owned();
        let status: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        status["pushes"].as_array().expect("a list").clone()
    };
    let tried = |server: &Running| {
        let all = pushes(server);
        all.iter().all(|push| push["reason"] == "connect").then_some(all)
    };
    let before = server.poll(tried);
    assert_eq!((before.len(), &before[0]["url"]), (2, &"rtmp://localhost:9/live/***".into()));

    let other = stream(&[push("a", ", comment: main"), push("c", ", limit: 1")]);
    let log = reload(&mut server, &path, &other).join("\n");
    assert!(log.contains("another comment for the push to rtmp://localhost:9/live/***"), "{log}");
    assert!(log.contains("pushes_started=1 pushes_stopped=1"), "{log}");
    assert!(log.contains("reason=Connect") && !log.contains("geheim"), "{log}");
    let after = server.poll(|server| {
        let all = pushes(server);
        all.iter().any(|push| push["status"] == "failed").then_some(all)
    });
    assert_eq!((&after[0]["id"], &after[0]["comment"]), (&before[0]["id"], &"main".into()));
    assert_ne!(after[1]["id"], before[1]["id"]);

    let log = reload(&mut server, &path, "streams: {news: }\n").join("\n");
    assert!(log.contains("pushes_started=0 pushes_stopped=2") && !log.contains("geheim"), "{log}");
    assert!(pushes(&server).is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn without_a_file_the_signal_ends_the_program() {
    use std::os::unix::process::ExitStatusExt as _;
    let mut server = Running::start(&mut crate::program::rillcast(&["run"]));
    server.signal("-HUP");
    assert_eq!(server.child.wait().expect("ended").signal(), Some(1));
}

//! `/metrics`, read as Prometheus would.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;

use crate::auth::token;
use crate::encoder::publish;
use crate::program::{Running, file, run};

/// Values by name and labels.
#[derive(Debug, Default)]
struct Metrics {
    kinds: BTreeMap<String, String>,
    series: BTreeMap<(String, BTreeMap<String, String>), f64>,
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl Metrics {
    /// Reads the text-based format, version 0.0.4, and takes nothing that is not in it: each family is announced once, by HELP
    /// and TYPE, and all its series follow, each once.
    fn read(text: &str) -> Self {
        let mut all = Self::default();
        assert!(text.ends_with('\n'), "the last line has an end");
        let (mut helped, mut family) = (String::new(), String::new());
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, words) = help.split_once(' ').expect(line);
                assert!(is_name(name) && !words.is_empty(), "{line}");
                name.clone_into(&mut helped);
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect(line);
                assert_eq!(name, helped, "HELP comes first");
                assert!(["counter", "gauge"].contains(&kind), "{line}");
                assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
                assert!(all.kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} comes twice");
                name.clone_into(&mut family);
            } else {
                let (name, labels, value) = sample(line);
                assert_eq!(name, family, "a series is under its own name");
                let value: f64 = value.parse().expect(line);
                assert!(value.is_finite() && value >= 0.0, "{line}");
                assert!(all.series.insert((name, labels), value).is_none(), "{line} comes twice");
            }
        }
        all
    }

    fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has = |of: &BTreeMap<String, String>| {
            labels.iter().all(|(label, value)| of.get(*label).is_some_and(|of| of == value))
        };
        let found: Vec<f64> = self
            .series
            .iter()
            .filter(|((of, by), _)| of == name && has(by))
            .map(|(_, value)| *value)
            .collect();
        assert!(found.len() < 2, "{name} {labels:?} is not one series");
        found.first().copied()
    }

    fn streams(&self) -> BTreeSet<&str> {
        self.series.keys().filter_map(|(_, labels)| labels.get("stream").map(String::as_str)).collect()
    }
}

/// Name, labels and value of a line.
fn sample(line: &str) -> (String, BTreeMap<String, String>, &str) {
    let Some((name, rest)) = line.split_once('{') else {
        let (name, value) = line.split_once(' ').expect(line);
        assert!(is_name(name), "{line}");
        return (name.to_owned(), BTreeMap::new(), value);
    };
    assert!(is_name(name), "{line}");
    let (mut labels, mut rest) = (BTreeMap::new(), rest);
    loop {
        let (label, behind) = rest.split_once("=\"").expect(line);
        assert!(is_name(label), "{line}");
        let (mut value, mut chars) = (String::new(), behind.char_indices());
        let end = loop {
            match chars.next().expect(line) {
                (place, '"') => break place,
                (_, '\\') => value.push(match chars.next().expect(line).1 {
                    'n' => '\n',
                    c @ ('\\' | '"') => c,
                    c => panic!("\\{c} in {line}"),
                }),
                (_, c) => value.push(c),
            }
        };
        assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
        rest = &behind[end + 1..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return (name.to_owned(), labels, rest.strip_prefix("} ").expect(line)),
        }
    }
}

fn read(server: &Running, headers: &str) -> (Metrics, String) {
    let (head, body) = server.ask("GET", "/metrics", headers);
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{head}");
    let text = String::from_utf8(body).expect("UTF-8");
    (Metrics::read(&text), text)
}

#[test]
fn what_streams_do_is_counted_under_names_that_are_documented_and_goes_with_them() {
    let (token, line) = token("prometheus", "viewer");
    let config = |streams: &str| {
        format!(
            "api: {{tokens: [{line}], loopback_without_token: true}}\n\
             publisher: {{hls: {{live_segment_sec: 1}}, dash: {{live_segment_sec: 1}}}}\nstreams: {{{streams}}}\n"
        )
    };
    let news = "news: {push: [{url: 'rtmp://u:geheim@127.0.0.1:9/live/geheim?key=geheim'}]}";
    let path: PathBuf = file("metrics.yaml", &config(&format!("{news}, quiet: {{stream_key: geheim}}")));
    let mut server = Running::start(&mut run(&path));
    publish(&server, "news", "track_1");
    let mut viewer = server.connect();
    viewer.write_all(b"GET /news/mpegts HTTP/1.1\r\nHost: tv\r\n\r\n").expect("sent");
    server.get_when_there("/news/index.m3u8");
    server.get_when_there("/news/index.mpd");
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let news = ("stream", "news");
    let (all, text) = server.poll(|server| {
        let (all, text) = read(server, &bearer);
        let counted = [
            all.get("rillcast_viewer_bytes_total", &[news, ("protocol", "mpegts")]),
            all.get("rillcast_viewer_bytes_total", &[news, ("protocol", "hls")]),
            all.get("rillcast_viewer_bytes_total", &[news, ("protocol", "dash")]),
            all.get("rillcast_push_state", &[news, ("state", "reconnecting")]),
        ];
        counted.iter().all(|value| value.is_some_and(|value| value > 0.0)).then_some((all, text))
    });
    let is = |name: &str, labels: &[(&str, &str)], expected: f64| {
        assert_eq!(all.get(name, labels), Some(expected), "{name} {labels:?} in {text}");
    };
    let is_over_zero = |name: &str, labels: &[(&str, &str)]| {
        assert!(all.get(name, labels).is_some_and(|value| value > 0.0), "{name} {labels:?} in {text}");
    };
    is("rillcast_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    is("rillcast_source_up", &[news, ("rendition", "track_1")], 1.0);
    is("rillcast_source_up", &[("stream", "quiet")], 0.0);
    is("rillcast_publishers", &[news, ("protocol", "rtmp")], 1.0);
    is("rillcast_viewers", &[news, ("protocol", "mpegts")], 1.0);
    is_over_zero("rillcast_source_bytes_total", &[news, ("protocol", "rtmp")]);
    is_over_zero("rillcast_source_frames_total", &[news, ("codec", "H.264")]);
    is_over_zero("rillcast_segments_total", &[news, ("output", "hls")]);
    is_over_zero("rillcast_segments_total", &[news, ("output", "dash")]);
    is("rillcast_timeline_epochs_total", &[news], 1.0);
    is("rillcast_push_bytes_total", &[news, ("url", "rtmp://***@127.0.0.1:9/live/***")], 0.0);
    is("rillcast_limit", &[("limit", "connections")], 20_000.0);
    is_over_zero("rillcast_limit_taken", &[("limit", "connections")]);
    is("rillcast_panics_total", &[], 0.0);
    for name in ["process_resident_memory_bytes", "process_open_fds", "process_max_fds", "process_threads"] {
        is_over_zero(name, &[]);
    }
    let start = all.get("process_start_time_seconds", &[]).expect("known");
    let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs_f64();
    assert!(start > now - 3600.0 && start < now + 5.0, "{start} of {now}");
    assert!(!text.contains("geheim") && !text.contains(&token));
    assert_eq!(all.streams(), BTreeSet::from(["news", "quiet"]));

    let documented = include_str!("../../../../docs/metrics.md");
    for (name, kind) in &all.kinds {
        assert!(documented.contains(&format!("| `{name}` | {kind} |")), "{name} ({kind}) in docs/metrics.md");
    }

    // What ended is counted on; what is stopped is gone.
    drop(viewer);
    server.poll(|server| {
        let (all, _) = read(server, "");
        let of = |name: &str| all.get(name, &[news, ("protocol", "mpegts")]);
        let gone = of("rillcast_viewers") == Some(0.0);
        assert_eq!(of("rillcast_viewer_sessions_total"), Some(1.0));
        assert!(of("rillcast_viewer_bytes_total").is_some_and(|bytes| bytes > 0.0));
        gone.then_some(())
    });
    std::fs::write(&path, config("quiet: {stream_key: geheim}")).expect("written");
    server.signal("-HUP");
    server.wait_for_log("configuration applied");
    assert_eq!(read(&server, "").0.streams(), BTreeSet::from(["quiet"]));
    let (head, _) = server.ask("GET", "/metrics", "X-Forwarded-For: 192.0.2.1\r\n");
    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
}

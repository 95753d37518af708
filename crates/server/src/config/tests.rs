use std::time::Duration;

use publisher::config::{SegmentType, Source};

use super::*;

fn loaded(file: Option<&Path>) -> Result<Config, Faults> {
    Base::read(file, no_variables())?.under(&Json::Null)
}

fn no_variables() -> impl Iterator<Item = (OsString, OsString)> {
    std::iter::empty()
}

fn good(text: &str) -> Config {
    read(text, no_variables()).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

/// The faults of a file, as the user sees them.
fn faults(text: &str) -> Vec<String> {
    with_variables(text, &[])
}

fn with_variables(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let list = read(text, variables).expect_err(text);
    Faults { file: "rillcast.yaml".into(), list }.to_string().lines().map(str::to_owned).collect()
}

#[test]
fn an_empty_file_has_the_defaults() {
    let config = good("");
    assert_eq!(config.settings, Settings::default());
    assert_eq!(config.http_shown(), ":8080");
    assert_eq!((config.streams.len(), config.data_dir), (0, None));
}

#[test]
fn every_name_of_this_version_is_taken() {
    let config = good(
        "data_dir: /var/lib/rillcast
http: {listen: ['127.0.0.1:8080', '[::1]:8080']}
listeners:
  rtmp: {enabled: true, listen_host: 127.0.0.1, port: 1936}
  rtsp: {enabled: true, listen_host: '::1', port: 554, udp_ports: 30000-30100}
  srt: {enabled: true, listen_host: 127.0.0.1, port: 9000, latency_ms: 200, passphrase: long enough}
publisher:
  hls: {dir: /srv/hls, live_segment_sec: 4.5, live_window: 6, live_history: 3, live_ephemeral: false, segment_type: fmp4}
  dash: {dir: /srv/dash, live_segment_sec: 3, live_window: 5, live_history: 1, live_ephemeral: true}
streams:
  demo:
  region/north/news:
    inputs: [{url: 'publish://', priority: 3}]
    protocols: {hls: true, mpegts: false, dash: false, rtsp: true, rtmp: false, srt: false}
    push: [{url: 'rtmp://x/y', enabled: false, timeout_sec: 3, retry_timeout_sec: 5, limit: 0, rendition: track_1, comment: b,
        ca_file: /ca.pem, insecure: true}, {url: 'srt://x/y'}]
    stream_key: 007
    passphrase: also long enough
    takeover: false
    renditions: []
    play_auth:
  clip: {inputs: [{url: 'file:///srv/a%20b.flv?loop=true'}], renditions: [{name: only}]}
  ladder:
    renditions: [{name: 1080p, width: 1920, height: 1080, bitrate_kbps: 6000}, {height: 720}, {bitrate_kbps: 800}, {}]
",
    );
    assert_eq!(
        config.to_string(),
        "HTTP      127.0.0.1:8080, [::1]:8080
RTMP      127.0.0.1:1936
RTSP      [::1]:554, UDP 30000-30100
SRT       127.0.0.1:9000, latency 200 ms, with a passphrase
HLS       4.5 s segments, a window of 6 and 3 more, in memory, and for ever in /srv/hls, in fragmented MP4
DASH      3 s segments, a window of 5 and 1 more, in memory and in /srv/dash
data      /var/lib/rillcast
stream    demo: from a publisher, as HLS, DASH, HTTP MPEG-TS, RTMP, RTSP, SRT
stream    region/north/news: from a publisher, with a stream key, with a passphrase of its own for SRT, as HLS, RTSP, pushed to 1 destination
stream    clip: from /srv/a b.flv in a loop, in only, as HLS, DASH, HTTP MPEG-TS, RTMP, RTSP, SRT
stream    ladder: from a publisher, in 1080p (1920x1080, 6000 kbit/s), track_2 (720 high), track_3 (800 kbit/s), track_4, \
         as HLS, DASH, HTTP MPEG-TS, RTMP, RTSP, SRT
"
    );
    assert_eq!(config.settings.hls.segment, Duration::from_millis(4500));
    assert_eq!(config.settings.hls_segment_type, SegmentType::Fmp4);
    assert_eq!((config.settings.dash.segment, config.settings.dash.window), (Duration::from_secs(3), 5));
    assert!(config.streams[0].renditions.is_empty() && config.streams[0].protocols.dash);
    assert_eq!(config.settings.listeners.srt_latency, Duration::from_millis(200));
    let news = &config.streams[1];
    assert_eq!(news.stream_key.as_ref().map(publisher::config::Secret::reveal), Some("007"));
    assert_eq!((news.takeover, news.inputs[0].priority), (false, 3));
    assert_eq!(
        config.streams[2].inputs[0].source,
        Source::File { path: "/srv/a b.flv".into(), looped: true, program: None }
    );
}

#[test]
fn every_fault_is_told_at_once_with_file_line_column_value_and_what_is_allowed() {
    let text = "htpp: {}
http:
  listen: 8080
  port: 8080
listeners:
  rtmp:
    enabled: yes
    port: 70000
    listen_host: example.com
  rtsp: {enabled: \"true\"}
publisher:
  hls:
    live_segment_sec: 0.5
    live_window: 2
    live_history: -1
    live_ephemeral: 1
    dir: ''
    segment_type: mp4
streams:
  live/x:
  a b: {}
  good:
    inputs: {url: publish://}
    takeover: [1]
    protocls: {}
";
    assert_eq!(
        faults(text),
        [
            "rillcast.yaml:1:1: htpp: unknown key; did you mean http? allowed: data_dir, http, api, tls, listeners, publisher, fan_out, limits, trusted_proxies, play_auth, play_auth_keys, streams",
            "rillcast.yaml:3:11: http.listen: 8080 is not allowed; allowed: an address as \":8080\" (all addresses), \
         \"127.0.0.1:8080\", \"[::1]:8080\" or \"localhost:8080\"",
            "rillcast.yaml:4:3: http.port: unknown key; allowed: listen",
            "rillcast.yaml:7:14: listeners.rtmp.enabled: yes is not allowed; allowed: true, false",
            "rillcast.yaml:8:11: listeners.rtmp.port: 70000 is not allowed; allowed: a whole number from 0 to 65535",
            "rillcast.yaml:9:18: listeners.rtmp.listen_host: example.com is not allowed; allowed: an IP address; without it all addresses",
            "rillcast.yaml:10:19: listeners.rtsp.enabled: \"true\" is not allowed; allowed: true, false",
            "rillcast.yaml:13:23: publisher.hls.live_segment_sec: 0.5 is not allowed; allowed: a number from 1 to 12",
            "rillcast.yaml:14:18: publisher.hls.live_window: 2 is not allowed; allowed: a whole number from 3 to 100000",
            "rillcast.yaml:15:19: publisher.hls.live_history: -1 is not allowed; allowed: a whole number from 0 to 100000",
            "rillcast.yaml:16:21: publisher.hls.live_ephemeral: 1 is not allowed; allowed: true, false",
            "rillcast.yaml:17:10: publisher.hls.dir: \"\" is not allowed; allowed: text that is not empty",
            "rillcast.yaml:18:19: publisher.hls.segment_type: mp4 is not allowed; allowed: ts, fmp4, auto",
            "rillcast.yaml:20:3: streams: stream code \"live/x\": \"live\" is reserved there",
            "rillcast.yaml:21:3: streams: stream code \"a b\" has ' ': only A-Z a-z 0-9 _ - and / are allowed",
            "rillcast.yaml:23:13: streams.good.inputs: a mapping is not allowed; allowed: a list",
            "rillcast.yaml:24:15: streams.good.takeover: a list is not allowed; allowed: true, false",
            "rillcast.yaml:25:5: streams.good.protocls: unknown key; did you mean protocols? allowed: inputs, protocols, push, \
         stream_key, passphrase, takeover, renditions, play_auth, play_auth_keys",
        ]
    );
}

#[test]
fn what_is_not_built_yet_says_so() {
    let text = "data_dir: /d
streams:
  a:
    inputs: [{url: 'publish://', priority: 1}, {url: 'rtmp://h:1?passphrase=geheim', priority: 2}]
    play_auth: {token: geheim}
";
    let found = faults(text);
    assert_eq!(
        found,
        [
            "rillcast.yaml:4:13: streams.a.inputs: failover between inputs is not in this version yet; one input is allowed",
            "rillcast.yaml:4:54: streams.a.inputs[1].url: \"rtmp://h:1?***\": inputs of rtmp:// are not in this version yet; \
         allowed: publish://, file:///path/to/clip.flv?loop=true, file:///path/to/clip.ts?program=1, \
         udp://239.1.1.1:5000?interface=eth0, udp://127.0.0.1:5000, udp://@:5000, rtp://127.0.0.1:5000, \
         srt://host:9000?streamid=live/news",
            "rillcast.yaml:5:16: streams.a.play_auth: a mapping is not allowed; allowed: token, none",
        ]
    );
}

#[test]
fn settings_that_disagree_are_found() {
    for (hls, dash) in [("/srv/a/", "/srv/a"), ("/srv/a", "/srv/x/../a/dash"), ("/srv/a/b", "/srv/a")] {
        let found = faults(&format!("publisher: {{dash: {{dir: {dash}}}, hls: {{dir: {hls}}}}}\n"));
        let expected = format!(
            "rillcast.yaml:1:25: publisher.dash.dir: \"{dash}\": this and publisher.hls.dir ({hls}) are the same directory, \
             or one is in the other; name two that are apart"
        );
        assert_eq!(found, [expected]);
    }
    good("publisher: {hls: {dir: /srv/a}, dash: {dir: /srv/ab}}\n");
    assert_eq!(
        faults("http: {listen: [':1', '127.0.0.1:1']}\n"),
        ["rillcast.yaml:1:23: http.listen[1]: \"127.0.0.1:1\": listens where :1 listens already"]
    );
    assert_eq!(
        faults("listeners: {rtmp: {port: 8080}}\n"),
        [
            "rillcast.yaml:1:26: listeners.rtmp.port: 8080: http.listen (:8080) and listeners.rtmp (:8080) cannot share a port"
        ]
    );
    assert_eq!(
        faults("http: {listen: '127.0.0.1:1935'}\n"),
        [
            "rillcast.yaml:1:16: http.listen: \"127.0.0.1:1935\": http.listen (127.0.0.1:1935) and listeners.rtmp (:1935) cannot share a port"
        ]
    );
}

/// Files with a certificate and its key, for the test of this name.
pub(super) fn certificate(name: &str) -> [PathBuf; 2] {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    let file = |end: &str, text: String| {
        let path = std::env::temp_dir().join(format!("rillcast-{name}-{}-{end}", std::process::id()));
        std::fs::write(&path, text).expect("written");
        path
    };
    [file("cert.pem", made.cert.pem()), file("key.pem", made.signing_key.serialize_pem())]
}

#[test]
fn rtmps_is_on_where_it_is_described_and_has_a_certificate() {
    let [cert, key] = certificate("config");
    let tls = format!("tls: {{cert: {}, key: {}}}\n", cert.display(), key.display());
    let default = good("").settings.listeners.rtmps;
    assert_eq!((default.enabled, default.port), (false, 1936));
    assert_eq!(good(&tls).settings.listeners.rtmps, default);
    let config = good(&format!("{tls}listeners: {{rtmps: {{port: 443, listen_host: '::1'}}}}\n"));
    let shown = config.to_string();
    let line = format!("RTMPS     [::1]:443, with the certificate in {}\n", cert.display());
    assert!(shown.contains(&line), "{shown}");
    assert_eq!(config.settings.tls, Some(publisher::config::Tls { cert, key }));
    let off = good("listeners: {rtmps: {enabled: false, port: 443}}\n").settings.listeners.rtmps;
    assert_eq!((off.enabled, off.port), (false, 443));
    for one in ["{port: 443}", "{enabled: true}"] {
        let found = faults(&format!("listeners:\n  rtmps: {one}\n"));
        let sentence =
            "needs a certificate; name it and its key as tls.cert and tls.key, or set enabled: false";
        assert!(found.len() == 1 && found[0].ends_with(sentence), "{found:?}");
        assert!(found[0].starts_with("rillcast.yaml:2:"), "{found:?}");
    }
    assert_eq!(
        faults(&format!("{tls}listeners: {{rtmps: {{port: 1935}}}}\n")),
        [
            "rillcast.yaml:2:27: listeners.rtmps.port: 1935: listeners.rtmp (:1935) and listeners.rtmps (:1935) cannot share a port"
        ]
    );
    assert_eq!(
        faults(&format!("{tls}listeners: {{rtmps: {{port: 8080}}}}\n")),
        [
            "rillcast.yaml:2:27: listeners.rtmps.port: 8080: http.listen (:8080) and listeners.rtmps (:8080) cannot share a port"
        ]
    );
}

#[test]
fn a_certificate_that_could_not_be_shown_is_told_with_its_place() {
    let ([cert, key], [other, _]) = (certificate("fault-1"), certificate("fault-2"));
    let [cert, key, other] = [cert, key, other].map(|path| path.display().to_string());
    let told = |text: String| {
        let found = faults(&text);
        assert_eq!(found.len(), 1, "{found:?}");
        found.concat()
    };
    assert_eq!(
        told(format!("tls:\n  cert: {cert}\n")),
        format!(
            "rillcast.yaml:2:9: tls.cert: \"{cert}\": tls.key is missing; name its private key in PEM, not encrypted"
        )
    );
    assert_eq!(
        told(format!("tls:\n  key: {key}\n")),
        format!(
            "rillcast.yaml:2:8: tls.key: \"{key}\": tls.cert is missing; name a certificate in PEM, with those behind \
             it that signed it"
        )
    );
    assert_eq!(
        told(format!("tls:\n  cert: /nonexistent/c.pem\n  key: {key}\n")),
        "rillcast.yaml:2:9: tls.cert: \"/nonexistent/c.pem\": cannot be read: No such file or directory (os error 2); \
         name a certificate in PEM, with those behind it that signed it"
    );
    assert_eq!(
        told(format!("tls:\n  cert: {cert}\n  key: {cert}\n")),
        format!(
            "rillcast.yaml:3:8: tls.key: \"{cert}\": there is no private key that is not encrypted in PEM in it; \
             name its private key in PEM, not encrypted"
        )
    );
    assert_eq!(
        told(format!("tls:\n  cert: {other}\n  key: {key}\n")),
        format!(
            "rillcast.yaml:3:8: tls.key: \"{key}\": the key does not belong to the first certificate in tls.cert \
             ({other}); name its private key in PEM, not encrypted"
        )
    );
}

#[test]
fn ladders_are_checked_rung_by_rung() {
    let text = "streams:
  a:
    renditions: [{name: x y}, {name: index}, {name: ''}, {nam: x}, {width: 0, height: 70000, bitrate_kbps: -1}, x]
  b:
    renditions: [{name: 720p}, {}, {name: track_2}, {name: 720p}]
  c:
    inputs: [{url: 'file:///a.flv'}]
    renditions: [{}, {}]
  d: {renditions: 3}
";
    assert_eq!(
        faults(text),
        [
            "rillcast.yaml:3:25: streams.a.renditions[0].name: \"x y\" is not allowed; allowed: 1 to 64 characters of A-Z a-z 0-9 _ -",
            "rillcast.yaml:3:38: streams.a.renditions[1].name: index is not allowed; allowed: a name other than index, \
             which is that of the playlist of all renditions",
            "rillcast.yaml:3:53: streams.a.renditions[2].name: \"\" is not allowed; allowed: text that is not empty",
            "rillcast.yaml:3:59: streams.a.renditions[3].nam: unknown key; did you mean name? allowed: name, width, height, \
             bitrate_kbps",
            "rillcast.yaml:3:76: streams.a.renditions[4].width: 0 is not allowed; allowed: a whole number from 1 to 65535",
            "rillcast.yaml:3:87: streams.a.renditions[4].height: 70000 is not allowed; allowed: a whole number from 1 to 65535",
            "rillcast.yaml:3:108: streams.a.renditions[4].bitrate_kbps: -1 is not allowed; allowed: a whole number from 1 to 4000000",
            "rillcast.yaml:3:113: streams.a.renditions[5]: x is not allowed; allowed: a mapping of keys and values",
            "rillcast.yaml:5:43: streams.b.renditions[2].name: \"track_2\": another rendition of this stream is named track_2 too; \
             give each its own name",
            "rillcast.yaml:5:60: streams.b.renditions[3].name: 720p: another rendition of this stream is named 720p too; \
             give each its own name",
            "rillcast.yaml:8:17: streams.c.renditions: an input of its own has one rendition and cannot feed several; leave them out, or \
             have an encoder publish each",
            "rillcast.yaml:9:19: streams.d.renditions: 3 is not allowed; allowed: a list",
        ]
    );
    let many = |count: usize| format!("streams: {{a: {{renditions: [{}]}}}}\n", vec!["{}"; count].join(", "));
    assert_eq!(good(&many(32)).streams[0].renditions[31].name, "track_32");
    assert_eq!(
        faults(&many(33)),
        ["rillcast.yaml:1:27: streams.a.renditions: 33 renditions, at most 32 are allowed"]
    );
}

#[test]
fn sources_are_exact() {
    for bad in ["publish://x", "publish:", "file://clip.flv", "clip.flv", "file:///a.flv#x", "gopher://x"] {
        let found = faults(&format!("streams: {{a: {{inputs: [{{url: '{bad}'}}]}}}}\n"));
        assert!(found.len() == 1 && found[0].contains("allowed: publish://"), "{bad}: {found:?}");
        assert!(found[0].starts_with("rillcast.yaml:1:30: streams.a.inputs[0].url: "), "{found:?}");
    }
    for (bad, why) in [
        ("file:///a.flv?loop=1", "loop=1 is not allowed; allowed: loop=true, loop=false, program=1 to 65535"),
        (
            "file:///a.ts?lop=true",
            "lop=true is not allowed; allowed: loop=true, loop=false, program=1 to 65535",
        ),
        (
            "file:///a.ts?program=0",
            "program=0 is not allowed; allowed: loop=true, loop=false, program=1 to 65535",
        ),
        ("file:///a.ts?loop=true&loop=true", "loop is given twice"),
        (
            "udp://host:5000",
            "\"host:5000\" is no address and port; allowed: ADDRESS:PORT, [ADDRESS]:PORT, @:PORT (inputs of udp://)",
        ),
    ] {
        let found = faults(&format!("streams: {{a: {{inputs: [{{url: '{bad}'}}]}}}}\n"));
        assert_eq!(found, [format!("rillcast.yaml:1:30: streams.a.inputs[0].url: \"{bad}\": {why}")]);
    }
    assert_eq!(
        faults("streams: {a: {inputs: [{priority: 1}]}, b: {inputs: []}}\n"),
        [
            "rillcast.yaml:1:24: streams.a.inputs[0]: an input needs a url; allowed: publish://, file:///path/to/clip.flv?loop=true, file:///path/to/clip.ts?program=1, \
         udp://239.1.1.1:5000?interface=eth0, udp://127.0.0.1:5000, udp://@:5000, rtp://127.0.0.1:5000, \
         srt://host:9000?streamid=live/news",
            "rillcast.yaml:1:53: streams.b.inputs: a stream needs an input; leave the key out for publish://",
        ]
    );
}

#[test]
fn the_environment_is_checked_like_the_file_and_named_in_faults() {
    assert_eq!(
        with_variables(
            "listeners: {rtmp: {port: 70000}}\n",
            &[
                ("RILLCAST_LISTENERS_RTMP_PORT", "80000"),
                ("RILLCAST_PUBLISHER_HLS_LIVE_WINDOW", "many"),
                ("RILLCAST_LISTENERS_SRT_PASSPHRASE", "geheim"),
                ("RILLCAST_LISTENERS_SRT_ENABLED", "false"),
            ]
        ),
        [
            "RILLCAST_LISTENERS_RTMP_PORT: listeners.rtmp.port: 80000 is not allowed; allowed: a whole number from 0 to 65535",
            "RILLCAST_LISTENERS_SRT_PASSPHRASE: listeners.srt.passphrase: *** is not allowed; allowed: 10 to 79 characters",
            "RILLCAST_PUBLISHER_HLS_LIVE_WINDOW: publisher.hls.live_window: many is not allowed; allowed: a whole number from 3 to 100000",
        ]
    );
    let variables =
        [("RILLCAST_HTTP_LISTEN", "127.0.0.1:0, [::1]:0"), ("RILLCAST_LISTENERS_RTMP_ENABLED", "false")];
    let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let config = read("listeners: {rtmp: {enabled: true}}\n", variables).expect("valid");
    assert_eq!(
        (config.http_shown().as_str(), config.settings.listeners.rtmp.enabled),
        ("127.0.0.1:0, [::1]:0", false)
    );
}

#[test]
fn a_push_is_read_with_its_defaults_and_judged_by_form_alone() {
    let config = good("streams: {a: {renditions: [{name: x}], push: [{url: 'ftp://h/x'}, {url: 'rtmp://h/a/b', timeout_sec: 3,
        retry_timeout_sec: 4, limit: 5, rendition: x, comment: c, ca_file: /ca, insecure: true, enabled: false}]}}");
    let default = publisher::config::Push::new("ftp://h/x");
    let full = publisher::config::Push {
        url: publisher::config::Secret::new("rtmp://h/a/b"),
        enabled: false,
        timeout: Duration::from_secs(3),
        retry_timeout: Duration::from_secs(4),
        limit: 5,
        rendition: Some("x".to_owned()),
        comment: Some("c".to_owned()),
        ca_file: Some("/ca".into()),
        insecure: true,
    };
    assert_eq!(config.streams[0].pushes, [default.clone(), full]);
    assert_eq!(
        (default.timeout, default.retry_timeout, default.limit),
        (Duration::from_secs(10), Duration::from_secs(5), 0)
    );
    let text = "streams:
  a: {push: [{}, {url: 'rtmp://h/a/b', timeout_sec: 0, rendition: y, to: x}]}
";
    assert_eq!(
        faults(text),
        [
            "rillcast.yaml:2:14: streams.a.push[0]: a push needs a url: rtmp://host/application/key or rtmps://host/application/key",
            "rillcast.yaml:2:53: streams.a.push[1].timeout_sec: *** is not allowed; allowed: a whole number from 1 to 86400",
            "rillcast.yaml:2:67: streams.a.push[1].rendition: *** is not allowed; allowed: track_1",
            "rillcast.yaml:2:70: streams.a.push[1].to: unknown key; allowed: url, enabled, timeout_sec, retry_timeout_sec, limit, rendition, comment, ca_file, insecure",
        ]
    );
}

#[test]
fn no_message_shows_a_secret() {
    let text = "streams:
  a: {stream_key: {geheim: geheim}, passphrase: geheim, push: rtmp://x/geheim, play_auth: geheim}
  b: {stream_key: [geheim], push: [rtmp://x/geheim]}
  c: {inputs: [{url: 'rtsp://geheim:geheim@h/'}]}
";
    let found = faults(text).join("\n");
    assert!(!found.contains("geheim"), "{found}");
    let config = good("streams: {a: {stream_key: geheim, push: [{url: 'rtmp://u:geheim@h/a/geheim'}]}}");
    assert!(!format!("{config:?}{config}").contains("geheim"));
}

#[test]
fn every_variable_sets_something_that_the_file_has() {
    for path in env::SETTINGS {
        let variable = (OsString::from(env::variable(path)), OsString::from("a value"));
        let shown = format!("{:?}", read("", std::iter::once(variable)));
        assert!(!shown.contains("unknown"), "{path:?}: {shown}");
    }
}

#[test]
fn without_a_file_anybody_on_this_machine_may_publish() {
    assert!(loaded(None).expect("defaults").settings.open_publish);
    let missing = loaded(Some(Path::new("/nonexistent/r.yaml"))).expect_err("no file");
    assert!(
        missing.to_string().starts_with("/nonexistent/r.yaml: cannot be read: No such file"),
        "{missing}"
    );
}

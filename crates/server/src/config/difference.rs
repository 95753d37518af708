//! Which settings outside of `streams` differ between two configurations, by the names of the file, and which of them a
//! running program takes over.

use std::path::PathBuf;

use publisher::config::{FanOut, Limits, Listener, Listeners, Segmented, Settings, Tls};

use super::Config;
use crate::auth;

/// The settings outside of `streams` that differ.
pub(crate) fn settings(old: &Config, new: &Config) -> Vec<&'static str> {
    let mut found = Differing::default();
    found.note("data_dir", &old.data_dir, &new.data_dir);
    found.note("http.listen", &old.http, &new.http);
    let auth::Settings { tokens, loopback_without_token } = &old.api;
    found.note("api.tokens", tokens, &new.api.tokens);
    found.note("api.loopback_without_token", loopback_without_token, &new.api.loopback_without_token);
    let (Config { settings: old, .. }, Config { settings: new, .. }) = (old, new);
    // Taken apart, so that a new field cannot be forgotten. What is ignored has no name in the file.
    let Settings {
        listeners,
        tls,
        hls,
        hls_segment_type,
        dash,
        open_publish: _,
        join_timeout: _,
        publish_timeout: _,
        viewer_idle: _,
        kick_time,
        push_idle: _,
        fan_out,
        limits,
        play_auth,
        trusted_proxies,
    } = old;
    found.listeners(listeners, &new.listeners);
    found.tls(tls.as_ref(), new.tls.as_ref());
    found.segmented(&HLS, hls, &new.hls);
    found.note("publisher.hls.segment_type", hls_segment_type, &new.hls_segment_type);
    found.segmented(&DASH, dash, &new.dash);
    found.note("publisher.kick_sec", kick_time, &new.kick_time);
    found.fan_out(fan_out, &new.fan_out);
    found.limits(limits, &new.limits);
    found.note("play_auth", &play_auth.needs_token, &new.play_auth.needs_token);
    found.note("play_auth_keys", &play_auth.keys, &new.play_auth.keys);
    found.note("trusted_proxies", trusted_proxies, &new.trusted_proxies);
    found.0
}

/// Whether a running program takes the setting over.
pub(crate) fn is_taken_over(name: &str) -> bool {
    ["listeners.", "tls.", "api.", "play_auth"].iter().any(|section| name.starts_with(section))
}

/// The names of a segmented output's settings, in the order of its fields.
type SegmentedNames = [&'static str; 5];

const HLS: SegmentedNames = [
    "publisher.hls.dir",
    "publisher.hls.live_segment_sec",
    "publisher.hls.live_window",
    "publisher.hls.live_history",
    "publisher.hls.live_ephemeral",
];
const DASH: SegmentedNames = [
    "publisher.dash.dir",
    "publisher.dash.live_segment_sec",
    "publisher.dash.live_window",
    "publisher.dash.live_history",
    "publisher.dash.live_ephemeral",
];

/// The names of a listener's settings, in the order of its fields.
type ListenerNames = [&'static str; 3];

const RTMP: ListenerNames = ["listeners.rtmp.enabled", "listeners.rtmp.listen_host", "listeners.rtmp.port"];
const RTMPS: ListenerNames =
    ["listeners.rtmps.enabled", "listeners.rtmps.listen_host", "listeners.rtmps.port"];

const RTSP: ListenerNames = ["listeners.rtsp.enabled", "listeners.rtsp.listen_host", "listeners.rtsp.port"];
const RTSPS: ListenerNames =
    ["listeners.rtsps.enabled", "listeners.rtsps.listen_host", "listeners.rtsps.port"];

const SRT: ListenerNames = ["listeners.srt.enabled", "listeners.srt.listen_host", "listeners.srt.port"];

/// Certificate and key.
fn parts(tls: &Tls) -> (&PathBuf, &PathBuf) {
    let Tls { cert, key } = tls;
    (cert, key)
}

/// Names of settings that differ.
#[derive(Default)]
struct Differing(Vec<&'static str>);

impl Differing {
    fn note<T: PartialEq>(&mut self, name: &'static str, old: &T, new: &T) {
        if old != new {
            self.0.push(name);
        }
    }

    fn listeners(&mut self, old: &Listeners, new: &Listeners) {
        let Listeners { rtmp, rtmps, rtsp, rtsps, rtsp_udp_ports, srt, srt_latency, srt_passphrase } = old;
        self.listener(&RTMP, rtmp, &new.rtmp);
        self.listener(&RTMPS, rtmps, &new.rtmps);
        self.listener(&RTSP, rtsp, &new.rtsp);
        self.note("listeners.rtsp.udp_ports", rtsp_udp_ports, &new.rtsp_udp_ports);
        self.listener(&RTSPS, rtsps, &new.rtsps);
        self.listener(&SRT, srt, &new.srt);
        self.note("listeners.srt.latency_ms", srt_latency, &new.srt_latency);
        self.note("listeners.srt.passphrase", srt_passphrase, &new.srt_passphrase);
    }

    fn listener(&mut self, names: &ListenerNames, old: &Listener, new: &Listener) {
        let Listener { enabled, listen_host, port } = old;
        self.note(names[0], enabled, &new.enabled);
        self.note(names[1], listen_host, &new.listen_host);
        self.note(names[2], port, &new.port);
    }

    /// The files by name. What is in them is taken over whenever it changes.
    fn tls(&mut self, old: Option<&Tls>, new: Option<&Tls>) {
        let (old, new) = (old.map(parts), new.map(parts));
        self.note("tls.cert", &old.map(|files| files.0), &new.map(|files| files.0));
        self.note("tls.key", &old.map(|files| files.1), &new.map(|files| files.1));
    }

    fn segmented(&mut self, names: &SegmentedNames, old: &Segmented, new: &Segmented) {
        let Segmented { dir, segment, window, history, ephemeral } = old;
        self.note(names[0], dir, &new.dir);
        self.note(names[1], segment, &new.segment);
        self.note(names[2], window, &new.window);
        self.note(names[3], history, &new.history);
        self.note(names[4], ephemeral, &new.ephemeral);
    }

    fn fan_out(&mut self, old: &FanOut, new: &FanOut) {
        let FanOut { workers, merge_window, sound_at_once, slow_viewer_timeout } = old;
        self.note("fan_out.workers", workers, &new.workers);
        self.note("fan_out.merge_window_ms", merge_window, &new.merge_window);
        self.note("fan_out.sound_at_once", sound_at_once, &new.sound_at_once);
        self.note("fan_out.slow_viewer_timeout_sec", slow_viewer_timeout, &new.slow_viewer_timeout);
    }

    fn limits(&mut self, old: &Limits, new: &Limits) {
        let Limits {
            connections,
            connections_per_address,
            handshake_timeout,
            request_head_bytes,
            publishers_in_handshake,
            viewers_per_stream,
            viewer_queue_bytes,
            rtmp_message_bytes,
            rtmp_pending_bytes,
            rtmp_chunk_streams,
            amf_bytes,
            amf_depth,
            amf_values,
        } = old;
        self.note("limits.handshake_timeout_sec", handshake_timeout, &new.handshake_timeout);
        for (name, old, new) in [
            ("limits.connections", connections, &new.connections),
            ("limits.connections_per_address", connections_per_address, &new.connections_per_address),
            ("limits.request_head_bytes", request_head_bytes, &new.request_head_bytes),
            ("limits.publishers_in_handshake", publishers_in_handshake, &new.publishers_in_handshake),
            ("limits.viewers_per_stream", viewers_per_stream, &new.viewers_per_stream),
            ("limits.viewer_queue_bytes", viewer_queue_bytes, &new.viewer_queue_bytes),
            ("limits.rtmp_message_bytes", rtmp_message_bytes, &new.rtmp_message_bytes),
            ("limits.rtmp_pending_bytes", rtmp_pending_bytes, &new.rtmp_pending_bytes),
            ("limits.rtmp_chunk_streams", rtmp_chunk_streams, &new.rtmp_chunk_streams),
            ("limits.amf_bytes", amf_bytes, &new.amf_bytes),
            ("limits.amf_depth", amf_depth, &new.amf_depth),
            ("limits.amf_values", amf_values, &new.amf_values),
        ] {
            self.note(name, old, new);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::certificate;
    use super::super::{env, read};
    use super::*;

    fn parsed(text: &str) -> Config {
        read(text, std::iter::empty()).unwrap_or_else(|faults| panic!("{faults:#?}"))
    }

    #[test]
    fn every_setting_that_a_variable_can_set_is_named_when_it_differs() {
        let old = parsed("");
        // Values that differ from the defaults, tried in turn; what has none that is valid alone has a test of its own.
        let values = [
            "/srv/x",
            "3000-3100",
            ":1",
            "127.0.0.1",
            "false",
            "true",
            "3",
            "2048",
            "5000000",
            "ts",
            "a passphrase",
        ];
        for path in env::SETTINGS {
            let name = path.join(".");
            let configs = values.iter().filter_map(|value| {
                read("", std::iter::once((env::variable(path).into(), (*value).into()))).ok()
            });
            let named: Vec<_> =
                configs.map(|new| settings(&old, &new)).filter(|named| !named.is_empty()).collect();
            let others = ["tls.", "listeners.rtmps.", "listeners.rtsps."];
            match others.iter().any(|prefix| name.starts_with(prefix)) {
                true => continue,
                false => assert!(!named.is_empty(), "{name} can differ unnoticed"),
            }
            assert!(named.iter().all(|named| *named == [name.as_str()]), "{name}: {named:?}");
        }
    }

    #[test]
    fn tls_and_its_listener_are_named_when_they_differ() {
        let [one, other] = ["difference-1", "difference-2"].map(certificate);
        let text = |files: &[PathBuf; 2], rtmps: &str| {
            let [cert, key] = files.each_ref().map(|file| file.display());
            format!("tls: {{cert: {cert}, key: {key}}}\nlisteners: {{rtmps: {rtmps}}}\n")
        };
        let old = parsed(&text(&one, "{enabled: true}"));
        for (files, rtmps, named) in [
            (&one, "{port: 1936}", &[][..]),
            (&one, "{}", &["listeners.rtmps.enabled"]),
            (&one, "{port: 443}", &["listeners.rtmps.port"]),
            (&one, "{listen_host: 127.0.0.1}", &["listeners.rtmps.listen_host"]),
            (&other, "{enabled: true}", &["tls.cert", "tls.key"]),
        ] {
            assert_eq!(settings(&old, &parsed(&text(files, rtmps))), named, "{rtmps}");
        }
        assert_eq!(settings(&old, &parsed("")), ["listeners.rtmps.enabled", "tls.cert", "tls.key"]);
    }

    #[test]
    fn a_default_that_is_written_out_changes_nothing() {
        assert_eq!(settings(&parsed(""), &parsed("publisher: {hls: {live_window: 12}}")), [""; 0]);
        let spelt =
            "{inputs: [{url: 'publish://'}], protocols: {hls: true}, takeover: true, renditions: [{}]}";
        let stream = |body: &str| parsed(&format!("streams: {{a: {body}}}\n")).streams.remove(0);
        let service = publisher::Service::for_testing();
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            service.start(stream("")).await.expect("started");
            assert!(service.plan(&stream(spelt)).expect("a plan").is_empty());
            service.shutdown().await;
        });
    }

    #[test]
    fn listeners_and_certificates_are_taken_over_and_nothing_else() {
        let taken: Vec<String> =
            env::SETTINGS.iter().map(|path| path.join(".")).filter(|name| is_taken_over(name)).collect();
        assert!(
            taken.iter().all(|name| ["listeners.", "tls.", "api."].iter().any(|part| name.starts_with(part))),
            "{taken:?}"
        );
        assert!(is_taken_over("listeners.rtsp.udp_ports") && is_taken_over("tls.key"));
        assert!(!is_taken_over("http.listen") && !is_taken_over("data_dir"));
    }
}

//! The settings outside of `streams` as a document of the shape that they have in the file.

use std::path::Path;

use publisher::config;
use serde::Serialize;
use utoipa::ToSchema;

use super::Shown;
use crate::auth;
use crate::config::Config;

/// The configuration file but for its streams. What is left out, or null, is not said.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SettingsConfig)]
pub(crate) struct Settings {
    /// Where what must outlive the program is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1)]
    data_dir: Option<String>,
    /// HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<Http>,
    /// Who may use the API.
    #[serde(skip_serializing_if = "Option::is_none")]
    api: Option<Api>,
    /// What listeners show that speak TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<Tls>,
    /// Where the other protocols listen.
    listeners: Option<Listeners>,
    /// HLS and DASH.
    publisher: Option<Publisher>,
    /// How viewers that have a connection are served.
    fan_out: Option<FanOut>,
    /// What peers may make the program hold.
    limits: Option<Limits>,
    /// Whether viewers need a token where a stream says nothing of its own: `token` or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^(token|none)$")]
    play_auth: Option<&'static str>,
    /// Keys that tokens are made with where a stream has none, the newest first. Shown as `***`, which sent back means that the one
    /// at its place stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 16)]
    play_auth_keys: Option<Vec<String>>,
    /// Proxies whose word on whom they serve counts, as `192.0.2.1` or `10.0.0.0/8`.
    trusted_proxies: Option<Vec<String>>,
}

/// HTTP.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Http {
    /// Its addresses, as `:8080` or `127.0.0.1:8080`.
    #[schema(min_items = 1)]
    listen: Option<Vec<String>>,
}

/// Who may use the API.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ApiSettings)]
pub(crate) struct Api {
    #[schema(max_items = 256)]
    tokens: Option<Vec<Token>>,
    loopback_without_token: Option<bool>,
}

/// A token.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Token {
    #[schema(min_length = 1)]
    name: String,
    /// `admin` or `viewer`.
    #[schema(pattern = "^(admin|viewer)$")]
    role: &'static str,
    /// Shown as `***`, which sent back means that it stays.
    hash: String,
}

/// Files in PEM.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    /// The certificate, and those that signed it behind it.
    #[schema(min_length = 1)]
    cert: Option<String>,
    /// Its private key.
    #[schema(min_length = 1)]
    key: Option<String>,
}

/// Listeners of media.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listeners {
    rtmp: Option<Listener>,
    rtmps: Option<Listener>,
    rtsp: Option<Rtsp>,
    rtsps: Option<Listener>,
    srt: Option<Srt>,
}

/// Where one protocol listens.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listener {
    enabled: Option<bool>,
    /// An IP address; every address where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    listen_host: Option<String>,
    port: Option<u16>,
}

/// Where RTSP listens.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rtsp {
    enabled: Option<bool>,
    /// An IP address; every address where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    listen_host: Option<String>,
    port: Option<u16>,
    /// The first and the last of at least 5 ports from 1024 on.
    #[schema(pattern = "^[0-9]+ *- *[0-9]+$", examples("20000-20999"))]
    udp_ports: Option<String>,
}

/// Where SRT listens.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Srt {
    enabled: Option<bool>,
    /// An IP address; every address where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    listen_host: Option<String>,
    port: Option<u16>,
    latency_ms: Option<u16>,
    /// Shown as `***`, which sent back means that it stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    passphrase: Option<String>,
}

/// HLS and DASH.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Publisher {
    hls: Option<Hls>,
    dash: Option<Dash>,
    /// A viewer of HLS or DASH whose session was ended here is refused for this long.
    #[schema(maximum = 86400)]
    kick_sec: Option<u64>,
}

/// HLS.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hls {
    /// Where segments are also written.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1)]
    dir: Option<String>,
    #[schema(minimum = 1, maximum = 12)]
    live_segment_sec: Option<f64>,
    #[schema(minimum = 3, maximum = 100000)]
    live_window: Option<usize>,
    #[schema(maximum = 100000)]
    live_history: Option<usize>,
    live_ephemeral: Option<bool>,
    /// `ts`, `fmp4` or `auto`.
    #[schema(pattern = "^(ts|fmp4|auto)$")]
    segment_type: Option<&'static str>,
}

/// DASH.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dash {
    /// Where segments are also written.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1)]
    dir: Option<String>,
    #[schema(minimum = 1, maximum = 12)]
    live_segment_sec: Option<f64>,
    #[schema(minimum = 3, maximum = 100000)]
    live_window: Option<usize>,
    #[schema(maximum = 100000)]
    live_history: Option<usize>,
    live_ephemeral: Option<bool>,
}

/// How viewers that have a connection are served.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FanOut {
    /// Threads; 0 is one for each core.
    #[schema(maximum = 1024)]
    workers: Option<usize>,
    #[schema(maximum = 1000)]
    merge_window_ms: Option<u64>,
    sound_at_once: Option<bool>,
    #[schema(minimum = 0.1, maximum = 3600)]
    slow_viewer_timeout_sec: Option<f64>,
}

/// What peers may make the program hold.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LimitSettings)]
pub(crate) struct Limits {
    #[schema(minimum = 1, maximum = 10000000)]
    connections: Option<u64>,
    #[schema(minimum = 1, maximum = 10000000)]
    connections_per_address: Option<u64>,
    #[schema(minimum = 0.1, maximum = 3600)]
    handshake_timeout_sec: Option<f64>,
    #[schema(minimum = 1024, maximum = 1048576)]
    request_head_bytes: Option<u64>,
    #[schema(minimum = 1, maximum = 10000000)]
    publishers_in_handshake: Option<u64>,
    #[schema(minimum = 1, maximum = 10000000)]
    viewers_per_stream: Option<u64>,
    #[schema(minimum = 1048576, maximum = 4294967296_u64)]
    viewer_queue_bytes: Option<u64>,
    #[schema(minimum = 1024, maximum = 16777215)]
    rtmp_message_bytes: Option<u64>,
    #[schema(minimum = 1024, maximum = 1073741824)]
    rtmp_pending_bytes: Option<u64>,
    #[schema(minimum = 1, maximum = 10000000)]
    rtmp_chunk_streams: Option<u64>,
    #[schema(minimum = 1024, maximum = 16777215)]
    amf_bytes: Option<u64>,
    #[schema(minimum = 1, maximum = 64)]
    amf_depth: Option<u64>,
    #[schema(minimum = 1, maximum = 10000000)]
    amf_values: Option<u64>,
}

impl Settings {
    /// All settings of a configuration, defaults too.
    pub(crate) fn new(config: &Config, shown: Shown) -> Self {
        Self {
            data_dir: config.data_dir.as_deref().map(path),
            api: Some(Api::new(&config.api, shown)),
            http: Some(Http { listen: Some(config.http.iter().map(ToString::to_string).collect()) }),
            ..Self::of_publisher(&config.settings, shown)
        }
    }

    /// Those of the publisher.
    fn of_publisher(settings: &config::Settings, shown: Shown) -> Self {
        // Taken apart, so that a new field cannot be forgotten. What is ignored has no name in the file.
        let config::Settings {
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
        } = settings;
        let dash = segmented(dash);
        let publisher = Publisher {
            hls: Some(Hls::new(hls, *hls_segment_type)),
            dash: Some(dash),
            kick_sec: Some(kick_time.as_secs()),
        };
        Self {
            data_dir: None,
            http: None,
            api: None,
            tls: tls.as_ref().map(|tls| Tls { cert: Some(path(&tls.cert)), key: Some(path(&tls.key)) }),
            listeners: Some(Listeners::new(listeners, shown)),
            publisher: Some(publisher),
            fan_out: Some(FanOut::new(fan_out)),
            limits: Some(Limits::new(limits)),
            play_auth: super::needs(play_auth),
            play_auth_keys: super::keys(play_auth, shown),
            trusted_proxies: Some(trusted_proxies.iter().map(ToString::to_string).collect()),
        }
    }
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

impl Api {
    fn new(settings: &auth::Settings, shown: Shown) -> Self {
        let auth::Settings { tokens, loopback_without_token } = settings;
        let token = |token: &auth::Token| Token {
            name: token.name.clone(),
            role: token.role.name(),
            hash: match shown {
                Shown::Masked => "***".to_owned(),
                Shown::Whole => token.hash.to_string(),
            },
        };
        Self {
            tokens: Some(tokens.iter().map(token).collect()),
            loopback_without_token: Some(*loopback_without_token),
        }
    }
}

impl Listeners {
    fn new(listeners: &config::Listeners, shown: Shown) -> Self {
        let config::Listeners { rtmp, rtmps, rtsp, rtsps, rtsp_udp_ports, srt, srt_latency, srt_passphrase } =
            listeners;
        let Listener { enabled, listen_host, port } = Listener::new(rtsp);
        let (first, last) = (rtsp_udp_ports.start(), rtsp_udp_ports.end());
        let rtsp = Rtsp { enabled, listen_host, port, udp_ports: Some(format!("{first}-{last}")) };
        let Listener { enabled, listen_host, port } = Listener::new(srt);
        let latency_ms = u16::try_from(srt_latency.as_millis()).ok();
        let passphrase = srt_passphrase.as_ref().map(|secret| shown.secret(secret));
        Self {
            rtmp: Some(Listener::new(rtmp)),
            rtmps: Some(Listener::new(rtmps)),
            rtsp: Some(rtsp),
            rtsps: Some(Listener::new(rtsps)),
            srt: Some(Srt { enabled, listen_host, port, latency_ms, passphrase }),
        }
    }
}

impl Listener {
    fn new(listener: &config::Listener) -> Self {
        let config::Listener { enabled, listen_host, port } = *listener;
        Self {
            enabled: Some(enabled),
            listen_host: listen_host.map(|host| host.to_string()),
            port: Some(port),
        }
    }
}

fn segmented(settings: &config::Segmented) -> Dash {
    let config::Segmented { dir, segment, window, history, ephemeral } = settings;
    Dash {
        dir: dir.as_deref().map(path),
        live_segment_sec: Some(segment.as_secs_f64()),
        live_window: Some(*window),
        live_history: Some(*history),
        live_ephemeral: Some(*ephemeral),
    }
}

impl Hls {
    fn new(settings: &config::Segmented, segment_type: config::SegmentType) -> Self {
        let Dash { dir, live_segment_sec, live_window, live_history, live_ephemeral } = segmented(settings);
        let segment_type = match segment_type {
            config::SegmentType::Ts => "ts",
            config::SegmentType::Fmp4 => "fmp4",
            config::SegmentType::Auto => "auto",
        };
        Self {
            dir,
            live_segment_sec,
            live_window,
            live_history,
            live_ephemeral,
            segment_type: Some(segment_type),
        }
    }
}

impl FanOut {
    fn new(settings: &config::FanOut) -> Self {
        let config::FanOut { workers, merge_window, sound_at_once, slow_viewer_timeout } = settings;
        Self {
            workers: Some(workers.unwrap_or(0)),
            merge_window_ms: u64::try_from(merge_window.as_millis()).ok(),
            sound_at_once: Some(*sound_at_once),
            slow_viewer_timeout_sec: Some(slow_viewer_timeout.as_secs_f64()),
        }
    }
}

impl Limits {
    fn new(limits: &config::Limits) -> Self {
        Self {
            connections: Some(limits.connections),
            connections_per_address: Some(limits.connections_per_address),
            handshake_timeout_sec: Some(limits.handshake_timeout.as_secs_f64()),
            request_head_bytes: Some(limits.request_head_bytes),
            publishers_in_handshake: Some(limits.publishers_in_handshake),
            viewers_per_stream: Some(limits.viewers_per_stream),
            viewer_queue_bytes: Some(limits.viewer_queue_bytes),
            rtmp_message_bytes: Some(limits.rtmp_message_bytes),
            rtmp_pending_bytes: Some(limits.rtmp_pending_bytes),
            rtmp_chunk_streams: Some(limits.rtmp_chunk_streams),
            amf_bytes: Some(limits.amf_bytes),
            amf_depth: Some(limits.amf_depth),
            amf_values: Some(limits.amf_values),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{env, read, read_under};
    use super::*;

    #[test]
    fn every_setting_that_the_file_has_is_in_the_document() {
        let config = read("data_dir: /d\npublisher: {hls: {dir: /h}, dash: {dir: /a}}\n", std::iter::empty())
            .expect("valid");
        let mut document = serde_json::to_value(Settings::new(&config, Shown::Whole)).expect("JSON");
        let back = read_under("", std::iter::empty(), &document).expect("valid");
        assert_eq!(back, config, "what is written is read");
        document["tls"] = serde_json::json!({"cert": "c", "key": "k"});
        for listener in ["rtmp", "rtmps", "rtsp", "rtsps", "srt"] {
            document["listeners"][listener]["listen_host"] = "::1".into();
        }
        document["listeners"]["srt"]["passphrase"] = "***".into();
        for path in env::SETTINGS {
            let pointer = format!("/{}", path.join("/"));
            assert!(document.pointer(&pointer).is_some(), "{pointer}");
        }
    }
}

//! What a configuration would run, in words, for `rillcast check`.

use std::fmt;

use publisher::config::{Listener, Listeners, Protocols, Rendition, SegmentType, Segmented, Source, Stream};

use super::Config;
use crate::auth;

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "HTTP      {}", self.http_shown())?;
        if !self.api.tokens.is_empty() {
            writeln!(f, "API       {}", api(&self.api))?;
        }
        let listeners = &self.settings.listeners;
        writeln!(f, "RTMP      {}", listener(&listeners.rtmp))?;
        let tls = self.settings.tls.as_ref().map(|tls| tls.cert.display());
        if let (true, Some(cert)) = (listeners.rtmps.enabled, &tls) {
            writeln!(f, "RTMPS     {}, with the certificate in {cert}", listener(&listeners.rtmps))?;
        }
        let (first, last) = listeners.rtsp_udp_ports.clone().into_inner();
        let udp = if listeners.rtsp.enabled { format!(", UDP {first}-{last}") } else { String::new() };
        writeln!(f, "RTSP      {}{udp}", listener(&listeners.rtsp))?;
        if let (true, Some(cert)) = (listeners.rtsps.enabled, &tls) {
            writeln!(f, "RTSPS     {}, with the certificate in {cert}", listener(&listeners.rtsps))?;
        }
        writeln!(f, "SRT       {}{}", listener(&listeners.srt), srt(listeners))?;
        if !self.settings.trusted_proxies.is_empty() {
            let proxies: Vec<String> =
                self.settings.trusted_proxies.iter().map(ToString::to_string).collect();
            writeln!(f, "proxies   {}", proxies.join(", "))?;
        }
        let hls = &self.settings.hls;
        let segments = segment_type(self.settings.hls_segment_type);
        writeln!(f, "HLS       {}{segments}", segmented(hls))?;
        writeln!(f, "DASH      {}", segmented(&self.settings.dash))?;
        if let Some(dir) = &self.data_dir {
            writeln!(f, "data      {}", dir.display())?;
        }
        if self.settings.open_publish {
            writeln!(f, "streams   any code, published from this machine")?;
        } else if self.streams.is_empty() {
            writeln!(f, "streams   none")?;
        }
        self.streams.iter().try_for_each(|stream| writeln!(f, "stream    {}", described(stream)))
    }
}

/// Who may use the API: `with the token of ops (admin), grafana (viewer)`.
fn api(settings: &auth::Settings) -> String {
    let tokens = settings.tokens.iter().map(|token| format!("{} ({})", token.name, token.role.name()));
    let tokens: Vec<String> = tokens.collect();
    let here = if settings.loopback_without_token { ", from this machine without one" } else { "" };
    format!("with the token of {}{here}", tokens.join(", "))
}

fn listener(listener: &Listener) -> String {
    match (listener.enabled, listener.listen_host) {
        (false, _) => "off".to_owned(),
        (true, None) => format!(":{}", listener.port),
        (true, Some(host)) => std::net::SocketAddr::new(host, listener.port).to_string(),
    }
}

/// What callers of SRT get.
fn srt(listeners: &Listeners) -> String {
    if !listeners.srt.enabled {
        return String::new();
    }
    let passphrase = if listeners.srt_passphrase.is_some() { ", with a passphrase" } else { "" };
    format!(", latency {} ms{passphrase}", listeners.srt_latency.as_millis())
}

fn segmented(hls: &Segmented) -> String {
    let kept = match (&hls.dir, hls.ephemeral) {
        (None, _) => "in memory".to_owned(),
        (Some(dir), true) => format!("in memory and in {}", dir.display()),
        (Some(dir), false) => format!("in memory, and for ever in {}", dir.display()),
    };
    let history = if hls.history > 0 { format!(" and {} more", hls.history) } else { String::new() };
    format!("{} s segments, a window of {}{history}, {kept}", hls.segment.as_secs_f64(), hls.window)
}

fn segment_type(segment_type: SegmentType) -> &'static str {
    match segment_type {
        SegmentType::Ts => ", in MPEG-TS",
        SegmentType::Fmp4 => ", in fragmented MP4",
        SegmentType::Auto => "",
    }
}

fn described(stream: &Stream) -> String {
    let sources: Vec<String> = stream.inputs.iter().map(|input| source(&input.source)).collect();
    let outputs = outputs(stream.protocols);
    let outputs = if outputs.is_empty() { "nothing".to_owned() } else { outputs.join(", ") };
    let key = if stream.stream_key.is_some() { ", with a stream key" } else { "" };
    let passphrase =
        if stream.srt_passphrase.is_some() { ", with a passphrase of its own for SRT" } else { "" };
    let ladder = ladder(&stream.renditions);
    let pushed = match stream.pushes.iter().filter(|push| push.enabled).count() {
        0 => String::new(),
        1 => ", pushed to 1 destination".to_owned(),
        count => format!(", pushed to {count} destinations"),
    };
    format!("{}: from {}{key}{passphrase}{ladder}, as {outputs}{pushed}", stream.code, sources.join(", "))
}

/// The rungs with what is known of them: `, in 1080p (1920x1080, 6000 kbit/s), 720p`.
fn ladder(renditions: &[Rendition]) -> String {
    let described = renditions.iter().map(|rung| {
        let size = match (rung.width, rung.height) {
            (None, None) => None,
            (Some(width), Some(height)) => Some(format!("{width}x{height}")),
            (Some(width), None) => Some(format!("{width} wide")),
            (None, Some(height)) => Some(format!("{height} high")),
        };
        let rate = rung.bitrate_kbps.map(|kbps| format!("{kbps} kbit/s"));
        let known: Vec<String> = size.into_iter().chain(rate).collect();
        if known.is_empty() { rung.name.clone() } else { format!("{} ({})", rung.name, known.join(", ")) }
    });
    let described: Vec<String> = described.collect();
    if described.is_empty() { String::new() } else { format!(", in {}", described.join(", ")) }
}

fn source(source: &Source) -> String {
    match source {
        Source::Publish => "a publisher".to_owned(),
        Source::File { path, looped: true, .. } => format!("{} in a loop", path.display()),
        Source::File { path, looped: false, .. } => path.display().to_string(),
        Source::Datagrams(datagrams) => datagrams.url.clone(),
        Source::Srt(call) => call.to_string(),
        Source::Clip { .. } => "the demo clip".to_owned(),
    }
}

fn outputs(protocols: Protocols) -> Vec<&'static str> {
    let all = [
        (protocols.hls, "HLS"),
        (protocols.dash, "DASH"),
        (protocols.mpegts, "HTTP MPEG-TS"),
        (protocols.rtmp, "RTMP"),
        (protocols.rtsp, "RTSP"),
        (protocols.srt, "SRT"),
    ];
    all.into_iter().filter_map(|(on, name)| on.then_some(name)).collect()
}

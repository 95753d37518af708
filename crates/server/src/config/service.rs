//! The sections `listeners` and `publisher`.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use publisher::config::{self, Listener, Listeners, Secret, SegmentType, Segmented, Settings};

use super::listen::{Host, Listen};
use super::read::{Item, Section};

/// Bounds of `live_segment_sec`: a target duration over 12 s makes players wait too long for their start.
const SEGMENT_SEC: RangeInclusive<f64> = 1.0..=12.0;
/// Bounds of `live_window`: RFC 8216 6.3.3 has players start three target durations before the end.
const WINDOW: RangeInclusive<u64> = 3..=100_000;
/// Bounds of `live_history`.
const HISTORY: RangeInclusive<u64> = 0..=100_000;
/// Bounds of `kick_sec`: a day at most, for whoever has the same address is refused as well.
const KICK_SEC: RangeInclusive<u64> = 0..=86_400;
/// Between the first and the last UDP port: whatever they are, two pairs of an even and an odd one are there.
const UDP_PORTS: u16 = 4;
/// A passphrase of SRT has 10 to 79 bytes, draft-sharabayko-srt 6.1.4.
pub(super) const PASSPHRASE: RangeInclusive<usize> = 10..=79;

/// Reads `listeners`. `http` is what `http.listen` says, to find out whether another one wants the same port; `has_tls`
/// whether the file has a section `tls`.
pub(super) fn listeners(
    mut section: Section<'_>,
    http: Option<&[Listen]>,
    http_item: Option<Item<'_>>,
    has_tls: bool,
) -> Listeners {
    let default = Listeners::default();
    let mut rtmp = section.section("rtmp");
    let port_item = rtmp.item("port");
    let rtmp_listener = listener(&mut rtmp, default.rtmp);
    rtmp.close();
    let rtmp_item = port_item.or_else(|| http_item.clone());

    let (rtmps_listener, rtmps_item) = tls_listener(&mut section, "rtmps", default.rtmps, has_tls);

    let mut rtsp = section.section("rtsp");
    let port_item = rtsp.item("port");
    let rtsp_listener = listener(&mut rtsp, default.rtsp);
    let udp_ports = rtsp.item("udp_ports").and_then(|item| udp_ports(&item));
    rtsp.close();
    let rtsp_item = port_item.or_else(|| http_item.clone()).or_else(|| rtmp_item.clone());
    let (rtsps_listener, rtsps_item) = tls_listener(&mut section, "rtsps", default.rtsps, has_tls);

    let defaults = [Listen { host: Host::All, port: super::HTTP_PORT }];
    let mut taken: Vec<_> = http.unwrap_or(&defaults).iter().map(|&listen| ("http.listen", listen)).collect();
    share_no_port(&mut taken, "listeners.rtmp", &rtmp_listener, rtmp_item);
    share_no_port(&mut taken, "listeners.rtmps", &rtmps_listener, rtmps_item);
    share_no_port(&mut taken, "listeners.rtsp", &rtsp_listener, rtsp_item);
    share_no_port(&mut taken, "listeners.rtsps", &rtsps_listener, rtsps_item);

    let mut srt = section.section("srt");
    let srt_listener = listener(&mut srt, default.srt);
    // 16 bits in the handshake, draft-sharabayko-srt 3.2.1.1.1.
    let latency = srt.item("latency_ms").and_then(|item| item.whole(0..=u64::from(u16::MAX)));
    let passphrase = srt.item("passphrase").and_then(|item| passphrase(&item));
    srt.close();
    section.close();

    Listeners {
        rtmp: rtmp_listener,
        rtmps: rtmps_listener,
        rtsp: rtsp_listener,
        rtsps: rtsps_listener,
        rtsp_udp_ports: udp_ports.unwrap_or(default.rtsp_udp_ports),
        srt: srt_listener,
        srt_latency: latency.map_or(default.srt_latency, Duration::from_millis),
        srt_passphrase: passphrase,
    }
}

fn listener(section: &mut Section<'_>, default: Listener) -> Listener {
    let enabled = section.item("enabled").and_then(|item| item.flag());
    let host = section.item("listen_host").and_then(|item| {
        item.read("an IP address; without it all addresses", |text| match Host::parse(text)? {
            Host::All => Some(None),
            Host::Ip(ip) => Some(Some(ip)),
            Host::Localhost => None,
        })
    });
    let port = section.item("port").and_then(|item| item.whole(0..=u64::from(u16::MAX)));
    Listener {
        enabled: enabled.unwrap_or(default.enabled),
        listen_host: host.unwrap_or(default.listen_host),
        port: port.and_then(|port| u16::try_from(port).ok()).unwrap_or(default.port),
    }
}

/// Reads a listener that speaks TLS, and where it is described. Whoever describes it wants it.
fn tls_listener<'a>(
    section: &mut Section<'a>,
    name: &'static str,
    default: Listener,
    has_tls: bool,
) -> (Listener, Option<Item<'a>>) {
    let item = section.item(name).filter(|item| !item.holds_nothing());
    let mut tls = section.section(name);
    let (enabled_item, port_item) = (tls.item("enabled"), tls.item("port"));
    let listener = listener(&mut tls, Listener { enabled: item.is_some(), ..default });
    tls.close();
    if let (true, false, Some(item)) = (listener.enabled, has_tls, enabled_item.or_else(|| item.clone())) {
        item.wrong("needs a certificate; name it and its key as tls.cert and tls.key, or set enabled: false");
    }
    (listener, port_item.or(item))
}

/// Reads a range of UDP ports.
fn udp_ports(item: &Item<'_>) -> Option<RangeInclusive<u16>> {
    item.read("the first and the last of at least 5 ports from 1024 on, as \"20000-20999\"", |text| {
        let (first, last) = text.split_once('-')?;
        let (first, last): (u16, u16) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (first >= 1024 && last.checked_sub(first)? >= UDP_PORTS).then_some(first..=last)
    })
}

/// Notes where a listener wants a port that is `taken`, and takes its own.
fn share_no_port(
    taken: &mut Vec<(&'static str, Listen)>,
    name: &'static str,
    listener: &Listener,
    item: Option<Item<'_>>,
) {
    if !listener.enabled {
        return;
    }
    let listen = Listen { host: Host::of(listener.listen_host), port: listener.port };
    let both = taken.iter().find(|(_, other)| other.overlaps(listen));
    if let (Some((other, where_it_is)), Some(item)) = (both, item) {
        item.wrong(&format!("{other} ({where_it_is}) and {name} ({listen}) cannot share a port"));
    }
    taken.push((name, listen));
}

/// Reads an SRT passphrase.
pub(super) fn passphrase(item: &Item<'_>) -> Option<Secret> {
    item.read("10 to 79 characters", |text| PASSPHRASE.contains(&text.len()).then(|| Secret::new(text)))
}

/// Reads `publisher`: HLS, what its segments are, DASH, and how long kicked viewers of both are refused. All else is as by
/// default.
pub(super) fn outputs(mut section: Section<'_>) -> Settings {
    let mut hls = section.section("hls");
    let segment_type = hls.item("segment_type").and_then(|item| {
        item.read("ts, fmp4, auto", |text| match text {
            "ts" => Some(SegmentType::Ts),
            "fmp4" => Some(SegmentType::Fmp4),
            "auto" => Some(SegmentType::Auto),
            _ => None,
        })
    });
    let (hls, hls_dir) = segmented(hls);
    let (dash, dash_dir) = segmented(section.section("dash"));
    if let (Some(hls), Some(dash), Some(_), Some(item)) = (&hls.dir, &dash.dir, hls_dir, dash_dir)
        && config::overlap(hls, dash)
    {
        item.wrong(&format!(
            "this and publisher.hls.dir ({}) are the same directory, or one is in the other; name two that are apart",
            hls.display()
        ));
    }
    let kick_time = section.item("kick_sec").and_then(|item| item.whole(KICK_SEC)).map(Duration::from_secs);
    section.close();
    let default = Settings::default();
    Settings {
        hls,
        hls_segment_type: segment_type.unwrap_or_default(),
        dash,
        kick_time: kick_time.unwrap_or(default.kick_time),
        ..default
    }
}

fn segmented(mut section: Section<'_>) -> (Segmented, Option<Item<'_>>) {
    let default = Segmented::default();
    let dir = section.item("dir");
    let path = dir.as_ref().and_then(|item| item.text()).map(PathBuf::from);
    let segment = section.item("live_segment_sec").and_then(|item| item.decimal(SEGMENT_SEC));
    let count = |item: Option<Item<'_>>, range| {
        item.and_then(|item| item.whole(range)).and_then(|count| usize::try_from(count).ok())
    };
    let window = count(section.item("live_window"), WINDOW);
    let history = count(section.item("live_history"), HISTORY);
    let ephemeral = section.item("live_ephemeral").and_then(|item| item.flag());
    section.close();
    let settings = Segmented {
        dir: path,
        // To the millisecond, the finest that a playlist shows.
        segment: segment.map_or(default.segment, |sec| Duration::from_millis((sec * 1000.0).round() as u64)),
        window: window.unwrap_or(default.window),
        history: history.unwrap_or(default.history),
        ephemeral: ephemeral.unwrap_or(default.ephemeral),
    };
    (settings, dir)
}

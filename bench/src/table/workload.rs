//! The kinds of load that tables are made of.

use std::fmt;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::{Map, Value};

use super::options::Options;
use super::server::Server;
use crate::load::Load;
use crate::progress::Progress;
use crate::usage::{Watch, Watched};
use crate::{fetch, play, publish, sink};

/// One kind of load.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Workload {
    HttpTs,
    HttpFlv,
    Rtmp,
    Rtsp,
    RtspUdp,
    Srt,
    Hls,
    Get,
    Publish,
}

/// A column of a table: title, field of the report, decimals.
pub(super) type Column = (&'static str, &'static str, usize);

const STREAM: &[Column] = &[
    ("CPU s/Gbit", "cpu_s_per_gbit", 4),
    ("core %", "srv_cpu_pct", 1),
    ("latency p50 ms", "lat_p50_ms", 1),
    ("p99 ms", "lat_p99_ms", 1),
    ("first media ms", "first_p50_ms", 1),
    ("at full rate", "full_rate", 0),
    ("kB per viewer", "rss_kb_per_client", 1),
];
const DATAGRAMS: &[Column] = &[
    ("CPU s/Gbit", "cpu_s_per_gbit", 4),
    ("core %", "srv_cpu_pct", 1),
    ("latency p50 ms", "lat_p50_ms", 1),
    ("p99 ms", "lat_p99_ms", 1),
    ("first media ms", "first_p50_ms", 1),
    ("at full rate", "full_rate", 0),
    ("packets", "packets", 0),
    ("lost", "lost", 0),
    ("kB per viewer", "rss_kb_per_client", 1),
];
const HLS: &[Column] = &[
    ("CPU s/Gbit", "cpu_s_per_gbit", 4),
    ("core %", "srv_cpu_pct", 1),
    ("requests/s", "requests_per_s", 0),
    ("segment p50 ms", "seg_p50_ms", 1),
    ("p99 ms", "seg_p99_ms", 1),
    ("errors", "errors", 0),
    ("late", "late", 0),
    ("missed", "gaps", 0),
];
const GET: &[Column] = &[
    ("requests/s", "requests_per_s", 0),
    ("Gbit/s", "gbit_per_s", 2),
    ("CPU s/Gbit", "cpu_s_per_gbit", 4),
    ("core %", "srv_cpu_pct", 1),
    ("p50 ms", "seg_p50_ms", 2),
    ("p99 ms", "seg_p99_ms", 2),
    ("errors", "errors", 0),
];
const PUBLISH: &[Column] = &[
    ("CPU ms per stream and second", "cpu_ms_per_client_s", 3),
    ("core %", "srv_cpu_pct", 1),
    ("kB per stream", "rss_kb_per_client", 0),
    ("cut off", "dead", 0),
    ("late ms", "max_behind_ms", 1),
];

impl Workload {
    pub(super) const ALL: [Self; 9] = [
        Self::HttpTs,
        Self::HttpFlv,
        Self::Rtmp,
        Self::Rtsp,
        Self::RtspUdp,
        Self::Srt,
        Self::Hls,
        Self::Get,
        Self::Publish,
    ];

    /// Its key in the description of a server.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::HttpTs => "http-ts",
            Self::HttpFlv => "http-flv",
            Self::Rtmp => "rtmp",
            Self::Rtsp => "rtsp",
            Self::RtspUdp => "rtsp-udp",
            Self::Srt => "srt",
            Self::Hls => "hls",
            Self::Get => "get",
            Self::Publish => "publish",
        }
    }

    /// Over a table of it, with the number of clients.
    pub(super) fn title(self, n: usize) -> String {
        match self {
            Self::HttpTs => format!("HTTP MPEG-TS, {n} viewers"),
            Self::HttpFlv => format!("HTTP-FLV, {n} viewers"),
            Self::Rtmp => format!("RTMP play, {n} viewers"),
            Self::Rtsp => format!("RTSP over TCP, {n} viewers"),
            Self::RtspUdp => format!("RTSP over UDP, {n} viewers"),
            Self::Srt => format!("SRT, {n} viewers"),
            Self::Hls => format!("HLS, {n} players"),
            Self::Get => format!("GET loop, {n} connections"),
            Self::Publish => format!("RTMP ingest, {n} publishers"),
        }
    }

    /// An endless stream over TCP, that the reference stands beside.
    pub(super) fn is_endless(self) -> bool {
        matches!(self, Self::HttpTs | Self::HttpFlv | Self::Rtmp | Self::Rtsp)
    }

    /// The field that servers are compared by.
    pub(super) fn headline(self) -> &'static str {
        self.columns()[0].1
    }

    pub(super) fn columns(self) -> &'static [Column] {
        match self {
            Self::RtspUdp | Self::Srt => DATAGRAMS,
            Self::Hls => HLS,
            Self::Get => GET,
            Self::Publish => PUBLISH,
            _ => STREAM,
        }
    }

    /// How many clients it has.
    pub(super) fn clients(self, options: &Options) -> usize {
        match self {
            Self::Get => options.connections,
            Self::Publish => options.publishers,
            _ => options.viewers,
        }
    }

    /// One run; the report as an object.
    pub(super) fn measure(
        self,
        options: &Options,
        server: &Server,
        sink: Option<&sink::Sink>,
        watch: Watch,
        progress: &Progress,
    ) -> anyhow::Result<Map<String, Value>> {
        if let (Self::Rtmp, Some(sink)) = (self, sink) {
            return object(serde_json::to_value(options.sink(sink, watch, progress)?)?);
        }
        let urls = server.urls(self);
        let url = urls.first().cloned().with_context(|| format!("{} has no {}=", server.name, self.key()))?;
        let Load { n, secs, warmup, .. } = options.load(self.clients(options));
        let watched = Watched::default();
        let report = match self {
            Self::HttpTs | Self::HttpFlv => play(play::Kind::HttpPull, url, options, watch, progress)?,
            Self::Rtmp => play(play::Kind::RtmpPlay, url, options, watch, progress)?,
            Self::Rtsp => play(play::Kind::RtspPlay, url, options, watch, progress)?,
            Self::RtspUdp => play(play::Kind::RtspPlayUdp, url, options, watch, progress)?,
            Self::Srt => play(play::Kind::SrtPlay, url, options, watch, progress)?,
            Self::Hls => {
                let load = options.load(n);
                serde_json::to_value(fetch::hls(&fetch::HlsOptions { url, load, watched }, watch, progress)?)?
            }
            Self::Get => {
                let options = fetch::GetOptions { urls, n, secs, warmup: warmup.min(1.0), watched };
                serde_json::to_value(fetch::get(&options, watch, progress)?)?
            }
            Self::Publish => {
                let file = options.file.clone().context("publish= needs --file")?;
                let (no_stamp, phases) = (false, 8);
                let options = publish::Options { url, file, n, secs, warmup, no_stamp, phases, watched };
                serde_json::to_value(publish::run(&options, watch, progress)?)?
            }
        };
        object(report)
    }
}

impl Options {
    /// One run of a server that publishes.
    fn sink(&self, sink: &sink::Sink, watch: Watch, progress: &Progress) -> anyhow::Result<sink::Report> {
        let options = sink::Options {
            url: sink.url().clone(),
            n: self.viewers,
            secs: self.secs,
            warmup: self.warmup,
            batch_ms: self.reading.batch_ms,
            expect: self.reading.expect,
            watched: Watched::default(),
        };
        sink.measure(&options, watch, progress)
    }
}

fn object(report: Value) -> anyhow::Result<Map<String, Value>> {
    match report {
        Value::Object(report) => Ok(report),
        other => anyhow::bail!("a report that is no object: {other}"),
    }
}

fn play(
    kind: play::Kind,
    url: crate::target::Target,
    options: &Options,
    watch: Watch,
    progress: &Progress,
) -> anyhow::Result<Value> {
    let (load, reading) = (options.load(options.viewers), options.reading.clone());
    let options = play::Options { url, load, watched: Watched::default(), reading };
    let report = play::run(kind, &options, watch, progress)?;
    anyhow::ensure!(
        report.got_media > 0,
        "nobody got media: {}",
        report.first_error.as_deref().unwrap_or("nothing came")
    );
    Ok(serde_json::to_value(report)?)
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

//! What players report.

use std::fmt;

use serde::Serialize;

use super::client::Outcome;
use super::{Kind, Options};
use crate::stats::{FULL, percentile, rounded};
use crate::usage::{Measured, Usage};

/// The result of one run of players.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) mode: &'static str,
    pub(crate) url: String,
    pub(crate) n: usize,
    pub(crate) secs: u64,
    /// Players that got a first media frame.
    pub(crate) got_media: usize,
    /// Players whose connection failed or was closed.
    pub(crate) dead: usize,
    /// Players that got bytes in every second of the window.
    pub(crate) steady: usize,
    /// Players at 95 % of the whole stream's rate or more.
    pub(crate) full_rate: usize,
    pub(crate) bytes: u64,
    pub(crate) gbit_per_s: f64,
    /// Bytes in a second, of the slowest, the middle and the fastest player.
    pub(crate) rate_min: Option<f64>,
    pub(crate) rate_med: Option<f64>,
    pub(crate) rate_max: Option<f64>,
    /// From asking to the first picture; of HTTP, to the first byte of the body.
    pub(crate) first_p50_ms: Option<f64>,
    pub(crate) first_p99_ms: Option<f64>,
    /// Stamps that probes found, and their age.
    pub(crate) lat_n: usize,
    pub(crate) lat_p50_ms: Option<f64>,
    pub(crate) lat_p99_ms: Option<f64>,
    pub(crate) lat_max_ms: Option<f64>,
    /// Over UDP: packets that came, and those that are missing by their numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) packets: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lost: Option<u64>,
    #[serde(flatten)]
    pub(crate) usage: Usage,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_error: Option<String>,
}

impl Outcome {
    /// Whether it got all of a stream of so many bytes per second, near enough.
    fn is_full(&self, secs: u64, whole: f64) -> bool {
        self.first_ms.is_some() && self.bytes > 0 && self.bytes as f64 / secs as f64 >= FULL * whole
    }
}

impl Report {
    pub(super) fn new(kind: Kind, options: &Options, players: Vec<Outcome>, measured: &Measured) -> Self {
        let (n, secs) = (options.load.n, options.load.secs);
        let bytes: u64 = players.iter().map(|player| player.bytes).sum();
        let gigabits = bytes as f64 * 8e-9;
        let mut rates: Vec<f64> = players.iter().map(|player| player.bytes as f64 / secs as f64).collect();
        let mut firsts: Vec<f64> = players.iter().filter_map(|player| player.first_ms).collect();
        let mut ages: Vec<f64> =
            players.iter().flat_map(|player| player.latencies_ms.iter().copied()).collect();
        let at = |values: &mut Vec<f64>, share| percentile(values, share).map(rounded);
        let datagrams = || players.iter().filter_map(|player| player.datagrams);
        let (packets, lost) = match datagrams().next() {
            Some(_) => (
                Some(datagrams().map(|count| count.packets).sum()),
                Some(datagrams().map(|count| count.lost).sum()),
            ),
            None => (None, None),
        };
        let whole = options.reading.expect.or_else(|| percentile(&mut rates, 0.5)).unwrap_or(0.0);
        Self {
            mode: kind.name(),
            url: options.url.to_string(),
            n,
            secs,
            got_media: firsts.len(),
            dead: players.iter().filter(|player| player.error.is_some()).count(),
            steady: players.iter().filter(|player| player.busy_seconds >= secs).count(),
            full_rate: players.iter().filter(|player| player.is_full(secs, whole)).count(),
            bytes,
            gbit_per_s: rounded(gigabits / secs as f64),
            rate_min: at(&mut rates, 0.0),
            rate_med: at(&mut rates, 0.5),
            rate_max: at(&mut rates, 1.0),
            first_p50_ms: at(&mut firsts, 0.5),
            first_p99_ms: at(&mut firsts, 0.99),
            lat_n: ages.len(),
            lat_p50_ms: at(&mut ages, 0.5),
            lat_p99_ms: at(&mut ages, 0.99),
            lat_max_ms: at(&mut ages, 1.0),
            packets,
            lost,
            usage: measured.usage(n, gigabits),
            first_error: players.into_iter().find_map(|player| player.error),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mode, url, n, secs, got_media, dead, steady, full_rate, .. } = self;
        write!(f, "{mode} {url}: {n} clients, {secs} s")?;
        write!(
            f,
            "\n  clients      {got_media} got media, {steady} in every second, {full_rate} at full rate"
        )?;
        write!(f, ", {dead} lost")?;
        write!(f, "\n  rate         {:.4} Gbit/s", self.gbit_per_s)?;
        if let (Some(min), Some(med), Some(max)) = (self.rate_min, self.rate_med, self.rate_max) {
            write!(f, "; a client {:.1} kB/s ({:.1} to {:.1})", med / 1e3, min / 1e3, max / 1e3)?;
        }
        if let (Some(p50), Some(p99)) = (self.first_p50_ms, self.first_p99_ms) {
            write!(f, "\n  first media  {p50:.1} ms, p99 {p99:.1} ms")?;
        }
        if let (Some(p50), Some(p99), Some(max)) = (self.lat_p50_ms, self.lat_p99_ms, self.lat_max_ms) {
            write!(
                f,
                "\n  latency      {p50:.1} ms, p99 {p99:.1} ms, worst {max:.1} ms ({} stamps)",
                self.lat_n
            )?;
        }
        if let (Some(packets), Some(lost)) = (self.packets, self.lost) {
            write!(f, "\n  packets      {packets} came, {lost} did not")?;
        }
        self.usage.fmt(f)?;
        if let Some(error) = &self.first_error {
            write!(f, "\n  first error  {error}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::usage::Server;

    /// A result as it may be.
    pub(crate) fn sample() -> Report {
        Report {
            mode: "http-pull",
            url: "http://127.0.0.1:8080/x/mpegts".into(),
            n: 1000,
            secs: 8,
            got_media: 1000,
            dead: 1,
            steady: 999,
            full_rate: 998,
            bytes: 2_232_000_000,
            gbit_per_s: 2.232,
            rate_min: Some(278_000.0),
            rate_med: Some(279_000.0),
            rate_max: Some(280_000.0),
            first_p50_ms: Some(1.25),
            first_p99_ms: Some(4.0),
            lat_n: 2000,
            lat_p50_ms: Some(21.5),
            lat_p99_ms: Some(41.0),
            lat_max_ms: Some(60.0),
            packets: None,
            lost: None,
            usage: Usage {
                server: Some(Server {
                    srv_cpu_pct: 18.0,
                    srv_user_pct: 3.0,
                    srv_sys_pct: 15.0,
                    cpu_ms_per_client_s: 0.18,
                    cpu_s_per_gbit: Some(0.0806),
                    rss_idle_mb: 10.0,
                    rss_end_mb: 18.0,
                    rss_kb_per_client: 8.0,
                }),
                core_busy_pct: Some(25.0),
                own_cpu_pct: 40.0,
                steal_s: 0.0,
            },
            first_error: None,
        }
    }

    #[test]
    fn the_summary_reads_well() {
        let expected = "\
http-pull http://127.0.0.1:8080/x/mpegts: 1000 clients, 8 s
  clients      1000 got media, 999 in every second, 998 at full rate, 1 lost
  rate         2.2320 Gbit/s; a client 279.0 kB/s (278.0 to 280.0)
  first media  1.2 ms, p99 4.0 ms
  latency      21.5 ms, p99 41.0 ms, worst 60.0 ms (2000 stamps)
  server       18.0 % of a core (user 3.0, system 15.0), 0.0806 s per gigabit, 0.180 ms per client and second
  memory       10.0 MB before, 18.0 MB at the end: 8.0 kB per client
  core         25.0 % busy
  this tool    40.0 % of a core";
        assert_eq!(sample().to_string(), expected);
    }

    #[test]
    fn what_is_lost_is_said_of_udp() {
        let report = Report { packets: Some(1000), lost: Some(3), ..sample() };
        assert!(report.to_string().contains("\n  packets      1000 came, 3 did not\n"));
    }

    #[test]
    fn the_json_is_one_flat_object() {
        let json = serde_json::to_value(sample()).unwrap();
        assert_eq!(json["cpu_s_per_gbit"], 0.0806);
        assert_eq!(json["own_cpu_pct"], 40.0);
        assert!(json.as_object().unwrap().values().all(|value| !value.is_object()));
    }
}

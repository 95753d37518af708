//! The relay of this crate as a program: a bad network between programs on loopback.
//!
//! Says where it listens as a line of JSON, runs until it gets SIGTERM or its standard input ends, where that is a pipe, and
//! then says what it did as another.

#![allow(clippy::print_stdout)]

use std::io::{self, Read as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::FileTypeExt as _;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use rillcast_testkit::relay::{Counters, Impairment, Kind, Network, Relay, Route, RouteCounters};
use serde_json::{Value, json};

/// Loses, delays, reorders, duplicates and throttles what passes between programs on loopback
///
/// LISTEN and TARGET are HOST:PORT, or a port of 127.0.0.1; a listening port 0 is any that is free.
#[derive(Parser, Debug)]
struct Options {
    /// Datagrams
    #[arg(long, value_name = "LISTEN=TARGET")]
    udp: Vec<String>,
    /// Connections: what is lost comes later
    #[arg(long, value_name = "LISTEN=TARGET")]
    tcp: Vec<String>,
    /// RTSP whose RTP and RTCP over UDP pass here too; the connection itself is not impaired
    #[arg(long, value_name = "LISTEN=TARGET")]
    rtsp: Vec<String>,
    /// What decides everything
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Impair one direction only
    #[arg(long, value_name = "there|back", value_parser = ["there", "back"])]
    only: Option<String>,
    /// Share of packets that are lost, 0 to 1
    #[arg(long, default_value_t = 0.0)]
    loss: f64,
    /// Milliseconds that everything is late by
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
    /// Milliseconds that are added to the delay at most
    #[arg(long, default_value_t = 0)]
    jitter_ms: u64,
    /// Share of packets that others overtake, 0 to 1
    #[arg(long, default_value_t = 0.0)]
    reorder: f64,
    /// Milliseconds that those are held back
    #[arg(long, default_value_t = 20)]
    reorder_ms: u64,
    /// Share of packets that come twice, 0 to 1
    #[arg(long, default_value_t = 0.0)]
    duplicate: f64,
    /// Kilobits per second of each client and direction, and over RTSP of each track
    #[arg(long)]
    rate_kbps: Option<u32>,
    /// Milliseconds that packets wait for the rate at most
    #[arg(long, default_value_t = 500)]
    queue_ms: u64,
    /// Milliseconds until a lost segment of a connection comes after all
    #[arg(long, default_value_t = 200)]
    retransmit_ms: u64,
}

impl Options {
    fn network(&self) -> Network {
        let bad = Impairment {
            loss: self.loss,
            delay: Duration::from_millis(self.delay_ms),
            jitter: Duration::from_millis(self.jitter_ms),
            reorder: self.reorder,
            reorder_by: Duration::from_millis(self.reorder_ms),
            duplicate: self.duplicate,
            rate_kbps: self.rate_kbps,
            queue: Duration::from_millis(self.queue_ms),
            retransmit: Duration::from_millis(self.retransmit_ms),
        };
        let unless = |other| if self.only.as_deref() == Some(other) { Impairment::default() } else { bad };
        Network { seed: self.seed, there: unless("back"), back: unless("there") }
    }

    fn routes(&self) -> anyhow::Result<Vec<Route>> {
        let kinds = [(Kind::Udp, &self.udp), (Kind::Tcp, &self.tcp), (Kind::Rtsp, &self.rtsp)];
        let routes = kinds.into_iter().flat_map(|(kind, all)| all.iter().map(move |text| route(kind, text)));
        routes.collect()
    }
}

fn route(kind: Kind, text: &str) -> anyhow::Result<Route> {
    let (listen, target) = text.split_once('=').with_context(|| format!("{text}: not LISTEN=TARGET"))?;
    Ok(Route { kind, listen: address(listen)?, target: address(target)? })
}

fn address(text: &str) -> anyhow::Result<SocketAddr> {
    if let Ok(port) = text.parse() {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    text.parse().with_context(|| format!("{text}: not HOST:PORT"))
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Udp => "udp",
        Kind::Tcp => "tcp",
        Kind::Rtsp => "rtsp",
    }
}

/// `{"udp": [ports], "tcp": [ports], "rtsp": [ports]}`, each in the order of the command line.
fn listening(relay: &Relay, routes: &[Route]) -> Value {
    let ports = |kind| -> Vec<u16> {
        let own = relay.addresses().iter().zip(routes).filter(|(_, route)| route.kind == kind);
        own.map(|(address, _)| address.port()).collect()
    };
    json!({"udp": ports(Kind::Udp), "tcp": ports(Kind::Tcp), "rtsp": ports(Kind::Rtsp)})
}

fn report(port: u16, kind: Kind, counters: &RouteCounters) -> Value {
    let direction = |counters: &Counters| {
        let Counters { packets, bytes, lost, overflowed, reordered, duplicated, sent } = *counters;
        json!({"packets": packets, "bytes": bytes, "lost": lost, "overflowed": overflowed,
               "reordered": reordered, "duplicated": duplicated, "sent": sent})
    };
    let (there, back) = (direction(&counters.there), direction(&counters.back));
    json!({"kind": name(kind), "port": port, "clients": counters.clients, "there": there, "back": back})
}

/// Returns on SIGTERM, SIGINT and the end of a standard input that is a pipe.
fn wait_for_end() -> anyhow::Result<()> {
    if std::fs::metadata("/dev/stdin").is_ok_and(|input| input.file_type().is_fifo()) {
        thread::spawn(|| {
            let mut input = [0; 64];
            while io::stdin().read(&mut input).is_ok_and(|length| length > 0) {}
            kill(Pid::this(), Signal::SIGTERM)
        });
    }
    ends().wait().context("cannot wait for a signal").map(drop)
}

fn ends() -> SigSet {
    SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT])
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let routes = options.routes()?;
    // Before any thread starts, so that none of them is ended by a signal.
    ends().thread_block()?;
    let relay = Relay::start(options.network(), &routes)?;
    println!("{}", listening(&relay, &routes));
    wait_for_end()?;
    let counters = relay.counters();
    let all = relay.addresses().iter().zip(&routes).zip(&counters);
    let all: Vec<Value> =
        all.map(|((at, route), counters)| report(at.port(), route.kind, counters)).collect();
    println!("{}", json!({"seed": options.seed, "routes": all}));
    Ok(())
}

//! A network between two programs on loopback that loses, delays, reorders, duplicates and throttles.
//!
//! Everything it does is decided by a seed: the n-th packet of a line (one direction between one client and the target)
//! meets the same fate in each run, whenever it comes and whatever passes on other lines.
//!
//! [`Packets`] and [`Segments`] are the cores, for datagrams and for a byte stream: what comes and when goes in, what
//! leaves and when comes out, in whatever time the caller keeps. They serve tests in virtual time as they are. [`Relay`]
//! puts them between real sockets, one thread for all its [`Route`]s. `examples/relay.rs` is the same as a program.

mod connection;
mod control;
mod fate;
mod line;
mod packets;
mod route;
mod rtsp;
mod segments;
mod socket;
mod tcp;
mod thread;
mod udp;

use std::time::Duration;

pub use line::Counters;
pub use packets::Packets;
pub use segments::{SEGMENT_BYTES, Segments};
pub use thread::{Kind, Relay, Route, RouteCounters};

/// What one direction of a network does to what passes. The default does nothing.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Impairment {
    /// Share of the packets that are lost, 0 to 1. In a byte stream such a segment comes [`Self::retransmit`] later, and
    /// everything behind it with it.
    pub loss: f64,
    /// What everything is late by.
    pub delay: Duration,
    /// The most that is added to the delay. It goes up and down as queues of routers do, and keeps the order.
    pub jitter: Duration,
    /// Share of the packets that are held back for [`Self::reorder_by`], so that later ones overtake them. Of no effect on a
    /// byte stream, whose receiver would put it right.
    pub reorder: f64,
    /// How long a packet is held back that others are to overtake.
    pub reorder_by: Duration,
    /// Share of the packets that come twice. Of no effect on a byte stream.
    pub duplicate: f64,
    /// Bits per second divided by 1000 that get through; what comes faster waits.
    pub rate_kbps: Option<u32>,
    /// The longest wait that the rate makes. Packets that would wait longer are lost; a byte stream is not read meanwhile.
    pub queue: Duration,
    /// After what time a lost segment of a byte stream comes after all.
    pub retransmit: Duration,
}

impl Default for Impairment {
    fn default() -> Self {
        Self {
            loss: 0.0,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            reorder: 0.0,
            reorder_by: Duration::from_millis(20),
            duplicate: 0.0,
            rate_kbps: None,
            queue: Duration::from_millis(500),
            retransmit: Duration::from_millis(200),
        }
    }
}

/// The network of a [`Relay`].
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct Network {
    /// What decides everything that is not given.
    pub seed: u64,
    /// From clients to the target.
    pub there: Impairment,
    /// From the target to clients.
    pub back: Impairment,
}

impl Network {
    /// The same in both directions.
    #[must_use]
    pub fn both(seed: u64, impairment: Impairment) -> Self {
        Self { seed, there: impairment, back: impairment }
    }
}

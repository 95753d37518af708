//! What our own side wants of a connection, and how much strangers may cost.

use std::time::Duration;

use crate::crypto::Refresh;

/// What is wanted of a connection. The buffers are the most that a peer can make it hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// How long after it was sent a packet is delivered here, at least; the peer may ask for more. Whole milliseconds up to
    /// 65 s.
    pub receive_latency: Duration,
    /// The same at the peer, for what we send.
    pub send_latency: Duration,
    /// The longest payload that is taken to be sent, 1456 bytes at most. In live mode it is 1316: 7 packets of MPEG-TS.
    pub payload_bytes: usize,
    /// Packets that wait to be confirmed, those not sent yet among them.
    pub send_packets: usize,
    /// Packets that wait to be delivered, the places of missing ones among them.
    pub receive_packets: usize,
    /// How fast we send.
    pub bandwidth: Bandwidth,
    /// How long a silent peer is waited for.
    pub idle_timeout: Duration,
    /// When the keys of what we send are replaced.
    pub refresh: Refresh,
    /// Where our timestamps begin: any number is as good, and tests begin shortly before they wrap.
    pub first_timestamp: u32,
    /// Where a caller's sequence numbers begin; none for a random one.
    pub first_sequence: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            receive_latency: Duration::from_millis(120),
            send_latency: Duration::from_millis(120),
            payload_bytes: 1316,
            send_packets: 8192,
            receive_packets: 8192,
            bandwidth: Bandwidth::Unlimited,
            idle_timeout: Duration::from_secs(5),
            refresh: Refresh::default(),
            first_timestamp: 0,
            first_sequence: None,
        }
    }
}

/// How fast packets leave, headers and retransmissions among them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bandwidth {
    /// As they come.
    Unlimited,
    /// At most so many bytes per second (`maxbw`).
    Max(u64),
    /// The rate of the input, and a part more.
    Input {
        /// Bytes per second (`inputbw`); none for the rate as it is measured.
        rate: Option<u64>,
        /// Percent more, for what is retransmitted (`oheadbw`).
        overhead: u8,
    },
}

/// How much strangers may cost a listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Handshakes that wait for a verdict.
    pub pending: usize,
    /// How long one waits before it is refused.
    pub verdict: Duration,
    /// Verdicts that are remembered, to repeat them when they were lost; the oldest are forgotten first.
    pub answered: usize,
    /// How long one is remembered.
    pub memory: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { pending: 256, verdict: Duration::from_secs(3), answered: 1024, memory: Duration::from_secs(5) }
    }
}

//! An established connection, both ways (draft-sharabayko-srt 4.5 to 4.10).

mod arrive;
mod burst;
mod input;
mod keys;
mod output;
mod pace;
mod receive;
mod rtt;
mod send;
mod stats;
mod tsbpd;

pub use burst::{Burst, MAX_BURST_PACKETS};
pub use stats::Stats;

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::crypto::Crypto;
use crate::packet::{Control, Datagram, HEADER_BYTES, Packet, UDP_BYTES};
use crate::random::Random;
use crate::timestamp::Clock;
use crate::{Error, Sequence, Settings};
use arrive::Arrivals;
use keys::KeyExchange;
use pace::Pacer;
use receive::ReceiveBuffer;
use rtt::Rtt;
use send::SendBuffer;
use tsbpd::Delivery;

/// How often what arrived is confirmed (4.8.1).
const ACK_PERIOD: Duration = Duration::from_millis(10);
/// After how long without sending anything the peer is told that we are there (4.7).
const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// The longest payload, for the MTU that everyone has.
pub(crate) const MAX_PAYLOAD_BYTES: usize = 1500 - UDP_BYTES - HEADER_BYTES;

/// What a connection wants its owner to do next.
#[derive(Debug)]
pub enum Output {
    /// Send these datagrams.
    Send(Burst),
    /// Take note.
    Event(Event),
    /// Nothing until a datagram comes or this time is reached; with none, for ever: the connection is over.
    Wait(Option<Duration>),
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Data whose time has come, in the order in which they were sent.
    Data {
        /// The payload of one packet.
        payload: Bytes,
        /// Packets missing right before it, which came too late or not at all.
        lost: u32,
    },
    /// The connection is over. Nothing follows.
    Closed(Reason),
}

/// Why a connection is over.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reason {
    /// Our side closed it.
    Local,
    /// The peer closed it.
    Peer,
    /// The peer was silent for too long.
    Timeout,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "closed by our side",
            Self::Peer => "closed by the peer",
            Self::Timeout => "the peer is silent",
        })
    }
}

/// What a handshake agreed on.
pub(crate) struct Start {
    pub(crate) socket: u32,
    pub(crate) peer_socket: u32,
    pub(crate) clock: Clock,
    pub(crate) crypto: Option<Crypto>,
    pub(crate) random: Random,
    pub(crate) send_sequence: Sequence,
    pub(crate) receive_sequence: Sequence,
    pub(crate) receive_latency: Duration,
    pub(crate) send_latency: Duration,
    /// A timestamp of the peer, and when it came: where its clock begins.
    pub(crate) peer_timestamp: u32,
    pub(crate) peer_timestamp_at: Duration,
    pub(crate) flow_window: u32,
    pub(crate) peer_version: u32,
}

/// One connection with one peer.
///
/// After any call, drain [`Connection::poll_output`] until it says [`Output::Wait`]. Datagrams are to be handed in from the
/// peer's address alone. A connection that is over has nothing more to say once drained.
///
/// What is not drained is not lost: data stay in their buffer until they are taken, or until newer ones push them out of
/// time.
pub struct Connection {
    settings: Settings,
    now: Duration,
    clock: Clock,
    random: Random,
    socket: u32,
    peer_socket: u32,
    peer_version: u32,
    latencies: (Duration, Duration),
    send: SendBuffer,
    pacer: Pacer,
    /// Packets that may be under way, by the handshake and by the latest ACK.
    flow_window: usize,
    room: usize,
    receive: ReceiveBuffer,
    delivery: Delivery,
    arrivals: Arrivals,
    rtt: Rtt,
    crypto: Option<Crypto>,
    exchange: KeyExchange,
    /// Control packets that wait to be sent.
    control: VecDeque<Datagram>,
    heard: Duration,
    spoke: Duration,
    closed: Option<Reason>,
    told: bool,
    stats: Stats,
}

impl Connection {
    pub(crate) fn new(now: Duration, settings: &Settings, start: Start) -> Self {
        let flow_window = usize::try_from(start.flow_window).unwrap_or(usize::MAX);
        Self {
            now,
            clock: start.clock,
            random: start.random,
            socket: start.socket,
            peer_socket: start.peer_socket,
            peer_version: start.peer_version,
            latencies: (start.receive_latency, start.send_latency),
            send: SendBuffer::new(start.send_sequence, settings.send_packets, start.send_latency),
            pacer: Pacer::new(now, settings.bandwidth),
            flow_window,
            room: flow_window,
            receive: ReceiveBuffer::new(
                start.receive_sequence,
                settings.receive_packets,
                start.receive_latency,
            ),
            delivery: Delivery::new(start.peer_timestamp, start.peer_timestamp_at, start.receive_latency),
            arrivals: Arrivals::new(now, start.receive_sequence),
            rtt: Rtt::default(),
            crypto: start.crypto,
            exchange: KeyExchange::default(),
            control: VecDeque::new(),
            heard: now,
            spoke: now,
            closed: None,
            told: false,
            stats: Stats::default(),
            settings: settings.clone(),
        }
    }

    /// Takes a payload to be sent, which is kept as it is until it is confirmed or too late.
    ///
    /// Fails where it is empty or too long, where the buffer is full, and where the connection is over.
    pub fn send(&mut self, now: Duration, payload: Bytes) -> Result<(), Error> {
        self.advance(now);
        if self.closed.is_some() {
            return Err(Error::Over("the connection"));
        }
        let limit = self.settings.payload_bytes.min(MAX_PAYLOAD_BYTES);
        if payload.is_empty() || payload.len() > limit {
            return Err(Error::Payload { value: payload.len(), limit });
        }
        self.drop_late();
        let bytes = payload.len();
        self.send.push(self.now, self.clock.stamp(self.now), payload)?;
        self.pacer.note_input(self.now, bytes + HEADER_BYTES + UDP_BYTES);
        Ok(())
    }

    /// Ends the connection and tells the peer. What was not sent yet is not sent any more.
    pub fn close(&mut self, now: Duration) {
        self.advance(now);
        if self.closed.is_none() {
            self.tell(Control::Shutdown);
            self.end(Reason::Local);
        }
    }

    /// Our socket: what [`crate::packet::destination`] says of datagrams for this connection.
    pub fn socket(&self) -> u32 {
        self.socket
    }

    /// The peer's socket.
    pub fn peer_socket(&self) -> u32 {
        self.peer_socket
    }

    /// Why it is over, once it is.
    pub fn closed(&self) -> Option<Reason> {
        self.closed
    }

    /// Version of the peer's software, 0x00010500 for 1.5.0.
    pub fn peer_version(&self) -> u32 {
        self.peer_version
    }

    /// The latency of what we receive, as agreed.
    pub fn receive_latency(&self) -> Duration {
        self.latencies.0
    }

    /// The latency of what we send, as agreed.
    pub fn send_latency(&self) -> Duration {
        self.latencies.1
    }

    /// Whether payloads are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.crypto.is_some()
    }

    /// Whether all that was to be sent has been confirmed or given up.
    pub fn is_drained(&self) -> bool {
        self.send.is_empty()
    }

    /// Payloads that were handed in and have not left yet: more than there may be under way now.
    pub fn unsent(&self) -> usize {
        self.send.len() - self.send.in_flight()
    }

    /// Payloads given up so far, because they would have come too late (`pktSndDropTotal`).
    pub fn given_up(&self) -> u64 {
        self.stats.pkt_snd_drop
    }

    /// Whether the connection is over.
    pub fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    /// Time never goes back.
    fn advance(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    /// Queues a control packet.
    fn tell(&mut self, control: Control<'_>) {
        let packet = Packet::control(self.clock.stamp(self.now), self.peer_socket, control);
        self.control.push_back(packet.encode());
    }

    fn end(&mut self, reason: Reason) {
        self.closed = Some(reason);
        self.send.clear();
        if reason == Reason::Local {
            self.receive.clear();
        }
    }

    /// Gives up what would come too late.
    fn drop_late(&mut self) {
        let (packets, bytes) = self.send.drop_late(self.now);
        self.stats.pkt_snd_drop += packets;
        self.stats.byte_snd_drop += bytes;
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("socket", &self.socket).finish_non_exhaustive()
    }
}

//! Bounds on what peers can make us hold: who is let in, how often somebody was not, and why.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The bounds, as configured. A bound of zero lets nobody in.
#[derive(Clone, PartialEq, Debug)]
pub struct Limits {
    /// Open TCP connections, of HTTP, RTMP and RTSP together.
    pub connections: u64,
    /// Open TCP connections of one address, which is a network of 64 bits with IPv6. Loopback is exempt: a proxy on this
    /// machine brings everybody.
    pub connections_per_address: u64,
    /// From the connection to the end of the first request head (HTTP, RTSP) or of the handshake (RTMP).
    pub handshake_timeout: Duration,
    /// Bytes of the head of a request of HTTP or RTSP.
    pub request_head_bytes: u64,
    /// Connections of RTMP and RTSP that neither publish nor play nor have ended.
    pub publishers_in_handshake: u64,
    /// Viewers of one stream, on all its outputs together.
    pub viewers_per_stream: u64,
    /// Bytes that a viewer may lag behind before it is skipped to a later key frame.
    pub viewer_queue_bytes: u64,
    /// Bytes of one audio or video message of RTMP; a chunk header can say no more than 16 MiB less one.
    pub rtmp_message_bytes: u64,
    /// Bytes of RTMP messages begun and not ended, over all chunk streams of a connection.
    pub rtmp_pending_bytes: u64,
    /// Chunk streams of an RTMP connection.
    pub rtmp_chunk_streams: u64,
    /// Bytes of one command or data message of RTMP.
    pub amf_bytes: u64,
    /// Values inside values in such a message.
    pub amf_depth: u64,
    /// Values in such a message.
    pub amf_values: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            connections_per_address: 1000,
            handshake_timeout: Duration::from_secs(10),
            request_head_bytes: 16 << 10,
            publishers_in_handshake: 1000,
            viewers_per_stream: 20_000,
            viewer_queue_bytes: 32 << 20,
            rtmp_message_bytes: (16 << 20) - 1,
            rtmp_pending_bytes: 20 << 20,
            rtmp_chunk_streams: 64,
            amf_bytes: 256 << 10,
            amf_depth: 16,
            amf_values: 4096,
        }
    }
}

impl Limits {
    /// Those of an RTSP session. A request has the head of an HTTP request.
    pub(crate) fn rtsp(&self) -> rtsp::Limits {
        let defaults = rtsp::Limits::default();
        let head_bytes = usize::try_from(self.request_head_bytes).unwrap_or(usize::MAX);
        rtsp::Limits { head_bytes, first_request: self.handshake_timeout, ..defaults }
    }

    /// Those of an RTMP session.
    pub(crate) fn rtmp(&self) -> rtmp::Limits {
        let bytes = |bytes: u64| u32::try_from(bytes).unwrap_or(u32::MAX);
        let count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let defaults = rtmp::Limits::default();
        rtmp::Limits {
            media_bytes: bytes(self.rtmp_message_bytes),
            command_bytes: bytes(self.amf_bytes),
            partial_bytes: bytes(self.rtmp_pending_bytes),
            chunk_streams: count(self.rtmp_chunk_streams),
            amf: rtmp::amf0::Limits {
                depth: count(self.amf_depth),
                values: count(self.amf_values),
                ..defaults.amf
            },
            handshake: self.handshake_timeout,
            ..defaults
        }
    }
}

/// One limit as it stands now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LimitStatus {
    /// Its name in the configuration.
    pub name: &'static str,
    /// The bound.
    pub limit: u64,
    /// How much of it is taken, where that is a number of the whole service.
    pub now: Option<u64>,
    /// How often something was refused, or somebody sent away, because of it.
    pub refused: u64,
}

/// Counts what is there against a bound.
#[derive(Debug)]
pub(crate) struct Gate {
    limit: u64,
    now: AtomicU64,
}

/// Something that was let in; dropping it makes room again.
#[derive(Debug)]
pub(crate) struct Pass(Arc<Gate>);

impl Gate {
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { limit, now: AtomicU64::new(0) })
    }

    /// Lets one more in, if there is room.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Pass> {
        let room = |now| (now < self.limit).then_some(now + 1);
        self.now.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).ok()?;
        Some(Pass(Arc::clone(self)))
    }

    fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The address that stands for everything that one holder of addresses has: with IPv6 that is a network of 64 bits at
/// least (RFC 6177), and a bound on single addresses would bound nobody.
pub(crate) fn holder(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

/// Connections by address.
type Addresses = Mutex<HashMap<IpAddr, u64>>;

/// A connection that was let in; dropping it makes room again.
#[derive(Debug)]
pub struct Admission {
    _pass: Pass,
    address: Option<(IpAddr, Arc<Addresses>)>,
}

impl Drop for Admission {
    fn drop(&mut self) {
        let Some((address, addresses)) = &self.address else { return };
        let mut addresses = lock(addresses);
        if let Some(count) = addresses.get_mut(address) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(address);
            }
        }
    }
}

/// What a peer ran into.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// [`Limits::connections`].
    Connections,
    /// [`Limits::connections_per_address`].
    ConnectionsPerAddress,
    /// [`Limits::handshake_timeout`].
    HandshakeTimeout,
    /// [`Limits::request_head_bytes`].
    RequestHeadBytes,
    /// [`Limits::publishers_in_handshake`].
    PublishersInHandshake,
    /// [`Limits::viewers_per_stream`].
    ViewersPerStream,
    /// [`Limits::viewer_queue_bytes`], or too old for what is kept.
    ViewerQueueBytes,
    /// A viewer was behind for `slow_viewer_timeout`.
    SlowViewerTimeout,
    /// [`Limits::rtmp_message_bytes`].
    RtmpMessageBytes,
    /// [`Limits::rtmp_pending_bytes`].
    RtmpPendingBytes,
    /// [`Limits::rtmp_chunk_streams`].
    RtmpChunkStreams,
    /// [`Limits::amf_bytes`].
    AmfBytes,
    /// [`Limits::amf_depth`].
    AmfDepth,
    /// [`Limits::amf_values`].
    AmfValues,
}

impl Refusal {
    const ALL: [Self; 14] = [
        Self::Connections,
        Self::ConnectionsPerAddress,
        Self::HandshakeTimeout,
        Self::RequestHeadBytes,
        Self::PublishersInHandshake,
        Self::ViewersPerStream,
        Self::ViewerQueueBytes,
        Self::SlowViewerTimeout,
        Self::RtmpMessageBytes,
        Self::RtmpPendingBytes,
        Self::RtmpChunkStreams,
        Self::AmfBytes,
        Self::AmfDepth,
        Self::AmfValues,
    ];

    /// What an RTSP session ran into, if it was one of the limits.
    pub(crate) fn of_rtsp(error: &rtsp::Error) -> Option<Self> {
        match error.cause() {
            rtsp::Error::Timeout(rtsp::server::Timer::FirstRequest) => Some(Self::HandshakeTimeout),
            rtsp::Error::Limit {
                what: "bytes of a request's head" | "bytes of a request's first line",
                ..
            } => Some(Self::RequestHeadBytes),
            _ => None,
        }
    }

    /// What an RTMP session ran into, if it was one of the limits.
    pub(crate) fn of_rtmp(error: &rtmp::Error) -> Option<Self> {
        match error.cause() {
            rtmp::Error::Timeout(rtmp::server::Timer::Handshake) => Some(Self::HandshakeTimeout),
            rtmp::Error::Limit { what, .. } => match *what {
                "bytes of a media message" => Some(Self::RtmpMessageBytes),
                "bytes of a message" => Some(Self::AmfBytes),
                "bytes of messages under way" => Some(Self::RtmpPendingBytes),
                "chunk streams" => Some(Self::RtmpChunkStreams),
                "AMF0 nesting" => Some(Self::AmfDepth),
                "AMF0 values" => Some(Self::AmfValues),
                _ => None,
            },
            _ => None,
        }
    }
}

/// All bounds of the service and what they have done.
#[derive(Debug)]
pub(crate) struct Gates {
    limits: Limits,
    slow_viewer_timeout: Duration,
    connections: Arc<Gate>,
    addresses: Arc<Addresses>,
    handshakes: Arc<Gate>,
    refused: [AtomicU64; Refusal::ALL.len()],
}

impl Gates {
    pub(crate) fn new(limits: Limits, slow_viewer_timeout: Duration) -> Self {
        Self {
            connections: Gate::new(limits.connections),
            addresses: Arc::default(),
            handshakes: Gate::new(limits.publishers_in_handshake),
            refused: Default::default(),
            limits,
            slow_viewer_timeout,
        }
    }

    /// Lets a connection in.
    ///
    /// # Errors
    /// What it ran into; it is counted.
    pub(crate) fn admit(&self, address: IpAddr) -> Result<Admission, Refusal> {
        let pass = self.connections.enter().ok_or_else(|| self.refuse(Refusal::Connections))?;
        if address.is_loopback() {
            return Ok(Admission { _pass: pass, address: None });
        }
        let address = holder(address);
        let mut addresses = lock(&self.addresses);
        let count = addresses.get(&address).copied().unwrap_or_default();
        if count >= self.limits.connections_per_address {
            return Err(self.refuse(Refusal::ConnectionsPerAddress));
        }
        addresses.insert(address, count + 1);
        Ok(Admission { _pass: pass, address: Some((address, Arc::clone(&self.addresses))) })
    }

    /// Lets a connection of a trusted proxy in, which brings many.
    ///
    /// # Errors
    /// [`Refusal::Connections`]; it is counted.
    pub(crate) fn admit_proxy(&self) -> Result<Admission, Refusal> {
        let pass = self.connections.enter().ok_or_else(|| self.refuse(Refusal::Connections))?;
        Ok(Admission { _pass: pass, address: None })
    }

    /// Lets an RTMP connection begin its handshake.
    ///
    /// # Errors
    /// [`Refusal::PublishersInHandshake`]; it is counted.
    pub(crate) fn begin_handshake(&self) -> Result<Pass, Refusal> {
        self.handshakes.enter().ok_or_else(|| self.refuse(Refusal::PublishersInHandshake))
    }

    /// Counts a refusal, and gives it back.
    pub(crate) fn refuse(&self, refusal: Refusal) -> Refusal {
        self.refused[refusal as usize].fetch_add(1, Ordering::Relaxed);
        refusal
    }

    /// How long a viewer may read nothing before it is sent away: until what it is to get next is not kept any more,
    /// which a long GOP puts off, and then `slow_viewer_timeout`.
    pub(crate) fn longest_behind(&self) -> Duration {
        let kept = hub::Limits::default();
        kept.gop.max(kept.lag) + self.slow_viewer_timeout
    }

    /// The bound behind a refusal.
    fn bound(&self, refusal: Refusal) -> (&'static str, u64, Option<u64>) {
        let limits = &self.limits;
        match refusal {
            Refusal::Connections => ("connections", limits.connections, Some(self.connections.now())),
            Refusal::ConnectionsPerAddress => {
                ("connections_per_address", limits.connections_per_address, None)
            }
            Refusal::HandshakeTimeout => ("handshake_timeout_sec", limits.handshake_timeout.as_secs(), None),
            Refusal::RequestHeadBytes => ("request_head_bytes", limits.request_head_bytes, None),
            Refusal::PublishersInHandshake => {
                ("publishers_in_handshake", limits.publishers_in_handshake, Some(self.handshakes.now()))
            }
            Refusal::ViewersPerStream => ("viewers_per_stream", limits.viewers_per_stream, None),
            Refusal::ViewerQueueBytes => ("viewer_queue_bytes", limits.viewer_queue_bytes, None),
            Refusal::SlowViewerTimeout => {
                ("slow_viewer_timeout_sec", self.slow_viewer_timeout.as_secs(), None)
            }
            Refusal::RtmpMessageBytes => ("rtmp_message_bytes", limits.rtmp_message_bytes, None),
            Refusal::RtmpPendingBytes => ("rtmp_pending_bytes", limits.rtmp_pending_bytes, None),
            Refusal::RtmpChunkStreams => ("rtmp_chunk_streams", limits.rtmp_chunk_streams, None),
            Refusal::AmfBytes => ("amf_bytes", limits.amf_bytes, None),
            Refusal::AmfDepth => ("amf_depth", limits.amf_depth, None),
            Refusal::AmfValues => ("amf_values", limits.amf_values, None),
        }
    }

    /// A refusal as a sentence.
    pub(crate) fn sentence(&self, refusal: Refusal) -> String {
        let (name, limit, _) = self.bound(refusal);
        format!("the limit {name} ({limit}) is reached")
    }

    /// All limits as they stand.
    pub(crate) fn statuses(&self) -> Vec<LimitStatus> {
        let status = |refusal| {
            let (name, limit, now) = self.bound(refusal);
            LimitStatus { name, limit, now, refused: self.refused[refusal as usize].load(Ordering::Relaxed) }
        };
        Refusal::ALL.into_iter().map(status).collect()
    }
}

/// Counts are never left half changed.
fn lock(addresses: &Addresses) -> MutexGuard<'_, HashMap<IpAddr, u64>> {
    addresses.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gates(limits: Limits) -> Gates {
        Gates::new(limits, Duration::from_secs(10))
    }

    fn refused(gates: &Gates, name: &str) -> u64 {
        gates.statuses().iter().find(|status| status.name == name).expect(name).refused
    }

    #[test]
    fn who_leaves_makes_room() {
        let gate = Gate::new(1);
        let pass = gate.enter().expect("room");
        assert!(gate.enter().is_none());
        drop(pass);
        assert!(gate.enter().is_some());
    }

    #[test]
    fn one_address_takes_no_more_than_its_share_and_this_machine_what_it_wants() {
        let gates = gates(Limits { connections: 6, connections_per_address: 2, ..Limits::default() });
        let [far, other, here] =
            ["192.0.2.1", "2001:db8::1", "127.0.0.1"].map(|ip| ip.parse().expect("an address"));
        let mut held: Vec<_> = (0..2).map(|_| gates.admit(far).expect("its share")).collect();
        assert_eq!(gates.admit(far).expect_err("over its share"), Refusal::ConnectionsPerAddress);
        held.push(gates.admit(other).expect("somebody else"));
        held.extend((0..3).map(|_| gates.admit(here).expect("this machine")));
        assert_eq!(gates.admit(here).expect_err("over the whole"), Refusal::Connections);
        assert_eq!((refused(&gates, "connections"), refused(&gates, "connections_per_address")), (1, 1));
        drop(held);
        assert!(gates.admit(far).is_ok() && lock(&gates.addresses).is_empty());
    }

    #[test]
    fn an_ipv6_network_of_one_host_is_one_address() {
        let gates = gates(Limits { connections_per_address: 1, ..Limits::default() });
        let [one, same, other] =
            ["2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1"].map(|ip| ip.parse().expect("an address"));
        let _held = gates.admit(one).expect("its share");
        assert!(gates.admit(same).is_err() && gates.admit(other).is_ok());
    }

    #[test]
    fn who_is_not_let_in_leaves_nothing_behind() {
        let gates = gates(Limits { connections_per_address: 0, ..Limits::default() });
        assert!(gates.admit("192.0.2.1".parse().expect("an address")).is_err());
        assert!(lock(&gates.addresses).is_empty());
    }

    #[test]
    fn limits_have_different_names_and_their_own_counters() {
        let gates = gates(Limits::default());
        for (index, refusal) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal as usize, index);
            (0..=index).for_each(|_| {
                gates.refuse(refusal);
            });
        }
        let names: std::collections::BTreeSet<_> =
            gates.statuses().iter().map(|status| status.name).collect();
        assert_eq!(names.len(), Refusal::ALL.len());
        assert!(
            gates.statuses().iter().enumerate().all(|(index, status)| status.refused == index as u64 + 1)
        );
    }
}

//! `Transport` (RFC 2326 12.39).

/// One way to carry a track, as a client offers it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transport {
    /// What the packets are.
    pub profile: Profile,
    /// Over what, and where.
    pub lower: Lower,
    /// Whether the client says that it sends (`mode=record`).
    pub record: bool,
}

/// What the packets are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Profile {
    /// RTP/AVP (RFC 3551).
    Avp,
    /// RTP/AVPF (RFC 4585), of which we only take that reports may come earlier.
    Avpf,
}

/// Over what a track goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lower {
    /// Over the connection itself (RFC 2326 10.12), on the channels that the client proposes, for RTP and RTCP.
    Interleaved(Option<(u8, u8)>),
    /// Over UDP, unicast, with these ports of the client, for RTP and RTCP.
    Udp((u16, u16)),
}

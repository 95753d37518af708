//! Counters, in libsrt's names.

use std::time::Duration;

/// What a connection has done so far, and how it stands. Each is what libsrt has under the name behind it; bytes are those
/// of payloads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Data packets sent, those sent again among them (`pktSentTotal`).
    pub pkt_sent: u64,
    /// Data packets sent for the first time (`pktSentUniqueTotal`).
    pub pkt_sent_unique: u64,
    /// Data packets sent again (`pktRetransTotal`).
    pub pkt_retrans: u64,
    /// Data packets that the peer said it lacks (`pktSndLossTotal`).
    pub pkt_snd_loss: u64,
    /// Data packets given up because they would have come too late (`pktSndDropTotal`).
    pub pkt_snd_drop: u64,
    /// Data packets received, those that came twice among them (`pktRecvTotal`).
    pub pkt_recv: u64,
    /// Data packets received for the first time and in time (`pktRecvUniqueTotal`).
    pub pkt_recv_unique: u64,
    /// Data packets found missing (`pktRcvLossTotal`).
    pub pkt_rcv_loss: u64,
    /// Data packets received that were sent again (`pktRcvRetrans`).
    pub pkt_rcv_retrans: u64,
    /// Data packets skipped because they did not come in time (`pktRcvDropTotal`).
    pub pkt_rcv_drop: u64,
    /// Data packets that came when they were skipped already, or a second time (`pktRcvBelated`).
    pub pkt_rcv_belated: u64,
    /// Data packets for which there was no room; not told by libsrt.
    pub pkt_rcv_no_room: u64,
    /// Data packets that could not be decrypted (`pktRcvUndecryptTotal`).
    pub pkt_rcv_undecrypt: u64,
    /// ACKs sent (`pktSentACKTotal`).
    pub pkt_sent_ack: u64,
    /// ACKs received (`pktRecvACKTotal`).
    pub pkt_recv_ack: u64,
    /// NAKs sent (`pktSentNAKTotal`).
    pub pkt_sent_nak: u64,
    /// NAKs received (`pktRecvNAKTotal`).
    pub pkt_recv_nak: u64,
    /// Packets that broke their form; not told by libsrt.
    pub pkt_malformed: u64,
    /// Bytes sent, those sent again among them (`byteSentTotal`).
    pub byte_sent: u64,
    /// Bytes sent again (`byteRetransTotal`).
    pub byte_retrans: u64,
    /// Bytes given up (`byteSndDropTotal`).
    pub byte_snd_drop: u64,
    /// Bytes received, those that came twice among them (`byteRecvTotal`).
    pub byte_recv: u64,
    /// Keys taken into use after the first, either way (`KMPACKET` of libsrt's log).
    pub key_changes: u64,
    /// Packets that may be under way (`pktFlowWindow`).
    pub pkt_flow_window: usize,
    /// Packets under way (`pktFlightSize`).
    pub pkt_flight_size: usize,
    /// Packets in the send buffer (`pktSndBuf`).
    pub pkt_snd_buf: usize,
    /// Bytes in the send buffer (`byteSndBuf`).
    pub byte_snd_buf: usize,
    /// How long the oldest has been in the send buffer (`msSndBuf`).
    pub snd_buf_age: Duration,
    /// Packets in the receive buffer, the places of missing ones among them (`pktRcvBuf`).
    pub pkt_rcv_buf: usize,
    /// Bytes in the receive buffer (`byteRcvBuf`).
    pub byte_rcv_buf: usize,
    /// Round-trip time (`msRTT`).
    pub rtt: Duration,
}

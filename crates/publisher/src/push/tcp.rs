//! What the system tells of a connection, and how it is to treat it.

use std::os::fd::AsFd;
use std::time::Duration;

use nix::sys::socket::getsockopt;
use nix::{getsockopt_impl, libc, sockopt_impl};
use socket2::SockRef;

use crate::output::mpegts::UNSENT_BYTES;

/// After this long on top of our own patience the system ends the connection by itself.
const GRACE: Duration = Duration::from_secs(5);

/// The head of `struct tcp_info` of linux/tcp.h, as far as it is read here; Linux 4.1 and later fill all of it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[expect(unreachable_pub, reason = "the macro below makes it the value of a public option")]
pub struct Info {
    states: [u8; 8],
    counters: [u32; 24],
    pacing_rates: [u64; 2],
    /// RFC 4898 tcpEStatsAppHCThruOctetsAcked.
    bytes_acked: u64,
}

sockopt_impl!(
    /// TCP_INFO, tcp(7).
    TcpInfo,
    GetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_INFO,
    Info
);

/// Sets what a push wants; a socket that refuses any of it still works.
pub(super) fn tune(socket: &impl AsFd, timeout: Duration) {
    let socket = SockRef::from(socket);
    let _ = socket.set_tcp_nodelay(true);
    // What waits is to wait where it can be skipped, and not in the system.
    let _ = socket.set_tcp_notsent_lowat(UNSENT_BYTES);
    let _ = socket.set_tcp_user_timeout(Some(timeout.saturating_add(GRACE)));
}

/// Bytes that the peer's system has acknowledged since the connection was made, with one or none for the connection itself;
/// none where the system does not tell.
pub(super) fn acknowledged(socket: &impl AsFd) -> Option<u64> {
    getsockopt(socket, TcpInfo).ok().map(|info| info.bytes_acked)
}

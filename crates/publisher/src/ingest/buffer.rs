//! What the system may hold of datagrams that have come.

use std::fmt;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::Socket;

/// Asks for a buffer of that size; what there is then.
pub(crate) fn set(socket: &Socket, bytes: usize) -> usize {
    // Beyond the limit of the system with the right to that (CAP_NET_ADMIN), else up to it.
    if setsockopt(socket, sockopt::RcvBufForce, &bytes).is_err() {
        let _ = socket.set_recv_buffer_size(bytes);
    }
    // The system counts its own needs as much again (socket(7)).
    socket.recv_buffer_size().map_or(0, |bytes| bytes / 2)
}

/// What is to be known of a buffer that is smaller than what was asked for.
pub(super) fn lack(of: &impl fmt::Display, given: usize, wanted: usize) -> Option<String> {
    (given < wanted).then(|| {
        format!(
            "the system holds {given} bytes for {of} and not {wanted}: datagrams may be lost in bursts; \
             sysctl -w net.core.rmem_max={wanted} allows it"
        )
    })
}

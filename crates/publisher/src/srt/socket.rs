//! The sockets of a port.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Once;

use nix::sys::socket::{setsockopt, sockopt};
use rustix::net::sockopt as buffers;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use crate::ingest::buffer;

/// Bytes that the system may hold of what came and was not read yet, and of what has not left yet.
const BUFFER_BYTES: usize = 8 << 20;
/// Less than this loses packets when a publisher sends a key frame of a high bit rate at once.
const LEAST_BYTES: usize = 1 << 20;

/// Opens so many sockets on one port. Without a host they take every address, IPv4 and IPv6, or IPv4 alone on a system
/// without IPv6.
///
/// # Errors
/// What the system says, [`io::ErrorKind::AddrInUse`] above all.
pub(super) fn bind(host: Option<IpAddr>, port: u16, count: usize) -> io::Result<Vec<UdpSocket>> {
    match host {
        Some(host) => bind_to(SocketAddr::new(host, port), count),
        None => match bind_to(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port), count) {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                bind_to(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port), count)
            }
            bound => bound,
        },
    }
}

fn bind_to(address: SocketAddr, count: usize) -> io::Result<Vec<UdpSocket>> {
    let first = open(address)?;
    // Alone, so that a port which somebody else has is not shared with them, and shared only then.
    first.bind(&address.into())?;
    first.set_reuse_port(true)?;
    let bound = first.local_addr()?;
    let mut sockets = vec![first];
    for _ in 1..count {
        let socket = open(address)?;
        socket.set_reuse_port(true)?;
        socket.bind(&bound)?;
        sockets.push(socket);
    }
    sockets.into_iter().map(|socket| UdpSocket::from_std(socket.into())).collect()
}

fn open(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    if address.ip().is_unspecified() {
        // Which address a datagram came to is told, for the answer to leave from there.
        match address {
            SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?,
            SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?,
        }
    }
    socket.set_nonblocking(true)?;
    widen(&socket);
    Ok(socket)
}

/// Has the system hold as much as it allows, and tells where that is too little.
fn widen(socket: &Socket) {
    static TOLD: Once = Once::new();
    let receive = buffer::set(socket, BUFFER_BYTES);
    // The privileged form is not bound by what the system allows everybody.
    if buffers::set_socket_send_buffer_size_force(socket, BUFFER_BYTES).is_err() {
        let _ = socket.set_send_buffer_size(BUFFER_BYTES);
    }
    // Linux counts its own structures in, and says twice what was asked for (socket(7)).
    let send = socket.send_buffer_size().map_or(0, |bytes| bytes / 2);
    if receive < LEAST_BYTES || send < LEAST_BYTES {
        TOLD.call_once(|| {
            tracing::warn!(
                receive_kib = receive >> 10,
                send_kib = send >> 10,
                "the system gives the SRT port small buffers, and packets will be lost and sent again where many come \
                 at once: allow more, with sysctl -w net.core.rmem_max={BUFFER_BYTES} net.core.wmem_max={BUFFER_BYTES}"
            );
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_is_shared_with_nobody_else() {
        let ours = bind(Some(Ipv4Addr::LOCALHOST.into()), 0, 3).expect("a free port");
        let addresses: Vec<_> = ours.iter().map(|socket| socket.local_addr().expect("bound")).collect();
        assert!(addresses.len() == 3 && addresses.iter().all(|address| *address == addresses[0]));
        let second = bind(Some(Ipv4Addr::LOCALHOST.into()), addresses[0].port(), 3).expect_err("taken");
        assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
        let second = bind(None, addresses[0].port(), 1).expect_err("taken");
        assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn all_addresses_are_those_of_both_families() {
        let ours = bind(None, 0, 1).expect("a free port");
        let port = ours[0].local_addr().expect("bound").port();
        for host in ["127.0.0.1", "::1"] {
            let host: IpAddr = host.parse().expect("an address");
            let peer = UdpSocket::bind((host, 0)).await.expect("a socket");
            peer.send_to(b"x", (host, port)).await.expect("sent");
            let mut buffer = [0; 8];
            let received =
                tokio::time::timeout(std::time::Duration::from_secs(10), ours[0].recv_from(&mut buffer));
            let (bytes, from) = received.await.expect("in time").expect("received");
            assert_eq!((bytes, from.ip().to_canonical()), (1, host));
        }
    }
}

//! Sockets that are read and written without waiting.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use rustix::net::sockopt;

/// A burst of a key frame fits many times.
const BUFFER_BYTES: usize = 4 << 20;
/// The longest datagram.
pub(super) const DATAGRAM_BYTES: usize = 65_536;
/// Datagrams that are read from a socket in one turn, so that others get theirs.
pub(super) const TURN: usize = 256;

/// A datagram socket there.
pub(super) fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    // The system may allow less; what it allows is used.
    let _ = sockopt::set_socket_recv_buffer_size(&socket, BUFFER_BYTES);
    let _ = sockopt::set_socket_send_buffer_size(&socket, BUFFER_BYTES);
    Ok(socket)
}

/// Two sockets at an even port and the next, as RTP and RTCP want them (RFC 3550 11).
pub(super) fn udp_pair(host: IpAddr) -> io::Result<[UdpSocket; 2]> {
    const TRIES: usize = 200;
    for _ in 0..TRIES {
        let first = udp(SocketAddr::new(host, 0))?;
        let port = first.local_addr()?.port();
        if port.is_multiple_of(2)
            && let Ok(second) = udp(SocketAddr::new(host, port + 1))
        {
            return Ok([first, second]);
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no two neighbouring ports are free"))
}

/// The next datagram, and whom it is from; none while there is none.
pub(super) fn receive<'buffer>(
    socket: &UdpSocket,
    buffer: &'buffer mut [u8],
) -> Option<(&'buffer [u8], SocketAddr)> {
    loop {
        return match socket.recv_from(buffer) {
            Ok((length, from)) => Some((buffer.get(..length)?, from)),
            // Told of one of ours that nobody took; what the others sent still comes.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
            Err(_) => None,
        };
    }
}

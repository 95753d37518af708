//! Listening sockets: IPv4 and IPv6 together, and an accept that no shortage of files can end.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;
/// Bytes that nobody acknowledges for this long end a connection: its machine is gone.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(20);
/// How long accepting rests when the system has no room for a connection.
const REST: Duration = Duration::from_millis(200);

/// Opens a TCP listener. Without a host it takes every address, IPv4 and IPv6 on one socket, or IPv4 alone on
/// a system without IPv6.
///
/// # Errors
/// What the system says, [`io::ErrorKind::AddrInUse`] above all.
pub fn bind(host: Option<IpAddr>, port: u16) -> io::Result<TcpListener> {
    match host {
        Some(host) => bind_to(SocketAddr::new(host, port)),
        None => match bind_to(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)) {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                bind_to(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port))
            }
            bound => bound,
        },
    }
}

fn bind_to(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// The next connection, with TCP_NODELAY and (on Linux) TCP_USER_TIMEOUT set, and an IPv4 peer shown as IPv4.
/// Errors of the system (no more files, no memory) are logged at most once in ten rests and waited out.
pub async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    let mut rests = 0u32;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                tune(&stream);
                return (stream, SocketAddr::new(peer.ip().to_canonical(), peer.port()));
            }
            // The peer went away between its handshake and our accept: nothing is wrong here.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                if rests.is_multiple_of(10) {
                    tracing::warn!(%error, "cannot accept connections now, trying again");
                }
                rests += 1;
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// A connection that waits to be accepted, if there is one, asked of the system itself: for a listener that closes, which would
/// break it off.
pub(crate) fn accept_waiting(listener: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
    let (socket, peer) = socket2::SockRef::from(listener).accept().ok()?;
    socket.set_nonblocking(true).ok()?;
    let stream = TcpStream::from_std(socket.into()).ok()?;
    tune(&stream);
    let peer = peer.as_socket()?;
    Some((stream, SocketAddr::new(peer.ip().to_canonical(), peer.port())))
}

/// Sets what a media connection wants; a socket that refuses any of it still works.
fn tune(stream: &TcpStream) {
    // Without it small writes wait for acknowledgements.
    let _ = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(UNACKNOWLEDGED));
}

/// Has the system wait longer: for a peer that may be slow for so long by our own rules. The system takes one that
/// reads nothing, or very little, for one that is gone.
pub(crate) fn be_patient(stream: &TcpStream, ours: Duration) {
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(ours + UNACKNOWLEDGED));
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, ours);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_socket_serves_both_families_and_shows_ipv4_as_ipv4() {
        let listener = bind(None, 0).expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        for host in ["127.0.0.1", "::1"] {
            let client = match TcpStream::connect((host, port)).await {
                Ok(client) => client,
                Err(error) if host == "::1" => panic!("no IPv6 loopback: {error}"),
                Err(error) => panic!("{error}"),
            };
            let (_, peer) = accept(&listener).await;
            assert_eq!(peer.ip(), host.parse::<IpAddr>().expect("an address"));
            drop(client);
        }
    }

    #[tokio::test]
    async fn a_busy_port_is_told() {
        let first = bind(Some(Ipv4Addr::LOCALHOST.into()), 0).expect("a free port");
        let port = first.local_addr().expect("bound").port();
        let second = bind(Some(Ipv4Addr::LOCALHOST.into()), port).expect_err("taken");
        assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
    }
}

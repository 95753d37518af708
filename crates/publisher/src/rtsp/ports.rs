//! UDP ports: pairs of them, RTP on an even one and RTCP on the next (RFC 3550 11).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

/// Bytes that the system may hold of what came and was not read yet, and of what has not left yet: a key frame of a
/// high bit rate, and some more. It gives what it allows.
const BUFFER_BYTES: usize = 4 << 20;

/// Sockets for RTP and for RTCP.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) rtp: UdpSocket,
    pub(crate) rtcp: UdpSocket,
    /// Their ports.
    pub(crate) ports: (u16, u16),
}

/// What pairs are taken from.
#[derive(Default, Debug)]
pub(crate) struct Ports {
    /// Pairs so far: the next one is looked for behind the last.
    taken: AtomicUsize,
}

impl Ports {
    /// Binds a free pair of this range.
    ///
    /// # Errors
    /// No pair is free, or what the system says that is not about one port alone.
    pub(crate) fn bind(&self, ip: IpAddr, range: &RangeInclusive<u16>) -> io::Result<Pair> {
        let (from, to) = range.clone().into_inner();
        let first = u32::from(from).next_multiple_of(2);
        let count = ((u32::from(to) + 1).saturating_sub(first) / 2) as usize;
        let begin = self.taken.fetch_add(1, Ordering::Relaxed);
        for place in (0..count).map(|step| (begin + step) % count) {
            // It is in the range.
            let port = first as u16 + 2 * place as u16;
            match (open(ip, port), open(ip, port + 1)) {
                (Ok(rtp), Ok(rtcp)) => return Ok(Pair { rtp, rtcp, ports: (port, port + 1) }),
                (Err(error), _) | (_, Err(error)) if error.kind() == io::ErrorKind::AddrInUse => {}
                (Err(error), _) | (_, Err(error)) => return Err(error),
            }
        }
        let text = format!("no two UDP ports are free in listeners.rtsp.udp_ports ({from}-{to})");
        Err(io::Error::new(io::ErrorKind::AddrInUse, text))
    }
}

fn open(ip: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let address = SocketAddr::new(ip, port);
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // A system that gives less still serves.
    let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(BUFFER_BYTES);
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const RANGE: RangeInclusive<u16> = 23_451..=23_490;
    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[tokio::test]
    async fn pairs_are_even_and_odd_and_no_two_are_the_same() {
        // Others on this machine may have some of them.
        let ports = Ports::default();
        let pairs: Vec<Pair> = std::iter::from_fn(|| ports.bind(HERE, &RANGE).ok()).collect();
        assert!(pairs.len() > 5, "{pairs:?}");
        let numbers: std::collections::BTreeSet<_> = pairs.iter().map(|pair| pair.ports.0).collect();
        assert_eq!(numbers.len(), pairs.len());
        for pair in &pairs {
            let (rtp, rtcp) = (pair.rtp.local_addr().expect("bound"), pair.rtcp.local_addr().expect("bound"));
            assert_eq!((rtp.port(), rtcp.port()), pair.ports);
            assert!(
                rtp.port() % 2 == 0
                    && (23_452..=23_488).contains(&rtp.port())
                    && rtcp.port() == rtp.port() + 1
            );
        }
        let error = ports.bind(HERE, &RANGE).expect_err("none is left").to_string();
        assert!(error.contains("listeners.rtsp.udp_ports (23451-23490)"), "{error}");
        let freed = pairs[0].ports;
        drop(pairs);
        assert!(ports.bind(HERE, &RANGE).is_ok(), "{freed:?} is free again");
    }

    #[test]
    fn a_range_without_a_pair_is_told() {
        for range in [1..=1, 65_535..=65_535] {
            assert!(Ports::default().bind(HERE, &range).is_err());
        }
    }
}

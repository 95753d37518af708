//! Datagrams from many at once.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd as _;

use nix::libc;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrStorage, recvmmsg};
use srt::listener::Path;
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Datagrams of one system call.
const BATCH: usize = 64;
/// The longest datagram that is taken: longer than any of SRT over an MTU of 1500.
const MAX_DATAGRAM: usize = 2048;

/// Takes datagrams from a socket.
pub(crate) struct Receiver {
    buffers: Vec<[u8; MAX_DATAGRAM]>,
    /// Bytes of each, and the way that it came.
    taken: Vec<(usize, Path)>,
}

impl Receiver {
    pub(crate) fn new() -> Self {
        Self { buffers: vec![[0; MAX_DATAGRAM]; BATCH], taken: Vec::with_capacity(BATCH) }
    }

    /// Takes what is there, as much as one system call does. False: nothing is.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn receive(&mut self, socket: &UdpSocket) -> io::Result<bool> {
        let Self { buffers, taken } = self;
        taken.clear();
        // Headers are pointers, and cannot be kept by a task.
        let mut headers =
            MultiHeaders::<SockaddrStorage>::preallocate(BATCH, Some(nix::cmsg_space!(libc::in6_pktinfo)));
        let mut slices: Vec<[IoSliceMut<'_>; 1]> =
            buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
        let received = socket.try_io(Interest::READABLE, || {
            let fd = socket.as_raw_fd();
            let results = recvmmsg(fd, &mut headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None)?;
            taken.extend(results.map(|result| (result.bytes, path(&result))));
            Ok(())
        });
        match received {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What was taken: which way each came, and what it is.
    pub(crate) fn datagrams(&self) -> impl Iterator<Item = (Path, &[u8])> {
        let pairs = self.taken.iter().zip(&self.buffers);
        pairs.map(|((bytes, from), buffer)| (*from, buffer.get(..*bytes).unwrap_or_default()))
    }
}

/// The way of a datagram. The address that it came to is there where the socket was asked for that
/// ([`super::socket::bind`]).
fn path(message: &RecvMsg<'_, '_, SockaddrStorage>) -> Path {
    // What has no address is not over IP, and leaves a place that no connection is at.
    let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let peer = message.address.as_ref().and_then(address).unwrap_or(nowhere);
    let local = message.cmsgs().into_iter().flatten().find_map(|control| match control {
        // What is sent to many came to this address of ours.
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(IpAddr::from(Ipv4Addr::from(info.ipi_spec_dst.s_addr.to_ne_bytes())))
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into()),
        _ => None,
    });
    Path { peer, local: local.filter(|local| !local.is_multicast()) }
}

/// Where a datagram came from.
fn address(of: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = of.as_sockaddr_in().map(|&v4| SocketAddrV4::from(v4).into());
    v4.or_else(|| of.as_sockaddr_in6().map(|&v6| SocketAddrV6::from(v6).into()))
}

//! Datagrams from many at once.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd as _;

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Datagrams of one system call.
const BATCH: usize = 64;
/// The longest datagram that is taken: longer than any of SRT over an MTU of 1500.
const MAX_DATAGRAM: usize = 2048;

/// Takes datagrams from a socket.
pub(super) struct Receiver {
    buffers: Vec<[u8; MAX_DATAGRAM]>,
    /// Bytes of each, and where it came from.
    taken: Vec<(usize, SocketAddr)>,
}

impl Receiver {
    pub(super) fn new() -> Self {
        Self { buffers: vec![[0; MAX_DATAGRAM]; BATCH], taken: Vec::with_capacity(BATCH) }
    }

    /// Takes what is there, as much as one system call does. False: nothing is.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn receive(&mut self, socket: &UdpSocket) -> io::Result<bool> {
        let Self { buffers, taken } = self;
        taken.clear();
        // Headers are pointers, and cannot be kept by a task.
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
        let mut slices: Vec<[IoSliceMut<'_>; 1]> =
            buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
        let received = socket.try_io(Interest::READABLE, || {
            let fd = socket.as_raw_fd();
            let results = recvmmsg(fd, &mut headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None)?;
            // What has no address is not over IP, and leaves a place that no connection is at.
            let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
            let from = |of: Option<SockaddrStorage>| of.as_ref().and_then(address).unwrap_or(nowhere);
            taken.extend(results.map(|result| (result.bytes, from(result.address))));
            Ok(())
        });
        match received {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What was taken: where each came from, and what it is.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        let pairs = self.taken.iter().zip(&self.buffers);
        pairs.map(|((bytes, from), buffer)| (*from, buffer.get(..*bytes).unwrap_or_default()))
    }
}

/// Where a datagram came from.
fn address(of: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = of.as_sockaddr_in().map(|&v4| SocketAddrV4::from(v4).into());
    v4.or_else(|| of.as_sockaddr_in6().map(|&v6| SocketAddrV6::from(v6).into()))
}

//! Datagrams to many at once: what leaves in one turn of a shard leaves with few system calls, and the payloads in it are
//! those that all viewers share, never a copy.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::os::fd::AsRawFd as _;

use nix::libc;
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg};
use srt::connection::Burst;
use srt::listener::Path;
use srt::packet::Datagram;
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::segments;

/// Messages of one system call; each may be a whole burst.
const BATCH: usize = 64;
/// Messages that may wait for the system to have room. What comes on top is lost, as on the way, and sent again.
const MAX_WAITING: usize = 16 << 10;

/// What is to leave.
#[derive(Default)]
pub(crate) struct Sender {
    waiting: VecDeque<Message>,
}

struct Message {
    to: SockaddrStorage,
    /// The address of ours that it leaves from; none leaves that to the system.
    from: Option<IpAddr>,
    what: What,
}

enum What {
    One(Datagram),
    Burst(Burst),
}

impl What {
    fn datagrams(&self) -> &[Datagram] {
        match self {
            Self::One(datagram) => std::slice::from_ref(datagram),
            Self::Burst(burst) => burst.packets(),
        }
    }
}

/// Where messages leave from, as the system is told: of the family of the socket (ip(7), ipv6(7)).
enum Source {
    Any,
    V4(libc::in_pktinfo),
    V6(libc::in6_pktinfo),
}

impl Source {
    fn new(from: Option<IpAddr>) -> Self {
        match from {
            None => Self::Any,
            Some(IpAddr::V4(address)) => Self::V4(libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(address.octets()) },
                ipi_addr: libc::in_addr { s_addr: 0 },
            }),
            Some(IpAddr::V6(address)) => Self::V6(libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr { s6_addr: address.octets() },
                ipi6_ifindex: 0,
            }),
        }
    }

    fn control(&self) -> Option<ControlMessage<'_>> {
        match self {
            Self::Any => None,
            Self::V4(info) => Some(ControlMessage::Ipv4PacketInfo(info)),
            Self::V6(info) => Some(ControlMessage::Ipv6PacketInfo(info)),
        }
    }

    /// Room for it.
    fn space(&self) -> Option<Vec<u8>> {
        match self {
            Self::Any => None,
            Self::V4(_) => Some(nix::cmsg_space!(libc::in_pktinfo)),
            Self::V6(_) => Some(nix::cmsg_space!(libc::in6_pktinfo)),
        }
    }

    /// Room for it behind the length of segments.
    fn space_with_segments(&self) -> Option<Vec<u8>> {
        match self {
            Self::Any => Some(nix::cmsg_space!(u16)),
            Self::V4(_) => Some(nix::cmsg_space!(u16, libc::in_pktinfo)),
            Self::V6(_) => Some(nix::cmsg_space!(u16, libc::in6_pktinfo)),
        }
    }
}

impl Message {
    /// The parts of its datagrams, in order.
    fn pieces(&self) -> Vec<IoSlice<'_>> {
        let datagrams = self.what.datagrams().iter();
        let parts = datagrams.flat_map(|datagram| [&datagram.header[..], &datagram.payload[..]]);
        parts.map(IoSlice::new).collect()
    }

    /// Bytes of each datagram but the last, and whether there are several.
    fn shape(&self) -> (usize, bool) {
        let datagrams = self.what.datagrams();
        (datagrams.first().map_or(0, Datagram::bytes), datagrams.len() > 1)
    }
}

impl Sender {
    /// Has a datagram sent.
    pub(crate) fn one(&mut self, to: Path, datagram: Datagram) {
        self.push(to, What::One(datagram));
    }

    /// Has datagrams sent together.
    pub(crate) fn burst(&mut self, to: Path, burst: Burst) {
        if burst.packets().len() > 1 && !segments::are_cut() {
            burst.packets().iter().for_each(|datagram| self.one(to, datagram.clone()));
        } else {
            self.push(to, What::Burst(burst));
        }
    }

    fn push(&mut self, to: Path, what: What) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push_back(Message { to: to.peer.into(), from: to.local, what });
        }
    }

    /// Whether something waits for the system to have room.
    pub(crate) fn is_blocked(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Sends what there is, as far as the system has room. What it cannot send is lost, as it may be on the way.
    pub(crate) fn flush(&mut self, socket: &UdpSocket) {
        while !self.waiting.is_empty() {
            let (count, segment) = self.run();
            match socket.try_io(Interest::WRITABLE, || self.send(socket, count, segment)) {
                Ok(sent) => drop(self.waiting.drain(..sent.max(1))),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // It is about the first of them alone, as when there is no route to it.
                Err(error) => {
                    let Some(failed) = self.waiting.pop_front() else { return };
                    self.cut(failed, &error);
                }
            }
        }
    }

    /// How many messages leave with one call, and how long the packets are that the system cuts those of several into: they
    /// are alike in that, and who is one packet is no longer. All leave from one address.
    fn run(&self) -> (usize, Option<u16>) {
        let (mut segment, mut longest, mut from) = (None, 0, None);
        let mut count = 0;
        for message in self.waiting.iter().take(BATCH) {
            let (bytes, has_several) = message.shape();
            let fits = match (segment, has_several) {
                (Some(size), true) => size == bytes,
                (Some(size), false) => bytes <= size,
                (None, true) => longest <= bytes,
                (None, false) => true,
            };
            if !fits || from.is_some_and(|from| from != message.from) {
                break;
            }
            if has_several {
                segment = Some(bytes);
            }
            from = Some(message.from);
            longest = longest.max(bytes);
            count += 1;
        }
        (count, segment.and_then(|size| u16::try_from(size).ok()))
    }

    /// One system call: how many messages it took.
    fn send(&self, socket: &UdpSocket, count: usize, segment: Option<u16>) -> io::Result<usize> {
        let slices: Vec<Vec<IoSlice<'_>>> = self.waiting.iter().take(count).map(Message::pieces).collect();
        let to = self.waiting.iter().take(count).map(|message| Some(message.to));
        let to: Vec<Option<SockaddrStorage>> = to.collect();
        let (size, source) =
            (segment.unwrap_or(0), Source::new(self.waiting.front().and_then(|first| first.from)));
        let cut = segment.map(|_| ControlMessage::UdpGsoSegments(&size));
        let (control, space) = match (cut, source.control()) {
            (Some(cut), Some(from)) => (vec![cut, from], source.space_with_segments()),
            (Some(cut), None) => (vec![cut], Some(nix::cmsg_space!(u16))),
            (None, Some(from)) => (vec![from], source.space()),
            (None, None) => (Vec::new(), None),
        };
        // Headers are pointers, and cannot be kept by a task.
        let mut headers = MultiHeaders::preallocate(count, space);
        let sent =
            sendmmsg(socket.as_raw_fd(), &mut headers, &slices, &to, &control, MsgFlags::MSG_DONTWAIT)?;
        Ok(sent.count())
    }

    /// Sends packet by packet what the system did not take as one message.
    fn cut(&mut self, failed: Message, error: &io::Error) {
        let What::Burst(burst) = &failed.what else { return };
        if burst.packets().len() == 1 || !segments::are_refused(error) {
            return;
        }
        for datagram in burst.packets().iter().rev() {
            let what = What::One(datagram.clone());
            self.waiting.push_front(Message { to: failed.to, from: failed.from, what });
        }
    }
}

//! Non-blocking sockets, the poller, and what the process may use.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::{Buf as _, BytesMut};
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::process::{Resource, Rlimit};
use rustix::thread::CpuSet;

/// Bytes that [`discard`] drops with one call at most.
pub(crate) const DISCARD_BYTES: usize = 4 << 20;

/// Begins a TCP connection; the socket can be written to once it stands.
pub(crate) fn connect(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    rustix::net::sockopt::set_tcp_nodelay(&socket, true)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}

/// What a read gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Received {
    /// That many bytes.
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// The peer is done.
    Closed,
}

/// Reads what there is.
pub(crate) fn receive(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<Received> {
    read(socket, buffer, RecvFlags::DONTWAIT)
}

/// Drops what there is, at most as much as the buffer is long. The kernel copies nothing out (`MSG_TRUNC`, tcp(7)), so
/// a large buffer that nobody writes to never takes any memory.
pub(crate) fn discard(socket: impl AsFd, untouched: &mut [u8]) -> io::Result<Received> {
    read(socket, untouched, RecvFlags::DONTWAIT | RecvFlags::TRUNC)
}

fn read(socket: impl AsFd, buffer: &mut [u8], flags: RecvFlags) -> io::Result<Received> {
    match rustix::net::recv(socket, buffer, flags) {
        Ok((_, 0)) => Ok(Received::Closed),
        Ok((_, bytes)) => Ok(Received::Bytes(bytes)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(Received::Nothing),
        Err(error) => Err(error.into()),
    }
}

/// Reads a datagram into the buffer, as far as that goes; its whole length, none while there is none.
pub(crate) fn receive_datagram(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    match rustix::net::recv(socket, buffer, RecvFlags::DONTWAIT | RecvFlags::TRUNC) {
        Ok((_, bytes)) => Ok(Some(bytes)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Writes what the socket takes now; how many bytes that was.
pub(crate) fn send(socket: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    match rustix::net::send(socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
        Ok(sent) => Ok(sent),
        Err(Errno::AGAIN | Errno::INTR) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// A connection with what is still to be sent.
#[derive(Debug)]
pub(crate) struct Link {
    /// The connection.
    pub(crate) socket: OwnedFd,
    /// To be sent, by [`Link::flush`].
    pub(crate) out: BytesMut,
    wants_write: bool,
}

impl Link {
    /// Begins a connection that the poller reports on under that number: first when it stands.
    pub(crate) fn open(address: SocketAddr, poller: &Poller, number: usize) -> io::Result<Self> {
        let socket = connect(address)?;
        epoll::add(&poller.epoll, &socket, epoll::EventData::new_u64(number as u64), interest(true))?;
        Ok(Self { socket, out: BytesMut::new(), wants_write: true })
    }

    /// Sends what can be sent, and asks the poller to say when the rest can.
    pub(crate) fn flush(&mut self, poller: &Poller, number: usize) -> io::Result<()> {
        if !self.out.is_empty() {
            let sent = send(&self.socket, &self.out)?;
            self.out.advance(sent);
        }
        if self.wants_write == self.out.is_empty() {
            self.wants_write = !self.out.is_empty();
            let data = epoll::EventData::new_u64(number as u64);
            epoll::modify(&poller.epoll, &self.socket, data, interest(self.wants_write))?;
        }
        Ok(())
    }
}

fn interest(write: bool) -> epoll::EventFlags {
    epoll::EventFlags::IN | if write { epoll::EventFlags::OUT } else { epoll::EventFlags::empty() }
}

/// What the poller has to say of one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    /// The connection's number.
    pub(crate) number: usize,
    /// There is something to read, or the end.
    pub(crate) readable: bool,
    /// It stands, and takes bytes.
    pub(crate) writable: bool,
    /// It has failed.
    pub(crate) failed: bool,
}

/// epoll(7), level-triggered.
#[derive(Debug)]
pub(crate) struct Poller {
    epoll: OwnedFd,
}

impl Poller {
    /// A poller of no connections.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(epoll::CreateFlags::CLOEXEC)? })
    }

    /// Reports under that number when there is something to read.
    pub(crate) fn watch(&self, socket: impl AsFd, number: usize) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, epoll::EventData::new_u64(number as u64), interest(false))?)
    }

    /// Waits that long at most; `ready` is filled with what there is.
    pub(crate) fn wait(&self, timeout: Duration, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: timeout.subsec_nanos().into() };
        let mut events = Vec::with_capacity(1024);
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&timeout)) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        ready.extend(events.iter().map(|event: &epoll::Event| {
            let (flags, data) = (event.flags, event.data);
            let failed = epoll::EventFlags::ERR | epoll::EventFlags::HUP;
            Ready {
                number: data.u64() as usize,
                readable: flags.contains(epoll::EventFlags::IN),
                writable: flags.contains(epoll::EventFlags::OUT),
                failed: flags.intersects(failed),
            }
        }));
        Ok(())
    }
}

/// Takes all the open files that the system allows. Fails where they are not enough for that many connections.
pub(crate) fn allow_connections(count: usize) -> anyhow::Result<()> {
    const OTHERS: u64 = 64;
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let needed = count as u64 + OTHERS;
    if limit.maximum.is_some_and(|maximum| maximum < needed) {
        bail!(
            "{count} connections need {needed} open files, and the limit is lower; raise it: ulimit -Hn {needed}"
        );
    }
    let raised = Rlimit { current: limit.maximum, ..limit };
    rustix::process::setrlimit(Resource::Nofile, raised).context("cannot raise the limit of open files")
}

/// Keeps the calling thread, and those that it starts, on one core.
pub(crate) fn pin(core: usize) -> anyhow::Result<()> {
    if core >= CpuSet::MAX_CPU {
        bail!("there is no core {core}");
    }
    let mut cores = CpuSet::new();
    cores.set(core);
    rustix::thread::sched_setaffinity(None, &cores).with_context(|| format!("cannot run on core {core}"))
}

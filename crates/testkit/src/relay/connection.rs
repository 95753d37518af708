//! A client's connection and ours to the target, and what flows between them.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd as _;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use rustix::event::{PollFd, PollFlags};

use super::Segments;
use super::route::{Ready, sooner};

/// How long the target may take to accept.
const CONNECT: Duration = Duration::from_secs(2);

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    There,
    Back,
}

pub(super) struct Connection {
    client: TcpStream,
    target: TcpStream,
    pub(super) there: Flow,
    pub(super) back: Flow,
    failed: bool,
}

/// One way through it.
pub(super) struct Flow {
    pub(super) line: Segments,
    /// What left the line and its socket did not take yet.
    rest: Bytes,
    /// The sender has ended its side.
    ended: bool,
    /// The receiver was told so.
    told: bool,
}

impl Flow {
    fn new(line: Segments) -> Self {
        Self { line, rest: Bytes::new(), ended: false, told: false }
    }

    fn may_read(&self, now: Duration) -> bool {
        !self.ended && self.line.has_room(now)
    }

    /// Reads all there is; what becomes of it is said by `pass`.
    fn read(
        &mut self,
        now: Duration,
        mut from: &TcpStream,
        buffer: &mut [u8],
        mut pass: impl FnMut(&[u8], &mut dyn FnMut(Bytes)),
    ) -> io::Result<()> {
        while self.may_read(now) {
            let length = match from.read(buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.ended = length == 0;
            let line = &mut self.line;
            pass(buffer.get(..length).unwrap_or_default(), &mut |bytes| line.push(now, bytes));
        }
        Ok(())
    }

    fn write(&mut self, now: Duration, mut to: &TcpStream) -> io::Result<()> {
        loop {
            if self.rest.is_empty() {
                let Some(bytes) = self.line.pop(now) else { break };
                self.rest = bytes;
            }
            match to.write(&self.rest) {
                Ok(written) => self.rest.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.ended && !self.told && self.line.deadline().is_none() {
            self.told = true;
            to.shutdown(Shutdown::Write)?;
        }
        Ok(())
    }

    fn deadline(&self, now: Duration) -> Option<Duration> {
        // While the receiver takes nothing, its socket is what is waited for.
        let leaves = self.line.deadline().filter(|_| self.rest.is_empty());
        sooner(leaves, self.line.room_at(now).filter(|_| !self.ended))
    }
}

impl Connection {
    /// Connects to the target. Fails when it does not accept.
    pub(super) fn open(
        client: TcpStream,
        target: SocketAddr,
        lines: (Segments, Segments),
    ) -> io::Result<Self> {
        let target = TcpStream::connect_timeout(&target, CONNECT)?;
        for socket in [&client, &target] {
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
        }
        let (there, back) = (Flow::new(lines.0), Flow::new(lines.1));
        Ok(Self { client, target, there, back, failed: false })
    }

    /// The client's socket, then the target's.
    pub(super) fn sockets<'all>(&'all self, now: Duration, all: &mut Vec<PollFd<'all>>) {
        let sides = [(&self.client, &self.there, &self.back), (&self.target, &self.back, &self.there)];
        for (socket, from, to) in sides {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, from.may_read(now));
            flags.set(PollFlags::OUT, !to.rest.is_empty());
            all.push(PollFd::from_borrowed_fd(socket.as_fd(), flags));
        }
    }

    /// Reads and writes. `pass` is told what comes, and gives what is to go on that way.
    pub(super) fn turn(
        &mut self,
        now: Duration,
        ready: &mut Ready<'_>,
        buffer: &mut [u8],
        mut pass: impl FnMut(Way, &[u8], &mut dyn FnMut(Bytes)),
    ) {
        let (client_ready, target_ready) = (ready.next(), ready.next());
        let mut exchange = || {
            if client_ready {
                self.there.read(now, &self.client, buffer, |bytes, on| pass(Way::There, bytes, on))?;
            }
            if target_ready {
                self.back.read(now, &self.target, buffer, |bytes, on| pass(Way::Back, bytes, on))?;
            }
            self.there.write(now, &self.target)?;
            self.back.write(now, &self.client)
        };
        let exchanged: io::Result<()> = exchange();
        self.failed |= exchanged.is_err();
    }

    pub(super) fn deadline(&self, now: Duration) -> Option<Duration> {
        sooner(self.there.deadline(now), self.back.deadline(now))
    }

    /// Whether nothing will pass any more.
    pub(super) fn is_over(&self) -> bool {
        self.failed || (self.there.told && self.back.told)
    }
}

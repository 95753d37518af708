//! Byte streams: a connection to the target for each of a client.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd as _;
use std::time::Duration;

use rustix::event::PollFd;

use super::Counters;
use super::connection::Connection;
use super::route::{Ready, Serve, readable};
use super::socket::DATAGRAM_BYTES;
use super::thread::Lines;

pub(super) struct Tcp {
    listener: TcpListener,
    target: SocketAddr,
    lines: Lines,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
    /// Connections so far.
    clients: u64,
    /// Those that are over.
    over: (Counters, Counters),
}

impl Tcp {
    pub(super) fn new(
        listen: SocketAddr,
        target: SocketAddr,
        lines: Lines,
    ) -> io::Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (connections, buffer, over) = (Vec::new(), vec![0; DATAGRAM_BYTES], Default::default());
        Ok((Self { listener, target, lines, connections, buffer, clients: 0, over }, address))
    }
}

impl Serve for Tcp {
    fn sockets<'all>(&'all self, now: Duration, all: &mut Vec<PollFd<'all>>) {
        all.push(readable(self.listener.as_fd()));
        self.connections.iter().for_each(|connection| connection.sockets(now, all));
    }

    fn turn(&mut self, now: Duration, ready: &mut Ready<'_>) {
        let listener_ready = ready.next();
        for connection in &mut self.connections {
            connection.turn(now, ready, &mut self.buffer, |_, bytes, on| on(bytes.to_vec().into()));
        }
        for gone in self.connections.extract_if(.., |connection| connection.is_over()) {
            self.over.0 += gone.there.line.counters();
            self.over.1 += gone.back.line.counters();
        }
        while listener_ready && let Ok((client, _)) = self.listener.accept() {
            self.clients += 1;
            // A target that does not accept closes the client's connection.
            self.connections.extend(Connection::open(client, self.target, self.lines.segments()));
        }
    }

    fn deadline(&self, now: Duration) -> Option<Duration> {
        self.connections.iter().filter_map(|connection| connection.deadline(now)).min()
    }

    fn counters(&self) -> (u64, Counters, Counters) {
        let (mut there, mut back) = self.over;
        for connection in &self.connections {
            there += connection.there.line.counters();
            back += connection.back.line.counters();
        }
        (self.clients, there, back)
    }
}

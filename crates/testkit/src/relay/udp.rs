//! Datagrams: each client has a socket of its own towards the target, so that answers find their way back.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::time::Duration;

use bytes::Bytes;
use rustix::event::PollFd;

use super::route::{Ready, Serve, readable, sooner};
use super::socket::{self, DATAGRAM_BYTES, TURN};
use super::thread::Lines;
use super::{Counters, Packets};

/// Packets of further clients are dropped.
const CLIENTS: usize = 1024;

pub(super) struct Udp {
    listener: UdpSocket,
    target: SocketAddr,
    lines: Lines,
    places: HashMap<SocketAddr, usize>,
    clients: Vec<Client>,
    buffer: Vec<u8>,
}

struct Client {
    address: SocketAddr,
    to_target: UdpSocket,
    there: Packets,
    back: Packets,
}

impl Udp {
    pub(super) fn new(
        listen: SocketAddr,
        target: SocketAddr,
        lines: Lines,
    ) -> io::Result<(Self, SocketAddr)> {
        let listener = socket::udp(listen)?;
        let address = listener.local_addr()?;
        let (places, clients, buffer) = (HashMap::new(), Vec::new(), vec![0; DATAGRAM_BYTES]);
        Ok((Self { listener, target, lines, places, clients, buffer }, address))
    }

    fn listen(&mut self, now: Duration) {
        for _ in 0..TURN {
            let Some((packet, from)) = socket::receive(&self.listener, &mut self.buffer) else { return };
            let packet = Bytes::copy_from_slice(packet);
            if let Some(client) = self.client(from) {
                client.there.push(now, packet);
            }
        }
    }

    fn client(&mut self, address: SocketAddr) -> Option<&mut Client> {
        let place = match self.places.get(&address) {
            Some(place) => *place,
            None if self.clients.len() >= CLIENTS => return None,
            None => {
                let to_target = socket::udp(SocketAddr::new(self.target.ip(), 0)).ok()?;
                to_target.connect(self.target).ok()?;
                let (there, back) = self.lines.packets();
                self.places.insert(address, self.clients.len());
                self.clients.push(Client { address, to_target, there, back });
                self.clients.len() - 1
            }
        };
        self.clients.get_mut(place)
    }
}

impl Serve for Udp {
    fn sockets<'all>(&'all self, _: Duration, all: &mut Vec<PollFd<'all>>) {
        all.push(readable(self.listener.as_fd()));
        all.extend(self.clients.iter().map(|client| readable(client.to_target.as_fd())));
    }

    fn turn(&mut self, now: Duration, ready: &mut Ready<'_>) {
        let listener_ready = ready.next();
        for client in &mut self.clients {
            if ready.next() {
                for _ in 0..TURN {
                    let Some((packet, _)) = socket::receive(&client.to_target, &mut self.buffer) else {
                        break;
                    };
                    client.back.push(now, Bytes::copy_from_slice(packet));
                }
            }
        }
        if listener_ready {
            self.listen(now);
        }
        for client in &mut self.clients {
            // What a full buffer or a closed port does not take is lost, as on any network.
            while let Some(packet) = client.there.pop(now) {
                let _ = client.to_target.send(&packet);
            }
            while let Some(packet) = client.back.pop(now) {
                let _ = self.listener.send_to(&packet, client.address);
            }
        }
    }

    fn deadline(&self, _: Duration) -> Option<Duration> {
        let deadlines =
            self.clients.iter().map(|client| sooner(client.there.deadline(), client.back.deadline()));
        deadlines.flatten().min()
    }

    fn counters(&self) -> (u64, Counters, Counters) {
        let (mut there, mut back) = (Counters::default(), Counters::default());
        for client in &self.clients {
            there += client.there.counters();
            back += client.back.counters();
        }
        (self.clients.len() as u64, there, back)
    }
}

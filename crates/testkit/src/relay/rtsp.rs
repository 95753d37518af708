//! RTSP: the control connection passes unharmed, but for the ports in it, so that all RTP and RTCP goes through us.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd as _;
use std::time::Duration;

use bytes::Bytes;
use rustix::event::PollFd;

use super::connection::{Connection, Way};
use super::control::{Head, Piece, Ports, Splitter};
use super::route::{Ready, Serve, readable, sooner};
use super::socket::{self, DATAGRAM_BYTES, TURN};
use super::thread::Lines;
use super::{Counters, Impairment, Packets, Segments};

pub(super) struct Rtsp {
    listener: TcpListener,
    listen: SocketAddr,
    target: SocketAddr,
    lines: Lines,
    sessions: Vec<Session>,
    buffer: Vec<u8>,
    clients: u64,
    over: (Counters, Counters),
}

struct Session {
    connection: Connection,
    from_client: Splitter,
    from_target: Splitter,
    tracks: Tracks,
}

/// The media of a session.
struct Tracks {
    /// Where we are for clients, and where the target is.
    listen: SocketAddr,
    target: SocketAddr,
    client: SocketAddr,
    lines: Lines,
    all: Vec<Track>,
}

/// RTP and RTCP of one SETUP.
struct Track {
    /// Its CSeq while the response has not come.
    pending: Option<u64>,
    /// Which ports the client named.
    client_ports: Ports,
    wires: [Wire; 2],
}

/// RTP or RTCP of a track.
struct Wire {
    to_client: UdpSocket,
    to_target: UdpSocket,
    client: SocketAddr,
    /// Known from the response.
    target: Option<SocketAddr>,
    there: Packets,
    back: Packets,
}

impl Rtsp {
    pub(super) fn new(
        listen: SocketAddr,
        target: SocketAddr,
        lines: Lines,
    ) -> io::Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let listen = listener.local_addr()?;
        let (sessions, buffer, over) = (Vec::new(), vec![0; DATAGRAM_BYTES], Default::default());
        Ok((Self { listener, listen, target, lines, sessions, buffer, clients: 0, over }, listen))
    }

    fn accept(&mut self, client: TcpStream, address: SocketAddr) -> io::Result<()> {
        self.clients += 1;
        let unharmed = || Segments::new(0, 0, Impairment::default());
        let connection = Connection::open(client, self.target, (unharmed(), unharmed()))?;
        let tracks = Tracks {
            listen: self.listen,
            target: self.target,
            client: address,
            lines: self.lines.of_client(self.clients),
            all: Vec::new(),
        };
        let (from_client, from_target) = (Splitter::default(), Splitter::default());
        self.sessions.push(Session { connection, from_client, from_target, tracks });
        Ok(())
    }
}

impl Session {
    fn turn(&mut self, now: Duration, ready: &mut Ready<'_>, buffer: &mut [u8]) {
        let Self { connection, from_client, from_target, tracks } = self;
        tracks.receive(now, ready);
        connection.turn(now, ready, buffer, |way, bytes, on| {
            let splitter = if way == Way::There { &mut *from_client } else { &mut *from_target };
            splitter.push(bytes);
            while let Some(piece) = splitter.next() {
                on(match piece {
                    Piece::Opaque(bytes) => bytes,
                    Piece::Head(head) if way == Way::There => tracks.request(head).into_bytes(),
                    Piece::Head(head) => tracks.response(head).into_bytes(),
                });
            }
        });
        tracks.send(now);
    }
}

impl Tracks {
    /// Puts our ports in the place of the client's.
    fn request(&mut self, mut head: Head) -> Head {
        if head.is_setup()
            && let Some(client_ports) = head.ports("client_port")
            && let Ok((track, ports)) = self.open(head.sequence(), client_ports)
        {
            head.replace_ports("client_port", ports);
            self.all.push(track);
        }
        head
    }

    /// Puts our ports in the place of the server's, and gives the client its own back.
    fn response(&mut self, mut head: Head) -> Head {
        let Some(sequence) = head.sequence() else { return head };
        let Some(place) = self.all.iter().position(|track| track.pending == Some(sequence)) else {
            return head;
        };
        if head.status() != Some(200) {
            self.all.remove(place);
            return head;
        }
        let Some(track) = self.all.get_mut(place) else { return head };
        track.pending = None;
        head.replace_ports("client_port", track.client_ports);
        if let Some((rtp, rtcp)) = head.ports("server_port") {
            let [first, second] = &mut track.wires;
            (first.target, second.target) =
                (Some((self.target.ip(), rtp).into()), Some((self.target.ip(), rtcp).into()));
            head.replace_ports("server_port", (port(&first.to_client), port(&second.to_client)));
        }
        head.replace("source", &self.listen.ip().to_string());
        head
    }

    fn open(&mut self, pending: Option<u64>, client_ports: Ports) -> io::Result<(Track, Ports)> {
        let to_client = socket::udp_pair(self.listen.ip())?;
        let to_target = socket::udp_pair(self.target.ip())?;
        let ports = (port(&to_target[0]), port(&to_target[1]));
        let [rtp, rtcp] = to_client;
        let [target_rtp, target_rtcp] = to_target;
        let mut wire = |to_client, to_target, client_port| {
            let (there, back) = self.lines.packets();
            let client = SocketAddr::new(self.client.ip(), client_port);
            Wire { to_client, to_target, client, target: None, there, back }
        };
        let wires = [wire(rtp, target_rtp, client_ports.0), wire(rtcp, target_rtcp, client_ports.1)];
        Ok((Track { pending, client_ports, wires }, ports))
    }

    fn wires(&self) -> impl Iterator<Item = &Wire> {
        self.all.iter().flat_map(|track| &track.wires)
    }

    fn receive(&mut self, now: Duration, ready: &mut Ready<'_>) {
        let mut buffer = vec![0; DATAGRAM_BYTES];
        for wire in self.all.iter_mut().flat_map(|track| &mut track.wires) {
            for (socket, line) in [(&wire.to_client, &mut wire.there), (&wire.to_target, &mut wire.back)] {
                let turn = if ready.next() { TURN } else { 0 };
                for _ in 0..turn {
                    let Some((packet, _)) = socket::receive(socket, &mut buffer) else { break };
                    line.push(now, Bytes::copy_from_slice(packet));
                }
            }
        }
    }

    fn send(&mut self, now: Duration) {
        for wire in self.all.iter_mut().flat_map(|track| &mut track.wires) {
            // What a full buffer or a closed port does not take is lost, as on any network.
            while let Some(packet) = wire.back.pop(now) {
                let _ = wire.to_client.send_to(&packet, wire.client);
            }
            while let Some(packet) = wire.there.pop(now) {
                let _ = wire.target.map(|target| wire.to_target.send_to(&packet, target));
            }
        }
    }

    fn counters(&self) -> (Counters, Counters) {
        let (mut there, mut back) = (Counters::default(), Counters::default());
        for wire in self.wires() {
            there += wire.there.counters();
            back += wire.back.counters();
        }
        (there, back)
    }
}

impl Serve for Rtsp {
    fn sockets<'all>(&'all self, now: Duration, all: &mut Vec<PollFd<'all>>) {
        all.push(readable(self.listener.as_fd()));
        for session in &self.sessions {
            for wire in session.tracks.wires() {
                all.extend([readable(wire.to_client.as_fd()), readable(wire.to_target.as_fd())]);
            }
            session.connection.sockets(now, all);
        }
    }

    fn turn(&mut self, now: Duration, ready: &mut Ready<'_>) {
        let listener_ready = ready.next();
        for session in &mut self.sessions {
            session.turn(now, ready, &mut self.buffer);
        }
        for gone in self.sessions.extract_if(.., |session| session.connection.is_over()) {
            let (there, back) = gone.tracks.counters();
            self.over.0 += there;
            self.over.1 += back;
        }
        while listener_ready && let Ok((client, address)) = self.listener.accept() {
            // A target that does not accept closes the client's connection.
            let _ = self.accept(client, address);
        }
    }

    fn deadline(&self, now: Duration) -> Option<Duration> {
        let of_session = |session: &Session| {
            let wires =
                session.tracks.wires().map(|wire| sooner(wire.there.deadline(), wire.back.deadline()));
            sooner(session.connection.deadline(now), wires.flatten().min())
        };
        self.sessions.iter().filter_map(of_session).min()
    }

    fn counters(&self) -> (u64, Counters, Counters) {
        let (mut there, mut back) = self.over;
        for session in &self.sessions {
            let (more_there, more_back) = session.tracks.counters();
            there += more_there;
            back += more_back;
        }
        (self.clients, there, back)
    }
}

/// Where a socket is bound; 0 where the system does not say.
fn port(socket: &UdpSocket) -> u16 {
    socket.local_addr().map_or(0, |address| address.port())
}

//! Who is called (draft-sharabayko-srt 4.3.1): cookies, requests, verdicts.

mod cookie;
mod request;

pub use request::{Request, RequestId};

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::connection::{Connection, Start};
use crate::error::VERSION;
use crate::packet::{
    Body, Control, Datagram, Extension, Flags, Handshake, HandshakeKind, Hello, Packet, address_field,
};
use crate::random::Random;
use crate::timestamp::Clock;
use crate::{Error, Limits, Passphrase, Rejection, Settings};
use cookie::Cookies;
use request::Pending;

/// Our version, as peers are told: what of libsrt it is most like.
pub(crate) const OUR_VERSION: u32 = 0x0001_0500;
/// The MTU that is offered, and the packets under way.
pub(crate) const MTU: u32 = 1500;

/// What a listener wants its owner to do next.
#[derive(Debug)]
pub enum Output {
    /// Send this datagram there, from where it was asked for.
    Send(Path, Datagram),
    /// Say what becomes of it: [`Listener::accept`] or [`Listener::reject`].
    Request(Request),
    /// Nothing until a datagram comes or this time is reached; with none, until a datagram comes.
    Wait(Option<Duration>),
}

/// The way of a datagram. An answer goes back the same way: who called one of several addresses takes none from another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Path {
    /// The other end.
    pub peer: SocketAddr,
    /// Our address, where our socket has several and it is known.
    pub local: Option<IpAddr>,
}

impl From<SocketAddr> for Path {
    fn from(peer: SocketAddr) -> Self {
        Self { peer, local: None }
    }
}

/// A stranger: its address, which of ours it called, and its socket.
type Key = (Path, u32);

/// Answers callers. After any call, drain [`Listener::poll_output`] until it says [`Output::Wait`].
///
/// A caller's first packet is answered from nothing but the packet, and its second one is read only with the cookie from
/// that answer. So strangers who send from an address that is not theirs cost no memory.
pub struct Listener {
    limits: Limits,
    random: Random,
    cookies: Cookies,
    clock: Clock,
    number: u64,
    pending: HashMap<Key, Pending>,
    /// Those to be told of, in order.
    fresh: VecDeque<Key>,
    answered: HashMap<Key, Answered>,
    order: VecDeque<(Duration, Key)>,
    send: VecDeque<(Path, Datagram)>,
}

/// A verdict, to be repeated.
struct Answered {
    datagram: Datagram,
    clock: Clock,
    until: Duration,
}

impl Listener {
    /// A listener. `random` is 32 unpredictable bytes.
    pub fn new(limits: Limits, now: Duration, random: [u8; 32]) -> Self {
        let mut random = Random::new(random);
        Self {
            limits,
            cookies: Cookies::new(random.block()),
            random,
            clock: Clock::new(now, 0),
            number: 0,
            pending: HashMap::new(),
            fresh: VecDeque::new(),
            answered: HashMap::new(),
            order: VecDeque::new(),
            send: VecDeque::new(),
        }
    }

    /// A datagram that is for no connection: [`crate::packet::destination`] is 0.
    ///
    /// An error says why it was left out; the listener goes on as it was.
    pub fn handle_packet(&mut self, now: Duration, from: Path, datagram: &[u8]) -> Result<(), Error> {
        let packet = Packet::decode(datagram)?;
        let Body::Control(Control::Handshake(handshake)) = packet.body else {
            return Err(Error::malformed("packet", 0, "no handshake, and for no socket"));
        };
        match handshake.kind {
            HandshakeKind::Induction => {
                self.induce(now, from, &handshake);
                Ok(())
            }
            HandshakeKind::Conclusion => self.conclude(now, from, packet.timestamp, &handshake),
            HandshakeKind::Rendezvous(value) => Err(Error::Unsupported { what: "handshake", value }),
            // A caller that gives up, which is no caller of ours then.
            HandshakeKind::Rejection(rejection) => {
                Err(Error::Unsupported { what: "handshake", value: rejection.wire() })
            }
        }
    }

    /// The time that [`Output::Wait`] named has come, or may have.
    pub fn handle_timeout(&mut self, now: Duration) {
        while let Some((until, key)) = self.order.front().copied() {
            if until > now && self.answered.len() <= self.limits.answered {
                break;
            }
            self.order.pop_front();
            if self.answered.get(&key).is_some_and(|answered| answered.until == until) {
                self.answered.remove(&key);
            }
        }
        let late: Vec<_> =
            self.pending.values().filter(|pending| pending.until <= now).map(|late| late.id()).collect();
        for id in late {
            self.reject(now, id, Rejection::TIMEOUT);
        }
    }

    /// What to do next; to be asked again until it is to wait.
    pub fn poll_output(&mut self) -> Output {
        if let Some((to, datagram)) = self.send.pop_front() {
            return Output::Send(to, datagram);
        }
        while let Some(key) = self.fresh.pop_front() {
            if let Some(pending) = self.pending.get(&key) {
                return Output::Request(pending.request());
            }
        }
        let verdicts = self.pending.values().map(|pending| pending.until).min();
        let memory = self.order.front().map(|(until, _)| *until);
        Output::Wait(verdicts.into_iter().chain(memory).min())
    }

    /// Looks whether a caller has this passphrase; with none, whether it has none either. Else it is refused, and this
    /// fails. For who has to know before [`Listener::accept`]: that does the same, where it was not done before.
    pub fn verify(
        &mut self,
        now: Duration,
        id: RequestId,
        passphrase: Option<&Passphrase>,
    ) -> Result<(), Error> {
        let pending = self.pending.get_mut(&id.key).filter(|pending| pending.number == id.number);
        let pending = pending.ok_or(Error::Over("the request"))?;
        let Err(error) = pending.verify(passphrase) else { return Ok(()) };
        self.reject(now, id, error.rejection());
        Err(error)
    }

    /// Lets a caller in. With a passphrase it must have the same, and without one none: else it is refused, and this fails.
    pub fn accept(
        &mut self,
        now: Duration,
        id: RequestId,
        passphrase: Option<&Passphrase>,
        settings: &Settings,
    ) -> Result<Connection, Error> {
        let pending = self.pending.remove(&id.key).filter(|pending| pending.number == id.number);
        let mut pending = pending.ok_or(Error::Over("the request"))?;
        if let Err(error) = pending.verify(passphrase) {
            self.refuse(now, &pending, error.rejection());
            return Err(error);
        }
        let crypto = pending.crypto.take();
        let hello = Hello {
            version: OUR_VERSION,
            flags: Flags::LIVE,
            receive_latency: settings.receive_latency.max(pending.hello.send_latency),
            send_latency: settings.send_latency.max(pending.hello.receive_latency),
        };
        let mut start = Start {
            socket: self.random.socket(),
            clock: Clock::new(now, settings.first_timestamp),
            crypto,
            random: Random::new(self.random.block()),
            peer_socket: pending.key.1,
            send_sequence: pending.sequence,
            receive_sequence: pending.sequence,
            receive_latency: hello.receive_latency,
            send_latency: hello.send_latency,
            peer_timestamp: pending.timestamp,
            peer_timestamp_at: pending.arrived,
            flow_window: pending.flow_window,
            peer_version: pending.hello.version,
        };
        self.welcome(now, &pending, hello, settings, &mut start);
        Ok(Connection::new(now, settings, start))
    }

    /// Sends a caller away.
    pub fn reject(&mut self, now: Duration, id: RequestId, rejection: Rejection) {
        if self.pending.get(&id.key).is_some_and(|pending| pending.number == id.number)
            && let Some(pending) = self.pending.remove(&id.key)
        {
            self.refuse(now, &pending, rejection);
        }
    }

    /// How many wait for a verdict.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The first step: a cookie, and nothing kept.
    fn induce(&mut self, now: Duration, from: Path, handshake: &Handshake<'_>) {
        let answer = Handshake {
            version: Handshake::VERSION,
            encryption: 0,
            extension: Handshake::MAGIC,
            cookie: self.cookies.make(now, from.peer),
            address: address_field(from.peer.ip()),
            content: &[],
            ..*handshake
        };
        let packet = Packet::control(self.clock.stamp(now), handshake.socket, Control::Handshake(answer));
        self.send.push_back((from, packet.encode()));
    }

    /// The second step, which costs something once the cookie is right.
    fn conclude(
        &mut self,
        now: Duration,
        from: Path,
        timestamp: u32,
        handshake: &Handshake<'_>,
    ) -> Result<(), Error> {
        if !self.cookies.is_right(now, from.peer, handshake.cookie) {
            return Err(Error::malformed("handshake", 44, "the cookie is wrong"));
        }
        let key = (from, handshake.socket);
        if self.pending.contains_key(&key) {
            return Ok(());
        }
        if let Some(answered) = self.answered.get(&key).filter(|answered| answered.until > now) {
            let mut datagram = answered.datagram.clone();
            datagram.set_timestamp(answered.clock.stamp(now));
            self.send.push_back((from, datagram));
            return Ok(());
        }
        let pending = if self.pending.len() < self.limits.pending {
            Pending::new(now, self.limits.verdict, key, self.number, timestamp, handshake)
        } else {
            Err(Error::Rejected(Rejection::BACKLOG))
        };
        match pending {
            Ok(pending) => {
                self.number += 1;
                self.pending.insert(key, pending);
                self.fresh.push_back(key);
                Ok(())
            }
            Err(error) => {
                let datagram = rejection(self.clock.stamp(now), handshake, error.rejection());
                self.send.push_back((from, datagram));
                Err(error)
            }
        }
    }

    fn welcome(
        &mut self,
        now: Duration,
        pending: &Pending,
        hello: Hello,
        settings: &Settings,
        start: &mut Start,
    ) {
        let mut content = Vec::new();
        Extension::Hello(hello, true).encode(&mut content);
        let mut extension = Handshake::HAS_HELLO;
        if let Some(message) = &pending.key_material {
            Extension::KeyMaterial(message, true).encode(&mut content);
            extension |= Handshake::HAS_KEY_MATERIAL;
        }
        let answer = Handshake {
            extension,
            flow_window: u32::try_from(settings.receive_packets).unwrap_or(u32::MAX),
            mtu: MTU,
            kind: HandshakeKind::Conclusion,
            socket: start.socket,
            ..pending.answer(&content)
        };
        let packet = Packet::control(start.clock.stamp(now), start.peer_socket, Control::Handshake(answer));
        self.answer(now, pending.key, packet.encode(), start.clock);
    }

    fn refuse(&mut self, now: Duration, pending: &Pending, reason: Rejection) {
        let datagram = rejection(self.clock.stamp(now), &pending.answer(&[]), reason);
        self.answer(now, pending.key, datagram, self.clock);
    }

    /// Sends a verdict, and remembers it.
    fn answer(&mut self, now: Duration, key: Key, datagram: Datagram, clock: Clock) {
        let until = now.saturating_add(self.limits.memory);
        self.send.push_back((key.0, datagram.clone()));
        self.answered.insert(key, Answered { datagram, clock, until });
        self.order.push_back((until, key));
        while self.answered.len() > self.limits.answered {
            let Some((until, key)) = self.order.pop_front() else { break };
            if self.answered.get(&key).is_some_and(|answered| answered.until == until) {
                self.answered.remove(&key);
            }
        }
    }
}

/// A handshake that says no.
fn rejection(timestamp: u32, handshake: &Handshake<'_>, reason: Rejection) -> Datagram {
    let answer = Handshake {
        version: Handshake::VERSION,
        extension: 0,
        kind: HandshakeKind::Rejection(reason),
        content: &[],
        ..*handshake
    };
    Packet::control(timestamp, handshake.socket, Control::Handshake(answer)).encode()
}

/// Whether a version is spoken here.
fn check_version(version: u32) -> Result<(), Error> {
    if version == Handshake::VERSION {
        Ok(())
    } else {
        Err(Error::Unsupported { what: VERSION, value: version })
    }
}

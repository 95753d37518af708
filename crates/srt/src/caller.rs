//! Who calls (draft-sharabayko-srt 4.3.1).

use std::net::SocketAddr;
use std::time::Duration;

use crate::connection::{Connection, Start};
use crate::crypto::Crypto;
use crate::error::VERSION;
use crate::listener::{MTU, OUR_VERSION};
use crate::packet::{
    Body, Control, Datagram, Extension, Flags, Handshake, HandshakeKind, Hello, KeyState, Packet,
    address_field,
};
use crate::random::Random;
use crate::timestamp::Clock;
use crate::{Error, KeyLength, Passphrase, Rejection, Sequence, Settings, StreamId};

/// How long an answer is waited for before the question is repeated.
const REPEAT: Duration = Duration::from_millis(250);

/// What a caller says of itself.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// What is wanted, 512 bytes at most.
    pub stream_id: Option<String>,
    /// For encryption.
    pub passphrase: Option<Passphrase>,
    /// For encryption.
    pub key_length: KeyLength,
    /// The connection.
    pub settings: Settings,
    /// How long answers are waited for in all; none for 3 s.
    pub timeout: Option<Duration>,
}

/// What a caller wants its owner to do next.
pub enum Output {
    /// Send this datagram to whom is called.
    Send(Datagram),
    /// The connection stands, and the caller is over.
    Connected(Box<Connection>),
    /// It came to nothing, and the caller is over.
    Failed(Error),
    /// Nothing until a datagram comes or this time is reached; with none, for ever: the caller is over.
    Wait(Option<Duration>),
}

/// Makes a connection. After any call, drain [`Caller::poll_output`] until it says [`Output::Wait`].
pub struct Caller {
    call: Call,
    peer: SocketAddr,
    random: Random,
    clock: Clock,
    socket: u32,
    sequence: Sequence,
    crypto: Option<Crypto>,
    step: Step,
    until: Duration,
    repeat: Duration,
    send: Option<Datagram>,
    result: Option<Result<Box<Connection>, Error>>,
}

enum Step {
    /// No cookie yet.
    Induction,
    /// With the listener's cookie.
    Conclusion(u32),
    Over,
}

impl Caller {
    /// Calls `peer`. `random` is 32 unpredictable bytes. Fails for a stream id that is too long.
    pub fn new(now: Duration, random: [u8; 32], peer: SocketAddr, call: Call) -> Result<Self, Error> {
        if let Some(id) = call.stream_id.as_deref().filter(|id| !StreamId::fits(id)) {
            return Err(Error::StreamId(id.len()));
        }
        let mut random = Random::new(random);
        let passphrase = call.passphrase.as_ref();
        let crypto = passphrase
            .map(|passphrase| Crypto::generate(passphrase, call.key_length, &mut random))
            .transpose()?;
        let sequence = random.u32();
        let mut caller = Self {
            peer,
            clock: Clock::new(now, call.settings.first_timestamp),
            socket: random.socket(),
            sequence: Sequence::new(call.settings.first_sequence.unwrap_or(sequence)),
            random,
            crypto,
            step: Step::Induction,
            until: now.saturating_add(call.timeout.unwrap_or(Duration::from_secs(3))),
            repeat: now,
            send: None,
            result: None,
            call,
        };
        caller.ask(now);
        Ok(caller)
    }

    /// Our socket: what [`crate::packet::destination`] says of the answers.
    pub fn socket(&self) -> u32 {
        self.socket
    }

    /// A datagram from who is called. An error says why it was left out.
    pub fn handle_packet(&mut self, now: Duration, datagram: &[u8]) -> Result<(), Error> {
        let packet = Packet::decode(datagram)?;
        let Body::Control(Control::Handshake(handshake)) = packet.body else {
            // What the listener sends as soon as it has accepted may overtake its answer, and comes again.
            return Ok(());
        };
        if packet.destination != self.socket {
            return Err(Error::malformed("packet", 12, "for another socket"));
        }
        match (handshake.kind, &self.step) {
            (_, Step::Over) => Ok(()),
            (HandshakeKind::Induction, Step::Induction) => {
                if handshake.version != Handshake::VERSION || handshake.extension != Handshake::MAGIC {
                    self.end(Err(Error::Unsupported { what: VERSION, value: handshake.version }));
                    return Ok(());
                }
                self.step = Step::Conclusion(handshake.cookie);
                self.ask(now);
                Ok(())
            }
            (HandshakeKind::Conclusion, Step::Conclusion(_)) => {
                let connection = self.conclude(now, packet.timestamp, &handshake);
                self.end(connection);
                Ok(())
            }
            (HandshakeKind::Rejection(rejection), Step::Conclusion(_)) => {
                self.end(Err(Error::Rejected(rejection)));
                Ok(())
            }
            _ => Err(Error::malformed("handshake", 20, "not the step that was waited for")),
        }
    }

    /// The time that [`Output::Wait`] named has come, or may have.
    pub fn handle_timeout(&mut self, now: Duration) {
        if matches!(self.step, Step::Over) {
        } else if self.until <= now {
            self.end(Err(Error::Rejected(Rejection::TIMEOUT)));
        } else if self.repeat <= now {
            self.ask(now);
        }
    }

    /// What to do next; to be asked again until it is to wait.
    pub fn poll_output(&mut self) -> Output {
        if let Some(datagram) = self.send.take() {
            return Output::Send(datagram);
        }
        match self.result.take() {
            Some(Ok(connection)) => Output::Connected(connection),
            Some(Err(error)) => Output::Failed(error),
            None if matches!(self.step, Step::Over) => Output::Wait(None),
            None => Output::Wait(Some(self.until.min(self.repeat))),
        }
    }

    fn end(&mut self, result: Result<Box<Connection>, Error>) {
        self.step = Step::Over;
        self.send = None;
        self.result = Some(result);
    }

    /// Asks for what comes next.
    fn ask(&mut self, now: Duration) {
        let mut content = Vec::new();
        let mut handshake = Handshake {
            version: 4,
            encryption: 0,
            extension: Handshake::DATAGRAMS,
            sequence: self.sequence,
            mtu: MTU,
            flow_window: u32::try_from(self.call.settings.receive_packets).unwrap_or(u32::MAX),
            kind: HandshakeKind::Induction,
            socket: self.socket,
            cookie: 0,
            address: address_field(self.peer.ip()),
            content: &[],
        };
        if let Step::Conclusion(cookie) = self.step {
            (handshake.version, handshake.kind) = (Handshake::VERSION, HandshakeKind::Conclusion);
            handshake.cookie = cookie;
            (handshake.extension, handshake.encryption) = self.extensions(&mut content);
            handshake.content = &content;
        }
        let packet = Packet::control(self.clock.stamp(now), 0, Control::Handshake(handshake));
        self.send = Some(packet.encode());
        self.repeat = now.saturating_add(REPEAT);
    }

    /// Appends what a conclusion has, and says of what kinds it is and how long the keys are.
    fn extensions(&self, content: &mut Vec<u8>) -> (u16, u16) {
        let (mut kinds, mut encryption) = (Handshake::HAS_HELLO, 0);
        let hello = Hello {
            version: OUR_VERSION,
            flags: Flags::LIVE,
            receive_latency: self.call.settings.receive_latency,
            send_latency: self.call.settings.send_latency,
        };
        Extension::Hello(hello, false).encode(content);
        if let Some(crypto) = &self.crypto {
            Extension::KeyMaterial(&crypto.send.message(), false).encode(content);
            kinds |= Handshake::HAS_KEY_MATERIAL;
            encryption = (self.call.key_length.bytes() / 8) as u16;
        }
        if let Some(id) = self.call.stream_id.as_deref().filter(|id| !id.is_empty()) {
            Extension::StreamId(id).encode(content);
            kinds |= Handshake::HAS_OTHERS;
        }
        (kinds, encryption)
    }

    fn conclude(
        &mut self,
        now: Duration,
        timestamp: u32,
        handshake: &Handshake<'_>,
    ) -> Result<Box<Connection>, Error> {
        if handshake.version != Handshake::VERSION {
            return Err(Error::Unsupported { what: VERSION, value: handshake.version });
        }
        let extensions = handshake.extensions()?;
        let hello = extensions.hello.ok_or(Error::malformed("handshake", 48, "no hello"))?;
        self.check_keys(extensions.key_material)?;
        let settings = &self.call.settings;
        let start = Start {
            socket: self.socket,
            clock: self.clock,
            crypto: self.crypto.take(),
            random: Random::new(self.random.block()),
            peer_socket: handshake.socket,
            send_sequence: self.sequence,
            receive_sequence: handshake.sequence,
            receive_latency: settings.receive_latency.max(hello.send_latency),
            send_latency: settings.send_latency.max(hello.receive_latency),
            peer_timestamp: timestamp,
            peer_timestamp_at: now,
            flow_window: handshake.flow_window,
            peer_version: hello.version,
        };
        Ok(Box::new(Connection::new(now, settings, start)))
    }

    /// Whether the listener has our keys, as it must where we have any.
    fn check_keys(&self, answer: Option<&[u8]>) -> Result<(), Error> {
        match (&self.crypto, answer) {
            (None, None) => Ok(()),
            (Some(crypto), Some(answer)) if answer.starts_with(&crypto.send.message()) => Ok(()),
            (Some(_), Some(answer)) => Err(match KeyState::decode(answer) {
                Some(KeyState::NoSecret) => Error::Rejected(Rejection::UNSECURE),
                _ => Error::WrongKey,
            }),
            _ => Err(Error::Rejected(Rejection::UNSECURE)),
        }
    }
}

//! The other end of a session: bytes to feed it, and what it made of them.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rillcast_rtmp::amf0::{self, Value};
use rillcast_rtmp::chunk::{Decoder, Encoder};
use rillcast_rtmp::message::{Command, Message, kind};
use rillcast_rtmp::server::{Event, Output, Session};
use rillcast_rtmp::{Error, Limits, handshake};

/// A session with its peer, which accepts what it is told to.
pub(crate) struct Peer {
    pub(crate) session: Session,
    pub(crate) events: Vec<Event>,
    /// Messages that the session sent, after its handshake.
    pub(crate) received: Vec<Message>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) accepts: bool,
    /// Requests to play are accepted too.
    pub(crate) plays: bool,
    /// What came of accepting.
    accepted: Result<(), Error>,
    decoder: Decoder,
    encoder: Encoder,
    handshake: usize,
}

impl Peer {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            session: Session::new(limits, Duration::ZERO, [3; 32]),
            events: Vec::new(),
            received: Vec::new(),
            deadline: None,
            accepts: true,
            plays: false,
            accepted: Ok(()),
            decoder: Decoder::new(Limits::default()),
            encoder: Encoder::new(),
            handshake: 1 + 2 * handshake::SIZE,
        }
    }

    /// One that has shaken hands.
    pub(crate) fn opened(limits: Limits) -> Self {
        let mut peer = Self::new(limits);
        let mut hello = vec![0; 1 + 2 * handshake::SIZE];
        hello[0] = 3;
        peer.feed(&hello).unwrap();
        peer
    }

    /// One that has sent `connect` to that application.
    pub(crate) fn connected(app: &str) -> Self {
        let mut peer = Self::opened(Limits::default());
        peer.call(0, "connect", 1.0, vec![Value::object([("app", app.into())])]).unwrap();
        peer
    }

    /// One that may send media.
    pub(crate) fn publishing(app: &str, name: &str) -> Self {
        let mut peer = Self::connected(app);
        peer.call(0, "createStream", 2.0, vec![Value::Null]).unwrap();
        peer.call(1, "publish", 3.0, vec![Value::Null, name.into(), "live".into()]).unwrap();
        peer
    }

    /// One that plays `live/cam` on message stream 1.
    pub(crate) fn playing() -> Self {
        let mut peer = Self::connected("live");
        peer.plays = true;
        peer.call(0, "createStream", 2.0, vec![Value::Null]).unwrap();
        peer.call(1, "play", 0.0, vec![Value::Null, "cam".into(), (-2000.0).into()]).unwrap();
        peer
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let result = self.session.handle_bytes(Duration::ZERO, bytes);
        self.drain();
        let accepted = std::mem::replace(&mut self.accepted, Ok(()));
        result.and(accepted)
    }

    pub(crate) fn send(&mut self, message: &Message) -> Result<(), Error> {
        let mut bytes = BytesMut::new();
        self.encoder.encode(4, message, &mut bytes);
        self.feed(&bytes)
    }

    pub(crate) fn call(
        &mut self,
        stream: u32,
        name: &str,
        transaction: f64,
        values: Vec<Value>,
    ) -> Result<(), Error> {
        self.send(&Command { name: name.to_owned(), transaction, values }.encode(stream))
    }

    pub(crate) fn media(&mut self, kind: u8, timestamp_ms: u32, body: &'static [u8]) -> Result<(), Error> {
        self.send(&Message { kind, timestamp_ms, stream: 1, body: Bytes::from_static(body) })
    }

    pub(crate) fn drain(&mut self) {
        loop {
            match self.session.poll_output() {
                Output::Send(bytes) => self.take(&bytes),
                Output::Event(event) => {
                    let accept = self.accepts && matches!(event, Event::Publish(_));
                    let play = self.plays && matches!(event, Event::Play(_));
                    self.events.push(event);
                    if accept {
                        self.accepted = self.session.accept_publish(Duration::ZERO);
                    }
                    if play {
                        self.accepted = self.session.accept_play(Duration::ZERO);
                    }
                }
                Output::Wait(deadline) => {
                    self.deadline = deadline;
                    return;
                }
            }
        }
    }

    pub(crate) fn take(&mut self, bytes: &[u8]) {
        let skipped = self.handshake.min(bytes.len());
        self.handshake -= skipped;
        let mut input = &bytes[skipped..];
        while let Some(message) = self.decoder.decode(&mut input).unwrap() {
            self.received.push(message);
        }
    }

    /// The commands that the session sent: name, transaction, and `code` of the second value.
    pub(crate) fn replies(&self) -> Vec<(String, f64, String)> {
        let commands = self.received.iter().filter(|message| message.kind == kind::COMMAND_AMF0);
        let decoded = commands.map(|message| Command::decode(message, amf0::Limits::default()).unwrap());
        let code = |command: &Command| {
            let code = command.values.get(1).and_then(|info| info.get("code")).and_then(Value::as_str);
            code.unwrap_or_default().to_owned()
        };
        decoded.map(|command| (command.name.clone(), command.transaction, code(&command))).collect()
    }

    /// The last of [`Peer::replies`].
    pub(crate) fn last_reply(&self) -> (String, f64, String) {
        self.replies().pop().unwrap()
    }

    pub(crate) fn tags(&self) -> Vec<rillcast_rtmp::flv::Tag> {
        let tags = self.events.iter().filter_map(|event| match event {
            Event::Tag(tag) => Some(tag.clone()),
            _ => None,
        });
        tags.collect()
    }
}

//! One connection of RTMP as the client sees it: what a server sends, to the end.

use std::mem;
use std::time::Duration;

use rtmp::chunk::Decoder;
use rtmp::client::{Event, Output, Session, Settings, Step, Target, Url};
use rtmp::message::{Command, Control, Message, kind};
use rtmp::{Error, Limits, handshake};

use crate::input::Input;
use crate::limits;

/// C0, C1 and C2.
const OUR_HANDSHAKE: usize = 1 + 2 * handshake::SIZE;
/// What we say without being asked for each thing: `connect` with its lists of codecs, `publish` and what goes before it,
/// the end.
const UNASKED: usize = 6000;
/// Our answers to a server, at most: each byte of its shortest question is worth this many of ours.
const ANSWER_FACTOR: usize = 8;
/// Connections in a row that one input is for.
const MAX_CONNECTIONS: usize = 10;
/// No part of it may be told.
const SECRETS: [&str; 2] = ["SECRET-KEY", "SECRET-PASSWORD"];

/// The first byte chooses limits and whether the handshake is taken as done, the next two the size of the parts in which
/// the rest arrives. The rest is what the server sends, on each connection that it makes us open. The rest is also read as
/// an address to publish to.
///
/// - Events, and our answers but for acknowledgements, do not depend on how the bytes were split.
/// - What we send can be read, and its length is bounded by what came.
/// - Proofs and redirects come to an end, and what is told of a server has no secret of ours in it.
/// - An address is read or refused, and not shown with its key.
/// - A session that is over takes everything and says nothing; a deadline that passed ends it.
pub fn client(data: &[u8]) {
    let mut input = Input::new(data);
    let (choice, step) = (input.byte(), input.number(2) as usize + 1);
    let bytes = input.rest();
    address(&String::from_utf8_lossy(bytes));
    let url = Url::parse("rtmp://user:SECRET-PASSWORD@host/app?x=y/SECRET-KEY?z").expect("an address");
    let mut next = Some(Target::new(url));
    for connections in 0.. {
        let Some(target) = next.take() else { break };
        assert!(connections < MAX_CONNECTIONS, "we go round in circles");
        let mut whole = Owner::new(choice, target.clone());
        whole.feed(bytes);
        let mut parts = Owner::new(choice, target);
        bytes.chunks(step).for_each(|part| parts.feed(part));
        assert_eq!(parts.events, whole.events, "in parts of {step}");
        assert_eq!(parts.failed, whole.failed, "in parts of {step}");
        assert_eq!(parts.answers(), whole.answers(), "in parts of {step}");
        next = whole.events.iter().find_map(|event| match event {
            Event::Again(target) | Event::Redirect(target) => Some(target.clone()),
            _ => None,
        });
        whole.finish();
    }
}

fn address(text: &str) {
    let Ok(url) = Url::parse(text) else { return };
    assert!(url.port() > 0 && !url.host().is_empty());
    assert!(url.tc_url().ends_with(url.app()));
    // A name with a character that its mask or the rest may have by chance is no secret to look for.
    let (shown, name) = (url.to_string(), url.name());
    let before = text.len().saturating_sub(name.len());
    let repeated = text.get(..before).is_none_or(|rest| rest.contains(name));
    assert!(name.len() < 4 || repeated || !shown.contains(name), "{shown}");
    assert!(!url.mask(text).contains(name) || name.len() < 3);
}

struct Owner {
    session: Session,
    events: Vec<Event>,
    sent: Vec<u8>,
    received: usize,
    parts: usize,
    deadline: Option<Duration>,
    /// The variant of the error that ended the session.
    failed: Option<mem::Discriminant<Error>>,
}

impl Owner {
    fn new(choice: u8, target: Target) -> Self {
        let settings = Settings { limits: limits(choice), ..Settings::default() };
        let session = Session::new(settings, Duration::ZERO, [7; 32], target);
        let (events, sent) = (Vec::new(), Vec::new());
        let mut owner = Self { session, events, sent, received: 0, parts: 0, deadline: None, failed: None };
        owner.drain();
        if choice & 2 != 0 {
            let mut hello = vec![0; OUR_HANDSHAKE];
            hello[0] = 3;
            owner.feed(&hello);
        }
        owner
    }

    fn feed(&mut self, bytes: &[u8]) {
        let over = self.session.step() == Step::Closed;
        let before = (self.events.len(), self.sent.len());
        let result = self.session.handle_bytes(Duration::ZERO, bytes);
        self.received += bytes.len();
        self.parts += 1;
        if let Err(error) = result {
            assert!(self.session.step() == Step::Closed && self.failed.is_none(), "{error} after the end");
            self.failed = Some(mem::discriminant(error.cause()));
        }
        self.drain();
        if over {
            assert_eq!((self.events.len(), self.sent.len()), before, "a session that is over is silent");
        }
        assert_eq!(self.session.stats().bytes_received, self.received as u64);
        assert_eq!(self.session.stats().bytes_sent, self.sent.len() as u64);
    }

    fn drain(&mut self) {
        loop {
            match self.session.poll_output() {
                Output::Send(bytes) => self.sent.extend_from_slice(&bytes),
                Output::Event(event) => {
                    let told = format!("{event:?}");
                    assert!(SECRETS.iter().all(|secret| !told.contains(secret)), "{told}");
                    self.events.push(event);
                }
                Output::Wait(deadline) => {
                    self.deadline = deadline;
                    return;
                }
            }
        }
    }

    /// What we said after the handshake, but for acknowledgements.
    fn answers(&self) -> Vec<Message> {
        let most = OUR_HANDSHAKE + UNASKED + 16 * self.parts + ANSWER_FACTOR * self.received;
        assert!(self.sent.len() <= most, "{} bytes sent for {}", self.sent.len(), self.received);
        let mut input = self.sent.get(OUR_HANDSHAKE..).unwrap_or_default();
        let mut decoder = Decoder::new(Limits::default());
        let mut messages = Vec::new();
        while let Some(message) = decoder.decode(&mut input).expect("our own chunks") {
            if message.kind == kind::COMMAND_AMF0 {
                Command::decode(&message, rtmp::amf0::Limits::default()).expect("our own command");
            } else {
                assert!(Control::decode(&message).expect("our own message").is_some());
            }
            messages.push(message);
        }
        messages.retain(|message| message.kind != kind::ACKNOWLEDGEMENT);
        messages
    }

    /// Lets the deadline pass, or ends the publication.
    fn finish(mut self) {
        assert_eq!(self.session.publishing().is_some(), self.session.step() == Step::Publishing);
        if let Some(deadline) = self.deadline {
            let early = deadline.saturating_sub(Duration::from_nanos(1));
            assert!(self.session.handle_timeout(early).is_ok());
            assert!(matches!(self.session.handle_timeout(deadline), Err(Error::NoAnswer(_))));
        } else if self.session.step() != Step::Closed {
            assert_eq!(self.session.step(), Step::Publishing, "something is always waited for");
            self.session.close();
        }
        self.drain();
        assert!(self.session.step() == Step::Closed && self.deadline.is_none());
        assert!(self.session.handle_timeout(Duration::MAX).is_ok());
        self.feed(b"\x02\0\0\0\0\0\x04\x03\0\0\0\0\0\0\0\0");
    }
}

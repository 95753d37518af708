//! One RTMP connection from the server's side, with an owner that accepts, refuses, waits or closes.

use std::mem;
use std::time::Duration;

use rtmp::chunk::Decoder;
use rtmp::message::{Command, Control, Message, kind};
use rtmp::server::{Event, Output, Session, code};
use rtmp::{Error, Limits, handshake};

use crate::input::Input;
use crate::limits;

/// S0, S1 and S2.
const OUR_HANDSHAKE: usize = 1 + 2 * handshake::SIZE;
/// Our answers to a peer, at most: each byte of its shortest question is worth this many of ours.
const ANSWER_FACTOR: usize = 24;
/// Verdicts of an owner who never gives one.
const NEVER: u8 = 0b10_10_10_10;
/// What we say without being asked, or once: acknowledgements aside, the reply to `connect`, last words.
const UNASKED: usize = 4096;

/// The first byte chooses limits and whether the handshake is taken as done, the second what the owner says to each
/// request, the next two the size of the parts in which the rest arrives. The rest is what the peer sends.
///
/// - Events, and our answers but for acknowledgements, do not depend on how the bytes were split.
/// - What we send can be read, and its length is bounded by what came.
/// - A closed session takes everything and says nothing; a deadline that passed closes it.
pub fn session(data: &[u8]) {
    let mut input = Input::new(data);
    let (choice, verdicts, step) = (input.byte(), input.byte(), input.number(2) as usize + 1);
    let bytes = input.rest();
    let mut whole = Owner::new(choice, verdicts);
    whole.feed(bytes);
    let mut parts = Owner::new(choice, verdicts);
    bytes.chunks(step).for_each(|part| parts.feed(part));
    assert_eq!(parts.events(), whole.events(), "in parts of {step}");
    assert_eq!(parts.failed, whole.failed, "in parts of {step}");
    let answers = |owner: &Owner| {
        let mut messages = owner.answers();
        messages.retain(|message| message.kind != kind::ACKNOWLEDGEMENT);
        // The last word to a peer that failed has numbers in it, such as how many bytes were too many.
        messages.truncate(messages.len() - usize::from(owner.failed.is_some() && !messages.is_empty()));
        messages
    };
    assert_eq!(answers(&parts), answers(&whole), "in parts of {step}");
    whole.finish();
}

struct Owner {
    session: Session,
    /// Two bits for each request, used round and round.
    verdicts: u8,
    events: Vec<Event>,
    sent: Vec<u8>,
    received: usize,
    parts: usize,
    deadline: Option<Duration>,
    /// The variant of the error that ended the session.
    failed: Option<mem::Discriminant<Error>>,
}

impl Owner {
    fn new(choice: u8, verdicts: u8) -> Self {
        let mut limits = limits(choice);
        if verdicts != NEVER {
            // Where a verdict comes, how much came before it depends on how the bytes were split.
            limits.held_bytes = Limits::default().held_bytes;
        }
        let session = Session::new(limits, Duration::ZERO, [7; 32]);
        let mut owner = Self {
            session,
            verdicts,
            events: Vec::new(),
            sent: Vec::new(),
            received: 0,
            parts: 0,
            deadline: None,
            failed: None,
        };
        if choice & 2 != 0 {
            let mut hello = vec![0; OUR_HANDSHAKE];
            hello[0] = 3;
            owner.feed(&hello);
        }
        owner
    }

    fn feed(&mut self, bytes: &[u8]) {
        let closed = self.session.is_closed();
        let before = (self.events.len(), self.sent.len());
        let result = self.session.handle_bytes(Duration::ZERO, bytes);
        self.received += bytes.len();
        self.parts += 1;
        self.note(result);
        self.drain();
        if closed {
            assert_eq!((self.events.len(), self.sent.len()), before, "a closed session is silent");
        }
        assert_eq!(self.session.stats().bytes_received, self.received as u64);
        assert_eq!(self.session.stats().bytes_sent, self.sent.len() as u64);
    }

    fn note(&mut self, result: Result<(), Error>) {
        if let Err(error) = result {
            assert!(self.session.is_closed() && self.failed.is_none(), "{error} after the end");
            self.failed = Some(mem::discriminant(error.cause()));
        }
    }

    fn drain(&mut self) {
        loop {
            match self.session.poll_output() {
                Output::Send(bytes) => self.sent.extend_from_slice(&bytes),
                Output::Event(event) => {
                    let result = self.judge(&event);
                    self.events.push(event);
                    self.note(result);
                }
                Output::Wait(deadline) => {
                    self.deadline = deadline;
                    return;
                }
            }
        }
    }

    fn judge(&mut self, event: &Event) -> Result<(), Error> {
        let now = Duration::ZERO;
        let play = match event {
            Event::Publish(_) => false,
            Event::Play(_) => true,
            _ => return Ok(()),
        };
        let verdict = self.verdicts & 3;
        self.verdicts = self.verdicts.rotate_right(2);
        match (verdict, play) {
            (0, false) => self.session.accept_publish(now),
            (0, true) => self.session.accept_play(now),
            (1, true) => self.session.reject_play(now, code::PLAY_FAILED, "no"),
            (1, false) => self.session.reject_publish(now, code::PUBLISH_DENIED, "no"),
            (2, _) => Ok(()),
            _ => {
                self.session.close("that was all");
                Ok(())
            }
        }
    }

    /// Without the request that a failed session had at last, which is not told of if it failed at once.
    fn events(&self) -> &[Event] {
        match &self.events[..] {
            [events @ .., Event::Publish(_) | Event::Play(_)] if self.failed.is_some() => events,
            events => events,
        }
    }

    /// What we said after the handshake.
    fn answers(&self) -> Vec<Message> {
        let most = OUR_HANDSHAKE + UNASKED + 16 * self.parts + ANSWER_FACTOR * self.received;
        assert!(self.sent.len() <= most, "{} bytes sent for {}", self.sent.len(), self.received);
        let mut input = self.sent.get(OUR_HANDSHAKE..).unwrap_or_default();
        let mut decoder = Decoder::new(Limits::default());
        let mut messages = Vec::new();
        while let Some(message) = decoder.decode(&mut input).expect("our own chunks") {
            if message.kind == kind::COMMAND_AMF0 {
                Command::decode(&message, rtmp::amf0::Limits::default()).expect("our own command");
            } else if message.kind != kind::DATA_AMF0 {
                assert!(Control::decode(&message).expect("our own message").is_some());
            }
            messages.push(message);
        }
        messages
    }

    /// Lets the deadline pass, and calls what must not be called.
    fn finish(mut self) {
        if let Some(deadline) = self.deadline {
            let early = deadline.saturating_sub(Duration::from_nanos(1));
            assert!(self.session.handle_timeout(early).is_ok());
            assert!(matches!(self.session.handle_timeout(deadline), Err(Error::Timeout(_))));
        } else if !self.session.is_closed() {
            let busy = self.session.is_publishing() || self.session.playing().is_some();
            assert!(busy, "something is always waited for");
            self.session.ping(Duration::ZERO);
            self.session.close("that was all");
        }
        self.drain();
        assert!(self.session.is_closed() && self.deadline.is_none());
        assert!(self.session.handle_timeout(Duration::MAX).is_ok());
        assert!(matches!(self.session.accept_publish(Duration::ZERO), Err(Error::Misuse { .. })));
        assert!(matches!(self.session.accept_play(Duration::ZERO), Err(Error::Misuse { .. })));
        self.feed(b"\x02\0\0\0\0\0\x04\x03\0\0\0\0\0\0\0\0");
    }
}

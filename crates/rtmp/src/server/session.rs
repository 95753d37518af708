//! The session: what comes in, what goes out, what is waited for.

mod commands;
mod messages;
mod play;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use bytes::BytesMut;

use super::status::{code, on_status};
use super::{Connect, Event, Output, Timer};
use crate::chunk::{Decoder, Encoder};
use crate::handshake::{Handshake, Progress};
use crate::message::{Command, Control, UserControl};
use crate::{Error, Limits};

/// Our own chunk size, until something is played: nothing that we send is longer, so everything goes out in one chunk.
const CHUNK_SIZE: u32 = 60_000;
/// Bytes after which each side wants an acknowledgement: what encoders have always been told. Also what we go by
/// for a peer that does not say.
const WINDOW: u32 = 2_500_000;
/// Chunk streams of what we send.
mod chunk_stream {
    pub(super) const CONTROL: u32 = 2;
    pub(super) const COMMAND: u32 = 3;
    pub(super) const STATUS: u32 = 5;
}
/// The message stream of the connection itself.
const CONNECTION: u32 = 0;

/// One connection of one peer.
///
/// After any call, drain [`Session::poll_output`] until it says [`Output::Wait`]. A session that has failed or was
/// closed has nothing more to say once drained, and takes what comes without a word.
#[derive(Debug)]
pub struct Session {
    limits: Limits,
    state: State,
    decoder: Decoder,
    encoder: Encoder,
    send: BytesMut,
    events: VecDeque<Event>,
    timer: Option<(Timer, Duration)>,
    connect: Connect,
    /// Message streams that the peer has created and not deleted.
    streams: BTreeSet<u32>,
    /// Bytes that came while a request was pending: some peers do not wait for the answer.
    held: Vec<u8>,
    /// Bytes read so far, which is all that came but `held`.
    consumed: u64,
    /// The window that the peer asked us to acknowledge by.
    window: u32,
    acknowledged: u64,
    /// The time in our ping, until it is answered.
    pinged: Option<u32>,
    stats: Stats,
}

/// Where a session stands.
#[derive(Debug)]
enum State {
    /// Before the end of C2.
    Handshake(Box<Handshake>),
    /// Before `connect`.
    Opened,
    /// Nothing is published. `lingering` is whether something was, or was refused, so that the rest of it may still
    /// be on its way.
    Connected { lingering: bool },
    /// Our own side has to decide; what comes meanwhile is kept, not read.
    Pending { what: Wanted, stream: u32 },
    /// Media comes in.
    Publishing { stream: u32 },
    /// Media goes out, past the session.
    Playing { stream: u32 },
    /// The peer failed, or we closed.
    Closed,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wanted {
    Publish,
    Play,
}

/// Counters of one session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Bytes received, handshake included.
    pub bytes_received: u64,
    /// Bytes handed out to be sent; the media that somebody plays do not pass through here.
    pub bytes_sent: u64,
    /// Audio, video and script tags of accepted publications.
    pub tags: u64,
    /// Tags that came when nothing was published any more, or not yet again.
    pub dropped_tags: u64,
    /// Bytes of ours that the peer has acknowledged, wrapping at 32 bits; the media that it plays count there.
    pub peer_acknowledged: u32,
    /// From the last [`Session::ping`] that was answered to its answer, in milliseconds.
    pub round_trip: Option<u32>,
}

impl Session {
    /// A connection accepted at `now`; `random` is 32 unpredictable bytes for the handshake.
    pub fn new(limits: Limits, now: Duration, random: [u8; 32]) -> Self {
        // The zero of our timestamps is any; milliseconds wrap at 32 bits.
        let handshake = Handshake::new(random, now.as_millis() as u32);
        Self {
            timer: Some((Timer::Handshake, now.saturating_add(limits.handshake))),
            decoder: Decoder::new(limits.clone()),
            limits,
            state: State::Handshake(Box::new(handshake)),
            encoder: Encoder::new(),
            send: BytesMut::new(),
            events: VecDeque::new(),
            connect: Connect::default(),
            streams: BTreeSet::new(),
            held: Vec::new(),
            consumed: 0,
            window: WINDOW,
            acknowledged: 0,
            pinged: None,
            stats: Stats::default(),
        }
    }

    /// Bytes from the peer, however they were split.
    ///
    /// An error is the end of the session: what is left to be sent tells the peer of it where that makes sense.
    pub fn handle_bytes(&mut self, now: Duration, bytes: &[u8]) -> Result<(), Error> {
        self.stats.bytes_received += bytes.len() as u64;
        self.input(now, bytes)
    }

    /// The time that [`Output::Wait`] named has come, or may have.
    pub fn handle_timeout(&mut self, now: Duration) -> Result<(), Error> {
        match self.timer {
            Some((timer, deadline)) if deadline <= now => {
                let error = Error::Timeout(timer);
                self.fail(&error);
                Err(error)
            }
            _ => Ok(()),
        }
    }

    /// What to do next; to be asked again until it is to wait.
    pub fn poll_output(&mut self) -> Output {
        if !self.send.is_empty() {
            self.stats.bytes_sent += self.send.len() as u64;
            // The memory leaves with the bytes: a player says little, and there are many.
            return Output::Send(std::mem::take(&mut self.send).freeze());
        }
        match self.events.pop_front() {
            Some(event) => Output::Event(event),
            None => {
                if matches!(self.state, State::Playing { .. }) {
                    // It has little to tell from now on, and there are many like it.
                    self.events = VecDeque::new();
                }
                Output::Wait(self.timer.map(|(_, deadline)| deadline))
            }
        }
    }

    /// Lets the pending publication begin. Tags follow, those of a peer that did not wait among them.
    ///
    /// Fails if none is pending, and as [`Session::handle_bytes`] does for what came since the request.
    pub fn accept_publish(&mut self, now: Duration) -> Result<(), Error> {
        let stream = self.take_pending(Wanted::Publish, "accept_publish")?;
        self.timer = None;
        self.state = State::Publishing { stream };
        self.send_control(Control::UserControl(UserControl::StreamBegin(stream)));
        self.send_command(stream, &on_status("status", code::PUBLISH_START, "Publishing."));
        self.resume(now)
    }

    /// Refuses the pending publication with a `code` of [`code`](super::code) and a text for the encoder's user. The
    /// peer may ask again; [`Session::close`] if it may not.
    ///
    /// Fails if none is pending, and as [`Session::handle_bytes`] does for what came since the request.
    pub fn reject_publish(&mut self, now: Duration, code: &str, description: &str) -> Result<(), Error> {
        let stream = self.take_pending(Wanted::Publish, "reject_publish")?;
        self.reject(now, stream, code, description)
    }

    /// Ends the session from our side; `description` tells the peer why. Closed sessions stay as they are.
    pub fn close(&mut self, description: &str) {
        match self.state {
            State::Closed => return,
            State::Handshake(_) => {}
            State::Publishing { stream } => {
                self.send_command(stream, &on_status("status", code::UNPUBLISH_SUCCESS, description));
                self.say_closed(description);
            }
            State::Playing { stream } => {
                self.say_stopped(stream, description);
                self.say_closed(description);
            }
            _ => self.say_closed(description),
        }
        self.end();
    }

    /// Whether a publication is accepted and not over.
    pub fn is_publishing(&self) -> bool {
        matches!(self.state, State::Publishing { .. })
    }

    /// Whether `connect` was accepted and the session goes on.
    fn is_connected(&self) -> bool {
        !matches!(self.state, State::Handshake(_) | State::Opened | State::Closed)
    }

    /// Whether the session has failed or was closed.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Counters so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Reads what can be read now, and keeps the rest for after the verdict.
    fn input(&mut self, now: Duration, bytes: &[u8]) -> Result<(), Error> {
        let mut rest = bytes;
        let result = self.read(now, &mut rest).and_then(|()| self.hold(rest));
        self.consumed += (bytes.len() - rest.len()) as u64;
        if let Err(error) = result {
            self.fail(&error);
            return Err(error.at(self.consumed));
        }
        self.acknowledge();
        Ok(())
    }

    fn read(&mut self, now: Duration, input: &mut &[u8]) -> Result<(), Error> {
        while let State::Handshake(handshake) = &mut self.state {
            if input.is_empty() {
                return Ok(());
            }
            match handshake.advance(input)? {
                Progress::Wait => {}
                Progress::Reply(bytes) => self.send.extend_from_slice(&bytes),
                Progress::Done => {
                    self.state = State::Opened;
                    self.await_request(now);
                }
            }
        }
        while !matches!(self.state, State::Pending { .. } | State::Closed) {
            let Some(message) = self.decoder.decode(input)? else { break };
            self.message(now, message)?;
        }
        Ok(())
    }

    fn hold(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if matches!(self.state, State::Closed) {
            return Ok(());
        }
        let (value, limit) = (self.held.len() + bytes.len(), self.limits.held_bytes);
        if value > limit {
            let what = "bytes before the answer to a request";
            return Err(Error::Limit { what, value: value as u64, limit: limit as u64 });
        }
        self.held.extend_from_slice(bytes);
        Ok(())
    }

    /// There was a verdict: on with what came meanwhile.
    fn resume(&mut self, now: Duration) -> Result<(), Error> {
        let held = std::mem::take(&mut self.held);
        self.input(now, &held)
    }

    fn await_request(&mut self, now: Duration) {
        self.timer = Some((Timer::Request, now.saturating_add(self.limits.request)));
    }

    /// The message stream of the pending request, which is pending no more.
    fn take_pending(&mut self, wanted: Wanted, call: &'static str) -> Result<u32, Error> {
        match self.state {
            State::Pending { what, stream } if what == wanted => {
                self.state = State::Connected { lingering: true };
                Ok(stream)
            }
            _ => Err(Error::Misuse { call, when: "as nothing of that kind is pending" }),
        }
    }

    fn reject(&mut self, now: Duration, stream: u32, code: &str, description: &str) -> Result<(), Error> {
        self.await_request(now);
        self.send_command(stream, &on_status("error", code, description));
        self.resume(now)
    }

    fn fail(&mut self, error: &Error) {
        if !matches!(self.state, State::Handshake(_) | State::Closed)
            && let Some(code) = error.reply()
        {
            self.send_command(CONNECTION, &on_status("error", code, &error.to_string()));
        }
        self.end();
    }

    fn say_closed(&mut self, description: &str) {
        self.send_command(CONNECTION, &on_status("status", code::CONNECT_CLOSED, description));
    }

    fn end(&mut self) {
        if matches!(self.state, State::Pending { .. }) {
            // Nobody can answer it any more.
            self.events.retain(|event| !matches!(event, Event::Publish(_) | Event::Play(_)));
        }
        self.state = State::Closed;
        self.timer = None;
        self.held = Vec::new();
    }

    fn send_control(&mut self, control: Control) {
        self.encoder.encode(chunk_stream::CONTROL, &control.encode(), &mut self.send);
    }

    fn send_command(&mut self, stream: u32, command: &Command) {
        let chunk_stream = if stream == CONNECTION { chunk_stream::COMMAND } else { chunk_stream::STATUS };
        self.encoder.encode(chunk_stream, &command.encode(stream), &mut self.send);
    }
}

//! The session: what comes in, what goes out, what is waited for.

mod commands;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use bytes::{Buf, BytesMut};

use super::status::{code, on_status};
use super::{Connect, Event, Output, Timer};
use crate::chunk::{Decoder, Encoder};
use crate::flv::{Tag, TagKind};
use crate::handshake::{Handshake, Progress};
use crate::message::{self, Command, Control, Message, UserControl, kind};
use crate::{Error, Limits};

/// Our own chunk size: nothing that we send is longer, so everything goes out in one chunk.
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
    /// The window that the peer asked us to acknowledge by.
    window: u32,
    acknowledged: u64,
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
    /// Our own side has to decide.
    Pending(Pending),
    /// Media comes in.
    Publishing { stream: u32 },
    /// The peer failed, or we closed.
    Closed,
}

/// A request that waits for its verdict.
#[derive(Debug)]
struct Pending {
    what: Wanted,
    /// The message stream it came on.
    stream: u32,
    /// Media of a peer that goes ahead without the answer.
    held: Vec<Tag>,
    held_bytes: usize,
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
    /// Bytes handed out to be sent.
    pub bytes_sent: u64,
    /// Audio, video and script tags of accepted publications.
    pub tags: u64,
    /// Tags that came when nothing was published any more, or not yet again.
    pub dropped_tags: u64,
    /// Bytes of ours that the peer has acknowledged, wrapping at 32 bits.
    pub peer_acknowledged: u32,
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
            window: WINDOW,
            acknowledged: 0,
            stats: Stats::default(),
        }
    }

    /// Bytes from the peer, however they were split.
    ///
    /// An error is the end of the session: what is left to be sent tells the peer of it where that makes sense.
    pub fn handle_bytes(&mut self, now: Duration, bytes: &[u8]) -> Result<(), Error> {
        let mut input = bytes;
        let result = self.receive(now, &mut input);
        let used = (bytes.len() - input.len()) as u64;
        let offset = self.stats.bytes_received + used;
        self.stats.bytes_received += bytes.len() as u64;
        if let Err(error) = result {
            self.fail(&error);
            return Err(error.at(offset));
        }
        self.acknowledge();
        Ok(())
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
            return Output::Send(self.send.split().freeze());
        }
        match self.events.pop_front() {
            Some(event) => Output::Event(event),
            None => Output::Wait(self.timer.map(|(_, deadline)| deadline)),
        }
    }

    /// Lets the pending publication begin. Tags follow.
    ///
    /// Fails if none is pending: the peer may have taken it back meanwhile.
    pub fn accept_publish(&mut self) -> Result<(), Error> {
        let Pending { stream, held, .. } = self.take_pending(Wanted::Publish, "accept_publish")?;
        self.timer = None;
        self.state = State::Publishing { stream };
        self.send_control(Control::UserControl(UserControl::StreamBegin(stream)));
        self.send_command(stream, &on_status("status", code::PUBLISH_START, "Publishing."));
        held.into_iter().for_each(|tag| self.emit(tag));
        Ok(())
    }

    /// Refuses the pending publication with a `code` of [`code`](super::code) and a text for the encoder's user. The
    /// peer may ask again; [`Session::close`] if it may not.
    ///
    /// Fails if none is pending: the peer may have taken it back meanwhile.
    pub fn reject_publish(&mut self, now: Duration, code: &str, description: &str) -> Result<(), Error> {
        self.reject(now, Wanted::Publish, "reject_publish", code, description)
    }

    /// Refuses the pending request to play, as [`Session::reject_publish`] does.
    pub fn reject_play(&mut self, now: Duration, code: &str, description: &str) -> Result<(), Error> {
        self.reject(now, Wanted::Play, "reject_play", code, description)
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
            _ => self.say_closed(description),
        }
        self.end();
    }

    /// Whether a publication is accepted and not over.
    pub fn is_publishing(&self) -> bool {
        matches!(self.state, State::Publishing { .. })
    }

    /// Whether the session has failed or was closed.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Counters so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    fn receive(&mut self, now: Duration, input: &mut &[u8]) -> Result<(), Error> {
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
        while !matches!(self.state, State::Closed) {
            let Some(message) = self.decoder.decode(input)? else { break };
            self.message(now, message)?;
        }
        Ok(())
    }

    fn message(&mut self, now: Duration, message: Message) -> Result<(), Error> {
        match message.kind {
            kind::AUDIO => self.tag(TagKind::Audio, message),
            kind::VIDEO => self.tag(TagKind::Video, message),
            kind::DATA_AMF0 | kind::DATA_AMF3 => self.data(&message),
            kind::AGGREGATE => message::aggregate(&message)?.into_iter().try_for_each(|tag| self.media(tag)),
            kind::COMMAND_AMF0 | kind::COMMAND_AMF3 => {
                let command = Command::decode(&message, self.limits.amf)?;
                self.command(now, message.stream, &command)
            }
            _ => {
                if let Some(control) = Control::decode(&message)? {
                    self.control(control);
                }
                Ok(())
            }
        }
    }

    fn control(&mut self, control: Control) {
        match control {
            Control::WindowAckSize(size) if size > 0 => self.window = size,
            Control::Acknowledgement(count) => self.stats.peer_acknowledged = count,
            Control::UserControl(UserControl::PingRequest(time)) => {
                self.send_control(Control::UserControl(UserControl::PingResponse(time)));
            }
            _ => {}
        }
    }

    /// A data message: metadata as a publisher wraps it, unwrapped to what an FLV file has.
    fn data(&mut self, message: &Message) -> Result<(), Error> {
        const SET: &[u8] = b"\x02\x00\x0d@setDataFrame";
        const CLEAR: &[u8] = b"\x02\x00\x0f@clearDataFrame";
        let mut body = message::amf0_body(message);
        if body.starts_with(SET) {
            body.advance(SET.len());
        }
        // Before `publish` it is about nothing, and harmless.
        let early = matches!(self.state, State::Opened | State::Connected { lingering: false });
        if early || body.starts_with(CLEAR) {
            return Ok(());
        }
        self.media(Tag { kind: TagKind::Script, timestamp_ms: message.timestamp_ms, body })
    }

    fn tag(&mut self, kind: TagKind, message: Message) -> Result<(), Error> {
        self.media(Tag { kind, timestamp_ms: message.timestamp_ms, body: message.body })
    }

    fn media(&mut self, tag: Tag) -> Result<(), Error> {
        match &mut self.state {
            // On whichever message stream: some encoders send on another than they publish on.
            State::Publishing { .. } => self.emit(tag),
            State::Pending(pending) => {
                // A tag without a body costs as well.
                pending.held_bytes += tag.body.len() + size_of::<Tag>();
                let (value, limit) = (pending.held_bytes, self.limits.held_bytes);
                if value > limit {
                    let what = "bytes of media before the answer to publish";
                    return Err(Error::Limit { what, value: value as u64, limit: limit as u64 });
                }
                pending.held.push(tag);
            }
            State::Connected { lingering: true } => self.stats.dropped_tags += 1,
            _ => return Err(Error::Order { what: "media", when: "before publish" }),
        }
        Ok(())
    }

    fn emit(&mut self, tag: Tag) {
        self.stats.tags += 1;
        self.events.push_back(Event::Tag(tag));
    }

    /// 5.4.3: at most once for all that came at a time.
    fn acknowledge(&mut self) {
        let received = self.stats.bytes_received;
        let ready = !matches!(self.state, State::Handshake(_) | State::Opened | State::Closed);
        if ready && received - self.acknowledged >= self.window.into() {
            self.acknowledged = received;
            self.send_control(Control::Acknowledgement(received as u32));
        }
    }

    fn await_request(&mut self, now: Duration) {
        self.timer = Some((Timer::Request, now.saturating_add(self.limits.request)));
    }

    fn take_pending(&mut self, wanted: Wanted, call: &'static str) -> Result<Pending, Error> {
        match std::mem::replace(&mut self.state, State::Connected { lingering: true }) {
            State::Pending(pending) if pending.what == wanted => Ok(pending),
            other => {
                self.state = other;
                Err(Error::Misuse { call, when: "as nothing of that kind is pending" })
            }
        }
    }

    fn reject(
        &mut self,
        now: Duration,
        wanted: Wanted,
        call: &'static str,
        code: &str,
        description: &str,
    ) -> Result<(), Error> {
        let Pending { stream, .. } = self.take_pending(wanted, call)?;
        self.await_request(now);
        self.send_command(stream, &on_status("error", code, description));
        Ok(())
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
        self.state = State::Closed;
        self.timer = None;
    }

    fn send_control(&mut self, control: Control) {
        self.encoder.encode(chunk_stream::CONTROL, &control.encode(), &mut self.send);
    }

    fn send_command(&mut self, stream: u32, command: &Command) {
        let chunk_stream = if stream == CONNECTION { chunk_stream::COMMAND } else { chunk_stream::STATUS };
        self.encoder.encode(chunk_stream, &command.encode(stream), &mut self.send);
    }
}

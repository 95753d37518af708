//! The session: what comes in, what goes out, what is waited for.

mod presentation;
mod requests;
mod setup;
mod verdicts;

pub use verdicts::PlayAnswer;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::{Event, Output, PacketKind, Request, Timer};
use crate::auth::{self, Authorization};
use crate::header::Transport;
use crate::message::{Decoder, Failure, Message, Response};
use crate::{Error, Limits, Status};
use presentation::{Described, Presentation};

/// What we wait for a sign of life beyond what the peer was told: a quarter of it, for what it takes to arrive.
const GRACE: u32 = 4;

/// One connection of one peer.
///
/// After any call, drain [`Session::poll_output`] until it says [`Output::Wait`]. A session that has failed or was closed
/// has nothing more to say once drained, and takes what comes without a word: the owner then closes the connection.
///
/// A session of RTSP lives and ends with its connection here: its id on another connection is not known (454).
pub struct Session {
    limits: Arc<Limits>,
    server: Arc<str>,
    random: [u8; 32],
    phase: Phase,
    decoder: Decoder,
    send: BytesMut,
    events: VecDeque<Event>,
    timer: Option<(Timer, Duration)>,
    /// What our own side has to decide; what comes meanwhile is kept, not read.
    pending: Option<Box<Pending>>,
    /// What a DESCRIBE was answered for, until a SETUP.
    described: Option<Box<Described>>,
    /// What is set up or announced.
    presentation: Option<Box<Presentation>>,
    /// Sessions that there were on this connection, each with an id of its own.
    number: u32,
    /// Requests answered with 401.
    challenged: u8,
    stats: Stats,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// No media (RFC 2326 A.2: Init and Ready).
    Idle,
    Playing,
    Recording,
    /// The peer failed, or we closed.
    Closed,
}

/// A request that waits for a verdict.
struct Pending {
    cseq: u64,
    method: String,
    authorization: Option<Authorization>,
    wanted: Wanted,
}

enum Wanted {
    Describe { base: String, described: Described },
    Announce(Presentation),
    Setup { track: usize, offers: Vec<Transport>, request: Request },
    Play,
    Record,
}

/// Counters of one session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Bytes received.
    pub bytes_received: u64,
    /// Bytes handed out to be sent; the media that somebody plays do not pass through here.
    pub bytes_sent: u64,
    /// Requests read.
    pub requests: u64,
    /// Requests answered with a status of 400 and above, those that prove nothing yet (401) among them.
    pub refused: u64,
    /// Interleaved packets handed out.
    pub packets: u64,
    /// Interleaved packets left out: empty, on a channel that is not set up, or when nothing is played or recorded.
    pub dropped_packets: u64,
}

impl Session {
    /// A connection accepted at `now`. `random` is 32 unpredictable bytes, for the session's id and what passwords are
    /// proved with; `server` is what the header `Server` of each answer says.
    pub fn new(limits: impl Into<Arc<Limits>>, now: Duration, random: [u8; 32], server: Arc<str>) -> Self {
        let limits = limits.into();
        Self {
            timer: Some((Timer::FirstRequest, now.saturating_add(limits.first_request))),
            limits,
            server,
            random,
            phase: Phase::Idle,
            decoder: Decoder::default(),
            send: BytesMut::new(),
            events: VecDeque::new(),
            pending: None,
            described: None,
            presentation: None,
            number: 0,
            challenged: 0,
            stats: Stats::default(),
        }
    }

    /// Bytes from the peer, however they were split.
    ///
    /// An error is the end of the session: what is left to be sent tells the peer of it where that makes sense.
    pub fn handle_bytes(&mut self, now: Duration, bytes: &[u8]) -> Result<(), Error> {
        self.stats.bytes_received += bytes.len() as u64;
        if self.is_closed() {
            return Ok(());
        }
        self.decoder.push(bytes);
        self.read(now)
    }

    /// The time that [`Output::Wait`] named has come, or may have.
    pub fn handle_timeout(&mut self, now: Duration) -> Result<(), Error> {
        match self.timer {
            Some((timer, deadline)) if deadline <= now => {
                let error = Error::Timeout(timer);
                self.fail(error.clone().into());
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
        if let Some(event) = self.events.pop_front() {
            return Output::Event(event);
        }
        if self.phase != Phase::Recording {
            self.events = VecDeque::new();
            self.decoder.rest();
        }
        Output::Wait(self.timer.map(|(_, deadline)| deadline))
    }

    /// The peer gave a sign of life past this connection: RTP or RTCP over UDP.
    pub fn note_alive(&mut self, now: Duration) {
        if matches!(self.timer, Some((Timer::Session, _))) {
            self.wait(now);
        }
    }

    /// Ends the session from our side. A pending request is answered with 503 and `reason`; RTSP 1.0 has no other way to
    /// tell. Closed sessions stay as they are.
    pub fn close(&mut self, reason: &str) {
        if let Some(pending) = self.pending.take() {
            self.answer(Status::UNAVAILABLE, reason, Some(pending.cseq)).end();
        }
        self.end();
    }

    /// The channels of RTP and RTCP of a track that is set up over the connection.
    pub fn channels(&self, track: usize) -> Option<(u8, u8)> {
        self.presentation.as_ref()?.channels(track)
    }

    /// Whether media are to go out.
    pub fn is_playing(&self) -> bool {
        self.phase == Phase::Playing
    }

    /// Whether media may come in.
    pub fn is_recording(&self) -> bool {
        self.phase == Phase::Recording
    }

    /// Whether the session has failed or was closed.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Counters so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Reads what can be read now, and keeps the rest for after the verdict.
    fn read(&mut self, now: Duration) -> Result<(), Error> {
        while self.pending.is_none() && !self.is_closed() {
            match self.decoder.decode(&self.limits) {
                Ok(None) => return Ok(()),
                Ok(Some(Message::Request(request))) => self.request(now, request),
                Ok(Some(Message::Packet { channel, data })) => self.packet(now, channel, data),
                Ok(Some(Message::Answer)) => {}
                Err(failure) => {
                    let offset = self.decoder.offset();
                    return Err(self.fail(failure).at(offset));
                }
            }
        }
        let limit = self.limits.held_bytes as u64;
        if self.pending.is_some() && self.decoder.held() as u64 > limit {
            let (what, status, value) =
                ("bytes before the answer to a request", Status::BAD_REQUEST, limit + 1);
            let offset = self.decoder.offset();
            return Err(self.fail(Error::Limit { what, value, limit, status }.into()).at(offset));
        }
        Ok(())
    }

    fn packet(&mut self, now: Duration, channel: u8, data: Bytes) {
        let found = self.presentation.as_ref().and_then(|presentation| presentation.find_channel(channel));
        let wanted = |kind| self.is_recording() || self.is_playing() && kind == PacketKind::Rtcp;
        match found {
            Some((track, kind)) if wanted(kind) && !data.is_empty() => {
                self.stats.packets += 1;
                self.events.push_back(Event::Packet { track, kind, data });
            }
            _ => self.stats.dropped_packets += 1,
        }
        self.note_alive(now);
    }

    /// Sets the timer for where the session stands.
    fn wait(&mut self, now: Duration) {
        let limits = &self.limits;
        let presentation = self.presentation.as_ref().filter(|presentation| presentation.begun);
        let (timer, time) = match (self.phase, presentation) {
            (Phase::Closed, _) => {
                self.timer = None;
                return;
            }
            _ if self.pending.is_some() => (Timer::Verdict, limits.verdict),
            (_, Some(presentation)) if presentation.has_udp() => {
                (Timer::Session, limits.session.saturating_add(limits.session / GRACE))
            }
            // The connection itself says whether the peer is there, and some that pause are silent for long (FFmpeg).
            (_, Some(_)) => {
                self.timer = None;
                return;
            }
            (_, None) => (Timer::Request, limits.request),
        };
        self.timer = Some((timer, now.saturating_add(time)));
    }

    /// Whether there is a session that has an id.
    fn exists(&self) -> bool {
        self.presentation.as_ref().is_some_and(|presentation| !presentation.tracks.is_empty())
    }

    fn id(&self) -> String {
        auth::secret_text::<8>(&self.random, "session", self.number)
    }

    fn nonce(&self) -> String {
        auth::secret_text::<16>(&self.random, "nonce", 0)
    }

    /// Begins an answer; to be ended.
    fn answer(&mut self, status: Status, reason: &str, cseq: Option<u64>) -> Response<'_> {
        self.stats.refused += u64::from(status.is_error());
        let mut response = Response::begin(&mut self.send, status, reason, cseq);
        response.header("Server", &self.server);
        response
    }

    fn fail(&mut self, failure: Failure) -> Error {
        let Failure { error, cseq } = failure;
        let cseq = cseq.or_else(|| self.pending.as_ref().map(|pending| pending.cseq));
        match error.status() {
            _ if self.is_closed() => {}
            // Whoever speaks HTTP reads no other answer.
            Some(status) if matches!(error, Error::Http) => {
                self.stats.refused += 1;
                let head = format!("HTTP/1.0 {} {error}\r\nConnection: close\r\n\r\n", status.code());
                self.send.extend_from_slice(head.as_bytes());
            }
            Some(status) => {
                self.answer(status, &error.to_string(), cseq).header("Connection", "close").end();
            }
            None => {}
        }
        self.end();
        error
    }

    fn end(&mut self) {
        if self.phase == Phase::Closed {
            return;
        }
        // Nobody can answer those any more.
        self.events.retain(|event| !event.wants_verdict());
        self.phase = Phase::Closed;
        self.timer = None;
        self.pending = None;
        self.described = None;
        self.presentation = None;
        self.decoder = Decoder::default();
    }
}

/// Nothing that came is shown, for it may hold passwords.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pending = self.pending.is_some();
        f.debug_struct("Session")
            .field("phase", &self.phase)
            .field("pending", &pending)
            .field("timer", &self.timer)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

//! The session: what comes in, what goes out, what is waited for.

mod answers;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::BytesMut;

use super::{Event, Output, Settings, Step, Target};
use crate::Error;
use crate::amf0::Value;
use crate::chunk::{Decoder, Encoder, PUBLISH_SIZE, Route};
use crate::flv::mux::Caps;
use crate::handshake::{Client, Progress};
use crate::message::{Command, Control, Message, UserControl, kind};
use crate::server::{call, enhanced};

/// Chunk streams of what we send; those of media are [`chunk::Shared`](crate::chunk::Shared)'s own.
mod chunk_stream {
    pub(super) const CONTROL: u32 = 2;
    pub(super) const COMMAND: u32 = 3;
    pub(super) const STREAM: u32 = 8;
}
/// Transactions of the calls whose answers matter, and of the others.
mod transaction {
    pub(super) const CONNECT: f64 = 1.0;
    pub(super) const RELEASE_STREAM: f64 = 2.0;
    pub(super) const FC_PUBLISH: f64 = 3.0;
    pub(super) const CREATE_STREAM: f64 = 4.0;
    pub(super) const PUBLISH: f64 = 5.0;
    pub(super) const FC_UNPUBLISH: f64 = 6.0;
}
/// The message stream of the connection itself.
const CONNECTION: u32 = 0;

/// One connection to a server, to publish one stream.
///
/// After any call, drain [`Session::poll_output`] until it says [`Output::Wait`]. A session that is over has nothing more
/// to say once drained, and takes what comes without a word. What it says while media are sent may go wherever a message
/// has ended.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    target: Target,
    state: State,
    decoder: Decoder,
    encoder: Encoder,
    send: BytesMut,
    events: VecDeque<Event>,
    deadline: Option<Duration>,
    /// 8 hexadecimal digits for the answer to a challenge.
    nonce: String,
    /// What the server announced.
    caps: Caps,
    /// The window that the server asked us to acknowledge by; none asks for nothing.
    window: Option<u32>,
    acknowledged: u64,
    /// The window that we told the server last.
    told_window: u32,
    stats: Stats,
}

/// Where a session stands.
#[derive(Debug)]
enum State {
    /// Before the end of S2.
    Handshake(Client),
    /// `connect` is sent.
    Connecting,
    /// `createStream` is sent.
    Creating,
    /// `publish` is sent.
    Requesting { stream: u32 },
    /// Media may be sent.
    Publishing { stream: u32 },
    /// The server failed or refused, or we closed.
    Closed,
}

/// Counters of one session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Bytes received, handshake included.
    pub bytes_received: u64,
    /// Bytes handed out to be sent; media do not pass through here.
    pub bytes_sent: u64,
    /// Bytes of ours, media among them, that the server has acknowledged, wrapping at 32 bits. Many never do.
    pub peer_acknowledged: Option<u32>,
}

impl Session {
    /// On a connection that was made at `now`; `random` is 32 unpredictable bytes.
    pub fn new(settings: Settings, now: Duration, random: [u8; 32], target: Target) -> Self {
        let [n0, n1, n2, n3, ..] = random;
        let mut send = BytesMut::new();
        // The zero of our timestamps is any; milliseconds wrap at 32 bits. What is on the wire tells nothing of the nonce.
        send.extend_from_slice(&Client::hello(&random, now.as_millis() as u32));
        Self {
            deadline: Some(now.saturating_add(settings.answer)),
            decoder: Decoder::new(settings.limits.clone()),
            settings,
            target,
            state: State::Handshake(Client::new()),
            encoder: Encoder::new(),
            send,
            events: VecDeque::new(),
            nonce: format!("{:08x}", u32::from_be_bytes([n0, n1, n2, n3])),
            caps: Caps::LEGACY,
            window: None,
            acknowledged: 0,
            told_window: 0,
            stats: Stats::default(),
        }
    }

    /// Bytes from the server, however they were split. An error is the end of the session.
    pub fn handle_bytes(&mut self, now: Duration, bytes: &[u8]) -> Result<(), Error> {
        self.stats.bytes_received += bytes.len() as u64;
        let mut rest = bytes;
        if let Err(error) = self.read(now, &mut rest) {
            self.end();
            return Err(error.at(self.stats.bytes_received - rest.len() as u64));
        }
        self.acknowledge();
        Ok(())
    }

    /// The time that [`Output::Wait`] named has come, or may have.
    pub fn handle_timeout(&mut self, now: Duration) -> Result<(), Error> {
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            let error = Error::NoAnswer(self.step());
            self.end();
            return Err(error);
        }
        Ok(())
    }

    /// What to do next; to be asked again until it is to wait.
    pub fn poll_output(&mut self) -> Output {
        if !self.send.is_empty() {
            self.stats.bytes_sent += self.send.len() as u64;
            return Output::Send(self.send.split().freeze());
        }
        match self.events.pop_front() {
            Some(event) => Output::Event(event),
            None => Output::Wait(self.deadline),
        }
    }

    /// Ends the session from our side; what is left to be sent tells the server.
    pub fn close(&mut self) {
        if let State::Publishing { stream } | State::Requesting { stream } = self.state {
            let name: Value = self.target.url().name().into();
            let unpublish = vec![Value::Null, name];
            self.call(CONNECTION, "FCUnpublish", transaction::FC_UNPUBLISH, unpublish);
            let delete = call("deleteStream", vec![Value::Null, f64::from(stream).into()]);
            self.send_command(CONNECTION, &delete);
        }
        self.end();
    }

    /// Where the media belong, once the publication is accepted and as long as it is.
    pub fn publishing(&self) -> Option<Route> {
        match self.state {
            State::Publishing { stream } => Some(Route { stream, chunk_size: PUBLISH_SIZE }),
            _ => None,
        }
    }

    /// Where the session stands.
    pub fn step(&self) -> Step {
        match self.state {
            State::Handshake(_) => Step::Handshake,
            State::Connecting => Step::Connect,
            State::Creating => Step::CreateStream,
            State::Requesting { .. } => Step::Publish,
            State::Publishing { .. } => Step::Publishing,
            State::Closed => Step::Closed,
        }
    }

    /// Counters so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    fn read(&mut self, now: Duration, input: &mut &[u8]) -> Result<(), Error> {
        while let State::Handshake(handshake) = &mut self.state {
            if input.is_empty() {
                return Ok(());
            }
            match handshake.advance(input)? {
                Progress::Wait => {}
                Progress::Reply(bytes) => self.send.extend_from_slice(&bytes),
                Progress::Done => self.connect(now),
            }
        }
        while !matches!(self.state, State::Closed) {
            let Some(message) = self.decoder.decode(input)? else { break };
            self.message(now, &message)?;
        }
        Ok(())
    }

    fn message(&mut self, now: Duration, message: &Message) -> Result<(), Error> {
        match message.kind {
            kind::COMMAND_AMF0 | kind::COMMAND_AMF3 => {
                let command = Command::decode(message, self.settings.limits.amf)?;
                self.command(now, &command);
            }
            _ => {
                if let Some(control) = Control::decode(message)? {
                    self.control(control);
                }
            }
        }
        Ok(())
    }

    fn control(&mut self, control: Control) {
        match control {
            Control::WindowAckSize(size) if size > 0 => self.window = Some(size),
            Control::Acknowledgement(count) => self.stats.peer_acknowledged = Some(count),
            // 5.4.5: the answer says by which window the server is to acknowledge.
            Control::SetPeerBandwidth(size, _) if size != self.told_window => {
                self.told_window = size;
                self.send_control(Control::WindowAckSize(size));
            }
            Control::UserControl(UserControl::PingRequest(time)) => {
                self.send_control(Control::UserControl(UserControl::PingResponse(time)));
            }
            _ => {}
        }
    }

    /// 5.4.3: at most once for all that came at a time.
    fn acknowledge(&mut self) {
        let received = self.stats.bytes_received;
        let due = self.window.is_some_and(|window| received - self.acknowledged >= window.into());
        if due && !matches!(self.state, State::Closed) {
            self.acknowledged = received;
            self.send_control(Control::Acknowledgement(received as u32));
        }
    }

    /// 7.2.1.1, with what encoders say there.
    fn connect(&mut self, now: Duration) {
        let (app, tc_url) = self.target.names();
        let Value::Object(mut object) = Value::object([
            ("app", app.as_str().into()),
            ("type", "nonprivate".into()),
            ("flashVer", self.settings.flash_ver.as_str().into()),
            ("tcUrl", tc_url.as_str().into()),
        ]) else {
            return;
        };
        if self.settings.enhanced {
            object.extend(enhanced());
        }
        self.call(CONNECTION, "connect", transaction::CONNECT, vec![Value::Object(object)]);
        self.wait(now, State::Connecting);
    }

    fn wait(&mut self, now: Duration, state: State) {
        self.state = state;
        self.deadline = Some(now.saturating_add(self.settings.answer));
    }

    fn end(&mut self) {
        self.state = State::Closed;
        self.deadline = None;
    }

    fn call(&mut self, stream: u32, name: &str, transaction: f64, values: Vec<Value>) {
        self.send_command(stream, &Command { name: name.to_owned(), transaction, values });
    }

    fn send_control(&mut self, control: Control) {
        self.encoder.encode(chunk_stream::CONTROL, &control.encode(), &mut self.send);
    }

    fn send_command(&mut self, stream: u32, command: &Command) {
        let chunk_stream = if stream == CONNECTION { chunk_stream::COMMAND } else { chunk_stream::STREAM };
        self.encoder.encode(chunk_stream, &command.encode(stream), &mut self.send);
    }
}

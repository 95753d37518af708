//! One client's connection, kept open from file to file.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};

use super::{Agent, Kind, Next, Tally};
use crate::http::{self, Head};
use crate::net::{self, Link, Poller, Ready, Received};
use crate::target::Target;

/// Wait after a failure.
const RETRY: Duration = Duration::from_millis(500);
/// Bytes that are read in search of a head; those of a media file behind it are copied for nothing.
const HEAD_READ: usize = 4096;

/// What all connections of a run work with.
pub(super) struct Turn<'a> {
    pub(super) poller: &'a Poller,
    pub(super) target: &'a Target,
    pub(super) tally: Tally,
}

/// What all connections of a thread read into.
pub(super) struct Buffers {
    read: Vec<u8>,
    /// The kernel is given its length and never writes to it.
    untouched: Vec<u8>,
}

impl Buffers {
    pub(super) fn new() -> Self {
        Self { read: vec![0; 64 << 10], untouched: vec![0; net::DISCARD_BYTES] }
    }
}

/// A request that is on its way.
struct Request {
    kind: Kind,
    asked: Instant,
    input: Vec<u8>,
    head: Option<Head>,
    body: Vec<u8>,
}

/// One client.
pub(super) struct Connection<A> {
    number: usize,
    agent: A,
    /// Nothing is asked before then.
    due: Instant,
    link: Option<Link>,
    request: Option<Request>,
}

impl<A: Agent> Connection<A> {
    pub(super) fn new(number: usize, agent: A, start: Instant) -> Self {
        Self { number, agent, due: start, link: None, request: None }
    }

    /// Asks for the next file, if it is time.
    pub(super) fn go_on(&mut self, now: Instant, turn: &mut Turn<'_>) {
        if self.request.is_some() || now < self.due {
            return;
        }
        match self.agent.next(now) {
            Next::Wait(until) => self.due = until,
            Next::Get(kind, path) => {
                turn.tally.requests += 1;
                if let Err(error) = self.ask(kind, path, now, turn) {
                    self.fail(&error, turn);
                }
            }
        }
    }

    fn ask(&mut self, kind: Kind, path: String, now: Instant, turn: &Turn<'_>) -> anyhow::Result<()> {
        let request = http::get(&Target { path, ..turn.target.clone() });
        self.request = Some(Request { kind, asked: now, input: Vec::new(), head: None, body: Vec::new() });
        if let Some(link) = &mut self.link {
            link.out.extend_from_slice(request.as_bytes());
            link.flush(turn.poller, self.number)?;
        } else {
            // The poller says when it stands, and the request is sent.
            let mut link = Link::open(turn.target.address, turn.poller, self.number)?;
            link.out.extend_from_slice(request.as_bytes());
            self.link = Some(link);
        }
        Ok(())
    }

    /// Does what the connection is ready for.
    pub(super) fn serve(&mut self, ready: Ready, buffers: &mut Buffers, turn: &mut Turn<'_>) {
        if let Err(error) = self.exchange(ready, buffers, turn) {
            self.fail(&error, turn);
        }
        self.go_on(Instant::now(), turn);
    }

    fn exchange(&mut self, ready: Ready, buffers: &mut Buffers, turn: &mut Turn<'_>) -> anyhow::Result<()> {
        let Some(link) = &mut self.link else { return Ok(()) };
        if ready.writable {
            link.flush(turn.poller, self.number)?;
        }
        if !ready.readable {
            ensure!(!ready.failed, "connection refused");
            return Ok(());
        }
        let Some(request) = &mut self.request else {
            // An idle connection that the server closes.
            self.link = None;
            return Ok(());
        };
        let received = request.receive(link, buffers)?;
        match received {
            Received::Nothing => return Ok(()),
            Received::Bytes(bytes) => turn.tally.bytes += bytes as u64,
            Received::Closed => ensure!(request.ends_with_connection(), "closed by the server"),
        }
        if received == Received::Closed || request.is_complete() {
            self.finish(turn);
        }
        Ok(())
    }

    fn finish(&mut self, turn: &mut Turn<'_>) {
        let Some(request) = self.request.take() else { return };
        let now = Instant::now();
        let took = now - request.asked;
        let times = match request.kind {
            Kind::Playlist => &mut turn.tally.playlist_ms,
            Kind::Segment => &mut turn.tally.segment_ms,
        };
        times.push(took.as_secs_f64() * 1e3);
        if request.head.is_none_or(|head| head.close) {
            self.link = None;
        }
        self.agent.done(&request.body, took, now, &mut turn.tally);
    }

    fn fail(&mut self, error: &anyhow::Error, turn: &mut Turn<'_>) {
        turn.tally.error(error);
        self.link = None;
        self.request = None;
        self.due = Instant::now() + RETRY;
    }
}

impl Request {
    /// Reads what there is, and drops it unseen where that is safe.
    fn receive(&mut self, link: &Link, buffers: &mut Buffers) -> anyhow::Result<Received> {
        if let (Kind::Segment, Some(head)) = (self.kind, &mut self.head)
            && head.body.droppable() > 0
        {
            let most = usize::try_from(head.body.droppable()).unwrap_or(usize::MAX);
            let most = most.min(buffers.untouched.len());
            let received = net::discard(&link.socket, &mut buffers.untouched[..most])?;
            if let Received::Bytes(bytes) = received {
                head.body.dropped(bytes as u64);
            }
            return Ok(received);
        }
        let most = if self.kind == Kind::Playlist { buffers.read.len() } else { HEAD_READ };
        let received = net::receive(&link.socket, &mut buffers.read[..most])?;
        if let Received::Bytes(bytes) = received {
            self.look_at(&buffers.read[..bytes])?;
        }
        Ok(received)
    }

    fn look_at(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.input.extend_from_slice(bytes);
        if self.head.is_none() {
            self.head = Head::take(&mut self.input)?;
        }
        let Some(head) = &mut self.head else { return Ok(()) };
        if head.status != 200 {
            bail!("HTTP status {}", head.status);
        }
        let (kind, body) = (self.kind, &mut self.body);
        head.body.feed(&self.input, |content| {
            if kind == Kind::Playlist {
                body.extend_from_slice(content);
            }
        })?;
        self.input.clear();
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.head.as_ref().is_some_and(|head| head.body.is_complete())
    }

    /// Its body has no other end than the connection's.
    fn ends_with_connection(&self) -> bool {
        self.head.as_ref().is_some_and(|head| matches!(head.body, http::Body::UntilClose))
    }
}

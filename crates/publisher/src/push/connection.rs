//! One connection to a peer, from its first byte to its last.

use std::time::Duration;

use bytes::Bytes;
use hub::Read;
use packager::rtmp::Chunk;
use rtmp::client::{Event, Output, Session, Settings, Target};
use tokio::time::Instant;

use super::Push;
use super::feed::Feed;
use super::progress::Progress;
use super::reason::{Fault, Reason};
use super::tcp;
use crate::clock::seconds;
use crate::output::apart::{Outbox, until_next};
use crate::output::join::Joined;
use crate::service::{Service, random};
use crate::wire::{Turn, Wire};

/// Bytes read at a time.
const READ_BYTES: usize = 16 << 10;
/// What the peer asks to be told may pile up to this.
const SAID_BYTES: usize = 64 << 10;
/// The longest time between two looks at what the peer's system acknowledges.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Without media for this long a publication is idle.
const IDLE_AFTER: Duration = Duration::from_secs(1);
/// A peer that wants us elsewhere waits this long for the next key frame.
const MOVE_WITHIN: Duration = Duration::from_secs(10);
/// Time for the last words.
const GOODBYE: Duration = Duration::from_secs(1);

/// Why a connection was left without a fault.
pub(super) enum Left {
    /// The destination is stopped.
    Stopped,
    /// There was no media to send for too long.
    Idle,
    /// The rung that was pushed is gone.
    Gone,
    /// The peer wants a new connection before anything is published.
    Again(Target),
    /// The peer wanted us elsewhere, and a key frame has come.
    Moved(Target),
}

/// A connection and what it is fed from.
pub(super) struct Connection<'p> {
    service: &'p Service,
    push: &'p Push,
    joined: &'p Joined<Chunk>,
    wire: Wire,
    session: Session,
    outbox: Outbox<Chunk>,
    feed: Option<Feed>,
    progress: Progress,
    /// Bytes that the peer had acknowledged when the publication was accepted.
    before_media: u64,
    active: bool,
    /// Where the peer wants us, and when that is to be at the latest.
    moving: Option<(Target, Duration)>,
    look: Instant,
}

/// What happened to a connection.
enum Step {
    Stop,
    Came(std::io::Result<usize>),
    Wrote(std::io::Result<()>),
    Media(Read),
    Look,
}

impl<'p> Connection<'p> {
    /// Over a wire that was just made.
    pub(super) fn new(
        service: &'p Service,
        push: &'p Push,
        joined: &'p Joined<Chunk>,
        wire: Wire,
        target: Target,
    ) -> Self {
        let now = service.clock.elapsed();
        let answer = push.config.timeout;
        let settings = Settings { limits: service.settings.limits.rtmp(), answer, ..Settings::default() };
        Self {
            service,
            push,
            joined,
            wire,
            session: Session::new(settings, now, random(), target),
            outbox: Outbox::default(),
            feed: None,
            progress: Progress::new(now),
            before_media: 0,
            active: false,
            moving: None,
            look: Instant::now(),
        }
    }

    /// Publishes until the peer, the media or our own side ends it.
    pub(super) async fn run(&mut self) -> Result<Left, Fault> {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            if let Some(left) = self.drain()? {
                return Ok(self.leave(left).await);
            }
            match self.step(&mut buffer).await {
                Step::Stop => return Ok(self.leave(Left::Stopped).await),
                Step::Came(Ok(0)) => return Err(self.closed()),
                Step::Came(Ok(bytes)) => self.session.handle_bytes(self.now(), &buffer[..bytes])?,
                Step::Came(Err(error)) => return Err(self.broken(&error)),
                Step::Wrote(Ok(())) => {}
                Step::Wrote(Err(error)) => return Err(self.last_words(&mut buffer, &error).await),
                Step::Media(Read::Closed) => return Ok(self.leave(Left::Gone).await),
                Step::Media(read) => self.take(read)?,
                Step::Look => {
                    if let Some(left) = self.look()? {
                        return Ok(self.leave(left).await);
                    }
                }
            }
        }
    }

    /// Whether it is published and there has been no media for a while.
    pub(super) fn is_idle(&self) -> bool {
        let now = self.now();
        self.feed.as_ref().is_some_and(|feed| now.saturating_sub(feed.last_media) >= IDLE_AFTER)
    }

    fn now(&self) -> Duration {
        self.service.clock.elapsed()
    }

    /// All that the session wants.
    fn drain(&mut self) -> Result<Option<Left>, Fault> {
        loop {
            match self.session.poll_output() {
                Output::Send(bytes) => self.say(bytes)?,
                Output::Event(Event::Published { caps }) => {
                    let (now, window) = (self.now(), self.service.settings.fan_out.merge_window);
                    let Some(route) = self.session.publishing() else { continue };
                    self.feed = Feed::new(&self.joined.reading, route, caps, window, now);
                    self.before_media = self.wire.written();
                    if self.feed.is_none() {
                        return Ok(Some(Left::Gone));
                    }
                    tracing::debug!(push = self.push.id, "the server accepts the publication");
                }
                Output::Event(Event::Again(target)) => return Ok(Some(Left::Again(target))),
                Output::Event(Event::Redirect(target)) if self.feed.is_none() => {
                    return Ok(Some(Left::Again(target)));
                }
                Output::Event(Event::Redirect(target)) => {
                    let until = self.now().saturating_add(MOVE_WITHIN);
                    self.moving = Some((target, until));
                }
                Output::Event(Event::Refused(refusal)) => return Err(refusal.into()),
                Output::Event(_) => {}
                Output::Wait(deadline) => {
                    let until_deadline = deadline.map(|deadline| deadline.saturating_sub(self.now()));
                    self.look = self.look.min(Instant::now() + until_deadline.unwrap_or(LOOK_EVERY));
                    return Ok(None);
                }
            }
        }
    }

    fn say(&mut self, bytes: Bytes) -> Result<(), Fault> {
        self.outbox.say(bytes);
        match self.outbox.said() <= SAID_BYTES {
            true => Ok(()),
            false => Err(Fault::new(Reason::Protocol, "the server asks for more answers than it reads")),
        }
    }

    async fn step(&mut self, buffer: &mut [u8]) -> Step {
        let Self { push, wire, outbox, feed, look, service, progress, .. } = self;
        let arrival = outbox.arrival();
        let (form, reader) = feed.as_mut().map(Feed::split).unzip();
        let hungry = reader.flatten().filter(|_| outbox.has_no_frames());
        let media = async {
            match hungry {
                Some(reader) => reader.read().await,
                None => std::future::pending().await,
            }
        };
        // Before the peer, who may have much to say: none of these is ready again at once.
        if *look <= Instant::now() {
            return Step::Look;
        }
        tokio::select! {
            biased;
            () = push.cancel.cancelled() => Step::Stop,
            read = media => Step::Media(read),
            turn = outbox.turn(form, wire, buffer) => match turn {
                Turn::Read(came) => Step::Came(came),
                Turn::Wrote(wrote) => {
                    progress.wrote(service.clock.elapsed(), wire.written(), arrival);
                    Step::Wrote(wrote.map(|_| ()))
                }
            },
            // Last, for a timer that is set and not waited for costs as much as a good part of a write.
            () = tokio::time::sleep_until(*look) => Step::Look,
        }
    }

    fn take(&mut self, read: Read) -> Result<(), Fault> {
        let now = self.now();
        match &mut self.feed {
            Some(feed) => feed.take(now, read, self.moving.is_some(), &mut self.outbox),
            None => Ok(()),
        }
    }

    /// Looks at what the peer's system has acknowledged, and at the clock.
    fn look(&mut self) -> Result<Option<Left>, Fault> {
        let now = self.now();
        let timeout = self.push.config.timeout;
        self.look = Instant::now() + until_next(now, LOOK_EVERY.min(timeout / 4));
        self.session.handle_timeout(now)?;
        // Where the system does not tell, having written counts.
        let acknowledged = tcp::acknowledged(self.wire.socket()).unwrap_or(u64::MAX);
        self.progress.acknowledged(now, acknowledged);
        let Some(feed) = &self.feed else { return Ok(None) };
        let idle = now.saturating_sub(feed.last_media);
        // The system counts one for the connection itself.
        let takes = self.progress.total() > self.before_media + 1;
        if !self.active && (takes || !feed.has_started() && idle >= IDLE_AFTER) {
            self.active = true;
            self.push.activate(now, &self.joined.rung.name);
        }
        let idle_for = Some(idle).filter(|idle| *idle >= IDLE_AFTER);
        self.push.observe(now, &self.progress, feed, idle_for, self.session.stats().peer_acknowledged);
        let stalled = self.progress.stalled_for(now);
        if stalled >= timeout {
            let why = format!("the server has taken nothing for {}", seconds(stalled));
            return Err(Fault::new(Reason::Stalled, why));
        }
        if idle >= self.service.settings.push_idle {
            return Ok(Some(Left::Idle));
        }
        let due = |until: Duration| until <= now || feed.has_stopped() && self.outbox.is_empty();
        match self.moving.take_if(|(_, until)| due(*until)) {
            Some((target, _)) => Ok(Some(Left::Moved(target))),
            None => Ok(None),
        }
    }

    /// Tells the peer that it is over, as far as it listens.
    async fn leave(&mut self, left: Left) -> Left {
        self.session.close();
        self.outbox.drop_frames();
        while let Output::Send(bytes) = self.session.poll_output() {
            self.outbox.say(bytes);
        }
        let rest = self.outbox.rest(self.feed.as_ref().map(Feed::form));
        // A peer that does not listen has said so before, or will see the connection end.
        let _ = tokio::time::timeout(GOODBYE, self.wire.finish(&rest)).await;
        left
    }

    fn closed(&self) -> Fault {
        let why = match self.feed {
            Some(_) => "the server closed the connection".to_owned(),
            None => format!("the server closed the connection instead of answering {}", self.session.step()),
        };
        Fault::new(Reason::Closed, why)
    }

    fn broken(&self, error: &std::io::Error) -> Fault {
        match error.kind() {
            // TLS without the word that ends it.
            std::io::ErrorKind::UnexpectedEof => self.closed(),
            std::io::ErrorKind::TimedOut => {
                Fault::new(Reason::Stalled, "the server's machine does not acknowledge anything any more")
            }
            _ => Fault::new(Reason::Broken, format!("the connection broke: {error}")),
        }
    }

    /// A connection that cannot be written to may still hold why.
    async fn last_words(&mut self, buffer: &mut [u8], error: &std::io::Error) -> Fault {
        loop {
            let turn = tokio::time::timeout(GOODBYE, self.wire.turn(buffer, &[])).await;
            let Ok(Turn::Read(Ok(bytes @ 1..))) = turn else { return self.broken(error) };
            let handled = self.session.handle_bytes(self.now(), &buffer[..bytes]);
            if let Err(fault) = handled.map_err(Fault::from).and_then(|()| self.drain().map(|_| ())) {
                return fault;
            }
        }
    }
}

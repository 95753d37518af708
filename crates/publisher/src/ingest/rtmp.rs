//! RTMP: the life of one connection from top to bottom, whether it publishes or plays, plain or over TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hub::Pushed;
use media::timeline::SourceClock;
use rtmp::flv::{self, Media};
use rtmp::server::{Event, Output, Request, Session, code};
use rustix::io::Errno;
use rustix::net::RecvFlags;

use super::intake::{Intake, Unit};
use super::pace::Pace;
use crate::code::{Address, without_key};
use crate::limits::{Pass, Refusal};
use crate::line::Line;
use crate::output::apart::{self, Player};
use crate::output::mpegts::ended_by;
use crate::output::rtmp::{PlayInfo, Playing};
use crate::service::{Publication, Service, random};
use crate::session::{Ended, Opening, Protocol, Role};

/// Bytes read from a connection at a time.
const READ_BYTES: usize = 64 << 10;
/// The same before it is known what the peer wants: its handshake, at a time.
const FIRST_READ_BYTES: usize = 4 << 10;
/// The same from a player, who has little to say.
const PLAYER_READ_BYTES: usize = 512;
/// How long our answers may take to leave: a peer that does not read is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for the last words to a publisher that is sent away.
const GOODBYE: Duration = Duration::from_secs(1);
/// Requests refused on one connection before it is closed: nobody tries keys for long.
const MAX_REFUSALS: u32 = 3;
/// Longer than anything waits here.
const FOREVER: Duration = Duration::from_secs(3600);

/// What a publisher that was let in needs.
struct Publishing {
    publication: Publication,
    intake: Intake,
    demux: flv::Demux,
    /// None over TLS: what the system tells of are not the bytes of messages there.
    pace: Option<Pace>,
}

/// Why a connection ends.
enum Left {
    /// End of its bytes, or its session was cancelled, or the service ends.
    Quietly,
    /// With this reason.
    Because(Ended),
    /// The peer broke the protocol or ran into a limit.
    Broke(rtmp::Error),
}

impl From<rtmp::Error> for Left {
    fn from(error: rtmp::Error) -> Self {
        Self::Broke(error)
    }
}

pub(crate) struct Connection {
    service: Arc<Service>,
    line: Line,
    peer: SocketAddr,
    session: Session,
    agent: Option<String>,
    publishing: Option<Box<Publishing>>,
    playing: Option<Playing>,
    refused: u32,
    /// Held until it publishes or plays.
    handshake: Option<Pass>,
}

impl Connection {
    /// A peer that has connected at `since`.
    pub(crate) fn new(
        service: Arc<Service>,
        line: Line,
        peer: SocketAddr,
        since: Duration,
        handshake: Pass,
    ) -> Self {
        let session = Session::new(service.settings.limits.rtmp(), since, random());
        let handshake = Some(handshake);
        Self {
            service,
            line,
            peer,
            session,
            agent: None,
            publishing: None,
            playing: None,
            refused: 0,
            handshake,
        }
    }

    pub(crate) async fn run(mut self: Box<Self>) {
        let left = self.serve().await;
        self.say_goodbye().await;
        let why = match left {
            Left::Quietly => return self.unpublish(None),
            Left::Because(why) => why,
            Left::Broke(error) => {
                if let Some(refusal) = Refusal::of_rtmp(&error) {
                    self.service.gates.refuse(refusal);
                }
                Ended::Protocol(error.to_string())
            }
        };
        if let Some(playing) = &self.playing {
            playing.session.cancel(why.clone());
        } else if self.publishing.is_none() {
            self.service.refusals.note(self.service.clock.elapsed(), self.peer, &why.to_string());
        }
        self.unpublish(Some(why));
    }

    /// The session of what it publishes or plays.
    fn current(&self) -> Option<&Arc<crate::session::Session>> {
        let publishing = self.publishing.as_ref().map(|publishing| publishing.publication.session.session());
        publishing.or_else(|| Some(&self.playing.as_ref()?.session))
    }

    /// Tells a peer whose session was ended why its connection closes, if it still reads.
    async fn say_goodbye(&mut self) {
        let why = self.current().and_then(|session| session.why());
        let is_over = why.is_some();
        if let Some(why) = why {
            self.session.close(&why.to_string());
        }
        let last_words = async {
            if is_over {
                let _ = self.drain().await;
            }
            if let Line::Tls(wire) = &mut self.line {
                let player = self.playing.as_mut().and_then(Playing::player);
                let rest = player.map(Player::rest).unwrap_or_default();
                let _ = wire.finish(&rest).await;
            }
        };
        // It may be gone already, and what it had to say does not matter any more.
        let _ = tokio::time::timeout(GOODBYE, Box::pin(last_words)).await;
    }

    async fn serve(&mut self) -> Left {
        let mut input = BytesMut::new();
        let ended = self.service.cancelled();
        loop {
            let deadline = match self.drain().await {
                Ok(deadline) => deadline,
                Err(left) => return left,
            };
            let cancelled = self.current().map(|session| session.cancelled());
            let look = self.pace();
            let sleep = tokio::time::sleep(self.until(deadline).min(look.unwrap_or(FOREVER)));
            let room = match (&self.publishing, &self.playing) {
                (Some(_), _) => READ_BYTES,
                (None, Some(_)) => {
                    // It has little to say, and nothing is held for it while it says nothing.
                    input = BytesMut::new();
                    PLAYER_READ_BYTES
                }
                (None, None) => FIRST_READ_BYTES,
            };
            tokio::select! {
                () = ended.cancelled() => return Left::Quietly,
                () = cancelled.unwrap_or_default().cancelled_owned() => return Left::Quietly,
                // Less has come than the runtime is told of.
                () = sleep => if look.is_some() && let Err(left) = self.take(&mut input) {
                    return left;
                },
                read = apart::read(&mut self.line, self.playing.as_mut().and_then(Playing::player), &mut input, room) => match read {
                    Ok(0) => return Left::Quietly,
                    Ok(_) => {}
                    Err(error) if self.playing.is_some() => return Left::Because(ended_by(&error)),
                    Err(error) => return Left::Because(Ended::Io(error.to_string())),
                },
            }
            if let Err(left) = self.advance(&input) {
                // What the session answers to a mistake still goes out.
                let _ = self.drain().await;
                return left;
            }
            input.clear();
        }
    }

    /// Adapts to whether anybody waits for each frame. Where nobody does: how long until it is to be looked what came.
    fn pace(&mut self) -> Option<Duration> {
        let publishing = self.publishing.as_mut()?;
        let awaited = publishing.publication.feed.is_awaited();
        publishing.pace.as_mut()?.look_in(self.service.clock.elapsed(), awaited, self.line.socket())
    }

    /// Reads what has come, without asking the runtime whether anything has.
    fn take(&self, input: &mut BytesMut) -> Result<(), Left> {
        let Some(socket) = self.line.plain() else { return Ok(()) };
        let mut bytes = [0; READ_BYTES];
        match rustix::net::recv(socket, &mut bytes, RecvFlags::DONTWAIT) {
            Ok((0, _)) => Err(Left::Quietly),
            Ok((read, _)) => {
                input.extend_from_slice(&bytes[..read]);
                Ok(())
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(error) => Err(Left::Because(Ended::Io(io::Error::from(error).to_string()))),
        }
    }

    /// Takes what was received, and the time.
    fn advance(&mut self, input: &[u8]) -> Result<(), Left> {
        let now = self.service.clock.elapsed();
        if let Some(publishing) = &mut self.publishing {
            publishing.publication.session.add_bytes(input.len() as u64);
            let silence = now.saturating_sub(publishing.publication.session.last_media());
            if silence >= self.service.settings.publish_timeout && input.is_empty() {
                return Err(Left::Because(Ended::NoMedia(silence)));
            }
        }
        self.session.handle_timeout(now)?;
        self.session.handle_bytes(now, input)?;
        Ok(())
    }

    /// Time until the session or the lack of media wants attention.
    fn until(&self, deadline: Option<Duration>) -> Duration {
        let media = self.publishing.as_ref().map(|publishing| {
            publishing.publication.session.last_media() + self.service.settings.publish_timeout
        });
        let next = deadline.into_iter().chain(media).min().unwrap_or(FOREVER);
        next.saturating_sub(self.service.clock.elapsed()).min(FOREVER)
    }

    /// Does all that the session wants; the time at which it wants to be asked again.
    async fn drain(&mut self) -> Result<Option<Duration>, Left> {
        loop {
            match self.session.poll_output() {
                Output::Wait(deadline) => return Ok(deadline),
                Output::Send(bytes) => self.write(&bytes).await?,
                Output::Event(event) => self.handle(event).await?,
            }
        }
    }

    async fn write(&mut self, bytes: &Bytes) -> Result<(), Left> {
        if self.playing.as_mut().is_some_and(|playing| playing.say(bytes)) {
            return Ok(());
        }
        // In a box, as it is rare: the room for it would be held all the time.
        let writing = Box::pin(tokio::time::timeout(WRITE_TIMEOUT, self.line.write_all(bytes)));
        match writing.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Left::Because(Ended::Io(error.to_string()))),
            Err(_) => Err(Left::Because(Ended::Io("the peer does not read".to_owned()))),
        }
    }

    async fn handle(&mut self, event: Event) -> Result<(), Left> {
        match event {
            Event::Connect(connect) => self.agent = Some(connect.flash_ver),
            // In boxes of their own, which are given back: what a player's task holds stays small.
            Event::Publish(request) => Box::pin(self.publish(&request)).await?,
            Event::Play(request) => Box::pin(self.play(&request)).await?,
            Event::Pause => self.pause(true),
            Event::Resume => self.pause(false),
            Event::Receive { kind, wanted } => self.receive(kind, wanted),
            Event::Stopped => return Err(Left::Because(Ended::ClientLeft)),
            Event::Tag(tag) => self.tag(tag)?,
            Event::Unpublish => self.unpublish(Some(Ended::Unpublished)),
        }
        Ok(())
    }

    async fn publish(&mut self, request: &Request) -> Result<(), Left> {
        let wanted = request.address();
        let admitted = match Address::from_app_path(&wanted.path) {
            Err(error) => Err((code::PUBLISH_BAD_NAME, without_key(&wanted.path, &error))),
            Ok(address) => {
                let (peer, agent, protocol) = (self.peer, self.agent.clone(), self.protocol());
                let opening = move |stream| Opening {
                    stream,
                    rendition: None,
                    protocol,
                    role: Role::Publisher,
                    peer: Some(peer),
                    agent,
                    origin: None,
                };
                let admitted =
                    self.service.publish(&address, wanted.get("key"), opening, SourceClock::RTMP).await;
                admitted.map_err(|denied| (denied.status(), denied.to_string()))
            }
        };
        let now = self.service.clock.elapsed();
        match admitted {
            Ok(publication) => {
                self.session.accept_publish(now)?;
                let intake = Intake::new(Arc::clone(&publication.feed));
                let (demux, pace) =
                    (flv::Demux::new(), self.line.plain().map(|_| Pace::new(now, self.peer.port())));
                self.publishing = Some(Box::new(Publishing { publication, intake, demux, pace }));
                self.handshake = None;
            }
            Err((status, why)) => {
                self.service.refusals.note(now, self.peer, &why);
                self.session.reject_publish(now, status, &why)?;
                self.count_refusal()?;
            }
        }
        Ok(())
    }

    async fn play(&mut self, request: &Request) -> Result<(), Left> {
        let wanted = request.address();
        let info = PlayInfo {
            peer: self.peer,
            flash_ver: request.flash_ver.clone(),
            tc_url: request.tc_url.clone(),
            page_url: request.page_url.clone(),
            caps: request.caps,
            tls: self.protocol() == Protocol::Rtmps,
        };
        let admitted = match Address::from_app_path(&wanted.path) {
            Err(error) => Err((code::PLAY_NOT_FOUND, without_key(&wanted.path, &error))),
            Ok(address) => match self.service.may_play(&address, wanted.get("token"), self.peer.ip()) {
                Err(denied) => Err((code::PLAY_FAILED, format!("{address}: {denied}"))),
                Ok(()) => {
                    let admitted = self.service.handle_rtmp_play(&address, info).await;
                    admitted.map_err(|error| (code::PLAY_NOT_FOUND, error.to_string()))
                }
            },
        };
        let now = self.service.clock.elapsed();
        let playback = match admitted {
            Ok(playback) => playback,
            Err((status, why)) => {
                self.service.refusals.note(now, self.peer, &why);
                self.session.reject_play(now, status, &why)?;
                return self.count_refusal();
            }
        };
        self.session.accept_play(now)?;
        let mut head = BytesMut::new();
        // What the player has said behind its request is heard once it is served.
        let mut events = Vec::new();
        loop {
            match self.session.poll_output() {
                Output::Send(bytes) => head.extend_from_slice(&bytes),
                Output::Event(event) => events.push(event),
                Output::Wait(_) => break,
            }
        }
        let Some(how) = self.session.playing() else { return Err(Left::Because(Ended::ClientLeft)) };
        self.playing = Some(self.service.play(playback, &self.line, head.freeze(), how));
        self.handshake = None;
        for event in events {
            match event {
                Event::Pause => self.pause(true),
                Event::Resume => self.pause(false),
                Event::Receive { kind, wanted } => self.receive(kind, wanted),
                Event::Stopped => return Err(Left::Because(Ended::ClientLeft)),
                _ => {}
            }
        }
        Ok(())
    }

    fn pause(&mut self, paused: bool) {
        if let Some(playing) = &mut self.playing {
            playing.pause(paused);
        }
    }

    fn protocol(&self) -> Protocol {
        if self.line.plain().is_some() { Protocol::Rtmp } else { Protocol::Rtmps }
    }

    fn receive(&mut self, kind: flv::TagKind, wanted: bool) {
        if let Some(playing) = &mut self.playing {
            playing.receive(kind, wanted);
        }
    }

    /// Nobody asks for ever.
    fn count_refusal(&mut self) -> Result<(), Left> {
        self.refused += 1;
        if self.refused == MAX_REFUSALS {
            return Err(Left::Because(Ended::Protocol(format!("refused {MAX_REFUSALS} times"))));
        }
        Ok(())
    }

    fn tag(&mut self, tag: flv::Tag) -> Result<(), Left> {
        let Some(publishing) = &mut self.publishing else { return Ok(()) };
        if let Err(error) = publishing.demux.push(tag) {
            let now = self.service.clock.elapsed();
            publishing.publication.rung().set_damaged(now, &error.to_string());
        }
        while let Some(media) = publishing.demux.poll() {
            match media {
                Media::Track { id, codec } => publishing.intake.track(id, codec),
                Media::Frame { track, dts_ms, cts_ms, key, data, .. } => {
                    let now = self.service.clock.now();
                    publishing.publication.session.note_media(now.mono);
                    let unit = Unit { track, dts: dts_ms.into(), cts: cts_ms.into(), key, data };
                    match publishing.intake.unit(now, unit) {
                        Pushed::Refused => return Err(Left::Because(Ended::TakenOver)),
                        pushed => publishing.publication.rung().note_pushed(pushed),
                    }
                }
                Media::Unsupported { what } => {
                    publishing.publication.rung().set_unsupported(&format!("{what} is not supported"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Ends the publication, if there is one; the connection may publish again.
    fn unpublish(&mut self, why: Option<Ended>) {
        let Some(publishing) = self.publishing.take() else { return };
        if let Some(why) = why {
            publishing.publication.session.cancel(why);
        }
        let Publishing { publication, pace, .. } = *publishing;
        if let Some(pace) = pace {
            pace.end(self.line.socket());
        }
        let running = Arc::clone(&publication.running);
        drop(publication);
        tokio::spawn(Arc::clone(&self.service).reap(running));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a call gives is never made here: its type is enough.
    fn bytes_of<A, T>(_: impl Fn(A) -> T) -> usize {
        size_of::<T>()
    }

    #[test]
    fn a_player_that_waits_holds_little() {
        let (task, connection) = (bytes_of(Connection::run), size_of::<Connection>());
        assert!(task <= 1024, "the future of a connection has {task} bytes");
        assert!(connection <= 1024, "a connection has {connection} bytes");
    }
}

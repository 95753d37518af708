//! The life of one RTSP connection from top to bottom, whether it plays or publishes, plain or over TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rtsp::Status;
use rtsp::header::Transport;
use rtsp::sdp::Description;
use rtsp::server::{Event, Output, PacketKind, Request, Session};

use super::play::{Play, Refused, Step};
use super::publish::Publish;
use crate::code::{Address, without_key};
use crate::limits::{Pass, Refusal};
use crate::line::Line;
use crate::output::apart::{self, Player};
use crate::output::mpegts::ended_by;
use crate::service::{Service, random};
use crate::session::{Ended, Protocol};

/// Bytes read from a publisher's connection at a time.
const READ_BYTES: usize = 64 << 10;
/// The same from anybody else, who has little to say.
const FEW_BYTES: usize = 2 << 10;
/// How long our answers may take to leave: a peer that does not read is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for the last words to a peer that is sent away, or that has said that it leaves.
const GOODBYE: Duration = Duration::from_secs(1);
/// Requests refused on one connection before it is closed: nobody tries keys for long.
const MAX_REFUSALS: u32 = 10;
/// Longer than anything waits here.
const FOREVER: Duration = Duration::from_secs(3600);
/// What answers call us.
const SERVER: &str = concat!("Rillcast/", env!("CARGO_PKG_VERSION"));

/// Why a connection ends.
pub(super) enum Left {
    /// End of its bytes, or its session was cancelled, or the service ends.
    Quietly,
    /// With this reason.
    Because(Ended),
    /// The peer broke the protocol or ran into a limit.
    Broke(rtsp::Error),
}

impl From<rtsp::Error> for Left {
    fn from(error: rtsp::Error) -> Self {
        Self::Broke(error)
    }
}

/// What the peer does.
enum Doing {
    /// Nothing yet, or no more.
    Nothing,
    Play(Box<Play>),
    Publish(Box<Publish>),
}

pub(crate) struct Connection {
    service: Arc<Service>,
    line: Line,
    peer: SocketAddr,
    session: Session,
    doing: Doing,
    refused: u32,
    /// It has said that it leaves: it is closed then.
    leaves: Option<Duration>,
    /// Held until it plays or publishes.
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
        let session = Session::new(service.settings.limits.rtsp(), since, random(), SERVER.into());
        let (doing, handshake) = (Doing::Nothing, Some(handshake));
        Self { service, line, peer, session, doing, refused: 0, leaves: None, handshake }
    }

    pub(crate) async fn run(mut self: Box<Self>) {
        let left = self.serve().await;
        let why = match left {
            Left::Quietly => None,
            Left::Because(why) => Some(why),
            Left::Broke(error) => {
                if let Some(refusal) = Refusal::of_rtsp(&error) {
                    self.service.gates.refuse(refusal);
                }
                Some(Ended::Protocol(error.to_string()))
            }
        };
        if let Some(why) = &why
            && self.current().is_none()
        {
            self.service.refusals.note(self.service.clock.elapsed(), self.peer, &why.to_string());
        }
        if let (Some(why), Some(session)) = (why, self.current()) {
            session.cancel(why);
        }
        self.say_goodbye().await;
        self.end();
    }

    /// The session of what it plays or publishes.
    fn current(&self) -> Option<&Arc<crate::session::Session>> {
        match &self.doing {
            Doing::Nothing => None,
            Doing::Play(play) => play.session(),
            Doing::Publish(publish) => Some(publish.session()),
        }
    }

    /// What is still to be told to a peer whose connection closes, if it still reads.
    async fn say_goodbye(&mut self) {
        let why = self.current().and_then(|session| session.why());
        self.session.close(&why.map(|why| why.to_string()).unwrap_or_default());
        let last_words = async {
            let _ = self.drain().await;
            if let Line::Tls(wire) = &mut self.line {
                let player = match &mut self.doing {
                    Doing::Play(play) => play.player(),
                    _ => None,
                };
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
            let sleep = tokio::time::sleep(self.until(deadline));
            let room = match &self.doing {
                Doing::Publish(_) => READ_BYTES,
                _ => {
                    // It has little to say, and nothing is held for it while it says nothing.
                    input = BytesMut::new();
                    FEW_BYTES
                }
            };
            let step = tokio::select! {
                () = ended.cancelled() => return Left::Quietly,
                () = cancelled.unwrap_or_default().cancelled_owned() => return Left::Quietly,
                () = sleep => Ok(0),
                happened = happen(&mut self.line, &mut self.doing, &mut input, room) => match happened {
                    Happened::Read(Ok(0)) => return Left::Quietly,
                    Happened::Read(Ok(bytes)) => Ok(bytes),
                    Happened::Read(Err(error)) if matches!(self.doing, Doing::Play(_)) => Err(ended_by(&error)),
                    Happened::Read(Err(error)) => Err(Ended::Io(error.to_string())),
                    Happened::TracksChanged => Err(Ended::TracksChanged),
                    Happened::Datagrams => Ok(0),
                },
            };
            if let Err(why) = step {
                return Left::Because(why);
            }
            if let Err(left) = self.advance(&input) {
                return left;
            }
            input.clear();
        }
    }

    /// Takes what was received, and the time.
    fn advance(&mut self, input: &[u8]) -> Result<(), Left> {
        let now = self.service.clock.elapsed();
        match &mut self.doing {
            Doing::Nothing => {}
            Doing::Play(play) => {
                if let Some(heard) = play.heard() {
                    self.session.note_alive(heard);
                }
            }
            Doing::Publish(publish) => {
                if let Some(heard) = publish.advance(&self.service, input.len())? {
                    self.session.note_alive(heard);
                }
                for (track, report) in publish.reports(now) {
                    if let Some((_, channel)) = self.session.channels(track) {
                        publish.say(channel, &report);
                    }
                }
            }
        }
        if self.leaves.is_some_and(|leaves| leaves <= now) {
            return Err(Left::Quietly);
        }
        self.session.handle_timeout(now)?;
        self.session.handle_bytes(now, input)?;
        Ok(())
    }

    /// Time until anything wants attention.
    fn until(&self, deadline: Option<Duration>) -> Duration {
        let media = match &self.doing {
            Doing::Publish(publish) => Some(publish.deadline(self.service.settings.publish_timeout)),
            _ => None,
        };
        let next = deadline.into_iter().chain(media).chain(self.leaves).min().unwrap_or(FOREVER);
        next.saturating_sub(self.service.clock.elapsed()).min(FOREVER)
    }

    /// Does all that the session wants; the time at which it wants to be asked again.
    async fn drain(&mut self) -> Result<Option<Duration>, Left> {
        loop {
            if let Doing::Publish(publish) = &mut self.doing
                && let Some(bytes) = publish.said()
            {
                self.write(bytes).await?;
            }
            match self.session.poll_output() {
                Output::Wait(deadline) => return Ok(deadline),
                Output::Send(bytes) => self.write(bytes).await?,
                Output::Event(event) => self.handle(event).await?,
            }
        }
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), Left> {
        if let Doing::Play(play) = &mut self.doing
            && let Some(playing) = play.over_connection()
        {
            playing.say(bytes);
            return Ok(());
        }
        // In a box, as it is rare: the room for it would be held all the time.
        let writing = Box::pin(tokio::time::timeout(WRITE_TIMEOUT, self.line.write_all(&bytes)));
        match writing.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Left::Because(Ended::Io(error.to_string()))),
            Err(_) => Err(Left::Because(Ended::Io("the peer does not read".to_owned()))),
        }
    }

    async fn handle(&mut self, event: Event) -> Result<(), Left> {
        match event {
            // In boxes of their own, which are given back: what a player's task holds stays small.
            Event::Describe(request) => Box::pin(self.describe(&request)).await?,
            Event::Announce(request, description) => Box::pin(self.announce(&request, &description)).await?,
            Event::Setup { request, track, transports } => {
                Box::pin(self.set_up(&request, track, &transports)).await?;
            }
            Event::Play(request) => Box::pin(self.play(&request)).await?,
            Event::Record(_) => self.record()?,
            Event::Pause => match &mut self.doing {
                Doing::Play(play) => play.pause(),
                Doing::Publish(_) | Doing::Nothing => {}
            },
            Event::Teardown => self.tear_down(),
            Event::Packet { track, kind, data } => self.packet(track, kind, data)?,
            Event::Alive => {}
        }
        Ok(())
    }

    /// What the path of a request addresses.
    fn address(&self, request: &Request) -> Result<Address, Refused> {
        Address::from_app_path(&request.path)
            .map_err(|error| Refused::new(Status::NOT_FOUND, without_key(&request.path, &error)))
    }

    /// The same, where its client may play that.
    fn playable(&self, request: &Request) -> Result<Address, Refused> {
        let address = self.address(request)?;
        match self.service.may_play(&address, request.get("token"), self.peer.ip()) {
            Ok(()) => Ok(address),
            Err(denied) => Err(Refused::new(Status::FORBIDDEN, format!("{address}: {denied}"))),
        }
    }

    async fn describe(&mut self, request: &Request) -> Result<(), Left> {
        let described = match self.playable(request) {
            Ok(address) => Play::describe(&self.service, address).await,
            Err(refused) => Err(refused),
        };
        match described {
            Ok(play) => {
                let sdp = play.sdp();
                // Who is served may ask as well.
                if !self.has_set_up() {
                    self.doing = Doing::Play(Box::new(play));
                }
                self.session.accept_describe(self.service.clock.elapsed(), &sdp)?;
                Ok(())
            }
            Err(refused) => self.refuse(&refused),
        }
    }

    /// Whether it has something that another request must not take from it.
    fn has_set_up(&self) -> bool {
        match &self.doing {
            Doing::Nothing => false,
            Doing::Play(play) => play.has_set_up(),
            Doing::Publish(_) => true,
        }
    }

    async fn announce(&mut self, request: &Request, description: &Description) -> Result<(), Left> {
        let now = self.service.clock.elapsed();
        let address = match self.address(request) {
            Ok(address) => address,
            Err(refused) => return self.refuse(&refused),
        };
        let key = match self.key(&address, request) {
            Ok(key) => key,
            // Clients ask without a proof first, to learn how it is to be given: that is no attempt.
            Err(NoKey::Unproven) => return Ok(self.session.challenge(now, REALM)?),
            Err(NoKey::Wrong) => {
                self.service.refusals.note(now, self.peer, &format!("{address}: wrong stream key"));
                self.count_refusal()?;
                return Ok(self.session.challenge(now, REALM)?);
            }
        };
        let (peer, agent, protocol) = (self.peer, request.user_agent.clone(), self.protocol());
        let published =
            Publish::announce(&self.service, &address, key.as_deref(), description, peer, agent, protocol)
                .await;
        match published {
            Ok(publish) => {
                self.doing = Doing::Publish(Box::new(publish));
                self.session.accept_announce(now)?;
                Ok(())
            }
            // One whose key in the URI is wrong may prove another.
            Err(refused) if refused.status == Status::UNAUTHORIZED => {
                self.service.refusals.note(now, self.peer, &refused.why);
                self.count_refusal()?;
                Ok(self.session.challenge(now, REALM)?)
            }
            Err(refused) => self.refuse(&refused),
        }
    }

    /// The key that a publisher gives: in its URI, or by proving that it knows the stream's.
    fn key(&self, address: &Address, request: &Request) -> Result<Option<String>, NoKey> {
        if let Some(key) = request.get("key") {
            return Ok(Some(key.to_owned()));
        }
        let Some(key) = self.service.stream_key(&address.code) else { return Ok(None) };
        match self.session.credentials_match(key.reveal()) {
            Some(true) => Ok(Some(key.reveal().to_owned())),
            Some(false) => Err(NoKey::Wrong),
            None => Err(NoKey::Unproven),
        }
    }

    async fn set_up(
        &mut self,
        request: &Request,
        track: usize,
        transports: &[Transport],
    ) -> Result<(), Left> {
        // Who knows what there is need not ask.
        if !matches!(self.doing, Doing::Publish(_)) {
            let address = match self.address(request) {
                Ok(address) => address,
                Err(refused) => return self.refuse(&refused),
            };
            if !matches!(&self.doing, Doing::Play(play) if play.is_of(&address)) {
                if self.has_set_up() {
                    let why = format!("{address} is not what was set up before");
                    return self.refuse(&Refused::new(Status::NOT_VALID_IN_THIS_STATE, why));
                }
                let playable = self.playable(request);
                let described = match playable {
                    Ok(address) => Play::describe(&self.service, address).await,
                    Err(refused) => Err(refused),
                };
                match described {
                    Ok(play) => self.doing = Doing::Play(Box::new(play)),
                    Err(refused) => return self.refuse(&refused),
                }
            }
        }
        let now = self.service.clock.elapsed();
        let ways = Ways { service: &self.service, line: &self.line, peer: self.peer };
        let chosen = match &mut self.doing {
            Doing::Nothing => return Ok(()),
            Doing::Play(play) => play.choose(&ways, track, transports),
            Doing::Publish(publish) => publish.choose(&ways, track, transports),
        };
        match chosen {
            Ok(chosen) => {
                self.session.accept_setup(now, chosen)?;
                if let Doing::Play(play) = &mut self.doing {
                    play.set_up(track, self.session.channels(track));
                }
                Ok(())
            }
            Err(refused) => self.refuse(&refused),
        }
    }

    async fn play(&mut self, request: &Request) -> Result<(), Left> {
        let (peer, agent, protocol) = (self.peer, request.user_agent.clone(), self.protocol());
        let Doing::Play(play) = &mut self.doing else {
            return self
                .refuse(&Refused::new(Status::NOT_VALID_IN_THIS_STATE, "nothing is set up".to_owned()));
        };
        let begun = match play.begin(&self.service, peer, agent, protocol) {
            Ok(begun) => begun,
            Err(refused) => return self.refuse(&refused),
        };
        let answer = self.session.accept_play_later(self.service.clock.elapsed())?;
        self.handshake = None;
        let Doing::Play(play) = &mut self.doing else { return Ok(()) };
        match play.go_on(&self.service, begun, answer, &self.line).await {
            Step::Serving => Ok(()),
            Step::Answer(bytes) => self.write(bytes).await,
        }
    }

    fn record(&mut self) -> Result<(), Left> {
        self.handshake = None;
        Ok(self.session.accept_record(self.service.clock.elapsed())?)
    }

    fn tear_down(&mut self) {
        if let Doing::Play(play) = &mut self.doing
            && play.over_connection().is_some()
        {
            // The answer leaves behind what has left in part.
            play.pause();
            self.leaves = Some(self.service.clock.elapsed() + GOODBYE);
            return;
        }
        if let Doing::Publish(publish) = &self.doing {
            publish.session().cancel(Ended::Unpublished);
        }
        self.end();
    }

    fn packet(&mut self, track: usize, kind: PacketKind, data: Bytes) -> Result<(), Left> {
        match (&mut self.doing, kind) {
            (Doing::Play(play), PacketKind::Rtcp) => play.note_report(self.service.clock.elapsed(), &data),
            (Doing::Publish(publish), kind) => publish.packet(&self.service, track, kind, data)?,
            _ => {}
        }
        Ok(())
    }

    fn protocol(&self) -> Protocol {
        if self.line.plain().is_some() { Protocol::Rtsp } else { Protocol::Rtsps }
    }

    fn refuse(&mut self, refused: &Refused) -> Result<(), Left> {
        let now = self.service.clock.elapsed();
        self.service.refusals.note(now, self.peer, &refused.why);
        self.session.reject(now, refused.status, &refused.why)?;
        self.count_refusal()
    }

    /// Nobody asks for ever.
    fn count_refusal(&mut self) -> Result<(), Left> {
        self.refused += 1;
        if self.refused == MAX_REFUSALS {
            return Err(Left::Because(Ended::Protocol(format!("refused {MAX_REFUSALS} times"))));
        }
        Ok(())
    }

    /// Ends what it does; the connection may go on.
    fn end(&mut self) {
        if let Doing::Publish(publish) = std::mem::replace(&mut self.doing, Doing::Nothing) {
            let running = publish.end();
            tokio::spawn(Arc::clone(&self.service).reap(running));
        }
    }
}

/// What a client asks its user a password for.
const REALM: &str = "Rillcast";

/// Why a publisher has no key.
enum NoKey {
    Unproven,
    Wrong,
}

/// What decides how media can go.
pub(super) struct Ways<'a> {
    pub(super) service: &'a Service,
    pub(super) line: &'a Line,
    pub(super) peer: SocketAddr,
}

enum Happened {
    Read(io::Result<usize>),
    TracksChanged,
    Datagrams,
}

/// What happens first to a connection. Room for so many bytes is made no sooner than there are some.
async fn happen(line: &mut Line, doing: &mut Doing, input: &mut BytesMut, room: usize) -> Happened {
    match doing {
        Doing::Nothing => Happened::Read(line.read(input, room).await),
        Doing::Publish(publish) => tokio::select! {
            read = line.read(input, room) => Happened::Read(read),
            () = publish.receive() => Happened::Datagrams,
        },
        Doing::Play(play) => {
            let (player, changed) = play.split();
            tokio::select! {
                read = apart::read(line, player, input, room) => Happened::Read(read),
                () = changed => Happened::TracksChanged,
            }
        }
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

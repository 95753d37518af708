//! RTMP play: the carrier's messages to one player, over the connection that asked for them.

pub(crate) mod form;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use fanout::{End, How, Membership, Pieces};
use hub::{Context, Entry};
use media::Codec;
use packager::Omitted;
use packager::rtmp::{Carrier, Chunk, Past};
use rtmp::chunk::Route;
use rtmp::flv::TagKind;
use rtmp::flv::mux::{self, Caps};
use socket2::SockRef;

use form::{Form, To, Wants};

use super::account::Account;
use super::apart::{self, Player};
use super::carrier::Kind;
use super::join::Unjoined;
use super::mpegts::UNSENT_BYTES;
use crate::code::Address;
use crate::config::Output;
use crate::error::Error;
use crate::limits::Refusal;
use crate::line::Line;
use crate::listener;
use crate::service::Service;
use crate::session::{Ended, Opening, Origin, Protocol, Role, Session};

/// RTMP.
pub(crate) struct Rtmp;

impl Kind for Rtmp {
    type Chunk = Chunk;
    type Carrier = Carrier;
    type Past = Past;
    const WHAT: &'static str = "the RTMP carrier";

    fn past(&self) -> Past {
        Past::default()
    }

    fn resume(past: &Past) -> Carrier {
        Carrier::resume(past)
    }

    fn note(past: &mut Past, chunk: &Chunk) {
        past.note(chunk);
    }

    fn push(carrier: &mut Carrier, entry: &Entry) -> Option<Chunk> {
        carrier.push(entry)
    }

    fn mark_skipped(carrier: &mut Carrier) {
        carrier.mark_skipped();
    }

    fn omitted(carrier: &Carrier) -> &[Omitted] {
        carrier.omitted()
    }

    fn dropped(_: &Carrier) -> u64 {
        0
    }

    fn warnings(&self, omitted: &[Omitted], _: &Context) -> Vec<String> {
        let told = omitted
            .iter()
            .map(|omitted| format!("{} is left out of RTMP: {}", omitted.track, omitted.reason));
        told.collect()
    }
}

/// What is known of a player that wants to play.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlayInfo {
    /// The other end.
    pub peer: SocketAddr,
    /// Name and version of the program.
    pub flash_ver: String,
    /// The URL that it connected to.
    pub tc_url: String,
    /// The page that it is on.
    pub page_url: String,
    /// What it takes of codecs that FLV did not always have.
    pub caps: Caps,
    /// It came over TLS: its session is one of `rtmps`.
    pub tls: bool,
}

/// A player that was let in, before the first byte of media.
pub struct Playback {
    viewer: Viewer,
    ended: Arc<AtomicBool>,
}

impl std::fmt::Debug for Playback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Playback").field("session", &self.viewer.account.session.id).finish_non_exhaustive()
    }
}

/// A player that is served.
pub(crate) struct Playing {
    pub(crate) session: Arc<Session>,
    wants: Wants,
    by: By,
}

/// Who serves a player.
enum By {
    FanOut {
        membership: Membership,
        /// The fan-out has nothing more to write.
        ended: Arc<AtomicBool>,
    },
    /// The task of its connection.
    Task(Box<Player<Viewer>>),
}

impl Playing {
    /// Has bytes sent between two messages. False: the socket is written to by nobody else any more.
    pub(crate) fn say(&mut self, bytes: &Bytes) -> bool {
        match &mut self.by {
            By::FanOut { ended, .. } if ended.load(Ordering::Acquire) => return false,
            By::FanOut { membership, .. } => membership.say(bytes.clone()),
            By::Task(player) => player.say(bytes.clone()),
        }
        true
    }

    /// Sends no frames from now on, or goes on with the newest key frame.
    pub(crate) fn pause(&mut self, paused: bool) {
        match &mut self.by {
            By::FanOut { membership, .. } => membership.pause(paused),
            By::Task(player) => player.pause(paused),
        }
    }

    /// Sends this kind of media from now on, or does not. Pictures come back at the newest key frame.
    pub(crate) fn receive(&mut self, kind: TagKind, wanted: bool) {
        let wants = self.wants.with(kind, wanted);
        if std::mem::replace(&mut self.wants, wants) == wants {
            return;
        }
        let anew = wanted && kind == TagKind::Video;
        match &mut self.by {
            By::FanOut { membership, .. } => membership.select(wants.word(), anew),
            By::Task(player) => player.select(wants.word(), anew),
        }
    }

    /// The player, where the task of its connection serves it.
    pub(crate) fn player(&mut self) -> Option<&mut Player<Viewer>> {
        match &mut self.by {
            By::FanOut { .. } => None,
            By::Task(player) => Some(player),
        }
    }
}

impl Service {
    /// Lets an RTMP player in. It is served from the newest key frame on, until its connection or the stream ends or its
    /// session is cancelled. An address that names no rung gets the best one that has media.
    ///
    /// # Errors
    /// [`Error::OutputOff`]; [`Error::NotPlayed`] with the reason for the player: the stream is not active or has no such rung, no media comes within `join_timeout`, the player takes none of the codecs, or the stream has all the
    /// viewers that it may have.
    pub async fn handle_rtmp_play(
        self: &Arc<Self>,
        address: &Address,
        info: PlayInfo,
    ) -> Result<Playback, Error> {
        let Some(running) = self.running(address) else {
            return Err(Error::NotPlayed(self.absence(address)));
        };
        let off = || Error::OutputOff(address.code.clone(), Output::Rtmp);
        if !running.config().protocols.rtmp {
            return Err(off());
        }
        let Some(pass) = running.viewers.enter() else {
            let refusal = self.gates.refuse(Refusal::ViewersPerStream);
            return Err(Error::NotPlayed(self.gates.sentence(refusal)));
        };
        let joined = Box::pin(self.join(&running, address, |rung| &rung.rtmp)).await;
        let joined = joined.map_err(|why| {
            Error::NotPlayed(match why {
                Unjoined::Ended => "the stream ended while you joined it".to_owned(),
                Unjoined::NoMedia => format!("stream {address} has no media now"),
            })
        })?;
        let tracks = joined.rung.hub.status(self.clock.elapsed()).tracks;
        let codecs: Vec<&Codec> = tracks.iter().map(|track| &track.track.codec).collect();
        if codecs.iter().all(|codec| mux::carries(codec, info.caps).is_err()) {
            let reasons = codecs.iter().filter_map(|codec| mux::carries(codec, info.caps).err());
            let reasons: Vec<String> = reasons.map(|reason| reason.to_string()).collect();
            return Err(Error::NotPlayed(reasons.join("; ")));
        }
        let opening = Opening {
            stream: address.code.clone(),
            rendition: joined.rung.shown().or_else(|| address.rendition.clone()),
            protocol: if info.tls { Protocol::Rtmps } else { Protocol::Rtmp },
            role: Role::Viewer,
            peer: Some(info.peer),
            agent: Some(info.flash_ver).filter(|agent| !agent.is_empty()),
            origin: Origin::new(&info.tc_url, &info.page_url),
        };
        let session = self.sessions.open(opening, &running.cancel);
        // Whoever switched it off meanwhile has not seen this session.
        if !running.config().protocols.rtmp {
            session.cancel(Ended::OutputOff);
            return Err(off());
        }
        let ended = Arc::new(AtomicBool::new(false));
        let viewer = Viewer {
            account: Account::new(session, &self.gates, joined.reading, joined.haste, pass),
            form: Form::new(Route { stream: 0, chunk_size: 0 }, info.caps, To::Player),
            ended: Arc::clone(&ended),
        };
        Ok(Playback { viewer, ended })
    }

    /// Serves a player over its connection, after `head`; `route` is how its session wants media sent. Over TLS that is
    /// the work of the connection's task from now on.
    pub(crate) fn play(&self, playback: Playback, line: &Line, head: Bytes, route: Route) -> Playing {
        // A system that cannot do this still serves.
        let _ = SockRef::from(line.socket()).set_tcp_notsent_lowat(UNSENT_BYTES);
        listener::be_patient(line.socket(), self.gates.longest_behind());
        let Playback { mut viewer, ended } = playback;
        viewer.form.route = route;
        let session = Arc::clone(viewer.account.session.session());
        let by = match line.plain() {
            Some(socket) => {
                let ring = viewer.account.reading.ring().clone();
                let membership = self.fan_out.join(&ring, Arc::clone(socket) as _, head, viewer);
                By::FanOut { membership, ended }
            }
            None => {
                let reading = Arc::clone(&viewer.account.reading);
                By::Task(Box::new(Player::new(viewer, reading, head, &self.settings.fan_out)))
            }
        };
        Playing { session, wants: Wants::ALL, by }
    }
}

/// One player as who serves it sees it.
pub(crate) struct Viewer {
    account: Account<Chunk>,
    form: Form,
    ended: Arc<AtomicBool>,
}

impl fanout::Viewer for Viewer {
    type Item = Chunk;

    fn frame<'i>(&self, chunk: &'i Chunk, how: How, out: &mut Pieces<'i>) {
        apart::Form::frame(&self.form, chunk, how, out);
    }

    fn shape(&self) -> Option<u64> {
        self.form.shape()
    }

    /// Where there are pictures, sound is of no use before the next of them.
    fn is_urgent(chunk: &Chunk) -> bool {
        chunk.picture || !chunk.context.tracks.iter().any(|track| track.codec.kind() == media::Kind::Video)
    }

    fn select(&mut self, word: u8) {
        self.form.wants = Wants::from_word(word);
    }

    fn sent(&mut self, bytes: usize) {
        self.account.sent(bytes);
    }

    fn skipped(&mut self) {
        self.account.skipped();
    }

    fn ended(self, why: End) {
        self.ended.store(true, Ordering::Release);
        self.account.end(why);
    }
}

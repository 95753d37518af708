//! RTSP play: the carrier's packets to one player, over its connection or over UDP.

pub(crate) mod form;
pub(crate) mod udp;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use fanout::{End, How, Membership, Pieces};
use hub::{Context, Entry, Haste};
use packager::Omitted;
use packager::rtp::{Carrier, Chunk, Lane, Past, Setup};
use rtsp::server::{PlayAnswer, RtpInfo};
use socket2::SockRef;
use tokio::sync::watch;

use form::Form;

use super::account::Account;
use super::apart::Player;
use super::carrier::{Kind, Reading};
use super::join::Unjoined;
use super::mpegts::UNSENT_BYTES;
use crate::code::Address;
use crate::config::Output;
use crate::error::Error;
use crate::limits::Refusal;
use crate::line::Line;
use crate::listener;
use crate::rung::Rung;
use crate::service::{Service, random};
use crate::session::{Ended, Opening, Session};
use crate::stream::Running;

/// RTSP.
pub(crate) struct Rtsp {
    seed: u64,
    /// What the lanes are now, for those who play some of them.
    lanes: watch::Sender<Arc<[Lane]>>,
}

impl Rtsp {
    pub(crate) fn new() -> Self {
        let seed = random().first_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes));
        Self { seed, lanes: watch::Sender::default() }
    }
}

impl Kind for Rtsp {
    type Chunk = Chunk;
    type Carrier = Carrier;
    type Past = Past;
    const WHAT: &'static str = "the RTP carrier";

    fn past(&self) -> Past {
        Past::new(self.seed)
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
            .map(|omitted| format!("{} is left out of RTSP: {}", omitted.track, omitted.reason));
        told.collect()
    }

    fn made(&self, chunks: &[Chunk]) {
        for setup in chunks.iter().filter_map(|chunk| chunk.setup.as_ref()) {
            self.lanes.send_if_modified(|lanes| {
                let changed = *lanes != setup.lanes;
                if changed {
                    *lanes = Arc::clone(&setup.lanes);
                }
                changed
            });
        }
    }

    fn pace(chunk: &Chunk) -> Option<(media::TrackId, media::Timestamp)> {
        Some((chunk.track, chunk.dts))
    }
}

/// A rung as it was described to a player; its carrier runs for as long as this is held.
pub(crate) struct Described {
    pub(crate) address: Address,
    running: Arc<Running>,
    rung: Arc<Rung>,
    pub(crate) reading: Arc<Reading<Chunk>>,
    /// The lanes and how they stood then.
    pub(crate) setup: Arc<Setup>,
    /// The lanes, whenever they are others.
    pub(crate) lanes: watch::Receiver<Arc<[Lane]>>,
    _haste: Haste,
}

impl Described {
    pub(crate) fn rung(&self) -> &Rung {
        &self.rung
    }
}

impl Service {
    /// Finds what an address names and waits for its media. An address that names no rung gets the best one.
    ///
    /// # Errors
    /// [`Error::NotPlayed`] or [`Error::OutputOff`], with the reason for the player.
    pub(crate) async fn describe_rtsp(&self, address: Address) -> Result<Described, Error> {
        let Some(running) = self.running(&address) else {
            return Err(Error::NotPlayed(self.absence(&address)));
        };
        if !running.config().protocols.rtsp {
            return Err(off(&address));
        }
        let joined = Box::pin(self.join(&running, &address, |rung| &rung.rtsp)).await;
        let unjoined = |why| {
            Error::NotPlayed(match why {
                Unjoined::Ended => "the stream ended while you joined it".to_owned(),
                Unjoined::NoMedia => format!("stream {address} has no media now"),
            })
        };
        let joined = joined.map_err(unjoined)?;
        let setup = first_setup(&joined.reading).await.ok_or_else(|| unjoined(Unjoined::Ended))?;
        let lanes = joined.rung.rtsp.kind().lanes.subscribe();
        let (rung, reading, haste) = (joined.rung, joined.reading, joined.haste);
        Ok(Described { address, running, rung, reading, setup, lanes, _haste: haste })
    }

    /// Opens the session of a player of what was described.
    ///
    /// # Errors
    /// [`Error::NotPlayed`]: the stream has all the viewers that it may have. [`Error::OutputOff`]: it was switched off meanwhile.
    pub(crate) fn open_rtsp(
        &self,
        described: &Described,
        opening: Opening,
        form: Form,
    ) -> Result<Viewer, Error> {
        let Some(pass) = described.running.viewers.enter() else {
            let refusal = self.gates.refuse(Refusal::ViewersPerStream);
            return Err(Error::NotPlayed(self.gates.sentence(refusal)));
        };
        let session = self.sessions.open(opening, &described.running.cancel);
        // It was described before; and whoever switches it off now has not seen this session.
        if !described.running.config().protocols.rtsp {
            session.cancel(Ended::OutputOff);
            return Err(off(&described.address));
        }
        Ok(Viewer {
            account: Account::new(
                session,
                &self.gates,
                Arc::clone(&described.reading),
                described.rung.hub.hasten(),
                pass,
            ),
            form,
            answer: Arc::default(),
        })
    }

    /// Serves a player over its connection. Over TLS that is the work of the connection's task from now on.
    pub(crate) fn play_rtsp(&self, viewer: Viewer, line: &Line) -> Playing {
        // A system that cannot do this still serves.
        let _ = SockRef::from(line.socket()).set_tcp_notsent_lowat(UNSENT_BYTES);
        listener::be_patient(line.socket(), self.gates.longest_behind());
        let (session, answer) = (Arc::clone(viewer.account.session.session()), Arc::clone(&viewer.answer));
        let reading = Arc::clone(&viewer.account.reading);
        let by = match line.plain() {
            Some(socket) => {
                By::FanOut(self.fan_out.join(reading.ring(), Arc::clone(socket) as _, Bytes::new(), viewer))
            }
            None => By::Task(Box::new(Player::new(viewer, reading, Bytes::new(), &self.settings.fan_out))),
        };
        Playing { session, answer, by }
    }
}

/// Why nobody plays what has no RTSP output.
fn off(address: &Address) -> Error {
    Error::OutputOff(address.code.clone(), Output::Rtsp)
}

/// The state of the lanes where a reader would begin. None: the stream has ended.
async fn first_setup(reading: &Reading<Chunk>) -> Option<Arc<Setup>> {
    let mut cursor = reading.ring().subscribe()?;
    let mut chunks = Vec::new();
    loop {
        if cursor.read(&mut chunks, 1).await == hub::Read::Closed {
            return None;
        }
        if let Some(setup) = chunks.drain(..).find_map(|chunk: Chunk| chunk.setup) {
            return Some(setup);
        }
    }
}

/// A player that is served over its connection.
pub(crate) struct Playing {
    pub(crate) session: Arc<Session>,
    answer: Answer,
    by: By,
}

/// The answer to PLAY, which says where the player begins and so is made there.
type Answer = Arc<Mutex<Option<PlayAnswer>>>;

enum By {
    FanOut(Membership),
    /// The task of its connection.
    Task(Box<Player<Viewer>>),
}

impl Playing {
    /// Has bytes sent between two packets.
    pub(crate) fn say(&mut self, bytes: Bytes) {
        match &mut self.by {
            By::FanOut(membership) => membership.say(bytes),
            By::Task(player) => player.say(bytes),
        }
    }

    /// Sends no packets from now on.
    pub(crate) fn pause(&mut self) {
        match &mut self.by {
            By::FanOut(membership) => membership.pause(true),
            By::Task(player) => player.pause(true),
        }
    }

    /// Goes on at the newest key frame, behind this answer.
    pub(crate) fn resume(&mut self, answer: PlayAnswer) {
        self.pause();
        *lock(&self.answer) = Some(answer);
        match &mut self.by {
            By::FanOut(membership) => membership.pause(false),
            By::Task(player) => player.pause(false),
        }
    }

    /// The player, where the task of its connection serves it.
    pub(crate) fn player(&mut self) -> Option<&mut Player<Viewer>> {
        match &mut self.by {
            By::FanOut(_) => None,
            By::Task(player) => Some(player),
        }
    }
}

/// One player as who serves it sees it.
pub(crate) struct Viewer {
    pub(crate) account: Account<Chunk>,
    form: Form,
    answer: Answer,
}

impl Viewer {
    /// It begins behind this answer.
    pub(crate) fn answering(self, answer: PlayAnswer) -> Self {
        *lock(&self.answer) = Some(answer);
        self
    }

    /// Where its tracks begin, if it begins with this chunk.
    fn begins(&self, first: &Chunk) -> Vec<RtpInfo> {
        let Some(setup) = &first.setup else { return Vec::new() };
        let info = |lane: usize| {
            let sequence = *setup.sequences.get(lane)?;
            Some(RtpInfo { track: lane, sequence, rtp_timestamp: Some(setup.rtp_timestamp(lane)) })
        };
        self.form.lanes().filter_map(info).collect()
    }
}

impl fanout::Viewer for Viewer {
    type Item = Chunk;

    fn opens(&self) -> bool {
        true
    }

    fn opening(&self, first: &Chunk) -> Bytes {
        let answer = lock(&self.answer).take();
        answer.map(|answer| answer.encode(&self.begins(first))).unwrap_or_default()
    }

    fn frame<'i>(&self, chunk: &'i Chunk, how: How, out: &mut Pieces<'i>) {
        self.form.frame(chunk, how, out);
    }

    fn shape(&self) -> Option<u64> {
        self.form.shape()
    }

    /// Where there are pictures, sound is of no use before the next of them.
    fn is_urgent(chunk: &Chunk) -> bool {
        chunk.picture || !chunk.context.tracks.iter().any(|track| track.codec.kind() == media::Kind::Video)
    }

    fn sent(&mut self, bytes: usize) {
        self.account.sent(bytes);
    }

    fn skipped(&mut self) {
        self.account.skipped();
    }

    fn ended(self, why: End) {
        self.account.end(why);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

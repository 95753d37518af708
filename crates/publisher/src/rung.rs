//! A rung of a running stream: its hub stream, its carrier, and the source that feeds it.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use hub::Pushed;
use media::timeline::SourceClock;

use crate::code::Code;
use crate::config::{self, Rendition};
use crate::output::carrier;
use crate::output::cutting::Cutting;
use crate::output::rtmp::Rtmp;
use crate::output::rtsp::{Rtsp, udp};
use crate::output::ts;
use crate::session::{Ended, Open, Session};
use crate::status::{RenditionStatus, SourceStatus};

/// A publisher that sent nothing for this long can be replaced by one that has no key to show.
const SENDING: Duration = Duration::from_millis(1500);
/// At most one line about damaged media in this time.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);
/// A rung without a frame for this long is not what a viewer wants who leaves the choice to us.
const FRESH: Duration = Duration::from_secs(3);
/// What is said while silence stands in for sound.
const SOUND_AWAY: &str = "the source sends pictures and no sound: silence stands in for it";

/// What a rung is made of.
pub(crate) struct Rung {
    code: Code,
    /// Its name in the ladder.
    pub(crate) name: String,
    /// What it was said to be last.
    config: Mutex<Rendition>,
    pub(crate) hub: Arc<hub::Stream>,
    pub(crate) ts: Arc<ts::Output>,
    pub(crate) cutting: Arc<Cutting>,
    pub(crate) rtmp: carrier::Output<Rtmp>,
    pub(crate) rtsp: carrier::Output<Rtsp>,
    /// Its players over UDP.
    pub(crate) rtsp_udp: Arc<udp::Sender>,
    /// Its name in the log; none where the stream has no ladder.
    shown: Option<String>,
    source: Mutex<Option<Arc<Session>>>,
    last_error: Mutex<Option<(SystemTime, String)>>,
    /// When damaged media was last logged.
    damage_logged: Mutex<Option<Duration>>,
    /// What of the source cannot be taken at all.
    unsupported: Mutex<BTreeSet<String>>,
    /// What the source promises and does not send, as sentences.
    missing: Mutex<Vec<String>>,
    /// What is to be known of the input, whether a source is there or not, as sentences.
    input: Mutex<Vec<String>>,
}

/// Why a publisher is not admitted to a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the stream has a publisher already")]
    Busy,
    #[error("wrong or missing stream key")]
    Key,
}

/// How good a rung is for a viewer who named none: whether media comes, or ever came; its size; its bit rate; its place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Rank {
    freshness: Freshness,
    pixels: u64,
    bits_per_second: u64,
    place: Reverse<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Freshness {
    Never,
    Silent,
    Live,
}

impl Rank {
    /// Whether media comes now.
    pub(crate) fn is_live(self) -> bool {
        self.freshness == Freshness::Live
    }
}

impl Rung {
    pub(crate) fn new(
        stream: &config::Stream,
        config: Rendition,
        hub: Arc<hub::Stream>,
        ts: Arc<ts::Output>,
        cutting: Arc<Cutting>,
        rtmp: carrier::Output<Rtmp>,
        rtsp: carrier::Output<Rtsp>,
    ) -> Self {
        Self {
            code: stream.code.clone(),
            shown: (!stream.renditions.is_empty()).then(|| config.name.clone()),
            name: config.name.clone(),
            config: Mutex::new(config),
            hub,
            ts,
            cutting,
            rtmp,
            rtsp,
            rtsp_udp: Arc::default(),
            source: Mutex::new(None),
            last_error: Mutex::new(None),
            damage_logged: Mutex::new(None),
            unsupported: Mutex::default(),
            missing: Mutex::default(),
            input: Mutex::default(),
        }
    }

    /// Its name where the stream has a ladder.
    pub(crate) fn shown(&self) -> Option<String> {
        self.shown.clone()
    }

    /// Whether a publisher with this key may feed the rung now.
    fn admit(
        stream: &config::Stream,
        current: Option<&Session>,
        key: Option<&str>,
        now: Duration,
    ) -> Result<(), Refused> {
        let keyed = match &stream.stream_key {
            None => false,
            Some(expected) if matches(expected.reveal(), key.unwrap_or_default()) => true,
            Some(_) => return Err(Refused::Key),
        };
        let sending = current.is_some_and(|current| now.saturating_sub(current.last_media()) < SENDING);
        if sending && !(keyed && stream.takeover) { Err(Refused::Busy) } else { Ok(()) }
    }

    /// Lets a publisher with this key feed the rung from now on. One that it replaces is ended.
    pub(crate) fn claim(
        &self,
        stream: &config::Stream,
        key: Option<&str>,
        now: Duration,
        clock: SourceClock,
        open: impl FnOnce() -> Open,
    ) -> Result<(Open, hub::Feed), Refused> {
        let mut source = lock(&self.source);
        Self::admit(stream, source.as_deref(), key, now)?;
        Ok(self.replace(&mut source, now, clock, open))
    }

    /// Lets a source of our own feed the rung from now on.
    pub(crate) fn seize(
        &self,
        now: Duration,
        clock: SourceClock,
        open: impl FnOnce() -> Open,
    ) -> (Open, hub::Feed) {
        self.replace(&mut lock(&self.source), now, clock, open)
    }

    /// Session and feed are opened under the lock of the source: of two who come at once, the later has both.
    fn replace(
        &self,
        source: &mut Option<Arc<Session>>,
        now: Duration,
        clock: SourceClock,
        open: impl FnOnce() -> Open,
    ) -> (Open, hub::Feed) {
        if let Some(current) = source.as_ref() {
            current.cancel(Ended::TakenOver);
        }
        let session = open();
        session.note_media(now);
        *source = Some(Arc::clone(session.session()));
        lock(&self.unsupported).clear();
        lock(&self.missing).clear();
        (session, self.hub.open(clock))
    }

    /// The session feeds the rung no more, unless another one does already.
    pub(crate) fn clear_source(&self, session: &Arc<Session>) {
        let mut source = lock(&self.source);
        if source.as_ref().is_some_and(|current| current.id == session.id) {
            *source = None;
        }
    }

    /// Is said to be this from now on; the name stays.
    pub(crate) fn set_config(&self, config: &Rendition) {
        *lock(&self.config) = Rendition { name: self.name.clone(), ..config.clone() };
    }

    /// Takes over what is announced of it anew; of what that says nothing, it stays as it was said before.
    pub(crate) fn note_announced(&self, announced: &packager::Rung) {
        let mut config = lock(&self.config);
        if announced.bandwidth > 0 {
            config.bitrate_kbps = Some(u32::try_from(announced.bandwidth / 1000).unwrap_or(u32::MAX));
        }
        if let Some((width, height)) = announced.size {
            (config.width, config.height) = (Some(width), Some(height));
        }
    }

    /// Ends the session that feeds the rung, whichever address it came by.
    pub(crate) fn end_source(&self, why: Ended) {
        if let Some(source) = lock(&self.source).as_ref() {
            source.cancel(why);
        }
    }

    /// Whether nobody feeds the rung.
    pub(crate) fn is_unfed(&self) -> bool {
        lock(&self.source).is_none()
    }

    /// Remembers that a track of the source is left out, and logs it; `why` is a sentence without its full stop.
    pub(crate) fn set_unsupported(&self, why: &str) {
        let warning = format!("{why}: that track is left out");
        tracing::warn!(stream = %self.code, rendition = self.shown, "{warning}");
        lock(&self.unsupported).insert(warning);
    }

    /// Remembers what is to be known of the input, and logs what is new of it.
    pub(crate) fn set_input(&self, notes: Vec<String>) {
        self.replace_notes(&self.input, notes);
    }

    /// Remembers what the source promises and does not send, and logs what is new of it.
    pub(crate) fn set_missing(&self, missing: Vec<String>) {
        self.replace_notes(&self.missing, missing);
    }

    fn replace_notes(&self, known: &Mutex<Vec<String>>, notes: Vec<String>) {
        let mut known = lock(known);
        for what in notes.iter().filter(|what| !known.contains(what)) {
            tracing::warn!(stream = %self.code, rendition = self.shown, "{what}");
        }
        *known = notes;
    }

    /// Logs what an access unit of the source brought about.
    pub(crate) fn note_pushed(&self, pushed: Pushed) {
        let (stream, rendition) = (&self.code, &self.shown);
        match pushed {
            Pushed::SoundAway => tracing::warn!(%stream, rendition, "{SOUND_AWAY}"),
            Pushed::SoundBack => tracing::info!(%stream, rendition, "the sound of the source is back"),
            Pushed::Taken | Pushed::Refused => {}
        }
    }

    /// Remembers that a part of the source was damaged and left out, and logs it, now and then at most: a source may be
    /// damaged throughout.
    pub(crate) fn set_damaged(&self, now: Duration, error: &str) {
        let mut logged = lock(&self.damage_logged);
        if logged.is_none_or(|last| now.saturating_sub(last) >= COMPLAIN_EVERY) {
            *logged = Some(now);
            tracing::warn!(stream = %self.code, rendition = self.shown, "damaged media is left out: {error}");
        }
        drop(logged);
        self.set_error(error);
    }

    /// Remembers what went wrong at the input.
    pub(crate) fn set_error(&self, error: impl Into<String>) {
        *lock(&self.last_error) = Some((SystemTime::now(), error.into()));
    }

    /// Resolves when none of its workers runs any more, after the stream or the rung was cancelled.
    pub(crate) async fn stopped(&self) {
        self.cutting.stopped().await;
        self.ts.stopped().await;
        self.rtmp.stopped().await;
        self.rtsp.stopped().await;
    }

    /// How good the rung is for a viewer who named none.
    pub(crate) fn rank(&self, now: Duration) -> Rank {
        rank(&lock(&self.config), &self.hub.status(now), now, self.cutting.place().unwrap_or(usize::MAX))
    }

    /// What viewers will miss, as sentences.
    fn warnings(&self, media: &hub::Status) -> Vec<String> {
        let of_outputs =
            [self.ts.warnings(), self.cutting.warnings(), self.rtmp.warnings(), self.rtsp.warnings()];
        let of_outputs = of_outputs.into_iter().flatten();
        let silent = media.tracks.iter().any(|track| track.silent).then(|| SOUND_AWAY.to_owned());
        let of_input = [lock(&self.input).clone(), lock(&self.missing).clone()].into_iter().flatten();
        let unsupported: Vec<_> = lock(&self.unsupported).iter().cloned().collect();
        of_input.chain(of_outputs).chain(silent).chain(unsupported).collect()
    }

    /// The rung as seen from outside.
    pub(crate) fn status(&self, now: Duration) -> RenditionStatus {
        let media = self.hub.status(now);
        RenditionStatus {
            config: lock(&self.config).clone(),
            source: lock(&self.source).as_deref().map(source_status),
            silent_for: media.last_arrival.map(|last| now.saturating_sub(last)),
            warnings: self.warnings(&media),
            media,
            late_frames: self.ts.dropped(),
            last_error: lock(&self.last_error).clone(),
        }
    }
}

/// How good a rung with this status is, which is the `place`th of its ladder.
pub(crate) fn rank(config: &Rendition, media: &hub::Status, now: Duration, place: usize) -> Rank {
    let freshness = match media.last_arrival {
        None => Freshness::Never,
        Some(last) if now.saturating_sub(last) >= FRESH => Freshness::Silent,
        Some(_) => Freshness::Live,
    };
    let size = media.tracks.iter().find_map(|track| track.track.codec.video());
    let (width, height) = match size {
        Some(video) => (video.width, video.height),
        None => (config.width.unwrap_or(0), config.height.unwrap_or(0)),
    };
    let configured = config.bitrate_kbps.map(|kbps| u64::from(kbps) * 1000);
    Rank {
        freshness,
        pixels: u64::from(width) * u64::from(height),
        bits_per_second: configured.unwrap_or(media.bits_per_second),
        place: Reverse(place),
    }
}

fn source_status(session: &Session) -> SourceStatus {
    SourceStatus {
        session: session.id,
        protocol: session.protocol,
        peer: session.peer,
        agent: session.agent.clone(),
        since: session.since,
        lost: session.packets_lost(),
    }
}

/// Compares in a time that tells nothing of where the texts differ.
fn matches(expected: &str, given: &str) -> bool {
    use subtle::ConstantTimeEq;
    expected.as_bytes().ct_eq(given.as_bytes()).into()
}

/// None of the values guarded here can be left half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use hub::Limits;

    use super::*;

    fn rung(kbps: Option<u32>, size: (u32, u32)) -> Rendition {
        let (width, height) = (Some(size.0), Some(size.1));
        Rendition { width, height, bitrate_kbps: kbps, ..Rendition::new("x") }
    }

    #[test]
    fn media_counts_before_size_before_rate_before_place() {
        let now = Duration::from_secs(10);
        let silent = hub::Stream::new(Limits::default()).status(now);
        let live = hub::Status { last_arrival: Some(now), ..silent.clone() };
        let old = hub::Status { last_arrival: Some(Duration::from_secs(1)), ..silent.clone() };
        let fast = hub::Status { bits_per_second: 9_000_000, ..live.clone() };
        let best_first = [
            rank(&rung(Some(3000), (1920, 1080)), &live, now, 3),
            rank(&rung(None, (1280, 720)), &fast, now, 6),
            rank(&rung(Some(3000), (1280, 720)), &fast, now, 1),
            rank(&rung(Some(2000), (1280, 720)), &live, now, 2),
            rank(&rung(Some(2000), (1280, 720)), &live, now, 4),
            rank(&rung(Some(9000), (3840, 2160)), &old, now, 0),
            rank(&rung(Some(9000), (7680, 4320)), &silent, now, 5),
        ];
        assert!(best_first.windows(2).all(|pair| pair[0] > pair[1]), "{best_first:#?}");
        assert!(best_first[4].is_live() && !best_first[5].is_live());
    }
}

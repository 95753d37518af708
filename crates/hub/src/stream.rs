//! A stream: its tracks and its ring, for as long as it is configured, on the clock of its ladder.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use media::timeline::{Anchor, Arrival, Epoch, FeedId, SourceClock, Stats};
use media::{TimeDelta, Timestamp, Track, TrackId};

use crate::ladder::{Ladder, Unit};
use crate::{Cursor, Entry, Limits, Ring};

/// Rungs that a ladder may have.
pub const MAX_RUNGS: usize = 32;

/// A stream, or one rung of a ladder. Sources come and go, the stream and its readers stay.
pub struct Stream {
    ring: Ring<Entry>,
    /// The clock and the writers' state of all rungs, under one lock: their frames are put on one clock one by one.
    ladder: Arc<Mutex<Ladder>>,
    /// Which of them this is.
    rung: usize,
    /// How many wait for each frame.
    waiting: AtomicUsize,
}

/// Somebody for whom each frame counts as it comes; dropping it says that this is over.
pub struct Haste(Arc<Stream>);

impl Drop for Haste {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A source's right to write. Dropping it ends the source; the stream goes on without media.
pub struct Feed {
    stream: Arc<Stream>,
    id: FeedId,
}

/// What became of an access unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pushed {
    /// Nothing: another source has taken the stream.
    Refused,
    /// It was put on the clock, or dropped where it had no place there.
    Taken,
    /// The same, and from here on silence stands in for sound that does not come any more.
    SoundAway,
    /// The same, and the source's own sound is back.
    SoundBack,
}

/// What is known of one track.
#[derive(Clone, Debug)]
pub struct TrackStatus {
    /// Codec and configuration.
    pub track: Track,
    /// Frames since the epoch began.
    pub frames: u64,
    /// Payload bytes since the epoch began.
    pub bytes: u64,
    /// How long a frame lasts, zero where unknown.
    pub frame_duration: TimeDelta,
    /// The source sends none of it at present, and silence stands in for it.
    pub silent: bool,
}

/// A snapshot of a stream for people.
#[derive(Clone, Debug)]
pub struct Status {
    /// A source holds the stream now.
    pub fed: bool,
    /// The running or last epoch that this stream had a frame of.
    pub epoch: Option<Epoch>,
    /// Its wall clock, once settled.
    pub anchor: Option<Anchor>,
    /// Tracks of the running or last epoch.
    pub tracks: Vec<TrackStatus>,
    /// Payload of all tracks over the last 5 s, in bits per second.
    pub bits_per_second: u64,
    /// Distance of the last two key frames.
    pub gop: Option<TimeDelta>,
    /// Monotonic time of the last frame's arrival.
    pub last_arrival: Option<Duration>,
    /// Silent access units that stood in for sound that did not come, so far.
    pub silence: u64,
    /// What the timeline had to do, for all rungs of the ladder together.
    pub timeline: Stats,
}

impl Stream {
    /// A stream of its own, without media: a ladder of one.
    pub fn new(limits: Limits) -> Arc<Self> {
        Self::rung(limits, &Arc::new(Mutex::new(Ladder::new(1))), 0)
    }

    /// The rungs of one source that is encoded `count` times: streams with one clock, without media. Each has its own
    /// sources, tracks and readers. Hub time, epochs and the wall clock are those of all; equal stamps of one encoder are
    /// at equal hub times on all rungs.
    ///
    /// The first connection of any rung opens an epoch; those of the others join it, at whatever time they come. One that
    /// comes back alone, or for which another one takes its rung over, goes on in the epoch after a gap. When all rungs
    /// were gone, or dead, and come back, the first one's first frame opens the one new epoch.
    ///
    /// On a ladder of several rungs, tracks have ids under 2048; frames of others are dropped.
    ///
    /// # Panics
    /// When `count` is zero or over [`MAX_RUNGS`].
    pub fn ladder(limits: Limits, count: usize) -> Vec<Arc<Self>> {
        assert!((1..=MAX_RUNGS).contains(&count), "a ladder has 1 to {MAX_RUNGS} rungs");
        let ladder = Arc::new(Mutex::new(Ladder::new(count)));
        (0..count).map(|rung| Self::rung(limits, &ladder, rung)).collect()
    }

    /// One more rung of the same ladder. None: it has had [`MAX_RUNGS`] already, those that ended included.
    pub fn add_rung(&self, limits: Limits) -> Option<Arc<Self>> {
        let rung = self.lock().add()?;
        Some(Self::rung(limits, &self.ladder, rung))
    }

    fn rung(limits: Limits, ladder: &Arc<Mutex<Ladder>>, rung: usize) -> Arc<Self> {
        Arc::new(Self {
            ring: Ring::new(limits),
            ladder: Arc::clone(ladder),
            rung,
            waiting: AtomicUsize::new(0),
        })
    }

    /// A new source takes the stream; one that held it before can write no more. Its first frame opens an epoch, but for
    /// a rung whose ladder runs, see [`Stream::ladder`].
    pub fn open(self: &Arc<Self>, clock: SourceClock) -> Feed {
        let id = self.lock().open(self.rung, clock);
        Feed { stream: Arc::clone(self), id }
    }

    /// A reader that begins at the newest key frame, or at the next one. None: the stream has ended.
    pub fn subscribe(&self) -> Option<Cursor<Entry>> {
        self.ring.subscribe()
    }

    /// Says that somebody waits for each frame as it comes. Readers that cut segments do not: for them a source may
    /// bring its frames a moment later and several together, which is cheaper.
    pub fn hasten(self: &Arc<Self>) -> Haste {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Haste(Arc::clone(self))
    }

    /// Whether anybody waits for each frame.
    pub fn is_awaited(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Ends the stream: readers get what is left and then the end. Other rungs go on.
    pub fn close(&self) {
        self.ring.close();
    }

    /// What people want to know of it at the monotonic time `now`.
    pub fn status(&self, now: Duration) -> Status {
        self.lock().status(self.rung, now)
    }

    /// The writers' state is whole between any two statements that can panic.
    fn lock(&self) -> MutexGuard<'_, Ladder> {
        self.ladder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed {
    /// The tracks of this source, in force from its next frame on. Only tracks that were seen in the bitstream
    /// belong here; a changed configuration or a further track is told by calling this again.
    pub fn set_tracks(&self, tracks: Vec<Track>) {
        self.stream.lock().set_tracks(self.stream.rung, self.id, tracks);
    }

    /// One access unit, with its decode time as the source counts it (`dts`, which may wrap) and the distance of
    /// its presentation time (`cts`) in the same units.
    pub fn push(&self, now: Arrival, track: TrackId, dts: u64, cts: i64, key: bool, data: Bytes) -> Pushed {
        let mut ladder = self.stream.lock();
        if !ladder.is_current(self.stream.rung, self.id) {
            return Pushed::Refused;
        }
        // Written under the ladder's lock, so that entries enter the ring in the order of the timeline.
        let take = |entry| self.stream.ring.push(entry);
        ladder.push(self.stream.rung, self.id, now, Unit { track, dts, cts, key, data }, take)
    }

    /// The hub time of a stamp of this source, by the frames that it has pushed so far; none before the first.
    pub fn hub_time(&self, stamp: u64) -> Option<Timestamp> {
        self.stream.lock().hub_time(self.id, stamp)
    }

    /// Whether anybody waits for each frame, see [`Stream::hasten`].
    pub fn is_awaited(&self) -> bool {
        self.stream.is_awaited()
    }

    /// Whether this source still holds the stream.
    pub fn is_current(&self) -> bool {
        self.stream.lock().is_current(self.stream.rung, self.id)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.stream.lock().close(self.stream.rung, self.id);
    }
}

#[cfg(test)]
mod tests;

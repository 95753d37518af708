//! From a source's demultiplexed media to the hub: which tracks there are, and from when on.
//!
//! A source tells its tracks one after the other. If the first frame went out before the second track was
//! known, every output would start with a program that changes at once. So frames are held until each announced
//! track has been seen, for [`PATIENCE`] at most.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hub::Pushed;
use media::timeline::Arrival;
use media::{Codec, Kind, Track, TrackId};

/// How long the first frames wait for a second track, by arrival and by source time.
const PATIENCE: Duration = Duration::from_secs(1);
/// Bytes that may wait: a burst at the start ends the patience early.
const MAX_HELD_BYTES: usize = 16 << 20;
/// Frames that may wait.
const MAX_HELD_FRAMES: usize = 2000;

/// One access unit in its source's time.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) track: TrackId,
    /// Decode time in source ticks, as it came.
    pub(crate) dts: u64,
    /// Presentation time less decode time, in source ticks.
    pub(crate) cts: i64,
    pub(crate) key: bool,
    pub(crate) data: Bytes,
}

/// A source's way into the hub.
pub(crate) struct Intake {
    feed: Arc<hub::Feed>,
    tracks: BTreeMap<TrackId, Known>,
    held: Vec<(Arrival, Unit)>,
    held_bytes: usize,
    live: bool,
}

struct Known {
    codec: Codec,
    /// A frame has come: the track is real and not only promised.
    seen: bool,
}

impl Intake {
    pub(crate) fn new(feed: Arc<hub::Feed>) -> Self {
        Self { feed, tracks: BTreeMap::new(), held: Vec::new(), held_bytes: 0, live: false }
    }

    /// A track is promised, or has a new configuration.
    pub(crate) fn track(&mut self, id: TrackId, codec: Codec) {
        let seen = self.tracks.get(&id).is_some_and(|known| known.seen);
        let changed = self.tracks.get(&id).is_none_or(|known| known.codec != codec);
        self.tracks.insert(id, Known { codec, seen });
        if self.live && seen && changed {
            self.announce();
        }
    }

    /// One access unit; of a track that was never promised it is dropped.
    pub(crate) fn unit(&mut self, now: Arrival, unit: Unit) -> Pushed {
        let Some(known) = self.tracks.get_mut(&unit.track) else { return Pushed::Taken };
        let first = !std::mem::replace(&mut known.seen, true);
        if self.live {
            if first {
                self.announce();
            }
            return self.push(now, unit);
        }
        self.held_bytes += unit.data.len();
        self.held.push((now, unit));
        if !self.is_complete(now) {
            return if self.feed.is_current() { Pushed::Taken } else { Pushed::Refused };
        }
        self.live = true;
        self.announce();
        let held = std::mem::take(&mut self.held);
        held.into_iter().fold(Pushed::Taken, |_, (arrival, unit)| self.push(arrival, unit))
    }

    fn push(&self, now: Arrival, unit: Unit) -> Pushed {
        self.feed.push(now, unit.track, unit.dts, unit.cts, unit.key, unit.data)
    }

    fn announce(&self) {
        let seen = self.tracks.iter().filter(|(_, known)| known.seen);
        self.feed.set_tracks(seen.map(|(&id, known)| Track { id, codec: known.codec.clone() }).collect());
    }

    /// Every promised track has come and there are sound and picture, or waiting longer is no use.
    fn is_complete(&self, now: Arrival) -> bool {
        let has = |kind| self.tracks.values().any(|known| known.seen && known.codec.kind() == kind);
        if has(Kind::Video) && has(Kind::Audio) && self.tracks.values().all(|known| known.seen) {
            return true;
        }
        let waited =
            self.held.first().is_some_and(|(first, _)| now.mono.saturating_sub(first.mono) >= PATIENCE);
        waited || self.held.len() >= MAX_HELD_FRAMES || self.held_bytes >= MAX_HELD_BYTES
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use hub::{Cursor, Entry, Limits, Stream};
    use media::Timestamp;
    use media::codec::{aac, opaque};
    use media::timeline::SourceClock;

    use super::*;

    fn sound() -> Codec {
        Codec::Aac(aac::Config::decode(&[0x11, 0x90]).expect("48 kHz stereo"))
    }

    fn data() -> Codec {
        Codec::Opaque(opaque::Config { stream_type: 6, descriptors: Bytes::new() })
    }

    struct Source {
        stream: Arc<Stream>,
        intake: Intake,
        cursor: Cursor<Entry>,
    }

    impl Source {
        fn new() -> Self {
            let stream = Stream::new(Limits { keep_unread: true, ..Limits::default() });
            let intake = Intake::new(Arc::new(stream.open(SourceClock::RTMP)));
            let cursor = stream.subscribe().expect("open");
            Self { stream, intake, cursor }
        }

        fn send(&mut self, track: TrackId, ms: u64) -> bool {
            let mono = Duration::from_millis(ms);
            let now = Arrival { mono, wall: Timestamp::from_duration(mono) };
            let data = Bytes::from_static(b"unit");
            self.intake.unit(now, Unit { track, dts: ms, cts: 0, key: true, data }) != Pushed::Refused
        }

        /// How many tracks each frame that has come out belongs beside.
        fn tracks_of_frames(&mut self) -> Vec<usize> {
            let mut entries = Vec::new();
            let _ = self.cursor.poll_read(&mut Context::from_waker(Waker::noop()), &mut entries, usize::MAX);
            entries.iter().map(|entry| entry.context.tracks.len()).collect()
        }
    }

    #[test]
    fn a_source_of_one_kind_is_waited_for_no_longer_than_a_second() {
        let mut source = Source::new();
        source.intake.track(TrackId::AUDIO, sound());
        for ms in (0..1000).step_by(20) {
            assert!(source.send(TrackId::AUDIO, ms));
        }
        assert_eq!(source.tracks_of_frames(), [0; 0]);
        source.send(TrackId::AUDIO, 1000);
        assert_eq!(source.tracks_of_frames(), [1; 51], "and nothing of it is lost");
    }

    #[test]
    fn what_is_promised_and_never_comes_is_not_announced_and_what_comes_late_is() {
        let mut source = Source::new();
        source.intake.track(TrackId::AUDIO, sound());
        source.intake.track(TrackId(2), data());
        for ms in (0..1100).step_by(20) {
            source.send(TrackId::AUDIO, ms);
        }
        assert!(source.tracks_of_frames().iter().all(|&tracks| tracks == 1));
        source.send(TrackId(2), 1100);
        assert_eq!(source.tracks_of_frames(), [2]);
        assert!(source.send(TrackId(9), 1120), "a track that nobody promised is passed over");
        assert_eq!(source.tracks_of_frames(), [0; 0]);
    }

    #[test]
    fn a_source_that_lost_its_stream_learns_it_while_it_waits() {
        let mut source = Source::new();
        source.intake.track(TrackId::AUDIO, sound());
        assert!(source.send(TrackId::AUDIO, 0));
        let _other = source.stream.open(SourceClock::RTMP);
        assert!(!source.send(TrackId::AUDIO, 20));
    }
}

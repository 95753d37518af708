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
/// Units per second of the clock of a transport stream.
const STAMPS_PER_SECOND: u32 = 90_000;

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

/// What went to the hub.
#[derive(Debug, Default)]
pub(crate) struct Delivered {
    /// Access units.
    pub(crate) units: usize,
    /// Another source has taken the stream.
    pub(crate) taken_over: bool,
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
    /// None: it is promised, and that is all.
    codec: Option<Codec>,
    /// A frame has come: the track is real and not only promised.
    seen: bool,
    /// The source has it no more, since then.
    removed: Option<Duration>,
}

impl Intake {
    pub(crate) fn new(feed: Arc<hub::Feed>) -> Self {
        Self { feed, tracks: BTreeMap::new(), held: Vec::new(), held_bytes: 0, live: false }
    }

    /// A track is promised of which nothing more is known yet.
    pub(crate) fn promise(&mut self, id: TrackId) {
        self.tracks.entry(id).or_insert(Known { codec: None, seen: false, removed: None });
    }

    /// A track that was promised is not waited for any more.
    pub(crate) fn forget(&mut self, id: TrackId) {
        if self.tracks.get(&id).is_some_and(|known| known.codec.is_none()) {
            self.tracks.remove(&id);
        }
    }

    /// A track is promised, or has a new configuration. One that is not parsed is there from now on: its frames may be rare.
    pub(crate) fn track(&mut self, id: TrackId, codec: Codec) {
        let known = self.tracks.get(&id);
        let seen = known.is_some_and(|known| known.seen) || codec.kind() == Kind::Data;
        let changed = known.is_none_or(|known| known.codec.as_ref() != Some(&codec));
        self.tracks.insert(id, Known { codec: Some(codec), seen, removed: None });
        if self.live && seen && changed {
            self.announce();
        }
    }

    /// The source has a track no more. What was announced of it stands for [`PATIENCE`] still, or until another change: where
    /// a track takes the place of another, outputs see one change and not two.
    pub(crate) fn remove(&mut self, now: Arrival, id: TrackId) {
        let Some(known) = self.tracks.get_mut(&id) else { return };
        if self.live && known.seen {
            known.removed = Some(now.mono);
        } else {
            self.tracks.remove(&id);
            self.held.retain(|(_, unit)| unit.track != id);
            self.held_bytes = self.held.iter().map(|(_, unit)| unit.data.len()).sum();
        }
    }

    /// One access unit; of a track that was never promised it is dropped.
    pub(crate) fn unit(&mut self, now: Arrival, unit: Unit) -> Pushed {
        let is_over =
            |known: &Known| known.removed.is_some_and(|since| now.mono.saturating_sub(since) >= PATIENCE);
        if self.tracks.values().any(is_over) {
            self.announce();
        }
        let Some(known) = self.tracks.get_mut(&unit.track).filter(|known| known.codec.is_some()) else {
            return Pushed::Taken;
        };
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

    fn push(&self, now: Arrival, mut unit: Unit) -> Pushed {
        let codec = self.tracks.get(&unit.track).and_then(|known| known.codec.as_ref());
        if codec.is_some_and(mpegts::is_splice_info) {
            // One that has no place in time says nothing.
            let Some(section) = self.splice_info(&unit) else { return Pushed::Taken };
            unit.data = section;
        }
        self.feed.push(now, unit.track, unit.dts, unit.cts, unit.key, unit.data)
    }

    /// A splice information section with times on hub time. It comes out of a transport stream, whose clock has 90 kHz.
    fn splice_info(&self, unit: &Unit) -> Option<Bytes> {
        let time = self.feed.hub_time(unit.dts)?.to_scale(STAMPS_PER_SECOND);
        mpegts::shift_splice(&unit.data, time.wrapping_sub_unsigned(unit.dts))
    }

    fn announce(&mut self) {
        self.tracks.retain(|_, known| known.removed.is_none());
        let seen = self.tracks.iter().filter(|(_, known)| known.seen);
        let track = |(&id, known): (&TrackId, &Known)| Some(Track { id, codec: known.codec.clone()? });
        self.feed.set_tracks(seen.filter_map(track).collect());
    }

    /// Every promised track has come and there are sound and picture, or waiting longer is no use.
    fn is_complete(&self, now: Arrival) -> bool {
        let seen = || self.tracks.values().filter(|known| known.seen);
        let has = |kind| seen().any(|known| known.codec.as_ref().is_some_and(|codec| codec.kind() == kind));
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

    fn now(ms: u64) -> Arrival {
        let mono = Duration::from_millis(ms);
        Arrival { mono, wall: Timestamp::from_duration(mono) }
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
            let data = Bytes::from_static(b"unit");
            self.intake.unit(now(ms), Unit { track, dts: ms, cts: 0, key: true, data }) != Pushed::Refused
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
        source.intake.track(TrackId(2), sound());
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
    fn a_promise_is_waited_for_like_a_track_and_data_is_there_when_it_is_told() {
        let mut source = Source::new();
        source.intake.promise(TrackId(3));
        source.intake.track(TrackId::AUDIO, sound());
        source.intake.track(TrackId(2), data());
        for ms in (0..980).step_by(20) {
            source.send(TrackId::AUDIO, ms);
        }
        assert!(source.send(TrackId(3), 980), "nobody knows how to read it yet");
        assert_eq!(source.tracks_of_frames(), [0; 0]);
        source.send(TrackId::AUDIO, 1000);
        assert_eq!(source.tracks_of_frames(), [2; 50]);
        source.intake.track(TrackId(3), sound());
        source.send(TrackId(3), 1020);
        assert_eq!(source.tracks_of_frames(), [3]);
    }

    #[test]
    fn a_track_that_is_removed_makes_room_for_another_in_one_change() {
        let mut source = Source::new();
        source.intake.track(TrackId::AUDIO, sound());
        source.intake.track(TrackId(2), data());
        source.intake.track(TrackId(3), data());
        for ms in (0..=1000).step_by(20) {
            source.send(TrackId::AUDIO, ms);
        }
        assert_eq!(source.tracks_of_frames(), [3; 51]);
        source.intake.remove(now(1000), TrackId(2));
        source.send(TrackId::AUDIO, 1020);
        source.intake.track(TrackId(4), data());
        source.send(TrackId::AUDIO, 1040);
        assert_eq!(source.tracks_of_frames(), [3, 3]);
        source.intake.remove(now(1040), TrackId(4));
        for ms in [1060, 2020, 2040] {
            source.send(TrackId::AUDIO, ms);
        }
        assert_eq!(source.tracks_of_frames(), [3, 3, 2], "none has come in its place");
        source.intake.remove(now(2040), TrackId(3));
        source.intake.track(TrackId(3), data());
        source.send(TrackId::AUDIO, 4000);
        assert_eq!(source.tracks_of_frames(), [2], "it is back");
    }

    #[test]
    fn what_is_removed_or_forgotten_before_anything_went_out_never_was() {
        let mut source = Source::new();
        source.intake.promise(TrackId(3));
        source.intake.track(TrackId::AUDIO, sound());
        source.intake.track(TrackId(2), data());
        source.send(TrackId(2), 0);
        source.intake.remove(now(0), TrackId(2));
        source.intake.forget(TrackId(3));
        source.intake.forget(TrackId::AUDIO);
        for ms in (0..=1000).step_by(20) {
            source.send(TrackId::AUDIO, ms);
        }
        assert_eq!(source.tracks_of_frames(), [1; 51]);
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

//! A stream: its clock, its tracks and its ring, for as long as it is configured.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use media::codec::opus;
use media::timeline::{
    Anchor, Arrival, Epoch, FeedId, Pace, Role, Sample, SourceClock, Stats, Step, Timeline,
};
use media::{Codec, Frame, Kind, TimeDelta, Timestamp, Track, TrackId};

use crate::rate::Rate;
use crate::{Context, Cursor, Entry, Limits, Ring};

/// A stream. Sources come and go, the stream and its readers stay.
pub struct Stream {
    ring: Ring<Entry>,
    writer: Mutex<Writer>,
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

struct Writer {
    timeline: Timeline,
    next_feed: u32,
    /// The connection that may write; another one that was open before it is refused.
    feed: Option<FeedId>,
    /// The tracks of the feed, in force from its next frame on.
    tracks: Option<Arc<[Track]>>,
    /// Those of its tracks whose frames say themselves how long they last.
    opus: Vec<TrackId>,
    context: Option<Arc<Context>>,
    counters: BTreeMap<TrackId, Counters>,
    rate: Rate,
    last_key: Option<Timestamp>,
    gop: Option<TimeDelta>,
    last_arrival: Option<Duration>,
}

#[derive(Default)]
struct Counters {
    frames: u64,
    bytes: u64,
    duration: TimeDelta,
}

/// A source's right to write. Dropping it ends the source; the stream goes on without media.
pub struct Feed {
    stream: Arc<Stream>,
    id: FeedId,
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
}

/// A snapshot of a stream for people.
#[derive(Clone, Debug)]
pub struct Status {
    /// A source holds the stream now.
    pub fed: bool,
    /// The running or last epoch.
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
    /// What the timeline had to do.
    pub timeline: Stats,
}

impl Stream {
    /// A stream without media.
    pub fn new(limits: Limits) -> Arc<Self> {
        let writer = Writer {
            timeline: Timeline::new(),
            next_feed: 0,
            feed: None,
            tracks: None,
            opus: Vec::new(),
            context: None,
            counters: BTreeMap::new(),
            rate: Rate::default(),
            last_key: None,
            gop: None,
            last_arrival: None,
        };
        Arc::new(Self { ring: Ring::new(limits), writer: Mutex::new(writer), waiting: AtomicUsize::new(0) })
    }

    /// A new source takes the stream; one that held it before can write no more. Its first frame opens an epoch.
    pub fn open(self: &Arc<Self>, clock: SourceClock) -> Feed {
        let mut writer = self.lock();
        if let Some(old) = writer.feed.take() {
            writer.timeline.close(old);
        }
        let id = FeedId(writer.next_feed);
        writer.next_feed = writer.next_feed.wrapping_add(1);
        writer.timeline.open(id, clock, Role::Source);
        writer.feed = Some(id);
        writer.tracks = None;
        drop(writer);
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

    /// Ends the stream: readers get what is left and then the end.
    pub fn close(&self) {
        self.ring.close();
    }

    /// What people want to know of it at the monotonic time `now`.
    pub fn status(&self, now: Duration) -> Status {
        let writer = self.lock();
        let context = writer.context.as_deref();
        let known = |track: &Track| {
            let counters = writer.counters.get(&track.id);
            TrackStatus {
                track: track.clone(),
                frames: counters.map_or(0, |c| c.frames),
                bytes: counters.map_or(0, |c| c.bytes),
                frame_duration: counters.map_or(TimeDelta::ZERO, |c| c.duration),
            }
        };
        Status {
            fed: writer.feed.is_some(),
            epoch: context.map(|context| context.epoch),
            anchor: context.and_then(|context| context.anchor),
            tracks: context.map(|context| context.tracks.iter().map(known).collect()).unwrap_or_default(),
            bits_per_second: writer.rate.bits_per_second(now),
            gop: writer.gop,
            last_arrival: writer.last_arrival,
            timeline: writer.timeline.stats(),
        }
    }

    /// The writer's state is whole between any two statements that can panic.
    fn lock(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed {
    /// The tracks of this source, in force from its next frame on. Only tracks that were seen in the bitstream
    /// belong here; a changed configuration or a further track is told by calling this again.
    pub fn set_tracks(&self, tracks: Vec<Track>) {
        let mut writer = self.stream.lock();
        if writer.feed != Some(self.id) {
            return;
        }
        for track in &tracks {
            writer.timeline.set_pace(self.id, track.id, pace(&track.codec));
        }
        let is_opus = |track: &&Track| matches!(track.codec, Codec::Opus(_));
        writer.opus = tracks.iter().filter(is_opus).map(|track| track.id).collect();
        writer.tracks = Some(tracks.into());
    }

    /// One access unit, with its decode time as the source counts it (`dts`, which may wrap) and the distance of
    /// its presentation time (`cts`) in the same units. False: another source has taken the stream.
    pub fn push(&self, now: Arrival, track: TrackId, dts: u64, cts: i64, key: bool, data: Bytes) -> bool {
        let mut writer = self.stream.lock();
        if writer.feed != Some(self.id) {
            return false;
        }
        if writer.opus.contains(&track) {
            let pace =
                Pace::Audio { sample_rate: opus::SAMPLE_RATE, samples_per_frame: opus::samples(&data) };
            writer.timeline.set_pace(self.id, track, pace);
        }
        let step = writer.timeline.push(now, Sample { feed: self.id, track, dts, cts, key, data });
        if let Some(entry) = writer.accept(now, step) {
            // Written under the writer's lock, so that entries enter the ring in the order of the timeline.
            self.stream.ring.push(entry);
        }
        true
    }

    /// Whether anybody waits for each frame, see [`Stream::hasten`].
    pub fn is_awaited(&self) -> bool {
        self.stream.is_awaited()
    }

    /// Whether this source still holds the stream.
    pub fn is_current(&self) -> bool {
        self.stream.lock().feed == Some(self.id)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let mut writer = self.stream.lock();
        if writer.feed == Some(self.id) {
            writer.timeline.close(self.id);
            writer.feed = None;
        }
    }
}

impl Writer {
    /// Takes over what the timeline says and makes the entry of its frame.
    fn accept(&mut self, now: Arrival, step: Step) -> Option<Entry> {
        if step.epoch.is_some() {
            self.counters.clear();
            self.last_key = None;
        }
        let pending = self.tracks.take();
        if step.epoch.is_some() || step.anchor.is_some() || pending.is_some() {
            self.update_context(step.epoch, step.anchor, pending);
        }
        let frame = step.frame?;
        let context = Arc::clone(self.context.as_ref()?);
        let start = self.is_start(&context, &frame);
        self.count(now, &frame, start);
        Some(Entry { context, frame, arrival: now.mono, start })
    }

    fn update_context(&mut self, epoch: Option<Epoch>, anchor: Option<Anchor>, tracks: Option<Arc<[Track]>>) {
        let old = self.context.as_deref();
        let Some(current) = epoch.or_else(|| old.map(|context| context.epoch)) else {
            self.tracks = tracks;
            return;
        };
        let tracks =
            tracks.or_else(|| old.map(|context| Arc::clone(&context.tracks))).unwrap_or_else(|| [].into());
        let inherited = if epoch.is_some() { None } else { old.and_then(|context| context.anchor) };
        let context = Context { epoch: current, tracks, anchor: anchor.or(inherited) };
        if old != Some(&context) {
            self.context = Some(Arc::new(context));
        }
    }

    fn is_start(&self, context: &Context, frame: &Frame) -> bool {
        let is_video = |track: &&Track| track.codec.kind() == Kind::Video;
        match context.tracks.iter().find(is_video) {
            Some(video) => frame.key && frame.track == video.id,
            None => frame.key,
        }
    }

    fn count(&mut self, now: Arrival, frame: &Frame, start: bool) {
        let counters = self.counters.entry(frame.track).or_default();
        counters.frames += 1;
        counters.bytes += frame.data.len() as u64;
        counters.duration = frame.duration;
        self.rate.add(now.mono, frame.data.len());
        self.last_arrival = Some(now.mono);
        if start {
            self.gop = self.last_key.map(|last| frame.dts - last).or(self.gop);
            self.last_key = Some(frame.dts);
        }
    }
}

/// How the timeline may expect a codec's frames to follow each other.
fn pace(codec: &Codec) -> Pace {
    match (codec.audio(), codec.video()) {
        (Some(audio), _) => {
            Pace::Audio { sample_rate: audio.sample_rate, samples_per_frame: audio.samples_per_frame }
        }
        (None, Some(video)) => Pace::Video { frame_rate: video.frame_rate },
        (None, None) => Pace::Free,
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Poll, Waker};

    use media::codec::{aac, opaque};

    use super::*;
    use crate::Read;

    fn sound(id: u16) -> Track {
        Track {
            id: TrackId(id),
            codec: Codec::Aac(aac::Config::decode(&[0x11, 0x90]).expect("48 kHz stereo")),
        }
    }

    fn data(id: u16) -> Track {
        let config = opaque::Config { stream_type: 6, descriptors: Bytes::new() };
        Track { id: TrackId(id), codec: Codec::Opaque(config) }
    }

    fn at(ms: u64) -> Arrival {
        let mono = Duration::from_millis(ms);
        Arrival { mono, wall: Timestamp::from_duration(Duration::from_secs(1_700_000_000) + mono) }
    }

    /// Pushes one frame per 20 ms from `from` to `to`, as a source that started at `zero` has them.
    fn feed_sound(feed: &Feed, zero: u64, from: u64, to: u64) {
        for ms in (from..to).step_by(20) {
            feed.push(at(ms), TrackId(0), ms - zero, 0, true, Bytes::from_static(b"frame"));
        }
    }

    fn read(cursor: &mut Cursor<Entry>) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut cx = std::task::Context::from_waker(Waker::noop());
        assert_eq!(cursor.poll_read(&mut cx, &mut entries, usize::MAX), Poll::Ready(Read::Items));
        entries
    }

    #[test]
    fn the_stream_outlives_its_sources_and_the_context_tells_of_the_change() {
        let stream = Stream::new(Limits { keep_unread: true, ..Limits::default() });
        let mut cursor = stream.subscribe().expect("open");
        let first = stream.open(SourceClock::RTMP);
        first.set_tracks(vec![data(0)]);
        feed_sound(&first, 0, 0, 2000);
        drop(first);
        assert!(!stream.status(Duration::from_secs(2)).fed);
        let second = stream.open(SourceClock::RTMP);
        second.set_tracks(vec![data(0), data(1)]);
        feed_sound(&second, 5000, 5000, 7000);
        let entries = read(&mut cursor);
        let epochs: Vec<u64> = entries.iter().map(|entry| entry.context.epoch.id).collect();
        assert!(epochs.is_sorted() && epochs.first() != epochs.last());
        assert!(entries.is_sorted_by(|a, b| a.frame.dts < b.frame.dts), "hub time never goes back");
        let gap = entries.windows(2).map(|pair| pair[1].frame.dts - pair[0].frame.dts).max().expect("pairs");
        assert!(
            (gap - TimeDelta::from_millis(3020)).abs() < TimeDelta::from_millis(50),
            "the time between: {gap:?}"
        );
        assert_eq!(
            (entries[0].context.tracks.len(), entries[entries.len() - 1].context.tracks.len()),
            (1, 2)
        );
        assert!(entries[entries.len() - 1].context.anchor.is_some(), "settled");
    }

    #[test]
    fn who_took_the_stream_last_is_the_one_who_may_write() {
        let stream = Stream::new(Limits::default());
        let old = stream.open(SourceClock::RTMP);
        old.set_tracks(vec![data(0)]);
        let new = stream.open(SourceClock::RTMP);
        new.set_tracks(vec![data(0)]);
        assert!(!old.push(at(0), TrackId(0), 0, 0, true, Bytes::new()));
        assert!(!old.is_current() && new.is_current());
        drop(old);
        assert!(stream.status(Duration::ZERO).fed, "leaving late ends nobody else's source");
        assert!(new.push(at(0), TrackId(0), 0, 0, true, Bytes::new()));
    }

    #[test]
    fn status_tells_tracks_and_rate() {
        let stream = Stream::new(Limits::default());
        let feed = stream.open(SourceClock::RTMP);
        feed.set_tracks(vec![sound(0)]);
        feed_sound(&feed, 0, 0, 4000);
        let status = stream.status(Duration::from_secs(4));
        assert_eq!(status.tracks.len(), 1);
        assert_eq!((status.tracks[0].frames, status.tracks[0].bytes), (200, 1000));
        assert!((1900..=2100).contains(&status.bits_per_second), "{}", status.bits_per_second);
    }

    #[test]
    fn opus_frames_last_as_long_as_they_say() {
        let stream = Stream::new(Limits::default());
        let mut cursor = stream.subscribe().expect("open");
        let feed = stream.open(SourceClock::RTMP);
        let head = b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0";
        let config = opus::Config::decode(head).expect("stereo");
        feed.set_tracks(vec![Track { id: TrackId(0), codec: Codec::Opus(config) }]);
        // RFC 6716 3.1: configuration 31 is CELT with 20 ms, one frame per packet.
        for ms in (0..200).step_by(20) {
            feed.push(at(ms), TrackId(0), ms, 0, true, Bytes::from_static(&[31 << 3, 0]));
        }
        assert!(read(&mut cursor).iter().all(|entry| entry.frame.duration == TimeDelta::from_millis(20)));
    }

    #[test]
    fn who_waits_for_frames_is_counted() {
        let stream = Stream::new(Limits::default());
        let feed = stream.open(SourceClock::RTMP);
        let viewers = [stream.hasten(), stream.hasten()];
        assert!(feed.is_awaited());
        drop(viewers);
        assert!(!feed.is_awaited());
    }

    #[test]
    fn a_closed_stream_ends_its_readers_and_takes_no_new_ones() {
        let stream = Stream::new(Limits::default());
        stream.close();
        assert!(stream.subscribe().is_none());
    }
}

//! Streams to feed a carrier with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hub::{Context, Entry};
use media::codec::{aac, flac, h264};
use media::timeline::{Anchor, Epoch};
use media::{Codec, Frame, TimeDelta, Timestamp, Track, TrackId};
use rillcast_packager::hls::{MULTIVARIANT, Output};
use rillcast_packager::ladder::{Segmenter, Slot, Unit};
use rillcast_packager::segment::Changes;
use rillcast_packager::ts::{Carrier, Chunk, Past};
use rillcast_packager::{Rung, Settings, cut};

/// Unix second at which the streams of these tests begin.
pub(crate) const START_S: i64 = 1_772_366_400;

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_scale(START_S, 1) + TimeDelta::from_millis(ms)
}

/// H.264 high profile, 1280x720; the frame rate is in the VUI.
pub(crate) fn video() -> Track {
    let sps = b"\x67\x64\x00\x1f\xac\xd9\x40\x50\x05\xbb\x01\x10\x00\x00\x03\x00\x10\x00\x00\x03\x03\x20\xf1\x83\x19\x60";
    let pps = b"\x68\xeb\xe3\xcb\x22\xc0";
    let config = h264::Config::from_parameter_sets(&[Bytes::from_static(sps)], &[Bytes::from_static(pps)])
        .expect("parameter sets");
    Track { id: TrackId::VIDEO, codec: Codec::H264(config) }
}

/// H.264 of another size: the testkit's clip.
pub(crate) fn other_video() -> Track {
    testkit::clip().video_only().tracks.remove(0)
}

/// AAC-LC, 48 kHz, stereo.
pub(crate) fn sound() -> Track {
    Track {
        id: TrackId::AUDIO,
        codec: Codec::Aac(aac::Config::decode(&[0x11, 0x90]).expect("a configuration")),
    }
}

/// FLAC, which MPEG-TS cannot carry.
pub(crate) fn flac() -> Track {
    let mut info = vec![0x10, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0x0b, 0xb8, 0x02, 0xf0, 0, 0, 0, 0];
    info.resize(34, 0);
    Track { id: TrackId(2), codec: Codec::Flac(flac::Config::decode(&info).expect("STREAMINFO")) }
}

pub(crate) fn context(epoch: u64, tracks: Vec<Track>, anchored: bool) -> Arc<Context> {
    let anchor = anchored.then_some(Anchor { media: at(0), wall: at(0) });
    Arc::new(Context { epoch: Epoch { id: epoch, start: at(0) }, tracks: tracks.into(), anchor })
}

pub(crate) fn picture(context: &Arc<Context>, ms: i64, key: bool) -> Entry {
    let unit: &[u8] = if key { b"\0\0\0\x05\x65\x88\x84\x00\x21" } else { b"\0\0\0\x05\x41\x9a\x24\x6c\x41" };
    let frame = Frame {
        track: TrackId::VIDEO,
        dts: at(ms),
        pts: at(ms + 80),
        duration: TimeDelta::from_millis(40),
        key,
        data: Bytes::copy_from_slice(unit),
    };
    entry(context, frame, key)
}

pub(crate) fn sample(context: &Arc<Context>, ms: i64) -> Entry {
    let frame = Frame {
        track: TrackId::AUDIO,
        dts: at(ms),
        pts: at(ms),
        duration: TimeDelta::from_millis(20),
        key: true,
        data: Bytes::from_static(&[0x21; 32]),
    };
    entry(context, frame, false)
}

/// A frame that came in when it was due.
pub(crate) fn entry(context: &Arc<Context>, frame: Frame, start: bool) -> Entry {
    let arrival = (frame.dts - Timestamp::ZERO).to_duration();
    Entry { context: Arc::clone(context), frame, arrival, start }
}

/// 25 pictures a second from `from` to `until` ms, a key frame each `gop` ms, sound of 50 frames a second.
pub(crate) fn stream(context: &Arc<Context>, from: i64, until: i64, gop: i64) -> Vec<Entry> {
    let has = |id| context.tracks.iter().any(|track| track.id == id);
    let pictures = (from..until).step_by(40).filter(|_| has(TrackId::VIDEO));
    let samples = (from..until).step_by(20).filter(|_| has(TrackId::AUDIO));
    let mut entries: Vec<Entry> = pictures.map(|ms| picture(context, ms, (ms - from) % gop == 0)).collect();
    entries.extend(samples.map(|ms| sample(context, ms)));
    entries.sort_by_key(|entry| entry.frame.dts);
    entries
}

pub(crate) fn settings() -> Settings {
    Settings {
        rungs: vec![Rung { name: "track_1".to_owned(), ..Rung::default() }],
        run: "k3x9".to_owned(),
        target: Duration::from_secs(2),
        first_sequence: START_S as u64,
        first_discontinuity: 7_000,
        window: 12,
        history: 0,
    }
}

/// Where a segment begins.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Begun {
    /// The frame that it begins with.
    pub(crate) dts: Timestamp,
    pub(crate) slot: Slot,
    /// Where the one before ended.
    pub(crate) end: Option<Timestamp>,
    pub(crate) key: bool,
}

/// A carrier and what it has made.
pub(crate) struct Run {
    pub(crate) carrier: Carrier,
    segmenter: Segmenter<()>,
    pub(crate) output: Output,
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) begun: Vec<Begun>,
    /// Slots that ended, with the pieces of the one lane.
    pub(crate) ended: Vec<Slot>,
    /// Names of the segments that a player may ask for.
    pub(crate) available: BTreeMap<String, usize>,
}

/// What a segmenter is told of a chunk.
fn unit(chunk: &Chunk) -> Unit<()> {
    Unit {
        timing: chunk.timing,
        part: chunk.part,
        leads: chunk.part == cut::Part::Lead,
        join: chunk.join,
        program: chunk.join,
        arrival: chunk.arrival,
        context: chunk.context.clone(),
        tracks: chunk.tracks.clone(),
        size: chunk.bytes.len(),
        payload: (),
    }
}

impl Run {
    pub(crate) fn new() -> Self {
        Self::with(settings())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let mut segmenter = Segmenter::new(settings.target);
        segmenter.add_lane(0);
        Self {
            carrier: Carrier::new(),
            segmenter,
            output: Output::new(settings),
            chunks: Vec::new(),
            begun: Vec::new(),
            ended: Vec::new(),
            available: BTreeMap::new(),
        }
    }

    /// The carrier fails, and another one goes on.
    pub(crate) fn fail(&mut self) -> &mut Self {
        let mut past = Past::default();
        self.chunks.iter().for_each(|chunk| past.note(chunk));
        self.carrier = Carrier::resume(&past);
        self
    }

    pub(crate) fn push(&mut self, entries: &[Entry]) -> &mut Self {
        for entry in entries {
            let Some(chunk) = self.carrier.push(entry) else { continue };
            let rows = self.segmenter.push(0, unit(&chunk));
            self.ended.extend(rows.iter().map(|row| row.slot));
            let open = self.segmenter.open().expect("a slot is open while media comes");
            if self.begun.last().is_none_or(|begun| begun.slot.number != open.number) {
                let end = self.ended.last().map(|ended| ended.end());
                let (dts, key) = (chunk.timing.dts, chunk.timing.key);
                self.begun.push(Begun { dts, slot: open, end, key });
            }
            let changes = self.output.push(0, &chunk);
            self.take(&changes);
            self.chunks.push(chunk);
        }
        self
    }

    /// Nothing comes for 3 s.
    pub(crate) fn flush(&mut self) -> &mut Self {
        let now = self.chunks.last().map_or(Duration::ZERO, |chunk| chunk.arrival) + Duration::from_secs(3);
        self.ended.extend(self.segmenter.tick(now).iter().map(|row| row.slot));
        let changes = self.output.tick(now);
        self.take(&changes);
        self
    }

    fn take(&mut self, changes: &Changes) {
        for file in &changes.added {
            self.available.insert(file.name.clone(), file.parts.iter().map(Bytes::len).sum());
        }
        for name in &changes.removed {
            assert!(self.available.remove(name).is_some(), "{name} was not there");
        }
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8(self.output.text(name).expect("ready").to_vec()).expect("UTF-8")
    }

    pub(crate) fn media_playlist(&self) -> String {
        self.text("track_1.m3u8")
    }

    pub(crate) fn multivariant(&self) -> String {
        self.text(MULTIVARIANT)
    }

    /// The frames that begin segments, as milliseconds from the start.
    pub(crate) fn cuts(&self) -> Vec<i64> {
        self.begun.iter().map(|begun| (begun.dts - at(0)).to_scale(1000)).collect()
    }
}

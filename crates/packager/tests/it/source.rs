//! Streams to feed a carrier with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hub::{Context, Entry};
use media::codec::{aac, flac, h264};
use media::timeline::{Anchor, Epoch};
use media::{Codec, Frame, TimeDelta, Timestamp, Track, TrackId};
use rillcast_packager::hls::{Added, Output, Settings};
use rillcast_packager::ts::{Carrier, Chunk, Past};

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
        rendition: "track_1".to_owned(),
        run: "k3x9".to_owned(),
        first_sequence: START_S as u64,
        first_discontinuity: 7_000,
        window: 12,
        history: 0,
        bandwidth: 0,
    }
}

/// A carrier and what it has made.
pub(crate) struct Run {
    pub(crate) carrier: Carrier,
    pub(crate) output: Output,
    pub(crate) chunks: Vec<Chunk>,
    /// Names of the segments that a player may ask for, and when they start.
    pub(crate) available: BTreeMap<String, Timestamp>,
}

impl Run {
    pub(crate) fn new() -> Self {
        Self::with(settings())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let carrier = Carrier::new(Duration::from_secs(2));
        Self { carrier, output: Output::new(settings), chunks: Vec::new(), available: BTreeMap::new() }
    }

    /// The carrier fails, and another one goes on.
    pub(crate) fn fail(&mut self) -> &mut Self {
        let mut past = Past::default();
        self.chunks.iter().for_each(|chunk| past.note(chunk));
        self.carrier = Carrier::resume(Duration::from_secs(2), &past);
        self
    }

    pub(crate) fn push(&mut self, entries: &[Entry]) -> &mut Self {
        for entry in entries {
            let chunk = self.carrier.push(entry);
            self.take(chunk);
        }
        self
    }

    pub(crate) fn flush(&mut self) -> &mut Self {
        let chunk = self.carrier.flush();
        self.take(chunk);
        self
    }

    fn take(&mut self, chunk: Option<Chunk>) {
        if let Some(chunk) = chunk {
            let changes = self.output.push(&chunk);
            for Added { segment, .. } in changes.added {
                self.available.insert(segment.name.clone(), segment.body.start);
            }
            for name in changes.removed {
                assert!(self.available.remove(&name).is_some(), "{name} was not there");
            }
            self.chunks.push(chunk);
        }
    }

    pub(crate) fn media_playlist(&self) -> String {
        String::from_utf8(self.output.media_playlist().expect("ready").to_vec()).expect("UTF-8")
    }

    pub(crate) fn multivariant(&self) -> String {
        String::from_utf8(self.output.multivariant().expect("ready").to_vec()).expect("UTF-8")
    }

    /// The chunks that begin segments, as milliseconds from the start.
    pub(crate) fn cuts(&self) -> Vec<i64> {
        let cuts = self.chunks.iter().filter_map(|chunk| chunk.cut);
        cuts.map(|cut| (cut.start - at(0)).to_scale(1000)).collect()
    }
}

//! What a server would hold of an output, and what the samples in it have to be.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use hub::Entry;
use media::{Codec, Kind, TimeDelta, Timestamp};
use rillcast_packager::segment::Changes;

use crate::boxes::{Init, Sample, Segment};

/// The files of an output.
#[derive(Default)]
pub(crate) struct Store {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    names: BTreeSet<String>,
}

impl Store {
    /// Takes new files; no name is ever used twice.
    pub(crate) fn add(&mut self, changes: &Changes) {
        for file in &changes.added {
            assert!(self.names.insert(file.name.clone()), "{} is named twice", file.name);
            self.files.insert(file.name.clone(), file.parts.concat());
        }
    }

    /// Forgets files, which were there.
    pub(crate) fn remove(&mut self, changes: &Changes) {
        for name in &changes.removed {
            assert!(self.files.remove(name).is_some(), "{name} was not there");
        }
    }

    #[track_caller]
    pub(crate) fn get(&self, name: &str) -> &[u8] {
        self.files.get(name).unwrap_or_else(|| panic!("{name} cannot be fetched"))
    }
}

/// All frames that came from the hub.
#[derive(Default)]
pub(crate) struct Book {
    /// By rung and kind, and by decode time.
    frames: BTreeMap<(usize, bool), BTreeMap<Timestamp, Written>>,
}

struct Written {
    shown: Timestamp,
    key: bool,
    payload: Vec<u8>,
    /// Of pictures, as their configuration has it.
    size: Option<(u32, u32)>,
}

impl Book {
    pub(crate) fn note(&mut self, rung: usize, entry: &Entry) {
        let frame = &entry.frame;
        let codec =
            entry.context.tracks.iter().find(|track| track.id == frame.track).map(|track| &track.codec);
        let Some(codec) = codec else { return };
        let is_video = codec.kind() == Kind::Video;
        let size = codec.video().map(|video| (video.width, video.height));
        let payload = payload(codec, &frame.data);
        if payload.is_empty() {
            return;
        }
        let written = Written { shown: frame.pts, key: frame.key, payload, size };
        self.frames.entry((rung, is_video)).or_default().insert(frame.dts, written);
    }

    /// Frames of a rung from that time on.
    pub(crate) fn count(&self, rung: usize, is_video: bool, from: Timestamp) -> usize {
        self.frames.get(&(rung, is_video)).map_or(0, |frames| frames.range(from..).count())
    }

    /// Holds the samples of a segment against what came in: `rung` fed it, or any did where that is not known.
    pub(crate) fn check(&self, segment: &Segment, rung: Option<usize>, init: &Init) {
        let size = init.size.map(|(width, height)| (width.into(), height.into()));
        for sample in &segment.samples {
            let mut known = self
                .frames
                .iter()
                .filter(|((of, video), _)| *video == size.is_some() && rung.is_none_or(|rung| rung == *of));
            let found = known.any(|(_, frames)| is_among(frames, sample, init.timescale, size));
            let Sample { decoded, shown, sync, data, .. } = sample;
            assert!(found, "no such frame: {decoded} {shown} {sync} of {} bytes, rung {rung:?}", data.len());
        }
    }
}

fn is_among(
    frames: &BTreeMap<Timestamp, Written>,
    sample: &Sample,
    timescale: u32,
    size: Option<(u32, u32)>,
) -> bool {
    let at = Timestamp::from_scale(sample.decoded, timescale);
    let unit = TimeDelta::from_scale(1, timescale);
    frames.range(at - unit..=at + unit).any(|(decoded, written)| {
        decoded.to_scale(timescale) == sample.decoded
            && written.shown.to_scale(timescale) == sample.shown
            && written.key == sample.sync
            && written.payload == sample.data
            && written.size == size
    })
}

fn payload(codec: &Codec, data: &Bytes) -> Vec<u8> {
    let mut parts = Vec::new();
    fmp4::payload(codec, data, &mut parts);
    parts.concat()
}

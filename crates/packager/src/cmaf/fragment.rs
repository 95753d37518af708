//! Segments of one track.

use std::sync::Arc;

use bytes::Bytes;
use media::{Codec, Kind, TimeDelta, Timestamp};

use crate::ladder::{Piece, Unit};
use crate::segment::{Body, File, FileKind, Fragment};
use crate::window::Cell;

/// Language of tracks of which none is known (ISO 639-2).
const UNDETERMINED: &str = "und";

/// Makes the segments of a lane.
#[derive(Debug)]
pub(super) struct Maker {
    name: String,
    run: String,
    /// Initialization segments made so far.
    inits: u32,
    track: Option<Made>,
    /// Where the newest piece ended.
    ended: Option<Timestamp>,
}

/// The track as the newest initialization segment has it.
#[derive(Debug)]
struct Made {
    codec: Codec,
    init: Arc<str>,
    timescale: u32,
    /// How much later than decoded the picture of a segment is shown that is shown first. It is measured where there is
    /// a key frame and then kept, so that the times told of segments go on from each other.
    delay: i64,
    /// It was measured since the segments of this track go on from each other.
    measured: bool,
}

/// Ticks of a timescale.
fn scaled(time: Timestamp, timescale: u32) -> i64 {
    time.to_scale(timescale)
}

impl Maker {
    pub(super) fn new(name: String, run: String) -> Self {
        Self { name, run, inits: 0, track: None, ended: None }
    }

    /// The segment of a piece, and its initialization segment where that is new. None: there is no form for the track.
    pub(super) fn make(
        &mut self,
        piece: Piece<Bytes>,
        sequence: u64,
        discontinuity: bool,
    ) -> Option<(Cell, Option<File>)> {
        let first = piece.units.first()?;
        let codec = first.tracks.first()?.codec.clone();
        let kind = if codec.kind() == Kind::Video { FileKind::Video } else { FileKind::Audio };
        let mut init = None;
        if self.track.as_ref().is_none_or(|made| made.codec != codec) {
            init = Some(self.renew(codec, kind)?);
        }
        let ended = self.ended.replace(piece.decoded);
        let goes_on = !discontinuity && ended == Some(first.timing.dts);
        let made = self.track.as_mut()?;
        let timescale = made.timescale;
        // Without a key frame those pictures may be missing that would tell.
        made.measured &= goes_on;
        if first.timing.key && !made.measured {
            let delay = delay(&piece.units, timescale);
            // A tick more or less is rounding, and would let a segment overlap the one before.
            if made.delay.abs_diff(delay) > 1 {
                made.delay = delay;
            }
            made.measured = true;
        }
        let decoded = scaled(first.timing.dts, timescale);
        let start = decoded + made.delay;
        let mut parts = vec![Bytes::new()];
        let samples = samples(&piece, made, &mut parts);
        let duration = samples.iter().map(|sample| u64::from(sample.duration)).sum();
        let time = u64::try_from(start).unwrap_or(0);
        // The number only has to rise (ISO/IEC 14496-12 8.8.5).
        let sequence_number = u32::try_from(sequence & u64::from(u32::MAX)).unwrap_or(0);
        let base_decode_time = u64::try_from(decoded).unwrap_or(0);
        parts[0] =
            fmp4::segment_head(&fmp4::Segment { sequence_number, base_decode_time, samples: &samples });
        let sap = match (first.timing.key, piece.independent) {
            (_, true) => 1,
            (true, false) => 3,
            (false, false) => 0,
        };
        let is_picture = kind == FileKind::Video;
        let pictures = if is_picture { u32::try_from(samples.len()).unwrap_or(u32::MAX) } else { 0 };
        let body = Body {
            start: Timestamp::from_scale(start, timescale),
            duration: TimeDelta::from_scale(i64::try_from(duration).unwrap_or(i64::MAX), timescale),
            size: parts.iter().map(Bytes::len).sum(),
            independent: piece.independent,
            discontinuity,
            tracks: Arc::clone(&first.tracks),
            pictures,
            fragment: Some(Fragment { timescale, time, duration, sap }),
        };
        let name = format!("{}-{}-{time}.m4s", self.name, self.run);
        Some((Cell { name, kind, init: Some(Arc::clone(&made.init)), body, parts }, init))
    }

    /// Files were let go. What is to come has another initialization segment if its own is among them.
    pub(super) fn forget(&mut self, removed: &[String]) {
        self.track.take_if(|made| removed.iter().any(|name| **name == *made.init));
    }

    /// Another configuration: another initialization segment.
    fn renew(&mut self, codec: Codec, kind: FileKind) -> Option<File> {
        let timescale = fmp4::timescale(&codec);
        let bytes = fmp4::init_segment(&codec, timescale, UNDETERMINED).ok()?;
        self.inits += 1;
        let name = format!("{}-{}-init{}.mp4", self.name, self.run, self.inits);
        let old = self.track.as_ref().map(|old| TimeDelta::from_scale(old.delay, old.timescale));
        let delay = old.map_or(0, |old| old.to_scale(timescale));
        let init = name.as_str().into();
        self.track = Some(Made { codec, init, timescale, delay, measured: false });
        Some(File { name, kind, parts: vec![bytes] })
    }
}

/// From the decode time of the first unit to the presentation time of the one shown first.
fn delay(units: &[Unit<Bytes>], timescale: u32) -> i64 {
    let shown = units.iter().map(|unit| unit.timing.pts).min();
    let decoded = units.first().map(|unit| unit.timing.dts);
    let distance = |(shown, decoded)| scaled(shown, timescale) - scaled(decoded, timescale);
    shown.zip(decoded).map_or(0, distance)
}

/// The samples of a piece. Their durations are the distances of their decode times, both rounded to the timescale, so
/// that nothing adds up. Their bytes go behind `parts`.
fn samples(piece: &Piece<Bytes>, made: &Made, parts: &mut Vec<Bytes>) -> Vec<fmp4::Sample> {
    let timescale = made.timescale;
    let is_in = |unit: &&Unit<Bytes>| unit.timing.dts < piece.decoded;
    let units = || piece.units.iter().filter(is_in);
    let ends = units().skip(1).map(|unit| unit.timing.dts).chain([piece.decoded]);
    let mut samples: Vec<fmp4::Sample> = Vec::with_capacity(piece.units.len());
    for (unit, end) in units().zip(ends) {
        let decoded = scaled(unit.timing.dts, timescale);
        let offset = scaled(unit.timing.pts, timescale) - decoded;
        let duration = u32::try_from(scaled(end, timescale) - decoded).unwrap_or(0);
        let size = u32::try_from(fmp4::payload(&made.codec, &unit.payload, parts)).unwrap_or(u32::MAX);
        match samples.last_mut() {
            // There is nothing to decode: the picture before lasts longer.
            Some(before) if size == 0 => before.duration = before.duration.saturating_add(duration),
            _ => samples.push(fmp4::Sample {
                duration,
                size,
                composition_offset: i32::try_from(offset).unwrap_or(0),
                sync: unit.timing.key,
            }),
        }
    }
    samples
}

//! The MPD of an output, made new when the window moves.
//!
//! A Period is a run of segments in which nothing changes: the epoch, the wall clock, which tracks there are, how they
//! are coded. So a rung that falls silent ends a Period, and players go on with the others; so does sound that stops,
//! where they would stall and wait for it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use media::{Kind, Rational, TimeDelta, Timestamp};

use super::{AdaptationSet, MANIFEST, Manifest, Period, Picture, Piece, Representation, Sound, render};
use crate::cmaf::{Content, Lane};
use crate::measure::Rates;
use crate::segment::Segment;
use crate::settings::{Rung, Settings};
use crate::window::{Listed, Window};

/// The first MPD waits for rungs that come late for this many segments.
const PATIENCE: usize = 2;
/// How many segments players are to stay behind the live edge: with fewer than two they stall.
const DELAY: i64 = 3;
/// What a segment may be longer than the target.
const OVER: TimeDelta = TimeDelta::from_secs(1);
/// More of a track may not be missing within a Period, which is then told by another one.
const HOLE: TimeDelta = TimeDelta::from_millis(500);
/// So many of the newest segments tell the frame rate.
const STEADY: usize = 3;
/// Segments of two tracks that begin this near to each other begin together: timescales round.
const TOGETHER: TimeDelta = TimeDelta::from_millis(1);

/// The MPD and what goes into it.
#[derive(Debug)]
pub(crate) struct Texts {
    rungs: Vec<Rung>,
    run: String,
    aim: TimeDelta,
    depth: TimeDelta,
    /// By lane.
    rates: BTreeMap<usize, Rates>,
    /// Sequence number of the next row to be noted.
    noted: u64,
    rows: usize,
    periods: VecDeque<Begun>,
    /// Where the newest segment of each lane ended.
    ends: Vec<Option<Timestamp>>,
    /// What the sets are of, by their ids less one: the same set has the same id in all periods.
    sets: Vec<SetOf>,
    published: Timestamp,
    /// Of all rungs, and of each alone, by name.
    texts: BTreeMap<String, Bytes>,
}

/// Where a Period begins, and what is the same throughout.
#[derive(Clone, PartialEq, Debug)]
struct Begun {
    /// Sequence number of its first row.
    sequence: u64,
    /// Hub time and Unix time of it.
    start: Timestamp,
    date: Timestamp,
    /// The initialization segments, by lane; none of lanes that have no media.
    inits: Vec<Option<Arc<str>>>,
}

/// What players may switch between within a set.
#[derive(Clone, PartialEq, Debug)]
struct SetOf {
    kind: Kind,
    ordinal: usize,
    /// The codec string up to its first dot.
    format: String,
}

impl Texts {
    pub(crate) fn new(settings: &Settings) -> Self {
        let aim = TimeDelta::from(settings.target);
        let count = i64::try_from(settings.window.max(3)).unwrap_or(i64::MAX);
        Self {
            rungs: settings.rungs.clone(),
            run: settings.run.clone(),
            aim,
            depth: aim.times(count),
            rates: BTreeMap::new(),
            noted: 0,
            rows: 0,
            periods: VecDeque::new(),
            ends: Vec::new(),
            sets: Vec::new(),
            published: Timestamp::ZERO,
            texts: BTreeMap::new(),
        }
    }

    /// What can be fetched behind the live edge.
    pub(crate) fn depth(&self) -> TimeDelta {
        self.depth
    }

    /// The text of that name.
    pub(crate) fn get(&self, name: &str) -> Option<Bytes> {
        self.texts.get(name).cloned()
    }

    /// Announces something else of a rung.
    pub(crate) fn set_rung(
        &mut self,
        rung: usize,
        settings: Rung,
        lanes: &[Lane],
        window: &Window,
        now: Timestamp,
    ) -> Vec<(String, Bytes)> {
        if let Some(known) = self.rungs.get_mut(rung) {
            *known = settings;
        }
        if self.texts.is_empty() { Vec::new() } else { self.publish(lanes, window, now) }
    }

    /// The window has moved.
    pub(crate) fn update(&mut self, lanes: &[Lane], window: &Window, now: Timestamp) -> Vec<(String, Bytes)> {
        for row in window.listed() {
            let sequence = window.sequence(&row.slot);
            if sequence >= self.noted {
                self.noted = sequence + 1;
                self.note(row, sequence, lanes.len(), window.target().unwrap_or(1));
            }
        }
        let first = window.listed().next().map_or(0, |row| window.sequence(&row.slot));
        while self.periods.get(1).is_some_and(|next| next.sequence <= first) {
            self.periods.pop_front();
        }
        let pictures = |lane: &Lane| matches!(lane.content, Content::Pictures { .. });
        let newest = window.listed().next_back();
        let present = |lane: usize| newest.is_some_and(|row| row.media(lane).is_some());
        let rungs =
            lanes.iter().enumerate().filter(|(index, lane)| pictures(lane) && present(*index)).count();
        let complete = self.rows >= PATIENCE || rungs >= self.rungs.len();
        if complete || !self.texts.is_empty() { self.publish(lanes, window, now) } else { Vec::new() }
    }

    fn note(&mut self, row: &Listed, sequence: u64, lanes: usize, target: u32) {
        self.rows += 1;
        for lane in 0..lanes {
            if let Some(segment) = row.media(lane) {
                self.rates.entry(lane).or_default().note(&segment.body, target);
            }
        }
        let goes_on_in_all = self.goes_on(row, lanes);
        let inits: Vec<_> = (0..lanes).map(|lane| row.media(lane)?.init.clone()).collect();
        let begun = Begun { sequence, start: row.slot.start, date: row.date, inits };
        let goes_on = self.periods.back().is_some_and(|last| {
            let same_clock = last.date - last.start == begun.date - begun.start;
            let media = |inits: &[Option<Arc<str>>]| -> Vec<(usize, Arc<str>)> {
                inits.iter().enumerate().filter_map(|(lane, init)| Some((lane, init.clone()?))).collect()
            };
            !row.slot.discontinuity
                && goes_on_in_all
                && same_clock
                && media(&last.inits) == media(&begun.inits)
        });
        if !goes_on {
            self.periods.push_back(begun);
        }
    }

    /// Whether the segments in the row, which is the newest, go on from those before in all lanes: nothing is missing
    /// between them, or is there twice.
    fn goes_on(&mut self, row: &Listed, lanes: usize) -> bool {
        self.ends.resize(lanes, None);
        let mut goes_on = true;
        for (lane, end) in self.ends.iter_mut().enumerate() {
            let Some(segment) = row.media(lane) else { continue };
            let before = end.replace(segment.body.end());
            let between = before.map_or(TimeDelta::ZERO, |before| segment.body.start - before);
            goes_on &= between <= HOLE && between >= -TOGETHER;
        }
        goes_on
    }

    fn publish(&mut self, lanes: &[Lane], window: &Window, now: Timestamp) -> Vec<(String, Bytes)> {
        let rows: Vec<&Listed> = window.listed().collect();
        let ends = self.periods.iter().skip(1).map(|next| next.sequence).chain([u64::MAX]);
        let spans: Vec<(Begun, u64)> = self.periods.iter().cloned().zip(ends).collect();
        let periods = spans.into_iter().map(|(begun, end)| {
            let within = |row: &&&Listed| (begun.sequence..end).contains(&window.sequence(&row.slot));
            let rows: Vec<&Listed> = rows.iter().filter(within).copied().collect();
            self.period(&begun, &rows, lanes)
        });
        let periods = periods.collect();
        // Two versions never have one time, however coarse the clock.
        self.published = now.max(self.published + TimeDelta::from_millis(1));
        let target = TimeDelta::from_secs(window.target().unwrap_or(1).into());
        let manifest = Manifest {
            publish_time: self.published,
            minimum_update_period: self.aim.min(target),
            time_shift_buffer_depth: self.depth.max(target.times(3)),
            suggested_presentation_delay: target.times(DELAY),
            max_segment_duration: target + OVER,
            min_buffer_time: target,
            periods,
        };
        if manifest.is_empty() {
            return Vec::new();
        }
        let mut manifests: Vec<(String, Manifest)> = Vec::new();
        for rung in self.rungs.iter().filter(|_| self.rungs.len() > 1) {
            manifests.push((format!("{}@{MANIFEST}", rung.name), alone(&manifest, &rung.name)));
        }
        manifests.push((MANIFEST.to_owned(), manifest));
        let told = manifests.into_iter().filter(|(_, manifest)| !manifest.is_empty());
        let texts: Vec<_> = told.map(|(name, manifest)| (name, Bytes::from(render(&manifest)))).collect();
        self.texts.extend(texts.iter().cloned());
        texts
    }

    fn period(&mut self, begun: &Begun, rows: &[&Listed], lanes: &[Lane]) -> Period {
        let mut order: Vec<usize> = (0..lanes.len()).collect();
        order.sort_by_key(|&lane| match lanes[lane].content {
            Content::Pictures { rung } => (0, rung),
            Content::Sound { ordinal } => (1, ordinal),
        });
        let mut sets: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for lane in order {
            let newest = rows.iter().rev().find_map(|row| row.media(lane));
            if let Some(id) = newest.and_then(|segment| self.set_id(segment, &lanes[lane])) {
                sets.entry(id).or_default().push(lane);
            }
        }
        let set = |(id, members): (u32, Vec<usize>)| AdaptationSet {
            id,
            kind: self.sets.get(id as usize - 1).map_or(Kind::Data, |set| set.kind),
            language: None,
            segment_alignment: is_aligned(rows, &members),
            sap: sap(rows, &members),
            representations: members
                .iter()
                .filter_map(|&lane| self.representation(begun, rows, lane, &lanes[lane]))
                .collect(),
        };
        let sets = sets.into_iter().map(set).collect();
        Period { id: begun.sequence.to_string(), start: begun.date - Timestamp::ZERO, sets }
    }

    fn set_id(&mut self, segment: &Segment, lane: &Lane) -> Option<u32> {
        let codec = &segment.body.tracks.first()?.codec;
        let string = fmp4::codec_string(codec)?;
        let format = string.split('.').next().unwrap_or_default().to_owned();
        let ordinal = match lane.content {
            Content::Pictures { .. } => 0,
            Content::Sound { ordinal } => ordinal,
        };
        let of = SetOf { kind: codec.kind(), ordinal, format };
        let index = self.sets.iter().position(|known| *known == of).unwrap_or_else(|| {
            self.sets.push(of);
            self.sets.len() - 1
        });
        u32::try_from(index + 1).ok()
    }

    fn representation(
        &self,
        begun: &Begun,
        rows: &[&Listed],
        lane: usize,
        Lane { name, content, .. }: &Lane,
    ) -> Option<Representation> {
        let segments: Vec<&Arc<Segment>> = rows.iter().filter_map(|row| row.media(lane)).collect();
        let newest = segments.last()?;
        let codec = &newest.body.tracks.first()?.codec;
        let timescale = newest.body.fragment?.timescale;
        let fragments = || segments.iter().filter_map(|segment| segment.body.fragment);
        let stated = match content {
            Content::Pictures { rung } => self.rungs.get(*rung).map_or(0, |rung| rung.bandwidth),
            Content::Sound { .. } => 0,
        };
        let picture = codec.video().map(|video| Picture {
            width: video.width,
            height: video.height,
            frame_rate: video.frame_rate.or_else(|| frame_rate(&segments)),
        });
        let sound =
            codec.audio().map(|audio| Sound { sample_rate: audio.sample_rate, channels: audio.channels });
        Some(Representation {
            id: name.clone(),
            bandwidth: self.rates.get(&lane)?.bandwidth(stated),
            codecs: fmp4::codec_string(codec)?,
            picture,
            sound,
            timescale,
            presentation_time_offset: u64::try_from(begun.start.to_scale(timescale)).unwrap_or(0),
            initialization: newest.init.as_deref()?.to_owned(),
            media: format!("{name}-{}-$Time$.m4s", self.run),
            timeline: fragments().map(|fragment| Piece { t: fragment.time, d: fragment.duration }).collect(),
        })
    }
}

/// The manifest with the pictures of one rung.
fn alone(manifest: &Manifest, rung: &str) -> Manifest {
    let mut manifest = manifest.clone();
    for set in manifest.periods.iter_mut().flat_map(|period| &mut period.sets) {
        if set.kind == Kind::Video {
            set.representations.retain(|representation| representation.id == rung);
        }
    }
    manifest
}

/// Pictures per second, where those of the newest segments last equally long. Until the rate of a source is measured that
/// states none, its pictures have the stamps that they came with.
fn frame_rate(segments: &[&Arc<Segment>]) -> Option<Rational> {
    let segments = &segments[segments.len().saturating_sub(STEADY)..];
    let lasts = |segment: &&Arc<Segment>| {
        let (fragment, pictures) = (segment.body.fragment?, u64::from(segment.body.pictures));
        (pictures > 0 && fragment.duration % pictures == 0).then(|| fragment.duration / pictures)
    };
    let first = lasts(segments.first()?)?;
    if !segments.iter().all(|segment| lasts(segment) == Some(first)) {
        return None;
    }
    let timescale = segments.first()?.body.fragment?.timescale;
    let (num, den) = reduce(timescale, u32::try_from(first).ok()?);
    Rational::new(num, den)
}

fn reduce(num: u32, den: u32) -> (u32, u32) {
    let (mut a, mut b) = (num, den);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    (num / a.max(1), den / a.max(1))
}

/// Whether the segments of these lanes begin together.
fn is_aligned(rows: &[&Listed], lanes: &[usize]) -> bool {
    rows.iter().all(|row| {
        let mut starts = lanes.iter().filter_map(|&lane| row.media(lane)).map(|segment| segment.body.start);
        let first = starts.next();
        starts.all(|start| first.is_some_and(|first| (start - first).abs() <= TOGETHER))
    })
}

/// The type of access point that all of these segments start with.
fn sap(rows: &[&Listed], lanes: &[usize]) -> Option<u8> {
    let segments = rows.iter().flat_map(|row| lanes.iter().filter_map(|&lane| row.media(lane)));
    let types: Vec<u8> = segments.filter_map(|segment| Some(segment.body.fragment?.sap)).collect();
    if types.contains(&0) { None } else { types.into_iter().max() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::{Body, Fragment};

    fn segment(duration: u64) -> Arc<Segment> {
        let fragment = Fragment { timescale: 90_000, time: 0, duration, sap: 1 };
        let body = Body {
            start: Timestamp::ZERO,
            duration: TimeDelta::from_secs(2),
            size: 0,
            independent: true,
            discontinuity: false,
            tracks: Arc::default(),
            pictures: 50,
            fragment: Some(fragment),
        };
        let (name, program_date_time) = (String::new(), Timestamp::ZERO);
        Arc::new(Segment { sequence: 0, name, program_date_time, gap: false, init: None, body })
    }

    #[test]
    fn a_rate_that_is_not_stated_is_that_of_the_newest_segments() {
        let rate = |durations: &[u64]| {
            let segments: Vec<_> = durations.iter().map(|&duration| segment(duration)).collect();
            frame_rate(&segments.iter().collect::<Vec<_>>())
        };
        assert_eq!(rate(&[180_000]), Rational::new(25, 1));
        assert_eq!(rate(&[180_630, 180_000, 180_000]), None, "its pictures do not last equally long");
        assert_eq!(rate(&[180_630, 180_000, 180_000, 180_000]), Rational::new(25, 1));
        assert_eq!(rate(&[180_000, 180_000, 180_000, 90_000]), None);
        assert_eq!(rate(&[]), None);
    }
}

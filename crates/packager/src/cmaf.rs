//! The CMAF carrier: a ladder's tracks as segments of fragmented MP4, one track each, for DASH and for HLS.
//!
//! A lane is one track: the pictures of a rung, or sound. The sound of one rung serves all rungs that have the same; if
//! it falls silent, that of another goes on in its place. Nothing of a frame is copied: a segment is its head and the
//! frames as they are.

mod fragment;
mod sound;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hub::Entry;
use media::{Frame, Kind, TimeDelta, Timestamp, Track};

use crate::cut::Part;
use crate::ladder::{Row, Segmenter, Unit};
use crate::program::{Gate, Omitted, Passed};
use crate::segment::{Changes, File};
use crate::settings::{Rung, Settings};
use crate::window::{Cell, Ready, Window};
use crate::{dash, hls};
use fragment::Maker;
use sound::{Sounds, Spare};

/// What the segments are told of by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Text {
    /// An MPD.
    Dash,
    /// Playlists.
    Hls,
}

/// What a lane holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Content {
    /// The pictures of a rung.
    Pictures {
        /// Which.
        rung: usize,
    },
    /// Sound.
    Sound {
        /// The how-many-th sound of its rung it is, from 0.
        ordinal: usize,
    },
}

/// One track of the output.
#[derive(Debug)]
pub(crate) struct Lane {
    /// First part of its file names, and its name in manifests.
    pub(crate) name: String,
    pub(crate) content: Content,
    maker: Maker,
    /// The track that is in it, as the lane's units share it.
    tracks: Arc<[Track]>,
    /// The epoch of its newest unit, and where that ends.
    epoch: u64,
    end: Timestamp,
    /// What comes next does not go on from what was before.
    join: bool,
    /// Another rung feeds it since a moment ago, and has not come to where the one before ended.
    taken_over: bool,
}

impl Lane {
    /// Whether the lane has already what a frame has, from the rung that fed it before.
    fn has(&mut self, frame: &Frame) -> bool {
        self.taken_over &= frame.dts < self.end;
        self.taken_over
    }
}

/// The texts about the segments.
#[derive(Debug)]
enum Texts {
    Dash(dash::Texts),
    Hls(hls::Texts),
}

/// An output of one stream with segments of fragmented MP4.
#[derive(Debug)]
pub struct Output {
    settings: Settings,
    gates: Vec<Gate>,
    segmenter: Segmenter<Bytes>,
    lanes: Vec<Lane>,
    window: Window,
    texts: Texts,
    /// Sound that is in no lane, for another rung's is.
    spare: Spare,
    /// Initialization segments that no listed segment is told with yet.
    inits: Vec<File>,
}

/// Tracks that fragmented MP4 has no form for.
fn omits(tracks: &[Track]) -> Vec<Omitted> {
    let unsupported = |track: &Track| {
        let reason = fmp4::supports(&track.codec).err()?;
        Some(Omitted { track: track.id, reason: reason.to_string() })
    };
    tracks.iter().filter_map(unsupported).collect()
}

impl Output {
    /// An output without segments, told of by `text`.
    pub fn new(settings: Settings, text: Text) -> Self {
        let (texts, depth) = match text {
            Text::Dash => {
                let texts = dash::Texts::new(&settings);
                let depth = texts.depth();
                (Texts::Dash(texts), depth)
            }
            Text::Hls => (Texts::Hls(hls::Texts::new(settings.rungs.clone())), TimeDelta::ZERO),
        };
        Self {
            gates: settings.rungs.iter().map(|_| Gate::new(omits)).collect(),
            segmenter: Segmenter::new(settings.target),
            lanes: Vec::new(),
            window: Window::new(&settings, depth),
            texts,
            spare: Spare::default(),
            inits: Vec::new(),
            settings,
        }
    }

    /// Takes the next entry of a rung, in order and without a gap, at the Unix time `now`.
    pub fn push(&mut self, rung: usize, entry: &Entry, now: Timestamp) -> Changes {
        self.window.see(&entry.context);
        let Some(passed) = self.gates.get_mut(rung).and_then(|gate| gate.push(entry)) else {
            return Changes::default();
        };
        if passed.join {
            self.mark_join(rung);
        }
        let Some((lane, takes_over)) = self.lane_of(rung, entry) else {
            self.keep(rung, entry);
            return Changes::default();
        };
        let mut rows = Vec::new();
        if takes_over {
            self.lanes[lane].taken_over = true;
            // What the other rung did not send any more came here meanwhile, and is late now.
            rows.extend(self.segmenter.hear_lane(lane, entry.arrival));
            for missed in self.spare.take(rung, entry) {
                rows.extend(self.cut(lane, &missed, Passed { join: false, ..passed }));
            }
        }
        rows.extend(self.cut(lane, entry, passed));
        self.take(rows, now)
    }

    /// Keeps sound that is in no lane for when its rung takes the place of another one.
    fn keep(&mut self, rung: usize, entry: &Entry) {
        let Some(gate) = self.gates.get(rung) else { return };
        let mut tracks = gate.program().tracks().iter();
        if tracks.any(|track| track.id == entry.frame.track && track.codec.kind() == Kind::Audio) {
            self.spare.keep(rung, entry);
        }
    }

    /// Gives an entry to the segmenter.
    fn cut(&mut self, lane: usize, entry: &Entry, passed: Passed) -> Vec<Row<Bytes>> {
        let state = &mut self.lanes[lane];
        if !passed.join && state.has(&entry.frame) {
            // The rung comes later than the one whose place it took, and is waited for.
            return self.segmenter.hear_lane(lane, entry.arrival);
        }
        state.epoch = entry.context.epoch.id;
        state.end = entry.frame.dts + entry.frame.duration;
        let unit = Unit {
            timing: (&entry.frame).into(),
            part: passed.part,
            leads: true,
            join: std::mem::take(&mut state.join),
            program: passed.join,
            arrival: entry.arrival,
            context: Arc::clone(&entry.context),
            tracks: Arc::clone(&state.tracks),
            size: entry.frame.data.len(),
            payload: entry.frame.data.clone(),
        };
        self.segmenter.push(lane, unit)
    }

    /// Takes note that it is `now` on the monotonic clock and `wall` by Unix time, where a rung is silent: segments that
    /// nothing goes on from are ended.
    pub fn tick(&mut self, now: Duration, wall: Timestamp) -> Changes {
        let rows = self.segmenter.tick(now);
        self.take(rows, wall)
    }

    /// Entries of a rung were missed: what comes next does not go on from what was before.
    pub fn mark_skipped(&mut self, rung: usize) {
        if let Some(gate) = self.gates.get_mut(rung) {
            gate.mark_skipped();
        }
    }

    /// Announces something else of a rung from now on. Manifest or playlist say so at once.
    pub fn set_rung(&mut self, rung: usize, settings: Rung, now: Timestamp) -> Changes {
        let (lanes, window) = (&self.lanes, &self.window);
        let texts = match &mut self.texts {
            Texts::Dash(texts) => texts.set_rung(rung, settings, lanes, window, now),
            Texts::Hls(texts) => texts.set_rung(rung, settings, window),
        };
        Changes { texts, ..Changes::default() }
    }

    /// The text of that name, the same bytes until it changes. None as long as there is no media for it.
    pub fn text(&self, name: &str) -> Option<Bytes> {
        match &self.texts {
            Texts::Dash(texts) => texts.get(name),
            Texts::Hls(texts) => texts.get(name),
        }
    }

    /// Tracks of a rung that fragmented MP4 cannot carry.
    pub fn omitted(&self, rung: usize) -> &[Omitted] {
        self.gates.get(rung).map_or(&[], Gate::omitted)
    }

    /// Rungs whose key frames are not where those of most others are.
    pub fn misaligned(&self) -> Vec<usize> {
        let rung = |lane: usize| match self.lanes[lane].content {
            Content::Pictures { rung } => Some(rung),
            Content::Sound { .. } => None,
        };
        self.segmenter.misaligned().into_iter().filter_map(rung).collect()
    }

    /// Nothing in the lanes that a rung feeds goes on from what was before.
    fn mark_join(&mut self, rung: usize) {
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            lane.join |= self.segmenter.rung_of(index) == rung;
        }
    }

    /// The lane that a frame belongs to, and whether its rung feeds that from now on in the place of another one. None: it
    /// is in no lane.
    fn lane_of(&mut self, rung: usize, entry: &Entry) -> Option<(usize, bool)> {
        let program = self.gates.get(rung)?.program();
        let track = program.tracks().iter().find(|track| track.id == entry.frame.track)?.clone();
        let kind = track.codec.kind();
        let mut takes_over = false;
        let lane = match kind {
            Kind::Video if program.part(track.id) == Some(Part::Lead) => {
                let content = Content::Pictures { rung };
                let known = self.lanes.iter().position(|lane| lane.content == content);
                known.unwrap_or_else(|| self.add_lane(self.settings.rungs[rung].name.clone(), content, rung))
            }
            Kind::Audio => {
                let before = program.tracks().iter().take_while(|other| other.id != track.id);
                let ordinal = before.filter(|track| track.codec.kind() == Kind::Audio).count();
                let epoch = entry.context.epoch.id;
                let frame = sound::Frame { rung, ordinal, codec: &track.codec, epoch };
                match Sounds::new(&self.lanes, &self.segmenter).lane(&frame)? {
                    sound::Lane::Known(lane) => lane,
                    sound::Lane::Takes(lane) => {
                        takes_over = true;
                        self.segmenter.set_rung(lane, rung);
                        self.lanes[lane].join |= self.lanes[lane].epoch != epoch;
                        lane
                    }
                    sound::Lane::New => {
                        let count = self
                            .lanes
                            .iter()
                            .filter(|lane| matches!(lane.content, Content::Sound { .. }))
                            .count();
                        // No rung has a name with a dot.
                        self.add_lane(format!("sound.{}", count + 1), Content::Sound { ordinal }, rung)
                    }
                }
            }
            _ => return None,
        };
        let state = &mut self.lanes[lane];
        if state.tracks.first().is_none_or(|known| known.codec != track.codec) {
            state.join = true;
            state.tracks = [track].into();
        }
        Some((lane, takes_over))
    }

    fn add_lane(&mut self, name: String, content: Content, rung: usize) -> usize {
        let lane = Lane {
            maker: Maker::new(name.clone(), self.settings.run.clone()),
            name,
            content,
            tracks: [].into(),
            epoch: 0,
            end: Timestamp::ZERO,
            join: true,
            taken_over: false,
        };
        self.lanes.push(lane);
        self.segmenter.add_lane(rung)
    }

    fn take(&mut self, rows: Vec<Row<Bytes>>, now: Timestamp) -> Changes {
        if let Some(seconds) = self.segmenter.target_duration() {
            self.window.set_target(seconds);
        }
        for Row { slot, pieces } in rows {
            let sequence = self.window.sequence(&slot);
            let mut cells: Vec<Option<Cell>> = Vec::new();
            for (lane, piece) in self.lanes.iter_mut().zip(pieces) {
                let made = piece.and_then(|piece| lane.maker.make(piece, sequence, slot.discontinuity));
                self.inits.extend(made.as_ref().and_then(|(_, init)| init.clone()));
                cells.push(made.map(|(cell, _)| cell));
            }
            self.window.push(Ready { slot, cells });
        }
        if self.segmenter.has_ended() {
            self.window.end();
        }
        let moved = self.window.advance();
        if moved.rows == 0 {
            return Changes::default();
        }
        self.lanes.iter_mut().for_each(|lane| lane.maker.forget(&moved.removed));
        let (lanes, window) = (&self.lanes, &self.window);
        let texts = match &mut self.texts {
            Texts::Dash(texts) => texts.update(lanes, window, now),
            Texts::Hls(texts) => {
                let (streams, sounds) = hls::lanes(lanes, &self.segmenter);
                texts.set_lanes(streams, sounds);
                texts.update(window)
            }
        };
        let mut added = std::mem::take(&mut self.inits);
        added.extend(moved.added);
        Changes { added, texts, removed: moved.removed }
    }
}

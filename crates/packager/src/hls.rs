//! HLS, RFC 8216: what a stream's playlists say and which segments they name.
//!
//! [`Output`] follows the chunks of its rungs' TS carriers and keeps the playlists as text, made once per change, so
//! that every viewer gets the same bytes. [`render_media`] and [`render_multivariant`] turn plain snapshots into text.

mod media_playlist;
mod multivariant;
mod texts;

use std::time::Duration;

use bytes::Bytes;
use media::TimeDelta;

use crate::cmaf::{Content, Lane};
use crate::ladder::{Piece, Row, Segmenter, Unit};
use crate::segment::{Body, Changes, FileKind};
use crate::settings::{Rung, Settings};
use crate::ts::{Chunk, begins_with_tables, newest_tables};
use crate::window::{Cell, Ready, Window};
use texts::{Sound, Stream};

pub(crate) use texts::Texts;

pub use media_playlist::{MediaPlaylist, render_media};
pub use multivariant::{Multivariant, SoundGroup, Variant, render_multivariant};

/// Name of the multivariant playlist.
pub const MULTIVARIANT: &str = "index.m3u8";

/// The HLS output of one stream, with segments of MPEG-TS.
#[derive(Debug)]
pub struct Output {
    settings: Settings,
    segmenter: Segmenter<Bytes>,
    window: Window,
    texts: Texts,
    /// The newest tables that went into a segment, by rung.
    tables: Vec<Vec<Bytes>>,
}

impl Output {
    /// An output without segments.
    pub fn new(settings: Settings) -> Self {
        let mut segmenter = Segmenter::new(settings.target);
        for rung in 0..settings.rungs.len() {
            segmenter.add_lane(rung);
        }
        let streams = settings.rungs.iter().enumerate().map(|(lane, rung)| Stream {
            name: rung.name.clone(),
            rung: lane,
            lane,
        });
        let mut texts = Texts::new(settings.rungs.clone());
        texts.set_lanes(streams.collect(), Vec::new());
        let tables = settings.rungs.iter().map(|_| Vec::new()).collect();
        Self { window: Window::new(&settings, TimeDelta::ZERO), segmenter, texts, tables, settings }
    }

    /// Takes the next chunk of a rung's carrier, in order and without a gap.
    pub fn push(&mut self, rung: usize, chunk: &Chunk) -> Changes {
        self.window.see(&chunk.context);
        let rows = self.segmenter.push(rung, unit(chunk));
        self.take(rows)
    }

    /// Takes note that it is `now`, where a rung is silent: segments that nothing goes on from are ended.
    pub fn tick(&mut self, now: Duration) -> Changes {
        let rows = self.segmenter.tick(now);
        self.take(rows)
    }

    /// Announces something else of a rung from now on. The multivariant playlist says so at once.
    pub fn set_rung(&mut self, rung: usize, settings: Rung) -> Changes {
        let texts = self.texts.set_rung(rung, settings, &self.window);
        Changes { texts, ..Changes::default() }
    }

    /// The text of that name, the same bytes until it changes. None as long as there is no media for it.
    pub fn text(&self, name: &str) -> Option<Bytes> {
        self.texts.get(name)
    }

    /// Rungs whose key frames are not where those of most others are.
    pub fn misaligned(&self) -> Vec<usize> {
        self.segmenter.misaligned()
    }

    fn take(&mut self, rows: Vec<Row<Bytes>>) -> Changes {
        if let Some(seconds) = self.segmenter.target_duration() {
            self.window.set_target(seconds);
        }
        for Row { slot, pieces } in rows {
            let sequence = self.window.sequence(&slot);
            let rungs = self.settings.rungs.iter().zip(&mut self.tables);
            let cells = pieces.into_iter().zip(rungs).map(|(piece, (rung, tables))| {
                let name = format!("{}-{}-{sequence}.ts", rung.name, self.settings.run);
                Some(cell(piece?, name, slot.discontinuity, tables))
            });
            let cells = cells.collect();
            self.window.push(Ready { slot, cells });
        }
        if self.segmenter.has_ended() {
            self.window.end();
        }
        let moved = self.window.advance();
        let texts = if moved.rows > 0 { self.texts.update(&self.window) } else { Vec::new() };
        Changes { added: moved.added, texts, removed: moved.removed }
    }
}

fn unit(chunk: &Chunk) -> Unit<Bytes> {
    Unit {
        timing: chunk.timing,
        part: chunk.part,
        leads: chunk.part == crate::cut::Part::Lead,
        join: chunk.join,
        program: chunk.join,
        arrival: chunk.arrival,
        context: chunk.context.clone(),
        tracks: chunk.tracks.clone(),
        size: chunk.bytes.len(),
        payload: chunk.bytes.clone(),
    }
}

/// The segment of a piece. One that no tables begin repeats those of the segment before.
fn cell(piece: Piece<Bytes>, name: String, discontinuity: bool, tables: &mut Vec<Bytes>) -> Cell {
    let pictures = piece.units.iter().filter(|unit| unit.leads && unit.has_pictures()).count();
    let tracks = piece.units.last().map(|unit| unit.tracks.clone()).unwrap_or_default();
    let newest = newest_tables(piece.units.iter().rev().map(|unit| &unit.payload));
    let units = piece.units.into_iter().map(|unit| unit.payload).filter(|bytes| !bytes.is_empty());
    let mut parts: Vec<Bytes> = units.collect();
    if !parts.first().is_some_and(|first| begins_with_tables(first)) {
        parts.splice(0..0, tables.iter().cloned());
    }
    if !newest.is_empty() {
        *tables = newest;
    }
    let body = Body {
        start: piece.start,
        duration: piece.duration,
        size: parts.iter().map(Bytes::len).sum(),
        independent: piece.independent,
        discontinuity,
        tracks,
        pictures: u32::try_from(pictures).unwrap_or(u32::MAX),
        fragment: None,
    };
    Cell { name, kind: FileKind::Ts, init: None, body, parts }
}

/// The playlists of lanes of one track each: a variant per rung with pictures, and the sound beside them. Sound alone is
/// a variant itself.
pub(crate) fn lanes(lanes: &[Lane], segmenter: &Segmenter<Bytes>) -> (Vec<Stream>, Vec<Sound>) {
    let (mut streams, mut sounds) = (Vec::new(), Vec::new());
    for (index, lane) in lanes.iter().enumerate() {
        let name = lane.name.clone();
        match lane.content {
            Content::Pictures { rung } => streams.push(Stream { name, rung, lane: index }),
            Content::Sound { ordinal } => sounds.push(Sound { name, lane: index, ordinal }),
        }
    }
    streams.sort_by_key(|stream| stream.rung);
    sounds.sort_by_key(|sound| sound.ordinal);
    if streams.is_empty() {
        let alone =
            |sound: Sound| Stream { rung: segmenter.rung_of(sound.lane), name: sound.name, lane: sound.lane };
        streams = sounds.drain(..).map(alone).collect();
    }
    (streams, sounds)
}

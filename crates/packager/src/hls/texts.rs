//! The playlists of an output, made new when the window moves.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use media::Track;

use super::{
    MULTIVARIANT, MediaPlaylist, Multivariant, SoundGroup, Variant, render_media, render_multivariant,
};
use crate::measure::{self, Rates};
use crate::segment::Segment;
use crate::settings::Rung;
use crate::window::Window;

/// A rung that has had no media for this many segments is announced no more until it has some again.
const QUIET: usize = 5;
/// The multivariant playlist, which players read once, waits for rungs that come late for this many segments.
const PATIENCE: usize = 2;

/// The one group of sound that there is.
const GROUP: &str = "sound";

/// A variant: what a rung has in a lane.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Stream {
    /// First part of its playlist's name.
    pub(crate) name: String,
    pub(crate) rung: usize,
    pub(crate) lane: usize,
}

/// Sound in a lane of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sound {
    /// First part of its playlist's name.
    pub(crate) name: String,
    pub(crate) lane: usize,
    /// The how-many-th of its rung it is.
    pub(crate) ordinal: usize,
}

/// The texts, by name.
#[derive(Debug)]
pub(crate) struct Texts {
    rungs: Vec<Rung>,
    streams: Vec<Stream>,
    sounds: Vec<Sound>,
    /// By lane.
    rates: BTreeMap<usize, Rates>,
    /// Sequence number of the next row whose rates are to be noted.
    noted: u64,
    /// Rows listed so far.
    rows: usize,
    texts: BTreeMap<String, Bytes>,
}

impl Texts {
    /// Texts about no lane yet.
    pub(crate) fn new(rungs: Vec<Rung>) -> Self {
        let (streams, sounds) = (Vec::new(), Vec::new());
        Self { rungs, streams, sounds, rates: BTreeMap::new(), noted: 0, rows: 0, texts: BTreeMap::new() }
    }

    /// What the lanes are.
    pub(crate) fn set_lanes(&mut self, streams: Vec<Stream>, sounds: Vec<Sound>) {
        self.streams = streams;
        self.sounds = sounds;
    }

    /// The text of that name.
    pub(crate) fn get(&self, name: &str) -> Option<Bytes> {
        self.texts.get(name).cloned()
    }

    /// Announces something else of a rung.
    pub(crate) fn set_rung(&mut self, rung: usize, settings: Rung, window: &Window) -> Vec<(String, Bytes)> {
        if let Some(known) = self.rungs.get_mut(rung) {
            *known = settings;
        }
        let mut changed = Vec::new();
        self.update_multivariant(window, &mut changed);
        changed
    }

    /// The window has moved: the texts that say something else now, the multivariant playlists last.
    pub(crate) fn update(&mut self, window: &Window) -> Vec<(String, Bytes)> {
        self.note_rates(window);
        let mut changed = Vec::new();
        for (name, lane) in self.lanes() {
            if let Some(playlist) = media_playlist(window, lane) {
                self.set(format!("{name}.m3u8"), render_media(&playlist), &mut changed);
            }
        }
        self.update_multivariant(window, &mut changed);
        changed
    }

    /// Names and lanes of all media playlists.
    fn lanes(&self) -> Vec<(String, usize)> {
        let streams = self.streams.iter().map(|stream| (stream.name.clone(), stream.lane));
        let sounds = self.sounds.iter().map(|sound| (sound.name.clone(), sound.lane));
        streams.chain(sounds).collect()
    }

    fn set(&mut self, name: String, text: String, changed: &mut Vec<(String, Bytes)>) {
        if self.texts.get(&name).is_none_or(|known| known != text.as_bytes()) {
            let text = Bytes::from(text);
            self.texts.insert(name.clone(), text.clone());
            changed.push((name, text));
        }
    }

    fn note_rates(&mut self, window: &Window) {
        let target = window.target().unwrap_or(1);
        for row in window.listed() {
            let sequence = window.sequence(&row.slot);
            if sequence < self.noted {
                continue;
            }
            self.noted = sequence + 1;
            self.rows += 1;
            for (_, lane) in self.lanes() {
                if let Some(segment) = row.media(lane) {
                    self.rates.entry(lane).or_default().note(&segment.body, target);
                }
            }
        }
    }

    /// The playlist of all rungs, and one for each that players may be sent to alone.
    fn update_multivariant(&mut self, window: &Window, changed: &mut Vec<(String, Bytes)>) {
        let streams = self.streams.clone();
        let ready =
            |stream: &Stream| window.listed().next_back().is_some_and(|row| row.media(stream.lane).is_some());
        let complete =
            self.rows >= PATIENCE || streams.len() >= self.rungs.len() && streams.iter().all(ready);
        if !complete {
            return;
        }
        let present =
            |stream: &&Stream| window.listed().rev().take(QUIET).any(|row| row.media(stream.lane).is_some());
        let present: Vec<&Stream> = streams.iter().filter(present).collect();
        if present.is_empty() {
            return;
        }
        let all = self.multivariant(window, &present);
        let several = self.rungs.len() > 1;
        for stream in present.into_iter().filter(|_| several) {
            let alone = self.multivariant(window, &[stream]);
            self.set(format!("{}@{MULTIVARIANT}", stream.name), render_multivariant(&alone), changed);
        }
        self.set(MULTIVARIANT.to_owned(), render_multivariant(&all), changed);
    }

    fn multivariant(&self, window: &Window, streams: &[&Stream]) -> Multivariant {
        let is_present = |lane| window.listed().rev().take(QUIET).any(|row| row.media(lane).is_some());
        let sounds: Vec<&Sound> = self.sounds.iter().filter(|sound| is_present(sound.lane)).collect();
        let independent = |stream: &&Stream| window.lane(stream.lane).all(|segment| segment.body.independent);
        Multivariant {
            independent: streams.iter().all(independent),
            sounds: sounds.iter().map(|sound| group(window, sound, &sounds)).collect(),
            variants: streams.iter().filter_map(|stream| self.variant(window, stream, &sounds)).collect(),
        }
    }

    /// What the multivariant playlist says of a rung: codecs of the newest segment, rates of all that are listed.
    fn variant(&self, window: &Window, stream: &Stream, sounds: &[&Sound]) -> Option<Variant> {
        let rung = self.rungs.get(stream.rung)?;
        let segments = media(window, stream.lane);
        let tracks = &segments.last()?.body.tracks;
        let video = tracks.iter().find_map(|track| track.codec.video());
        let stated = video.and_then(|video| video.frame_rate).map(|rate| rate.as_f64());
        let shown = video.map(|video| rung.size.unwrap_or((video.width, video.height)));
        let mut bandwidth = self.rates.get(&stream.lane)?.bandwidth(0);
        let mut average_bandwidth = measure::average(&segments);
        let mut codecs = codecs(tracks);
        for sound in sounds {
            let segments = media(window, sound.lane);
            bandwidth += self.rates.get(&sound.lane).map_or(0, |rates| rates.bandwidth(0));
            average_bandwidth += measure::average(&segments);
            let own = segments.last().map(|segment| self::codecs(&segment.body.tracks)).unwrap_or_default();
            codecs.extend(own.into_iter().filter(|own| !codecs.contains(own)).collect::<Vec<_>>());
        }
        Some(Variant {
            uri: format!("{}.m3u8", stream.name),
            bandwidth: bandwidth.max(rung.bandwidth),
            average_bandwidth,
            codecs,
            resolution: shown.filter(|&(width, height)| width > 0 && height > 0),
            frame_rate: stated.or_else(|| measure::frame_rate(&segments)),
            audio: (!sounds.is_empty()).then(|| GROUP.to_owned()),
        })
    }
}

/// Sound of an own playlist, as all variants have it.
fn group(window: &Window, sound: &Sound, all: &[&Sound]) -> SoundGroup {
    let segments = media(window, sound.lane);
    let audio = segments.last().and_then(|segment| segment.body.tracks.first()?.codec.audio());
    SoundGroup {
        group: GROUP.to_owned(),
        name: format!("Sound {}", all.iter().position(|other| other.lane == sound.lane).unwrap_or(0) + 1),
        language: None,
        uri: format!("{}.m3u8", sound.name),
        channels: audio.map(|audio| audio.channels),
        default: all.first().is_some_and(|first| first.lane == sound.lane),
    }
}

/// What a lane has listed without the gaps.
fn media(window: &Window, lane: usize) -> Vec<Arc<Segment>> {
    window.lane(lane).filter(|segment| !segment.gap).cloned().collect()
}

/// The playlist of a lane. None: it has had no media.
fn media_playlist(window: &Window, lane: usize) -> Option<MediaPlaylist> {
    let segments: Vec<Arc<Segment>> = window.lane(lane).cloned().collect();
    let target_duration = window.target().filter(|_| !segments.is_empty())?;
    let discontinuity_sequence = window.discontinuity_sequence(lane);
    Some(MediaPlaylist { target_duration, discontinuity_sequence, segments })
}

/// The codec strings of the tracks, each once. Empty where a track has none: CODECS has to name every format of
/// the rendition (RFC 8216 4.3.4.2).
pub(crate) fn codecs(tracks: &[Track]) -> Vec<String> {
    let mut codecs = Vec::new();
    for track in tracks {
        let Some(codec) = track.codec.codec_string() else { return Vec::new() };
        if !codecs.contains(&codec) {
            codecs.push(codec);
        }
    }
    codecs
}

#[cfg(test)]
mod tests {
    use media::codec::{aac, opaque};
    use media::{Codec, TrackId};

    use super::*;

    #[test]
    fn codecs_are_all_or_none() {
        let sound = Codec::Aac(aac::Config::decode(&[0x11, 0x90]).unwrap());
        let data = Codec::Opaque(opaque::Config { stream_type: 0x02, descriptors: Bytes::new() });
        let track = |id, codec: &Codec| Track { id: TrackId(id), codec: codec.clone() };
        assert_eq!(codecs(&[track(1, &sound), track(2, &sound)]), ["mp4a.40.2"]);
        assert!(codecs(&[track(1, &sound), track(2, &data)]).is_empty());
    }
}

//! HLS, RFC 8216: what a stream's playlists say and which segments they name.
//!
//! [`Output`] follows a carrier's chunks and keeps both playlists as text, made once per change, so that every
//! viewer gets the same bytes. [`render_media`] and [`render_multivariant`] turn plain snapshots into text.

mod media_playlist;
mod multivariant;

use bytes::Bytes;
use media::Track;

use crate::measure::{self, Rates};
use crate::segment::Builder;
use crate::ts::Chunk;
use crate::window::{Moved, Window};

pub use crate::window::Added;

pub use media_playlist::{MediaPlaylist, render_media};
pub use multivariant::{Multivariant, SoundGroup, Variant, render_multivariant};

pub use crate::settings::Settings;

/// What a chunk changed.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Changes {
    /// Segments that are now listed, in order.
    pub added: Vec<Added>,
    /// Names of segments that no player asks for any more: to be forgotten, and deleted where they were written to
    /// disk.
    pub removed: Vec<String>,
    /// The media playlist has a new text.
    pub media_playlist: bool,
    /// The multivariant playlist has a new text.
    pub multivariant: bool,
}

/// The HLS output of one stream.
#[derive(Debug)]
pub struct Output {
    rendition: Rendition,
    multivariant: Option<Bytes>,
}

/// One rendition: its segments and its media playlist.
#[derive(Debug)]
struct Rendition {
    /// File name of the media playlist.
    uri: String,
    bandwidth: u64,
    builder: Builder,
    window: Window,
    rates: Rates,
    text: Option<Bytes>,
    independent: bool,
}

impl Output {
    /// An output without segments.
    pub fn new(settings: Settings) -> Self {
        Self { rendition: Rendition::new(settings), multivariant: None }
    }

    /// Takes the next chunk of the carrier, in order and without a gap.
    pub fn push(&mut self, chunk: &Chunk) -> Changes {
        let Moved { added, removed } = self.rendition.push(chunk);
        if added.is_empty() {
            return Changes::default();
        }
        let variants = self.rendition.variant().into_iter().collect();
        let text = render_multivariant(&Multivariant {
            independent: self.rendition.independent,
            sounds: Vec::new(),
            variants,
        });
        let multivariant = self.multivariant.as_deref() != Some(text.as_bytes());
        if multivariant {
            self.multivariant = Some(text.into());
        }
        Changes { added, removed, media_playlist: true, multivariant }
    }

    /// The multivariant playlist; the same bytes until it changes. None until the
    /// target is measured and a segment is listed.
    pub fn multivariant(&self) -> Option<Bytes> {
        self.multivariant.clone()
    }

    /// File name of the media playlist, as the multivariant playlist gives it: `<rendition>.m3u8`.
    pub fn media_playlist_name(&self) -> &str {
        &self.rendition.uri
    }

    /// The media playlist; the same bytes until it changes. None as long as there is
    /// no [`Output::multivariant`].
    pub fn media_playlist(&self) -> Option<Bytes> {
        self.rendition.text.clone()
    }
}

impl Rendition {
    fn new(settings: Settings) -> Self {
        Self {
            uri: format!("{}.m3u8", settings.rendition),
            bandwidth: settings.bandwidth,
            builder: Builder::new(),
            window: Window::new(settings),
            rates: Rates::default(),
            text: None,
            independent: true,
        }
    }

    fn push(&mut self, chunk: &Chunk) -> Moved {
        if let Some((body, media)) = self.builder.push(chunk) {
            self.window.push(body, media);
        }
        if let Some(seconds) = chunk.cut.and_then(|cut| cut.target_duration) {
            self.window.set_target(seconds);
        }
        self.window.see(&chunk.context);
        if chunk.end.is_some() {
            self.window.end();
        }
        let moved = self.window.advance();
        if !moved.added.is_empty() {
            self.update(&moved.added);
        }
        moved
    }

    fn update(&mut self, added: &[Added]) {
        let Some(target_duration) = self.window.target() else { return };
        for added in added {
            self.rates.note(&added.segment.body, target_duration);
        }
        let discontinuity_sequence = self.window.discontinuity_sequence();
        let segments = self.window.listed().cloned().collect();
        let playlist = MediaPlaylist { target_duration, discontinuity_sequence, segments };
        self.independent = playlist.is_independent();
        self.text = Some(render_media(&playlist).into());
    }

    /// What the multivariant playlist says of it: codecs of the newest segment, rates of all that are listed.
    fn variant(&self) -> Option<Variant> {
        let tracks = &self.window.listed().last()?.body.tracks;
        let video = tracks.iter().find_map(|track| track.codec.video());
        let stated = video.and_then(|video| video.frame_rate).map(|rate| rate.as_f64());
        Some(Variant {
            uri: self.uri.clone(),
            bandwidth: self.rates.bandwidth(self.bandwidth),
            average_bandwidth: measure::average(self.window.listed()),
            codecs: codecs(tracks),
            resolution: video
                .map(|video| (video.width, video.height))
                .filter(|&(width, height)| width > 0 && height > 0),
            frame_rate: stated.or_else(|| measure::frame_rate(self.window.listed())),
            audio: None,
        })
    }
}

/// The codec strings of the tracks, each once. Empty where a track has none: CODECS has to name every format of
/// the rendition (RFC 8216 4.3.4.2).
fn codecs(tracks: &[Track]) -> Vec<String> {
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

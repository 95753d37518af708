//! Tags to tracks and frames.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use media::{Codec, TrackId};

use super::enhanced::{Content, MAX_TRACKS, Packet, Packets};
use super::track::{Track, Unit};
use super::{Media, Tag, TagKind, audio, script, video};
use crate::Error;

/// Kinds of unsupported things that are remembered, and so said once; what comes after those is not said.
const MAX_REPORTS: usize = 16;

/// Makes tracks and frames of the tags of one stream, from a file or from a connection.
///
/// After each [`Demux::push`] ask [`Demux::poll`] until there is nothing more.
#[derive(Debug, Default)]
pub struct Demux {
    tracks: BTreeMap<TrackId, Track>,
    reported: BTreeSet<String>,
    out: VecDeque<Media>,
}

impl Demux {
    /// Before the first tag.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a tag.
    ///
    /// An error is about this tag alone: it is damaged, or comes before its sequence header. What was good in it is
    /// to be had, and the next tag may be fine.
    pub fn push(&mut self, tag: Tag) -> Result<(), Error> {
        let tag_bytes = tag.body.len();
        let packets = match tag.kind {
            TagKind::Audio => audio::packets(tag.body)?,
            TagKind::Video => video::packets(tag.body)?,
            TagKind::Script => {
                self.out.push_back(Media::Metadata(script::decode(&tag.body)?));
                return Ok(());
            }
        };
        match packets {
            Packets::None => Ok(()),
            Packets::Unsupported(what) => {
                self.report(what);
                Ok(())
            }
            Packets::G711(config, data) => {
                let id = TrackId::AUDIO;
                let changed = self.tracks.entry(id).or_default().change(Codec::G711(config));
                self.out.extend(changed.map(|codec| Media::Track { id, codec }));
                if !data.is_empty() {
                    let (dts_ms, dts_offset_ns, cts_ms, key) = (tag.timestamp_ms, 0, 0, true);
                    self.out.push_back(Media::Frame { track: id, dts_ms, dts_offset_ns, cts_ms, key, data });
                }
                Ok(())
            }
            // Damage in one track must not cost the others.
            Packets::Some(packets) => {
                let results =
                    packets.into_iter().map(|packet| self.packet(tag.timestamp_ms, tag_bytes, packet));
                results.fold(Ok(()), Result::and)
            }
        }
    }

    /// What came out of the tags so far, in order.
    pub fn poll(&mut self) -> Option<Media> {
        self.out.pop_front()
    }

    fn packet(&mut self, dts_ms: u32, tag_bytes: usize, packet: Packet) -> Result<(), Error> {
        let Packet { track: id, fourcc, offset_ns: dts_offset_ns, content } = packet;
        if self.tracks.len() == MAX_TRACKS && !self.tracks.contains_key(&id) {
            self.report(format!("more than {MAX_TRACKS} tracks"));
            return Ok(());
        }
        let track = self.tracks.entry(id).or_default();
        match content {
            Content::Header(header) => {
                let changed = track.configure(fourcc, &header)?;
                self.out.extend(changed.map(|codec| Media::Track { id, codec }));
            }
            Content::Unit { data, .. } if data.is_empty() => {}
            Content::Unit { cts_ms, data } => {
                let Unit { changed, key, data } = track.unit(fourcc, data)?;
                self.out.extend(changed.map(|codec| Media::Track { id, codec }));
                if !data.is_empty() {
                    // A slice keeps the whole tag in memory, of which modifiers and other tracks may be the most.
                    let small = data.len() < tag_bytes / 2;
                    let data = if small { Bytes::copy_from_slice(&data) } else { data };
                    self.out.push_back(Media::Frame { track: id, dts_ms, dts_offset_ns, cts_ms, key, data });
                }
            }
        }
        Ok(())
    }

    fn report(&mut self, what: String) {
        if self.reported.len() < MAX_REPORTS && self.reported.insert(what.clone()) {
            self.out.push_back(Media::Unsupported { what });
        }
    }
}

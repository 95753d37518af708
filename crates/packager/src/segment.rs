//! A segment, as playlists and manifests speak of it.

use std::sync::Arc;

use bytes::Bytes;
use media::{TimeDelta, Timestamp, Track};

/// What is in a segment, before it has a number and a place in a playlist.
#[derive(Clone, PartialEq, Debug)]
pub struct Body {
    /// Hub time at which its first picture or sound is shown.
    pub start: Timestamp,
    /// Media time from its start to the start of the next one, or to the end of its last frame where media is
    /// missing after it.
    pub duration: TimeDelta,
    /// Bytes that it has.
    pub size: usize,
    /// Every picture in it can be decoded without the segment before. False also where pictures follow the key
    /// frame that are shown before it: those of an open GOP lean on the GOP before.
    pub independent: bool,
    /// It does not go on from the segment before it.
    pub discontinuity: bool,
    /// The tracks in it.
    pub tracks: Arc<[Track]>,
    /// Pictures of its leading video track.
    pub pictures: u32,
    /// Its times as they stand in it; none of MPEG-TS.
    pub fragment: Option<Fragment>,
}

/// Where a segment of fragmented MP4 is on the clock of its track.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fragment {
    /// Units per second.
    pub timescale: u32,
    /// Presentation time of its first sample.
    pub time: u64,
    /// Sum of the durations of its samples.
    pub duration: u64,
    /// Type of the stream access point that it starts with (ISO/IEC 14496-12 I.3), 0 where decoding cannot start.
    pub sap: u8,
}

impl Body {
    /// Hub time at which it ends.
    pub fn end(&self) -> Timestamp {
        self.start + self.duration
    }

    /// Mean rate in bits per second.
    pub fn bits_per_second(&self) -> u64 {
        let ticks = u128::try_from(self.duration.ticks()).unwrap_or(0).max(1);
        let bits = self.size as u128 * 8 * media::TICKS_PER_SECOND as u128;
        u64::try_from(bits / ticks).unwrap_or(u64::MAX)
    }
}

/// A numbered segment, as listed. Never changes.
#[derive(Clone, PartialEq, Debug)]
pub struct Segment {
    /// Its media sequence number.
    pub sequence: u64,
    /// Its file name, never used for anything else.
    pub name: String,
    /// Unix time of its first picture or sound.
    pub program_date_time: Timestamp,
    /// There is no such file: the rendition has no media there (EXT-X-GAP).
    pub gap: bool,
    /// File name of its initialization segment, where it needs one.
    pub init: Option<Arc<str>>,
    /// What is in it.
    pub body: Body,
}

/// A file that players may ask for. Its name is never used for anything else.
#[derive(Clone, PartialEq, Debug)]
pub struct File {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub kind: FileKind,
    /// Its bytes, in pieces that are shared with the carrier.
    pub parts: Vec<Bytes>,
}

/// What a file holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    /// A segment of MPEG-TS.
    Ts,
    /// A segment of fragmented MP4, or what initializes the decoder for such, with pictures.
    Video,
    /// The same with sound.
    Audio,
}

/// What changed in the files of an output.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Changes {
    /// New segments, in order, before any text that names them.
    pub added: Vec<File>,
    /// Texts that are new or say something else now, with their names: those that name others last.
    pub texts: Vec<(String, Bytes)>,
    /// Names of files that no player asks for any more: to be forgotten, and deleted where they were written to disk.
    pub removed: Vec<String>,
}

impl Changes {
    /// Takes over what changed thereafter.
    pub fn extend(&mut self, later: Self) {
        self.added.extend(later.added);
        for (name, text) in later.texts {
            self.texts.retain(|(known, _)| *known != name);
            self.texts.push((name, text));
        }
        self.removed.extend(later.removed);
    }
}

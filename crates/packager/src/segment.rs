//! A segment: the chunks from one cut to the next.

use std::sync::Arc;

use bytes::Bytes;
use media::{TimeDelta, Timestamp, Track};

use crate::cut::Cut;
use crate::ts::Chunk;

/// Bytes that a segment has at most: 12 s, the longest that one lasts, at 85 Mbit/s. A source whose clock stands
/// still sends more than that and never comes to the next cut.
const MAX_BYTES: usize = 128 << 20;

/// What is in a segment, before it has a number and a place in a playlist.
#[derive(Clone, PartialEq, Debug)]
pub struct Body {
    /// The epoch it belongs to.
    pub epoch: u64,
    /// Hub time at which it starts.
    pub start: Timestamp,
    /// Media time from its start to the start of the next one, or to the end of its last frame where media is
    /// missing after it.
    pub duration: TimeDelta,
    /// How much later than decoded its first picture is shown.
    pub delay: TimeDelta,
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
}

impl Body {
    /// Mean rate in bits per second.
    pub fn bits_per_second(&self) -> u64 {
        let ticks = u128::try_from(self.duration.ticks()).unwrap_or(0).max(1);
        let bits = self.size as u128 * 8 * media::TICKS_PER_SECOND as u128;
        u64::try_from(bits / ticks).unwrap_or(u64::MAX)
    }
}

/// The bytes of a segment, in pieces that are shared with the carrier.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Media {
    parts: Vec<Bytes>,
    size: usize,
}

impl Media {
    /// The pieces, in order.
    pub fn parts(&self) -> &[Bytes] {
        &self.parts
    }

    /// Bytes of all pieces.
    pub fn size(&self) -> usize {
        self.size
    }

    fn push(&mut self, part: &Bytes) {
        if !part.is_empty() {
            self.size += part.len();
            self.parts.push(part.clone());
        }
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
    /// There are no bytes of it: the rendition was silent where others went on.
    pub gap: bool,
    /// URI of the initialization segment that it needs, relative to the playlist; none where it needs none.
    pub init: Option<Arc<str>>,
    /// What is in it.
    pub body: Body,
}

/// Puts chunks together. Chunks before the first cut are passed over.
///
/// A segment that grows over 128 MiB is given up: what there was of it is freed, chunks are passed over up to the
/// next cut, and the segment that begins there is a discontinuity.
#[derive(Debug, Default)]
pub struct Builder {
    open: Option<Open>,
    /// The last segment was given up.
    broken: bool,
}

#[derive(Debug)]
struct Open {
    cut: Cut,
    epoch: u64,
    tracks: Arc<[Track]>,
    pictures: u32,
    /// A picture is shown before the one that the segment starts with.
    leading: bool,
    media: Media,
}

impl Builder {
    /// A builder without an open segment.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next chunk; the segment that it completes, if it begins another or ends the media.
    pub fn push(&mut self, chunk: &Chunk) -> Option<(Body, Media)> {
        let end = chunk.cut.as_ref().map(|cut| cut.end).or(chunk.end);
        let closed = end.and_then(|end| Some(self.open.take()?.close(end)));
        if let Some(mut cut) = chunk.cut {
            cut.discontinuity |= std::mem::take(&mut self.broken);
            self.open = Some(Open {
                cut,
                epoch: chunk.context.epoch.id,
                tracks: Arc::clone(&chunk.tracks),
                pictures: 0,
                leading: false,
                media: Media::default(),
            });
        }
        if self.open.as_ref().is_some_and(|open| open.media.size + chunk.bytes.len() > MAX_BYTES) {
            self.open = None;
            self.broken = true;
        }
        if let Some(open) = &mut self.open {
            open.media.push(&chunk.bytes);
            open.pictures += u32::from(chunk.picture);
            open.leading |= chunk.picture && chunk.pts < open.cut.start + open.cut.delay;
        }
        closed
    }

    /// Bytes of the open segment.
    #[cfg(test)]
    fn held(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.media.size)
    }
}

impl Open {
    fn close(self, end: Timestamp) -> (Body, Media) {
        let body = Body {
            epoch: self.epoch,
            start: self.cut.start,
            duration: end - self.cut.start,
            delay: self.cut.delay,
            size: self.media.size,
            independent: self.cut.independent && !self.leading,
            discontinuity: self.cut.discontinuity,
            tracks: self.tracks,
            pictures: self.pictures,
        };
        (body, self.media)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hub::Context;
    use media::timeline::Epoch;

    use super::*;

    fn chunk(bytes: &Bytes, cut_s: Option<i64>) -> Chunk {
        let at = |s| Timestamp::from_scale(s, 1);
        let time = at(cut_s.unwrap_or(0));
        Chunk {
            bytes: bytes.clone(),
            dts: time,
            pts: time,
            arrival: Duration::ZERO,
            start: false,
            splice: Bytes::new(),
            cut: cut_s.map(|s| Cut {
                end: at(s),
                start: at(s),
                delay: TimeDelta::ZERO,
                independent: true,
                discontinuity: false,
                target_duration: None,
            }),
            end: None,
            picture: true,
            context: Arc::new(Context {
                epoch: Epoch { id: 0, start: at(0) },
                tracks: Arc::default(),
                anchor: None,
            }),
            tracks: Arc::default(),
        }
    }

    #[test]
    fn a_segment_that_no_cut_ends_is_given_up() {
        let mebibyte = Bytes::from(vec![0; 1 << 20]);
        let mut builder = Builder::new();
        assert_eq!(builder.push(&chunk(&mebibyte, Some(0))), None);
        for _ in 0..200 {
            assert_eq!(builder.push(&chunk(&mebibyte, None)), None);
            assert!(builder.held() <= MAX_BYTES, "{} bytes", builder.held());
        }
        assert_eq!(builder.held(), 0);
        assert_eq!(builder.push(&chunk(&mebibyte, Some(2))), None, "it is in no playlist");
        let (next, media) = builder.push(&chunk(&mebibyte, Some(4))).unwrap();
        assert_eq!((next.discontinuity, next.size), (true, 1 << 20));
        assert_eq!(media.parts(), std::slice::from_ref(&mebibyte));
        let (last, _) = builder.push(&chunk(&mebibyte, Some(6))).unwrap();
        assert!(!last.discontinuity);
    }
}

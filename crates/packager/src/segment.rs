//! A segment: the chunks from one cut to the next, as one piece of memory.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use media::{TimeDelta, Timestamp, Track};

use crate::cut::Cut;
use crate::ts::Chunk;

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
    /// All of it.
    pub bytes: Bytes,
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
        let bits = self.bytes.len() as u128 * 8 * media::TICKS_PER_SECOND as u128;
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
    /// What is in it.
    pub body: Body,
}

/// Puts chunks together. Chunks before the first cut are passed over.
#[derive(Debug, Default)]
pub struct Builder {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    cut: Cut,
    epoch: u64,
    tracks: Arc<[Track]>,
    pictures: u32,
    /// A picture is shown before the one that the segment starts with.
    leading: bool,
    bytes: BytesMut,
}

impl Builder {
    /// A builder without an open segment.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next chunk; the segment that it completes, if it begins another or ends the media.
    pub fn push(&mut self, chunk: &Chunk) -> Option<Body> {
        let end = chunk.cut.as_ref().map(|cut| cut.end).or(chunk.end);
        let closed = end.and_then(|end| Some(self.open.take()?.close(end)));
        if let Some(cut) = chunk.cut {
            // The last segment's size is the best guess for the next one.
            let capacity = closed.as_ref().map_or(0, |body| body.bytes.len());
            self.open = Some(Open {
                cut,
                epoch: chunk.context.epoch.id,
                tracks: Arc::clone(&chunk.tracks),
                pictures: 0,
                leading: false,
                bytes: BytesMut::with_capacity(capacity),
            });
        }
        if let Some(open) = &mut self.open {
            open.bytes.extend_from_slice(&chunk.bytes);
            open.pictures += u32::from(chunk.picture);
            open.leading |= chunk.picture && chunk.pts < open.cut.start + open.cut.delay;
        }
        closed
    }
}

impl Open {
    fn close(self, end: Timestamp) -> Body {
        // A copy of the right size: spare capacity would stay in memory as long as the segment.
        let bytes = match self.bytes.capacity() - self.bytes.len() > self.bytes.len() / 8 {
            true => Bytes::copy_from_slice(&self.bytes),
            false => self.bytes.freeze(),
        };
        Body {
            epoch: self.epoch,
            start: self.cut.start,
            duration: end - self.cut.start,
            delay: self.cut.delay,
            bytes,
            independent: self.cut.independent && !self.leading,
            discontinuity: self.cut.discontinuity,
            tracks: self.tracks,
            pictures: self.pictures,
        }
    }
}

//! What the ring of a stream holds.

use std::sync::Arc;
use std::time::Duration;

use media::timeline::{Anchor, Epoch};
use media::{Frame, Track};

use crate::Item;

/// The state of a stream that a frame belongs to. A change makes a new context.
#[derive(Clone, PartialEq, Debug)]
pub struct Context {
    /// The stretch of continuous source time.
    pub epoch: Epoch,
    /// The tracks that have been seen in the bitstream, in the order of their ids.
    pub tracks: Arc<[Track]>,
    /// Wall clock of the epoch, once it is settled; nothing of an epoch may be announced before.
    pub anchor: Option<Anchor>,
}

/// One frame with the state it belongs to.
///
/// A reader sees that epoch, tracks or anchor changed by comparing the context with the one of the entry
/// before. There are no control messages beside the frames, so a reader that skips cannot miss a change.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Shared by all frames until something changes.
    pub context: Arc<Context>,
    /// The frame.
    pub frame: Frame,
    /// When it came in, on the monotonic clock of the process.
    pub arrival: Duration,
    /// A reader may start here: a key frame of the video track, or any frame of a stream without video.
    pub start: bool,
}

impl Item for Entry {
    fn size(&self) -> usize {
        self.frame.data.len()
    }

    fn arrival(&self) -> Duration {
        self.arrival
    }

    fn is_start(&self) -> bool {
        self.start
    }
}

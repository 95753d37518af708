//! One writer, many readers: the middle of every stream.
//!
//! A [`Stream`] exists while it is configured, with or without media; the rungs of an ABR ladder are streams that
//! share one clock. Sources open a feed on it and push access units; the timeline puts them on that clock; carriers
//! read [`Entry`]s from its [`Ring`]. The same ring type carries a carrier's bytes to its viewers, so there is one drop
//! policy in the house: a reader that falls behind skips to the newest key frame and the skip is counted.
//!
//! Nothing here knows a protocol, reads a clock or names a runtime; readers wait with standard wakers.

mod entry;
mod ladder;
mod log;
mod rate;
mod ring;
mod silence;
mod stream;
mod sync;

pub use entry::{Context, Entry};
pub use log::{Item, Limits, Log, Place};
pub use ring::{Cursor, Read, Ring};
pub use stream::{Feed, Haste, MAX_RUNGS, Pushed, Status, Stream, TrackStatus};

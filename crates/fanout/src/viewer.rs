//! What a protocol tells the fan-out of its viewers.

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::Bytes;

use crate::Pieces;

/// How a viewer came to an item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// It is the first that the viewer gets.
    First,
    /// It follows the one before.
    Follows,
    /// Items before it were skipped, for the viewer was too slow.
    Skipped,
}

/// Why a viewer is served no longer.
#[derive(Debug)]
#[non_exhaustive]
pub enum End {
    /// It was taken away by [`Membership`](crate::Membership).
    Left,
    /// The ring was closed and the viewer has all of it that it could take at once.
    Closed,
    /// It did not catch up for this long after a skip.
    TooSlow(Duration),
    /// Its connection failed.
    Failed(io::Error),
    /// Serving it went wrong on our side; the panic was logged.
    Panicked,
    /// The thread that served it ends.
    Stopped,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left => f.write_str("left"),
            Self::Closed => f.write_str("the ring was closed"),
            Self::TooSlow(time) => write!(f, "behind for {:.0} s", time.as_secs_f64()),
            Self::Failed(error) => write!(f, "connection failed: {error}"),
            Self::Panicked => f.write_str("internal error"),
            Self::Stopped => f.write_str("the server ends"),
        }
    }
}

/// One viewer: how items look on its wire, and who is told what becomes of it.
///
/// The methods run on a thread that serves many others: they do not block.
pub trait Viewer: Send + 'static {
    /// What its ring holds.
    type Item: hub::Item + Send + 'static;

    /// Whether there is an [`opening`](Self::opening), for which all else waits.
    fn opens(&self) -> bool {
        false
    }

    /// What is sent once before `first`, the item that it begins with, or goes on with after a pause: for protocols that tell a
    /// viewer where it begins. What is said meanwhile leaves
    /// behind it.
    fn opening(&self, _first: &Self::Item) -> Bytes {
        Bytes::new()
    }

    /// Appends the wire form of an item. It is asked again for an item that left in part only, and must give the same
    /// bytes then.
    fn frame<'i>(&self, item: &'i Self::Item, how: How, out: &mut Pieces<'i>);

    /// Viewers of equal shape have equal wire forms of all items that follow one they have; these are then put together
    /// once for all. None: its wire form is its own.
    fn shape(&self) -> Option<u64>;

    /// Whether an item is not to wait for what follows it, see [`Settings::hold`](crate::Settings::hold).
    fn is_urgent(item: &Self::Item) -> bool;

    /// From the next item on it is to get another selection of what it could get, see
    /// [`Membership::select`](crate::Membership::select).
    fn select(&mut self, _word: u8) {}

    /// What ends the stream on the wire, sent where the last item went out whole and the socket has room.
    fn tail(&self) -> &'static [u8] {
        &[]
    }

    /// The system took these bytes for it.
    fn sent(&mut self, bytes: usize);

    /// It was too slow and goes on at a later start.
    fn skipped(&mut self);

    /// It is served no longer.
    fn ended(self, why: End);
}

//! What the thread of a relay asks of each of its routes.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};

use super::Counters;

/// Which sockets are waited for, and after the wait, which of them are ready: in the same order.
pub(super) struct Ready<'all>(pub(super) &'all mut dyn Iterator<Item = bool>);

impl Ready<'_> {
    /// Whether the next socket has something.
    pub(super) fn next(&mut self) -> bool {
        self.0.next().unwrap_or(false)
    }
}

/// A listener with its clients.
pub(super) trait Serve: Send {
    /// The sockets to wait for, in an order that holds until the next [`Self::turn`].
    fn sockets<'all>(&'all self, now: Duration, all: &mut Vec<PollFd<'all>>);
    /// Reads what is ready and writes what leaves.
    fn turn(&mut self, now: Duration, ready: &mut Ready<'_>);
    /// When there is something to do without a socket being ready.
    fn deadline(&self, now: Duration) -> Option<Duration>;
    /// Clients so far, and what was done to what they sent and got.
    fn counters(&self) -> (u64, Counters, Counters);
}

/// Waits for something to read.
pub(super) fn readable<'socket>(socket: BorrowedFd<'socket>) -> PollFd<'socket> {
    PollFd::from_borrowed_fd(socket, PollFlags::IN)
}

/// The sooner of two times.
pub(super) fn sooner(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).min()
}

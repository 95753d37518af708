//! What both cores share: the wait for the rate, and what is counted.

use std::ops::AddAssign;
use std::time::Duration;

use super::Impairment;

/// What was done to packets, or to the segments of a byte stream.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counters {
    /// Packets or segments that came.
    pub packets: u64,
    /// Bytes that came.
    pub bytes: u64,
    /// Packets that were lost by [`Impairment::loss`]; segments that came later by it.
    pub lost: u64,
    /// Packets that were lost because more waited for the rate than [`Impairment::queue`] allows.
    pub overflowed: u64,
    /// Packets that were held back for others to overtake.
    pub reordered: u64,
    /// Packets that were sent twice.
    pub duplicated: u64,
    /// Packets that left, duplicates too, or pieces of the byte stream.
    pub sent: u64,
}

impl AddAssign for Counters {
    fn add_assign(&mut self, more: Self) {
        self.packets += more.packets;
        self.bytes += more.bytes;
        self.lost += more.lost;
        self.overflowed += more.overflowed;
        self.reordered += more.reordered;
        self.duplicated += more.duplicated;
        self.sent += more.sent;
    }
}

/// A wire that takes as many bits per second and no more.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Wire {
    /// When all that was given to it is through.
    free: Duration,
}

impl Wire {
    /// How long something that comes now would wait before its first bit is sent.
    pub(super) fn wait(&self, now: Duration) -> Duration {
        self.free.saturating_sub(now)
    }

    /// When the last bit of something that comes now is through.
    pub(super) fn send(&mut self, now: Duration, bytes: usize, impairment: &Impairment) -> Duration {
        let Some(kbps) = impairment.rate_kbps else { return now };
        let nanos = bytes as u64 * 8 * 1_000_000 / u64::from(kbps.max(1));
        self.free = self.free.max(now) + Duration::from_nanos(nanos);
        self.free
    }
}

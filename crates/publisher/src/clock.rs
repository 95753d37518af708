//! The one place that reads clocks.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use media::Timestamp;
use media::timeline::Arrival;

/// The process's clock: monotonic time since it was made, and the wall clock beside it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that starts at zero now.
    pub(crate) fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Monotonic time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }

    /// The present on both clocks, for the timeline.
    pub(crate) fn now(&self) -> Arrival {
        Arrival { mono: self.elapsed(), wall: wall() }
    }
}

/// Unix time; a clock before 1970 counts as 1970.
pub(crate) fn wall() -> Timestamp {
    Timestamp::from_duration(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

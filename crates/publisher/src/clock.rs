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

/// A time for people: `10 s`, `0.5 s`.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{} s", (time.as_secs_f64() * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_without_zeros() {
        assert_eq!(
            [10_000, 500, 1040].map(|ms| seconds(Duration::from_millis(ms))),
            ["10 s", "0.5 s", "1 s"]
        );
    }
}

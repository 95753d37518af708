//! The least and the greatest delay of the last seconds: how bursty a source is, and whether it drifts.

use std::time::Duration;

use crate::TimeDelta;

/// How long one window is.
const WINDOW: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug)]
struct Window {
    since: Duration,
    min: TimeDelta,
    max: TimeDelta,
}

/// Delays (arrival − media time) over the running window and the one before it.
#[derive(Clone, Debug, Default)]
pub(super) struct Lags {
    current: Option<Window>,
    previous: Option<Window>,
}

impl Lags {
    /// Takes one delay in, and tells the least of the window where this ends one.
    pub(super) fn observe(&mut self, now: Duration, lag: TimeDelta) -> Option<TimeDelta> {
        match &mut self.current {
            Some(window) if now.saturating_sub(window.since) < WINDOW => {
                window.min = window.min.min(lag);
                window.max = window.max.max(lag);
                None
            }
            current => {
                let ended = current.replace(Window { since: now, min: lag, max: lag });
                self.previous = ended;
                ended.map(|window| window.min)
            }
        }
    }

    /// The least delay of the last 10 to 20 seconds.
    pub(super) fn min(&self) -> Option<TimeDelta> {
        self.windows().map(|window| window.min).min()
    }

    /// The greatest delay of the last 10 to 20 seconds.
    pub(super) fn max(&self) -> Option<TimeDelta> {
        self.windows().map(|window| window.max).max()
    }

    fn windows(&self) -> impl Iterator<Item = &Window> {
        self.current.iter().chain(&self.previous)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_forgets_after_two_lengths() {
        let mut lags = Lags::default();
        let ms = TimeDelta::from_millis;
        assert_eq!(lags.observe(Duration::ZERO, ms(5)), None);
        assert_eq!(lags.observe(Duration::from_secs(1), ms(9)), None);
        assert_eq!(lags.observe(Duration::from_secs(10), ms(7)), Some(ms(5)));
        assert_eq!((lags.min(), lags.max()), (Some(ms(5)), Some(ms(9))));
        assert_eq!(lags.observe(Duration::from_secs(20), ms(8)), Some(ms(7)));
        assert_eq!((lags.min(), lags.max()), (Some(ms(7)), Some(ms(8))));
    }
}

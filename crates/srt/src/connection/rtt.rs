//! Round-trip time (draft-sharabayko-srt 4.10).

use std::time::Duration;

/// The longest that is believed.
const MOST: Duration = Duration::from_secs(10);

/// The smoothed round-trip time and its mean deviation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rtt {
    smooth: Duration,
    variance: Duration,
    origin: Origin,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Origin {
    /// Nothing is known yet.
    Assumed,
    /// The peer measured it, and says so in its ACKs.
    Told,
    /// From our ACKs and what answers them.
    Measured,
}

impl Default for Rtt {
    fn default() -> Self {
        let smooth = Duration::from_millis(100);
        Self { smooth, variance: smooth / 2, origin: Origin::Assumed }
    }
}

impl Rtt {
    /// The answer to an ACK took so long.
    pub(super) fn measure(&mut self, sample: Duration) {
        let sample = sample.min(MOST);
        if self.origin == Origin::Measured {
            self.variance = (self.variance * 3 + self.smooth.abs_diff(sample)) / 4;
            self.smooth = (self.smooth * 7 + sample) / 8;
        } else {
            (self.smooth, self.variance) = (sample, sample / 2);
            self.origin = Origin::Measured;
        }
    }

    /// The peer says so. It counts as long as we have nothing to measure it by.
    pub(super) fn note(&mut self, smooth_us: u32, variance_us: u32) {
        if self.origin != Origin::Measured {
            self.smooth = Duration::from_micros(smooth_us.into()).min(MOST);
            self.variance = Duration::from_micros(variance_us.into()).min(MOST);
            self.origin = Origin::Told;
        }
    }

    pub(super) fn smooth(&self) -> Duration {
        self.smooth
    }

    pub(super) fn variance(&self) -> Duration {
        self.variance
    }

    /// Before this no answer comes, nearly always.
    pub(super) fn shortest(&self) -> Duration {
        self.smooth.saturating_sub(self.variance * 4)
    }

    /// Within this an answer comes, nearly always.
    pub(super) fn longest(&self) -> Duration {
        self.smooth + self.variance * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_counts_more_than_what_is_told() {
        let ms = Duration::from_millis;
        let mut rtt = Rtt::default();
        rtt.note(20_000, 1000);
        assert_eq!((rtt.shortest(), rtt.smooth(), rtt.longest()), (ms(16), ms(20), ms(24)));
        rtt.measure(ms(40));
        assert_eq!((rtt.smooth(), rtt.variance()), (ms(40), ms(20)));
        rtt.note(1, 1);
        rtt.measure(ms(48));
        assert_eq!((rtt.smooth(), rtt.variance()), (ms(41), ms(17)));
        rtt.measure(Duration::MAX);
        assert!(rtt.longest() < Duration::from_secs(20));
    }
}

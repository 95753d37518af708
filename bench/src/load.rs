//! How many clients come, how fast, and for how long: what all modes with clients have in common.

use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::usage::Window;

/// The clients and their time.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Load {
    /// How many clients
    #[arg(short, long, value_name = "CLIENTS", default_value_t = 1)]
    pub(crate) n: usize,
    /// Seconds that are measured
    #[arg(long, value_name = "SECONDS", default_value_t = 8)]
    pub(crate) secs: u64,
    /// Seconds between the last client's start and the measuring
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
    pub(crate) warmup: f64,
    /// Clients that start in a second
    #[arg(long, value_name = "PER_SECOND", default_value_t = 500.0)]
    pub(crate) rate: f64,
    /// `{i}` in the URL's path becomes the client's number modulo this
    #[arg(long, value_name = "STREAMS", default_value_t = 1)]
    pub(crate) streams: usize,
}

/// When the clients start and when they are measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    start: Instant,
    gap: Duration,
    /// When all are measured.
    pub(crate) window: Window,
}

impl Load {
    /// From now on. Fails for numbers that make no sense.
    pub(crate) fn schedule(&self) -> anyhow::Result<Schedule> {
        ensure!(self.n > 0 && self.secs > 0 && self.streams > 0, "-n, --secs and --streams are at least 1");
        ensure!(self.rate > 0.0 && self.rate.is_finite(), "--rate is more than 0");
        let warmup = Duration::try_from_secs_f64(self.warmup)?;
        let gap = Duration::try_from_secs_f64(1.0 / self.rate)?;
        let start = Instant::now() + Duration::from_millis(50);
        let count = u32::try_from(self.n)?;
        Ok(Schedule { start, gap, window: Window { start: start + gap * count + warmup, secs: self.secs } })
    }
}

impl Schedule {
    /// When the client with that number starts.
    pub(crate) fn start_of(&self, client: usize) -> Instant {
        self.start + self.gap.saturating_mul(u32::try_from(client).unwrap_or(u32::MAX))
    }

    /// From the first client's start to the measuring, for the user to know.
    pub(crate) fn lead(&self) -> Duration {
        self.window.start - self.start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_opens_when_all_have_come_and_warmed_up() {
        let load = Load { n: 100, secs: 4, warmup: 2.0, rate: 50.0, streams: 1 };
        let schedule = load.schedule().unwrap();
        assert_eq!(schedule.lead(), Duration::from_secs(4));
        assert_eq!(schedule.start_of(50) - schedule.start_of(0), Duration::from_secs(1));
        assert_eq!(schedule.window.second(schedule.window.start - Duration::from_millis(1)), None);
        assert_eq!(schedule.window.second(schedule.window.end()), Some(4));
        assert!(Load { n: 0, ..load }.schedule().is_err());
        assert!(Load { rate: 0.0, ..load }.schedule().is_err());
    }
}

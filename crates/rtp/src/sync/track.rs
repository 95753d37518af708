//! What is known of one track's clock.

use std::time::Duration;

use media::TimeDelta;

use super::{CONFIRMATIONS, JUMP, MARGIN};
use crate::rtcp::{NtpTime, SenderReport};

/// How long the least delay is remembered, at least; twice that at most. Clocks drift.
const MEMORY: Duration = Duration::from_secs(10);

/// The last report: a moment on the sender's wall clock and on the track's own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Report {
    pub(super) ntp: NtpTime,
    pub(super) media: TimeDelta,
    /// When it came.
    pub(super) at: Duration,
}

/// A track's clock.
#[derive(Debug, Clone)]
pub(super) struct Track {
    rate: u32,
    /// Added to its timestamps; the sender began anew since.
    base: i64,
    restarted: bool,
    /// The last timestamp of a packet, or of a report before there was one, without wraps.
    reference: Option<i64>,
    first: Option<Duration>,
    last: Option<Duration>,
    lag: Lag,
    pub(super) report: Option<Report>,
    /// What makes common time of its own; none before it is in its place.
    pub(super) offset: Option<TimeDelta>,
    /// Whether reports said so.
    pub(super) by_reports: bool,
    /// By how much reports say it is wrong, how many times, and when the last of these came.
    pub(super) dispute: Option<(TimeDelta, u32, Duration)>,
}

impl Track {
    pub(super) fn new(rate: u32) -> Self {
        Self {
            rate: rate.max(1),
            base: 0,
            restarted: false,
            reference: None,
            first: None,
            last: None,
            lag: Lag::default(),
            report: None,
            offset: None,
            by_reports: false,
            dispute: None,
        }
    }

    /// Its time of an access unit that came now, and whether its timestamps jumped there.
    pub(super) fn arrive(&mut self, now: Duration, timestamp: u32) -> (TimeDelta, bool) {
        let before = self.reference.zip(self.last);
        if let Some((reference, last)) = before.filter(|_| self.restarted) {
            let passed = TimeDelta::from(now.saturating_sub(last)).to_scale(self.rate);
            self.base = reference.saturating_add(passed).saturating_sub(timestamp.into());
            self.reference = Some(reference.saturating_add(passed));
        }
        self.restarted = false;
        let value = self.unroll(timestamp);
        let media = self.media(value);
        let jumped = before.is_some_and(|(reference, last)| {
            let step = media - self.media(reference);
            (step - TimeDelta::from(now.saturating_sub(last))).abs() > JUMP
        });
        if jumped {
            self.lag = Lag::default();
        }
        self.lag.note(now, media);
        self.reference = Some(value);
        self.first.get_or_insert(now);
        self.last = Some(now);
        (media, jumped)
    }

    /// Takes what the sender says, if it has a clock (RFC 3550 6.4.1: 0 where it has none).
    pub(super) fn take_report(&mut self, now: Duration, report: &SenderReport) {
        if report.ntp == NtpTime(0) || self.restarted {
            return;
        }
        let value = self.unroll(report.rtp_timestamp);
        self.reference.get_or_insert(value);
        self.report = Some(Report { ntp: report.ntp, media: self.media(value), at: now });
    }

    /// Another sender.
    pub(super) fn restart(&mut self) {
        self.restarted = true;
        self.report = None;
        self.dispute = None;
    }

    /// When its first access unit came.
    pub(super) fn since(&self) -> Option<Duration> {
        self.first
    }

    /// The least time by which it arrived later than its own clock says.
    pub(super) fn lag(&self) -> Option<TimeDelta> {
        self.lag.least()
    }

    /// Notes that its last report and another track's say that it is wrong; whether that was said often enough.
    pub(super) fn is_confirmed(&mut self, error: TimeDelta, other: Option<Report>) -> bool {
        let (Some(own), Some(other)) = (self.report, other) else { return false };
        let count = match self.dispute {
            // One of the two was counted.
            Some((_, _, last)) if own.at.min(other.at) <= last => return false,
            Some((before, count, _)) if (error - before).abs() <= MARGIN => count + 1,
            _ => 1,
        };
        self.dispute = Some((error, count, own.at.max(other.at)));
        count >= CONFIRMATIONS
    }

    /// The timestamp as the value nearest to the last one among those that wrap to it.
    fn unroll(&self, timestamp: u32) -> i64 {
        let value = self.base.saturating_add(timestamp.into());
        let Some(reference) = self.reference else { return value };
        // The lower 32 bits as a signed distance.
        let step = (value as u32).wrapping_sub(reference as u32) as i32;
        reference.saturating_add(step.into())
    }

    fn media(&self, value: i64) -> TimeDelta {
        TimeDelta::from_scale(value, self.rate)
    }
}

/// Arrival less the track's own time, the least of the last ten to twenty seconds.
#[derive(Debug, Clone, Default)]
struct Lag {
    began: Option<Duration>,
    now: Least,
    before: Least,
    peak: Option<TimeDelta>,
}

/// Where pictures are reordered, those that go forward are sent long before they are shown, and those that go back about when
/// they are, as sound is; so these are the better measure.
#[derive(Debug, Clone, Copy, Default)]
struct Least {
    all: Option<TimeDelta>,
    back: Option<TimeDelta>,
}

impl Lag {
    fn note(&mut self, now: Duration, media: TimeDelta) {
        let began = *self.began.get_or_insert(now);
        if now.saturating_sub(began) >= MEMORY {
            (self.before, self.now, self.began) = (self.now, Least::default(), Some(now));
        }
        let lag = TimeDelta::from(now) - media;
        let least = |before: Option<TimeDelta>| Some(before.map_or(lag, |before| before.min(lag)));
        self.now.all = least(self.now.all);
        if self.peak.is_some_and(|peak| media < peak) {
            self.now.back = least(self.now.back);
        } else {
            self.peak = Some(media);
        }
    }

    fn least(&self) -> Option<TimeDelta> {
        let of = |part: fn(&Least) -> Option<TimeDelta>| {
            [part(&self.before), part(&self.now)].into_iter().flatten().min()
        };
        of(|least| least.back).or_else(|| of(|least| least.all))
    }
}

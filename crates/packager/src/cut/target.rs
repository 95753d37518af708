//! The length that segments aim at, and the one they may not exceed.

use media::{TICKS_PER_SECOND, TimeDelta, Timestamp};

/// No target is shorter, for the tag holds whole seconds, and no segment that another one follows without a break:
/// media sequence numbers start at a Unix second and must not outrun the clock, or they would go back at a restart.
const MIN: TimeDelta = TimeDelta::from_secs(1);
/// No target is longer, whatever the GOP: a playlist of three segments is half a minute as it is.
const MAX: TimeDelta = TimeDelta::from_secs(12);
/// A GOP of 2.002 s (60 pictures at 29.97 Hz) counts as 2 s: the tag speaks of rounded durations.
const TOLERANCE: TimeDelta = TimeDelta::from_millis(50);
/// What the stamps of a GOP of 1 s may lack of it before the target is fixed: a millisecond's rounding at both ends.
const ROUNDING: TimeDelta = TimeDelta::from_millis(2);
/// What a duration may exceed TARGETDURATION by and still be rounded down to it, however many decimals are
/// printed (RFC 8216 4.3.3.1).
const ROUNDED_DOWN: TimeDelta = TimeDelta::from_millis(499);

/// The target, measured from the first GOP and then fixed.
#[derive(Debug)]
pub(super) struct Target {
    setting: TimeDelta,
    /// Aim and TARGETDURATION, once they are fixed.
    fixed: Option<(TimeDelta, u32)>,
    /// Start of the first segment of all.
    first: Option<Timestamp>,
    /// Segments begun after that.
    begun: i64,
    /// Whether a GOP was seen from key frame to key frame.
    measured: bool,
    /// The longest GOP, or part of one, while nothing is fixed.
    longest_gop: TimeDelta,
    /// The longest segment closed while nothing is fixed: the tag has to cover it.
    longest_segment: TimeDelta,
    last_key: Option<Timestamp>,
    gop: Option<TimeDelta>,
}

/// Whole seconds, rounded up past the tolerance.
fn seconds_for(aim: TimeDelta) -> u32 {
    let ticks = (aim - TOLERANCE).ticks().max(1);
    u32::try_from((ticks - 1) / TICKS_PER_SECOND + 1).unwrap_or(u32::MAX)
}

fn limit_of(seconds: u32) -> TimeDelta {
    TimeDelta::from_secs(i64::from(seconds)) + ROUNDED_DOWN
}

impl Target {
    pub(super) fn new(setting: TimeDelta) -> Self {
        Self {
            setting: setting.clamp(MIN, MAX),
            fixed: None,
            first: None,
            begun: 0,
            measured: false,
            longest_gop: TimeDelta::ZERO,
            longest_segment: TimeDelta::ZERO,
            last_key: None,
            gop: None,
        }
    }

    /// EXT-X-TARGETDURATION, once fixed.
    pub(super) fn announced(&self) -> Option<u32> {
        self.fixed.map(|(_, seconds)| seconds)
    }

    fn aim(&self) -> TimeDelta {
        self.fixed.map_or_else(|| self.setting.max(self.longest_gop).min(MAX), |(aim, _)| aim)
    }

    /// What no segment may exceed.
    pub(super) fn limit(&self) -> TimeDelta {
        self.fixed.map_or_else(|| MAX + ROUNDED_DOWN, |(_, seconds)| limit_of(seconds))
    }

    /// The least that the limit can come to be, as far as is known.
    pub(super) fn least_limit(&self) -> TimeDelta {
        limit_of(self.announced().unwrap_or_else(|| self.seconds(self.aim())))
    }

    /// TARGETDURATION that goes with an aim.
    fn seconds(&self, aim: TimeDelta) -> u32 {
        let covering = u32::try_from(self.longest_segment.to_scale(1)).unwrap_or(u32::MAX);
        seconds_for(aim).max(covering)
    }

    /// Where to cut when no key frame is to be expected at all.
    pub(super) fn aim_without_keys(&self) -> TimeDelta {
        self.fixed.map_or(MAX, |(aim, _)| aim)
    }

    /// A key frame of the leading track.
    pub(super) fn key(&mut self, at: Timestamp) {
        if let Some(last) = self.last_key.replace(at) {
            self.gop = Some(at - last);
            self.measured = true;
            self.note_gop(at - last);
        }
    }

    /// Whether a segment of `elapsed` may end `at` a key frame: not under a second, or that but for jitter where
    /// those before it were no shorter on the whole.
    fn is_long_enough(&self, at: Timestamp, elapsed: TimeDelta) -> bool {
        if self.fixed.is_none() {
            return elapsed >= MIN - ROUNDING;
        }
        let ahead = self.first.map_or(TimeDelta::ZERO, |first| MIN.times(self.begun + 1) - (at - first));
        elapsed >= MIN || elapsed >= MIN - TOLERANCE && ahead <= TOLERANCE
    }

    /// Whether the key frame `at` this time, `elapsed` after the segment's start, is nearer to the target than the
    /// next one will be, if the GOPs stay as they are. Not before half of it: no tiny segments.
    pub(super) fn is_nearest(&self, at: Timestamp, elapsed: TimeDelta) -> bool {
        if !self.is_long_enough(at, elapsed) {
            return false;
        }
        let aim = self.aim();
        if elapsed >= aim {
            return true;
        }
        let next = elapsed + self.gop.unwrap_or(aim);
        let limit = self.fixed.map_or_else(|| limit_of(seconds_for(aim)), |_| self.limit());
        elapsed.times(2) >= aim && (next > limit || aim - elapsed <= next - aim)
    }

    /// Whether a segment that started at `open` has to end here without a key frame, for the next frame would be
    /// too late by `step`. Where the next key frame is known to be out of reach, the way there is divided evenly,
    /// unless the parts would be under a second.
    pub(super) fn is_forced(&self, open: Timestamp, elapsed: TimeDelta, step: TimeDelta) -> bool {
        if self.fixed.is_none() {
            return elapsed >= MAX;
        }
        let limit = self.limit();
        if elapsed + step > limit {
            return true;
        }
        let expected = self.last_key.zip(self.gop).map(|(key, gop)| key + gop - open);
        let Some(expected) = expected.filter(|&expected| expected > limit) else { return false };
        let pieces = (expected.ticks() - 1) / limit.ticks() + 1;
        let piece = TimeDelta::from_ticks(expected.ticks() / pieces);
        piece >= MIN && elapsed >= MIN && elapsed + TimeDelta::from_ticks(step.ticks() / 2) >= piece
    }

    /// A segment starts.
    pub(super) fn begin(&mut self, start: Timestamp, key: Option<Timestamp>) {
        self.begun += i64::from(self.first.is_some());
        self.first = self.first.or(Some(start));
        self.last_key = key.or(self.last_key);
    }

    /// A segment ended. The first time that enough is known, the target is fixed for ever.
    pub(super) fn close(&mut self, start: Timestamp, end: Timestamp) {
        if self.fixed.is_some() {
            return;
        }
        self.longest_segment = self.longest_segment.max(end - start);
        let waited = self.first.is_some_and(|first| end - first >= MAX);
        if !self.measured && !waited {
            return;
        }
        if let Some(key) = self.last_key {
            self.note_gop(end - key);
        }
        let aim = self.aim();
        self.fixed = Some((aim, self.seconds(aim)));
    }

    /// The media breaks off at `end`: the GOP under way has no end that tells its length.
    pub(super) fn interrupt(&mut self, end: Timestamp) {
        if let Some(key) = self.last_key.take() {
            self.note_gop(end - key);
        }
    }

    /// Decode times are by so much later from now on.
    pub(super) fn shift(&mut self, later: TimeDelta) {
        self.first = self.first.map(|first| first + later);
        self.last_key = self.last_key.map(|key| key + later);
    }

    fn note_gop(&mut self, gop: TimeDelta) {
        self.longest_gop = self.longest_gop.max(gop);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_scale(ms, 1000)
    }

    fn fixed_by(setting_ms: i64, gop_ms: i64) -> Target {
        let mut target = Target::new(TimeDelta::from_millis(setting_ms));
        target.begin(at(0), Some(at(0)));
        target.key(at(gop_ms));
        target.close(at(0), at(gop_ms));
        target
    }

    #[test]
    fn the_target_is_the_longer_of_setting_and_gop_rounded_up() {
        for (setting, gop, announced) in [
            (2000, 2000, 2),
            (2000, 500, 2),
            (2000, 10_000, 10),
            (1500, 1500, 2),
            (100, 500, 1),
            (2000, 4200, 5),
        ] {
            assert_eq!(fixed_by(setting, gop).announced(), Some(announced), "{setting} {gop}");
        }
    }

    #[test]
    fn a_ntsc_gop_does_not_cost_a_second() {
        assert_eq!(fixed_by(2000, 2002).announced(), Some(2));
    }

    #[test]
    fn no_key_frame_means_twelve_seconds() {
        let mut target = Target::new(TimeDelta::from_secs(2));
        target.begin(at(0), Some(at(0)));
        assert!(!target.is_forced(at(0), TimeDelta::from_millis(11_960), TimeDelta::from_millis(40)));
        assert!(target.is_forced(at(0), TimeDelta::from_secs(12), TimeDelta::from_millis(40)));
        target.close(at(0), at(12_000));
        assert_eq!(target.announced(), Some(12));
    }

    #[test]
    fn a_gop_out_of_reach_is_divided_evenly() {
        let mut target = fixed_by(2000, 2000);
        target.key(at(2000));
        target.key(at(7000));
        let forced = |ms| target.is_forced(at(7000), TimeDelta::from_millis(ms), TimeDelta::from_millis(40));
        assert!(!forced(1600));
        assert!(forced(1680), "5 s in three parts");
    }

    #[test]
    fn a_gop_of_a_second_may_jitter() {
        let mut target = fixed_by(1000, 1000);
        target.begin(at(1000), Some(at(1000)));
        assert!(target.is_nearest(at(1970), TimeDelta::from_millis(970)));
        target.begin(at(1970), Some(at(1970)));
        assert!(!target.is_nearest(at(2940), TimeDelta::from_millis(970)), "two short ones outrun the clock");
    }
}

//! Hub time as the clocks of a transport stream: PTS and DTS in 90 kHz, PCR in 27 MHz (ISO/IEC 13818-1 2.4.2).

use media::{TimeDelta, Timestamp};

/// What hub time `base` becomes in the stream. Not zero, so that frames a little before `base` do not wrap.
pub const START: TimeDelta = TimeDelta::from_secs(10);

/// How far the program clock runs behind the newest decode time: what a receiver buffers, and by how much one
/// track may come later than another.
pub const LEAD: TimeDelta = TimeDelta::from_millis(500);

/// Where tracks come further apart than [`LEAD`], the lead grows with them, up to this.
const MAX_LEAD: TimeDelta = TimeDelta::from_secs(5);

/// What the lead keeps over the greatest distance seen between tracks.
const MARGIN: TimeDelta = TimeDelta::from_millis(100);

/// Values of PTS and DTS, and of program_clock_reference_base.
const WRAP: i64 = 1 << 33;

/// Maps hub time to stream time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    base: Timestamp,
}

impl Scale {
    pub(crate) fn new(base: Timestamp) -> Self {
        Self { base }
    }

    /// PTS or DTS: 90 kHz in 33 bits.
    pub(crate) fn stamp(self, time: Timestamp) -> u64 {
        (time - self.base + START).to_scale(90_000).rem_euclid(WRAP).unsigned_abs()
    }

    /// PCR: 27 MHz, 300 times the range of a PTS.
    pub(crate) fn pcr(self, time: Timestamp) -> u64 {
        (time - self.base + START).to_scale(27_000_000).rem_euclid(WRAP * 300).unsigned_abs()
    }
}

/// The program clock: follows the decode times at a distance and never goes back.
#[derive(Debug)]
pub(crate) struct Clock {
    lead: TimeDelta,
    newest: Option<Timestamp>,
    now: Option<Timestamp>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { lead: LEAD, newest: None, now: None }
    }

    /// Forgets how far apart the tracks came: another source follows.
    pub(crate) fn reset_lead(&mut self) {
        self.lead = LEAD;
    }

    /// The program clock at which a frame with this decode time leaves; none when its decode time is over by
    /// then, for a decoder can do nothing with it.
    pub(crate) fn advance(&mut self, dts: Timestamp) -> Option<Timestamp> {
        let newest = self.newest.map_or(dts, |newest| newest.max(dts));
        self.newest = Some(newest);
        self.lead = self.lead.max((newest - dts + MARGIN).min(MAX_LEAD));
        let target = newest - self.lead;
        let now = self.now.map_or(target, |now| now.max(target));
        self.now = Some(now);
        (dts >= now).then_some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: i64) -> Timestamp {
        Timestamp::ZERO + TimeDelta::from_millis(ms)
    }

    #[test]
    fn base_is_ten_seconds() {
        let scale = Scale::new(ms(1_700_000_000_000));
        assert_eq!(scale.stamp(ms(1_700_000_000_000)), 900_000);
        assert_eq!(scale.stamp(ms(1_700_000_000_040)), 903_600);
        assert_eq!(scale.pcr(ms(1_699_999_999_500)), 855_000 * 300);
    }

    #[test]
    fn stamps_wrap_at_33_bits() {
        let scale = Scale::new(Timestamp::ZERO);
        let wrap = Timestamp::from_scale((1 << 33) - 900_000, 90_000);
        assert_eq!(scale.stamp(wrap), 0);
        assert_eq!(scale.pcr(wrap), 0);
        assert_eq!(scale.stamp(wrap - TimeDelta::from_scale(1, 90_000)), (1 << 33) - 1);
        assert_eq!(scale.stamp(ms(-10_000) - TimeDelta::from_scale(1, 90_000)), (1 << 33) - 1);
    }

    #[test]
    fn the_clock_never_goes_back() {
        let mut clock = Clock::new();
        assert_eq!(clock.advance(ms(1000)), Some(ms(500)));
        assert_eq!(clock.advance(ms(700)), Some(ms(500)));
        assert_eq!(clock.advance(ms(1040)), Some(ms(540)));
    }

    #[test]
    fn a_late_track_stretches_the_lead_until_it_fits() {
        let mut clock = Clock::new();
        let mut carried = 0;
        for i in 0..100 {
            clock.advance(ms(40 * i));
            // Two seconds behind the other track.
            if let Some(now) = clock.advance(ms(40 * i - 2000)) {
                assert!(now <= ms(40 * i - 2000));
                carried += 1;
            }
        }
        assert!((60..65).contains(&carried), "{carried}");
        assert_eq!(clock.advance(ms(4000)), Some(ms(1900)));
    }

    #[test]
    fn a_frame_of_long_ago_does_not_stop_the_clock_for_long() {
        let mut clock = Clock::new();
        assert_eq!(clock.advance(ms(3_600_000)), Some(ms(3_599_500)));
        assert_eq!(clock.advance(ms(0)), None);
        assert_eq!(clock.advance(ms(3_605_000)), Some(ms(3_600_000)));
    }
}

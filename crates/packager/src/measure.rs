//! What a variant's segments tell about it: bit rates and frame rate.

use std::sync::Arc;

use media::{TICKS_PER_SECOND, TimeDelta};

use crate::segment::{Body, Segment};

/// Bit rates of one rendition, in bits per second.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    peak: u64,
}

impl Rates {
    /// Takes note of a segment. Segments shorter than half the target do not count by themselves
    /// (RFC 8216 4.1), unless there is nothing else to go by.
    pub(crate) fn note(&mut self, body: &Body, target: u32) {
        let half = TimeDelta::from_ticks(i64::from(target) * TICKS_PER_SECOND / 2);
        if body.duration >= half || self.peak == 0 {
            self.peak = self.peak.max(body.bits_per_second());
        }
    }

    /// BANDWIDTH: at least `setting`, and a fifth above the highest rate so far, for players read it once.
    pub(crate) fn bandwidth(&self, setting: u64) -> u64 {
        setting.max(self.peak.saturating_add(self.peak.div_ceil(5)))
    }
}

/// Mean rate of several segments in bits per second.
pub(crate) fn average<'a>(segments: impl IntoIterator<Item = &'a Arc<Segment>>) -> u64 {
    let (mut bytes, mut ticks) = (0u128, 0u128);
    for segment in segments {
        bytes += segment.body.size as u128;
        ticks += u128::try_from(segment.body.duration.ticks()).unwrap_or(0);
    }
    u64::try_from(bytes * 8 * TICKS_PER_SECOND as u128 / ticks.max(1)).unwrap_or(u64::MAX)
}

/// Pictures per second, counted over the segments that have any.
pub(crate) fn frame_rate<'a>(segments: impl IntoIterator<Item = &'a Arc<Segment>>) -> Option<f64> {
    let (mut pictures, mut time) = (0u64, TimeDelta::ZERO);
    for segment in segments.into_iter().filter(|segment| segment.body.pictures > 0) {
        pictures += u64::from(segment.body.pictures);
        time += segment.body.duration;
    }
    (pictures > 0 && time > TimeDelta::ZERO).then(|| pictures as f64 / time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use media::Timestamp;

    use super::*;

    fn body(ms: i64, bytes: usize, pictures: u32) -> Body {
        Body {
            start: Timestamp::ZERO,
            duration: TimeDelta::from_millis(ms),
            size: bytes,
            independent: true,
            discontinuity: false,
            tracks: Arc::default(),
            pictures,
            fragment: None,
        }
    }

    fn segments(bodies: &[(i64, usize, u32)]) -> Vec<Arc<Segment>> {
        let segment = |&(ms, bytes, pictures)| Segment {
            sequence: 0,
            name: String::new(),
            program_date_time: Timestamp::ZERO,
            gap: false,
            init: None,
            body: body(ms, bytes, pictures),
        };
        bodies.iter().map(segment).map(Arc::new).collect()
    }

    #[test]
    fn bandwidth_is_the_peak_and_a_fifth_but_never_below_the_setting() {
        let mut rates = Rates::default();
        rates.note(&body(2000, 250_000, 0), 2);
        assert_eq!(rates.bandwidth(0), 1_200_000);
        rates.note(&body(2000, 125_000, 0), 2);
        assert_eq!(rates.bandwidth(0), 1_200_000);
        assert_eq!(rates.bandwidth(3_000_000), 3_000_000);
    }

    #[test]
    fn a_stump_of_a_segment_is_no_peak() {
        let mut rates = Rates::default();
        rates.note(&body(2000, 250_000, 0), 2);
        rates.note(&body(40, 50_000, 0), 2);
        assert_eq!(rates.bandwidth(0), 1_200_000);
    }

    #[test]
    fn means_are_over_all_segments() {
        let segments = segments(&[(2000, 250_000, 50), (1000, 50_000, 25), (500, 0, 0)]);
        assert_eq!(average(&segments), 300_000 * 8 * 1000 / 3500);
        assert_eq!(frame_rate(&segments), Some(25.0));
        assert_eq!(frame_rate(&segments[2..]), None);
        assert_eq!(average([]), 0);
    }
}

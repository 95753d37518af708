//! The grid of sound: its sample clock.
//!
//! From frame to frame exactly `samples / rate` passes, whatever rounding or jitter the stamps have, as long as
//! they stay with it. Missing frames leave exactly their own time free. Stamps that lean away for good move the
//! grid; stamps that contradict the sample clock again and again end it.

use super::grid::Slot;
use super::ruler::{Drift, Ruler};
use crate::{Rational, TimeDelta, Timestamp};

/// So far back may a stamp lie: sources put one stamp on a batch of frames.
const BATCH: TimeDelta = TimeDelta::from_millis(100);
/// What one contradiction costs in [`Audio::doubt`]; each good frame takes back 1.
const CONTRADICTION: u32 = 8;
/// With so much doubt the stamps are taken as they are.
const DISTRUST: u32 = 32;

/// The sample clock of one track in one epoch.
#[derive(Clone, Debug)]
pub(super) struct Audio {
    ruler: Option<Ruler>,
    rate: Rational,
    drift: Drift,
    doubt: u32,
}

impl Audio {
    /// A clock of `rate` frames per second, set by the first stamp.
    pub(super) fn new(rate: Rational) -> Self {
        Self { ruler: None, rate, drift: Drift::default(), doubt: 0 }
    }

    /// The place of the next frame, whose stamp says `time`.
    pub(super) fn place(&mut self, time: Timestamp) -> Slot {
        let slot = Slot { duration: self.rate.period(), ..Slot::raw(time) };
        if self.doubt >= DISTRUST {
            return slot;
        }
        let ruler = self.ruler.get_or_insert_with(|| Ruler::new(self.rate, time));
        let next = ruler.index.saturating_add(1);
        let nearest = ruler.nearest(time);
        let ahead = time - ruler.at(next);
        let period = ruler.period();
        let on_grid = (time - ruler.at(nearest)).abs() <= ruler.tolerance();
        if nearest > next && on_grid {
            ruler.index = nearest;
            self.drift.clear();
            return Slot { dts: ruler.at(nearest), hole: true, ..slot };
        }
        // Off the grid by more than jitter: forward a hole after which the source began its count anew, back a
        // stamp that the timeline repairs.
        let jitter = (period + TimeDelta::from_ticks(period.ticks() / 2)).min(BATCH);
        if ahead > jitter || ahead < -BATCH {
            ruler.restart(time);
            ruler.index = 0;
            self.drift.clear();
            self.doubt += CONTRADICTION;
            return Slot { hole: ahead > TimeDelta::ZERO, rephased: true, ..slot };
        }
        ruler.index = next;
        self.doubt = self.doubt.saturating_sub(1);
        let shift = self.drift.observe(ahead);
        if let Some(shift) = shift {
            ruler.shift(shift);
            if shift.abs().ticks() > period.ticks() / 4 {
                self.doubt += CONTRADICTION;
            }
        }
        Slot { dts: ruler.at(next), rephased: shift.is_some(), ..slot }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AAC: Rational = Rational { num: 44_100, den: 1024 };

    fn ms(value: i64) -> Timestamp {
        Timestamp::from_scale(value, 1000)
    }

    fn exact(n: i64) -> Timestamp {
        Timestamp::from_scale(n * 1024, 44_100)
    }

    /// The stamp that FLV gives to access unit `n`: 0, 23, 46, 70 …
    fn stamp(n: i64) -> Timestamp {
        ms(exact(n).to_scale(1000))
    }

    #[test]
    fn rounded_stamps_become_exact_sample_times() {
        assert_eq!([stamp(1), stamp(2), stamp(3)], [ms(23), ms(46), ms(70)]);
        let mut audio = Audio::new(AAC);
        for n in 0..100_000 {
            let slot = audio.place(stamp(n));
            assert_eq!((slot.dts, slot.hole, slot.rephased), (exact(n), false, false));
            assert_eq!(slot.duration, TimeDelta::from_scale(1024, 44_100));
        }
    }

    #[test]
    fn a_hole_of_n_frames_lands_on_the_grid() {
        let mut audio = Audio::new(AAC);
        for n in (0..200).filter(|n| !(50..57).contains(n) && *n != 100) {
            let slot = audio.place(stamp(n));
            assert_eq!((slot.dts, slot.hole), (exact(n), n == 57 || n == 101));
        }
    }

    #[test]
    fn one_stamp_for_a_batch_of_frames_is_spread() {
        let mut audio = Audio::new(AAC);
        for n in 0..1000 {
            assert_eq!(audio.place(stamp(n / 4 * 4)).dts, exact(n));
        }
    }

    #[test]
    fn jitter_of_single_frames_is_smoothed() {
        let mut audio = Audio::new(AAC);
        for n in 0..1000 {
            let jitter = TimeDelta::from_millis([0, 4, 0, -3, 9, 0, -7][n as usize % 7]);
            assert_eq!(audio.place(stamp(n) + jitter).dts, exact(n));
        }
    }

    #[test]
    fn a_lasting_offset_moves_the_grid() {
        let mut audio = Audio::new(AAC);
        for n in 0..50 {
            audio.place(stamp(n));
        }
        let slots: Vec<_> = (50..100).map(|n| audio.place(stamp(n) + TimeDelta::from_millis(6))).collect();
        assert_eq!(slots.iter().filter(|slot| slot.rephased).count(), 1);
        let off = slots[49].dts - exact(99) - TimeDelta::from_millis(6);
        assert!(off.abs() <= TimeDelta::from_millis(1), "{off:?}");
    }

    #[test]
    fn a_sample_rate_that_is_not_true_is_given_up() {
        let mut audio = Audio::new(Rational { num: 8000, den: 1024 });
        let last = (0..200).map(|n| audio.place(stamp(n)).dts - stamp(n)).last();
        assert_eq!(last, Some(TimeDelta::ZERO));
    }
}

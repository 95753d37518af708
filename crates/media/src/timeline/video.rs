//! The grid of pictures: their frame rate, stated or measured.
//!
//! A stamp within the tolerance of a grid point is put there; others stay as they are, so that variable frame
//! rates pass unchanged. Lost frames leave points free. The rate itself is checked against the stamps over short
//! and long runs, for bitstreams state 30 where 30000/1001 is true, or the field rate.

use super::grid::Slot;
use super::rates;
use super::ruler::{Drift, Ruler};
use crate::{Rational, TimeDelta, Timestamp};

/// What many tools round to, whatever the clock of the container.
const MILLISECOND: TimeDelta = TimeDelta::from_millis(1);
/// Frames that a rate is first measured over.
const SHORT_RUN: usize = 8;
/// Frames after which a rate is measured more finely, then after twice as many, and so on.
const LONG_RUN: i64 = 32;
/// The longest such run.
const LONGEST_RUN: i64 = 512;
/// Confidence from which frames are put on the grid.
const TRUST: u8 = 8;
/// The most confidence there is: a few strays lose less.
const CERTAIN: u8 = 16;
/// Confidence lost with a stamp off the grid.
const STRAY: u8 = 4;

/// The frame grid of one track in one epoch.
#[derive(Clone, Debug)]
pub(super) struct Video {
    /// One unit of the source's clock.
    unit: TimeDelta,
    /// How exact the stamps turned out to be: to a unit, or to a millisecond where they were rounded on the way.
    grain: TimeDelta,
    stated: Option<Rational>,
    ruler: Option<Ruler>,
    confidence: u8,
    drift: Drift,
    run: Vec<Timestamp>,
    long: Option<LongRun>,
}

/// A run over which the mean step shows small errors of the rate.
#[derive(Clone, Copy, Debug)]
struct LongRun {
    time: Timestamp,
    index: i64,
    check_at: i64,
}

impl Video {
    /// A grid at a stated rate, else at one to be measured, for stamps in steps of `unit`.
    pub(super) fn new(stated: Option<Rational>, unit: TimeDelta) -> Self {
        let run = Vec::with_capacity(SHORT_RUN + 1);
        Self {
            unit,
            grain: unit,
            stated,
            ruler: None,
            confidence: 0,
            drift: Drift::default(),
            run,
            long: None,
        }
    }

    /// The place of the next frame, whose stamp says `time`.
    pub(super) fn place(&mut self, time: Timestamp) -> Slot {
        if let Some(rate) = self.stated.take() {
            self.adopt(Ruler::new(rate, time));
        }
        self.measure(time);
        let Some(ruler) = &mut self.ruler else { return Slot::raw(time) };
        let index = ruler.nearest(time);
        let off = time - ruler.at(index);
        let fits = off.abs() <= ruler.tolerance() && index > ruler.index;
        let mut shift = None;
        if fits {
            self.confidence = (self.confidence + 1).min(CERTAIN);
            shift = self.drift.observe(off);
            shift.into_iter().for_each(|by| ruler.shift(by));
        } else {
            self.confidence = self.confidence.saturating_sub(STRAY);
        }
        ruler.index = ruler.index.max(index);
        let trusted = self.confidence >= TRUST;
        let slot = Slot {
            dts: if fits && trusted { ruler.at(index) } else { time },
            duration: if trusted { ruler.period() } else { TimeDelta::ZERO },
            rephased: shift.is_some() && trusted,
            snapped: fits && trusted,
            hole: false,
        };
        if self.confidence == 0 {
            ruler.restart(time);
            ruler.index = 0;
            self.drift.clear();
            self.long = None;
        } else if fits {
            self.refine(time, index);
        }
        slot
    }

    /// The grid point of a presentation time that is on the grid.
    pub(super) fn nearest(&self, pts: Timestamp) -> Option<Timestamp> {
        let ruler = self.ruler.as_ref()?;
        let point = ruler.at(ruler.nearest(pts));
        ((pts - point).abs() <= ruler.tolerance()).then_some(point)
    }

    fn adopt(&mut self, ruler: Ruler) {
        self.ruler = Some(ruler);
        self.confidence = TRUST;
        self.drift.clear();
        self.long = None;
    }

    /// Over a short run: finds a rate where there is none, and corrects one that is wrong by far.
    fn measure(&mut self, time: Timestamp) {
        self.run.push(time);
        if self.run.len() <= SHORT_RUN {
            return;
        }
        for grain in [self.unit, self.unit.max(MILLISECOND)] {
            let Some((step, error)) = mean_step(&self.run, grain) else { break };
            let right = |ruler: &Ruler| (ruler.period() - step).abs() <= error;
            if self.ruler.as_ref().is_some_and(right) {
                self.grain = grain;
                break;
            }
            let found = rates::find(step, error).and_then(|rate| fit(&self.run, rate, grain));
            if let Some(ruler) = found {
                self.grain = grain;
                let index = ruler.nearest(self.run[0]);
                self.adopt(ruler);
                self.long = Some(LongRun { time: self.run[0], index, check_at: LONG_RUN });
                break;
            }
        }
        self.run.clear();
        self.run.push(time);
    }

    /// Over a long run: corrects a rate that is wrong by little, such as 30 for 30000/1001.
    fn refine(&mut self, time: Timestamp, index: i64) {
        let Some(ruler) = &mut self.ruler else { return };
        let run = self.long.get_or_insert(LongRun { time, index, check_at: LONG_RUN });
        let slots = index.saturating_sub(run.index);
        if slots < run.check_at {
            return;
        }
        let step = TimeDelta::from_ticks((time - run.time).ticks() / slots);
        let error = rounding(self.grain, slots);
        run.check_at *= 2;
        if run.check_at > LONGEST_RUN {
            self.long = None;
        }
        if (ruler.period() - step).abs() <= error {
            return;
        }
        if let Some(rate) = rates::find(step, error).filter(|rate| *rate != ruler.rate()) {
            *ruler = Ruler::new(rate, ruler.at(index));
            ruler.index = 0;
            self.drift.clear();
            self.long = None;
        }
    }
}

/// How far the mean step of `slots` steps may be off, when each stamp was rounded to `unit`.
fn rounding(unit: TimeDelta, slots: i64) -> TimeDelta {
    TimeDelta::from_ticks((unit.ticks() + unit.ticks() / 10) / slots.max(1) + 1)
}

/// The mean step of a run, in which frames may be missing, and how far it may be off.
fn mean_step(run: &[Timestamp], unit: TimeDelta) -> Option<(TimeDelta, TimeDelta)> {
    let mut steps: Vec<i64> = run.windows(2).map(|pair| (pair[1] - pair[0]).ticks()).collect();
    let total = (*run.last()? - *run.first()?).ticks();
    steps.sort_unstable();
    let base = *steps.get(steps.len() / 2)?;
    if *steps.first()? <= 0 {
        return None;
    }
    let slots = steps.iter().fold(0i64, |sum, step| sum.saturating_add(slots_in(*step, base)));
    Some((TimeDelta::from_ticks(total.checked_div(slots)?), rounding(unit, slots)))
}

fn slots_in(step: i64, base: i64) -> i64 {
    (step.saturating_add(base / 2) / base).max(1)
}

/// A grid of `rate` on which every stamp of the run lies but for rounding, up to before the last.
fn fit(run: &[Timestamp], rate: Rational, unit: TimeDelta) -> Option<Ruler> {
    let mut ruler = Ruler::new(rate, *run.first()?);
    let off = |time: &Timestamp| *time - ruler.at(ruler.nearest(*time));
    let min = run.iter().map(off).min()?;
    let max = run.iter().map(off).max()?;
    let spread = max - min;
    if spread > rounding(unit, 1).min(ruler.tolerance()) {
        return None;
    }
    ruler.shift(min + TimeDelta::from_ticks(spread.ticks() / 2));
    ruler.index = ruler.nearest(*run.last()?).saturating_sub(1);
    Some(ruler)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::TICKS_PER_SECOND;

    fn exact(n: i64, rate: Rational) -> Timestamp {
        Ruler::new(rate, Timestamp::ZERO).at(n)
    }

    fn rounded(n: i64, rate: Rational, scale: u32) -> Timestamp {
        Timestamp::from_scale(exact(n, rate).to_scale(scale), scale)
    }

    fn video(stated: Option<Rational>, scale: u32) -> Video {
        Video::new(stated, TimeDelta::from_scale(1, scale))
    }

    const RATES: [(u32, u32); 9] = [
        (24_000, 1001),
        (24, 1),
        (25, 1),
        (30_000, 1001),
        (30, 1),
        (50, 1),
        (60_000, 1001),
        (60, 1),
        (12, 1),
    ];

    #[test]
    fn a_stated_rate_is_exact_from_the_first_frame() {
        for (num, den) in RATES {
            let rate = Rational { num, den };
            let mut video = video(Some(rate), 1000);
            for n in 0..10_000 {
                let slot = video.place(rounded(n, rate, 1000));
                assert_eq!((slot.dts, slot.duration), (exact(n, rate), rate.period()), "{rate:?} {n}");
            }
        }
    }

    #[test]
    fn a_rate_is_measured_from_milliseconds() {
        for (num, den) in RATES {
            let rate = Rational { num, den };
            let mut video = video(None, 1000);
            let mut last = Timestamp::ZERO;
            for n in 0..2000 {
                let slot = video.place(rounded(n, rate, 1000));
                assert!((slot.dts - exact(n, rate)).abs() <= TimeDelta::from_millis(1), "{rate:?} {n}");
                if n > 1200 {
                    assert_eq!(slot.dts - last, rate.period(), "{rate:?} {n}");
                }
                last = slot.dts;
            }
        }
    }

    #[test]
    fn thirty_frames_snap_after_eight_steps() {
        let rate = Rational { num: 30, den: 1 };
        let mut video = video(None, 1000);
        for n in 0..50 {
            let slot = video.place(rounded(n, rate, 1000));
            assert_eq!(slot.snapped, n >= 8);
            if slot.snapped {
                assert_eq!(slot.dts, exact(n, rate));
            }
        }
    }

    #[test]
    fn a_finer_clock_on_the_grid_comes_through_unchanged() {
        for (num, den) in RATES {
            let rate = Rational { num, den };
            for stated in [None, Some(rate)] {
                let mut video = video(stated, 90_000);
                for n in 0..2000 {
                    let time = rounded(n, rate, 90_000);
                    let dts = video.place(time).dts;
                    let unit = TimeDelta::from_scale(1, 90_000);
                    assert!((dts - time).abs() <= unit, "{rate:?} {stated:?} {n} {:?}", dts - time);
                }
            }
        }
    }

    #[test]
    fn milliseconds_in_a_finer_clock_are_known_for_what_they_are() {
        let rate = Rational { num: 30_000, den: 1001 };
        let mut video = video(None, 90_000);
        let mut last = Timestamp::ZERO;
        for n in 0..2000 {
            let dts = video.place(rounded(n, rate, 1000)).dts;
            if n > 1200 {
                assert_eq!(dts - last, rate.period(), "{n}");
            }
            last = dts;
        }
    }

    #[test]
    fn a_stated_rate_that_is_wrong_does_not_accumulate() {
        for (stated, real) in [((30, 1), (30_000, 1001)), ((60, 1), (30, 1)), ((25, 1), (24_975, 1000))] {
            let rate = Rational { num: real.0, den: real.1 };
            let mut video = video(Rational::new(stated.0, stated.1), 1000);
            for n in 0..20_000 {
                let off = video.place(rounded(n, rate, 1000)).dts - exact(n, rate);
                assert!(off.abs() <= TimeDelta::from_scale(12, 10_000), "{stated:?} {n} {off:?}");
            }
        }
    }

    #[test]
    fn dropped_frames_skip_slots() {
        let rate = Rational { num: 30_000, den: 1001 };
        let mut video = video(Some(rate), 1000);
        for n in (0..5000).filter(|n| n % 7 != 3 && !(1000..1100).contains(n)) {
            assert_eq!(video.place(rounded(n, rate, 1000)).dts, exact(n, rate));
        }
    }

    #[test]
    fn presentation_times_are_on_the_same_grid() {
        let rate = Rational { num: 30, den: 1 };
        let mut video = video(Some(rate), 1000);
        for n in 0..100 {
            let time = rounded(n, rate, 1000);
            assert!(video.place(time).snapped);
            assert_eq!(video.nearest(rounded(n + 2, rate, 1000)), Some(exact(n + 2, rate)));
            assert_eq!(video.nearest(time + TimeDelta::from_millis(12)), None);
        }
    }

    #[test]
    fn stamps_from_end_to_end_of_time_do_not_overflow() {
        let mut video = video(Some(Rational { num: 300, den: 1 }), 1000);
        for n in 0..1000 {
            let far = if n % 40 < 20 { i64::MIN } else { i64::MAX - 40 * 2_352_000 };
            video.place(Timestamp::from_ticks(far + n % 20 * 2_352_000));
        }
    }

    proptest! {
        #[test]
        fn variable_frame_rates_stay_as_they_are(steps in prop::collection::vec(1i64..200, 1..300)) {
            // Steps far from each other: no rate explains nine of them in a row.
            let mut video = video(None, 1000);
            let mut ms = 0;
            for (n, step) in steps.iter().enumerate() {
                ms += 7 + step * 3 + (n as i64 % 2) * 11;
                let time = Timestamp::from_scale(ms, 1000);
                let off = (video.place(time).dts - time).abs();
                prop_assert!(off <= TimeDelta::from_scale(125, 100_000));
            }
        }

        #[test]
        fn it_is_total(stated: (u32, u32), unit in 0..=TICKS_PER_SECOND, times: Vec<i64>) {
            let stated = Rational::new(stated.0, stated.1).filter(|rate| rates::is_plausible(*rate));
            let mut video = Video::new(stated, TimeDelta::from_ticks(unit));
            for time in times {
                video.place(Timestamp::from_ticks(time));
            }
        }
    }
}

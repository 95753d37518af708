//! Smooths what a source sends in bursts: items leave at the distance of their media times.
//!
//! How late an item comes is its arrival less its media time. Where that differs from item to item, because of the source or the
//! network, each item is held until the latest of the last seconds would have come, and so they leave evenly. A source that
//! sends evenly is not held up at all.
//!
//! Each track is measured by itself: sound that is sent half a second behind its pictures says nothing about them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use hub::Item;
use media::{TimeDelta, Timestamp, TrackId};

/// Differences up to here are left as they are: nobody sees them, and to wait costs.
const TOLERANCE: TimeDelta = TimeDelta::from_millis(40);
/// Nothing is held longer: what comes in larger bursts leaves at once as far as it is late already.
const LONGEST: TimeDelta = TimeDelta::from_secs(2);
/// Lateness is looked at over so many steps of a second.
const STEPS: usize = 10;
const STEP: Duration = Duration::from_secs(1);
/// When less is to be held, what is held leaves faster by this part of the time that passes.
const CATCH_UP: i64 = 20;
/// Media times that jump by more than this against arrival are another clock's.
const JUMP: TimeDelta = TimeDelta::from_secs(10);
/// What is held of a track at most.
const HELD_BYTES: usize = 16 << 20;
const HELD_ITEMS: usize = 4096;

/// Holds items until they are to leave. Those of a track leave in the order in which they came.
#[derive(Debug)]
pub struct Pacer<T> {
    tracks: BTreeMap<TrackId, Lane<T>>,
}

#[derive(Debug)]
struct Lane<T> {
    held: VecDeque<(Duration, T)>,
    bytes: usize,
    lateness: Lateness,
}

impl<T> Default for Pacer<T> {
    fn default() -> Self {
        Self { tracks: BTreeMap::new() }
    }
}

impl<T: Item> Pacer<T> {
    /// Takes an item of a track; `media` is its decode time. It may be due at once: ask [`Pacer::pop`].
    pub fn push(&mut self, track: TrackId, media: Timestamp, item: T) {
        let lane = self.tracks.entry(track).or_insert_with(Lane::new);
        let due = lane.lateness.due(item.arrival(), media);
        // Not before the one before it.
        let due = lane.held.back().map_or(due, |(last, _)| due.max(*last));
        lane.bytes += item.size();
        lane.held.push_back((due, item));
    }

    /// The next item that is due at the monotonic time `now`, the one that was due first.
    pub fn pop(&mut self, now: Duration) -> Option<T> {
        let due = |lane: &&mut Lane<T>| lane.due();
        let lane = self.tracks.values_mut().filter(|lane| lane.due().is_some()).min_by_key(due)?;
        if lane.due()? > now {
            return None;
        }
        let (_, item) = lane.held.pop_front()?;
        lane.bytes -= item.size();
        Some(item)
    }

    /// When the next item is due. None: nothing is held.
    pub fn deadline(&self) -> Option<Duration> {
        self.tracks.values().filter_map(Lane::due).min()
    }
}

impl<T> Lane<T> {
    fn new() -> Self {
        Self { held: VecDeque::new(), bytes: 0, lateness: Lateness::default() }
    }

    /// When the first item is due; at once where too much is held.
    fn due(&self) -> Option<Duration> {
        let is_over = self.bytes > HELD_BYTES || self.held.len() > HELD_ITEMS;
        self.held.front().map(|(due, _)| if is_over { Duration::ZERO } else { *due })
    }
}

/// How late the items of a track come.
#[derive(Debug, Default)]
struct Lateness {
    /// Least and greatest of each step, the newest last.
    steps: VecDeque<(TimeDelta, TimeDelta)>,
    step_began: Duration,
    /// By how much items are late when they leave.
    delay: Option<TimeDelta>,
    /// Of the item before: its arrival and how late it was.
    last: Option<(Duration, TimeDelta)>,
}

impl Lateness {
    /// When an item is to leave.
    fn due(&mut self, arrival: Duration, media: Timestamp) -> Duration {
        let late = TimeDelta::from(arrival) - (media - Timestamp::default());
        let passed = match self.last {
            Some((before, of_it)) if (late - of_it).abs() <= JUMP => arrival.saturating_sub(before),
            Some(_) => {
                *self = Self::default();
                Duration::ZERO
            }
            None => Duration::ZERO,
        };
        self.last = Some((arrival, late));
        self.note(arrival, late);
        let least = self.steps.iter().map(|(least, _)| *least).min().unwrap_or(late);
        let greatest = self.steps.iter().map(|(_, greatest)| *greatest).max().unwrap_or(late);
        let (wanted, most) = (greatest - TOLERANCE, least + LONGEST);
        let slower = TimeDelta::from_ticks(TimeDelta::from(passed).ticks() / CATCH_UP);
        let delay = self.delay.map_or(wanted, |delay| wanted.max(delay - slower)).min(most);
        self.delay = Some(delay);
        arrival + (delay - late).to_duration()
    }

    fn note(&mut self, arrival: Duration, late: TimeDelta) {
        match self.steps.back_mut() {
            Some((least, greatest)) if arrival.saturating_sub(self.step_began) < STEP => {
                (*least, *greatest) = ((*least).min(late), (*greatest).max(late));
            }
            _ => {
                self.step_began = arrival;
                self.steps.push_back((late, late));
                if self.steps.len() > STEPS {
                    self.steps.pop_front();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Picture {
        track: TrackId,
        number: u64,
        arrival: Duration,
    }

    impl Item for Picture {
        fn size(&self) -> usize {
            1000
        }
        fn arrival(&self) -> Duration {
            self.arrival
        }
        fn is_start(&self) -> bool {
            false
        }
    }

    fn picture(track: TrackId, number: u64, arrival: Duration) -> Picture {
        Picture { track, number, arrival }
    }

    /// 25 pictures a second, of which the `n`th comes at `arrival(n)` milliseconds: when each leaves, in milliseconds.
    fn run(count: u64, arrival: impl Fn(u64) -> u64) -> Vec<u64> {
        let mut pacer = Pacer::default();
        let mut left = vec![0; count as usize];
        let mut next = 0;
        for ms in 0..arrival(count - 1) + 10_000 {
            let now = Duration::from_millis(ms);
            while next < count && arrival(next) == ms {
                let media = Timestamp::from_scale(1_000_000 + 40 * next as i64, 1000);
                pacer.push(TrackId::VIDEO, media, picture(TrackId::VIDEO, next, now));
                next += 1;
            }
            while let Some(picture) = pacer.pop(now) {
                left[picture.number as usize] = ms;
            }
        }
        assert_eq!(pacer.deadline(), None, "nothing is left behind");
        left
    }

    fn distances(times: &[u64]) -> Vec<u64> {
        times.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    #[test]
    fn a_source_that_sends_evenly_is_not_held_up() {
        let arrival = |n: u64| 40 * n + [0, 7, 31, 12][n as usize % 4];
        let left = run(500, arrival);
        assert!(left.iter().enumerate().all(|(n, &ms)| ms == arrival(n as u64)));
    }

    #[test]
    fn bursts_leave_evenly() {
        // A second's pictures together, each second.
        let left = run(500, |n| 1000 * (n / 25) + 960);
        let even = left.iter().enumerate().skip(50).map(|(n, ms)| ms - 40 * n as u64);
        assert!(even.clone().max() <= even.min().map(|ms| ms + 40), "{left:?}");
        let longest = (0..500).map(|n| left[n as usize] - (1000 * (n / 25) + 960)).max();
        assert!(longest <= Some(1000), "held no longer than the burst is long");
    }

    #[test]
    fn what_comes_in_larger_bursts_leaves_over_two_seconds() {
        let left = run(500, |n| 4000 * (n / 100) + 3960);
        let burst = &left[200..300];
        assert_eq!(burst[0], 4000 * 2 + 3960, "what is late already is not held");
        assert_eq!(burst[99] - burst[0], 2000, "{burst:?}");
        assert!(distances(&burst[60..]).iter().all(|ms| (39..=41).contains(ms)));
    }

    #[test]
    fn after_a_stall_the_wait_shrinks_again_without_a_burst() {
        // A network that hangs for a second once.
        let arrival = |n: u64| if (100..125).contains(&n) { 5000 } else { 40 * n };
        let left = run(1500, arrival);
        let steps = distances(&left[125..]);
        assert!(steps.iter().all(|ms| (36..=41).contains(ms)), "never faster than a twentieth");
        assert_eq!(left[1499], arrival(1499), "in the end nothing is held");
    }

    #[test]
    fn each_track_is_measured_by_itself() {
        let mut pacer = Pacer::default();
        for n in 0..100 {
            // Sound that comes 500 ms behind its pictures, both evenly.
            let now = Duration::from_millis(1000 + 40 * n);
            let media = |late: i64| Timestamp::from_scale(40 * n as i64 - late, 1000);
            pacer.push(TrackId::VIDEO, media(0), picture(TrackId::VIDEO, n, now));
            pacer.push(TrackId::AUDIO, media(500), picture(TrackId::AUDIO, n, now));
            assert!(pacer.pop(now).is_some() && pacer.pop(now).is_some());
        }
    }

    #[test]
    fn another_clock_begins_anew() {
        let mut pacer = Pacer::default();
        for (n, hours) in [(0, 0), (1, 1), (2, 1), (3, 0), (4, 0)] {
            let now = Duration::from_millis(40 * n);
            let media = Timestamp::from_scale(40 * n as i64 + hours * 3_600_000, 1000);
            pacer.push(TrackId::VIDEO, media, picture(TrackId::VIDEO, n, now));
            assert!(pacer.pop(now).is_some(), "picture {n}");
        }
    }

    proptest! {
        /// Whatever comes: in order, nothing is lost, and nothing waits longer than two seconds.
        #[test]
        fn nothing_is_lost_and_nothing_waits_for_long(
            items in prop::collection::vec((0u64..300, -400i64..400, 0u16..2), 1..300),
        ) {
            let mut pacer = Pacer::default();
            let (mut ms, mut media) = (0, 0);
            let mut popped: BTreeMap<TrackId, Vec<u64>> = BTreeMap::new();
            let mut take = |pacer: &mut Pacer<Picture>, until: u64| {
                while let Some(due) = pacer.deadline().filter(|due| *due <= Duration::from_millis(until)) {
                    let picture = pacer.pop(due).expect("it is due");
                    assert!(due.saturating_sub(picture.arrival) <= Duration::from_millis(2000), "{due:?} {picture:?}");
                    popped.entry(picture.track).or_default().push(picture.number);
                }
            };
            for (number, &(pause, step, track)) in items.iter().enumerate() {
                (ms, media) = (ms + pause, media + step);
                let (track, arrival) = (TrackId(track), Duration::from_millis(ms));
                let media = Timestamp::from_scale(media, 1000);
                pacer.push(track, media, picture(track, number as u64, arrival));
                take(&mut pacer, ms);
            }
            take(&mut pacer, u64::MAX);
            prop_assert_eq!(popped.values().map(Vec::len).sum::<usize>(), items.len());
            prop_assert!(popped.values().all(|numbers| numbers.is_sorted()));
        }
    }
}

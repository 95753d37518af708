//! Items in the order they came, bounded, and the places of those who read them.
//!
//! This is the drop policy of the house, without a lock and without anybody waiting: a [`Ring`](crate::Ring) is a log
//! that many threads share, and who serves many readers from one thread keeps a log of its own.

use std::collections::VecDeque;
use std::time::Duration;

/// What a log can hold: cheap to clone, with a size, a time, and whether a reader may start there.
pub trait Item: Clone {
    /// Bytes it keeps in memory.
    fn size(&self) -> usize;
    /// When it came in, on a monotonic clock. Age counts by this, not by media time: a reader is not slow because
    /// a source sends 30 s at once.
    fn arrival(&self) -> Duration;
    /// A reader may start or go on here.
    fn is_start(&self) -> bool;
}

/// How much a log keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes at most, whatever else holds.
    pub bytes: usize,
    /// Age up to which items are kept for readers that lag.
    pub lag: Duration,
    /// Age up to which the newest start, and what follows it, is kept for readers that join.
    pub gop: Duration,
    /// Nothing that a reader has not read yet is dropped before the byte limit is reached. For rings whose
    /// readers are our own workers, who may be busy for a while but do not stop reading.
    pub keep_unread: bool,
}

impl Default for Limits {
    /// 32 MiB, 5 s of lag, GOPs of up to 30 s, no regard for slow readers.
    fn default() -> Self {
        let (lag, gop) = (Duration::from_secs(5), Duration::from_secs(30));
        Self { bytes: 32 << 20, lag, gop, keep_unread: false }
    }
}

/// A bounded run of items without a hole, each with a sequence number.
#[derive(Debug)]
pub struct Log<T> {
    limits: Limits,
    items: VecDeque<T>,
    /// Sequence number of `items[0]`; the next item written gets `first + items.len()`.
    first: u64,
    bytes: usize,
    /// Sequence numbers of the starts among `items`, ascending.
    starts: VecDeque<u64>,
}

impl<T> Log<T> {
    /// An empty log.
    pub fn new(limits: Limits) -> Self {
        Self { limits, items: VecDeque::new(), first: 0, bytes: 0, starts: VecDeque::new() }
    }

    /// Whether what nobody has read yet is to be kept, see [`Limits::keep_unread`].
    pub(crate) fn keeps_unread(&self) -> bool {
        self.limits.keep_unread
    }

    /// Sequence number of the next item.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.items.len() as u64
    }

    /// Bytes held now.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The place of a reader that joins now: at the newest start, or at the next one if there is none.
    pub fn join(&self) -> Place {
        Place { next: self.newest_start(), seeking: true, lost: false, skips: 0 }
    }

    /// Whether a reader that joins now has something to read.
    pub fn has_start(&self) -> bool {
        !self.starts.is_empty()
    }

    fn newest_start(&self) -> u64 {
        self.starts.back().copied().unwrap_or_else(|| self.end())
    }
}

impl<T: Item> Log<T> {
    /// Appends an item and drops what is over the limits.
    pub fn push(&mut self, item: T) {
        self.push_unread(item, None);
    }

    /// What is written next does not continue what was: readers skip to a start behind this point.
    pub fn break_off(&mut self) {
        self.first = self.end() + 1;
        self.items.clear();
        self.starts.clear();
        self.bytes = 0;
    }

    /// As [`Log::push`]; where the limits say so, items from sequence number `unread` on are kept.
    pub(crate) fn push_unread(&mut self, item: T, unread: Option<u64>) {
        if item.is_start() {
            self.starts.push_back(self.end());
        }
        self.bytes += item.size();
        self.items.push_back(item);
        while self.is_over(unread) {
            self.evict_one();
        }
    }

    fn evict_one(&mut self) {
        let Some(item) = self.items.pop_front() else { return };
        self.bytes -= item.size();
        if self.starts.front() == Some(&self.first) {
            self.starts.pop_front();
        }
        self.first += 1;
    }

    /// Whether the oldest item has outlived its use: over a hard limit, or older than the lag and not part of
    /// the GOP that a reader would join with.
    fn is_over(&self, unread: Option<u64>) -> bool {
        let (Some(oldest), Some(newest)) = (self.items.front(), self.items.back()) else { return false };
        if self.items.len() == 1 {
            return false;
        }
        if self.bytes > self.limits.bytes {
            return true;
        }
        let age = newest.arrival().saturating_sub(oldest.arrival());
        let joinable = self.starts.back().is_some_and(|&start| start == self.first);
        let unread = unread.is_some_and(|unread| unread <= self.first);
        !unread && (age > self.limits.gop || (age > self.limits.lag && !joinable))
    }
}

/// A reader's place in a log: the next item that it is to get.
#[derive(Clone, Debug)]
pub struct Place {
    next: u64,
    /// Items are passed over until one is a start.
    seeking: bool,
    /// Set when the seek was caused by falling behind.
    lost: bool,
    skips: u64,
}

impl Place {
    /// Whether the reader has fallen out of the log: what it was to get next is not there any more.
    pub fn is_lost<T>(&self, log: &Log<T>) -> bool {
        self.lost || self.next < log.first
    }

    /// What is there for the reader, oldest first. One that has fallen behind is moved to the newest start.
    ///
    /// Nothing is taken yet: that is done by [`Place::advance`].
    pub fn peek<'l, T: Item>(&mut self, log: &'l Log<T>) -> impl Iterator<Item = &'l T> + use<'l, T> {
        if self.next < log.first {
            self.next = log.newest_start();
            self.seeking = true;
            self.lost = true;
        }
        let mut passed = usize::try_from(self.next - log.first).unwrap_or(usize::MAX).min(log.items.len());
        if self.seeking {
            let found = log.items.range(passed..).position(Item::is_start);
            let over = found.unwrap_or(log.items.len() - passed);
            passed += over;
            self.next += over as u64;
            self.seeking = found.is_none();
        }
        log.items.range(passed..)
    }

    /// Takes the next items. True: the first of them does not continue what the reader had before, and the skip is
    /// counted.
    pub fn advance(&mut self, items: usize) -> bool {
        if items == 0 {
            return false;
        }
        self.next += items as u64;
        let lost = std::mem::take(&mut self.lost);
        self.skips += u64::from(lost);
        lost
    }

    /// Whether the next item, once there is one, does not continue what the reader had before.
    pub fn has_skipped(&self) -> bool {
        self.lost
    }

    /// Whether everything that is there was taken.
    pub fn is_at_end<T>(&self, log: &Log<T>) -> bool {
        self.next == log.end()
    }

    /// Sequence number of the next item.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// How often the reader fell behind and was moved to a start.
    pub fn skips(&self) -> u64 {
        self.skips
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, PartialEq, Debug)]
    struct Unit(u64);

    impl Item for Unit {
        fn size(&self) -> usize {
            100
        }
        fn arrival(&self) -> Duration {
            Duration::from_millis(40 * self.0)
        }
        fn is_start(&self) -> bool {
            self.0.is_multiple_of(25)
        }
    }

    fn log(items: std::ops::Range<u64>) -> Log<Unit> {
        let mut log = Log::new(Limits::default());
        items.for_each(|n| log.push(Unit(n)));
        log
    }

    #[test]
    fn a_place_moves_only_when_items_are_taken() {
        let log = log(0..30);
        let mut place = log.join();
        for _ in 0..2 {
            assert_eq!(place.peek(&log).map(|unit| unit.0).collect::<Vec<_>>(), [25, 26, 27, 28, 29]);
        }
        assert!(!place.advance(2) && !place.is_at_end(&log));
        assert_eq!(place.peek(&log).count(), 3);
        assert!(!place.advance(3) && place.is_at_end(&log));
    }

    #[test]
    fn who_has_fallen_out_is_told_once() {
        let mut log = log(0..2);
        let mut place = log.join();
        place.advance(place.clone().peek(&log).count());
        (2..1001).for_each(|n| log.push(Unit(n)));
        assert!(place.is_lost(&log));
        assert_eq!(place.peek(&log).next(), Some(&Unit(1000)));
        assert!(place.has_skipped() && place.advance(1));
        assert!(!place.is_lost(&log) && !place.advance(0));
        assert_eq!(place.skips(), 1);
    }

    #[test]
    fn a_break_is_a_skip_for_everybody() {
        let mut log = log(0..10);
        let mut place = log.join();
        place.advance(place.clone().peek(&log).count());
        assert!(place.is_at_end(&log));
        log.break_off();
        assert_eq!((place.peek(&log).count(), log.bytes()), (0, 0));
        log.push(Unit(100));
        assert_eq!(place.peek(&log).next(), Some(&Unit(100)));
        assert!(place.advance(1));
    }

    #[test]
    fn who_joins_before_the_first_start_waits_for_it() {
        let mut log = log(1..20);
        let mut place = log.join();
        assert!(!log.has_start());
        assert_eq!(place.peek(&log).count(), 0);
        (20..27).for_each(|n| log.push(Unit(n)));
        assert_eq!(place.peek(&log).next(), Some(&Unit(25)));
        assert!(!place.advance(1), "joining is no skip");
    }
}

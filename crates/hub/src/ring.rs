//! A bounded ring with one writer and any number of cursors.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};

use crate::log::{Item, Limits, Log, Place};
use crate::sync::{Arc, Mutex, MutexGuard};

/// The writer's end, and the place to subscribe. Cloning gives another handle to the same ring.
pub struct Ring<T> {
    shared: Arc<Mutex<Shared<T>>>,
}

struct Shared<T> {
    log: Log<T>,
    closed: bool,
    /// The next item of each cursor, by the cursor's number; kept only where `keep_unread` asks for it.
    readers: BTreeMap<u64, u64>,
    next_reader: u64,
    /// Cursors that wait for the next item. Each is woken once and registers again.
    wakers: Vec<Option<Waker>>,
    /// Places in `wakers` that a cursor has left.
    vacant: Vec<usize>,
    /// How often the waiting cursors were woken: a cursor's place among them holds until then.
    round: u64,
}

impl<T> Shared<T> {
    /// Those to be woken, once the lock is released.
    fn take_wakers(&mut self) -> Vec<Option<Waker>> {
        self.round += 1;
        self.vacant.clear();
        std::mem::take(&mut self.wakers)
    }

    /// Keeps a waker until the next round; its place.
    fn keep_waker(&mut self, waker: &Waker) -> usize {
        let waker = Some(waker.clone());
        match self.vacant.pop() {
            Some(index) => {
                self.wakers[index] = waker;
                index
            }
            None => {
                self.wakers.push(waker);
                self.wakers.len() - 1
            }
        }
    }
}

/// What a read found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Read {
    /// Items were appended, in order and without a hole.
    Items,
    /// The reader had fallen behind and was moved to a start: the items appended do not continue what it had.
    Skipped,
    /// The writer closed the ring and everything was read.
    Closed,
}

/// A reader of a ring.
pub struct Cursor<T> {
    shared: Arc<Mutex<Shared<T>>>,
    number: u64,
    place: Place,
    /// Round and index of its waker, while it waits.
    waiting: Option<(u64, usize)>,
}

/// The ring's data stays whole when a holder of the lock panics: no operation leaves it half changed.
fn lock<T>(shared: &Mutex<Shared<T>>) -> MutexGuard<'_, Shared<T>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Clone for Ring<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T: Item> Ring<T> {
    /// An empty ring.
    pub fn new(limits: Limits) -> Self {
        let shared = Shared {
            log: Log::new(limits),
            closed: false,
            readers: BTreeMap::new(),
            next_reader: 0,
            wakers: Vec::new(),
            vacant: Vec::new(),
            round: 0,
        };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    /// Appends an item, drops what is over the limits and wakes the readers.
    pub fn push(&self, item: T) {
        self.extend([item]);
    }

    /// Appends several items with one wake-up of the readers.
    pub fn extend(&self, items: impl IntoIterator<Item = T>) {
        let mut items = items.into_iter().peekable();
        if items.peek().is_none() {
            return;
        }
        let mut shared = lock(&self.shared);
        for item in items {
            let unread = shared.readers.values().min().copied();
            shared.log.push_unread(item, unread);
        }
        let wakers = shared.take_wakers();
        drop(shared);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Ends the ring: readers get what is left and then [`Read::Closed`].
    pub fn close(&self) {
        let mut shared = lock(&self.shared);
        shared.closed = true;
        let wakers = shared.take_wakers();
        drop(shared);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// A reader that begins at the newest start, or at the next one if there is none. None: the ring is closed.
    pub fn subscribe(&self) -> Option<Cursor<T>> {
        let mut shared = lock(&self.shared);
        if shared.closed {
            return None;
        }
        let place = shared.log.join();
        let number = shared.next_reader;
        shared.next_reader += 1;
        if shared.log.keeps_unread() {
            shared.readers.insert(number, place.next());
        }
        drop(shared);
        Some(Cursor { shared: Arc::clone(&self.shared), number, place, waiting: None })
    }

    /// Tells this ring from all others that exist at the time.
    pub fn id(&self) -> usize {
        Arc::as_ptr(&self.shared).addr()
    }

    /// Bytes held now.
    pub fn bytes(&self) -> usize {
        lock(&self.shared).log.bytes()
    }
}

impl<T: Item> Cursor<T> {
    /// Appends what is there to `out`, at most about `max_bytes` (at least one item), or waits.
    ///
    /// After [`Read::Skipped`] the first item appended is a start.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, out: &mut Vec<T>, max_bytes: usize) -> Poll<Read> {
        let mut shared = lock(&self.shared);
        let (mut items, mut bytes) = (0, 0);
        for item in self.place.peek(&shared.log) {
            if bytes >= max_bytes {
                break;
            }
            items += 1;
            bytes += item.size();
            out.push(item.clone());
        }
        let skipped = self.place.advance(items);
        if let Some(next) = shared.readers.get_mut(&self.number) {
            *next = self.place.next();
        }
        if items > 0 {
            return Poll::Ready(if skipped { Read::Skipped } else { Read::Items });
        }
        if shared.closed {
            return Poll::Ready(Read::Closed);
        }
        match self.waiting {
            Some((round, index)) if round == shared.round => shared.wakers[index] = Some(cx.waker().clone()),
            _ => self.waiting = Some((shared.round, shared.keep_waker(cx.waker()))),
        }
        Poll::Pending
    }

    /// [`Cursor::poll_read`] as a future.
    pub async fn read(&mut self, out: &mut Vec<T>, max_bytes: usize) -> Read {
        std::future::poll_fn(|cx| self.poll_read(cx, out, max_bytes)).await
    }

    /// Whether the reader has fallen behind: what it was to read next is not kept any more.
    pub fn is_lost(&self) -> bool {
        self.place.is_lost(&lock(&self.shared).log)
    }

    /// Whether everything that is there was read.
    pub fn is_at_end(&self) -> bool {
        self.place.is_at_end(&lock(&self.shared).log)
    }

    /// How often this reader fell behind and was moved to a start.
    pub fn skips(&self) -> u64 {
        self.place.skips()
    }
}

impl<T> Drop for Cursor<T> {
    fn drop(&mut self) {
        let mut shared = lock(&self.shared);
        shared.readers.remove(&self.number);
        if let Some((_, index)) = self.waiting.filter(|&(round, _)| round == shared.round) {
            shared.wakers[index] = None;
            shared.vacant.push(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, PartialEq, Debug)]
    struct Unit {
        number: i64,
        start: bool,
        size: usize,
    }

    impl Item for Unit {
        fn size(&self) -> usize {
            self.size
        }
        fn arrival(&self) -> Duration {
            Duration::from_millis(40 * u64::try_from(self.number).unwrap_or(0))
        }
        fn is_start(&self) -> bool {
            self.start
        }
    }

    fn unit(number: i64, gop: i64) -> Unit {
        Unit { number, start: number % gop == 0, size: 100 }
    }

    fn read(cursor: &mut Cursor<Unit>) -> (Poll<Read>, Vec<i64>) {
        let mut out = Vec::new();
        let found = cursor.poll_read(&mut Context::from_waker(Waker::noop()), &mut out, usize::MAX);
        (found, out.iter().map(|unit| unit.number).collect())
    }

    #[test]
    fn a_reader_joins_at_the_newest_key_frame() {
        let ring = Ring::new(Limits::default());
        ring.extend((0..60).map(|n| unit(n, 25)));
        assert_eq!(
            read(&mut ring.subscribe().expect("an open ring")),
            (Poll::Ready(Read::Items), (50..60).collect())
        );
    }

    #[test]
    fn a_reader_before_the_first_key_frame_waits_for_it() {
        let ring = Ring::new(Limits::default());
        ring.extend((1..20).map(|n| unit(n, 25)));
        let mut cursor = ring.subscribe().expect("an open ring");
        assert_eq!(read(&mut cursor), (Poll::Pending, vec![]));
        ring.extend((20..27).map(|n| unit(n, 25)));
        assert_eq!(read(&mut cursor), (Poll::Ready(Read::Items), vec![25, 26]));
    }

    #[test]
    fn a_slow_reader_skips_to_a_key_frame_and_it_is_counted() {
        let ring = Ring::new(Limits::default());
        ring.push(unit(0, 25));
        let mut cursor = ring.subscribe().expect("an open ring");
        assert_eq!(read(&mut cursor).1, [0]);
        assert!(cursor.is_at_end() && !cursor.is_lost());
        ring.extend((1..1000).map(|n| unit(n, 25)));
        assert!(!cursor.is_at_end() && cursor.is_lost());
        assert_eq!(read(&mut cursor), (Poll::Ready(Read::Skipped), (975..1000).collect()));
        assert!(cursor.is_at_end() && !cursor.is_lost());
        assert_eq!(cursor.skips(), 1);
    }

    #[test]
    fn the_newest_gop_outlives_the_lag_but_not_the_hard_limits() {
        let (lag, gop) = (Duration::from_secs(1), Duration::from_secs(4));
        let limits = Limits { bytes: 1 << 20, lag, gop, keep_unread: false };
        let ring = Ring::new(limits);
        ring.extend((0..100).map(|n| unit(n, 1000)));
        assert_eq!(read(&mut ring.subscribe().expect("an open ring")).1.len(), 100, "3.96 s of one GOP");
        ring.extend((100..110).map(|n| unit(n, 1000)));
        assert_eq!(
            read(&mut ring.subscribe().expect("an open ring")).0,
            Poll::Pending,
            "the GOP is longer than its limit"
        );
    }

    #[test]
    fn own_workers_lose_nothing_to_a_burst_that_memory_can_hold() {
        let ring = Ring::new(Limits { keep_unread: true, ..Limits::default() });
        ring.push(unit(0, 25));
        let mut cursor = ring.subscribe().expect("an open ring");
        ring.extend((1..2000).map(|n| unit(n, 25)));
        assert_eq!(read(&mut cursor), (Poll::Ready(Read::Items), (0..2000).collect()), "80 s at once");
        ring.extend((2000..2010).map(|n| unit(n, 25)));
        assert!(ring.bytes() < 20_000, "what was read is dropped by age: {}", ring.bytes());
        drop(cursor);
    }

    #[test]
    fn a_reader_that_asks_again_and_again_waits_once() {
        let ring = Ring::new(Limits::default());
        let mut cursors: Vec<_> = (0..3).map(|_| ring.subscribe().expect("an open ring")).collect();
        for _ in 0..10 {
            assert!(cursors.iter_mut().all(|cursor| read(cursor).0.is_pending()));
        }
        assert_eq!(lock(&ring.shared).wakers.len(), 3);
        for _ in 0..10 {
            cursors.pop();
            cursors.push(ring.subscribe().expect("an open ring"));
            assert!(cursors.iter_mut().all(|cursor| read(cursor).0.is_pending()));
        }
        assert_eq!(lock(&ring.shared).wakers.len(), 3, "who left gave its place away");
        ring.push(unit(0, 1));
        assert!(lock(&ring.shared).wakers.is_empty());
    }

    #[test]
    fn closing_ends_readers_after_the_last_item() {
        let ring = Ring::new(Limits::default());
        ring.push(unit(0, 1));
        let mut cursor = ring.subscribe().expect("an open ring");
        ring.close();
        assert_eq!(read(&mut cursor), (Poll::Ready(Read::Items), vec![0]));
        assert_eq!(read(&mut cursor), (Poll::Ready(Read::Closed), vec![]));
        assert!(ring.subscribe().is_none(), "nobody can join what has ended");
    }

    proptest! {
        /// Whatever the pattern of writing and reading, a reader sees a gapless run or is told of a skip, and
        /// goes on at a key frame; memory stays within the limit.
        #[test]
        fn a_reader_never_sees_an_unmarked_hole(
            gop in 1i64..80, steps in prop::collection::vec((0usize..120, any::<bool>()), 1..40), limit in 500usize..20_000,
        ) {
            let ring = Ring::new(Limits { bytes: limit, ..Limits::default() });
            let mut cursor = ring.subscribe().expect("an open ring");
            let (mut written, mut last) = (0i64, None);
            for (count, reads) in steps {
                for _ in 0..count {
                    ring.push(unit(written, gop));
                    written += 1;
                }
                prop_assert!(ring.bytes() <= limit.max(100));
                if !reads {
                    continue;
                }
                let (found, numbers) = read(&mut cursor);
                for (index, number) in numbers.into_iter().enumerate() {
                    match (last, found) {
                        (Some(last), Poll::Ready(Read::Items)) => prop_assert_eq!(number, last + 1),
                        _ if index > 0 => prop_assert_eq!(Some(number - 1), last),
                        _ => prop_assert_eq!(number % gop, 0),
                    }
                    last = Some(number);
                }
            }
        }
    }
}

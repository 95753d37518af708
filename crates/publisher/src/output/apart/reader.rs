//! A carrier's items for a peer that has a task of its own, from a key frame on.

use std::sync::LazyLock;
use std::time::Duration;

use fanout::How;
use hub::{Cursor, Read, Ring};
use tokio::time::Instant;

/// Payload bytes taken from the ring at a time.
const READ_BYTES: usize = 256 << 10;

/// All wait from multiples of their windows to the next since then.
static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Reads a carrier's ring for one peer.
pub(crate) struct Reader<T> {
    cursor: Cursor<T>,
    items: Vec<T>,
    /// What comes within this time leaves together.
    merge_window: Duration,
    read_after: Instant,
    started: bool,
    /// The next frame does not follow the one before.
    broken: bool,
}

impl<T: hub::Item> Reader<T> {
    /// From the newest key frame on. None: the ring has ended.
    pub(crate) fn new(ring: &Ring<T>, merge_window: Duration) -> Option<Self> {
        let (cursor, read_after) = (ring.subscribe()?, Instant::now());
        Some(Self { cursor, items: Vec::new(), merge_window, read_after, started: false, broken: false })
    }

    /// Waits for items, which [`Reader::take`] then takes. Nothing is lost when it is dropped before.
    pub(crate) async fn read(&mut self) -> Read {
        // A timer is set only where there is something to wait for.
        if self.read_after > Instant::now() {
            tokio::time::sleep_until(self.read_after).await;
        }
        self.cursor.read(&mut self.items, READ_BYTES).await
    }

    /// What was read, and how the peer comes to it. What of it is not asked for is passed over.
    pub(crate) fn take(&mut self, read: Read) -> impl Iterator<Item = (T, How)> + '_ {
        self.read_after = Instant::now() + until_next(BEGUN.elapsed(), self.merge_window);
        let broken = std::mem::take(&mut self.broken) || read == Read::Skipped;
        let mut how = match (std::mem::replace(&mut self.started, true), broken) {
            (false, _) => How::First,
            (true, true) => How::Skipped,
            (true, false) => How::Follows,
        };
        self.items.drain(..).map(move |item| (item, std::mem::replace(&mut how, How::Follows)))
    }

    /// Goes on at the newest key frame, to which the peer comes as after a skip. None: the ring has ended.
    pub(crate) fn rejoin(&mut self, ring: &Ring<T>) -> Option<()> {
        self.cursor = ring.subscribe()?;
        self.broken = true;
        Some(())
    }

    /// Whether anything was taken.
    pub(crate) fn has_started(&self) -> bool {
        self.started
    }

    /// Whether what is to be read next is not kept any more.
    pub(crate) fn is_lost(&self) -> bool {
        self.cursor.is_lost()
    }

    /// Whether everything that is there was read.
    pub(crate) fn is_at_end(&self) -> bool {
        self.cursor.is_at_end()
    }
}

/// Time from `now` to the next multiple of `step`: who waits for that does so with all others, and one wake-up serves all.
pub(crate) fn until_next(now: Duration, step: Duration) -> Duration {
    let passed = now.as_nanos().checked_rem(step.as_nanos()).unwrap_or(0);
    step.saturating_sub(Duration::from_nanos(u64::try_from(passed).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_wait_for_the_same_step_wait_for_the_same_moment() {
        let ms = Duration::from_millis;
        for (now, step, expected) in [(0, 40, 40), (1, 40, 39), (79, 40, 1), (80, 40, 40), (1234, 0, 0)] {
            assert_eq!(until_next(ms(now), ms(step)), ms(expected), "{now} ms");
        }
    }
}

//! A lane: one ring, and those viewers of it that one thread serves.

use std::any::Any;
use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hub::{Cursor, Item as _, Limits, Log, Read};

use crate::batch::Batches;
use crate::inbox::Selection;
use crate::readiness::Readiness;
use crate::slot::{Slot, Wrote};
use crate::viewer::{End, Viewer};

/// Bytes taken from the ring at a time.
const READ_BYTES: usize = 4 << 20;

/// How long at most an item waits for an urgent one.
const HOLD: Duration = Duration::from_millis(50);

/// Viewers that ended in a call.
pub(crate) type Gone = Vec<u64>;

/// What the thread sees of a lane, whatever its protocol.
pub(crate) trait AnyLane: Send + Any {
    /// Takes what the ring has and writes it to all who have room.
    fn flush(&mut self, now: Instant, readiness: &Readiness, gone: &mut Gone) -> Pulled;
    /// When what waits for something urgent is to be written all the same.
    fn held(&self) -> Option<Instant>;
    /// The socket of a viewer has room again.
    fn write_to(&mut self, id: u64, now: Instant, readiness: &Readiness, gone: &mut Gone);
    /// Sends something to a viewer between two items.
    fn say(&mut self, id: u64, bytes: Bytes, now: Instant, readiness: &Readiness, gone: &mut Gone);
    /// Sends a viewer no items, or goes on.
    fn pause(&mut self, id: u64, paused: bool, now: Instant, readiness: &Readiness, gone: &mut Gone);
    /// Tells a viewer which of what it could get it is to get.
    fn select(&mut self, id: u64, selection: Selection, now: Instant, readiness: &Readiness, gone: &mut Gone);
    /// Sends away who was behind for too long.
    fn sweep(&mut self, now: Instant, timeout: Duration, readiness: &Readiness, gone: &mut Gone);
    /// Lets a viewer go.
    fn remove(&mut self, id: u64, why: End, readiness: &Readiness);
    /// The viewers.
    fn ids(&self) -> Vec<u64>;
    /// Nobody is in it.
    fn is_empty(&self) -> bool;
}

/// A lane of one protocol.
pub(crate) struct Lane<V: Viewer> {
    cursor: Cursor<V::Item>,
    waker: Waker,
    log: Log<V::Item>,
    /// What is not urgent waits for what is.
    hold: bool,
    /// Until then nothing is written, unless something urgent comes: none where nothing waits.
    held: Option<Instant>,
    viewers: BTreeMap<u64, Slot<V>>,
}

impl<V: Viewer> Lane<V> {
    pub(crate) fn new(cursor: Cursor<V::Item>, waker: Waker, limits: Limits, hold: bool) -> Self {
        Self { cursor, waker, log: Log::new(limits), hold, held: None, viewers: BTreeMap::new() }
    }

    pub(crate) fn add(&mut self, id: u64, socket: Arc<dyn AsFd + Send + Sync>, head: Bytes, viewer: V) {
        self.viewers.insert(id, Slot::new(viewer, socket, head, &self.log));
    }

    /// Moves what the ring has into the log; the ring keeps the waker only where it has nothing.
    fn pull(&mut self, urgent: &mut bool) -> Pulled {
        let mut items: Vec<V::Item> = Vec::new();
        let mut cx = Context::from_waker(&self.waker);
        match self.cursor.poll_read(&mut cx, &mut items, READ_BYTES) {
            Poll::Pending => return Pulled::Nothing,
            Poll::Ready(Read::Closed) => return Pulled::End,
            Poll::Ready(Read::Skipped) => self.log.break_off(),
            Poll::Ready(Read::Items) => {}
        }
        let mut bytes = 0;
        for item in items {
            bytes += item.size();
            *urgent |= V::is_urgent(&item);
            self.log.push(item);
        }
        if bytes < READ_BYTES { Pulled::Items } else { Pulled::Part }
    }

    /// Does something for a viewer. What goes wrong there ends that viewer and nobody else.
    fn serve(
        &mut self,
        id: u64,
        readiness: &Readiness,
        gone: &mut Gone,
        work: impl FnOnce(&mut Slot<V>, &Log<V::Item>) -> Option<End>,
    ) {
        let Some(slot) = self.viewers.get_mut(&id) else { return };
        let log = &self.log;
        let end = catch_unwind(AssertUnwindSafe(|| work(slot, log))).unwrap_or(Some(End::Panicked));
        if let Some(why) = end {
            gone.push(id);
            self.remove(id, why, readiness);
        }
    }
}

/// What a ring had.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pulled {
    /// Nothing: it has the lane's waker.
    Nothing,
    /// All that there was.
    Items,
    /// As much as is taken at a time.
    Part,
    /// Its end.
    End,
}

/// Writes to a viewer, and has the system watch its socket where that is full.
fn write<'l, V: Viewer>(
    slot: &mut Slot<V>,
    id: u64,
    now: Instant,
    log: &'l Log<V::Item>,
    batches: &mut Batches<'l>,
    readiness: &Readiness,
) -> Option<End> {
    match slot.write(now, log, batches) {
        Wrote::All => None,
        Wrote::Failed(error) => Some(End::Failed(error.into())),
        Wrote::Blocked => {
            slot.blocked = true;
            let watched = std::mem::replace(&mut slot.watched, true);
            readiness.watch_room(slot.socket.as_fd(), id, watched).err().map(End::Failed)
        }
    }
}

impl<V: Viewer> AnyLane for Lane<V> {
    fn flush(&mut self, now: Instant, readiness: &Readiness, gone: &mut Gone) -> Pulled {
        let mut urgent = !self.hold;
        let pulled = self.pull(&mut urgent);
        match (pulled, self.held) {
            (Pulled::Nothing, None) => return pulled,
            (Pulled::Nothing, Some(until)) if now < until => return pulled,
            (Pulled::Items, held) if !urgent && held.is_none_or(|until| now < until) => {
                self.held = held.or(Some(now + HOLD));
                return pulled;
            }
            _ => self.held = None,
        }
        let mut ends = Vec::new();
        let mut batches = Batches::new(self.viewers.len());
        for (&id, slot) in self.viewers.iter_mut().filter(|(_, slot)| !slot.blocked) {
            let log = &self.log;
            let wrote = AssertUnwindSafe(|| write(slot, id, now, log, &mut batches, readiness));
            let end = catch_unwind(wrote).unwrap_or(Some(End::Panicked));
            ends.extend(end.map(|why| (id, why)));
        }
        for (id, why) in ends {
            gone.push(id);
            self.remove(id, why, readiness);
        }
        if pulled == Pulled::End {
            for id in self.ids() {
                gone.push(id);
                self.remove(id, End::Closed, readiness);
            }
        }
        pulled
    }

    fn held(&self) -> Option<Instant> {
        self.held
    }

    fn write_to(&mut self, id: u64, now: Instant, readiness: &Readiness, gone: &mut Gone) {
        self.serve(id, readiness, gone, |slot, log| {
            slot.blocked = false;
            write(slot, id, now, log, &mut Batches::new(1), readiness)
        });
    }

    fn say(&mut self, id: u64, bytes: Bytes, now: Instant, readiness: &Readiness, gone: &mut Gone) {
        self.serve(id, readiness, gone, |slot, log| {
            if !slot.say(bytes) {
                return Some(End::TooSlow(Duration::ZERO));
            }
            if slot.blocked { None } else { write(slot, id, now, log, &mut Batches::new(1), readiness) }
        });
    }

    fn pause(&mut self, id: u64, paused: bool, now: Instant, readiness: &Readiness, gone: &mut Gone) {
        self.serve(id, readiness, gone, |slot, log| {
            slot.pause(paused, log);
            if slot.blocked { None } else { write(slot, id, now, log, &mut Batches::new(1), readiness) }
        });
    }

    fn select(
        &mut self,
        id: u64,
        selection: Selection,
        now: Instant,
        readiness: &Readiness,
        gone: &mut Gone,
    ) {
        self.serve(id, readiness, gone, |slot, log| {
            slot.select(selection);
            if slot.blocked { None } else { write(slot, id, now, log, &mut Batches::new(1), readiness) }
        });
    }

    fn sweep(&mut self, now: Instant, timeout: Duration, readiness: &Readiness, gone: &mut Gone) {
        for id in self.ids() {
            self.serve(id, readiness, gone, |slot, log| {
                slot.is_too_slow(now, log, timeout).then_some(End::TooSlow(timeout))
            });
        }
    }

    fn remove(&mut self, id: u64, why: End, readiness: &Readiness) {
        let Some(slot) = self.viewers.remove(&id) else { return };
        if slot.watched {
            readiness.forget(slot.socket.as_fd());
        }
        // A viewer that cannot even end must not take the others with it; it is gone in any case.
        let _ = catch_unwind(AssertUnwindSafe(|| slot.end(why)));
    }

    fn ids(&self) -> Vec<u64> {
        self.viewers.keys().copied().collect()
    }

    fn is_empty(&self) -> bool {
        self.viewers.is_empty()
    }
}

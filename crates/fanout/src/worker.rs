//! A thread: its lanes, when each is due, and the loop.

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hub::Ring;
use rustix::event::epoll::Event;

use crate::Settings;
use crate::inbox::{Command, Inbox, LaneWaker, Letters, Selection};
use crate::lane::{AnyLane, Gone, Lane, Pulled};
use crate::readiness::Readiness;
use crate::viewer::{End, Viewer};

/// The id of the letter box among the sockets.
const INBOX: u64 = u64::MAX;
/// Events taken from the system at a time.
const EVENTS: usize = 256;
/// How often a lane is flushed at most before others get their turn.
const ROUNDS: usize = 8;
/// How often slow viewers are looked for.
const SWEEP_EVERY: Duration = Duration::from_millis(500);

/// A thread's whole state.
pub(crate) struct Worker {
    inbox: Arc<Inbox>,
    lanes: Lanes,
    swept: Instant,
}

/// The lanes of a thread and who is in which.
pub(crate) struct Lanes {
    inbox: Arc<Inbox>,
    settings: Settings,
    readiness: Readiness,
    lanes: BTreeMap<u64, Entry>,
    /// Lanes by ring and protocol.
    by_ring: HashMap<(usize, TypeId), u64>,
    /// The lane of each viewer.
    viewers: HashMap<u64, u64>,
    next_lane: u64,
    /// Lanes that are to be flushed at a time, soonest first.
    due: BTreeSet<(Instant, u64)>,
    /// Viewers that ended and are still listed.
    gone: Gone,
}

struct Entry {
    lane: Box<dyn AnyLane>,
    key: (usize, TypeId),
    /// When it is flushed next; none while it waits for its ring.
    due: Option<Instant>,
}

impl Worker {
    pub(crate) fn new(inbox: Arc<Inbox>, settings: Settings) -> io::Result<Self> {
        let readiness = Readiness::new()?;
        readiness.watch_bell(inbox.as_fd(), INBOX)?;
        let lanes = Lanes {
            inbox: Arc::clone(&inbox),
            settings,
            readiness,
            lanes: BTreeMap::new(),
            by_ring: HashMap::new(),
            viewers: HashMap::new(),
            next_lane: 0,
            due: BTreeSet::new(),
            gone: Gone::new(),
        };
        Ok(Self { inbox, lanes, swept: Instant::now() })
    }

    /// Works until it is told to stop.
    pub(crate) fn run(mut self) {
        let (mut events, mut letters) = (Vec::with_capacity(EVENTS), Letters::default());
        loop {
            match catch_unwind(AssertUnwindSafe(|| self.turn(&mut events, &mut letters))) {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => break,
                Ok(Err(error)) => {
                    tracing::error!(%error, "the fan-out cannot wait for its sockets; its viewers are let go");
                    self.lanes.clear();
                }
                Err(_) => {
                    tracing::error!("a fan-out thread failed and begins again; its viewers are let go");
                    self.lanes.clear();
                    // Letters may be left that it was on the way to.
                    self.inbox.ring();
                }
            }
        }
        self.lanes.clear();
    }

    /// Waits for something to do and does it. False: it was told to stop.
    fn turn(&mut self, events: &mut Vec<Event>, letters: &mut Letters) -> io::Result<bool> {
        events.clear();
        self.lanes.readiness.wait(self.patience(Instant::now()), events)?;
        // First of all, for nobody rings again before.
        self.inbox.take(letters);
        let now = Instant::now();
        for event in events.iter() {
            match event.data.u64() {
                INBOX => {}
                viewer => self.lanes.write_to(viewer, now),
            }
        }
        for command in letters.commands.drain(..) {
            match command {
                Command::Join(join) => join(&mut self.lanes),
                Command::Say(viewer, bytes) => self.lanes.say(viewer, bytes, now),
                Command::Pause(viewer, paused) => self.lanes.pause(viewer, paused, now),
                Command::Select(viewer, selection) => self.lanes.select(viewer, selection, now),
                Command::Leave(viewer) => self.lanes.leave(viewer),
                Command::Stop => return Ok(false),
            }
        }
        for lane in letters.woken.drain(..) {
            self.lanes.flush(lane, now);
        }
        self.lanes.flush_due(now);
        if now.duration_since(self.swept) >= SWEEP_EVERY {
            self.swept = now;
            self.lanes.sweep(now);
        }
        Ok(true)
    }

    /// How long to wait at most.
    fn patience(&self, now: Instant) -> Option<Duration> {
        let flush = self.lanes.due.first().map(|&(due, _)| due);
        let sweep = (!self.lanes.viewers.is_empty()).then(|| self.swept + SWEEP_EVERY);
        Some(flush.into_iter().chain(sweep).min()?.saturating_duration_since(now))
    }
}

impl Lanes {
    /// Takes a viewer in and writes at once what there is for it.
    pub(crate) fn join<V: Viewer>(
        &mut self,
        id: u64,
        ring: &Ring<V::Item>,
        socket: Arc<dyn AsFd + Send + Sync>,
        head: Bytes,
        viewer: V,
    ) {
        let now = Instant::now();
        let key = (ring.id(), TypeId::of::<V>());
        let known = self.by_ring.get(&key).copied();
        let Some(number) = known.or_else(|| self.open::<V>(key, ring)) else {
            self.inbox.remove_viewer();
            return viewer.ended(End::Closed);
        };
        let lane = self.lanes.get_mut(&number).map(|entry| entry.lane.as_mut() as &mut dyn Any);
        // Lanes are kept by the type of their viewers.
        let Some(lane) = lane.and_then(|lane| lane.downcast_mut::<Lane<V>>()) else {
            self.inbox.remove_viewer();
            return viewer.ended(End::Closed);
        };
        lane.add(id, socket, head, viewer);
        self.viewers.insert(id, number);
        if known.is_none() {
            // With the viewer in it: a ring that ends at this moment tells of it once.
            self.flush(number, now);
        }
        self.write_to(id, now);
    }

    /// A new lane for a ring. None: the ring is closed.
    fn open<V: Viewer>(&mut self, key: (usize, TypeId), ring: &Ring<V::Item>) -> Option<u64> {
        let cursor = ring.subscribe()?;
        let number = self.next_lane;
        self.next_lane += 1;
        let waker = Waker::from(Arc::new(LaneWaker { inbox: Arc::clone(&self.inbox), lane: number }));
        let hold = self.settings.hold && self.settings.merge_window.is_zero();
        let lane = Box::new(Lane::<V>::new(cursor, waker, self.settings.limits, hold));
        self.lanes.insert(number, Entry { lane, key, due: None });
        self.by_ring.insert(key, number);
        Some(number)
    }

    fn write_to(&mut self, viewer: u64, now: Instant) {
        let Some(entry) = self.viewers.get(&viewer).and_then(|lane| self.lanes.get_mut(lane)) else { return };
        entry.lane.write_to(viewer, now, &self.readiness, &mut self.gone);
        self.forget_gone();
    }

    fn say(&mut self, viewer: u64, bytes: Bytes, now: Instant) {
        let Some(entry) = self.viewers.get(&viewer).and_then(|lane| self.lanes.get_mut(lane)) else { return };
        entry.lane.say(viewer, bytes, now, &self.readiness, &mut self.gone);
        self.forget_gone();
    }

    fn pause(&mut self, viewer: u64, paused: bool, now: Instant) {
        let Some(entry) = self.viewers.get(&viewer).and_then(|lane| self.lanes.get_mut(lane)) else { return };
        entry.lane.pause(viewer, paused, now, &self.readiness, &mut self.gone);
        self.forget_gone();
    }

    fn select(&mut self, viewer: u64, selection: Selection, now: Instant) {
        let Some(entry) = self.viewers.get(&viewer).and_then(|lane| self.lanes.get_mut(lane)) else { return };
        entry.lane.select(viewer, selection, now, &self.readiness, &mut self.gone);
        self.forget_gone();
    }

    fn leave(&mut self, viewer: u64) {
        let Some(entry) = self.viewers.get(&viewer).and_then(|lane| self.lanes.get_mut(lane)) else { return };
        entry.lane.remove(viewer, End::Left, &self.readiness);
        self.gone.push(viewer);
        self.forget_gone();
    }

    /// Flushes a lane whose ring has something new. Where there is a merge window, it is then flushed again and again
    /// at that distance, until its ring has nothing new for once; only then does the ring wake the lane again.
    fn flush(&mut self, number: u64, now: Instant) {
        let window = self.settings.merge_window;
        let Some(entry) = self.lanes.get_mut(&number) else { return };
        if let Some(due) = entry.due.take() {
            self.due.remove(&(due, number));
        }
        for round in 1..=ROUNDS {
            let wait = match entry.lane.flush(now, &self.readiness, &mut self.gone) {
                Pulled::Nothing | Pulled::End => break,
                Pulled::Items => window,
                Pulled::Part => Duration::ZERO,
            };
            if !wait.is_zero() || round == ROUNDS {
                entry.due = Some(now + wait);
                break;
            }
        }
        entry.due = entry.due.or_else(|| entry.lane.held());
        self.due.extend(entry.due.map(|due| (due, number)));
        self.forget_gone();
    }

    fn flush_due(&mut self, now: Instant) {
        // Those that are due again at once have their turn after everything else.
        let due: Vec<u64> = self.due.range(..=(now, u64::MAX)).map(|&(_, number)| number).collect();
        due.into_iter().for_each(|number| self.flush(number, now));
    }

    fn sweep(&mut self, now: Instant) {
        for entry in self.lanes.values_mut() {
            entry.lane.sweep(now, self.settings.slow_viewer_timeout, &self.readiness, &mut self.gone);
        }
        self.forget_gone();
    }

    /// Strikes the viewers that ended off the lists, and closes lanes that nobody is in.
    fn forget_gone(&mut self) {
        while let Some(viewer) = self.gone.pop() {
            let Some(number) = self.viewers.remove(&viewer) else { continue };
            self.inbox.remove_viewer();
            if self.lanes.get(&number).is_some_and(|entry| entry.lane.is_empty()) {
                self.close(number);
            }
        }
    }

    fn close(&mut self, number: u64) {
        let Some(entry) = self.lanes.remove(&number) else { return };
        self.by_ring.remove(&entry.key);
        if let Some(due) = entry.due {
            self.due.remove(&(due, number));
        }
    }

    /// Lets everybody go.
    fn clear(&mut self) {
        for entry in self.lanes.values_mut() {
            for viewer in entry.lane.ids() {
                entry.lane.remove(viewer, End::Stopped, &self.readiness);
                self.inbox.remove_viewer();
            }
        }
        self.viewers.clear();
        self.by_ring.clear();
        self.lanes.clear();
        self.due.clear();
        self.gone.clear();
    }
}

//! How other threads reach a worker: commands, lanes with something new, and a file that wakes it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Wake;

use rustix::event::{EventfdFlags, eventfd};

use crate::worker::Lanes;

/// What a worker is asked to do.
pub(crate) enum Command {
    /// Take a viewer in; its type is known to the closure alone.
    Join(Box<dyn FnOnce(&mut Lanes) + Send>),
    /// Let this viewer go.
    Leave(u64),
    /// End.
    Stop,
}

/// A worker's letter box.
#[derive(Debug)]
pub(crate) struct Inbox {
    letters: Mutex<Letters>,
    /// The worker was told and has not looked yet: one wake-up is enough.
    told: AtomicBool,
    bell: OwnedFd,
    viewers: AtomicUsize,
}

/// What lies in it.
#[derive(Default)]
pub(crate) struct Letters {
    /// In the order in which they were sent.
    pub(crate) commands: Vec<Command>,
    /// Lanes whose ring has something new.
    pub(crate) woken: Vec<u64>,
}

impl std::fmt::Debug for Letters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} commands, {} lanes", self.commands.len(), self.woken.len())
    }
}

impl Inbox {
    pub(crate) fn new() -> io::Result<Self> {
        let bell = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Self {
            letters: Mutex::default(),
            told: AtomicBool::new(false),
            bell,
            viewers: AtomicUsize::new(0),
        })
    }

    pub(crate) fn send(&self, command: Command) {
        self.lock().commands.push(command);
        self.ring();
    }

    fn wake_lane(&self, lane: u64) {
        self.lock().woken.push(lane);
        self.ring();
    }

    fn ring(&self) {
        if !self.told.swap(true, Ordering::AcqRel) {
            // It fails only when the counter is full, and then the worker is awake.
            let _ = rustix::io::write(&self.bell, &1u64.to_ne_bytes());
        }
    }

    /// Empties the letter box into `letters`. What is sent from now on wakes the worker again.
    pub(crate) fn take(&self, letters: &mut Letters) {
        if self.told.swap(false, Ordering::AcqRel) {
            // It fails only when nobody has rung, which is nothing to worry about.
            let _ = rustix::io::read(&self.bell, &mut [0; 8]);
        }
        let mut waiting = self.lock();
        letters.commands.append(&mut waiting.commands);
        letters.woken.append(&mut waiting.woken);
    }

    pub(crate) fn viewers(&self) -> usize {
        self.viewers.load(Ordering::Relaxed)
    }

    pub(crate) fn add_viewer(&self) {
        self.viewers.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn remove_viewer(&self) {
        self.viewers.fetch_sub(1, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for Inbox {
    /// Readable when something was sent.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

/// Tells a worker that the ring of a lane has something new.
pub(crate) struct LaneWaker {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) lane: u64,
}

impl Wake for LaneWaker {
    fn wake(self: Arc<Self>) {
        self.inbox.wake_lane(self.lane);
    }
}

//! How other threads reach a worker: commands, lanes with something new, and a file that wakes it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Wake;

use bytes::Bytes;
use rustix::event::{EventfdFlags, eventfd};

use crate::worker::Lanes;

/// What a worker is asked to do.
pub(crate) enum Command {
    /// Take a viewer in; its type is known to the closure alone.
    Join(Box<dyn FnOnce(&mut Lanes) + Send>),
    /// Send this to a viewer between two items.
    Say(u64, Bytes),
    /// Send a viewer no items, or go on with the newest start.
    Pause(u64, bool),
    /// Tell a viewer which of what it could get it is to get.
    Select(u64, Selection),
    /// Let this viewer go.
    Leave(u64),
    /// End.
    Stop,
}

/// Which of what a viewer could get it is to get.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Selection {
    /// What the word means is known to the viewer alone.
    pub(crate) word: u8,
    /// It goes on with the newest start.
    pub(crate) restart: bool,
}

/// A worker's letter box.
#[derive(Debug)]
pub(crate) struct Inbox {
    letters: Mutex<Letters>,
    /// The worker was told and has not looked yet: one wake-up is enough.
    told: AtomicBool,
    /// Each write to it wakes the worker once; it is never read, so nothing that was told can be taken back.
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

    /// Has the worker look, if it was not told to already.
    pub(crate) fn ring(&self) {
        if !self.told.swap(true, Ordering::SeqCst) {
            // It fails only when the counter is full, and no worker lives for so long.
            let _ = rustix::io::write(&self.bell, &1u64.to_ne_bytes());
        }
    }

    /// Empties the letter box into `letters`. What is sent from now on wakes the worker again.
    pub(crate) fn take(&self, letters: &mut Letters) {
        // Before the look: who sends behind it finds that the worker is to be told.
        self.told.store(false, Ordering::SeqCst);
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
    /// Written to when something was sent.
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::readiness::Readiness;

    const SENDERS: u64 = 2;
    const LETTERS: u64 = 20_000;
    /// Nothing takes as long on a machine that is merely busy.
    const PATIENCE: Duration = Duration::from_secs(5);

    /// Senders and a worker in each other's way: no letter may lie there while the worker sleeps, and a worker with
    /// nothing to do must sleep.
    #[test]
    fn a_worker_hears_of_every_letter_and_then_sleeps() {
        let inbox = Arc::new(Inbox::new().expect("a file"));
        let readiness = Readiness::new().expect("a file");
        readiness.watch_bell(inbox.as_fd(), 0).expect("watched");
        let taken = Arc::new(AtomicU64::new(0));
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let (inbox, taken) = (Arc::clone(&inbox), Arc::clone(&taken));
                std::thread::spawn(move || {
                    for letter in 0..LETTERS {
                        inbox.wake_lane(sender);
                        // Now and then everything is read before anything is sent: the worker is about to sleep.
                        let all_read = letter % 3 > 0;
                        let since = Instant::now();
                        while all_read && taken.load(Ordering::Relaxed) < letter && since.elapsed() < PATIENCE
                        {
                            std::hint::spin_loop();
                        }
                    }
                })
            })
            .collect();
        let (mut letters, mut events) = (Letters::default(), Vec::with_capacity(8));
        while taken.load(Ordering::Relaxed) < SENDERS * LETTERS {
            events.clear();
            readiness.wait(Some(PATIENCE), &mut events).expect("waited");
            assert!(!events.is_empty(), "asleep at {} letters", taken.load(Ordering::Relaxed));
            inbox.take(&mut letters);
            taken.fetch_add(letters.woken.drain(..).len() as u64, Ordering::Relaxed);
        }
        senders.into_iter().for_each(|sender| sender.join().expect("a sender"));
        // One more turn may be told of what was taken already.
        for _ in 0..2 {
            events.clear();
            readiness.wait(Some(Duration::ZERO), &mut events).expect("waited");
            inbox.take(&mut letters);
        }
        assert!(events.is_empty() && letters.woken.is_empty(), "wide awake with nothing to do");
    }
}

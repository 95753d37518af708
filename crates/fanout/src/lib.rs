//! From rings to sockets: every viewer of every stream that has a TCP connection of its own.
//!
//! A few threads, one per core, share the viewers among them. A thread follows each ring that a viewer of its own
//! reads (a *lane*), keeps what the ring has as a log, and writes from there to the sockets without blocking: per
//! viewer and write one system call over the shared bytes, and nothing is copied. A socket that is full is left
//! alone until the system says that it has room. A viewer that falls out of the log goes on at a later start, never
//! with a hole, and one that does not catch up is sent away.
//!
//! What the bytes mean is the business of [`Viewer`], of which each protocol has its own.

mod batch;
mod inbox;
mod lane;
mod lateness;
mod pieces;
mod readiness;
mod slot;
mod viewer;
mod worker;

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use hub::{Limits, Ring};

pub use lateness::Lateness;
pub use pieces::{Pieces, SMALL};
pub use slot::SAID_BYTES;
pub use viewer::{End, How, Viewer};

use inbox::{Command, Inbox, Selection};

/// How viewers are served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Threads, at least one.
    pub workers: usize,
    /// What comes within this time leaves with one write; zero writes each item at once. An item that comes after a
    /// pause of this length is written at once too.
    pub merge_window: Duration,
    /// Where there is no merge window: items that are not [urgent](Viewer::is_urgent) leave with the next one that is,
    /// 50 ms later at the most.
    pub hold: bool,
    /// A viewer that was skipped and has not caught up for this long is sent away.
    pub slow_viewer_timeout: Duration,
    /// What is kept for viewers that lag, per thread and ring. The items are those of the ring: their bytes are shared.
    pub limits: Limits,
}

/// The threads that serve viewers. Dropping it ends them and all their viewers.
pub struct FanOut {
    workers: Vec<Worker>,
    next: AtomicU64,
}

struct Worker {
    inbox: Arc<Inbox>,
    thread: Option<JoinHandle<()>>,
}

/// A viewer's place among the served; dropping it ends that.
#[derive(Debug)]
pub struct Membership {
    inbox: Arc<Inbox>,
    id: u64,
}

impl FanOut {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system has no room for a thread or a file.
    pub fn start(settings: Settings) -> io::Result<Self> {
        let workers = (0..settings.workers.max(1)).map(|number| Worker::start(number, settings));
        Ok(Self { workers: workers.collect::<io::Result<_>>()?, next: AtomicU64::new(0) })
    }

    /// Serves a viewer from the newest start of `ring` on, or from the next one where it has none.
    ///
    /// The socket must be non-blocking; it is written to, and never read from. `head` is sent before all else. The
    /// thread with the fewest viewers takes it.
    pub fn join<V: Viewer>(
        &self,
        ring: &Ring<V::Item>,
        socket: Arc<dyn AsFd + Send + Sync>,
        head: Bytes,
        viewer: V,
    ) -> Membership {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let least = self.workers.iter().map(|worker| &worker.inbox).min_by_key(|inbox| inbox.viewers());
        // There is at least one worker, see `start`.
        let inbox = Arc::clone(least.unwrap_or(&self.workers[0].inbox));
        let ring = ring.clone();
        inbox.add_viewer();
        inbox.send(Command::Join(Box::new(move |lanes| lanes.join(id, &ring, socket, head, viewer))));
        Membership { inbox, id }
    }

    /// Viewers served now.
    pub fn viewers(&self) -> usize {
        self.workers.iter().map(|worker| worker.inbox.viewers()).sum()
    }
}

impl Worker {
    fn start(number: usize, settings: Settings) -> io::Result<Self> {
        let inbox = Arc::new(Inbox::new()?);
        let run = worker::Worker::new(Arc::clone(&inbox), settings)?;
        let name = format!("fan-out-{number}");
        let thread = std::thread::Builder::new().name(name).spawn(move || run.run())?;
        Ok(Self { inbox, thread: Some(thread) })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.inbox.send(Command::Stop);
        if let Some(thread) = self.thread.take() {
            // It has caught its panics; there is nothing more to learn from how it ended.
            let _ = thread.join();
        }
    }
}

impl Membership {
    /// Sends bytes to the viewer between two items, in the order of the calls. A viewer that has not taken
    /// [`SAID_BYTES`] of such is sent away as too slow.
    pub fn say(&self, bytes: Bytes) {
        self.inbox.send(Command::Say(self.id, bytes));
    }

    /// Sends the viewer no items from now on, but for the rest of one that has left in part; or goes on with the newest
    /// start, to which it comes as to one after a skip.
    pub fn pause(&self, paused: bool) {
        self.inbox.send(Command::Pause(self.id, paused));
    }

    /// Gives the word to [`Viewer::select`] before the next item. With `restart` that is the newest start, to which the
    /// viewer comes as to one after a skip.
    pub fn select(&self, word: u8, restart: bool) {
        self.inbox.send(Command::Select(self.id, Selection { word, restart }));
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.inbox.send(Command::Leave(self.id));
    }
}

//! The file through which the system tells whose socket has room.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

/// Sockets that wait for room.
#[derive(Debug)]
pub(crate) struct Readiness(OwnedFd);

impl Readiness {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(epoll::create(CreateFlags::CLOEXEC)?))
    }

    /// Tells from now on, under this id, of each time that the file was written to, or of several together.
    pub(crate) fn watch_bell(&self, file: BorrowedFd<'_>, id: u64) -> io::Result<()> {
        Ok(epoll::add(&self.0, file, EventData::new_u64(id), EventFlags::IN | EventFlags::ET)?)
    }

    /// Tells once, under this id, when the socket has room. `known`: it was watched before.
    pub(crate) fn watch_room(&self, socket: BorrowedFd<'_>, id: u64, known: bool) -> io::Result<()> {
        let flags = EventFlags::OUT | EventFlags::ONESHOT;
        let data = EventData::new_u64(id);
        let watched = match known {
            true => epoll::modify(&self.0, socket, data, flags),
            false => epoll::add(&self.0, socket, data, flags),
        };
        Ok(watched?)
    }

    /// Tells nothing more of a socket that was watched.
    pub(crate) fn forget(&self, socket: BorrowedFd<'_>) {
        // It fails only when the socket is not there, and then there is nothing to forget.
        let _ = epoll::delete(&self.0, socket);
    }

    /// Waits until something is ready, at most for `timeout`, and appends the ids, as many as `ready` has room for.
    pub(crate) fn wait(&self, timeout: Option<Duration>, ready: &mut Vec<Event>) -> io::Result<()> {
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        match epoll::wait(&self.0, rustix::buffer::spare_capacity(ready), timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

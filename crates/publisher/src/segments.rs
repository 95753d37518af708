//! Datagrams that the system cuts out of one message (`UDP_SEGMENT`, udp(7)), and whether it does.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;

/// The system does not.
static REFUSED: AtomicBool = AtomicBool::new(false);

/// Whether messages of several datagrams may be sent.
pub(crate) fn are_cut() -> bool {
    !REFUSED.load(Ordering::Relaxed)
}

/// Whether a message of several datagrams was refused for being one: they are to be sent one by one then.
pub(crate) fn are_refused(error: &io::Error) -> bool {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EIO | Errno::ENOPROTOOPT) => {
            REFUSED.store(true, Ordering::Relaxed);
            true
        }
        // It may be about the way to this one alone: its packets are shorter.
        Some(Errno::EINVAL) => true,
        _ => false,
    }
}

//! The signals that end the program, and the one that has it read its configuration again.

use std::io;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and SIGINT (Ctrl-C), caught from the moment this is made.
#[cfg(unix)]
pub(crate) struct Signals {
    term: Signal,
    interrupt: Signal,
}

#[cfg(unix)]
impl Signals {
    /// Catches them from now on.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one and tells its name.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "Ctrl-C",
        }
    }
}

/// SIGHUP, caught from the moment this is made. Signals that come before the last one is taken count as one.
#[cfg(unix)]
pub(crate) struct Hangup(Signal);

#[cfg(unix)]
impl Hangup {
    /// Catches it from now on.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn catch() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending().await
        }
    }
}

/// Ctrl-C, on systems without signals.
#[cfg(not(unix))]
pub(crate) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) async fn next(&mut self) -> &'static str {
        match tokio::signal::ctrl_c().await {
            Ok(()) => "Ctrl-C",
            // It cannot be caught: then the system ends the program.
            Err(_) => std::future::pending().await,
        }
    }
}

/// Nothing, on systems without signals.
#[cfg(not(unix))]
pub(crate) struct Hangup;

#[cfg(not(unix))]
impl Hangup {
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) async fn next(&mut self) {
        std::future::pending().await
    }
}

//! What every viewer with a connection has, whatever the protocol: its session, the carrier that it keeps running, its place among
//! the viewers, and what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use fanout::End;
use hub::Haste;

use super::carrier::Reading;
use super::mpegts::ended_by;
use crate::limits::{Gates, Pass, Refusal};
use crate::session::{Ended, Open};

/// A session is told of so many bytes together: its counters are elsewhere in memory, and not worth a look at each write.
const TELL_BYTES: u64 = 16 << 10;

/// Held for as long as a viewer is served.
pub(crate) struct Account<T> {
    pub(crate) session: Open,
    /// Bytes sent that the session was not told of yet.
    untold: u64,
    gates: Arc<Gates>,
    /// Keeps the carrier running.
    pub(crate) reading: Arc<Reading<T>>,
    _haste: Haste,
    _pass: Pass,
}

impl<T: hub::Item> Account<T> {
    pub(crate) fn new(
        session: Open,
        gates: &Arc<Gates>,
        reading: Arc<Reading<T>>,
        haste: Haste,
        pass: Pass,
    ) -> Self {
        Self { session, untold: 0, gates: Arc::clone(gates), reading, _haste: haste, _pass: pass }
    }

    /// How long it may read nothing before it is sent away.
    pub(crate) fn longest_behind(&self) -> Duration {
        self.gates.longest_behind()
    }

    /// The system took these bytes for it.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.untold += bytes as u64;
        if self.untold >= TELL_BYTES {
            self.session.add_bytes(std::mem::take(&mut self.untold));
        }
    }

    /// It was too slow and goes on at a later start.
    pub(crate) fn skipped(&self) {
        self.session.add_skip();
        self.gates.refuse(Refusal::ViewerQueueBytes);
    }

    /// It is served no longer.
    pub(crate) fn end(self, why: End) {
        self.session.add_bytes(self.untold);
        let why = match why {
            End::Closed => self.reading.ended(),
            End::TooSlow(time) => {
                self.gates.refuse(Refusal::SlowViewerTimeout);
                Ended::TooSlow(time)
            }
            End::Failed(error) => ended_by(&error),
            End::Panicked => Ended::Internal,
            End::Stopped => Ended::Shutdown,
            // Whoever took it away has said why.
            _ => Ended::ClientLeft,
        };
        self.session.cancel(why);
    }
}

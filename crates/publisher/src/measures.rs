//! What is counted of each stream for those who watch over time: it outlives sessions and goes with the stream.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::code::Code;
use crate::service::Service;
use crate::session::{Protocol, Role, Session};

/// What the sessions of one protocol and direction did, those that ended included.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SessionTotals {
    /// Open now.
    pub open: u64,
    /// Opened since the stream was started and ended.
    pub ended: u64,
    /// Bytes of media.
    pub bytes: u64,
    /// Skips to later key frames, of viewers that were too slow.
    pub skips: u64,
    /// Packets lost on the way, as far as that is known.
    pub packets_lost: u64,
}

impl SessionTotals {
    fn add(&mut self, session: &Session) {
        self.bytes += session.bytes();
        self.skips += session.skips();
        self.packets_lost += session.packets_lost();
    }
}

/// The segments of HLS or DASH.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentTotals {
    /// Made since the output began, of all its tracks and renditions.
    pub made: u64,
    /// Time since the newest was finished.
    pub newest: Duration,
}

/// What was counted of a stream since it was started.
#[derive(Clone, Debug)]
pub struct StreamMeasures {
    /// The stream.
    pub code: Code,
    /// Of its publishers and viewers.
    pub sessions: Vec<(Role, Protocol, SessionTotals)>,
    /// Of HLS, where there is one with segments.
    pub hls: Option<SegmentTotals>,
    /// The same of DASH.
    pub dash: Option<SegmentTotals>,
}

/// Totals by direction and protocol, in the order in which they came up.
type Ended = Vec<(Role, Protocol, SessionTotals)>;

fn of(all: &mut Ended, role: Role, protocol: Protocol) -> &mut SessionTotals {
    let place = all.iter().position(|(of, by, _)| (*of, *by) == (role, protocol)).unwrap_or_else(|| {
        all.push((role, protocol, SessionTotals::default()));
        all.len() - 1
    });
    &mut all[place].2
}

/// The totals of sessions that ended, by stream.
#[derive(Debug, Default)]
pub(crate) struct Ledger(BTreeMap<Code, Ended>);

impl Ledger {
    /// A stream begins: what its sessions do counts from now on.
    pub(crate) fn begin(&mut self, stream: &Code) {
        self.0.insert(stream.clone(), Ended::default());
    }

    /// A stream is no more.
    pub(crate) fn forget(&mut self, stream: &Code) {
        self.0.remove(stream);
    }

    /// A session has ended.
    pub(crate) fn note(&mut self, session: &Session) {
        if let Some(ended) = self.0.get_mut(&session.stream) {
            let totals = of(ended, session.role, session.protocol);
            totals.ended += 1;
            totals.add(session);
        }
    }

    /// Everything, with what sessions that are open did so far.
    pub(crate) fn with<'a>(&self, open: impl Iterator<Item = &'a Session>) -> BTreeMap<Code, Ended> {
        let mut all = self.0.clone();
        for session in open {
            if let Some(stream) = all.get_mut(&session.stream) {
                let totals = of(stream, session.role, session.protocol);
                totals.open += 1;
                totals.add(session);
            }
        }
        all
    }
}

impl Service {
    /// What was counted of each running stream, by code.
    pub fn measures(&self) -> Vec<StreamMeasures> {
        let mut sessions = self.sessions.totals();
        let streams = self.all_running();
        let measured = streams.into_iter().map(|running| {
            let outputs = running.segmented.outputs();
            StreamMeasures {
                sessions: sessions.remove(&running.code).unwrap_or_default(),
                hls: outputs.hls.and_then(|hls| hls.segments()),
                dash: outputs.dash.and_then(|dash| dash.segments()),
                code: running.code.clone(),
            }
        });
        measured.collect()
    }
}

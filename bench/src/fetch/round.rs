//! A GET loop: one file after the other, round and round, without a pause.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{Agent, Kind, Next, Tally};

/// One connection's place in the round.
pub(super) struct Round {
    paths: Rc<[String]>,
    at: usize,
}

impl Round {
    /// Begins with the file of that number.
    pub(super) fn new(paths: Rc<[String]>, number: usize) -> Self {
        Self { paths, at: number }
    }
}

impl Agent for Round {
    fn next(&mut self, _now: Instant) -> Next {
        Next::Get(Kind::Segment, self.paths[self.at % self.paths.len()].clone())
    }

    fn done(&mut self, _body: &[u8], _took: Duration, _now: Instant, _tally: &mut Tally) {
        self.at += 1;
    }
}

//! Segments that may not be told of yet, for the wall clock of their epoch is not settled.

use std::collections::VecDeque;

use hub::Context;
use media::timeline::Anchor;
use media::{TimeDelta, Timestamp};

use crate::segment::Body;

/// Media time held at most; what is over it takes the wall clock as it was.
const MAX_HELD: TimeDelta = TimeDelta::from_secs(60);

/// The queue before the list.
#[derive(Debug, Default)]
pub(super) struct Hold {
    bodies: VecDeque<Body>,
    held: TimeDelta,
    /// The newest epoch.
    epoch: u64,
    /// The newest settled wall clock, and its epoch.
    anchor: Option<(u64, Anchor)>,
    /// How many of the oldest need not wait.
    released: usize,
}

impl Hold {
    pub(super) fn see(&mut self, context: &Context) {
        self.epoch = context.epoch.id;
        if let Some(anchor) = context.anchor {
            self.anchor = Some((context.epoch.id, anchor));
        }
    }

    pub(super) fn push(&mut self, body: Body) {
        self.held += body.duration;
        self.bodies.push_back(body);
    }

    pub(super) fn release(&mut self) {
        self.released = self.bodies.len();
    }

    /// The next segment that may be listed, with the Unix time of its first picture or sound.
    ///
    /// An epoch that was over before its wall clock settled takes the one of its neighbour: hub time goes on with
    /// the machine's clock from one epoch to the next, and begins at Unix time.
    pub(super) fn pop(&mut self) -> Option<(Body, Timestamp)> {
        let body = self.bodies.front()?;
        let settled = self.anchor.is_some_and(|(epoch, _)| epoch == body.epoch);
        if !settled && body.epoch == self.epoch && self.released == 0 && self.held <= MAX_HELD {
            return None;
        }
        let body = self.bodies.pop_front()?;
        self.held -= body.duration;
        self.released = self.released.saturating_sub(1);
        let shown = body.start + body.delay;
        let date = self.anchor.map_or(shown, |(_, anchor)| anchor.wall_of(shown));
        Some((body, date))
    }
}

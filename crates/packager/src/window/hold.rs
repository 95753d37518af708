//! Segments that may not be told of yet, for the wall clock of their epoch is not settled.

use std::collections::VecDeque;

use hub::Context;
use media::timeline::Anchor;
use media::{TimeDelta, Timestamp};

use crate::segment::{Body, Media};

/// Media time held at most; what is over it takes the wall clock as it was.
const MAX_HELD: TimeDelta = TimeDelta::from_secs(60);
/// Bytes held at most, whatever the media time; a minute at 34 Mbit/s.
const MAX_BYTES: usize = 256 << 20;

/// The queue before the list, bounded in media time and in bytes: what is over either is not waited for, and
/// dropped where it cannot be listed yet, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Hold {
    bodies: VecDeque<(Body, Media)>,
    held: TimeDelta,
    held_bytes: usize,
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

    pub(super) fn push(&mut self, body: Body, media: Media) {
        self.held += body.duration;
        self.held_bytes += body.size;
        self.bodies.push_back((body, media));
    }

    /// Drops the oldest of what is over the bounds, while nothing can be listed. What comes after that does not go
    /// on from anything.
    pub(super) fn drop_excess(&mut self) {
        while self.is_full() && self.take_oldest().is_some() {
            if let Some((next, _)) = self.bodies.front_mut() {
                next.discontinuity = true;
            }
        }
    }

    pub(super) fn release(&mut self) {
        self.released = self.bodies.len();
    }

    /// The next segment that may be listed, with the Unix time of its first picture or sound.
    ///
    /// An epoch that was over before its wall clock settled takes the one of its neighbour: hub time goes on with
    /// the machine's clock from one epoch to the next, and begins at Unix time.
    pub(super) fn pop(&mut self) -> Option<(Body, Media, Timestamp)> {
        let (body, _) = self.bodies.front()?;
        let settled = self.anchor.is_some_and(|(epoch, _)| epoch == body.epoch);
        if !settled && body.epoch == self.epoch && self.released == 0 && !self.is_full() {
            return None;
        }
        let (body, media) = self.take_oldest()?;
        let shown = body.start + body.delay;
        let date = self.anchor.map_or(shown, |(_, anchor)| anchor.wall_of(shown));
        Some((body, media, date))
    }

    fn is_full(&self) -> bool {
        self.held > MAX_HELD || self.held_bytes > MAX_BYTES
    }

    fn take_oldest(&mut self) -> Option<(Body, Media)> {
        let (body, media) = self.bodies.pop_front()?;
        self.held -= body.duration;
        self.held_bytes -= body.size;
        self.released = self.released.saturating_sub(1);
        Some((body, media))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Segments of 64 MiB and 1 ms.
    fn filled(count: i64) -> Hold {
        let mut hold = Hold::default();
        for ms in 0..count {
            let body = Body {
                epoch: 0,
                start: Timestamp::from_scale(ms, 1000),
                duration: TimeDelta::from_millis(1),
                delay: TimeDelta::ZERO,
                size: 64 << 20,
                independent: true,
                discontinuity: false,
                tracks: Default::default(),
                pictures: 1,
            };
            hold.push(body, Media::default());
        }
        hold
    }

    #[test]
    fn what_is_over_the_bytes_does_not_wait_for_the_clock() {
        let mut hold = filled(6);
        let starts: Vec<i64> =
            std::iter::from_fn(|| hold.pop()).map(|(body, ..)| body.start.to_scale(1000)).collect();
        assert_eq!(starts, [0, 1]);
    }

    #[test]
    fn what_is_over_the_bytes_and_cannot_be_listed_is_dropped() {
        let mut hold = filled(6);
        hold.drop_excess();
        let kept: Vec<_> =
            hold.bodies.iter().map(|(body, _)| (body.start.to_scale(1000), body.discontinuity)).collect();
        assert_eq!(kept, [(2, true), (3, false), (4, false), (5, false)]);
    }
}

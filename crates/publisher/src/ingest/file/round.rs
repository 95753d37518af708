//! The time of a file that is read: when each of its frames is due, and how long a round of a loop is.

use std::collections::BTreeMap;
use std::time::Duration;

use media::{TimeDelta, TrackId};

/// A step of the stamps beyond this is a hole in the file, or a jump, and not time to be waited.
const MAX_STEP: TimeDelta = TimeDelta::from_secs(10);

/// When frames are due, by when playing began and with which stamp.
pub(super) struct Pace {
    /// Units per second of the stamps.
    scale: u32,
    begun: Option<(Duration, i64)>,
}

impl Pace {
    /// Of nothing yet.
    pub(super) fn new(scale: u32) -> Self {
        Self { scale, begun: None }
    }

    /// When a frame is due that has that stamp and could be sent now. What is behind a hole, or a jump, is not waited for.
    pub(super) fn due(&mut self, now: Duration, stamp: i64) -> Duration {
        let (begun, first) = *self.begun.get_or_insert((now, stamp));
        let past = TimeDelta::from_scale(stamp.saturating_sub(first), self.scale);
        let due = TimeDelta::from(begun) + past;
        if (due - TimeDelta::from(now)).abs() > MAX_STEP {
            self.begun = Some((now, stamp));
            return now;
        }
        due.to_duration()
    }
}

/// The stamps of a round, to know how long it is.
#[derive(Default)]
pub(super) struct Round {
    tracks: BTreeMap<TrackId, Span>,
}

struct Span {
    first: i64,
    last: i64,
    frames: u32,
}

impl Round {
    /// A frame comes with that stamp.
    pub(super) fn note(&mut self, track: TrackId, stamp: i64) {
        let span = self.tracks.entry(track).or_insert(Span { first: stamp, last: stamp, frames: 0 });
        span.last = span.last.max(stamp);
        span.frames += 1;
    }

    /// From the first frame to the end of the last one, of the track that is longest, in units of the stamps.
    pub(super) fn length(&self) -> u64 {
        let length = |span: &Span| {
            let steps = f64::from(span.frames.saturating_sub(1).max(1));
            let distance = span.last.saturating_sub(span.first).max(0) as f64;
            (distance + distance / steps).round() as u64
        };
        self.tracks.values().map(length).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_lasts_until_its_last_frame_has_ended() {
        let mut round = Round::default();
        for n in 0..200 {
            round.note(TrackId::VIDEO, 80 + n * 40);
        }
        for n in 0..375 {
            round.note(TrackId::AUDIO, (n as f64 * 1024.0 / 48.0).round() as i64);
        }
        assert_eq!(round.length(), 8000);
        assert_eq!(Round::default().length(), 0, "nothing to loop");
    }

    #[test]
    fn frames_are_due_by_their_stamps_but_behind_holes_and_jumps() {
        let mut pace = Pace::new(1000);
        let ms = |ms: u64| Duration::from_millis(100_000 + ms);
        assert_eq!(pace.due(ms(500), 70), ms(500));
        assert_eq!(pace.due(ms(501), 110), ms(540));
        assert_eq!(pace.due(ms(541), 90), ms(520), "another track");
        assert_eq!(pace.due(ms(541), 20_000), ms(541), "a hole");
        assert_eq!(pace.due(ms(550), 20_040), ms(581));
        assert_eq!(pace.due(ms(590), 5), ms(590), "a jump back");
        assert_eq!(pace.due(ms(591), 45), ms(630));
    }
}

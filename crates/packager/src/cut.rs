//! Where segments begin.
//!
//! RFC 8216 4.3.3.1 holds a playlist to one TARGETDURATION for ever, that no segment's rounded duration may
//! exceed. So the first GOP is measured before anything is announced; then segments are cut at the key frame
//! nearest to the target, and without one where the limit asks for it.
//!
//! The [`Cutter`] goes by media time alone: a burst is cut like a live stream. It knows one *leading* track, whose
//! frames segments begin at, and tracks that *follow*, which matter only when the leading one falls silent.

mod pace;
mod target;

use std::time::Duration;

use media::{Frame, TimeDelta, Timestamp};

use pace::Pace;
use target::Target;

/// Segment length that is aimed at unless the configuration says otherwise.
pub const DEFAULT_TARGET: Duration = Duration::from_secs(2);

/// A step in time larger than this is a hole in the media, not a long frame.
const HOLE: TimeDelta = TimeDelta::from_millis(500);
/// The leading track is taken for gone once the others are this much ahead of where it should be.
const GONE: TimeDelta = TimeDelta::from_secs(1);
/// Pictures and sound are taken for gone once data is this much ahead of them.
const DESERTED: TimeDelta = TimeDelta::from_secs(12);
/// No segment is shorter, so that none has a duration of zero.
const SHORTEST: TimeDelta = TimeDelta::from_millis(1);

/// When a frame is decoded and shown: all that the cut needs to know of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timing {
    /// Decode time.
    pub dts: Timestamp,
    /// Presentation time.
    pub pts: Timestamp,
    /// How long it lasts by its own nature; zero where unknown.
    pub duration: TimeDelta,
    /// Decoding may start here.
    pub key: bool,
}

impl From<&Frame> for Timing {
    fn from(frame: &Frame) -> Self {
        Self { dts: frame.dts, pts: frame.pts, duration: frame.duration, key: frame.key }
    }
}

/// What a frame's track is to the cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// Segments begin at frames of this track: the video track, or sound where there is none.
    Lead,
    /// Sound, or one more video track, beside the leading one: its time goes on when that one's does not.
    Follow,
    /// Data: carried along without a say.
    Ride,
}

/// The beginning of a segment, and with it the end of the one before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cut {
    /// Hub time at which the segment before ends: this one's `start`, unless media is missing between them.
    pub end: Timestamp,
    /// Hub time at which the segment starts: decode time of its first leading frame.
    pub start: Timestamp,
    /// How much later than decoded the first picture is shown.
    pub delay: TimeDelta,
    /// Decoding may start with this segment.
    pub independent: bool,
    /// Timestamps or tracks do not go on from the segment before, or there is none.
    pub discontinuity: bool,
    /// EXT-X-TARGETDURATION in seconds: none until measured, then the same for ever.
    pub target_duration: Option<u32>,
}

/// Decides at which frames segments begin. Frames come in arrival order.
#[derive(Debug)]
pub struct Cutter {
    target: Target,
    pace: Pace,
    /// Start of the open segment; none before the first and after [`Cutter::flush`].
    open: Option<Timestamp>,
    /// Where the last segment closed by [`Cutter::flush`] ended.
    flushed: Option<Timestamp>,
}

impl Cutter {
    /// A cutter that aims at segments of `setting`, held to 1 … 12 s.
    pub fn new(setting: Duration) -> Self {
        Self { target: Target::new(setting.into()), pace: Pace::default(), open: None, flushed: None }
    }

    /// Another rendition leads from now on, with frames from the start of the open segment on. What is shown at one time
    /// is decoded by so much later in it.
    pub(crate) fn hand_over(&mut self, later: TimeDelta) {
        self.open = self.open.map(|open| open + later);
        self.target.shift(later);
        // Where that brings nothing more of the open segment, it ends with what the other one had.
        let reach = self.pace.reach().map(|reach| reach + later);
        self.pace = Pace::until(reach.or(self.open).or(self.flushed));
    }

    /// Whether a segment is open.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// EXT-X-TARGETDURATION in seconds, once it is fixed.
    pub(crate) fn target_duration(&self) -> Option<u32> {
        self.target.announced()
    }

    /// What no segment may exceed; before the target is fixed, the least that this can come to be.
    pub(crate) fn limit(&self) -> TimeDelta {
        self.target.least_limit()
    }

    /// A segment begins with this frame, and nothing goes on from what was before: an epoch, a change of tracks,
    /// a skip, or the first frame of all.
    pub fn join(&mut self, frame: &Timing, part: Part) -> Cut {
        // Tracks overlap at the seam: sound sent last may lie past the first frame of what comes.
        let sent = self.pace.end(GONE).map_or(frame.dts, |sent| sent.min(frame.dts));
        let end = self.open.map_or(sent, |open| self.hold(open, sent));
        let start = frame.dts.max(self.flushed.map_or(end, |flushed| end.max(flushed)));
        self.target.interrupt(end);
        self.pace = Pace::default();
        let cut = self.begin(end, start, part == Part::Lead && frame.key, true, frame);
        self.pace.note(frame.dts, frame, part);
        cut
    }

    /// Takes the next frame; a cut, if a segment begins with it.
    pub fn push(&mut self, frame: &Timing, part: Part) -> Option<Cut> {
        let time = self.pace.place(frame.dts, part);
        let cut = match self.open {
            None => Some(self.resume(time, frame, part)),
            Some(open) => match part {
                Part::Lead => self.at_lead(open, frame),
                Part::Follow => self.at_follow(open, time, frame),
                Part::Ride => self.at_ride(open, frame),
            },
        };
        self.pace.note(time, frame, part);
        cut
    }

    /// Closes the open segment at the end of its last frame, for a source that has fallen silent. A frame that
    /// comes after all begins the next segment. None: no segment is open.
    pub fn flush(&mut self) -> Option<Timestamp> {
        let open = self.open?;
        let end = self.hold(open, self.pace.end(GONE)?);
        self.target.interrupt(end);
        self.target.close(open, end);
        self.open = None;
        self.flushed = Some(end);
        Some(end)
    }

    fn at_lead(&mut self, open: Timestamp, frame: &Timing) -> Option<Cut> {
        let elapsed = frame.dts - open;
        if elapsed > self.target.limit() {
            return Some(self.overdue(open, frame.dts, frame.key, frame));
        }
        if frame.key {
            self.target.key(frame.dts);
        }
        let wanted = (frame.key && self.target.is_nearest(frame.dts, elapsed))
            || self.target.is_forced(open, elapsed, self.pace.step());
        wanted.then(|| self.begin(frame.dts, frame.dts, frame.key, false, frame))
    }

    fn at_follow(&mut self, open: Timestamp, time: Timestamp, frame: &Timing) -> Option<Cut> {
        let elapsed = time - open;
        if self.pace.silence(time) <= GONE || elapsed < self.target.aim_without_keys() {
            return None;
        }
        Some(match elapsed > self.target.limit() {
            true => self.overdue(open, time, false, frame),
            false => self.begin(time, time, false, false, frame),
        })
    }

    /// Data alone goes on: it has no say in where segments end, but may not fill one without end.
    fn at_ride(&mut self, open: Timestamp, frame: &Timing) -> Option<Cut> {
        let limit = open + self.target.limit();
        let deserted = self.pace.reach().is_none_or(|reach| frame.dts - reach > DESERTED);
        (deserted && frame.dts > limit).then(|| self.begin(limit, limit, false, false, frame))
    }

    /// The frame comes too late to end the open segment. After a hole in the media the segment ends before the
    /// hole; otherwise it is said to end at the limit, as part of a frame's time.
    fn overdue(&mut self, open: Timestamp, time: Timestamp, independent: bool, frame: &Timing) -> Cut {
        let limit = open + self.target.limit();
        let reach = self.pace.reach().unwrap_or(open);
        if time - reach <= HOLE {
            if independent {
                self.target.key(frame.dts);
            }
            return self.begin(limit, limit, independent, false, frame);
        }
        let end = self.hold(open, reach);
        self.target.interrupt(end);
        self.begin(end, time.max(end), independent, true, frame)
    }

    /// The first frame after a flush.
    fn resume(&mut self, time: Timestamp, frame: &Timing, part: Part) -> Cut {
        let key = part == Part::Lead && frame.key;
        let end = self.flushed.unwrap_or(time);
        let hole = time - end > HOLE;
        self.begin(end, if hole { time } else { end }, key, hole, frame)
    }

    fn begin(
        &mut self,
        end: Timestamp,
        start: Timestamp,
        key: bool,
        discontinuity: bool,
        frame: &Timing,
    ) -> Cut {
        if let Some(open) = self.open.replace(start) {
            self.target.close(open, end);
        }
        self.target.begin(start, key.then_some(frame.dts));
        let delay = if key { frame.pts - frame.dts } else { self.pace.delay() };
        Cut { end, start, delay, independent: key, discontinuity, target_duration: self.target.announced() }
    }

    /// An end of the open segment that its duration can bear.
    fn hold(&self, open: Timestamp, end: Timestamp) -> Timestamp {
        end.min(open + self.target.limit()).max(open + SHORTEST)
    }
}

#[cfg(test)]
mod tests;

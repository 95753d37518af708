//! Decode times, which RTP does not carry: made of presentation times and of how far the codec reorders.
//!
//! With a reorder depth of `d`, at most `d` pictures come before another one and are shown after it. So when picture `i`
//! comes, all those are known that are shown as the first `i - d`, and the last of these times is the decode time that
//! an encoder writes: the grid of the presentation times, `d` frames earlier. It rises with each picture, and is never after
//! its presentation. Nothing has to wait for it but the first pictures, until `d + 2` are there, where `d` is not 0: what is
//! before the first time that is shown is counted back in frames, so a frame's duration must be known.
//!
//! Of a picture that was lost on the way nobody knows where it would have been shown. Until that time has passed, decode
//! times are one frame earlier than the encoder's, and then the same again.
//!
//! Where the bitstream does not say how far it reorders, that is seen from the first pictures, and should it turn out to be
//! more, the depth grows.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use media::{TICKS_PER_SECOND, TimeDelta, Timestamp};

/// No codec reorders farther (ITU-T H.264 A.3.1, H.265 A.4.2).
const MAX_DEPTH: usize = 16;
/// Pictures from which an unknown depth is learned: over two of the longest groups that encoders make.
const LEARNED_FROM: usize = 20;
/// Pictures are held no longer than this, by their presentation times.
const LEARNED_IN: TimeDelta = TimeDelta::from_secs(1);
/// A step forward over this, and over one and a half of the last one, is a hole: what is decoded behind it is not counted
/// from before it. A step back over this is another clock.
const JUMP: TimeDelta = TimeDelta::from_secs(1);
/// The least that decode times rise: one unit of the 90 kHz in which outputs write them.
const LEAST_STEP: TimeDelta = TimeDelta::from_ticks(TICKS_PER_SECOND / 90_000);
/// A frame's duration where there is but one.
const USUAL_STEP: TimeDelta = TimeDelta::from_millis(40);

/// A picture with both its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timed<T> {
    /// What was pushed.
    pub item: T,
    /// When it is decoded: later than the one before, if the presentation times did not go back by over a second.
    pub dts: Timestamp,
    /// When it is shown, as it was pushed. Where it was not later than the decode time of the picture before it, which no
    /// codec makes, it has been put off.
    pub pts: Timestamp,
}

/// Makes decode times for one track's pictures, which are pushed in the order of decoding and come out in it. The owner polls
/// after each until there is nothing more.
#[derive(Debug)]
pub struct DecodeTimes<T> {
    /// What the configuration says.
    stated: Option<usize>,
    /// What is reckoned with: stated or learned, and grown.
    depth: Option<usize>,
    /// Pictures that wait until what is needed to begin is known: at most 20.
    held: Vec<(Timestamp, T)>,
    /// The presentation times that no picture has as its decode time yet: as many as the depth, once begun.
    pending: BinaryHeap<Reverse<Timestamp>>,
    begun: bool,
    /// The last presentation times since then, at most 16.
    recent: VecDeque<Timestamp>,
    ready: VecDeque<Timed<T>>,
    last: Option<Timestamp>,
    /// The latest presentation time, and the step with which it was reached.
    peak: Option<Timestamp>,
    step: TimeDelta,
}

impl<T> DecodeTimes<T> {
    /// For a track that reorders by `depth`, as [`media::Codec::reorder_depth`] says it.
    pub fn new(depth: Option<u32>) -> Self {
        let stated = depth.map(capped);
        Self {
            stated,
            depth: stated,
            held: Vec::new(),
            pending: BinaryHeap::new(),
            begun: false,
            recent: VecDeque::new(),
            ready: VecDeque::new(),
            last: None,
            peak: None,
            step: TimeDelta::ZERO,
        }
    }

    /// What the configuration says from the next picture on; None, or the same again, changes nothing. Where it is less than
    /// before, one decode time steps farther, and where it is more, as many rise by the least until the difference is made up.
    pub fn set_depth(&mut self, depth: Option<u32>) {
        let Some(depth) = depth.map(capped) else { return };
        if self.stated.replace(depth) != Some(depth) {
            self.depth = Some(depth);
        }
    }

    /// Takes the next picture in the order of decoding, to be shown at `pts`.
    pub fn push(&mut self, pts: Timestamp, item: T) {
        self.note_step(pts);
        if !self.begun {
            self.held.push((pts, item));
            self.begin_when_known();
            return;
        }
        let shown_later = self.recent.iter().filter(|&&other| other > pts).count();
        // What is stated or was learned is too small where more were before it.
        self.depth = self.depth.map(|depth| depth.max(shown_later));
        self.put_out(pts, item);
    }

    /// The next picture, as soon as its decode time is known.
    pub fn poll(&mut self) -> Option<Timed<T>> {
        self.ready.pop_front()
    }

    /// Lets go of what is held: no more pictures come, or none for a while. The next one begins anew.
    pub fn flush(&mut self) {
        if !self.held.is_empty() {
            // Of so few nothing is learned.
            let depth = self.depth;
            self.begin();
            self.depth = depth;
        }
        self.begun = false;
        self.pending.clear();
    }

    /// Begins anew where presentation times jump.
    fn note_step(&mut self, pts: Timestamp) {
        let Some(peak) = self.peak else {
            self.peak = Some(pts);
            return;
        };
        let step = pts - peak;
        let ahead = step > JUMP && step.ticks() > self.step.ticks().saturating_add(self.step.ticks() / 2);
        let back = match self.last {
            Some(last) => last - pts > JUMP,
            None => self.held.iter().all(|&(held, _)| held - pts > JUMP),
        };
        if ahead || back {
            self.flush();
        }
        if back {
            self.last = None;
        }
        if step > TimeDelta::ZERO {
            self.step = step;
        }
        self.peak = Some(if back { pts } else { peak.max(pts) });
    }

    /// Begins as soon as depth and duration are known, or as much was held as may be.
    fn begin_when_known(&mut self) {
        let times = || self.held.iter().map(|&(pts, _)| pts);
        let (Some(earliest), Some(latest)) = (times().min(), times().max()) else { return };
        let is_enough = match self.depth {
            Some(0) => true,
            Some(depth) => self.held.len() > depth + 1,
            None => false,
        };
        // What is known of the depth says how many pictures there must be, however long they take.
        let is_long = self.held.len() > self.depth.unwrap_or(1) && latest - earliest >= LEARNED_IN;
        if is_enough || is_long || self.held.len() >= LEARNED_FROM {
            self.begin();
        }
    }

    /// Gives decode times to all that are held.
    fn begin(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.begun = true;
        self.recent.clear();
        let mut shown: Vec<_> = held.iter().map(|&(pts, _)| pts).collect();
        let depth = *self.depth.get_or_insert_with(|| depth_of(&shown));
        shown.sort_unstable();
        let (Some(&first), frame) = (shown.first(), frame(&shown)) else { return };
        for back in 1..=depth {
            self.pending.push(Reverse(first - frame.times(back as i64)));
        }
        for (pts, item) in held {
            self.put_out(pts, item);
        }
    }

    /// Puts out a picture with the decode time whose turn it is, now that its own presentation time is among them.
    fn put_out(&mut self, pts: Timestamp, item: T) {
        self.pending.push(Reverse(pts));
        self.recent.push_back(pts);
        if self.recent.len() > MAX_DEPTH {
            self.recent.pop_front();
        }
        let mut due = None;
        while self.pending.len() > self.depth.unwrap_or(MAX_DEPTH) {
            due = self.pending.pop().map(|Reverse(time)| time);
        }
        let least = self.last.map(|last| last + LEAST_STEP);
        let dts = match (due.map(|due| due.min(pts)), least) {
            (Some(due), Some(least)) => due.max(least),
            (Some(due), None) => due,
            (None, Some(least)) => least,
            (None, None) => pts,
        };
        self.last = Some(dts);
        self.ready.push_back(Timed { item, dts, pts: pts.max(dts) });
    }
}

fn capped(depth: u32) -> usize {
    (depth as usize).min(MAX_DEPTH)
}

/// How far these pictures, in the order of decoding, are reordered.
fn depth_of(times: &[Timestamp]) -> usize {
    let before = |at: usize, pts| times.iter().take(at).filter(|&&other| other > pts).count();
    times.iter().enumerate().map(|(at, &pts)| before(at, pts)).max().unwrap_or(0).min(MAX_DEPTH)
}

/// How long a frame lasts: the least distance of pictures as they are shown.
fn frame(shown: &[Timestamp]) -> TimeDelta {
    let steps = shown.windows(2).filter_map(|pair| match pair {
        [earlier, later] => Some(*later - *earlier),
        _ => None,
    });
    steps.filter(|&step| step > TimeDelta::ZERO).min().unwrap_or(USUAL_STEP)
}

#[cfg(test)]
mod tests;

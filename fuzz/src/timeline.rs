//! The timeline: connections that come and go, and stamps and arrivals of any kind.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use media::timeline::{Arrival, FeedId, Pace, Role, Sample, SourceClock, Step, Timeline};
use media::{Rational, TICKS_PER_SECOND, TimeDelta, Timestamp, TrackId};

use crate::input::Input;

/// One unit of MPEG-TS: the least that decode times rise.
const LEAST_STEP: TimeDelta = TimeDelta::from_ticks(TICKS_PER_SECOND / 90_000);
/// Presentation is later than decoding by no more than this: 10 s are believed, and a grid may add some.
const LONGEST_DELAY: TimeDelta = TimeDelta::from_secs(11);

/// A script of calls, a byte for each and what it needs behind it.
///
/// - Decode times rise strictly within each track; presentation is never before decoding, nor long after it.
/// - Epochs count up, none begins before the end of what was, and none of their frames lies before that.
/// - Every frame is either put out or counted as dropped.
/// - Epochs are opened by new sources, or a few times a second.
pub fn timeline(data: &[u8]) {
    let mut input = Input::new(data);
    let mut watch = Watch::new(Timestamp::from_ticks(input.signed(2) << 48));
    while !input.is_empty() {
        let call = input.byte();
        let (feed, track) = (FeedId(u32::from(call >> 4 & 3)), TrackId(u16::from(call >> 6)));
        match call & 0x0f {
            0 => watch.open(feed, clock(&mut input)),
            1 => watch.line.close(feed),
            2 => watch.line.set_pace(feed, track, pace(&mut input)),
            3 => watch.pass(input.number(8)),
            4 => watch.step_wall(input.signed(8)),
            5 => watch.run(feed, &mut input),
            how => watch.push(feed, track, how, &mut input),
        }
    }
    let stats = watch.line.stats();
    assert_eq!(stats.dropped + watch.put_out, watch.pushed);
}

/// A clock, and in its lowest bit the role of who has it.
fn clock(input: &mut Input<'_>) -> (SourceClock, Role) {
    let choice = input.byte();
    let clock = match choice >> 1 & 7 {
        0..=2 => SourceClock::RTMP,
        3 | 4 => SourceClock::MPEGTS,
        5 => SourceClock::rtp(48_000),
        _ => SourceClock { scale: input.number(4) as u32, bits: input.byte().into() },
    };
    (clock, if choice & 1 == 0 { Role::Source } else { Role::Rung })
}

fn pace(input: &mut Input<'_>) -> Pace {
    let choice = input.byte();
    match choice % 8 {
        0 => Pace::Free,
        1 => Pace::Audio { sample_rate: 44_100, samples_per_frame: Some(1024) },
        2 => Pace::Audio { sample_rate: 48_000, samples_per_frame: None },
        3 => Pace::Video { frame_rate: Rational::new(25, 1) },
        4 => Pace::Video { frame_rate: Rational::new(30_000, 1001) },
        5 => Pace::Video { frame_rate: None },
        6 => Pace::Video { frame_rate: Rational::new(input.number(4) as u32, input.number(4) as u32) },
        _ => {
            let (sample_rate, samples) = (input.number(4) as u32, input.number(2) as u32);
            Pace::Audio { sample_rate, samples_per_frame: Some(samples) }
        }
    }
}

struct Watch {
    line: Timeline,
    now: Arrival,
    /// The newest stamp of each track of each connection.
    stamps: BTreeMap<(FeedId, TrackId), u64>,
    last: BTreeMap<TrackId, Timestamp>,
    /// The end of all that was put out, and what it was when the running epoch began.
    end: Option<Timestamp>,
    floor: Option<Timestamp>,
    opened: u64,
    epochs: u64,
    put_out: u64,
    pushed: u64,
}

impl Watch {
    fn new(wall: Timestamp) -> Self {
        Self {
            line: Timeline::new(),
            now: Arrival { mono: Duration::from_secs(1), wall },
            stamps: BTreeMap::new(),
            last: BTreeMap::new(),
            end: None,
            floor: None,
            opened: 0,
            epochs: 0,
            put_out: 0,
            pushed: 0,
        }
    }

    fn open(&mut self, feed: FeedId, (clock, role): (SourceClock, Role)) {
        self.line.open(feed, clock, role);
        self.opened += 1;
    }

    /// Time passes on both clocks.
    fn pass(&mut self, millis: u64) {
        let passed = Duration::from_millis(millis);
        self.now.mono = self.now.mono.saturating_add(passed);
        self.now.wall += TimeDelta::from(passed);
    }

    fn step_wall(&mut self, ticks: i64) {
        self.now.wall += TimeDelta::from_ticks(ticks);
    }

    /// Frames as an encoder sends them: so many, so far apart.
    fn run(&mut self, feed: FeedId, input: &mut Input<'_>) {
        let (track, count) = (TrackId(u16::from(input.byte() % 4)), input.byte());
        let (step, wait) = (input.number(2), input.byte());
        for n in 0..count {
            self.pass(wait.into());
            let stamp = self.stamps.get(&(feed, track)).map_or(0, |last| last.wrapping_add(step));
            self.sample(feed, track, stamp, 0, n % 32 == 0);
        }
    }

    /// One frame, `how` being which of its parts are said and how far they reach.
    fn push(&mut self, feed: FeedId, track: TrackId, how: u8, input: &mut Input<'_>) {
        self.pass(if how & 1 == 0 { input.byte().into() } else { input.number(2) });
        let last = self.stamps.get(&(feed, track)).copied().unwrap_or_default();
        let (stamp, cts) = match how {
            6..=9 => (last.wrapping_add(input.byte().into()), 0),
            10 | 11 => (last.wrapping_add_signed(input.signed(2)), input.signed(1)),
            12 | 13 => (input.number(4), input.signed(2)),
            _ => (input.number(8), input.signed(8)),
        };
        self.sample(feed, track, stamp, cts, how & 2 == 0);
    }

    fn sample(&mut self, feed: FeedId, track: TrackId, dts: u64, cts: i64, key: bool) {
        self.stamps.insert((feed, track), dts);
        self.pushed += 1;
        let sample = Sample { feed, track, dts, cts, key, data: Bytes::new() };
        let step = self.line.push(self.now, sample);
        self.check(step, key);
    }

    fn check(&mut self, step: Step, key: bool) {
        if let Some(epoch) = step.epoch {
            assert_eq!((epoch.id, self.line.epoch()), (self.epochs, Some(epoch)));
            assert!(self.end.is_none_or(|end| epoch.start >= end), "{epoch:?} begins before {:?}", self.end);
            self.epochs += 1;
            self.floor = self.end;
            // Two jumps a second, and one more where a track alone has strayed for a second.
            let most = 1 + self.opened + 3 * self.now.mono.as_secs();
            assert!(self.epochs <= most, "{} epochs in {:?}", self.epochs, self.now.mono);
        }
        if let Some(anchor) = step.anchor {
            assert_eq!(self.line.anchor(), Some(anchor));
            assert_eq!(anchor.wall_of(anchor.media), anchor.wall);
        }
        assert_eq!(self.line.stats().epochs, self.epochs);
        let Some(frame) = step.frame else { return };
        self.put_out += 1;
        assert!((TimeDelta::ZERO..=LONGEST_DELAY).contains(&(frame.pts - frame.dts)), "{frame:?}");
        assert!(frame.duration >= TimeDelta::ZERO && frame.key == key, "{frame:?}");
        assert!(self.floor.is_none_or(|floor| frame.dts >= floor), "{frame:?} before {:?}", self.floor);
        let before = self.last.insert(frame.track, frame.dts);
        assert!(before.is_none_or(|before| frame.dts - before >= LEAST_STEP), "{frame:?} after {before:?}");
        let end = frame.dts + frame.duration.max(LEAST_STEP);
        self.end = Some(self.end.map_or(end, |before| before.max(end)));
    }
}

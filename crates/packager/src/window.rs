//! The segments of one rendition: held until they may be told of, numbered, listed, kept for those who ask late,
//! and let go (RFC 8216 6.2.1 and 6.2.2).

mod hold;

use std::collections::VecDeque;
use std::sync::Arc;

use hub::Context;
use media::{TimeDelta, Timestamp};

use crate::segment::{Body, Media, Segment};
use crate::settings::Settings;
use hold::Hold;

/// What became of the segments.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Moved {
    /// Newly listed, in order.
    pub added: Vec<Added>,
    /// Names of those that are available no longer.
    pub removed: Vec<String>,
}

/// A segment that is listed from now on. Its bytes are handed over, and not kept here.
#[derive(Clone, PartialEq, Debug)]
pub struct Added {
    /// What is told of it.
    pub segment: Arc<Segment>,
    /// Its bytes.
    pub media: Media,
}

/// The segments of one rendition.
#[derive(Debug)]
pub struct Window {
    settings: Settings,
    target: Option<u32>,
    hold: Hold,
    /// Number of the next segment listed.
    next: u64,
    /// EXT-X-DISCONTINUITY-SEQUENCE: discontinuities that left the list, counted on from the first number.
    discontinuity_sequence: u64,
    /// Media time of all segments ever listed.
    told: TimeDelta,
    /// The longest that the list ever was.
    longest: TimeDelta,
    /// Oldest first; they follow those that left.
    listed: VecDeque<Arc<Segment>>,
    /// No longer listed, with `told` as it was when they left.
    left: VecDeque<(Arc<Segment>, TimeDelta)>,
}

fn total(segments: &VecDeque<Arc<Segment>>) -> TimeDelta {
    segments.iter().fold(TimeDelta::ZERO, |sum, segment| sum + segment.body.duration)
}

impl Window {
    /// A window without segments.
    pub fn new(settings: Settings) -> Self {
        Self {
            target: None,
            hold: Hold::default(),
            next: settings.first_sequence,
            discontinuity_sequence: settings.first_discontinuity,
            told: TimeDelta::ZERO,
            longest: TimeDelta::ZERO,
            listed: VecDeque::new(),
            left: VecDeque::new(),
            settings,
        }
    }

    /// Takes the target duration in seconds. The first one stays.
    pub fn set_target(&mut self, seconds: u32) {
        self.target.get_or_insert(seconds);
    }

    /// The target duration in seconds.
    pub fn target(&self) -> Option<u32> {
        self.target
    }

    /// Takes the state of the stream: its epoch, and the wall clock once that is settled.
    pub fn see(&mut self, context: &Context) {
        self.hold.see(context);
    }

    /// Takes the next segment. It is listed by [`Window::advance`] once target and wall clock are known, so that
    /// nothing that was told ever changes.
    pub fn push(&mut self, body: Body, media: Media) {
        self.hold.push(body, media);
    }

    /// The source is silent: what waits for the wall clock waits no longer.
    pub fn end(&mut self) {
        self.hold.release();
    }

    /// Lists what can be listed, and lets go what need not be kept.
    pub fn advance(&mut self) -> Moved {
        let mut moved = Moved::default();
        let Some(target) = self.target else {
            self.hold.drop_excess();
            return moved;
        };
        while let Some((body, media, date)) = self.hold.pop() {
            moved.added.push(Added { segment: self.list(body, date), media });
        }
        if moved.added.is_empty() {
            return moved;
        }
        self.shorten(TimeDelta::from_secs(i64::from(target)).times(3));
        self.let_go(&mut moved.removed);
        moved
    }

    fn list(&mut self, mut body: Body, program_date_time: Timestamp) -> Arc<Segment> {
        // Numbers go on across a restart, but nothing else does.
        body.discontinuity |= self.next == self.settings.first_sequence;
        let name = self.name(self.next);
        let (gap, init) = (false, None);
        let segment = Arc::new(Segment { sequence: self.next, name, program_date_time, gap, init, body });
        self.next += 1;
        self.told += segment.body.duration;
        self.listed.push_back(Arc::clone(&segment));
        segment
    }

    fn name(&self, sequence: u64) -> String {
        format!("{}-{}-{sequence}.ts", self.settings.rendition, self.settings.run)
    }

    /// Takes from the front of the list what is over the window, while `least` remains (RFC 8216 6.2.2).
    fn shorten(&mut self, least: TimeDelta) {
        let mut rest = total(&self.listed);
        while self.listed.len() > self.settings.window.max(1) {
            let Some(first) = self.listed.front() else { return };
            rest -= first.body.duration;
            if rest < least {
                return;
            }
            self.discontinuity_sequence += u64::from(first.body.discontinuity);
            let told = self.told;
            self.left.extend(self.listed.pop_front().map(|segment| (segment, told)));
        }
    }

    /// A player may ask for a segment as long as it and the longest playlist that had it last together
    /// (RFC 8216 6.2.2); with segments of one length that is one window more, and one segment.
    fn let_go(&mut self, removed: &mut Vec<String>) {
        self.longest = self.longest.max(total(&self.listed));
        let count = self.listed.len() + 1 + self.settings.history;
        while self.left.len() > count {
            let over = |(segment, told): &(Arc<Segment>, TimeDelta)| {
                self.told - *told >= self.longest + segment.body.duration
            };
            if !self.left.front().is_some_and(over) {
                return;
            }
            removed.extend(self.left.pop_front().map(|(segment, _)| segment.name.clone()));
        }
    }

    /// The segments listed, oldest first.
    pub fn listed(&self) -> impl ExactSizeIterator<Item = &Arc<Segment>> {
        self.listed.iter()
    }

    /// EXT-X-DISCONTINUITY-SEQUENCE of the list.
    pub fn discontinuity_sequence(&self) -> u64 {
        self.discontinuity_sequence
    }
}

//! MPEG-TS: from its bytes, whichever way they came, to the hub.
//!
//! The transport stream has one clock for all its tracks, so its stamps go to the timeline as they are. Tables come before media:
//! what they promise is waited for, and what does not come is told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use hub::Pushed;
use media::TrackId;
use media::timeline::{Arrival, SourceClock};
use mpegts::demux::{Media, Program, Settings};

use super::intake::{Delivered, Intake, Unit};
use crate::rung::Rung;
use crate::session::{Reception, Session};

/// The clock of what goes to the hub.
pub(crate) const CLOCK: SourceClock = SourceClock::MPEGTS;
/// Values of its stamps.
const WRAP: u64 = 1 << 33;
/// A track of the program map that sent nothing for so long is told of.
const PATIENCE: Duration = Duration::from_secs(5);
/// So many programs are named in a sentence.
const MANY_PROGRAMS: usize = 16;
/// So many bytes that are no transport packets are told of; fewer are what is cut off where reading begins.
const MANY_BYTES: u64 = 10 * mpegts::PACKET_BYTES as u64;

/// The transport stream of a source.
pub(crate) struct Demux {
    inner: mpegts::Demux,
    settings: Settings,
    intake: Intake,
    /// What came out and is not delivered yet, with when its bytes came.
    came: VecDeque<(Arrival, Media)>,
    programs: Vec<Program>,
    /// When they were told first.
    programs_since: Option<Duration>,
    /// Tracks whose codec is known.
    known: BTreeSet<TrackId>,
    /// Tracks of the program whose codec is not known yet, since when, and what they are.
    awaited: BTreeMap<TrackId, (Duration, String)>,
    /// What is missing was told with this.
    missing: Vec<String>,
    /// Of the last report.
    skipped: u64,
    packets: u64,
    lost: u64,
}

impl Demux {
    /// What can be carried of a program of the stream goes to the hub by `feed`, which was opened with [`CLOCK`].
    pub(crate) fn new(feed: Arc<hub::Feed>, settings: Settings) -> Self {
        Self {
            inner: mpegts::Demux::new(settings),
            settings,
            intake: Intake::new(feed),
            came: VecDeque::new(),
            programs: Vec::new(),
            programs_since: None,
            known: BTreeSet::new(),
            awaited: BTreeMap::new(),
            missing: Vec::new(),
            skipped: 0,
            packets: 0,
            lost: 0,
        }
    }

    /// Takes bytes in whatever parts, which came at `now`. [`Demux::deliver`] is to be called soon after: until then all that
    /// they make is held.
    pub(crate) fn push(&mut self, now: Arrival, bytes: &[u8]) {
        self.inner.push(bytes);
        self.take(now);
    }

    /// The source has ended: what was only waited for comes out as well, at the next [`Demux::deliver`].
    pub(crate) fn finish(&mut self, now: Arrival) {
        self.inner.finish();
        self.take(now);
    }

    fn take(&mut self, now: Arrival) {
        let came = std::iter::from_fn(|| self.inner.poll());
        self.came.extend(came.map(|media| (now, media)));
    }

    /// Gives to the hub what has come; `rung` is told of what is noteworthy. To be called each second at least, for what does not
    /// come.
    pub(crate) fn deliver(&mut self, now: Arrival, rung: &Rung) -> Delivered {
        let mut delivered = Delivered::default();
        while let Some((arrival, media)) = self.came.pop_front() {
            match media {
                Media::Programs(programs) => self.see(now.mono, programs),
                Media::Track { id, codec } => {
                    self.known.insert(id);
                    self.awaited.remove(&id);
                    self.intake.track(id, codec);
                }
                Media::Removed { id } => {
                    self.known.remove(&id);
                    self.intake.remove(arrival, id);
                }
                Media::Unit { track, pts, dts, key, data } => {
                    delivered.units += 1;
                    match self.intake.unit(arrival, Unit { track, dts, cts: distance(dts, pts), key, data }) {
                        Pushed::Refused => delivered.taken_over = true,
                        pushed => rung.note_pushed(pushed),
                    }
                }
                Media::Damaged { error, .. } => rung.set_damaged(now.mono, &error.to_string()),
                Media::Unsupported { what } => rung.set_unsupported(&what),
                Media::Jump { from, to, marked } => {
                    tracing::debug!(from, to, marked, "the program clock jumps");
                }
                _ => {}
            }
        }
        let skipped = self.inner.skipped() - self.skipped;
        if skipped >= MANY_BYTES {
            self.skipped += skipped;
            rung.set_damaged(now.mono, &format!("{skipped} bytes are no MPEG transport stream"));
        }
        let missing = self.find_missing(now.mono);
        if missing != self.missing {
            rung.set_missing(missing.clone());
            self.missing = missing;
        }
        delivered
    }

    /// Takes what the tables say: the tracks of the program are waited for.
    fn see(&mut self, now: Duration, programs: Vec<Program>) {
        self.programs = programs;
        self.programs_since.get_or_insert(now);
        let mut awaited = BTreeMap::new();
        for stream in
            self.programs.iter().filter(|program| program.chosen).flat_map(|program| &program.streams)
        {
            let Some(id) = stream.track.filter(|id| !self.known.contains(id)) else { continue };
            let since = self.awaited.get(&id).map_or(now, |(since, _)| *since);
            awaited.insert(id, (since, format!("{} on PID {:#x}", stream.name, stream.pid)));
            self.intake.promise(id);
        }
        for id in self.awaited.keys().filter(|id| !awaited.contains_key(id) && !self.known.contains(id)) {
            self.intake.forget(*id);
        }
        self.awaited = awaited;
    }

    /// What is promised, or wished for, and does not come, as sentences.
    fn find_missing(&self, now: Duration) -> Vec<String> {
        let is_late = |since: Duration| now.saturating_sub(since) >= PATIENCE;
        let tracks = self.awaited.values().filter(|(since, _)| is_late(*since));
        let tracks = tracks.map(|(_, what)| format!("the source announces {what} and does not send it"));
        self.lacks_program(now).into_iter().chain(tracks).collect()
    }

    /// Why no program is taken, where that will stay so.
    fn lacks_program(&self, now: Duration) -> Option<String> {
        let since = self.programs_since?;
        if self.programs.iter().any(|program| program.chosen) {
            return None;
        }
        let numbers: Vec<_> =
            self.programs.iter().take(MANY_PROGRAMS).map(|program| program.number.to_string()).collect();
        let has = match self.programs.len() {
            0 => "it has none".to_owned(),
            len if len > MANY_PROGRAMS => format!("it has {}, ...", numbers.join(", ")),
            _ => format!("it has {}", numbers.join(", ")),
        };
        match self.settings.program {
            Some(wanted) if self.programs.iter().all(|program| program.number != wanted) => {
                Some(format!("the source has no program {wanted}; {has}"))
            }
            _ if now.saturating_sub(since) < PATIENCE => None,
            Some(wanted) => Some(format!("the source does not say what is in program {wanted}")),
            None => Some(format!("no program of the source has sound or pictures; {has}")),
        }
    }

    /// Transport packets of the source's tracks that did not come, by their continuity counters; the session is told.
    pub(crate) fn report(&mut self, session: &Session) {
        let (packets, lost) = (self.inner.packets(), self.inner.lost());
        let (came, missing) = (packets - self.packets, lost - self.lost);
        (self.packets, self.lost) = (packets, lost);
        let expected = came + missing;
        let fraction_lost = if expected == 0 { 0.0 } else { missing as f32 / expected as f32 };
        session.note_reception(0, Reception { packets_lost: lost, fraction_lost, jitter: Duration::ZERO });
    }
}

/// From one stamp to another, in either direction, whichever is shorter.
fn distance(from: u64, to: u64) -> i64 {
    let ahead = to.wrapping_sub(from) % WRAP;
    let ahead = ahead.cast_signed();
    if ahead >= WRAP.cast_signed() / 2 { ahead - WRAP.cast_signed() } else { ahead }
}

#[cfg(test)]
mod tests;

//! MPEG-TS: from its bytes, whichever way they came, to the hub.
//!
//! The transport stream has one clock for all its tracks, so its stamps go to the timeline as they are. Tables come before media:
//! what they promise is waited for, and what does not come is told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hub::Pushed;
use media::timeline::{Arrival, SourceClock};
use media::{Codec, Kind, TrackId};
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
    known: BTreeMap<TrackId, TrackKind>,
    /// Tracks of the program whose codec is not known yet, since when, and what they are.
    awaited: BTreeMap<TrackId, (Duration, String)>,
    /// The first thing that cannot be carried.
    refused: Option<String>,
    /// What is missing was told with this.
    missing: Vec<String>,
    /// Of the last report.
    skipped: u64,
    packets: u64,
    lost: u64,
    /// What is added to all stamps.
    shift: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum TrackKind {
    /// Sound or pictures.
    Media,
    /// Splice information.
    Splices,
    /// Other data.
    Data,
}

impl TrackKind {
    fn of(codec: &Codec) -> Self {
        match codec.kind() {
            Kind::Data if mpegts::is_splice_info(codec) => Self::Splices,
            Kind::Data => Self::Data,
            Kind::Audio | Kind::Video => Self::Media,
        }
    }
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
            known: BTreeMap::new(),
            awaited: BTreeMap::new(),
            refused: None,
            missing: Vec::new(),
            skipped: 0,
            packets: 0,
            lost: 0,
            shift: 0,
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
            self.give(arrival, media, rung, &mut delivered);
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

    /// The next access unit that waits to be delivered: its track and decode time. What is before it, as what its track is, is
    /// taken.
    pub(crate) fn next_unit(&mut self, now: Arrival, rung: &Rung) -> Option<(TrackId, u64)> {
        loop {
            if let Media::Unit { track, dts, .. } = self.came.front()?.1 {
                return Some((track, self.shifted(dts)));
            }
            let (_, media) = self.came.pop_front()?;
            self.give(now, media, rung, &mut Delivered::default());
        }
    }

    /// Gives to the hub the next access unit, as if it came now.
    pub(crate) fn deliver_unit(&mut self, now: Arrival, rung: &Rung) {
        if self.next_unit(now, rung).is_some()
            && let Some((_, media)) = self.came.pop_front()
        {
            self.give(now, media, rung, &mut Delivered::default());
        }
    }

    /// Whether a track has sound or pictures, as far as is known.
    pub(crate) fn is_media(&self, track: TrackId) -> bool {
        self.known.get(&track) == Some(&TrackKind::Media)
    }

    /// The same stream begins again from its first byte: its stamps are `units` later than they were last time.
    pub(crate) fn begin_again(&mut self, units: u64) {
        self.inner = mpegts::Demux::new(self.settings);
        (self.skipped, self.packets, self.lost) = (0, 0, 0);
        self.shift = (self.shift + units % WRAP) % WRAP;
    }

    fn shifted(&self, stamp: u64) -> u64 {
        (stamp + self.shift) % WRAP
    }

    fn give(&mut self, now: Arrival, media: Media, rung: &Rung, delivered: &mut Delivered) {
        match media {
            Media::Programs(programs) => self.see(now.mono, programs),
            Media::Track { id, codec } => {
                self.known.insert(id, TrackKind::of(&codec));
                self.awaited.remove(&id);
                self.intake.track(id, codec);
            }
            Media::Removed { id } => {
                self.known.remove(&id);
                self.intake.remove(now, id);
            }
            Media::Unit { track, pts, dts, key, data } => {
                delivered.units += 1;
                let (cts, dts) = (distance(dts, pts), self.shifted(dts));
                let Some(data) = self.shift_data(track, data) else { return };
                match self.intake.unit(now, Unit { track, dts, cts, key, data }) {
                    Pushed::Refused => delivered.taken_over = true,
                    pushed => rung.note_pushed(pushed),
                }
            }
            Media::Damaged { error, .. } => rung.set_damaged(now.mono, &error.to_string()),
            Media::Unsupported { what } => {
                rung.set_unsupported(&what);
                self.refused.get_or_insert(what);
            }
            Media::Jump { from, to, marked } => {
                tracing::debug!(from, to, marked, "the program clock jumps");
            }
            _ => {}
        }
    }

    /// Data with the times that go with shifted stamps.
    fn shift_data(&self, track: TrackId, data: Bytes) -> Option<Bytes> {
        if self.shift == 0 || self.known.get(&track) != Some(&TrackKind::Splices) {
            return Some(data);
        }
        mpegts::shift_splice(&data, self.shift.cast_signed())
    }

    /// Takes what the tables say: the tracks of the program are waited for.
    fn see(&mut self, now: Duration, programs: Vec<Program>) {
        self.programs = programs;
        self.programs_since.get_or_insert(now);
        let mut awaited = BTreeMap::new();
        for stream in
            self.programs.iter().filter(|program| program.chosen).flat_map(|program| &program.streams)
        {
            let Some(id) = stream.track.filter(|id| !self.known.contains_key(id)) else { continue };
            let since = self.awaited.get(&id).map_or(now, |(since, _)| *since);
            awaited.insert(id, (since, format!("{} on PID {:#x}", stream.name, stream.pid)));
            self.intake.promise(id);
        }
        for id in self.awaited.keys().filter(|id| !awaited.contains_key(id) && !self.known.contains_key(id)) {
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

    /// Why nothing of the source came, now that it has ended.
    pub(crate) fn lack(&self, now: Duration) -> Option<String> {
        let missing = || self.find_missing(now + PATIENCE).into_iter().next();
        self.lacks_program(now + PATIENCE).or_else(|| self.refused.clone()).or_else(missing)
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
pub(crate) fn distance(from: u64, to: u64) -> i64 {
    let ahead = to.wrapping_sub(from) % WRAP;
    let ahead = ahead.cast_signed();
    if ahead >= WRAP.cast_signed() / 2 { ahead - WRAP.cast_signed() } else { ahead }
}

#[cfg(test)]
mod tests;

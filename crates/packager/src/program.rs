//! Which of a rendition's tracks a container carries, and when a change of them takes effect.

use std::sync::Arc;

use hub::{Context, Entry};
use media::{Frame, Kind, TimeDelta, Timestamp, Track, TrackId};

use crate::cut::Part;

/// How long a key frame is waited for before the rest goes on without it.
const PATIENCE: TimeDelta = TimeDelta::from_secs(12);

/// A track that a container does not carry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Omitted {
    /// The track.
    pub track: TrackId,
    /// Why, for the operator.
    pub reason: String,
}

/// Says which tracks a container has no form for.
pub(crate) type Omits = fn(&[Track]) -> Vec<Omitted>;

/// The tracks that are carried together, and their parts in the cut.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Program {
    tracks: Arc<[Track]>,
    /// First video track, else the first with sound, else the first.
    lead: Option<TrackId>,
    has_video: bool,
}

impl Program {
    /// What of `tracks` is carried without those `omitted`.
    fn new(tracks: &[Track], omitted: &[Omitted]) -> Self {
        let is_omitted = |id| omitted.iter().any(|omitted| omitted.track == id);
        let tracks: Arc<[Track]> = tracks.iter().filter(|track| !is_omitted(track.id)).cloned().collect();
        let first = |kind| tracks.iter().find(move |track| track.codec.kind() == kind).map(|track| track.id);
        let video = first(Kind::Video);
        let lead = video.or_else(|| first(Kind::Audio)).or_else(|| first(Kind::Data));
        Self { tracks, lead, has_video: video.is_some() }
    }

    /// The tracks carried.
    pub(crate) fn tracks(&self) -> &Arc<[Track]> {
        &self.tracks
    }

    /// Whether pictures lead.
    pub(crate) fn has_video(&self) -> bool {
        self.has_video
    }

    /// A track's part in the cut. None: it is not carried.
    pub(crate) fn part(&self, id: TrackId) -> Option<Part> {
        let track = self.find(id)?;
        Some(match track.codec.kind() {
            _ if self.lead == Some(id) => Part::Lead,
            Kind::Audio | Kind::Video => Part::Follow,
            Kind::Data => Part::Ride,
        })
    }

    fn find(&self, id: TrackId) -> Option<&Track> {
        self.tracks.iter().find(|track| track.id == id)
    }
}

/// Lets a rendition's entries through to its container.
///
/// Every output starts decodable: nothing passes before the first key frame of the video track, and again after
/// each epoch. A change of tracks inside an epoch waits for a key frame too, unless the video itself changed; until
/// then the tracks that stayed the same go on. Where no key frame comes for 12 s, the rest goes on without it.
#[derive(Debug)]
pub(crate) struct Gate {
    omits: Omits,
    /// Context of the newest entry.
    context: Option<Arc<Context>>,
    /// What is carried now.
    program: Program,
    /// What is to be carried.
    switch: Option<Switch>,
    omitted: Vec<Omitted>,
    skipped: bool,
}

/// What an entry that passes is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Passed {
    /// Its track's part in the cut.
    pub(crate) part: Part,
    /// A program takes effect with it: nothing goes on from what was before.
    pub(crate) join: bool,
}

impl Gate {
    /// A gate before a container that omits what `omits` says.
    pub(crate) fn new(omits: Omits) -> Self {
        Self {
            omits,
            context: None,
            program: Program::default(),
            switch: None,
            omitted: Vec::new(),
            skipped: false,
        }
    }

    /// A gate that goes on after another one that had this context and these tracks; it opens at a key frame.
    pub(crate) fn after(omits: Omits, context: Arc<Context>) -> Self {
        Self { context: Some(context), skipped: true, ..Self::new(omits) }
    }

    /// Takes the next entry. None: it is left out, for its track is not carried or waits for a key frame.
    pub(crate) fn push(&mut self, entry: &Entry) -> Option<Passed> {
        self.see(entry);
        let frame = &entry.frame;
        if let Some(switch) = self.switch.take_if(|switch| switch.is_due(frame)) {
            self.program = switch.program;
            return Some(Passed { part: self.program.part(frame.track).unwrap_or(Part::Ride), join: true });
        }
        if self.switch.as_ref().is_some_and(|switch| !switch.spares(&self.program, frame.track)) {
            return None;
        }
        Some(Passed { part: self.program.part(frame.track)?, join: false })
    }

    /// Entries were missed: what comes next does not go on from what was before.
    pub(crate) fn mark_skipped(&mut self) {
        self.skipped = true;
    }

    /// What is carried now.
    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    /// Tracks that the container cannot carry.
    pub(crate) fn omitted(&self) -> &[Omitted] {
        &self.omitted
    }

    /// Notices what changed between the last entry and this one.
    fn see(&mut self, entry: &Entry) {
        let context = &entry.context;
        let skipped = std::mem::take(&mut self.skipped);
        if !skipped && self.context.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, context)) {
            return;
        }
        let seen = self.context.replace(Arc::clone(context));
        let broken = skipped || seen.as_ref().is_none_or(|seen| seen.epoch.id != context.epoch.id);
        if !broken && seen.is_some_and(|seen| seen.tracks == context.tracks) {
            return;
        }
        self.omitted = (self.omits)(&context.tracks);
        let program = Program::new(&context.tracks, &self.omitted);
        let now = entry.frame.dts;
        self.switch = match self.switch.take() {
            _ if broken => Some(Switch::hard(program, now)),
            Some(switch) if switch.hard => Some(switch.retarget(program, &self.program)),
            _ if program == self.program => None,
            Some(switch) => Some(switch.retarget(program, &self.program)),
            None => Some(Switch::soft(program, &self.program, now)),
        };
    }
}

/// A change of program that has not taken effect yet.
#[derive(Debug)]
struct Switch {
    /// What comes into effect.
    program: Program,
    /// Nothing of the old program goes on until then.
    hard: bool,
    /// Takes effect at the next picture, key frame or not: the old decoder configuration is of no more use.
    at_once: bool,
    since: Timestamp,
}

impl Switch {
    /// A switch to another source: nothing is sent before its first key frame.
    fn hard(program: Program, since: Timestamp) -> Self {
        Self { program, hard: true, at_once: false, since }
    }

    /// A change inside a source, from `old`.
    fn soft(program: Program, old: &Program, since: Timestamp) -> Self {
        let video = |program: &Program| program.lead.filter(|_| program.has_video);
        let same_lead = video(old).is_some() && video(old) == video(&program);
        let at_once =
            same_lead && old.lead.and_then(|id| old.find(id)) != program.lead.and_then(|id| program.find(id));
        Self { program, hard: false, at_once, since }
    }

    /// The same switch to another program.
    fn retarget(self, program: Program, old: &Program) -> Self {
        if self.hard { Self::hard(program, self.since) } else { Self::soft(program, old, self.since) }
    }

    /// Whether it takes effect with this frame.
    fn is_due(&self, frame: &Frame) -> bool {
        let waited = frame.dts - self.since >= PATIENCE;
        match self.program.part(frame.track) {
            Some(Part::Lead) => frame.key || self.at_once || waited,
            Some(Part::Follow) => waited,
            Some(Part::Ride) | None => false,
        }
    }

    /// Whether a frame of this track may still be sent as part of `old`.
    fn spares(&self, old: &Program, id: TrackId) -> bool {
        !self.hard && old.find(id).is_some_and(|track| self.program.find(id) == Some(track))
    }
}

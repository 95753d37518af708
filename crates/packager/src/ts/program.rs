//! Which of a stream's tracks a transport stream carries, and when a change of them takes effect.

use std::sync::Arc;

use media::{Frame, Kind, TimeDelta, Timestamp, Track, TrackId};
use mpegts::{Mux, Omitted};

use crate::cut::Part;

/// How long a key frame is waited for before the rest goes on without it.
const PATIENCE: TimeDelta = TimeDelta::from_secs(12);

/// The tracks of one PMT and their parts in the cut.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Program {
    tracks: Arc<[Track]>,
    /// First video track, else the first with sound, else the first.
    lead: Option<TrackId>,
    has_video: bool,
}

impl Program {
    /// What can be carried of `tracks`, and what cannot.
    pub(super) fn new(tracks: &[Track]) -> (Self, Vec<Omitted>) {
        // A mux of its own, for only the mux knows what it takes.
        let omitted = Mux::new(Timestamp::ZERO).set_tracks(tracks);
        let is_omitted = |id| omitted.iter().any(|omitted| omitted.track == id);
        let tracks: Arc<[Track]> = tracks.iter().filter(|track| !is_omitted(track.id)).cloned().collect();
        let first = |kind| tracks.iter().find(move |track| track.codec.kind() == kind).map(|track| track.id);
        let video = first(Kind::Video);
        let lead = video.or_else(|| first(Kind::Audio)).or_else(|| first(Kind::Data));
        (Self { tracks, lead, has_video: video.is_some() }, omitted)
    }

    /// The tracks carried.
    pub(super) fn tracks(&self) -> &Arc<[Track]> {
        &self.tracks
    }

    /// Whether pictures lead.
    pub(super) fn has_video(&self) -> bool {
        self.has_video
    }

    /// A track's part in the cut. None: it is not carried.
    pub(super) fn part(&self, id: TrackId) -> Option<Part> {
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

/// A change of program that has not taken effect yet.
#[derive(Debug)]
pub(super) struct Switch {
    /// What comes into effect.
    pub(super) program: Program,
    /// Nothing of the old program goes on until then.
    pub(super) hard: bool,
    /// Takes effect at the next picture, key frame or not: the old decoder configuration is of no more use.
    at_once: bool,
    since: Timestamp,
}

impl Switch {
    /// A switch to another source: nothing is sent before its first key frame.
    pub(super) fn hard(program: Program, since: Timestamp) -> Self {
        Self { program, hard: true, at_once: false, since }
    }

    /// A change inside a source, from `old`.
    pub(super) fn soft(program: Program, old: &Program, since: Timestamp) -> Self {
        let video = |program: &Program| program.lead.filter(|_| program.has_video);
        let same_lead = video(old).is_some() && video(old) == video(&program);
        let at_once =
            same_lead && old.lead.and_then(|id| old.find(id)) != program.lead.and_then(|id| program.find(id));
        Self { program, hard: false, at_once, since }
    }

    /// The same switch to another program.
    pub(super) fn retarget(self, program: Program, old: &Program) -> Self {
        if self.hard { Self::hard(program, self.since) } else { Self::soft(program, old, self.since) }
    }

    /// Whether it takes effect with this frame.
    pub(super) fn is_due(&self, frame: &Frame) -> bool {
        let waited = frame.dts - self.since >= PATIENCE;
        match self.program.part(frame.track) {
            Some(Part::Lead) => frame.key || self.at_once || waited,
            Some(Part::Follow) => waited,
            Some(Part::Ride) | None => false,
        }
    }

    /// Whether a frame of this track may still be sent as part of `old`.
    pub(super) fn spares(&self, old: &Program, id: TrackId) -> bool {
        !self.hard && old.find(id).is_some_and(|track| self.program.find(id) == Some(track))
    }
}

//! One time for all tracks of a source, whose RTP timestamps each begin anywhere.
//!
//! What belongs together is said by sender reports (RFC 3550 6.4.1), each of which ties one track's timestamps to a wall clock
//! that the tracks share. ffmpeg sends one before the first packet of each track; GStreamer, as the RFC has it, sends the first
//! ones up to 3.1 s after the start, each track's at another moment; other senders and cameras send none, or for one track only,
//! or with clocks that have nothing to do with each other. So:
//!
//! - Times are given out when every track has packets and a report, or at the end of a bounded wait. A source with one track
//!   waits for nothing.
//! - Where reports are missing then, or put tracks seconds apart that arrive together, arrival says what belongs together.
//! - Reports that come after that, and are plausible, put the other tracks right against the leading one: once, at once.
//! - From then on reports change nothing, so their rounding is nowhere to be seen. Only if a track's clock runs away from the other
//!   one, as reports of both say again and again, it is put right anew.
//!
//! A track whose own timestamps jump makes the same jump in the common time. What to do about it is the owner's matter.

mod track;

use std::time::Duration;

use media::{TimeDelta, Timestamp};

use crate::rtcp::SenderReport;
use track::Track;

/// How long reports are waited for, unless the owner knows better. A sender that follows RFC 3550 sends its first ones after at
/// most 3.08 s: half of 5 s (6.2), times 0.5 to 1.5, divided by 1.218 (6.3.1); the rest is for the way. A source without reports
/// starts that much later, once. One with them and too little patience would have its sound moved against the picture while
/// people watch.
pub const USUAL_WAIT: Duration = Duration::from_millis(3500);

/// Reports that put tracks farther apart than their arrival does, by more than this, are of clocks that have nothing to do with
/// each other. Encoders may hold pictures back for two or three seconds.
const PLAUSIBLE: TimeDelta = TimeDelta::from_secs(5);
/// What was put by arrival, and is right within this, is left there: nobody notices it, and would notice the step.
const MARGIN: TimeDelta = TimeDelta::from_millis(10);
/// What was put by reports is left there up to this: lips and voices seem together.
const RUNAWAY: TimeDelta = TimeDelta::from_millis(40);
/// So many times new reports of both tracks must say so.
const CONFIRMATIONS: u32 = 3;
/// Where timestamps and arrival differ by more in one step, the timestamps have jumped.
const JUMP: TimeDelta = TimeDelta::from_secs(10);

/// A track's timestamp without wraps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    track: usize,
    /// On the track's own clock.
    media: TimeDelta,
}

/// What the place of a track in the common time comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// It has none yet: times wait.
    Waiting,
    /// When its packets arrived, against those of the others.
    Arrival,
    /// Sender reports, or it is the track against which the others are put.
    Reports,
}

/// The clocks of one source's tracks, numbered as the owner likes. Access units go in as [`arrive`](Self::arrive) in the order in
/// which they come, and wait until [`time`](Self::time) has an answer for them: after a report or another arrival, or at the
/// [`deadline`](Self::deadline).
#[derive(Debug, Clone)]
pub struct Sync {
    wait: Duration,
    leader: usize,
    tracks: Vec<Track>,
    /// The track against which the others are put: the leading one, if it had packets when the first were put.
    anchor: Option<usize>,
}

impl Sync {
    /// For tracks whose timestamps have these rates in Hz. Later corrections leave the track `leader` alone, which should be the
    /// pictures; `wait` is how long reports are waited for, [`USUAL_WAIT`] if nothing is known of the source.
    pub fn new(rates: &[u32], leader: usize, wait: Duration) -> Self {
        Self { wait, leader, tracks: rates.iter().map(|&rate| Track::new(rate)).collect(), anchor: None }
    }

    /// Notes that an access unit came, and yields its timestamp without wraps. `now` never falls. A track that does not exist gets a
    /// stamp without a time.
    pub fn arrive(&mut self, now: Duration, track: usize, timestamp: u32) -> Stamp {
        let Some(state) = self.tracks.get_mut(track) else {
            return Stamp { track, media: TimeDelta::ZERO };
        };
        let (media, jumped) = state.arrive(now, timestamp);
        if jumped {
            // What was reported before says nothing of what is now, and other tracks are about to jump too.
            self.tracks.iter_mut().for_each(|track| track.report = None);
            self.doubt(track);
        }
        Stamp { track, media }
    }

    /// Notes a report of the sender of that track, if it has a clock. The owner sees to it that it is of the stream whose packets
    /// it takes.
    pub fn report(&mut self, now: Duration, track: usize, report: &SenderReport) {
        let Some(state) = self.tracks.get_mut(track) else { return };
        state.take_report(now, report);
        if self.anchor == Some(track) {
            (0..self.tracks.len()).for_each(|other| self.correct(other));
        } else {
            self.correct(track);
        }
    }

    /// The track's sender begins anew (an SSRC changed), with timestamps that have nothing to do with those before: they go on
    /// from them by the time that passes until the next packet, until reports say better.
    pub fn restart(&mut self, track: usize) {
        if let Some(state) = self.tracks.get_mut(track) {
            state.restart();
            self.doubt(track);
        }
    }

    /// The common time of a stamp, as soon as it can be said; its zero is that of `now`, as far as delays on the way are the
    /// same.
    pub fn time(&mut self, now: Duration, stamp: Stamp) -> Option<Timestamp> {
        self.settle(now);
        let offset = self.tracks.get(stamp.track)?.offset?;
        Some(Timestamp::ZERO + offset + stamp.media)
    }

    /// When times are given out at the latest, if any are waited for.
    pub fn deadline(&self) -> Option<Duration> {
        let waiting = self.tracks.iter().filter(|track| track.offset.is_none()).filter_map(Track::since);
        waiting.min().map(|since| since.saturating_add(self.wait))
    }

    /// What the track's times come from, for status and logs.
    pub fn basis(&self, track: usize) -> Basis {
        match self.tracks.get(track) {
            Some(Track { offset: Some(_), by_reports, .. }) => {
                if *by_reports || self.anchor == Some(track) {
                    Basis::Reports
                } else {
                    Basis::Arrival
                }
            }
            _ => Basis::Waiting,
        }
    }

    /// Puts tracks in their place, where the time for that has come.
    fn settle(&mut self, now: Duration) {
        let Some(deadline) = self.deadline() else { return };
        let is_over = deadline <= now;
        if self.anchor.is_none() {
            let is_known = |track: &Track| track.since().is_some() && track.report.is_some();
            let alone = self.tracks.len() == 1;
            if !is_over && !alone && !self.tracks.iter().all(is_known) {
                return;
            }
            let heard = |track: usize| self.tracks.get(track).is_some_and(|track| track.since().is_some());
            self.anchor = Some(self.leader).filter(|&leader| heard(leader));
            self.anchor = self.anchor.or_else(|| (0..self.tracks.len()).find(|&track| heard(track)));
            if let Some(anchor) = self.anchor.and_then(|anchor| self.tracks.get_mut(anchor)) {
                anchor.offset = anchor.lag();
            }
            self.place(|_| true);
        } else {
            let wait = self.wait;
            self.place(|track| track.since().is_some_and(|since| since.saturating_add(wait) <= now));
        }
    }

    /// Puts tracks in their place which have none: by reports, else by arrival where it `may` be so.
    fn place(&mut self, may_guess: impl Fn(&Track) -> bool) {
        let Some(anchor) = self.anchor.and_then(|anchor| self.tracks.get(anchor)).cloned() else { return };
        for track in self.tracks.iter_mut().filter(|track| track.offset.is_none()) {
            let (offset, lead) = (anchor.offset.unwrap_or_default(), distance(&anchor, track));
            if let Some(lead) = lead {
                track.offset = Some(offset + lead);
                track.by_reports = true;
            } else if may_guess(track) {
                track.offset = track.lag().zip(anchor.lag()).map(|(lag, other)| offset + lag - other);
            }
        }
    }

    /// What reports say of a track is more right than where it is.
    fn correct(&mut self, track: usize) {
        let Some(anchor) =
            self.anchor.filter(|&anchor| anchor != track).and_then(|anchor| self.tracks.get(anchor)).cloned()
        else {
            return;
        };
        let Some(track) = self.tracks.get_mut(track) else { return };
        let (Some(lead), Some(offset), Some(base)) = (distance(&anchor, track), track.offset, anchor.offset)
        else {
            return;
        };
        let error = base + lead - offset;
        let is_right = if track.by_reports { error.abs() <= RUNAWAY } else { error.abs() <= MARGIN };
        if is_right || !track.by_reports || track.is_confirmed(error, anchor.report) {
            track.by_reports = true;
            track.dispute = None;
            if !is_right {
                track.offset = Some(offset + error);
            }
        }
    }

    /// Where a track is against the others was true before.
    fn doubt(&mut self, track: usize) {
        let all = self.anchor == Some(track);
        let doubted = self.tracks.iter_mut().enumerate().filter(|(other, _)| all || *other == track);
        doubted.for_each(|(_, track)| track.by_reports = false);
    }
}

/// The offset of a track less that of another, as their reports say it, if it is near what their arrival says.
fn distance(from: &Track, to: &Track) -> Option<TimeDelta> {
    let (first, second) = (from.report?, to.report?);
    let by_reports = second.ntp.since(first.ntp) - (second.media - first.media);
    let by_arrival = to.lag()? - from.lag()?;
    ((by_reports - by_arrival).abs() <= PLAUSIBLE).then_some(by_reports)
}

#[cfg(test)]
mod tests;

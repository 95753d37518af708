//! Which lane a rung's sound is in: that of one rung serves all that have the same.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use hub::Entry;
use media::Codec;

use super::Content;
use crate::ladder::Segmenter;

/// A rung whose sound was not heard for this long is replaced by another one that has the same.
const SILENT: Duration = Duration::from_secs(1);

/// Where a frame of sound goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lane {
    /// Into this lane, which its rung feeds.
    Known(usize),
    /// Into this lane, which its rung feeds from now on.
    Takes(usize),
    /// Into a lane of its own.
    New,
}

/// How long sound that is in no lane is kept. A rung takes the place of another one after [`SILENT`], and was put on hub
/// time up to a second before or behind the others, as that one was.
const KEPT: Duration = Duration::from_secs(4);
/// Entries kept of one rung, whatever their times say.
const MOST_KEPT: usize = 500;

/// The newest entries of rungs that are in no lane. They are there when their rung takes the place of one that fell
/// silent, so that nothing is missing between the two.
#[derive(Debug, Default)]
pub(super) struct Spare(BTreeMap<usize, VecDeque<Entry>>);

impl Spare {
    /// Keeps an entry for a while.
    pub(super) fn keep(&mut self, rung: usize, entry: &Entry) {
        let kept = self.0.entry(rung).or_default();
        kept.push_back(entry.clone());
        let is_old = |old: &Entry| entry.arrival.saturating_sub(old.arrival) > KEPT;
        while kept.len() > MOST_KEPT || kept.front().is_some_and(is_old) {
            kept.pop_front();
        }
    }

    /// What was kept of the track and the epoch of an entry, oldest first; the rest is let go.
    pub(super) fn take(&mut self, rung: usize, entry: &Entry) -> Vec<Entry> {
        let kept = self.0.remove(&rung).unwrap_or_default();
        let goes_before = |old: &Entry| {
            let same_epoch = old.context.epoch.id == entry.context.epoch.id;
            old.frame.track == entry.frame.track && same_epoch && old.frame.dts < entry.frame.dts
        };
        kept.into_iter().filter(goes_before).collect()
    }
}

/// A frame of sound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    /// Whose it is.
    pub(super) rung: usize,
    /// The how-many-th sound of its rung.
    pub(super) ordinal: usize,
    pub(super) codec: &'a Codec,
    pub(super) epoch: u64,
}

/// The lanes as they are.
pub(super) struct Sounds<'a> {
    lanes: &'a [super::Lane],
    segmenter: &'a Segmenter<Bytes>,
}

impl<'a> Sounds<'a> {
    pub(super) fn new(lanes: &'a [super::Lane], segmenter: &'a Segmenter<Bytes>) -> Self {
        Self { lanes, segmenter }
    }

    /// Where a frame goes. None: that of another rung was there already.
    pub(super) fn lane(&self, frame: &Frame<'_>) -> Option<Lane> {
        let &Frame { rung, ordinal, codec, epoch } = frame;
        let content = Content::Sound { ordinal };
        let lanes = self.lanes.iter().enumerate().filter(|(_, lane)| lane.content == content);
        let lanes: Vec<(usize, &super::Lane)> = lanes.collect();
        if let Some(&(fed, _)) = lanes.iter().find(|(index, _)| self.segmenter.rung_of(*index) == rung) {
            return Some(Lane::Known(fed));
        }
        for &(index, lane) in &lanes {
            let same = lane.tracks.first().is_some_and(|track| track.codec == *codec);
            let silent = self.segmenter.lane_silence(index).is_none_or(|silence| silence > SILENT);
            if silent && (same || lane.epoch < epoch) {
                return Some(Lane::Takes(index));
            }
            // While the rungs go over to another epoch, one after the other, nothing can be told of them.
            if same || lane.epoch != epoch && !silent {
                return None;
            }
        }
        Some(Lane::New)
    }
}

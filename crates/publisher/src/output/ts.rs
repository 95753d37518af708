//! The MPEG-TS carrier of a rung: muxed once, read by HLS and by every viewer of HTTP MPEG-TS.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hub::{Context, Entry, Limits};
use media::Codec;
use packager::Omitted;
use packager::ts::{Carrier, Chunk, Past};
use tokio_util::sync::CancellationToken;

use super::carrier::{self, Kind};
use super::segmented::Segmented;
use crate::clock::Clock;
use crate::code::Code;

/// The place of a rung that is in no ladder any more.
pub(super) const NOWHERE: usize = usize::MAX;

/// A running carrier.
pub(crate) type Reading = carrier::Reading<Chunk>;

/// The carrier, which HLS reads as well.
pub(crate) struct Output {
    carrier: carrier::Output<Ts>,
    for_hls: Mutex<Option<Arc<Reading>>>,
}

/// MPEG-TS.
pub(crate) struct Ts {
    /// Which rung of its ladder it carries now.
    place: AtomicUsize,
    segmented: Arc<Segmented>,
    clock: Clock,
}

impl Output {
    pub(crate) fn new(
        hub: Arc<hub::Stream>,
        code: Code,
        place: usize,
        segmented: Arc<Segmented>,
        clock: Clock,
        limits: Limits,
        cancel: CancellationToken,
    ) -> Self {
        let kind = Ts { place: AtomicUsize::new(place), segmented, clock };
        Self {
            carrier: carrier::Output::new(kind, hub, code, clock, limits, cancel),
            for_hls: Mutex::default(),
        }
    }

    /// The carrier that viewers read.
    pub(super) fn carrier(&self) -> &carrier::Output<Ts> {
        &self.carrier
    }

    /// Runs for HLS as well, or not.
    pub(crate) fn keep_for_hls(&self, wanted: bool) {
        let mut for_hls = self.for_hls.lock().unwrap_or_else(PoisonError::into_inner);
        if for_hls.is_some() != wanted {
            *for_hls = if wanted { self.carrier.join() } else { None };
        }
    }

    /// Is the rung of another place from now on; [`NOWHERE`] is none.
    pub(crate) fn set_place(&self, place: usize) {
        self.carrier.kind().place.store(place, Ordering::Relaxed);
    }

    /// What is left out of MPEG-TS, as sentences.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.carrier.warnings()
    }

    /// Frames that came too late to be sent, of the carrier that runs.
    pub(crate) fn dropped(&self) -> u64 {
        self.carrier.dropped()
    }

    /// Resolves when no carrier runs any more, after the stream was cancelled.
    pub(crate) async fn stopped(&self) {
        self.carrier.stopped().await;
    }
}

impl Kind for Ts {
    type Chunk = Chunk;
    type Carrier = Carrier;
    type Past = Past;
    const WHAT: &'static str = "the TS carrier";

    fn past(&self) -> Past {
        Past::default()
    }

    fn resume(past: &Past) -> Carrier {
        Carrier::resume(past)
    }

    fn note(past: &mut Past, chunk: &Chunk) {
        past.note(chunk);
    }

    fn push(carrier: &mut Carrier, entry: &Entry) -> Option<Chunk> {
        carrier.push(entry)
    }

    fn mark_skipped(carrier: &mut Carrier) {
        carrier.mark_skipped();
    }

    fn omitted(carrier: &Carrier) -> &[Omitted] {
        carrier.omitted()
    }

    fn dropped(carrier: &Carrier) -> u64 {
        carrier.dropped()
    }

    fn warnings(&self, omitted: &[Omitted], context: &Context) -> Vec<String> {
        let place = self.place.load(Ordering::Relaxed);
        let for_hls = self.segmented.wants_chunks(Some((place, context))) == Some(true);
        let outputs = if for_hls { "HLS and MPEG-TS" } else { "MPEG-TS" };
        let left_out = omitted
            .iter()
            .map(|omitted| format!("{} is left out of {outputs}: {}", omitted.track, omitted.reason));
        let rare = context.tracks.iter().filter(|track| for_hls && is_rare_in_hls(&track.codec));
        let played_by_none = rare.map(|track| {
            let name = track.codec.name();
            format!("{}: {name} in HLS with MPEG-TS segments is played by no browser", track.id)
        });
        left_out.chain(played_by_none).collect()
    }

    fn made(&self, chunks: &[Chunk]) {
        self.segmented.push_chunks(self.place.load(Ordering::Relaxed), chunks);
    }

    fn silent(&self) {
        self.segmented.tick(self.clock.elapsed());
    }
}

/// Codecs that MPEG-TS has a mapping for and HLS players do not take from it.
fn is_rare_in_hls(codec: &Codec) -> bool {
    match codec {
        Codec::H265(_) | Codec::Opus(_) => true,
        Codec::Opaque(config) => config.is_video(),
        _ => false,
    }
}

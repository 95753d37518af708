//! The MPEG-TS carrier of a stream: muxed once, read by HLS and by every viewer of HTTP MPEG-TS.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use hub::{Context, Limits, Read, Ring};
use media::Codec;
use packager::ts::{Carrier, Chunk, Past};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::persist::persist;
use super::segmented::Segmented;
use crate::clock::Clock;
use crate::code::Code;

/// Payload bytes taken from the hub at a time.
const READ_BYTES: usize = 1 << 20;
/// What waits for a silent rung is told of it this often.
const SILENCE: Duration = Duration::from_secs(1);

/// The carrier's place in a stream: it runs while somebody reads it, HLS among others.
pub(crate) struct Output {
    shared: Arc<Shared>,
    running: Mutex<Weak<Reading>>,
    /// HLS reads as well.
    for_hls: Mutex<Option<Arc<Reading>>>,
    cancel: CancellationToken,
    tasks: TaskTracker,
}

struct Shared {
    /// What is kept for viewers.
    limits: Limits,
    hub: Arc<hub::Stream>,
    code: Code,
    /// Which rung of its ladder it carries now.
    place: AtomicUsize,
    segmented: Arc<Segmented>,
    clock: Clock,
    warnings: Mutex<Vec<String>>,
    dropped: AtomicU64,
}

/// A running carrier; it stops when the last of these is dropped.
pub(crate) struct Reading {
    ring: Ring<Chunk>,
    _stop: DropGuard,
}

impl Reading {
    /// What the carrier makes.
    pub(crate) fn ring(&self) -> &Ring<Chunk> {
        &self.ring
    }
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
        let shared = Shared {
            limits,
            hub,
            code,
            place: AtomicUsize::new(place),
            segmented,
            clock,
            warnings: Mutex::default(),
            dropped: AtomicU64::new(0),
        };
        Self {
            shared: Arc::new(shared),
            running: Mutex::default(),
            for_hls: Mutex::default(),
            cancel,
            tasks: TaskTracker::new(),
        }
    }

    /// Runs for HLS as well, or not.
    pub(crate) fn keep_for_hls(&self, wanted: bool) {
        let mut for_hls = self.for_hls.lock().unwrap_or_else(PoisonError::into_inner);
        if for_hls.is_some() != wanted {
            *for_hls = if wanted { self.join() } else { None };
        }
    }

    /// Is the rung of another place from now on; usize::MAX is none.
    pub(crate) fn set_place(&self, place: usize) {
        self.shared.place.store(place, Ordering::Relaxed);
    }

    /// The running carrier, started if nobody reads it yet. None: the stream has ended.
    pub(crate) fn join(&self) -> Option<Arc<Reading>> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reading) = running.upgrade() {
            return Some(reading);
        }
        let reading = spawn(&self.shared, &self.cancel, &self.tasks)?;
        *running = Arc::downgrade(&reading);
        Some(reading)
    }

    /// What is left out of MPEG-TS, as sentences.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.shared.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Frames that came too late to be sent, of the carrier that runs.
    pub(crate) fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Resolves when no carrier runs any more, after the stream was cancelled.
    pub(crate) async fn stopped(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn spawn(shared: &Arc<Shared>, cancel: &CancellationToken, tasks: &TaskTracker) -> Option<Arc<Reading>> {
    let cursor = shared.hub.subscribe()?;
    let ring = Ring::new(shared.limits);
    let stop = cancel.child_token();
    let past = Past::default();
    let carrying = Carrying { shared: Arc::clone(shared), cursor, ring: ring.clone(), past };
    tasks.spawn(run(carrying, stop.clone()));
    Some(Arc::new(Reading { ring, _stop: stop.drop_guard() }))
}

async fn run(mut carrying: Carrying, stop: CancellationToken) {
    let (ring, code) = (carrying.ring.clone(), carrying.shared.code.clone());
    tokio::select! {
        () = stop.cancelled() => {}
        () = persist(&mut carrying, |carrying| Box::pin(carry(carrying)), &code, "the TS carrier") => {}
    }
    ring.close();
}

/// What outlives the failure of a carrier.
struct Carrying {
    shared: Arc<Shared>,
    cursor: hub::Cursor<hub::Entry>,
    ring: Ring<Chunk>,
    past: Past,
}

/// One carrier, from the end of the past to the end of the hub. The cursor goes on behind all that was read.
async fn carry(carrying: &mut Carrying) {
    let Carrying { shared, cursor, ring, past } = carrying;
    let mut carrier = Carrier::resume(past);
    let mut entries = Vec::new();
    let mut chunks = Vec::new();
    let mut seen = None;
    loop {
        let read = tokio::time::timeout(SILENCE, cursor.read(&mut entries, READ_BYTES)).await;
        let place = shared.place.load(Ordering::Relaxed);
        match read {
            Err(_) => {
                shared.segmented.tick(shared.clock.elapsed());
                continue;
            }
            Ok(Read::Closed) => return,
            Ok(Read::Skipped) => {
                tracing::warn!(stream = %shared.code, rung = place, "the TS carrier fell behind and skipped to a key frame");
                carrier.mark_skipped();
            }
            Ok(Read::Items) => {}
        }
        for entry in entries.drain(..) {
            chunks.extend(carrier.push(&entry));
            if !seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &entry.context)) {
                shared.update_warnings(&carrier, &entry.context);
                seen = Some(entry.context);
            }
        }
        shared.dropped.store(carrier.dropped(), Ordering::Relaxed);
        chunks.iter().for_each(|chunk| past.note(chunk));
        shared.segmented.push_chunks(place, &chunks);
        ring.extend(chunks.drain(..));
    }
}

impl Shared {
    /// Keeps the list of what viewers will miss, and logs what is new in it.
    fn update_warnings(&self, carrier: &Carrier, context: &Context) {
        let for_hls = self.segmented.wants_chunks(Some(context)) == Some(true);
        let outputs = if for_hls { "HLS and MPEG-TS" } else { "MPEG-TS" };
        let omitted = carrier
            .omitted()
            .iter()
            .map(|omitted| format!("{} is left out of {outputs}: {}", omitted.track, omitted.reason));
        let rare =
            context.tracks.iter().filter(|track| for_hls && is_rare_in_hls(&track.codec)).map(|track| {
                format!(
                    "{}: {} in HLS with MPEG-TS segments is played by no browser",
                    track.id,
                    track.codec.name()
                )
            });
        let fresh: Vec<String> = omitted.chain(rare).collect();
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        for warning in fresh.iter().filter(|warning| !warnings.contains(warning)) {
            tracing::warn!(stream = %self.code, "{warning}");
        }
        *warnings = fresh;
    }
}

/// Codecs that MPEG-TS has a mapping for and HLS players do not take from it.
fn is_rare_in_hls(codec: &Codec) -> bool {
    matches!(codec, Codec::H265(_) | Codec::Opus(_))
}

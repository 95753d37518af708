//! A carrier's place in a stream: it runs while somebody reads it, and what it makes is made once for all readers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use hub::{Context, Entry, Limits, Read, Ring};
use media::{Timestamp, TrackId};
use packager::Omitted;
use packager::pace::Pacer;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::persist::persist;
use crate::clock::Clock;
use crate::code::Code;
use crate::session::Ended;

/// Payload bytes taken from the hub at a time.
const READ_BYTES: usize = 1 << 20;
/// From the first reader on it takes so long at most until a publisher is read as its frames come.
const SETTLED: Duration = Duration::from_millis(250);
/// A silent rung is told of this often.
const SILENCE: Duration = Duration::from_secs(1);

/// A kind of carrier, and what the stream does with it besides serving its readers.
pub(crate) trait Kind: Send + Sync + Sized + 'static {
    /// What it makes of a frame.
    type Chunk: hub::Item + Clone + Send + Sync;
    /// What makes it.
    type Carrier: Send;
    /// What a carrier that goes on where another one failed has to know.
    type Past: Send;
    /// For the log: "the TS carrier".
    const WHAT: &'static str;

    /// What a carrier has to know that goes on after none.
    fn past(&self) -> Self::Past;
    /// A carrier that goes on after another one.
    fn resume(past: &Self::Past) -> Self::Carrier;
    /// Takes note of a chunk that was made.
    fn note(past: &mut Self::Past, chunk: &Self::Chunk);
    /// What is made of the next entry, if anything.
    fn push(carrier: &mut Self::Carrier, entry: &Entry) -> Option<Self::Chunk>;
    /// Entries were missed.
    fn mark_skipped(carrier: &mut Self::Carrier);
    /// Tracks that it leaves out.
    fn omitted(carrier: &Self::Carrier) -> &[Omitted];
    /// Frames that came too late to be sent.
    fn dropped(carrier: &Self::Carrier) -> u64;

    /// What viewers will miss, as sentences, now that the stream is in this state.
    fn warnings(&self, omitted: &[Omitted], context: &Context) -> Vec<String>;
    /// These chunks were made.
    fn made(&self, _chunks: &[Self::Chunk]) {}
    /// Nothing came for a while.
    fn silent(&self) {}
    /// For a carrier whose chunks leave at the distance of their media times: which track and time this one has.
    fn pace(_: &Self::Chunk) -> Option<(TrackId, Timestamp)> {
        None
    }
}

/// The carrier of one kind of one rung.
pub(crate) struct Output<K: Kind> {
    shared: Arc<Shared<K>>,
    running: Mutex<Weak<Reading<K::Chunk>>>,
    cancel: CancellationToken,
    tasks: TaskTracker,
}

struct Shared<K> {
    kind: K,
    /// What is kept for viewers.
    limits: Limits,
    hub: Arc<hub::Stream>,
    code: Code,
    clock: Clock,
    warnings: Mutex<Vec<String>>,
    dropped: AtomicU64,
}

/// A running carrier; it stops when the last of these is dropped.
pub(crate) struct Reading<T> {
    ring: Ring<T>,
    /// Cancelled when the stream is stopped.
    stream: CancellationToken,
    _stop: DropGuard,
}

impl<T: hub::Item + Clone> Reading<T> {
    /// What the carrier makes.
    pub(crate) fn ring(&self) -> &Ring<T> {
        &self.ring
    }

    /// Why a reader gets no more, when the ring has ended: the stream has, or its rung alone.
    pub(crate) fn ended(&self) -> Ended {
        if self.stream.is_cancelled() { Ended::StreamStopped } else { Ended::RenditionRemoved }
    }
}

impl<K: Kind> Output<K> {
    pub(crate) fn new(
        kind: K,
        hub: Arc<hub::Stream>,
        code: Code,
        clock: Clock,
        limits: Limits,
        cancel: CancellationToken,
    ) -> Self {
        let (warnings, dropped) = (Mutex::default(), AtomicU64::new(0));
        let shared = Arc::new(Shared { kind, limits, hub, code, clock, warnings, dropped });
        Self { shared, running: Mutex::default(), cancel, tasks: TaskTracker::new() }
    }

    /// What it is told of by its kind.
    pub(super) fn kind(&self) -> &K {
        &self.shared.kind
    }

    /// The running carrier, started if nobody reads it yet. None: the stream has ended.
    pub(crate) fn join(&self) -> Option<Arc<Reading<K::Chunk>>> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reading) = running.upgrade() {
            return Some(reading);
        }
        let reading = spawn(&self.shared, &self.cancel, &self.tasks)?;
        *running = Arc::downgrade(&reading);
        Some(reading)
    }

    /// What viewers will miss, as sentences.
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

fn spawn<K: Kind>(
    shared: &Arc<Shared<K>>,
    cancel: &CancellationToken,
    tasks: &TaskTracker,
) -> Option<Arc<Reading<K::Chunk>>> {
    let cursor = shared.hub.subscribe()?;
    let ring = Ring::new(shared.limits);
    let stop = cancel.child_token();
    let (past, pacer) = (shared.kind.past(), Pacer::default());
    let carrying = Carrying { shared: Arc::clone(shared), cursor, ring: ring.clone(), past, pacer };
    tasks.spawn(run(carrying, stop.clone()));
    Some(Arc::new(Reading { ring, stream: cancel.clone(), _stop: stop.drop_guard() }))
}

async fn run<K: Kind>(mut carrying: Carrying<K>, stop: CancellationToken) {
    let (ring, code) = (carrying.ring.clone(), carrying.shared.code.clone());
    tokio::select! {
        () = stop.cancelled() => {}
        () = persist(&mut carrying, |carrying| Box::pin(carry(carrying)), &code, K::WHAT) => {}
    }
    ring.close();
}

/// What outlives the failure of a carrier.
struct Carrying<K: Kind> {
    shared: Arc<Shared<K>>,
    cursor: hub::Cursor<Entry>,
    ring: Ring<K::Chunk>,
    past: K::Past,
    pacer: Pacer<K::Chunk>,
}

/// One carrier, from the end of the past to the end of the hub. The cursor goes on behind all that was read.
async fn carry<K: Kind>(carrying: &mut Carrying<K>) {
    let Carrying { shared, cursor, ring, past, pacer } = carrying;
    let mut carrier = K::resume(past);
    let mut entries = Vec::new();
    let mut chunks = Vec::new();
    let mut seen = None;
    let began = shared.clock.elapsed() + SETTLED;
    loop {
        let held = pacer.deadline().map(|due| due.saturating_sub(shared.clock.elapsed()));
        let wait = held.unwrap_or(SILENCE).min(SILENCE);
        match tokio::time::timeout(wait, cursor.read(&mut entries, READ_BYTES)).await {
            Err(_) => {
                if held.is_none() {
                    shared.kind.silent();
                }
                chunks.extend(due(pacer, shared.clock.elapsed()));
                ring.extend(chunks.drain(..));
                continue;
            }
            Ok(Read::Closed) => return,
            Ok(Read::Skipped) => {
                tracing::warn!(stream = %shared.code, "{} fell behind and skipped to a key frame", K::WHAT);
                K::mark_skipped(&mut carrier);
            }
            Ok(Read::Items) => {}
        }
        for entry in entries.drain(..) {
            chunks.extend(K::push(&mut carrier, &entry));
            if !seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &entry.context)) {
                shared.update_warnings(K::omitted(&carrier), &entry.context);
                seen = Some(entry.context);
            }
        }
        shared.dropped.store(K::dropped(&carrier), Ordering::Relaxed);
        chunks.iter().for_each(|chunk| K::note(past, chunk));
        shared.kind.made(&chunks);
        chunks = chunks.into_iter().filter_map(|chunk| pace::<K>(pacer, began, chunk)).collect();
        chunks.extend(due(pacer, shared.clock.elapsed()));
        ring.extend(chunks.drain(..));
    }
}

/// Holds the chunk, where chunks of its kind are paced. One that came before `began` leaves at once: readers are to have it,
/// and a publisher whom nobody waited for was read in bunches, which says nothing of what comes now.
fn pace<K: Kind>(pacer: &mut Pacer<K::Chunk>, began: Duration, chunk: K::Chunk) -> Option<K::Chunk> {
    let Some((track, time)) = K::pace(&chunk).filter(|_| hub::Item::arrival(&chunk) >= began) else {
        return Some(chunk);
    };
    pacer.push(track, time, chunk);
    None
}

/// What of the held chunks is due.
fn due<T: hub::Item>(pacer: &mut Pacer<T>, now: Duration) -> impl Iterator<Item = T> {
    std::iter::from_fn(move || pacer.pop(now))
}

impl<K: Kind> Shared<K> {
    /// Keeps the list of what viewers will miss, and logs what is new in it.
    fn update_warnings(&self, omitted: &[Omitted], context: &Context) {
        let fresh = self.kind.warnings(omitted, context);
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        for warning in fresh.iter().filter(|warning| !warnings.contains(warning)) {
            tracing::warn!(stream = %self.code, "{warning}");
        }
        *warnings = fresh;
    }
}

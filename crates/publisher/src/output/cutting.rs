//! From a rung's frames to HLS and DASH: the task that reads them, beside the TS carrier.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hub::{Cursor, Entry, Read};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::persist::{Work, persist};
use super::segmented::Segmented;
use super::ts::{self, NOWHERE};
use crate::clock::Clock;
use crate::code::Code;

/// Payload bytes taken from the hub at a time.
const READ_BYTES: usize = 1 << 20;
/// What waits for a silent rung is told of it this often.
const SILENCE: Duration = Duration::from_secs(1);

/// A rung's way to the segmented outputs.
pub(crate) struct Cutting {
    shared: Arc<Shared>,
    /// Ends the task that reads frames; none where nobody wants them.
    reading: Mutex<Option<CancellationToken>>,
    cancel: CancellationToken,
    tasks: TaskTracker,
}

struct Shared {
    code: Code,
    /// Which rung of the ladder it is now.
    place: AtomicUsize,
    hub: Arc<hub::Stream>,
    ts: Arc<ts::Output>,
    segmented: Arc<Segmented>,
    clock: Clock,
    /// What was logged last.
    warnings: Mutex<Vec<String>>,
}

impl Cutting {
    /// Begins to feed the outputs that there are, as the rung of that `place`.
    pub(crate) fn start(
        code: Code,
        place: usize,
        hub: Arc<hub::Stream>,
        ts: Arc<ts::Output>,
        segmented: Arc<Segmented>,
        clock: Clock,
        cancel: CancellationToken,
    ) -> Arc<Self> {
        let shared = Shared {
            code,
            place: AtomicUsize::new(place),
            hub,
            ts,
            segmented,
            clock,
            warnings: Mutex::default(),
        };
        let cutting = Arc::new(Self {
            shared: Arc::new(shared),
            reading: Mutex::new(None),
            cancel,
            tasks: TaskTracker::new(),
        });
        cutting.suit();
        cutting
    }

    /// Which rung of the ladder it is. None: it is no rung any more.
    pub(crate) fn place(&self) -> Option<usize> {
        self.shared.place()
    }

    /// Is the rung of another place from now on, or none.
    pub(crate) fn set_place(&self, place: Option<usize>) {
        let place = place.unwrap_or(NOWHERE);
        self.shared.place.store(place, Ordering::Relaxed);
        self.shared.ts.set_place(place);
    }

    /// Reads what the outputs want that there are now, and nothing else.
    pub(crate) fn suit(&self) {
        let Shared { segmented, ts, hub, .. } = &*self.shared;
        if let Some(wanted) = segmented.wants_chunks(None) {
            ts.keep_for_hls(wanted);
        }
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if !segmented.may_want_entries() {
            reading.take().iter().for_each(CancellationToken::cancel);
            return;
        }
        if reading.is_some() {
            return;
        }
        let Some(cursor) = hub.subscribe() else { return };
        let stop = self.cancel.child_token();
        *reading = Some(stop.clone());
        let mut state = Reader { shared: Arc::clone(&self.shared), cursor };
        self.tasks.spawn(async move {
            let code = state.shared.code.clone();
            tokio::select! {
                () = stop.cancelled() => {}
                () = persist(&mut state, read, &code, "the reader of DASH and HLS") => {}
            }
        });
    }

    /// What viewers of HLS and DASH will miss, as sentences.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.place().map(|place| self.shared.segmented.warnings(place)).unwrap_or_default()
    }

    /// Resolves when nothing is read any more, after the stream or the rung was cancelled.
    pub(crate) async fn stopped(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// What outlives a failure.
struct Reader {
    shared: Arc<Shared>,
    cursor: Cursor<Entry>,
}

fn read(reader: &mut Reader) -> Work<'_> {
    Box::pin(async move {
        let Reader { shared, cursor } = reader;
        if let Some(place) = shared.place() {
            // Only a failure can have been before.
            shared.segmented.mark_skipped(place);
        }
        let mut entries = Vec::new();
        let mut logged = Duration::ZERO;
        loop {
            let read = tokio::time::timeout(SILENCE, cursor.read(&mut entries, READ_BYTES)).await;
            let Some(place) = shared.place() else { return };
            match read {
                Err(_) => {
                    shared.segmented.tick(shared.clock.elapsed());
                    continue;
                }
                Ok(Read::Closed) => return,
                Ok(Read::Skipped) => {
                    tracing::warn!(stream = %shared.code, rung = place, "HLS and DASH fell behind and skipped to a key frame");
                    shared.segmented.mark_skipped(place);
                }
                Ok(Read::Items) => {}
            }
            shared.segmented.push(place, &entries);
            let newest = entries.last().map(|entry| Arc::clone(&entry.context));
            if let Some(wanted) =
                newest.and_then(|context| shared.segmented.wants_chunks(Some((place, &context))))
            {
                shared.ts.keep_for_hls(wanted);
            }
            entries.clear();
            let now = shared.clock.elapsed();
            if now.saturating_sub(logged) >= SILENCE {
                logged = now;
                shared.log_warnings(place);
            }
        }
    })
}

impl Shared {
    fn place(&self) -> Option<usize> {
        Some(self.place.load(Ordering::Relaxed)).filter(|&place| place != NOWHERE)
    }

    /// Logs what is new of what viewers will miss.
    fn log_warnings(&self, place: usize) {
        let fresh = self.segmented.warnings(place);
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        for warning in fresh.iter().filter(|warning| !warnings.contains(warning)) {
            tracing::warn!(stream = %self.code, rung = place, "{warning}");
        }
        *warnings = fresh;
    }
}

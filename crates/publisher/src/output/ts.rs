//! The MPEG-TS carrier of a stream: muxed once, read by HLS and by every viewer of HTTP MPEG-TS.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;

use hub::{Limits, Read, Ring};
use media::{Codec, Track};
use packager::ts::{Carrier, Chunk, Past};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::hls;
use crate::code::Code;

/// Payload bytes taken from the hub at a time.
const READ_BYTES: usize = 1 << 20;
/// A source silent for this long has its last, partial segment closed.
const SILENCE: Duration = Duration::from_secs(3);
/// From a failure of a carrier to the start of the next one.
const REST: Duration = Duration::from_secs(1);

/// The carrier's place in a stream: it runs while somebody reads it, and always where HLS does.
pub(crate) struct Output {
    shared: Arc<Shared>,
    running: Mutex<Weak<Reading>>,
    /// HLS reads for as long as the stream runs.
    _for_hls: Option<Arc<Reading>>,
    cancel: CancellationToken,
    tasks: TaskTracker,
}

struct Shared {
    /// What is kept for viewers.
    limits: Limits,
    hub: Arc<hub::Stream>,
    code: Code,
    /// Which rung of its ladder it carries.
    rung: usize,
    hls: Option<Arc<hls::Output>>,
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
        rung: usize,
        hls: Option<Arc<hls::Output>>,
        limits: Limits,
        cancel: CancellationToken,
    ) -> Self {
        let shared = Arc::new(Shared {
            limits,
            hub,
            code,
            rung,
            hls,
            warnings: Mutex::default(),
            dropped: AtomicU64::new(0),
        });
        let tasks = TaskTracker::new();
        let for_hls = shared.hls.is_some().then(|| spawn(&shared, &cancel, &tasks)).flatten();
        let running = Mutex::new(for_hls.as_ref().map(Arc::downgrade).unwrap_or_default());
        Self { shared, running, _for_hls: for_hls, cancel, tasks }
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
        () = persist(&mut carrying, |carrying| Box::pin(carry(carrying)), &code) => {}
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

type Work<'s> = Pin<Box<dyn Future<Output = ()> + Send + 's>>;

/// Does the work until it comes to its end. Where it panics, which was logged then, it is begun again after a rest.
async fn persist<S>(state: &mut S, work: for<'s> fn(&'s mut S) -> Work<'s>, code: &Code) {
    loop {
        let mut attempt = work(state);
        let ended = poll_fn(|cx| {
            // What a failed attempt had for itself is dropped, and the state is whole after each of its steps.
            let polled = catch_unwind(AssertUnwindSafe(|| attempt.as_mut().poll(cx)));
            polled.map_or(Poll::Ready(false), |polled| polled.map(|()| true))
        });
        if ended.await {
            return;
        }
        drop(attempt);
        tracing::error!(stream = %code, "the TS carrier failed and goes on at a key frame");
        tokio::time::sleep(REST).await;
    }
}

/// One carrier, from the end of the past to the end of the hub. The cursor goes on behind all that was read.
async fn carry(carrying: &mut Carrying) {
    let Carrying { shared, cursor, ring, past } = carrying;
    let target = shared.hls.as_ref().map_or(packager::cut::DEFAULT_TARGET, |hls| hls.target());
    let mut carrier = Carrier::resume(target, past);
    let mut entries = Vec::new();
    let mut chunks = Vec::new();
    let mut seen = None;
    loop {
        let read = tokio::time::timeout(SILENCE, cursor.read(&mut entries, READ_BYTES)).await;
        match read {
            Err(_) => {
                let end = carrier.flush();
                end.iter().for_each(|end| past.note(end));
                if let Some(hls) = &shared.hls {
                    hls.push(end.as_slice());
                }
                continue;
            }
            Ok(Read::Closed) => return,
            Ok(Read::Skipped) => {
                tracing::warn!(stream = %shared.code, rung = shared.rung, "the TS carrier fell behind and skipped to a key frame");
                carrier.mark_skipped();
            }
            Ok(Read::Items) => {}
        }
        for entry in entries.drain(..) {
            chunks.extend(carrier.push(&entry));
            if !seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &entry.context)) {
                shared.update_warnings(&carrier, &entry.context.tracks);
                seen = Some(entry.context);
            }
        }
        shared.dropped.store(carrier.dropped(), Ordering::Relaxed);
        chunks.iter().for_each(|chunk| past.note(chunk));
        if let Some(hls) = &shared.hls {
            hls.push(&chunks);
        }
        ring.extend(chunks.drain(..));
    }
}

impl Shared {
    /// Keeps the list of what viewers will miss, and logs what is new in it.
    fn update_warnings(&self, carrier: &Carrier, tracks: &[Track]) {
        let omitted = carrier
            .omitted()
            .iter()
            .map(|omitted| format!("{} is left out of HLS and MPEG-TS: {}", omitted.track, omitted.reason));
        let rare =
            tracks.iter().filter(|track| self.hls.is_some() && is_rare_in_hls(&track.codec)).map(|track| {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_panics_is_begun_again_after_a_rest_until_it_ends() {
        fn work(begun: &mut u32) -> Work<'_> {
            Box::pin(async move {
                *begun += 1;
                tokio::time::sleep(Duration::from_millis(100)).await;
                assert!(*begun == 4, "on purpose");
            })
        }
        let (mut begun, since) = (0, tokio::time::Instant::now());
        persist(&mut begun, work, &"news".parse().expect("a code")).await;
        assert_eq!((begun, since.elapsed()), (4, REST * 3 + Duration::from_millis(400)));
    }
}

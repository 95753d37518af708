//! DASH: a stream's frames become segments of fragmented MP4 and a manifest.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Response;
use http::request::Parts;
use hub::Entry;
use packager::cmaf;
use packager::dash::MANIFEST;
use tokio::time::Instant;

use super::answer;
use super::files::{Files, Text};
use super::run;
use super::viewers::Viewers;
use crate::body::Body;
use crate::clock;
use crate::code::{Address, Code};
use crate::config::{Rendition, Segmented};
use crate::error::Error;
use crate::measures::SegmentTotals;
use crate::service::Service;
use crate::session::Protocol;

/// The setting that names the directory.
const DIRECTORY: &str = "publisher.dash.dir";

/// The DASH output of one stream.
pub(crate) struct Output {
    files: Files,
    packager: Mutex<cmaf::Output>,
    viewers: Viewers,
}

impl Output {
    /// An output without segments; its folder is made, if there is to be one.
    pub(crate) fn start(
        code: &Code,
        settings: &Segmented,
        renditions: &[Rendition],
        viewer_idle: Duration,
    ) -> Result<Arc<Self>, Error> {
        let packager = cmaf::Output::new(run::begin(settings, renditions), cmaf::Text::Dash);
        Ok(Arc::new(Self {
            files: Files::start(code, settings, DIRECTORY)?,
            packager: Mutex::new(packager),
            viewers: Viewers::new(viewer_idle),
        }))
    }

    /// Takes the frames of a rung.
    pub(super) fn push(&self, rung: usize, entries: &[Entry]) {
        let mut packager = self.lock();
        let now = clock::wall();
        for entry in entries {
            self.files.apply(packager.push(rung, entry, now));
        }
        drop(packager);
        self.viewers.sweep();
    }

    /// Takes note that it is `now` on the monotonic clock, where a rung is silent.
    pub(super) fn tick(&self, now: Duration) {
        let mut packager = self.lock();
        self.files.apply(packager.tick(now, clock::wall()));
        drop(packager);
        self.viewers.sweep();
    }

    /// Frames of a rung were missed.
    pub(super) fn mark_skipped(&self, rung: usize) {
        self.lock().mark_skipped(rung);
    }

    /// Announces something else of a rung from now on.
    pub(super) fn set_rung(&self, rung: usize, announced: packager::Rung) {
        let mut packager = self.lock();
        self.files.apply(packager.set_rung(rung, announced, clock::wall()));
    }

    /// What viewers of a rung will miss, as sentences.
    pub(super) fn warnings(&self, rung: usize) -> Vec<String> {
        let packager = self.lock();
        let omitted = packager.omitted(rung).iter();
        let left_out =
            omitted.map(|omitted| format!("{} is left out of DASH: {}", omitted.track, omitted.reason));
        left_out.chain(packager.misaligned().contains(&rung).then(|| super::misaligned("DASH"))).collect()
    }

    /// How many segments it has made; none before the first.
    pub(crate) fn segments(&self) -> Option<SegmentTotals> {
        self.files.segments()
    }

    /// Ends the output: waits for the disk and removes the folder, if told so.
    pub(crate) async fn stop(&self, remove: bool) {
        self.files.stop(remove).await;
        self.viewers.close();
    }

    /// None of the values in it can be left half changed.
    fn lock(&self) -> MutexGuard<'_, cmaf::Output> {
        self.packager.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// Answers a GET or HEAD of the stream's MPD.
    ///
    /// 404 when the stream is not running, its DASH output is off, the name is another one, or no media comes within
    /// `join_timeout`; 503 for a new viewer when the stream has all that it may have; 403 for one whose
    /// session an operator ended.
    pub async fn handle_dash(
        self: &Arc<Self>,
        request: &Parts,
        peer: SocketAddr,
        address: &Address,
        file: &str,
    ) -> Response<Body> {
        let Some(running) = self.running(address) else {
            return answer::not_found(&self.absence(address));
        };
        if file != MANIFEST {
            return answer::not_found(&format!("the manifest of stream {} is {MANIFEST}", address.code));
        }
        let name = running.kept_name(address, file, MANIFEST);
        let deadline = Instant::now() + self.settings.join_timeout;
        let (dash, found) = loop {
            let Some(dash) = running.outputs().await.dash else {
                return answer::not_found(&format!("stream {} has no DASH output", address.code));
            };
            match dash.files.find_text(&name, deadline, &running.cancel).await {
                Text::Found(found) => break (dash, found),
                Text::Absent => {
                    return answer::not_found(&format!("stream {} has no media now", address.code));
                }
                Text::Ended => {}
            }
        };
        let response = found.answer(request);
        self.note_viewer(&running, &dash.viewers, request, peer, Protocol::Dash, response)
    }

    /// Answers a GET or HEAD of a segment in fragmented MP4 or what initializes a player for such, of DASH and HLS.
    ///
    /// 404 when the stream is not running or the file does not exist (any more); 503 for a new viewer when the stream
    /// has all that it may have; 403 for one whose session an operator ended.
    pub async fn handle_fragment(
        self: &Arc<Self>,
        request: &Parts,
        peer: SocketAddr,
        address: &Address,
        file: &str,
    ) -> Response<Body> {
        let Some(running) = self.running(address) else {
            return answer::not_found(&self.absence(address));
        };
        let dash = running.outputs().await.dash;
        if let Some((dash, found)) = dash.as_ref().and_then(|dash| Some((dash, dash.files.find(file)?))) {
            let response = found.answer(request);
            return self.note_viewer(&running, &dash.viewers, request, peer, Protocol::Dash, response);
        }
        self.handle_hls(request, peer, address, file).await
    }
}

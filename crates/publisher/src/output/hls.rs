//! HLS: the carrier's chunks become segments and playlists in memory, and on disk where a directory is set.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use packager::hls::{Added, Changes, Settings};
use packager::ts::Chunk;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::answer;
use super::disk::{Change, Folder};
use super::memory::Store;
use super::resource::{Content, Resource};
use super::viewers::Viewers;
use crate::body::Body;
use crate::clock;
use crate::code::{Address, Code};
use crate::config::{DEFAULT_RENDITION, Segmented};
use crate::error::Error;
use crate::limits::Refusal;
use crate::service::Service;
use crate::session::Protocol;
use crate::stream::Running;

/// Name of the multivariant playlist.
const MULTIVARIANT: &str = "index.m3u8";
const PLAYLIST_TYPE: &str = "application/vnd.apple.mpegurl";
/// A playlist is new every few seconds: a cache may bundle requests, not delay them.
const PLAYLIST_CACHE: &str = "public, max-age=1";
/// A segment's name is never used again.
const SEGMENT_CACHE: &str = "public, max-age=31536000, immutable";

/// The HLS output of one stream.
pub(crate) struct Output {
    code: Code,
    target: Duration,
    ephemeral: bool,
    state: Mutex<State>,
    /// Told when the playlists can be served.
    ready: Notify,
    pub(super) viewers: Viewers,
}

struct State {
    packager: packager::hls::Output,
    store: Store,
    /// The segments that a player may ask for, by name.
    segments: HashMap<String, Arc<Resource>>,
    multivariant: Option<Arc<Resource>>,
    media: Option<Arc<Resource>>,
    folder: Option<Folder>,
    /// Files to be removed that the queue of the disk had no room for.
    unremoved: Vec<String>,
    /// A complaint about the queue was logged and it has not recovered since.
    behind: bool,
}

impl Output {
    /// An output without segments; its folder is made, if there is to be one.
    pub(crate) fn start(
        code: &Code,
        settings: &Segmented,
        viewer_idle: Duration,
    ) -> Result<Arc<Self>, Error> {
        let started = clock::wall();
        let packager = packager::hls::Output::new(Settings {
            rendition: DEFAULT_RENDITION.to_owned(),
            run: run_id(started.to_scale(1000)),
            first_sequence: u64::try_from(started.to_scale(1)).unwrap_or(0),
            first_discontinuity: first_discontinuity(started.to_scale(1)),
            window: settings.window,
            history: settings.history,
            bandwidth: 0,
        });
        let folder = match &settings.dir {
            Some(dir) => Some(Folder::start(dir, code)?),
            None => None,
        };
        let state = State {
            packager,
            store: Store::new().map_err(Error::Memory)?,
            segments: HashMap::new(),
            multivariant: None,
            media: None,
            folder,
            unremoved: Vec::new(),
            behind: false,
        };
        Ok(Arc::new(Self {
            code: code.clone(),
            target: settings.segment,
            ephemeral: settings.ephemeral,
            state: Mutex::new(state),
            ready: Notify::new(),
            viewers: Viewers::new(viewer_idle),
        }))
    }

    /// The segment length to aim at.
    pub(crate) fn target(&self) -> Duration {
        self.target
    }

    /// Takes what the carrier made.
    pub(crate) fn push(&self, chunks: &[Chunk]) {
        let mut state = self.lock();
        for chunk in chunks {
            let changes = state.packager.push(chunk);
            self.keep(&mut state, &changes);
            if changes.multivariant {
                state.multivariant = state.packager.multivariant().map(|text| Arc::new(playlist(text)));
            }
            if changes.media_playlist {
                state.media = state.packager.media_playlist().map(|text| Arc::new(playlist(text)));
            }
            self.write(&mut state, changes);
        }
        let ready = state.multivariant.is_some() && state.media.is_some();
        drop(state);
        if ready {
            self.ready.notify_waiters();
        }
        self.viewers.sweep();
    }

    /// Puts new segments where they can be sent from, and lets old ones go.
    fn keep(&self, state: &mut State, changes: &Changes) {
        for Added { segment, media } in &changes.added {
            match state.store.put(media.parts()) {
                Ok(stored) => {
                    let resource = Resource {
                        content: Content::Stored(Arc::new(stored)),
                        gzip: None,
                        content_type: "video/mp2t",
                        cache_control: SEGMENT_CACHE,
                        tag: segment.name.clone(),
                    };
                    state.segments.insert(segment.name.clone(), Arc::new(resource));
                }
                Err(error) => {
                    tracing::error!(stream = %self.code, %error, segment = segment.name, "no memory for a segment");
                }
            }
        }
        for name in &changes.removed {
            state.segments.remove(name);
        }
    }

    /// Passes changes on to the disk: segments, the media playlist, the multivariant playlist, in that order.
    fn write(&self, state: &mut State, changes: Changes) {
        let Some(folder) = &state.folder else { return };
        let segments =
            changes.added.iter().map(|added| (added.segment.name.clone(), added.media.parts().to_vec()));
        let mut change = Change { write: segments.collect(), remove: Vec::new() };
        let media = changes.media_playlist.then(|| state.packager.media_playlist()).flatten();
        let multivariant = changes.multivariant.then(|| state.packager.multivariant()).flatten();
        let name = state.packager.media_playlist_name();
        change.write.extend(media.map(|text| (name.to_owned(), vec![text])));
        change.write.extend(multivariant.map(|text| (MULTIVARIANT.to_owned(), vec![text])));
        change.remove = std::mem::take(&mut state.unremoved);
        if self.ephemeral {
            change.remove.extend(changes.removed);
        }
        if change.write.is_empty() && change.remove.is_empty() {
            return;
        }
        match folder.change(change) {
            Ok(()) => state.behind = false,
            Err(refused) => {
                state.unremoved = refused.remove;
                if !std::mem::replace(&mut state.behind, true) {
                    tracing::warn!(stream = %self.code, "the disk is too slow: segments are missing in publisher.hls.dir");
                }
            }
        }
    }

    /// Ends the output: waits for the disk and removes the folder, if told so.
    pub(crate) async fn stop(&self, remove: bool) {
        let folder = self.lock().folder.take();
        if let Some(folder) = folder {
            folder.stop(remove).await;
        }
        self.viewers.close();
    }

    /// The file of that name, after at most `patience`, or the end of the stream, where it is a playlist that does not
    /// exist yet.
    async fn find(&self, file: &str, patience: Duration, end: &CancellationToken) -> Option<Arc<Resource>> {
        if !file.ends_with(".m3u8") {
            return self.lock().segments.get(file).cloned();
        }
        if file != MULTIVARIANT && file != self.lock().packager.media_playlist_name() {
            return None;
        }
        let patience = tokio::time::sleep(patience);
        tokio::pin!(patience);
        loop {
            let mut ready = std::pin::pin!(self.ready.notified());
            ready.as_mut().enable();
            let found = {
                let state = self.lock();
                if file == MULTIVARIANT { state.multivariant.clone() } else { state.media.clone() }
            };
            if found.is_some() {
                return found;
            }
            tokio::select! {
                () = ready => {}
                () = &mut patience => return None,
                () = end.cancelled() => return None,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// Answers a GET or HEAD of one of the stream's HLS files: a playlist or a segment.
    ///
    /// 404 when the stream is not running, its HLS output is off, the file does not exist (any more), or no
    /// media comes within `join_timeout`; 503 for a new viewer when the stream has all that it may have.
    pub async fn handle_hls(
        self: &Arc<Self>,
        request: &Parts,
        peer: SocketAddr,
        address: &Address,
        file: &str,
    ) -> Response<Body> {
        let Some(running) = self.running(address) else {
            return answer::not_found(&format!("stream {} is not running", address.code));
        };
        let Some(hls) = &running.hls else {
            return answer::not_found(&format!("stream {} has no HLS output", address.code));
        };
        let is_playlist = file.ends_with(".m3u8");
        let Some(found) = hls.find(file, self.settings.join_timeout, &running.cancel).await else {
            return answer::not_found(&match is_playlist {
                true => format!("stream {} has no media now", address.code),
                false => format!("stream {} has no such segment, or not any more", address.code),
            });
        };
        let response = found.answer(request);
        match self.note_hls_viewer(&running, hls, request, peer, &response) {
            true => response,
            false => answer::busy(&self.gates.sentence(self.gates.refuse(Refusal::ViewersPerStream))),
        }
    }

    /// Counts the request for the viewer that it seems to come from. False: it is a new one, and there is no room.
    fn note_hls_viewer(
        &self,
        running: &Running,
        hls: &Output,
        request: &Parts,
        peer: SocketAddr,
        response: &Response<Body>,
    ) -> bool {
        let agent = answer::user_agent(request);
        let bytes = response.body().length().unwrap_or(0);
        hls.viewers.note(&self.sessions, running, Protocol::Hls, peer, agent, bytes)
    }
}

fn playlist(text: Bytes) -> Resource {
    let tag = format!("{:016x}", fingerprint(&text));
    Resource {
        gzip: compress(&text),
        content: Content::Bytes(text),
        content_type: PLAYLIST_TYPE,
        cache_control: PLAYLIST_CACHE,
        tag,
    }
}

/// FNV-1a: equal texts have equal tags, also after a restart.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn compress(text: &[u8]) -> Option<Bytes> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).ok()?;
    let packed = encoder.finish().ok()?;
    (packed.len() < text.len()).then(|| packed.into())
}

/// The number of steps of 5 minutes since 2026: it rises from run to run, and stays small, see
/// [`packager::hls::Settings::first_discontinuity`].
///
/// A run that breaks more than once per step, or ends within one, leaves numbers behind that the next run uses
/// again. Timestamps go on across a restart, so a player that takes one for the other plays on rightly.
fn first_discontinuity(unix_s: i64) -> u64 {
    const START_OF_2026: i64 = 1_767_225_600;
    const STEP: i64 = 300;
    u64::try_from((unix_s - START_OF_2026) / STEP).unwrap_or(0)
}

/// A run's id: the Unix millisecond of its start in base 36, which rises with every run.
fn run_id(unix_ms: i64) -> String {
    let mut rest = u64::try_from(unix_ms).unwrap_or(0);
    let mut digits = Vec::new();
    while rest > 0 || digits.is_empty() {
        digits.push(char::from_digit((rest % 36) as u32, 36).unwrap_or('0'));
        rest /= 36;
    }
    digits.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_are_lower_case_and_differ() {
        assert_eq!(run_id(0), "0");
        assert_eq!(run_id(36 * 36 + 35), "10z");
        assert_ne!(run_id(1_763_000_000_000), run_id(1_763_000_000_001));
    }

    #[test]
    fn discontinuities_are_counted_from_a_small_number_that_rises() {
        assert_eq!(first_discontinuity(1_767_225_600), 0);
        assert_eq!(first_discontinuity(1_767_225_600 + 2 * 300), 2);
        assert_eq!(first_discontinuity(0), 0, "a clock that is not set");
    }

    #[test]
    fn equal_playlists_have_equal_tags() {
        let text = || Bytes::from("#EXTM3U\n".repeat(40));
        assert_eq!(playlist(text()).tag, playlist(text()).tag);
        assert_ne!(playlist(text()).tag, playlist(Bytes::from_static(b"#EXTM3U\n")).tag);
        assert!(playlist(text()).gzip.is_some_and(|packed| packed.len() < text().len()));
    }
}

//! The files of a segmented output: in memory for players, and on disk where a directory is set.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use packager::segment::{Changes, File, FileKind};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::disk::{Change, Folder};
use super::memory::Store;
use super::resource::{Content, Resource};
use crate::code::Code;
use crate::config::Segmented;
use crate::error::Error;
use crate::measures::SegmentTotals;

/// A playlist or manifest is new every few seconds: a cache may bundle requests, not delay them.
const TEXT_CACHE: &str = "public, max-age=1";
/// A segment's name is never used again.
const SEGMENT_CACHE: &str = "public, max-age=31536000, immutable";

/// The files of one output of one stream.
pub(super) struct Files {
    code: Code,
    /// The setting that names the directory.
    setting: &'static str,
    ephemeral: bool,
    state: Mutex<State>,
    /// Told when there is a new text.
    ready: Notify,
    /// Cancelled when the output has ended.
    ended: CancellationToken,
}

/// What became of the search for a text.
pub(super) enum Text {
    /// It is there.
    Found(Arc<Resource>),
    /// It did not come in time, or the stream has ended.
    Absent,
    /// The output has ended; there may be another one in its place.
    Ended,
}

struct State {
    store: Store,
    /// What a player may ask for, by name.
    files: HashMap<String, Arc<Resource>>,
    folder: Option<Folder>,
    /// Files to be removed that the queue of the disk had no room for.
    unremoved: Vec<String>,
    /// A complaint about the queue was logged and it has not recovered since.
    behind: bool,
    /// Segments made, and when the newest was.
    made: (u64, Option<Instant>),
}

impl Files {
    /// No files; the folder is made, if there is to be one. `setting` names the directory, for people.
    pub(super) fn start(code: &Code, settings: &Segmented, setting: &'static str) -> Result<Self, Error> {
        let folder = match &settings.dir {
            Some(dir) => Some(Folder::start(dir, code, setting)?),
            None => None,
        };
        let state = State {
            store: Store::new().map_err(Error::Memory)?,
            files: HashMap::new(),
            folder,
            unremoved: Vec::new(),
            behind: false,
            made: (0, None),
        };
        Ok(Self {
            code: code.clone(),
            setting,
            ephemeral: settings.ephemeral,
            state: Mutex::new(state),
            ready: Notify::new(),
            ended: CancellationToken::new(),
        })
    }

    /// Makes what changed true: new segments, then the texts that name them.
    pub(super) fn apply(&self, changes: Changes) {
        if changes == Changes::default() {
            return;
        }
        let has_texts = !changes.texts.is_empty();
        let mut state = self.lock();
        for file in &changes.added {
            self.keep(&mut state, file);
            // What initializes a player is no segment.
            if !file.name.ends_with(".mp4") {
                state.made = (state.made.0 + 1, Some(Instant::now()));
            }
        }
        for (name, text) in &changes.texts {
            state.files.insert(name.clone(), Arc::new(resource_of(name, text.clone())));
        }
        for name in &changes.removed {
            state.files.remove(name);
        }
        self.write(&mut state, changes);
        drop(state);
        if has_texts {
            self.ready.notify_waiters();
        }
    }

    /// Puts a new segment where it can be sent from.
    fn keep(&self, state: &mut State, file: &File) {
        match state.store.put(&file.parts) {
            Ok(stored) => {
                let resource = Resource {
                    content: Content::Stored(Arc::new(stored)),
                    gzip: None,
                    content_type: content_type(file.kind),
                    cache_control: SEGMENT_CACHE,
                    tag: file.name.clone(),
                };
                state.files.insert(file.name.clone(), Arc::new(resource));
            }
            Err(error) => {
                tracing::error!(stream = %self.code, %error, segment = file.name, "no memory for a segment");
            }
        }
    }

    /// Passes changes on to the disk.
    fn write(&self, state: &mut State, changes: Changes) {
        let Some(folder) = &state.folder else { return };
        let segments = changes.added.into_iter().map(|file| (file.name, file.parts));
        let texts = changes.texts.into_iter().map(|(name, text)| (name, vec![text]));
        let mut change = Change { write: segments.chain(texts).collect(), remove: Vec::new() };
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
                    tracing::warn!(stream = %self.code, "the disk is too slow: segments are missing in {}", self.setting);
                }
            }
        }
    }

    /// How many segments were made; none before the first.
    pub(super) fn segments(&self) -> Option<SegmentTotals> {
        let (made, newest) = self.lock().made;
        Some(SegmentTotals { made, newest: newest?.elapsed() })
    }

    /// Forgets all files, for an output that begins anew under other names.
    pub(super) fn clear(&self) {
        let mut state = self.lock();
        let removed = state.files.drain().map(|(name, _)| name).collect();
        self.write(&mut state, Changes { removed, ..Changes::default() });
    }

    /// Waits for the disk and removes the folder, if told so.
    pub(super) async fn stop(&self, remove: bool) {
        self.ended.cancel();
        let folder = self.lock().folder.take();
        if let Some(folder) = folder {
            folder.stop(remove).await;
        }
    }

    /// The file of that name.
    pub(super) fn find(&self, name: &str) -> Option<Arc<Resource>> {
        self.lock().files.get(name).cloned()
    }

    /// The text of that name, where it does not exist yet by `deadline` at the latest, unless the stream ends before.
    pub(super) async fn find_text(&self, name: &str, deadline: Instant, end: &CancellationToken) -> Text {
        loop {
            let mut ready = std::pin::pin!(self.ready.notified());
            ready.as_mut().enable();
            if let Some(found) = self.find(name) {
                return Text::Found(found);
            }
            tokio::select! {
                biased;
                () = end.cancelled() => return Text::Absent,
                () = self.ended.cancelled() => return Text::Ended,
                () = ready => {}
                () = tokio::time::sleep_until(deadline) => return Text::Absent,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn content_type(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Ts => "video/mp2t",
        FileKind::Video => "video/mp4",
        FileKind::Audio => "audio/mp4",
    }
}

fn resource_of(name: &str, text: Bytes) -> Resource {
    let tag = format!("{:016x}", fingerprint(&text));
    Resource {
        gzip: compress(&text),
        content: Content::Bytes(text),
        content_type: match name.ends_with(".mpd") {
            true => "application/dash+xml",
            false => "application/vnd.apple.mpegurl",
        },
        cache_control: TEXT_CACHE,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_have_equal_tags() {
        let text = || resource_of("index.m3u8", Bytes::from("#EXTM3U\n".repeat(40)));
        assert_eq!(text().tag, text().tag);
        assert_ne!(text().tag, resource_of("index.m3u8", Bytes::from_static(b"#EXTM3U\n")).tag);
        assert!(text().gzip.is_some_and(|packed| packed.len() < 40 * 8));
        assert_eq!(resource_of("index.mpd", Bytes::new()).content_type, "application/dash+xml");
    }
}

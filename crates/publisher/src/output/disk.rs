//! Segments and playlists on disk, for a static server or a CDN.
//!
//! Every file appears whole or not at all: it is written under another name and renamed. Folders that are ours
//! hold a marker file; nothing is ever removed from a folder without it.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::code::Code;
use crate::error::Error;

/// Says that a folder and the files in it are ours.
const MARKER: &str = ".rillcast";
const MARKER_TEXT: &str = "Written by rillcast, which removes the playlists and segments in this folder.\n";
/// Files that we write end in one of these.
const OURS: [&str; 6] = [".ts", ".m3u8", ".m4s", ".mp4", ".mpd", ".tmp"];
/// Changes that may wait for the disk.
const QUEUE: usize = 64;
/// Bytes written at a time.
const WRITE_BYTES: usize = 256 << 10;
/// At most one complaint in this time.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);

/// A segment directory that no other process may use; given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    /// The marker, locked.
    _marker: fs::File,
}

/// Makes a directory ours alone, or refuses one that holds somebody else's files or that another rillcast uses.
/// What an earlier run left is removed.
///
/// # Errors
/// [`Error::Directory`] with `setting`, the path and the reason.
pub(crate) fn claim(setting: &'static str, dir: &Path) -> Result<Claim, Error> {
    let fail = |reason: String| Error::Directory { setting, path: dir.to_owned(), reason };
    let cannot = |error: io::Error| fail(format!("cannot be used: {error}"));
    fs::create_dir_all(dir).map_err(cannot)?;
    let marker = dir.join(MARKER);
    let empty = fs::read_dir(dir).map_err(cannot)?.next().is_none();
    if !empty && !marker.exists() {
        return Err(fail("is not empty and was not made by rillcast; name an empty directory".to_owned()));
    }
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(false).open(&marker).map_err(cannot)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            return Err(fail("is used by another rillcast that runs now".to_owned()));
        }
        Err(fs::TryLockError::Error(error)) => return Err(cannot(error)),
    }
    clear_below(dir).and_then(|()| file.write_all(MARKER_TEXT.as_bytes())).map_err(cannot)?;
    Ok(Claim { _marker: file })
}

/// Removes what we wrote in the folders below `dir`. Links are not followed.
fn clear_below(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let folder = entry?;
        if !folder.file_type()?.is_dir() {
            continue;
        }
        let folder = folder.path();
        let was_empty = fs::read_dir(&folder)?.next().is_none();
        clear_below(&folder)?;
        clear(&folder)?;
        if !was_empty {
            remove_if_empty(&folder)?;
        }
    }
    Ok(())
}

/// Removes our files and the marker from a folder, if it is one of ours.
fn clear(folder: &Path) -> io::Result<()> {
    let marker = folder.join(MARKER);
    if !marker.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|name| OURS.iter().any(|end| name.ends_with(end)));
        if ours && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_file(marker)
}

/// Whether the folder was empty, and is gone.
fn remove_if_empty(folder: &Path) -> io::Result<bool> {
    match fs::remove_dir(folder) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes a stream's folder and marks it as ours.
fn make(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join(MARKER), MARKER_TEXT)
}

/// One change of a stream's folder, in the order in which it must be made.
#[derive(Default)]
pub(crate) struct Change {
    /// Files to write: segments first, playlists last.
    pub(crate) write: Vec<(String, Vec<Bytes>)>,
    /// Files that no player asks for any more.
    pub(crate) remove: Vec<String>,
}

/// The folder of one stream, written by a worker of its own.
pub(crate) struct Folder {
    path: PathBuf,
    root: PathBuf,
    queue: mpsc::Sender<Change>,
    tasks: TaskTracker,
}

impl Folder {
    /// Makes the folder of a stream below `root`, which was claimed before, and starts its worker.
    /// `setting` names the directory, for people.
    pub(crate) fn start(root: &Path, code: &Code, setting: &'static str) -> Result<Self, Error> {
        let path = root.join(code.as_str());
        make(&path).map_err(|error| Error::Directory {
            setting,
            path: path.clone(),
            reason: format!("cannot be written: {error}"),
        })?;
        let (queue, changes) = mpsc::channel(QUEUE);
        let tasks = TaskTracker::new();
        tasks.spawn(work(path.clone(), code.clone(), changes));
        Ok(Self { path, root: root.to_owned(), queue, tasks })
    }

    /// Hands a change to the worker.
    ///
    /// # Errors
    /// The change, when the disk is so far behind that the queue is full.
    pub(crate) fn change(&self, change: Change) -> Result<(), Change> {
        self.queue.try_send(change).map_err(|error| match error {
            mpsc::error::TrySendError::Full(change) | mpsc::error::TrySendError::Closed(change) => change,
        })
    }

    /// Waits for what is queued; then removes the folder, if told so.
    pub(crate) async fn stop(mut self, remove: bool) {
        // The worker ends when nobody can send to it any more.
        self.queue = mpsc::channel(1).0;
        self.tasks.close();
        self.tasks.wait().await;
        if !remove {
            return;
        }
        if let Err(error) = self.remove() {
            tracing::warn!(folder = %self.path.display(), %error, "cannot remove a stream's folder");
        }
    }

    /// Removes the folder, and those above it that were made for it alone.
    fn remove(&self) -> io::Result<()> {
        clear(&self.path)?;
        for folder in self.path.ancestors().take_while(|&folder| folder != self.root) {
            if !remove_if_empty(folder)? {
                break;
            }
        }
        Ok(())
    }
}

async fn work(folder: PathBuf, code: Code, mut changes: mpsc::Receiver<Change>) {
    let mut complained: Option<Instant> = None;
    while let Some(change) = changes.recv().await {
        let Err(error) = apply(&folder, change).await else { continue };
        if complained.is_none_or(|last| last.elapsed() >= COMPLAIN_EVERY) {
            tracing::warn!(stream = %code, folder = %folder.display(), %error, "cannot write segments to disk");
            complained = Some(Instant::now());
        }
    }
}

/// Makes every part of a change, whatever becomes of the others; the first error is told.
async fn apply(folder: &Path, change: Change) -> io::Result<()> {
    let mut result = Ok(());
    for (name, bytes) in change.write {
        result = result.and(write_whole(folder, &name, &bytes).await);
    }
    for name in change.remove {
        let removed = match tokio::fs::remove_file(folder.join(name)).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        };
        result = result.and(removed);
    }
    result
}

async fn write_whole(folder: &Path, name: &str, parts: &[Bytes]) -> io::Result<()> {
    let draft = folder.join(format!("{name}.tmp"));
    let drafted = match write_parts(&draft, parts).await {
        // Somebody removed the folder: the next file would fail as well.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(folder)?;
            write_parts(&draft, parts).await
        }
        drafted => drafted,
    };
    let written = match drafted {
        Ok(()) => tokio::fs::rename(&draft, folder.join(name)).await,
        failed => failed,
    };
    if written.is_err() {
        // A full disk must not keep half a file; if that fails too, the first error is the one to tell.
        let _ = tokio::fs::remove_file(&draft).await;
    }
    written
}

/// One trip to the threads that may block, however many pieces there are.
async fn write_parts(path: &Path, parts: &[Bytes]) -> io::Result<()> {
    let (path, parts) = (path.to_owned(), parts.to_vec());
    let written = tokio::task::spawn_blocking(move || {
        let mut file = io::BufWriter::with_capacity(WRITE_BYTES, fs::File::create(path)?);
        parts.iter().try_for_each(|part| file.write_all(part))?;
        file.flush()
    });
    written.await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("rillcast-disk-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        dir
    }

    #[test]
    fn a_directory_with_foreign_files_is_refused_and_left_alone() {
        let dir = scratch("foreign");
        fs::create_dir_all(&dir).expect("a directory");
        fs::write(dir.join("thesis.ts"), "precious").expect("a file");
        let error = claim("publisher.hls.dir", &dir).expect_err("not ours");
        assert!(error.to_string().contains("publisher.hls.dir"), "{error}");
        assert!(dir.join("thesis.ts").exists());
        fs::remove_dir_all(dir).expect("cleaned");
    }

    #[test]
    fn what_an_earlier_run_left_goes_and_foreign_folders_stay() {
        let dir = scratch("stale");
        drop(claim("publisher.hls.dir", &dir).expect("an empty directory"));
        for folder in ["news", "region/north"] {
            fs::create_dir_all(dir.join(folder)).expect("a folder");
            fs::write(dir.join(folder).join(MARKER), "").expect("a marker");
            fs::write(dir.join(folder).join("track_1-x-1.ts"), "").expect("a segment");
        }
        fs::create_dir_all(dir.join("empty")).expect("a folder");
        fs::create_dir_all(dir.join("other")).expect("a folder");
        fs::write(dir.join("other/movie.ts"), "").expect("a foreign file");
        claim("publisher.hls.dir", &dir).expect("ours");
        assert!(!dir.join("news").exists() && !dir.join("region").exists());
        assert!(dir.join("empty").exists(), "not ours, and not emptied by us");
        assert!(dir.join("other/movie.ts").exists());
        fs::remove_dir_all(dir).expect("cleaned");
    }

    #[test]
    fn a_directory_in_use_is_refused() {
        let dir = scratch("used");
        let first = claim("publisher.hls.dir", &dir).expect("an empty directory");
        let error = claim("publisher.hls.dir", &dir).expect_err("in use");
        assert!(error.to_string().contains("another rillcast"), "{error}");
        drop(first);
        claim("publisher.hls.dir", &dir).expect("free again");
        fs::remove_dir_all(dir).expect("cleaned");
    }

    #[tokio::test]
    async fn a_folder_within_a_folder_goes_alone() {
        let dir = scratch("nested");
        let _claim = claim("publisher.hls.dir", &dir).expect("an empty directory");
        let outer =
            Folder::start(&dir, &"a".parse().expect("a code"), "publisher.hls.dir").expect("a folder");
        let inner =
            Folder::start(&dir, &"a/b/c".parse().expect("a code"), "publisher.hls.dir").expect("a folder");
        inner.stop(true).await;
        assert!(!dir.join("a/b").exists());
        let change =
            Change { write: vec![("x.ts".to_owned(), vec![Bytes::from_static(b"x")])], remove: vec![] };
        fs::remove_dir_all(dir.join("a")).expect("removed by somebody");
        assert!(outer.change(change).is_ok());
        outer.stop(false).await;
        assert!(dir.join("a/x.ts").exists() && dir.join("a").join(MARKER).exists(), "made again");
        fs::remove_dir_all(dir).expect("cleaned");
    }

    #[tokio::test]
    async fn files_appear_whole_and_the_folder_goes_at_stop() {
        let dir = scratch("folder");
        claim("publisher.hls.dir", &dir).expect("an empty directory");
        let code: Code = "region/news".parse().expect("a code");
        let folder = Folder::start(&dir, &code, "publisher.hls.dir").expect("a folder");
        let change =
            Change { write: vec![("a.ts".to_owned(), vec![Bytes::from_static(b"x")])], remove: vec![] };
        assert!(folder.change(change).is_ok());
        let change = Change { write: vec![("b.ts".to_owned(), vec![])], remove: vec!["a.ts".to_owned()] };
        assert!(folder.change(change).is_ok());
        folder.stop(false).await;
        let left: Vec<_> = fs::read_dir(dir.join("region/news")).expect("a folder").flatten().collect();
        assert_eq!(left.len(), 2, "the marker and b.ts: {left:?}");
        Folder::start(&dir, &code, "publisher.hls.dir").expect("a folder").stop(true).await;
        assert!(!dir.join("region").exists());
        assert!(dir.exists());
        fs::remove_dir_all(dir).expect("cleaned");
    }
}

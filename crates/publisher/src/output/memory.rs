//! Segments in memory, in a form that the system can send by itself: a file without a name, which is in no file system
//! (memfd).
//!
//! A rendition has one such file. What is put in goes behind what was there, each at the start of a page, and is never
//! changed; when nobody needs it any more its pages are given back, so that the file is a window that moves on. Pages
//! on their way to a client stay as they are until they have arrived.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use rustix::fs::{FallocateFlags, MemfdFlags, fallocate, memfd_create};
use rustix::io::{Errno, pread, pwritev};

/// Pieces of one system call; the system takes 1024.
const MAX_PARTS: usize = 512;

/// The file of one rendition.
#[derive(Debug)]
pub(crate) struct Store {
    file: Arc<OwnedFd>,
    end: u64,
}

/// What is put in begins at a multiple of this: only whole pages can be given back. Machines have pages of 4 to 64 KiB.
fn page_bytes() -> u64 {
    rustix::param::page_size() as u64
}

/// Something that was put in; dropping it gives its memory back.
#[derive(Debug)]
pub(crate) struct Stored {
    file: Arc<OwnedFd>,
    offset: u64,
    size: u64,
}

impl Store {
    /// An empty file.
    pub(crate) fn new() -> io::Result<Self> {
        let file = memfd_create("rillcast-segments", MemfdFlags::CLOEXEC)?;
        Ok(Self { file: Arc::new(file), end: 0 })
    }

    /// Puts the pieces in, one behind the other.
    ///
    /// # Errors
    /// The system has no memory; nothing is kept then.
    pub(crate) fn put(&mut self, parts: &[Bytes]) -> io::Result<Stored> {
        let size = parts.iter().map(|part| part.len() as u64).sum();
        let stored = Stored { file: Arc::clone(&self.file), offset: self.end, size };
        let mut parts: Vec<Bytes> = parts.to_vec();
        let (mut first, mut offset) = (0, self.end);
        while first < parts.len() {
            let slices = parts[first..].iter().take(MAX_PARTS).map(|part| io::IoSlice::new(part));
            let slices: Vec<_> = slices.collect();
            let mut written = match pwritev(&self.file, &slices, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            offset += written as u64;
            while let Some(part) = parts.get_mut(first) {
                if written < part.len() {
                    part.advance(written);
                    break;
                }
                written -= part.len();
                first += 1;
            }
        }
        self.end += size.next_multiple_of(page_bytes());
        Ok(stored)
    }
}

impl Stored {
    /// Bytes that it has.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Where in the file it begins.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The file.
    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Reads bytes of the file, at least one and at most `length`.
    pub(crate) fn read(&self, offset: u64, length: u64) -> io::Result<Bytes> {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        loop {
            match pread(&self.file, &mut *bytes, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    bytes.truncate(read);
                    return Ok(bytes.into());
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        if self.size > 0 {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            // A system that cannot give memory back piece by piece gets it back with the file.
            let _ = fallocate(&self.file, flags, self.offset, self.size.next_multiple_of(page_bytes()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(texts: &[&'static str]) -> Vec<Bytes> {
        texts.iter().map(|text| Bytes::from_static(text.as_bytes())).collect()
    }

    /// Memory that the file takes.
    fn taken(store: &Store) -> u64 {
        let status = rustix::fs::fstat(&store.file).expect("a file");
        u64::try_from(status.st_blocks).expect("a count") * 512
    }

    #[test]
    fn what_is_put_in_is_there_until_nobody_needs_it() {
        let page = rustix::param::page_size() as u64;
        let mut store = Store::new().expect("memory");
        let first = store.put(&parts(&["ab", "", "cdef"])).expect("memory");
        let second = store.put(&[Bytes::from(vec![7; 3 * page as usize - 100])]).expect("memory");
        assert_eq!((first.size(), second.offset(), second.size()), (6, page, 3 * page - 100));
        assert_eq!(first.read(0, 6).expect("bytes"), "abcdef");
        assert_eq!(taken(&store), 4 * page);
        drop(first);
        assert_eq!(taken(&store), 3 * page);
        assert!(second.read(second.offset(), second.size()).expect("bytes").iter().all(|&byte| byte == 7));
        drop(second);
        assert_eq!(taken(&store), 0);
        assert_eq!(store.put(&parts(&["z"])).expect("memory").offset(), 4 * page);
    }

    #[test]
    fn more_pieces_than_one_call_takes_are_all_there() {
        let mut store = Store::new().expect("memory");
        let parts: Vec<Bytes> = (0..3000u32).map(|n| Bytes::from(n.to_be_bytes().to_vec())).collect();
        let stored = store.put(&parts).expect("memory");
        assert_eq!(stored.read(0, stored.size()).expect("bytes")[..], parts.concat()[..]);
    }
}

//! Bodies of HTTP answers: bytes, part of a file in memory, or the endless media of a viewer.
//!
//! Whoever has the connection's socket looks at the kind and sends it the cheapest way; for everybody else each kind
//! can be read as an [`http_body::Body`].

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::output::memory::Stored;
use crate::output::mpegts::Live;

/// Bytes read from a file at a time, where it is not sent by the system.
const READ_BYTES: u64 = 256 << 10;

/// The body of every answer of this crate.
#[derive(Debug)]
pub enum Body {
    /// These bytes, or none.
    Full(Bytes),
    /// Part of a file in memory.
    Part(Part),
    /// Media without an end, for one viewer.
    Live(Box<Live>),
}

/// Bytes of a file that never change while this exists.
#[derive(Debug)]
pub struct Part {
    stored: Arc<Stored>,
    /// From the start of the file.
    offset: u64,
    length: u64,
}

impl Part {
    /// `length` bytes from `first` on of something stored, or as many as it has.
    pub(crate) fn new(stored: Arc<Stored>, first: u64, length: u64) -> Self {
        let first = first.min(stored.size());
        let length = length.min(stored.size() - first);
        Self { offset: stored.offset() + first, length, stored }
    }

    /// Where in the file the bytes that are left begin.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes that are left.
    pub fn remaining(&self) -> u64 {
        self.length
    }

    /// The first `bytes` of what was left are sent.
    pub fn advance(&mut self, bytes: u64) {
        let bytes = bytes.min(self.length);
        self.offset += bytes;
        self.length -= bytes;
    }

    fn read(&mut self) -> io::Result<Bytes> {
        let bytes = self.stored.read(self.offset, self.length.min(READ_BYTES))?;
        self.advance(bytes.len() as u64);
        Ok(bytes)
    }
}

impl AsFd for Part {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stored.file()
    }
}

impl Body {
    /// No bytes.
    pub(crate) fn empty() -> Self {
        Self::Full(Bytes::new())
    }

    /// Bytes that it has; none where there is no end.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Full(bytes) => Some(bytes.len() as u64),
            Self::Part(part) => Some(part.remaining()),
            Self::Live(_) => None,
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let bytes = match &mut *self {
            Self::Full(bytes) => {
                Ok(std::mem::take(bytes)).map(|bytes| Some(bytes).filter(|bytes| !bytes.is_empty()))
            }
            Self::Part(part) if part.remaining() == 0 => Ok(None),
            Self::Part(part) => part.read().map(Some),
            Self::Live(live) => Ok(std::task::ready!(live.poll_bytes(cx))),
        };
        Poll::Ready(bytes.transpose().map(|bytes| bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.length() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.length().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

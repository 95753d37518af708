//! The connection to a peer, plain or with TLS: both directions at once, in one task.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

/// A TCP connection that counts what is written to it.
pub(crate) struct Counted {
    socket: TcpStream,
    written: u64,
}

/// A connection to a peer that one task reads and writes.
pub(crate) struct Wire {
    stream: Stream,
    /// It was read from last: writing has its turn first.
    has_read: bool,
}

enum Stream {
    Plain(Counted),
    Tls(Box<TlsStream<Counted>>),
}

/// What happened first.
pub(crate) enum Turn {
    /// So many bytes came; none is the end.
    Read(io::Result<usize>),
    /// So many bytes were taken.
    Wrote(io::Result<usize>),
}

impl Counted {
    pub(crate) fn new(socket: TcpStream) -> Self {
        Self { socket, written: 0 }
    }
}

impl Wire {
    pub(crate) fn plain(wire: Counted) -> Self {
        Self { stream: Stream::Plain(wire), has_read: false }
    }

    pub(crate) fn tls(wire: impl Into<TlsStream<Counted>>) -> Self {
        Self { stream: Stream::Tls(Box::new(wire.into())), has_read: false }
    }

    /// The connection underneath.
    pub(crate) fn socket(&self) -> &TcpStream {
        &self.stream.counted().socket
    }

    /// Bytes given to the system so far, those of TLS included.
    pub(crate) fn written(&self) -> u64 {
        self.stream.counted().written
    }

    /// Reads into `buffer`, and writes what is in `slices` if there is anything; the first of both that happens. Where both
    /// can, they take turns. Nothing is lost when it is dropped before.
    pub(crate) async fn turn(&mut self, buffer: &mut [u8], slices: &[IoSlice<'_>]) -> Turn {
        let Self { stream, has_read } = self;
        poll_fn(|cx| {
            let written = if *has_read { stream.write(cx, slices) } else { Poll::Pending };
            if written.is_ready() {
                *has_read = false;
                return written.map(Turn::Wrote);
            }
            let mut read = ReadBuf::new(buffer);
            if let Poll::Ready(done) = stream.read(cx, &mut read) {
                *has_read = true;
                return Poll::Ready(Turn::Read(done.map(|()| read.filled().len())));
            }
            stream.write(cx, slices).map(Turn::Wrote)
        })
        .await
    }

    /// Reads what there is, once there is something; none is the end. Nothing is lost when it is dropped before.
    pub(crate) async fn read(&mut self, input: &mut BytesMut) -> io::Result<usize> {
        let read = match &mut self.stream {
            Stream::Plain(wire) => wire.read_buf(input).await,
            Stream::Tls(wire) => wire.read_buf(input).await,
        };
        unless_cut_off(read)
    }

    /// Writes everything.
    pub(crate) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(wire) => wire.write_all(bytes).await,
            Stream::Tls(wire) => {
                wire.write_all(bytes).await?;
                wire.flush().await
            }
        }
    }

    /// Sends the rest and ends our direction.
    pub(crate) async fn finish(&mut self, rest: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(wire) => {
                wire.write_all(rest).await?;
                wire.shutdown().await
            }
            Stream::Tls(wire) => {
                wire.write_all(rest).await?;
                wire.shutdown().await
            }
        }
    }
}

/// Many peers end TLS without the word that ends it. RTMP has one of its own, so that nobody else can end a publication
/// unnoticed.
pub(crate) fn unless_cut_off(read: io::Result<usize>) -> io::Result<usize> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
        read => read,
    }
}

impl Stream {
    fn counted(&self) -> &Counted {
        match self {
            Self::Plain(counted) => counted,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }

    fn read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(wire) => Pin::new(wire).poll_read(cx, buffer),
            Self::Tls(wire) => Pin::new(&mut **wire).poll_read(cx, buffer),
        }
    }

    /// Never ready where there is nothing to write: then what TLS still holds goes on its way.
    fn write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(_) if slices.is_empty() => Poll::Pending,
            Self::Plain(wire) => Pin::new(wire).poll_write_vectored(cx, slices),
            Self::Tls(wire) if slices.is_empty() => {
                // An end of the connection is seen by who reads.
                let _ = Pin::new(&mut **wire).poll_flush(cx);
                Poll::Pending
            }
            Self::Tls(wire) => Pin::new(&mut **wire).poll_write_vectored(cx, slices),
        }
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = std::task::ready!(Pin::new(&mut this.socket).poll_write_vectored(cx, slices));
        this.written += *written.as_ref().unwrap_or(&0) as u64;
        Poll::Ready(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

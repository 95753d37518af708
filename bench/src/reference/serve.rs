//! The cheapest fan-out that plain sockets allow: one thread that does nothing but give each viewer the same bytes with
//! one `sendmsg` per tick. A server that writes as often cannot cost less; what it costs more is its own.

use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags};

use crate::net;
use crate::usage::sleep_until;

/// A viewer's request is waited for this long.
const PATIENCE: Duration = Duration::from_millis(100);
/// Viewers that may wait to be taken.
const BACKLOG: i32 = 4096;
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\n\r\n";

/// How it serves.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// Where it listens, on loopback; port 0 is any that is free
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0", value_parser = crate::target::loopback)]
    pub(crate) listen: SocketAddr,
    /// Bits per second for each viewer; 0: as fast as their sockets take it
    #[arg(long, value_name = "BITS", default_value_t = 2_136_000.0)]
    pub(crate) bps: f64,
    /// Milliseconds between two writes to a viewer
    #[arg(long, value_name = "MS", default_value_t = 40)]
    pub(crate) tick: u64,
    /// Bytes of a write, with --bps 0
    #[arg(long, value_name = "BYTES", default_value_t = 65_536)]
    pub(crate) size: usize,
    /// Pieces that a write is gathered from
    #[arg(long, value_name = "PIECES", default_value_t = 2)]
    pub(crate) iov: usize,
    /// It ends after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) secs: u64,
}

/// Serves until its time is over; says first on `out` where it listens.
pub(crate) fn run(options: &Options, mut out: impl io::Write) -> anyhow::Result<()> {
    ensure!(options.tick > 0 && options.iov > 0, "--tick and --iov are at least 1");
    net::allow_connections(1)?;
    let listener = TcpListener::bind(options.listen).with_context(|| options.listen.to_string())?;
    listener.set_nonblocking(true)?;
    rustix::net::listen(&listener, BACKLOG)?;
    writeln!(out, "http://{}/", listener.local_addr()?)?;
    out.flush()?;

    let tick = Duration::from_millis(options.tick);
    let paced = options.bps > 0.0;
    let bytes = if paced { (options.bps / 8.0 * tick.as_secs_f64()) as usize } else { options.size };
    ensure!(bytes > 0, "a write of no bytes: raise --bps, --tick or --size");
    let data = vec![0x47; bytes];
    let pieces: Vec<IoSlice<'_>> = data.chunks(bytes.div_ceil(options.iov)).map(IoSlice::new).collect();
    let mut viewers: Vec<TcpStream> = Vec::new();
    let mut next = Instant::now();
    let end = next + Duration::from_secs(options.secs);
    while Instant::now() < end {
        while let Ok((socket, _)) = listener.accept() {
            // One that goes away at once is no viewer.
            viewers.extend(welcome(socket).ok());
        }
        viewers.retain(|viewer| write(viewer, &pieces));
        if paced {
            next += tick;
            sleep_until(next);
        } else if viewers.is_empty() {
            thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(())
}

/// Reads a request, whatever it says, and answers it.
fn welcome(mut socket: TcpStream) -> io::Result<TcpStream> {
    socket.set_nonblocking(false)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let _ = socket.read(&mut [0; 2048])?;
    socket.write_all(HEAD)?;
    Ok(socket)
}

/// One write; whether the viewer is still there. What its socket does not take is lost: it is no server.
fn write(viewer: &TcpStream, pieces: &[IoSlice<'_>]) -> bool {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    let sent = rustix::net::sendmsg(viewer, pieces, &mut SendAncillaryBuffer::default(), flags);
    matches!(sent, Ok(_) | Err(Errno::AGAIN | Errno::INTR))
}

//! One frame to many viewers over real sockets, in the two forms that there are for it: a loop that writes to all of them
//! (`fanout`, what the server does), and a task for each viewer that is woken and writes. A second thread reads what
//! arrives. The time is from the frame's coming to the last viewer's write.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use fanout::{End, FanOut, How, Membership, Pieces, Settings, Viewer};
use hub::{Limits, Ring};
use rustix::net::{RecvFlags, recv};

use crate::ring::Piece;

/// Bytes of a frame: the mean picture of a stream of 2 Mbit/s.
const FRAME_BYTES: usize = 10_000;

/// The other ends of the connections, read by a thread.
struct Peers {
    stop: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl Drop for Peers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// Connections, and a thread that empties them.
fn connect(count: usize) -> io::Result<(Vec<TcpStream>, Peers)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..count {
        theirs.push(TcpStream::connect(listener.local_addr()?)?);
        let (socket, _) = listener.accept()?;
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        ours.push(socket);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let reader = std::thread::spawn(move || {
        let mut nowhere = vec![0; 1 << 20];
        while !stopped.load(Ordering::Relaxed) {
            for socket in &theirs {
                // The bytes are dropped in the kernel.
                let _ = recv(socket, &mut *nowhere, RecvFlags::DONTWAIT | RecvFlags::TRUNC);
            }
        }
    });
    Ok((ours, Peers { stop, reader: Some(reader) }))
}

/// How often a frame has left for a viewer, and what each frame is to be waited for.
#[derive(Clone, Default)]
struct Sent(Arc<AtomicUsize>);

impl Sent {
    fn note(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Release);
    }

    fn wait_for(&self, bytes: usize) {
        while self.0.load(Ordering::Acquire) < bytes {
            std::thread::yield_now();
        }
    }
}

struct Counted(Sent);

impl Viewer for Counted {
    type Item = Piece;

    fn frame<'i>(&self, item: &'i Piece, _: How, out: &mut Pieces<'i>) {
        out.shared(&item.bytes);
    }

    fn is_urgent(_: &Piece) -> bool {
        true
    }

    fn shape(&self) -> Option<u64> {
        Some(0)
    }

    fn sent(&mut self, bytes: usize) {
        self.0.note(bytes);
    }

    fn skipped(&mut self) {}

    fn ended(self, _: End) {}
}

/// A loop on a thread of its own.
fn by_loop(
    ring: &Ring<Piece>,
    sockets: Vec<TcpStream>,
    sent: &Sent,
) -> io::Result<(FanOut, Vec<Membership>)> {
    let settings = Settings {
        workers: 1,
        merge_window: Duration::ZERO,
        hold: false,
        slow_viewer_timeout: Duration::from_secs(60),
        limits: Limits::default(),
    };
    let fan_out = FanOut::start(settings)?;
    let join = |socket| fan_out.join(ring, Arc::new(socket), Bytes::new(), Counted(sent.clone()));
    let members = sockets.into_iter().map(join).collect();
    Ok((fan_out, members))
}

/// A task for each viewer, on a runtime with one thread.
fn by_tasks(ring: &Ring<Piece>, sockets: Vec<TcpStream>, sent: &Sent) -> io::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    for socket in sockets {
        let (Some(mut cursor), sent) = (ring.subscribe(), sent.clone()) else { continue };
        runtime.spawn(async move {
            let socket = tokio::net::TcpStream::from_std(socket)?;
            let mut items = Vec::new();
            loop {
                let _ = cursor.read(&mut items, usize::MAX).await;
                for item in items.drain(..) {
                    let mut rest = &item.bytes[..];
                    while !rest.is_empty() {
                        socket.writable().await?;
                        match socket.try_write(rest) {
                            Ok(written) => rest = &rest[written..],
                            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                            Err(error) => return Err(error),
                        }
                    }
                    sent.note(item.bytes.len());
                }
            }
            #[expect(unreachable_code, reason = "it says what the task gives")]
            io::Result::Ok(())
        });
    }
    Ok(runtime)
}

fn measure(criterion: &mut Criterion, viewers: usize) -> io::Result<()> {
    let mut group = criterion.benchmark_group("fan-out");
    group.throughput(Throughput::Elements(viewers as u64));
    let bytes = Bytes::from(vec![0; FRAME_BYTES]);
    for form in ["loop", "tasks"] {
        let (sockets, _peers) = connect(viewers)?;
        let (ring, sent) = (Ring::new(Limits::default()), Sent::default());
        let (mut looped, mut tasks) = (None, None);
        match form {
            "loop" => looped = Some(by_loop(&ring, sockets, &sent)?),
            _ => tasks = Some(by_tasks(&ring, sockets, &sent)?),
        }
        let mut number = 0;
        group.bench_function(format!("{form}, {viewers} viewers"), |bencher| {
            bencher.iter(|| {
                // Each a key frame, so that the ring keeps one.
                ring.push(Piece { bytes: bytes.clone(), number: 50 * number });
                number += 1;
                sent.wait_for(number as usize * viewers * FRAME_BYTES);
            });
        });
        ring.close();
        drop(looped.take());
        if let Some(runtime) = tasks.take() {
            runtime.shutdown_background();
        }
    }
    group.finish();
    Ok(())
}

/// With few and with many viewers.
pub(crate) fn bench(criterion: &mut Criterion) {
    for viewers in [100, 400] {
        if let Err(error) = measure(criterion, viewers) {
            panic!("{viewers} viewers need {} open files: {error}", 2 * viewers);
        }
    }
}

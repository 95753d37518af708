//! How many packets one thread sends over UDP, by each of the ways there are.

use std::fmt;
use std::io::IoSlice;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use nix::sys::socket::{setsockopt, sockopt};
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sockopt as buffers};
use serde::Serialize;

use crate::net::{self, Received};
use crate::stats::rounded;

/// Socket buffers of both ends.
const BUFFER_BYTES: usize = 4 << 20;
/// Batches between two looks at the clock.
const BATCHES: usize = 16;

/// How packets are sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// One `sendto` for each packet
    Plain,
    /// One `sendmmsg` for a batch
    Mmsg,
    /// One `sendto` for a batch that the kernel cuts (`UDP_SEGMENT`, udp(7))
    Gso,
}

/// Who sends to whom.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    #[arg(long, value_enum, default_value_t = Kind::Plain)]
    pub(crate) kind: Kind,
    /// How many receivers
    #[arg(short, long, value_name = "RECEIVERS", default_value_t = 200)]
    pub(crate) n: usize,
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub(crate) secs: u64,
    /// Bytes of a packet: seven of a transport stream by default
    #[arg(long, value_name = "BYTES", default_value_t = 1316)]
    pub(crate) size: usize,
    /// Packets that a receiver gets at once
    #[arg(long, value_name = "PACKETS", default_value_t = 32)]
    pub(crate) batch: usize,
    /// Let a second thread read what comes; without it the receivers' buffers fill and the rest is dropped there
    #[arg(long)]
    pub(crate) drain: bool,
    /// Let receivers take batches as they are (`UDP_GRO`)
    #[arg(long)]
    pub(crate) gro: bool,
    /// The sender's core
    #[arg(long, value_name = "CORE", default_value_t = 0)]
    pub(crate) send_core: usize,
    /// The reading thread's core
    #[arg(long, value_name = "CORE", default_value_t = 1)]
    pub(crate) receive_core: usize,
}

/// The result.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Report {
    mode: &'static str,
    kind: Kind,
    n: usize,
    size: usize,
    batch: usize,
    drain: bool,
    packets_per_s: f64,
    gbit_per_s: f64,
    calls_per_s: f64,
    received_gbit_per_s: f64,
}

/// Sends for the time given.
pub(crate) fn run(options: &Options) -> anyhow::Result<Report> {
    ensure!(options.n > 0 && options.batch > 0 && options.size > 0, "-n, --batch and --size are at least 1");
    let gso_limit = 65_507;
    let fits = options.kind != Kind::Gso || options.size * options.batch <= gso_limit;
    ensure!(fits, "the kernel cuts at most {gso_limit} bytes; lower --batch");
    net::allow_connections(options.n)?;
    let receivers = (0..options.n).map(|_| receiver(options)).collect::<anyhow::Result<Vec<_>>>()?;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let drained = options.drain.then(|| scope.spawn(|| drain(&receivers, options.receive_core, &stop)));
        let sender = scope.spawn(|| send(&receivers, options));
        let sent = sender.join().unwrap_or_else(|_| Err(anyhow!("a thread panicked")));
        stop.store(true, Ordering::Relaxed);
        let received = match drained {
            Some(drained) => drained.join().unwrap_or_else(|_| Err(anyhow!("a thread panicked")))?,
            None => 0,
        };
        Ok(report(options, &sent?, received))
    })
}

fn report(options: &Options, sent: &Sent, received: u64) -> Report {
    let &Options { kind, n, size, batch, drain, .. } = options;
    let per_second = |count: f64| rounded(count / sent.time.as_secs_f64());
    Report {
        mode: "ref-udp",
        kind,
        n,
        size,
        batch,
        drain,
        packets_per_s: per_second(sent.packets as f64),
        gbit_per_s: per_second(sent.packets as f64 * size as f64 * 8e-9),
        calls_per_s: per_second(sent.calls as f64),
        received_gbit_per_s: per_second(received as f64 * 8e-9),
    }
}

fn receiver(options: &Options) -> anyhow::Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_nonblocking(true)?;
    buffers::set_socket_recv_buffer_size(&socket, BUFFER_BYTES)?;
    if options.gro {
        setsockopt(&socket, sockopt::UdpGroSegment, &true).context("the kernel has no UDP_GRO")?;
    }
    Ok(socket)
}

fn drain(receivers: &[UdpSocket], core: usize, stop: &AtomicBool) -> anyhow::Result<u64> {
    net::pin(core)?;
    let mut buffer = vec![0; 64 << 10];
    let mut received = 0;
    while !stop.load(Ordering::Relaxed) {
        for receiver in receivers {
            while let Ok(Received::Bytes(bytes)) = net::receive(receiver, &mut buffer) {
                received += bytes as u64;
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(received)
}

struct Sent {
    packets: u64,
    calls: u64,
    time: Duration,
}

fn send(receivers: &[UdpSocket], options: &Options) -> anyhow::Result<Sent> {
    net::pin(options.send_core)?;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    buffers::set_socket_send_buffer_size(&socket, BUFFER_BYTES)?;
    if options.kind == Kind::Gso {
        let size = i32::try_from(options.size)?;
        setsockopt(&socket, sockopt::UdpGsoSegment, &size).context("the kernel has no UDP_SEGMENT")?;
    }
    let addresses: Vec<SocketAddrAny> =
        receivers.iter().map(|receiver| Ok(receiver.local_addr()?.into())).collect::<std::io::Result<_>>()?;
    let data = vec![0x47; options.size * options.batch];
    let start = Instant::now();
    let mut sent = Sent { packets: 0, calls: 0, time: Duration::ZERO };
    let mut to = addresses.iter().cycle();
    while start.elapsed() < Duration::from_secs(options.secs) {
        for address in to.by_ref().take(BATCHES) {
            send_batch(&socket, address, &data, options, &mut sent)?;
        }
    }
    sent.time = start.elapsed();
    Ok(sent)
}

fn send_batch(
    socket: &UdpSocket,
    address: &SocketAddrAny,
    data: &[u8],
    options: &Options,
    sent: &mut Sent,
) -> anyhow::Result<()> {
    let none = SendFlags::empty();
    match options.kind {
        Kind::Plain => {
            for packet in data.chunks(options.size) {
                rustix::net::sendto(socket, packet, none, address)?;
                sent.calls += 1;
                sent.packets += 1;
            }
        }
        Kind::Mmsg => {
            let slices: Vec<[IoSlice<'_>; 1]> =
                data.chunks(options.size).map(|packet| [IoSlice::new(packet)]).collect();
            let mut controls: Vec<SendAncillaryBuffer<'_, '_, '_>> =
                slices.iter().map(|_| SendAncillaryBuffer::default()).collect();
            let mut messages: Vec<MMsgHdr<'_>> = slices
                .iter()
                .zip(&mut controls)
                .map(|(slice, control)| MMsgHdr::new_with_addr(address, slice, control))
                .collect();
            sent.packets += rustix::net::sendmmsg(socket, &mut messages, none)? as u64;
            sent.calls += 1;
        }
        Kind::Gso => {
            rustix::net::sendto(socket, data, none, address)?;
            sent.calls += 1;
            sent.packets += options.batch as u64;
        }
    }
    Ok(())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mode, kind, n, size, batch, .. } = self;
        writeln!(f, "{mode} {kind:?}: {batch} packets of {size} bytes at once to each of {n} receivers")?;
        write!(f, "  sent         {:.0} packets/s, {:.2} Gbit/s", self.packets_per_s, self.gbit_per_s)?;
        write!(f, " with {:.0} calls/s", self.calls_per_s)?;
        if self.drain {
            write!(f, "\n  received     {:.2} Gbit/s", self.received_gbit_per_s)?;
        }
        Ok(())
    }
}

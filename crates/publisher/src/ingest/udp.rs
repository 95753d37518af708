//! Transport streams in datagrams: UDP, unicast and multicast, as they are or in RTP (RFC 2250).
//!
//! The socket stays for as long as the stream does, whoever sends. What one sender sends is a source; another one is heard when
//! that is silent, for two at once would be torn pictures of both.

mod socket;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use media::timeline::Arrival;
use mpegts::demux::Settings;
use rtp::Packet;
use rtp::receive::{Limits, Receiver};
use tokio::net::UdpSocket;

use self::socket::{Opened, is_from};
use super::buffer;
use super::mpegts::{CLOCK, Demux};
use crate::config::Datagrams;
use crate::inputs::Feeder;
use crate::service::{Publication, Service};
use crate::session::{Ended, Opening, Protocol, Role};
use crate::stream::Running;

/// Wait before a socket that could not be opened, or failed, is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// A sender that is silent for so long makes room for another one.
const SENDER_SILENT: Duration = Duration::from_secs(1);
/// How often it is looked what did not come.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Bytes of a datagram at most.
const MAX_DATAGRAM: usize = 65_535;
/// Room that is made for datagrams at a time: most are far shorter than they may be.
const CHUNK_BYTES: usize = 256 << 10;
/// Datagrams that are taken before anything else is looked at.
const TAKEN: usize = 64;
/// Payload type of a transport stream (RFC 3551 table 5).
const MP2T: u8 = 33;
/// Clock of the RTP timestamps of a transport stream (RFC 2250 2).
const RTP_CLOCK: u32 = 90_000;
/// sync_byte of a transport packet.
const SYNC: u8 = 0x47;

/// Feeds the stream with what comes until it is no input of the stream any more. A socket that fails is opened again.
pub(crate) async fn run(service: Arc<Service>, running: Arc<Running>, feeder: Arc<Feeder>, input: Datagrams) {
    loop {
        let failed = match socket::open(&input) {
            Ok(opened) => {
                tracing::info!(stream = %running.code, "listening on {}", input.url);
                match Receiving::new(&service, &running, &feeder, &input, opened).run().await {
                    Ok(()) => break,
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        let why = format!("cannot listen on {}: {failed}", input.url);
        let rung = Arc::clone(&running.rungs()[0]);
        rung.set_error(&why);
        rung.set_input(vec![format!("{why}; trying again every {} s", RETRY.as_secs())]);
        tokio::select! {
            () = feeder.cancel.cancelled() => break,
            () = tokio::time::sleep(RETRY) => {}
        }
    }
    running.rungs()[0].set_input(Vec::new());
}

struct Receiving<'a> {
    service: &'a Arc<Service>,
    running: &'a Arc<Running>,
    feeder: &'a Feeder,
    input: &'a Datagrams,
    socket: UdpSocket,
    sender: Option<Sender>,
    /// When anything came last, or listening began.
    heard: Duration,
    looked: Duration,
    /// What is to be known of the socket.
    note: Option<String>,
    /// Datagrams of others while one sends.
    strangers: u64,
}

/// Who sends, and what of it goes to the hub.
struct Sender {
    from: SocketAddr,
    heard: Duration,
    publication: Publication,
    demux: Demux,
    /// Puts the packets of RTP in their order.
    rtp: Receiver,
}

impl<'a> Receiving<'a> {
    fn new(
        service: &'a Arc<Service>,
        running: &'a Arc<Running>,
        feeder: &'a Feeder,
        input: &'a Datagrams,
        opened: Opened,
    ) -> Self {
        let Opened { socket, buffer_bytes } = opened;
        let note = buffer::lack(&input.url, buffer_bytes, input.buffer_bytes);
        let now = service.clock.elapsed();
        Self {
            service,
            running,
            feeder,
            input,
            socket,
            sender: None,
            heard: now,
            looked: now,
            note,
            strangers: 0,
        }
    }

    /// Until it is no input any more, or the socket fails.
    async fn run(mut self) -> io::Result<()> {
        let mut buffer = BytesMut::new();
        self.look();
        loop {
            let cancelled = self.sender.as_ref().map(|sender| sender.publication.session.cancelled());
            let sleep = tokio::time::sleep(self.until());
            tokio::select! {
                () = self.feeder.cancel.cancelled() => {
                    if let Some(sender) = self.sender.filter(|_| !self.running.cancel.is_cancelled()) {
                        sender.publication.session.cancel(Ended::InputRemoved);
                    }
                    return Ok(());
                }
                // Another one begins with what comes next.
                () = cancelled.unwrap_or_default().cancelled_owned() => self.sender = None,
                () = sleep => {}
                ready = self.socket.readable() => {
                    ready?;
                    self.receive(&mut buffer)?;
                }
            }
            self.deliver();
            if self.service.clock.elapsed().saturating_sub(self.looked) >= LOOK_EVERY {
                self.look();
            }
        }
    }

    /// Time until packets are waited for no longer, or it is to be looked what did not come.
    fn until(&self) -> Duration {
        let next = self.looked + LOOK_EVERY;
        let deadline = self.sender.as_ref().and_then(|sender| sender.rtp.deadline());
        deadline.map_or(next, |deadline| deadline.min(next)).saturating_sub(self.service.clock.elapsed())
    }

    /// Takes datagrams that have come.
    fn receive(&mut self, buffer: &mut BytesMut) -> io::Result<()> {
        for _ in 0..TAKEN {
            if buffer.capacity() < MAX_DATAGRAM {
                *buffer = BytesMut::with_capacity(CHUNK_BYTES);
            }
            let from = match self.socket.try_recv_buf_from(buffer) {
                Ok((_, from)) => from,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let datagram = buffer.split().freeze();
            if is_from(self.input.source, from) {
                self.datagram(SocketAddr::new(from.ip().to_canonical(), from.port()), datagram);
            }
        }
        Ok(())
    }

    fn datagram(&mut self, from: SocketAddr, datagram: Bytes) {
        let now = self.service.clock.now();
        self.heard = now.mono;
        if self.sender.as_ref().is_some_and(|sender| sender.from != from) {
            let is_heard = |sender: &Sender| now.mono.saturating_sub(sender.heard) < SENDER_SILENT;
            if self.sender.as_ref().is_some_and(is_heard) {
                self.strangers += 1;
                return;
            }
            if let Some(sender) = self.sender.take() {
                sender.publication.session.cancel(Ended::TakenOver);
            }
        }
        let sender = self.sender.get_or_insert_with(|| {
            Sender::new(self.service, self.running, self.feeder, self.input, from, is_rtp(&datagram))
        });
        sender.take(now, datagram);
    }

    /// What has come of it so far goes to the hub.
    fn deliver(&mut self) {
        let Some(sender) = &mut self.sender else { return };
        let now = self.service.clock.now();
        sender.receive(now);
        let delivered = sender.demux.deliver(now, sender.publication.rung());
        if delivered.units > 0 {
            sender.publication.session.note_media(now.mono);
        }
        if delivered.taken_over {
            sender.publication.session.cancel(Ended::TakenOver);
            self.sender = None;
        }
    }

    /// Says what did not come.
    fn look(&mut self) {
        self.looked = self.service.clock.elapsed();
        if let Some(sender) = &mut self.sender {
            sender.demux.report(sender.publication.session.session());
        }
        let silence = self.looked.saturating_sub(self.heard);
        let is_silent = silence >= self.service.settings.publish_timeout;
        let silent = is_silent.then(|| format!("nothing comes from {}", self.input.url));
        let strangers = std::mem::take(&mut self.strangers) > 0;
        let strangers = strangers
            .then(|| format!("several senders at {}: only the one that was first is taken", self.input.url));
        let notes = [self.note.clone(), silent, strangers].into_iter().flatten().collect();
        self.running.rungs()[0].set_input(notes);
    }
}

impl Sender {
    fn new(
        service: &Arc<Service>,
        running: &Arc<Running>,
        feeder: &Feeder,
        input: &Datagrams,
        from: SocketAddr,
        is_rtp: bool,
    ) -> Self {
        let opening = Opening {
            stream: running.code.clone(),
            rendition: None,
            protocol: if is_rtp { Protocol::Rtp } else { Protocol::Udp },
            role: Role::Publisher,
            peer: Some(from),
            agent: None,
            origin: None,
        };
        let publication = feeder.seize(service, running, opening, CLOCK);
        let settings = Settings { program: input.program, ..Settings::default() };
        let demux = Demux::new(Arc::clone(&publication.feed), settings);
        let rtp = Receiver::new(RTP_CLOCK, Limits::default());
        Self { from, heard: Duration::ZERO, publication, demux, rtp }
    }

    fn take(&mut self, now: Arrival, datagram: Bytes) {
        self.heard = now.mono;
        self.publication.session.add_bytes(datagram.len() as u64);
        if !is_rtp(&datagram) {
            return self.demux.push(now, &datagram);
        }
        match Packet::decode(datagram) {
            Ok(packet) if is_transport_stream(&packet) => {
                self.rtp.push(now.mono, packet);
                self.receive(now);
            }
            Ok(packet) => {
                let kind = packet.header.payload_type;
                let why = format!("RTP packets of payload type {kind} are no MPEG transport stream");
                self.publication.rung().set_damaged(now.mono, &why);
            }
            Err(error) => self.publication.rung().set_damaged(now.mono, &error.to_string()),
        }
    }

    /// Takes the packets of RTP that are in order. What is missing the transport stream tells by itself.
    fn receive(&mut self, now: Arrival) {
        while let Some(received) = self.rtp.poll(now.mono) {
            self.demux.push(now, &received.packet.payload);
        }
    }
}

/// RTP by its version; a transport packet begins otherwise.
fn is_rtp(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| first >> 6 == 2)
}

/// By the payload type that is given for it, or by what is in it, for some senders give another one.
fn is_transport_stream(packet: &Packet) -> bool {
    packet.header.payload_type == MP2T || packet.payload.first() == Some(&SYNC)
}

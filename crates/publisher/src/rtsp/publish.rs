//! A connection that publishes: what it announced, how its tracks come, and the way of their packets to the hub.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use rtsp::Status;
use rtsp::header::{Lower, Transport};
use rtsp::sdp::Description;
use rtsp::server::{Chosen, PacketKind};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::connection::{Left, Ways};
use super::play::Refused;
use super::ports::Pair;
use crate::code::Address;
use crate::ingest::rtsp::{CLOCK, Demux};
use crate::rung::Refused as NotAdmitted;
use crate::service::{Denied, Publication, Service, random};
use crate::session::{Ended, Opening, Protocol, Role, Session};
use crate::stream::Running;

/// Datagrams that may wait for the connection's task: what comes on top is lost, and counted as such.
const QUEUE: usize = 4096;
/// Bytes of a datagram at most.
const MAX_DATAGRAM: usize = 65_535;
/// Room that is made for datagrams at a time: most are far shorter than they may be.
const CHUNK_BYTES: usize = 256 << 10;
/// Datagrams that are taken together.
const TAKEN: usize = 256;
/// We report what arrives this often (RFC 3550 6.2).
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// One who publishes.
pub(super) struct Publish {
    publication: Publication,
    demux: Demux,
    peer: SocketAddr,
    tracks: Vec<Way>,
    sender: mpsc::Sender<Datagram>,
    datagrams: mpsc::Receiver<Datagram>,
    waiting: Vec<Datagram>,
    /// Datagrams of others than the publisher.
    strangers: Arc<AtomicU64>,
    readers: JoinSet<()>,
    reported: Duration,
    /// What our reports come from.
    ssrc: u32,
    /// Reports that are to leave over the connection, framed.
    said: BytesMut,
}

/// How a track comes.
enum Way {
    NotSetUp,
    Connection,
    Udp { pair: Arc<Pair>, rtcp: SocketAddr },
}

struct Datagram {
    track: usize,
    kind: PacketKind,
    data: Bytes,
}

impl Publish {
    /// Lets a publisher in, or says why not.
    pub(super) async fn announce(
        service: &Arc<Service>,
        address: &Address,
        key: Option<&str>,
        description: &Description,
        peer: SocketAddr,
        agent: Option<String>,
        protocol: Protocol,
    ) -> Result<Self, Refused> {
        // Before it takes the place of another one.
        if let Err(why) = Demux::can_read(description) {
            return Err(Refused::new(Status::UNSUPPORTED_MEDIA_TYPE, format!("{address}: {why}")));
        }
        let opening = move |stream| Opening {
            stream,
            rendition: None,
            protocol,
            role: Role::Publisher,
            peer: Some(peer),
            agent,
            origin: None,
        };
        let publication = service.publish(address, key, opening, CLOCK).await;
        let publication = publication.map_err(|denied| refused(&denied))?;
        let demux = Demux::new(description, Arc::clone(&publication.feed), publication.rung());
        let (sender, datagrams) = mpsc::channel(QUEUE);
        let tracks = description.media.iter().map(|_| Way::NotSetUp).collect();
        Ok(Self {
            publication,
            demux,
            peer,
            tracks,
            sender,
            datagrams,
            waiting: Vec::new(),
            strangers: Arc::default(),
            readers: JoinSet::new(),
            reported: service.clock.elapsed(),
            ssrc: random().first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes)),
            said: BytesMut::new(),
        })
    }

    /// Picks a way for a track, of those that its client can go.
    pub(super) fn choose(
        &mut self,
        ways: &Ways<'_>,
        track: usize,
        transports: &[Transport],
    ) -> Result<Chosen, Refused> {
        let is_plain = ways.line.plain().is_some();
        let usable =
            transports.iter().find(|transport| is_plain || matches!(transport.lower, Lower::Interleaved(_)));
        let (Some(usable), Some(way)) = (usable, self.tracks.get_mut(track)) else {
            let why = "over TLS media go over the connection (RTP/AVP/TCP) alone";
            return Err(Refused::new(Status::UNSUPPORTED_TRANSPORT, why));
        };
        let Lower::Udp((rtp, rtcp)) = usable.lower else {
            self.demux.set_ordered(track);
            *way = Way::Connection;
            return Ok(Chosen::Interleaved);
        };
        let failed = |error: std::io::Error| {
            tracing::warn!(%error, "no UDP ports for a publisher");
            Refused::new(Status::UNSUPPORTED_TRANSPORT, "no UDP port is free here; use TCP")
        };
        let ours = ways.line.socket().local_addr().map_err(failed)?;
        let pair = Arc::new(ways.service.bind_pair(ours.ip().to_canonical()).map_err(failed)?);
        let [rtp, rtcp] = [rtp, rtcp].map(|port| SocketAddr::new(ways.peer.ip(), port));
        let reader = |kind, from| Reader {
            pair: Arc::clone(&pair),
            track,
            kind,
            from,
            sender: self.sender.clone(),
            strangers: Arc::clone(&self.strangers),
        };
        self.readers.spawn(reader(PacketKind::Rtp, rtp).run());
        self.readers.spawn(reader(PacketKind::Rtcp, rtcp).run());
        let server_ports = pair.ports;
        *way = Way::Udp { pair, rtcp };
        Ok(Chosen::Udp { server_ports, ssrc: None, source: None })
    }

    /// Waits for datagrams, which [`Publish::advance`] takes.
    pub(super) async fn receive(&mut self) {
        if self.datagrams.recv_many(&mut self.waiting, TAKEN).await == 0 {
            std::future::pending().await
        }
    }

    /// Takes the time and the datagrams that have come, beside so many bytes on the connection. When a datagram came last, if
    /// any did now.
    pub(super) fn advance(&mut self, service: &Service, bytes: usize) -> Result<Option<Duration>, Left> {
        let now = service.clock.elapsed();
        let waiting = std::mem::take(&mut self.waiting);
        let datagrams: usize = waiting.iter().map(|datagram| datagram.data.len()).sum();
        self.publication.session.add_bytes((bytes + datagrams) as u64);
        let came = !waiting.is_empty();
        for Datagram { track, kind, data } in waiting {
            self.packet(service, track, kind, data)?;
        }
        self.demux.handle_timeout(service.clock.now());
        self.deliver(service)?;
        let silence = now.saturating_sub(self.publication.session.last_media());
        if silence >= service.settings.publish_timeout && bytes == 0 && !came {
            return Err(Left::Because(Ended::NoMedia(silence)));
        }
        Ok(came.then_some(now))
    }

    /// Takes a packet.
    pub(super) fn packet(
        &mut self,
        service: &Service,
        track: usize,
        kind: PacketKind,
        data: Bytes,
    ) -> Result<(), Left> {
        let now = service.clock.now();
        match kind {
            PacketKind::Rtp => {
                if let Err(error) = self.demux.packet(now, track, data) {
                    self.publication.rung().set_damaged(now.mono, &error.to_string());
                }
            }
            PacketKind::Rtcp => self.demux.reports(now, track, &data),
        }
        self.deliver(service)
    }

    /// What has come of it so far goes to the hub.
    fn deliver(&mut self, service: &Service) -> Result<(), Left> {
        let now = service.clock.now();
        let rung = self.publication.rung();
        let delivered = self.demux.deliver(now, rung);
        if delivered.units > 0 {
            self.publication.session.note_media(now.mono);
        }
        if delivered.taken_over { Err(Left::Because(Ended::TakenOver)) } else { Ok(()) }
    }

    /// When it is to be looked at again: for packets that wait, for reports, or for the lack of media.
    pub(super) fn deadline(&self, publish_timeout: Duration) -> Duration {
        let media = self.publication.session.last_media() + publish_timeout;
        let next = self.demux.deadline().into_iter().chain([media, self.reported + REPORT_EVERY]);
        next.min().unwrap_or(media)
    }

    /// Reports of what has arrived, where they are due. Those of tracks that come over UDP leave at once; the others are the
    /// caller's to send.
    pub(super) fn reports(&mut self, now: Duration) -> Vec<(usize, Vec<u8>)> {
        if now.saturating_sub(self.reported) < REPORT_EVERY {
            return Vec::new();
        }
        self.reported = now;
        let session = self.publication.session.session();
        let reports = self.demux.report(now, self.ssrc, session);
        let over_connection = |(track, report): (usize, Vec<u8>)| match self.tracks.get(track)? {
            Way::NotSetUp => None,
            Way::Connection => Some((track, report)),
            Way::Udp { pair, rtcp, .. } => {
                // It may be lost, as on the way.
                let _ = pair.rtcp.try_send_to(&report, *rtcp);
                None
            }
        };
        reports.into_iter().filter_map(over_connection).collect()
    }

    /// Has a report sent on that channel.
    pub(super) fn say(&mut self, channel: u8, report: &[u8]) {
        self.said.put_u8(b'$');
        self.said.put_u8(channel);
        // It is some hundred bytes long.
        self.said.put_u16(report.len() as u16);
        self.said.extend_from_slice(report);
    }

    /// What is to be sent over the connection.
    pub(super) fn said(&mut self) -> Option<Bytes> {
        (!self.said.is_empty()).then(|| self.said.split().freeze())
    }

    pub(super) fn session(&self) -> &Arc<Session> {
        self.publication.session.session()
    }

    /// Ends it: the stream that it fed.
    pub(super) fn end(self) -> Arc<Running> {
        let strangers = self.strangers.load(Ordering::Relaxed);
        if strangers > 0 {
            let stream = &self.publication.running.code;
            tracing::warn!(%stream, strangers, peer = %self.peer, "datagrams of others than the publisher were left out");
        }
        Arc::clone(&self.publication.running)
    }
}

/// Reads one socket.
struct Reader {
    pair: Arc<Pair>,
    track: usize,
    kind: PacketKind,
    /// Where the publisher sends from; what comes from elsewhere is none of its.
    from: SocketAddr,
    sender: mpsc::Sender<Datagram>,
    strangers: Arc<AtomicU64>,
}

impl Reader {
    async fn run(self) {
        let socket = match self.kind {
            PacketKind::Rtp => &self.pair.rtp,
            PacketKind::Rtcp => &self.pair.rtcp,
        };
        let mut buffer = BytesMut::new();
        loop {
            if buffer.capacity() < MAX_DATAGRAM {
                buffer = BytesMut::with_capacity(CHUNK_BYTES);
            }
            let Ok((_, from)) = socket.recv_buf_from(&mut buffer).await else { continue };
            let data = buffer.split().freeze();
            if SocketAddr::new(from.ip().to_canonical(), from.port()) != self.from {
                self.strangers.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            // One that finds no room is lost, and its sequence number tells.
            let _ = self.sender.try_send(Datagram { track: self.track, kind: self.kind, data });
        }
    }
}

/// What a publisher is told that is not let in.
fn refused(denied: &Denied) -> Refused {
    let status = match denied {
        Denied::Refused(_, NotAdmitted::Key) => Status::UNAUTHORIZED,
        Denied::Refused(_, NotAdmitted::Busy) | Denied::NotPublished(_) => Status::FORBIDDEN,
        Denied::Start(_) => Status::UNAVAILABLE,
        Denied::Unknown(_) | Denied::Rendition(..) | Denied::Several(..) => Status::NOT_FOUND,
    };
    Refused::new(status, denied.to_string())
}

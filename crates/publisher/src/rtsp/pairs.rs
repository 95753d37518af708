//! The sockets that players over UDP are sent from, and what they report to them.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use packager::rtp::Lane;
use rtp::rtcp::{self, Message};

use super::ports::Pair;
use crate::clock::Clock;
use crate::service::Service;
use crate::session::{Reception, Session};

/// Bytes of a datagram that are read; a report is far shorter.
const MAX_REPORT: usize = 2048;

/// A pair for each address of ours that players have come to, so that what they get comes from there.
#[derive(Default)]
pub(crate) struct PlayPairs(Mutex<HashMap<IpAddr, Weak<PlayPair>>>);

/// One pair, and who is sent to from it.
pub(crate) struct PlayPair {
    pub(crate) pair: Arc<Pair>,
    players: Arc<Players>,
    reading: tokio::task::AbortHandle,
}

/// Players by the address that their reports come from.
type Players = Mutex<HashMap<SocketAddr, Arc<Heard>>>;

/// What is heard of one player.
pub(crate) struct Heard {
    pub(crate) session: Arc<Session>,
    lanes: Vec<(u32, u32)>,
    last_ms: AtomicU64,
}

impl PlayPairs {
    /// The pair of that address, made now where there is none.
    ///
    /// # Errors
    /// As [`Ports::bind`](super::ports::Ports::bind).
    pub(crate) fn of(&self, service: &Service, ip: IpAddr) -> io::Result<Arc<PlayPair>> {
        let mut pairs = lock(&self.0);
        if let Some(pair) = pairs.get(&ip).and_then(Weak::upgrade) {
            return Ok(pair);
        }
        let pair = Arc::new(service.bind_pair(ip)?);
        let players = Arc::<Players>::default();
        let reading =
            tokio::spawn(read(Arc::clone(&pair), Arc::clone(&players), service.clock)).abort_handle();
        let pair = Arc::new(PlayPair { pair, players, reading });
        pairs.retain(|_, pair| pair.strong_count() > 0);
        pairs.insert(ip, Arc::downgrade(&pair));
        Ok(pair)
    }
}

impl Service {
    /// A free pair of UDP ports, of those that the listeners of now allow.
    ///
    /// # Errors
    /// As [`Ports::bind`](super::ports::Ports::bind).
    pub(crate) fn bind_pair(&self, ip: IpAddr) -> io::Result<Pair> {
        self.udp_ports.bind(ip, &self.listeners().rtsp_udp_ports)
    }
}

impl PlayPair {
    /// Takes the reports from these addresses for those of a player.
    pub(crate) fn listen(self: &Arc<Self>, from: Vec<SocketAddr>, heard: &Arc<Heard>) -> Listening {
        let mut players = lock(&self.players);
        for &address in &from {
            players.insert(address, Arc::clone(heard));
        }
        Listening { pair: Arc::clone(self), from, session: heard.session.id }
    }
}

impl Drop for PlayPair {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

/// Dropping it ends that a player is listened to.
pub(crate) struct Listening {
    pair: Arc<PlayPair>,
    from: Vec<SocketAddr>,
    session: u64,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut players = lock(&self.pair.players);
        for address in &self.from {
            // Another player may have come from there since.
            if players.get(address).is_some_and(|heard| heard.session.id == self.session) {
                players.remove(address);
            }
        }
    }
}

impl Heard {
    pub(crate) fn new<'l>(session: Arc<Session>, lanes: impl Iterator<Item = &'l Lane>) -> Arc<Self> {
        let lanes = lanes.map(|lane| (lane.ssrc, lane.format.clock_rate)).collect();
        Arc::new(Self { session, lanes, last_ms: AtomicU64::new(0) })
    }

    /// When it was last heard of; zero if it never was.
    pub(crate) fn last(&self) -> Duration {
        Duration::from_millis(self.last_ms.load(Ordering::Relaxed))
    }

    /// Takes a compound packet of reports that came at `now`.
    pub(crate) fn note(&self, now: Duration, data: &[u8]) {
        let Ok(messages) = rtcp::decode(data) else { return };
        self.last_ms.store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        for message in messages {
            let (Message::ReceiverReport { blocks, .. } | Message::SenderReport(_, blocks)) = message else {
                continue;
            };
            for block in blocks {
                let lane = self.lanes.iter().position(|(ssrc, _)| *ssrc == block.ssrc);
                // Whatever it says of others is not about us.
                let Some((lane, &(_, rate))) = lane.and_then(|lane| Some((lane, self.lanes.get(lane)?)))
                else {
                    continue;
                };
                let reception = Reception {
                    packets_lost: u64::try_from(block.lost).unwrap_or(0),
                    fraction_lost: f32::from(block.fraction_lost) / 256.0,
                    jitter: Duration::from_secs_f64(f64::from(block.jitter) / f64::from(rate.max(1))),
                };
                self.session.note_reception(lane, reception);
            }
        }
    }
}

/// Reads what players report. What comes from others, and what comes to the other socket, is nothing to us.
async fn read(pair: Arc<Pair>, players: Arc<Players>, clock: Clock) {
    let (mut report, mut other) = ([0; MAX_REPORT], [0; 1]);
    loop {
        tokio::select! {
            received = pair.rtcp.recv_from(&mut report) => {
                let Ok((bytes, from)) = received else { continue };
                let heard = lock(&players).get(&canonical(from)).cloned();
                if let Some((heard, data)) = heard.zip(report.get(..bytes)) {
                    heard.note(clock.elapsed(), data);
                }
            }
            // Players open firewalls by it.
            _ = pair.rtp.recv_from(&mut other) => {}
        }
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

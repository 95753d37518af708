//! SRT play: the payloads of a rung to those who play it from one shard.
//!
//! What is sent again, and what is given up because it would come too late, is the connection's. Before that a viewer is
//! served as all others: as long as its network does not take what there is, nothing more is handed to the connection, and it
//! goes on at a later key frame where that lasts.

mod cut;

use std::sync::Arc;
use std::task;
use std::time::{Duration, Instant};

use fanout::{End, Lateness};
use hub::{Cursor, Log, Place, Read};
use packager::ts::Chunk;
use srt::{Connection, Error as SrtError};

use cut::Cut;
pub(crate) use cut::{PAYLOAD_BYTES, Payload};

use super::account::Account;
use super::apart::until_next;
use super::join::Unjoined;
use super::ts::Reading;
use crate::code::Address;
use crate::limits::{Pass, Refusal};
use crate::service::Service;
use crate::session::{Ended, Opening, Protocol, Reception, Role};
use crate::stream::Running;

/// Payload bytes taken from the ring at a time.
const READ_BYTES: usize = 4 << 20;
/// Payloads that a viewer is handed in one turn: some 100 KB, so that the GOP with which it begins does not overrun the buffers
/// on the way.
const FEED: usize = 88;
/// Who keeps up has confirmed what left this long ago; what is given up is older.
const CONFIRMED: Duration = Duration::from_millis(500);
/// With no merge window, sound waits so long for the picture with which it leaves.
const HOLD: Duration = Duration::from_millis(50);

/// What a viewer plays, found and with room for it.
pub(crate) struct Ticket {
    pub(crate) running: Arc<Running>,
    pub(crate) address: Address,
    pass: Pass,
}

/// Why a viewer is not let in, as a sentence.
pub(crate) enum NotPlayed {
    Absent(String),
    Full(String),
}

impl Service {
    /// Finds what a viewer asks for, and makes room for it.
    pub(crate) fn find_srt(&self, address: Address) -> Result<Ticket, NotPlayed> {
        let running = self.running(&address).ok_or_else(|| NotPlayed::Absent(self.absence(&address)))?;
        if !running.config().protocols.srt {
            return Err(NotPlayed::Absent(off(&address)));
        }
        let Some(pass) = running.viewers.enter() else {
            return Err(NotPlayed::Full(self.gates.sentence(self.gates.refuse(Refusal::ViewersPerStream))));
        };
        Ok(Ticket { running, address, pass })
    }

    /// Waits for the media of a viewer that was let in, and opens its session.
    ///
    /// # Errors
    /// Why there is none, as a sentence.
    pub(crate) async fn join_srt(
        &self,
        ticket: Ticket,
        peer: std::net::SocketAddr,
        agent: String,
    ) -> Result<Account<Chunk>, String> {
        let Ticket { running, address, pass } = ticket;
        let joined = Box::pin(self.join(&running, &address, |rung| rung.ts.carrier())).await;
        let joined = joined.map_err(|why| match why {
            Unjoined::Ended => format!("stream {address} ended while it was joined"),
            Unjoined::NoMedia => format!("stream {address} has no media now"),
        })?;
        let off = off(&address);
        let opening = Opening {
            stream: address.code,
            rendition: joined.rung.shown().or(address.rendition),
            protocol: Protocol::Srt,
            role: Role::Viewer,
            peer: Some(peer),
            agent: Some(agent),
            origin: None,
        };
        let session = self.sessions.open(opening, &running.cancel);
        // Whoever switched it off meanwhile has not seen this session.
        if !running.config().protocols.srt {
            session.cancel(Ended::OutputOff);
            return Err(off);
        }
        Ok(Account::new(session, &self.gates, joined.reading, joined.haste, pass))
    }
}

fn off(address: &Address) -> String {
    format!("stream {} has no SRT output", address.code)
}

/// A rung that is played from one shard.
pub(crate) struct Lane {
    cursor: Cursor<Chunk>,
    chunks: Vec<Chunk>,
    cut: Cut,
    log: Log<Payload>,
    /// Those who play it, by their sockets.
    viewers: Vec<u32>,
    merge_window: Duration,
    /// It is not read before.
    read_after: Duration,
    has_ended: bool,
}

impl Lane {
    /// Begins at the newest start. None: the rung has ended.
    pub(crate) fn new(reading: &Reading, limits: hub::Limits, merge_window: Duration) -> Option<Self> {
        Some(Self {
            cursor: reading.ring().subscribe()?,
            chunks: Vec::new(),
            cut: Cut::default(),
            log: Log::new(limits),
            viewers: Vec::new(),
            merge_window,
            read_after: Duration::ZERO,
            has_ended: false,
        })
    }

    /// One more who plays it, from the newest start on.
    pub(crate) fn join(&mut self, socket: u32) -> Place {
        self.viewers.push(socket);
        self.log.join()
    }

    pub(crate) fn leave(&mut self, socket: u32) {
        self.viewers.retain(|&other| other != socket);
    }

    /// Those who play it.
    pub(crate) fn viewers(&self) -> &[u32] {
        &self.viewers
    }

    /// Whether nothing more comes, and everything that came is cut.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// When it is to be looked at, whatever the ring says.
    pub(crate) fn deadline(&self, now: Duration) -> Option<Duration> {
        let read = Some(self.read_after).filter(|&after| after > now);
        let rest = self.cut.waits_since().map(|since| since + self.patience());
        read.into_iter().chain(rest).min()
    }

    /// How long what is left over waits.
    fn patience(&self) -> Duration {
        if self.merge_window.is_zero() { HOLD } else { self.merge_window }
    }

    /// Reads what there is. True: there is something for the viewers. Else the task is woken when the ring has something,
    /// unless it is too soon for that.
    pub(crate) fn pull(&mut self, cx: &mut task::Context<'_>, now: Duration) -> bool {
        let Self { cursor, chunks, cut, log, .. } = self;
        let mut made = false;
        if now >= self.read_after
            && !self.has_ended
            && let task::Poll::Ready(read) = cursor.poll_read(cx, chunks, READ_BYTES)
        {
            match read {
                Read::Closed => self.has_ended = true,
                Read::Skipped => {
                    cut.clear();
                    log.break_off();
                }
                Read::Items => {}
            }
            let is_urgent = self.merge_window.is_zero() && chunks.iter().any(is_urgent);
            let mut out = |payload| {
                log.push(payload);
                made = true;
            };
            chunks.drain(..).for_each(|chunk| cut.push(now, &chunk, &mut out));
            if is_urgent || self.has_ended {
                cut.flush(&mut out);
            }
            made |= self.has_ended;
            self.read_after = now + until_next(now, self.merge_window);
        }
        if self.cut.waits_since().is_some_and(|since| since + self.patience() <= now) {
            let Self { cut, log, .. } = self;
            cut.flush(&mut |payload| log.push(payload));
            made = true;
        }
        made
    }
}

/// Where there are pictures, sound is of no use before the next of them.
fn is_urgent(chunk: &Chunk) -> bool {
    chunk.picture || !chunk.tracks.iter().any(|track| track.codec.kind() == media::Kind::Video)
}

/// One who plays.
pub(crate) struct Viewer {
    account: Account<Chunk>,
    place: Place,
    lateness: Lateness,
    /// Packets that came too late for it, as its session knows it.
    given_up: u64,
}

impl Viewer {
    pub(crate) fn new(account: Account<Chunk>, place: Place) -> Self {
        Self { account, place, lateness: Lateness::default(), given_up: 0 }
    }

    /// Which lane it is in.
    pub(crate) fn ring(&self) -> usize {
        self.account.reading.ring().id()
    }

    /// Hands the connection what there is for it, as far as the network takes it. True: there is more, to be handed over in
    /// the next turn.
    pub(crate) fn feed(&mut self, now: Duration, lane: &Lane, connection: &mut Connection) -> bool {
        let given_up = connection.given_up();
        if given_up > self.given_up {
            self.given_up = given_up;
            self.lateness.lost(Instant::now());
            let reception = Reception { packets_lost: given_up, ..Reception::default() };
            self.account.session.note_reception(0, reception);
        }
        if connection.unsent() > 0 {
            return false;
        }
        let (mut count, mut bytes) = (0, 0);
        for payload in self.place.peek(&lane.log).take(FEED) {
            if count == 0 && self.place.has_skipped() {
                let mut splice = payload.splice.clone();
                while !splice.is_empty() {
                    let piece = splice.split_to(splice.len().min(PAYLOAD_BYTES));
                    bytes += piece.len();
                    if connection.send(now, piece).is_err() {
                        return false;
                    }
                }
            }
            match connection.send(now, payload.bytes.clone()) {
                Ok(()) => {}
                // It is behind with what is under way; the same is tried again when some of that has arrived.
                Err(SrtError::Full) => break,
                Err(_) => return false,
            }
            count += 1;
            bytes += payload.bytes.len();
        }
        if self.place.advance(count) {
            self.lateness.lost(Instant::now());
            self.account.skipped();
        }
        if bytes > 0 {
            self.account.sent(bytes);
        }
        let is_level = self.place.is_at_end(&lane.log);
        if is_level && self.lateness.is_late() && connection.stats().snd_buf_age < CONFIRMED {
            self.lateness.level(Instant::now());
        }
        !is_level && count > 0
    }

    /// Whether it was too slow for too long, or its session is to end.
    pub(crate) fn over(&mut self, lane: &Lane, timeout: Duration) -> Option<End> {
        if self.account.session.cancelled().is_cancelled() {
            return Some(End::Left);
        }
        let now = Instant::now();
        if self.place.is_lost(&lane.log) {
            self.lateness.lost(now);
        }
        self.lateness.is_over(now, timeout).then_some(End::TooSlow(timeout))
    }

    /// It is served no longer.
    pub(crate) fn end(self, why: End) {
        self.account.end(why);
    }
}

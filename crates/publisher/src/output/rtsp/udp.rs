//! Players over UDP: one task serves all of a rung, for no socket of theirs can be full, and what they get next is the same for
//! all who keep up.
//!
//! Packets leave in small groups, a millisecond apart, so that a key frame does not overrun the buffers on the way. A group
//! is one system call for all players: the kernel cuts it into packets (UDP_SEGMENT) and sends it to each (sendmmsg).

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fanout::End;
use hub::{Cursor, Item as _, Log, Place, Read};
use packager::rtp::{CNAME, Chunk, FRAMING_BYTES};
use rtp::rtcp;
use rtsp::server::RtpInfo;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::Viewer;
use crate::output::carrier::Reading;
use crate::rtsp::ports::Pair;
use crate::rtsp::send::send_to_all;

/// Packets of a frame that leave together.
const GROUP: usize = 16;
/// The time from one group to the next.
const STEP: Duration = Duration::from_millis(1);
/// From the answer to PLAY to the first packet: it takes another way, and some clients want it first.
const HEAD_START: Duration = Duration::from_millis(20);
/// Payload bytes taken from the ring at a time.
const READ_BYTES: usize = 1 << 20;
/// Without a player for so long the task ends.
const LINGER: Duration = Duration::from_secs(5);

/// Serves the UDP players of one rung.
#[derive(Default)]
pub(crate) struct Sender {
    running: Mutex<Option<Inbox>>,
}

type Inbox = mpsc::UnboundedSender<Command>;

enum Command {
    Join(Box<Player>),
    /// Sends it nothing from now on.
    Pause(u64),
    /// Goes on at the newest start, and tells where that is.
    Resume(u64, oneshot::Sender<Vec<RtpInfo>>),
    Leave(u64),
}

/// Where the packets of a lane are sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Destination {
    pub(crate) lane: usize,
    pub(crate) rtp: SocketAddr,
    pub(crate) rtcp: SocketAddr,
    pub(crate) ssrc: u32,
}

/// A player that is served over UDP; dropping it ends that.
pub(crate) struct Membership {
    inbox: Inbox,
    id: u64,
}

impl Membership {
    pub(crate) fn pause(&self) {
        let _ = self.inbox.send(Command::Pause(self.id));
    }

    /// Goes on at the newest key frame; where its tracks begin comes when that is known.
    pub(crate) fn resume(&self) -> oneshot::Receiver<Vec<RtpInfo>> {
        let (begins, receiver) = oneshot::channel();
        let _ = self.inbox.send(Command::Resume(self.id, begins));
        receiver
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let _ = self.inbox.send(Command::Leave(self.id));
    }
}

impl Sender {
    /// Serves one more player, which is paused yet.
    pub(crate) fn join(
        self: &Arc<Self>,
        viewer: Viewer,
        pair: Arc<Pair>,
        to: Vec<Destination>,
        limits: hub::Limits,
    ) -> Membership {
        let id = viewer.account.session.id;
        let reading = Arc::clone(&viewer.account.reading);
        let player = Player { id, viewer, pair, to, serving: Serving::Paused };
        let mut running = lock(&self.running);
        let mut command = Command::Join(Box::new(player));
        if let Some(inbox) = &*running {
            match inbox.send(command) {
                Ok(()) => return Membership { inbox: inbox.clone(), id },
                Err(mpsc::error::SendError(back)) => command = back,
            }
        }
        let (inbox, commands) = mpsc::unbounded_channel();
        // Its receiver is here.
        let _ = inbox.send(command);
        let task = Task { players: Vec::new(), log: Log::new(limits), chunks: Vec::new() };
        tokio::spawn(task.run(Arc::clone(self), commands, reading));
        *running = Some(inbox.clone());
        Membership { inbox, id }
    }
}

struct Player {
    id: u64,
    viewer: Viewer,
    pair: Arc<Pair>,
    to: Vec<Destination>,
    serving: Serving,
}

/// Where a player stands.
enum Serving {
    Paused,
    /// It waits for something to begin with.
    Joining(Place, oneshot::Sender<Vec<RtpInfo>>),
    /// It begins there at that moment.
    Begun(Place, Instant),
    /// So many packets of the next item have left.
    Playing(Place, usize),
}

struct Task {
    players: Vec<Player>,
    log: Log<Chunk>,
    chunks: Vec<Chunk>,
}

/// What happened first.
enum Step {
    Command(Option<Command>),
    Read(Read),
    Group,
    Idle,
}

impl Task {
    async fn run(
        mut self,
        sender: Arc<Sender>,
        mut commands: mpsc::UnboundedReceiver<Command>,
        reading: Arc<Reading<Chunk>>,
    ) {
        let Some(mut cursor) = reading.ring().subscribe() else { return self.end_all(commands).await };
        loop {
            match self.step(&mut commands, &mut cursor).await {
                Step::Command(Some(command)) => self.obey(command).await,
                Step::Command(None) | Step::Read(Read::Closed) => return self.end_all(commands).await,
                Step::Read(read) => {
                    if read == Read::Skipped {
                        self.log.break_off();
                    }
                    self.chunks.drain(..).for_each(|chunk| self.log.push(chunk));
                }
                Step::Group => {}
                Step::Idle => {
                    let mut running = lock(&sender.running);
                    if commands.is_empty() {
                        *running = None;
                        return;
                    }
                }
            }
            self.serve().await;
        }
    }

    async fn step(
        &mut self,
        commands: &mut mpsc::UnboundedReceiver<Command>,
        cursor: &mut Cursor<Chunk>,
    ) -> Step {
        let (is_behind, is_idle) = (self.is_behind(), self.players.is_empty());
        let chunks = &mut self.chunks;
        tokio::select! {
            biased;
            command = commands.recv() => Step::Command(command),
            () = tokio::time::sleep(STEP), if is_behind => Step::Group,
            read = cursor.read(chunks, READ_BYTES) => Step::Read(read),
            () = tokio::time::sleep(LINGER), if is_idle => Step::Idle,
        }
    }

    /// Whether there is something that has not left.
    fn is_behind(&self) -> bool {
        self.players.iter().any(|player| match &player.serving {
            Serving::Paused | Serving::Joining(..) => false,
            Serving::Begun(..) => true,
            Serving::Playing(place, _) => !place.is_at_end(&self.log),
        })
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Join(player) => self.players.push(*player),
            Command::Pause(id) => self.set(id, Serving::Paused),
            Command::Resume(id, begins) => self.set(id, Serving::Joining(self.log.join(), begins)),
            Command::Leave(id) => {
                if let Some(place) = self.players.iter().position(|player| player.id == id) {
                    self.players.swap_remove(place).end(End::Left).await;
                }
            }
        }
    }

    fn set(&mut self, id: u64, serving: Serving) {
        if let Some(player) = self.players.iter_mut().find(|player| player.id == id) {
            player.serving = serving;
        }
    }

    /// The ring has ended: for those too who are just about to join.
    async fn end_all(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        commands.close();
        while let Some(command) = commands.recv().await {
            self.obey(command).await;
        }
        for player in self.players {
            player.end(End::Closed).await;
        }
    }

    /// Sends the next group to everybody.
    async fn serve(&mut self) {
        let now = Instant::now();
        for player in &mut self.players {
            player.begin(&self.log, now);
        }
        // Those who get the same from the same sockets.
        let key = |player: &Player| match &player.serving {
            Serving::Playing(place, sent) if !place.is_at_end(&self.log) => {
                Some((place.next(), *sent, Arc::as_ptr(&player.pair).addr()))
            }
            _ => None,
        };
        self.players.sort_unstable_by_key(key);
        let first = self.players.partition_point(|player| key(player).is_none());
        for players in self.players[first..].chunk_by_mut(|one, other| key(one) == key(other)) {
            send_group(players, &self.log).await;
        }
    }
}

impl Player {
    /// Moves on from the wait for a beginning.
    fn begin(&mut self, log: &Log<Chunk>, now: Instant) {
        self.serving = match std::mem::replace(&mut self.serving, Serving::Paused) {
            Serving::Joining(mut place, begins) => match place.peek(log).next() {
                None => Serving::Joining(place, begins),
                // Who asked may be gone.
                Some(first) => {
                    let _ = begins.send(self.viewer.begins(first));
                    Serving::Begun(place, now + HEAD_START)
                }
            },
            Serving::Begun(place, at) if at <= now => Serving::Playing(place, 0),
            other => other,
        };
    }

    /// It hears of the end by a BYE (RFC 3550 6.6), for packets that do not come say nothing.
    async fn end(self, why: End) {
        for to in &self.to {
            send_to_all(&self.pair.rtcp, &[&rtcp::encode_bye(to.ssrc, CNAME)], &[to.rtcp]).await;
        }
        self.viewer.account.end(why);
    }

    fn destination(&self, chunk: &Chunk) -> Option<SocketAddr> {
        self.viewer.form.takes(chunk.lane, chunk.form)?;
        Some(self.to.iter().find(|to| to.lane == chunk.lane)?.rtp)
    }
}

/// Sends the next group of one item to players that are all at the same place.
async fn send_group(players: &mut [Player], log: &Log<Chunk>) {
    let Some(Player { serving: Serving::Playing(place, sent), pair, .. }) = players.first_mut() else {
        return;
    };
    let (sent, pair) = (*sent, Arc::clone(pair));
    let Some(chunk) = place.peek(log).next() else { return };
    if sent == 0 {
        send_reports(players, &pair, chunk).await;
    }
    let packets: Vec<&[u8]> =
        chunk.packets().skip(sent).take(GROUP).filter_map(|packet| packet.get(FRAMING_BYTES..)).collect();
    let takers = players.iter().filter_map(|player| player.destination(chunk)).collect::<Vec<_>>();
    send_to_all(&pair.rtp, &packets, &takers).await;
    let bytes: usize = packets.iter().map(|packet| packet.len()).sum();
    let is_whole = packets.len() < GROUP || chunk.packets().nth(sent + GROUP).is_none();
    for player in players {
        let takes = player.destination(chunk).is_some();
        if let Serving::Playing(place, sent) = &mut player.serving {
            let _ = place.peek(log).next();
            *sent = if is_whole { 0 } else { *sent + GROUP };
            if is_whole && place.advance(1) {
                player.viewer.account.skipped();
            }
        }
        if takes {
            player.viewer.account.sent(bytes);
        }
    }
}

/// Sends the reports that are due with an item, and those of a start to all: they are few.
async fn send_reports(players: &[Player], pair: &Pair, chunk: &Chunk) {
    for (lane, report) in chunk.reports(chunk.is_start()) {
        let of_lane = |player: &Player| player.to.iter().find(|to| to.lane == lane).map(|to| to.rtcp);
        let takers: Vec<_> = players.iter().filter_map(of_lane).collect();
        send_to_all(&pair.rtcp, &[report.get(FRAMING_BYTES..).unwrap_or_default()], &takers).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

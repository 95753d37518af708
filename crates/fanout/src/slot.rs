//! One viewer in a lane: its place in the log, what is still to leave, and the write.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes};
use hub::{Log, Place};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

use crate::batch::Batches;
use crate::inbox::Selection;
use crate::lateness::Lateness;
use crate::pieces::Pieces;
use crate::viewer::{End, How, Viewer};

/// What is said to a viewer between items and has not left may have so many bytes.
pub const SAID_BYTES: usize = 64 << 10;
/// Bytes at most in one write: enough for a large key frame, little enough that others get their turn.
const WRITE_BYTES: usize = 256 << 10;
/// A socket that is full, or gone, is told by an error and by nothing else.
const FLAGS: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);
/// Parts of one system call; the system takes 1024.
const MAX_SLICES: usize = 160;

/// A viewer and the state of its wire.
pub(crate) struct Slot<V: Viewer> {
    pub(crate) viewer: V,
    pub(crate) socket: Arc<dyn AsFd + Send + Sync>,
    place: Place,
    /// Sent before all else that is not begun.
    head: Bytes,
    /// Sent between two items, after `head`.
    said: VecDeque<Bytes>,
    /// It has been told where it begins: [`Viewer::opening`].
    opened: bool,
    /// It gets no items.
    paused: bool,
    /// It goes on after a pause: the next item does not follow the one before.
    resumed: bool,
    /// What it is to be told before the next item.
    selected: Option<Selection>,
    /// The item that left in part, how the viewer came to it, and the bytes of its wire form that are gone.
    partial: Option<Box<(V::Item, How, usize)>>,
    started: bool,
    /// The socket has no room; the system tells when that changes.
    pub(crate) blocked: bool,
    /// The socket was told to the system before.
    pub(crate) watched: bool,
    lateness: Lateness,
}

/// How a write ended.
pub(crate) enum Wrote {
    /// Everything that was there is gone.
    All,
    /// The socket has no more room.
    Blocked,
    /// The connection failed.
    Failed(Errno),
}

impl<V: Viewer> Slot<V> {
    pub(crate) fn new(
        viewer: V,
        socket: Arc<dyn AsFd + Send + Sync>,
        head: Bytes,
        log: &Log<V::Item>,
    ) -> Self {
        Self {
            viewer,
            socket,
            place: log.join(),
            head,
            said: VecDeque::new(),
            opened: false,
            paused: false,
            resumed: false,
            selected: None,
            partial: None,
            started: false,
            blocked: false,
            watched: false,
            lateness: Lateness::default(),
        }
    }

    /// Has bytes sent between two items. False: what was said before has not left.
    pub(crate) fn say(&mut self, bytes: Bytes) -> bool {
        let waiting: usize = self.said.iter().map(Bytes::len).sum();
        self.said.push_back(bytes);
        waiting <= SAID_BYTES
    }

    /// Sends no items from now on, or goes on with the newest start.
    pub(crate) fn pause(&mut self, paused: bool, log: &Log<V::Item>) {
        if std::mem::replace(&mut self.paused, paused) && !paused {
            self.opened = false;
            self.restart(log);
        }
    }

    /// Tells the viewer before its next item which of what it could get it is to get: one that left in part is whole first,
    /// for its wire form may be another one then.
    pub(crate) fn select(&mut self, selection: Selection) {
        let restart = selection.restart || self.selected.is_some_and(|waiting| waiting.restart);
        self.selected = Some(Selection { restart, ..selection });
    }

    fn apply_selection(&mut self, log: &Log<V::Item>) {
        let Some(selection) = self.selected.take() else { return };
        self.viewer.select(selection.word);
        if selection.restart {
            self.restart(log);
        }
    }

    /// Goes on with the newest start.
    fn restart(&mut self, log: &Log<V::Item>) {
        self.place = log.join();
        self.resumed = self.started;
        self.lateness = Lateness::default();
    }

    /// Writes what the log has for the viewer, as far as the socket takes it.
    pub(crate) fn write<'l>(
        &mut self,
        now: Instant,
        log: &'l Log<V::Item>,
        batches: &mut Batches<'l>,
    ) -> Wrote {
        loop {
            if self.place.is_lost(log) && !self.paused {
                self.lateness.lost(now);
            }
            let wrote = match self.write_rest(log) {
                Wrote::All if self.paused => return Wrote::All,
                Wrote::All => {
                    self.apply_selection(log);
                    self.write_items(log, batches)
                }
                stopped => stopped,
            };
            match wrote {
                Wrote::All if self.partial.is_some() || !self.place.is_at_end(log) => {}
                Wrote::All => {
                    self.lateness.level(now);
                    return Wrote::All;
                }
                stopped => return stopped,
            }
        }
    }

    /// The head, the rest of an item that left in part, for the log may not have it any more, the opening, and what was
    /// said.
    fn write_rest(&mut self, log: &Log<V::Item>) -> Wrote {
        loop {
            while !self.head.is_empty() {
                match send(&self.socket, &self.head) {
                    Ok(sent) => self.head.advance(sent),
                    Err(stopped) => return stopped,
                }
            }
            // What is sent is not held.
            self.head = Bytes::new();
            match self.write_partial() {
                Wrote::All => {}
                stopped => return stopped,
            }
            let next = match self.is_opening() {
                true => self.opening(log),
                false => self.said.pop_front(),
            };
            match next {
                Some(next) => self.head = next,
                None => return Wrote::All,
            }
        }
    }

    /// Whether the viewer is still to be told where it begins.
    fn is_opening(&self) -> bool {
        !self.opened && !self.paused && self.viewer.opens()
    }

    /// That, once it is known where it begins.
    fn opening(&mut self, log: &Log<V::Item>) -> Option<Bytes> {
        let opening = self.viewer.opening(self.place.peek(log).next()?);
        self.opened = true;
        Some(opening)
    }

    fn write_partial(&mut self) -> Wrote {
        while let Some((item, how, gone)) = self.partial.as_deref_mut() {
            let mut pieces = Pieces::new();
            self.viewer.frame(item, *how, &mut pieces);
            let sent = match send_pieces(&self.socket, &pieces, *gone) {
                Ok((sent, _)) => sent,
                Err(stopped) => return stopped,
            };
            *gone += sent;
            let whole = *gone >= pieces.bytes();
            drop(pieces);
            self.viewer.sent(sent);
            if whole {
                self.partial = None;
            }
        }
        Wrote::All
    }

    /// One write of the items that come next, if there are any.
    fn write_items<'l>(&mut self, log: &'l Log<V::Item>, batches: &mut Batches<'l>) -> Wrote {
        let items = self.place.peek(log);
        let first = match (self.started, self.place.has_skipped()) {
            (false, _) => How::First,
            (true, true) => How::Skipped,
            (true, false) if self.resumed => How::Skipped,
            (true, false) => How::Follows,
        };
        let shape = self.viewer.shape().filter(|_| first == How::Follows && batches.are_shared());
        let viewer = &self.viewer;
        let batch = shape.and_then(|shape| {
            batches.of(self.place.next(), shape, |pieces| frame(viewer, self.place.peek(log), first, pieces))
        });
        if let Some(batch) = batch {
            let sent = match batch.bytes() {
                0 => Ok((0, 0)),
                bytes => send(&self.socket, batch.run()).map(|sent| (sent, bytes)),
            };
            return self.took(log, first, sent, batch.items(), |sent| batch.split(sent));
        }
        let pieces = &mut batches.pieces;
        pieces.clear();
        frame(&self.viewer, items, first, pieces);
        let sent = if pieces.bytes() == 0 { Ok((0, 0)) } else { send_pieces(&self.socket, pieces, 0) };
        self.took(log, first, sent, pieces.items(), |sent| pieces.split(sent))
    }

    /// The socket took so much of what was offered: the place moves over the items that are gone, and what left in part
    /// is kept. Where nothing was offered the `items` are none, or such that have no wire form.
    fn took(
        &mut self,
        log: &Log<V::Item>,
        first: How,
        sent: Result<(usize, usize), Wrote>,
        items: usize,
        split: impl FnOnce(usize) -> (usize, usize),
    ) -> Wrote {
        let (sent, offered) = match sent {
            Ok((_, 0)) => {
                self.place.advance(items);
                return Wrote::All;
            }
            Ok(sent) => sent,
            Err(stopped) => return stopped,
        };
        let (mut taken, begun) = split(sent);
        if begun > 0 {
            let how = if taken == 0 { first } else { How::Follows };
            let item = self.place.peek(log).nth(taken);
            self.partial = item.map(|item| Box::new((item.clone(), how, begun)));
            taken += 1;
        }
        self.started = true;
        self.resumed = false;
        if self.place.advance(taken) {
            self.viewer.skipped();
        }
        self.viewer.sent(sent);
        if sent < offered { Wrote::Blocked } else { Wrote::All }
    }

    /// Looks after a viewer that may not read at all. True: it has been behind for too long.
    pub(crate) fn is_too_slow(&mut self, now: Instant, log: &Log<V::Item>, timeout: Duration) -> bool {
        if self.blocked && self.place.is_lost(log) && !self.paused {
            self.lateness.lost(now);
        }
        self.lateness.is_over(now, timeout)
    }

    /// Ends the viewer, with the end of its stream on the wire where that is possible.
    pub(crate) fn end(self, why: End) {
        let whole = self.started && self.head.is_empty() && self.partial.is_none() && !self.blocked;
        if whole && matches!(why, End::Left | End::Closed | End::Stopped) && !self.viewer.tail().is_empty() {
            // Whoever does not get it sees the connection end, which says the same.
            let _ = send(&self.socket, self.viewer.tail());
        }
        self.viewer.ended(why);
    }
}

/// Gathers what one write takes of the items, of which the viewer comes to the first as `how` says.
fn frame<'l, V: Viewer>(
    viewer: &V,
    items: impl Iterator<Item = &'l V::Item>,
    mut how: How,
    pieces: &mut Pieces<'l>,
) {
    for item in items {
        viewer.frame(item, how, pieces);
        pieces.end_item();
        how = How::Follows;
        if pieces.bytes() >= WRITE_BYTES || pieces.is_full() {
            return;
        }
    }
}

/// Sends what is behind the first `passed` bytes: how much of it left, and how much of it was offered.
fn send_pieces(
    socket: &Arc<dyn AsFd + Send + Sync>,
    pieces: &Pieces<'_>,
    passed: usize,
) -> Result<(usize, usize), Wrote> {
    let mut slices: [IoSlice<'_>; MAX_SLICES] = std::array::from_fn(|_| IoSlice::new(&[]));
    let (mut count, mut asked) = (0, 0);
    for (place, slice) in slices.iter_mut().zip(pieces.slices(passed)) {
        asked += slice.len();
        *place = slice;
        count += 1;
    }
    let sent = persist(|| sendmsg(socket, &slices[..count], &mut SendAncillaryBuffer::default(), FLAGS));
    Ok((sent?, asked))
}

/// Sends what is in one piece.
fn send(socket: &Arc<dyn AsFd + Send + Sync>, bytes: &[u8]) -> Result<usize, Wrote> {
    persist(|| rustix::net::send(socket, bytes, FLAGS))
}

/// Calls until no signal came between.
fn persist(mut call: impl FnMut() -> Result<usize, Errno>) -> Result<usize, Wrote> {
    loop {
        match call() {
            Ok(sent) => return Ok(sent),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Err(Wrote::Blocked),
            Err(error) => return Err(Wrote::Failed(error)),
        }
    }
}

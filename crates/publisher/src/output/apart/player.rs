//! A player that the task of its connection serves, for what is between us and its socket has a state of its own: TLS.
//!
//! It is served as the fan-out would: from the newest key frame on, in writes that are merged, skipping whole GOPs where it
//! is too slow, and sent away when that lasts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use fanout::{End, Lateness, SAID_BYTES, Viewer};
use hub::Read;

use super::{Outbox, Reader};
use crate::config::FanOut;
use crate::output::carrier::Reading;
use crate::wire::{Turn, Wire, unless_cut_off};

/// Bytes read at a time: a player has little to say.
const READ_BYTES: usize = 512;
/// How often it is looked whether it keeps up.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// One player and what is to be sent to it.
pub(crate) struct Player<V: Viewer> {
    /// None: it is served no longer, and its session was told why.
    viewer: Option<V>,
    reading: Arc<Reading<V::Item>>,
    /// None only without a viewer.
    reader: Option<Reader<V::Item>>,
    outbox: Outbox<V::Item>,
    /// It has been told where it begins: [`Viewer::opening`].
    opened: bool,
    paused: bool,
    /// What it wants from the next frame on, and whether that begins at a key frame.
    selected: Option<(u8, bool)>,
    lateness: Lateness,
    slow_viewer_timeout: Duration,
    look: Instant,
}

/// What happened first.
enum Step {
    Media(Read),
    /// How it was; whether there were frames to write.
    Turn(Turn, bool),
    Look,
}

impl<V: Viewer> Player<V> {
    /// `head` is sent before all else.
    pub(crate) fn new(viewer: V, reading: Arc<Reading<V::Item>>, head: Bytes, settings: &FanOut) -> Self {
        let reader = Reader::new(reading.ring(), settings.merge_window);
        let has_ended = reader.is_none();
        let mut outbox = Outbox::default();
        outbox.say(head);
        let mut player = Self {
            viewer: Some(viewer),
            reading,
            reader,
            outbox,
            opened: false,
            paused: false,
            selected: None,
            lateness: Lateness::default(),
            slow_viewer_timeout: settings.slow_viewer_timeout,
            look: Instant::now(),
        };
        if has_ended {
            player.end(End::Closed);
        }
        player
    }

    /// Has bytes sent between two frames. A player that has not taken [`SAID_BYTES`] of such is sent away as too slow.
    pub(crate) fn say(&mut self, bytes: Bytes) {
        if self.outbox.said() > SAID_BYTES {
            return self.end(End::TooSlow(Duration::ZERO));
        }
        self.outbox.say(bytes);
    }

    /// Sends no frames from now on, but for the rest of one that has left in part; or goes on with the newest key frame.
    pub(crate) fn pause(&mut self, paused: bool) {
        if std::mem::replace(&mut self.paused, paused) == paused {
            return;
        }
        if paused {
            self.outbox.drop_frames();
            return;
        }
        (self.lateness, self.opened) = (Lateness::default(), false);
        let Some(reader) = &mut self.reader else { return };
        if reader.rejoin(self.reading.ring()).is_none() {
            self.end(End::Closed);
        }
    }

    /// What it wants from now on, for its form, or from the newest key frame on; the rest of a frame that has left in part
    /// leaves as it was.
    pub(crate) fn select(&mut self, word: u8, anew: bool) {
        let anew = anew || self.selected.is_some_and(|(_, anew)| anew);
        self.selected = Some((word, anew));
        self.apply();
    }

    /// Applies what was selected, between two frames.
    fn apply(&mut self) {
        let Some((word, anew)) = self.selected.take_if(|_| !self.outbox.has_begun()) else { return };
        let (Some(viewer), Some(reader)) = (&mut self.viewer, &mut self.reader) else { return };
        viewer.select(word);
        if anew && !self.paused {
            self.outbox.drop_frames();
            if reader.rejoin(self.reading.ring()).is_none() {
                self.end(End::Closed);
            }
        }
    }

    /// Serves it until it says something: so many bytes of `input`, none at its end. Never ready once it is served no
    /// longer: its session was cancelled then. Nothing is lost when it is dropped before.
    ///
    /// # Errors
    /// It cannot be read from any more.
    pub(crate) async fn turn(&mut self, wire: &mut Wire, input: &mut BytesMut) -> std::io::Result<usize> {
        let mut buffer = [0; READ_BYTES];
        loop {
            match self.step(wire, &mut buffer).await {
                Step::Turn(Turn::Read(read), _) => {
                    let bytes = unless_cut_off(read)?;
                    input.extend_from_slice(&buffer[..bytes]);
                    return Ok(bytes);
                }
                Step::Turn(Turn::Wrote(Ok(bytes)), is_media) => self.wrote(bytes, is_media),
                Step::Turn(Turn::Wrote(Err(error)), _) => self.end(End::Failed(error)),
                Step::Media(Read::Closed) => self.end(End::Closed),
                Step::Media(read) => self.take(read),
                Step::Look => self.look(),
            }
        }
    }

    async fn step(&mut self, wire: &mut Wire, buffer: &mut [u8]) -> Step {
        let Some(viewer) = &self.viewer else { return std::future::pending().await };
        let is_media = !self.outbox.has_no_frames();
        let is_watched = is_media || self.lateness.is_late();
        let hungry = self.reader.as_mut().filter(|_| !is_media && !self.paused);
        let look = self.look;
        let media = async {
            match hungry {
                Some(reader) => reader.read().await,
                None => std::future::pending().await,
            }
        };
        let look = async {
            match is_watched {
                true => tokio::time::sleep_until(look.into()).await,
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = look => Step::Look,
            read = media => Step::Media(read),
            turn = self.outbox.turn(Some(viewer), wire, buffer) => Step::Turn(turn, is_media),
        }
    }

    fn take(&mut self, read: Read) {
        let (Some(viewer), Some(reader)) = (&mut self.viewer, &mut self.reader) else { return };
        if read == Read::Skipped {
            self.lateness.lost(Instant::now());
            viewer.skipped();
        }
        for (item, how) in reader.take(read) {
            if viewer.opens() && !std::mem::replace(&mut self.opened, true) {
                self.outbox.say(viewer.opening(&item));
            }
            self.outbox.send(item, how);
        }
    }

    fn wrote(&mut self, bytes: usize, is_media: bool) {
        let (Some(viewer), Some(reader)) = (&mut self.viewer, &self.reader) else { return };
        if is_media {
            viewer.sent(bytes);
        }
        if self.lateness.is_late() && self.outbox.has_no_frames() && reader.is_at_end() {
            self.lateness.level(Instant::now());
        }
        self.apply();
    }

    /// Looks after a player that may not read at all.
    fn look(&mut self) {
        let now = Instant::now();
        self.look = now + LOOK_EVERY;
        let is_lost = self.reader.as_ref().is_some_and(|reader| reader.is_lost());
        if is_lost && !self.paused && !self.outbox.has_no_frames() {
            self.lateness.lost(now);
        }
        if self.lateness.is_over(now, self.slow_viewer_timeout) {
            self.end(End::TooSlow(self.slow_viewer_timeout));
        }
    }

    /// What is still to leave before the connection ends: the rest of a frame that has left in part, and what was said.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        match &self.viewer {
            Some(viewer) => {
                self.outbox.drop_frames();
                self.outbox.rest(Some(viewer))
            }
            None if self.outbox.has_no_frames() => self.outbox.rest(None::<&V>),
            // Its wire form went with the viewer, and the player did not read.
            None => Vec::new(),
        }
    }

    fn end(&mut self, why: End) {
        if let Some(viewer) = self.viewer.take() {
            viewer.ended(why);
        }
    }
}

impl<V: Viewer> Drop for Player<V> {
    fn drop(&mut self) {
        self.end(if std::thread::panicking() { End::Panicked } else { End::Left });
    }
}

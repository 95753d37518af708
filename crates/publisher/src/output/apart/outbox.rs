//! What is to be sent next to a peer that has a task of its own, and how much of it has left.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use fanout::{How, Pieces};

use super::Form;
use crate::wire::{Turn, Wire};

/// Bytes of one write.
const WRITE_BYTES: usize = 256 << 10;

/// Whole messages in the order in which they leave.
pub(crate) struct Outbox<T> {
    units: VecDeque<Unit<T>>,
    /// Bytes of the first that have left.
    gone: usize,
    /// Frames among them.
    frames: usize,
    /// Bytes of the session among them.
    said: usize,
}

enum Unit<T> {
    /// Of the session.
    Said(Bytes),
    /// A frame, and how the peer comes to it.
    Frame(Box<(T, How)>),
}

impl<T> Default for Outbox<T> {
    fn default() -> Self {
        Self { units: VecDeque::new(), gone: 0, frames: 0, said: 0 }
    }
}

impl<T: hub::Item> Outbox<T> {
    /// Adds what the session says.
    pub(crate) fn say(&mut self, bytes: Bytes) {
        self.said += bytes.len();
        self.units.push_back(Unit::Said(bytes));
    }

    /// Adds a frame.
    pub(crate) fn send(&mut self, item: T, how: How) {
        self.frames += 1;
        self.units.push_back(Unit::Frame(Box::new((item, how))));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// Whether there is no frame in it.
    pub(crate) fn has_no_frames(&self) -> bool {
        self.frames == 0
    }

    /// Bytes of the session in it.
    pub(crate) fn said(&self) -> usize {
        self.said
    }

    /// Whether one of it has left in part.
    pub(crate) fn has_begun(&self) -> bool {
        self.gone > 0
    }

    /// When the oldest frame in it came in.
    pub(crate) fn arrival(&self) -> Option<Duration> {
        self.units.iter().find_map(|unit| match unit {
            Unit::Frame(frame) => Some(frame.0.arrival()),
            Unit::Said(_) => None,
        })
    }

    /// Gathers what one write takes. `form` is how the peer gets frames; there are none without.
    fn gather<'o>(&'o self, form: Option<&impl Form<T>>, out: &mut Pieces<'o>) {
        for unit in &self.units {
            match unit {
                Unit::Said(bytes) => out.shared(bytes),
                Unit::Frame(frame) => {
                    let (item, how) = &**frame;
                    if let Some(form) = form {
                        form.frame(item, *how, out);
                    }
                }
            }
            out.end_item();
            if out.bytes() >= WRITE_BYTES || out.is_full() {
                return;
            }
        }
    }

    /// Writes what is in it, if anything, and reads into `buffer`; the first of both that happens. Nothing is lost when it is
    /// dropped before. Frames of which the peer gets nothing have left with none written.
    pub(crate) async fn turn(
        &mut self,
        form: Option<&impl Form<T>>,
        wire: &mut Wire,
        buffer: &mut [u8],
    ) -> Turn {
        let mut pieces = Pieces::new();
        self.gather(form, &mut pieces);
        let turn = match pieces.items() {
            1.. if pieces.bytes() == self.gone => Turn::Wrote(Ok(0)),
            _ => {
                let slices: Vec<_> = pieces.slices(self.gone).collect();
                wire.turn(buffer, &slices).await
            }
        };
        if let Turn::Wrote(Ok(bytes)) = turn {
            let (whole, begun) = pieces.split(self.gone + bytes);
            drop(pieces);
            self.took(whole, begun);
        }
        turn
    }

    /// So many units have left whole, and so many bytes of the next.
    fn took(&mut self, whole: usize, begun: usize) {
        for unit in self.units.drain(..whole.min(self.units.len())) {
            match unit {
                Unit::Said(bytes) => self.said -= bytes.len(),
                Unit::Frame(_) => self.frames -= 1,
            }
        }
        self.gone = begun;
    }

    /// Leaves out all frames, but for the rest of one that has left in part.
    pub(crate) fn drop_frames(&mut self) {
        let mut first = self.gone > 0;
        self.units.retain(|unit| std::mem::take(&mut first) || matches!(unit, Unit::Said(_)));
        self.frames = self.units.iter().filter(|unit| matches!(unit, Unit::Frame(_))).count();
    }

    /// All that is left, in one run.
    pub(crate) fn rest(&self, form: Option<&impl Form<T>>) -> Vec<u8> {
        let mut pieces = Pieces::new();
        self.gather(form, &mut pieces);
        pieces.slices(self.gone).flat_map(|slice| slice.to_vec()).collect()
    }
}

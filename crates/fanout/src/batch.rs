//! What viewers at one place get next, put together once for all of them.

use crate::pieces::{Pieces, split};

/// From so many viewers in a lane on it is worth while to put bytes together before they are sent.
const WORTH: usize = 8;

/// Batches of one flush: where viewers have more shapes than this, few have the same.
const MOST: usize = 32;

/// The batches of one flush, and room to make them.
#[derive(Default)]
pub(crate) struct Batches<'l> {
    /// What one viewer alone gets next.
    pub(crate) pieces: Pieces<'l>,
    made: Vec<Batch>,
    shared: bool,
}

/// The wire form of items, in one run of bytes: the system takes one long piece for less than many short ones.
pub(crate) struct Batch {
    /// Sequence number of the first item.
    first: u64,
    /// Of the viewers that it is for.
    shape: u64,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl<'l> Batches<'l> {
    /// For a lane with so many viewers.
    pub(crate) fn new(viewers: usize) -> Self {
        Self { shared: viewers >= WORTH, ..Self::default() }
    }

    /// Whether viewers share what is made.
    pub(crate) fn are_shared(&self) -> bool {
        self.shared
    }

    /// The items from sequence number `first` on for viewers of this shape; `frame` is asked once for each. None: there are
    /// so many already that those of one more are of use to few.
    pub(crate) fn of(
        &mut self,
        first: u64,
        shape: u64,
        frame: impl FnOnce(&mut Pieces<'l>),
    ) -> Option<&Batch> {
        let known = self.made.iter().position(|batch| batch.first == first && batch.shape == shape);
        let index = match known {
            Some(index) => index,
            None if self.made.len() >= MOST => return None,
            None => {
                self.pieces.clear();
                frame(&mut self.pieces);
                let (bytes, ends) = self.pieces.to_run();
                self.made.push(Batch { first, shape, bytes, ends });
                self.made.len() - 1
            }
        };
        self.made.get(index)
    }
}

impl Batch {
    /// All of it.
    pub(crate) fn run(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Items in it.
    pub(crate) fn items(&self) -> usize {
        self.ends.len()
    }

    /// How many items the first `sent` bytes hold whole, and how many bytes of the next one.
    pub(crate) fn split(&self, sent: usize) -> (usize, usize) {
        split(&self.ends, sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viewers_of_one_place_and_shape_share_a_batch() {
        let mut batches = Batches::new(WORTH);
        assert!(batches.are_shared() && !Batches::new(WORTH - 1).are_shared());
        let mut asked = 0;
        for (first, shape) in [(3, 0), (3, 1), (4, 0), (3, 0), (3, 1)] {
            let batch = batches.of(first, shape, |pieces| {
                asked += 1;
                pieces.shared(b"ab");
                pieces.end_item();
                pieces.small(b"c");
                pieces.end_item();
            });
            let batch = batch.expect("there is room");
            assert_eq!((batch.run(), batch.items(), batch.split(2)), (&b"abc"[..], 2, (1, 0)));
        }
        assert_eq!(asked, 3);
        let made = (10..100).filter(|&shape| batches.of(3, shape, |pieces| pieces.shared(b"a")).is_some());
        assert_eq!(made.count(), MOST - 3);
    }
}

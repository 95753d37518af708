//! Bytes for one write, gathered from where they are.

use std::io::IoSlice;

/// Bytes at most that a small piece has.
pub const SMALL: usize = 24;
/// After so many pieces no further item is added to a write.
const MAX_PIECES: usize = 128;

/// Runs of bytes, in the order in which they are to leave: shared ones by reference, and small ones of one viewer alone
/// (lengths, channel numbers) by value. Who writes to a peer without a fan-out gathers them here as well.
#[derive(Debug, Default)]
pub struct Pieces<'b> {
    pieces: Vec<Piece<'b>>,
    bytes: usize,
    /// Where each item ends, in bytes.
    ends: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
enum Piece<'b> {
    Shared(&'b [u8]),
    Small([u8; SMALL], u8),
}

impl Piece<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Shared(bytes) => bytes,
            Self::Small(bytes, len) => &bytes[..usize::from(*len)],
        }
    }
}

impl<'b> Pieces<'b> {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends bytes that others send too.
    pub fn shared(&mut self, bytes: &'b [u8]) {
        if !bytes.is_empty() {
            self.bytes += bytes.len();
            self.pieces.push(Piece::Shared(bytes));
        }
    }

    /// Appends a copy of bytes that are for this viewer alone.
    ///
    /// # Panics
    /// With more than [`SMALL`] bytes.
    pub fn small(&mut self, bytes: &[u8]) {
        let mut copy = [0; SMALL];
        copy[..bytes.len()].copy_from_slice(bytes);
        self.bytes += bytes.len();
        self.pieces.push(Piece::Small(copy, bytes.len() as u8));
    }

    /// An item ends here.
    pub fn end_item(&mut self) {
        self.ends.push(self.bytes);
    }

    /// Items so far.
    pub fn items(&self) -> usize {
        self.ends.len()
    }

    /// How many items the first `sent` bytes hold whole, and how many bytes of the next one.
    pub fn split(&self, sent: usize) -> (usize, usize) {
        split(&self.ends, sent)
    }

    /// All bytes in one run, and where each item ends in it.
    pub(crate) fn to_run(&self) -> (Vec<u8>, Vec<usize>) {
        let mut run = Vec::with_capacity(self.bytes);
        self.pieces.iter().for_each(|piece| run.extend_from_slice(piece.bytes()));
        (run, self.ends.clone())
    }

    /// All bytes so far.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether one write takes no more of them.
    pub fn is_full(&self) -> bool {
        self.pieces.len() >= MAX_PIECES
    }

    pub(crate) fn clear(&mut self) {
        self.pieces.clear();
        self.ends.clear();
        self.bytes = 0;
    }

    /// What there is behind the first `passed` bytes, for one system call.
    pub fn slices(&self, mut passed: usize) -> impl Iterator<Item = IoSlice<'_>> {
        self.pieces.iter().filter_map(move |piece| {
            let bytes = piece.bytes();
            let skip = passed.min(bytes.len());
            passed -= skip;
            (skip < bytes.len()).then(|| IoSlice::new(&bytes[skip..]))
        })
    }
}

/// How many items that end at these places the first `sent` bytes hold whole, and how many bytes of the next one.
pub(crate) fn split(ends: &[usize], sent: usize) -> (usize, usize) {
    let whole = ends.partition_point(|&end| end <= sent);
    (whole, sent - whole.checked_sub(1).map_or(0, |last| ends[last]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(pieces: &Pieces<'_>, passed: usize) -> String {
        pieces.slices(passed).map(|slice| String::from_utf8_lossy(&slice).into_owned()).collect()
    }

    #[test]
    fn pieces_keep_their_order_and_can_be_taken_up_anywhere() {
        let mut pieces = Pieces::new();
        pieces.small(b"3\r\n");
        pieces.shared(b"abc");
        pieces.shared(b"");
        pieces.shared(b"\r\n");
        assert_eq!((pieces.bytes(), text(&pieces, 0).as_str()), (8, "3\r\nabc\r\n"));
        for passed in 0..=8 {
            assert_eq!(text(&pieces, passed), "3\r\nabc\r\n"[passed..]);
        }
    }

    #[test]
    fn what_left_is_told_in_items() {
        let mut pieces = Pieces::new();
        for item in [&b"abc"[..], b"", b"de"] {
            pieces.shared(item);
            pieces.end_item();
        }
        let expected = [(0, 0), (0, 1), (0, 2), (2, 0), (2, 1), (3, 0)];
        assert_eq!(
            std::array::from_fn(|sent| pieces.split(sent)),
            expected,
            "an empty item goes with the one before"
        );
        pieces.clear();
        assert_eq!((pieces.items(), pieces.bytes()), (0, 0));
    }
}

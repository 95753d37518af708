//! Lists of lost packets (draft-sharabayko-srt 3.2.5 and appendix A): a number alone, or the first with its highest bit set
//! and the last behind it.

use std::fmt;

use crate::{Error, Sequence};

/// Bytes of a list in one packet, for the MTU that everyone has.
pub const MAX_LOSS_BYTES: usize = 1456;
const RANGE: u32 = 1 << 31;

/// A list as it came, whose form was checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LossList<'a>(&'a [u8]);

impl<'a> LossList<'a> {
    /// Checks the form: whole words, a last number behind each first one and not before it.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Error> {
        let error = |why| Error::malformed("NAK", 0, why);
        let (words, []) = bytes.as_chunks::<4>() else {
            return Err(error("a number is cut short"));
        };
        let mut words = words.iter().map(|word| u32::from_be_bytes(*word));
        while let Some(word) = words.next() {
            if word & RANGE == 0 {
                continue;
            }
            let last = words.next().ok_or_else(|| error("a range without an end"))?;
            if last & RANGE != 0 || Sequence::new(last).since(Sequence::new(word)) < 0 {
                return Err(error("a range whose end is before its start"));
            }
        }
        Ok(Self(bytes))
    }

    /// First and last of each range, in the order in which they came. They may overlap and have any length.
    pub fn ranges(&self) -> impl Iterator<Item = (Sequence, Sequence)> + use<'a> {
        let mut words = self.0.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word));
        std::iter::from_fn(move || {
            let word = words.next()?;
            let first = Sequence::new(word);
            let last = if word & RANGE == 0 { first } else { Sequence::new(words.next()?) };
            Some((first, last))
        })
    }

    pub(super) fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

impl fmt::Debug for LossList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ranges()).finish()
    }
}

/// The ranges (first and last) as the content of one packet: as many of them as there is room for.
pub fn encode_loss(ranges: impl IntoIterator<Item = (Sequence, Sequence)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (first, last) in ranges {
        let alone = first == last;
        if bytes.len() + if alone { 4 } else { 8 } > MAX_LOSS_BYTES {
            break;
        }
        if alone {
            bytes.extend(first.get().to_be_bytes());
        } else {
            bytes.extend((first.get() | RANGE).to_be_bytes());
            bytes.extend(last.get().to_be_bytes());
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: u32, last: u32) -> (Sequence, Sequence) {
        (Sequence::new(first), Sequence::new(last))
    }

    #[test]
    fn numbers_and_ranges() {
        let ranges = [range(3, 3), range(5, 9), range(u32::MAX, 1)];
        let bytes = encode_loss(ranges);
        assert_eq!(bytes.len(), 4 + 8 + 8);
        let list = LossList::decode(&bytes).expect("a list");
        assert_eq!(list.ranges().collect::<Vec<_>>(), ranges);
    }

    #[test]
    fn broken_lists() {
        for (bytes, why) in [
            (&[0, 0, 0][..], "a number is cut short"),
            (&[0x80, 0, 0, 1], "a range without an end"),
            (&[0x80, 0, 0, 1, 0, 0, 0, 0], "a range whose end is before its start"),
            (&[0x80, 0, 0, 1, 0x80, 0, 0, 2], "a range whose end is before its start"),
        ] {
            assert_eq!(LossList::decode(bytes), Err(Error::malformed("NAK", 0, why)));
        }
    }

    #[test]
    fn a_packet_has_an_end() {
        let many = encode_loss((0..4000).map(|number| range(number * 4, number * 4 + 1)));
        assert_eq!(many.len(), MAX_LOSS_BYTES);
    }
}

//! Structure out of a fuzzer's bytes.

/// Reads fields from the front of some bytes. Beyond the end everything is zero.
#[derive(Clone, Debug)]
pub(crate) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { rest: data }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `len` bytes, or what is left of them.
    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        self.take(usize::MAX)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.number(1) as u8
    }

    /// The next bytes behind a length of 16 bits.
    pub(crate) fn block(&mut self) -> &'a [u8] {
        let len = self.number(2) as usize;
        self.take(len)
    }

    /// The next `len` bytes as a number, the first of them highest; `len` is at most 8.
    pub(crate) fn number(&mut self, len: usize) -> u64 {
        let taken = self.take(len);
        let padded = taken.iter().chain(&[0; 8]).take(len);
        padded.fold(0, |number, &byte| number << 8 | u64::from(byte))
    }

    /// [`Input::number`] with its sign.
    pub(crate) fn signed(&mut self, len: usize) -> i64 {
        let unused = 64 - 8 * len as u32;
        (self.number(len) as i64) << unused >> unused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_zeros_beyond_the_end() {
        let mut input = Input::new(&[1, 0xff, 0xfe, 0, 1, 9, 7]);
        assert_eq!((input.byte(), input.signed(2), input.block()), (1, -2, &[9][..]));
        assert!(!input.is_empty());
        assert_eq!((input.number(2), input.number(8), input.take(3)), (0x0700, 0, &[][..]));
    }
}

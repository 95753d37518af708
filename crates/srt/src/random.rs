//! Unpredictable bytes out of a seed, for we ask no system for them.

use aws_lc_rs::digest::{SHA256, digest};

/// SHA-256 of seed and counter, block after block.
pub(crate) struct Random {
    seed: [u8; 32],
    counter: u64,
}

impl Random {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { seed, counter: 0 }
    }

    pub(crate) fn block(&mut self) -> [u8; 32] {
        self.counter += 1;
        let block = digest(&SHA256, &[&self.seed[..], &self.counter.to_be_bytes()].concat());
        block.as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    pub(crate) fn u32(&mut self) -> u32 {
        let [a, b, c, d, ..] = self.block();
        u32::from_be_bytes([a, b, c, d])
    }

    /// The id of a socket: never 0, which stands for none, and without the bit that libsrt has for groups.
    pub(crate) fn socket(&mut self) -> u32 {
        (self.u32() & 0x3fff_ffff).max(1)
    }

    pub(crate) fn salt(&mut self) -> [u8; 16] {
        *self.block().first_chunk().expect("32 bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_alike() {
        let (mut one, mut other) = (Random::new([1; 32]), Random::new([2; 32]));
        let blocks = [one.block(), one.block(), other.block(), other.block()];
        for (index, block) in blocks.iter().enumerate() {
            assert!(!blocks[..index].contains(block));
        }
        assert!((0..100).all(|_| (1..1 << 30).contains(&one.socket())));
    }
}

//! Where packets begin: bytes of any chunking to packets of 188 bytes (ISO/IEC 13818-1 annex G).
//!
//! Packets may have 4 bytes of arrival time before them, as in M2TS files, or 16 bytes of error correction behind them: what
//! differs is only how far the next one is.

use crate::packet::{BYTES, SYNC};

/// Distances of packets: as they are, with a prefix of 4 bytes, with 16 bytes of Reed-Solomon code.
const STRIDES: [usize; 3] = [BYTES, 192, 204];
/// Sync bytes in a row that are believed.
const PROOF: usize = 5;

/// Finds the packets in a stream of bytes. Holds less than [`PROOF`] packets beyond what was pushed last.
#[derive(Debug, Default)]
pub(super) struct Sync {
    bytes: Vec<u8>,
    /// Where the next packet is looked for; beyond the end where what is between packets has not all come.
    at: usize,
    stride: Option<usize>,
    /// The end has come: fewer sync bytes are believed.
    finished: bool,
    /// Bytes that were passed over to find a packet.
    skipped: u64,
}

impl Sync {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let used = self.at.min(self.bytes.len());
        self.bytes.drain(..used);
        self.at -= used;
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn finish(&mut self) {
        self.finished = true;
    }

    /// Bytes passed over so far that were no packets.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The next packet, none until more bytes come.
    pub(super) fn next_packet(&mut self) -> Option<[u8; BYTES]> {
        loop {
            let Some(stride) = self.stride else {
                self.stride = Some(self.find()?);
                continue;
            };
            let rest = self.bytes.get(self.at..)?;
            if rest.first() == Some(&SYNC) {
                let packet = *rest.first_chunk()?;
                self.at += stride;
                return Some(packet);
            }
            match rest.get(stride) {
                // One that is broken; its continuity counter is missed.
                Some(&SYNC) => {
                    self.at += stride;
                    self.skipped += stride as u64;
                }
                Some(_) => self.stride = None,
                None => return None,
            }
        }
    }

    /// The distance of packets, the first of which is then at `at`.
    fn find(&mut self) -> Option<usize> {
        loop {
            let rest = self.bytes.get(self.at..)?;
            let Some(garbage) = rest.iter().position(|&byte| byte == SYNC) else {
                self.pass(rest.len());
                return None;
            };
            if garbage > 0 {
                self.pass(garbage);
                continue;
            }
            let proof = |stride: &&usize| {
                let syncs = rest.iter().step_by(**stride).take(PROOF);
                let wanted = if self.finished && rest.len() >= BYTES { syncs.len() } else { PROOF };
                syncs.clone().count() == wanted && syncs.into_iter().all(|&byte| byte == SYNC)
            };
            if let Some(&stride) = STRIDES.iter().find(proof) {
                return Some(stride);
            }
            let open = |stride: &usize| rest.iter().step_by(*stride).all(|&byte| byte == SYNC);
            if rest.len() <= (PROOF - 1) * STRIDES[2] && STRIDES.iter().any(open) && !self.finished {
                return None;
            }
            self.pass(1);
        }
    }

    fn pass(&mut self, bytes: usize) {
        self.at += bytes;
        self.skipped += bytes as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(stride: usize, count: u8) -> Vec<u8> {
        let packet = |n| [&[SYNC, n][..], &[n | 0x80; BYTES - 2], &vec![0x11; stride - BYTES]].concat();
        (0..count).flat_map(packet).collect()
    }

    fn packets(bytes: &[u8], chunk: usize) -> (Vec<u8>, u64) {
        let mut sync = Sync::default();
        let mut found = Vec::new();
        for part in bytes.chunks(chunk) {
            sync.push(part);
            found.extend(std::iter::from_fn(|| sync.next_packet()).map(|packet| packet[1]));
            assert!(sync.bytes.len() <= PROOF * 204 + chunk);
        }
        sync.finish();
        found.extend(std::iter::from_fn(|| sync.next_packet()).map(|packet| packet[1]));
        (found, sync.skipped())
    }

    #[test]
    fn all_sizes_in_any_chunking() {
        for stride in STRIDES {
            for chunk in [1, 7, 188, 1316, 100_000] {
                for start in [0, 1, 187] {
                    let bytes = &stream(stride, 20)[start..];
                    let first = u8::from(start > 0);
                    assert_eq!(
                        packets(bytes, chunk).0,
                        (first..20).collect::<Vec<_>>(),
                        "{stride} {chunk} {start}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_short_file_is_read_at_its_end() {
        assert_eq!(packets(&stream(188, 1), 50), (vec![0], 0));
        assert_eq!(packets(&stream(192, 3), 50).0, [0, 1, 2]);
        assert_eq!(packets(&stream(188, 1)[..187], 50), (vec![], 187));
    }

    #[test]
    fn garbage_costs_nothing_but_itself() {
        let good = stream(188, 10);
        let bytes = [&good[..], &[0; 1000], &good[..], &good[..100], &good[..]].concat();
        let (found, skipped) = packets(&bytes, 1316);
        let ten = 0..10;
        // What is cut short is taken with what follows it, until sync is seen to be lost.
        assert_eq!(found.iter().filter(|&&n| n < 10).count(), found.len());
        assert!(
            found.starts_with(&[ten.clone().collect::<Vec<_>>(), ten.clone().collect()].concat()),
            "{found:?}"
        );
        assert!(found.ends_with(&ten.skip(1).collect::<Vec<_>>()), "{found:?}");
        assert!((1000..1300).contains(&skipped), "{skipped}");
    }

    #[test]
    fn one_broken_sync_byte_costs_one_packet() {
        let mut bytes = stream(188, 10);
        bytes[188 * 6] = 0;
        assert_eq!(packets(&bytes, 1000).0, [0, 1, 2, 3, 4, 5, 7, 8, 9]);
    }
}

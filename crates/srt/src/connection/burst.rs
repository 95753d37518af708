//! Datagrams that leave together.

use crate::packet::Datagram;

/// Datagrams in one burst, at most: what fits into the 64 KiB of one call with UDP_SEGMENT.
pub const MAX_BURST_PACKETS: usize = 44;

/// Datagrams to be sent in this order. All of them have the same size but the last one, which may be shorter: the form
/// that UDP_SEGMENT of Linux takes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Burst {
    packets: Vec<Datagram>,
    is_complete: bool,
}

impl Burst {
    pub(super) fn one(datagram: Datagram) -> Self {
        Self { packets: vec![datagram], is_complete: true }
    }

    /// Whether a datagram of so many bytes may be added.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        !self.is_complete
            && self.packets.len() < MAX_BURST_PACKETS
            && self.packets.first().is_none_or(|first| bytes <= first.bytes())
    }

    pub(super) fn push(&mut self, datagram: Datagram) {
        self.is_complete = self.packets.first().is_some_and(|first| datagram.bytes() < first.bytes());
        self.packets.push(datagram);
    }

    /// The datagrams, one at least.
    pub fn packets(&self) -> &[Datagram] {
        &self.packets
    }

    /// Bytes of each but the last.
    pub fn segment_bytes(&self) -> usize {
        self.packets.first().map_or(0, Datagram::bytes)
    }

    /// Bytes of all.
    pub fn bytes(&self) -> usize {
        self.packets.iter().map(Datagram::bytes).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }
}

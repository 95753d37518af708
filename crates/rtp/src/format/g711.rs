//! G.711 (RFC 3551 4.5.14): bytes of sound, which may be divided anywhere.

use bytes::Bytes;
use media::codec::g711::Config;

use super::{Output, Pack, Payload, Sink, Unpack};
use crate::Packet;

#[derive(Debug)]
pub(super) struct Packer {
    config: Config,
    max: usize,
}

impl Packer {
    pub(super) fn new(config: Config, max: usize) -> Self {
        Self { config, max }
    }
}

impl Pack for Packer {
    fn pack(&mut self, data: &[u8], _: bool, out: Sink<'_>) {
        // Samples of all channels stay together; there are at most 8 channels.
        let channels = self.config.audio().channels as usize;
        let size = self.max - self.max % channels;
        for (index, piece) in data.chunks(size).enumerate() {
            let offset = self.config.samples(index * size);
            out(Payload { marker: false, offset, parts: &[piece] });
        }
    }
}

#[derive(Debug)]
pub(super) struct Reader;

impl Unpack for Reader {
    fn push(&mut self, packet: &Packet, _: bool, out: &mut Output) {
        if !packet.payload.is_empty() {
            out.unit(packet.header.timestamp, Bytes::copy_from_slice(&packet.payload));
        }
    }
}

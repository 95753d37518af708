//! Opus (RFC 7587): an Opus packet is a payload, and cannot be divided.

use bytes::Bytes;

use super::{Output, Pack, Payload, Sink, Unpack};
use crate::Packet;

#[derive(Debug)]
pub(super) struct Packer;

impl Pack for Packer {
    fn pack(&mut self, data: &[u8], _: bool, out: Sink<'_>) {
        if !data.is_empty() {
            // The marker would say that silence is over (RFC 7587 4.1).
            out(Payload { marker: false, offset: 0, parts: &[data] });
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

//! AV1 ("RTP Payload Format For AV1", version 1.0): the OBUs of a temporal unit, without size fields and temporal delimiters,
//! in elements of which the first and the last of a packet may be fragments.

use bytes::BytesMut;
use media::Codec;
use media::codec::av1::{self, obu};

use super::assembly::Assembly;
use super::{Output, Pack, Payload, Sink, Unpack};
use crate::{Error, Packet};

/// The aggregation header (4.4): the first element goes on from the last packet; the last goes on in the next.
const Z: u8 = 0x80;
const Y: u8 = 0x40;
/// Where the number of elements is; with it the last has no length.
const W_SHIFT: u8 = 4;
/// Here begins a coded video sequence.
const N: u8 = 0x08;

/// The most that W can count.
const MAX_ELEMENTS: usize = 3;

#[derive(Debug)]
pub(super) struct Packer {
    max: usize,
}

impl Packer {
    pub(super) fn new(max: usize) -> Self {
        Self { max }
    }
}

/// A fragment of an OBU, or all of it.
struct Element<'a> {
    header: Vec<u8>,
    body: &'a [u8],
}

impl Element<'_> {
    fn len(&self) -> usize {
        self.header.len() + self.body.len()
    }

    /// Cuts off the first `len` bytes, which are at least the header.
    fn split(&mut self, len: usize) -> Self {
        let (body, rest) = self.body.split_at(len.saturating_sub(self.header.len()).min(self.body.len()));
        self.body = rest;
        Self { header: std::mem::take(&mut self.header), body }
    }
}

impl Pack for Packer {
    fn pack(&mut self, data: &[u8], key: bool, out: Sink<'_>) {
        let is_sent = |unit: &obu::Obu<'_>| !matches!(unit.kind, obu::TEMPORAL_DELIMITER | obu::TILE_LIST);
        let mut units = obu::units(data).filter(is_sent).peekable();
        let mut group =
            Group { max: self.max, flags: if key { N } else { 0 }, elements: Vec::new(), bytes: 1 };
        while let Some(unit) = units.next() {
            let last = units.peek().is_none();
            let mut header = unit.header.to_vec();
            if let Some(first) = header.first_mut() {
                *first &= !obu::HAS_SIZE;
            }
            group.add(Element { header, body: unit.payload }, out);
            if last {
                group.send(false, true, out);
            }
        }
    }
}

/// Elements that go into one packet.
struct Group<'a> {
    max: usize,
    flags: u8,
    elements: Vec<Element<'a>>,
    /// With the aggregation header, and with a length before each.
    bytes: usize,
}

impl<'a> Group<'a> {
    fn add(&mut self, mut element: Element<'a>, out: Sink<'_>) {
        loop {
            let free = self.max.saturating_sub(self.bytes);
            // A fragment holds a header and a byte at least, so that headers are never divided.
            let worth = element.len().min(4);
            if self.elements.len() == MAX_ELEMENTS || free < worth {
                self.send(false, false, out);
                continue;
            }
            if element.len() <= free {
                self.bytes += element.len() + leb128_bytes(element.len());
                return self.elements.push(element);
            }
            let piece = element.split(free);
            self.elements.push(piece);
            self.send(true, false, out);
        }
    }

    /// Sends what there is, of which the last element goes on or not.
    fn send(&mut self, goes_on: bool, marker: bool, out: Sink<'_>) {
        let Some((last, others)) = self.elements.split_last() else { return };
        let header = self.flags | if goes_on { Y } else { 0 } | (self.elements.len() as u8) << W_SHIFT;
        let lengths: Vec<_> = others
            .iter()
            .map(|element| {
                let mut length = BytesMut::new();
                obu::put_leb128(&mut length, element.len());
                length
            })
            .collect();
        let head = [header];
        let mut parts: Vec<&[u8]> = vec![&head];
        for (length, element) in lengths.iter().zip(others) {
            parts.extend([&length[..], &element.header, element.body]);
        }
        parts.extend([&last.header[..], last.body]);
        out(Payload { marker, offset: 0, parts: &parts });
        self.elements.clear();
        self.bytes = 1;
        self.flags = if goes_on { Z } else { 0 };
    }
}

fn leb128_bytes(value: usize) -> usize {
    let bits = usize::BITS - value.leading_zeros();
    bits.div_ceil(7).max(1) as usize
}

#[derive(Debug, Default)]
pub(super) struct Reader {
    unit: Assembly,
    /// The OBU of which there is no end yet.
    partial: Option<Vec<u8>>,
    lost: bool,
}

const LOST: Error = Error::Lost { what: "AV1 temporal unit" };

impl Unpack for Reader {
    fn push(&mut self, packet: &Packet, lost: bool, out: &mut Output) {
        self.lost |= lost;
        if packet.payload.is_empty() {
            return;
        }
        if std::mem::take(&mut self.lost) && self.unit.timestamp().is_some() {
            self.unit.damage(LOST);
        }
        if self.unit.timestamp() != Some(packet.header.timestamp) {
            self.end(out);
            self.unit.begin(packet.header.timestamp);
        }
        if let Err(error) = self.payload(&packet.payload, out.unit_bytes) {
            self.unit.damage(error);
        }
        if packet.header.marker {
            self.end(out);
        }
    }
}

impl Reader {
    fn end(&mut self, out: &mut Output) {
        let Some(timestamp) = self.unit.timestamp() else { return };
        if self.partial.take().is_some() {
            self.unit.damage(LOST);
        }
        match self.unit.end() {
            Ok(data) if data.is_empty() => {}
            Ok(data) => {
                if out.codec.is_none()
                    && let Some(config) = in_band(&data)
                {
                    out.configure(Codec::Av1(config));
                }
                out.unit(timestamp, data);
            }
            Err(error) => out.damaged(error),
        }
    }

    fn payload(&mut self, payload: &[u8], limit: usize) -> Result<(), Error> {
        let truncated = Error::Truncated { what: "AV1 payload", len: payload.len() };
        let Some((&header, mut rest)) = payload.split_first() else { return Err(truncated) };
        let count = usize::from(header >> W_SHIFT & 0b11);
        let mut index = 0;
        if header & Z == 0 && self.partial.take().is_some() {
            return Err(LOST);
        }
        while !rest.is_empty() {
            index += 1;
            let is_last = count != 0 && index >= count;
            let len =
                if is_last { rest.len() } else { obu::leb128(&mut rest).ok_or_else(|| truncated.clone())? };
            let (element, after) = rest.split_at_checked(len).ok_or_else(|| truncated.clone())?;
            rest = after;
            let first = index == 1 && header & Z != 0;
            let goes_on = rest.is_empty() && header & Y != 0;
            self.element(element, first, goes_on, limit)?;
        }
        Ok(())
    }

    /// A piece of an OBU, or a whole one, which the piece before it and the piece behind it belong to or not.
    fn element(&mut self, element: &[u8], first: bool, goes_on: bool, limit: usize) -> Result<(), Error> {
        if !first && !goes_on {
            return self.put(element, limit);
        }
        let mut partial = match (first, self.partial.take()) {
            (true, None) if !self.unit.is_damaged() => return Err(LOST),
            (true, Some(partial)) => partial,
            _ => Vec::new(),
        };
        let len = partial.len() + element.len() + self.unit.data().len();
        if len > limit {
            let (value, limit) = (len as u64, limit as u64);
            return Err(Error::Limit { what: "access unit", value, limit });
        }
        partial.extend_from_slice(element);
        if goes_on {
            self.partial = Some(partial);
            return Ok(());
        }
        self.put(&partial, limit)
    }

    /// A whole OBU, with a size or without.
    fn put(&mut self, bytes: &[u8], limit: usize) -> Result<(), Error> {
        if bytes.is_empty() || self.unit.is_damaged() {
            return Ok(());
        }
        let Some((unit, _)) = obu::split(bytes) else {
            return Err(Error::Truncated { what: "OBU", len: bytes.len() });
        };
        if matches!(unit.kind, obu::TEMPORAL_DELIMITER | obu::TILE_LIST) {
            return Ok(());
        }
        let mut header = BytesMut::from(unit.header);
        if let Some(first) = header.first_mut() {
            *first |= obu::HAS_SIZE;
        }
        obu::put_leb128(&mut header, unit.payload.len());
        self.unit.put(&header, limit);
        self.unit.put(unit.payload, limit);
        Ok(())
    }
}

/// The configuration of a temporal unit that has its sequence header.
fn in_band(data: &[u8]) -> Option<av1::Config> {
    /// A record without one (binding 2.3.3).
    const BARE: &[u8] = &[0x81, 0, 0, 0];
    av1::update(&av1::Config::decode(BARE).ok()?, data)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use bytes::Bytes;

    use super::*;
    use crate::{Header, Media};

    const KEY: &[u8] = include_bytes!("../../../media/testdata/aom-10bit-key.tu");

    struct Test {
        reader: Reader,
        out: Output,
    }

    impl Test {
        /// With the configuration known.
        fn new() -> Self {
            let codec = in_band(KEY).map(Codec::Av1);
            let out = Output { queue: VecDeque::new(), codec, unit_bytes: 100 };
            Self { reader: Reader::default(), out }
        }

        fn push(&mut self, timestamp: u32, marker: bool, lost: bool, payload: &[u8]) -> Vec<Vec<u8>> {
            let header = Header { marker, timestamp, ..Header::default() };
            let packet = Packet { header, payload: Bytes::copy_from_slice(payload) };
            self.reader.push(&packet, lost, &mut self.out);
            let bytes = |media| match media {
                Media::Unit { data, .. } => data.to_vec(),
                Media::Damaged { what } => what.to_string().into_bytes(),
                Media::Codec(_) => Vec::new(),
            };
            self.out.queue.drain(..).map(bytes).collect()
        }
    }

    const LOST: &[u8] = b"AV1 temporal unit: packets are missing";
    const NONE: [Vec<u8>; 0] = [];

    #[test]
    fn elements_with_and_without_lengths_and_sizes() {
        let mut test = Test::new();
        // W 0: each has its length. The second has a size of its own; the first is a temporal delimiter.
        let payload = b"\x00\x01\x10\x04\x32\x02ab\x03\x30cd";
        assert_eq!(test.push(1, true, false, payload), [b"\x32\x02ab\x32\x02cd"]);
        // W 2, with an extension.
        assert_eq!(test.push(2, true, false, b"\x20\x02\x30a\x34\x08bc"), [&b"\x32\x01a\x36\x08\x02bc"[..]]);
        // A temporal unit with a delimiter alone is none.
        assert_eq!(test.push(3, true, false, b"\x10\x10"), NONE);
    }

    #[test]
    fn fragments_are_put_together() {
        let mut test = Test::new();
        assert_eq!(test.push(1, false, false, b"\x60\x02\x30a\x30bc"), NONE);
        assert_eq!(test.push(1, false, false, b"\xd0de"), NONE);
        assert_eq!(test.push(1, true, false, b"\xa0\x01f\x30g"), [b"\x32\x01a\x32\x05bcdef\x32\x01g"]);
        // Without a marker the timestamp ends it.
        assert_eq!(test.push(2, false, false, b"\x10\x30a"), NONE);
        assert_eq!(test.push(3, true, false, b"\x10\x30b"), [b"\x32\x01a", b"\x32\x01b"]);
    }

    #[test]
    fn a_loss_costs_the_unit_that_it_was_in() {
        let mut test = Test::new();
        test.push(1, false, false, b"\x50\x30a");
        assert_eq!(test.push(1, true, true, b"\x90b"), [LOST], "in the middle");
        test.push(2, false, false, b"\x10\x30a");
        assert_eq!(test.push(3, true, true, b"\x10\x30b"), [LOST, b"\x32\x01b"], "at the end");
        assert_eq!(test.push(4, true, true, b"\x90b"), [LOST], "at the beginning");
        assert_eq!(test.push(6, true, true, b"\x10\x30b"), [b"\x32\x01b"], "all of the fifth");
        // A fragment whose end never comes.
        test.push(7, true, false, b"\x50\x30a");
        assert_eq!(test.push(8, true, false, b"\x10\x30b"), [b"\x32\x01b"]);
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let mut test = Test::new();
        assert_eq!(test.push(1, true, false, b"\x20\x05\x30a"), [b"AV1 payload: data ends at byte 4"]);
        assert_eq!(test.push(2, true, false, b"\x10\x80"), [b"OBU: data ends at byte 1"]);
        let long = [b"\x50\x30", &[1; 99][..]].concat();
        test.push(3, false, false, &long);
        assert_eq!(test.push(3, true, false, b"\x90b"), [b"access unit: 101 exceeds the limit of 100"]);
        assert_eq!(test.push(4, true, false, b"\x10\x30b"), [b"\x32\x01b"]);
    }

    #[test]
    fn the_sequence_header_is_the_configuration() {
        let mut test = Test::new();
        test.out.codec = None;
        assert_eq!(test.push(1, true, false, b"\x10\x30a"), [b"an access unit before its parameter sets"]);
        let payload = [&[0x00, 0x01, 0x10], &[KEY[1] + 2][..], &KEY[..2 + usize::from(KEY[1])]].concat();
        let found = test.push(2, true, false, &payload);
        assert_eq!(found, [&b""[..], &KEY[..2 + usize::from(KEY[1])]]);
    }

    #[test]
    fn a_coded_video_sequence_begins_with_its_mark() {
        let mut heads = Vec::new();
        let mut packer = Packer::new(32);
        packer.pack(&[&[0x12, 0], KEY].concat(), true, &mut |payload| heads.push(payload.parts[0][0]));
        assert_eq!((heads[0], heads[1] & (Z | N)), (N | Y | 2 << W_SHIFT, Z));
        assert_eq!(heads.last().unwrap() & (Y | N), 0);
        heads.clear();
        packer.pack(b"\x32\x01a", false, &mut |payload| heads.push(payload.parts[0][0]));
        assert_eq!(heads, [1 << W_SHIFT]);
    }
}

//! AC-3 (RFC 4184) and E-AC-3 (RFC 4598): whole frames, several if they fit, or a frame in fragments.

use bytes::Bytes;
use media::Codec;
use media::codec::ac3::{self, Config};

use super::assembly::Assembly;
use super::{Output, Pack, Payload, Sink, Unpack};
use crate::{Error, Packet};

/// Bytes of the header: what the payload is, and the number of frames or of fragments.
const HEADER: usize = 2;
/// FT (RFC 4184 4.1.1): whole frames; the first fragment with 5/8 of its frame at least, or with less; another fragment.
const WHOLE: u8 = 0;
const FIRST_MOST: u8 = 1;
const FIRST: u8 = 2;
const OTHER: u8 = 3;
/// F (RFC 4598 4.1): a fragment.
const FRAGMENT: u8 = 1;

#[derive(Debug)]
pub(super) struct Packer {
    enhanced: bool,
    max: usize,
}

impl Packer {
    pub(super) fn new(config: &Config, max: usize) -> Self {
        Self { enhanced: config.is_enhanced(), max }
    }

    /// The first byte of the header of the fragment with that number.
    fn kind(&self, index: usize, piece: usize, whole: usize) -> u8 {
        match index {
            _ if self.enhanced => FRAGMENT,
            0 if piece * 8 >= whole * 5 => FIRST_MOST,
            0 => FIRST,
            _ => OTHER,
        }
    }
}

impl Pack for Packer {
    fn pack(&mut self, data: &[u8], _: bool, out: Sink<'_>) {
        let room = self.max - HEADER;
        if data.len() <= room {
            if !data.is_empty() {
                out(Payload { marker: true, offset: 0, parts: &[&[WHOLE, 1], data] });
            }
            return;
        }
        let pieces = data.chunks(room);
        // Frames have 4096 bytes at most; what is longer cannot be told.
        let Ok(count) = u8::try_from(pieces.len()) else { return };
        for (index, piece) in pieces.enumerate() {
            let kind = self.kind(index, piece.len(), data.len());
            let marker = index + 1 == usize::from(count);
            out(Payload { marker, offset: 0, parts: &[&[kind, count], piece] });
        }
    }
}

#[derive(Debug)]
pub(super) struct Reader {
    enhanced: bool,
    clock_rate: u64,
    unit: Assembly,
    /// Fragments of the frame that have not come yet.
    missing: u8,
    lost: bool,
}

const WHAT: &str = "AC-3 payload";
const LOST: Error = Error::Lost { what: "AC-3 frame" };

impl Reader {
    pub(super) fn new(clock_rate: u32, enhanced: bool) -> Self {
        Self { enhanced, clock_rate: clock_rate.into(), unit: Assembly::default(), missing: 0, lost: false }
    }

    fn payload(&mut self, packet: &Packet, lost: bool, out: &mut Output) -> Result<(), Error> {
        let timestamp = packet.header.timestamp;
        let Some((&[kind, count], data)) = packet.payload.split_first_chunk() else {
            return Err(Error::Truncated { what: WHAT, len: packet.payload.len() });
        };
        let kind = kind & if self.enhanced { FRAGMENT } else { OTHER };
        if kind == WHOLE {
            self.end(out);
            return self.frames(timestamp, count, data, out);
        }
        let is_open = self.unit.timestamp() == Some(timestamp);
        let is_first = if self.enhanced { !is_open } else { kind != OTHER };
        if is_first || !is_open {
            self.end(out);
            self.unit.begin(timestamp);
            self.missing = count;
            // E-AC-3 does not tell the first from others.
            if !is_first || lost && !data.starts_with(&[0x0b, 0x77]) {
                self.unit.damage(LOST);
            }
        }
        self.unit.put(data, out.unit_bytes);
        self.missing = self.missing.saturating_sub(1);
        if packet.header.marker || self.missing == 0 {
            self.end(out);
        }
        Ok(())
    }

    fn frames(&self, timestamp: u32, count: u8, mut data: &[u8], out: &mut Output) -> Result<(), Error> {
        if count <= 1 && !data.is_empty() {
            return frame(timestamp, Bytes::copy_from_slice(data), out);
        }
        let mut ticks = 0;
        while !data.is_empty() {
            let truncated = Error::Truncated { what: WHAT, len: data.len() };
            let (bytes, samples) = ac3::frame(data).ok_or(truncated.clone())?;
            let (unit, rest) = data.split_at_checked(bytes).ok_or(truncated)?;
            frame(timestamp.wrapping_add(ticks), Bytes::copy_from_slice(unit), out)?;
            let rate = out.codec.as_ref().and_then(Codec::audio).map_or(1, |audio| audio.sample_rate.max(1));
            ticks = ticks.wrapping_add((u64::from(samples) * self.clock_rate / u64::from(rate)) as u32);
            data = rest;
        }
        Ok(())
    }

    /// The fragmented frame has ended, if there is one.
    fn end(&mut self, out: &mut Output) {
        let Some(timestamp) = self.unit.timestamp() else { return };
        let result = match self.unit.end() {
            Ok(_) if self.missing > 0 => Err(LOST),
            Ok(data) => frame(timestamp, data, out),
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            out.damaged(error);
        }
    }
}

fn frame(timestamp: u32, data: Bytes, out: &mut Output) -> Result<(), Error> {
    out.configure(Codec::Ac3(Config::decode(&data)?));
    out.unit(timestamp, data);
    Ok(())
}

impl Unpack for Reader {
    fn push(&mut self, packet: &Packet, lost: bool, out: &mut Output) {
        self.lost |= lost;
        if packet.payload.is_empty() {
            return;
        }
        let lost = std::mem::take(&mut self.lost);
        if lost && self.unit.timestamp().is_some() {
            self.unit.damage(LOST);
        }
        if let Err(error) = self.payload(packet, lost, out) {
            out.damaged(error);
        }
    }
}

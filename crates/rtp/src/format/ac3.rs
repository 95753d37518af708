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
            let (bytes, samples) = ac3::frame(data).ok_or_else(|| truncated.clone())?;
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

#[cfg(test)]
mod tests {
    use super::super::{Depacketizer, Format, Media};
    use super::*;
    use crate::Header;

    fn push(test: &mut Depacketizer, at: (u32, bool, bool), head: [u8; 2], data: &[u8]) -> Vec<String> {
        let (timestamp, marker, lost) = at;
        let payload = [&head, data].concat().into();
        test.push(&Packet { header: Header { timestamp, marker, ..Header::default() }, payload }, lost);
        let text = |media| match media {
            Media::Codec(codec) => codec.name().to_owned(),
            Media::Unit { timestamp, data, .. } => format!("{timestamp} {}", data.len()),
            Media::Damaged { what } => what.to_string(),
        };
        std::iter::from_fn(|| test.poll()).map(text).collect()
    }

    const LOST: &str = "AC-3 frame: packets are missing";
    const NONE: [&str; 0] = [];

    fn test(rtpmap: &str) -> Depacketizer {
        Depacketizer::new(&Format::of_rtpmap(96, rtpmap, "").unwrap()).unwrap()
    }

    #[test]
    fn whole_frames_and_fragments() {
        let mut test = test("AC3/48000");
        let frames: Vec<_> = testkit::samples::ac3().frames.into_iter().map(|frame| frame.data).collect();
        let (frame, two) = (&frames[0], frames[..2].concat());
        assert_eq!(push(&mut test, (0, true, false), [0, 2], &two), ["AC-3", "0 192", "1536 192"]);
        assert_eq!(push(&mut test, (3072, true, false), [0, 1], frame), ["3072 192"]);
        assert_eq!(push(&mut test, (4608, false, false), [1, 2], &frame[..150]), NONE);
        assert_eq!(push(&mut test, (4608, true, false), [3, 2], &frame[150..]), ["4608 192"]);
        // Lost: the beginning, the middle, the end.
        assert_eq!(push(&mut test, (6144, true, true), [3, 2], &frame[150..]), [LOST]);
        assert_eq!(push(&mut test, (7680, false, false), [2, 3], &frame[..50]), NONE);
        assert_eq!(push(&mut test, (7680, true, true), [3, 3], &frame[100..]), [LOST]);
        assert_eq!(push(&mut test, (9216, false, false), [1, 2], &frame[..150]), NONE);
        assert_eq!(push(&mut test, (10_752, true, true), [0, 1], frame), [LOST, "10752 192"]);
        assert_eq!(
            push(&mut test, (0, true, false), [0, 2], &two[..300]),
            ["0 192", "AC-3 payload: data ends at byte 108"]
        );
        test.push(&Packet { header: Header::default(), payload: Bytes::from_static(&[0]) }, false);
        assert!(matches!(test.poll(), Some(Media::Damaged { what: Error::Truncated { len: 1, .. } })));
    }

    #[test]
    fn fragments_of_eac3_do_not_tell_the_first() {
        let mut test = test("eac3/48000/1");
        let frame = testkit::samples::eac3().frames.remove(0).data;
        assert_eq!(push(&mut test, (0, false, false), [1, 2], &frame[..100]), NONE);
        assert_eq!(push(&mut test, (0, true, false), [1, 2], &frame[100..]), ["E-AC-3", "0 128"]);
        assert_eq!(push(&mut test, (1536, true, true), [1, 2], &frame[100..]), [LOST]);
        assert_eq!(push(&mut test, (3072, false, false), [1, 2], &frame[..100]), NONE);
        assert_eq!(push(&mut test, (4608, true, true), [0, 1], &frame), [LOST, "4608 128"]);
    }
}

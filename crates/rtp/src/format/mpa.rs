//! MPEG audio (RFC 2250 3.2 and 3.5), layers I to III: whole frames, several if they fit, or a frame in fragments. The clock
//! has 90 kHz whatever the sample rate.

use bytes::Bytes;
use media::Codec;
use media::codec::mpa;

use super::assembly::Assembly;
use super::{Output, Pack, Payload, Sink, Unpack};
use crate::{Error, Packet};

/// Bytes of the header: 16 bits that are zero, and where in its frame the payload begins.
const HEADER: usize = 4;

#[derive(Debug)]
pub(super) struct Packer {
    max: usize,
}

impl Packer {
    pub(super) fn new(max: usize) -> Self {
        Self { max }
    }
}

impl Pack for Packer {
    fn pack(&mut self, data: &[u8], _: bool, out: Sink<'_>) {
        let room = self.max - HEADER;
        for (index, piece) in data.chunks(room).enumerate() {
            // No frame is as long as 16 bits can tell.
            let Ok(offset) = u16::try_from(index * room) else { return };
            let [high, low] = offset.to_be_bytes();
            out(Payload { marker: false, offset: 0, parts: &[&[0, 0, high, low], piece] });
        }
    }
}

#[derive(Debug)]
pub(super) struct Reader {
    clock_rate: u64,
    unit: Assembly,
    /// Bytes that the fragmented frame will have.
    size: usize,
    lost: bool,
}

const LOST: Error = Error::Lost { what: "MPEG audio frame" };

impl Reader {
    pub(super) fn new(clock_rate: u32) -> Self {
        Self { clock_rate: clock_rate.into(), unit: Assembly::default(), size: 0, lost: false }
    }

    fn payload(&mut self, packet: &Packet, out: &mut Output) -> Result<(), Error> {
        let timestamp = packet.header.timestamp;
        let Some((&[_, _, high, low], data)) = packet.payload.split_first_chunk() else {
            return Err(Error::Truncated { what: "MPEG audio payload", len: packet.payload.len() });
        };
        let offset = usize::from(u16::from_be_bytes([high, low]));
        if offset == 0 {
            self.end(out);
            return self.frames(timestamp, data, out);
        }
        if self.unit.timestamp() != Some(timestamp) {
            self.end(out);
            self.unit.begin(timestamp);
        }
        if offset != self.unit.data().len() {
            self.unit.damage(LOST);
        }
        self.unit.put(data, out.unit_bytes);
        if !self.unit.is_damaged() && self.unit.data().len() >= self.size {
            self.end(out);
        }
        Ok(())
    }

    /// Whole frames, of which the last may go on in the next packet.
    fn frames(&mut self, timestamp: u32, mut data: &[u8], out: &mut Output) -> Result<(), Error> {
        let mut ticks = 0;
        while !data.is_empty() {
            let config = mpa::Config::decode(data)?;
            // The free format does not tell, and is alone in its packet.
            let size = mpa::frame_bytes(data).unwrap_or(data.len());
            let at = timestamp.wrapping_add(ticks as u32);
            let Some((frame, rest)) = data.split_at_checked(size) else {
                self.unit.begin(at);
                self.size = size;
                self.unit.put(data, out.unit_bytes);
                return Ok(());
            };
            let audio = config.audio();
            out.configure(Codec::Mpa(config));
            out.unit(at, Bytes::copy_from_slice(frame));
            ticks += u64::from(audio.samples_per_frame.unwrap_or_default()) * self.clock_rate
                / u64::from(audio.sample_rate.max(1));
            data = rest;
        }
        Ok(())
    }

    /// The fragmented frame has ended, if there is one.
    fn end(&mut self, out: &mut Output) {
        let Some(timestamp) = self.unit.timestamp() else { return };
        match self.unit.end() {
            Ok(data) if data.len() == self.size => match mpa::Config::decode(&data) {
                Ok(config) => {
                    out.configure(Codec::Mpa(config));
                    out.unit(timestamp, data);
                }
                Err(error) => out.damaged(error),
            },
            Ok(_) => out.damaged(LOST),
            Err(error) => out.damaged(error),
        }
    }
}

impl Unpack for Reader {
    fn push(&mut self, packet: &Packet, lost: bool, out: &mut Output) {
        self.lost |= lost;
        if packet.payload.is_empty() {
            return;
        }
        if std::mem::take(&mut self.lost) && self.unit.timestamp().is_some() {
            self.unit.damage(LOST);
        }
        if let Err(error) = self.payload(packet, out) {
            out.damaged(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Depacketizer, Format, Media};
    use super::*;
    use crate::Header;

    /// 96 bytes of MP3, 48 kHz.
    const HEAD: [u8; 4] = [0xff, 0xfb, 0x14, 0xc4];

    fn frame() -> Vec<u8> {
        let mut frame = HEAD.to_vec();
        frame.resize(96, 0x55);
        frame
    }

    fn push(test: &mut Depacketizer, timestamp: u32, lost: bool, offset: u8, data: &[u8]) -> Vec<String> {
        let payload = [&[0, 0, 0, offset], data].concat().into();
        test.push(&Packet { header: Header { timestamp, ..Header::default() }, payload }, lost);
        let text = |media| match media {
            Media::Codec(codec) => codec.name().to_owned(),
            Media::Unit { timestamp, data, .. } => format!("{timestamp} {}", data.len()),
            Media::Damaged { what } => what.to_string(),
        };
        std::iter::from_fn(|| test.poll()).map(text).collect()
    }

    const LOST: &str = "MPEG audio frame: packets are missing";

    #[test]
    fn whole_frames_and_fragments() {
        let mut test = Depacketizer::new(&Format::of_payload_type(14).unwrap()).unwrap();
        let frame = frame();
        let three = frame.repeat(3);
        assert_eq!(push(&mut test, 0, false, 0, &three), ["MP3", "0 96", "2160 96", "4320 96"]);
        // The last of a packet goes on in the next.
        assert_eq!(push(&mut test, 6480, false, 0, &three[..150]), ["6480 96"]);
        assert_eq!(push(&mut test, 8640, false, 54, &frame[54..]), ["8640 96"]);
        // Lost: the beginning, the middle, the end.
        assert_eq!(push(&mut test, 10_800, true, 50, &frame[50..]), [""; 0]);
        assert_eq!(push(&mut test, 12_960, false, 0, &frame[..30]), [LOST]);
        assert_eq!(push(&mut test, 12_960, true, 60, &frame[60..]), [""; 0]);
        assert_eq!(push(&mut test, 15_120, false, 0, &frame[..30]), [LOST]);
        assert_eq!(push(&mut test, 17_280, true, 0, &frame), [LOST, "17280 96"]);
        let noise = push(&mut test, 19_440, false, 0, b"noise");
        assert_eq!(noise, ["MPEG audio header: syncword is 883, expected 0x7ff"]);
        test.push(&Packet { header: Header::default(), payload: Bytes::from_static(&[0, 0]) }, false);
        assert!(matches!(test.poll(), Some(Media::Damaged { what: Error::Truncated { len: 2, .. } })));
    }
}

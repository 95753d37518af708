//! AAC (RFC 3640): access units behind a section of headers that tell their sizes. Written as AAC-hbr, one access unit to a
//! packet; read with whatever fields the description says there are, but for interleaving.

use bytes::Bytes;
use media::bits::BitReader;
use media::codec::aac::Config;

use super::assembly::Assembly;
use super::parameters::{get, number};
use super::{Format, Output, Pack, Payload, Sink, Unpack};
use crate::{Error, Packet};

/// Bytes of the section with one header of AAC-hbr: its length in bits, size and index.
const HEADERS: usize = 4;
/// The greatest access unit that 13 bits can tell.
const MAX_UNIT: usize = 0x1fff;

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
        // No access unit of AAC is longer: 6144 bits for each of 8 channels are less.
        if data.len() > MAX_UNIT {
            return;
        }
        // Each fragment tells the size of the whole (3.2.3.1).
        let [high, low] = ((data.len() as u16) << 3).to_be_bytes();
        let headers = [0, 16, high, low];
        let pieces = data.chunks(self.max - HEADERS);
        let count = pieces.len();
        for (index, piece) in pieces.enumerate() {
            out(Payload { marker: index + 1 == count, offset: 0, parts: &[&headers, piece] });
        }
    }
}

/// Bits of the fields of an access unit's header (3.2.1.1, 4.1).
#[derive(Debug, Default, Clone, Copy)]
struct Fields {
    size: u32,
    index: u32,
    index_delta: u32,
    cts_delta: u32,
    dts_delta: u32,
    random_access: bool,
    stream_state: u32,
    auxiliary: u32,
}

impl Fields {
    /// Where the description says nothing, what the mode says (3.3.5, 3.3.6).
    fn of(fmtp: &str) -> Self {
        let mode = get(fmtp, "mode").unwrap_or_default();
        let (size, index) = if mode.eq_ignore_ascii_case("AAC-hbr") {
            (13, 3)
        } else if mode.eq_ignore_ascii_case("AAC-lbr") {
            (6, 2)
        } else {
            (0, 0)
        };
        let bits = |name, else_| number(fmtp, name).unwrap_or(else_).min(32);
        Self {
            size: bits("sizelength", size),
            index: bits("indexlength", index),
            index_delta: bits("indexdeltalength", index),
            cts_delta: bits("ctsdeltalength", 0),
            dts_delta: bits("dtsdeltalength", 0),
            random_access: number(fmtp, "randomaccessindication") == Some(1),
            stream_state: bits("streamstateindication", 0),
            auxiliary: bits("auxiliarydatasizelength", 0),
        }
    }

    /// Without any field there is no section of headers.
    fn has_headers(&self) -> bool {
        let bits =
            [self.size, self.index, self.index_delta, self.cts_delta, self.dts_delta, self.stream_state];
        bits.iter().any(|&bits| bits > 0) || self.random_access
    }
}

#[derive(Debug)]
pub(super) struct Reader {
    fields: Fields,
    /// Bytes of each access unit, where they are all of one size that no header tells.
    constant_size: Option<usize>,
    /// Samples of an access unit, ticks and samples per second.
    samples: u64,
    clock_rate: u64,
    sample_rate: u64,
    unit: Assembly,
    /// Bytes that the fragmented access unit will have.
    size: usize,
    lost: bool,
}

const WHAT: &str = "AAC payload";
const LOST: Error = Error::Lost { what: "AAC access unit" };

impl Reader {
    /// Fails with what is special about the format.
    pub(super) fn new(format: &Format, config: &Config) -> Result<Self, &'static str> {
        if number(&format.fmtp, "maxdisplacement").is_some_and(|ticks| ticks > 0) {
            return Err("interleaving");
        }
        let audio = config.audio();
        Ok(Self {
            fields: Fields::of(&format.fmtp),
            constant_size: number(&format.fmtp, "constantsize")
                .filter(|&size| size > 0)
                .map(|size| size as usize),
            samples: audio.samples_per_frame.unwrap_or_default().into(),
            clock_rate: format.clock_rate.into(),
            sample_rate: audio.sample_rate.max(1).into(),
            unit: Assembly::default(),
            size: 0,
            lost: false,
        })
    }

    /// Ticks from the first access unit of a packet to that one.
    fn ticks(&self, index: usize) -> u32 {
        (index as u64 * self.samples * self.clock_rate / self.sample_rate) as u32
    }

    /// The sizes of the access units, and where their data begins. No sizes: all of it is one.
    fn headers(&self, payload: &[u8]) -> Result<(Vec<usize>, usize), Error> {
        if !self.fields.has_headers() {
            return Ok((Vec::new(), 0));
        }
        let mut reader = BitReader::new(payload, WHAT);
        let bits = reader.bits(16)? as usize;
        let section = reader.bytes(bits.div_ceil(8))?;
        let mut sizes = Vec::new();
        let mut fields = BitReader::new(section, WHAT);
        let padding = section.len() * 8 - bits;
        while fields.remaining() > padding {
            sizes.extend(self.header(&mut fields, sizes.is_empty())?);
        }
        let mut start = 2 + section.len();
        if self.fields.auxiliary > 0 {
            let bits = self.fields.auxiliary as usize + reader.bits(self.fields.auxiliary)? as usize;
            start += bits.div_ceil(8);
        }
        Ok((sizes, start))
    }

    /// The size that an access unit's header tells, none if there is none in it.
    fn header(&self, fields: &mut BitReader<'_>, first: bool) -> Result<Option<usize>, Error> {
        let Fields { size, index, index_delta, cts_delta, dts_delta, random_access, stream_state, .. } =
            self.fields;
        let bytes = if size > 0 { Some(fields.bits(size)? as usize) } else { self.constant_size };
        // The first may have any number; the others follow it without a gap.
        if fields.bits(if first { index } else { index_delta })? != 0 && !first {
            return Err(Error::Unsupported { what: WHAT, feature: "interleaving" });
        }
        for bits in [cts_delta, dts_delta] {
            if bits > 0 && fields.flag()? {
                fields.bits(bits)?;
            }
        }
        fields.skip(if random_access { 1 } else { 0 } + stream_state as usize)?;
        Ok(bytes)
    }

    fn payload(&mut self, packet: &Packet, out: &mut Output) -> Result<(), Error> {
        let payload = &packet.payload;
        let (sizes, start) = self.headers(payload)?;
        let truncated = Error::Truncated { what: WHAT, len: payload.len() };
        let data = payload.get(start..).ok_or_else(|| truncated.clone())?;
        let timestamp = packet.header.timestamp;
        match sizes[..] {
            [size] if size > data.len() => {
                self.fragment(packet, size, data, out);
                return Ok(());
            }
            _ => self.end(out),
        }
        if sizes.is_empty() {
            let size = self.constant_size.unwrap_or(data.len()).max(1);
            for (index, unit) in data.chunks(size).enumerate() {
                out.unit(timestamp.wrapping_add(self.ticks(index)), Bytes::copy_from_slice(unit));
            }
            return Ok(());
        }
        let mut rest = data;
        for (index, &size) in sizes.iter().enumerate() {
            let (unit, after) = rest.split_at_checked(size).ok_or_else(|| truncated.clone())?;
            rest = after;
            if !unit.is_empty() {
                out.unit(timestamp.wrapping_add(self.ticks(index)), Bytes::copy_from_slice(unit));
            }
        }
        Ok(())
    }

    /// A part of an access unit of `size` bytes (3.2.3.1).
    fn fragment(&mut self, packet: &Packet, size: usize, data: &[u8], out: &mut Output) {
        let timestamp = packet.header.timestamp;
        if self.unit.timestamp() != Some(timestamp) || self.size != size {
            self.end(out);
            self.unit.begin(timestamp);
            self.size = size;
        }
        self.unit.put(data, out.unit_bytes);
        if packet.header.marker || self.unit.data().len() >= size {
            self.end(out);
        }
    }

    /// The fragmented access unit has ended, if there is one.
    fn end(&mut self, out: &mut Output) {
        let Some(timestamp) = self.unit.timestamp() else { return };
        match self.unit.end() {
            Ok(data) if data.len() == self.size => out.unit(timestamp, data),
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
    use super::super::{Depacketizer, Media};
    use super::*;
    use crate::Header;

    struct Test(Depacketizer);

    impl Test {
        fn new(rate: u32, fmtp: &str) -> Self {
            let format = Format::of_rtpmap(96, &format!("mpeg4-generic/{rate}/2"), fmtp).unwrap();
            let mut depacketizer = Depacketizer::new(&format).unwrap();
            assert!(matches!(depacketizer.poll(), Some(Media::Codec(_))));
            Self(depacketizer)
        }

        fn push(&mut self, timestamp: u32, marker: bool, lost: bool, payload: &[u8]) -> Vec<String> {
            let header = Header { marker, timestamp, ..Header::default() };
            self.0.push(&Packet { header, payload: Bytes::copy_from_slice(payload) }, lost);
            let text = |media| match media {
                Media::Unit { timestamp, data, key: true } => format!("{timestamp} {}", data.escape_ascii()),
                Media::Damaged { what } => what.to_string(),
                other => panic!("{other:?}"),
            };
            std::iter::from_fn(|| self.0.poll()).map(text).collect()
        }
    }

    const HBR: &str = "mode=AAC-hbr;config=1190";
    const LOST: &str = "AAC access unit: packets are missing";

    #[test]
    fn several_access_units_of_a_packet_follow_each_other() {
        let mut test = Test::new(48_000, HBR);
        let payload = b"\0\x30\0\x10\0\x18\0\x08ABCDEF";
        assert_eq!(test.push(5, true, false, payload), ["5 AB", "1029 CDE", "2053 F"]);
        // HE-AAC has the clock of what is heard: twice that of the core, of which the configuration tells.
        let mut test = Test::new(48_000, "mode=AAC-hbr;config=2b118800");
        assert_eq!(test.push(0, true, false, b"\0\x20\0\x10\0\x10ABCD"), ["0 AB", "2048 CD"]);
    }

    #[test]
    fn fields_as_the_description_has_them() {
        let mut test = Test::new(22_050, "mode=AAC-lbr;config=1388");
        assert_eq!(test.push(0, true, false, b"\0\x10\x0c\x08ABCDE"), ["0 ABC", "1024 DE"]);
        // 13 bits of size, index, two flags without a time, random access, 4 bits of state; then 7 bits of size of 7 bits.
        let all = "config=1190;sizeLength=13;indexLength=3;indexDeltaLength=3;CTSDeltaLength=22;DTSDeltaLength=22;\
                   randomAccessIndication=1;streamStateIndication=4;auxiliaryDataSizeLength=7";
        let mut test = Test::new(48_000, all);
        assert_eq!(test.push(0, true, false, b"\0\x17\0\x10\x20\x0e\x00AB"), ["0 AB"]);
        let mut test = Test::new(48_000, "config=1190;constantSize=2");
        assert_eq!(test.push(0, true, false, b"ABCD"), ["0 AB", "1024 CD"]);
        let mut test = Test::new(48_000, "config=1190");
        assert_eq!(test.push(0, true, false, b"ABCD"), ["0 ABCD"]);
    }

    #[test]
    fn fragments_are_put_together_and_a_lost_one_is_missed() {
        let mut test = Test::new(48_000, HBR);
        let piece = |data: &[u8]| [b"\0\x10\0\x30", data].concat();
        assert_eq!(test.push(0, false, false, &piece(b"ABC")), Vec::<String>::new());
        assert_eq!(test.push(0, true, false, &piece(b"DEF")), ["0 ABCDEF"]);
        // The first.
        assert_eq!(test.push(1024, true, true, &piece(b"DEF")), [LOST]);
        // The last.
        test.push(2048, false, false, &piece(b"ABC"));
        assert_eq!(test.push(3072, true, true, b"\0\x10\0\x08X"), [LOST, "3072 X"]);
        // One in the middle.
        test.push(4096, false, false, &piece(b"AB"));
        assert_eq!(test.push(4096, true, true, &piece(b"EF")), [LOST]);
        assert_eq!(test.push(5120, true, false, b"\0\x10\0\x08X"), ["5120 X"]);
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let mut test = Test::new(48_000, HBR);
        let interleaved = b"\0\x20\0\x10\0\x11ABCD";
        assert_eq!(test.push(0, true, false, interleaved), ["AAC payload: interleaving is not supported"]);
        assert_eq!(
            test.push(0, true, false, b"\0\x20\0\x10\0\x18ABCD"),
            ["0 AB", "AAC payload: data ends at byte 10"]
        );
        assert_eq!(test.push(0, true, false, b"\0\x20\0"), ["AAC payload: data ends at byte 3"]);
        assert_eq!(test.push(0, true, false, b""), Vec::<String>::new());
    }
}

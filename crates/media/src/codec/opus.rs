//! Opus: the identification header of RFC 7845 5.1, and the duration of a packet (RFC 6716 3).

use bytes::Bytes;

use crate::bits::BitReader;
use crate::{AudioInfo, Error};

/// Opus decodes at this rate, and counts in it, whatever the rate of the input was.
pub const SAMPLE_RATE: u32 = 48_000;

/// The longest that a packet may last: 120 ms.
const MAX_PACKET: u32 = 5760;

/// A stream's identification header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    head: Bytes,
    channels: u8,
    pre_skip: u16,
    family: u8,
    streams: u8,
    coupled: u8,
    mapping: Vec<u8>,
}

impl Config {
    /// From an identification header, `OpusHead`.
    pub fn decode(head: &[u8]) -> Result<Self, Error> {
        const WHAT: &str = "OpusHead";
        let Some(body) = head.strip_prefix(b"OpusHead") else {
            return Err(Error::Invalid {
                what: WHAT,
                field: "magic signature",
                value: head.first().copied().unwrap_or_default().into(),
                expected: "OpusHead",
            });
        };
        let mut reader = BitReader::new(body, WHAT);
        let version = reader.byte()?;
        // The minor version does not matter (5.1, item 2).
        if version > 15 {
            return Err(reader.invalid("version", version.into(), "at most 15"));
        }
        let channels = reader.byte()?;
        let pre_skip = u16::from_le_bytes([reader.byte()?, reader.byte()?]);
        reader.skip(32 + 16)?; // input sample rate, output gain
        let family = reader.byte()?;
        let most = match family {
            0 => 2,
            1 => 8,
            _ => 255,
        };
        if channels == 0 || channels > most {
            return Err(reader.invalid("channel count", channels.into(), "1, 2, or more with a mapping"));
        }
        let (streams, coupled, mapping) = channel_mapping(&mut reader, family, channels)?;
        Ok(Self { head: Bytes::copy_from_slice(head), channels, pre_skip, family, streams, coupled, mapping })
    }

    /// The identification header as it came.
    pub fn head(&self) -> &Bytes {
        &self.head
    }

    /// Output channels.
    pub fn channels(&self) -> u8 {
        self.channels
    }

    /// Samples at 48 kHz to be thrown away at the start.
    pub fn pre_skip(&self) -> u16 {
        self.pre_skip
    }

    /// Channel mapping family: 0 mono or stereo, 1 surround in Vorbis order, others by RFC 8486.
    pub fn mapping_family(&self) -> u8 {
        self.family
    }

    /// Opus streams in each packet; at least 1.
    pub fn streams(&self) -> u8 {
        self.streams
    }

    /// How many of the streams are stereo; they come first.
    pub fn coupled_streams(&self) -> u8 {
        self.coupled
    }

    /// The decoded channel that each output channel takes; 255 is silence.
    pub fn mapping(&self) -> &[u8] {
        &self.mapping
    }

    /// A packet of 20 ms in which nothing is heard (RFC 6716 3.1: one CELT frame of full bandwidth). None where several
    /// streams make up a packet.
    pub fn silence(&self) -> Option<Bytes> {
        match (self.streams, self.coupled) {
            (1, 0) => Some(Bytes::from_static(&[31 << 3, 0xff, 0xfe])),
            (1, 1) => Some(Bytes::from_static(&[31 << 3 | 1 << 2, 0xff, 0xfe])),
            _ => None,
        }
    }

    /// 48 kHz and the channels; each packet has its own length, see [`samples`].
    pub fn audio(&self) -> AudioInfo {
        AudioInfo { sample_rate: SAMPLE_RATE, channels: self.channels.into(), samples_per_frame: None }
    }
}

/// `Stream Count`, `Coupled Count` and `Channel Mapping` (5.1.1), which family 0 does not state.
fn channel_mapping(reader: &mut BitReader<'_>, family: u8, channels: u8) -> Result<(u8, u8, Vec<u8>), Error> {
    if family == 0 {
        return Ok((1, channels - 1, (0..channels).collect()));
    }
    let (streams, coupled) = (reader.byte()?, reader.byte()?);
    let mapping = reader.bytes(channels.into())?;
    let Some(decoded) = streams.checked_add(coupled).filter(|_| streams > 0 && coupled <= streams) else {
        let expected = "at least 1 and the coupled count, 255 with it";
        return Err(reader.invalid("stream count", streams.into(), expected));
    };
    // 255 is silence.
    if let Some(&source) = mapping.iter().find(|&&source| source >= decoded && source != 255) {
        let expected = "a channel of a stream, or 255";
        return Err(reader.invalid("channel mapping", source.into(), expected));
    }
    Ok((streams, coupled, mapping.to_vec()))
}

/// Samples at 48 kHz that a packet holds, by its first bytes (RFC 6716 3.1, 3.2); none for a malformed packet.
pub fn samples(packet: &[u8]) -> Option<u32> {
    let toc = *packet.first()?;
    let config = usize::from(toc >> 3);
    let frame = match config {
        0..=11 => [480, 960, 1920, 2880][config % 4],
        12..=15 => [480, 960][config % 2],
        _ => [120, 240, 480, 960][config % 4],
    };
    let count = match toc & 0b11 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 0x3f),
    };
    let total = frame * count;
    (1..=MAX_PACKET).contains(&total).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEREO: &[u8] = b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0";
    const SURROUND: &[u8] = b"OpusHead\x01\x06\x38\x01\x80\xbb\0\0\0\0\x01\x04\x02\0\x04\x01\x02\x03\x05";

    #[test]
    fn mono_and_stereo_need_no_mapping() {
        let config = Config::decode(STEREO).unwrap();
        assert_eq!((config.channels(), config.pre_skip(), config.mapping_family()), (2, 312, 0));
        assert_eq!((config.streams(), config.coupled_streams(), config.mapping()), (1, 1, &[0, 1][..]));
        assert_eq!(config.audio(), AudioInfo { sample_rate: 48_000, channels: 2, samples_per_frame: None });
        assert_eq!(config.head(), STEREO);
    }

    #[test]
    fn surround_has_a_mapping() {
        let config = Config::decode(SURROUND).unwrap();
        assert_eq!((config.channels(), config.streams(), config.coupled_streams()), (6, 4, 2));
        assert_eq!(config.mapping(), [0, 4, 1, 2, 3, 5]);
    }

    #[test]
    fn malformed_headers_are_refused() {
        for len in 0..STEREO.len() {
            assert!(Config::decode(&STEREO[..len]).is_err(), "{len}");
        }
        for (at, value) in [(8, 16), (9, 0), (9, 3), (18, 1)] {
            let mut head = STEREO.to_vec();
            head[at] = value;
            assert!(Config::decode(&head).is_err(), "{at}");
        }
    }

    #[test]
    fn mappings_to_channels_that_are_not_there_are_refused() {
        for (at, value) in [(21, 6), (9, 9), (19, 0), (20, 5), (19, 254)] {
            let mut head = [SURROUND, &[0; 3]].concat();
            head[at] = value;
            assert!(Config::decode(&head).is_err(), "{at}");
        }
        let mut silent = SURROUND.to_vec();
        silent[21] = 255;
        assert!(Config::decode(&silent).is_ok());
    }

    #[test]
    fn packets_tell_their_length() {
        assert_eq!(samples(&[0xfc, 0]), Some(960)); // CELT, 20 ms
        assert_eq!(samples(&[0x80]), Some(120)); // CELT, 2.5 ms
        assert_eq!(samples(&[0x19]), Some(5760)); // SILK, 2 x 60 ms
        assert_eq!(samples(&[0x7a]), Some(1920)); // hybrid, 2 x 20 ms
        assert_eq!(samples(&[0xff, 0x03]), Some(2880)); // 3 x 20 ms
        assert_eq!(samples(&[0xff, 0x07]), None); // 140 ms
        assert_eq!(samples(&[0xff, 0x40]), None);
        assert_eq!(samples(&[0xff]), None);
        assert_eq!(samples(&[]), None);
    }
}

//! LATM, the low-overhead transport multiplex (ISO/IEC 14496-3 1.7.3): `AudioMuxElement`s, each with access units behind their
//! lengths, and the `StreamMuxConfig` that says how they are to be read. In RTP (RFC 6416) they come as they are, in MPEG-TS behind
//! the synchronization of LOAS.
//!
//! Read are one program with one layer, and access units whose lengths are told (`frameLengthType` 0), which is all that is
//! written for AAC. Nothing is aligned in it: a configuration may begin at any bit, and so may an access unit.

#[cfg(test)]
mod tests;

use bytes::Bytes;

use super::Config;
use crate::Error;
use crate::bits::BitReader;

const CONFIG: &str = "StreamMuxConfig";
const ELEMENT: &str = "AudioMuxElement";
/// Bytes that an `AudioSpecificConfig` may have; those of the longest comment in a program config element are half of it.
const MAX_ASC: usize = 512;

/// A `StreamMuxConfig` (table 1.42).
#[derive(Debug, Clone, PartialEq)]
pub struct StreamMuxConfig {
    config: Config,
    /// Access units of an element: `numSubFrames` and one.
    frames: usize,
    /// Bits of other data at the end of an element.
    other_bits: usize,
}

impl StreamMuxConfig {
    /// From one that comes apart from the stream, as in a session description. Bytes after it are ignored; what is behind
    /// the `AudioSpecificConfig` may be missing, for GStreamer does not write it.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] for more than one program or layer, for access units without lengths, and for what
    /// [`Config::decode`] does not read.
    pub fn decode(data: &[u8]) -> Result<Self, Error> {
        let mut reader = BitReader::new(data, CONFIG);
        let (version, start) = Self::start(&mut reader)?;
        match tail(&mut reader, version) {
            Ok(other_bits) => Ok(Self { other_bits, ..start }),
            Err(Error::Truncated { .. }) => Ok(start),
            Err(error) => Err(error),
        }
    }

    /// One that stands in an element.
    fn read(reader: &mut BitReader<'_>) -> Result<Self, Error> {
        let (version, start) = Self::start(reader)?;
        Ok(Self { other_bits: tail(reader, version)?, ..start })
    }

    /// All up to the `AudioSpecificConfig`, with `audioMuxVersion`.
    fn start(reader: &mut BitReader<'_>) -> Result<(bool, Self), Error> {
        let version = reader.flag()?;
        if version {
            if reader.flag()? {
                return unsupported("audioMuxVersionA 1");
            }
            value(reader)?; // taraBufferFullness
        }
        if !reader.flag()? {
            return unsupported("streams of different framing");
        }
        let frames = reader.bits(6)? as usize + 1;
        if reader.bits(4)? > 0 {
            return unsupported("more than one program");
        }
        if reader.bits(3)? > 0 {
            return unsupported("more than one layer");
        }
        let config = if version {
            let bits = value(reader)? as usize;
            if bits > MAX_ASC * 8 {
                return Err(reader.invalid("ascLen", bits as u64, "at most 4096"));
            }
            Config::decode(&take(reader, bits)?)?
        } else {
            // Its end is where its syntax ends. What follows cannot look like signalling of SBR or PS, for with the first
            // three bits of that it would have a frameLengthType that AAC has not.
            let ahead = reader.remaining().min(MAX_ASC * 8);
            let (config, bits) = Config::decode_prefix(&take(&mut reader.clone(), ahead)?)?;
            reader.skip(bits)?;
            config
        };
        Ok((version, Self { config, frames, other_bits: 0 }))
    }

    /// How the access units are coded.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

/// What follows the `AudioSpecificConfig`; gives the bits of other data in an element.
fn tail(reader: &mut BitReader<'_>, version: bool) -> Result<usize, Error> {
    if reader.bits(3)? != 0 {
        return unsupported("access units of a fixed length");
    }
    reader.skip(8)?; // latmBufferFullness
    let other_bits = match (reader.flag()?, version) {
        (false, _) => 0,
        (true, true) => value(reader)?,
        (true, false) => escaped(reader)?,
    };
    if reader.flag()? {
        reader.skip(8)?; // crcCheckSum
    }
    Ok(other_bits as usize)
}

fn unsupported<T>(feature: &'static str) -> Result<T, Error> {
    Err(Error::Unsupported { what: CONFIG, feature })
}

/// `LatmGetValue()`, table 1.43.
fn value(reader: &mut BitReader<'_>) -> Result<u32, Error> {
    let bytes = reader.bits(2)? + 1;
    reader.bits(8 * bytes)
}

/// `otherDataLenBits` of `audioMuxVersion` 0.
fn escaped(reader: &mut BitReader<'_>) -> Result<u32, Error> {
    let mut value = 0u32;
    loop {
        let more = reader.flag()?;
        let byte = reader.bits(8)?;
        value = match value.checked_mul(256) {
            Some(value) => value + byte,
            None => return Err(reader.invalid("otherDataLenBits", value.into(), "less than 2^32")),
        };
        if !more {
            return Ok(value);
        }
    }
}

/// The next `bits`, from the first bit of a byte on; the rest of the last byte is 0.
fn take(reader: &mut BitReader<'_>, bits: usize) -> Result<Vec<u8>, Error> {
    if reader.remaining().is_multiple_of(8) && bits.is_multiple_of(8) {
        return Ok(reader.bytes(bits / 8)?.to_vec());
    }
    // Nothing is allocated for what is not there.
    reader.clone().skip(bits)?;
    let mut out = Vec::with_capacity(bits.div_ceil(8));
    for _ in 0..bits / 8 {
        out.push(reader.byte()?);
    }
    let rest = bits as u32 % 8;
    if rest > 0 {
        out.push((reader.bits(rest)? << (8 - rest)) as u8);
    }
    Ok(out)
}

/// What an `AudioMuxElement` has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// The access units in their order, at most 64. An empty one is a frame of which nothing was sent, and takes its time.
    pub units: Vec<Bytes>,
    /// Bytes of the whole element.
    pub len: usize,
}

/// Reads the `AudioMuxElement`s (table 1.41) of one stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Reader {
    /// `muxConfigPresent`: the elements bring the configuration.
    in_band: bool,
    config: Option<StreamMuxConfig>,
}

impl Reader {
    /// For elements without a configuration, which is this one.
    pub fn out_of_band(config: StreamMuxConfig) -> Self {
        Self { in_band: false, config: Some(config) }
    }

    /// For elements that bring a configuration, or say that it is still the one before. What is known of the first from
    /// elsewhere holds until one comes.
    pub fn in_band(config: Option<StreamMuxConfig>) -> Self {
        Self { in_band: true, config }
    }

    /// The configuration of the element that was read last.
    pub fn config(&self) -> Option<&StreamMuxConfig> {
        self.config.as_ref()
    }

    /// Reads the element that `data` begins with. After a configuration that could not be read there is none, until one can.
    ///
    /// # Errors
    ///
    /// The element ends early, its configuration cannot be read (as [`StreamMuxConfig::decode`]), or it has none and none
    /// came before.
    pub fn element(&mut self, data: &[u8]) -> Result<Element, Error> {
        let mut reader = BitReader::new(data, ELEMENT);
        if self.in_band && !reader.flag()? {
            self.config = None;
            self.config = Some(StreamMuxConfig::read(&mut reader)?);
        }
        let Some(StreamMuxConfig { frames, other_bits, .. }) = self.config else {
            return Err(reader.invalid("useSameStreamMux", 1, "a StreamMuxConfig first"));
        };
        let mut units = Vec::new();
        for _ in 0..frames {
            let len = payload_len(&mut reader)?;
            units.push(Bytes::from(take(&mut reader, len * 8)?));
        }
        reader.skip(other_bits)?;
        Ok(Element { units, len: data.len() - reader.remaining() / 8 })
    }
}

/// `PayloadLengthInfo()`, table 1.44: the bytes of an access unit.
fn payload_len(reader: &mut BitReader<'_>) -> Result<usize, Error> {
    let mut len = 0;
    loop {
        let byte = reader.byte()?;
        len += usize::from(byte);
        if byte < 255 {
            return Ok(len);
        }
    }
}

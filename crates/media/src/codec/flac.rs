//! FLAC: the stream information block (RFC 9639 8.2).

use bytes::Bytes;

use crate::bits::BitReader;
use crate::{AudioInfo, Error};

/// Bytes of a stream information block without its header.
const LEN: usize = 34;

/// A stream's information block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    streaminfo: Bytes,
    sample_rate: u32,
    channels: u32,
    bits_per_sample: u32,
    block_size: Option<u32>,
}

impl Config {
    /// From a stream information block: bare, behind its block header (as in `dfLa`), or behind `fLaC` and that
    /// (as in a FLAC file or Enhanced RTMP). Blocks after it are ignored.
    pub fn decode(header: &[u8]) -> Result<Self, Error> {
        let mut reader = BitReader::new(header, "FLAC stream information");
        let magic = header.starts_with(b"fLaC");
        if magic {
            reader.skip(32)?;
        }
        if magic || header.len() > LEN {
            // The last-block flag may be set. Type 0 is STREAMINFO.
            let kind = reader.byte()? & 0x7f;
            if kind != 0 {
                return Err(reader.invalid("block type", kind.into(), "0"));
            }
            let len = reader.bits(24)?;
            if len as usize != LEN {
                return Err(reader.invalid("block length", len.into(), "34"));
            }
        }
        Self::streaminfo_block(reader.bytes(LEN)?)
    }

    fn streaminfo_block(block: &[u8]) -> Result<Self, Error> {
        let mut reader = BitReader::new(block, "FLAC stream information");
        let (least, most) = (reader.bits(16)?, reader.bits(16)?);
        if least > most {
            return Err(reader.invalid("minimum block size", least.into(), "at most the maximum"));
        }
        reader.skip(2 * 24)?; // frame sizes
        let sample_rate = reader.bits(20)?;
        if sample_rate == 0 {
            return Err(reader.invalid("sample rate", 0, "at least 1 for audio"));
        }
        Ok(Self {
            streaminfo: Bytes::copy_from_slice(block),
            sample_rate,
            channels: reader.bits(3)? + 1,
            bits_per_sample: reader.bits(5)? + 1,
            block_size: (least == most && most > 0).then_some(most),
        })
    }

    /// The stream information block, 34 bytes without its header.
    pub fn streaminfo(&self) -> &Bytes {
        &self.streaminfo
    }

    /// Bits of each decoded sample.
    pub fn bits_per_sample(&self) -> u32 {
        self.bits_per_sample
    }

    /// Rate, channels, and samples per frame where the stream has a fixed block size.
    pub fn audio(&self) -> AudioInfo {
        AudioInfo {
            sample_rate: self.sample_rate,
            channels: self.channels,
            samples_per_frame: self.block_size,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::testdata::FLAC_96K;

    #[test]
    fn all_three_forms() {
        let config = Config::decode(FLAC_96K).unwrap();
        assert_eq!(
            config.audio(),
            AudioInfo { sample_rate: 96_000, channels: 1, samples_per_frame: Some(8192) }
        );
        assert_eq!(config.bits_per_sample(), 24);
        assert_eq!(config.streaminfo(), &FLAC_96K[4..]);
        assert_eq!(Config::decode(&FLAC_96K[4..]).unwrap(), config);
        let file = [b"fLaC", FLAC_96K, &[4, 0, 0, 1, 0]].concat();
        assert_eq!(Config::decode(&file).unwrap(), config);
    }

    #[test]
    fn changing_block_size_is_no_frame_length() {
        let mut block = FLAC_96K[4..].to_vec();
        block[0] = 0;
        assert_eq!(Config::decode(&block).unwrap().audio().samples_per_frame, None);
    }

    #[test]
    fn broken_headers_are_refused() {
        for len in 0..LEN {
            assert!(Config::decode(&FLAC_96K[4..4 + len]).is_err(), "{len}");
        }
        assert!(Config::decode(b"fLaC").is_err());
        for (at, value) in [(0, 4), (3, 33)] {
            let mut header = FLAC_96K.to_vec();
            header[at] = value;
            assert!(Config::decode(&header).is_err(), "{at}");
        }
        assert!(Config::decode(&[0; LEN]).is_err());
        // Block sizes the wrong way round; such a block could also be taken for the start of a file.
        let mut header = FLAC_96K.to_vec();
        header[4..8].copy_from_slice(b"fLaC");
        assert!(Config::decode(&header).is_err());
    }
}

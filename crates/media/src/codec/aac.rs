//! AAC: `AudioSpecificConfig` (ISO/IEC 14496-3 1.6.2.1) with its signalling of SBR and PS, and ADTS headers
//! (1.A.2.2).

pub mod latm;
mod program;
mod silence;
#[cfg(test)]
mod tests;

use bytes::Bytes;

use crate::bits::BitReader;
use crate::{AudioInfo, Error};

const WHAT: &str = "AudioSpecificConfig";
/// Rates of `samplingFrequencyIndex`, table 1.18.
const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];
/// The index that says that 24 bits of rate follow.
const EXPLICIT_RATE: u32 = 15;
/// Bytes of an ADTS header without CRC.
const ADTS_LEN: usize = 7;
/// Greatest frame that the 13 bits of an ADTS header can tell, header included.
const ADTS_MAX_FRAME: usize = 0x1fff;

/// Audio object types, table 1.17.
mod object {
    /// Low complexity, what nearly all streams are.
    pub(super) const LC: u8 = 2;
    /// Long term prediction: the last that ADTS can tell.
    pub(super) const LTP: u8 = 4;
    pub(super) const SBR: u8 = 5;
    pub(super) const SCALABLE: u8 = 6;
    pub(super) const ER_LC: u8 = 17;
    pub(super) const ER_SCALABLE: u8 = 20;
    pub(super) const ER_BSAC: u8 = 22;
    pub(super) const ER_LD: u8 = 23;
    pub(super) const PS: u8 = 29;
}

/// A stream's `AudioSpecificConfig`.
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    asc: Bytes,
    /// The object type without SBR and PS.
    core: u8,
    sbr: bool,
    ps: bool,
    sample_rate: u32,
    /// `channelConfiguration`; 0 where a program config element tells it.
    channel_config: u8,
    channels: u32,
    samples: u32,
    /// An `ErrorProtectionSpecificConfig` or more follows, which is not read.
    error_protection: bool,
}

impl Config {
    /// From an `AudioSpecificConfig`. Bytes after it are ignored.
    ///
    /// Fails for object types that are no AAC of the general audio coder (TwinVQ, CELP, ELD, USAC, …).
    pub fn decode(asc: &[u8]) -> Result<Self, Error> {
        let mut reader = BitReader::new(asc, WHAT);
        let config = Self::read(&mut reader)?;
        Ok(Self { asc: Bytes::copy_from_slice(asc), ..config })
    }

    /// From an `AudioSpecificConfig` at the start of `data`, behind which something else follows at once; with its length in
    /// bits. [`Config::asc`] is that alone, with zeros up to the end of its last byte.
    ///
    /// SBR and PS behind the configuration count as part of it.
    ///
    /// Fails as [`Config::decode`], and with error protection, whose length we do not find out.
    fn decode_prefix(data: &[u8]) -> Result<(Self, usize), Error> {
        let mut reader = BitReader::new(data, WHAT);
        let config = Self::read(&mut reader)?;
        if config.error_protection {
            return Err(Error::Unsupported { what: WHAT, feature: "error protection" });
        }
        let bits = data.len() * 8 - reader.remaining();
        let mut asc = data.get(..bits.div_ceil(8)).unwrap_or(data).to_vec();
        if let Some(last) = asc.last_mut() {
            *last &= 0xff << (bits.wrapping_neg() % 8);
        }
        Ok((Self { asc: asc.into(), ..config }, bits))
    }

    /// All but the bytes themselves.
    fn read(reader: &mut BitReader<'_>) -> Result<Self, Error> {
        let stated = object_type(reader)?;
        let sample_rate = sample_rate(reader)?;
        let channel_config = reader.bits(4)? as u8;
        let mut config = Self {
            asc: Bytes::new(),
            core: stated,
            sbr: matches!(stated, object::SBR | object::PS),
            ps: stated == object::PS,
            sample_rate,
            channel_config,
            channels: 0,
            samples: 0,
            error_protection: false,
        };
        if config.sbr {
            self::sample_rate(reader)?;
            config.core = object_type(reader)?;
            if config.core == object::ER_BSAC {
                reader.skip(4)?;
            }
        }
        config.general_audio(reader)?;
        if !config.sbr {
            config.sync_extension(reader);
        }
        if config.ps && config.channels == 1 {
            config.channels = 2;
        }
        Ok(config)
    }

    /// `GASpecificConfig`, 4.4.1, and `epConfig`.
    fn general_audio(&mut self, reader: &mut BitReader<'_>) -> Result<(), Error> {
        if !matches!(self.core, 1..=4 | object::SCALABLE | object::ER_LC | 19 | 20 | 22 | object::ER_LD) {
            return Err(Error::Unsupported { what: WHAT, feature: "an audio object type other than AAC" });
        }
        let short = reader.flag()?;
        self.samples = match (self.core == object::ER_LD, short) {
            (false, false) => 1024,
            (false, true) => 960,
            (true, false) => 512,
            (true, true) => 480,
        };
        if reader.flag()? {
            reader.skip(14)?; // coreCoderDelay
        }
        let extension = reader.flag()?;
        self.channels = match self.channel_config {
            0 => program::channels(reader)?,
            config => channels(config)
                .ok_or_else(|| reader.invalid("channelConfiguration", config.into(), "a value in use"))?,
        };
        if matches!(self.core, object::SCALABLE | object::ER_SCALABLE) {
            reader.skip(3)?; // layerNr
        }
        if extension {
            match self.core {
                object::ER_BSAC => reader.skip(5 + 11)?,
                object::ER_LC..=object::ER_LD => reader.skip(3)?,
                _ => {}
            }
            reader.skip(1)?; // extensionFlag3
        }
        if self.core >= object::ER_LC {
            self.error_protection = reader.bits(2)? >= 2; // epConfig
        }
        Ok(())
    }

    /// SBR and PS signalled behind the configuration, so that old decoders do not see it (1.6.6.1, "explicit
    /// signalling, backward compatible"). Whatever else is there is ignored, and not read.
    fn sync_extension(&mut self, reader: &mut BitReader<'_>) {
        const SBR_SYNC: u32 = 0x2b7;
        const PS_SYNC: u32 = 0x548;
        let mut ahead = reader.clone();
        if ahead.bits(11) != Ok(SBR_SYNC) || object_type(&mut ahead) != Ok(object::SBR) {
            return;
        }
        let Ok(sbr) = ahead.flag() else { return };
        if sbr && sample_rate(&mut ahead).is_err() {
            return;
        }
        *reader = ahead.clone();
        self.sbr = sbr;
        if !sbr || ahead.bits(11) != Ok(PS_SYNC) {
            return;
        }
        let Ok(ps) = ahead.flag() else { return };
        *reader = ahead;
        self.ps = ps;
    }

    /// From an ADTS header, at the start of `frame`.
    ///
    /// Fails without the sync word, and where a program config element in the frame would tell the channels.
    pub fn from_adts(frame: &[u8]) -> Result<Self, Error> {
        let mut reader = BitReader::new(frame, "ADTS");
        let sync = reader.bits(12)?;
        if sync != 0xfff {
            return Err(reader.invalid("syncword", u64::from(sync), "0xfff"));
        }
        reader.skip(4)?; // ID, layer, protection_absent
        let core = reader.bits(2)? as u8 + 1;
        let rate = reader.bits(4)?;
        if rate as usize >= RATES.len() {
            return Err(reader.invalid("sampling_frequency_index", u64::from(rate), "at most 12"));
        }
        reader.skip(1)?;
        let channels = reader.bits(3)? as u8;
        if channels == 0 {
            return Err(Error::Unsupported { what: "ADTS", feature: "channel configuration 0" });
        }
        reader.bytes(3)?; // the rest of the header
        let rate = rate as u8;
        Self::decode(&[core << 3 | rate >> 1, rate << 7 | channels << 3])
    }

    /// The `AudioSpecificConfig` as it came.
    pub fn asc(&self) -> &Bytes {
        &self.asc
    }

    /// The audio object type that names the stream: 2 for AAC-LC, 5 for HE-AAC and 29 for HE-AAC v2 where these are
    /// signalled explicitly. Implicit SBR cannot be seen here and counts as 2.
    pub fn object_type(&self) -> u8 {
        match (self.sbr, self.ps) {
            (_, true) => object::PS,
            (true, false) => object::SBR,
            (false, false) => self.core,
        }
    }

    /// `mp4a.40.` and the object type, RFC 6381 3.3.
    pub fn codec_string(&self) -> String {
        format!("mp4a.40.{}", self.object_type())
    }

    /// Rate and frame length of the AAC core: SBR doubles both, so an access unit lasts just as long. Channels are
    /// those after PS.
    pub fn audio(&self) -> AudioInfo {
        AudioInfo {
            sample_rate: self.sample_rate,
            channels: self.channels,
            samples_per_frame: Some(self.samples),
        }
    }

    /// An access unit in which nothing is heard. SBR and PS add nothing to it.
    ///
    /// None for object types other than AAC-LC, and where a program config element tells the channels.
    pub fn silence(&self) -> Option<Bytes> {
        (self.core == object::LC).then(|| silence::unit(self.channel_config)).flatten()
    }

    /// The ADTS header before a raw access unit of `payload_len` bytes, without CRC. SBR and PS are then implicit.
    ///
    /// Fails for what ADTS has no words for: other object types than 1 to 4, frames of 960 samples, rates outside
    /// table 1.18, more than 8 channels or a program config element, and payloads of more than 8184 bytes.
    pub fn adts_header(&self, payload_len: usize) -> Result<[u8; ADTS_LEN], Error> {
        let unsupported = |feature| Err(Error::Unsupported { what: "ADTS", feature });
        let Some(rate) = RATES.iter().position(|&rate| rate == self.sample_rate) else {
            return unsupported("this sample rate");
        };
        if !(1..=object::LTP).contains(&self.core) || self.samples != 1024 {
            return unsupported("this object type or frame length");
        }
        if !(1..=7).contains(&self.channel_config) {
            return unsupported("this channel configuration");
        }
        let len = payload_len.saturating_add(ADTS_LEN);
        if len > ADTS_MAX_FRAME {
            return unsupported("a frame of more than 8191 bytes");
        }
        let (profile, rate, channels) = (self.core - 1, rate as u8, self.channel_config);
        // adts_buffer_fullness is 0x7ff, variable rate, and there is one raw data block.
        Ok([
            0xff,
            0xf1,
            profile << 6 | rate << 2 | channels >> 2,
            channels << 6 | (len >> 11) as u8,
            (len >> 3) as u8,
            (len << 5) as u8 | 0x1f,
            0xfc,
        ])
    }
}

/// `GetAudioObjectType()`, table 1.16.
fn object_type(reader: &mut BitReader<'_>) -> Result<u8, Error> {
    match reader.bits(5)? {
        31 => Ok(32 + reader.bits(6)? as u8),
        kind => Ok(kind as u8),
    }
}

/// `samplingFrequencyIndex` and, where that says so, `samplingFrequency`.
fn sample_rate(reader: &mut BitReader<'_>) -> Result<u32, Error> {
    let index = reader.bits(4)?;
    let rate = match RATES.get(index as usize) {
        Some(&rate) => rate,
        None if index == EXPLICIT_RATE => reader.bits(24)?,
        None => 0,
    };
    if rate == 0 {
        return Err(reader.invalid("samplingFrequencyIndex", u64::from(index), "a rate"));
    }
    Ok(rate)
}

/// Channels of a `channelConfiguration`, table 1.19.
fn channels(config: u8) -> Option<u32> {
    match config {
        1..=6 => Some(u32::from(config)),
        7 | 12 | 14 => Some(8),
        11 => Some(7),
        13 => Some(24),
        _ => None,
    }
}

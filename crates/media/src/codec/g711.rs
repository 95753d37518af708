//! G.711 (ITU-T G.711): one byte per sample, by the A-law or the µ-law, with nothing in the bitstream that would say so.

use crate::{AudioInfo, Error};

/// The rate of telephony, and the only one that FLV and the static payload types of RTP have.
pub const SAMPLE_RATE: u32 = 8000;

/// Rates beyond are an error of whoever states them; cameras have up to 48 kHz.
const MAX_SAMPLE_RATE: u32 = 192_000;

/// By which curve a sample is coded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Law {
    /// A-law, PCMA: Europe's.
    A,
    /// µ-law, PCMU: that of North America and Japan.
    Mu,
}

/// What the container or the session description says of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    law: Law,
    sample_rate: u32,
    channels: u8,
}

impl Config {
    /// `sample_rate` in samples per second; the bytes of an access unit take turns between the `channels`.
    ///
    /// # Errors
    ///
    /// There are no channels or more than 8, or the rate is zero or beyond 192 kHz.
    pub fn new(law: Law, sample_rate: u32, channels: u8) -> Result<Self, Error> {
        let invalid = |field, value, expected| Err(Error::Invalid { what: "G.711", field, value, expected });
        if !(1..=8).contains(&channels) {
            return invalid("channels", channels.into(), "1 to 8");
        }
        if !(1..=MAX_SAMPLE_RATE).contains(&sample_rate) {
            return invalid("sample rate", sample_rate.into(), "1 to 192000");
        }
        Ok(Self { law, sample_rate, channels })
    }

    /// The curve.
    pub fn law(&self) -> Law {
        self.law
    }

    /// Rate and channels; an access unit is as long as it is, see [`Config::samples`].
    pub fn audio(&self) -> AudioInfo {
        AudioInfo { sample_rate: self.sample_rate, channels: self.channels.into(), samples_per_frame: None }
    }

    /// Samples of each channel in so many bytes.
    pub fn samples(&self, bytes: usize) -> u32 {
        u32::try_from(bytes / usize::from(self.channels)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts() {
        let config = Config::new(Law::A, 16_000, 2).unwrap();
        let audio = AudioInfo { sample_rate: 16_000, channels: 2, samples_per_frame: None };
        assert_eq!((config.law(), config.audio(), config.samples(640)), (Law::A, audio, 320));
    }

    #[test]
    fn what_no_stream_has_is_refused() {
        for (rate, channels) in [(0, 1), (8000, 0), (8000, 9), (192_001, 1)] {
            assert!(Config::new(Law::Mu, rate, channels).is_err(), "{rate} {channels}");
        }
    }
}

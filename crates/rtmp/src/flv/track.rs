//! One track: its configuration, and its access units brought into the form of the house.

use bytes::Bytes;

use media::codec::{aac, ac3, av1, flac, h264, h265, mpa, opus, vp9};
use media::{Codec, nal};

use super::FourCc;
use crate::Error;

/// What Opus is when the peer does not say (Enhanced RTMP v2, "Opus Sequence header"): RFC 7845 5.1, two channels,
/// no pre-skip known, 48 kHz.
const OPUS_HEAD: &[u8] = b"OpusHead\x01\x02\x00\x00\x80\xbb\x00\x00\x00\x00\x00";

/// The state of one track.
#[derive(Debug, Default)]
pub(super) struct Track {
    codec: Option<Codec>,
}

/// What an access unit made of a track.
#[derive(Debug)]
pub(super) struct Unit {
    /// The configuration, if it was not this one before.
    pub(super) changed: Option<Codec>,
    /// Decoding may start here.
    pub(super) key: bool,
    /// The payload; empty if there was nothing in it.
    pub(super) data: Bytes,
}

impl Track {
    /// A sequence header: the configuration, if it was not this one before.
    pub(super) fn configure(&mut self, fourcc: FourCc, header: &[u8]) -> Result<Option<Codec>, Error> {
        let codec = match fourcc {
            FourCc::Avc => Codec::H264(h264::Config::decode(header)?),
            FourCc::Hevc => Codec::H265(h265::Config::decode(header)?),
            FourCc::Av1 => Codec::Av1(av1::Config::decode(header)?),
            FourCc::Vp9 => self.vp9(vp9::Config::decode(header)?),
            FourCc::Aac => Codec::Aac(aac::Config::decode(header)?),
            FourCc::Opus => {
                Codec::Opus(opus::Config::decode(if header.is_empty() { OPUS_HEAD } else { header })?)
            }
            FourCc::Flac => Codec::Flac(flac::Config::decode(header)?),
            // Each frame says it all.
            FourCc::Mp3 | FourCc::Ac3 | FourCc::Eac3 => return Ok(None),
        };
        Ok(self.change(codec))
    }

    /// An access unit. Fails if it cannot be read, or if nothing tells how to decode it.
    pub(super) fn unit(&mut self, fourcc: FourCc, data: Bytes) -> Result<Unit, Error> {
        let (codec, data) = self.normalise(fourcc, data)?;
        let changed = codec.and_then(|codec| self.change(codec));
        let key = self.codec.as_ref().is_some_and(|codec| codec.is_random_access(&data));
        Ok(Unit { changed, key, data })
    }

    /// The payload in its final form, and the configuration that it brings with it.
    fn normalise(&self, fourcc: FourCc, data: Bytes) -> Result<(Option<Codec>, Bytes), Error> {
        Ok(match (fourcc, &self.codec) {
            (FourCc::Avc, Some(Codec::H264(config))) => {
                let data = nal::relength(data, config.length_size())?;
                (h264::update(config, &data).map(Codec::H264), data)
            }
            (FourCc::Hevc, Some(Codec::H265(config))) => {
                let data = nal::relength(data, config.length_size())?;
                (h265::update(config, &data).map(Codec::H265), data)
            }
            (FourCc::Avc | FourCc::Hevc, _) => {
                let data = nal::relength(data, nal::LENGTH_SIZE as u8)?;
                (Some(in_band(fourcc, &data)?), data)
            }
            (FourCc::Av1, Some(Codec::Av1(config))) => {
                let data = av1::without_temporal_delimiter(data);
                (av1::update(config, &data).map(Codec::Av1), data)
            }
            (FourCc::Vp9, Some(Codec::Vp9(config))) => (vp9::update(config, &data).map(Codec::Vp9), data),
            (FourCc::Aac, Some(Codec::Aac(_))) | (FourCc::Flac, Some(Codec::Flac(_))) => (None, data),
            (FourCc::Opus, Some(Codec::Opus(_))) => (None, data),
            (FourCc::Opus, _) => (Some(Codec::Opus(opus::Config::decode(OPUS_HEAD)?)), data),
            (FourCc::Mp3, _) => (Some(Codec::Mpa(mpa::Config::decode(&data)?)), data),
            (FourCc::Ac3 | FourCc::Eac3, _) => (Some(Codec::Ac3(ac3::Config::decode(&data)?)), data),
            (FourCc::Av1 | FourCc::Vp9 | FourCc::Aac | FourCc::Flac, _) => return Err(no_header(fourcc)),
        })
    }

    /// The configuration, if it was not this one before.
    pub(super) fn change(&mut self, codec: Codec) -> Option<Codec> {
        if self.codec.as_ref() == Some(&codec) {
            return None;
        }
        self.codec = Some(codec.clone());
        Some(codec)
    }

    /// A sequence header that says the same again must not forget the size that only frames tell.
    fn vp9(&self, fresh: vp9::Config) -> Codec {
        Codec::Vp9(match &self.codec {
            Some(Codec::Vp9(old)) => {
                let video = old.video();
                fresh.with_size(video.width, video.height)
            }
            _ => fresh,
        })
    }
}

/// The configuration from the parameter sets in an access unit, for a peer that sent no sequence header.
fn in_band(fourcc: FourCc, data: &Bytes) -> Result<Codec, Error> {
    let of = |wanted: u8| -> Vec<Bytes> {
        let kind = if fourcc == FourCc::Avc { h264::unit_type } else { h265::unit_type };
        let units = nal::units(data).filter(|unit| kind(unit) == Some(wanted));
        units.map(Bytes::copy_from_slice).collect()
    };
    let codec = match fourcc {
        FourCc::Avc => {
            let (sps, pps) = (of(h264::nal_type::SPS), of(h264::nal_type::PPS));
            h264::Config::from_parameter_sets(&sps, &pps).map(Codec::H264)
        }
        _ => {
            let [vps, sps, pps] = [h265::nal_type::VPS, h265::nal_type::SPS, h265::nal_type::PPS].map(of);
            h265::Config::from_parameter_sets(&vps, &sps, &pps).map(Codec::H265)
        }
    };
    codec.map_err(|_| no_header(fourcc))
}

fn no_header(fourcc: FourCc) -> Error {
    let what = if fourcc.is_video() { "a video frame" } else { "an audio frame" };
    Error::Order { what, when: "before its sequence header" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_sets_in_the_stream_do_not_keep_the_access_unit() {
        let config = h264::Config::decode(include_bytes!("../../../media/testdata/x264-1080p.avcc")).unwrap();
        let picture = vec![0x65; 10_000];
        let data = nal::join([&config.sps()[0][..], &config.pps()[0], &picture]);
        let Ok(Codec::H264(found)) = in_band(FourCc::Avc, &data) else { panic!("parameter sets") };
        assert_eq!((found.sps(), found.pps()), (config.sps(), config.pps()));
        assert!(found.sps()[0].is_unique(), "it has its own memory");
    }
}

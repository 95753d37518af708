//! Codec configurations: what each decoder must know before its first frame, and what outputs announce of it.
//!
//! One file per codec. Each has a `Config` that is made from the bytes a container or bitstream carries, keeps
//! those bytes as they came, and knows its RFC 6381 codec string.

pub mod aac;
pub mod ac3;
pub mod av1;
pub mod flac;
pub mod g711;
pub mod h264;
pub mod h265;
pub mod mpa;
pub mod opaque;
pub mod opus;
mod parameter_sets;
#[cfg(test)]
mod testdata;
pub mod vp9;
mod vui;

use bytes::Bytes;

use crate::{AudioInfo, Kind, TimeDelta, VideoInfo};

/// A track's codec with its configuration.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Codec {
    /// H.264 / AVC, ITU-T H.264.
    H264(h264::Config),
    /// H.265 / HEVC, ITU-T H.265.
    H265(h265::Config),
    /// AV1.
    Av1(av1::Config),
    /// VP9.
    Vp9(vp9::Config),
    /// AAC, ISO/IEC 14496-3.
    Aac(aac::Config),
    /// MPEG audio layer I, II or III (MP2, MP3), ISO/IEC 11172-3 and 13818-3.
    Mpa(mpa::Config),
    /// AC-3 and E-AC-3, ETSI TS 102 366.
    Ac3(ac3::Config),
    /// Opus, RFC 6716.
    Opus(opus::Config),
    /// FLAC, RFC 9639.
    Flac(flac::Config),
    /// G.711, A-law or µ-law, ITU-T G.711.
    G711(g711::Config),
    /// Something we do not parse: carried by MPEG-TS outputs as it came.
    Opaque(opaque::Config),
}

impl Codec {
    /// What the track holds.
    pub fn kind(&self) -> Kind {
        match self {
            Self::H264(_) | Self::H265(_) | Self::Av1(_) | Self::Vp9(_) => Kind::Video,
            Self::Aac(_) | Self::Mpa(_) | Self::Ac3(_) | Self::Opus(_) | Self::Flac(_) | Self::G711(_) => {
                Kind::Audio
            }
            Self::Opaque(_) => Kind::Data,
        }
    }

    /// The name people use, for logs, status and the page: `H.264`, `AAC`, `MP3`, …
    pub fn name(&self) -> &'static str {
        match self {
            Self::H264(_) => "H.264",
            Self::H265(_) => "H.265",
            Self::Av1(_) => "AV1",
            Self::Vp9(_) => "VP9",
            Self::Aac(_) => "AAC",
            Self::Mpa(config) => config.name(),
            Self::Ac3(config) => config.name(),
            Self::Opus(_) => "Opus",
            Self::Flac(_) => "FLAC",
            Self::G711(_) => "G.711",
            Self::Opaque(config) => config.name(),
        }
    }

    /// The codec string of RFC 6381 for playlists and manifests, none where there is none for it.
    pub fn codec_string(&self) -> Option<String> {
        Some(match self {
            Self::H264(config) => config.codec_string(),
            Self::H265(config) => config.codec_string(),
            Self::Av1(config) => config.codec_string(),
            Self::Vp9(config) => config.codec_string(),
            Self::Aac(config) => config.codec_string(),
            Self::Mpa(config) => config.codec_string(),
            Self::Ac3(config) => config.codec_string(),
            Self::Opus(_) => "opus".to_owned(),
            Self::Flac(_) => "fLaC".to_owned(),
            Self::G711(_) | Self::Opaque(_) => return None,
        })
    }

    /// Size and frame rate of a video track.
    pub fn video(&self) -> Option<VideoInfo> {
        match self {
            Self::H264(config) => Some(config.video()),
            Self::H265(config) => Some(config.video()),
            Self::Av1(config) => Some(config.video()),
            Self::Vp9(config) => Some(config.video()),
            _ => None,
        }
    }

    /// Rate, channels and frame length of an audio track.
    pub fn audio(&self) -> Option<AudioInfo> {
        match self {
            Self::Aac(config) => Some(config.audio()),
            Self::Mpa(config) => Some(config.audio()),
            Self::Ac3(config) => Some(config.audio()),
            Self::Opus(config) => Some(config.audio()),
            Self::Flac(config) => Some(config.audio()),
            Self::G711(config) => Some(config.audio()),
            _ => None,
        }
    }

    /// The most access units that come before another in the stream and are presented after it: 0 where the order is
    /// the same, at most 16. None where the bitstream does not say, as some encoders of H.264 leave it out.
    pub fn reorder_depth(&self) -> Option<u32> {
        match self {
            Self::H264(config) => config.reorder_depth(),
            Self::H265(config) => config.reorder_depth(),
            Self::Opaque(_) => None,
            // A temporal unit of AV1 and a frame of VP9 show one picture each, in their order; sound has no other.
            _ => Some(0),
        }
    }

    /// An access unit in which nothing is heard, and how long it lasts. None for pictures and data, and for codecs and
    /// configurations of which we make none.
    pub fn silence(&self) -> Option<(Bytes, TimeDelta)> {
        match self {
            Self::Aac(config) => {
                let audio = config.audio();
                let samples = audio.samples_per_frame?;
                Some((config.silence()?, TimeDelta::from_scale(samples.into(), audio.sample_rate)))
            }
            Self::Opus(config) => {
                let packet = config.silence()?;
                let samples = opus::samples(&packet)?;
                Some((packet, TimeDelta::from_scale(samples.into(), opus::SAMPLE_RATE)))
            }
            _ => None,
        }
    }

    /// Whether decoding may start at this access unit (ISO/IEC 14496-15 length-prefixed form where that applies).
    pub fn is_random_access(&self, data: &[u8]) -> bool {
        match self {
            Self::H264(_) => h264::is_random_access(data),
            Self::H265(_) => h265::is_random_access(data),
            Self::Av1(_) => av1::is_random_access(data),
            Self::Vp9(_) => vp9::is_random_access(data),
            _ => true,
        }
    }

    /// The configuration after this access unit, when it holds another one than this: parameter sets of H.264 and
    /// H.265, the sequence header of AV1, the picture size of VP9. None when nothing changed.
    pub fn update(&self, data: &[u8]) -> Option<Self> {
        match self {
            Self::H264(config) => h264::update(config, data).map(Self::H264),
            Self::H265(config) => h265::update(config, data).map(Self::H265),
            Self::Av1(config) => av1::update(config, data).map(Self::Av1),
            Self::Vp9(config) => vp9::update(config, data).map(Self::Vp9),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives the bytes to everything that reads bytes of a peer. Only a panic fails.
    fn read_as_everything(data: &[u8]) {
        let configs = [
            h264::Config::decode(data).map(Codec::H264),
            h265::Config::decode(data).map(Codec::H265),
            av1::Config::decode(data).map(Codec::Av1),
            vp9::Config::decode(data).map(Codec::Vp9),
            aac::Config::decode(data).map(Codec::Aac),
            aac::Config::from_adts(data).map(Codec::Aac),
            mpa::Config::decode(data).map(Codec::Mpa),
            ac3::Config::decode(data).map(Codec::Ac3),
            opus::Config::decode(data).map(Codec::Opus),
            flac::Config::decode(data).map(Codec::Flac),
        ];
        for codec in configs.into_iter().flatten() {
            let _ = (codec.kind(), codec.name(), codec.codec_string(), codec.video(), codec.audio());
            assert!(codec.reorder_depth().is_none_or(|depth| depth <= 16));
            if let Codec::Aac(config) = &codec {
                let _ = config.adts_header(data.len());
            }
        }
        for record in [testdata::X264_1080P, testdata::X265_1080P, testdata::AOM_AV1C, testdata::VPX_VPCC] {
            for codec in video_codecs(record) {
                let _ = codec.is_random_access(data);
                if let Some(updated) = codec.update(data) {
                    assert_eq!(updated.update(data), None, "an update is made once");
                }
            }
        }
        let _ = opus::samples(data);
        let _ = (h264::has_aud(data), h264::has_parameter_sets(data));
        let _ = (h265::has_aud(data), h265::has_parameter_sets(data));
    }

    fn video_codecs(record: &[u8]) -> impl Iterator<Item = Codec> {
        [
            h264::Config::decode(record).map(Codec::H264),
            h265::Config::decode(record).map(Codec::H265),
            av1::Config::decode(record).map(Codec::Av1),
            vp9::Config::decode(record).map(Codec::Vp9),
        ]
        .into_iter()
        .flatten()
    }

    #[test]
    fn kinds_and_strings() {
        let flac = Codec::Flac(flac::Config::decode(testdata::FLAC_96K).unwrap());
        assert_eq!(
            (flac.kind(), flac.name(), flac.codec_string()),
            (Kind::Audio, "FLAC", Some("fLaC".into()))
        );
        assert!(flac.is_random_access(&[]));
        assert_eq!(flac.reorder_depth(), Some(0));
        let g711 = Codec::G711(g711::Config::new(g711::Law::Mu, 8000, 1).unwrap());
        assert_eq!((g711.kind(), g711.name(), g711.codec_string()), (Kind::Audio, "G.711", None));
        assert!(g711.is_random_access(&[]) && g711.audio().is_some());
        let opaque = Codec::Opaque(opaque::Config { stream_type: 0x86, descriptors: Bytes::new() });
        assert_eq!(opaque.name(), "SCTE-35");
        assert_eq!((opaque.kind(), opaque.codec_string(), opaque.reorder_depth()), (Kind::Data, None, None));
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            read_as_everything(&data);
        }

        /// Real records with some bytes changed get further than noise does.
        #[test]
        fn damaged_records_are_taken(
            index in 0..testdata::ALL.len(),
            damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..6),
            cut in any::<usize>(),
        ) {
            let mut data = testdata::ALL[index].to_vec();
            for (at, value) in damage {
                let at = at % data.len();
                data[at] = value;
            }
            // Most are left whole.
            data.truncate(data.len().max(1) - if cut % 4 == 0 { cut / 4 % data.len() } else { 0 });
            read_as_everything(&data);
        }

        /// Parameter sets inside an access unit, damaged as above.
        #[test]
        fn damaged_parameter_sets_are_taken(
            damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..6),
        ) {
            let (avc, hevc) = (
                h264::Config::decode(testdata::X264_422).unwrap(),
                h265::Config::decode(testdata::X265_LAYERS).unwrap(),
            );
            let sets = [avc.sps(), avc.pps(), hevc.vps(), hevc.sps(), hevc.pps()].concat();
            let mut sets: Vec<Vec<u8>> = sets.iter().map(|set| set.to_vec()).collect();
            for (at, value) in damage {
                let count = sets.len();
                let set = &mut sets[at % count];
                let at = at / count % set.len();
                set[at] = value;
            }
            read_as_everything(&crate::nal::join(sets.iter().map(Vec::as_slice)));
        }
    }
}

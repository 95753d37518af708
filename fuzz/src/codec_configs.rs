//! Codec configurations of every codec.

use bytes::Bytes;
use media::codec::{aac, ac3, av1, flac, h264, h265, mpa, opus, vp9};
use media::{Codec, Error, Kind, nal};

use crate::input::Input;

/// The first byte chooses what the rest is read as.
///
/// - What comes out makes sense: sizes, rates, channels, a codec string that can be put into a playlist.
/// - A configuration's record gives the same configuration again, and so do its parameter sets.
/// - It has an initialization segment where fMP4 can carry it.
pub fn codec_configs(data: &[u8]) {
    let mut input = Input::new(data);
    let choice = input.byte();
    if let Ok(codec) = decode(choice, input.rest()) {
        check(&codec);
    }
}

fn decode(choice: u8, data: &[u8]) -> Result<Codec, Error> {
    Ok(match choice % 12 {
        0 => Codec::H264(h264::Config::decode(data)?),
        1 => Codec::H265(h265::Config::decode(data)?),
        2 => Codec::Av1(av1::Config::decode(data)?),
        3 => Codec::Vp9(vp9::Config::decode(data)?),
        4 => Codec::Aac(aac::Config::decode(data)?),
        5 => Codec::Aac(aac::Config::from_adts(data)?),
        6 => Codec::Mpa(mpa::Config::decode(data)?),
        7 => Codec::Ac3(ac3::Config::decode(data)?),
        8 => Codec::Opus(opus::Config::decode(data)?),
        9 => Codec::Flac(flac::Config::decode(data)?),
        10 => Codec::H264(h264::Config::from_parameter_sets(
            &sets(data, |unit| h264::unit_type(unit) == Some(h264::nal_type::SPS)),
            &sets(data, |unit| h264::unit_type(unit) == Some(h264::nal_type::PPS)),
        )?),
        _ => {
            let of = |kind| sets(data, move |unit| h265::unit_type(unit) == Some(kind));
            let [vps, sps, pps] = [h265::nal_type::VPS, h265::nal_type::SPS, h265::nal_type::PPS].map(of);
            Codec::H265(h265::Config::from_parameter_sets(&vps, &sps, &pps)?)
        }
    })
}

fn sets(data: &[u8], wanted: impl Fn(&[u8]) -> bool) -> Vec<Bytes> {
    nal::annex_b(data).filter(|unit| wanted(unit)).map(Bytes::copy_from_slice).collect()
}

/// What holds for any configuration that was read.
pub(crate) fn check(codec: &Codec) {
    match codec.codec_string() {
        Some(string) => {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
            assert!(!string.is_empty() && string.chars().all(plain), "{string}");
        }
        None => assert!(matches!(codec, Codec::G711(_)), "none of these is opaque"),
    }
    assert!(!codec.name().is_empty() && codec.update(&[]).is_none());
    assert_eq!(codec.is_random_access(&[]), codec.kind() == Kind::Audio, "any sound is, no empty picture is");
    assert!(codec.reorder_depth().is_none_or(|depth| depth <= 16));
    if let Some(video) = codec.video() {
        let stated = matches!(codec, Codec::H264(_) | Codec::H265(_));
        assert!(!stated || (video.width > 0 && video.height > 0), "{video:?}");
        if let Some(rate) = video.frame_rate {
            assert!(rate.num > 0 && rate.den > 0 && rate.as_f64() < 301.0, "{rate:?}");
        }
    }
    if let Some(audio) = codec.audio() {
        assert!(audio.sample_rate > 0 && audio.channels > 0, "{audio:?}");
        assert_ne!(audio.samples_per_frame, Some(0));
    }
    assert_eq!((codec.video().is_some(), codec.audio().is_some()), {
        let pictures = codec.kind() == Kind::Video;
        (pictures, !pictures)
    });
    if let Some((silence, duration)) = codec.silence() {
        assert!(!silence.is_empty() && duration > media::TimeDelta::ZERO);
    }
    again(codec);
    initialization(codec);
}

/// What fMP4 can carry has an initialization segment, and nothing else has.
fn initialization(codec: &Codec) {
    let supported = fmp4::supports(codec);
    let segment = fmp4::init_segment(codec, fmp4::timescale(codec), "und");
    assert_eq!(segment.as_ref().err(), supported.as_ref().err());
    if let Ok(segment) = segment {
        let (ftyp, moov) = segment.split_at(usize::from(segment[3]));
        assert!(ftyp[4..].starts_with(b"ftyp") && moov[4..].starts_with(b"moov"));
        assert_eq!(moov[..4], (moov.len() as u32).to_be_bytes());
    }
}

/// A record is read as what it was made of.
fn again(codec: &Codec) {
    match codec {
        Codec::H264(config) => h264_again(config),
        Codec::H265(config) => h265_again(config),
        Codec::Av1(config) => assert_eq!(av1::Config::decode(config.record()).as_ref(), Ok(config)),
        Codec::Vp9(config) => {
            let video = config.video();
            let again = vp9::Config::decode(config.record());
            assert_eq!(again.map(|again| again.with_size(video.width, video.height)).as_ref(), Ok(config));
        }
        Codec::Aac(config) => aac_again(config),
        Codec::Opus(config) => opus_again(config),
        Codec::Flac(config) => {
            assert_eq!(flac::Config::decode(config.streaminfo()).as_ref(), Ok(config));
            assert!((1..=32).contains(&config.bits_per_sample()));
        }
        Codec::Mpa(config) => {
            assert!((1..=3).contains(&config.layer()), "{config:?}");
            assert_eq!(config.is_mpeg1(), config.audio().sample_rate >= 32_000);
        }
        Codec::Ac3(config) => assert_eq!(config.is_enhanced(), config.name() == "E-AC-3"),
        Codec::G711(_) | Codec::Opaque(_) => {}
        _ => unreachable!("a codec without a target"),
    }
}

fn h264_again(config: &h264::Config) {
    let facts = |config: &h264::Config| {
        (config.sps().to_vec(), config.pps().to_vec(), config.video(), config.codec_string())
    };
    let again = h264::Config::decode(config.record()).expect("a record that was read before");
    assert_eq!((facts(&again), again.record()), (facts(config), config.record()));
    assert_eq!(again.length_size(), 4);
    if let Ok(made) = h264::Config::from_parameter_sets(config.sps(), config.pps()) {
        assert_eq!(facts(&made), facts(config));
        assert_eq!(h264::Config::decode(made.record()).as_ref(), Ok(&made));
    }
}

fn h265_again(config: &h265::Config) {
    let facts = |config: &h265::Config| {
        let sets = [config.vps(), config.sps(), config.pps()].map(<[Bytes]>::to_vec);
        (sets, config.video(), config.codec_string())
    };
    let again = h265::Config::decode(config.record()).expect("a record that was read before");
    assert_eq!((facts(&again), again.record()), (facts(config), config.record()));
    assert_eq!(again.length_size(), 4);
    if let Ok(made) = h265::Config::from_parameter_sets(config.vps(), config.sps(), config.pps()) {
        assert_eq!(facts(&made), facts(config));
        assert_eq!(h265::Config::decode(made.record()).as_ref(), Ok(&made));
    }
}

fn aac_again(config: &aac::Config) {
    assert_eq!(aac::Config::decode(config.asc()).as_ref(), Ok(config));
    for len in [0, 300, 8184, 8185] {
        let Ok(header) = config.adts_header(len) else { continue };
        let seen = aac::Config::from_adts(&header).expect("a header that was made here");
        assert_eq!(seen.audio().sample_rate, config.audio().sample_rate);
        assert_eq!(seen.audio().samples_per_frame, config.audio().samples_per_frame);
    }
    assert!(config.adts_header(8185).is_err());
}

fn opus_again(config: &opus::Config) {
    assert_eq!(opus::Config::decode(config.head()).as_ref(), Ok(config));
    let decoded = usize::from(config.streams()) + usize::from(config.coupled_streams());
    assert!((1..=255).contains(&decoded) && config.coupled_streams() <= config.streams(), "{config:?}");
    let sources = config.mapping().iter().map(|&source| usize::from(source));
    assert!(sources.clone().all(|source| source < decoded || source == 255), "{config:?}");
    assert_eq!(sources.count(), usize::from(config.channels()));
    let most = [2, 8].get(usize::from(config.mapping_family())).copied().unwrap_or(255);
    assert!(config.channels() <= most, "{config:?}");
}

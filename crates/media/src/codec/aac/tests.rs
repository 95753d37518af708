//! Configurations and ADTS headers as encoders write them.

use super::*;
use crate::codec::testdata::AAC_HEXAGONAL;

fn config(asc: &[u8]) -> Config {
    Config::decode(asc).unwrap()
}

fn facts(asc: &[u8]) -> (String, u32, u32, Option<u32>) {
    let config = config(asc);
    let audio = config.audio();
    assert_eq!(config.asc(), asc);
    (config.codec_string(), audio.sample_rate, audio.channels, audio.samples_per_frame)
}

#[test]
fn plain_configurations() {
    assert_eq!(facts(&[0x11, 0x90]), ("mp4a.40.2".into(), 48_000, 2, Some(1024)));
    assert_eq!(facts(&[0x12, 0x08]), ("mp4a.40.2".into(), 44_100, 1, Some(1024)));
    assert_eq!(facts(&[0x11, 0xb8]), ("mp4a.40.2".into(), 48_000, 8, Some(1024)));
    assert_eq!(facts(&[0x11, 0xb0]).2, 6);
    assert_eq!(facts(&[0x11, 0x94]).3, Some(960));
    assert_eq!(facts(&[0x17, 0x80, 0x5d, 0xc0, 0x08]), ("mp4a.40.2".into(), 48_000, 1, Some(1024)));
    assert_eq!(facts(&[0xb9, 0x90, 0]), ("mp4a.40.23".into(), 48_000, 2, Some(512)));
}

/// The core runs at half the rate, and that is what an access unit is counted in.
#[test]
fn high_efficiency() {
    // Object type 5 in front: 22 050 Hz doubled.
    assert_eq!(facts(&[0x2b, 0x92, 0x08, 0x00]), ("mp4a.40.5".into(), 22_050, 2, Some(1024)));
    // Object type 29 in front: 24 000 Hz mono, which PS makes stereo.
    assert_eq!(facts(&[0xeb, 0x09, 0x88, 0x00]), ("mp4a.40.29".into(), 24_000, 2, Some(1024)));
    // Both behind, as fdk-aac writes them.
    assert_eq!(facts(&[0x13, 0x10, 0x56, 0xe5, 0x98]), ("mp4a.40.5".into(), 24_000, 2, Some(1024)));
    let v2 = [0x13, 0x08, 0x56, 0xe5, 0x9d, 0x48, 0x80];
    assert_eq!(facts(&v2), ("mp4a.40.29".into(), 24_000, 2, Some(1024)));
    // Behind, but only to say that there is none.
    assert_eq!(facts(&[0x13, 0x10, 0x56, 0xe5, 0x00]).0, "mp4a.40.2");
}

/// With the bits that it has, and something else right behind it.
#[test]
fn exact_length() {
    let all: [(&[u8], usize); 7] = [
        (&[0x11, 0x90], 16),
        (&[0x17, 0x80, 0x5d, 0xc0, 0x08], 40),
        (&[0xb9, 0x90, 0], 18),
        (&[0x2b, 0x92, 0x08, 0x00], 25),
        (&[0x13, 0x10, 0x56, 0xe5, 0x98], 37),
        (&[0x13, 0x08, 0x56, 0xe5, 0x9d, 0x48, 0x80], 49),
        (&[0x13, 0x10, 0x56, 0xe5, 0x00], 33),
    ];
    for (asc, bits) in all.into_iter().chain([(AAC_HEXAGONAL, 201)]) {
        for filler in [0x00, 0xff, 0xaa] {
            let mut data = [asc, &[filler; 3]].concat();
            if bits % 8 != 0 {
                data[bits / 8] |= filler & 0xff >> (bits % 8);
            }
            assert_eq!(Config::decode_prefix(&data), Ok((config(asc), bits)), "{asc:x?} {filler:x}");
        }
    }
    let protected = Config::decode_prefix(&[0x89, 0x90, 0x80, 0, 0]);
    assert!(matches!(protected, Err(Error::Unsupported { feature: "error protection", .. })));
}

#[test]
fn program_config_element_tells_the_channels() {
    assert_eq!(facts(AAC_HEXAGONAL), ("mp4a.40.2".into(), 48_000, 6, Some(1024)));
    assert!(config(AAC_HEXAGONAL).adts_header(100).is_err());
}

#[test]
fn what_is_no_aac_is_refused() {
    for asc in [&[][..], &[0x11], &[0xf9, 0x46, 0, 0], &[0x17, 0, 0, 0, 0], &[0x16, 0x90], &[0x11, 0xc0]] {
        assert!(Config::decode(asc).is_err(), "{asc:x?}");
    }
    assert!(matches!(Config::decode(&[0xf9, 0x46, 0, 0]), Err(Error::Unsupported { .. })));
}

/// What ffmpeg writes before an access unit of 369 bytes, 48 kHz mono.
#[test]
fn adts_header_of_ffmpeg() {
    let config = config(&[0x11, 0x88]);
    assert_eq!(config.adts_header(369).unwrap(), [0xff, 0xf1, 0x4c, 0x40, 0x2f, 0x1f, 0xfc]);
}

#[test]
fn adts_headers_come_back() {
    for asc in [&[0x11, 0x90][..], &[0x12, 0x08], &[0x0b, 0xb8], &[0x15, 0xb0]] {
        let config = config(asc);
        for len in [0, 1, 1000, 8184] {
            let header = config.adts_header(len).unwrap();
            assert_eq!(frame_len(&header), len + ADTS_LEN);
            assert_eq!(Config::from_adts(&header).unwrap(), config);
        }
        assert!(config.adts_header(8185).is_err());
        assert!(config.adts_header(usize::MAX).is_err());
    }
}

/// `aac_frame_length`.
fn frame_len(header: &[u8]) -> usize {
    let mut reader = BitReader::new(header, "test");
    reader.skip(30).unwrap();
    reader.bits(13).unwrap() as usize
}

#[test]
fn adts_carries_the_core_alone() {
    let v2 = config(&[0xeb, 0x09, 0x88, 0x00]);
    let seen = Config::from_adts(&v2.adts_header(10).unwrap()).unwrap();
    assert_eq!((seen.object_type(), seen.audio().sample_rate, seen.audio().channels), (2, 24_000, 1));
    assert!(config(&[0x11, 0x94]).adts_header(10).is_err());
    assert!(config(&[0xb9, 0x90, 0]).adts_header(10).is_err());
}

/// As they were decoded by ffmpeg, with as many channels and no sound.
#[test]
fn silent_access_units() {
    let silence = |asc: &[u8]| config(asc).silence().map(|unit| unit.to_vec());
    assert_eq!(silence(&[0x11, 0x88]), Some(vec![0, 0, 0, 7]));
    assert_eq!(silence(&[0x11, 0x90]), Some(vec![0x21, 0, 0, 0, 0, 0x1c]));
    assert_eq!(silence(&[0xb9, 0x90, 0]), None, "another object type");
    assert_eq!(silence(AAC_HEXAGONAL), None, "a program config element");
}

#[test]
fn malformed_adts_is_refused() {
    let header = [0xff, 0xf1, 0x4c, 0x80, 0x2f, 0x1f, 0xfc];
    assert!(Config::from_adts(&header).is_ok());
    for (at, value) in [(0, 0xfe), (2, 0x74), (3, 0x00)] {
        let mut header = header;
        header[at] = value;
        assert!(Config::from_adts(&header).is_err(), "{at}");
    }
    assert!(Config::from_adts(&header[..6]).is_err());
}

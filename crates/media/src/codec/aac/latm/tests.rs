//! Configurations and elements of senders, and of every form that is read.

use proptest::prelude::*;

use super::super::silence::Bits;
use super::*;
use crate::codec::testdata::AAC_HEXAGONAL;

/// Of ffmpeg 5.1, 44 100 Hz mono, and an element of it.
const FFMPEG: &[u8] = &[0x40, 0x00, 0x24, 0x10, 0x3f, 0xc0];
const ELEMENT: &[u8] =
    b"\x2c\x01\x3a\xea\x8a\xaf\x1e\x3b\xfe\x35\xfb\xfb\x79\xb7\x97\x0d\x56\xae\xac\x3b\x9d\xd7\x53\x76\
    \x6c\xc6\x77\x40\x19\x3e\x00\xcf\xee\x06\x4c\xc0\x67\xf7\x84\x64\xcc\x06\x7f\x71\xc0";
/// Of GStreamer 1.22, which ends them with the `AudioSpecificConfig`: 22 050 Hz mono of its encoder, and 48 000 Hz stereo
/// out of a file of ffmpeg's, with the signalling that there is no SBR.
const GSTREAMER: &[u8] = &[0x40, 0x00, 0x27, 0x10];
const GSTREAMER_FILE: &[u8] = &[0x40, 0x00, 0x23, 0x20, 0xad, 0xca, 0x00];

fn put(bits: &mut Bits, bytes: &[u8], count: usize) {
    for at in 0..count {
        bits.put((bytes[at / 8] >> (7 - at % 8) & 1).into(), 1);
    }
}

/// What is not the same in all of them.
#[derive(Clone, Debug)]
struct Form {
    version: bool,
    frames: u32,
    other: Option<u8>,
    crc: bool,
}

const PLAIN: Form = Form { version: false, frames: 1, other: None, crc: false };

fn mux_config(bits: &mut Bits, form: &Form, asc: &[u8], asc_bits: usize) {
    bits.put(form.version.into(), 1);
    if form.version {
        bits.put(0, 1 + 2);
        bits.put(0xff, 8);
    }
    bits.put(1, 1);
    bits.put(form.frames - 1, 6);
    bits.put(0, 4 + 3);
    if form.version {
        // Five bits of filling.
        bits.put(1, 2);
        bits.put(asc_bits as u32 + 5, 16);
    }
    put(bits, asc, asc_bits);
    bits.put(0, if form.version { 5 } else { 0 });
    bits.put(0xff, 3 + 8); // latmBufferFullness
    bits.put(form.other.is_some().into(), 1);
    if let Some(other) = form.other {
        // Either way a length of two bytes.
        if form.version {
            bits.put(1, 2);
            bits.put(other.into(), 16);
        } else {
            bits.put(0b1_0000_0000, 9);
            bits.put(other.into(), 9);
        }
    }
    bits.put(form.crc.into(), 1);
    bits.put(0xa5, if form.crc { 8 } else { 0 });
}

fn element(bits: &mut Bits, form: &Form, units: &[Vec<u8>]) {
    for unit in units {
        for _ in 0..unit.len() / 255 {
            bits.put(255, 8);
        }
        bits.put(unit.len() as u32 % 255, 8);
        put(bits, unit, unit.len() * 8);
    }
    for _ in 0..form.other.unwrap_or(0) {
        bits.put(0, 1);
    }
}

fn asc(config: &[u8]) -> Vec<u8> {
    StreamMuxConfig::decode(config).unwrap().config().asc().to_vec()
}

#[test]
fn configurations_of_senders() {
    assert_eq!(asc(FFMPEG), [0x12, 0x08]);
    assert_eq!(asc(GSTREAMER), [0x13, 0x88]);
    assert_eq!(asc(GSTREAMER_FILE), [0x11, 0x90, 0x56, 0xe5, 0x00]);
    let audio = StreamMuxConfig::decode(GSTREAMER).unwrap().config().audio();
    assert_eq!((audio.sample_rate, audio.channels), (22_050, 1));
}

#[test]
fn an_element_of_ffmpeg() {
    let mut reader = Reader::out_of_band(StreamMuxConfig::decode(FFMPEG).unwrap());
    let found = reader.element(&[ELEMENT, ELEMENT].concat()).unwrap();
    assert_eq!(found, Element { units: vec![Bytes::from_static(&ELEMENT[1..])], len: ELEMENT.len() });
    assert!(reader.element(&ELEMENT[..44]).is_err() && reader.element(&[]).is_err());
}

/// The bytes of each `AudioSpecificConfig` are exact wherever it begins and whatever follows it.
#[test]
fn every_audio_specific_config() {
    let all: [(&[u8], usize); 6] = [
        (&[0x11, 0x90], 16),
        (&[0xb9, 0x90, 0], 18),
        (&[0x2b, 0x92, 0x08, 0x00], 25),
        (&[0x13, 0x10, 0x56, 0xe5, 0x98], 37),
        (&[0x13, 0x08, 0x56, 0xe5, 0x9d, 0x48, 0x80], 49),
        (AAC_HEXAGONAL, 201),
    ];
    for (asc, count) in all {
        for version in [false, true] {
            let mut bits = Bits::default();
            let form = Form { version, other: Some(3), crc: true, ..PLAIN };
            mux_config(&mut bits, &form, asc, count);
            let found = StreamMuxConfig::decode(&bits.bytes).unwrap();
            let padding = asc.len().max((count + 5).div_ceil(8)) - asc.len();
            let filled = [asc, &[0; 1][..if version { padding } else { 0 }]].concat();
            assert_eq!((found.config().asc(), found.other_bits), (&Bytes::from(filled), 3));
        }
    }
}

#[test]
fn what_is_not_read_is_told() {
    for (data, wanted) in [
        (&[0xc0, 0, 0, 0][..], "audioMuxVersionA 1"),
        (&[0x00, 0x00, 0x24, 0x10], "streams of different framing"),
        (&[0x40, 0x10, 0x24, 0x10], "more than one program"),
        (&[0x40, 0x02, 0x24, 0x10], "more than one layer"),
        (&[0x40, 0x00, 0x24, 0x10, 0x7f, 0xc0], "access units of a fixed length"),
        (&[0x40, 0x01, 0xf2, 0x8c, 0, 0], "an audio object type other than AAC"),
    ] {
        match StreamMuxConfig::decode(data) {
            Err(Error::Unsupported { feature, .. }) => assert_eq!(feature, wanted),
            other => panic!("{other:?}"),
        }
    }
    for len in 0..4 {
        assert!(matches!(StreamMuxConfig::decode(&GSTREAMER[..len]), Err(Error::Truncated { .. })));
    }
}

#[test]
fn configuration_in_band() {
    let mut first = Bits::default();
    first.put(0, 1);
    mux_config(&mut first, &PLAIN, &[0x11, 0x90], 16);
    element(&mut first, &PLAIN, &[vec![1, 2, 3]]);
    let mut next = Bits::default();
    next.put(1, 1);
    element(&mut next, &PLAIN, &[vec![4; 600]]);
    let mut reader = Reader::in_band(None);
    assert!(matches!(reader.element(&next.bytes), Err(Error::Invalid { .. })));
    assert_eq!(reader.element(&first.bytes).unwrap().units, [&[1, 2, 3][..]]);
    assert_eq!(reader.config().unwrap().config().asc(), &[0x11, 0x90][..]);
    let found = reader.element(&next.bytes).unwrap();
    assert_eq!((&found.units[..], found.len), (&[Bytes::from(vec![4; 600])][..], next.bytes.len()));
    // Two programs from here on: nothing is read as what was before.
    assert!(reader.element(&[0x20, 0x08, 0, 0]).is_err());
    assert_eq!(reader.config(), None);
    assert!(reader.element(&next.bytes).is_err());
}

fn forms() -> impl Strategy<Value = Form> {
    (any::<bool>(), 1u32..=64, any::<Option<u8>>(), any::<bool>())
        .prop_map(|(version, frames, other, crc)| Form { version, frames, other, crc })
}

proptest! {
    #[test]
    fn access_units_come_back(form in forms(), len in 0usize..700, in_band: bool) {
        let units: Vec<_> = (0..form.frames).map(|at| vec![at as u8; len * at as usize % 700]).collect();
        let mut bits = Bits::default();
        bits.put(0, usize::from(in_band));
        let mut config = Bits::default();
        mux_config(if in_band { &mut bits } else { &mut config }, &form, &[0x11, 0x90], 16);
        element(&mut bits, &form, &units);
        let mut reader = match in_band {
            true => Reader::in_band(None),
            false => Reader::out_of_band(StreamMuxConfig::decode(&config.bytes).unwrap()),
        };
        let found = reader.element(&bits.bytes).unwrap();
        prop_assert_eq!(found.units, units);
        prop_assert_eq!(found.len, bits.bytes.len());
    }

    #[test]
    fn damaged_bytes_do_no_harm(
        form in forms(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        end: prop::sample::Index,
    ) {
        let mut bits = Bits::default();
        bits.put(0, 1);
        mux_config(&mut bits, &form, AAC_HEXAGONAL, 201);
        element(&mut bits, &form, &vec![vec![7; 20]; form.frames as usize]);
        let mut data = bits.bytes;
        for (at, value) in damage {
            let at = at.index(data.len());
            data[at] ^= value;
        }
        data.truncate(1 + end.index(data.len()));
        let _ = StreamMuxConfig::decode(&data);
        let mut reader = Reader::in_band(None);
        if let Ok(found) = reader.element(&data) {
            prop_assert!(found.len > 0 && found.len <= data.len() && found.units.len() <= 64);
            prop_assert!(found.units.iter().map(Bytes::len).sum::<usize>() < data.len());
            let config = reader.config().unwrap().config();
            prop_assert_eq!(Config::decode(config.asc()), Ok(config.clone()));
        }
    }
}

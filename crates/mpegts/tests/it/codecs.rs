//! Each codec's form: what the program map says, and that every payload arrives as it was.

use bytes::{Bytes, BytesMut};
use media::codec::{Codec, opaque};
use media::{Frame, Timestamp, Track, TrackId, nal};
use proptest::prelude::*;
use rillcast_mpegts::Mux;
use testkit::{Clip, clip, samples};

use crate::demux::{Pes, demux, diff};
use crate::mux;

/// Stamps, order and count; returns the arrived units of the clip's only track.
fn carried(clip: &Clip, pid: u16, stream_type: u8, descriptors: &[u8]) -> Vec<Pes> {
    let demux = demux(&mux(clip));
    demux.check_clock();
    assert_eq!(demux.streams[&pid], (stream_type, descriptors.to_vec()));
    assert_eq!(demux.pcr_pid, pid);
    let units = demux.pes_of(pid);
    assert_eq!(units.len(), clip.frames.len());
    for (frame, unit) in clip.frames.iter().zip(&units) {
        assert_eq!(unit.pts, frame.pts.to_scale(90_000) + 900_000);
        assert_eq!(unit.dts, frame.dts.to_scale(90_000) + 900_000);
        assert!(unit.random_access <= frame.key);
    }
    units
}

fn split(unit: &Pes) -> Vec<&[u8]> {
    assert_eq!(unit.data[..4], [0, 0, 0, 1]);
    nal::annex_b(&unit.data).collect()
}

#[test]
fn h264_has_delimiters_and_parameter_sets() {
    let clip = clip().video_only();
    let Codec::H264(config) = &clip.tracks[0].codec else { panic!("H.264") };
    for (frame, unit) in clip.frames.iter().zip(carried(&clip, 0x100, 0x1B, &[])) {
        let mut expected: Vec<&[u8]> = vec![&[0x09, 0xF0]];
        if frame.key {
            expected.extend([&config.sps()[0][..], &config.pps()[0][..]]);
        }
        expected.extend(nal::units(&frame.data));
        assert_eq!(split(&unit), expected);
        assert_eq!((unit.stream_id, unit.random_access), (0xE0, frame.key));
    }
}

#[test]
fn h265_keeps_its_own_parameter_sets() {
    let clip = samples::h265();
    for (frame, unit) in clip.frames.iter().zip(carried(&clip, 0x100, 0x24, &[])) {
        // Their delimiter says intra only or intra and P; ours says any.
        let mut expected: Vec<&[u8]> = vec![&[0x46, 0x01, 0x50]];
        expected.extend(nal::units(&frame.data).skip(1));
        assert_eq!(split(&unit), expected);
    }
}

#[test]
fn aac_is_adts() {
    let clip = clip().audio_only();
    for (frame, unit) in clip.frames.iter().zip(carried(&clip, 0x101, 0x0F, &[])) {
        assert_eq!((unit.stream_id, &unit.data[..4]), (0xC0, &[0xFF, 0xF1, 0x4C, 0x40][..]));
        assert_eq!(unit.data[7..], frame.data);
    }
}

#[test]
fn mpeg_and_dolby_audio_go_as_they_are() {
    let cases = [
        (samples::mp3(), 0x03, &b""[..], 0xC0),
        (samples::mp2(), 0x03, b"", 0xC0),
        (samples::ac3(), 0x81, b"\x05\x04AC-3", 0xBD),
        (samples::eac3(), 0x87, b"\x05\x04EAC3", 0xBD),
    ];
    for (clip, stream_type, descriptors, stream_id) in cases {
        for (frame, unit) in clip.frames.iter().zip(carried(&clip, 0x101, stream_type, descriptors)) {
            assert_eq!((unit.stream_id, &unit.data[..]), (stream_id, &frame.data[..]));
        }
    }
}

#[test]
fn opus_has_control_headers() {
    let clip = samples::opus();
    for (frame, unit) in clip.frames.iter().zip(carried(&clip, 0x101, 0x06, b"\x05\x04Opus\x7F\x02\x80\x02"))
    {
        let mut expected = vec![0x7F, 0xE0];
        expected.extend(std::iter::repeat_n(255, frame.data.len() / 255));
        expected.push((frame.data.len() % 255) as u8);
        expected.extend_from_slice(&frame.data);
        assert_eq!(unit.data, expected);
    }
}

fn opaque(id: u16, stream_type: u8, data: &'static [u8]) -> (Track, Frame) {
    let codec = Codec::Opaque(opaque::Config { stream_type, descriptors: Bytes::from_static(&[0x52, 1, 7]) });
    let (dts, data) = (Timestamp::ZERO, Bytes::from_static(data));
    let track = TrackId(id);
    (
        Track { id: track, codec },
        Frame { track, dts, pts: dts, duration: Default::default(), key: true, data },
    )
}

#[test]
fn opaque_tracks_pass_through() {
    let (subtitles, unit) = opaque(7, 0x06, b"\x20\x00subtitle");
    let (splices, section) = opaque(8, 0x86, b"\xFC\x30\x11");
    let mut mux = Mux::new(Timestamp::ZERO);
    mux.set_tracks(&[subtitles, splices]);
    let mut out = BytesMut::new();
    mux.frame(&section, &mut out);
    mux.frame(&unit, &mut out);
    let demux = demux(&out);
    assert_eq!(demux.streams[&0x101], (0x06, vec![0x52, 1, 7]));
    assert_eq!(demux.streams[&0x102], (0x86, vec![0x52, 1, 7]));
    assert_eq!(demux.pes_of(0x101)[0].data, unit.data);
    assert_eq!(demux.sections[0][..5], [0, 0xFC, 0x30, 0x11, 0xFF]);
}

#[test]
fn tracks_without_a_form_are_named() {
    let flac = media::codec::flac::Config::decode(&FLAC).expect("STREAMINFO");
    let mut tracks = clip().tracks;
    tracks.push(Track { id: TrackId(2), codec: Codec::Flac(flac) });
    let mut mux = Mux::new(Timestamp::ZERO);
    let omitted = mux.set_tracks(&tracks);
    assert_eq!(omitted.iter().map(|omitted| omitted.track).collect::<Vec<_>>(), [TrackId(2)]);
    let written = |id| {
        let (_, frame) = opaque(id, 0x06, b"unit");
        let mut out = BytesMut::new();
        mux.frame(&frame, &mut out);
        !out.is_empty()
    };
    assert_eq!([0, 1, 2].map(written), [true, true, false]);
}

/// STREAMINFO: blocks of 4096, 48 kHz, two channels, 16 bits.
const FLAC: [u8; 34] = {
    let mut bytes = [0; 34];
    bytes[0] = 0x10;
    bytes[2] = 0x10;
    bytes[10] = 0x0B;
    bytes[11] = 0xB8;
    bytes[12] = 0x02;
    bytes[13] = 0xF0;
    bytes
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the sizes, in one unit or many, everything arrives and fits its packets.
    #[test]
    fn any_size_arrives(
        sizes in prop::collection::vec(prop_oneof![0usize..400, 60_000usize..70_000, 0usize..400_000], 1..6),
        reorder in prop::collection::vec(0i64..3, 6),
    ) {
        let mut clip = clip().video_only();
        clip.frames.truncate(sizes.len());
        for (frame, (size, reorder)) in clip.frames.iter_mut().zip(sizes.into_iter().zip(reorder)) {
            let body: Vec<u8> = (0..size).map(|i| (i % 251) as u8 | 1).collect();
            frame.data = nal::join([&b"\x41\x9A"[..], &body, b"\x41\x01"]);
            frame.key = false;
            frame.pts = frame.dts + frame.duration.times(reorder);
        }
        for (frame, unit) in clip.frames.iter().zip(carried(&clip, 0x100, 0x1B, &[])) {
            let own: Vec<&[u8]> = split(&unit)[1..].to_vec();
            prop_assert_eq!(own, nal::units(&frame.data).collect::<Vec<_>>());
            let header = if unit.pts == unit.dts { 8 } else { 13 };
            prop_assert_eq!(unit.unbounded, unit.data.len() + header > 65_535);
            prop_assert!(diff(unit.dts, unit.pcr) >= 45_000);
        }
    }

    #[test]
    fn malformed_payloads_break_nothing(data in prop::collection::vec(any::<u8>(), 0..600), key: bool) {
        for clip in [clip(), samples::h265(), samples::opus()] {
            let mut clip = Clip { frames: clip.frames[..4].to_vec(), ..clip };
            for frame in &mut clip.frames {
                frame.data = Bytes::from(data.clone());
                frame.key = key;
            }
            demux(&mux(&clip)).check_clock();
        }
    }
}

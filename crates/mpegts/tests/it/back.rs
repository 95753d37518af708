//! What the multiplexer writes comes back frame by frame, whatever happens to it on the way.

use bytes::{Bytes, BytesMut};
use media::codec::opaque;
use media::{Codec, Frame, Timestamp, Track, TrackId, nal};
use proptest::prelude::*;
use rillcast_mpegts::demux::{Media, Settings};
use rillcast_mpegts::{Demux, Error, Mux};
use testkit::{Clip, clip, samples};

use crate::mux;

/// An access unit as it came back.
#[derive(Debug, Clone, PartialEq)]
struct Unit {
    track: TrackId,
    pts: u64,
    dts: u64,
    key: bool,
    data: Bytes,
}

#[derive(Debug, Default)]
struct Back {
    tracks: Vec<(TrackId, Codec)>,
    units: Vec<Unit>,
    damaged: Vec<(Option<TrackId>, Error)>,
    unsupported: Vec<String>,
}

impl Back {
    fn take(&mut self, demux: &mut Demux) {
        while let Some(media) = demux.poll() {
            match media {
                Media::Track { id, codec } => self.tracks.push((id, codec)),
                Media::Unit { track, pts, dts, key, data } => {
                    self.units.push(Unit { track, pts, dts, key, data })
                }
                Media::Damaged { track, error } => self.damaged.push((track, error)),
                Media::Unsupported { what } => self.unsupported.push(what),
                _ => {}
            }
        }
    }

    fn of(&self, track: TrackId) -> Vec<&Unit> {
        self.units.iter().filter(|unit| unit.track == track).collect()
    }
}

fn read(bytes: &[u8], chunk: usize) -> Back {
    let (mut demux, mut back) = (Demux::new(Settings::default()), Back::default());
    for part in bytes.chunks(chunk) {
        demux.push(part);
        back.take(&mut demux);
    }
    demux.finish();
    back.take(&mut demux);
    back
}

/// What a frame of the clip is to come back as.
fn expected(clip: &Clip, frame: &Frame) -> Unit {
    let codec = &clip.tracks.iter().find(|track| track.id == frame.track).expect("a track").codec;
    let is_aud = |unit: &&[u8]| match codec {
        Codec::H264(_) => unit[0] & 31 == 9,
        Codec::H265(_) => unit[0] >> 1 & 63 == 35,
        _ => false,
    };
    let data = match codec {
        // The multiplexer puts parameter sets before a key frame that has none.
        Codec::H264(config) if frame.key && !media::codec::h264::has_parameter_sets(&frame.data) => {
            let sets = config.sps().iter().chain(config.pps()).map(|set| &set[..]);
            nal::join(sets.chain(nal::units(&frame.data)))
        }
        Codec::H264(_) | Codec::H265(_) => nal::join(nal::units(&frame.data).filter(|unit| !is_aud(unit))),
        _ => frame.data.clone(),
    };
    let stamp = |time: Timestamp| time.to_scale(90_000).rem_euclid(1 << 33) as u64 + 900_000;
    Unit { track: frame.track, pts: stamp(frame.pts), dts: stamp(frame.dts), key: frame.key, data }
}

fn same(clip: &Clip, back: &Back) {
    assert_eq!((&back.damaged[..], &back.unsupported[..]), (&[][..], &[][..]));
    for track in &clip.tracks {
        let frames = clip.frames.iter().filter(|frame| frame.track == track.id);
        let wanted: Vec<_> = frames.map(|frame| expected(clip, frame)).collect();
        let found = back.of(track.id);
        assert_eq!(found.len(), wanted.len(), "{}", track.codec.name());
        for (index, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
            assert_eq!(*found, wanted, "{} {index}", track.codec.name());
        }
        let codecs: Vec<_> = back.tracks.iter().filter(|(id, _)| *id == track.id).collect();
        assert_eq!(codecs.len(), 1, "told once");
        match (&codecs[0].1, &track.codec) {
            // Pre-skip and input rate have no place in a transport stream.
            (Codec::Opus(found), Codec::Opus(wanted)) => assert_eq!(found.channels(), wanted.channels()),
            // ADTS has no words for what says that there is no SBR.
            (Codec::Aac(found), Codec::Aac(wanted)) => assert_eq!(found.audio(), wanted.audio()),
            (found, wanted) => assert_eq!(found, wanted),
        }
    }
}

fn all() -> [Clip; 7] {
    [
        clip(),
        samples::h265(),
        samples::mp3(),
        samples::mp2(),
        samples::ac3(),
        samples::eac3(),
        samples::opus(),
    ]
}

#[test]
fn every_codec_comes_back() {
    for clip in all() {
        let bytes = mux(&clip);
        for chunk in [1, 188, 1316, 1317, 65_536] {
            same(&clip, &read(&bytes, chunk));
        }
    }
}

#[test]
fn packets_with_prefix_or_with_error_correction() {
    let clip = clip();
    let bytes = mux(&clip);
    for (before, behind) in [(4, 0), (0, 16)] {
        let longer = |packet: &[u8]| [&vec![0x47; before][..], packet, &vec![0x47; behind]].concat();
        let bytes: Vec<u8> = bytes.chunks(188).flat_map(longer).collect();
        same(&clip, &read(&bytes[before..], 1000));
    }
}

fn opaque(id: u16, stream_type: u8, data: &'static [u8]) -> (Track, Frame) {
    let codec = Codec::Opaque(opaque::Config { stream_type, descriptors: Bytes::from_static(&[0x52, 1, 7]) });
    let (dts, track) = (Timestamp::ZERO, TrackId(id));
    let frame = Frame {
        track,
        dts,
        pts: dts,
        duration: Default::default(),
        key: true,
        data: Bytes::from_static(data),
    };
    (Track { id: track, codec }, frame)
}

#[test]
fn opaque_tracks_come_back_as_they_were() {
    const SPLICE_NULL: &[u8] =
        &[0xFC, 0x30, 0x11, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0];
    let (subtitles, unit) = opaque(7, 0x06, b"\x20\x00subtitle");
    let (splices, section) = opaque(8, 0x86, SPLICE_NULL);
    let mut section = section;
    let fixed = fix_crc(&section.data);
    section.data = fixed;
    let mut mux = Mux::new(Timestamp::ZERO);
    mux.set_tracks(&[subtitles.clone(), splices.clone()]);
    let mut out = BytesMut::new();
    mux.frame(&unit, &mut out);
    mux.frame(&section, &mut out);
    let back = read(&out, 188);
    assert_eq!(back.damaged, []);
    let found: Vec<_> = back.units.iter().map(|unit| (&unit.data[..], unit.dts)).collect();
    // A section has the time of the sound or pictures beside it, or else that of the clock.
    // What it tells of time has moved like the stamps: hub time 0 is 900 000.
    let told = rillcast_mpegts::shift_splice(&section.data, 900_000).expect("a section");
    assert_eq!(found, [(&unit.data[..], 900_000), (&told[..], 855_000)]);
    let codecs: Vec<_> = back.tracks.into_iter().map(|(_, codec)| codec).collect();
    assert_eq!(codecs, [subtitles.codec, splices.codec]);
}

fn fix_crc(section: &[u8]) -> Bytes {
    let end = section.len() - 4;
    let crc = section[..end].iter().fold(!0u32, |crc, byte| {
        (0..8).rev().fold(crc, |crc, bit| {
            crc << 1 ^ if crc >> 31 ^ u32::from(byte >> bit & 1) == 1 { 0x04C1_1DB7 } else { 0 }
        })
    });
    Bytes::from([&section[..end], &crc.to_be_bytes()].concat())
}

#[test]
fn tracks_come_and_go_and_change() {
    let (video, sound) = (clip().video_only(), clip().audio_only());
    let other = samples::mp2();
    let mut mux = Mux::new(Timestamp::ZERO);
    let mut out = BytesMut::new();
    let at = |frame: &Frame, shift: i64| {
        let shift = media::TimeDelta::from_secs(shift);
        Frame { dts: frame.dts + shift, pts: frame.pts + shift, ..frame.clone() }
    };
    mux.set_tracks(&video.tracks);
    video.frames[..25].iter().for_each(|frame| mux.frame(frame, &mut out));
    let both = [&video.tracks[..], &sound.tracks].concat();
    mux.set_tracks(&both);
    video.frames[25..50].iter().for_each(|frame| mux.frame(frame, &mut out));
    sound.frames[..20].iter().for_each(|frame| mux.frame(&at(frame, 2), &mut out));
    mux.set_tracks(&other.tracks);
    other.frames.iter().for_each(|frame| mux.frame(&at(frame, 3), &mut out));
    let mut demux = Demux::new(Settings::default());
    demux.push(&out);
    demux.finish();
    let mut told = Vec::new();
    while let Some(media) = demux.poll() {
        match media {
            Media::Track { id, codec } => told.push(format!("{id} {}", codec.name())),
            Media::Removed { id } => told.push(format!("{id} gone")),
            Media::Damaged { error, .. } => panic!("{error}"),
            _ => {}
        }
    }
    assert_eq!(told, ["track 0 H.264", "track 1 AAC", "track 0 gone", "track 1 MP2"]);
}

#[test]
fn several_frames_of_sound_in_a_packet_have_exact_times() {
    let clip = samples::mp2();
    let mut joined = clip.clone();
    joined.frames = clip
        .frames
        .chunks(4)
        .map(|frames| Frame {
            data: frames.iter().flat_map(|frame| frame.data.to_vec()).collect::<Vec<_>>().into(),
            ..frames[0].clone()
        })
        .collect();
    same(&clip, &read(&mux(&joined), 188));
}

/// Pictures joined into one PES packet, and pictures over several: what is between them is found by itself.
#[test]
fn pictures_and_packets_need_not_agree() {
    let clip = samples::h265();
    let mut joined = clip.clone();
    joined.frames = clip
        .frames
        .chunks(2)
        .map(|frames| Frame {
            data: frames.iter().flat_map(|frame| frame.data.to_vec()).collect::<Vec<_>>().into(),
            ..frames[0].clone()
        })
        .collect();
    // Their inner delimiters would be taken out by the multiplexer; parameter sets and first slices tell as well.
    let back = read(&mux(&joined), 188);
    let wanted: Vec<_> = clip.frames.iter().map(|frame| expected(&clip, frame)).collect();
    assert_eq!(back.of(TrackId::VIDEO).into_iter().cloned().collect::<Vec<_>>(), wanted);
}

#[test]
fn scrambled_packets_are_said_once() {
    let mut bytes = mux(&clip());
    for packet in bytes.chunks_mut(188).filter(|packet| packet[1] & 0x1F == 1 && packet[2] == 0) {
        packet[3] |= 0x80;
    }
    let back = read(&bytes, 188);
    assert_eq!(back.unsupported, ["scrambled: H.264 on PID 0x100"]);
    assert_eq!((back.of(TrackId::VIDEO).len(), back.of(TrackId::AUDIO).len()), (0, 375));
}

#[test]
fn packets_that_come_twice_count_once() {
    let clip = clip();
    let twice: Vec<u8> = mux(&clip).chunks(188).flat_map(|packet| [packet, packet].concat()).collect();
    same(&clip, &read(&twice, 188));
}

#[test]
fn too_long_units_are_left_out() {
    let bytes = mux(&clip().video_only());
    let mut demux = Demux::new(Settings { unit_bytes: 400, ..Settings::default() });
    let mut back = Back::default();
    for part in bytes.chunks(188) {
        demux.push(part);
        back.take(&mut demux);
    }
    assert!(back.damaged.iter().any(|(_, error)| matches!(error, Error::Limit { limit: 400, .. })));
    // What is found by one packet more than the limit is given all the same.
    assert!(back.units.iter().all(|unit| unit.data.len() <= 400 + 188));
}

/// For each packet the access units that it has a part of: those of its track that end in or behind it.
fn touched(clip: &Clip, packets: &[&[u8]], lost: &[usize]) -> Vec<(TrackId, u64)> {
    let pid = |packet: &[u8]| u16::from_be_bytes([packet[1] & 31, packet[2]]);
    let (mut touched, mut current) = (Vec::new(), std::collections::BTreeMap::new());
    let mut frames = clip.frames.iter();
    for (index, packet) in packets.iter().enumerate() {
        let pid = pid(packet);
        if pid != 0x100 && pid != 0x101 {
            continue;
        }
        if packet[1] & 0x40 != 0 {
            let frame = frames.next().expect("a PES packet for each frame");
            current.insert(pid, (frame.track, expected(clip, frame).dts));
        }
        if packet[3] & 0x10 != 0 && lost.contains(&index) {
            touched.extend(current.get(&pid));
        }
    }
    touched
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_chunking_gives_the_same(sizes in prop::collection::vec(1usize..3000, 1..40), which in 0usize..7) {
        let clip = &all()[which];
        let bytes = mux(clip);
        let (mut demux, mut back, mut rest) = (Demux::new(Settings::default()), Back::default(), &bytes[..]);
        for size in sizes.iter().cycle() {
            let (part, behind) = rest.split_at((*size).min(rest.len()));
            demux.push(part);
            back.take(&mut demux);
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        demux.finish();
        back.take(&mut demux);
        same(clip, &back);
    }

    /// Packets that are lost damage what they were a part of, and nothing else.
    #[test]
    fn lost_packets_damage_what_they_touched(lost in prop::collection::vec(20usize..2000, 1..12), which in 0usize..7) {
        let clip = &all()[which];
        let bytes = mux(clip);
        let packets: Vec<_> = bytes.chunks(188).collect();
        let left = packets.iter().enumerate().filter(|(index, _)| !lost.contains(index));
        let left: Vec<u8> = left.flat_map(|(_, packet)| packet.to_vec()).collect();
        let back = read(&left, 1316);
        let touched = touched(clip, &packets, &lost);
        let wanted: Vec<_> = clip.frames.iter().map(|frame| expected(clip, frame)).collect();
        for track in &clip.tracks {
            let whole = |unit: &&Unit| unit.track == track.id && !touched.contains(&(unit.track, unit.dts));
            let wanted: Vec<_> = wanted.iter().filter(whole).collect();
            prop_assert_eq!(back.of(track.id), wanted, "{:?} {:?}", touched, back.damaged);
        }
// Nothing comes behind the last one, that could show that it was lost.
        let last = |touched: &(TrackId, u64)| {
            wanted.iter().rev().find(|unit| unit.track == touched.0).is_some_and(|unit| unit.dts == touched.1)
        };
        let said = back.damaged.iter().any(|(track, _)| track.is_some());
        prop_assert!(said || touched.iter().all(last));
        prop_assert!(!said || !touched.is_empty());
    }

    #[test]
    fn damaged_bytes_are_taken(damage in prop::collection::vec((any::<usize>(), any::<u8>()), 1..60), which in 0usize..7) {
        let mut bytes = mux(&all()[which]);
        let len = bytes.len();
        for (at, value) in damage {
            bytes[at % len] = value;
        }
        let back = read(&bytes, 1316);
        prop_assert!(back.units.iter().all(|unit| unit.pts < 1 << 33 && unit.dts < 1 << 33 && !unit.data.is_empty()));
    }
}

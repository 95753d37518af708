//! Access units to packets and back, for every format.

use bytes::Bytes;
use media::codec::{ac3, av1, g711, h264, h265};
use media::{Codec, Kind, nal};
use proptest::prelude::*;
use rillcast_rtp::{Depacketizer, Format, Header, Media, Packet, Packetizer};
use testkit::{clip, samples};

/// A track: its codec, and the access units with their key flags.
pub(crate) struct Sample {
    pub(crate) codec: Codec,
    pub(crate) units: Vec<(bool, Bytes)>,
}

fn sample(clip: testkit::Clip, count: usize) -> Sample {
    let codec = clip.tracks[0].codec.clone();
    let units = clip.frames.into_iter().take(count).map(|frame| (frame.key, frame.data)).collect();
    Sample { codec, units }
}

/// Every format once or more.
pub(crate) fn all() -> Vec<Sample> {
    let file = |bytes: &'static [u8]| Bytes::from_static(bytes);
    let av1 = Codec::Av1(
        av1::Config::decode(include_bytes!("../../../media/testdata/aom-10bit.av1c"))
            .expect("a sample that can be sent"),
    );
    let g711 = |law, channels| {
        Codec::G711(g711::Config::new(law, 8000, channels).expect("a sample that can be sent"))
    };
    let noise = |len: usize| Bytes::from((0..len).map(|i| (i * 7 % 251) as u8).collect::<Vec<_>>());
    let surround = include_bytes!("../../../media/testdata/ffmpeg-ac3-51-head.frame");
    let mut long = surround.to_vec();
    long.resize(1792, 0x5a);
    vec![
        sample(clip().video_only(), 60),
        sample(clip().audio_only(), 60),
        sample(samples::h265(), 50),
        sample(samples::mp3(), 43),
        sample(samples::mp2(), 42),
        sample(samples::ac3(), 32),
        sample(samples::eac3(), 32),
        sample(samples::opus(), 51),
        Sample {
            codec: av1,
            units: vec![
                (true, file(include_bytes!("../../../media/testdata/aom-10bit-key.tu"))),
                (false, file(include_bytes!("../../../media/testdata/aom-10bit-inter.tu"))),
                (true, large_av1()),
                (false, file(include_bytes!("../../../media/testdata/aom-10bit-inter.tu"))),
            ],
        },
        Sample { codec: g711(g711::Law::A, 1), units: vec![(true, noise(160)), (true, noise(1024))] },
        Sample { codec: g711(g711::Law::Mu, 2), units: vec![(true, noise(320)), (true, noise(2048))] },
        Sample {
            codec: Codec::Ac3(ac3::Config::decode(surround).expect("a sample that can be sent")),
            units: vec![(true, long.clone().into()), (true, long.into())],
        },
    ]
}

/// A key frame whose OBUs are many and large.
fn large_av1() -> Bytes {
    let key: &[u8] = include_bytes!("../../../media/testdata/aom-10bit-key.tu");
    // Metadata, with an extension in its header: temporal and spatial id 0.
    let metadata = |len: u8| [&[0x2e, 0, len][..], &vec![4; len.into()]].concat();
    let tiles = [&[0x22, 0xa0, 0x1f][..], &vec![0x77; 0x0fa0]].concat();
    [key, &metadata(1), &metadata(2), &metadata(3), &metadata(90), &tiles].concat().into()
}

/// The packets of each access unit; the timestamp of unit `i` is `i * 3000`.
pub(crate) fn packets(sample: &Sample, max_payload: usize) -> Vec<Vec<Packet>> {
    let mut packetizer = Packetizer::new(&sample.codec, max_payload).expect("a sample that can be sent");
    let mut sequence = 65_500u16;
    let units = sample.units.iter().enumerate();
    units
        .map(|(index, (key, data))| {
            let mut packets = Vec::new();
            packetizer.pack(data, *key, &mut |payload| {
                let timestamp = (index as u32 * 3000).wrapping_add(payload.offset);
                let header =
                    Header { marker: payload.marker, payload_type: 96, sequence, timestamp, ssrc: 1 };
                sequence = sequence.wrapping_add(1);
                packets.push(Packet { header, payload: payload.parts.concat().into() });
            });
            packets
        })
        .collect()
}

/// What is to come of an access unit: NAL units without delimiters, behind parameter sets where they were not there.
fn expected(codec: &Codec, key: bool, data: &Bytes) -> Bytes {
    type IsDelimiter = fn(&[u8]) -> bool;
    let (sets, delimiter): (Vec<Bytes>, IsDelimiter) = match codec {
        Codec::H264(config) => {
            ([config.sps(), config.pps()].concat(), |unit| h264::unit_type(unit) == Some(9))
        }
        Codec::H265(config) => {
            ([config.vps(), config.sps(), config.pps()].concat(), |unit| h265::unit_type(unit) == Some(35))
        }
        _ => return data.clone(),
    };
    let there = match codec {
        Codec::H264(_) => h264::has_parameter_sets(data),
        _ => h265::has_parameter_sets(data),
    };
    let sets = sets.iter().filter(|_| key && !there).map(|set| &set[..]);
    nal::join(sets.chain(nal::units(data).filter(|unit| !delimiter(unit))))
}

/// Runs packets through; those that `is_lost` do not arrive.
fn read(format: &Format, packets: &[Vec<Packet>], is_lost: impl Fn(usize) -> bool) -> Vec<Media> {
    let mut depacketizer = Depacketizer::new(format).expect("a sample that can be sent");
    let (mut media, mut gap) = (Vec::new(), false);
    for (index, packet) in packets.iter().flatten().enumerate() {
        if is_lost(index) {
            gap = true;
            continue;
        }
        depacketizer.push(packet, std::mem::take(&mut gap));
        media.extend(std::iter::from_fn(|| depacketizer.poll()));
    }
    media
}

fn units(media: &[Media]) -> Vec<(u32, bool, Bytes)> {
    media
        .iter()
        .filter_map(|media| match media {
            Media::Unit { timestamp, key, data } => Some((*timestamp, *key, data.clone())),
            _ => None,
        })
        .collect()
}

fn is_divided_in_time(codec: &Codec) -> bool {
    matches!(codec, Codec::G711(_))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_access_unit_comes_back(max_payload in 100usize..=1400) {
        for sample in all() {
            let format = Format::of(&sample.codec, 96).expect("a sample that can be sent");
            let packets = packets(&sample, max_payload);
            let media = read(&format, &packets, |_| false);
            prop_assert!(!media.iter().any(|media| matches!(media, Media::Damaged { .. })), "{media:?}");
            let codecs: Vec<_> = media.iter().filter_map(|media| match media {
                Media::Codec(codec) => Some(codec),
                _ => None,
            }).collect();
            let name = sample.codec.name();
            prop_assert_eq!(codecs.len(), 1, "{}", name);
            let video = sample.codec.kind() == Kind::Video;
            prop_assert_eq!((codecs[0].video(), codecs[0].audio()), (sample.codec.video(), sample.codec.audio()));
            let found = units(&media);
            if is_divided_in_time(&sample.codec) {
                let all: Vec<u8> = found.iter().flat_map(|unit| unit.2.to_vec()).collect();
                prop_assert_eq!(all, sample.units.iter().flat_map(|unit| unit.1.to_vec()).collect::<Vec<_>>());
                continue;
            }
            prop_assert_eq!(found.len(), sample.units.len(), "{}", name);
            for (index, ((key, data), found)) in sample.units.iter().zip(found).enumerate() {
                prop_assert_eq!(found.0, index as u32 * 3000);
                prop_assert_eq!(found.1, *key || !video);
                prop_assert_eq!(&found.2, &expected(&sample.codec, *key, data), "{} {}", name, index);
            }
        }
    }

    #[test]
    fn packets_are_no_larger_than_wanted_and_fragments_of_one_size(max_payload in 100usize..=1400) {
        for sample in all() {
            for packets in packets(&sample, max_payload) {
                prop_assert!(!packets.is_empty());
                let sizes: Vec<_> = packets.iter().map(|packet| packet.payload.len()).collect();
                if !matches!(sample.codec, Codec::Opus(_)) {
                    prop_assert!(sizes.iter().all(|&size| size <= max_payload), "{:?}", sizes);
                }
                let name = sample.codec.name();
                let markers = packets.iter().filter(|packet| packet.header.marker).count();
                if matches!(name, "H.264" | "H.265" | "AV1" | "AAC" | "AC-3" | "E-AC-3") {
                    prop_assert!(packets.last().expect("a sample that can be sent").header.marker);
                    prop_assert_eq!(markers, 1);
                }
                if !matches!(name, "H.264" | "H.265" | "AV1") {
                    prop_assert!(sizes.windows(2).all(|pair| pair[1] <= pair[0]));
                    prop_assert!(sizes.windows(3).all(|three| three[0] == three[1]));
                }
            }
        }
    }

    /// The access unit that a lost packet belonged to does not come, or without what was lost if that was all of a leading
    /// SEI message; all others come as they were.
    #[test]
    fn a_lost_packet_costs_its_access_unit(max_payload in 100usize..=1400, lost: prop::sample::Index) {
        for sample in all() {
            let format = Format::of(&sample.codec, 96).expect("a sample that can be sent");
            let packets = packets(&sample, max_payload);
            let owners: Vec<_> =
                packets.iter().enumerate().flat_map(|(unit, packets)| packets.iter().map(move |_| unit)).collect();
            // What follows shows the loss; the first unit is the one that may bring the configuration.
            let first = packets[0].len();
            let lost = first + lost.index((owners.len() - first).saturating_sub(1).max(1));
            let media = read(&format, &packets, |index| index == lost);
            if is_divided_in_time(&sample.codec) {
                continue;
            }
            let damaged = media.iter().filter(|media| matches!(media, Media::Damaged { .. })).count();
            prop_assert!(damaged <= 1, "{:?}", media);
            let found = units(&media);
            let name = sample.codec.name();
            for (index, (key, data)) in sample.units.iter().enumerate() {
                let whole = expected(&sample.codec, *key, data);
                let found = found.iter().find(|found| found.0 == index as u32 * 3000);
                if index != owners[lost] {
                    prop_assert_eq!(found.map(|found| &found.2), Some(&whole), "{} {} {}", name, index, lost);
                } else if let Some(found) = found {
                    let sei = sample.codec.kind() == Kind::Video && whole.ends_with(&found.2);
                    prop_assert!(sei, "{} {} came damaged", name, index);
                }
            }
        }
    }

    /// Whatever is lost, nothing comes that was not sent.
    #[test]
    fn what_comes_is_whole(
        max_payload in 100usize..=1400,
        lost in proptest::collection::vec(0usize..12, 50..200),
    ) {
        for sample in all() {
            let format = Format::of(&sample.codec, 96).expect("a sample that can be sent");
            let packets = packets(&sample, max_payload);
            let media = read(&format, &packets, |index| lost[index % lost.len()] == 0);
            if is_divided_in_time(&sample.codec) {
                continue;
            }
            for (timestamp, _, data) in units(&media) {
                let (key, unit) = &sample.units[timestamp as usize / 3000];
                let whole = expected(&sample.codec, *key, unit);
                let video = sample.codec.kind() == Kind::Video;
                prop_assert!(data == whole || video && whole.ends_with(&data), "{}", sample.codec.name());
            }
        }
    }
}

//! Packets as ffmpeg and GStreamer send them, and what is lost of them.

use proptest::prelude::*;

use super::super::Unsupported;
use super::*;
use crate::{Depacketizer, Header, Media};

/// Of ffmpeg 5.1.
const FFMPEG: &str = "profile-level-id=41;cpresent=0;config=400024103fc0";
const FFMPEG_ELEMENT: &[u8] =
    b"\x2c\x01\x3a\xea\x8a\xaf\x1e\x3b\xfe\x35\xfb\xfb\x79\xb7\x97\x0d\x56\xae\xac\x3b\x9d\xd7\x53\x76\
    \x6c\xc6\x77\x40\x19\x3e\x00\xcf\xee\x06\x4c\xc0\x67\xf7\x84\x64\xcc\x06\x7f\x71\xc0";
/// Of GStreamer 1.22, with its packets no longer than 60 bytes: an element in three of them.
const GSTREAMER: &str = "cpresent=0;config=40002710;object=2;profile-level-id=1";
const FRAGMENTS: [&[u8]; 3] = [
    b"\x79\x01\x2e\x9a\xda\xf2\x50\x56\x99\x07\x56\x99\x07\x56\x85\x07\x4b\xca\x03\xeb\x97\x27\x14\x16\
    \x09\x04\x84\x49\x14\x9e\x6f\x2a\x4a\x30\x3b\x07\x16\x82\xb5\x30\xa6\x42\x88\x18\x18\x95\xeb\xd7",
    b"\xaf\x7f\xab\xfd\x5f\xea\x74\xf1\xb2\xd5\xea\xf1\x8b\x90\xe2\xd9\x99\x58\xa4\xf8\xf8\x6d\x53\x11\
    \xe3\x58\xb9\x6c\xba\x9b\x88\xe9\x41\x44\x11\x41\xec\x06\x59\x6d\x47\x6a\x12\xe0\xfb\xf9\x90\x44",
    b"\x74\xdc\x8f\xe3\xc9\x58\xe6\xfb\x83\xe3\x2f\x8c\x6f\xbe\x05\x48\x8d\xcd\xe5\x24\xcf\xc9\x2f\x97\
    \xc3\x80",
];

fn format(rtpmap: &str, fmtp: &str) -> Format {
    Format::of_rtpmap(97, rtpmap, fmtp).unwrap()
}

fn packet(marker: bool, timestamp: u32, payload: &[u8]) -> Packet {
    let header = Header { marker, payload_type: 97, sequence: 0, timestamp, ssrc: 1 };
    Packet { header, payload: Bytes::copy_from_slice(payload) }
}

/// What comes of packets, of which the first number says that others are missing before it.
fn read(format: &Format, packets: &[(bool, Packet)]) -> Vec<Media> {
    let mut depacketizer = Depacketizer::new(format).unwrap();
    for (lost, packet) in packets {
        depacketizer.push(packet, *lost);
    }
    std::iter::from_fn(|| depacketizer.poll()).collect()
}

fn units(media: &[Media]) -> Vec<(u32, Vec<u8>)> {
    let unit = |media: &Media| match media {
        Media::Unit { timestamp, data, key: true } => Some((*timestamp, data.to_vec())),
        _ => None,
    };
    media.iter().filter_map(unit).collect()
}

fn damaged(media: &[Media]) -> usize {
    media.iter().filter(|media| matches!(media, Media::Damaged { .. })).count()
}

fn codec(asc: &[u8]) -> Codec {
    Codec::Aac(Config::decode(asc).unwrap())
}

/// The packets of the element that is in three, at this time.
fn fragments(timestamp: u32) -> [Packet; 3] {
    [0, 1, 2].map(|at| packet(at == 2, timestamp, FRAGMENTS[at]))
}

#[test]
fn descriptions_have_the_codec() {
    assert_eq!(format("MP4A-LATM/44100", FFMPEG).codec(), Some(codec(&[0x12, 0x08])));
    assert_eq!(format("mp4a-latm/22050", GSTREAMER).codec(), Some(codec(&[0x13, 0x88])));
    let file = "cpresent=0;config=40002320adca00;object=2";
    assert_eq!(format("MP4A-LATM/48000", file).codec(), Some(codec(&[0x11, 0x90, 0x56, 0xe5, 0x00])));
    assert_eq!(format("MP4A-LATM/48000", "").codec(), None);
    assert_eq!(format("MP4A-LATM/48000", "").kind(), Some(media::Kind::Audio));
}

#[test]
fn what_is_not_read_is_told() {
    for (fmtp, feature) in [
        ("cpresent=0", "no config"),
        ("cpresent=0;config=", "no config"),
        ("cpresent=0;config=4000241", "a config that is not in hexadecimal"),
        ("cpresent=0;config=400024", "a config that is none of LATM"),
        ("cpresent=0;config=400224103fc0", "more than one layer"),
        ("config=400224103fc0", "more than one layer"),
    ] {
        let why = Depacketizer::new(&format("MP4A-LATM/44100", fmtp)).unwrap_err();
        assert_eq!(why, Unsupported::Feature { encoding: "MP4A-LATM".to_owned(), feature });
    }
}

#[test]
fn an_element_in_a_packet_and_several() {
    let format = format("MP4A-LATM/44100/1", FFMPEG);
    let both = FFMPEG_ELEMENT.repeat(2);
    let media =
        read(&format, &[(false, packet(true, 5000, FFMPEG_ELEMENT)), (false, packet(true, 6024, &both))]);
    assert_eq!(media[0], Media::Codec(codec(&[0x12, 0x08])));
    let unit = FFMPEG_ELEMENT[1..].to_vec();
    assert_eq!(units(&media), [(5000, unit.clone()), (6024, unit.clone()), (7048, unit)]);
    assert_eq!(media.len(), 4);
}

/// Two access units to an element, by a clock that is not that of the samples.
#[test]
fn access_units_of_an_element_follow_each_other() {
    let format = format("MP4A-LATM/90000", "cpresent=0; config=41002320");
    let media = read(&format, &[(false, packet(true, u32::MAX, &[2, 8, 9, 0, 1, 7]))]);
    assert_eq!(damaged(&media), 1, "three are no two elements of two");
    let media = read(&format, &[(false, packet(true, u32::MAX, &[2, 8, 9, 1, 7, 0, 1, 6]))]);
    assert_eq!(units(&media), [(u32::MAX, vec![8, 9]), (1919, vec![7]), (5759, vec![6])]);
}

#[test]
fn an_element_over_several_packets() {
    let format = format("MP4A-LATM/22050", GSTREAMER);
    let whole = FRAGMENTS.concat()[1..].to_vec();
    let packets = [fragments(1), fragments(1024)].concat().into_iter().map(|packet| (false, packet));
    let media = read(&format, &packets.collect::<Vec<_>>());
    assert_eq!(units(&media), [(1, whole.clone()), (1024, whole.clone())]);
    assert_eq!(damaged(&media), 0);
    // Who does not know the marker changes the timestamp.
    let packets = [fragments(1), fragments(1024)].concat().into_iter();
    let plain =
        |packet: Packet| (false, Packet { header: Header { marker: false, ..packet.header }, ..packet });
    assert_eq!(units(&read(&format, &packets.map(plain).collect::<Vec<_>>())), [(1, whole)]);
}

#[test]
fn configuration_in_band() {
    let format = format("MP4A-LATM/48000", "object=2");
    // A configuration of 45 bits behind a 0, then an access unit of two bytes; then one of three behind a 1.
    let first = [0x20, 0x00, 0x11, 0x90, 0x1f, 0xe0, 0x12, 0xad, 0x50];
    let next = [0x81, 0xaa, 0xbb, 0x3c, 0x80];
    let media = read(
        &format,
        &[
            (false, packet(true, 0, &next)),
            (false, packet(true, 1024, &first)),
            (false, packet(true, 2048, &next)),
        ],
    );
    assert!(matches!(media[0], Media::Damaged { .. }), "{media:?}");
    assert_eq!(media[1], Media::Codec(codec(&[0x11, 0x90])), "{media:?}");
    assert_eq!(units(&media), [(1024, vec![0x55, 0xaa]), (2048, vec![0x55, 0x76, 0x79])]);
    // The same once more says nothing new, and what the description has holds until there is one.
    let format = Format { fmtp: "config=400023203fc0".to_owned(), ..format };
    let media = read(&format, &[(false, packet(true, 0, &next)), (false, packet(true, 1024, &first))]);
    assert_eq!((units(&media).len(), media.len()), (2, 3));
}

proptest! {
    /// One packet that is lost costs the element it was of.
    #[test]
    fn loss_damages_one(lost in 0usize..12) {
        let whole = FRAGMENTS.concat()[1..].to_vec();
        let all: Vec<_> = (0..4).flat_map(|at| fragments(at * 1024)).collect();
        let mut packets: Vec<_> = all.iter().map(|packet| (false, packet.clone())).collect();
        packets.remove(lost);
        if let Some(next) = packets.get_mut(lost) {
            next.0 = true;
        }
        // The end is seen with what comes next.
        packets.push((lost == 11, packet(true, 9000, &[2, 1, 1])));
        let media = read(&format("MP4A-LATM/22050", GSTREAMER), &packets);
        let mut expected: Vec<_> = (0..4).filter(|&at| at != lost as u32 / 3).map(|at| (at * 1024, whole.clone())).collect();
        expected.push((9000, vec![1, 1]));
        prop_assert_eq!(units(&media), expected);
        prop_assert_eq!(damaged(&media), 1);
    }

    /// Whatever comes: access units are no longer than what came, and none is empty.
    #[test]
    fn damaged_bytes_do_no_harm(
        fmtp in prop_oneof![Just(FFMPEG), Just(GSTREAMER), Just(""), Just("config=41002320")],
        packets in proptest::collection::vec((any::<[bool; 3]>(), proptest::collection::vec(any::<u8>(), 0..80)), 0..20),
    ) {
        let mut timestamp = 0;
        let packets: Vec<_> = packets.iter().map(|([lost, marker, next], payload)| {
            timestamp += if *next { 1024 } else { 0 };
            (*lost, packet(*marker, timestamp, payload))
        }).collect();
        let sent: usize = packets.iter().map(|(_, packet)| packet.payload.len()).sum();
        let media = read(&format("MP4A-LATM/44100", fmtp), &packets);
        let found = units(&media);
        prop_assert!(found.iter().all(|(_, data)| !data.is_empty()));
        prop_assert!(found.iter().map(|(_, data)| data.len()).sum::<usize>() <= sent);
    }
}

//! FLV files to tracks and frames.

use bytes::Bytes;
use media::codec::h264;
use media::{Codec, TrackId, nal};
use rillcast_rtmp::flv::{Demux, Media, Tag, TagKind, file};
use rillcast_rtmp::{Error, Limits};

pub(crate) const H264: &[u8] = include_bytes!("../../testdata/ffmpeg-h264-aac.flv");
const SORENSON: &[u8] = include_bytes!("../../testdata/ffmpeg-sorenson-mp3.flv");
pub(crate) const HEVC: &[u8] = include_bytes!("../../testdata/enhanced-hevc-opus.flv");
pub(crate) const AV1: &[u8] = include_bytes!("../../testdata/enhanced-av1-flac.flv");
pub(crate) const VP9: &[u8] = include_bytes!("../../testdata/enhanced-vp9-ac3.flv");

pub(crate) fn tags(file: &[u8]) -> Vec<Tag> {
    let mut reader = file::Reader::new(&Limits::default());
    let mut tags = Vec::new();
    for part in file.chunks(1000) {
        reader.push(part);
        while let Some(tag) = reader.poll().unwrap() {
            tags.push(tag);
        }
    }
    tags
}

fn push(demux: &mut Demux, tag: Tag) -> Result<Vec<Media>, Error> {
    demux.push(tag)?;
    Ok(std::iter::from_fn(|| demux.poll()).collect())
}

fn demux(file: &[u8]) -> Vec<Media> {
    let mut demux = Demux::new();
    tags(file).into_iter().flat_map(|tag| push(&mut demux, tag).unwrap()).collect()
}

/// Codec strings by track, in the order they were announced.
fn codecs(media: &[Media]) -> Vec<(u16, String)> {
    let tracks = media.iter().filter_map(|media| match media {
        Media::Track { id, codec } => Some((id.0, codec.codec_string().unwrap())),
        _ => None,
    });
    tracks.collect()
}

/// Decode times of a track's frames, with composition times and keys.
fn frames(media: &[Media], wanted: TrackId) -> Vec<(u32, i32, bool)> {
    let frames = media.iter().filter_map(|media| match media {
        Media::Frame { track, dts_ms, cts_ms, key, .. } if *track == wanted => Some((*dts_ms, *cts_ms, *key)),
        _ => None,
    });
    frames.collect()
}

fn keys(frames: &[(u32, i32, bool)]) -> Vec<usize> {
    frames.iter().enumerate().filter(|(_, frame)| frame.2).map(|(index, _)| index).collect()
}

#[test]
fn h264_with_b_frames_and_aac() {
    let media = demux(H264);
    assert!(matches!(&media[0], Media::Metadata(metadata) if metadata.name == "onMetaData"));
    assert_eq!(codecs(&media), [(0, "avc1.64000a".to_owned()), (1, "mp4a.40.2".to_owned())]);
    let video = frames(&media, TrackId::VIDEO);
    assert_eq!(
        video.iter().map(|frame| frame.0).collect::<Vec<_>>(),
        (0..10).map(|n| n * 40).collect::<Vec<_>>()
    );
    assert_eq!(keys(&video), [0, 5]);
    let mut shown: Vec<_> = video.iter().map(|frame| frame.0 as i32 + frame.1).collect();
    shown.sort_unstable();
    assert!(shown.windows(2).all(|pair| pair[1] - pair[0] == 40));
}

#[test]
fn sorenson_is_left_out_and_said_once() {
    let media = demux(SORENSON);
    let unsupported = Media::Unsupported { what: "Sorenson H.263 video".to_owned() };
    assert_eq!(media.iter().filter(|media| **media == unsupported).count(), 1);
    assert_eq!(codecs(&media), [(1, "mp4a.40.34".to_owned())]);
    assert!(frames(&media, TrackId::AUDIO).len() > 10);
}

#[test]
fn hevc_and_opus() {
    let media = demux(HEVC);
    assert_eq!(codecs(&media).iter().map(|track| track.0).collect::<Vec<_>>(), [0, 1]);
    assert!(codecs(&media)[0].1.starts_with("hvc1.1.6.L"));
    assert_eq!(codecs(&media)[1].1, "opus");
    let video = frames(&media, TrackId::VIDEO);
    assert_eq!((video.len(), keys(&video)[0]), (10, 0));
    assert!(video.iter().any(|frame| frame.1 > 0));
    assert_eq!(frames(&media, TrackId::AUDIO).len(), 21);
}

#[test]
fn av1_and_flac() {
    let media = demux(AV1);
    assert!(codecs(&media)[0].1.starts_with("av01.0."));
    assert_eq!(codecs(&media)[1].1, "fLaC");
    assert_eq!(keys(&frames(&media, TrackId::VIDEO))[0], 0);
}

#[test]
fn vp9_and_ac3() {
    let media = demux(VP9);
    // The record has no picture size: the first frame completes it.
    let names: Vec<_> = codecs(&media).into_iter().map(|track| track.1).collect();
    assert_eq!(names.iter().filter(|name| name.starts_with("vp09")).count(), 2);
    assert!(names.contains(&"ac-3".to_owned()));
    let last = media.iter().rev().find_map(|media| match media {
        Media::Track { codec, .. } => codec.video(),
        _ => None,
    });
    assert_eq!(last.map(|video| (video.width, video.height)), Some((64, 48)));
}

fn first(file: &[u8], wanted: TagKind, index: usize) -> Tag {
    tags(file).into_iter().filter(|tag| tag.kind == wanted).nth(index).unwrap()
}

#[test]
fn a_sequence_header_that_comes_again_is_no_news() {
    let mut demux = Demux::new();
    let header = first(H264, TagKind::Video, 0);
    assert_eq!(push(&mut demux, header.clone()).unwrap().len(), 1);
    assert_eq!(push(&mut demux, header).unwrap(), []);
    let other = first(HEVC, TagKind::Video, 0);
    assert!(matches!(&push(&mut demux, other).unwrap()[..], [Media::Track { codec: Codec::H265(_), .. }]));
}

#[test]
fn parameter_sets_in_the_stream_stand_in_for_a_sequence_header() {
    let header = first(H264, TagKind::Video, 0);
    let config = h264::Config::decode(&header.body[5..]).unwrap();
    let frame = first(H264, TagKind::Video, 1);
    let sets = nal::join(config.sps().iter().chain(config.pps()).map(|set| &set[..]));
    let body = [&frame.body[..5], &sets, &frame.body[5..]].concat();
    let mut demux = Demux::new();
    let error = push(&mut demux, frame.clone()).unwrap_err();
    assert_eq!(error, Error::Order { what: "a video frame", when: "before its sequence header" });
    let media = push(&mut demux, Tag { body: body.into(), ..frame }).unwrap();
    let [Media::Track { codec, .. }, Media::Frame { key: true, .. }] = &media[..] else {
        panic!("{media:?}")
    };
    assert_eq!(codec.video().map(|video| video.width), Some(64));
}

#[test]
fn a_damaged_frame_costs_only_itself() {
    let mut demux = Demux::new();
    push(&mut demux, first(H264, TagKind::Video, 0)).unwrap();
    let good = first(H264, TagKind::Video, 1);
    let cut = Tag { body: good.body.slice(..good.body.len() - 3), ..good };
    assert!(matches!(push(&mut demux, cut), Err(Error::Media(_))));
    assert_eq!(push(&mut demux, first(H264, TagKind::Video, 1)).unwrap().len(), 1);
}

#[test]
fn damage_in_one_of_several_tracks_costs_the_others_nothing() {
    let mut demux = Demux::new();
    let header = first(HEVC, TagKind::Video, 0).body.slice(5..);
    let track = |id: u8, body: &[u8]| [&[id, 0, 0, body.len() as u8], body].concat();
    let body = [&b"\x96\x10hvc1"[..], &track(0, &header), &track(1, b"bad"), &track(2, &header)].concat();
    let tag = Tag { kind: TagKind::Video, timestamp_ms: 0, body: body.into() };
    assert!(demux.push(tag).is_err());
    let ids: Vec<_> = std::iter::from_fn(|| demux.poll())
        .map(|media| match media {
            Media::Track { id, .. } => id.0,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ids, [0, 4]);
}

#[test]
fn a_small_frame_does_not_keep_the_large_tag_it_came_in() {
    let modifier = [&b"\x97\xff\xff\xff"[..], &[0; 65_536]].concat();
    let body = Bytes::from([&modifier, &b"\x11Opus\xfc\0"[..]].concat());
    let tag = Tag { kind: TagKind::Audio, timestamp_ms: 0, body: body.clone() };
    let media = push(&mut Demux::new(), tag).unwrap();
    let [Media::Track { .. }, Media::Frame { data, .. }] = &media[..] else { panic!("{media:?}") };
    assert_eq!(data[..], *b"\xfc\0");
    assert!(data.is_unique(), "it has its own memory");
    drop(body);
}

#[test]
fn tracks_are_bounded() {
    let mut demux = Demux::new();
    let frame = first(VP9, TagKind::Audio, 0).body.slice(5..);
    let mut media = Vec::new();
    for id in 0..40u8 {
        let body = [&b"\x95\x01ac-3"[..], &[id], &frame].concat();
        media.extend(
            push(&mut demux, Tag { kind: TagKind::Audio, timestamp_ms: 0, body: body.into() }).unwrap(),
        );
    }
    assert_eq!(codecs(&media).len(), 16);
    assert_eq!(media.last(), Some(&Media::Unsupported { what: "more than 16 tracks".to_owned() }));
}

//! What was demultiplexed, written again and read again.

use std::collections::BTreeMap;

use bytes::{BufMut, BytesMut};
use media::Codec;
use rillcast_rtmp::flv::mux::{Caps, Track};
use rillcast_rtmp::flv::{Demux, Media, Tag};

use crate::files;

/// Tracks and frames of a file, without what else it says.
fn media(tags: Vec<Tag>) -> Vec<Media> {
    let mut demux = Demux::new();
    let mut media = Vec::new();
    for tag in tags {
        demux.push(tag).unwrap();
        media.extend(std::iter::from_fn(|| demux.poll()));
    }
    media.retain(|media| matches!(media, Media::Track { .. } | Media::Frame { .. }));
    media
}

fn mux(media: &[Media]) -> Vec<Tag> {
    let mut tracks = BTreeMap::new();
    let mut tags = Vec::new();
    for media in media {
        match media {
            Media::Track { id, codec } => {
                let track = Track::new(codec, Caps::ALL).unwrap();
                let header = track.sequence_header().cloned();
                tags.extend(header.map(|body| Tag { kind: track.kind(), timestamp_ms: 0, body }));
                tracks.insert(*id, track);
            }
            Media::Frame { track, dts_ms, cts_ms, key, data, .. } => {
                let track = &tracks[track];
                let mut body = BytesMut::new();
                body.put_slice(&track.head(*key, *cts_ms));
                body.put_slice(data);
                tags.push(Tag { kind: track.kind(), timestamp_ms: *dts_ms, body: body.freeze() });
            }
            _ => {}
        }
    }
    tags
}

/// VP9 states its size in its first frame, so its track comes twice; the second record says what the first did.
fn same(left: &[Media], right: &[Media]) {
    let vp9 = |media: &Media| matches!(media, Media::Track { codec: Codec::Vp9(_), .. });
    let without = |media: &[Media]| media.iter().filter(|media| !vp9(media)).cloned().collect::<Vec<_>>();
    assert_eq!(without(left), without(right));
}

#[test]
fn what_was_written_is_what_was_read() {
    for file in [files::H264, files::HEVC, files::AV1, files::VP9] {
        let read = media(files::tags(file));
        assert!(read.len() > 10);
        same(&media(mux(&read)), &read);
    }
}

#[test]
fn legacy_bodies_are_what_ffmpeg_wrote() {
    let tags = files::tags(files::H264);
    let theirs: Vec<_> = tags.iter().filter(|tag| tag.kind.tag_type() != 18).cloned().collect();
    let ours = mux(&media(tags));
    // Ours come where a configuration is new; ffmpeg ends with an empty sequence end.
    let bodies = |tags: &[Tag]| tags.iter().map(|tag| tag.body.clone()).collect::<Vec<_>>();
    let ends = |body: &bytes::Bytes| body.starts_with(b"\x17\x02");
    let theirs: Vec<_> = bodies(&theirs).into_iter().filter(|body| !ends(body)).collect();
    assert_eq!(bodies(&ours), theirs);
}

//! Recordings with bytes changed, and bytes of no meaning: never a panic, and no more held than allowed.

use proptest::prelude::*;
use rillcast_rtmp::flv::{Demux, Tag, TagKind};
use rillcast_rtmp::{Limits, handshake};

use crate::client::Peer;
use crate::recordings::{FFMPEG, GSTREAMER, LIBRTMP};

/// Feeds a session and its demux until the session fails.
fn survive(bytes: &[u8], step: usize) {
    let mut peer = Peer::new(Limits::default());
    for part in bytes.chunks(step) {
        if peer.feed(part).is_err() {
            break;
        }
    }
    let mut demux = Demux::new();
    for tag in peer.tags() {
        let _ = demux.push(tag);
        while demux.poll().is_some() {}
    }
}

fn kinds() -> impl Strategy<Value = TagKind> {
    prop_oneof![Just(TagKind::Audio), Just(TagKind::Video), Just(TagKind::Script)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn changed_recordings(
        which in 0usize..3,
        changes in prop::collection::vec((0usize..10_000, any::<u8>()), 1..12),
        step in prop_oneof![Just(1usize), 2usize..5000],
    ) {
        let mut bytes = [FFMPEG, GSTREAMER, LIBRTMP][which].to_vec();
        let start = 1 + 2 * handshake::SIZE;
        for (at, value) in changes {
            let index = start + at % (bytes.len() - start);
            bytes[index] = value;
        }
        survive(&bytes, step);
    }

    #[test]
    fn bytes_behind_a_handshake(bytes in prop::collection::vec(any::<u8>(), 0..3000), step in 1usize..3000) {
        let mut all = vec![0; 1 + 2 * handshake::SIZE];
        all[0] = 3;
        all.extend_from_slice(&bytes);
        survive(&all, step);
    }

    #[test]
    fn bytes_as_tags(tags in prop::collection::vec((kinds(), prop::collection::vec(any::<u8>(), 0..200)), 1..20)) {
        let mut demux = Demux::new();
        for (kind, body) in tags {
            let _ = demux.push(Tag { kind, timestamp_ms: 0, body: body.into() });
            while demux.poll().is_some() {}
        }
    }

    #[test]
    fn bytes_in_the_place_of_a_sequence_header(
        fourcc in prop_oneof![Just(*b"hvc1"), Just(*b"avc1"), Just(*b"av01"), Just(*b"vp09")],
        header in prop::collection::vec(any::<u8>(), 0..120),
        frame in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let mut demux = Demux::new();
        for (first, rest) in [(0x90, &header), (0x93, &frame), (0x91, &frame)] {
            let body = [&[first], &fourcc[..], rest].concat();
            let _ = demux.push(Tag { kind: TagKind::Video, timestamp_ms: 0, body: body.into() });
        }
    }
}

//! What real encoders sent, replayed.

use media::TrackId;
use rillcast_rtmp::Limits;
use rillcast_rtmp::flv::{Demux, Media, Tag};
use rillcast_rtmp::server::{Event, Stats};

use crate::client::Peer;

pub(crate) const FFMPEG: &[u8] = include_bytes!("../../testdata/ffmpeg-5.1-publish.rtmp");
const FFMPEG_LATE: &[u8] = include_bytes!("../../testdata/ffmpeg-5.1-publish-past-0xffffff.rtmp");
const FFMPEG_PLAY: &[u8] = include_bytes!("../../testdata/ffmpeg-5.1-play.rtmp");
pub(crate) const GSTREAMER: &[u8] = include_bytes!("../../testdata/gstreamer-1.22-rtmp2sink-publish.rtmp");
pub(crate) const LIBRTMP: &[u8] = include_bytes!("../../testdata/librtmp-2.4-publish.rtmp");

fn replay(recording: &[u8], step: usize) -> Peer {
    let mut peer = Peer::new(Limits::default());
    for part in recording.chunks(step) {
        peer.feed(part).unwrap();
    }
    peer
}

/// Track, decode time, composition time, key.
type Frame = (TrackId, u32, i32, bool);

/// Codec names and frames of a publication.
fn demux(tags: Vec<Tag>) -> (Vec<String>, Vec<Frame>) {
    let mut demux = Demux::new();
    let (mut codecs, mut frames) = (Vec::new(), Vec::new());
    for tag in tags {
        demux.push(tag).unwrap();
        while let Some(media) = demux.poll() {
            match media {
                Media::Track { id, codec } => codecs.push(format!("{id} {}", codec.name())),
                Media::Frame { track, dts_ms, cts_ms, key, .. } => frames.push((track, dts_ms, cts_ms, key)),
                _ => {}
            }
        }
    }
    (codecs, frames)
}

fn count(frames: &[Frame], track: TrackId) -> usize {
    frames.iter().filter(|frame| frame.0 == track).count()
}

#[test]
fn ffmpeg_publishes() {
    let peer = replay(FFMPEG, FFMPEG.len());
    let [Event::Connect(connect), Event::Publish(request), .., Event::Unpublish] = &peer.events[..] else {
        panic!("{:?}", peer.events)
    };
    assert_eq!(connect.flash_ver, "FMLE/3.0 (compatible; Lavf59.27.100)");
    let address = request.address();
    assert_eq!((address.path.as_str(), address.get("key")), ("region/north/news", Some("a b")));
    let (codecs, frames) = demux(peer.tags());
    assert_eq!(codecs, ["track 0 H.264", "track 1 AAC"]);
    assert_eq!((count(&frames, TrackId::VIDEO), count(&frames, TrackId::AUDIO)), (20, 36));
    assert_eq!(frames[0], (TrackId::VIDEO, 0, 80, true));
    let keys: Vec<_> =
        frames.iter().filter(|frame| frame.0 == TrackId::VIDEO && frame.3).map(|frame| frame.1).collect();
    assert_eq!(keys, [0, 400]);
}

#[test]
fn gstreamer_publishes() {
    let peer = replay(GSTREAMER, 1000);
    let (codecs, frames) = demux(peer.tags());
    assert_eq!(codecs, ["track 0 H.264", "track 1 AAC"]);
    assert_eq!(count(&frames, TrackId::VIDEO), 20);
    assert_eq!(peer.events.last(), Some(&Event::Unpublish));
}

#[test]
fn librtmp_publishes() {
    let peer = replay(LIBRTMP, 777);
    let (codecs, frames) = demux(peer.tags());
    assert_eq!(codecs, ["track 0 H.264", "track 1 MP3"]);
    assert_eq!(count(&frames, TrackId::VIDEO), 20);
}

#[test]
fn ffmpeg_publishes_beyond_24_bits_of_time() {
    let peer = replay(FFMPEG_LATE, 4096);
    let (_, frames) = demux(peer.tags());
    let video: Vec<_> =
        frames.iter().filter(|frame| frame.0 == TrackId::VIDEO).map(|frame| frame.1).collect();
    let expected: Vec<u32> = (0..15).map(|index| 16_776_820 + 40 * index).collect();
    assert_eq!(video, expected);
    assert!(frames.windows(2).all(|pair| pair[1].1 >= pair[0].1));
    assert!(frames.iter().any(|frame| frame.1 > 0xff_ffff));
}

#[test]
fn ffmpeg_wants_to_play() {
    let peer = replay(FFMPEG_PLAY, 100);
    let Some(Event::Play(request)) = peer.events.last() else { panic!("{:?}", peer.events) };
    assert_eq!(request.address().path, "live/x");
}

#[test]
fn events_do_not_depend_on_how_the_bytes_were_split() {
    for recording in [FFMPEG, GSTREAMER, LIBRTMP, FFMPEG_LATE, FFMPEG_PLAY] {
        let whole = replay(recording, recording.len());
        for step in [1, 2, 3, 7, 127, 1536, 1537] {
            let parts = replay(recording, step);
            assert_eq!(parts.events, whole.events);
            assert_eq!(
                Stats { bytes_sent: 0, ..parts.session.stats() },
                Stats { bytes_sent: 0, ..whole.session.stats() }
            );
        }
    }
}

#[test]
fn a_request_may_be_split_at_every_byte() {
    let whole = replay(FFMPEG, FFMPEG.len());
    // The handshake and all commands, up to the first of the media.
    for split in 1..3600 {
        let mut peer = Peer::new(Limits::default());
        peer.feed(&FFMPEG[..split]).unwrap();
        peer.feed(&FFMPEG[split..]).unwrap();
        assert_eq!(peer.events, whole.events, "split at {split}");
    }
}

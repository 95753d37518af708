//! What real encoders sent, replayed.

use media::TrackId;
use rillcast_rtmp::Limits;
use rillcast_rtmp::flv::mux::Caps;
use rillcast_rtmp::flv::{Demux, Media, Tag};
use rillcast_rtmp::server::{Event, Stats};

use crate::client::Peer;

pub(crate) const FFMPEG: &[u8] = include_bytes!("../../testdata/ffmpeg-5.1-publish.rtmp");
const FFMPEG_LATE: &[u8] = include_bytes!("../../testdata/ffmpeg-5.1-publish-past-0xffffff.rtmp");
const FFMPEG_PLAY: &[u8] = include_bytes!("../../testdata/ffmpeg-5.1-play.rtmp");
const FFMPEG_PLAY_WITH_KEY: &[u8] = include_bytes!("../../testdata/ffmpeg-5.1-play-with-key.rtmp");
const VLC_PLAY: &[u8] = include_bytes!("../../testdata/vlc-3.0-play.rtmp");
const GSTREAMER_PLAY: &[u8] = include_bytes!("../../testdata/gstreamer-1.22-rtmp2src-play.rtmp");
const RTMPDUMP_PLAY: &[u8] = include_bytes!("../../testdata/rtmpdump-2.4-play.rtmp");
const NGINX_PULL: &[u8] = include_bytes!("../../testdata/nginx-rtmp-1.2-pull.rtmp");
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
fn players_play() {
    for (recording, flash_ver, key, stops) in [
        (FFMPEG_PLAY_WITH_KEY, "LNX 9,0,124,2", Some("a"), true),
        (VLC_PLAY, "LNX 9,0,124,2", None, false),
        (GSTREAMER_PLAY, "LNX 10,0,32,18", None, false),
        (RTMPDUMP_PLAY, "LNX 10,0,32,18", None, true),
        (NGINX_PULL, "LNX.11,1,102,55", None, false),
    ] {
        let mut peer = Peer::new(Limits::default());
        peer.plays = true;
        recording.chunks(50).for_each(|part| peer.feed(part).unwrap());
        let [Event::Connect(_), Event::Play(request), rest @ ..] = &peer.events[..] else {
            panic!("{:?}", peer.events)
        };
        let address = request.address();
        assert_eq!((address.path.as_str(), address.get("token")), ("live/x", key));
        assert_eq!((request.flash_ver.as_str(), request.caps), (flash_ver, Caps::LEGACY));
        let expected: &[Event] = if stops { &[Event::Stopped] } else { &[] };
        assert_eq!(rest, expected, "{flash_ver}");
        assert_eq!(peer.session.playing().is_some(), !stops);
        let replies = peer.replies();
        let codes: Vec<_> = replies.iter().map(|reply| reply.2.as_str()).collect();
        assert!(codes.ends_with(&["NetStream.Play.Reset", "NetStream.Play.Start"]), "{codes:?}");
    }
}

#[test]
fn events_do_not_depend_on_how_the_bytes_were_split() {
    let players = [FFMPEG_PLAY, FFMPEG_PLAY_WITH_KEY, VLC_PLAY, GSTREAMER_PLAY, RTMPDUMP_PLAY, NGINX_PULL];
    for recording in [FFMPEG, GSTREAMER, LIBRTMP, FFMPEG_LATE].into_iter().chain(players) {
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

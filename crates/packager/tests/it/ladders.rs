//! Playlists of ladders: shared sound, holes of a rung, segments that need an initialization segment.

use std::sync::Arc;

use media::TimeDelta;
use rillcast_packager::hls::{
    MediaPlaylist, Multivariant, SoundGroup, Variant, render_media, render_multivariant,
};
use rillcast_packager::segment::{Body, Segment};
use testkit::golden;

use crate::source::{START_S, at};

/// Segments of 2 s, the first of them a discontinuity.
fn segments(count: i64, suffix: &str) -> Vec<Segment> {
    let segment = |n: i64| Segment {
        sequence: (START_S + n).unsigned_abs(),
        name: format!("track_1-k3x9-{}.{suffix}", START_S + n),
        program_date_time: at(80 + n * 2000),
        gap: false,
        init: None,
        body: Body {
            start: at(80 + n * 2000),
            duration: TimeDelta::from_secs(2),
            size: 500_000,
            independent: true,
            discontinuity: n == 0,
            tracks: Arc::default(),
            pictures: 50,
            fragment: None,
        },
    };
    (0..count).map(segment).collect()
}

fn playlist(segments: Vec<Segment>) -> MediaPlaylist {
    MediaPlaylist {
        target_duration: 2,
        discontinuity_sequence: 7000,
        segments: segments.into_iter().map(Arc::new).collect(),
    }
}

/// `init` for the segments from `from` on.
fn with_init(segments: &mut [Segment], from: usize, init: &str) {
    segments[from..].iter_mut().for_each(|segment| segment.init = Some(init.into()));
}

#[test]
fn a_rung_that_was_silent_has_gaps() {
    let mut segments = segments(6, "ts");
    for segment in &mut segments[2..4] {
        segment.gap = true;
        segment.body.independent = false;
        segment.body.size = 0;
    }
    let mut playlist = playlist(segments);
    assert!(playlist.is_independent(), "nobody decodes a gap");
    golden("testdata/gaps.m3u8", &render_media(&playlist));

    playlist.segments.retain(|segment| !segment.gap);
    assert!(render_media(&playlist).starts_with("#EXTM3U\n#EXT-X-VERSION:3\n"), "the gaps have left");
}

#[test]
fn an_initialization_segment_is_told_where_it_changes() {
    let mut segments = segments(6, "m4s");
    with_init(&mut segments, 0, "track_1-k3x9-0.mp4");
    with_init(&mut segments, 3, "track_1-k3x9-1.mp4");
    segments[3].body.discontinuity = true;
    golden("testdata/fmp4.m3u8", &render_media(&playlist(segments)));
}

#[test]
fn a_gap_needs_no_initialization_segment() {
    let mut segments = segments(5, "m4s");
    with_init(&mut segments, 0, "track_1-k3x9-0.mp4");
    for number in [0, 2] {
        segments[number].gap = true;
        segments[number].init = None;
    }
    golden("testdata/fmp4-gaps.m3u8", &render_media(&playlist(segments)));
}

#[test]
fn a_stream_may_go_on_in_fmp4() {
    let mut first = segments(4, "ts");
    let second = &mut segments(4, "m4s")[2..];
    with_init(second, 0, "track_1-k3x9-0.mp4");
    second[0].body.discontinuity = true;
    first[2..].clone_from_slice(second);
    golden("testdata/ts-fmp4.m3u8", &render_media(&playlist(first)));
}

#[test]
fn a_playlist_of_nothing_is_still_one() {
    let text = render_media(&playlist(Vec::new()));
    assert!(text.ends_with("#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-DISCONTINUITY-SEQUENCE:7000\n"), "{text}");
}

fn sound(name: &str, language: Option<&str>, default: bool) -> SoundGroup {
    SoundGroup {
        group: "sound".to_owned(),
        name: name.to_owned(),
        language: language.map(str::to_owned),
        uri: "sound.m3u8".to_owned(),
        channels: Some(2),
        default,
    }
}

fn variant(name: &str, bandwidth: u64, resolution: (u32, u32)) -> Variant {
    Variant {
        uri: format!("{name}.m3u8"),
        bandwidth,
        average_bandwidth: bandwidth * 3 / 4,
        codecs: vec!["hvc1.1.6.L93.B0".to_owned(), "mp4a.40.2".to_owned()],
        resolution: Some(resolution),
        frame_rate: Some(25.0),
        audio: Some("sound".to_owned()),
    }
}

#[test]
fn rungs_share_their_sound() {
    let variants =
        vec![variant("track_1", 6_000_000, (1920, 1080)), variant("track_2", 1_200_000, (854, 480))];
    let sounds = vec![
        sound("Original", None, true),
        SoundGroup { uri: "sound-pt.m3u8".to_owned(), ..sound("Português", Some("pt-BR"), false) },
        SoundGroup { uri: "sound-x.m3u8".to_owned(), channels: None, ..sound("Room", None, false) },
    ];
    let playlist = Multivariant { independent: true, sounds, variants };
    golden("testdata/shared-sound.m3u8", &render_multivariant(&playlist));
}

#[test]
fn a_name_does_not_end_the_string_it_stands_in() {
    let sounds = vec![sound("a\",URI=\"b\r\n#EXT-X-ENDLIST", Some("e\"n\n"), true)];
    let text = render_multivariant(&Multivariant { independent: false, sounds, variants: Vec::new() });
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(text.contains(",NAME=\"a,URI=b#EXT-X-ENDLIST\",LANGUAGE=\"en\",DEFAULT=YES"), "{text}");
}

//! Whole playlists, compared with files.

use media::TimeDelta;
use rillcast_packager::Settings;
use rillcast_packager::hls::{MULTIVARIANT, Multivariant, Variant, render_multivariant};
use testkit::golden;

use crate::source::{Run, at, context, entry, picture, settings, sound, stream, video};

/// Bit rates depend on the multiplexer, which has tests of its own.
fn without_rates(playlist: &str) -> String {
    let mask = |part: &str| match part.split_once("BANDWIDTH=") {
        Some((before, rate)) if rate.parse::<u64>().is_ok_and(|rate| rate > 0) => {
            format!("{before}BANDWIDTH=<rate>")
        }
        _ => part.to_owned(),
    };
    playlist.split(',').map(mask).collect::<Vec<_>>().join(",")
}

#[test]
fn a_live_stream() {
    let context = context(0, vec![video(), sound()], true);
    let mut run = Run::with(Settings { window: 4, ..settings() });
    run.push(&stream(&context, 0, 21_000, 2000));
    golden("testdata/live.m3u8", &run.media_playlist());
    golden("testdata/live-multivariant.m3u8", &without_rates(&run.multivariant()));
}

#[test]
fn a_source_that_came_back_twice() {
    let mut run = Run::with(Settings { window: 6, ..settings() });
    for epoch in 0..3 {
        let context = context(epoch, vec![video(), sound()], true);
        run.push(&stream(&context, epoch as i64 * 10_000, epoch as i64 * 10_000 + 5000, 1000));
    }
    run.flush();
    golden("testdata/epochs.m3u8", &run.media_playlist());
}

#[test]
fn a_stream_without_key_frames() {
    let context = context(0, vec![video()], true);
    let mut run = Run::new();
    run.push(&stream(&context, 0, 61_000, 600_000));
    golden("testdata/no-key-frames.m3u8", &run.media_playlist());
    golden("testdata/no-key-frames-multivariant.m3u8", &without_rates(&run.multivariant()));
}

#[test]
fn sound_alone() {
    let mut run = Run::new();
    run.push(&stream(&context(0, vec![sound()], true), 0, 7000, 1));
    golden("testdata/sound.m3u8", &run.media_playlist());
    golden("testdata/sound-multivariant.m3u8", &without_rates(&run.multivariant()));
}

#[test]
fn several_variants() {
    let variant = |name: &str, bandwidth, resolution, frame_rate| Variant {
        uri: format!("{name}.m3u8"),
        bandwidth,
        average_bandwidth: bandwidth * 3 / 4,
        codecs: vec!["avc1.64001f".to_owned(), "mp4a.40.2".to_owned()],
        resolution,
        frame_rate,
        audio: None,
    };
    let variants = vec![
        variant("1080p", 6_000_000, Some((1920, 1080)), Some(60_000.0 / 1001.0)),
        variant("480p", 1_200_000, Some((854, 480)), Some(25.0)),
        Variant { codecs: vec!["mp4a.40.2".to_owned()], ..variant("sound", 128_000, None, None) },
    ];
    let playlist = Multivariant { independent: true, sounds: Vec::new(), variants };
    golden("testdata/variants.m3u8", &render_multivariant(&playlist));
}

#[test]
fn nothing_is_told_before_the_wall_clock_is_settled() {
    let mut run = Run::new();
    let tracks = || vec![video(), sound()];
    run.push(&stream(&context(0, tracks(), false), 0, 8000, 2000));
    assert!(run.output.text(MULTIVARIANT).is_none() && run.output.text("track_1.m3u8").is_none());
    let settled = context(0, tracks(), true);
    run.push(&stream(&settled, 8000, 8040, 2000));
    assert!(run.output.text(MULTIVARIANT).is_some());
    assert_eq!(run.media_playlist().matches("#EXTINF").count(), 4);
}

#[test]
fn an_epoch_that_ended_unsettled_is_told_when_the_next_begins() {
    let mut run = Run::new();
    let tracks = || vec![video(), sound()];
    run.push(&stream(&context(0, tracks(), false), 0, 3000, 1000));
    run.push(&stream(&context(1, tracks(), false), 5000, 5040, 1000));
    let text = run.media_playlist();
    assert_eq!(text.matches("#EXTINF").count(), 2);
    assert!(text.contains("#EXT-X-PROGRAM-DATE-TIME:2026-03-01T12:00:02.080Z"), "{text}");
}

#[test]
fn a_burst_is_cut_like_a_live_stream() {
    let context = context(0, vec![video(), sound()], true);
    let mut run = Run::new();
    run.push(&stream(&context, 0, 30_000, 2000));
    assert_eq!(run.cuts(), (0..15).map(|n| n * 2000).collect::<Vec<_>>());
}

#[test]
fn a_silent_source_has_its_last_segment_listed_and_may_go_on() {
    let context = context(0, vec![video(), sound()], true);
    let mut run = Run::new();
    run.push(&stream(&context, 0, 3000, 1000)).flush().flush();
    assert!(run.media_playlist().ends_with("#EXTINF:1.000000,\ntrack_1-k3x9-1772366401.ts\n"));
    run.push(&stream(&context, 3000, 7000, 1000));
    let text = run.media_playlist();
    assert_eq!(text.matches("#EXT-X-DISCONTINUITY\n").count(), 1, "{text}");
    assert_eq!(text.matches("#EXTINF:2.000000").count(), 2, "{text}");
}

#[test]
fn a_segment_that_left_the_playlist_stays_for_a_window() {
    let context = context(0, vec![video()], true);
    let mut run = Run::with(Settings { window: 4, history: 2, ..settings() });
    run.push(&stream(&context, 0, 2 * 40_000 + 40, 2000));
    let kept = |sequence: i64| {
        let name = format!("track_1-k3x9-{}.ts", crate::source::START_S + sequence);
        run.available.contains_key(&name)
    };
    assert_eq!((0..40).filter(|&n| kept(n)).collect::<Vec<_>>(), (29..40).collect::<Vec<_>>());
    assert_eq!(run.available.len(), 11);
}

#[test]
fn real_pictures_and_sound() {
    let clip = testkit::clip().starting_at(at(0)).looped(3);
    let context = context(0, clip.tracks.clone(), true);
    let entries = clip.frames.into_iter().map(|frame| {
        let start = frame.key;
        entry(&context, frame, start)
    });
    let mut run = Run::new();
    run.push(&entries.collect::<Vec<_>>());
    golden("testdata/clip.m3u8", &run.media_playlist());
    golden("testdata/clip-multivariant.m3u8", &without_rates(&run.multivariant()));
}

/// Pictures of an open GOP: behind each key frame in the stream come two that are shown before it.
#[test]
fn segments_whose_first_pictures_lean_on_the_gop_before_are_not_independent() {
    let context = context(0, vec![video()], true);
    let entries = (0..400).map(|number| {
        let mut picture = picture(&context, number * 40, number % 50 == 0);
        if number % 50 == 0 {
            picture.frame.pts += TimeDelta::from_millis(80);
        }
        if matches!(number % 50, 1 | 2) && number > 50 {
            picture.frame.pts = picture.frame.dts;
        }
        picture
    });
    let mut run = Run::new();
    run.push(&entries.collect::<Vec<_>>());
    assert!(!run.media_playlist().contains("#EXT-X-INDEPENDENT-SEGMENTS"));
    assert!(!run.multivariant().contains("#EXT-X-INDEPENDENT-SEGMENTS"));
}

//! Real pictures and sound through hub and packager, as DASH and as HLS.

use media::Timestamp;
use rillcast_packager::Rung;
use testkit::{golden, samples};

use crate::made::{Order, Pictures, both, large, sounds};
use crate::source::{at, entry, picture, sound, video};
use crate::stage::{Show, Stage, clip, ladder, part, rungs};

#[test]
fn a_rung_with_sound() {
    let mut stage = Stage::new(ladder(1));
    stage.play(vec![Show::new(0, clip(40))]);
    golden("testdata/clip.mpd", &stage.manifest());
    golden("testdata/clip-fmp4-multivariant.m3u8", &stage.playlist("index.m3u8"));
    golden("testdata/clip-fmp4.m3u8", &stage.playlist("track_1.m3u8"));
    golden("testdata/clip-fmp4-sound.m3u8", &stage.playlist("sound.1.m3u8"));
    stage.finish().is_whole(0);
    assert_eq!(stage.dash_player.samples("sound.1"), stage.book.count(0, false, Timestamp::ZERO));
}

#[test]
fn three_rungs_share_the_sound_of_one() {
    let mut stage = Stage::new(ladder(3));
    stage.play(rungs(3, 40));
    golden("testdata/clip-ladder.mpd", &stage.manifest());
    golden("testdata/clip-ladder-multivariant.m3u8", &stage.playlist("index.m3u8"));
    golden("testdata/clip-ladder-track_2-multivariant.m3u8", &stage.playlist("track_2@index.m3u8"));
    stage.finish();
    (0..3).for_each(|rung| stage.is_whole(rung));
    assert_eq!(stage.dash_player.periods.len(), 1);
    assert_eq!(stage.fragments_player.names(), ["sound.1", "track_1", "track_2", "track_3"]);
}

#[test]
fn the_window_moves_on_and_what_was_listed_can_be_fetched_for_as_long_again() {
    let mut stage = Stage::new(ladder(2));
    stage.play(rungs(2, 120));
    assert_eq!(stage.dash_player.mpd.depth, 24.0);
    // Three lanes of 12 segments listed, as many and one kept, and their initialization segments.
    assert_eq!(stage.available(), 3 * (12 + 13) + 3);
}

#[test]
fn b_frames_and_closed_gops() {
    let pictures = Pictures { order: Order::Closed, ..Pictures::new(large()) };
    let mut stage = Stage::new(ladder(1));
    stage.play(vec![Show::new(0, both(&pictures, 30_000))]).finish().is_whole(0);
    assert_eq!(stage.dash_player.mpd.periods[0].sets[0].sap, Some(1));
}

#[test]
fn an_open_gop_is_told() {
    let pictures = Pictures { order: Order::Open, gop: 51, ..Pictures::new(large()) };
    let mut stage = Stage::new(ladder(1));
    stage.play(vec![Show::new(0, both(&pictures, 30_000))]).finish().is_whole(0);
    assert_eq!(stage.dash_player.mpd.periods[0].sets[0].sap, Some(3));
    assert!(!stage.playlist("track_1.m3u8").contains("INDEPENDENT"));
    assert_eq!(stage.dash_player.periods.len(), 1);
}

#[test]
fn segments_without_a_key_frame_are_told() {
    let pictures = Pictures { gop: 100_000, ..Pictures::new(large()) };
    let mut stage = Stage::new(ladder(1));
    stage.play(vec![Show::new(0, both(&pictures, 100_000))]).finish().is_whole(0);
    assert_eq!(stage.dash_player.mpd.periods[0].sets[0].sap, None);
}

#[test]
fn sound_alone() {
    let mut stage = Stage::new(ladder(1));
    stage.play(vec![Show::new(0, clip(40).audio_only())]);
    golden("testdata/clip-sound.mpd", &stage.manifest());
    golden("testdata/clip-sound-multivariant.m3u8", &stage.playlist("index.m3u8"));
    assert_eq!(stage.fragments_player.variants(), ["sound.1"]);
    stage.finish();
    assert_eq!(stage.dash_player.samples("sound.1"), stage.book.count(0, false, Timestamp::ZERO));
}

#[test]
fn pictures_alone() {
    let mut stage = Stage::new(ladder(2));
    let shows = rungs(2, 30).into_iter().map(|show| Show { clip: show.clip.video_only(), ..show });
    stage.play(shows.collect()).finish();
    (0..2).for_each(|rung| stage.is_whole(rung));
    assert_eq!(stage.dash_player.shape(), ["1:track_1+track_2"]);
    assert!(!stage.playlist("index.m3u8").contains("AUDIO"));
}

#[test]
fn another_codec_is_a_set_of_its_own() {
    let hevc = samples::h265().looped(15).with(sounds(sound(), 30_000));
    let mut stage = Stage::new(ladder(2)).apart(1.0);
    let avc = both(&Pictures { gop: 25, ..Pictures::new(large()) }, 30_000);
    stage.play(vec![Show::new(0, avc), Show::new(1, hevc)]).finish();
    (0..2).for_each(|rung| stage.is_whole(rung));
    assert_eq!(stage.dash_player.shape(), ["1:track_1 2:track_2 3:sound.1"]);
    let multivariant = &stage.fragments_player.multivariant;
    assert!(multivariant.contains("CODECS=\"avc1.42c028,mp4a.40.2\""), "{multivariant}");
    assert!(multivariant.contains("CODECS=\"hvc1."), "{multivariant}");
}

#[test]
fn another_frame_rate() {
    let fast = Pictures { step_ms: 20, gop: 100, ..Pictures::new(video()) };
    let mut stage = Stage::new(ladder(2));
    let slow = Pictures::new(video());
    stage.play(vec![Show::new(0, fast.clip(30_000)), Show::new(1, slow.clip(30_000))]).finish();
    (0..2).for_each(|rung| stage.is_whole(rung));
    assert_eq!(stage.dash_player.shape(), ["1:track_1+track_2"]);
    assert!(stage.dash_player.mpd.periods[0].sets[0].aligned);
}

#[test]
fn key_frames_beside_each_other() {
    let mut stage = Stage::new(ladder(2)).apart(1.0);
    let shifted = Pictures { phase: 20, ..Pictures::new(video()) };
    stage.play(vec![
        Show::new(0, both(&Pictures::new(video()), 40_000)),
        Show::new(1, both(&shifted, 40_000)),
    ]);
    assert_eq!(stage.dash.misaligned(), [1]);
    assert_eq!(stage.fragments.misaligned(), [1]);
    stage.finish();
    let set = &stage.dash_player.mpd.periods[0].sets[0];
    assert_eq!((set.aligned, set.sap), (false, Some(1)));
    stage.is_whole(0);
    let lost = stage.book.count(1, true, Timestamp::ZERO) - stage.dash_player.samples("track_2");
    assert!(lost <= 20, "{lost}: those before the first key frame at most");
}

#[test]
fn a_ladder_of_twelve() {
    let mut stage = Stage::new(ladder(12));
    stage.play(rungs(12, 20)).finish();
    (0..12).for_each(|rung| stage.is_whole(rung));
    assert_eq!(stage.dash_player.mpd.representations().count(), 13);
    assert_eq!(stage.fragments_player.variants().len(), 12);
    assert_eq!(stage.dash_player.periods.len(), 1);
}

#[test]
fn a_gop_of_ten_seconds() {
    let pictures = Pictures { gop: 250, ..Pictures::new(large()) };
    let mut stage = Stage::new(ladder(2));
    let clip = both(&pictures, 120_000);
    stage.play((0..2).map(|rung| Show::new(rung, clip.clone())).collect()).finish();
    (0..2).for_each(|rung| stage.is_whole(rung));
    assert!(stage.playlist("track_1.m3u8").contains("#EXT-X-TARGETDURATION:10\n"));
    assert_eq!(stage.dash_player.mpd.delay, 30.0);
    assert_eq!(stage.dash_player.periods.len(), 1);
}

/// Decode times that are later than presentation, as signed offsets allow.
#[test]
fn negative_composition_offsets() {
    let context = crate::source::context(0, vec![large()], true);
    let pictures = Pictures { order: Order::Closed, track: large(), ..Pictures::new(large()) };
    let mut stage = Stage::new(ladder(1)).untimed();
    for frame in pictures.clip(30_000).frames {
        let (dts, pts) = (at(0) + (frame.dts - Timestamp::ZERO), at(-80) + (frame.pts - Timestamp::ZERO));
        let start = frame.key;
        stage.push(0, &entry(&context, media::Frame { dts, pts, ..frame }, start));
    }
    assert_eq!(stage.dash_player.periods.len(), 1);
    assert!(stage.dash_player.samples("track_1") >= 600);
}

/// Pictures whose only content are parameter sets have no place in a segment.
#[test]
fn a_frame_without_a_picture() {
    let context = crate::source::context(0, vec![video()], true);
    let mut stage = Stage::new(ladder(1)).untimed();
    for number in 0..500 {
        let mut entry = picture(&context, number * 40, number % 50 == 0);
        if number % 50 == 49 {
            entry.frame.data = bytes::Bytes::from_static(b"\0\0\0\x02\x68\xeb");
        }
        stage.push(0, &entry);
    }
    assert_eq!(stage.dash_player.periods.len(), 1);
    assert!(stage.dash_player.samples("track_1") >= 400);
}

#[test]
fn what_is_announced_anew_is_said_at_once_and_stays() {
    let mut stage = Stage::new(ladder(2));
    let clip = clip(40);
    let shows = |from: i64, until: i64| -> Vec<Show> {
        let one =
            |rung| Show { goes_on: from > 0, ..Show::new(rung, part(clip.clone(), from, until)).from(from) };
        (0..2).map(one).collect()
    };
    stage.play(shows(0, 20_000));
    stage.now += 500;
    let announced = Rung { name: "track_2".to_owned(), bandwidth: 7_000_000, size: Some((1280, 720)) };
    stage.set_rung(1, &announced);
    let check = |stage: &Stage| {
        for text in [&stage.fragments_player.multivariant, &stage.ts_player.multivariant] {
            assert_eq!(text.matches("BANDWIDTH=7000000,").count(), 1, "{text}");
            assert_eq!(text.matches("RESOLUTION=1280x720").count(), 1, "{text}");
        }
        let of = |id: &str| {
            stage.dash_player.mpd.representations().find(|(_, _, one)| one.id == id).expect("told")
        };
        assert_eq!(of("track_2").2.bandwidth, 7_000_000);
        assert!(of("track_1").2.bandwidth < 1_000_000);
        assert_eq!(of("track_2").2.size, Some((160, 90)), "what is in the segments");
    };
    check(&stage);
    stage.play(shows(20_000, 40_000)).finish();
    check(&stage);
    (0..2).for_each(|rung| stage.is_whole(rung));
}

//! Real pictures and sound through hub and packager, as DASH and as HLS.

use media::Timestamp;
use media::timeline::{Anchor, Epoch};
use rillcast_packager::Rung;
use testkit::{Clip, golden, samples};

use crate::made::{Order, Pictures, large, sounds};
use crate::source::{at, entry, picture, sound, video};
use crate::stage::{Show, Stage, clip, ladder, part};

/// Pictures of 2 s GOPs with sound.
fn both(pictures: &Pictures, ms: i64) -> Clip {
    pictures.clip(ms).with(sounds(sound(), ms))
}

/// Aligned rungs of that many.
fn rungs(count: usize, seconds: i64) -> Vec<Show> {
    (0..count).map(|rung| Show { lag: rung as i64 * 70, ..Show::new(rung, clip(seconds)) }).collect()
}

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

/// A clip whose sound is missing for a while, in milliseconds.
fn without_sound(seconds: i64, from: i64, until: i64) -> Clip {
    let mut clip = clip(seconds);
    let sound = clip.tracks[1].id;
    let [from, until] = [from, until].map(|ms| Timestamp::from_scale(ms, 1000));
    clip.frames.retain(|frame| frame.track != sound || frame.dts < from || frame.dts >= until);
    clip
}

#[test]
fn sound_that_stops_for_half_a_minute() {
    let mut stage = Stage::new(ladder(2));
    stage.play((0..2).map(|rung| Show::new(rung, without_sound(42, 21_000, 51_000))).collect());
    assert_eq!(stage.dash_player.shape(), ["1:track_1+track_2 2:sound.1", "1:track_1+track_2"]);
    assert!(
        !stage.fragments_player.multivariant.contains("AUDIO"),
        "{}",
        stage.fragments_player.multivariant
    );
    let mut stage = Stage::new(ladder(2));
    stage.play((0..2).map(|rung| Show::new(rung, without_sound(70, 21_000, 51_000))).collect());
    assert!(stage.fragments_player.multivariant.contains("AUDIO"));
    stage.finish();
    (0..2).for_each(|rung| stage.is_whole(rung));
    assert_eq!(stage.dash_player.periods.len(), 3);
    assert_eq!(stage.fragments_player.breaks("track_1"), 0);
    let gaps = stage.fragments_player.told("sound.1").filter(|told| told.gap).count();
    assert!((13..=15).contains(&gaps), "{gaps}");
}

#[test]
fn sound_that_comes_late() {
    let mut stage = Stage::new(ladder(1));
    stage.play(vec![Show::new(0, without_sound(30, 0, 13_000))]).finish().is_whole(0);
    assert_eq!(stage.dash_player.shape(), ["1:track_1", "1:track_1 2:sound.1"]);
    assert!(stage.fragments_player.multivariant.contains("AUDIO=\"sound\""));
    assert!(stage.fragments_player.told("sound.1").all(|told| !told.gap), "it begins where it begins");
}

#[test]
fn when_the_rung_falls_silent_whose_sound_all_have_that_of_another_goes_on() {
    let mut stage = Stage::new(ladder(3));
    let mut shows = rungs(3, 60);
    shows[0] = Show { leaves: true, ..Show::new(0, clip(21)) };
    stage.play(shows).finish();
    (1..3).for_each(|rung| stage.is_whole(rung));
    assert!(stage.fragments_player.told("sound.1").all(|told| !told.gap));
    assert_eq!(stage.dash_player.shape().last().map(String::as_str), Some("1:track_2+track_3 2:sound.1"));
    assert_eq!(stage.fragments_player.variants(), ["track_2", "track_3"]);
    let lost = stage.book.count(1, false, Timestamp::ZERO) - stage.dash_player.samples("sound.1");
    assert!(lost < 60, "{lost} frames of sound, a second at most");
}

#[test]
fn a_rung_that_falls_silent_leaves_and_comes_back() {
    for silence in [20, 150] {
        let mut stage = Stage::new(ladder(2));
        let back = 21 + silence;
        let mut shows = rungs(1, back + 30);
        shows.push(Show { leaves: true, ..Show::new(1, clip(21)) });
        stage.play(shows.clone()).finish();
        assert_eq!(stage.fragments_player.variants(), ["track_1"]);
        assert_eq!(stage.ts_player.variants(), ["track_1"]);
        let mut stage = Stage::new(ladder(2));
        shows.push(Show { from: back * 1000 + 300, ..Show::new(1, clip(30)) });
        stage.play(shows).finish();
        stage.is_whole(0);
        assert_eq!(stage.fragments_player.variants(), ["track_1", "track_2"]);
        assert_eq!(stage.ts_player.variants(), ["track_1", "track_2"]);
        assert_eq!(stage.dash_player.periods.len(), 3);
        for (player, name) in [(&stage.fragments_player, "fMP4"), (&stage.ts_player, "TS")] {
            let gaps = player.told("track_2").filter(|told| told.gap).count() as i64;
            assert!((silence / 2 - 2..=silence / 2 + 2).contains(&gaps), "{name}: {gaps}");
            assert!(player.told("track_1").all(|told| !told.gap));
            assert_eq!((player.breaks("track_1"), player.breaks("track_2")), (0, 0));
        }
    }
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
fn a_rung_that_changes_its_size_in_mid_stream() {
    let mut stage = Stage::new(ladder(2));
    let first = both(&Pictures::new(large()), 20_000);
    let second = both(&Pictures::new(video()), 20_000);
    let steady = both(&Pictures::new(video()), 40_000);
    stage.play(vec![
        Show::new(0, steady),
        Show::new(1, first),
        Show { goes_on: true, ..Show::new(1, second).from(20_000) },
    ]);
    stage.finish();
    (0..2).for_each(|rung| stage.is_whole(rung));
    assert_eq!(stage.dash_player.periods.len(), 2);
    let sizes = stage.dash_player.mpd.representations().filter(|(_, _, one)| one.id == "track_2");
    let sizes: Vec<_> = sizes.map(|(_, _, one)| one.size).collect();
    assert_eq!(sizes, [Some((1920, 1080)), Some((1280, 720))]);
    for player in [&stage.fragments_player, &stage.ts_player] {
        assert_eq!((player.breaks("track_1"), player.breaks("track_2")), (1, 1));
    }
    let mut inits: Vec<_> =
        stage.fragments_player.told("track_2").filter_map(|told| told.map.clone()).collect();
    inits.dedup();
    assert_eq!(inits, ["track_2-k3x9-init1.mp4", "track_2-k3x9-init2.mp4"]);
}

/// The key frame that it begins with is nowhere near those of the others.
#[test]
fn a_rung_that_changes_its_size_between_key_frames() {
    let mut stage = Stage::new(ladder(2)).apart(1.0);
    let steady = both(&Pictures::new(video()), 40_000);
    let second = both(&Pictures::new(video()), 19_000);
    stage.play(vec![
        Show::new(0, steady),
        Show::new(1, both(&Pictures::new(large()), 20_600)),
        Show { goes_on: true, ..Show::new(1, second).from(20_600) },
    ]);
    stage.finish().is_whole(0);
    for player in [&stage.fragments_player, &stage.ts_player] {
        assert_eq!((player.breaks("track_1"), player.breaks("track_2")), (1, 1));
        let gaps = player.told("track_2").filter(|told| told.gap).count();
        assert!(gaps <= 1, "{gaps}");
    }
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

#[test]
fn a_burst_of_half_a_minute() {
    let mut stage = Stage::new(ladder(1)).untimed();
    let live = Show { stamp: 30_000, from: 40, goes_on: true, ..Show::new(0, clip(20)) };
    stage.play(vec![Show { burst: true, ..Show::new(0, clip(30)) }, live]).finish();
    assert_eq!(stage.dash_player.periods.len(), 1, "{:?}", stage.dash_player.periods);
    let newest = stage.fragments_player.told("track_1").next_back().expect("segments");
    let ends = newest.date + (newest.seconds * 1000.0) as i64 - (at(0) - Timestamp::ZERO).to_scale(1000);
    assert!((19_000..21_000).contains(&ends), "nothing is in the future: {ends}");
    // The first three of them were never listed: the list has room for 12.
    let told: Vec<&str> = stage.fragments_player.told("track_1").map(|told| told.uri.as_str()).collect();
    assert_eq!(told.len(), 25 - 3);
}

/// The lines of a transcoder hang, and then each brings all that it had to hold back, one after the other.
#[test]
fn rungs_that_catch_up_one_after_the_other_miss_nothing() {
    for stall in [900, 2900, 29_000] {
        let mut stage = Stage::new(ladder(3)).untimed();
        let mut shows = rungs(3, 20);
        for rung in 0..3 {
            let held = part(clip(80), 20_000, 20_000 + stall);
            let live = part(clip(80), 20_000 + stall, 60_000 + stall);
            let due = 20_000 + stall + 210;
            let goes_on = |stamp, clip| Show { stamp, goes_on: true, from: due, ..Show::new(rung, clip) };
            shows.push(Show { burst: true, ..goes_on(20_000, held) });
            shows.push(goes_on(20_000 + stall, live));
        }
        stage.play(shows).finish();
        (0..3).for_each(|rung| stage.is_whole(rung));
        assert_eq!(stage.dash_player.periods.len(), 1, "{stall}: {:?}", stage.dash_player.periods);
        for rung in ["track_1", "track_2", "track_3"] {
            for player in [&stage.fragments_player, &stage.ts_player] {
                assert!(player.told(rung).all(|told| !told.gap), "{stall}: {rung}");
            }
        }
    }
}

#[test]
fn a_restart_of_the_encoder_is_one_break() {
    let mut stage = Stage::new(ladder(3));
    let mut shows: Vec<Show> = rungs(3, 21).into_iter().map(|show| Show { leaves: true, ..show }).collect();
    let again = |rung| Show { from: 25_000 + 200 * rung as i64, ..Show::new(rung, clip(30)) };
    shows.extend((0..3).map(again));
    stage.play(shows).finish();
    assert_eq!(stage.dash_player.periods.len(), 2, "{:?}", stage.dash_player.periods);
    for player in [&stage.fragments_player, &stage.ts_player] {
        let breaks: Vec<u64> = (1..4).map(|rung| player.breaks(&format!("track_{rung}"))).collect();
        assert_eq!(breaks, [1; 3]);
    }
    assert_eq!(stage.fragments_player.breaks("sound.1"), 1);
    (0..3).for_each(|rung| stage.is_whole(rung));
}

#[test]
fn a_clock_that_is_set_right_begins_a_period() {
    // What the old clock said of the newest pictures is over when the new one begins.
    let mut stage = Stage::new(ladder(1)).untimed().apart(0.7);
    let tracks = vec![video(), sound()];
    for (number, moved) in [0, -700].into_iter().enumerate() {
        let anchor = Anchor { media: at(0), wall: at(moved) };
        let context = hub::Context {
            epoch: Epoch { id: 0, start: at(0) },
            tracks: tracks.clone().into(),
            anchor: Some(anchor),
        };
        let context = std::sync::Arc::new(context);
        let from = number as i64 * 20_000;
        crate::source::stream(&context, from, from + 20_000, 2000)
            .iter()
            .for_each(|entry| stage.push(0, entry));
    }
    let periods: Vec<i64> =
        stage.dash_player.periods.iter().map(|(_, start)| start / 1000 % 100_000).collect();
    assert_eq!(periods.len(), 2);
    assert_eq!(stage.fragments_player.breaks("track_1"), 0, "the media goes on");
    assert_eq!(stage.dash_player.mpd.representations().filter(|(_, _, one)| one.id == "track_1").count(), 2);
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

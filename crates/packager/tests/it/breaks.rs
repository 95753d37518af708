//! What does not go on as it was: sound that stops, rungs that fall silent, change or catch up, encoders that restart.

use media::Timestamp;
use media::timeline::{Anchor, Epoch};
use testkit::{Clip, samples};

use crate::made::{Pictures, both, large};
use crate::source::{at, sound, stream, video};
use crate::stage::{Show, Stage, clip, ladder, part, rungs};

/// The clip, with its sound missing for a while, in milliseconds.
fn without_sound(mut clip: Clip, from: i64, until: i64) -> Clip {
    let sound = clip.tracks[1].id;
    let [from, until] = [from, until].map(|ms| Timestamp::from_scale(ms, 1000));
    clip.frames.retain(|frame| frame.track != sound || frame.dts < from || frame.dts >= until);
    clip
}

#[test]
fn silence_stands_in_for_sound_that_stops_for_half_a_minute() {
    let mut stage = Stage::new(ladder(2));
    stage
        .play((0..2).map(|rung| Show::new(rung, without_sound(clip(70), 21_000, 51_000))).collect())
        .finish();
    (0..2).for_each(|rung| stage.is_whole(rung));
    assert_eq!(stage.dash_player.shape(), ["1:track_1+track_2 2:sound.1"]);
    assert!(stage.fragments_player.told("sound.1").all(|told| !told.gap));
    for player in [&stage.fragments_player, &stage.ts_player] {
        assert_eq!(player.breaks("track_1"), 0);
    }
}

/// Pictures, and sound of which there is no silence.
fn with_ac3(seconds: i64) -> Clip {
    let rounds = usize::try_from(seconds).expect("some");
    let both = clip(seconds).video_only().with(samples::ac3().starting_at(Timestamp::ZERO).looped(rounds));
    part(both, 0, seconds * 1000)
}

#[test]
fn sound_that_stops_for_half_a_minute_and_has_no_silence() {
    let mut stage = Stage::new(ladder(2));
    stage.play((0..2).map(|rung| Show::new(rung, without_sound(with_ac3(42), 21_000, 52_000))).collect());
    assert_eq!(stage.dash_player.shape(), ["1:track_1+track_2 2:sound.1", "1:track_1+track_2"]);
    assert!(
        !stage.fragments_player.multivariant.contains("AUDIO"),
        "{}",
        stage.fragments_player.multivariant
    );
    let mut stage = Stage::new(ladder(2));
    stage.play((0..2).map(|rung| Show::new(rung, without_sound(with_ac3(70), 21_000, 52_000))).collect());
    assert!(stage.fragments_player.multivariant.contains("AUDIO"));
    stage.finish();
    (0..2).for_each(|rung| stage.is_whole(rung));
    assert_eq!(stage.dash_player.periods.len(), 3);
    assert_eq!(stage.fragments_player.breaks("track_1"), 0);
    let gaps = stage.fragments_player.told("sound.1").filter(|told| told.gap).count();
    assert!((14..=16).contains(&gaps), "{gaps}");
}

#[test]
fn sound_that_comes_late() {
    let mut stage = Stage::new(ladder(1));
    stage.play(vec![Show::new(0, without_sound(clip(30), 0, 13_000))]).finish().is_whole(0);
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
    assert!(lost <= 1, "{lost} frames of sound");
}

/// A rung that came back is put on a key frame up to a second off, here 0.9 s after its arrival, and is that much ahead of
/// the one whose sound it takes over.
#[test]
fn sound_that_takes_over_and_is_ahead_leaves_no_hole() {
    let pictures = Pictures::new(video());
    let mut stage = Stage::new(ladder(3)).untimed();
    let ahead = Show { from: 15_100, stamp: 0, ..Show::new(1, both(&pictures, 40_000)) };
    stage.play(vec![
        Show { leaves: true, ..Show::new(0, both(&pictures, 27_700)) },
        Show { leaves: true, ..Show::new(1, both(&pictures, 12_000)) },
        ahead,
        Show::new(2, pictures.clip(56_000)),
    ]);
    stage.finish();
    let shape = stage.dash_player.shape();
    assert!(shape.iter().all(|period| period.ends_with("2:sound.1")), "{shape:?}");
    assert!(stage.fragments_player.told("sound.1").all(|told| !told.gap));
}

/// So that who adds lengths up is at one place in all rungs.
#[test]
fn what_is_missing_at_the_end_of_a_segment_is_told_of_the_gap_behind_it() {
    let mut stage = Stage::new(ladder(2));
    let leaves = Show { leaves: true, ..Show::new(1, part(clip(24), 0, 21_700)) };
    stage.play(vec![Show::new(0, clip(40)), leaves]).finish();
    for player in [&stage.ts_player, &stage.fragments_player] {
        let lengths =
            |name| player.told(name).map(|told| (told.seconds * 1000.0).round() as i64).collect::<Vec<_>>();
        let (whole, left) = (lengths("track_1"), lengths("track_2"));
        assert!((1700..=1760).contains(&left[10]) && left[11] == 4000 - left[10], "{left:?}");
        assert_eq!(whole.iter().sum::<i64>(), left.iter().sum::<i64>());
    }
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

/// Pictures and sound of 20 s, and as much again after the epoch's wall clock was moved.
fn with_clock_moved(stage: &mut Stage, moved: i64) {
    let tracks = vec![video(), sound()];
    for (number, moved) in [0, moved].into_iter().enumerate() {
        let anchor = Anchor { media: at(0), wall: at(moved) };
        let epoch = Epoch { id: 0, start: at(0) };
        let context = hub::Context { epoch, tracks: tracks.clone().into(), anchor: Some(anchor) };
        let from = number as i64 * 20_000;
        let entries = stream(&std::sync::Arc::new(context), from, from + 20_000, 2000);
        entries.iter().for_each(|entry| stage.push(0, entry));
    }
}

#[test]
fn a_clock_that_is_set_right_begins_a_period() {
    for moved in [700, -700] {
        // What the old clock said of the newest pictures is over when the new one begins.
        let mut stage = Stage::new(ladder(1)).untimed().apart(0.7);
        with_clock_moved(&mut stage, moved);
        assert_eq!(stage.dash_player.periods.len(), 2);
        let [first, second] = [0, 1].map(|n| stage.dash_player.periods[n].1);
        // The segment before is told when the first picture under the new clock ends it.
        assert_eq!((second - first) / 1000, 18_000 + moved);
        assert_eq!(stage.fragments_player.breaks("track_1"), 0, "the media goes on");
    }
}

#[test]
fn a_clock_that_is_set_far_back_does_not_take_the_time_told_with_it() {
    let mut stage = Stage::new(ladder(1)).untimed().apart(7.0);
    with_clock_moved(&mut stage, -6000);
    let newest = stage.fragments_player.told("track_1").next_back().expect("segments");
    let date = newest.date - (at(0) - Timestamp::ZERO).to_scale(1000);
    assert_eq!(date, 36_080 - 6000, "the clock was caught up with");
}

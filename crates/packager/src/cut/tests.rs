//! Sources that a cutter has to cope with, frame by frame.

use super::*;

const VIDEO_MS: i64 = 40;
const AUDIO_MS: i64 = 20;

fn frame(ms: i64, duration_ms: i64, key: bool) -> Timing {
    let dts = Timestamp::from_scale(ms, 1000);
    let duration = TimeDelta::from_millis(duration_ms);
    Timing { dts, pts: dts + duration, duration, key }
}

fn picture(ms: i64, key: bool) -> Timing {
    frame(ms, VIDEO_MS, key)
}

fn sound(ms: i64) -> Timing {
    frame(ms, AUDIO_MS, true)
}

/// 25 pictures a second from 0 to `until_ms`, a key frame at each of `keys`.
fn pictures(until_ms: i64, keys: &[i64]) -> Vec<(Timing, Part)> {
    (0..until_ms / VIDEO_MS)
        .map(|n| n * VIDEO_MS)
        .map(|ms| (picture(ms, keys.contains(&ms)), Part::Lead))
        .collect()
}

fn sounds(from_ms: i64, until_ms: i64, part: Part) -> Vec<(Timing, Part)> {
    (from_ms / AUDIO_MS..until_ms / AUDIO_MS).map(|n| (sound(n * AUDIO_MS), part)).collect()
}

fn gops(until_ms: i64, gop_ms: i64) -> Vec<(Timing, Part)> {
    let keys: Vec<i64> = (0..=until_ms / gop_ms).map(|n| n * gop_ms).collect();
    pictures(until_ms, &keys)
}

/// By time, and sound before pictures `skew_ms` earlier than it should be.
fn interleave(mut frames: Vec<(Timing, Part)>, skew_ms: i64) -> Vec<(Timing, Part)> {
    let skew = TimeDelta::from_millis(skew_ms);
    frames.sort_by_key(|(frame, part)| if *part == Part::Lead { frame.dts } else { frame.dts - skew });
    frames
}

/// The cuts, the first of which is a join.
fn cuts(cutter: &mut Cutter, frames: &[(Timing, Part)]) -> Vec<Cut> {
    let mut cuts = Vec::new();
    for (frame, part) in frames {
        match cuts.is_empty() {
            true => cuts.push(cutter.join(frame, *part)),
            false => cuts.extend(cutter.push(frame, *part)),
        }
    }
    cuts
}

fn run(setting_s: u64, frames: &[(Timing, Part)]) -> (Vec<i64>, Vec<Cut>) {
    let cuts = cuts(&mut Cutter::new(Duration::from_secs(setting_s)), frames);
    (starts(&cuts), cuts)
}

fn starts(cuts: &[Cut]) -> Vec<i64> {
    cuts.iter().map(|cut| cut.start.to_scale(1000)).collect()
}

#[test]
fn short_gops_are_put_together_up_to_the_target() {
    let (starts, cuts) = run(2, &gops(9000, 480));
    assert_eq!(starts, [0, 1920, 3840, 5760, 7680]);
    assert!(cuts.iter().all(|cut| cut.independent && cut.end == cut.start));
    assert_eq!(cuts[0].target_duration, None);
    assert!(cuts[1..].iter().all(|cut| cut.target_duration == Some(2)));
    assert!(cuts[0].discontinuity && cuts[1..].iter().all(|cut| !cut.discontinuity));
}

#[test]
fn a_long_gop_becomes_the_target() {
    let (starts, cuts) = run(2, &gops(31_000, 10_000));
    assert_eq!(starts, [0, 10_000, 20_000, 30_000]);
    assert_eq!(cuts[1].target_duration, Some(10));
}

#[test]
fn the_key_frame_nearest_the_target_is_taken() {
    let (starts, _) = run(4, &gops(13_000, 1400));
    assert_eq!(starts, [0, 4200, 8400, 12_600], "4.2 s is nearer to 4 s than 2.8 s");
    let (starts, _) = run(4, &gops(7000, 3000));
    assert_eq!(starts, [0, 3000, 6000], "3 s is nearer to 4 s than 6 s");
    let (starts, cuts) = run(4, &gops(7000, 2320));
    assert_eq!(starts, [0, 2320, 4640, 6960], "4.64 s is nearer, but would be rounded up to 5 s");
    assert_eq!(cuts[1].target_duration, Some(4));
}

#[test]
fn without_key_frames_segments_end_at_twelve_seconds() {
    let (starts, cuts) = run(2, &pictures(61_000, &[0]));
    assert_eq!(cuts[1].target_duration, Some(12));
    for pair in starts.windows(2) {
        assert!((12_000..=12_499).contains(&(pair[1] - pair[0])), "{starts:?}");
    }
    assert!(cuts[0].independent && cuts[1..].iter().all(|cut| !cut.independent));
}

#[test]
fn a_gop_that_grew_is_cut_into_even_parts() {
    let mut keys: Vec<i64> = (0..5).map(|n| n * 2000).collect();
    keys.extend([13_000, 18_000, 23_000]);
    let (starts, cuts) = run(2, &pictures(23_100, &keys));
    assert_eq!(starts[..5], [0, 2000, 4000, 6000, 8000]);
    assert_eq!(starts[starts.len() - 3..], [19_680, 21_320, 23_000], "5 s in three parts: {starts:?}");
    assert!(cuts.iter().all(|cut| cut.target_duration.is_none_or(|seconds| seconds == 2)));
    assert!(
        starts.windows(2).all(|pair| pair[1] - pair[0] < 2500 && pair[1] - pair[0] >= 1000),
        "{starts:?}"
    );
}

#[test]
fn sound_alone_is_cut_nearest_the_target() {
    let (starts, cuts) = run(2, &sounds(0, 6200, Part::Lead));
    assert_eq!(starts, [0, 2000, 4000, 6000]);
    assert!(cuts.iter().all(|cut| cut.independent));
    assert_eq!(cuts[1].target_duration, Some(2));
}

#[test]
fn sound_ahead_of_the_video_cuts_nothing() {
    for skew in [-1500, 0, 700, 1500, 3000] {
        let frames = interleave([gops(9000, 2000), sounds(0, 9000, Part::Follow)].concat(), skew);
        let first = frames.iter().position(|(_, part)| *part == Part::Lead).unwrap();
        let (starts, cuts) = run(2, &frames[first..]);
        assert_eq!(starts[..5], [0, 2000, 4000, 6000, 8000], "{skew}");
        assert!(cuts[..5].iter().all(|cut| cut.independent), "{skew}");
    }
}

#[test]
fn a_video_that_vanishes_leaves_the_cut_to_the_sound() {
    let frames = interleave([gops(5000, 2000), sounds(0, 20_000, Part::Follow)].concat(), 0);
    let (starts, cuts) = run(2, &frames);
    assert_eq!(starts[..3], [0, 2000, 4000]);
    assert!(
        starts.len() >= 9 && starts.windows(2).all(|pair| (1500..2500).contains(&(pair[1] - pair[0]))),
        "{starts:?}"
    );
    assert!(cuts[3..].iter().all(|cut| !cut.independent && !cut.discontinuity && cut.end == cut.start));
}

#[test]
fn a_hole_past_the_limit_ends_the_segment_before_it() {
    let mut frames = pictures(5000, &[0, 2000, 4000]);
    frames.extend([9000, 9040].map(|ms| (picture(ms, false), Part::Lead)));
    let (starts, cuts) = run(2, &frames);
    assert_eq!(starts, [0, 2000, 4000, 9000]);
    let last = cuts[3];
    assert!(last.discontinuity && !last.independent);
    assert_eq!(last.end.to_scale(1000), 5000);
}

#[test]
fn a_frame_that_lasts_past_the_limit_does_not_lengthen_the_segment() {
    let mut frames = pictures(6440, &[0, 2000, 4000]);
    frames.push((picture(6840, true), Part::Lead));
    let (starts, cuts) = run(2, &frames);
    assert_eq!(starts, [0, 2000, 4000, 6499]);
    assert!(cuts[3].independent && !cuts[3].discontinuity);
}

#[test]
fn after_a_flush_the_next_frame_begins_a_segment() {
    let mut cutter = Cutter::new(Duration::from_secs(2));
    cuts(&mut cutter, &pictures(3000, &[0, 2000]));
    assert_eq!(cutter.flush(), Some(Timestamp::from_scale(3000, 1000)));
    assert_eq!(cutter.flush(), None);
    let cut = cutter.push(&picture(3000, false), Part::Lead).unwrap();
    assert_eq!((cut.start, cut.end), (Timestamp::from_scale(3000, 1000), Timestamp::from_scale(3000, 1000)));
    assert!(!cut.discontinuity && !cut.independent);
    assert_eq!(cutter.push(&picture(3040, false), Part::Lead), None);
    cutter.flush();
    let cut = cutter.push(&picture(9000, true), Part::Lead).unwrap();
    assert!(cut.discontinuity && cut.independent, "media is missing before it");
}

#[test]
fn a_join_ends_the_segment_with_its_last_frame() {
    let mut cutter = Cutter::new(Duration::from_secs(2));
    cuts(&mut cutter, &interleave([gops(3000, 2000), sounds(0, 3100, Part::Follow)].concat(), 0));
    let cut = cutter.join(&picture(7000, true), Part::Lead);
    assert_eq!((cut.end.to_scale(1000), cut.start.to_scale(1000)), (3000, 7000));
    assert!(cut.discontinuity && cut.independent);
}

#[test]
fn the_target_covers_what_was_cut_before_it_was_measured() {
    let mut cutter = Cutter::new(Duration::from_secs(2));
    cuts(&mut cutter, &pictures(7000, &[0]));
    assert_eq!(cutter.join(&picture(8000, true), Part::Lead).target_duration, None);
    let rest: Vec<Cut> =
        (1..200).filter_map(|n| cutter.push(&picture(8000 + n * 40, n % 25 == 0), Part::Lead)).collect();
    assert_eq!(rest[0].target_duration, Some(7));
    assert!(rest.iter().all(|cut| cut.target_duration == Some(7)));
}

#[test]
fn data_alone_does_not_fill_a_segment_without_end() {
    let mut frames = pictures(5000, &[0, 2000, 4000]);
    frames.extend((0..40).map(|n| (frame(4500 + n * 1000, 0, true), Part::Ride)));
    let (starts, cuts) = run(2, &frames);
    assert_eq!(starts[..3], [0, 2000, 4000]);
    assert!(starts.len() > 10 && starts[3..].windows(2).all(|pair| pair[1] - pair[0] == 2499), "{starts:?}");
    assert!(cuts[3..].iter().all(|cut| !cut.independent));
}

fn after(ms: i64, mut frames: Vec<(Timing, Part)>) -> Vec<(Timing, Part)> {
    for (frame, _) in &mut frames {
        frame.dts += TimeDelta::from_millis(ms);
        frame.pts += TimeDelta::from_millis(ms);
    }
    frames
}

/// But for 50 ms: each by itself, and all of them together.
fn assert_no_more_than_one_a_second(starts: &[i64], what: &str) {
    assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= 950), "{what}: {starts:?}");
    assert!((0..).zip(starts).all(|(count, start)| *start >= count * 1000 - 50), "{what}: {starts:?}");
}

#[test]
fn segments_do_not_outrun_the_seconds() {
    for gop in [200, 480, 680, 720, 800, 960, 1000, 1040, 1400, 1600, 1920] {
        let (starts, cuts) = run(1, &gops(120_000, gop));
        assert!(starts.len() > 50, "{gop}");
        assert_no_more_than_one_a_second(&starts, &format!("{gop} ms"));
        assert!(cuts.iter().all(|cut| cut.independent), "{gop}: {starts:?}");
    }
    for gop in [720, 960, 1600] {
        let (starts, _) = run(1, &[gops(20_000, 1000), after(20_000, gops(60_000, gop))].concat());
        assert_no_more_than_one_a_second(&starts, &format!("1 s, then {gop} ms"));
    }
}

/// Sound from before the hole says nothing of how the tracks are interleaved behind it.
#[test]
fn a_hole_in_all_tracks_is_no_skew() {
    let mut frames =
        interleave(gops(6000, 2000).into_iter().chain(sounds(0, 6000, Part::Follow)).collect(), 0);
    let behind = gops(6000, 2000).into_iter().chain(sounds(0, 6000, Part::Follow)).map(|(frame, part)| {
        let moved = |at: Timestamp| at + TimeDelta::from_millis(11_500);
        (Timing { dts: moved(frame.dts), pts: moved(frame.pts), ..frame }, part)
    });
    frames.extend(interleave(behind.collect(), 0));
    let (starts, cuts) = run(2, &frames);
    assert_eq!(starts, [0, 2000, 4000, 11_500, 13_500, 15_500]);
    assert_eq!(cuts.iter().filter(|cut| cut.discontinuity).count(), 2);
}

#[test]
fn sound_that_comes_late_does_not_say_that_pictures_are_further_than_it_is() {
    let mut frames = gops(6000, 2000);
    frames.extend(sounds(0, 20_000, Part::Follow));
    let frames = interleave(frames, -1000);
    let mut cutter = Cutter::new(Duration::from_secs(2));
    let mut reach = Timestamp::ZERO;
    cutter.join(&frames[0].0, frames[0].1);
    for (frame, part) in &frames[1..] {
        reach = reach.max(frame.dts + frame.duration);
        let cut = cutter.push(frame, *part);
        assert!(cut.is_none_or(|cut| cut.start <= reach), "{cut:?} where the media has come to {reach:?}");
    }
}

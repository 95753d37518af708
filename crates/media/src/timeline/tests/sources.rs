//! Stamps as real encoders send them.

use super::*;

fn push(rig: &mut Rig, at_ms: u64, track: TrackId, dts: u64, cts: i64) -> Step {
    let (at, truth) = (Duration::from_millis(at_ms), TimeDelta::from_millis(dts as i64));
    rig.push(Unit { feed: FEED, track, at, truth, dts, cts, key: true })
}

fn times(rig: &Rig, track: TrackId) -> Vec<(i64, i64)> {
    let start = rig.epochs[0].start;
    let micros = |time: Timestamp| (time - start).to_scale(1_000_000);
    rig.of(track).map(|out| (micros(out.frame.dts), micros(out.frame.pts))).collect()
}

#[test]
fn ffmpeg_flv_25_fps_with_b_frames_and_aac() {
    let mut rig = Rig::source(&Encoder::rtmp());
    // ffmpeg -c:v libx264 -bf 2 -r 25 -c:a aac -ar 44100 -f flv
    for (dts, cts) in [(0, 80), (40, 160), (80, 40), (120, 0), (160, 160), (200, 40), (240, 0)] {
        push(&mut rig, dts, TrackId::VIDEO, dts, cts);
    }
    for dts in [0, 23, 46, 70, 93, 116, 139, 163, 186, 209, 232] {
        push(&mut rig, 240, TrackId::AUDIO, dts, 0);
    }
    let video = times(&rig, TrackId::VIDEO);
    assert_eq!(video[..4], [(0, 80_000), (40_000, 200_000), (80_000, 120_000), (120_000, 120_000)]);
    let audio = times(&rig, TrackId::AUDIO);
    assert_eq!(audio[..5], [(0, 0), (23_220, 23_220), (46_440, 46_440), (69_660, 69_660), (92_880, 92_880)]);
    assert_eq!(rig.line.stats(), Stats { epochs: 1, ..Stats::default() });
}

#[test]
fn ntsc_in_milliseconds_with_b_frames() {
    let encoder = Encoder { fps: (30_000, 1001), sample_rate: 48_000, ..Encoder::rtmp() };
    let mut rig = Rig::source(&encoder);
    rig.run(encoder.units(0.0, 10.0, secs(0.0)));
    let period = encoder.frame_rate().period();
    for (n, out) in rig.of(TrackId::VIDEO).enumerate() {
        assert_eq!(out.frame.dts, rig.epochs[0].start + period.times(n as i64));
        assert_eq!((out.frame.pts - out.frame.dts).ticks() % period.ticks(), 0);
    }
}

#[test]
fn obs_truncates_its_milliseconds_and_starts_sound_before_the_picture() {
    let mut rig = Rig {
        future: None,
        ..Rig::source(&Encoder { fps: (60, 1), sample_rate: 48_000, ..Encoder::rtmp() })
    };
    for n in 0..3000u64 {
        push(&mut rig, n * 1024 / 48, TrackId::AUDIO, n * 1024 / 48, 0);
        if n >= 3 {
            (0..2).for_each(|k| {
                let frame = (n - 3) * 2 + k;
                push(&mut rig, n * 1024 / 48, TrackId::VIDEO, 64 + frame * 1000 / 60, 33);
            });
        }
    }
    assert_eq!((rig.epochs.len(), rig.line.stats().dropped, rig.line.stats().rephased), (1, 0, 0));
    let audio = times(&rig, TrackId::AUDIO);
    let video = times(&rig, TrackId::VIDEO);
    assert_eq!(audio[3].0, 64_000);
    assert_eq!(video[0].0, 64_000);
    assert_eq!(video[600].0, 10_064_000);
}

#[test]
fn ninety_kilohertz_on_the_grid_comes_through_unchanged() {
    let encoder = Encoder { base: 900_000, ..Encoder::mpegts() };
    for stated in [true, false] {
        let encoder = Encoder { stated, ..encoder };
        let mut rig = Rig::source(&encoder);
        rig.run(encoder.units(0.0, 20.0, secs(0.0)));
        let start = rig.epochs[0].start;
        for out in &rig.out {
            assert_eq!(out.frame.dts - start, out.unit.truth);
            assert_eq!((out.frame.pts - out.frame.dts).to_scale(90_000), out.unit.cts);
        }
    }
}

#[test]
fn a_late_frame_after_the_other_tracks_wrap_goes_back_not_forward() {
    let encoder = Encoder { base: (1 << 32) - 2000, ..Encoder::rtmp() };
    let mut rig = Rig { future: None, ..Rig::source(&encoder) };
    let mut units = encoder.units(0.0, 4.0, secs(0.0));
    for unit in units.iter_mut().filter(|unit| unit.track == TrackId::AUDIO) {
        unit.at += Duration::from_millis(700);
    }
    units.sort_by_key(|unit| unit.at);
    rig.run(units);
    assert_eq!((rig.epochs.len(), rig.line.stats().dropped), (1, 0));
    rig.assert_in_sync(0);
}

#[test]
fn hours_at_a_thousand_parts_per_million_stay_in_sync() {
    // The sound card runs fast: its samples and the stamps of both tracks drift apart.
    let encoder = Encoder { ppm: 1000, ..Encoder::rtmp() };
    let mut rig = Rig { future: Some(ms(700)), ..Rig::source(&encoder) };
    rig.run(encoder.units(0.0, 1800.0, secs(0.0)));
    assert_eq!((rig.epochs.len(), rig.line.stats().dropped), (1, 0));
    let start = rig.epochs[0].start;
    for out in &rig.out {
        let stamped = start + TimeDelta::from_millis(out.unit.dts as i64);
        let off = (out.frame.dts - stamped).abs();
        assert!(off <= TimeDelta::from_scale(13, 10_000), "{}: {off:?}", out.frame.track);
    }
    assert!(rig.line.stats().rephased > 1000);
}

#[test]
fn a_stated_rate_that_is_wrong_by_a_thousandth_never_accumulates() {
    let encoder = Encoder { fps: (30_000, 1001), ..Encoder::rtmp() };
    let mut rig = Rig::source(&encoder);
    let frame_rate = Rational::new(30, 1);
    rig.line.set_pace(FEED, TrackId::VIDEO, Pace::Video { frame_rate });
    rig.run(encoder.units(0.0, 300.0, secs(0.0)));
    let off = rig.skew(0);
    assert!(off <= TimeDelta::from_scale(15, 10_000), "{off:?}");
    let last: Vec<_> = rig.of(TrackId::VIDEO).map(|out| out.frame.dts).collect();
    let step = last[last.len() - 1] - last[last.len() - 2];
    assert_eq!(step, encoder.frame_rate().period(), "the true rate is found");
}

#[test]
fn audio_only_and_video_only() {
    let encoder = Encoder { base: 123, ..Encoder::rtmp() };
    for track in [TrackId::AUDIO, TrackId::VIDEO] {
        let mut rig = Rig::source(&encoder);
        rig.run(encoder.units(0.0, 20.0, secs(0.0)).into_iter().filter(|unit| unit.track == track));
        rig.run(encoder.units(50.0, 60.0, secs(0.0)).into_iter().filter(|unit| unit.track == track));
        assert_eq!((rig.epochs.len(), rig.line.stats().dropped, rig.line.stats().gaps), (1, 0, 1));
        rig.assert_in_sync(0);
    }
}

#[test]
fn a_track_that_freezes_or_vanishes_comes_back_in_sync() {
    let encoder = Encoder::rtmp();
    for gone in [TrackId::AUDIO, TrackId::VIDEO] {
        let mut rig = Rig::source(&encoder);
        let there = |unit: &Unit| unit.track != gone || !(5.0..65.0).contains(&unit.truth.as_secs_f64());
        rig.run(encoder.units(0.0, 80.0, secs(0.0)).into_iter().filter(there));
        assert_eq!((rig.epochs.len(), rig.line.stats().dropped, rig.line.stats().gaps), (1, 0, 1));
        rig.assert_in_sync(0);
    }
}

#[test]
fn one_broken_stamp_does_not_lose_the_stream() {
    let encoder = Encoder { base: 1_000_000, ..Encoder::rtmp() };
    let mut rig = Rig::source(&encoder);
    let mut units = encoder.units(0.0, 20.0, secs(0.0));
    let broken =
        units.iter().position(|unit| unit.truth > ms(10_000) && unit.track == TrackId::VIDEO).unwrap();
    units[broken].dts = 7;
    rig.run(units);
    assert_eq!(rig.epochs.len(), 3);
    assert!(rig.line.stats().dropped <= 3, "{:?}", rig.line.stats());
    rig.assert_in_sync(2);
}

#[test]
fn tracks_on_unrelated_clocks_both_play() {
    let encoder = Encoder { base: 5_000_000, ..Encoder::rtmp() };
    let mut rig = Rig { future: None, ..Rig::source(&encoder) };
    let mut units = encoder.units(0.0, 20.0, secs(0.0));
    for unit in units.iter_mut().filter(|unit| unit.track == TrackId::AUDIO) {
        unit.dts -= 4_000_000;
    }
    rig.run(units);
    assert_eq!(rig.epochs.len(), 1);
    assert!(rig.line.stats().dropped <= 44, "a second of sound: {:?}", rig.line.stats());
    assert!(rig.skew(0) <= ms(50));
}

#[test]
fn one_track_that_jumps_alone_leaves_both_playing() {
    let encoder = Encoder { base: 5_000_000, ..Encoder::rtmp() };
    let mut rig = Rig { future: None, ..Rig::source(&encoder) };
    let mut units = encoder.units(0.0, 30.0, secs(0.0));
    for unit in units.iter_mut().filter(|unit| unit.track == TrackId::VIDEO && unit.truth > ms(10_000)) {
        unit.dts += 300_000;
    }
    rig.run(units);
    assert_eq!(rig.epochs.len(), 2);
    assert!(rig.line.stats().dropped <= 44, "a second of sound: {:?}", rig.line.stats());
    assert!(rig.skew(1) <= ms(60));
}

#[test]
fn small_steps_back_and_duplicates_are_repaired() {
    let mut rig = Rig { future: None, ..Rig::source(&Encoder { stated: false, ..Encoder::rtmp() }) };
    for dts in [0, 40, 80, 120, 120, 100, 160, 200] {
        push(&mut rig, dts, TrackId::VIDEO, dts, 0);
    }
    let video: Vec<_> = times(&rig, TrackId::VIDEO).into_iter().map(|(dts, _)| dts).collect();
    assert_eq!(video, [0, 40_000, 80_000, 120_000, 120_011, 120_022, 160_000, 200_000]);
    assert_eq!((rig.epochs.len(), rig.line.stats().repaired), (1, 2));
}

#[test]
fn presentation_before_decoding_or_far_after_it_is_repaired() {
    let mut rig = Rig::source(&Encoder::rtmp());
    for (n, cts) in [0, -40, i64::MAX, i64::MIN, 80].into_iter().enumerate() {
        push(&mut rig, n as u64 * 40, TrackId::VIDEO, n as u64 * 40, cts);
    }
    let delays: Vec<_> = times(&rig, TrackId::VIDEO).into_iter().map(|(dts, pts)| pts - dts).collect();
    assert_eq!(delays, [0, 0, 0, 0, 80_000]);
    assert_eq!(rig.line.stats().repaired, 3);
}

#[test]
fn a_variable_frame_rate_keeps_its_stamps() {
    let mut rig = Rig { future: None, ..Rig::source(&Encoder { stated: false, ..Encoder::rtmp() }) };
    let stamps = [0, 31, 68, 99, 137, 160, 201, 233, 267, 305, 330, 371, 396, 434, 467, 504, 529, 571, 597];
    for dts in stamps {
        push(&mut rig, dts, TrackId::VIDEO, dts, 0);
    }
    let video: Vec<_> = times(&rig, TrackId::VIDEO).into_iter().map(|(dts, _)| dts as u64 / 1000).collect();
    assert_eq!(video, stamps);
    assert!(rig.of(TrackId::VIDEO).all(|out| out.frame.duration == TimeDelta::ZERO));
}

#[test]
fn a_slide_show_in_a_burst_is_no_series_of_jumps() {
    let mut rig = Rig { future: None, ..Rig::default() };
    rig.line.open(FEED, SourceClock::RTMP, Role::Source);
    (0..20).for_each(|n| drop(push(&mut rig, n * 2000, TrackId::VIDEO, n * 2000, 0)));
    (20..30).for_each(|n| drop(push(&mut rig, 40_000, TrackId::VIDEO, n * 2000, 0)));
    assert_eq!(rig.epochs.len(), 1);
}

#[test]
fn hub_time_starts_at_the_unix_time_of_the_first_frame() {
    let encoder = Encoder { base: 98_765, ..Encoder::rtmp() };
    let mut rig = Rig::source(&encoder);
    rig.run(encoder.units(0.0, 3.0, secs(17.0)));
    assert_eq!(rig.epochs, [Epoch { id: 0, start: arrival(secs(17.0)).wall }]);
    assert_eq!(rig.out[0].frame.dts, rig.epochs[0].start);
}

/// An encoder whose clock advances at `percent` of real time during `stopped`.
fn lame(encoder: &Encoder, until: f64, stopped: std::ops::Range<f64>, percent: f64) -> Vec<Unit> {
    let mut units = encoder.units(0.0, until, secs(0.0));
    for unit in units.iter_mut() {
        let truth = unit.truth.as_secs_f64();
        let slow = truth.min(stopped.end) - truth.min(stopped.start);
        unit.dts = encoder.stamp(unit.truth - TimeDelta::from_secs_f64(slow * (1.0 - percent / 100.0)));
    }
    units
}

#[test]
fn hub_time_goes_on_when_the_source_s_clock_stands_still() {
    for encoder in [Encoder::rtmp(), Encoder::mpegts()] {
        for (from, percent) in [(0.0, 0.0), (10.0, 0.0), (0.0, 2.0), (10.0, 2.0)] {
            let mut rig = Rig { future: Some(ms(2500)), ..Rig::source(&encoder) };
            rig.run(lame(&encoder, 60.0, from..60.0, percent));
            assert_eq!((rig.epochs.len(), rig.line.stats().standstills), (1, 1), "{from} {percent}");
            for out in rig.out.iter().filter(|out| out.unit.truth > ms(from as i64 * 1000 + 2500)) {
                let late = rig.epochs[0].start + out.unit.truth - out.frame.dts;
                assert!(late.abs() <= ms(300), "{from} {percent}: {:?} {late:?}", out.unit.truth);
            }
        }
    }
}

#[test]
fn a_clock_that_runs_again_is_followed_again() {
    let encoder = Encoder::rtmp();
    let mut rig = Rig { future: Some(ms(2500)), ..Rig::source(&encoder) };
    rig.run(lame(&encoder, 60.0, 10.0..30.0, 0.0));
    assert_eq!((rig.epochs.len(), rig.line.stats().standstills), (2, 1));
    assert!(rig.out.last().unwrap().frame.dts - rig.epochs[0].start > ms(57_000));
    rig.assert_in_sync(1);
}

#[test]
fn a_network_that_lets_little_through_is_no_standstill() {
    for percent in [3, 10, 30] {
        let encoder = Encoder::rtmp();
        let mut rig = Rig { future: None, ..Rig::source(&encoder) };
        let mut units = encoder.units(0.0, 40.0, secs(0.0));
        for unit in units.iter_mut().filter(|unit| unit.truth > ms(5_000)) {
            unit.at = secs(5.0) + (unit.truth - ms(5_000)).to_duration() * 100 / percent;
        }
        rig.run(units);
        assert_eq!((rig.epochs.len(), rig.line.stats().standstills), (1, 0), "{percent} %");
        rig.assert_in_sync(0);
    }
}

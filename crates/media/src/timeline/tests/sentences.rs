//! The section "One timeline" of the architecture, sentence by sentence.

use proptest::prelude::*;

use super::*;

fn encoder() -> impl Strategy<Value = Encoder> {
    let clock =
        prop_oneof![Just(SourceClock::RTMP), Just(SourceClock::MPEGTS), Just(SourceClock::rtp(90_000))];
    let fps =
        prop::sample::select(vec![(25, 1), (30, 1), (30_000, 1001), (50, 1), (60_000, 1001), (24_000, 1001)]);
    let rate = prop::sample::select(vec![44_100u32, 48_000, 32_000]);
    (clock, fps, rate, any::<bool>(), 0i64..1 << 33).prop_map(|(clock, fps, sample_rate, stated, base)| {
        Encoder { clock, fps, sample_rate, stated, base: base & ((1 << clock.bits) - 1), ..Encoder::rtmp() }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn wraps_of_33_and_32_bits_are_unrolled(encoder in encoder(), before in 0.0f64..10.0) {
        let wrap = (1i64 << encoder.clock.bits) - (before * f64::from(encoder.clock.scale)) as i64;
        let encoder = Encoder { base: wrap, ..encoder };
        let mut rig = Rig::source(&encoder);
        let units = encoder.units(0.0, 12.0, Duration::ZERO);
        let count = units.len();
        rig.run(units);
        prop_assert_eq!((rig.epochs.len(), rig.out.len()), (1, count));
        rig.assert_in_sync(0);
    }

    #[test]
    fn tracks_share_one_offset_and_keep_lip_sync(encoder in encoder(), late in 0u64..900) {
        let mut rig = Rig::source(&encoder);
        let mut units = encoder.units(0.0, 20.0, Duration::ZERO);
        // The multiplexer sends sound later than pictures.
        for unit in units.iter_mut().filter(|unit| unit.track == TrackId::AUDIO) {
            unit.at += Duration::from_millis(late);
        }
        units.sort_by_key(|unit| unit.at);
        rig.run(units);
        prop_assert_eq!(rig.epochs.len(), 1);
        rig.assert_in_sync(0);
    }

    #[test]
    fn dts_is_strictly_monotonic_per_track(
        encoder in encoder(),
        steps in prop::collection::vec(-450i64..450, 50..51),
    ) {
        let mut rig = Rig { future: None, ..Rig::source(&encoder) };
        let mut units = encoder.units(0.0, 10.0, Duration::ZERO);
        for (n, unit) in units.iter_mut().enumerate() {
            let wobble = TimeDelta::from_millis(steps[n % steps.len()]) .to_scale(encoder.clock.scale) / 2;
            unit.dts = unit.dts.wrapping_add_signed(wobble) & ((1 << encoder.clock.bits) - 1);
        }
        let count = units.len();
        rig.run(units);
        prop_assert_eq!((rig.epochs.len(), rig.line.stats().dropped), (1, (count - rig.out.len()) as u64));
        prop_assert!(rig.line.stats().dropped <= 2, "only at the very start: {:?}", rig.line.stats());
    }

    #[test]
    fn a_source_switch_opens_an_epoch_at_the_old_end_plus_the_elapsed_time(
        first in encoder(),
        second in encoder(),
        lasting in 0.1f64..8.0,
        pause in 0.0f64..100.0,
        reconnects in any::<bool>(),
    ) {
        let mut rig = Rig::source(&first);
        rig.run(first.units(0.0, lasting, secs(0.0)));
        let (end, last) = (rig.end.unwrap(), rig.out.last().unwrap().unit.at);
        let second = Encoder { feed: if reconnects { FEED } else { FeedId(2) }, ..second };
        rig.open(&second, Role::Source);
        let zero = last + secs(pause);
        rig.run(second.units(0.0, 4.0, zero));
        prop_assert_eq!(rig.epochs.len(), 2);
        prop_assert_eq!(rig.epochs[1].start, end + TimeDelta::from(zero - last));
        rig.assert_in_sync(1);
    }

    #[test]
    fn the_old_source_is_no_longer_heard_after_a_switch(old in encoder(), new in encoder()) {
        let new = Encoder { feed: FeedId(2), ..new };
        let mut rig = Rig::source(&old);
        rig.run(old.units(0.0, 3.0, secs(0.0)));
        rig.open(&new, Role::Source);
        rig.run(old.units(3.0, 4.0, secs(0.0)));
        prop_assert_eq!(rig.epochs.len(), 1);
        let mut both = old.units(4.0, 6.0, secs(0.0));
        both.extend(new.units(0.0, 2.0, secs(4.0)));
        both.sort_by_key(|unit| (unit.at, unit.feed != new.feed));
        rig.run(both);
        prop_assert_eq!(rig.epochs.len(), 2);
        prop_assert!(rig.out.iter().all(|out| (out.epoch == 1) == (out.unit.feed == new.feed)));
        rig.assert_in_sync(1);
    }

    #[test]
    fn a_restart_at_zero_opens_an_epoch(encoder in encoder(), lasting in 2.0f64..8.0, pause in 0.0f64..30.0) {
        // On the same connection, with no sign but the stamps.
        let zero = Encoder { base: 0, ..encoder };
        let encoder = Encoder { base: i64::from(encoder.clock.scale) * 5000, ..encoder };
        let mut rig = Rig::source(&encoder);
        rig.run(encoder.units(0.0, lasting, secs(0.0)));
        rig.run(zero.units(0.0, 5.0, secs(lasting + pause)));
        prop_assert_eq!(rig.epochs.len(), 2);
        prop_assert_eq!(rig.line.stats().dropped, 0);
        rig.assert_in_sync(1);
    }

    #[test]
    fn a_jump_that_is_not_lost_time_opens_one_epoch(
        encoder in encoder(),
        jump in prop_oneof![-100_000i64..-600, 1100i64..100_000],
        late in 0u64..400,
    ) {
        let encoder = Encoder { base: i64::from(encoder.clock.scale) * 5000, ..encoder };
        let jumped = Encoder { base: encoder.base + ms(jump).to_scale(encoder.clock.scale), ..encoder };
        let mut rig = Rig::source(&encoder);
        let mut units = encoder.units(0.0, 6.0, secs(0.0));
        units.extend(jumped.units(6.0, 12.0, secs(0.0)));
        // Sound comes late, so that its old stamps follow the first new ones of the pictures.
        for unit in units.iter_mut().filter(|unit| unit.track == TrackId::AUDIO) {
            unit.at += Duration::from_millis(late);
        }
        units.sort_by_key(|unit| unit.at);
        rig.run(units);
        prop_assert_eq!(rig.epochs.len(), 2);
        prop_assert!(rig.line.stats().dropped <= 40, "{:?}", rig.line.stats());
        rig.assert_in_sync(0);
        rig.assert_in_sync(1);
    }

    #[test]
    fn a_gap_that_equals_the_gap_in_arrival_is_loss(
        encoder in encoder(),
        from in 2.0f64..4.0,
        lost in 0.0f64..600.0,
        jitter in 0u64..300,
    ) {
        let mut rig = Rig { future: None, ..Rig::source(&encoder) };
        rig.run(encoder.units(0.0, from, secs(0.0)));
        let after = encoder.units(from + lost, from + lost + 3.0, secs(0.0));
        rig.run(after.into_iter().map(|unit| Unit { at: unit.at + Duration::from_millis(jitter), ..unit }));
        prop_assert_eq!((rig.epochs.len(), rig.line.stats().dropped), (1, 0));
        prop_assert!(lost < 1.1 || rig.line.stats().gaps >= 2);
        rig.assert_in_sync(0);
    }

    #[test]
    fn what_a_stall_lost_is_loss_too(encoder in encoder(), stall in 2.0f64..20.0, kept in 0.1f64..0.9) {
        // The network stands still; what the encoder kept comes at once, the rest is lost.
        let mut rig = Rig { future: None, ..Rig::source(&encoder) };
        rig.run(encoder.units(0.0, 5.0, secs(0.0)));
        let resumed = secs(5.0 + stall);
        let held = encoder.units(5.0, 5.0 + stall * kept, secs(0.0));
        rig.run(held.into_iter().map(|unit| Unit { at: resumed, ..unit }));
        rig.run(encoder.units(5.0 + stall, 9.0 + stall, secs(0.0)));
        prop_assert_eq!((rig.epochs.len(), rig.line.stats().dropped), (1, 0));
        rig.assert_in_sync(0);
    }

    #[test]
    fn a_burst_of_continuous_stamps_is_no_break(encoder in encoder(), burst in 1.0f64..40.0) {
        let mut rig = Rig::source(&encoder);
        let units = encoder.units(0.0, burst + 8.0, secs(0.0));
        let arrives = |at: Duration| at.saturating_sub(secs(burst));
        rig.run(units.into_iter().map(|unit| Unit { at: arrives(unit.at), ..unit }));
        prop_assert_eq!((rig.epochs.len(), rig.line.stats().dropped), (1, 0));
        // A burst at the start puts nothing into the future: the rig watches that.
        prop_assert_eq!(rig.anchors.len(), 1);
        let lag = rig.anchors[0].lag();
        prop_assert!((lag + TimeDelta::from_secs_f64(burst)).abs() <= ms(50), "{:?}", lag);
        rig.assert_in_sync(0);
    }

    #[test]
    fn sound_runs_on_its_sample_clock_and_pictures_snap_to_their_grid(
        fps in prop::sample::select(vec![(25, 1), (30, 1), (30_000, 1001), (50, 1), (60_000, 1001)]),
        sample_rate in prop::sample::select(vec![44_100u32, 48_000, 32_000, 22_050]),
        base in 0i64..1 << 32,
    ) {
        let encoder = Encoder { fps, sample_rate, base, ..Encoder::rtmp() };
        let mut rig = Rig::source(&encoder);
        rig.run(encoder.units(0.0, 40.0, secs(0.0)));
        for (track, step) in [
            (TrackId::VIDEO, encoder.frame_rate().period()),
            (TrackId::AUDIO, TimeDelta::from_scale(1024, sample_rate)),
        ] {
            let frames: Vec<_> = rig.of(track).map(|out| &out.frame).collect();
            for pair in frames.windows(2) {
                prop_assert_eq!(pair[1].dts - pair[0].dts, step);
                prop_assert_eq!(pair[0].duration, step);
                prop_assert_eq!((pair[1].pts - pair[1].dts).ticks() % step.ticks(), 0);
            }
        }
        rig.assert_in_sync(0);
    }

    #[test]
    fn the_wall_clock_is_the_least_delay_and_stays_once_announced(
        encoder in encoder(),
        delays in prop::collection::vec(0u64..300, 97..98),
    ) {
        let mut rig = Rig { future: None, ..Rig::source(&encoder) };
        let mut units = encoder.units(0.0, 60.0, secs(0.0));
        for (n, unit) in units.iter_mut().enumerate() {
            unit.at += Duration::from_millis(delays[n % delays.len()]);
        }
        units.sort_by_key(|unit| unit.at);
        rig.run(units);
        prop_assert_eq!((rig.epochs.len(), rig.anchors.len()), (1, 1));
        let first = &rig.out[0];
        let zero = first.frame.dts - first.unit.truth;
        let least = arrival(Duration::ZERO).wall - zero;
        let over = rig.anchors[0].lag() - least;
        prop_assert!(over >= ms(-1) && over <= ms(50), "{:?}", over);
    }

    #[test]
    fn drift_over_half_a_second_anchors_anew(encoder in encoder(), ppm in prop::sample::select(vec![-5000i64, 5000])) {
        let encoder = Encoder { ppm, ..encoder };
        let mut rig = Rig { future: Some(ms(700)), ..Rig::source(&encoder) };
        rig.run(encoder.units(0.0, 250.0, secs(0.0)));
        prop_assert_eq!(rig.epochs.len(), 1);
        prop_assert_eq!(rig.anchors.len(), 3, "1.25 s of drift");
        prop_assert_eq!(rig.line.stats().reanchored, 2);
        for pair in rig.anchors.windows(2) {
            let moved = (pair[1].lag() - pair[0].lag()).abs();
            prop_assert!(moved > ms(500) && moved < ms(620), "{:?}", moved);
        }
    }

    #[test]
    fn an_epoch_is_announced_on_the_old_clock_where_that_is_near_enough(
        first in encoder(),
        second in encoder(),
        pause in 0.0f64..20.0,
    ) {
        let mut rig = Rig::source(&first);
        rig.run(first.units(0.0, 8.0, secs(0.0)));
        rig.open(&second, Role::Source);
        prop_assert_eq!(rig.line.anchor(), rig.anchors.last().copied());
        let units = second.units(0.0, 8.0, secs(8.0 + pause));
        rig.push(units[0].clone());
        prop_assert_eq!(rig.line.anchor(), None);
        rig.run(units.into_iter().skip(1));
        prop_assert_eq!(rig.anchors.len(), 2);
        let moved = rig.anchors[1].lag() - rig.anchors[0].lag();
        prop_assert!(moved == TimeDelta::ZERO || moved.abs() > ms(50));
    }
}

//! A ladder is one source, whatever the number of connections that feed it.

use proptest::prelude::*;

use super::*;

fn rung(number: u16, base: i64) -> Encoder {
    let tracks = [TrackId(number * 2), TrackId(number * 2 + 1)];
    Encoder { feed: FeedId(u32::from(number) + 1), tracks, base, ..Encoder::rtmp() }
}

fn merged(parts: impl IntoIterator<Item = Vec<Unit>>) -> Vec<Unit> {
    let mut units: Vec<_> = parts.into_iter().flatten().collect();
    units.sort_by_key(|unit| unit.at);
    units
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn one_offset_per_source_whatever_the_number_of_connections(
        count in 1u16..6,
        base in 0i64..1 << 32,
        delays in prop::collection::vec(0u64..800, 6),
    ) {
        let rungs: Vec<_> = (0..count).map(|number| rung(number, base)).collect();
        let mut rig = Rig { future: None, ..Rig::real_time() };
        for (n, encoder) in rungs.iter().enumerate() {
            rig.open(encoder, if n == 0 { Role::Source } else { Role::Rung });
        }
        let units = merged(rungs.iter().zip(&delays).map(|(encoder, delay)| {
            encoder.units(0.0, 10.0, Duration::from_millis(*delay))
        }));
        rig.run(units);
        prop_assert_eq!(rig.epochs.len(), 1);
        rig.assert_in_sync(0);
        prop_assert_eq!(rig.line.stats().dropped, 0);
    }

    #[test]
    fn a_rung_that_reconnects_alone_is_put_on_the_others_key_frames(
        from in 4.0f64..9.0,
        hole in 0.5f64..20.0,
        late in 0u64..700,
    ) {
        let (best, other) = (rung(0, 77_000), rung(1, 77_000));
        let mut rig = Rig { future: None, ..Rig::source(&best) };
        rig.open(&other, Role::Rung);
        let back = from + hole;
        let mut units = merged([best.units(0.0, back + 12.0, secs(0.0)), other.units(0.0, from, secs(0.0))]);
        let (before, mut after): (Vec<_>, Vec<_>) = units.drain(..).partition(|unit| unit.at < secs(from));
        rig.run(before);
        rig.line.close(other.feed);
        // RTMP restarts at 0: the same pictures from a key frame on, with other stamps.
        let key = (back / 2.0).ceil() * 2.0;
        let again = Encoder { feed: FeedId(9), base: -(key * 1000.0) as i64, ..other };
        rig.open(&again, Role::Rung);
        let rejoined = again.units(key, key + 8.0, secs(0.0)).into_iter();
        after.extend(rejoined.map(|unit| Unit { at: unit.at + Duration::from_millis(late), ..unit }));
        rig.run(merged([after]));
        prop_assert_eq!(rig.epochs.len(), 1, "no epoch for the others");
        let keys: Vec<_> = rig.of(best.tracks[0]).filter(|out| out.frame.key).map(|out| out.frame.pts).collect();
        let mapped: Vec<_> = rig.out.iter().filter(|out| out.unit.feed == again.feed).collect();
        prop_assert!(mapped.len() > 400);
        let key = mapped.iter().find(|out| out.frame.track == again.tracks[0]).unwrap();
        prop_assert!(keys.contains(&key.frame.pts), "{:?} in {:?}", key.frame, keys);
        rig.assert_in_sync(0);
    }

    #[test]
    fn a_rung_whose_encoder_runs_on_comes_back_to_the_common_offset(from in 2.0f64..9.0, hole in 0.1f64..20.0) {
        let (best, other) = (rung(0, 5), rung(1, 5));
        let mut rig = Rig { future: None, ..Rig::source(&best) };
        rig.open(&other, Role::Rung);
        let back = from + hole;
        let again = Encoder { feed: FeedId(9), ..other };
        let units = merged([best.units(0.0, back + 5.0, secs(0.0)), other.units(0.0, from, secs(0.0))]);
        let (before, after): (Vec<_>, Vec<_>) = units.into_iter().partition(|unit| unit.at < secs(from));
        rig.run(before);
        rig.line.close(other.feed);
        rig.open(&again, Role::Rung);
        rig.run(merged([after, again.units(back, back + 5.0, secs(0.0))]));
        prop_assert_eq!((rig.epochs.len(), rig.line.stats().dropped), (1, 0));
        rig.assert_in_sync(0);
    }

    #[test]
    fn an_encoder_that_restarts_all_rungs_opens_one_epoch(order in any::<bool>(), lasting in 3.0f64..9.0) {
        let rungs = [rung(0, 500_000), rung(1, 500_000), rung(2, 500_000)];
        let mut rig = Rig { future: None, ..Rig::source(&rungs[0]) };
        rungs[1..].iter().for_each(|encoder| rig.open(encoder, Role::Rung));
        rig.run(merged(rungs.iter().map(|encoder| encoder.units(0.0, lasting, secs(0.0)))));
        // The connections stay. Which rung comes first after the restart is chance.
        let restarted = rungs.iter().map(|encoder| {
            let first = (encoder.feed == FEED) == order;
            let zero = secs(lasting + if first { 0.0 } else { 0.3 });
            Encoder { base: 0, ..*encoder }.units(0.0, 6.0, zero)
        });
        rig.run(merged(restarted));
        prop_assert_eq!(rig.epochs.len(), 2);
        rig.assert_in_sync(1);
        for encoder in &rungs {
            prop_assert!(rig.of(encoder.tracks[0]).filter(|out| out.epoch == 1).count() > 130);
        }
    }
}

/// It may be put on a key frame that is still to come, and who leads may be another one after it.
#[test]
fn a_rung_that_comes_back_moves_no_wall_clock() {
    for (leader_goes, ahead) in [(false, 900), (false, -900), (true, 900)] {
        let [best, other] = [0, 1].map(|number| Encoder { gop: 60, ..rung(number, 0) });
        let mut rig = Rig { future: None, ..Rig::source(&best) };
        rig.open(&other, Role::Rung);
        let (stays, goes) = if leader_goes { (other, best) } else { (best, other) };
        rig.run(merged([stays.units(0.0, 7.0, secs(0.0)), goes.units(0.0, 7.0, secs(0.0))]));
        rig.line.close(goes.feed);
        let again = Encoder { feed: FeedId(9), ..goes };
        rig.open(&again, Role::Rung);
        let came = Duration::from_millis(12_000_u64.saturating_add_signed(-ahead));
        rig.run(merged([stays.units(7.0, 60.0, secs(0.0)), again.units(0.0, 48.0, came)]));
        let shift = |out: &Out| (out.frame.dts - Timestamp::ZERO) - TimeDelta::from(out.unit.at);
        let [here, there] =
            [stays, again].map(|encoder| rig.out.iter().rfind(|out| out.unit.feed == encoder.feed));
        let apart = shift(there.unwrap()) - shift(here.unwrap());
        assert!((apart - ms(ahead)).abs() < ms(100), "{apart:?}: the rung was put elsewhere");
        rig.line.close(stays.feed);
        rig.run(again.units(48.0, 90.0, came));
        assert_eq!((rig.epochs.len(), rig.anchors.len()), (1, 1), "{leader_goes} {ahead}");
    }
}

#[test]
fn a_rung_that_jumps_alone_is_no_epoch_for_the_others() {
    let (best, other) = (rung(0, 500_000), rung(1, 500_000));
    let mut rig = Rig { future: None, ..Rig::source(&best) };
    rig.open(&other, Role::Rung);
    rig.run(merged([best.units(0.0, 6.0, secs(0.0)), other.units(0.0, 6.0, secs(0.0))]));
    let jumped = Encoder { base: -6000, ..other };
    rig.run(merged([best.units(6.0, 16.0, secs(0.0)), jumped.units(6.0, 16.0, secs(0.0))]));
    assert_eq!(rig.epochs.len(), 1);
    let back = rig.of(jumped.tracks[0]).find(|out| out.unit.at >= secs(6.0)).unwrap();
    assert_eq!(back.unit.at, secs(8.0), "at the second key frame after the jump");
    rig.assert_in_sync(0);
}

#[test]
fn when_the_leader_leaves_another_connection_leads() {
    let (best, other) = (rung(0, 500_000), rung(1, 500_000));
    let mut rig = Rig { future: None, ..Rig::source(&best) };
    rig.open(&other, Role::Rung);
    rig.run(merged([best.units(0.0, 4.0, secs(0.0)), other.units(0.0, 4.0, secs(0.0))]));
    rig.line.close(best.feed);
    rig.run(other.units(4.0, 6.0, secs(0.0)));
    assert_eq!((rig.epochs.len(), rig.line.stats().dropped), (1, 0));
    rig.run(Encoder { base: 0, ..other }.units(0.0, 2.0, secs(6.0)));
    assert_eq!((rig.epochs.len(), rig.line.stats().dropped), (2, 0));
}

#[test]
fn a_rung_that_finds_nobody_is_a_new_source() {
    let only = rung(0, 500_000);
    let mut rig = Rig::source(&only);
    rig.run(only.units(0.0, 4.0, secs(0.0)));
    rig.line.close(only.feed);
    rig.open(&only, Role::Rung);
    rig.run(only.units(9.0, 12.0, secs(0.0)));
    assert_eq!(rig.epochs.len(), 2);
    rig.assert_in_sync(1);
}

#[test]
fn a_rung_that_still_waited_when_the_last_other_left_is_a_new_source() {
    let (best, other) = (rung(0, 500_000), rung(1, 0));
    let mut rig = Rig::source(&best);
    rig.run(best.units(0.0, 4.0, secs(0.0)));
    rig.open(&other, Role::Rung);
    rig.run(other.units(0.5, 1.0, secs(4.0)));
    assert_eq!(rig.of(other.tracks[0]).count(), 0, "no key frame yet");
    rig.line.close(best.feed);
    rig.run(other.units(1.0, 3.0, secs(4.0)));
    assert_eq!(rig.epochs.len(), 2);
    rig.assert_in_sync(1);
}

#[test]
fn a_rung_of_another_protocol_is_placed_by_arrival_and_key_frames() {
    let best = rung(0, 500_000);
    let srt = Encoder { clock: SourceClock::MPEGTS, base: 90_000 * 7777, ..rung(1, 0) };
    let mut rig = Rig { future: None, ..Rig::source(&best) };
    rig.open(&srt, Role::Rung);
    let late = |unit: Unit| Unit { at: unit.at + Duration::from_millis(300), ..unit };
    let srt_units = srt.units(0.0, 20.0, secs(0.0)).into_iter().map(late).collect();
    rig.run(merged([best.units(0.0, 20.0, secs(0.0)), srt_units]));
    assert_eq!((rig.epochs.len(), rig.line.stats().dropped), (1, 0));
    rig.assert_in_sync(0);
}

/// The presentation times of a rung's key frames in an epoch, by the encoder's time that they show.
fn keys(rig: &Rig, track: TrackId, epoch: u64) -> BTreeMap<TimeDelta, Timestamp> {
    let keys = rig.of(track).filter(|out| out.frame.key && out.epoch == epoch);
    keys.map(|out| (out.unit.truth, out.frame.pts)).collect()
}

/// Checks that key frames of one time are at one time on both rungs, and that there are some.
fn assert_aligned(rig: &Rig, a: TrackId, b: TrackId, epoch: u64) {
    let (a, b) = (keys(rig, a, epoch), keys(rig, b, epoch));
    let both: Vec<_> = a.iter().filter_map(|(truth, pts)| Some((*pts, *b.get(truth)?))).collect();
    assert!(both.len() >= 2, "{a:?} {b:?}");
    both.iter().for_each(|(a, b)| assert_eq!(a, b));
}

#[test]
fn an_encoder_that_comes_back_while_its_dead_connections_hang_opens_one_epoch() {
    let rungs = [rung(0, 500_000), rung(1, 500_000), rung(2, 500_000)];
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let mut rig = Rig { future: None, ..Rig::source(&rungs[0]) };
        rungs[1..].iter().for_each(|encoder| rig.open(encoder, Role::Rung));
        rig.run(merged(rungs.iter().map(|encoder| encoder.units(0.0, 6.0, secs(0.0)))));
        // No connection was closed; each is taken over by its successor, 100 ms after the one before.
        let mut events = Vec::new();
        for (nth, rung) in order.into_iter().enumerate() {
            let again = Encoder { feed: FeedId(20 + rung), base: 0, ..rungs[rung as usize] };
            let comes = secs(9.0) + Duration::from_millis(100) * nth as u32;
            let units = again.units(0.0, 6.0, secs(9.0)).into_iter();
            events.extend(units.map(|unit| Unit { at: unit.at.max(comes), ..unit }));
            // What has come by then is read before the next one connects.
            events.sort_by_key(|unit| unit.at);
            let before = events.iter().position(|unit| unit.at >= comes).unwrap_or(events.len());
            rig.run(events.drain(..before));
            rig.line.close(rungs[rung as usize].feed);
            rig.open(&again, Role::Rung);
        }
        rig.run(events);
        assert_eq!((rig.epochs.len(), rig.line.stats().dropped), (2, 0));
        rig.assert_in_sync(1);
    }
}

#[test]
fn what_hung_and_comes_back_after_another_rung_began_anew_is_put_on_its_key_frames() {
    let (best, other) = (rung(0, 500_000), rung(1, 500_000));
    let mut rig = Rig { future: None, ..Rig::source(&best) };
    rig.open(&other, Role::Rung);
    rig.run(merged([best.units(0.0, 6.0, secs(0.0)), other.units(0.0, 6.0, secs(0.0))]));
    rig.line.close(best.feed);
    let again = Encoder { feed: FeedId(9), base: -8000, ..best };
    rig.open(&again, Role::Rung);
    rig.run(merged([again.units(8.0, 20.0, secs(0.0)), other.units(8.5, 20.0, secs(0.0))]));
    assert_eq!(rig.epochs.len(), 2);
    assert_aligned(&rig, best.tracks[0], other.tracks[0], 1);
    let back = rig.of(other.tracks[0]).find(|out| out.epoch == 1).unwrap();
    assert_eq!(back.unit.at, secs(10.0), "at its next key frame");
}

#[test]
fn when_the_leader_stalls_another_connection_leads() {
    let rungs = [rung(0, 500_000), rung(1, 500_000), rung(2, 500_000)];
    let mut rig = Rig { future: None, ..Rig::source(&rungs[0]) };
    rungs[1..].iter().for_each(|encoder| rig.open(encoder, Role::Rung));
    rig.run(merged(rungs.iter().map(|encoder| encoder.units(0.0, 5.0, secs(0.0)))));
    rig.run(merged(rungs[1..].iter().map(|encoder| encoder.units(5.0, 20.0, secs(0.0)))));
    // One of them comes back with a clock of its own, late: the others' key frames tell where it belongs.
    rig.line.close(rungs[2].feed);
    let again = Encoder { feed: FeedId(9), base: -22_000, ..rungs[2] };
    rig.open(&again, Role::Rung);
    let late = |unit: Unit| Unit { at: unit.at + Duration::from_millis(600), ..unit };
    let back = again.units(22.0, 30.0, secs(0.0)).into_iter().map(late).collect();
    rig.run(merged([rungs[1].units(20.0, 30.0, secs(0.0)), back]));
    assert_eq!(rig.epochs.len(), 1);
    assert_aligned(&rig, rungs[1].tracks[0], rungs[2].tracks[0], 0);
    // The stalled one goes on as if nothing had been.
    rig.run(merged([rungs[0].units(30.0, 36.0, secs(0.0)), rungs[1].units(30.0, 36.0, secs(0.0))]));
    rig.assert_in_sync(0);
    // And when the encoder restarts there is an epoch, though the first leader is silent again.
    let restarted = |encoder: &Encoder| Encoder { base: 0, ..*encoder };
    rig.run(rungs[1].units(36.0, 38.0, secs(0.0)));
    rig.run(merged([
        restarted(&rungs[1]).units(0.0, 6.0, secs(38.0)),
        restarted(&again).units(0.0, 6.0, secs(38.0)),
    ]));
    assert_eq!(rig.epochs.len(), 2);
    assert_aligned(&rig, rungs[1].tracks[0], rungs[2].tracks[0], 1);
}

#[test]
fn a_rung_whose_stamps_its_encoder_moved_is_put_on_the_others_key_frames() {
    // FLV of an encoder with B frames begins at zero all the same: all its stamps are 59 ms later than the others'.
    let (best, other) = (rung(0, 1000), rung(1, 1059));
    let mut rig = Rig { future: None, ..Rig::source(&best) };
    rig.open(&other, Role::Rung);
    rig.run(merged([best.units(0.0, 10.0, secs(0.0)), other.units(0.0, 10.0, secs(0.02))]));
    assert_eq!(rig.epochs.len(), 1);
    let keys =
        |track| -> Vec<_> { rig.of(track).filter(|out| out.frame.key).map(|out| out.frame.pts).collect() };
    assert_eq!(keys(best.tracks[0]), keys(other.tracks[0]));
    let sounds = |track| -> Vec<_> { rig.of(track).map(|out| out.frame.pts).collect() };
    let (best, other): (Vec<_>, Vec<_>) = (sounds(best.tracks[1]), sounds(other.tracks[1]));
    assert!(
        best.iter().zip(&other).skip(5).all(|(a, b)| (*a - *b).abs() <= TimeDelta::from_millis(1)),
        "sound goes with them"
    );
}

/// A rung whose key frames, one each 3 s, are all shown equally long after they are decoded.
fn regular(number: u16, base: i64) -> Encoder {
    Encoder { gop: 75, ..rung(number, base) }
}

/// Two rungs whose lines hang at 10 s for so long, and a third that joins as they come back, with 4 s and more at once.
fn joined_in_a_burst(hang: f64, base: i64) -> (Rig, [Encoder; 3]) {
    let rungs = [regular(0, 500_000), regular(1, 500_000), regular(2, base)];
    let mut rig = Rig { future: None, ..Rig::source(&rungs[0]) };
    rig.open(&rungs[1], Role::Rung);
    let joins = secs(10.0 + hang);
    let held = |unit: Unit| if unit.at > secs(10.0) { Unit { at: unit.at.max(joins), ..unit } } else { unit };
    let units =
        rungs[..2].iter().map(|encoder| encoder.units(3.0, 24.0, secs(0.0)).into_iter().map(held).collect());
    let (before, after): (Vec<_>, Vec<_>) = merged(units).into_iter().partition(|unit| unit.at < joins);
    rig.run(before);
    rig.open(&rungs[2], Role::Rung);
    let burst = rungs[2].units(6.0, 24.0, secs(0.0)).into_iter();
    let burst = burst.map(|unit| Unit { at: unit.at.max(joins), ..unit }).collect();
    rig.run(merged([burst, after]));
    (rig, rungs)
}

#[test]
fn a_rung_that_joins_in_a_burst_is_not_ahead_of_the_others_for_long() {
    for (hang, base) in [(0.0, 500_000), (0.0, -6000), (0.5, 500_000), (0.95, 500_000), (0.95, -6000)] {
        let (rig, rungs) = joined_in_a_burst(hang, base);
        assert_eq!(rig.epochs.len(), 1);
        let off = |out: &Out| (out.frame.dts - Timestamp::from_scale(UNIX, 1)) - out.unit.truth;
        for encoder in rungs {
            let late = rig.of(encoder.tracks[0]).filter(|out| out.unit.at >= secs(16.0));
            let off: Vec<_> = late.map(off).collect();
            assert_eq!(off.len(), 200, "{hang} {base}");
            assert!(off.iter().all(|off| off.abs() <= ms(1)), "{hang} {base}: {:?}", off[0]);
        }
        let times: Vec<_> = rig.of(rungs[2].tracks[0]).map(|out| out.frame.dts).collect();
        assert!(
            times.windows(2).all(|pair| pair[1] - pair[0] >= ms(10)),
            "{hang} {base}: pictures in a heap"
        );
    }
}

#[test]
fn who_hung_while_a_newcomer_began_another_source_comes_back_to_it() {
    for base in [500_000, -6000] {
        let (rig, rungs) = joined_in_a_burst(1.5, base);
        assert_eq!(rig.epochs.len(), 2);
        for encoder in &rungs[..2] {
            assert_aligned(&rig, encoder.tracks[0], rungs[2].tracks[0], 1);
        }
    }
}

#[test]
fn what_a_rung_sent_before_it_was_put_elsewhere_is_not_sent_again() {
    let (best, other) = (regular(0, 500_000), regular(1, 500_000));
    let mut rig = Rig { future: None, ..Rig::source(&best) };
    rig.open(&other, Role::Rung);
    let units = merged([best.units(3.0, 20.0, secs(0.0)), other.units(3.0, 6.5, secs(0.0))]);
    let (before, after): (Vec<_>, Vec<_>) = units.into_iter().partition(|unit| unit.at < secs(7.0));
    rig.run(before);
    rig.line.close(other.feed);
    // Its pictures are 2.3 s late and so put on the next key frame of the others, until it has the common clock again.
    let again = Encoder { feed: FeedId(9), base: -6000, ..other };
    rig.open(&again, Role::Rung);
    let late = |unit: Unit| Unit { at: unit.at + Duration::from_millis(2300), ..unit };
    let late = again.units(6.0, 9.0, secs(0.0)).into_iter().map(late).collect();
    let common = Encoder { feed: FeedId(9), ..other }.units(11.3, 20.0, secs(0.0));
    rig.run(merged([after, late, common]));
    let outs: Vec<_> = rig.of(other.tracks[0]).filter(|out| out.unit.at >= secs(7.0)).collect();
    assert_eq!(outs[0].frame.dts - Timestamp::from_scale(UNIX, 1), ms(9000), "put 3 s too late");
    assert!(
        outs.windows(2).all(|pair| pair[1].frame.dts - pair[0].frame.dts >= ms(40)),
        "pictures in a heap"
    );
    let back = outs.iter().find(|out| out.unit.truth >= ms(11_300)).unwrap();
    assert!(back.frame.key && back.unit.truth == ms(12_000), "{back:?}");
    assert_eq!(outs.last().unwrap().frame.dts - Timestamp::from_scale(UNIX, 1), ms(19_960));
}

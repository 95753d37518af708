//! Whatever comes in: no panic, bounded state, and the invariants of the rig.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Act {
    Open(u32, SourceClock, bool),
    Close(u32),
    Pace(u32, u16, Pace),
    Push { feed: u32, track: u16, wait: u64, dts: u64, cts: i64, key: bool },
}

fn stamp() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), 0u64..100_000, Just(u64::MAX), (1u64 << 32) - 1000..(1 << 32) + 1000]
}

fn pace() -> impl Strategy<Value = Pace> {
    prop_oneof![
        (any::<u32>(), any::<Option<u32>>())
            .prop_map(|(sample_rate, samples_per_frame)| Pace::Audio { sample_rate, samples_per_frame }),
        (any::<u32>(), any::<u32>())
            .prop_map(|(num, den)| Pace::Video { frame_rate: Rational::new(num, den) }),
        Just(Pace::Video { frame_rate: Rational::new(30, 1) }),
        Just(Pace::Audio { sample_rate: 44_100, samples_per_frame: Some(1024) }),
        Just(Pace::Free),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let clock = prop_oneof![
        Just(SourceClock::RTMP),
        Just(SourceClock::MPEGTS),
        (any::<u32>(), any::<u32>()).prop_map(|(scale, bits)| SourceClock { scale, bits }),
    ];
    prop_oneof![
        1 => (0u32..4, clock, any::<bool>()).prop_map(|(feed, clock, source)| Act::Open(feed, clock, source)),
        1 => (0u32..4).prop_map(Act::Close),
        1 => (0u32..4, 0u16..4, pace()).prop_map(|(feed, track, pace)| Act::Pace(feed, track, pace)),
        20 => (0u32..4, 0u16..4, prop_oneof![0u64..100, 0u64..20_000], stamp(), any::<i64>(), any::<bool>())
            .prop_map(|(feed, track, wait, dts, cts, key)| Act::Push { feed, track, wait, dts, cts, key }),
    ]
}

proptest! {
    #[test]
    fn no_input_breaks_the_promises(acts in prop::collection::vec(act(), 1..300)) {
        let mut rig = Rig::default();
        let mut at = Duration::from_secs(1);
        let mut pushed = 0;
        rig.line.open(FeedId(0), SourceClock::RTMP, Role::Source);
        for act in acts {
            match act {
                Act::Open(feed, clock, source) => {
                    rig.line.open(FeedId(feed), clock, if source { Role::Source } else { Role::Rung });
                }
                Act::Close(feed) => rig.line.close(FeedId(feed)),
                Act::Pace(feed, track, pace) => rig.line.set_pace(FeedId(feed), TrackId(track), pace),
                Act::Push { feed, track, wait, dts, cts, key } => {
                    at += Duration::from_millis(wait);
                    pushed += 1;
                    let (feed, track, truth) = (FeedId(feed), TrackId(track), TimeDelta::ZERO);
                    rig.push(Unit { feed, track, at, truth, dts, cts, key });
                }
            }
        }
        prop_assert_eq!(rig.out.len() as u64 + rig.line.stats().dropped, pushed);
    }

    #[test]
    fn no_arrival_breaks_it_either(
        times in prop::collection::vec((any::<Duration>(), any::<i64>(), any::<u64>(), any::<i64>(), 0u16..3), 1..100),
    ) {
        let mut line = Timeline::new();
        line.open(FEED, SourceClock::RTMP, Role::Source);
        let mut last = BTreeMap::new();
        for (mono, wall, dts, cts, track) in times {
            let now = Arrival { mono, wall: Timestamp::from_ticks(wall) };
            let track = TrackId(track);
            let step = line.push(now, Sample { feed: FEED, track, dts, cts, key: true, data: Bytes::new() });
            if let Some(frame) = step.frame {
                prop_assert!(frame.pts >= frame.dts);
                let before = last.insert(frame.track, frame.dts);
                prop_assert!(before.is_none_or(|before| frame.dts > before));
            }
        }
    }

    #[test]
    fn stamps_that_alternate_between_two_clocks_open_few_epochs(gap in 1000u64..1_000_000) {
        let mut rig = Rig::default();
        rig.line.open(FEED, SourceClock::RTMP, Role::Source);
        for n in 0..300u64 {
            let at = Duration::from_millis(n * 40);
            let dts = 5_000_000 + n * 40 + (n % 2) * gap;
            let (track, truth) = (TrackId::VIDEO, TimeDelta::ZERO);
            rig.push(Unit { feed: FEED, track, at, truth, dts, cts: 0, key: true });
        }
        prop_assert!(rig.epochs.len() <= 26, "{}", rig.epochs.len());
    }
}

#[test]
fn tracks_beyond_the_limit_are_dropped() {
    let mut rig = Rig::default();
    rig.line.open(FEED, SourceClock::RTMP, Role::Source);
    for track in 0..1000 {
        let (track, truth) = (TrackId(track), TimeDelta::ZERO);
        rig.push(Unit { feed: FEED, track, at: Duration::ZERO, truth, dts: 0, cts: 0, key: true });
    }
    assert_eq!((rig.out.len(), rig.line.stats().dropped), (64, 936));
}

#[test]
fn frames_of_a_connection_that_is_not_open_are_dropped() {
    let mut rig = Rig::default();
    let encoder = Encoder::rtmp();
    rig.run(encoder.units(0.0, 1.0, secs(0.0)));
    assert_eq!((rig.out.len(), rig.line.epoch()), (0, None));
}

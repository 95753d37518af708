use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// 25 pictures a second.
const FRAME: TimeDelta = TimeDelta::from_millis(40);
const START: Timestamp = Timestamp::from_ticks(1_000 * TICKS_PER_SECOND);

fn at(frame: i64) -> Timestamp {
    START + FRAME.times(frame)
}

/// What comes out for pictures that are shown at these frames: decode and presentation times as frames, of those that are on
/// the grid.
fn run(times: &mut DecodeTimes<usize>, shown: impl IntoIterator<Item = i64>) -> Vec<(i64, i64)> {
    let mut out = Vec::new();
    for (index, shown) in shown.into_iter().enumerate() {
        times.push(at(shown), index);
        out.extend(poll(times));
    }
    out
}

fn poll(times: &mut DecodeTimes<usize>) -> Vec<(i64, i64)> {
    let frames = |time: Timestamp| {
        let ticks = (time - START).ticks();
        assert_eq!(ticks % FRAME.ticks(), 0, "{time:?} is on the grid");
        ticks / FRAME.ticks()
    };
    std::iter::from_fn(|| times.poll()).map(|picture| (frames(picture.dts), frames(picture.pts))).collect()
}

/// The order of decoding of groups of B pictures, each before the picture that ends it: as a pyramid, or one after the other.
fn decoding_order(groups: &[(u8, bool)]) -> Vec<i64> {
    fn between(low: i64, high: i64, pyramid: bool, order: &mut Vec<i64>) {
        if high - low < 2 {
            return;
        }
        let middle = if pyramid { low + (high - low) / 2 } else { low + 1 };
        order.push(middle);
        between(low, middle, pyramid, order);
        between(middle, high, pyramid, order);
    }
    let (mut order, mut last) = (vec![0], 0);
    for &(pictures, pyramid) in groups {
        let end = last + i64::from(pictures) + 1;
        order.push(end);
        between(last, end, pyramid, &mut order);
        last = end;
    }
    order
}

fn depth(order: &[i64]) -> u32 {
    depth_of(&order.iter().map(|&frame| at(frame)).collect::<Vec<_>>()) as u32
}

#[test]
fn without_reordering_nothing_waits() {
    let mut times = DecodeTimes::new(Some(0));
    for frame in 0..100 {
        assert_eq!(run(&mut times, [frame]), [(frame, frame)]);
    }
}

#[test]
fn a_pyramid_of_x264() {
    let mut times = DecodeTimes::new(Some(2));
    assert_eq!(run(&mut times, [0, 4, 2]), []);
    assert_eq!(run(&mut times, [1]), [(-2, 0), (-1, 4), (0, 2), (1, 1)]);
    // From here on at once.
    for (shown, decoded) in [(3, 2), (8, 3), (6, 4), (5, 5), (7, 6), (9, 7), (10, 8)] {
        assert_eq!(run(&mut times, [shown]), [(decoded, shown)]);
    }
}

#[test]
fn an_unknown_depth_is_learned_from_twenty_pictures() {
    let order = decoding_order(&[(3, true); 10]);
    let mut times = DecodeTimes::new(None);
    assert_eq!(run(&mut times, order[..19].iter().copied()), []);
    let out = run(&mut times, order[19..].iter().copied());
    assert_eq!(out, (-2..).zip(order).collect::<Vec<_>>());
}

#[test]
fn learning_takes_no_longer_than_a_second() {
    let mut times = DecodeTimes::new(None);
    let each_fifth = [0, 5, 10, 15, 20];
    assert_eq!(run(&mut times, each_fifth), []);
    assert_eq!(run(&mut times, [25]), [0, 5, 10, 15, 20, 25].map(|frame| (frame, frame)));
    assert_eq!(run(&mut times, [30]), [(30, 30)]);
}

/// No pyramid in the first second, and then one.
#[test]
fn a_depth_that_was_too_small_grows() {
    let mut times = DecodeTimes::new(None);
    let start: Vec<_> = (0..20).collect();
    assert_eq!(run(&mut times, start.iter().copied()).len(), 20);
    let order: Vec<_> = decoding_order(&[(3, true); 5])[1..].iter().map(|frame| 19 + frame).collect();
    let mut out = Vec::new();
    for (index, &shown) in order.iter().enumerate() {
        times.push(at(shown), index);
        out.extend(std::iter::from_fn(|| times.poll()));
    }
    assert!(out.windows(2).all(|pair| pair[0].dts < pair[1].dts));
    assert!(out.iter().all(|picture| picture.dts <= picture.pts));
    // The three B pictures of the first pyramid are put off, for the picture behind them was decoded when it was shown.
    let put_off: Vec<_> =
        out.iter().filter(|picture| picture.pts != at(order[picture.item])).map(|p| p.item).collect();
    assert_eq!(put_off, [1, 2, 3]);
    // Within the second it is as if the depth had been known.
    assert!(out[6..].iter().zip(24..).all(|(picture, decoded)| picture.dts == at(decoded)));
}

#[test]
fn a_hole_is_no_part_of_a_picture_s_delay() {
    let mut times = DecodeTimes::new(Some(2));
    run(&mut times, [0, 4, 2, 1, 3]);
    // Two seconds later.
    assert_eq!(run(&mut times, [50, 54, 52]), []);
    assert_eq!(run(&mut times, [51, 53]), [(48, 50), (49, 54), (50, 52), (51, 51), (52, 53)]);
}

#[test]
fn another_clock_begins_anew() {
    let mut times = DecodeTimes::new(Some(1));
    assert_eq!(run(&mut times, [1000, 1002, 1001]).len(), 3);
    assert_eq!(run(&mut times, [0, 2, 1, 4, 3]), [(-1, 0), (0, 2), (1, 1), (2, 4), (3, 3)]);
    // Also while the first pictures are held, of which two say little about a frame's duration.
    let mut times = DecodeTimes::new(Some(2));
    assert_eq!(
        run(&mut times, [1000, 1004, 0, 4, 2, 1]),
        [(992, 1000), (996, 1004), (-2, 0), (-1, 4), (0, 2), (1, 1),]
    );
}

#[test]
fn a_picture_each_two_seconds_waits_for_no_more_than_one_other() {
    let mut times = DecodeTimes::new(None);
    assert_eq!(run(&mut times, [0, 50]), [(0, 0)]);
    assert_eq!(run(&mut times, [100]), [(50, 50), (100, 100)]);
    assert_eq!(run(&mut times, [150]), [(150, 150)]);
}

#[test]
fn another_depth_of_the_configuration_is_taken_over() {
    let mut times = DecodeTimes::new(Some(2));
    run(&mut times, [0, 4, 2, 1, 3]);
    times.set_depth(Some(0));
    assert_eq!(run(&mut times, [5, 6]), [(5, 5), (6, 6)]);
    times.set_depth(None);
    assert_eq!(run(&mut times, [7]), [(7, 7)]);
}

#[test]
fn what_is_held_is_let_go_at_the_end() {
    let mut times = DecodeTimes::new(None);
    run(&mut times, [0, 2, 1]);
    times.flush();
    assert_eq!(poll(&mut times), [(-1, 0), (0, 2), (1, 1)]);
    times.flush();
    assert_eq!(poll(&mut times), []);
    assert_eq!(times.depth, None, "three pictures teach nothing");
}

fn groups() -> impl Strategy<Value = Vec<(u8, bool)>> {
    vec((0u8..12, any::<bool>()), 1..40)
}

proptest! {
    #[test]
    fn a_known_depth_gives_the_grid_from_the_first_picture_on(groups in groups()) {
        let order = decoding_order(&groups);
        let depth = depth(&order);
        let mut times = DecodeTimes::new(Some(depth));
        let mut out = run(&mut times, order.iter().copied());
        times.flush();
        out.extend(poll(&mut times));
        // With a single picture no duration is known.
        let expected: Vec<_> = (-i64::from(depth)..).zip(order).collect();
        prop_assert_eq!(out, expected);
    }

    /// Learned depths are those that the first pictures show, so the groups must be alike.
    #[test]
    fn a_learned_depth_gives_the_same(group in (0u8..8, any::<bool>())) {
        let order = decoding_order(&[group; 30]);
        let (mut known, mut learned) = (DecodeTimes::new(Some(depth(&order))), DecodeTimes::new(None));
        prop_assert_eq!(run(&mut learned, order.iter().copied()), run(&mut known, order));
    }

    /// One frame early until the lost picture would have been shown, and from there on as the encoder had it.
    #[test]
    fn a_lost_picture_moves_nothing_for_good(groups in groups(), lost: prop::sample::Index) {
        let order = decoding_order(&groups);
        let depth = i64::from(depth(&order));
        // The first pictures say how long a frame lasts.
        prop_assume!(order.len() > depth as usize + 2);
        let lost = depth as usize + 2 + lost.index(order.len() - depth as usize - 2);
        let mut times = DecodeTimes::new(Some(depth as u32));
        let left = order.iter().copied().enumerate().filter(|&(at, _)| at != lost);
        let mut out = run(&mut times, left.clone().map(|(_, shown)| shown));
        times.flush();
        out.extend(poll(&mut times));
        for ((decoded, _), (at, shown)) in out.into_iter().zip(left) {
            let original = at as i64 - depth;
            let early = at > lost && original <= order[lost];
            prop_assert_eq!(decoded, original - i64::from(early), "picture {} shown at {}", at, shown);
        }
    }

    /// Whatever is lost: times are on the grid, rise, and are never after presentation.
    #[test]
    fn losses_break_no_rule(groups in groups(), lost in vec(any::<bool>(), 500)) {
        let order = decoding_order(&groups);
        let mut times = DecodeTimes::new(Some(depth(&order)));
        let left = order.iter().zip(lost).filter(|(_, lost)| !lost).map(|(&shown, _)| shown);
        let mut out = run(&mut times, left);
        times.flush();
        out.extend(poll(&mut times));
        prop_assert!(out.windows(2).all(|pair| pair[0].0 < pair[1].0));
        prop_assert!(out.iter().all(|(decoded, shown)| decoded <= shown));
    }

    /// Anything at all: what goes in comes out, in its order, and the rules hold but where the clock goes back.
    #[test]
    fn any_times_are_taken(
        depth in proptest::option::of(0u32..40),
        script in vec((prop_oneof![4 => -300i64..300, 1 => -5000i64..5000, 1 => any::<i64>()], 0u8..40), 0..200),
    ) {
        let mut times = DecodeTimes::new(depth);
        let (mut last, mut peak, mut now, mut seen) = (None::<Timestamp>, Timestamp::from_ticks(i64::MIN), 0i64, 0);
        let count = script.len();
        for (index, (step, call)) in script.into_iter().enumerate() {
            now = now.wrapping_add(step.wrapping_mul(TICKS_PER_SECOND / 1000));
            match call {
                0 => times.flush(),
                1 => times.set_depth(Some(step as u32)),
                _ => {}
            }
            times.push(Timestamp::from_ticks(now), index);
            prop_assert!(times.held.len() < LEARNED_FROM && times.pending.len() <= MAX_DEPTH);
            if index + 1 == count {
                times.flush();
            }
            while let Some(picture) = times.poll() {
                prop_assert_eq!(picture.item, seen);
                prop_assert!(picture.dts <= picture.pts);
                let last = last.replace(picture.dts);
                let rises = last.is_none_or(|last| picture.dts > last) || picture.dts.ticks() == i64::MAX;
                prop_assert!(rises || peak - picture.pts > JUMP, "{:?} after {:?}", picture, last);
                peak = peak.max(picture.pts);
                seen += 1;
            }
        }
        prop_assert_eq!(seen, count);
    }
}

//! The rules hold for ladders too, whatever their rungs do: strict players watch all outputs of random encoders.

use proptest::collection::vec;
use proptest::prelude::*;
use testkit::Clip;

use crate::made::{Order, Pictures, large, sounds};
use crate::source::{sound, video};
use crate::stage::{Show, Stage, ladder, part};

/// What happens to a rung next.
#[derive(Clone, Copy, Debug)]
enum Next {
    /// It goes on.
    GoesOn,
    /// Its line hangs for so long, and then brings all at once.
    Hangs(i64),
    /// Its connection is lost for so long; the encoder's time goes on.
    Gone(i64),
    /// Media is missing, as the stamps say.
    Hole(i64),
    /// Its stamps are those of the encoder's time again.
    Stamps,
    /// The other size of pictures.
    Size,
    /// Sound is there no more, or again.
    Sound,
}

#[derive(Clone, Debug)]
struct Rung {
    pictures: Pictures,
    has_sound: bool,
    lag: i64,
    /// What happens, and for how long it is as usual then.
    course: Vec<(Next, i64)>,
}

/// A run of the encoder that all rungs come from.
#[derive(Clone, Debug)]
struct Run {
    pause: i64,
    rungs: Vec<Rung>,
}

fn next() -> impl Strategy<Value = Next> {
    prop_oneof![
        4 => Just(Next::GoesOn),
        2 => (40i64..900).prop_map(Next::Hangs),
        3 => (40i64..30_000).prop_map(Next::Gone),
        2 => (40i64..6000).prop_map(Next::Hole),
        1 => Just(Next::Stamps),
        1 => Just(Next::Size),
        1 => Just(Next::Sound),
    ]
}

fn pictures() -> impl Strategy<Value = Pictures> {
    let gop =
        prop_oneof![4 => Just(51usize), 2 => Just(102usize), 1 => Just(252usize), 1 => Just(30_000usize)];
    let order = prop_oneof![2 => Just(Order::Shown), 1 => Just(Order::Closed), 1 => Just(Order::Open)];
    let phase = prop_oneof![3 => Just(0usize), 1 => 1usize..50];
    let step = prop_oneof![4 => Just(40i64), 1 => Just(20i64)];
    (gop, order, phase, step).prop_map(|(gop, order, phase, step_ms)| {
        let (gop, phase) = if step_ms == 20 { (gop * 2, phase * 2) } else { (gop, phase) };
        let phase = if order == Order::Shown { phase } else { 0 };
        Pictures { gop, order, phase, step_ms, ..Pictures::new(video()) }
    })
}

fn rung() -> impl Strategy<Value = Rung> {
    let lag = prop_oneof![3 => 0i64..400, 1 => 0i64..4000];
    let course = vec((next(), 1000i64..15_000), 0..5);
    (pictures(), prop::bool::weighted(0.8), lag, course).prop_map(|(pictures, has_sound, lag, course)| Rung {
        pictures,
        has_sound,
        lag,
        course,
    })
}

fn run(rungs: usize) -> impl Strategy<Value = Run> {
    (0i64..8000, vec(rung(), rungs)).prop_map(|(pause, rungs)| Run { pause, rungs })
}

impl Rung {
    /// What it sends, when its encoder begins at `from`; it ends at `until` by the encoder's time.
    fn shows(&self, number: usize, from: i64, until: i64) -> Vec<Show> {
        let mut shows = Vec::new();
        let (mut at, mut is_large, mut has_sound) = (0, false, self.has_sound);
        // The encoder's time at which the stamps are zero.
        let mut zero = 0;
        let mut course: Vec<(Next, i64)> = vec![(Next::GoesOn, 6000)];
        course.extend(&self.course);
        for (next, usual) in course {
            let (mut stall, mut goes_on) = (0, at > 0);
            match next {
                Next::GoesOn => {}
                Next::Hangs(ms) => stall = ms,
                Next::Gone(ms) => (at, goes_on) = (at + ms, false),
                Next::Hole(ms) => at += ms,
                Next::Stamps => zero = 0,
                Next::Size => is_large = !is_large,
                Next::Sound => has_sound = !has_sound,
            }
            let end = (at + usual).min(until);
            if at + stall >= end {
                break;
            }
            let clip = |from, until| self.clip(is_large, has_sound, from, until);
            if !goes_on {
                // Another connection begins with stamps of its own.
                zero = at;
            }
            let stamp = at - zero;
            let show = Show { lag: self.lag, goes_on, ..Show::new(number, clip(at + stall, end)) };
            if stall > 0 {
                let held = Show { clip: clip(at, at + stall), burst: true, stamp, ..show.clone() };
                shows.push(Show { from: from + at + stall, ..held });
            }
            let goes_on = goes_on || stall > 0;
            shows.push(Show { from: from + at + stall, stamp: stamp + stall, goes_on, ..show });
            if let (false, Some(last)) = (at == 0 || goes_on, shows.len().checked_sub(2)) {
                shows[last].leaves = true;
            }
            at = end;
        }
        if let Some(last) = shows.last_mut() {
            last.leaves = true;
        }
        shows
    }

    /// What it makes from one time to another; nothing is missing between one part and the next.
    fn clip(&self, is_large: bool, has_sound: bool, from: i64, until: i64) -> Clip {
        let track = if is_large { large() } else { video() };
        let (pictures, end) = (Pictures { track, ..self.pictures.clone() }, until + 1000);
        let pictures = pictures.clip(end);
        part(if has_sound { pictures.with(sounds(sound(), end)) } else { pictures }, from, until)
    }
}

/// Strict players watch all outputs of these runs.
fn watch(runs: &[Run]) {
    let rungs = runs[0].rungs.len();
    let mut stage = Stage::new(ladder(rungs)).apart(7.0).holes(0.5).untimed();
    let mut from = 0;
    for run in runs {
        from += run.pause;
        let shows: Vec<Show> = run
            .rungs
            .iter()
            .enumerate()
            .flat_map(|(number, rung)| rung.shows(number, from, 45_000))
            .collect();
        from = shows.iter().map(|show| show.end() + show.lag).max().unwrap_or(from);
        stage.play(shows);
        from = from.max(stage.now);
    }
    stage.finish();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_hold(runs in (1usize..4).prop_flat_map(|rungs| vec(run(rungs), 1..3))) {
        watch(&runs);
    }
}

/// A rung with a key frame each 2.04 s, whose pictures are shown in the order in which they come.
fn plain(has_sound: bool, lag: i64, course: &[(Next, i64)]) -> Rung {
    let pictures = Pictures { gop: 51, ..Pictures::new(video()) };
    Rung { pictures, has_sound, lag, course: course.to_vec() }
}

#[test]
fn what_comes_back_does_not_begin_before_the_gap_that_was_told() {
    // Its key frame comes in the moment in which the slot that it belongs to was given up, and is not 40 ms long.
    let size = [(Next::Gone(1468), 7811), (Next::GoesOn, 5122), (Next::Size, 1000)];
    let rungs = vec![plain(false, 0, &size), plain(false, 0, &[(Next::Gone(12_361), 2560)])];
    watch(&[Run { pause: 0, rungs }]);
}

#[test]
fn a_piece_that_begins_after_its_slot_belongs_to_the_next_one() {
    let rarely = |lag, gop, course: &[(Next, i64)]| {
        let rung = plain(false, lag, course);
        Rung { pictures: Pictures { gop, ..rung.pictures }, ..rung }
    };
    let first = vec![
        rarely(0, 102, &[(Next::GoesOn, 4312), (Next::Gone(17_560), 3609)]),
        rarely(1387, 252, &[]),
        plain(false, 0, &[(Next::GoesOn, 1000), (Next::GoesOn, 1000)]),
    ];
    let second = vec![
        plain(false, 70, &[(Next::Size, 1000)]),
        rarely(1078, 102, &[(Next::Gone(40), 1000)]),
        plain(false, 0, &[(Next::GoesOn, 2521)]),
    ];
    watch(&[Run { pause: 0, rungs: first }, Run { pause: 0, rungs: second }]);
}

#[test]
fn a_target_that_is_fixed_where_the_media_ends_holds_for_what_ends_there() {
    let (mut long, mut early) =
        (plain(false, 0, &[(Next::Sound, 4081)]), plain(false, 0, &[(Next::GoesOn, 14_161)]));
    long.pictures.gop = 252;
    (early.pictures.gop, early.pictures.phase) = (102, 13);
    let second = vec![plain(false, 346, &[]), plain(false, 346, &[])];
    watch(&[Run { pause: 0, rungs: vec![long, early] }, Run { pause: 3493, rungs: second }]);
}

#[test]
fn dates_rise_where_the_first_picture_is_not_known() {
    let mut reordered = plain(false, 0, &[(Next::Size, 1000)]);
    reordered.pictures.order = Order::Closed;
    watch(&[Run { pause: 0, rungs: vec![reordered, plain(false, 0, &[(Next::Size, 1521)])] }]);
}

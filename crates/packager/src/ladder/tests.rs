//! Ladders that a transcoder may send, lane by lane.

use media::timeline::Epoch;
use media::{Codec, TrackId};

use super::*;

const PICTURE_MS: i64 = 40;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_scale(ms, 1000)
}

fn context(epoch: u64) -> Arc<Context> {
    Arc::new(Context { epoch: Epoch { id: epoch, start: at(0) }, tracks: Arc::default(), anchor: None })
}

fn video() -> Arc<[Track]> {
    [testkit::clip().video_only().tracks.remove(0)].into()
}

/// One rung of pictures with a key frame each `gop` ms.
#[derive(Clone)]
struct Source {
    gop: i64,
    /// Its key frames are this much later than those of others.
    phase: i64,
    /// Its frames come this much later than they are due.
    lag: i64,
    /// When it sends.
    from: i64,
    until: i64,
    /// Its pictures are shown this much later than decoded.
    delay: i64,
    /// It is silent from here to there.
    hole: (i64, i64),
    /// Epochs begin there.
    breaks: Vec<i64>,
    /// Another program begins there.
    program: Option<i64>,
    size: usize,
}

fn source() -> Source {
    Source {
        gop: 2000,
        phase: 0,
        lag: 0,
        from: 0,
        until: 20_000,
        delay: 0,
        hole: (0, 0),
        breaks: Vec::new(),
        program: None,
        size: 1000,
    }
}

impl Source {
    fn units(&self, tracks: &Arc<[Track]>) -> Vec<Unit<i64>> {
        let mut units = Vec::new();
        let mut epoch = None;
        for ms in (self.from..self.until).step_by(PICTURE_MS as usize) {
            if (self.hole.0..self.hole.1).contains(&ms) {
                continue;
            }
            let key = (ms - self.phase).rem_euclid(self.gop) == 0;
            let here = self.breaks.iter().filter(|&&at| at <= ms).count() as u64;
            if epoch != Some(here) && !key {
                continue;
            }
            let program = epoch.replace(here) != Some(here) || self.program == Some(ms);
            units.push(Unit {
                timing: Timing {
                    dts: at(ms - self.delay),
                    pts: at(ms),
                    duration: TimeDelta::from_millis(PICTURE_MS),
                    key,
                },
                part: Part::Lead,
                leads: true,
                join: program,
                program,
                arrival: Duration::from_millis((ms + self.lag) as u64),
                context: context(here),
                tracks: Arc::clone(tracks),
                size: self.size,
                payload: ms,
            });
        }
        units
    }
}

/// The rows of a ladder: start and duration of each slot in ms, whether it is a break, and by lane the first and last
/// picture of the piece.
type Seen = (i64, i64, bool, Vec<Option<(i64, i64)>>);

fn run(sources: &[Source]) -> (Segmenter<i64>, Vec<Seen>) {
    let tracks = video();
    let mut segmenter = Segmenter::new(Duration::from_secs(2));
    let mut units = Vec::new();
    for (rung, source) in sources.iter().enumerate() {
        segmenter.add_lane(rung);
        units.extend(source.units(&tracks).into_iter().map(|unit| (rung, unit)));
    }
    units.sort_by_key(|(_, unit)| unit.arrival);
    let mut rows = Vec::new();
    let mut now = Duration::ZERO;
    for (lane, unit) in units {
        if unit.arrival - now > Duration::from_secs(3) {
            rows.extend(segmenter.tick(now + Duration::from_secs(3)));
        }
        now = unit.arrival;
        rows.extend(segmenter.push(lane, unit));
    }
    rows.extend(segmenter.tick(now + Duration::from_secs(3)));
    let seen = rows.into_iter().map(|row| {
        let first_and_last =
            |piece: Piece<i64>| Some((piece.units.first()?.payload, piece.units.last()?.payload));
        let pieces = row.pieces.into_iter().map(|piece| piece.and_then(first_and_last)).collect();
        let slot = row.slot;
        (slot.start.to_scale(1000), slot.duration.to_scale(1000), slot.discontinuity, pieces)
    });
    (segmenter, seen.collect())
}

fn aligned(n: i64, lanes: usize) -> Seen {
    (n * 2000, 2000, n == 0, vec![Some((n * 2000, n * 2000 + 2000 - PICTURE_MS)); lanes])
}

#[test]
fn rungs_are_cut_at_the_same_key_frames_however_late_they_come() {
    let late = |lag| Source { lag, ..source() };
    let (segmenter, rows) = run(&[late(700), late(0), late(350)]);
    assert_eq!(rows, (0..10).map(|n| aligned(n, 3)).collect::<Vec<_>>());
    assert_eq!(segmenter.misaligned(), []);
}

#[test]
fn a_rung_that_falls_silent_is_not_waited_for_and_comes_back_at_a_key_frame() {
    let silent = Source { hole: (6400, 12_600), ..source() };
    for sources in [[source(), silent.clone()], [silent, source()]] {
        let quiet = usize::from(sources[0].hole == (0, 0));
        let (_, rows) = run(&sources);
        let of = |lane: usize| rows.iter().map(|row| row.3[lane].is_some()).collect::<Vec<_>>();
        assert_eq!(of(1 - quiet), [true; 10]);
        let expected: Vec<bool> = (0..10).map(|n| !(3..7).contains(&n)).collect();
        assert_eq!(of(quiet), expected);
        assert!(
            rows.iter().skip(1).all(|row| row.1 == 2000 && !row.2),
            "for the others nothing happened: {rows:?}"
        );
    }
}

/// As one with B-frames and one without.
#[test]
fn who_leads_on_may_decode_sooner_or_later() {
    for delays in [[0, 80], [80, 0], [0, 400]] {
        let [silent, other] = delays.map(|delay| Source { delay, ..source() });
        let (_, rows) = run(&[Source { hole: (6400, 12_600), ..silent }, other]);
        let slots: Vec<_> = rows.iter().map(|row| (row.0, row.1)).collect();
        assert_eq!(slots, (0..10).map(|n| (n * 2000, 2000)).collect::<Vec<_>>(), "{delays:?}");
    }
}

/// From 5 s on its frames come 2 s late, and for so long something else does.
#[test]
fn a_lane_that_something_else_comes_for_is_waited_for() {
    for heard in [false, true] {
        let tracks = video();
        let mut segmenter = Segmenter::new(Duration::from_secs(2));
        let lanes = [segmenter.add_lane(0), segmenter.add_lane(1)];
        let mut units: Vec<_> = source().units(&tracks).into_iter().map(|unit| (lanes[0], unit)).collect();
        units.extend(source().units(&tracks).into_iter().map(|unit| (lanes[1], unit)).map(
            |(lane, mut unit)| {
                unit.arrival += Duration::from_secs(if unit.payload >= 5000 { 2 } else { 0 });
                (lane, unit)
            },
        ));
        units.sort_by_key(|(_, unit)| unit.arrival);
        let mut rows = Vec::new();
        for (lane, unit) in units {
            if heard && lane == lanes[0] && (5000..7000).contains(&unit.payload) {
                rows.extend(segmenter.hear_lane(lanes[1], unit.arrival));
            }
            rows.extend(segmenter.push(lane, unit));
        }
        let missing = rows.iter().filter(|row| row.pieces[1].is_none()).count();
        assert_eq!(missing > 0, !heard, "{missing}");
    }
}

#[test]
fn a_rung_that_comes_later_begins_with_the_next_slot() {
    let (_, rows) = run(&[source(), Source { from: 5000, ..source() }]);
    assert_eq!(
        rows.iter().map(|row| row.3[1].is_some()).collect::<Vec<_>>(),
        (0..10).map(|n| n >= 4).collect::<Vec<_>>()
    );
    assert_eq!(rows[4], aligned(4, 2));
}

#[test]
fn key_frames_beside_the_planned_ones_are_told_and_the_rung_plays_all_the_same() {
    let (segmenter, rows) = run(&[source(), Source { phase: 400, ..source() }]);
    assert_eq!(segmenter.misaligned(), [1]);
    let pieces: Vec<_> = rows.iter().filter_map(|row| row.3[1]).collect();
    assert_eq!(pieces[..3], [(400, 2360), (2400, 4360), (4400, 6360)], "its own GOPs, whole");
    assert_eq!(pieces.len(), 10);
}

#[test]
fn whose_key_frames_are_beside_those_of_most_others_is_told_even_where_it_leads() {
    let beside = Source { phase: 400, ..source() };
    let (segmenter, rows) = run(&[source(), beside.clone(), beside]);
    assert_eq!(segmenter.misaligned(), [0]);
    assert!(rows.iter().skip(1).all(|row| row.0 % 2000 == 0), "it was the first, and leads: {rows:?}");
}

#[test]
fn where_a_rung_has_key_frames_too_rarely_it_is_cut_without() {
    let (segmenter, rows) = run(&[source(), Source { gop: 10_000, ..source() }]);
    assert_eq!(segmenter.misaligned(), [1]);
    assert_eq!(rows, (0..10).map(|n| aligned(n, 2)).collect::<Vec<_>>());
}

#[test]
fn an_epoch_is_one_break_for_all_rungs_whoever_comes_first() {
    let restarted = |lag| Source { hole: (7000, 12_000), breaks: vec![12_000], lag, ..source() };
    let (_, rows) = run(&[restarted(300), restarted(0), restarted(600)]);
    let breaks: Vec<i64> = rows.iter().filter(|row| row.2).map(|row| row.0).collect();
    assert_eq!(breaks, [0, 12_000]);
    assert_eq!(rows[3], (6000, 1000, false, vec![Some((6000, 6960)); 3]));
    assert!(rows.iter().all(|row| row.3.iter().all(Option::is_some)), "{rows:?}");
}

#[test]
fn another_program_of_one_rung_is_a_break_for_all() {
    let (_, rows) = run(&[source(), Source { program: Some(6000), ..source() }]);
    let breaks: Vec<i64> = rows.iter().filter(|row| row.2).map(|row| row.0).collect();
    assert_eq!(breaks.len(), 2, "{rows:?}");
    assert!((6000..=8000).contains(&breaks[1]), "{rows:?}");
    assert!(rows.iter().all(|row| row.3[0].is_some()), "the other one loses nothing");
    assert!(rows.iter().skip(5).all(|row| row.3[1].is_some()), "{rows:?}");
}

#[test]
fn a_gap_that_was_told_is_not_filled_any_more() {
    let broken = Source { program: Some(6040), ..source() };
    let (_, rows) = run(&[broken, Source { hole: (4400, 6000), program: Some(6000), lag: 50, ..source() }]);
    let starts: Vec<(i64, bool)> = rows.iter().map(|row| (row.0, row.3[1].is_some())).collect();
    assert_eq!(
        starts[2..5],
        [(4000, false), (6000, false), (6040, false)],
        "it is told from its next key frame on"
    );
    assert!(rows[5..].iter().all(|row| row.3[1].is_some_and(|(first, _)| first >= 8000)), "{rows:?}");
}

#[test]
fn a_ladder_of_twelve() {
    let sources: Vec<Source> = (0..12).map(|n| Source { lag: n * 37 % 300, ..source() }).collect();
    let (_, rows) = run(&sources);
    assert_eq!(rows, (0..10).map(|n| aligned(n, 12)).collect::<Vec<_>>());
}

#[test]
fn a_lane_that_no_cut_ends_is_given_up() {
    let tracks = video();
    let mut segmenter = Segmenter::new(Duration::from_secs(2));
    segmenter.add_lane(0);
    let mut units = Source { gop: 60_000, until: 4000, size: 2 << 20, ..source() }.units(&tracks);
    units.extend(Source { from: 4000, until: 8040, size: 1000, ..source() }.units(&tracks).into_iter().map(
        |mut unit| {
            unit.join = false;
            unit.program = false;
            unit
        },
    ));
    let rows: Vec<Row<i64>> = units.into_iter().flat_map(|unit| segmenter.push(0, unit)).collect();
    let whole: Vec<bool> = rows.iter().map(|row| row.pieces[0].is_some()).collect();
    assert_eq!(whole, [false, true], "what was over the limit is no segment");
}

#[test]
fn pictures_lead_where_sound_came_first() {
    let mut segmenter = Segmenter::new(Duration::from_secs(2));
    let (sound, pictures) = (segmenter.add_lane(0), segmenter.add_lane(1));
    let aac = media::codec::aac::Config::decode(&[0x11, 0x90]).expect("stereo");
    let tracks: Arc<[Track]> = [Track { id: TrackId::AUDIO, codec: Codec::Aac(aac) }].into();
    let mut units: Vec<(usize, Unit<i64>)> =
        Source { gop: 40, ..source() }.units(&tracks).into_iter().map(|unit| (sound, unit)).collect();
    units.extend(
        Source { lag: 500, phase: 480, ..source() }.units(&video()).into_iter().map(|unit| (pictures, unit)),
    );
    units.sort_by_key(|(_, unit)| unit.arrival);
    let rows: Vec<Row<i64>> = units.into_iter().flat_map(|(lane, unit)| segmenter.push(lane, unit)).collect();
    let keys = rows.iter().skip(1).filter_map(|row| row.pieces[pictures].as_ref());
    assert!(keys.clone().count() > 5 && keys.clone().all(|piece| piece.independent));
    assert_eq!(segmenter.misaligned(), []);
}

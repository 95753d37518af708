//! The SegmentTimeline, ISO/IEC 23009-1 5.3.9.6: segments of one duration in a row are told once.

use super::Piece;

/// One `S` element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Run {
    /// Where it starts; none where the run before it ends.
    pub(super) t: Option<u64>,
    /// Duration of each segment.
    pub(super) d: u64,
    /// How many follow the first one.
    pub(super) r: u64,
}

/// The segments as runs. The first run tells its start, and so does each one behind a hole or a step back.
pub(super) fn fold(pieces: &[Piece]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut end = None;
    for &Piece { t, d } in pieces {
        let follows = end == Some(t);
        match runs.last_mut() {
            Some(run) if follows && run.d == d => run.r += 1,
            _ => runs.push(Run { t: (!follows).then_some(t), d, r: 0 }),
        }
        end = Some(t.saturating_add(d));
    }
    runs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As a player reads it.
    fn unfold(runs: &[Run]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut next: u64 = 0;
        for run in runs {
            next = run.t.unwrap_or(next);
            for _ in 0..=run.r {
                pieces.push(Piece { t: next, d: run.d });
                next = next.saturating_add(run.d);
            }
        }
        pieces
    }

    fn pieces(list: &[(u64, u64)]) -> Vec<Piece> {
        list.iter().map(|&(t, d)| Piece { t, d }).collect()
    }

    #[test]
    fn equal_segments_in_a_row_are_one_run() {
        let folded = fold(&pieces(&[(100, 50), (150, 50), (200, 50), (250, 40), (290, 50), (340, 50)]));
        assert_eq!(
            folded,
            [Run { t: Some(100), d: 50, r: 2 }, Run { t: None, d: 40, r: 0 }, Run { t: None, d: 50, r: 1 },]
        );
    }

    #[test]
    fn a_start_is_told_first_and_after_each_jump() {
        let folded = fold(&pieces(&[(0, 50), (50, 50), (150, 50), (190, 50)]));
        assert_eq!(
            folded,
            [
                Run { t: Some(0), d: 50, r: 1 },
                Run { t: Some(150), d: 50, r: 0 },
                Run { t: Some(190), d: 50, r: 0 },
            ]
        );
        assert_eq!(fold(&[]), []);
    }

    proptest! {
        #[test]
        fn unfolded_it_is_what_was_folded(
            start in prop_oneof![Just(0), any::<u64>(), Just(u64::MAX - 100)],
            steps in prop::collection::vec(
                (prop_oneof![4 => Just(0i64), 1 => -60i64..200], prop_oneof![Just(50u64), Just(48), 0u64..3]),
                0..60,
            ),
        ) {
            let mut next = start;
            let pieces: Vec<Piece> = steps.into_iter().map(|(jump, d)| {
                let t = next.saturating_add_signed(jump);
                next = t.saturating_add(d);
                Piece { t, d }
            }).collect();
            let runs = fold(&pieces);
            prop_assert_eq!(unfold(&runs), pieces);
            // No run could have been part of the one before it.
            prop_assert!(runs.windows(2).all(|pair| pair[1].t.is_some() || pair[0].d != pair[1].d));
            prop_assert!(runs.first().is_none_or(|run| run.t.is_some()));
        }
    }
}

//! The names and numbers that a run of a segmented output begins with.

use crate::clock;
use crate::config::{Rendition, Segmented};

/// Settings of a run that begins now.
pub(super) fn begin(settings: &Segmented, renditions: &[Rendition]) -> packager::Settings {
    let started = clock::wall();
    let (unix_s, unix_ms) = (started.to_scale(1), started.to_scale(1000));
    packager::Settings {
        rungs: renditions.iter().map(rung).collect(),
        run: run_id(unix_ms),
        target: settings.segment,
        first_sequence: u64::try_from(unix_s).unwrap_or(0),
        first_discontinuity: first_discontinuity(unix_s),
        window: settings.window,
        history: settings.history,
    }
}

/// What is announced of a rung as configured. Its size is that of its pictures.
fn rung(rendition: &Rendition) -> packager::Rung {
    let bandwidth = u64::from(rendition.bitrate_kbps.unwrap_or(0)) * 1000;
    packager::Rung { name: rendition.name.clone(), bandwidth, size: None }
}

/// The number of steps of 5 minutes since 2026: it rises from run to run, and stays small, see
/// [`packager::Settings::first_discontinuity`].
///
/// A run that breaks more than once per step, or ends within one, leaves numbers behind that the next run uses
/// again. Timestamps go on across a restart, so a player that takes one for the other plays on rightly.
fn first_discontinuity(unix_s: i64) -> u64 {
    const START_OF_2026: i64 = 1_767_225_600;
    const STEP: i64 = 300;
    u64::try_from((unix_s - START_OF_2026) / STEP).unwrap_or(0)
}

/// A run's id: the Unix millisecond of its start in base 36, which rises with every run.
fn run_id(unix_ms: i64) -> String {
    let mut rest = u64::try_from(unix_ms).unwrap_or(0);
    let mut digits = Vec::new();
    while rest > 0 || digits.is_empty() {
        digits.push(char::from_digit((rest % 36) as u32, 36).unwrap_or('0'));
        rest /= 36;
    }
    digits.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_are_lower_case_and_differ() {
        assert_eq!(run_id(0), "0");
        assert_eq!(run_id(36 * 36 + 35), "10z");
        assert_ne!(run_id(1_763_000_000_000), run_id(1_763_000_000_001));
    }

    #[test]
    fn discontinuities_are_counted_from_a_small_number_that_rises() {
        assert_eq!(first_discontinuity(1_767_225_600), 0);
        assert_eq!(first_discontinuity(1_767_225_600 + 2 * 300), 2);
        assert_eq!(first_discontinuity(0), 0, "a clock that is not set");
    }
}

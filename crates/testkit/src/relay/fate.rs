//! What becomes of the n-th packet: a pure function of seed, line and n.

use super::Impairment;

/// Packets from one turning point of the jitter to the next.
const WAVE: u64 = 16;

/// The dice of one line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dice {
    key: u64,
}

/// What becomes of a packet.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Fate {
    pub(super) lost: bool,
    pub(super) reordered: bool,
    pub(super) duplicated: bool,
    /// Which share of the jitter it waits, 0 to 1.
    pub(super) jitter: f64,
}

impl Dice {
    /// Those of that line; lines with different numbers have nothing in common.
    pub(super) fn new(seed: u64, line: u64) -> Self {
        Self { key: mix(mix(seed).wrapping_add(line)) }
    }

    /// The fate of packet `number`.
    pub(super) fn fate(self, number: u64, impairment: &Impairment) -> Fate {
        Fate {
            lost: self.roll(number, 0) < impairment.loss,
            reordered: self.roll(number, 1) < impairment.reorder,
            duplicated: self.roll(number, 2) < impairment.duplicate,
            jitter: self.wave(number),
        }
    }

    /// Straight lines between dice that are thrown for each [`WAVE`] packets.
    fn wave(self, number: u64) -> f64 {
        let (turn, share) = (number / WAVE, (number % WAVE) as f64 / WAVE as f64);
        let (from, to) = (self.roll(turn, 3), self.roll(turn.wrapping_add(1), 3));
        from + (to - from) * share
    }

    /// A number from 0 up to but not including 1.
    fn roll(self, number: u64, what: u64) -> f64 {
        let bits = mix(self.key ^ mix(number.wrapping_mul(4).wrapping_add(what)));
        (bits >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The output function of SplitMix64, which spreads each bit over all.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: Impairment = Impairment {
        loss: 0.02,
        reorder: 0.1,
        duplicate: 0.3,
        delay: std::time::Duration::ZERO,
        jitter: std::time::Duration::ZERO,
        reorder_by: std::time::Duration::ZERO,
        rate_kbps: None,
        queue: std::time::Duration::ZERO,
        retransmit: std::time::Duration::ZERO,
    };

    fn share(dice: Dice, of: impl Fn(Fate) -> bool) -> f64 {
        (0..100_000).filter(|&number| of(dice.fate(number, &BAD))).count() as f64 / 1e5
    }

    #[test]
    fn shares_are_as_asked_for() {
        for seed in 0..5 {
            let dice = Dice::new(seed, 1);
            assert!((share(dice, |fate| fate.lost) - 0.02).abs() < 0.003, "seed {seed}");
            assert!((share(dice, |fate| fate.reordered) - 0.1).abs() < 0.005, "seed {seed}");
            assert!((share(dice, |fate| fate.duplicated) - 0.3).abs() < 0.01, "seed {seed}");
            let both = share(dice, |fate| fate.reordered && fate.duplicated);
            assert!((both - 0.03).abs() < 0.005, "seed {seed}: they depend on each other");
        }
    }

    #[test]
    fn nothing_and_everything_are_exact() {
        let dice = Dice::new(7, 7);
        let all = Impairment { loss: 1.0, ..BAD };
        let none = Impairment::default();
        assert!((0..10_000).all(|number| dice.fate(number, &all).lost));
        assert!((0..10_000).all(|number| {
            let fate = dice.fate(number, &none);
            !fate.lost && !fate.reordered && !fate.duplicated
        }));
    }

    #[test]
    fn seeds_and_lines_differ_and_repeat() {
        let lost = |seed, line| -> Vec<u64> {
            let dice = Dice::new(seed, line);
            (0..2000).filter(|&number| dice.fate(number, &BAD).lost).collect()
        };
        assert_eq!(lost(1, 1), lost(1, 1));
        assert_ne!(lost(1, 1), lost(2, 1));
        assert_ne!(lost(1, 1), lost(1, 2));
        assert_ne!(lost(1, 2), lost(2, 1));
    }

    #[test]
    fn jitter_moves_in_small_steps_over_the_whole_range() {
        let dice = Dice::new(3, 0);
        let jitter: Vec<f64> = (0..5000).map(|number| dice.fate(number, &BAD).jitter).collect();
        assert!(jitter.iter().all(|share| (0.0..1.0).contains(share)));
        assert!(jitter.windows(2).all(|pair| (pair[1] - pair[0]).abs() <= 1.0 / WAVE as f64 + 1e-9));
        assert!(jitter.iter().any(|share| *share < 0.05) && jitter.iter().any(|share| *share > 0.95));
    }
}

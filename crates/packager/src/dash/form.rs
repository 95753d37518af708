//! How values are written in an MPD.

use media::{Rational, TimeDelta};

/// An `xs:duration` to the microsecond, as short as can be: `PT2S`, `PT0.04S`. Negative ones are zero.
///
/// In seconds alone, however many: GStreamer refuses hours from 24 and days from 31, and a period starts half a
/// million hours after the zero of Unix time.
pub(super) fn duration(delta: TimeDelta) -> String {
    let micros = delta.to_scale(1_000_000).max(0);
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    if micros == 0 {
        return format!("PT{seconds}S");
    }
    let decimals = format!("{micros:06}");
    format!("PT{seconds}.{}S", decimals.trim_end_matches('0'))
}

/// A frame rate (ISO/IEC 23009-1 5.3.7.2) in lowest terms: `25`, `30000/1001`.
pub(super) fn frame_rate(rate: Rational) -> String {
    let divisor = greatest_common_divisor(rate.num, rate.den);
    match (rate.num / divisor, rate.den / divisor) {
        (num, 1) => num.to_string(),
        (num, den) => format!("{num}/{den}"),
    }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a.max(1) } else { greatest_common_divisor(b, a % b) }
}

/// Value of a ChannelConfiguration (ISO/IEC 23091-3): the usual arrangement of so many channels, front to back.
/// None where no arrangement of them is usual.
pub(super) fn channel_configuration(channels: u32) -> Option<u32> {
    match channels {
        1..=6 => Some(channels),
        7 => Some(11),
        8 => Some(12),
        _ => None,
    }
}

/// Whether a text has the form of a language tag, `xs:language`: `en`, `pt-BR`, `zh-Hant-TW`.
pub(super) fn is_language(tag: &str) -> bool {
    tag.split('-').enumerate().all(|(number, part)| {
        let is_allowed = |byte: u8| byte.is_ascii_alphabetic() || number > 0 && byte.is_ascii_digit();
        (1..=8).contains(&part.len()) && part.bytes().all(is_allowed)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short_and_exact() {
        let seconds = |seconds: f64| duration(TimeDelta::from_secs_f64(seconds));
        assert_eq!(seconds(0.0), "PT0S");
        assert_eq!(seconds(2.0), "PT2S");
        assert_eq!(seconds(0.1), "PT0.1S");
        assert_eq!(seconds(0.000_001), "PT0.000001S");
        assert_eq!(seconds(-1.5), "PT0S");
        assert_eq!(duration(TimeDelta::from_millis(1_772_366_400_080)), "PT1772366400.08S");
        assert_eq!(duration(TimeDelta::from_scale(1001 * 50, 30_000)), "PT1.668333S");
        assert_eq!(duration(TimeDelta::MAX), "PT13071672387.832732S");
    }

    #[test]
    fn frame_rates_are_in_lowest_terms() {
        let rate = |num, den| frame_rate(Rational { num, den });
        assert_eq!(rate(25, 1), "25");
        assert_eq!(rate(50, 2), "25");
        assert_eq!(rate(30_000, 1001), "30000/1001");
        assert_eq!(rate(25, 2), "25/2");
        assert_eq!(rate(u32::MAX, u32::MAX), "1");
    }

    #[test]
    fn languages_are_told_by_their_form() {
        for tag in ["en", "und", "pt-BR", "zh-Hant-TW", "de-1996"] {
            assert!(is_language(tag), "{tag}");
        }
        for text in ["", "-", "en-", "en_US", "419", "abcdefghi", "fr\u{0}", "\"><MPD>", "日本"] {
            assert!(!is_language(text), "{text}");
        }
    }

    #[test]
    fn channels_stand_for_their_usual_arrangement() {
        let values: Vec<_> = (0..10).map(channel_configuration).collect();
        let some = [1, 2, 3, 4, 5, 6, 11, 12].map(Some);
        assert_eq!((values[0], &values[1..9], values[9]), (None, &some[..], None));
    }
}

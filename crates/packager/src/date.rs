//! Unix times as text, ISO 8601 and RFC 3339: EXT-X-PROGRAM-DATE-TIME (RFC 8216 4.3.2.6) and the dates of an MPD (`xs:dateTime`).

use media::Timestamp;

const MS_PER_DAY: i64 = 86_400_000;
/// Days in 400 years, after which the Gregorian calendar repeats.
const DAYS_PER_ERA: i64 = 146_097;
/// From 0000-03-01, where the eras are counted from, to 1970-01-01.
const DAYS_TO_UNIX: i64 = 719_468;

/// A Unix time as UTC to the millisecond: `2026-03-01T12:00:00.040Z`.
pub fn utc(time: Timestamp) -> String {
    let ms = time.to_scale(1000);
    let (year, month, day) = civil(ms.div_euclid(MS_PER_DAY));
    let ms = ms.rem_euclid(MS_PER_DAY);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1000)
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar. Years are taken to begin in
/// March, so that the leap day is the last one and month lengths follow one formula.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_TO_UNIX;
    let (era, day_of_era) = (days.div_euclid(DAYS_PER_ERA), days.rem_euclid(DAYS_PER_ERA));
    let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> String {
        utc(Timestamp::from_scale(ms, 1000))
    }

    #[test]
    fn known_dates() {
        assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(at(951_868_799_999), "2000-02-29T23:59:59.999Z");
        assert_eq!(at(1_234_567_890_123), "2009-02-13T23:31:30.123Z");
        assert_eq!(at(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
        assert_eq!(at(-1), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut before = civil(-1);
        for day in 0..80_000 {
            let (y, m, d) = civil(day);
            let follows = match (y - before.0, m - before.1) {
                (0, 0) => d == before.2 + 1,
                (0, 1) | (1, -11) => d == 1 && before.2 >= 28,
                _ => false,
            };
            assert!(follows, "{before:?} {:?}", (y, m, d));
            before = (y, m, d);
        }
    }
}

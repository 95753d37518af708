//! `/<code>/time`: the server's clock for DASH players, `urn:mpeg:dash:utc:http-iso:2014` (ISO/IEC 23009-1 5.8.4.11).
//!
//! A player reckons from its own clock which segments can be there, and that clock may be minutes off. The answer does not
//! depend on the stream: it is given for every code, so that a player keeps its clock while a stream starts anew.

use std::time::SystemTime;

use axum::http::{HeaderValue, Response, header};
use publisher::Body;

/// The answer to GET and HEAD. No cache may keep it, for it is wrong the moment after.
pub(super) fn answer(now: SystemTime) -> Response<Body> {
    let text = iso(now);
    let length = HeaderValue::from(text.len());
    let mut response = Response::new(Body::Full(text.into()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, length);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// ISO 8601 in UTC to the millisecond: `2026-11-24T09:00:00.123Z`.
fn iso(time: SystemTime) -> String {
    /// As HTTP abbreviates them (RFC 9110 5.6.7), so that a month's place is three times its number.
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    // `Tue, 24 Nov 2026 09:00:00 GMT`, always of these widths.
    let http = httpdate::fmt_http_date(time);
    let (day, month, year, clock) = (&http[5..7], &http[8..11], &http[12..16], &http[17..25]);
    let month = MONTHS.find(month).map_or(0, |place| place / 3 + 1);
    let ms = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().subsec_millis();
    format!("{year}-{month:02}-{day}T{clock}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn known_times() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_007, "2000-02-29T00:00:00.007Z"),
            (1_234_567_890_123, "2009-02-13T23:31:30.123Z"),
            (1_798_761_599_999, "2026-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(iso(SystemTime::UNIX_EPOCH + Duration::from_millis(ms)), text);
        }
    }

    #[test]
    fn each_month_has_its_number() {
        for month in 0..12_u64 {
            // Days of 30.4 each from the middle of January on never leave their month.
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400 * (14 + month * 304 / 10));
            assert_eq!(iso(time)[5..7], format!("{:02}", month + 1));
        }
    }
}

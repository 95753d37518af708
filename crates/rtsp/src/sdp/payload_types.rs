//! Static payload types, which need no `a=rtpmap` (RFC 3551 6, tables 4 and 5).

use super::Format;

/// Payload type, encoding, clock rate, channels of sound.
const STATIC: [(u8, &str, u32, Option<u16>); 24] = [
    (0, "PCMU", 8000, Some(1)),
    (3, "GSM", 8000, Some(1)),
    (4, "G723", 8000, Some(1)),
    (5, "DVI4", 8000, Some(1)),
    (6, "DVI4", 16000, Some(1)),
    (7, "LPC", 8000, Some(1)),
    (8, "PCMA", 8000, Some(1)),
    (9, "G722", 8000, Some(1)),
    (10, "L16", 44100, Some(2)),
    (11, "L16", 44100, Some(1)),
    (12, "QCELP", 8000, Some(1)),
    (13, "CN", 8000, Some(1)),
    (14, "MPA", 90000, None),
    (15, "G728", 8000, Some(1)),
    (16, "DVI4", 11025, Some(1)),
    (17, "DVI4", 22050, Some(1)),
    (18, "G729", 8000, Some(1)),
    (25, "CelB", 90000, None),
    (26, "JPEG", 90000, None),
    (28, "nv", 90000, None),
    (31, "H261", 90000, None),
    (32, "MPV", 90000, None),
    (33, "MP2T", 90000, None),
    (34, "H263", 90000, None),
];

/// What is known of a payload type before any attribute.
pub(super) fn format(payload_type: u8) -> Format {
    let found = STATIC.into_iter().find(|(number, ..)| *number == payload_type);
    let (_, encoding, clock_rate, channels) = found.unwrap_or((payload_type, "", 0, None));
    Format { payload_type, encoding: encoding.to_owned(), clock_rate, channels, fmtp: String::new() }
}

//! The parameters of `a=fmtp`: names and values, as senders write them.

use base64::alphabet;
use base64::engine::{DecodePaddingMode, Engine as _, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

/// The value of a parameter, without the space around it. Names are compared without regard to case; the first of two counts.
///
/// Parameters are divided by `;`, with space or without, and a last `;` may be followed by nothing. Values of base64 have a `=`
/// of their own.
pub(super) fn get<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    fmtp.split(';').find_map(|parameter| {
        let (found, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        found.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

/// A parameter that is a number, none where it is missing or is none.
pub(super) fn number(fmtp: &str, name: &str) -> Option<u32> {
    get(fmtp, name)?.parse().ok()
}

/// Parameter sets at most of one kind; more than a record can hold is not read.
const MAX_SETS: usize = 64;

/// Parameter sets in base64, divided by commas (RFC 6184 8.1, RFC 7798 7.1). What cannot be read is passed over, as is an empty
/// set behind a last comma. Start codes, which some cameras leave before their sets, are cut off.
pub(super) fn sets(fmtp: &str, name: &str) -> Vec<Bytes> {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let engine = GeneralPurpose::new(&alphabet::STANDARD, config);
    let decode = |text: &str| {
        let set = engine.decode(text.trim()).ok()?;
        let start = match &set[..] {
            [0, 0, 0, 1, ..] => 4,
            [0, 0, 1, ..] => 3,
            _ => 0,
        };
        Some(Bytes::from(set).slice(start..)).filter(|set| !set.is_empty())
    };
    get(fmtp, name).unwrap_or_default().split(',').filter_map(decode).take(MAX_SETS).collect()
}

/// Parameter sets as text, the other way.
pub(super) fn sets_text<'a>(sets: impl IntoIterator<Item = &'a Bytes>) -> String {
    let engine = GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new());
    let texts: Vec<_> = sets.into_iter().map(|set| engine.encode(set)).collect();
    texts.join(",")
}

/// Bytes in hexadecimal, none if that is not what the text is.
pub(super) fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| if let &[high, low] = pair { Some(digit(high)? << 4 | digit(low)?) } else { None })
        .collect()
}

/// Bytes in hexadecimal, the other way.
pub(super) fn hex_text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_as_they_are_written() {
        let fmtp = "packetization-mode=1; sprop-parameter-sets=Z0LA,aM4=;  Profile-Level-Id = 42C01E ;x;";
        assert_eq!(get(fmtp, "packetization-mode"), Some("1"));
        assert_eq!(get(fmtp, "sprop-parameter-sets"), Some("Z0LA,aM4="));
        assert_eq!(get(fmtp, "profile-level-id"), Some("42C01E"));
        assert_eq!((get(fmtp, "x"), get(fmtp, "y"), get("", "y")), (Some(""), None, None));
        assert_eq!((number(fmtp, "packetization-mode"), number(fmtp, "x")), (Some(1), None));
    }

    #[test]
    fn parameter_sets_as_they_are_written() {
        let sets = |text: &str| sets(&format!("s={text}"), "s");
        assert_eq!(sets("Z0LA,aM4="), [&[0x67, 0x42, 0xc0][..], &[0x68, 0xce]]);
        assert_eq!(sets("Z0LA, aM4 ,"), [&[0x67, 0x42, 0xc0][..], &[0x68, 0xce]], "space, no padding, comma");
        assert_eq!(sets("AAAAAWdC,AAABaM4="), [&[0x67, 0x42][..], &[0x68, 0xce]], "start codes");
        assert_eq!(sets("%,Z0LA"), [&[0x67, 0x42, 0xc0][..]]);
        assert!(sets("").is_empty());
        assert_eq!(sets_text(&sets("Z0LA,aM4=")), "Z0LA,aM4=");
    }

    #[test]
    fn hexadecimal() {
        assert_eq!(hex("121056e500").unwrap(), [0x12, 0x10, 0x56, 0xe5, 0]);
        assert_eq!(hex("121056E5").unwrap(), [0x12, 0x10, 0x56, 0xe5]);
        assert_eq!((hex("121"), hex("1g")), (None, None));
        assert_eq!(hex_text(&[0x12, 0x0f]), "120f");
    }
}

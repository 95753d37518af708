//! AMF0 values.

use bytes::BytesMut;
use rtmp::amf0::{Decoder, Limits, Value};

use crate::input::Input;
use crate::limits;

/// Text that is not UTF-8 grows by being replaced, each byte to three at most.
const GROWTH: usize = 3;

/// The first byte chooses the limits, the rest is values.
///
/// - No more values, no deeper and no longer ones come out than the limits allow.
/// - Values that are encoded come back.
pub fn amf0(data: &[u8]) {
    let mut input = Input::new(data);
    let limits = limits(input.byte()).amf;
    let bytes = input.rest();
    let (values, position) = decode(bytes, limits);
    assert!(position <= bytes.len());
    let total: usize = values.iter().map(|value| measure(value, 0, &limits)).sum();
    assert!(total <= limits.values, "{total} values");
    // Names longer than 65 535 bytes are cut when encoded.
    if bytes.len() * GROWTH <= usize::from(u16::MAX) {
        round_trip(&values);
    }
}

/// Values up to the first that cannot be read, and how far they reach.
fn decode(bytes: &[u8], limits: Limits) -> (Vec<Value>, usize) {
    let mut decoder = Decoder::new(bytes, limits);
    let mut values = Vec::new();
    while let Ok(Some(value)) = decoder.value() {
        values.push(value);
    }
    (values, decoder.position())
}

/// Counts a value and those inside it.
fn measure(value: &Value, depth: usize, limits: &Limits) -> usize {
    assert!(depth <= limits.depth, "{depth} deep");
    let fits = |text: &str| assert!(text.len() <= limits.string_bytes * GROWTH, "{} bytes", text.len());
    1 + match value {
        Value::String(text) => {
            fits(text);
            0
        }
        Value::Object(properties) | Value::EcmaArray(properties) => {
            properties.iter().for_each(|(name, _)| fits(name));
            properties.iter().map(|(_, value)| measure(value, depth + 1, limits)).sum()
        }
        Value::StrictArray(elements) => elements.iter().map(|value| measure(value, depth + 1, limits)).sum(),
        _ => 0,
    }
}

/// Compares encoded forms, for a number that is none differs from itself.
pub(crate) fn round_trip(values: &[Value]) {
    let encode = |values: &[Value]| {
        let mut out = BytesMut::new();
        values.iter().for_each(|value| value.encode(&mut out));
        out
    };
    let encoded = encode(values);
    let limits = Limits { string_bytes: usize::MAX, ..Limits::default() };
    let (again, position) = decode(&encoded, limits);
    assert_eq!((again.len(), position), (values.len(), encoded.len()), "{values:?}");
    assert_eq!(encode(&again), encoded, "{values:?}");
}

//! Bytes to [`Value`]s, bounded in depth and number.

use super::{Properties, Value, marker};
use crate::Error;

const WHAT: &str = "AMF0";

/// Bounds on one message.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Values inside values. Default 16.
    pub depth: usize,
    /// Values in one message, nested ones included. Default 4096.
    pub values: usize,
    /// Bytes of one string. Default 64 KiB.
    pub string_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 16, values: 4096, string_bytes: 64 << 10 }
    }
}

/// Reads one value after the other from a message.
#[derive(Debug)]
pub struct Decoder<'a> {
    data: &'a [u8],
    position: usize,
    values: usize,
    limits: Limits,
}

impl<'a> Decoder<'a> {
    /// Begins at the first byte of `data`.
    pub fn new(data: &'a [u8], limits: Limits) -> Self {
        Self { data, position: 0, values: 0, limits }
    }

    /// The next value, none at the end of the data.
    ///
    /// Fails where a value is cut off, unknown or beyond the limits; there is nothing to be read after that.
    pub fn value(&mut self) -> Result<Option<Value>, Error> {
        if self.position >= self.data.len() {
            return Ok(None);
        }
        self.nested(0).map(Some)
    }

    /// How many bytes were read so far.
    pub fn position(&self) -> usize {
        self.position
    }

    fn nested(&mut self, depth: usize) -> Result<Value, Error> {
        limit("AMF0 nesting", depth, self.limits.depth)?;
        self.values += 1;
        limit("AMF0 values", self.values, self.limits.values)?;
        Ok(match self.byte()? {
            marker::NUMBER => Value::Number(self.number()?),
            marker::BOOLEAN => Value::Boolean(self.byte()? != 0),
            marker::STRING => Value::String(self.short_string()?),
            marker::OBJECT => Value::Object(self.properties(depth)?),
            marker::NULL => Value::Null,
            marker::UNDEFINED | marker::UNSUPPORTED => Value::Undefined,
            marker::REFERENCE => Value::Reference(u16::from_be_bytes(self.array()?)),
            marker::ECMA_ARRAY => {
                // The count is a hint: encoders write 0, or one too many.
                self.take(4)?;
                Value::EcmaArray(self.properties(depth)?)
            }
            marker::STRICT_ARRAY => Value::StrictArray(self.elements(depth)?),
            marker::DATE => {
                let milliseconds = self.number()?;
                self.take(2)?; // time zone, reserved
                Value::Date(milliseconds)
            }
            marker::LONG_STRING | marker::XML_DOCUMENT => Value::String(self.long_string()?),
            marker::TYPED_OBJECT => {
                self.short_string()?;
                Value::Object(self.properties(depth)?)
            }
            marker::AVMPLUS => return Err(Error::Unsupported { what: WHAT, feature: "an AMF3 value" }),
            other => {
                return Err(Error::Invalid {
                    what: WHAT,
                    field: "type marker",
                    value: other.into(),
                    expected: "a marker of AMF0 2.1",
                });
            }
        })
    }

    fn elements(&mut self, depth: usize) -> Result<Vec<Value>, Error> {
        let count = u32::from_be_bytes(self.array()?);
        let mut elements = Vec::new();
        for _ in 0..count {
            elements.push(self.nested(depth + 1)?);
        }
        Ok(elements)
    }

    /// Properties to the end marker (2.5), or to the end of the data: some encoders forget the marker of their last
    /// array, as the FLV specification once did.
    fn properties(&mut self, depth: usize) -> Result<Properties, Error> {
        let mut properties = Vec::new();
        while self.position < self.data.len() {
            let name = self.short_string()?;
            if name.is_empty() && self.data.get(self.position) == Some(&marker::OBJECT_END) {
                self.position += 1;
                break;
            }
            properties.push((name, self.nested(depth + 1)?));
        }
        Ok(properties)
    }

    fn short_string(&mut self) -> Result<String, Error> {
        let length = u16::from_be_bytes(self.array()?);
        self.string(length.into())
    }

    fn long_string(&mut self) -> Result<String, Error> {
        let length = u32::from_be_bytes(self.array()?);
        self.string(length as usize)
    }

    fn string(&mut self, length: usize) -> Result<String, Error> {
        limit("AMF0 string bytes", length, self.limits.string_bytes)?;
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    fn number(&mut self) -> Result<f64, Error> {
        Ok(f64::from_be_bytes(self.array()?))
    }

    fn byte(&mut self) -> Result<u8, Error> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let rest = self.data.get(self.position..).unwrap_or_default();
        let bytes = rest.first_chunk().ok_or(Error::Truncated { what: WHAT, len: self.data.len() })?;
        self.position += N;
        Ok(*bytes)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let rest = self.data.get(self.position..).unwrap_or_default();
        let bytes = rest.get(..count).ok_or(Error::Truncated { what: WHAT, len: self.data.len() })?;
        self.position += count;
        Ok(bytes)
    }
}

fn limit(what: &'static str, value: usize, limit: usize) -> Result<(), Error> {
    if value > limit {
        return Err(Error::Limit { what, value: value as u64, limit: limit as u64 });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use proptest::prelude::*;

    fn decode(data: &[u8]) -> Result<Vec<Value>, Error> {
        let mut decoder = Decoder::new(data, Limits::default());
        let mut values = Vec::new();
        while let Some(value) = decoder.value()? {
            values.push(value);
        }
        Ok(values)
    }

    fn encode(value: &Value) -> BytesMut {
        let mut out = BytesMut::new();
        value.encode(&mut out);
        out
    }

    #[test]
    fn a_connect_command_as_the_specification_lays_it_out() {
        let mut data =
            b"\x02\x00\x07connect\x00\x3f\xf0\x00\x00\x00\x00\x00\x00\x03\x00\x03app\x02\x00\x04live"
                .to_vec();
        data.extend_from_slice(b"\x00\x05audio\x01\x01\x00\x04none\x05\x00\x00\x09");
        let object =
            Value::object([("app", "live".into()), ("audio", Value::Boolean(true)), ("none", Value::Null)]);
        assert_eq!(decode(&data).unwrap(), ["connect".into(), 1.0.into(), object]);
    }

    #[test]
    fn an_array_without_its_end_marker_ends_with_the_data() {
        let data = b"\x08\x00\x00\x00\x01\x00\x05width\x00\x40\x94\x00\x00\x00\x00\x00\x00";
        assert_eq!(decode(data).unwrap(), [Value::EcmaArray(vec![("width".to_owned(), 1280.0.into())])]);
    }

    #[test]
    fn dates_typed_objects_and_references_keep_the_rest_in_step() {
        let data = b"\x0b\x40\x59\x00\x00\x00\x00\x00\x00\xff\xc4\x10\x00\x01C\x00\x01x\x06\x00\x00\x09\x07\x00\x02\x0d";
        let object = Value::object([("x", Value::Undefined)]);
        let all = [Value::Date(100.0), object, Value::Reference(2), Value::Undefined];
        assert_eq!(decode(data).unwrap(), all);
    }

    #[test]
    fn nesting_numbers_and_lengths_are_bounded() {
        let deep: Vec<u8> = b"\x0a\x00\x00\x00\x01".repeat(100);
        assert_eq!(decode(&deep), Err(Error::Limit { what: "AMF0 nesting", value: 17, limit: 16 }));
        let mut wide = b"\x0a\xff\xff\xff\xff".to_vec();
        wide.resize(10_000, marker::NULL);
        assert_eq!(decode(&wide), Err(Error::Limit { what: "AMF0 values", value: 4097, limit: 4096 }));
        let long = b"\x0c\xff\xff\xff\xff";
        assert!(matches!(decode(long), Err(Error::Limit { what: "AMF0 string bytes", .. })));
    }

    #[test]
    fn what_is_cut_off_unknown_or_amf3_is_an_error() {
        assert_eq!(decode(b"\x02\x00\x05ab"), Err(Error::Truncated { what: WHAT, len: 5 }));
        assert!(matches!(decode(b"\x04"), Err(Error::Invalid { value: 4, .. })));
        assert!(matches!(decode(b"\x11\x01"), Err(Error::Unsupported { .. })));
    }

    #[test]
    fn text_that_is_not_utf8_is_replaced() {
        assert_eq!(decode(b"\x02\x00\x02a\xff").unwrap(), ["a\u{fffd}".into()]);
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<f64>().prop_filter("comparable", |number| !number.is_nan()).prop_map(Value::Number),
            any::<bool>().prop_map(Value::Boolean),
            ".{0,40}".prop_map(Value::String),
            Just(Value::Null),
            Just(Value::Undefined),
            any::<u16>().prop_map(Value::Reference),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            // An empty name before an end marker is the end; no encoder uses one.
            let properties = prop::collection::vec(("[a-z]{1,8}", inner.clone()), 0..8);
            prop_oneof![
                properties.clone().prop_map(Value::Object),
                properties.prop_map(Value::EcmaArray),
                prop::collection::vec(inner, 0..8).prop_map(Value::StrictArray),
            ]
        })
    }

    proptest! {
        #[test]
        fn values_survive_the_round_trip(value in values()) {
            prop_assert_eq!(decode(&encode(&value)).unwrap(), [value]);
        }

        #[test]
        fn any_bytes_are_values_or_an_error(data in prop::collection::vec(any::<u8>(), 0..512)) {
            let _ = decode(&data);
        }
    }
}

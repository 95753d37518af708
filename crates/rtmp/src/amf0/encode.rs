//! [`Value`]s to bytes.

use bytes::{BufMut, BytesMut};

use super::{Value, marker};

impl Value {
    /// Appends the value, as AMF0 2.2 to 2.17 lay it out.
    ///
    /// A property name beyond 65 535 bytes is cut there, and so is the list of an array beyond 2³² elements.
    pub fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Number(number) => {
                out.put_u8(marker::NUMBER);
                out.put_f64(*number);
            }
            Self::Boolean(boolean) => out.put_slice(&[marker::BOOLEAN, u8::from(*boolean)]),
            Self::String(text) => encode_text(text, out),
            Self::Object(properties) => {
                out.put_u8(marker::OBJECT);
                encode_properties(properties, out);
            }
            Self::Null => out.put_u8(marker::NULL),
            Self::Undefined => out.put_u8(marker::UNDEFINED),
            Self::Reference(index) => {
                out.put_u8(marker::REFERENCE);
                out.put_u16(*index);
            }
            Self::EcmaArray(properties) => {
                out.put_u8(marker::ECMA_ARRAY);
                out.put_u32(u32::try_from(properties.len()).unwrap_or(u32::MAX));
                encode_properties(properties, out);
            }
            Self::StrictArray(elements) => {
                let count = u32::try_from(elements.len()).unwrap_or(u32::MAX);
                out.put_u8(marker::STRICT_ARRAY);
                out.put_u32(count);
                elements.iter().take(count as usize).for_each(|element| element.encode(out));
            }
            Self::Date(milliseconds) => {
                out.put_u8(marker::DATE);
                out.put_f64(*milliseconds);
                out.put_u16(0);
            }
        }
    }
}

fn encode_text(text: &str, out: &mut BytesMut) {
    match u16::try_from(text.len()) {
        Ok(length) => {
            out.put_u8(marker::STRING);
            out.put_u16(length);
            out.put_slice(text.as_bytes());
        }
        Err(_) => {
            let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
            out.put_u8(marker::LONG_STRING);
            out.put_u32(length);
            out.put_slice(&text.as_bytes()[..length as usize]);
        }
    }
}

fn encode_properties(properties: &[(String, Value)], out: &mut BytesMut) {
    for (name, value) in properties {
        let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
        out.put_u16(length);
        out.put_slice(&name.as_bytes()[..length.into()]);
        value.encode(out);
    }
    out.put_u16(0);
    out.put_u8(marker::OBJECT_END);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_takes_the_long_marker() {
        let mut out = BytesMut::new();
        Value::String("x".repeat(65_536)).encode(&mut out);
        assert_eq!(out[..5], [marker::LONG_STRING, 0, 1, 0, 0]);
        assert_eq!(out.len(), 5 + 65_536);
    }

    #[test]
    fn an_associative_array_states_its_size() {
        let mut out = BytesMut::new();
        Value::EcmaArray(vec![("a".to_owned(), Value::Boolean(true))]).encode(&mut out);
        assert_eq!(out[..], *b"\x08\x00\x00\x00\x01\x00\x01a\x01\x01\x00\x00\x09");
    }
}

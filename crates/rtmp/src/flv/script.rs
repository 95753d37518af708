//! Script tags: a name and a value (E.4.4).

use bytes::Bytes;

use crate::Error;
use crate::amf0::{Decoder, Limits, Value};

/// What a publisher or a file says of its stream.
#[derive(Clone, PartialEq, Debug)]
pub struct Metadata {
    /// `onMetaData`, or the name of another event.
    pub name: String,
    /// Mostly an object or associative array; [`Value::Null`] where there is none.
    pub value: Value,
}

/// Reads the body of a script tag.
pub(super) fn decode(body: &Bytes) -> Result<Metadata, Error> {
    let mut decoder = Decoder::new(body, Limits::default());
    let name = match decoder.value()? {
        Some(Value::String(name)) => name,
        Some(_) => {
            return Err(Error::Unsupported { what: "script tag", feature: "a name that is no string" });
        }
        None => return Err(Error::Truncated { what: "script tag", len: body.len() }),
    };
    Ok(Metadata { name, value: decoder.value()?.unwrap_or(Value::Null) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_a_value() {
        let body =
            Bytes::from_static(b"\x02\0\x0aonMetaData\x08\0\0\0\x01\0\x07encoder\x02\0\x03OBS\0\0\x09");
        let metadata = decode(&body).unwrap();
        assert_eq!(metadata.name, "onMetaData");
        assert_eq!(metadata.value.get("encoder").and_then(Value::as_str), Some("OBS"));
    }

    #[test]
    fn a_name_alone_and_no_name() {
        assert_eq!(decode(&Bytes::from_static(b"\x02\0\x01x")).unwrap().value, Value::Null);
        assert!(decode(&Bytes::new()).is_err());
        assert!(decode(&Bytes::from_static(b"\x05")).is_err());
    }
}

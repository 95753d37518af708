//! Command messages: a name, a transaction, values (RTMP 1.0 7.1.1, 7.2).

use bytes::{Bytes, BytesMut};

use super::{Message, amf0_body, kind};
use crate::Error;
use crate::amf0::{Decoder, Limits, Value};

/// A call, a reply to one, or a status.
#[derive(Clone, PartialEq, Debug)]
pub struct Command {
    /// `connect`, `publish`, `_result`, `onStatus`, …
    pub name: String,
    /// The number that the reply repeats; 0 wants none.
    pub transaction: f64,
    /// What follows: first the command object, or null, then the arguments.
    pub values: Vec<Value>,
}

impl Command {
    /// Reads a message of type 17 or 20.
    ///
    /// Fails where the name or the transaction cannot be read. Values beyond one that we do not read (AMF3) are left
    /// out: what matters comes first. A missing transaction is 0.
    pub fn decode(message: &Message, limits: Limits) -> Result<Self, Error> {
        const WHAT: &str = "command";
        let body = amf0_body(message);
        let mut decoder = Decoder::new(&body, limits);
        let name = match decoder.value()? {
            Some(Value::String(name)) => name,
            Some(_) => return Err(Error::Unsupported { what: WHAT, feature: "a name that is no string" }),
            None => return Err(Error::Truncated { what: WHAT, len: body.len() }),
        };
        let transaction = decoder.value()?.and_then(|value| value.as_number()).unwrap_or(0.0);
        let mut values = Vec::new();
        loop {
            match decoder.value() {
                Ok(Some(value)) => values.push(value),
                Ok(None) | Err(Error::Unsupported { .. }) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(Self { name, transaction, values })
    }

    /// The AMF0 message, to be sent on that message stream.
    pub fn encode(&self, stream: u32) -> Message {
        let mut body = BytesMut::new();
        Value::String(self.name.clone()).encode(&mut body);
        Value::Number(self.transaction).encode(&mut body);
        self.values.iter().for_each(|value| value.encode(&mut body));
        Message { kind: kind::COMMAND_AMF0, timestamp_ms: 0, stream, body: Bytes::from(body) }
    }

    /// The argument with that index, not counting the command object, as text; empty where it is missing.
    pub(crate) fn text(&self, index: usize) -> &str {
        self.values.get(index + 1).and_then(Value::as_str).unwrap_or_default()
    }

    /// The argument with that index, not counting the command object, as a truth value; none where it is not one.
    pub(crate) fn flag(&self, index: usize) -> Option<bool> {
        match self.values.get(index + 1) {
            Some(Value::Boolean(flag)) => Some(*flag),
            _ => None,
        }
    }

    /// The argument with that index, not counting the command object, as a number.
    pub(crate) fn number(&self, index: usize) -> Option<f64> {
        self.values.get(index + 1).and_then(Value::as_number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_survives_the_round_trip() {
        let publish = Command {
            name: "publish".to_owned(),
            transaction: 5.0,
            values: vec![Value::Null, "cam?key=x".into(), "live".into()],
        };
        let decoded = Command::decode(&publish.encode(1), Limits::default()).unwrap();
        assert_eq!(decoded, publish);
        assert_eq!((decoded.text(0), decoded.text(1), decoded.text(2)), ("cam?key=x", "live", ""));
    }

    #[test]
    fn what_follows_an_amf3_value_is_left_out() {
        let body = Bytes::from_static(b"\x02\0\x04call\0\x40\0\0\0\0\0\0\0\x05\x11\x0a\x0b\x01");
        let message = Message { kind: kind::COMMAND_AMF0, timestamp_ms: 0, stream: 0, body };
        let command = Command::decode(&message, Limits::default()).unwrap();
        assert_eq!(command, Command { name: "call".to_owned(), transaction: 2.0, values: vec![Value::Null] });
    }

    #[test]
    fn a_command_without_a_name_is_an_error() {
        for body in [&b""[..], b"\x05", b"\x02\0\x09x"] {
            let body = Bytes::from_static(body);
            let message = Message { kind: kind::COMMAND_AMF0, timestamp_ms: 0, stream: 0, body };
            assert!(Command::decode(&message, Limits::default()).is_err());
        }
    }
}

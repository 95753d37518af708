//! RTMP messages: commands, control messages, aggregates, and the addresses in them.

use bytes::Bytes;
use rtmp::message::{Command, Control, Message, aggregate};
use rtmp::server::Request;

use crate::input::Input;
use crate::{amf0, limits};

/// Bytes of an aggregated message that are not its body.
const AGGREGATED: usize = 11;

/// The first byte chooses the limits, the second is the message's type, the rest its body.
///
/// - Commands and control messages that are encoded come back.
/// - What comes out of an aggregate is no more than went in.
/// - An address has no `/` at its ends, and none of the three texts it is made of is lost on the way.
pub fn messages(data: &[u8]) {
    let mut input = Input::new(data);
    let limits = limits(input.byte()).amf;
    let kind = input.byte();
    let body = Bytes::copy_from_slice(input.rest());
    let message = Message { kind, timestamp_ms: 77, stream: 1, body };
    if let Ok(command) = Command::decode(&message, limits) {
        if message.body.len() < 20_000 {
            command_round_trip(&command);
        }
        address(&command);
    }
    if let Ok(Some(control)) = Control::decode(&message) {
        assert_eq!(Control::decode(&control.encode()), Ok(Some(control)));
    }
    if let Ok(tags) = aggregate(&message) {
        let total: usize = tags.iter().map(|tag| AGGREGATED + tag.body.len()).sum();
        assert!(total <= message.body.len(), "{total} bytes of {}", message.body.len());
        assert!(tags.len() <= 4096, "{} tags", tags.len());
    }
}

fn command_round_trip(command: &Command) {
    let wide = rtmp::amf0::Limits { string_bytes: usize::MAX, ..rtmp::amf0::Limits::default() };
    let again = Command::decode(&command.encode(1), wide).expect("what we encode can be read");
    assert_eq!(again.name, command.name);
    assert_eq!(again.transaction.to_bits(), command.transaction.to_bits());
    assert_eq!(again.values.len(), command.values.len());
    amf0::round_trip(&again.values);
}

/// Takes the first texts of a command for application, name and URL.
fn address(command: &Command) {
    let mut texts = command.values.iter().filter_map(|value| value.as_str().map(str::to_owned));
    let mut next = || texts.next().unwrap_or_default();
    let request = Request { app: command.name.clone(), name: next(), tc_url: next(), ..Request::default() };
    let address = request.address();
    assert!(!address.path.starts_with('/') && !address.path.ends_with('/'), "{request:?}");
    assert!(!address.path.contains('?'), "{request:?}");
    for (name, _) in &address.query {
        assert!(address.get(name).is_some(), "{request:?}");
    }
}

//! SRT packets, and what is in them.

use srt::packet::{Body, Control, KeyMaterial, KeyState, Packet, destination};
use srt::{Error, StreamId};

/// Any bytes as a datagram.
///
/// - What was read is written again as something that reads the same.
/// - A list of losses has no more ranges than words, each in order.
/// - Key material is written again as it came, but for what is reserved and what is behind it.
pub fn srt_packets(data: &[u8]) {
    assert_eq!(destination(data).is_some(), data.len() >= 16);
    let _ = KeyState::decode(data);
    if let Ok(text) = std::str::from_utf8(data) {
        stream_id(text);
    }
    key_material(data);
    let Ok(packet) = Packet::decode(data) else { return };
    assert_eq!(destination(data), Some(packet.destination));
    let again = packet.encode();
    assert_eq!(Packet::decode(&again.to_vec()).as_ref(), Ok(&packet));
    assert!(again.bytes() <= data.len().max(16), "it does not grow");
    match packet.body {
        Body::Control(Control::Nak(list)) => {
            assert!(list.ranges().count() <= data.len() / 4);
            assert!(list.ranges().all(|(first, last)| last.ahead_of(first).is_some()));
        }
        Body::Control(Control::Handshake(handshake)) => match handshake.extensions() {
            Ok(found) => {
                found.key_material.into_iter().for_each(key_material);
                found.stream_id.as_deref().into_iter().for_each(stream_id);
                assert!(found.stream_id.is_none_or(|id| StreamId::fits(&id)));
            }
            Err(error) => assert!(matches!(error, Error::Malformed { .. })),
        },
        Body::Control(Control::KeyMaterial { content, .. }) => key_material(content),
        _ => {}
    }
}

fn key_material(content: &[u8]) {
    if let Ok(message) = KeyMaterial::decode(content) {
        assert_eq!(KeyMaterial::decode(&message.encode()), Ok(message));
    }
}

fn stream_id(text: &str) {
    let id = StreamId::parse(text);
    assert!(text.contains(id.resource));
    assert!(id.fields().all(|(key, _)| id.get(key).is_some()));
    assert_eq!(id.is_structured, text.starts_with("#!::"));
}

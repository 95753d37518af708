//! RTMP chunks to messages.

use bytes::BytesMut;
use rtmp::chunk::{DEFAULT_SIZE, Decoder, Encoder, Piece, Route, Shared};
use rtmp::flv::TagKind;
use rtmp::flv::mux::Head;
use rtmp::message::{Control, Message, is_media, kind};
use rtmp::{Error, Limits};

use crate::input::Input;
use crate::limits;

/// The first byte chooses the limits, the second the size of the parts in which the rest arrives.
///
/// - Messages and error do not depend on how the bytes were split.
/// - No message is longer than the limits allow, and no more memory is held than they say.
/// - Messages that are encoded come back, and so do those in the form that many peers share.
pub fn chunks(data: &[u8]) {
    let mut input = Input::new(data);
    let limits = limits(input.byte());
    let step = usize::from(input.byte()) + 1;
    let bytes = input.rest();
    let whole = decode(&limits, bytes, bytes.len().max(1));
    assert_eq!(decode(&limits, bytes, step), whole, "in parts of {step}");
    round_trip(&whole.0);
    shared(&whole.0);
}

fn decode(limits: &Limits, bytes: &[u8], step: usize) -> (Vec<Message>, Option<Error>) {
    let mut decoder = Decoder::new(limits.clone());
    let mut messages = Vec::new();
    for mut part in bytes.chunks(step) {
        loop {
            let decoded = decoder.decode(&mut part);
            assert!(decoder.held_bytes() <= limits.partial_bytes as usize, "{} held", decoder.held_bytes());
            match decoded {
                Ok(Some(message)) => {
                    check_length(&message, limits);
                    messages.push(message);
                }
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
        assert!(part.is_empty(), "all is taken until there is a message");
    }
    (messages, None)
}

fn check_length(Message { kind, body, .. }: &Message, limits: &Limits) {
    let limit = if is_media(*kind) { limits.media_bytes } else { limits.command_bytes };
    assert!(body.len() <= limit as usize, "{} bytes of type {kind}", body.len());
}

fn round_trip(messages: &[Message]) {
    let mut encoder = Encoder::new();
    let mut bytes = BytesMut::new();
    for (index, message) in messages.iter().enumerate() {
        match Control::decode(message) {
            Ok(Some(Control::SetChunkSize(size))) => encoder.set_chunk_size(size, &mut bytes),
            _ => encoder.encode(index as u32 * 7, message, &mut bytes),
        }
    }
    let limits = Limits { chunk_streams: usize::MAX, ..Limits::default() };
    let (again, error) = decode(&limits, &bytes, bytes.len().max(1));
    assert_eq!(error, None);
    let others = |messages: &[Message]| -> Vec<Message> {
        messages.iter().filter(|message| message.kind != kind::SET_CHUNK_SIZE).cloned().collect()
    };
    assert_eq!(others(&again), others(messages));
}

fn shared(messages: &[Message]) {
    let mut bytes = Vec::new();
    let mut sent = Vec::new();
    for message in messages {
        let Some(kind) = TagKind::from_type(message.kind) else { continue };
        let shared = Shared::new(kind, Head::EMPTY, message.body.clone()).expect("it came in chunks");
        for piece in
            shared.chunks(Route { stream: message.stream, chunk_size: DEFAULT_SIZE }, message.timestamp_ms)
        {
            match piece {
                Piece::Own(own) => bytes.extend_from_slice(&own),
                Piece::Shared(shared) => bytes.extend_from_slice(shared),
            }
        }
        sent.push(message.clone());
    }
    assert_eq!(decode(&Limits::default(), &bytes, bytes.len().max(1)), (sent, None));
}

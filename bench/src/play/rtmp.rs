//! RTMP `play`.

use std::time::Instant;

use anyhow::Context as _;
use bytes::BytesMut;
use rtmp::amf0::Value;
use rtmp::message::{Control, Message, UserControl, kind};

use super::Protocol;
use crate::rtmp_client::{self, CONNECT, CREATE_STREAM, Dialogue, Reply};
use crate::target::Target;

/// Milliseconds that the server is told we keep.
const BUFFER_MS: u32 = 1000;
/// Acknowledgements that we ask for, in bytes: nothing we send is as long.
const WINDOW_BYTES: u32 = 2_500_000;

/// One player.
pub(super) struct Play {
    dialogue: Dialogue,
    /// C0 and C1.
    hello: BytesMut,
    stream: String,
    asked: Option<Instant>,
    /// Bytes after which the server waits for an acknowledgement; 0: it does not.
    window: u64,
    acknowledged: u64,
}

impl Play {
    pub(super) fn new(target: &Target) -> anyhow::Result<Self> {
        let mut hello = BytesMut::new();
        let dialogue = Dialogue::open(target, &mut hello)?;
        let stream = target.app_and_stream()?.1.to_owned();
        Ok(Self { dialogue, hello, stream, asked: None, window: 0, acknowledged: 0 })
    }

    fn obey(&mut self, message: &Message, out: &mut BytesMut) -> anyhow::Result<()> {
        match Control::decode(message)? {
            Some(Control::WindowAckSize(bytes)) => self.window = bytes.into(),
            Some(Control::SetPeerBandwidth(..)) => {
                self.dialogue.control(Control::WindowAckSize(WINDOW_BYTES), out);
            }
            _ => {}
        }
        let Some(reply) = Reply::decode(message)? else { return Ok(()) };
        reply.check()?;
        if reply.is_result_of(CONNECT) {
            self.dialogue.command(0, "createStream", CREATE_STREAM, vec![Value::Null], out);
        } else if reply.is_result_of(CREATE_STREAM) {
            let stream = reply.number.context("the server did not say which stream it made")? as u32;
            let name = self.stream.as_str().into();
            self.dialogue.command(stream, "play", 3.0, vec![Value::Null, name], out);
            let buffer = UserControl::SetBufferLength(stream, BUFFER_MS);
            self.dialogue.control(Control::UserControl(buffer), out);
            self.asked = Some(Instant::now());
        }
        Ok(())
    }
}

impl Protocol for Play {
    fn open(&mut self, out: &mut BytesMut) {
        out.unsplit(self.hello.split());
    }

    fn input(&mut self, mut bytes: &[u8], out: &mut BytesMut) -> anyhow::Result<bool> {
        while let Some(message) = self.dialogue.next(&mut bytes, out)? {
            match message.kind {
                kind::VIDEO if rtmp_client::is_picture(&message) => return Ok(true),
                kind::AGGREGATE => return Ok(true),
                _ => self.obey(&message, out)?,
            }
        }
        Ok(false)
    }

    fn asked(&self) -> Option<Instant> {
        self.asked
    }

    fn received(&mut self, total: u64, out: &mut BytesMut) {
        if self.window > 0 && total - self.acknowledged > self.window / 2 {
            self.acknowledged = total;
            // The count wraps at 32 bits (5.4.3).
            self.dialogue.control(Control::Acknowledgement(total as u32), out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use rtmp::chunk::{Decoder, Encoder};
    use rtmp::message::Command;
    use rtmp::{Limits, amf0, handshake};

    fn chunks(messages: &[Message]) -> BytesMut {
        let mut bytes = BytesMut::new();
        messages.iter().for_each(|message| Encoder::new().encode(3, message, &mut bytes));
        bytes
    }

    fn result(transaction: f64, value: Value) -> Message {
        Command { name: "_result".into(), transaction, values: vec![Value::Null, value] }.encode(0)
    }

    fn video(body: &'static [u8]) -> Message {
        Message { kind: kind::VIDEO, timestamp_ms: 0, stream: 1, body: Bytes::from_static(body) }
    }

    /// The names of the commands in what the client sent behind its handshake.
    fn commands(mut sent: &[u8]) -> Vec<String> {
        let mut decoder = Decoder::new(Limits::default());
        let mut names = Vec::new();
        while let Some(message) = decoder.decode(&mut sent).unwrap() {
            if message.kind == kind::COMMAND_AMF0 {
                names.push(Command::decode(&message, amf0::Limits::default()).unwrap().name);
            }
        }
        names
    }

    #[test]
    fn it_asks_to_play_and_waits_for_a_picture() {
        let mut play = Play::new(&"rtmp://127.0.0.1/live/x".parse().unwrap()).unwrap();
        let mut out = BytesMut::new();
        play.open(&mut out);
        assert_eq!(out.split().len(), 1 + handshake::SIZE);
        assert!(!play.input(&[3; 1 + 2 * handshake::SIZE], &mut out).unwrap());
        assert_eq!(commands(&out.split()[handshake::SIZE..]), ["connect"]);
        let window = Control::WindowAckSize(1000).encode();
        let replies = chunks(&[window, result(1.0, Value::Null), result(2.0, 1.0.into())]);
        assert!(!play.input(&replies, &mut out).unwrap());
        assert_eq!(commands(&out.split()), ["createStream", "play"]);
        assert!(play.asked().is_some());
        assert!(!play.input(&chunks(&[video(b"\x17\0\0\0\0h")]), &mut out).unwrap());
        assert!(play.input(&chunks(&[video(b"\x17\x01\0\0\0p")]), &mut out).unwrap());
        play.received(400, &mut out);
        assert!(out.is_empty());
        play.received(600, &mut out);
        assert!(!out.is_empty(), "half of the window is acknowledged");
    }
}

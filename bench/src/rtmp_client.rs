//! The client's side of RTMP up to `play` or `publish`; bytes in, bytes out.

use anyhow::bail;
use bytes::BytesMut;
use rtmp::amf0::{self, Value};
use rtmp::chunk::{Decoder, Encoder};
use rtmp::message::{Command, Control, Message, UserControl, kind};
use rtmp::{Limits, handshake};

use crate::target::Target;

/// The chunk stream of our commands.
const COMMANDS: u32 = 3;
/// The chunk stream of protocol control (RTMP 1.0 5.4).
const CONTROL: u32 = 2;
/// Transaction of `connect`.
pub(crate) const CONNECT: f64 = 1.0;
/// Transaction of `createStream`.
pub(crate) const CREATE_STREAM: f64 = 2.0;

/// One connection.
pub(crate) struct Dialogue {
    app: String,
    tc_url: String,
    /// S0, S1 and S2 as far as they came; none once they are complete.
    handshake: Option<Vec<u8>>,
    decoder: Decoder,
    encoder: Encoder,
}

/// A command of the server, as far as we care.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Reply {
    /// `_result`, `_error`, `onStatus`, …
    pub(crate) name: String,
    /// That of the command it answers.
    pub(crate) transaction: f64,
    /// The number behind the command object: the message stream that was created.
    pub(crate) number: Option<f64>,
    /// `NetStream.Publish.Start` and the like; empty without one.
    pub(crate) code: String,
}

impl Dialogue {
    /// Begins: C0 and C1, the plain handshake (5.2).
    pub(crate) fn open(target: &Target, out: &mut BytesMut) -> anyhow::Result<Self> {
        let (app, _) = target.app_and_stream()?;
        let mut c1 = vec![3];
        c1.extend_from_slice(&[0; 8]);
        // Any bytes will do; servers look for a digest among them, and must not find one.
        c1.extend((0..handshake::SIZE as u32 - 8).map(|at| (at.wrapping_mul(0x9e37_79b9) >> 24) as u8));
        out.extend_from_slice(&c1);
        Ok(Self {
            app: app.to_owned(),
            tc_url: format!("rtmp://{}/{app}", target.authority),
            handshake: Some(Vec::new()),
            decoder: Decoder::new(Limits::default()),
            encoder: Encoder::new(),
        })
    }

    /// Takes bytes off the front of `input` up to the end of a message. Answers the handshake, asks to connect after it,
    /// and answers pings.
    pub(crate) fn next(&mut self, input: &mut &[u8], out: &mut BytesMut) -> anyhow::Result<Option<Message>> {
        if let Some(received) = &mut self.handshake {
            let missing = (1 + 2 * handshake::SIZE - received.len()).min(input.len());
            received.extend_from_slice(&input[..missing]);
            *input = &input[missing..];
            if received.len() < 1 + 2 * handshake::SIZE {
                return Ok(None);
            }
            out.extend_from_slice(&received[1..=handshake::SIZE]);
            self.handshake = None;
            self.connect(out);
        }
        let message = self.decoder.decode(input)?;
        if let Some(message) = &message
            && let Ok(Some(Control::UserControl(UserControl::PingRequest(time)))) = Control::decode(message)
        {
            self.control(Control::UserControl(UserControl::PingResponse(time)), out);
        }
        Ok(message)
    }

    fn connect(&self, out: &mut BytesMut) {
        let what = Value::object([
            ("app", self.app.as_str().into()),
            ("flashVer", "LNX 9,0,124,2".into()),
            ("tcUrl", self.tc_url.as_str().into()),
            ("fpad", Value::Boolean(false)),
            ("capabilities", 15.0.into()),
            ("audioCodecs", 4071.0.into()),
            ("videoCodecs", 252.0.into()),
            ("videoFunction", 1.0.into()),
        ]);
        self.command(0, "connect", CONNECT, vec![what], out);
    }

    /// Sends a command on that message stream; the command object is the first of the values.
    pub(crate) fn command(
        &self,
        stream: u32,
        name: &str,
        transaction: f64,
        values: Vec<Value>,
        out: &mut BytesMut,
    ) {
        let command = Command { name: name.to_owned(), transaction, values };
        self.encoder.encode(COMMANDS, &command.encode(stream), out);
    }

    /// Sends a protocol control message.
    pub(crate) fn control(&self, control: Control, out: &mut BytesMut) {
        self.encoder.encode(CONTROL, &control.encode(), out);
    }

    /// Sends media in chunks of that size from now on.
    pub(crate) fn set_chunk_size(&mut self, size: u32, out: &mut BytesMut) {
        self.encoder.set_chunk_size(size, out);
    }

    /// Gives the encoder away, for messages to be sent by.
    pub(crate) fn into_encoder(self) -> Encoder {
        self.encoder
    }
}

impl Reply {
    /// The command in a message, none where it holds none.
    pub(crate) fn decode(message: &Message) -> anyhow::Result<Option<Self>> {
        if message.kind != kind::COMMAND_AMF0 {
            return Ok(None);
        }
        let Command { name, transaction, values } = Command::decode(message, amf0::Limits::default())?;
        let code = values.iter().find_map(|value| value.get("code")?.as_str()).unwrap_or_default().to_owned();
        Ok(Some(Self { name, transaction, number: values.get(1).and_then(Value::as_number), code }))
    }

    /// Fails where the server says no.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let no = ["Fail", "Reject", "Invalid", "NotFound", "BadName", "Denied"];
        let says_no = self.name == "onStatus" && no.iter().any(|word| self.code.contains(word));
        if self.name == "_error" || says_no {
            bail!("refused: {} {}", self.name, self.code);
        }
        Ok(())
    }

    /// Whether it is the result of that transaction.
    pub(crate) fn is_result_of(&self, transaction: f64) -> bool {
        self.name == "_result" && self.transaction == transaction
    }
}

/// Whether a video message is a coded picture, and no sequence header or command.
pub(crate) fn is_picture(message: &Message) -> bool {
    const AVC: u8 = 7;
    match message.body[..] {
        [first, packet_type, ..] if first & 0x8f == AVC => packet_type != 0,
        // Enhanced RTMP: packet type 0 is a sequence header.
        [first, ..] if first & 0x80 != 0 => first & 0x0f != 0,
        [_, _, ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use rtmp::server::{Event, Output, Session};
    use std::time::Duration;

    /// Lets a client talk to our own server until neither has more to say; the events and the client's messages.
    pub(crate) fn talk(dialogue: &mut Dialogue, first: &BytesMut) -> (Vec<Event>, Vec<Message>) {
        let mut session = Session::new(Limits::default(), Duration::ZERO, [1; 32]);
        let (mut events, mut messages) = (Vec::new(), Vec::new());
        let mut to_server = first.clone();
        while !to_server.is_empty() {
            session.handle_bytes(Duration::ZERO, &to_server.split()).unwrap();
            loop {
                match session.poll_output() {
                    Output::Send(bytes) => {
                        let mut input = &bytes[..];
                        while let Some(message) = dialogue.next(&mut input, &mut to_server).unwrap() {
                            messages.push(message);
                        }
                    }
                    Output::Event(event) => events.push(event),
                    Output::Wait(_) => break,
                }
            }
        }
        (events, messages)
    }

    #[test]
    fn our_own_server_lets_it_connect() {
        let mut hello = BytesMut::new();
        let target = "rtmp://127.0.0.1/live/x".parse().unwrap();
        let mut dialogue = Dialogue::open(&target, &mut hello).unwrap();
        assert_eq!(hello.len(), 1 + handshake::SIZE);
        let (_, messages) = talk(&mut dialogue, &hello);
        let replies: Vec<Reply> = messages.iter().filter_map(|m| Reply::decode(m).unwrap()).collect();
        let connected = replies.iter().find(|reply| reply.is_result_of(CONNECT)).unwrap();
        assert_eq!(connected.code, "NetConnection.Connect.Success");
    }

    #[test]
    fn refusals_are_errors() {
        let reply = |name: &str, code: &str| Reply {
            name: name.into(),
            transaction: 0.0,
            number: None,
            code: code.into(),
        };
        assert!(reply("_error", "").check().is_err());
        assert!(reply("onStatus", "NetStream.Play.StreamNotFound").check().is_err());
        assert!(reply("onStatus", "NetStream.Publish.BadName").check().is_err());
        assert!(reply("onStatus", "NetStream.Play.Start").check().is_ok());
    }

    #[test]
    fn pictures_are_told_from_headers() {
        let message = |body: &'static [u8]| Message {
            kind: kind::VIDEO,
            timestamp_ms: 0,
            stream: 1,
            body: Bytes::from_static(body),
        };
        assert!(!is_picture(&message(b"\x17\0\0\0\0")));
        assert!(is_picture(&message(b"\x17\x01\0\0\0")));
        assert!(!is_picture(&message(b"\x90hvc1")));
        assert!(is_picture(&message(b"\x91hvc1")));
        assert!(!is_picture(&message(b"")));
    }
}

//! An encoder that publishes an FLV file by RTMP in real time and for ever, in stamps that begin at zero.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rtmp::amf0::Value;
use rtmp::chunk;
use rtmp::handshake;
use rtmp::message::{Command, Message};

use crate::program::Running;

/// 160x90, H.264 and AAC, with a key frame each second.
static CLIP: &[u8] = include_bytes!("../../../testkit/testdata/clip.flv");

/// A tag of the clip.
struct Tag {
    kind: u8,
    ms: u32,
    body: &'static [u8],
}

impl Tag {
    /// Whether it is a frame and no configuration.
    fn is_frame(&self) -> bool {
        matches!((self.kind, self.body), (8 | 9, [_, 1, ..]))
    }
}

fn tags() -> Vec<Tag> {
    let (mut tags, mut rest) = (Vec::new(), &CLIP[13..]);
    while let &[kind, s0, s1, s2, t0, t1, t2, t3, _, _, _, ref behind @ ..] = rest {
        let size = u32::from_be_bytes([0, s0, s1, s2]) as usize;
        tags.push(Tag { kind, ms: u32::from_be_bytes([t3, t0, t1, t2]), body: &behind[..size] });
        rest = &behind[size + 4..];
    }
    tags
}

/// Publishes to `live/<name>` until the server ends the connection, and waits until media of it has come in.
pub(crate) fn publish(server: &Running, code: &str, rendition: &str) {
    publish_by(server, &format!("{code}@{rendition}"), code, rendition, b"");
}

/// The same behind a proxy, which says this first.
pub(crate) fn publish_behind(server: &Running, code: &str, rendition: &str, header: &[u8]) {
    publish_by(server, &format!("{code}@{rendition}"), code, rendition, header);
}

/// The same by a name of its own, as with a key behind it.
pub(crate) fn publish_as(server: &Running, name: &str, code: &str, rendition: &str) {
    publish_by(server, name, code, rendition, b"");
}

fn publish_by(server: &Running, name: &str, code: &str, rendition: &str, header: &[u8]) {
    let address = server.status()["rtmp"].as_str().expect("RTMP listens").replace("rtmp://", "");
    let mut stream = TcpStream::connect(address).expect("RTMP listens");
    stream.write_all(header).expect("sent");
    shake_hands(&mut stream);
    let mut line = Line { stream, encoder: chunk::Encoder::new() };
    line.call(0, "connect", 1.0, vec![Value::object([("app", "live".into())])]);
    line.call(0, "createStream", 2.0, vec![Value::Null]);
    line.call(1, "publish", 3.0, vec![Value::Null, name.into(), "live".into()]);
    thread::spawn(move || line.send_for_ever());
    server.poll(|server| {
        let status = server.status();
        let streams = status["streams"].as_array()?;
        let stream = streams.iter().find(|stream| stream["code"] == code)?;
        let rungs = stream["renditions"].as_array()?;
        rungs.iter().find(|rung| rung["name"] == rendition && rung["state"] == "live").map(drop)
    });
}

fn shake_hands(stream: &mut TcpStream) {
    let mut hello = vec![0; 1 + handshake::SIZE];
    hello[0] = 3;
    stream.write_all(&hello).expect("sent");
    let mut answer = vec![0; 1 + 2 * handshake::SIZE];
    stream.read_exact(&mut answer).expect("answered");
    stream.write_all(&answer[1..=handshake::SIZE]).expect("sent");
}

/// A connection after its handshake. What the server says is little, and waits in the socket for ever.
struct Line {
    stream: TcpStream,
    encoder: chunk::Encoder,
}

impl Line {
    /// Sends a message; false when the server is gone.
    fn send(&mut self, message: &Message) -> bool {
        let mut bytes = BytesMut::new();
        self.encoder.encode(4, message, &mut bytes);
        self.stream.write_all(&bytes).is_ok()
    }

    fn call(&mut self, stream: u32, name: &str, transaction: f64, values: Vec<Value>) {
        let command = Command { name: name.to_owned(), transaction, values };
        assert!(self.send(&command.encode(stream)), "the server hears {name}");
    }

    fn send_for_ever(mut self) {
        let (started, tags) = (Instant::now(), tags());
        let stamps = || tags.iter().filter(|tag| tag.is_frame()).map(|tag| tag.ms);
        let (first, last) = (stamps().min().expect("frames"), stamps().max().expect("frames"));
        for round in 0.. {
            // A frame of 40 ms follows the last one.
            let offset = round * (last - first + 40);
            for tag in &tags {
                let timestamp_ms = tag.ms.saturating_sub(first) + offset;
                let due = started + Duration::from_millis(timestamp_ms.into());
                thread::sleep(due.saturating_duration_since(Instant::now()));
                let body = Bytes::from_static(tag.body);
                if !self.send(&Message { kind: tag.kind, timestamp_ms, stream: 1, body }) {
                    return;
                }
            }
        }
    }
}

/// Asks to play `live/<name>`, and returns the status that the server answers with.
pub(crate) fn ask_to_play(server: &Running, name: &str) -> String {
    let address = server.status()["rtmp"].as_str().expect("RTMP listens").replace("rtmp://", "");
    let mut stream = TcpStream::connect(address).expect("RTMP listens");
    shake_hands(&mut stream);
    let mut line = Line { stream, encoder: chunk::Encoder::new() };
    line.call(0, "connect", 1.0, vec![Value::object([("app", "live".into())])]);
    line.call(0, "createStream", 2.0, vec![Value::Null]);
    line.call(1, "play", 3.0, vec![Value::Null, name.into()]);
    let mut heard = Vec::new();
    let mut bytes = [0; 4096];
    loop {
        let read = line.stream.read(&mut bytes).expect("the server speaks");
        assert!(read > 0, "the server ended it without a word");
        heard.extend_from_slice(&bytes[..read]);
        let text = String::from_utf8_lossy(&heard);
        for status in ["NetStream.Play.Start", "NetStream.Play.Failed", "NetStream.Play.StreamNotFound"] {
            if text.contains(status) {
                return status.to_owned();
            }
        }
    }
}

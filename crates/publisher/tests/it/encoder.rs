//! An encoder that publishes an FLV file by RTMP over a real socket, in real time and for ever.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rtmp::amf0::{self, Value};
use rtmp::chunk;
use rtmp::handshake;
use rtmp::message::{Command, Message, kind};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::world::PATIENCE;

/// What it says of itself.
pub(crate) const AGENT: &str = "an encoder of the tests";

/// A running encoder; its connection ends with it.
pub(crate) struct Encoder(JoinHandle<()>);

impl Drop for Encoder {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A tag of an FLV file.
pub(crate) struct Tag {
    pub(crate) kind: u8,
    pub(crate) ms: u32,
    pub(crate) body: &'static [u8],
}

/// The tags of an FLV file.
pub(crate) fn tags(flv: &'static [u8]) -> Vec<Tag> {
    let (mut tags, mut rest) = (Vec::new(), &flv[13..]);
    while let &[kind, s0, s1, s2, t0, t1, t2, t3, _, _, _, ref behind @ ..] = rest {
        let size = u32::from_be_bytes([0, s0, s1, s2]) as usize;
        tags.push(Tag { kind, ms: u32::from_be_bytes([t3, t0, t1, t2]), body: &behind[..size] });
        rest = &behind[size + 4..];
    }
    tags
}

/// The first sequence parameter set of the H.264 in an FLV file.
pub(crate) fn sps(flv: &'static [u8]) -> &'static [u8] {
    let header =
        tags(flv).into_iter().find(|tag| tag.kind == 9 && tag.body[1] == 0).expect("a sequence header");
    let record = &header.body[5..];
    let size = usize::from(u16::from_be_bytes([record[6], record[7]]));
    &record[8..8 + size]
}

/// Whether a tag holds media, and no header of it.
fn is_frame(kind: u8, body: &[u8]) -> bool {
    match (kind, body) {
        // Enhanced RTMP: coded frames, with a composition offset or without.
        (9, &[first, ..]) if first & 0x80 != 0 => matches!(first & 0x0f, 1 | 3),
        (8 | 9, [_, 1, ..]) => true,
        _ => false,
    }
}

/// An FLV file of H.265, as Enhanced RTMP has it (`hvc1`), two seconds long.
pub(crate) fn h265_flv() -> &'static [u8] {
    enhanced_flv(false)
}

/// The same with Opus beside it, as often as it fits.
pub(crate) fn h265_opus_flv() -> &'static [u8] {
    enhanced_flv(true)
}

fn enhanced_flv(with_sound: bool) -> &'static [u8] {
    const CODED_FRAMES_X: u8 = 3;
    let (pictures, sound) = (testkit::samples::h265(), testkit::samples::opus());
    let media::Codec::H265(h265) = &pictures.tracks[0].codec else { unreachable!("that is what it is") };
    let media::Codec::Opus(opus) = &sound.tracks[0].codec else { unreachable!("that is what it is") };
    let mut tags = vec![(0, 9, 0x90, h265.record().to_vec())];
    let ms = |frame: &media::Frame| (frame.dts - media::Timestamp::ZERO).to_scale(1000);
    for frame in &pictures.frames {
        let frame_type = if frame.key { 1 } else { 2 };
        tags.push((ms(frame), 9, 0x80 | frame_type << 4 | CODED_FRAMES_X, frame.data.to_vec()));
    }
    if with_sound {
        tags.insert(1, (0, 8, 0x90, opus.head().to_vec()));
        let round = i64::try_from(sound.frames.len()).expect("few") * 20;
        let length = i64::try_from(pictures.frames.len()).expect("few") * 40;
        for begin in (0..=length - round).step_by(usize::try_from(round).expect("positive")) {
            tags.extend(sound.frames.iter().map(|frame| (begin + ms(frame), 8, 0x91, frame.data.to_vec())));
        }
        tags.sort_by_key(|&(ms, ..)| ms);
    }
    let mut flv = b"FLV\x01\x05\0\0\0\x09\0\0\0\0".to_vec();
    for (ms, kind, first, data) in tags {
        let size = u32::try_from(data.len() + 5).expect("small").to_be_bytes();
        let [high, stamp @ ..] = u32::try_from(ms).expect("not negative").to_be_bytes();
        flv.push(kind);
        flv.extend_from_slice(&size[1..]);
        flv.extend_from_slice(&stamp);
        flv.extend_from_slice(&[high, 0, 0, 0, first]);
        flv.extend_from_slice(if kind == 9 { b"hvc1" } else { b"Opus" });
        flv.extend_from_slice(&data);
        flv.extend_from_slice(&(u32::from_be_bytes(size) + 11).to_be_bytes());
    }
    Vec::leak(flv)
}

impl Encoder {
    /// Publishes to `live/<name>`, where `name` may end with a query, from the file's first key frame on, in stamps that
    /// begin at zero.
    ///
    /// # Errors
    /// Why it was refused.
    pub(crate) async fn start(server: SocketAddr, name: &str, flv: &'static [u8]) -> Result<Self, String> {
        Self::over(Line::open(server).await, name, flv).await
    }

    /// The same over a connection that is there.
    ///
    /// # Errors
    /// Why it was refused.
    pub(crate) async fn over(mut line: Line, name: &str, flv: &'static [u8]) -> Result<Self, String> {
        let publish = vec![Value::Null, name.into(), "live".into()];
        line.call(
            0,
            "connect",
            1.0,
            vec![Value::object([("app", "live".into()), ("flashVer", AGENT.into())])],
        )
        .await;
        line.call(0, "createStream", 2.0, vec![Value::Null]).await;
        line.call(1, "publish", 3.0, publish).await;
        line.published().await?;
        Ok(Self(tokio::spawn(line.send_for_ever(flv))))
    }
}

/// What RTMP is spoken over.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Socket for T {}

/// A connection after its handshake.
pub(crate) struct Line {
    pub(crate) stream: Box<dyn Socket>,
    encoder: chunk::Encoder,
    pub(crate) decoder: chunk::Decoder,
}

impl Line {
    pub(crate) async fn open(server: SocketAddr) -> Self {
        Self::over(TcpStream::connect(server).await.expect("connected")).await
    }

    pub(crate) async fn over(stream: impl Socket + 'static) -> Self {
        let mut stream: Box<dyn Socket> = Box::new(stream);
        let mut hello = vec![0; 1 + handshake::SIZE];
        hello[0] = 3;
        stream.write_all(&hello).await.expect("sent");
        let mut answer = vec![0; 1 + 2 * handshake::SIZE];
        stream.read_exact(&mut answer).await.expect("answered");
        stream.write_all(&answer[1..=handshake::SIZE]).await.expect("sent");
        let decoder = chunk::Decoder::new(rtmp::Limits::default());
        Self { stream, encoder: chunk::Encoder::new(), decoder }
    }

    /// Sends a message; false when the server is gone.
    async fn send(&mut self, message: &Message) -> bool {
        let mut bytes = BytesMut::new();
        self.encoder.encode(4, message, &mut bytes);
        self.stream.write_all(&bytes).await.is_ok()
    }

    pub(crate) async fn call(&mut self, stream: u32, name: &str, transaction: f64, values: Vec<Value>) {
        let command = Command { name: name.to_owned(), transaction, values };
        assert!(self.send(&command.encode(stream)).await, "the server hears {name}");
    }

    /// Waits for the answer to `publish`.
    async fn published(&mut self) -> Result<(), String> {
        let mut input = Vec::new();
        loop {
            let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut input)).await;
            assert!(read.expect("an answer in time").expect("read") > 0, "closed without an answer");
            let mut rest = &input[..];
            while let Some(message) = self.decoder.decode(&mut rest).expect("RTMP") {
                if message.kind != kind::COMMAND_AMF0 {
                    continue;
                }
                let command = Command::decode(&message, amf0::Limits::default()).expect("a command");
                let info = |key| command.values.get(1)?.get(key)?.as_str();
                match info("code") {
                    Some("NetStream.Publish.Start") => return Ok(()),
                    Some(code) if code.starts_with("NetStream.Publish") => {
                        return Err(info("description").unwrap_or_default().to_owned());
                    }
                    _ => {}
                }
            }
            input.clear();
        }
    }

    async fn send_for_ever(mut self, flv: &'static [u8]) {
        let started = tokio::time::Instant::now();
        let tags = tags(flv);
        let is_frame = |tag: &&Tag| is_frame(tag.kind, tag.body);
        let (first, last) = {
            let mut stamps = tags.iter().filter(is_frame).map(|tag| tag.ms);
            let first = stamps.next().expect("a frame");
            (first, stamps.max().expect("frames"))
        };
        for round in 0.. {
            // A frame of 40 ms follows the last one.
            let offset = round * (last - first + 40);
            for tag in &tags {
                let timestamp_ms = tag.ms.saturating_sub(first) + offset;
                tokio::time::sleep_until(started + Duration::from_millis(timestamp_ms.into())).await;
                let body = Bytes::from_static(tag.body);
                if !self.send(&Message { kind: tag.kind, timestamp_ms, stream: 1, body }).await {
                    return;
                }
            }
        }
    }
}

//! A client of RTSP by hand, and the servers that it is let loose on.

use std::collections::{BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use media::Frame;
use publisher::Service;
use publisher::config::{Listener, Settings, Stream};
use rtp::rtcp::{self, Message};
use rtp::{Depacketizer, Format, Media, Packet};
use rtsp::sdp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio_util::sync::CancellationToken;

use crate::encoder::Socket;
use crate::world::PATIENCE;

/// What the client says of itself.
pub(crate) const AGENT: &str = "a client of the tests";

/// A service with its ports for RTSP and RTMP.
pub(crate) struct Server {
    pub(crate) service: Arc<Service>,
    pub(crate) rtsp: SocketAddr,
    pub(crate) rtmp: SocketAddr,
}

impl Server {
    pub(crate) async fn start(mut settings: Settings, streams: Vec<Stream>) -> Self {
        settings.listeners.rtsp = here();
        settings.listeners.rtmp = here();
        let service = Service::new(settings).expect("a service");
        for stream in streams {
            service.start(stream).await.expect("started");
        }
        let mut addresses = Vec::new();
        for listener in [service.bind_rtsp(), service.bind_rtmp()] {
            let listener = listener.expect("bound").expect("enabled");
            addresses.push(listener.local_addr().expect("an address"));
            tokio::spawn(listener.run(CancellationToken::new()));
        }
        Self { service, rtsp: addresses[0], rtmp: addresses[1] }
    }

    pub(crate) async fn with(stream: Stream) -> Self {
        Self::start(Settings::default(), vec![stream]).await
    }

    /// A client of `live/<name>`, where `name` may end with a query.
    pub(crate) async fn client(&self, name: &str) -> Client {
        Client::connect(self.rtsp, name).await
    }

    pub(crate) fn refused(&self, limit: &str) -> u64 {
        self.service.limits().iter().find(|status| status.name == limit).expect(limit).refused
    }
}

/// A listener on a port that the system chooses.
pub(crate) fn here() -> Listener {
    Listener { enabled: true, listen_host: Some(Ipv4Addr::LOCALHOST.into()), port: 0 }
}

/// A connection, and what came on it that nobody has looked at yet.
pub(crate) struct Client {
    stream: Box<dyn Socket>,
    input: BytesMut,
    cseq: u32,
    pub(crate) session: Option<String>,
    pub(crate) url: String,
    packets: VecDeque<(u8, Bytes)>,
}

/// An answer to a request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) reason: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// Interleaved packets that came between the request and this.
    pub(crate) before: usize,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers(name).next().unwrap_or_else(|| panic!("no {name}: {self:?}"))
    }

    pub(crate) fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = move |(found, _): &&(String, String)| found.eq_ignore_ascii_case(name);
        self.headers.iter().filter(named).map(|(_, value)| value.as_str())
    }

    /// It has been done.
    pub(crate) fn done(self) -> Self {
        assert_eq!(self.status, 200, "{self:?}");
        self
    }

    /// What `RTP-Info` says of each track: its number, sequence number and timestamp.
    pub(crate) fn begins(&self) -> Vec<(usize, u16, u32)> {
        let parts = self.header("RTP-Info").split(',').map(|part| {
            let value = |name: &str| {
                let found = part.split(';').find_map(|field| field.trim().strip_prefix(name));
                found.unwrap_or_else(|| panic!("no {name} in {part}"))
            };
            let track = value("url=").rsplit_once("trackID=").expect("a track").1;
            let numbers = (value("seq=").parse(), value("rtptime=").parse());
            (track.parse().expect("a number"), numbers.0.expect("a number"), numbers.1.expect("a number"))
        });
        parts.collect()
    }

    /// The tracks that a description has.
    pub(crate) fn tracks(&self) -> Vec<Format> {
        let limits = rtsp::Limits::default();
        let description = sdp::Description::decode(self.body.as_bytes(), &limits).expect("SDP");
        description.media.into_iter().map(|mut media| format(media.formats.swap_remove(0))).collect()
    }

    /// The value of a field of `Transport`, two numbers.
    pub(crate) fn ports(&self, name: &str) -> (u16, u16) {
        let field = self.header("Transport").split(';').find_map(|field| field.strip_prefix(name));
        let (one, other) = field.expect("told").split_once('-').expect("two");
        (one.parse().expect("a number"), other.parse().expect("a number"))
    }
}

fn format(format: sdp::Format) -> Format {
    let sdp::Format { payload_type, encoding, clock_rate, channels, fmtp } = format;
    Format { payload_type, encoding, clock_rate, channels, fmtp }
}

enum Item {
    Answer(Answer),
    Packet(u8, Bytes),
}

impl Client {
    pub(crate) async fn connect(server: SocketAddr, name: &str) -> Self {
        let stream = TcpStream::connect(server).await.expect("connected");
        Self::over(stream, format!("rtsp://{server}/live/{name}"))
    }

    /// One whose system holds little for it.
    pub(crate) async fn narrow(server: SocketAddr, name: &str) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("set");
        let stream = socket.connect(server).await.expect("connected");
        Self::over(stream, format!("rtsp://{server}/live/{name}"))
    }

    pub(crate) fn over(stream: impl Socket + 'static, url: String) -> Self {
        let (stream, input) = (Box::new(stream), BytesMut::new());
        Self { stream, input, cseq: 0, session: None, url, packets: VecDeque::new() }
    }

    /// Sends a request, the URI being that of the stream and what is `behind` it.
    pub(crate) async fn send(&mut self, method: &str, behind: &str, headers: &[(&str, &str)], body: &str) {
        self.cseq += 1;
        let mut head = format!("{method} {}{behind} RTSP/1.0\r\nCSeq: {}\r\n", self.url, self.cseq);
        head += &format!("User-Agent: {AGENT}\r\n");
        let session = self.session.as_deref().map(|id| ("Session", id));
        for (name, value) in session.iter().chain(headers) {
            head += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            head += &format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n", body.len());
        }
        self.write(format!("{head}\r\n{body}").as_bytes()).await;
    }

    /// Whether the bytes could be sent.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> bool {
        tokio::time::timeout(PATIENCE, self.stream.write_all(bytes)).await.expect("in time").is_ok()
    }

    /// Sends a packet on a channel.
    pub(crate) async fn interleave(&mut self, channel: u8, packet: &[u8]) -> bool {
        let size = u16::try_from(packet.len()).expect("short").to_be_bytes();
        self.write(&[&[b'$', channel, size[0], size[1]][..], packet].concat()).await
    }

    /// The next thing that comes; none at the end of the connection.
    async fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = take(&mut self.input) {
                return Some(item);
            }
            let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.input)).await;
            if read.expect("bytes in time").unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// The next answer.
    pub(crate) async fn answer(&mut self) -> Answer {
        let mut before = 0;
        loop {
            match self.next().await.expect("an answer before the end") {
                Item::Packet(channel, packet) => {
                    self.packets.push_back((channel, packet));
                    before += 1;
                }
                Item::Answer(answer) => {
                    assert_eq!(answer.header("CSeq"), self.cseq.to_string());
                    return Answer { before, ..answer };
                }
            }
        }
    }

    /// Sends a request and waits for its answer.
    pub(crate) async fn ask(&mut self, method: &str, behind: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(method, behind, headers, "").await;
        self.answer().await
    }

    pub(crate) async fn describe(&mut self) -> Answer {
        self.ask("DESCRIBE", "", &[("Accept", "application/sdp")]).await
    }

    /// Sets a track up; `offer` is the value of `Transport`.
    pub(crate) async fn set_up(&mut self, track: usize, offer: &str) -> Answer {
        let answer = self.ask("SETUP", &format!("/trackID={track}"), &[("Transport", offer)]).await;
        if answer.status == 200 {
            let session = answer.header("Session");
            self.session = Some(session.split(';').next().unwrap_or_default().to_owned());
        }
        answer
    }

    pub(crate) async fn play(&mut self) -> Answer {
        self.ask("PLAY", "/", &[("Range", "npt=0.000-")]).await
    }

    /// What has come, if all goes well: described, set up over the connection, played.
    pub(crate) async fn start(&mut self) -> Answer {
        let tracks = self.describe().await.done().tracks().len();
        for track in 0..tracks {
            self.set_up(track, &interleaved(2 * track)).await.done();
        }
        self.play().await.done()
    }

    /// The next packet that comes over the connection, with its channel; none at the end.
    pub(crate) async fn packet(&mut self) -> Option<(u8, Bytes)> {
        if let Some(packet) = self.packets.pop_front() {
            return Some(packet);
        }
        loop {
            match self.next().await? {
                Item::Packet(channel, packet) => return Some((channel, packet)),
                Item::Answer(_) => {}
            }
        }
    }

    /// Packets that came and were not looked at.
    pub(crate) fn packets_waiting(&self) -> usize {
        self.packets.len()
    }

    /// Reads up to its end.
    pub(crate) async fn end(&mut self) {
        while self.next().await.is_some() {}
    }

    /// Reads some bytes and looks at nothing: how many; none at the end.
    pub(crate) async fn swallow(&mut self, bytes: usize) -> usize {
        let mut buffer = vec![0; bytes];
        self.stream.read(&mut buffer).await.unwrap_or(0)
    }
}

/// An offer of two channels.
pub(crate) fn interleaved(channel: usize) -> String {
    format!("RTP/AVP/TCP;unicast;interleaved={channel}-{}", channel + 1)
}

/// What the bytes begin with, once it is whole.
fn take(input: &mut BytesMut) -> Option<Item> {
    if let &[b'$', channel, high, low, ..] = &input[..] {
        let size = usize::from(u16::from_be_bytes([high, low]));
        if input.len() < 4 + size {
            return None;
        }
        input.advance(4);
        return Some(Item::Packet(channel, input.split_to(size).freeze()));
    }
    let end = input.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8(input[..end].to_vec()).expect("text");
    let mut lines = head.split("\r\n");
    let first: Vec<&str> = lines.next().expect("a line").splitn(3, ' ').collect();
    let [version, status, reason] = first[..] else { panic!("{head}") };
    assert_eq!(version, "RTSP/1.0");
    let headers = lines.map(|line| line.split_once(": ").expect("a header"));
    let headers: Vec<_> = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let (status, reason) = (status.parse().expect("a number"), reason.to_owned());
    let mut answer = Answer { status, reason, headers, body: String::new(), before: 0 };
    let size = answer.headers("Content-Length").next().map_or(0, |size| size.parse().expect("a number"));
    if input.len() < end + 4 + size {
        return None;
    }
    input.advance(end + 4);
    answer.body = String::from_utf8(input.split_to(size).to_vec()).expect("text");
    Some(Item::Answer(answer))
}

/// Two ports of a client, for packets and for reports.
pub(crate) struct Ports {
    pub(crate) rtp: UdpSocket,
    pub(crate) rtcp: UdpSocket,
}

impl Ports {
    pub(crate) async fn bind() -> Self {
        let bind = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
        Self { rtp: bind().await.expect("a port"), rtcp: bind().await.expect("a port") }
    }

    fn numbers(&self) -> [u16; 2] {
        [&self.rtp, &self.rtcp].map(|socket| socket.local_addr().expect("bound").port())
    }

    /// An offer of them.
    pub(crate) fn offer(&self) -> String {
        let [rtp, rtcp] = self.numbers();
        format!("RTP/AVP;unicast;client_port={rtp}-{rtcp}")
    }
}

/// The next datagram.
pub(crate) async fn datagram(socket: &UdpSocket) -> Bytes {
    let mut buffer = vec![0; 2048];
    let received = tokio::time::timeout(PATIENCE, socket.recv(&mut buffer)).await;
    buffer.truncate(received.expect("a datagram in time").expect("received"));
    buffer.into()
}

/// The reports that a datagram or interleaved packet holds.
pub(crate) fn reports(data: &[u8]) -> Vec<Message> {
    rtcp::decode(data).expect("RTCP")
}

/// An access unit of a track, and its stamp.
pub(crate) type Unit = (u32, bool, Bytes);

/// What makes access units of the packets of one track, of which none may be missing.
pub(crate) struct Track {
    depacketizer: Depacketizer,
    payload_type: u8,
    next: Option<u16>,
    pub(crate) last: Option<rtp::Header>,
}

impl Track {
    pub(crate) fn new(format: &Format) -> Self {
        let depacketizer = Depacketizer::new(format).expect("a format that we read");
        Self { depacketizer, payload_type: format.payload_type, next: None, last: None }
    }

    /// Begins with this number.
    pub(crate) fn begins(&mut self, sequence: u16) {
        self.next = Some(sequence);
    }

    /// The access units that end with this packet.
    pub(crate) fn push(&mut self, packet: Bytes) -> Vec<Unit> {
        let packet = Packet::decode(packet).expect("a packet");
        let expected = self.next.unwrap_or(packet.header.sequence);
        assert_eq!(packet.header.sequence, expected, "no hole");
        assert_eq!(packet.header.payload_type, self.payload_type);
        self.next = Some(expected.wrapping_add(1));
        self.last = Some(packet.header);
        self.depacketizer.push(&packet, false);
        let media = std::iter::from_fn(|| self.depacketizer.poll());
        media
            .filter_map(|media| match media {
                Media::Unit { timestamp, key, data } => Some((timestamp, key, data)),
                Media::Damaged { what } => panic!("{what}"),
                _ => None,
            })
            .collect()
    }
}

/// Follows a track of the clip through all that comes of it.
pub(crate) struct Follow {
    frames: Vec<Frame>,
    rate: u32,
    /// The place of the frame before, and its stamp.
    before: Option<(usize, u32)>,
}

impl Follow {
    pub(crate) fn new(kind: media::Kind, rate: u32) -> Self {
        Self::of(testkit::clip().only(kind).frames, rate)
    }

    /// Follows these frames instead of the clip's.
    pub(crate) fn of(frames: Vec<Frame>, rate: u32) -> Self {
        Self { frames, rate, before: None }
    }

    /// The next access unit must be the next of the clip, in place and time. Its place in the clip; none behind the end of the
    /// clip, where its file has some more sound.
    pub(crate) fn next(&mut self, stamp: u32, key: bool, data: &[u8]) -> Option<usize> {
        self.next_of(stamp, key, data, &BTreeSet::new())
    }

    /// The same where frames at these places are `lost`.
    pub(crate) fn next_of(
        &mut self,
        stamp: u32,
        key: bool,
        data: &[u8],
        lost: &BTreeSet<usize>,
    ) -> Option<usize> {
        let is_same = |frame: &Frame| frame.key == key && data.ends_with(end_of(frame));
        let place = match self.before {
            None => self.frames.iter().position(is_same)?,
            Some((before, earlier)) => {
                let place = (before + 1..).find(|place| !lost.contains(place)).expect("there are more");
                assert!(is_same(&self.frames[place]), "frame {place} follows");
                let passed = self.frames[place].pts - self.frames[before].pts;
                let stamped = stamp.wrapping_sub(earlier) as i32;
                assert_eq!(i64::from(stamped), passed.to_scale(self.rate), "frame {place} in time");
                place
            }
        };
        let is_last = !(place + 1..self.frames.len()).any(|place| !lost.contains(&place));
        self.before = (!is_last).then_some((place, stamp));
        Some(place)
    }

    /// When the clip has that frame shown, in ms.
    pub(crate) fn due_ms(&self, place: usize) -> i64 {
        (self.frames[place].pts - media::Timestamp::ZERO).to_scale(1000)
    }

    /// When the clip has that frame shown, in seconds.
    pub(crate) fn due(&self, place: usize) -> f64 {
        (self.frames[place].pts - media::Timestamp::ZERO).to_duration().as_secs_f64()
    }
}

/// What a frame ends with on every way: its last NAL unit, or all of it.
fn end_of(frame: &Frame) -> &[u8] {
    if frame.track == media::TrackId::VIDEO {
        media::nal::units(&frame.data).last().expect("a unit")
    } else {
        &frame.data
    }
}

/// The clip of the testkit as a file.
pub(crate) static TESTKIT: &[u8] = include_bytes!("../../../testkit/testdata/clip.flv");

/// A short while, for what must not happen.
pub(crate) const MOMENT: Duration = Duration::from_millis(300);

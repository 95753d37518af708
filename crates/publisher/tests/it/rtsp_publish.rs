//! RTSP publishers: what comes out of them elsewhere, what is lost on the way, who is let in, and how they end.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use bytes::Bytes;
use media::{Frame, Kind, TrackId};
use publisher::config::{Secret, Settings, Stream};
use publisher::session::{Ended, Protocol, Role};
use rtmp::message::kind;
use rtp::rtcp::{self, NtpTime, SenderReport};
use rtp::{Header, Packet};
use rustls::pki_types::ServerName;
use rustls::version::TLS13;
use tokio::net::{TcpStream, UdpSocket};
use tokio_util::sync::CancellationToken;

use crate::certificates::Authority;
use crate::player::Player;
use crate::rtsp_client::{AGENT, Answer, Client, Follow, Server, here};
use crate::rtsp_encoder::{Encoder, PAYLOAD_BYTES, Plan, description};
use crate::world::{code, get_mpegts, reason, some, until};

const KEY: &str = "s3cret key";

fn keyed() -> Stream {
    Stream { stream_key: Some(Secret::new(KEY)), ..Stream::new(code("news")) }
}

/// A server whose stream is fed by RTSP.
async fn fed(plan: Plan) -> (Server, Encoder) {
    let server = Server::with(Stream::new(code("news"))).await;
    let encoder = Encoder::start(server.client("news").await, plan).await;
    (server, encoder)
}

/// What an RTMP player gets: the pictures and the sound of the clip, each with when it is shown, in ms.
struct Watch {
    player: Player,
    follow: Follow,
    /// Decode time of the picture before.
    before: Option<u32>,
    /// Places of pictures that must not come.
    lost: BTreeSet<usize>,
    /// How far the stamps of each track are ahead of the clip, in ms.
    ahead: [Option<i64>; 2],
}

impl Watch {
    async fn start(server: &Server) -> Self {
        let player = Player::start(server.rtmp, "news").await.expect("let in");
        let follow = Follow::new(Kind::Video, 1000);
        Self { player, follow, before: None, lost: BTreeSet::new(), ahead: [None; 2] }
    }

    /// Passes so many pictures, each the next one, in time.
    async fn pictures(&mut self, count: usize) -> Vec<usize> {
        let mut places = Vec::new();
        while places.len() < count {
            let message = self.player.next().await.expect("media before the end");
            let (time, body) = (message.timestamp_ms, &message.body);
            match message.kind {
                kind::VIDEO if body[1] == 1 => {
                    let offset = i32::from_be_bytes([0, body[2], body[3], body[4]]);
                    assert!(self.before.is_none_or(|before| before < time), "decode times rise");
                    self.before = Some(time);
                    let shown = time + u32::try_from(offset).expect("not before it is decoded");
                    let place = self.follow.next_of(shown, body[0] >> 4 == 1, &body[5..], &self.lost);
                    let place = place.expect("a picture of the clip");
                    self.ahead[0] = Some(i64::from(shown) - self.follow.due_ms(place));
                    places.push(place);
                }
                kind::AUDIO if body[1] == 1 => {
                    let clip = testkit::clip().audio_only().frames;
                    let place = clip.iter().position(|frame| frame.data == body[2..]).expect("of the clip");
                    let due = (clip[place].pts - media::Timestamp::ZERO).to_scale(1000);
                    // The first may lie before the first picture, and come with it.
                    if time > 0 {
                        self.ahead[1] = Some(i64::from(time) - due);
                    }
                }
                _ => {}
            }
        }
        places
    }

    /// By how much sound and pictures are out of step, in ms.
    fn out_of_step(&self) -> i64 {
        let [pictures, sound] = self.ahead.map(|ahead| ahead.expect("both came"));
        let apart = (pictures - sound).rem_euclid(8000);
        apart.min(8000 - apart)
    }
}

/// Times of a PES packet of pictures that begins in this transport packet, in 90 kHz: shown and decoded.
fn picture_times(packet: &[u8]) -> Option<(u64, u64)> {
    let adaptation = if packet[3] & 0x20 == 0 { 0 } else { 1 + usize::from(packet[4]) };
    let payload = packet.get(4 + adaptation..)?;
    let is_start = packet[1] & 0x40 != 0 && payload.starts_with(b"\0\0\x01\xe0");
    let time = |at: usize| {
        let field = payload[at..at + 5].iter().fold(0u64, |word, &byte| word << 8 | u64::from(byte));
        (field >> 33 & 7) << 30 | (field >> 17 & 0x7fff) << 15 | field >> 1 & 0x7fff
    };
    is_start.then(|| (time(9), if payload[7] & 0x40 == 0 { time(9) } else { time(14) }))
}

#[tokio::test]
async fn what_is_published_leaves_by_rtmp_frame_by_frame_as_it_came() {
    for udp in [false, true] {
        let (server, _encoder) = fed(Plan::new(udp)).await;
        let mut watch = Watch::start(&server).await;
        watch.pictures(75).await;
        assert!(watch.out_of_step() <= 1, "{} ms", watch.out_of_step());
        let sessions = server.service.sessions().list();
        let publisher =
            sessions.iter().find(|session| session.role == Role::Publisher).expect("it publishes");
        assert_eq!((publisher.protocol, publisher.agent.as_deref()), (Protocol::Rtsp, Some(AGENT)));
        assert!(publisher.bytes() > 10_000);
        assert_eq!(server.service.statuses()[0].source.as_ref().map(|source| source.lost), Some(0));
        server.service.shutdown().await;
    }
}

#[tokio::test]
async fn what_is_published_leaves_in_mpegts_with_times_on_their_grid() {
    let (server, _encoder) = fed(Plan::new(true)).await;
    let mut body = get_mpegts(&server.service, "news").await.into_body();
    let mut times: Vec<(u64, u64)> = Vec::new();
    while times.len() < 60 {
        // Whole packets come.
        let bytes = some(&mut body, 188).await;
        times.extend(bytes.chunks_exact(188).filter_map(picture_times));
    }
    assert!(times.windows(2).all(|pair| pair[0].1 < pair[1].1), "decode times rise: {times:?}");
    assert!(times.iter().all(|(shown, decoded)| decoded <= shown), "{times:?}");
    // Those of whole groups of pictures follow one another.
    let mut shown: Vec<u64> = times[..50].iter().map(|(shown, _)| *shown).collect();
    shown.sort_unstable();
    assert!(shown.windows(2).all(|pair| pair[1] - pair[0] == 3600), "{shown:?}");
    server.service.shutdown().await;
}

#[tokio::test]
async fn reports_and_not_arrival_say_what_belongs_together() {
    let plan = Plan { sound_late: Duration::from_millis(600), ..Plan::new(false) };
    let (server, _encoder) = fed(plan).await;
    let mut watch = Watch::start(&server).await;
    watch.pictures(60).await;
    assert!(watch.out_of_step() <= 1, "{} ms", watch.out_of_step());
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_lost_packet_damages_its_frame_alone_and_is_counted() {
    let lost = clip_places(|place, frame, packets| !frame.key && place % 5 < 2 && packets > 2);
    assert!(lost.len() > 10, "{lost:?}");
    let losing = lost.clone();
    let network = move |frame: &Frame, place: usize, mut packets: Vec<Packet>| {
        if frame.track == TrackId::VIDEO && losing.contains(&place) {
            packets.remove(1);
        }
        packets
    };
    let (server, _encoder) = fed(Plan { network: Box::new(network), ..Plan::new(true) }).await;
    let mut watch = Watch::start(&server).await;
    watch.lost = lost;
    watch.pictures(100).await;
    assert!(watch.out_of_step() <= 1, "{} ms", watch.out_of_step());
    let source = || server.service.statuses()[0].source.clone();
    until(|| source().filter(|source| source.lost > 0)).await;
    let (_, error) = server.service.statuses()[0].last_error.clone().expect("told");
    assert!(error.contains("packets are missing"), "{error}");
    server.service.shutdown().await;
}

/// Places of pictures of the clip that meet a condition, with their number of packets.
fn clip_places(meets: impl Fn(usize, &Frame, usize) -> bool) -> BTreeSet<usize> {
    let clip = testkit::clip().video_only();
    let mut packetizer = rtp::Packetizer::new(&clip.tracks[0].codec, PAYLOAD_BYTES).expect("a format");
    let mut places = BTreeSet::new();
    for (place, frame) in clip.frames.iter().enumerate() {
        let mut packets = 0;
        packetizer.pack(&frame.data, frame.key, &mut |_| packets += 1);
        if meets(place, frame, packets) {
            places.insert(place);
        }
    }
    places
}

#[tokio::test]
async fn packets_that_overtake_each_other_and_come_twice_damage_nothing() {
    let mut held: [Vec<Packet>; 2] = Default::default();
    let network = move |frame: &Frame, place: usize, mut packets: Vec<Packet>| {
        let held = &mut held[usize::from(frame.track == TrackId::AUDIO)];
        let first = packets[0].clone();
        packets.reverse();
        // The last of each third frame comes behind the next frame.
        let before = std::mem::take(held);
        if place % 3 == 1 && packets.len() > 1 {
            held.push(packets.remove(0));
        }
        packets.extend(before);
        packets.push(first);
        packets
    };
    let (server, _encoder) = fed(Plan { network: Box::new(network), ..Plan::new(true) }).await;
    let mut watch = Watch::start(&server).await;
    watch.pictures(75).await;
    assert!(watch.out_of_step() <= 1, "{} ms", watch.out_of_step());
    assert_eq!(server.service.statuses()[0].source.as_ref().map(|source| source.lost), Some(0));
    server.service.shutdown().await;
}

#[tokio::test]
async fn what_strangers_send_changes_nothing() {
    let (server, encoder) = fed(Plan::new(true)).await;
    let mut watch = Watch::start(&server).await;
    watch.pictures(10).await;
    let stranger = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    for round in 0..20u16 {
        for (place, [rtp, rtcp]) in encoder.server.iter().enumerate() {
            let ssrc = encoder.ssrcs[place];
            for sequence in [round, 30_000 + round] {
                let payload_type = 96 + place as u8;
                let header = Header { marker: true, payload_type, sequence, timestamp: 5, ssrc };
                let packet = Packet { header, payload: Bytes::from_static(b"\x65\x88\x84\x00") };
                stranger.send_to(&packet.encode(), rtp).await.expect("sent");
            }
            let ntp = NtpTime::from_unix(media::Timestamp::from_scale(1_000_000_000, 1));
            let report = SenderReport { ssrc, ntp, rtp_timestamp: 5, packets: 1, octets: 1 };
            let report = rtcp::encode_sender_report(&report, &[], "stranger");
            for forged in [&rtcp::encode_bye(ssrc, "stranger")[..], &report, b"nonsense"] {
                stranger.send_to(forged, rtcp).await.expect("sent");
            }
        }
        watch.pictures(3).await;
    }
    assert!(watch.out_of_step() <= 1, "{} ms", watch.out_of_step());
    assert_eq!(server.service.sessions().list().len(), 2);
    server.service.shutdown().await;
}

#[tokio::test]
async fn over_tls_publishers_are_the_same() {
    let authority = Authority::new("rtsps-publish");
    let mut settings = Settings { tls: Some(authority.write("localhost")), ..Settings::default() };
    settings.listeners.rtsps = here();
    let server = Server::start(settings, vec![Stream::new(code("news"))]).await;
    let listener = server.service.bind_rtsps().expect("bound").expect("enabled");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(listener.run(CancellationToken::new()));
    let stream = TcpStream::connect(address).await.expect("connected");
    let name = ServerName::try_from("localhost").expect("a name");
    let shaken = authority.client(&[&TLS13]).connect(name, stream).await.expect("TLS");
    let client = Client::over(shaken, "rtsps://localhost/live/news".to_owned());
    let _encoder = Encoder::start(client, Plan::new(false)).await;
    let mut watch = Watch::start(&server).await;
    watch.pictures(50).await;
    let sessions = server.service.sessions().list();
    assert!(sessions.iter().any(|session| session.protocol == Protocol::Rtsps));
    server.service.shutdown().await;
}

#[tokio::test]
async fn an_encoder_that_falls_silent_is_dropped() {
    let publish_timeout = Duration::from_millis(200);
    for udp in [false, true] {
        let settings = Settings { publish_timeout, ..Settings::default() };
        let server = Server::start(settings, vec![Stream::new(code("news"))]).await;
        let plan = Plan { frames: 100, ..Plan::new(udp) };
        let _encoder = Encoder::start(server.client("news").await, plan).await;
        let ended = reason(&server.service, Role::Publisher).await;
        assert!(matches!(ended, Ended::NoMedia(silence) if silence >= publish_timeout), "{ended}");
        server.service.shutdown().await;
    }
}

#[tokio::test]
async fn an_encoder_that_never_sends_is_dropped_too() {
    let publish_timeout = Duration::from_millis(200);
    let settings = Settings { publish_timeout, ..Settings::default() };
    let server = Server::start(settings, vec![Stream::new(code("news"))]).await;
    let mut client = server.client("news").await;
    announce(&mut client, &[]).await.done();
    let ended = reason(&server.service, Role::Publisher).await;
    assert!(matches!(ended, Ended::NoMedia(_)), "{ended}");
    client.end().await;
    server.service.shutdown().await;
}

#[tokio::test]
async fn an_encoder_that_says_goodbye_has_unpublished_and_one_that_vanishes_has_left() {
    let server = Server::with(Stream::new(code("news"))).await;
    let mut client = server.client("news").await;
    announce(&mut client, &[]).await.done();
    let offer = format!("{};mode=record", crate::rtsp_client::interleaved(0));
    let answer = client.ask("SETUP", "/streamid=0", &[("Transport", &offer)]).await.done();
    client.session = answer.header("Session").split(';').next().map(str::to_owned);
    client.ask("RECORD", "", &[]).await.done();
    client.ask("TEARDOWN", "", &[]).await.done();
    assert_eq!(reason(&server.service, Role::Publisher).await, Ended::Unpublished);
    let encoder = Encoder::start(server.client("news").await, Plan::new(false)).await;
    until(|| server.service.statuses()[0].source.is_some().then_some(())).await;
    drop(encoder);
    until(|| (server.service.sessions().closed().len() == 2).then_some(())).await;
    let ended = reason(&server.service, Role::Publisher).await;
    assert!(matches!(ended, Ended::ClientLeft | Ended::Io(_)), "{ended}");
    server.service.shutdown().await;
}

#[tokio::test]
async fn with_the_key_a_second_encoder_takes_over_at_once() {
    let server = Server::with(keyed()).await;
    let name = "news?key=s3cret%20key";
    let _first = Encoder::start(server.client(name).await, Plan::new(false)).await;
    let mut watch = Watch::start(&server).await;
    watch.pictures(10).await;
    let _second = Encoder::start(server.client(name).await, Plan::new(true)).await;
    assert_eq!(reason(&server.service, Role::Publisher).await, Ended::TakenOver);
    // The clip from its beginning.
    watch.follow = Follow::new(Kind::Video, 1000);
    loop {
        let message = watch.player.next().await.expect("players stay");
        if message.kind == kind::VIDEO && message.body[..2] == [0x17, 1] {
            break;
        }
    }
    watch.before = None;
    server.service.shutdown().await;
}

#[tokio::test]
async fn without_keys_a_second_encoder_is_refused_while_the_first_sends() {
    let (server, _encoder) = fed(Plan::new(false)).await;
    until(|| server.service.statuses()[0].source.is_some().then_some(())).await;
    let mut second = server.client("news").await;
    let answer = announce(&mut second, &[]).await;
    assert_eq!((answer.status, answer.reason.contains("has a publisher already")), (403, true), "{answer:?}");
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_description_that_nobody_reads_is_refused_and_takes_nobodys_place() {
    let (server, _encoder) = fed(Plan::new(false)).await;
    let mut watch = Watch::start(&server).await;
    let mut second = server.client("news").await;
    let sdp = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n\
        m=audio 0 RTP/AVP 97\r\na=rtpmap:97 speex/16000\r\n";
    second.send("ANNOUNCE", "", &[], sdp).await;
    let answer = second.answer().await;
    assert_eq!((answer.status, answer.reason.contains("VP8")), (415, true), "{answer:?}");
    second.send("ANNOUNCE", "", &[], "nonsense").await;
    assert_eq!(second.answer().await.status, 400);
    watch.pictures(30).await;
    server.service.shutdown().await;
}

#[tokio::test]
async fn an_unknown_stream_is_refused() {
    let server = Server::with(Stream::new(code("news"))).await;
    for name in ["other", "news@720p"] {
        let mut client = server.client(name).await;
        let answer = announce(&mut client, &[]).await;
        assert_eq!(answer.status, 404, "{answer:?}");
    }
    server.service.shutdown().await;
}

async fn announce(client: &mut Client, headers: &[(&str, &str)]) -> Answer {
    client.send("ANNOUNCE", "", headers, &description()).await;
    client.answer().await
}

/// How a client proves that it knows a key.
#[derive(Clone, Copy, Debug)]
enum Proof {
    Basic,
    Md5,
    Sha256,
}

impl Proof {
    /// The value of `Authorization` for what an answer asks.
    fn of(self, key: &str, answer: &Answer, uri: &str) -> String {
        let named = match self {
            Self::Basic => "Basic ",
            Self::Md5 => "algorithm=MD5",
            Self::Sha256 => "algorithm=SHA-256",
        };
        let challenge =
            answer.headers("WWW-Authenticate").find(|value| value.contains(named)).expect("offered");
        let field = |name: &str| {
            let rest = challenge.split_once(&format!("{name}=\"")).expect("told").1;
            rest.split_once('"').expect("quoted").0
        };
        let hash = |text: String| match self {
            Self::Sha256 => {
                digest(&SHA256, text.as_bytes()).as_ref().iter().fold(String::new(), |mut hex, byte| {
                    write!(hex, "{byte:02x}").expect("a string takes all");
                    hex
                })
            }
            _ => format!("{:x}", md5::compute(text)),
        };
        if let Self::Basic = self {
            let pair = base64::engine::general_purpose::STANDARD.encode(format!("anybody:{key}"));
            return format!("Basic {pair}");
        }
        let (realm, nonce) = (field("realm"), field("nonce"));
        let (who, what) = (hash(format!("anybody:{realm}:{key}")), hash(format!("ANNOUNCE:{uri}")));
        let head =
            format!("Digest username=\"anybody\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\"");
        match self {
            Self::Sha256 => {
                let response = hash(format!("{who}:{nonce}:00000001:0a4f113b:auth:{what}"));
                format!(
                    "{head}, algorithm=SHA-256, qop=auth, nc=00000001, cnonce=\"0a4f113b\", response=\"{response}\""
                )
            }
            _ => format!("{head}, algorithm=MD5, response=\"{}\"", hash(format!("{who}:{nonce}:{what}"))),
        }
    }
}

#[tokio::test]
async fn a_key_is_given_in_the_query_or_proven() {
    let server = Server::with(keyed()).await;
    let mut client = server.client("news?key=s3cret%20key").await;
    announce(&mut client, &[]).await.done();
    for proof in [Proof::Basic, Proof::Md5, Proof::Sha256] {
        let mut client = server.client("news").await;
        let asked = announce(&mut client, &[]).await;
        assert_eq!(asked.status, 401);
        let wrong = proof.of("another key", &asked, &client.url);
        let asked = announce(&mut client, &[("Authorization", &wrong)]).await;
        assert_eq!(asked.status, 401, "{proof:?}");
        let right = proof.of(KEY, &asked, &client.url);
        announce(&mut client, &[("Authorization", &right)]).await.done();
        let _encoder = Encoder::record(client, Plan { frames: 30, ..Plan::new(false) }).await;
        until(|| server.service.statuses()[0].source.is_some().then_some(())).await;
    }
    server.service.shutdown().await;
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        attributes.record(&mut Visitor(&mut self.0.lock().expect("whole")));
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        values.record(&mut Visitor(&mut self.0.lock().expect("whole")));
    }

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut Visitor(&mut self.0.lock().expect("whole")));
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

struct Visitor<'t>(&'t mut String);

impl tracing::field::Visit for Visitor<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        writeln!(self.0, "{field}={value:?}").expect("a string takes all");
    }
}

#[tokio::test]
async fn a_wrong_key_is_refused_and_never_repeated() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let server = Server::with(keyed()).await;
    let mut said = String::new();
    let mut client = server.client("news?key=wr0ngkey").await;
    let answer = announce(&mut client, &[]).await;
    assert_eq!(answer.status, 401);
    write!(said, "{answer:?}").expect("a string takes all");
    for proof in [Proof::Basic, Proof::Md5] {
        let mut client = server.client("news").await;
        let asked = announce(&mut client, &[]).await;
        let wrong = proof.of("wr0ngkey", &asked, &client.url);
        let answer = announce(&mut client, &[("Authorization", &wrong)]).await;
        assert_eq!(answer.status, 401);
        write!(said, "{answer:?}").expect("a string takes all");
    }
    // With a key that nobody asks for, too.
    let mut client = server.client("other?key=wr0ngkey").await;
    write!(said, "{:?}", announce(&mut client, &[]).await).expect("a string takes all");
    write!(said, "{:?}", client.describe().await).expect("a string takes all");
    let encoded = base64::engine::general_purpose::STANDARD.encode("anybody:wr0ngkey");
    let logged = log.0.lock().expect("whole").clone();
    assert!(logged.contains("refused: news"), "{logged}");
    for secret in ["wr0ngkey", KEY, "s3cret%20key", &encoded] {
        assert!(!said.contains(secret) && !logged.contains(secret), "{secret}: {said} {logged}");
    }
    assert!(server.service.sessions().closed().is_empty(), "it never had a session");
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_publisher_is_told_how_its_packets_arrive() {
    let (server, _encoder) = fed(Plan::new(true)).await;
    let sessions = server.service.sessions().list();
    let publisher = sessions.iter().find(|session| session.role == Role::Publisher).expect("it publishes");
    // It is reported each five seconds.
    let seen = until(|| Some(publisher.reception()).filter(|seen| seen.len() == 2)).await;
    assert!(
        seen.values().all(|seen| seen.packets_lost == 0 && seen.jitter < Duration::from_secs(5)),
        "{seen:?}"
    );
    server.service.shutdown().await;
}

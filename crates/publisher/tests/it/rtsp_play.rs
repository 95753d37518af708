//! RTSP play: what players get over TCP and UDP, when they are refused, and how they end.

use std::time::Duration;

use bytes::Bytes;
use media::Kind;
use publisher::config::{Input, Protocols, Settings, Source, Stream};
use publisher::session::{Ended, Protocol, Role};
use retina::client::{
    InitialTimestampPolicy, PacketItem, PlayOptions, Playing, SessionOptions, SetupOptions, Transport,
    UnknownRtcpSsrcPolicy,
};
use retina::codec::{CodecItem, FrameFormat};
use rtp::rtcp::{self, Message, ReportBlock};
use rtp::{Format, Packet};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::certificates::Authority;
use crate::encoder::{Encoder, h265_flv, h265_opus_flv};
use crate::play::viewer;
use crate::rtsp_client::{
    AGENT, Client, Follow, MOMENT, Ports, Server, TESTKIT, Track, datagram, here, interleaved, reports,
};
use crate::world::{PATIENCE, code, reason, until};

/// A stream that the testkit's clip feeds for ever.
fn fed(name: &str) -> Stream {
    fed_by(name, TESTKIT)
}

/// A stream that such a file feeds for ever.
fn fed_by(name: &str, flv: &'static [u8]) -> Stream {
    let input = Input { source: Source::Clip { flv }, priority: 0 };
    Stream { inputs: vec![input], ..Stream::new(code(name)) }
}

/// A server with the clip on the air.
async fn on_the_air() -> Server {
    Server::with(fed("news")).await
}

/// A player over its connection, and its tracks by their channels.
pub(crate) struct Player {
    client: Client,
    tracks: Vec<Track>,
    follow: Vec<Follow>,
    /// The channel of each track's packets.
    channels: Vec<u8>,
}

impl Player {
    pub(crate) async fn start(client: Client) -> Self {
        Self::on(client, &[0, 2]).await
    }

    /// Plays as many tracks as there are channels for them.
    async fn on(mut client: Client, channels: &[u8]) -> Self {
        let formats = client.describe().await.done().tracks();
        for (track, &channel) in channels.iter().enumerate() {
            let answer = client.set_up(track, &interleaved(channel.into())).await.done();
            assert_eq!(answer.ports("interleaved="), (channel.into(), u16::from(channel) + 1));
        }
        let mut player = Self::of(client, &formats, channels);
        let answer = player.client.play().await.done();
        assert_eq!(answer.before, 0, "nothing comes before the answer");
        let begins = answer.begins();
        assert_eq!(begins.len(), channels.len());
        begins.into_iter().for_each(|(track, sequence, _)| player.tracks[track].begins(sequence));
        player
    }

    fn of(client: Client, formats: &[Format], channels: &[u8]) -> Self {
        let tracks = formats.iter().map(Track::new).collect();
        let kind = |format: &Format| format.kind().expect("known");
        let follow = formats.iter().map(|format| Follow::new(kind(format), format.clock_rate)).collect();
        Self { client, tracks, follow, channels: channels.to_vec() }
    }

    /// The next access unit: its track, its stamp, and whether it is a key frame. Each must be the one behind the one before.
    pub(crate) async fn next(&mut self) -> Option<(usize, u32, bool)> {
        loop {
            let (channel, packet) = self.client.packet().await?;
            let of_track = |of: &u8| of & !1 == channel & !1;
            let track = self.channels.iter().position(of_track).expect("a channel that was set up");
            if channel & 1 == 1 {
                assert!(matches!(reports(&packet)[0], Message::SenderReport(..)));
                continue;
            }
            if let Some((stamp, key, data)) = self.tracks[track].push(packet).pop() {
                self.follow[track].next(stamp, key, &data);
                return Some((track, stamp, key));
            }
        }
    }

    /// So many pictures.
    pub(crate) async fn follow(&mut self, pictures: usize) {
        let mut seen = 0;
        while seen < pictures {
            let (track, ..) = self.next().await.expect("media before the end");
            seen += usize::from(track == 0);
        }
    }
}

/// A track as retina names it, and its frames.
type Expected = (&'static str, Follow);

/// The tracks of the testkit's clip.
fn clip_tracks() -> [Expected; 2] {
    [("h264", Follow::new(Kind::Video, 90_000)), ("mpeg4-generic", Follow::new(Kind::Audio, 48_000))]
}

/// A session of retina that plays all tracks, which are to have these names, and is strict.
async fn set_up_by_retina(
    server: &Server,
    transport: Transport,
    names: &[&str],
) -> retina::client::Session<Playing> {
    let url = format!("rtsp://{}/live/news", server.rtsp).parse().expect("a URL");
    let options = SessionOptions::default().user_agent("retina".to_owned());
    let mut session = retina::client::Session::describe(url, options).await.expect("described");
    let described: Vec<_> =
        session.streams().iter().map(|stream| stream.encoding_name().to_owned()).collect();
    assert_eq!(described, names);
    for track in 0..names.len() {
        let options = SetupOptions::default().transport(transport.clone()).frame_format(FrameFormat::MP4);
        session.setup(track, options).await.expect("set up");
    }
    let policy = PlayOptions::default()
        .initial_timestamp(InitialTimestampPolicy::Require)
        .unknown_rtcp_ssrc(UnknownRtcpSsrcPolicy::AbortSession);
    session.play(policy).await.expect("played")
}

/// What retina has next.
async fn next_of<S, T>(stream: &mut S) -> T
where
    S: futures_core::Stream<Item = Result<T, retina::Error>> + Unpin,
{
    let polled = std::future::poll_fn(|context| std::pin::Pin::new(&mut *stream).poll_next(context));
    let item = tokio::time::timeout(PATIENCE, polled).await.expect("in time").expect("no end");
    item.expect("as it should be")
}

/// Plays by retina, strictly, until it has so many pictures and reports of all tracks, the first of which are pictures.
async fn watch_by_retina<const TRACKS: usize>(
    server: &Server,
    transport: Transport,
    expected: [Expected; TRACKS],
    pictures: usize,
) {
    let names = expected.each_ref().map(|(name, _)| *name);
    let session = set_up_by_retina(server, transport, &names).await;
    let mut demuxed = session.demuxed().expect("formats that it reads");
    let mut follow = expected.map(|(_, follow)| follow);
    let (mut seen, mut first) = (0, [None; TRACKS]);
    // Wall clock of the zero that each track has by its reports.
    let mut zero = [None; TRACKS];
    while seen < pictures || zero.contains(&None) {
        let (track, stamp, key, data) = match next_of(&mut demuxed).await {
            CodecItem::VideoFrame(frame) => {
                assert_eq!(frame.loss(), 0);
                (0, frame.timestamp(), frame.is_random_access_point(), Bytes::copy_from_slice(frame.data()))
            }
            CodecItem::AudioFrame(frame) => {
                assert_eq!(frame.loss(), 0);
                (1, frame.timestamp(), true, Bytes::copy_from_slice(frame.data()))
            }
            CodecItem::Rtcp(report) => {
                let messages = reports(report.raw());
                let Message::SenderReport(sent, _) = &messages[0] else { panic!("{messages:?}") };
                let elapsed = report.rtp_timestamp().expect("a time").elapsed_secs();
                let wall = (sent.ntp.to_unix() - media::Timestamp::ZERO).to_duration().as_secs_f64();
                zero[report.stream_id()] = Some(wall - elapsed);
                continue;
            }
            other => panic!("{other:?}"),
        };
        if let Some(place) = follow[track].next(stamp.timestamp() as u32, key, &data) {
            let due = follow[track].due(place);
            let ahead = (stamp.elapsed_secs() - due).rem_euclid(8.0);
            first[track].get_or_insert(ahead);
        }
        seen += usize::from(track == 0);
    }
    let apart =
        |of: [Option<f64>; TRACKS]| of.map(|track| (track.expect("seen") - of[0].expect("seen")).abs());
    assert!(apart(first).iter().all(|by_stamps| by_stamps.min(8.0 - by_stamps) < 0.001), "{first:?}");
    assert!(apart(zero).iter().all(|&by_reports| by_reports < 0.001), "{zero:?}");
}

#[tokio::test]
async fn a_strict_client_gets_every_frame_over_tcp_and_udp_and_both_tracks_in_step() {
    let server = on_the_air().await;
    for transport in [Transport::Tcp(Default::default()), Transport::Udp(Default::default())] {
        watch_by_retina(&server, transport, clip_tracks(), 60).await;
    }
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_strict_client_gets_every_picture_of_h265_over_tcp_and_udp() {
    let server = Server::with(fed_by("news", h265_flv())).await;
    for transport in [Transport::Tcp(Default::default()), Transport::Udp(Default::default())] {
        let pictures = Follow::of(testkit::samples::h265().frames, 90_000);
        watch_by_retina(&server, transport, [("h265", pictures)], 60).await;
    }
    server.service.shutdown().await;
}

/// retina takes no Opus apart. What it checks of packets it checks, and Opus has one access unit in each (RFC 7587 4.2).
#[tokio::test]
async fn a_strict_client_gets_h265_with_opus_packet_by_packet_over_tcp_and_udp() {
    let server = Server::with(fed_by("news", h265_opus_flv())).await;
    for transport in [Transport::Tcp(Default::default()), Transport::Udp(Default::default())] {
        let mut session = set_up_by_retina(&server, transport, &["h265", "opus"]).await;
        let mut sound = Follow::of(testkit::samples::opus().frames, 48_000);
        let mut seen = [0; 2];
        while seen[0] < 100 || seen[1] < 120 {
            match next_of(&mut session).await {
                PacketItem::Rtp(packet) => {
                    assert_eq!(packet.loss(), 0);
                    seen[packet.stream_id()] += 1;
                    if packet.stream_id() == 1 {
                        sound.next(packet.timestamp().timestamp() as u32, true, packet.payload());
                    }
                }
                PacketItem::Rtcp(report) => {
                    assert!(matches!(reports(report.raw())[0], Message::SenderReport(..)))
                }
                other => panic!("{other:?}"),
            }
        }
    }
    server.service.shutdown().await;
}

#[tokio::test]
async fn what_an_encoder_publishes_by_rtmp_is_played_frame_by_frame() {
    let server = Server::with(Stream::new(code("news"))).await;
    let _encoder = Encoder::start(server.rtmp, "news", TESTKIT).await.expect("let in");
    watch_by_retina(&server, Transport::Tcp(Default::default()), clip_tracks(), 60).await;
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_player_begins_at_a_key_frame_where_the_answer_says() {
    let server = on_the_air().await;
    let mut client = server.client("news").await;
    let formats = client.describe().await.done().tracks();
    for track in 0..2 {
        client.set_up(track, &interleaved(2 * track)).await.done();
    }
    let begins = client.play().await.done().begins();
    let mut player = Player::of(client, &formats, &[0, 2]);
    begins.iter().for_each(|&(track, sequence, _)| player.tracks[track].begins(sequence));
    let (track, stamp, key) = player.next().await.expect("media");
    assert_eq!((track, stamp, key), (0, begins[0].2, true));
    let session = viewer(&server.service);
    assert_eq!((session.protocol, session.agent.as_deref()), (Protocol::Rtsp, Some(AGENT)));
    player.follow(30).await;
    until(|| (session.bytes() > 10_000).then_some(())).await;
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_player_that_pauses_goes_on_at_a_key_frame_behind_the_answer() {
    let server = on_the_air().await;
    let mut player = Player::start(server.client("news").await).await;
    player.follow(10).await;
    for _ in 0..3 {
        player.client.ask("PAUSE", "/", &[]).await.done();
        while player.client.packets_waiting() > 0 {
            player.client.packet().await;
        }
        let answer = player.client.play().await.done();
        assert_eq!(answer.before, 0, "a pause is a pause");
        player.follow = vec![Follow::new(Kind::Video, 90_000), Follow::new(Kind::Audio, 48_000)];
        let begins = answer.begins();
        begins.iter().for_each(|&(track, sequence, _)| player.tracks[track].begins(sequence));
        let (track, stamp, key) = player.next().await.expect("media");
        assert_eq!((track, stamp, key), (0, begins[0].2, true));
        player.follow(5).await;
    }
    assert_eq!(viewer(&server.service).skips(), 0, "a pause is no skip");
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_player_over_udp_pauses_and_goes_on_at_a_key_frame() {
    let server = on_the_air().await;
    let mut player = UdpPlayer::start(&server).await;
    player.client.ask("PAUSE", "/", &[]).await.done();
    // What was on its way, and then nothing.
    let mut buffer = [0; 2048];
    while tokio::time::timeout(MOMENT, player.ports[0].rtp.recv(&mut buffer)).await.is_ok() {}
    let begins = player.client.play().await.done().begins();
    let packet = Packet::decode(datagram(&player.ports[0].rtp).await).expect("a packet");
    assert_eq!((packet.header.sequence, packet.header.timestamp), (begins[0].1, begins[0].2));
    assert!(matches!(packet.payload[0] & 0x1f, 7 | 24), "parameter sets come first");
    server.service.shutdown().await;
}

#[tokio::test]
async fn players_have_the_channels_that_they_choose() {
    let server = on_the_air().await;
    // Those of the carrier's own, others, both the other way round, and of pictures alone.
    for channels in [&[0, 2][..], &[4, 6], &[2, 0], &[4, 0], &[200, 254], &[0], &[6]] {
        let mut player = Player::on(server.client("news").await, channels).await;
        player.follow(30).await;
        let packets: Vec<_> = player.tracks.iter().map(|track| track.last.is_some()).collect();
        assert_eq!(packets, [true, channels.len() > 1]);
    }
    // And at once.
    let mut players = Vec::new();
    for channels in [[0, 2], [4, 0], [2, 0]] {
        players.push(Player::on(server.client("news").await, &channels).await);
    }
    for player in &mut players {
        player.follow(30).await;
    }
    server.service.shutdown().await;
}

#[tokio::test]
async fn sender_reports_come_on_the_channels_next_to_the_packets() {
    let server = on_the_air().await;
    let mut client = server.client("news").await;
    client.describe().await.done();
    client.set_up(0, &interleaved(4)).await.done();
    client.set_up(1, &interleaved(0)).await.done();
    client.play().await.done();
    let mut ssrcs = std::collections::BTreeMap::new();
    let mut reported = std::collections::BTreeMap::new();
    while reported.len() < 2 {
        let (channel, packet) = client.packet().await.expect("media");
        if channel % 2 == 0 {
            let ssrc = Packet::decode(packet).expect("a packet").header.ssrc;
            assert_eq!(*ssrcs.entry(channel).or_insert(ssrc), ssrc);
        } else {
            let Message::SenderReport(report, _) = &reports(&packet)[0] else { panic!("of a sender") };
            reported.insert(channel - 1, report.ssrc);
        }
    }
    for (channel, ssrc) in reported {
        assert!(ssrcs.get(&channel).is_none_or(|known| *known == ssrc), "channel {channel}");
    }
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_track_can_be_set_up_that_was_never_described() {
    let server = on_the_air().await;
    let mut client = server.client("news").await;
    client.set_up(1, &interleaved(0)).await.done();
    let begins = client.play().await.done().begins();
    let (channel, packet) = client.packet().await.expect("media");
    let packet = if channel == 0 { packet } else { client.packet().await.expect("media").1 };
    assert_eq!(begins[0].0, 1);
    assert_eq!(Packet::decode(packet).expect("a packet").header.sequence, begins[0].1);
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_player_that_comes_before_the_media_waits_for_it_and_not_for_ever() {
    let server = Server::with(Stream::new(code("news"))).await;
    let mut early = server.client("news").await;
    early.send("DESCRIBE", "", &[], "").await;
    until(|| server.service.limits().iter().any(|limit| limit.now.is_some_and(|now| now > 0)).then_some(()))
        .await;
    let _encoder = Encoder::start(server.rtmp, "news", TESTKIT).await.expect("let in");
    assert_eq!(early.answer().await.done().tracks().len(), 2);
    server.service.shutdown().await;

    let settings = Settings { join_timeout: Duration::from_millis(50), ..Settings::default() };
    let server = Server::start(settings, vec![Stream::new(code("quiet"))]).await;
    let mut client = server.client("quiet").await;
    let answer = client.describe().await;
    assert_eq!((answer.status, &*answer.reason), (404, "stream quiet has no media now"));
    let answer = client.set_up(0, &interleaved(0)).await;
    assert_eq!((answer.status, &*answer.reason), (404, "stream quiet has no media now"));
    server.service.shutdown().await;
}

#[tokio::test]
async fn who_cannot_play_is_told_why() {
    let server = on_the_air().await;
    let protocols = Protocols { rtsp: false, ..Protocols::BUILT };
    let silent = Stream { protocols, ..fed("silent") };
    server.service.start(silent).await.expect("started");
    for (name, why) in [
        ("other", "stream other is not running"),
        ("news@720p", "stream news has no rendition \"720p\"; it has track_1"),
        ("silent", "stream silent has no RTSP output"),
    ] {
        let mut client = server.client(name).await;
        for answer in [client.describe().await, client.set_up(0, &interleaved(0)).await] {
            assert_eq!((answer.status, &*answer.reason), (404, why));
        }
    }
    let mut client = server.client("news").await;
    client.describe().await.done();
    let answer = client.set_up(7, &interleaved(0)).await;
    assert_eq!((answer.status, &*answer.reason), (404, "news has no track 7"));
    client.set_up(0, &interleaved(0)).await.done();
    let answer = client.set_up(1, "RTP/AVP;unicast;client_port=6000-6001").await;
    assert_eq!((answer.status, answer.reason.contains("the same way")), (461, true), "{answer:?}");
    let answer = client.set_up(1, "RTP/AVP;multicast").await;
    assert_eq!(answer.status, 461);
    // Of several it takes the one that it can.
    client.set_up(1, "RTP/AVP;unicast;client_port=6000-6001,RTP/AVP/TCP;unicast").await.done();
    client.play().await.done();
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_player_that_says_goodbye_has_left() {
    let server = on_the_air().await;
    let mut player = Player::start(server.client("news").await).await;
    player.follow(5).await;
    player.client.ask("TEARDOWN", "/", &[]).await.done();
    assert_eq!(reason(&server.service, Role::Viewer).await, Ended::ClientLeft);
    let mut player = UdpPlayer::start(&server).await;
    player.client.ask("TEARDOWN", "/", &[]).await.done();
    until(|| (server.service.sessions().closed().len() == 2).then_some(())).await;
    let closed = server.service.sessions().closed();
    assert!(closed.iter().all(|closed| closed.reason == Ended::ClientLeft), "{closed:?}");
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_player_that_vanishes_has_left() {
    let server = on_the_air().await;
    let player = UdpPlayer::start(&server).await;
    drop(player);
    assert_eq!(reason(&server.service, Role::Viewer).await, Ended::ClientLeft);
    let mut player = Player::start(server.client("news").await).await;
    player.follow(5).await;
    drop(player);
    until(|| (server.service.sessions().closed().len() == 2).then_some(())).await;
    assert_eq!(reason(&server.service, Role::Viewer).await, Ended::ClientLeft);
    server.service.shutdown().await;
}

/// A player over UDP that has the first packet of each track.
struct UdpPlayer {
    client: Client,
    ports: Vec<Ports>,
    ssrcs: Vec<u32>,
    /// The server's port for reports.
    rtcp: u16,
}

impl UdpPlayer {
    async fn start(server: &Server) -> Self {
        let mut client = server.client("news").await;
        let tracks = client.describe().await.done().tracks().len();
        let (mut ports, mut rtcp) = (Vec::new(), 0);
        for track in 0..tracks {
            let pair = Ports::bind().await;
            let answer = client.set_up(track, &pair.offer()).await.done();
            let theirs = answer.ports("server_port=");
            assert_eq!((theirs.0 % 2, theirs.1), (0, theirs.0 + 1));
            assert!(answer.header("Transport").contains("ssrc="), "{answer:?}");
            (rtcp, _) = (theirs.1, ports.push(pair));
        }
        let begins = client.play().await.done().begins();
        let mut ssrcs = Vec::new();
        for (pair, (_, sequence, _)) in ports.iter().zip(&begins) {
            let packet = Packet::decode(datagram(&pair.rtp).await).expect("a packet");
            assert_eq!(packet.header.sequence, *sequence, "the first");
            ssrcs.push(packet.header.ssrc);
        }
        Self { client, ports, ssrcs, rtcp }
    }

    /// Waits for the BYE of each track.
    async fn byes(&self) {
        for (ports, ssrc) in self.ports.iter().zip(&self.ssrcs) {
            loop {
                let messages = reports(&datagram(&ports.rtcp).await);
                if messages.iter().any(|message| *message == Message::Bye { ssrcs: vec![*ssrc] }) {
                    break;
                }
            }
        }
    }
}

#[tokio::test]
async fn the_end_of_the_stream_closes_connections_and_says_bye_over_udp() {
    let server = on_the_air().await;
    let mut over_tcp = Player::start(server.client("news").await).await;
    over_tcp.follow(5).await;
    let mut over_udp = UdpPlayer::start(&server).await;
    server.service.stop(&code("news")).await.expect("stopped");
    while over_tcp.next().await.is_some() {}
    over_udp.byes().await;
    over_udp.client.end().await;
    let closed = server.service.sessions().closed();
    let viewers: Vec<_> = closed.iter().filter(|closed| closed.session.role == Role::Viewer).collect();
    assert_eq!(viewers.len(), 2);
    assert!(viewers.iter().all(|closed| closed.reason == Ended::StreamStopped), "{viewers:?}");
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_player_that_an_operator_closes_ends_alone() {
    let server = on_the_air().await;
    let mut stays = Player::start(server.client("news").await).await;
    let kept = viewer(&server.service);
    let mut over_tcp = Player::start(server.client("news").await).await;
    let mut over_udp = UdpPlayer::start(&server).await;
    for session in server.service.sessions().list() {
        if session.role == Role::Viewer && session.id != kept.id {
            session.cancel(Ended::Kicked);
        }
    }
    while over_tcp.next().await.is_some() {}
    over_udp.byes().await;
    over_udp.client.end().await;
    until(|| (server.service.sessions().closed().len() == 2).then_some(())).await;
    let closed = server.service.sessions().closed();
    assert!(closed.iter().all(|closed| closed.reason == Ended::Kicked), "{closed:?}");
    stays.follow(30).await;
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_stream_has_as_many_players_as_it_may_have() {
    let mut settings = Settings::default();
    settings.limits.viewers_per_stream = 1;
    let server = Server::start(settings, vec![fed("news")]).await;
    let mut first = server.client("news").await;
    first.start().await;
    let mut second = server.client("news").await;
    second.describe().await.done();
    second.set_up(0, &interleaved(0)).await.done();
    let answer = second.play().await;
    assert_eq!(answer.status, 453, "{answer:?}");
    assert_eq!(server.refused("viewers_per_stream"), 1);
    drop(first);
    assert_eq!(reason(&server.service, Role::Viewer).await, Ended::ClientLeft);
    // The place is given back when the fan-out has let go of it.
    while second.play().await.status != 200 {}
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_player_that_does_not_read_is_sent_away_and_others_lose_nothing() {
    let mut settings = Settings::default();
    settings.fan_out.slow_viewer_timeout = Duration::from_secs(1);
    settings.limits.viewer_queue_bytes = 150_000;
    // What the system holds is soon full by this one.
    let input = Input { source: Source::Clip { flv: crate::world::CLIP }, priority: 0 };
    let stream = Stream { inputs: vec![input], ..Stream::new(code("news")) };
    let server = Server::start(settings, vec![stream]).await;
    let mut slow = Client::narrow(server.rtsp, "news").await;
    slow.start().await;
    let session = viewer(&server.service);
    let mut well = server.client("news").await;
    let formats = well.describe().await.done().tracks();
    well.set_up(0, &interleaved(0)).await.done();
    well.set_up(1, &interleaved(2)).await.done();
    well.play().await.done();
    let mut tracks: Vec<Track> = formats.iter().map(Track::new).collect();
    let mut after = 0;
    while after < 50 {
        let (channel, packet) = well.packet().await.expect("media");
        if channel % 2 == 0 {
            // Which sees that none is missing.
            tracks[usize::from(channel) / 2].push(packet);
        }
        after += usize::from(!server.service.sessions().closed().is_empty());
    }
    let closed = server.service.sessions().closed();
    assert_eq!(closed.len(), 1);
    assert_eq!(
        (closed[0].session.id, &closed[0].reason),
        (session.id, &Ended::TooSlow(Duration::from_secs(1)))
    );
    assert_eq!(server.refused("slow_viewer_timeout_sec"), 1);
    assert_eq!(viewer(&server.service).skips(), 0, "nobody else noticed");
    while slow.swallow(65_536).await > 0 {}
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_player_that_reads_again_in_time_has_skipped_to_a_key_frame_and_stays() {
    let mut settings = Settings::default();
    settings.fan_out.slow_viewer_timeout = Duration::from_secs(120);
    settings.limits.viewer_queue_bytes = 150_000;
    let input = Input { source: Source::Clip { flv: crate::world::CLIP }, priority: 0 };
    let stream = Stream { inputs: vec![input], ..Stream::new(code("news")) };
    let server = Server::start(settings, vec![stream]).await;
    let mut late = Client::narrow(server.rtsp, "news").await;
    late.start().await;
    let session = viewer(&server.service);
    let mut well = server.client("news").await;
    well.start().await;
    let sessions = server.service.sessions().list();
    let of_well = sessions.iter().find(|other| other.role == Role::Viewer && other.id != session.id);
    let of_well = of_well.expect("it plays");
    let (mut taken, mut since) = (0, 0);
    // Until the system holds no more for it, and then for more than is kept.
    while of_well.bytes() < since + 300_000 {
        well.packet().await.expect("media");
        if session.bytes() > taken {
            (taken, since) = (session.bytes(), of_well.bytes());
        }
    }
    let mut next = None;
    loop {
        let (channel, packet) = late.packet().await.expect("it is not sent away");
        if channel != 0 {
            continue;
        }
        let packet = Packet::decode(packet).expect("a whole packet");
        let expected = next.replace(packet.header.sequence.wrapping_add(1));
        if expected.is_some_and(|expected| expected != packet.header.sequence) {
            assert!(matches!(packet.payload[0] & 0x1f, 7 | 24), "parameter sets come first");
            break;
        }
    }
    assert_eq!((session.skips(), server.refused("viewer_queue_bytes")), (1, 1));
    server.service.shutdown().await;
}

/// A report about the packets of one source.
fn receiver_report(ssrc: u32, lost: i32) -> Vec<u8> {
    let block = ReportBlock {
        ssrc,
        fraction_lost: 64,
        lost,
        highest_sequence: 7,
        jitter: 900,
        last_sr: 0,
        delay_since_last_sr: 0,
    };
    rtcp::encode_receiver_report(1, &[block], "player")
}

#[tokio::test]
async fn what_players_report_is_seen_in_their_sessions() {
    let server = on_the_air().await;
    let mut player = Player::start(server.client("news").await).await;
    player.follow(2).await;
    let over_tcp = viewer(&server.service);
    let ssrc = player.tracks[0].last.expect("a packet").ssrc;
    player.client.interleave(1, &receiver_report(ssrc, 12)).await;
    until(|| over_tcp.reception().get(&0).copied()).await;
    let seen = over_tcp.reception();
    assert_eq!((seen.len(), seen[&0].packets_lost, seen[&0].fraction_lost), (1, 12, 0.25));
    assert_eq!(seen[&0].jitter, Duration::from_millis(10));
    // Of sources that are not ours, and what is no report, nothing is noted.
    player.client.interleave(3, &receiver_report(!ssrc, 99)).await;
    player.client.interleave(1, b"nonsense").await;

    let udp = UdpPlayer::start(&server).await;
    let sessions = server.service.sessions().list();
    let is_it = |session: &&std::sync::Arc<publisher::session::Session>| {
        session.role == Role::Viewer && session.id != over_tcp.id
    };
    let over_udp = sessions.iter().find(is_it).expect("it plays");
    let report = receiver_report(udp.ssrcs[1], 3);
    let to = (server.rtsp.ip(), udp.rtcp);
    // A stranger's says nothing.
    Ports::bind().await.rtcp.send_to(&receiver_report(udp.ssrcs[0], 1000), to).await.expect("sent");
    udp.ports[1].rtcp.send_to(&report, to).await.expect("sent");
    let seen = until(|| over_udp.reception().get(&1).copied()).await;
    assert_eq!((seen.packets_lost, over_udp.reception().len(), over_udp.packets_lost()), (3, 1, 3));
    assert_eq!(over_tcp.reception()[&0].packets_lost, 12);
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_codec_that_a_player_did_not_set_up_ends_its_session() {
    let server = Server::with(Stream::new(code("news"))).await;
    let encoder = Encoder::start(server.rtmp, "news", TESTKIT).await.expect("let in");
    let mut over_tcp = server.client("news").await;
    over_tcp.describe().await.done();
    over_tcp.set_up(0, &interleaved(0)).await.done();
    over_tcp.play().await.done();
    let over_udp = UdpPlayer::start(&server).await;
    // Who has set up and does not play yet is told at its PLAY, or ends too.
    drop(encoder);
    until(|| server.service.statuses()[0].source.is_none().then_some(())).await;
    let _other = Encoder::start(server.rtmp, "news", h265_flv()).await.expect("let in");
    over_tcp.end().await;
    over_udp.byes().await;
    until(|| (server.service.sessions().closed().len() == 3).then_some(())).await;
    let closed = server.service.sessions().closed();
    let of_viewers = closed.iter().filter(|closed| closed.session.role == Role::Viewer);
    assert!(of_viewers.clone().all(|closed| closed.reason == Ended::TracksChanged), "{closed:?}");
    let mut again = server.client("news").await;
    assert_eq!(again.describe().await.done().tracks()[0].encoding, "H265");
    server.service.shutdown().await;
}

#[tokio::test]
async fn an_encoder_that_comes_back_ends_no_session_and_times_go_on() {
    let server = Server::with(Stream::new(code("news"))).await;
    let encoder = Encoder::start(server.rtmp, "news", TESTKIT).await.expect("let in");
    let mut player = Player::start(server.client("news").await).await;
    player.follow(30).await;
    let before = player.tracks[0].last.expect("a packet").timestamp;
    drop(encoder);
    until(|| server.service.statuses()[0].source.is_none().then_some(())).await;
    let _again = Encoder::start(server.rtmp, "news", TESTKIT).await.expect("let in");
    let mut beginning = None;
    let mut frames = 0;
    while frames < 60 {
        let (channel, packet) = player.client.packet().await.expect("media");
        if channel != 0 {
            if channel == 2 {
                player.tracks[1].push(packet);
            }
            continue;
        }
        // Numbers go on without a hole, which the track sees.
        for (stamp, key, _) in player.tracks[0].push(packet) {
            let since = stamp.wrapping_sub(before) as i32;
            assert!((-18_000..3_000_000).contains(&since), "{since} ticks");
            // The first frame after the break is a key frame.
            if since > 27_000 && beginning.is_none() {
                beginning = Some(key);
            }
            frames += 1;
        }
    }
    assert_eq!(server.service.sessions().list().len(), 2);
    server.service.shutdown().await;
}

#[tokio::test]
async fn over_tls_players_get_the_same() {
    let authority = Authority::new("rtsps-play");
    let mut settings = Settings { tls: Some(authority.write("localhost")), ..Settings::default() };
    settings.listeners.rtsps = here();
    let server = Server::start(settings, vec![fed("news")]).await;
    let listener = server.service.bind_rtsps().expect("bound").expect("enabled");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(listener.run(CancellationToken::new()));
    for versions in [&[&TLS12], &[&TLS13]] {
        let stream = TcpStream::connect(address).await.expect("connected");
        let name = ServerName::try_from("localhost").expect("a name");
        let shaken = authority.client(versions).connect(name, stream).await.expect("TLS");
        let mut client = Client::over(shaken, "rtsps://localhost/live/news".to_owned());
        client.describe().await.done();
        let answer = client.set_up(0, "RTP/AVP;unicast;client_port=6000-6001").await;
        assert_eq!((answer.status, answer.reason.contains("over TLS")), (461, true), "{answer:?}");
        let mut player = Player::on(client, &[0, 2]).await;
        player.follow(30).await;
        assert_eq!(viewer(&server.service).protocol, Protocol::Rtsps);
        player.client.ask("PAUSE", "/", &[]).await.done();
        while player.client.packets_waiting() > 0 {
            player.client.packet().await;
        }
        let answer = player.client.play().await.done();
        assert_eq!(answer.before, 0);
        player.follow = vec![Follow::new(Kind::Video, 90_000), Follow::new(Kind::Audio, 48_000)];
        answer.begins().into_iter().for_each(|(track, sequence, _)| player.tracks[track].begins(sequence));
        assert_eq!(player.next().await.map(|(track, _, key)| (track, key)), Some((0, true)));
        let session = viewer(&server.service);
        session.cancel(Ended::Kicked);
        while player.next().await.is_some() {}
        until(|| {
            server.service.sessions().list().iter().all(|session| session.role != Role::Viewer).then_some(())
        })
        .await;
    }
    server.service.shutdown().await;
}

#[tokio::test]
async fn who_plays_may_ask_for_descriptions_and_another_stream_takes_nothing_from_it() {
    let server = on_the_air().await;
    let mut player = Player::start(server.client("news").await).await;
    player.follow(5).await;
    player.client.describe().await.done();
    let (news, other) = (player.client.url.clone(), player.client.url.replace("news", "nothing"));
    player.client.url = other;
    let transport = ("Transport", "RTP/AVP/TCP;unicast;interleaved=8-9");
    let answer = player.client.ask("SETUP", "/trackID=0", &[transport]).await;
    assert!(answer.status >= 400, "{}", answer.status);
    player.client.url = news;
    player.follow(10).await;
    assert!(!viewer(&server.service).cancelled().is_cancelled());
    server.service.shutdown().await;
}

//! What clients really say, byte for byte but for hosts and ports: FFmpeg 5.1, mpv and GStreamer 1.22 as they were recorded,
//! live555 (VLC) and retina by what is known of them.

use rillcast_rtsp::header::{Lower, Profile, Transport};
use rillcast_rtsp::server::Event;

use crate::owner::{ID, NONCE, Owner, packet};

/// What a client sends, requests apart by an empty line; `ID` is that of the session.
fn play(owner: &mut Owner, script: &str) {
    for request in script.split("\n\n") {
        let request = request.trim_start().replace("Session: ID", &format!("Session: {ID}"));
        owner.feed(format!("{request}\n\n").replace('\n', "\r\n")).expect("a session that goes on");
    }
}

/// Events in a word or two.
fn told(owner: &mut Owner) -> Vec<String> {
    let events = owner.take_events().into_iter().map(|event| match event {
        Event::Describe(request) => format!("describe {} key={:?}", request.path, request.get("key")),
        Event::Announce(request, sdp) => format!("announce {} {} media", request.path, sdp.media.len()),
        Event::Setup { request, track, transports } => {
            let lower = transports.iter().map(|offer| match offer.lower {
                Lower::Interleaved(channels) => format!("tcp {channels:?}"),
                Lower::Udp(ports) => format!("udp {ports:?}"),
            });
            let lower: Vec<_> = lower.collect();
            format!("setup {} {:?} {track} {}", request.path, request.get("key"), lower.join(" "))
        }
        Event::Play(request) => format!("play {} {:?}", request.path, request.get("key")),
        Event::Record(request) => format!("record {} {:?}", request.path, request.get("key")),
        Event::Packet { track, kind, data } => format!("packet {track} {kind:?} {}", data.len()),
        event => format!("{event:?}").to_lowercase(),
    });
    events.collect()
}

#[test]
fn ffmpeg_plays_over_tcp() {
    let mut owner = Owner::new();
    play(
        &mut owner,
        "OPTIONS rtsp://localhost:7001/live/news?key=a%2Fb RTSP/1.0\nCSeq: 1\nUser-Agent: Lavf59.27.100\n\n\
         DESCRIBE rtsp://localhost:7001/live/news?key=a%2Fb RTSP/1.0\nAccept: application/sdp\nCSeq: 2\n\
         User-Agent: Lavf59.27.100\n\n\
         SETUP rtsp://localhost:7001/live/news?key=a%2Fb/trackID=0 RTSP/1.0\n\
         Transport: RTP/AVP/TCP;unicast;interleaved=0-1\nCSeq: 3\nUser-Agent: Lavf59.27.100\n\n\
         SETUP rtsp://localhost:7001/live/news?key=a%2Fb/trackID=1 RTSP/1.0\n\
         Transport: RTP/AVP/TCP;unicast;interleaved=2-3\nCSeq: 4\nUser-Agent: Lavf59.27.100\nSession: ID\n\n\
         PLAY rtsp://localhost:7001/live/news?key=a%2Fb/ RTSP/1.0\nRange: npt=0.000-\nCSeq: 5\n\
         User-Agent: Lavf59.27.100\nSession: ID",
    );
    assert_eq!(owner.session.channels(1), Some((2, 3)));
    assert!(owner.session.is_playing() && owner.deadline.is_none());
    owner.feed(packet(1, b"report")).unwrap();
    owner.feed(packet(0, b"not ours to have")).unwrap();
    play(
        &mut owner,
        "TEARDOWN rtsp://localhost:7001/live/news?key=a%2Fb/ RTSP/1.0\nCSeq: 6\nUser-Agent: Lavf59.27.100\nSession: ID",
    );
    assert!(!owner.session.is_playing() && !owner.session.is_closed());
    assert_eq!(
        told(&mut owner),
        [
            "alive",
            "describe live/news key=Some(\"a/b\")",
            "setup live/news Some(\"a/b\") 0 tcp Some((0, 1))",
            "setup live/news Some(\"a/b\") 1 tcp Some((2, 3))",
            "play live/news Some(\"a/b\")",
            "packet 0 Rtcp 6",
            "teardown",
        ]
    );
    let expected = "RTSP/1.0 200 OK
CSeq: 1
Server: test/1
Public: OPTIONS, DESCRIBE, ANNOUNCE, SETUP, PLAY, RECORD, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER

RTSP/1.0 200 OK
CSeq: 2
Server: test/1
Content-Base: rtsp://localhost:7001/live/news?key=a%2Fb/
Content-Type: application/sdp
Content-Length: 313

v=0
o=- 5 5 IN IP4 0.0.0.0
s=news
c=IN IP4 0.0.0.0
t=0 0
a=control:*
a=range:npt=now-
m=video 0 RTP/AVP 96
a=rtpmap:96 H264/90000
a=control:rtsp://localhost:7001/live/news?key=a%2Fb/trackID=0
m=audio 0 RTP/AVP 97
a=rtpmap:97 opus/48000/2
a=control:rtsp://localhost:7001/live/news?key=a%2Fb/trackID=1
RTSP/1.0 200 OK
CSeq: 3
Server: test/1
Transport: RTP/AVP/TCP;unicast;interleaved=0-1
Session: ID;timeout=60

RTSP/1.0 200 OK
CSeq: 4
Server: test/1
Transport: RTP/AVP/TCP;unicast;interleaved=2-3
Session: ID;timeout=60

RTSP/1.0 200 OK
CSeq: 5
Server: test/1
Session: ID
Range: npt=now-
RTP-Info: url=rtsp://localhost:7001/live/news?key=a%2Fb/trackID=0;seq=7;rtptime=9,url=rtsp://localhost:7001/live/news?key=a%2Fb/trackID=1;seq=7

RTSP/1.0 200 OK
CSeq: 6
Server: test/1
Session: ID

";
    let expected = expected.replace("Session: ID", &format!("Session: {ID}"));
    assert_eq!(owner.sent.replace("\r\n", "\n"), expected);
    assert_eq!(owner.session.stats().dropped_packets, 1);
}

#[test]
fn ffmpeg_publishes() {
    let mut owner = Owner::new();
    let sdp = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=No Name\nc=IN IP4 127.0.0.1\nt=0 0\n\
        a=tool:libavformat LIBAVFORMAT_VERSION\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n\
        a=fmtp:96 packetization-mode=1; profile-level-id=F4000D\na=control:streamid=0\n\
        m=audio 0 RTP/AVP 97\nb=AS:69\na=rtpmap:97 MPEG4-GENERIC/44100/1\na=control:streamid=1\n"
        .replace('\n', "\r\n");
    let announce = format!(
        "ANNOUNCE rtsp://localhost:7006/live/news?key=a%2Fb RTSP/1.0\r\nContent-Type: application/sdp\r\nCSeq: 2\r\n\
         User-Agent: Lavf59.27.100\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    );
    owner.feed(announce).unwrap();
    play(
        &mut owner,
        // UDP is tried first, and refused.
        "SETUP rtsp://localhost:7006/live/news?key=a%2Fb/streamid=0 RTSP/1.0\n\
         Transport: RTP/AVP/UDP;unicast;client_port=19146-19147;mode=record\nCSeq: 3\n\n\
         SETUP rtsp://localhost:7006/live/news?key=a%2Fb/streamid=0 RTSP/1.0\n\
         Transport: RTP/AVP/TCP;unicast;interleaved=0-1;mode=record\nCSeq: 4\nUser-Agent: Lavf59.27.100\n\n\
         SETUP rtsp://localhost:7006/live/news?key=a%2Fb/streamid=1 RTSP/1.0\n\
         Transport: RTP/AVP/TCP;unicast;interleaved=2-3;mode=record\nCSeq: 5\nSession: ID\n\n\
         RECORD rtsp://localhost:7006/live/news?key=a%2Fb RTSP/1.0\nRange: npt=0.000-\nCSeq: 6\nSession: ID",
    );
    assert!(owner.session.is_recording());
    owner.feed([packet(0, b"media"), packet(3, b"report!"), packet(9, b"x")].concat()).unwrap();
    play(&mut owner, "TEARDOWN rtsp://localhost:7006/live/news?key=a%2Fb RTSP/1.0\nCSeq: 7\nSession: ID");
    assert_eq!(
        told(&mut owner),
        [
            "announce live/news 2 media",
            "setup live/news Some(\"a/b\") 0 udp (19146, 19147)",
            "setup live/news Some(\"a/b\") 0 tcp Some((0, 1))",
            "setup live/news Some(\"a/b\") 1 tcp Some((2, 3))",
            "record live/news Some(\"a/b\")",
            "packet 0 Rtp 5",
            "packet 1 Rtcp 7",
            "teardown",
        ]
    );
    assert!(owner.sent.contains("RTSP/1.0 461 UDP is off\r\nCSeq: 3\r\n"));
    assert!(owner.sent.contains("Transport: RTP/AVP/TCP;unicast;interleaved=2-3;mode=record\r\n"));
    assert_eq!(owner.session.stats().dropped_packets, 1);
}

#[test]
fn rtspclientsink_publishes() {
    let mut owner = Owner::new();
    // Tracks in any order, the query decoded and behind the control.
    let sdp = "v=0\r\no=- 2393527605 1 IN IP4 127.0.0.1\r\ns=Session streamed with GStreamer\r\ni=rtspclientsink\r\nt=0 0\r\n\
        m=audio 0 RTP/AVP 96\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:96 OPUS/48000/2\r\na=control:stream=1\r\n\
        m=video 0 RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\na=control:stream=0\r\n";
    owner
        .feed(format!(
            "ANNOUNCE rtsp://localhost:7106/live/news?key=a%2Fb RTSP/1.0\r\nCSeq: 2\r\nUser-Agent: GStreamer/1.22.0\r\n\
             Date: Tue, 24 Nov 2026 16:08:33 GMT\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        ))
        .unwrap();
    play(
        &mut owner,
        "SETUP rtsp://localhost:7106/live/news/stream=1?key=a/b RTSP/1.0\nCSeq: 3\n\
         Transport: RTP/AVP/TCP;unicast;interleaved=0-1;mode=RECORD\n\n\
         SETUP rtsp://localhost:7106/live/news/stream=0?key=a/b RTSP/1.0\nCSeq: 4\n\
         Transport: RTP/AVP/TCP;unicast;interleaved=2-3;mode=RECORD\nSession: ID\n\n\
         RECORD rtsp://localhost:7106/live/news?key=a%2Fb RTSP/1.0\nCSeq: 5\nSession: ID\n\n\
         PAUSE rtsp://localhost:7106/live/news?key=a%2Fb RTSP/1.0\nCSeq: 6\nSession: ID\n\n\
         TEARDOWN rtsp://localhost:7106/live/news?key=a%2Fb RTSP/1.0\nCSeq: 7\nSession: ID",
    );
    assert_eq!(
        told(&mut owner),
        [
            "announce live/news 2 media",
            "setup live/news Some(\"a/b\") 0 tcp Some((0, 1))",
            "setup live/news Some(\"a/b\") 1 tcp Some((2, 3))",
            "record live/news Some(\"a/b\")",
            "pause",
            "teardown",
        ]
    );
    assert_eq!(owner.session.stats().refused, 0);
}

#[test]
fn rtspsrc_plays_tries_all_and_pauses() {
    let mut owner = Owner::new();
    play(
        &mut owner,
        "OPTIONS rtsp://localhost:7009/live/news RTSP/1.0\nCSeq: 1\nUser-Agent: GStreamer/1.22.0\n\
         User-Agent: RealMedia Player Version 6.0.9.1235 (linux-2.0-libc6-i386-gcc2.95)\n\
         ClientChallenge: 9e26d33f2984236010ef6253fb1887f7\nPlayerStarttime: [28/03/2003:22:50:23 00:00]\n\n\
         DESCRIBE rtsp://localhost:7009/live/news RTSP/1.0\nCSeq: 2\nAccept: application/sdp\n\n\
         SETUP rtsp://localhost:7009/live/news/trackID=0 RTSP/1.0\nCSeq: 3\nTransport: RTP/AVP;unicast;client_port=36176-36177\n\n\
         SETUP rtsp://localhost:7009/live/news/trackID=0 RTSP/1.0\nCSeq: 4\nTransport: RTP/AVP;multicast\n\n\
         SETUP rtsp://localhost:7009/live/news/trackID=0 RTSP/1.0\nCSeq: 5\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\n\n\
         SETUP rtsp://localhost:7009/live/news/trackID=1 RTSP/1.0\nCSeq: 6\nTransport: RTP/AVP/TCP;unicast;interleaved=2-3\nSession: ID\n\n\
         PLAY rtsp://localhost:7009/live/news/ RTSP/1.0\nCSeq: 7\nRange: npt=0-\nSession: ID\n\n\
         GET_PARAMETER rtsp://localhost:7009/live/news/ RTSP/1.0\nCSeq: 8\nSession: ID\n\n\
         PAUSE rtsp://localhost:7009/live/news/ RTSP/1.0\nCSeq: 9\nSession: ID\n\n\
         PLAY rtsp://localhost:7009/live/news/ RTSP/1.0\nCSeq: 10\nSession: ID\n\n\
         TEARDOWN rtsp://localhost:7009/live/news/ RTSP/1.0\nCSeq: 11\nSession: ID",
    );
    assert_eq!(
        told(&mut owner),
        [
            "alive",
            "describe live/news key=None",
            "setup live/news None 0 udp (36176, 36177)",
            "setup live/news None 0 tcp Some((0, 1))",
            "setup live/news None 1 tcp Some((2, 3))",
            "play live/news None",
            "alive",
            "pause",
            "play live/news None",
            "teardown",
        ]
    );
    let statuses: Vec<_> = owner.sent.split("RTSP/1.0 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses.join(" "), "200 200 461 461 200 200 200 200 200 200 200");
    assert!(owner.sent.contains("Content-Base: rtsp://localhost:7009/live/news/\r\n"));
    assert!(owner.sent.contains("\r\na=control:trackID=1\r\n"));
}

#[test]
fn live555_plays_over_udp_and_keeps_alive() {
    let mut owner = Owner { udp: true, ..Owner::new() };
    let agent = "User-Agent: LibVLC/3.0.18 (LIVE555 Streaming Media v2016.11.28)";
    play(
        &mut owner,
        &format!(
            "OPTIONS rtsp://h:8554/live/news RTSP/1.0\nCSeq: 2\n{agent}\n\n\
             DESCRIBE rtsp://h:8554/live/news RTSP/1.0\nCSeq: 3\n{agent}\nAccept: application/sdp\n\n\
             SETUP rtsp://h:8554/live/news/trackID=0 RTSP/1.0\nCSeq: 4\n{agent}\nTransport: RTP/AVP;unicast;client_port=61948-61949\n\n\
             SETUP rtsp://h:8554/live/news/trackID=1 RTSP/1.0\nCSeq: 5\n{agent}\nTransport: RTP/AVP;unicast;client_port=61950-61951\n\
             Session: ID\n\n\
             PLAY rtsp://h:8554/live/news/ RTSP/1.0\nCSeq: 6\n{agent}\nSession: ID\nRange: npt=0.000-\n\n\
             GET_PARAMETER rtsp://h:8554/live/news/ RTSP/1.0\nCSeq: 7\n{agent}\nSession: ID"
        ),
    );
    assert_eq!(owner.session.channels(0), None);
    let transport = "Transport: RTP/AVP;unicast;client_port=61950-61951;server_port=7000-7001;ssrc=00000ABC;source=127.0.0.1\r\n";
    assert!(owner.sent.contains(transport), "{}", owner.sent);
    assert_eq!(owner.session.stats().refused, 0);
    assert_eq!(told(&mut owner).last().map(String::as_str), Some("alive"));
}

#[test]
fn retina_plays() {
    let mut owner = Owner::new();
    play(
        &mut owner,
        "DESCRIBE rtsp://h/live/news RTSP/1.0\nAccept: application/sdp\nCSeq: 1\nUser-Agent: moonfire-nvr\n\n\
         SETUP rtsp://h/live/news/trackID=0 RTSP/1.0\nCSeq: 2\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\nUser-Agent: moonfire-nvr\nx-Dynamic-Rate: 1\n\n\
         SETUP rtsp://h/live/news/trackID=1 RTSP/1.0\nCSeq: 3\nSession: ID\nTransport: RTP/AVP/TCP;unicast;interleaved=2-3\n\n\
         PLAY rtsp://h/live/news/ RTSP/1.0\nCSeq: 4\nRange: npt=0.000-\nSession: ID\n\n\
         SET_PARAMETER rtsp://h/live/news/ RTSP/1.0\nCSeq: 5\nSession: ID\n\n\
         OPTIONS rtsp://h/live/news/ RTSP/1.0\nCSeq: 6\nSession: ID\n\n\
         TEARDOWN rtsp://h/live/news/ RTSP/1.0\nCSeq: 7\nSession: ID",
    );
    assert_eq!(owner.session.stats().refused, 0);
    let told = told(&mut owner);
    assert_eq!(told[4..], ["alive", "alive", "teardown"]);
}

#[test]
fn curl_asks_for_the_options() {
    let mut owner = Owner::new();
    play(&mut owner, "OPTIONS * RTSP/1.0\nCSeq: 1\nUser-Agent: curl/7.88.1");
    assert!(owner.sent.starts_with("RTSP/1.0 200 OK\r\nCSeq: 1\r\n"));
}

#[test]
fn passwords_are_proved_in_each_way() {
    let mut owner = Owner { password: Some("secret"), ..Owner::new() };
    let answer = owner.ask("DESCRIBE rtsp://h/live/news");
    let expected = format!(
        "RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\nServer: test/1\r\n\
         WWW-Authenticate: Digest realm=\"rillcast\", nonce=\"{NONCE}\", algorithm=SHA-256, qop=\"auth\"\r\n\
         WWW-Authenticate: Digest realm=\"rillcast\", nonce=\"{NONCE}\", algorithm=MD5\r\n\
         WWW-Authenticate: Basic realm=\"rillcast\"\r\n\r\n"
    );
    assert_eq!(answer, expected);
    // By Python's hashlib.
    let digest = |rest: &str| {
        format!(
            "Digest username=\"bob\", realm=\"rillcast\", nonce=\"{NONCE}\", uri=\"rtsp://h/live/news\", {rest}"
        )
    };
    let weak = digest("response=\"572ead1648b89b046959e995ef0a89ed\"");
    let strong = digest(
        "response=\"31a5ae99d26411b84a6972af40a6de323bab8c254f5afa6bc98da8aa51d51f71\", \
         algorithm=SHA-256, qop=auth, nc=00000001, cnonce=\"xyz\"",
    );
    for proof in ["Basic Ym9iOnNlY3JldA==".to_owned(), weak.clone(), strong] {
        assert_eq!(
            owner.status(&format!("DESCRIBE rtsp://h/live/news\nAuthorization: {proof}")),
            200,
            "{proof}"
        );
    }
    for proof in ["Basic Ym9iOndyb25n", "Bearer x", "Digest", &weak.replace("bob", "eve")] {
        assert_eq!(
            owner.status(&format!("DESCRIBE rtsp://h/live/news\nAuthorization: {proof}")),
            401,
            "{proof}"
        );
    }
    // A proof of another connection is one for the wrong nonce: the client does not ask its user again.
    let answer =
        owner.ask(&format!("DESCRIBE rtsp://h/live/news\nAuthorization: {}", weak.replace(NONCE, "old")));
    assert!(answer.contains("algorithm=MD5, stale=true\r\n"), "{answer}");
}

#[test]
fn offers_are_handed_on_in_their_order() {
    let mut owner = Owner::new();
    let offers = "RTP/SAVP;unicast;client_port=1-2, RTP/AVPF;unicast;client_port=5-6,RTP/AVP/TCP;unicast;interleaved=4-5";
    assert_eq!(owner.status(&format!("SETUP rtsp://h/live/news/trackID=0\nTransport: {offers}")), 200);
    let Some(Event::Setup { transports, .. }) = owner.events.last().cloned() else {
        panic!("{:?}", owner.events)
    };
    let record = false;
    let udp = Transport { profile: Profile::Avpf, lower: Lower::Udp((5, 6)), record };
    let tcp = Transport { profile: Profile::Avp, lower: Lower::Interleaved(Some((4, 5))), record };
    assert_eq!(transports, [udp, tcp]);
    assert_eq!(owner.session.channels(0), Some((4, 5)));
}

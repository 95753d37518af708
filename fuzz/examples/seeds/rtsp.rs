//! What clients say to an RTSP server, as FFmpeg 5.1 and GStreamer 1.22 do, and what none should.

use crate::{Result, Seeds};

/// The id of the session that the target's random bytes give.
const ID: &str = "0835aec219d9a802";
const SDP: &str = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=No Name\nc=IN IP4 127.0.0.1\nt=0 0\na=tool:libavformat\n\
    m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=fmtp:96 packetization-mode=1; profile-level-id=F4000D\na=control:streamid=0\n\
    m=audio 0 RTP/AVP 97\nb=AS:69\na=rtpmap:97 MPEG4-GENERIC/44100/1\na=control:streamid=1\n";
const GSTREAMER: &str = "v=0\ns=Session streamed with GStreamer\ni=rtspclientsink\nt=0 0\na=control:*\n\
    m=audio 0 RTP/AVP 8 0 96\nc=IN IP4 0.0.0.0\na=rtpmap:96 OPUS/48000/2\na=control:stream=1\na=ssrc:1 cname:x\n\
    m=application 0 RTP/AVP 14\n\nm=video 5/2 UDP x\n";

/// Requests with their ends of lines, `ID` put in, and a CSeq each.
fn script(requests: &[&str]) -> Vec<u8> {
    let lines = requests.iter().enumerate().map(|(number, request)| {
        let (line, headers) = request.split_once('\n').unwrap_or((request, ""));
        let (headers, body) = headers.split_once("\n\n").unwrap_or_else(|| (headers.trim_end(), ""));
        let headers = if headers.is_empty() { String::new() } else { format!("{headers}\n") };
        let head = format!("{line} RTSP/1.0\nCSeq: {number}\n{headers}\n").replace("<ID>", ID);
        format!("{}{body}", head.replace('\n', "\r\n"))
    });
    lines.collect::<String>().into_bytes()
}

pub(crate) fn write(seeds: &mut Seeds) -> Result<()> {
    let sdp = SDP.replace('\n', "\r\n");
    for (name, text) in [("ffmpeg", sdp.as_str()), ("gstreamer", GSTREAMER)] {
        seeds.add("sdp", name, &[&[0], text.as_bytes()])?;
        seeds.add("sdp", &format!("{name}-tight"), &[&[1], text.as_bytes()])?;
    }
    for (name, text) in [
        ("nothing", ""),
        ("version", "v=1\n"),
        ("clock", "v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 x/0\n"),
        ("types", "v=0\nm=video 0 RTP/AVP 0 3 4 5 6 7 8 9 10 11 128\n"),
    ] {
        seeds.add("sdp", name, &[&[0], text.as_bytes()])?;
    }
    let tcp = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1";
    let play = script(&[
        "OPTIONS rtsp://h/live/news?key=a%2Fb\nUser-Agent: Lavf59.27.100",
        "DESCRIBE rtsp://h/live/news?key=a%2Fb\nAccept: application/sdp",
        "SETUP rtsp://h/live/news?key=a%2Fb/trackID=0\nTransport: RTP/AVP;unicast;client_port=5-6,RTP/AVP/TCP;interleaved=0-1",
        "SETUP rtsp://h/live/news/trackID=1?key=a/b\nTransport: RTP/AVPF/TCP;interleaved=1-2\nSession: <ID>",
        "PLAY rtsp://h/live/news?key=a%2Fb/\nRange: npt=0.000-\nSession: <ID>",
        "GET_PARAMETER rtsp://h/live/news\nSession: <ID>",
        "PAUSE rtsp://h/live/news\nSession: <ID>",
        "PLAY rtsp://h/live/news\nSession: <ID>",
        "TEARDOWN rtsp://h/live/news\nSession: <ID>",
        "DESCRIBE rtsp://u:s3cret@[::1]:8554/live/news?key=s3cret",
    ]);
    let announce = format!(
        "ANNOUNCE rtsp://h/cam?k=1\nContent-Type: application/sdp\nContent-Length: {}\n\n{sdp}",
        sdp.len()
    );
    let publish = [
        script(&[
            &announce,
            &format!("SETUP rtsp://h/cam?k=1/streamid=0\n{tcp};mode=record"),
            "SETUP rtsp://h/cam/streamid=1?k=1\nTransport: RTP/AVP/UDP;unicast;client_port=5-6;mode=record\nSession: <ID>",
            "RECORD rtsp://h/cam?k=1\nSession: <ID>",
        ]),
        b"$\0\0\x03abc$\x01\0\0$\x07\0\x01x\r\n".to_vec(),
        script(&["TEARDOWN rtsp://h/cam?k=1\nSession: <ID>"]),
    ]
    .concat();
    let nonce = "74c1d87dbfb69ab543c5f918eeea004c";
    let proof = format!(
        "Digest username=\"u\", realm=\"fuzz\", nonce=\"{nonce}\", uri=\"x\", qop=auth, nc=1, cnonce=\"a\", algorithm=SHA-256, response=\"0\""
    );
    let proofs = script(&[
        "DESCRIBE x\nAuthorization: Basic dTpzZWNyZXQ=",
        &format!("DESCRIBE x\nAuthorization: {proof}"),
        &format!("DESCRIBE x\nAuthorization: {}", proof.replace("SHA-256", "MD5").replace("qop=auth, ", "")),
        &format!("DESCRIBE x\nAuthorization: {}", proof.replace(nonce, "old")),
        "DESCRIBE x",
    ]);
    let wrong = script(&[
        "PLAY x",
        "RECORD x",
        "PAUSE x",
        "TEARDOWN x",
        "X x",
        "DESCRIBE *",
        "DESCRIBE http://h",
        "SETUP x",
        "DESCRIBE x\nAccept: text/*",
        "OPTIONS *\nRequire: a",
        "SETUP x/trackID=1\nTransport: RTP/AVP;multicast",
        "GET_PARAMETER x\nSession: 1",
        "SET_PARAMETER x\nContent-Length: 1\n\na",
        "SETUP x\nTransport: RTP/AVP/TCP;mode=record",
        "ANNOUNCE x\nContent-Type: text/plain",
        "ANNOUNCE x\nContent-Length: 3\n\nv=0",
        &format!("SETUP x\n{tcp}"),
        "PLAY x",
        "PLAY x\nSession: <ID>",
        "PLAY x\nSession: <ID>",
        &format!("SETUP x\n{tcp}\nSession: <ID>"),
        &announce,
    ]);
    let whole = [0, 0, 0, 0, 0];
    for (name, bytes) in [("play", &play), ("publish", &publish), ("proofs", &proofs), ("wrong", &wrong)] {
        seeds.add("rtsp_session", name, &[&whole, bytes])?;
        // UDP is taken, small parts.
        seeds.add("rtsp_session", &format!("{name}-udp"), &[&[2, 0, 0, 0, 6], bytes])?;
        // Refused, asked for a proof, left waiting, in turn.
        seeds.add("rtsp_session", &format!("{name}-refused"), &[&[0, 0x93, 0x24, 0, 0], bytes])?;
        seeds.add("rtsp_session", &format!("{name}-challenged"), &[&[0, 0xaa, 0xaa, 0, 0], bytes])?;
        seeds.add("rtsp_session", &format!("{name}-waiting"), &[&[0, 0xff, 0xff, 0, 0], bytes])?;
        seeds.add("rtsp_session", &format!("{name}-tight"), &[&[1, 0, 0, 0, 40], bytes])?;
    }
    let ends: [(&str, &[u8]); 7] = [
        ("http", b"GET /live HTTP/1.1\r\n\r\n"),
        ("tls", b"\x16\x03\x01"),
        ("version", b"PLAY x RTSP/2.0\r\nCSeq: 1\r\n\r\nOPTIONS * RTSP/1.0\r\n\r\n"),
        ("answer", b"RTSP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab"),
        ("length", b"OPTIONS * RTSP/1.0\nCSeq: 2\nContent-Length: x\n\n"),
        ("folded", b"OPTIONS * RTSP/1.0\nCSeq:\n 2\nx\n\n"),
        ("first-line", b"OPTIONS\n\n"),
    ];
    for (name, bytes) in ends {
        seeds.add("rtsp_session", name, &[&whole, bytes])?;
    }
    seeds.add("rtsp_session", "long", &[&[1, 0, 0, 0, 9], b"OPTIONS * RTSP/1.0\n", &[b'x'; 300]])?;
    seeds.add("rtsp_session", "long-line", &[&[1, 0, 0, 0, 9], &[b'x'; 300]])
}

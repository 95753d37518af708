//! Requests as players and browsers write them, and heads that are none.

use crate::{Result, Seeds};

pub(crate) fn write(seeds: &mut Seeds) -> Result<()> {
    let heads: [(&str, &[u8]); 9] = [
        ("ffmpeg", b"GET /news/mpegts HTTP/1.1\r\nUser-Agent: Lavf/59.27.100\r\nAccept: */*\r\nRange: bytes=0-\r\n\
            Connection: close\r\nHost: localhost:8080\r\nIcy-MetaData: 1\r\n\r\n"),
        ("curl", b"GET /news/index.m3u8?x=%20 HTTP/1.1\r\nHost: [::1]:8080\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n"),
        ("pipelined", b"HEAD /a HTTP/1.1\r\nHost: a\r\n\r\nGET http://a/b HTTP/1.0\r\nConnection: Keep-Alive, x\r\n\r\n"),
        ("old", b"GET / HTTP/1.0\n\n"),
        ("body", b"POST /api HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\nabc"),
        ("upgrade", b"OPTIONS * HTTP/1.1\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"),
        ("folded", b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n"),
        ("version", b"GET / HTTP/2.0\r\n\r\n"),
        ("authority", b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ];
    for (name, head) in heads {
        seeds.add("http_head", name, &[&[0], head])?;
        seeds.add("http_head", &format!("{name}-tight"), &[&[1], head])?;
    }
    let many = [b"GET / HTTP/1.1\r\n", &b"a: b\r\n".repeat(101)[..], b"\r\n"].concat();
    seeds.add("http_head", "many-lines", &[&[0], &many])?;
    seeds.add("http_head", "rtmp", &[&[0, 3], &[0; 40]])
}

//! What the tests share: a service, the demo clip as a source, and small HTTP requests.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use publisher::config::{Input, Segmented, Settings, Source, Stream};
use publisher::session::Ended;
use publisher::{Address, Body, Code, Service};

/// The clip that `rillcast demo` plays: 8 s of H.264 with B-frames and AAC.
pub(crate) static CLIP: &[u8] = include_bytes!("../../../server/assets/demo.flv");

/// Longer than anything here takes on a busy machine; reaching it means that something hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn code(text: &str) -> Code {
    text.parse().expect("a code")
}

pub(crate) fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

pub(crate) fn viewer() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 40_000).into()
}

/// A stream that the clip feeds for ever.
pub(crate) fn clip_stream(name: &str) -> Stream {
    let input = Input { source: Source::Clip { flv: CLIP }, priority: 0 };
    Stream { inputs: vec![input], ..Stream::new(code(name)) }
}

pub(crate) fn request(method: Method, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method);
    for &(name, value) in headers {
        request = request.header(name, value);
    }
    request.body(()).expect("a request").into_parts().0
}

pub(crate) async fn get_hls(service: &Arc<Service>, stream: &str, file: &str) -> Response<Body> {
    service.handle_hls(&request(Method::GET, &[]), viewer(), &address(stream), file).await
}

pub(crate) async fn get_dash(service: &Arc<Service>, stream: &str, file: &str) -> Response<Body> {
    service.handle_dash(&request(Method::GET, &[]), viewer(), &address(stream), file).await
}

pub(crate) async fn get_fragment(service: &Arc<Service>, stream: &str, file: &str) -> Response<Body> {
    service.handle_fragment(&request(Method::GET, &[]), viewer(), &address(stream), file).await
}

/// Settings with segments as short as can be.
pub(crate) fn short() -> Settings {
    let segmented = Segmented { segment: Duration::from_secs(1), window: 3, ..Segmented::default() };
    Settings { hls: segmented.clone(), dash: segmented, ..Settings::default() }
}

/// A folder for one test, which goes with it.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("rillcast-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        Self(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Files that a manifest names.
pub(crate) fn named(mpd: &str) -> Vec<String> {
    let value = |tag: &str, name: &str| {
        let rest = tag.split_once(&format!(" {name}=\""))?.1;
        Some(rest.split_once('"')?.0.to_owned())
    };
    let number = |tag: &str, name: &str| value(tag, name).map(|text| text.parse::<u64>().expect("a number"));
    let (mut files, mut media, mut next) = (Vec::new(), String::new(), 0);
    for tag in mpd.split('<') {
        if tag.starts_with("SegmentTemplate") {
            files.extend(value(tag, "initialization"));
            media = value(tag, "media").expect("a URL");
        } else if tag.starts_with("S ") {
            next = number(tag, "t").unwrap_or(next);
            for _ in 0..=number(tag, "r").unwrap_or(0) {
                files.push(media.replace("$Time$", &next.to_string()));
                next += number(tag, "d").expect("a duration");
            }
        }
    }
    files
}

/// The lines of a playlist that are no tags.
pub(crate) fn uris(playlist: &str) -> Vec<&str> {
    playlist.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

pub(crate) async fn get_mpegts(service: &Arc<Service>, stream: &str) -> Response<Body> {
    service.handle_mpegts(&request(Method::GET, &[]), viewer(), &address(stream)).await
}

pub(crate) async fn all(response: Response<Body>) -> Bytes {
    let collected = tokio::time::timeout(PATIENCE, response.into_body().collect()).await;
    collected.expect("an end").expect("a body").to_bytes()
}

pub(crate) async fn text(response: Response<Body>) -> String {
    String::from_utf8(all(response).await.to_vec()).expect("text")
}

/// At least `size` bytes of an endless body.
pub(crate) async fn some(body: &mut Body, size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < size {
        let frame = tokio::time::timeout(PATIENCE, body.frame()).await.expect("bytes in time");
        let frame = frame.expect("no end").expect("no error");
        bytes.extend_from_slice(frame.data_ref().expect("data"));
    }
    bytes
}

/// Waits until the service says what is expected of it.
pub(crate) async fn until<T>(mut probe: impl FnMut() -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(found) = probe() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("in time")
}

/// Why the newest session of this kind ended, once it has.
pub(crate) async fn reason(service: &Service, role: publisher::session::Role) -> Ended {
    until(|| {
        let closed = service.sessions().closed();
        closed.iter().rev().find(|closed| closed.session.role == role).map(|closed| closed.reason.clone())
    })
    .await
}

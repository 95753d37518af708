//! The routes, asked as a client would; the media behind them is tested in `publisher`.

use std::net::SocketAddr;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use publisher::config::{Push, Stream};
use tower_service::Service as _;

use super::*;

const HERE: &str = "127.0.0.1:50000";
const ELSEWHERE: &str = "192.0.2.1:50000";

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

fn site(service: Arc<Service>) -> Site {
    let limits = Limits::from(&publisher::config::Limits::default());
    Site {
        control: Control::for_testing(Arc::clone(&service)),
        service,
        urls: Urls::new("rtmp://localhost", "rtsp://localhost:8554", "srt://localhost:9999"),
        limits,
        access: Arc::default(),
    }
}

async fn routes() -> Router {
    let service = Service::for_testing();
    let pushes = vec![Push::new("srt://host/geheim"), Push::new("rtmp://u:geheim@localhost/live/geheim")];
    let stream = Stream { pushes, ..Stream::new("region/news".parse().expect("a code")) };
    service.start(stream).await.expect("started");
    service.start(Stream::new("silent".parse().expect("a code"))).await.expect("started");
    router(Arc::new(site(service)))
}

async fn ask(method: &str, path: &str, peer: &str, host: &str) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, host)
        .body(Body::empty())
        .expect("a request");
    let peer: SocketAddr = peer.parse().expect("an address");
    request.extensions_mut().insert(connection::Peer { address: peer, proxied: false });
    let response = routes().await.call(request).await.expect("an answer");
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, 10 << 20).await.expect("a body");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Answer { status: parts.status, headers: parts.headers, text }
}

#[tokio::test]
async fn anybody_may_ask_for_health() {
    let answer = ask("GET", "/healthz", ELSEWHERE, "example.com").await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, "ok\n"));
    assert_eq!(ask("HEAD", "/healthz", ELSEWHERE, "x").await.text, "");
    assert_eq!(ask("POST", "/healthz", ELSEWHERE, "x").await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn the_page_and_all_its_parts_are_there_under_a_strict_policy() {
    let page = ask("GET", "/", HERE, "localhost:8080").await;
    assert_eq!((page.status, page.header("content-type")), (StatusCode::OK, "text/html; charset=utf-8"));
    let own_files: Vec<&str> = page.text.split(['"']).filter(|text| text.starts_with("/assets/")).collect();
    assert_eq!(own_files, ["/assets/page.css", "/assets/page.js"]);
    for path in own_files.into_iter().chain(["/assets/api.js", "/assets/player.js", "/assets/engines.js"]) {
        let part = ask("GET", path, HERE, "localhost:8080").await;
        assert_eq!(part.status, StatusCode::OK, "{path}");
        assert!(part.header("content-security-policy").starts_with("default-src 'none'; script-src 'self';"));
    }
    assert!(!page.text.contains("<style") && !page.text.contains(" style="), "inline");
    let missing = ask("GET", "/assets/x.js", HERE, "localhost").await;
    assert_eq!(
        (missing.status, missing.text.as_str()),
        (StatusCode::NOT_FOUND, "the page has no such file\n")
    );
}

#[tokio::test]
async fn fetched_players_are_there_or_say_how_to_get_them() {
    for name in ["hls.js", "dash.js"] {
        let answer = ask("GET", &format!("/assets/{name}"), HERE, "localhost").await;
        let licence = ask("GET", &format!("/assets/{name}.LICENSE"), HERE, "localhost").await;
        assert_eq!(answer.status, licence.status, "{name}");
        match answer.status {
            StatusCode::OK => {
                assert!(answer.header("content-type").starts_with("text/javascript"));
                assert_eq!(answer.header("content-encoding"), "gzip");
            }
            status => {
                assert_eq!(status, StatusCode::NOT_FOUND);
                assert!(answer.text.contains(name) && answer.text.contains("scripts/build-web"));
            }
        }
    }
}

#[tokio::test]
async fn page_and_api_are_for_this_machine_alone() {
    for path in ["/", "/assets/page.js", "/api/v1/streams"] {
        for (peer, host) in [(ELSEWHERE, "localhost"), (HERE, "example.com")] {
            let answer = ask("GET", path, peer, host).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {peer} {host}");
            let told = if path.starts_with("/api") {
                "the API is for this machine alone"
            } else {
                "This page is for a browser on the machine"
            };
            assert!(answer.text.contains(told), "{}", answer.text);
            assert_eq!(answer.header("access-control-allow-origin"), "", "no other site reads it");
        }
    }
}

#[tokio::test]
async fn the_api_lists_streams() {
    let answer = ask("GET", "/api/v1/streams", HERE, "127.0.0.1:8080").await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let overview: serde_json::Value = serde_json::from_str(&answer.text).expect("JSON");
    let stream = &overview["streams"][0];
    assert_eq!(overview["rtmp"], "rtmp://localhost");
    assert_eq!((&stream["code"], &stream["state"]), (&"region/news".into(), &"waiting".into()));
    assert_eq!(stream["outputs"]["hls"], "/region/news/index.m3u8");
    assert_eq!(stream["outputs"]["mpegts"], "/region/news/mpegts");
}

#[tokio::test]
async fn every_answer_of_a_media_path_may_be_read_by_every_site() {
    for (method, path, status) in [
        ("GET", "/none/index.m3u8", StatusCode::NOT_FOUND),
        ("GET", "/none/mpegts", StatusCode::NOT_FOUND),
        ("GET", "/region/news/index.mpd", StatusCode::NOT_FOUND),
        ("GET", "/favicon.ico", StatusCode::NOT_FOUND),
        ("GET", "/region/news/track_1-a7-0.m4s", StatusCode::NOT_FOUND),
        ("HEAD", "/none/mpegts", StatusCode::NOT_FOUND),
        ("GET", "/none/time", StatusCode::OK),
        ("POST", "/none/time", StatusCode::METHOD_NOT_ALLOWED),
        ("POST", "/none/index.m3u8", StatusCode::METHOD_NOT_ALLOWED),
        ("OPTIONS", "/none/index.m3u8", StatusCode::NO_CONTENT),
    ] {
        let answer = ask(method, path, ELSEWHERE, "example.com").await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{method} {path}");
        assert!(answer.header("access-control-expose-headers").contains("Content-Range"));
    }
    let preflight = ask("OPTIONS", "/none/1.ts", ELSEWHERE, "example.com").await;
    assert!(preflight.header("access-control-allow-headers").contains("Range"));
    assert_eq!(preflight.header("access-control-allow-methods"), "GET, HEAD, OPTIONS");
}

#[tokio::test]
async fn players_are_told_the_time_for_every_code_and_no_cache_keeps_it() {
    for path in ["/region/news/time", "/none/time", "/none@720p/time", "/none%40720p/time"] {
        let answer = ask("GET", path, ELSEWHERE, "example.com").await;
        let own = |header| answer.header(header).to_owned();
        assert_eq!(
            (answer.status, own("content-type").as_str()),
            (StatusCode::OK, "text/plain; charset=utf-8")
        );
        assert_eq!(own("cache-control"), "no-store");
        let digits = answer.text.replace(|c: char| c.is_ascii_digit(), "0");
        assert_eq!(digits, "0000-00-00T00:00:00.000Z", "{}", answer.text);
        let head = ask("HEAD", path, ELSEWHERE, "example.com").await;
        assert_eq!(
            (head.status, head.text.as_str(), head.header("content-length")),
            (StatusCode::OK, "", "24")
        );
    }
}

#[tokio::test]
async fn a_wrong_method_names_the_right_ones() {
    let media = ask("POST", "/none/mpegts", ELSEWHERE, "example.com").await;
    assert_eq!(media.header("allow"), "GET, HEAD, OPTIONS");
    assert_eq!(media.text, "POST is not possible here; allowed: GET, HEAD, OPTIONS\n");
    let page = ask("DELETE", "/", HERE, "localhost").await;
    assert_eq!((page.status, page.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD"));
    assert_eq!(page.text, "DELETE is not possible here; allowed: GET, HEAD\n");
}

#[tokio::test]
async fn a_path_that_means_nothing_says_what_does() {
    let answer = ask("GET", "/region/news", ELSEWHERE, "example.com").await;
    assert!(answer.text.contains("/<code>/index.m3u8"), "{}", answer.text);
    let answer = ask("GET", "/live/news/index.m3u8", ELSEWHERE, "example.com").await;
    assert_eq!(answer.text, "stream code \"live/news\": \"live\" is reserved there\n");
}

#[tokio::test]
async fn a_busy_port_is_named_with_its_setting() {
    let taken = Server::bind(&["127.0.0.1:0".parse().expect("an address")]).expect("a free port");
    let address = taken.url().replace("http://", "");
    let error = Server::bind(&[address.parse().expect("an address")]).err().expect("taken").to_string();
    assert!(error.starts_with(&format!("http.listen {address}: address in use")), "{error}");
}

#[tokio::test]
async fn localhost_is_both_families_at_one_port() {
    let server = Server::bind(&["localhost:0".parse().expect("an address")]).expect("a free port");
    let port: u16 = server.url().replace("http://localhost:", "").parse().expect("a port");
    let stop = CancellationToken::new();
    let connections = server.serve(site(Service::for_testing()), &stop);
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok());
    stop.cancel();
    connections.ended().await;
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err(), "closed");
}

#[tokio::test]
async fn what_is_pushed_is_told_to_this_machine_alone_and_without_a_key() {
    let path = "/api/v1/streams/region/news/runtime";
    let answer = ask("GET", path, HERE, "localhost").await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/json"));
    assert_eq!(answer.header("cache-control"), "no-store");
    let status: serde_json::Value = serde_json::from_str(&answer.text).expect("JSON");
    let shown: Vec<_> =
        status["pushes"].as_array().expect("a list").iter().map(|push| &push["url"]).collect();
    assert_eq!(shown, ["rtmp://***@localhost/live/***", "srt://host/***"]);
    assert_eq!(
        (&status["pushes"][0]["status"], &status["pushes"][0]["attempt"]),
        (&"starting".into(), &0.into())
    );
    let overview = ask("GET", "/api/v1/streams", HERE, "localhost").await.text;
    assert!(overview.contains("rtmp://***@localhost/live/***"));
    assert!(!format!("{overview}{}", answer.text).contains("geheim"));
    assert_eq!(ask("GET", path, ELSEWHERE, "localhost").await.status, StatusCode::FORBIDDEN);
    assert_eq!(ask("GET", path, HERE, "example.com").await.status, StatusCode::FORBIDDEN);
    let silent = ask("GET", "/api/v1/streams/silent/runtime", HERE, "localhost").await;
    assert!(silent.status == StatusCode::OK && silent.text.contains("\"pushes\":[]"), "{}", silent.text);
    let absent = ask("GET", "/api/v1/streams/no/such/stream/runtime", HERE, "localhost").await;
    assert_eq!(absent.status, StatusCode::NOT_FOUND);
}

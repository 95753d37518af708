//! DASH as a CDN and a player ask for it, and fragmented MP4 in HLS.

use std::time::Duration;

use http::{Method, StatusCode};
use publisher::Service;
use publisher::config::{Rendition, SegmentType, Settings, Stream};
use publisher::session::{Ended, Protocol, Role};

use crate::encoder::h265_flv;
use crate::ladder::LOW;
use crate::rtmp::Server;
use crate::world::{
    Scratch, address, all, clip_stream, code, get_dash, get_fragment, get_hls, named, reason, request, short,
    text, until, uris, viewer,
};

#[tokio::test]
async fn the_first_request_waits_and_leads_to_segments_that_are_there() {
    let service = Service::for_testing();
    service.start(clip_stream("region/news")).await.expect("started");
    let response = get_dash(&service, "region/news", "index.mpd").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/dash+xml");
    assert_eq!(response.headers()["cache-control"], "public, max-age=1");
    let mpd = text(response).await;
    assert!(
        mpd.starts_with("<?xml") && mpd.contains("codecs=\"avc1.") && mpd.contains("codecs=\"mp4a."),
        "{mpd}"
    );
    let files = named(&mpd);
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        let response = get_fragment(&service, "region/news", &file).await;
        assert_eq!(response.status(), StatusCode::OK, "{file}");
        let kind = if file.starts_with("sound.") { "audio/mp4" } else { "video/mp4" };
        assert_eq!(response.headers()["content-type"], kind, "{file}");
        assert!(response.headers()["cache-control"].to_str().expect("text").contains("immutable"));
        let length = response.headers()["content-length"].to_str().expect("text").to_owned();
        let bytes = all(response).await;
        assert_eq!(bytes.len().to_string(), length);
        let kind = if file.contains("init") { b"ftyp" } else { b"styp" };
        assert_eq!(bytes[4..8], *kind, "{file}");
    }
    let sessions = service.sessions().list();
    let viewers: Vec<_> = sessions.iter().filter(|session| session.role == Role::Viewer).collect();
    assert_eq!(viewers.len(), 1, "the same client all the time");
    assert!(viewers[0].protocol == Protocol::Dash && viewers[0].bytes() > 10_000);
    service.stop(&code("region/news")).await.expect("stopped");
    assert_eq!(reason(&service, Role::Viewer).await, Ended::StreamStopped);
}

#[tokio::test]
async fn what_does_not_exist_is_404() {
    let settings = Settings { join_timeout: Duration::from_millis(50), ..Settings::default() };
    let service = Service::new(settings).expect("a service");
    service.start(Stream::new(code("quiet"))).await.expect("started");
    let asked = async |stream: &str, file: &str| {
        let response = match file.contains(".m") && !file.ends_with(".mpd") {
            true => get_fragment(&service, stream, file).await,
            false => get_dash(&service, stream, file).await,
        };
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{stream}/{file}");
        assert_eq!(response.headers()["cache-control"], "no-store");
        text(response).await
    };
    assert_eq!(asked("quiet", "index.mpd").await, "stream quiet has no media now\n");
    assert_eq!(asked("quiet", "other.mpd").await, "the manifest of stream quiet is index.mpd\n");
    assert_eq!(asked("other", "index.mpd").await, "stream other is not running\n");
    assert_eq!(asked("other", "track_1-x-1.m4s").await, "stream other is not running\n");
    let missing = "stream quiet has no such segment, or not any more\n";
    for file in ["track_1-x-1.m4s", "track_1-x-init1.mp4", "../quiet/track_1-x-1.m4s"] {
        assert_eq!(asked("quiet", file).await, missing);
    }
    assert!(asked("quiet@720p", "index.mpd").await.contains("has no rendition \"720p\""));
    assert!(service.sessions().list().is_empty(), "nobody has seen anything");
    service.shutdown().await;
}

#[tokio::test]
async fn heads_ranges_versions_and_compression() {
    let service = Service::for_testing();
    service.start(clip_stream("news")).await.expect("started");
    let mpd = text(get_dash(&service, "news", "index.mpd").await).await;
    let ask = async |method: Method, headers: &[(&str, &str)], file: &str| {
        let request = request(method, headers);
        match file.ends_with(".mpd") {
            true => service.handle_dash(&request, viewer(), &address("news"), file).await,
            false => service.handle_fragment(&request, viewer(), &address("news"), file).await,
        }
    };
    let segment = named(&mpd).into_iter().find(|file| file.ends_with(".m4s")).expect("a segment");
    let whole = all(ask(Method::GET, &[], &segment).await).await;
    let head = ask(Method::HEAD, &[], &segment).await;
    assert_eq!(head.headers()["content-length"], whole.len().to_string().as_str());
    let tag = head.headers()["etag"].to_str().expect("text").to_owned();
    assert_eq!(all(head).await.len(), 0);
    let part = ask(Method::GET, &[("range", "bytes=4-7")], &segment).await;
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.headers()["content-range"], format!("bytes 4-7/{}", whole.len()).as_str());
    assert_eq!(all(part).await, &b"styp"[..]);
    let known = ask(Method::GET, &[("if-none-match", &tag)], &segment).await;
    assert_eq!((known.status(), all(known).await.len()), (StatusCode::NOT_MODIFIED, 0));
    let packed = ask(Method::GET, &[("accept-encoding", "gzip")], "index.mpd").await;
    assert_eq!(
        (packed.status(), &packed.headers()["content-encoding"]),
        (StatusCode::OK, &"gzip".parse().expect("a value"))
    );
    assert_eq!(packed.headers()["vary"], "Accept-Encoding");
    assert_eq!(all(packed).await[..2], [0x1f, 0x8b]);
    let head = ask(Method::HEAD, &[], "index.mpd").await;
    assert!(
        head.headers()["content-length"].to_str().expect("text").parse::<usize>().expect("a number") > 500
    );
    assert_eq!(all(head).await.len(), 0);
    service.shutdown().await;
}

#[tokio::test]
async fn a_viewer_that_asks_no_more_has_left_and_only_so_many_are_let_in() {
    let viewer_idle = Duration::from_millis(100);
    let mut settings = Settings { viewer_idle, ..Settings::default() };
    settings.limits.viewers_per_stream = 1;
    let service = Service::new(settings).expect("a service");
    service.start(clip_stream("news")).await.expect("started");
    get_dash(&service, "news", "index.mpd").await;
    assert_eq!(reason(&service, Role::Viewer).await, Ended::Idle(viewer_idle));
    let ask = async |peer: &str| {
        let peer = peer.parse().expect("an address");
        service.handle_dash(&request(Method::GET, &[]), peer, &address("news"), "index.mpd").await.status()
    };
    assert_eq!(ask("192.0.2.1:5000").await, StatusCode::OK);
    assert_eq!(ask("192.0.2.2:5000").await, StatusCode::SERVICE_UNAVAILABLE);
    service.shutdown().await;
}

#[tokio::test]
async fn what_is_on_disk_is_whole_and_goes_when_it_may() {
    let scratch = Scratch::new("dash");
    let keeping = Scratch::new("dash-kept");
    let mut services = Vec::new();
    for (dir, ephemeral) in [(&scratch.0, true), (&keeping.0, false)] {
        let mut settings = short();
        (settings.dash.dir, settings.dash.ephemeral) = (Some(dir.clone()), ephemeral);
        let server = Server::start(settings, vec![Stream::new(code("a/b"))]).await;
        services.push((server.publish("a/b", LOW).await, server));
    }
    let folder = scratch.0.join("a/b");
    let first = until(|| std::fs::read_to_string(folder.join("index.mpd")).ok()).await;
    assert!(folder.join(".rillcast").exists());
    let oldest = named(&first).into_iter().find(|file| file.ends_with(".m4s")).expect("a segment");
    // Whoever reads the manifest finds what it names, at whatever moment.
    until(|| {
        let mpd = std::fs::read_to_string(folder.join("index.mpd")).expect("always there");
        assert!(mpd.ends_with("</MPD>\n"), "whole");
        for file in named(&mpd) {
            assert!(folder.join(&file).exists(), "{file}");
        }
        (!folder.join(&oldest).exists()).then_some(())
    })
    .await;
    let kept = keeping.0.join("a/b");
    let entries: Vec<String> = std::fs::read_dir(&kept)
        .expect("a folder")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let segments =
        entries.iter().filter(|name| name.starts_with("track_1-") && name.ends_with(".m4s")).count();
    assert!(segments >= 7, "nothing is deleted: {entries:?}");
    for (_, server) in &services {
        server.service.stop(&code("a/b")).await.expect("stopped");
    }
    assert!(!scratch.0.join("a").exists() && !keeping.0.join("a").exists());
    assert!(scratch.0.join(".rillcast").exists(), "the directory stays ours");
}

#[tokio::test]
async fn a_directory_that_is_not_ours_is_refused() {
    let scratch = Scratch::new("dash-foreign");
    std::fs::create_dir_all(&scratch.0).expect("made");
    std::fs::write(scratch.0.join("index.mpd"), "somebody's").expect("written");
    let mut settings = Settings::default();
    settings.dash.dir = Some(scratch.0.clone());
    let error = Service::new(settings).err().expect("refused").to_string();
    assert!(error.starts_with("publisher.dash.dir "), "{error}");
    assert!(scratch.0.join("index.mpd").exists());
}

/// The names of the segments in the playlist of a rung, once there are some.
async fn segments(server: &Server, file: &str) -> Vec<String> {
    let asking = async {
        loop {
            let response = get_hls(&server.service, "news", file).await;
            if response.status() == StatusCode::OK {
                return uris(&text(response).await).into_iter().map(str::to_owned).collect::<Vec<_>>();
            }
        }
    };
    tokio::time::timeout(crate::world::PATIENCE, asking).await.expect("in time")
}

#[tokio::test]
async fn segments_of_hls_are_of_the_type_that_is_set() {
    let check = async |segment_type, flv, suffix: &str| {
        let settings = Settings { hls_segment_type: segment_type, ..short() };
        let server = Server::start(settings, vec![Stream::new(code("news"))]).await;
        let _encoder = server.publish("news", flv).await;
        let names = segments(&server, "track_1.m3u8").await;
        assert!(names.iter().all(|name| name.ends_with(suffix)), "{segment_type:?}: {names:?}");
        let response = get_fragment(&server.service, "news", &names[0]).await;
        assert_eq!(response.status(), StatusCode::OK, "whichever way it is asked for");
        let playlist = text(get_hls(&server.service, "news", "track_1.m3u8").await).await;
        assert_eq!(playlist.contains("#EXT-X-MAP:URI="), suffix == ".m4s", "{playlist}");
        let warned = server.status().warnings.iter().any(|warning| warning.contains("no browser"));
        assert_eq!(warned, segment_type == SegmentType::Ts && flv != LOW, "{:?}", server.status().warnings);
        server.service.shutdown().await;
    };
    tokio::join!(
        check(SegmentType::Ts, LOW, ".ts"),
        check(SegmentType::Fmp4, LOW, ".m4s"),
        check(SegmentType::Auto, LOW, ".ts"),
        check(SegmentType::Auto, h265_flv(), ".m4s"),
        check(SegmentType::Ts, h265_flv(), ".ts"),
    );
}

#[tokio::test]
async fn another_codec_has_hls_begin_anew_in_the_form_that_it_needs() {
    let server = Server::start(short(), vec![Stream::new(code("news"))]).await;
    let until_suffix = async |suffix: &str| loop {
        let names = segments(&server, "track_1.m3u8").await;
        if names.iter().all(|name| name.ends_with(suffix)) {
            return names;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let is_free = async || until(|| server.status().source.is_none().then_some(())).await;
    let first = server.publish("news", LOW).await;
    let old = until_suffix(".ts").await;
    drop(first);
    is_free().await;
    let second = server.publish("news", h265_flv()).await;
    tokio::time::timeout(crate::world::PATIENCE, until_suffix(".m4s")).await.expect("in time");
    assert_eq!(get_hls(&server.service, "news", &old[0]).await.status(), StatusCode::NOT_FOUND);
    let dash = async {
        while !text(get_dash(&server.service, "news", "index.mpd").await).await.contains("hvc1.") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(crate::world::PATIENCE, dash).await.expect("in time");
    drop(second);
    is_free().await;
    let _third = server.publish("news", LOW).await;
    tokio::time::timeout(crate::world::PATIENCE, until_suffix(".ts")).await.expect("in time");
    server.service.shutdown().await;
}

#[tokio::test]
async fn one_rung_that_needs_fragmented_mp4_has_all_of_them_in_it() {
    let check = async |order: [&str; 2]| {
        let renditions = ["avc", "hevc"].map(Rendition::new).to_vec();
        let stream = Stream { renditions, ..Stream::new(code("news")) };
        let server = Server::start(short(), vec![stream]).await;
        let mut encoders = Vec::new();
        for name in order {
            let flv = if name == "avc" { LOW } else { h265_flv() };
            encoders.push(server.publish(&format!("news@{name}"), flv).await);
        }
        let whole = async {
            loop {
                let (avc, hevc) = (segments(&server, "avc.m3u8").await, segments(&server, "hevc.m3u8").await);
                if avc.iter().chain(&hevc).all(|name| name.ends_with(".m4s") || name == "gap") {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(crate::world::PATIENCE, whole).await.unwrap_or_else(|_| panic!("{order:?}"));
        server.service.shutdown().await;
    };
    tokio::join!(check(["avc", "hevc"]), check(["hevc", "avc"]));
}

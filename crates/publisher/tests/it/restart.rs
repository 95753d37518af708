//! Changes to a running ladder: HLS and DASH begin anew, and nobody else notices.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use publisher::config::{AbrRepMeta, Rendition, Settings, Stream};
use publisher::session::{Ended, Role};
use publisher::{Body, Error, Service};
use rtmp::message::kind;

use crate::encoder::{Encoder, tags};
use crate::ladder::LOW;
use crate::player::Player;
use crate::rtmp::Server;
use crate::witness::{assert_whole, common, watch};
use crate::world::{
    Scratch, clip_stream, code, get_dash, get_fragment, get_hls, get_mpegts, named, short, some, text, until,
    uris,
};

const NEWS: &str = "region/news";

fn renditions(names: &[&str]) -> Vec<Rendition> {
    names.iter().map(|name| Rendition::new(*name)).collect()
}

fn ladder(names: &[&str]) -> Stream {
    Stream { renditions: renditions(names), ..Stream::new(code(NEWS)) }
}

/// A ladder that is fed on all its rungs.
async fn fed(settings: Settings, names: &[&str]) -> (Server, Vec<Encoder>) {
    let server = Server::start(settings, vec![ladder(names)]).await;
    let mut encoders = Vec::new();
    for name in names {
        encoders.push(server.publish(&format!("{NEWS}@{name}"), LOW).await);
    }
    server.is_live(names).await;
    (server, encoders)
}

/// Asks until the answer is as it should be.
async fn asked(
    service: &Arc<Service>,
    get: impl AsyncFn(&Arc<Service>, &str, &str) -> http::Response<Body>,
    file: &str,
    is_right: impl Fn(&str) -> bool,
) -> String {
    let asking = async {
        loop {
            let response = get(service, NEWS, file).await;
            if response.status() == StatusCode::OK {
                let text = text(response).await;
                if is_right(&text) {
                    return text;
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(crate::world::PATIENCE, asking).await.expect("in time")
}

async fn multivariant(service: &Arc<Service>, names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("{name}.m3u8")).collect();
    asked(service, get_hls, "index.m3u8", |text| uris(text) == names).await
}

#[tokio::test]
async fn only_hls_and_dash_restart() {
    let (server, _encoders) = fed(short(), &["low", "high"]).await;
    let service = &server.service;
    let before = (
        multivariant(service, &["low", "high"]).await,
        text(get_dash(service, NEWS, "index.mpd").await).await,
    );
    let sessions = |role| {
        let list = service.sessions().list();
        list.iter().filter(|session| session.role == role).map(|session| session.id).collect::<Vec<_>>()
    };
    let publishers = sessions(Role::Publisher);
    let across = watch(server.viewer("region/news@low").await);
    let mut player = Player::start(server.address, "region/news@low").await.expect("let in");
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let playing = tokio::spawn(async move {
        let mut pictures = Vec::new();
        while stopped.try_recv().is_err() {
            let body = player.media(kind::VIDEO).await.1;
            pictures.extend((body[1] == 1).then_some(body));
        }
        pictures
    });
    until(|| (across.len() > 60_000).then_some(())).await;

    let more = ladder(&["low", "high", "top"]);
    service.restart_hls_dash(&more).await.expect("restarted");
    let _top = server.publish("region/news@top", LOW).await;
    let after = (
        multivariant(service, &["low", "high", "top"]).await,
        asked(service, get_dash, "index.mpd", |mpd| mpd.contains("id=\"top\"")).await,
    );

    // One that was never there when it happened says what the bytes have to be.
    let control = watch(server.viewer("region/news@low").await);
    until(|| (control.len() > 60_000).then_some(())).await;
    let length = across.len();
    until(|| (across.len() > length).then_some(())).await;
    let (across, control) = (across.bytes(), control.bytes());
    assert_whole(&across);
    let (across, control) = common(&across, &control);
    assert!(across.len() > 20_000 && across == control, "byte by byte");
    stop.send(()).expect("it plays");
    let played = playing.await.expect("no end and no error");
    let clip: Vec<&[u8]> = tags(LOW)
        .into_iter()
        .filter(|tag| tag.kind == kind::VIDEO && tag.body[1] == 1)
        .map(|tag| tag.body)
        .collect();
    let first = clip.iter().position(|body| *body == played[0]).expect("of the clip");
    let expected = clip.iter().cycle().skip(first).take(played.len());
    assert!(played.len() > 100 && played.iter().eq(expected), "frame by frame");

    assert_eq!(sessions(Role::Publisher)[..2], publishers);
    assert!(service.sessions().closed().iter().all(|closed| closed.session.role == Role::Viewer));
    assert_ne!(before.0, after.0);
    // Whatever a cache may keep has other names now.
    let old = named(&before.1);
    assert!(named(&after.1).iter().all(|name| !old.contains(name)));
    assert_eq!(get_fragment(service, NEWS, &old[0]).await.status(), StatusCode::NOT_FOUND);
    service.shutdown().await;
}

#[tokio::test]
async fn a_rung_that_is_taken_out_ends_with_those_who_feed_and_play_it() {
    let (server, _encoders) = fed(short(), &["low", "high"]).await;
    let service = &server.service;
    let mut viewers = Vec::new();
    for address in ["region/news@high", "region/news@low", "region/news"] {
        let mut viewer = server.viewer(address).await;
        some(&mut viewer, 1000).await;
        viewers.push(watch(viewer));
    }
    // Both are alike, so that the first one was the best.
    service.restart_hls_dash(&ladder(&["high"])).await.expect("restarted");
    let closed = until(|| {
        let closed = service.sessions().closed();
        (closed.iter().filter(|closed| closed.reason == Ended::RenditionRemoved).count() >= 3)
            .then_some(closed)
    })
    .await;
    let gone: Vec<(Role, Option<&str>)> =
        closed.iter().map(|closed| (closed.session.role, closed.session.rendition.as_deref())).collect();
    assert!(closed.iter().all(|closed| matches!(closed.reason, Ended::RenditionRemoved)), "{closed:?}");
    // Who named none had that one as well.
    let of = |role, name| gone.iter().filter(|gone| **gone == (role, Some(name))).count();
    assert_eq!((of(Role::Publisher, "low"), of(Role::Viewer, "low")), (1, 2), "{gone:?}");
    assert_eq!((of(Role::Publisher, "high"), of(Role::Viewer, "high")), (0, 0), "{gone:?}");
    multivariant(service, &["high"]).await;
    assert!(server.refused("region/news@low").await.contains("has no rendition \"low\""));
    assert_eq!(get_hls(service, "region/news@low", "index.m3u8").await.status(), StatusCode::NOT_FOUND);
    service.shutdown().await;
}

/// A player that is told that there is nothing gives up.
#[tokio::test]
async fn who_asks_meanwhile_waits() {
    let (server, _encoders) =
        fed(Settings { join_timeout: Duration::from_secs(20), ..short() }, &["low", "high"]).await;
    let service = Arc::clone(&server.service);
    multivariant(&service, &["low", "high"]).await;
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let asking = tokio::spawn(async move {
        let mut asked = 0;
        while stopped.try_recv().is_err() {
            for answer in
                [get_hls(&service, NEWS, "index.m3u8").await, get_dash(&service, NEWS, "index.mpd").await]
            {
                let status = answer.status();
                assert_eq!(status, StatusCode::OK, "after {asked}: {}", text(answer).await);
            }
            asked += 1;
            tokio::task::yield_now().await;
        }
        asked
    });
    for _ in 0..3 {
        server.service.restart_hls_dash(&ladder(&["low", "high"])).await.expect("restarted");
        multivariant(&server.service, &["low", "high"]).await;
    }
    stop.send(()).expect("it asks");
    assert!(asking.await.expect("no answer but media") > 0);
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_stream_gets_a_ladder_and_loses_it_again() {
    let server = Server::start(short(), vec![Stream::new(code(NEWS))]).await;
    let _bare = server.publish(NEWS, LOW).await;
    server.is_live(&["track_1"]).await;
    server.service.restart_hls_dash(&ladder(&["a", "b"])).await.expect("restarted");
    let closed = until(|| server.service.sessions().closed().pop()).await;
    assert_eq!((closed.session.role, closed.reason), (Role::Publisher, Ended::RenditionRemoved));
    let encoders = (server.publish("region/news@a", LOW).await, server.publish("region/news@b", LOW).await);
    server.is_live(&["a", "b"]).await;
    multivariant(&server.service, &["a", "b"]).await;
    server.service.restart_hls_dash(&Stream::new(code(NEWS))).await.expect("restarted");
    let _bare = server.publish(NEWS, LOW).await;
    multivariant(&server.service, &["track_1"]).await;
    drop(encoders);
    server.service.shutdown().await;
}

#[tokio::test]
async fn rungs_that_stay_take_their_new_place_and_settings() {
    let (server, _encoders) = fed(short(), &["a", "b"]).await;
    let rung = |name: &str, kbps| Rendition { bitrate_kbps: Some(kbps), ..Rendition::new(name) };
    let other = Stream { renditions: vec![rung("b", 7000), rung("a", 3000)], ..ladder(&[]) };
    server.service.restart_hls_dash(&other).await.expect("restarted");
    let playlist = multivariant(&server.service, &["b", "a"]).await;
    let rates: Vec<&str> = playlist.split("STREAM-INF:BANDWIDTH=").skip(1).collect();
    assert!(rates[0].starts_with("7000000,") && rates[1].starts_with("3000000,"), "{playlist}");
    let configured: Vec<_> = server
        .status()
        .renditions
        .iter()
        .map(|rung| (rung.config.name.clone(), rung.config.bitrate_kbps))
        .collect();
    assert_eq!(configured, [("b".to_owned(), Some(7000)), ("a".to_owned(), Some(3000))]);
    server.service.shutdown().await;
}

#[tokio::test]
async fn hls_and_dash_are_switched_off_and_on() {
    let (server, _encoders) = fed(short(), &["a"]).await;
    let service = &server.service;
    let mut viewer = server.viewer("region/news@a").await;
    for (hls, dash) in [(false, true), (true, false), (false, false), (true, true)] {
        let mut stream = ladder(&["a"]);
        (stream.protocols.hls, stream.protocols.dash) = (hls, dash);
        service.restart_hls_dash(&stream).await.expect("restarted");
        let answers =
            (get_hls(service, NEWS, "index.m3u8").await, get_dash(service, NEWS, "index.mpd").await);
        assert_eq!(answers.0.status() == StatusCode::OK, hls);
        assert_eq!(answers.1.status() == StatusCode::OK, dash);
        if !hls {
            assert_eq!(text(answers.0).await, "stream region/news has no HLS output\n");
        }
        if !dash {
            assert_eq!(text(answers.1).await, "stream region/news has no DASH output\n");
        }
        let protocols = server.status().protocols;
        assert_eq!((protocols.hls, protocols.dash, protocols.mpegts), (hls, dash, true));
        some(&mut viewer, 10_000).await;
    }
    service.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_run_changes_nothing() {
    let (server, _encoders) = fed(short(), &["a", "b"]).await;
    let service = &server.service;
    let before = asked(service, get_hls, "a.m3u8", |_| true).await;
    let mut viewer = server.viewer("region/news@a").await;
    for wrong in [ladder(&["a", "a"]), ladder(&["a", "no dots."])] {
        let error = service.restart_hls_dash(&wrong).await.expect_err("not a ladder");
        assert!(matches!(&error, Error::Ladder(of, _) if *of == code(NEWS)), "{error}");
    }
    let other = Stream { code: code("other"), ..ladder(&["a"]) };
    assert!(matches!(service.restart_hls_dash(&other).await, Err(Error::NotRunning(_))));
    let run = |playlist: &str| uris(playlist)[0].rsplit('-').nth(1).map(str::to_owned);
    assert_eq!(run(&asked(service, get_hls, "a.m3u8", |_| true).await), run(&before), "the same run");
    assert_eq!(server.status().renditions.len(), 2);
    some(&mut viewer, 10_000).await;
    assert!(service.sessions().closed().is_empty());
    service.shutdown().await;
}

#[tokio::test]
async fn a_ladder_that_was_changed_too_often_says_so() {
    let service = Service::for_testing();
    service.start(ladder(&["r0"])).await.expect("started");
    let mut refused = None;
    for number in 1..40 {
        if let Err(error) = service.restart_hls_dash(&ladder(&[&format!("r{number}")])).await {
            refused = Some((number, error.to_string()));
            break;
        }
    }
    let (number, error) = refused.expect("there is a limit");
    assert!(number == 32 && error.contains("restart the stream"), "{number}: {error}");
    assert_eq!(service.statuses()[0].renditions[0].config.name, "r31", "as it was");
    service.shutdown().await;
}

#[tokio::test]
async fn folders_are_removed_and_made_again() {
    let scratch = Scratch::new("restart");
    let mut settings = short();
    settings.hls.dir = Some(scratch.0.join("hls"));
    settings.dash.dir = Some(scratch.0.join("dash"));
    let (server, _encoders) = fed(settings, &["a", "b"]).await;
    let folders = [scratch.0.join("hls").join(NEWS), scratch.0.join("dash").join(NEWS)];
    let files = |folder: &std::path::Path| -> Vec<String> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    let are_there = || folders[0].join("index.m3u8").exists() && folders[1].join("index.mpd").exists();
    until(|| are_there().then_some(())).await;
    let before: Vec<String> = folders.iter().flat_map(|folder| files(folder)).collect();
    server.service.restart_hls_dash(&ladder(&["a"])).await.expect("restarted");
    let is_text = |name: &String| name.ends_with(".m3u8") || name.ends_with(".mpd") || name == ".rillcast";
    let left: Vec<String> =
        folders.iter().flat_map(|folder| files(folder)).filter(|name| !is_text(name)).collect();
    assert!(left.iter().all(|name| !before.contains(name)), "{left:?}");
    until(|| are_there().then_some(())).await;
    assert!(!folders[0].join("b.m3u8").exists());
    let mut off = ladder(&["a"]);
    off.protocols.dash = false;
    server.service.restart_hls_dash(&off).await.expect("restarted");
    assert!(!folders[1].exists(), "it has none any more");
    server.service.stop(&code(NEWS)).await.expect("stopped");
    assert!(!folders[0].exists() && scratch.0.join("hls").exists());
    server.service.shutdown().await;
}

fn meta(slug: &str, bandwidth: u64, size: (u32, u32)) -> AbrRepMeta {
    AbrRepMeta { slug: slug.to_owned(), bandwidth, width: size.0, height: size.1, has_audio: true }
}

#[tokio::test]
async fn what_is_announced_anew_is_said_at_once_and_for_ever() {
    let (server, _encoders) = fed(short(), &["a", "b"]).await;
    let service = &server.service;
    multivariant(service, &["a", "b"]).await;
    asked(service, get_dash, "index.mpd", |mpd| mpd.contains("id=\"b\"")).await;
    let updates =
        [meta("b", 4_321_000, (1280, 720)), meta("nowhere", 1, (0, 0)), meta("a", 1_234_000, (0, 0))];
    service.update_abr_master_meta(&code(NEWS), &updates).expect("it runs");
    let check = async || {
        let playlist = text(get_hls(service, NEWS, "index.m3u8").await).await;
        let variants: Vec<&str> = playlist.lines().filter(|line| line.contains("BANDWIDTH")).collect();
        assert!(
            variants[0].contains(":BANDWIDTH=1234000,") && variants[0].contains("RESOLUTION=160x90"),
            "{playlist}"
        );
        assert!(variants[1].contains(":BANDWIDTH=4321000,") && variants[1].contains("RESOLUTION=1280x720"));
        let alone = text(get_hls(service, "region/news@b", "index.m3u8").await).await;
        assert!(alone.contains(":BANDWIDTH=4321000,"), "{alone}");
        let mpd = text(get_dash(service, NEWS, "index.mpd").await).await;
        assert!(
            mpd.contains("id=\"a\" bandwidth=\"1234000\"") && mpd.contains("id=\"b\" bandwidth=\"4321000\"")
        );
        mpd
    };
    let first = check().await;
    asked(service, get_dash, "index.mpd", |mpd| named(mpd).last() != named(&first).last()).await;
    check().await;
    assert!(service.sessions().closed().is_empty(), "nobody is touched");
    let error = service.update_abr_master_meta(&code("other"), &updates).expect_err("it does not run");
    assert!(matches!(error, Error::NotRunning(_)));
    service.shutdown().await;
}

#[tokio::test]
async fn a_file_feeds_the_rung_that_took_the_place_of_its_own() {
    let service = Service::for_testing();
    service.start(clip_stream("clip")).await.expect("started");
    some(&mut get_mpegts(&service, "clip@track_1").await.into_body(), 20_000).await;
    let renamed = Stream { renditions: renditions(&["hd"]), ..clip_stream("clip") };
    service.restart_hls_dash(&renamed).await.expect("restarted");
    some(&mut get_mpegts(&service, "clip@hd").await.into_body(), 20_000).await;
    assert_eq!(get_mpegts(&service, "clip@track_1").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(get_hls(&service, "clip", "index.m3u8").await.status(), StatusCode::OK);
    service.shutdown().await;
}

#[tokio::test]
async fn what_is_announced_anew_before_the_media_comes_is_not_forgotten_and_shown() {
    let server = Server::with(Stream { renditions: renditions(&["a"]), ..Stream::new(code("news")) }).await;
    let anew =
        AbrRepMeta { slug: "a".to_owned(), bandwidth: 9_000_000, width: 64, height: 36, has_audio: true };
    server.service.update_abr_master_meta(&code("news"), &[anew]).expect("it runs");
    let config = server.service.statuses()[0].renditions[0].config.clone();
    let expected =
        Rendition { bitrate_kbps: Some(9000), width: Some(64), height: Some(36), ..Rendition::new("a") };
    assert_eq!(config, expected);
    let _encoder = server.publish("news", LOW).await;
    until(|| server.service.statuses()[0].silent_for).await;
    let playlist = text(get_hls(&server.service, "news", "index.m3u8").await).await;
    assert!(playlist.contains("BANDWIDTH=9000000,") && playlist.contains("RESOLUTION=64x36"), "{playlist}");
    let gone = server.service.update_abr_master_meta(&code("other"), &[]);
    assert!(matches!(gone, Err(Error::NotRunning(_))));
    server.service.shutdown().await;
}

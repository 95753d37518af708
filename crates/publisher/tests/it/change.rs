//! Changes to a stream that runs: what differs is touched, and nobody else.

use std::sync::{Arc, Mutex};

use http::StatusCode;
use publisher::config::{Input, Output, Protocols, Rendition, Secret, Source, Stream};
use publisher::session::{Ended, Protocol, Role};
use publisher::{Action, Change, Error, PushStatus};
use rtmp::message::kind;

use crate::encoder::{Encoder, Tag, tags};
use crate::peer::{Mood, Peer};
use crate::player::Player;
use crate::pushing::{KEY, push, snapshots};
use crate::rtsp_client::{Server, TESTKIT};
use crate::rtsp_play;
use crate::witness::{Watched, assert_whole, common, watch};
use crate::world::{Scratch, code, get_dash, get_hls, get_mpegts, named, short, text, until, uris};

/// A stream that an encoder feeds, with these outputs.
fn news(protocols: Protocols) -> Stream {
    Stream { protocols, ..Stream::new(code("news")) }
}

/// One viewer of each output that has a connection, who takes what it gets and remembers how much.
struct Witnesses {
    mpegts: Watched,
    rtmp: Arc<Mutex<usize>>,
    rtsp: Arc<Mutex<usize>>,
}

impl Witnesses {
    async fn come(server: &Server) -> Self {
        let mut all = Self { mpegts: mpegts(server).await, rtmp: Arc::default(), rtsp: Arc::default() };
        all.come_again(server, Output::Rtmp).await;
        all.come_again(server, Output::Rtsp).await;
        all
    }

    /// Another player in the place of one that was sent away.
    async fn come_again(&mut self, server: &Server, output: Output) {
        if output == Output::Rtmp {
            self.rtmp = Arc::default();
            follow_rtmp(server, Arc::clone(&self.rtmp)).await;
        } else if output == Output::Rtsp {
            self.rtsp = Arc::default();
            follow_rtsp(server, Arc::clone(&self.rtsp)).await;
        }
    }

    fn counts(&self) -> [(Output, usize); 3] {
        [
            (Output::MpegTs, self.mpegts.len()),
            (Output::Rtmp, *self.rtmp.lock().expect("no panic")),
            (Output::Rtsp, *self.rtsp.lock().expect("no panic")),
        ]
    }

    /// All of them, but for that one, get more.
    async fn go_on(&self, but: Option<Output>) {
        let before = self.counts();
        until(|| {
            let more = |((output, before), (_, now)): (&(Output, usize), &(Output, usize))| {
                Some(*output) == but || now > before
            };
            before.iter().zip(&self.counts()).all(more).then_some(())
        })
        .await;
    }
}

async fn mpegts(server: &Server) -> Watched {
    watch(get_mpegts(&server.service, "news").await.into_body())
}

/// A player of RTMP, which fails where a picture of the clip is missing.
async fn follow_rtmp(server: &Server, seen: Arc<Mutex<usize>>) {
    let mut player = Player::start(server.rtmp, "news").await.expect("let in");
    tokio::spawn(async move {
        let mut pictures = tags(TESTKIT);
        pictures.retain(|tag| tag.kind == kind::VIDEO && tag.body[1] == 1);
        let mut next = None;
        while let Some(message) = player.next().await {
            if message.kind != kind::VIDEO || message.body[1] != 1 {
                continue;
            }
            let is_it = |tag: &Tag| *tag.body == *message.body;
            let place = next.unwrap_or_else(|| pictures.iter().position(is_it).expect("of the clip"));
            assert!(is_it(&pictures[place]), "a picture is missing");
            next = Some((place + 1) % pictures.len());
            *seen.lock().expect("no panic") += 1;
        }
    });
}

/// A player of RTSP, which fails where a packet or an access unit is missing.
async fn follow_rtsp(server: &Server, seen: Arc<Mutex<usize>>) {
    let mut player = rtsp_play::Player::start(server.client("news").await).await;
    tokio::spawn(async move {
        while player.next().await.is_some() {
            *seen.lock().expect("no panic") += 1;
        }
    });
}

/// The run of segments that a playlist is of.
fn run(playlist: &str) -> Option<String> {
    Some(uris(playlist).first()?.rsplit('-').nth(1)?.to_owned())
}

async fn hls(server: &Server) -> (StatusCode, Option<String>) {
    let response = get_hls(&server.service, "news", "track_1.m3u8").await;
    let status = response.status();
    (status, run(&text(response).await))
}

/// The names of initialization segments, which are those of one run.
async fn dash(server: &Server) -> (StatusCode, Vec<String>) {
    let response = get_dash(&server.service, "news", "index.mpd").await;
    let status = response.status();
    let mut named = named(&text(response).await);
    named.retain(|name| name.ends_with(".mp4"));
    (status, named)
}

fn ended(server: &Server, output: Output) -> Vec<Ended> {
    let serves = |protocol: Protocol| match output {
        Output::MpegTs => protocol == Protocol::MpegTs,
        Output::Rtmp => protocol == Protocol::Rtmp,
        Output::Rtsp => protocol == Protocol::Rtsp,
        Output::Hls => protocol == Protocol::Hls,
        Output::Dash => protocol == Protocol::Dash,
        Output::Srt => false,
    };
    let closed = server.service.sessions().closed();
    closed.into_iter().filter(|closed| serves(closed.session.protocol)).map(|closed| closed.reason).collect()
}

/// Why nobody gets the output.
async fn refused(server: &Server, output: Output) -> String {
    match output {
        Output::MpegTs => text(get_mpegts(&server.service, "news").await).await,
        Output::Rtmp => Player::start(server.rtmp, "news").await.err().expect("refused"),
        Output::Rtsp => {
            let answer = server.client("news").await.describe().await;
            assert_eq!(answer.status, 404, "{answer:?}");
            answer.reason
        }
        Output::Hls => text(get_hls(&server.service, "news", "index.m3u8").await).await,
        Output::Dash => text(get_dash(&server.service, "news", "index.mpd").await).await,
        Output::Srt => String::new(),
    }
}

#[tokio::test]
async fn each_output_is_switched_off_and_on_and_no_other_loses_a_byte() {
    let server = Server::start(short(), vec![news(Protocols::BUILT)]).await;
    let _encoder = Encoder::start(server.rtmp, "news", TESTKIT).await.expect("let in");
    let mut witnesses = Witnesses::come(&server).await;
    // One that is there from the first change to the last, and so says what the bytes have to be.
    let control = mpegts(&server).await;
    let mut across = None;
    for output in [Output::Rtmp, Output::Rtsp, Output::Hls, Output::Dash, Output::MpegTs] {
        witnesses.go_on(None).await;
        let (hls_before, dash_before) = (hls(&server).await, dash(&server).await);
        let on = news(Protocols::BUILT);
        let mut off = on.clone();
        off.protocols.set(output, false);
        let viewers = if output == Output::MpegTs { 2 } else { 1 };
        let expected = Action { change: Change::OutputStops(output), viewers, publishers: 0 };
        assert_eq!(server.service.plan(&off).expect("a plan").actions, std::slice::from_ref(&expected));
        let gone_before = ended(&server, output).len();
        let done = server.service.update_protocols(&on, &off).await.expect("running");
        assert_eq!(done.actions, [expected]);
        let why =
            until(|| Some(ended(&server, output)).filter(|ended| ended.len() >= gone_before + viewers)).await;
        assert!(why[gone_before..].iter().all(|why| *why == Ended::OutputOff), "{output}: {why:?}");
        let told = refused(&server, output).await;
        assert!(told.contains("Not Found") || told.contains(&format!("has no {output} output")), "{told}");
        witnesses.go_on(Some(output)).await;
        match output {
            Output::Hls => assert_eq!(dash(&server).await, dash_before, "DASH is the same run"),
            Output::Dash => assert_eq!(hls(&server).await.1, hls_before.1, "HLS is the same run"),
            _ => assert_eq!(
                (hls(&server).await.1, dash(&server).await),
                (hls_before.1.clone(), dash_before.clone())
            ),
        }

        let done = server.service.update_protocols(&off, &on).await.expect("running");
        assert_eq!(
            done.actions,
            [Action { change: Change::OutputStarts(output), viewers: 0, publishers: 0 }]
        );
        witnesses.go_on(Some(output)).await;
        match output {
            Output::Hls => assert_ne!(hls(&server).await.1, hls_before.1, "another run"),
            Output::Dash => assert_ne!(dash(&server).await.1, dash_before.1, "another run"),
            Output::MpegTs => across = Some(std::mem::replace(&mut witnesses.mpegts, mpegts(&server).await)),
            _ => witnesses.come_again(&server, output).await,
        }
        witnesses.go_on(None).await;
    }
    until(|| control.has_ended().then_some(())).await;
    let (across, control) = (across.expect("switched off").bytes(), control.bytes());
    assert_whole(&across);
    let (across, control) = common(&across, &control);
    assert!(across.len() > 20_000, "{} bytes to compare", across.len());
    assert!(across == control, "the viewers got different bytes");
    let publishers = server.service.sessions().closed();
    assert!(publishers.iter().all(|closed| closed.session.role == Role::Viewer), "the encoder stays");
    server.service.shutdown().await;
}

#[tokio::test]
async fn destinations_are_changed_by_the_same_call_and_viewers_notice_nothing() {
    let [stays, goes, comes] = [(); 3].map(|()| Peer::start(Mood::Takes));
    let of = |peers: &[&Peer]| Stream {
        pushes: peers.iter().map(|peer| push(peer.url(KEY))).collect(),
        ..news(Protocols::BUILT)
    };
    let (old, mut new) = (of(&[&stays, &goes]), of(&[&stays, &comes]));
    new.protocols.rtmp = false;
    // What does not differ between the two stays as it is, whatever they say of it.
    new.takeover = false;
    let server = Server::start(short(), vec![Stream { takeover: false, ..old.clone() }]).await;
    let _encoder = Encoder::start(server.rtmp, "news", TESTKIT).await.expect("let in");
    let witnesses = Witnesses::come(&server).await;
    let all_active = |peers: &[&Peer]| {
        let all = snapshots(&server.service);
        let active = |peer: &&Peer| {
            all.iter().any(|push| push.url == peer.url("***") && push.status == PushStatus::Active)
        };
        (all.len() == peers.len() && peers.iter().all(active)).then_some(())
    };
    until(|| all_active(&[&stays, &goes])).await;
    let done = server.service.update_protocols(&old, &new).await.expect("running");
    let texts: Vec<String> = done.actions.iter().map(|action| action.change.to_string()).collect();
    let [gone, new_one] = [&goes, &comes].map(|peer| format!("push to {}", peer.url("***")));
    assert_eq!(texts, ["RTMP off".to_owned(), format!("{gone} removed"), format!("{new_one} added")]);
    until(|| goes.only().unpublished.then_some(())).await;
    until(|| all_active(&[&stays, &comes])).await;
    witnesses.go_on(Some(Output::Rtmp)).await;
    let kept = stays.only();
    assert!(!kept.unpublished, "the carrier goes on for who is pushed to, without viewers of RTMP");
    let tags = stays.tags();
    until(|| (stays.tags() > tags + 50).then_some(())).await;
    let error =
        server.service.update_protocols(&old, &Stream::new(code("other"))).await.expect_err("two streams");
    assert!(matches!(error, Error::OtherStream(..)), "{error}");
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_publisher_stays_when_keys_and_outputs_change_and_goes_with_its_input() {
    let keyed = |key: &str| Stream { stream_key: Some(Secret::new(key)), ..news(Protocols::BUILT) };
    let server = Server::start(short(), vec![keyed("old")]).await;
    let encoder = Encoder::start(server.rtmp, "news?key=old", TESTKIT).await.expect("let in");
    let witnesses = Witnesses::come(&server).await;
    let wanted =
        Stream { takeover: false, protocols: Protocols { hls: false, ..Protocols::BUILT }, ..keyed("new") };
    let plan = server.service.plan(&wanted).expect("a plan");
    assert_eq!((plan.viewers(), plan.publishers()), (0, 0));
    assert!(!format!("{plan:?}").contains("new\""), "{plan:?}");
    assert_eq!(server.service.update(wanted.clone()).await.expect("running"), plan);
    witnesses.go_on(None).await;
    assert!(server.service.sessions().closed().is_empty(), "who publishes with the old key stays");
    drop(encoder);
    until(|| server.service.statuses()[0].source.is_none().then_some(())).await;
    assert!(
        Encoder::start(server.rtmp, "news?key=old", TESTKIT).await.is_err(),
        "the next one needs the new key"
    );
    let _encoder = Encoder::start(server.rtmp, "news?key=new", TESTKIT).await.expect("let in");
    let refused = Encoder::start(server.rtmp, "news?key=new", TESTKIT).await.err().expect("without takeover");
    assert!(refused.contains("has a publisher already"), "{refused}");

    // From encoders to a file, to another file, and back: outputs outlive inputs.
    let scratch = Scratch::new("change");
    std::fs::create_dir_all(&scratch.0).expect("a folder");
    let file = |name: &str| {
        let path = scratch.0.join(name);
        std::fs::write(&path, TESTKIT).expect("written");
        Stream {
            inputs: vec![Input { source: Source::File { path, looped: true, program: None }, priority: 0 }],
            ..wanted.clone()
        }
    };
    let closed = |why: Ended, protocol: Protocol| {
        let closed = server.service.sessions().closed();
        closed.iter().filter(|closed| closed.reason == why && closed.session.protocol == protocol).count()
    };
    let steps = [
        (file("a.flv"), Protocol::Rtmp, 1),
        (file("b.flv"), Protocol::File, 1),
        (wanted.clone(), Protocol::File, 2),
    ];
    for (stream, of, count) in steps {
        let plan = server.service.update(stream).await.expect("running");
        assert_eq!((plan.viewers(), plan.publishers()), (0, 1), "{plan:?}");
        until(|| (closed(Ended::InputRemoved, of) == count).then_some(())).await;
        if of == Protocol::Rtmp || count == 1 {
            let watched = mpegts(&server).await;
            until(|| (watched.len() > 20_000).then_some(())).await;
            let refused =
                Encoder::start(server.rtmp, "news?key=new", TESTKIT).await.err().expect("a file feeds it");
            assert!(refused.contains("takes no publisher"), "{refused}");
        }
    }
    let _encoder = Encoder::start(server.rtmp, "news?key=new", TESTKIT).await.expect("let in");
    until(|| (witnesses.mpegts.len() > 0 && !witnesses.mpegts.has_ended()).then_some(())).await;
    let closed = server.service.sessions().closed();
    assert!(
        closed.iter().all(|closed| closed.session.protocol != Protocol::MpegTs),
        "viewers outlive inputs"
    );
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_stream_becomes_what_is_wanted_in_one_call_and_a_plan_says_so_before() {
    let server = Server::start(short(), Vec::new()).await;
    let first = news(Protocols { dash: false, ..Protocols::BUILT });
    let plan = server.service.plan(&first).expect("a plan");
    assert_eq!(plan.actions[0].change, Change::StreamStarts);
    assert!(server.service.statuses().is_empty(), "a plan does nothing");
    assert_eq!(server.service.update(first.clone()).await.expect("started"), plan);
    let _encoder = Encoder::start(server.rtmp, "news", TESTKIT).await.expect("let in");
    let witnesses = Witnesses::come(&server).await;
    assert!(server.service.plan(&first).expect("a plan").is_empty());
    let ladder = |names: &[&str]| Stream {
        renditions: names
            .iter()
            .map(|name| Rendition { bitrate_kbps: Some(500), ..Rendition::new(*name) })
            .collect(),
        ..news(Protocols { mpegts: false, ..Protocols::BUILT })
    };
    let bad = Stream { takeover: false, ..ladder(&["track_1", "track_1"]) };
    assert!(matches!(server.service.update(bad.clone()).await, Err(Error::Ladder(..))));
    assert!(matches!(server.service.plan(&bad), Err(Error::Ladder(..))));
    witnesses.go_on(None).await;
    let wanted = ladder(&["track_1", "low"]);
    let plan = server.service.plan(&wanted).expect("a plan");
    let texts: Vec<String> =
        plan.actions.iter().map(|action| format!("{} ({})", action.change, action.viewers)).collect();
    assert_eq!(texts, ["MPEG-TS off (1)", "another ladder, added: low (0)", "DASH on (0)"]);
    assert_eq!(server.service.update(wanted.clone()).await.expect("running"), plan);
    witnesses.go_on(Some(Output::MpegTs)).await;
    let status = server.service.statuses().remove(0);
    assert_eq!((status.protocols, status.renditions.len()), (wanted.protocols, 2));
    assert_eq!(status.renditions[1].config.bitrate_kbps, Some(500));
    assert!(server.service.plan(&wanted).expect("a plan").is_empty(), "nothing is left to do");
    let stop = server.service.plan_stop(&code("news")).expect("a plan");
    assert_eq!((stop.viewers(), stop.publishers()), (2, 1), "{stop:?}");
    server.service.shutdown().await;
}

#[tokio::test]
async fn an_output_that_cannot_begin_is_off_and_tried_again_by_the_next_call() {
    let scratch = Scratch::new("change-dir");
    let mut settings = short();
    settings.hls.dir = Some(scratch.0.join("hls"));
    let off = news(Protocols { hls: false, ..Protocols::BUILT });
    let server = Server::start(settings, vec![off.clone()]).await;
    let folder = scratch.0.join("hls").join("news");
    std::fs::write(&folder, "in the way").expect("written");
    let on = Stream { takeover: false, ..news(Protocols::BUILT) };
    let error = server.service.update(on.clone()).await.expect_err("a file is in the way");
    assert!(matches!(error, Error::Directory { .. }), "{error}");
    let left = server.service.plan(&on).expect("a plan");
    let texts: Vec<String> = left.actions.iter().map(|action| action.change.to_string()).collect();
    assert_eq!(texts, ["HLS on"], "all else has been done");
    std::fs::remove_file(&folder).expect("removed");
    assert_eq!(server.service.update(on).await.expect("running"), left);
    assert!(folder.is_dir());
    server.service.shutdown().await;
}

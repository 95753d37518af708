//! The client's session: against the server's, against what other servers answered, and against ill will.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rillcast_rtmp::amf0::{self, Value};
use rillcast_rtmp::chunk::{self, Decoder, Encoder, Piece, Route, Shared};
use rillcast_rtmp::client::{Class, Event, Output, Refusal, Session, Settings, Step, Target, Url};
use rillcast_rtmp::flv::TagKind;
use rillcast_rtmp::flv::mux::{Caps, Head};
use rillcast_rtmp::message::{Command, Control, Message, PeerBandwidth, UserControl, kind};
use rillcast_rtmp::server::code;
use rillcast_rtmp::{Error, Limits, handshake, server};

const NGINX: &[u8] = include_bytes!("../../testdata/nginx-rtmp-1.2-publish.answers");
const FFMPEG: &[u8] = include_bytes!("../../testdata/ffmpeg-5.1-listen.answers");

/// A client, and what it did.
struct Client {
    session: Session,
    events: Vec<Event>,
    sent: Vec<u8>,
    deadline: Option<Duration>,
    encoder: Encoder,
}

impl Client {
    fn new(target: Target) -> Self {
        let session = Session::new(Settings::default(), Duration::ZERO, [0xab; 32], target);
        let (events, sent, encoder) = (Vec::new(), Vec::new(), Encoder::new());
        let mut client = Self { session, events, sent, deadline: None, encoder };
        client.drain();
        client
    }

    fn to(url: &str) -> Self {
        Self::new(Target::new(Url::parse(url).unwrap()))
    }

    /// One that has shaken hands and sent `connect`.
    fn connecting(target: Target) -> Self {
        let mut client = Self::new(target);
        let mut hello = vec![0; 1 + 2 * handshake::SIZE];
        hello[0] = 3;
        client.feed(&hello).unwrap();
        client
    }

    /// One whose publication was accepted on message stream 7.
    fn publishing() -> Self {
        let mut client = Self::connecting(target("rtmp://host/live/key"));
        client.answer("_result", 1.0, vec![Value::Null, info("status", code::CONNECT_SUCCESS)]);
        client.answer("_result", 4.0, vec![Value::Null, 7.0.into()]);
        client.answer("onStatus", 0.0, vec![Value::Null, info("status", code::PUBLISH_START)]);
        assert!(matches!(client.events[..], [Event::Published { .. }]));
        client
    }

    fn feed(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let result = self.session.handle_bytes(Duration::ZERO, bytes);
        self.drain();
        result
    }

    fn send(&mut self, message: &Message) {
        let mut bytes = BytesMut::new();
        self.encoder.encode(3, message, &mut bytes);
        self.feed(&bytes).unwrap();
    }

    fn answer(&mut self, name: &str, transaction: f64, values: Vec<Value>) {
        self.send(&Command { name: name.to_owned(), transaction, values }.encode(0));
    }

    fn drain(&mut self) {
        loop {
            match self.session.poll_output() {
                Output::Send(bytes) => self.sent.extend_from_slice(&bytes),
                Output::Event(event) => self.events.push(event),
                Output::Wait(deadline) => {
                    self.deadline = deadline;
                    return;
                }
            }
        }
    }

    /// What the client said behind its handshake.
    fn messages(&self) -> Vec<Message> {
        let mut input = &self.sent[1 + 2 * handshake::SIZE..];
        let mut decoder = Decoder::new(Limits::default());
        std::iter::from_fn(|| decoder.decode(&mut input).unwrap()).collect()
    }

    fn commands(&self) -> Vec<Command> {
        let messages = self.messages().into_iter().filter(|message| message.kind == kind::COMMAND_AMF0);
        messages.map(|message| Command::decode(&message, amf0::Limits::default()).unwrap()).collect()
    }

    fn names(&self) -> Vec<String> {
        self.commands().into_iter().map(|command| command.name).collect()
    }

    fn refusal(&self) -> &Refusal {
        let Some(Event::Refused(refusal)) = self.events.last() else { panic!("{:?}", self.events) };
        assert_eq!((self.session.step(), self.deadline), (Step::Closed, None));
        refusal
    }
}

fn target(url: &str) -> Target {
    Target::new(Url::parse(url).unwrap())
}

fn info(level: &str, code: &str) -> Value {
    Value::object([("level", level.into()), ("code", code.into()), ("description", "As said.".into())])
}

fn described(code: &str, description: &str) -> Value {
    Value::object([("level", "error".into()), ("code", code.into()), ("description", description.into())])
}

/// Our own server, which accepts.
struct Server {
    session: server::Session,
    events: Vec<server::Event>,
}

impl Server {
    fn new() -> Self {
        let session = server::Session::new(Limits::default(), Duration::ZERO, [1; 32]);
        Self { session, events: Vec::new() }
    }

    /// What it answers.
    fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.session.handle_bytes(Duration::ZERO, bytes).unwrap();
        let mut sent = Vec::new();
        loop {
            match self.session.poll_output() {
                server::Output::Send(bytes) => sent.extend_from_slice(&bytes),
                server::Output::Event(event) => {
                    if matches!(event, server::Event::Publish(_)) {
                        self.session.accept_publish(Duration::ZERO).unwrap();
                    }
                    self.events.push(event);
                }
                server::Output::Wait(_) => return sent,
            }
        }
    }
}

/// Lets both talk until neither has anything to say.
fn converse(client: &mut Client, server: &mut Server, step: usize) {
    loop {
        let said = std::mem::take(&mut client.sent);
        if said.is_empty() {
            return;
        }
        let answers: Vec<u8> = said.chunks(step).flat_map(|part| server.take(part)).collect();
        answers.chunks(step).for_each(|part| client.feed(part).unwrap());
    }
}

#[test]
fn our_own_server_takes_what_our_client_publishes() {
    for step in [1, 7, 1000, 100_000] {
        let (mut client, mut server) =
            (Client::to("rtmp://host:1936/region//north/news?key=a%20b"), Server::new());
        converse(&mut client, &mut server, step);
        assert_eq!(
            client.events,
            [Event::Published {
                caps: Caps::of([
                    "avc1", "hvc1", "av01", "vp09", "mp4a", ".mp3", "ac-3", "ec-3", "Opus", "fLaC"
                ])
            }]
        );
        let [server::Event::Connect(connect), server::Event::Publish(request)] = &server.events[..] else {
            panic!("{:?}", server.events)
        };
        assert_eq!((connect.tc_url.as_str(), connect.is_enhanced()), ("rtmp://host:1936/region", true));
        let address = request.address();
        assert_eq!((address.path.as_str(), address.get("key")), ("region/north/news", Some("a b")));
        // A frame of several chunks, late enough for an extended timestamp.
        let route = client.session.publishing().unwrap();
        let body = Bytes::from(vec![0x2f; 150_000]);
        let shared = Shared::new(TagKind::Audio, Head::EMPTY, body.clone()).unwrap();
        for piece in shared.chunks(route, 0x0100_0001) {
            match piece {
                Piece::Own(own) => client.sent.extend_from_slice(&own),
                Piece::Shared(bytes) => client.sent.extend_from_slice(bytes),
            }
        }
        client.session.close();
        client.drain();
        converse(&mut client, &mut server, step);
        let [.., server::Event::Tag(tag), server::Event::Unpublish] = &server.events[..] else {
            panic!("{:?}", server.events.len())
        };
        assert_eq!((tag.timestamp_ms, &tag.body), (0x0100_0001, &body));
        assert_eq!((client.session.step(), client.session.publishing()), (Step::Closed, None));
    }
}

#[test]
fn what_other_servers_answered_is_understood() {
    for answers in [NGINX, FFMPEG] {
        for step in [1, 100, answers.len()] {
            let mut client = Client::to("rtmp://host/live/y");
            let mut route = None;
            for part in answers.chunks(step) {
                client.feed(part).unwrap();
                route = route.or_else(|| client.session.publishing());
            }
            let published = Event::Published { caps: Caps::LEGACY };
            assert_eq!(client.events[0], published);
            // nginx confirms the end of it as well.
            if client.events.len() > 1 {
                assert_eq!(client.refusal().class, Class::Ended);
            }
            assert!(
                step == answers.len() || route == Some(Route { stream: 1, chunk_size: chunk::PUBLISH_SIZE })
            );
            assert_eq!(client.names(), ["connect", "releaseStream", "FCPublish", "createStream", "publish"]);
        }
    }
}

#[test]
fn connect_says_who_we_are_and_what_we_can() {
    let client = Client::connecting(target("rtmps://host/app?x=1/key"));
    let [connect] = &client.commands()[..] else { panic!() };
    let object = &connect.values[0];
    let text = |name| object.get(name).and_then(Value::as_str);
    assert_eq!((text("app"), text("tcUrl")), (Some("app?x=1"), Some("rtmps://host/app?x=1")));
    assert_eq!(text("flashVer"), Some("FMLE/3.0 (compatible; Rillcast)"));
    assert!(
        matches!(object.get("fourCcList"), Some(Value::StrictArray(list)) if list.contains(&"hvc1".into()))
    );
    let settings = Settings { enhanced: false, flash_ver: "X".to_owned(), ..Settings::default() };
    let mut session = Session::new(settings, Duration::ZERO, [0; 32], target("rtmp://host/app/key"));
    let mut hello = vec![0; 1 + 2 * handshake::SIZE];
    hello[0] = 3;
    session.handle_bytes(Duration::ZERO, &hello).unwrap();
    let Output::Send(sent) = session.poll_output() else { panic!() };
    assert!(sent.windows(4).all(|bytes| bytes != b"hvc1"));
}

#[test]
fn what_the_server_announces_is_told() {
    let mut client = Client::connecting(target("rtmp://host/live/key"));
    let map = Value::object([("av01", 1.0.into())]);
    let list = Value::StrictArray(vec!["hvc1".into()]);
    let properties = Value::object([("fmsVer", "X".into()), ("videoFourCcInfoMap", map)]);
    let info = Value::object([("code", code::CONNECT_SUCCESS.into()), ("fourCcList", list)]);
    client.answer("_result", 1.0, vec![properties, info]);
    client.answer("onBWDone", 0.0, vec![Value::Null]);
    client.answer("_error", 2.0, vec![Value::Null, described(code::CALL_FAILED, "What?")]);
    client.answer("onFCPublish", 0.0, vec![Value::Null]);
    client.answer("_result", 4.0, vec![Value::Null, 1.0.into()]);
    client.answer("onStatus", 0.0, vec![Value::Null, self::info("status", code::UNPUBLISH_SUCCESS)]);
    client.answer("onStatus", 0.0, vec![Value::Null, self::info("status", code::PUBLISH_START)]);
    assert_eq!(client.events, [Event::Published { caps: Caps::of(["av01", "hvc1"]) }]);
    assert_eq!(client.deadline, None);
}

#[test]
fn refusals_have_a_class_and_no_key() {
    let taken = described(code::PUBLISH_BAD_NAME, "Stream secret-key is already publishing");
    let denied = described(code::PUBLISH_DENIED, "wrong key");
    let failed = described("NetStream.Failed", "");
    for (information, class, said) in [
        (taken, Class::Name, "Stream *** is already publishing (NetStream.Publish.BadName)"),
        (denied, Class::Key, "wrong key (NetStream.Publish.Denied)"),
        (failed, Class::Rejected, "NetStream.Failed"),
    ] {
        let mut client = Client::connecting(target("rtmp://host/live/secret-key"));
        client.answer("_result", 1.0, vec![Value::Null, info("status", code::CONNECT_SUCCESS)]);
        client.answer("_result", 4.0, vec![Value::Null, 1.0.into()]);
        client.answer("onStatus", 0.0, vec![Value::Null, information]);
        assert_eq!((client.refusal().class, client.refusal().to_string().as_str()), (class, said));
    }
    let mut client = Client::connecting(target("rtmp://host/live/key"));
    client.answer("_error", 1.0, vec![Value::Null, described(code::CONNECT_INVALID_APP, "no live here")]);
    assert_eq!(client.refusal().class, Class::Application);
    let mut client = Client::connecting(target("rtmp://host/live/key"));
    client.answer("_result", 1.0, vec![Value::Null, info("error", code::CONNECT_REJECTED)]);
    assert_eq!(client.refusal().class, Class::Rejected);
    let mut client = Client::connecting(target("rtmp://host/live/key"));
    client.answer("_result", 1.0, vec![Value::Null, info("status", code::CONNECT_SUCCESS)]);
    client.answer("_error", 4.0, vec![Value::Null]);
    assert_eq!(client.refusal().to_string(), "the server gave no reason");
}

#[test]
fn a_server_may_end_a_publication() {
    let mut client = Client::publishing();
    client.answer("onStatus", 0.0, vec![Value::Null, info("status", "NetStream.Other")]);
    assert!(client.session.publishing().is_some());
    client.answer("onStatus", 0.0, vec![Value::Null, info("status", code::UNPUBLISH_SUCCESS)]);
    assert_eq!(client.refusal().class, Class::Ended);
    // What comes then is taken without a word.
    client.answer("onStatus", 0.0, vec![Value::Null, info("status", code::PUBLISH_START)]);
    assert_eq!(client.events.len(), 2);
}

/// What the third connection says of the user, and the refusals of the first two.
fn prove(url: &str, challenges: [&str; 2]) -> (Target, String) {
    let mut next = target(url);
    for description in challenges {
        let mut client = Client::connecting(next);
        client.answer("_error", 1.0, vec![Value::Null, described(code::CONNECT_REJECTED, description)]);
        let Some(Event::Again(again)) = client.events.pop() else { panic!("{:?}", client.events) };
        assert_eq!(client.session.step(), Step::Closed);
        next = again;
    }
    let app = Client::connecting(next.clone()).commands()[0].values[0].get("app").cloned();
    (next, app.and_then(|app| app.as_str().map(str::to_owned)).unwrap())
}

#[test]
fn adobe_wants_to_know_who_publishes() {
    let (last, app) = prove(
        "rtmp://bob:s3cret@host/EntryPoint/name@1",
        [
            "[ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ] : ",
            "[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=needauth&user=bob&salt=A0Xn9A==&challenge=vm9jqw==&opaque=rn9TAw==",
        ],
    );
    // By the sums of Python's hashlib over what ffmpeg and librtmp sum over.
    assert_eq!(
        app,
        "EntryPoint?authmod=adobe&user=bob&challenge=abababab&response=/Bd6TDWvSxIk74jIszQToQ==&opaque=rn9TAw=="
    );
    let mut client = Client::connecting(last);
    let failed = "[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=authfailed&opaque=rn9TAw==";
    client.answer("_error", 1.0, vec![Value::Null, described(code::CONNECT_REJECTED, failed)]);
    assert_eq!(client.refusal().class, Class::Credentials);
    assert_eq!(client.refusal().description, "user name or password is wrong");
}

#[test]
fn limelight_wants_to_know_who_publishes() {
    let (_, app) = prove(
        "rtmp://bob:s3cret@host/live/name",
        [
            "[ AccessManager.Reject ] : [ code=403 need auth; authmod=llnw ] : ",
            "[ AccessManager.Reject ] : [ authmod=llnw ] : ?reason=needauth&user=bob&nonce=0a1b2c",
        ],
    );
    let response = "16e1fe970c0cdf36d81268f79702549c";
    let expected =
        format!("live?authmod=llnw&user=bob&nonce=0a1b2c&cnonce=abababab&nc=00000001&response={response}");
    assert_eq!(app, expected);
}

#[test]
fn without_a_password_there_is_nothing_to_prove() {
    let mut client = Client::connecting(target("rtmp://host/live/name"));
    let wanted = "[ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ] : ";
    client.answer("_error", 1.0, vec![Value::Null, described(code::CONNECT_REJECTED, wanted)]);
    assert_eq!(client.refusal().class, Class::Credentials);
}

fn redirect(url: &str) -> Value {
    let ex = Value::object([("code", 302.0.into()), ("redirect", url.into())]);
    Value::object([("level", "error".into()), ("code", code::CONNECT_REJECTED.into()), ("ex", ex)])
}

#[test]
fn a_server_sends_us_elsewhere() {
    let mut client = Client::connecting(target("rtmp://old/live/key"));
    client.answer("_error", 1.0, vec![Value::Null, redirect("rtmp://new:1936/live/inst")]);
    let Some(Event::Redirect(next)) = client.events.last() else { panic!("{:?}", client.events) };
    assert_eq!((next.url().host(), next.url().port(), next.url().name()), ("new", 1936, "key"));
    assert_eq!(client.session.step(), Step::Closed);
    let mut secure = Client::connecting(target("rtmps://old/live/key"));
    secure.answer("_error", 1.0, vec![Value::Null, redirect("rtmp://new/live")]);
    assert_eq!(secure.refusal().class, Class::Rejected);
}

#[test]
fn a_server_asks_to_connect_again() {
    let again = |tc_url: &str| {
        Value::object([
            ("level", "status".into()),
            ("code", code::RECONNECT_REQUEST.into()),
            ("tcUrl", tc_url.into()),
        ])
    };
    let mut client = Client::publishing();
    client.answer("onStatus", 0.0, vec![Value::Null, again("//new/live")]);
    let Some(Event::Redirect(next)) = client.events.last() else { panic!("{:?}", client.events) };
    assert_eq!(next.url().host(), "new");
    assert!(client.session.publishing().is_some(), "it goes on until its owner ends it");
    let mut client = Client::publishing();
    client.answer("onStatus", 0.0, vec![Value::Null, info("status", code::RECONNECT_REQUEST)]);
    let Some(Event::Redirect(same)) = client.events.last() else { panic!("{:?}", client.events) };
    assert_eq!(same.url(), target("rtmp://host/live/key").url());
}

#[test]
fn a_server_that_does_not_answer_is_given_up() {
    let answer = Settings::default().answer;
    let mut client = Client::to("rtmp://host/live/key");
    for (step, feed) in [(Step::Handshake, None), (Step::Connect, Some(())), (Step::CreateStream, Some(()))] {
        if feed.is_some() {
            client = Client::connecting(target("rtmp://host/live/key"));
        }
        if step == Step::CreateStream {
            client.answer("_result", 1.0, vec![Value::Null, info("status", code::CONNECT_SUCCESS)]);
        }
        assert_eq!((client.session.step(), client.deadline), (step, Some(answer)));
        client.session.handle_timeout(answer - Duration::from_nanos(1)).unwrap();
        assert_eq!(client.session.handle_timeout(answer), Err(Error::NoAnswer(step)));
        client.session.handle_timeout(Duration::MAX).unwrap();
    }
    assert_eq!(
        Error::NoAnswer(Step::CreateStream).to_string(),
        "timeout: the server did not answer createStream"
    );
}

#[test]
fn what_keeps_a_connection_alive_is_answered() {
    let mut client = Client::publishing();
    let before = client.messages().len();
    client.send(&Control::UserControl(UserControl::PingRequest(77)).encode());
    client.send(&Control::SetPeerBandwidth(5000, PeerBandwidth::Dynamic).encode());
    client.send(&Control::SetPeerBandwidth(5000, PeerBandwidth::Dynamic).encode());
    client.send(&Control::Acknowledgement(1234).encode());
    client.answer("_onbwcheck", 9.0, vec![Value::Null]);
    client.send(&Control::WindowAckSize(1000).encode());
    client.send(&Message { kind: kind::AUDIO, timestamp_ms: 0, stream: 1, body: Bytes::from(vec![1; 2000]) });
    let said = &client.messages()[before..];
    let controls: Vec<_> = said.iter().filter_map(|message| Control::decode(message).unwrap()).collect();
    let received = client.session.stats().bytes_received as u32;
    let acknowledged = controls.iter().filter(|control| matches!(control, Control::Acknowledgement(_)));
    assert_eq!(acknowledged.count(), 2);
    assert_eq!(
        (controls[0], controls[1], controls.last()),
        (
            Control::UserControl(UserControl::PingResponse(77)),
            Control::WindowAckSize(5000),
            Some(&Control::Acknowledgement(received))
        )
    );
    assert_eq!(client.session.stats().peer_acknowledged, Some(1234));
    assert_eq!(client.commands().last().map(|command| command.transaction), Some(9.0));
}

#[test]
fn closing_takes_leave() {
    let mut client = Client::publishing();
    client.session.close();
    client.drain();
    let commands = client.commands();
    let [.., unpublish, delete] = &commands[..] else { panic!() };
    assert_eq!((unpublish.name.as_str(), &unpublish.values[1]), ("FCUnpublish", &"key".into()));
    assert_eq!((delete.name.as_str(), &delete.values[1]), ("deleteStream", &7.0.into()));
    let said = client.sent.len();
    client.session.close();
    client.drain();
    assert_eq!(client.sent.len(), said);
}

#[test]
fn a_server_that_makes_no_sense_is_an_error() {
    let mut client = Client::to("rtmp://host/live/key");
    let error = client.feed(b"HTTP/1.1 400 Bad Request").unwrap_err();
    assert!(matches!(error.cause(), Error::Invalid { what: "S0", .. }));
    let mut client = Client::publishing();
    let long = b"\x04\x00\x00\x01\xff\xff\xff\x14\x01\x00\x00\x00";
    assert!(matches!(client.feed(long).unwrap_err().cause(), Error::Limit { .. }));
    assert_eq!((client.session.step(), client.deadline), (Step::Closed, None));
}

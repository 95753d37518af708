//! A server that wants to know who publishes, in the way of Adobe's: each step of the proof is a connection of its own.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::BytesMut;
use rtmp::amf0::{self, Value};
use rtmp::chunk;
use rtmp::handshake;
use rtmp::message::{Command, Message, kind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const NEEDED: &str = "[ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ] : ";
const CHALLENGE: &str = "[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=needauth&user=bob&salt=A0Xn9A==&\
                         challenge=vm9jqw==&opaque=rn9TAw==";
const FAILED: &str = "[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=authfailed&opaque=rn9TAw==";

/// What came.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Seen {
    /// `app` of each connection.
    pub(crate) apps: Vec<String>,
    /// Messages of pictures.
    pub(crate) pictures: usize,
}

/// Listens; `convinced` says whether an answer to the challenge is taken.
pub(crate) async fn start(convinced: bool) -> (SocketAddr, Arc<Mutex<Seen>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address");
    let seen = Arc::new(Mutex::new(Seen::default()));
    let shared = Arc::clone(&seen);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("accepted");
            tokio::spawn(serve(stream, convinced, Arc::clone(&shared)));
        }
    });
    (address, seen)
}

async fn serve(mut stream: TcpStream, convinced: bool, seen: Arc<Mutex<Seen>>) {
    let mut hello = vec![0; 1 + handshake::SIZE];
    stream.read_exact(&mut hello).await.expect("C0 and C1");
    let answer = [&[3][..], &[0; handshake::SIZE], &hello[1..]].concat();
    stream.write_all(&answer).await.expect("sent");
    stream.read_exact(&mut hello[1..]).await.expect("C2");
    let mut decoder = chunk::Decoder::new(rtmp::Limits::default());
    let mut input = BytesMut::new();
    // The end of the connection is the end of the test, or of a step of the proof.
    while stream.read_buf(&mut input).await.is_ok_and(|bytes| bytes > 0) {
        let mut rest = &input[..];
        while let Some(message) = decoder.decode(&mut rest).expect("RTMP") {
            let Some(reply) = reply(&message, convinced, &seen) else { continue };
            let mut bytes = BytesMut::new();
            chunk::Encoder::new().encode(3, &reply.encode(message.stream), &mut bytes);
            stream.write_all(&bytes).await.expect("sent");
            if reply.name == "_error" {
                return;
            }
        }
        input.clear();
    }
}

fn reply(message: &Message, convinced: bool, seen: &Mutex<Seen>) -> Option<Command> {
    let mut seen = seen.lock().expect("whole");
    seen.pictures += usize::from(message.kind == kind::VIDEO);
    if message.kind != kind::COMMAND_AMF0 {
        return None;
    }
    let command = Command::decode(message, amf0::Limits::default()).expect("a command");
    let answer = |name: &str, values| {
        Some(Command { name: name.to_owned(), transaction: command.transaction, values })
    };
    let status = |code: &str, said: &str| {
        Value::object([("level", "status".into()), ("code", code.into()), ("description", said.into())])
    };
    match command.name.as_str() {
        "connect" => {
            let app =
                command.values[0].get("app").and_then(Value::as_str).expect("an application").to_owned();
            let refusal = match &*app {
                "live" => Some(NEEDED),
                answered if answered.contains("&response=") => (!convinced).then_some(FAILED),
                _ => Some(CHALLENGE),
            };
            seen.apps.push(app);
            match refusal {
                Some(said) => {
                    answer("_error", vec![Value::Null, status("NetConnection.Connect.Rejected", said)])
                }
                None => answer("_result", vec![Value::Null, status("NetConnection.Connect.Success", "")]),
            }
        }
        "createStream" => answer("_result", vec![Value::Null, 1.0.into()]),
        "publish" => answer("onStatus", vec![Value::Null, status("NetStream.Publish.Start", "")]),
        _ => None,
    }
}

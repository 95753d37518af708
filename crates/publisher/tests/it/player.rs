//! A player that plays by RTMP over a real socket.

use std::net::SocketAddr;

use bytes::Bytes;
use rtmp::amf0::{self, Value};
use rtmp::message::{Command, Message, kind};
use tokio::io::AsyncReadExt as _;

use crate::encoder::Line;
use crate::world::PATIENCE;

/// A player and what it has not looked at yet.
pub(crate) struct Player {
    line: Line,
    input: Vec<u8>,
    messages: std::collections::VecDeque<Message>,
}

impl Player {
    /// Asks for `live/<name>`, as a player without Enhanced RTMP.
    ///
    /// # Errors
    /// Why it was refused.
    pub(crate) async fn start(server: SocketAddr, name: &str) -> Result<Self, String> {
        Self::over(Line::open(server).await, name).await
    }

    /// The same over a connection that is there.
    ///
    /// # Errors
    /// Why it was refused.
    pub(crate) async fn over(line: Line, name: &str) -> Result<Self, String> {
        let mut player = Self { line, input: Vec::new(), messages: Default::default() };
        let connect = Value::object([
            ("app", "live".into()),
            ("flashVer", "a player of the tests".into()),
            ("tcUrl", "rtmp://localhost/live?key=secret".into()),
            ("pageUrl", "http://localhost/page".into()),
        ]);
        player.line.call(0, "connect", 1.0, vec![connect]).await;
        player.line.call(0, "createStream", 2.0, vec![Value::Null]).await;
        player.line.call(1, "play", 3.0, vec![Value::Null, name.into()]).await;
        loop {
            let (code, description) = player.status().await;
            match &*code {
                "NetStream.Play.Start" => return Ok(player),
                "NetStream.Play.StreamNotFound" | "NetStream.Play.Failed" => return Err(description),
                _ => {}
            }
        }
    }

    /// The next message; none at the end of the connection.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.messages.pop_front() {
                return Some(message);
            }
            let read = tokio::time::timeout(PATIENCE, self.line.stream.read_buf(&mut self.input)).await;
            if read.expect("bytes in time").unwrap_or(0) == 0 {
                return None;
            }
            let mut rest = &self.input[..];
            while let Some(message) = self.line.decoder.decode(&mut rest).expect("RTMP") {
                self.messages.push_back(message);
            }
            self.input.clear();
        }
    }

    /// Reads some bytes and looks at nothing: how many; none at the end.
    pub(crate) async fn swallow(&mut self, bytes: usize) -> usize {
        let mut buffer = vec![0; bytes];
        self.line.stream.read(&mut buffer).await.unwrap_or(0)
    }

    /// Passes over what is left; fails where the connection is broken off and not ended.
    pub(crate) async fn end(mut self) -> std::io::Result<usize> {
        let mut rest = Vec::new();
        tokio::time::timeout(PATIENCE, self.line.stream.read_to_end(&mut rest)).await.expect("an end in time")
    }

    /// The next status, with what it says.
    pub(crate) async fn status(&mut self) -> (String, String) {
        loop {
            let message = self.next().await.expect("a status before the end");
            if message.kind != kind::COMMAND_AMF0 {
                continue;
            }
            let command = Command::decode(&message, amf0::Limits::default()).expect("a command");
            let info = |key| command.values.get(1)?.get(key)?.as_str();
            if let Some(code) = info("code") {
                return (code.to_owned(), info("description").unwrap_or_default().to_owned());
            }
        }
    }

    /// The next message of that kind: when it is due, and its body.
    pub(crate) async fn media(&mut self, kind: u8) -> (u32, Bytes) {
        loop {
            let message = self.next().await.expect("media before the end");
            if message.kind == kind {
                return (message.timestamp_ms, message.body);
            }
        }
    }

    pub(crate) async fn say(&mut self, name: &str, values: Vec<Value>) {
        self.line.call(1, name, 0.0, values).await;
    }
}

//! Replies and status messages (RTMP 1.0 7.2.1 and 7.2.2).

use crate::amf0::Value;
use crate::message::Command;

/// Values of `code` that clients know.
pub mod code {
    /// `connect` was accepted.
    pub const CONNECT_SUCCESS: &str = "NetConnection.Connect.Success";
    /// The connection is refused.
    pub const CONNECT_REJECTED: &str = "NetConnection.Connect.Rejected";
    /// There is no such application.
    pub const CONNECT_INVALID_APP: &str = "NetConnection.Connect.InvalidApp";
    /// The server wants the peer to connect again, perhaps elsewhere (Enhanced RTMP v2).
    pub const RECONNECT_REQUEST: &str = "NetConnection.Connect.ReconnectRequest";
    /// The connection is being closed by the server.
    pub const CONNECT_CLOSED: &str = "NetConnection.Connect.Closed";
    /// A call failed, or there is no such call.
    pub const CALL_FAILED: &str = "NetConnection.Call.Failed";
    /// `publish` was accepted.
    pub const PUBLISH_START: &str = "NetStream.Publish.Start";
    /// The name cannot be published to: malformed, or taken.
    pub const PUBLISH_BAD_NAME: &str = "NetStream.Publish.BadName";
    /// The publisher may not do so: wrong or missing key.
    pub const PUBLISH_DENIED: &str = "NetStream.Publish.Denied";
    /// The publication is over.
    pub const UNPUBLISH_SUCCESS: &str = "NetStream.Unpublish.Success";
    /// `play` is refused.
    pub const PLAY_FAILED: &str = "NetStream.Play.Failed";
    /// There is no such stream to be played.
    pub const PLAY_NOT_FOUND: &str = "NetStream.Play.StreamNotFound";
    /// `play` was accepted, and what was played before is over.
    pub const PLAY_RESET: &str = "NetStream.Play.Reset";
    /// `play` was accepted.
    pub const PLAY_START: &str = "NetStream.Play.Start";
    /// The stream that was played is over.
    pub const PLAY_STOP: &str = "NetStream.Play.Stop";
    /// `pause` was accepted.
    pub const PAUSE_NOTIFY: &str = "NetStream.Pause.Notify";
    /// `pause` without pausing was accepted.
    pub const UNPAUSE_NOTIFY: &str = "NetStream.Unpause.Notify";
    /// `seek`, or what has the same answer, was accepted.
    pub const SEEK_NOTIFY: &str = "NetStream.Seek.Notify";
    /// `seek` is refused.
    pub const SEEK_FAILED: &str = "NetStream.Seek.Failed";
}

/// The information object of a reply or status.
pub(super) fn information(level: &str, code: &str, description: &str) -> Value {
    Value::object([("level", level.into()), ("code", code.into()), ("description", description.into())])
}

/// `onStatus`, 7.2.2.
pub(super) fn on_status(level: &str, code: &str, description: &str) -> Command {
    call("onStatus", vec![Value::Null, information(level, code, description)])
}

/// A command that wants no reply.
pub(crate) fn call(name: &str, values: Vec<Value>) -> Command {
    Command { name: name.to_owned(), transaction: 0.0, values }
}

/// `_result` of a transaction.
pub(super) fn result(transaction: f64, values: Vec<Value>) -> Command {
    Command { name: "_result".to_owned(), transaction, values }
}

/// `_error` of a transaction.
pub(super) fn error(transaction: f64, code: &str, description: &str) -> Command {
    let values = vec![Value::Null, information("error", code, description)];
    Command { name: "_error".to_owned(), transaction, values }
}

//! Why a server does not want a publication.

use std::fmt;

use super::Url;
use crate::amf0::Value;
use crate::message::Command;
use crate::server::code;

/// Characters of a server's text that are kept.
const LONGEST: usize = 300;

/// What kind of refusal it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Class {
    /// User name or password are missing or wrong.
    Credentials,
    /// There is no such application.
    Application,
    /// The name of the stream is not accepted: malformed, unknown, or in use.
    Name,
    /// Publishing by that name is not allowed: wrong or missing key.
    Key,
    /// The server refused without one of these reasons.
    Rejected,
    /// The server ended what it had accepted, or goes down.
    Ended,
}

/// What the server said, without what is secret in our address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// What kind it is.
    pub class: Class,
    /// `code` of the status, such as `NetStream.Publish.BadName`; empty where there was none.
    pub code: String,
    /// What is for people to read; may be empty.
    pub description: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.description.as_str(), self.code.as_str()) {
            ("", "") => f.write_str("the server gave no reason"),
            ("", text) | (text, "") => f.write_str(text),
            (description, code) => write!(f, "{description} ({code})"),
        }
    }
}

impl Refusal {
    /// From a status or the answer to a call.
    pub(super) fn new(class: Class, command: &Command, url: &Url) -> Self {
        let (code, description) = said(command);
        Self { class, code: clean(code, url), description: clean(description, url) }
    }
}

/// `code` and `description` of a status, or of the answer to a call; a bare text is a description.
pub(super) fn said(command: &Command) -> (&str, &str) {
    let info = information(command);
    let text = |name| info.and_then(|info| info.get(name)).and_then(Value::as_str).unwrap_or_default();
    let bare = command.values.iter().find_map(Value::as_str).unwrap_or_default();
    let description = text("description");
    (text("code"), if info.is_none() { bare } else { description })
}

/// The information object: the last value that has a code.
pub(super) fn information(command: &Command) -> Option<&Value> {
    command.values.iter().rev().find(|value| value.get("code").is_some())
}

/// The class by the code alone; none for codes that are no refusal.
pub(super) fn class(code: &str, level: &str) -> Option<Class> {
    Some(match code {
        code::CONNECT_INVALID_APP => Class::Application,
        code::CONNECT_REJECTED => Class::Rejected,
        code::CONNECT_CLOSED
        | code::UNPUBLISH_SUCCESS
        | "NetConnection.Connect.AppShutdown"
        | "NetConnection.Connect.IdleTimeOut"
        | "NetStream.Publish.Idle" => Class::Ended,
        code::PUBLISH_BAD_NAME => Class::Name,
        code::PUBLISH_DENIED | "NetStream.Publish.Rejected" | "NetStream.Publish.Unauthorized" => Class::Key,
        _ if level == "error" => Class::Rejected,
        _ => return None,
    })
}

/// No more than so many characters, none of them for control, and no secret.
fn clean(text: &str, url: &Url) -> String {
    let masked = url.mask(text);
    let characters =
        masked.trim().chars().map(|character| if character.is_control() { ' ' } else { character });
    characters.take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(values: Vec<Value>) -> Command {
        Command { name: "_error".to_owned(), transaction: 1.0, values }
    }

    fn refusal(values: Vec<Value>) -> Refusal {
        let url = Url::parse("rtmp://host/live/secret").unwrap();
        Refusal::new(Class::Rejected, &command(values), &url)
    }

    #[test]
    fn what_was_said_is_shown_without_secrets_and_bounded() {
        let info = Value::object([
            ("level", "error".into()),
            ("code", "NetStream.Publish.BadName".into()),
            ("description", "secret\u{7} is taken".into()),
        ]);
        let refusal_1 = refusal(vec![Value::Null, info]);
        assert_eq!(refusal_1.to_string(), "***  is taken (NetStream.Publish.BadName)");
        let long = Value::object([("code", "".into()), ("description", "x".repeat(5000).as_str().into())]);
        assert_eq!(refusal(vec![long]).description.len(), LONGEST);
    }

    #[test]
    fn a_server_may_say_little() {
        assert_eq!(refusal(vec![Value::Null]).to_string(), "the server gave no reason");
        assert_eq!(refusal(vec![Value::Null, "no".into()]).to_string(), "no");
        let code = Value::object([("code", "NetConnection.Connect.Failed".into())]);
        assert_eq!(refusal(vec![Value::Null, code]).to_string(), "NetConnection.Connect.Failed");
    }

    #[test]
    fn codes_have_classes() {
        assert_eq!(class("NetStream.Publish.BadName", "error"), Some(Class::Name));
        assert_eq!(class("NetStream.Publish.Denied", "error"), Some(Class::Key));
        assert_eq!(class("NetStream.Unpublish.Success", "status"), Some(Class::Ended));
        assert_eq!(class("Something.Else", "error"), Some(Class::Rejected));
        assert_eq!(class("Something.Else", "status"), None);
    }
}

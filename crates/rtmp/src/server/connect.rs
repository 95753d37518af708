//! `connect` and its reply (RTMP 1.0 7.2.1.1; Enhanced RTMP v2, "Enhancing NetConnection connect Command").

use super::status::{self, code, information};
use crate::amf0::Value;
use crate::flv::FourCc;
use crate::flv::mux::Caps;
use crate::message::Command;

/// `fmsVer` and `capabilities` of the server whose replies encoders were written against.
const SERVER_VERSION: &str = "FMS/3,5,7,7009";
const CAPABILITIES: f64 = 31.0;

/// `capsEx` of Enhanced RTMP v2. TimestampNanoOffset (8) is not asked for: the timeline puts milliseconds back on
/// their grid.
mod caps {
    pub(super) const MULTITRACK: u32 = 0x02;
    pub(super) const MOD_EX: u32 = 0x04;
}
const CAPS_EX: u32 = caps::MULTITRACK | caps::MOD_EX;
/// `FourCcInfoMask.CanForward`.
const CAN_FORWARD: f64 = 4.0;

/// What a peer said of itself and of where it wants to go. Text is as it came; empty where there was none. May hold
/// a stream key: not for logs as it is.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Connect {
    /// Application, query string included.
    pub app: String,
    /// The whole URL as the peer has it; its user may have written a key into it.
    pub tc_url: String,
    /// Name and version of the program.
    pub flash_ver: String,
    /// Page that the player is on.
    pub page_url: String,
    /// File of the player.
    pub swf_url: String,
    /// Highest AMF version it wants to use: 0 or 3.
    pub object_encoding: u8,
    /// FourCCs that it announces, of video and audio alike; empty for a peer without Enhanced RTMP, `*` for any.
    pub fourccs: Vec<String>,
    /// Flags of Enhanced RTMP v2.
    pub caps_ex: u32,
}

impl Connect {
    pub(super) fn decode(command: &Command) -> Self {
        let object = command.values.first().unwrap_or(&Value::Null);
        let text = |name| object.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let number = |name| object.get(name).and_then(Value::as_number).unwrap_or_default();
        Self {
            app: text("app"),
            tc_url: text("tcUrl"),
            flash_ver: text("flashVer"),
            page_url: text("pageUrl"),
            swf_url: text("swfUrl"),
            object_encoding: if number("objectEncoding") == 3.0 { 3 } else { 0 },
            fourccs: fourccs(object),
            // A cast saturates, and what is not a number is 0.
            caps_ex: number("capsEx") as u32,
        }
    }

    /// What it takes of codecs that FLV did not always have.
    pub fn caps(&self) -> Caps {
        Caps::of(self.fourccs.iter().map(String::as_str))
    }

    /// Whether the peer speaks Enhanced RTMP in either version.
    pub fn is_enhanced(&self) -> bool {
        !self.fourccs.is_empty() || self.caps_ex != 0
    }

    /// The reply that accepts. A peer without Enhanced RTMP does not hear of it.
    pub(super) fn accept(&self, transaction: f64) -> Command {
        let server =
            Value::object([("fmsVer", SERVER_VERSION.into()), ("capabilities", CAPABILITIES.into())]);
        let mut info = information("status", code::CONNECT_SUCCESS, "Connection succeeded.");
        if let Value::Object(properties) = &mut info {
            properties.push(("objectEncoding".to_owned(), f64::from(self.object_encoding).into()));
            if self.is_enhanced() {
                properties.extend(enhanced());
            }
        }
        status::result(transaction, vec![server, info])
    }
}

/// The names that a peer announces in the object of its `connect`, or in what a server answers to ours.
pub(crate) fn fourccs(object: &Value) -> Vec<String> {
    let mut names = Vec::new();
    if let Some(Value::StrictArray(list)) = object.get("fourCcList") {
        names.extend(list.iter().filter_map(Value::as_str).map(str::to_owned));
    }
    for map in ["videoFourCcInfoMap", "audioFourCcInfoMap"] {
        let properties = object.get(map).map(Value::properties).unwrap_or_default();
        names.extend(properties.iter().map(|(name, _)| name.clone()));
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// What we take, as a peer with Enhanced RTMP v1 or v2 looks for it.
pub(crate) fn enhanced() -> impl Iterator<Item = (String, Value)> {
    let map = |video: bool| {
        let ours = FourCc::ALL.into_iter().filter(move |fourcc| fourcc.is_video() == video);
        Value::Object(ours.map(|fourcc| (fourcc.name().to_owned(), CAN_FORWARD.into())).collect())
    };
    let list = FourCc::ALL.iter().map(|fourcc| fourcc.name().into()).collect();
    [
        ("fourCcList", Value::StrictArray(list)),
        ("videoFourCcInfoMap", map(true)),
        ("audioFourCcInfoMap", map(false)),
        ("capsEx", f64::from(CAPS_EX).into()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connect(properties: Vec<(String, Value)>) -> Command {
        Command { name: "connect".to_owned(), transaction: 1.0, values: vec![Value::Object(properties)] }
    }

    #[test]
    fn an_old_client_hears_nothing_of_enhanced_rtmp() {
        let command =
            connect(vec![("app".to_owned(), "live".into()), ("objectEncoding".to_owned(), 3.0.into())]);
        let connect = Connect::decode(&command);
        assert_eq!(connect, Connect { app: "live".to_owned(), object_encoding: 3, ..Connect::default() });
        let reply = connect.accept(1.0);
        assert_eq!(reply.values[1].get("objectEncoding"), Some(&3.0.into()));
        assert_eq!(reply.values[1].get("capsEx"), None);
    }

    #[test]
    fn what_an_enhanced_client_announces_is_answered_with_what_we_take() {
        let list = Value::StrictArray(vec!["av01".into(), "hvc1".into()]);
        let map = Value::object([("*", 4.0.into()), ("hvc1", 1.0.into())]);
        let connect = Connect::decode(&connect(vec![
            ("fourCcList".to_owned(), list),
            ("videoFourCcInfoMap".to_owned(), map),
            ("capsEx".to_owned(), 15.0.into()),
        ]));
        assert_eq!((connect.fourccs.join(" ").as_str(), connect.caps_ex), ("* av01 hvc1", 15));
        assert!(connect.caps().takes(FourCc::Opus));
        let reply = connect.accept(1.0);
        let info = &reply.values[1];
        assert_eq!(info.get("capsEx"), Some(&6.0.into()));
        assert_eq!(info.get("audioFourCcInfoMap").and_then(|map| map.get("Opus")), Some(&4.0.into()));
        assert!(
            matches!(info.get("fourCcList"), Some(Value::StrictArray(list)) if list.len() == FourCc::ALL.len())
        );
    }

    #[test]
    fn a_connect_without_an_object_is_taken_as_empty() {
        let command = Command { name: "connect".to_owned(), transaction: 1.0, values: Vec::new() };
        assert_eq!(Connect::decode(&command), Connect::default());
    }
}

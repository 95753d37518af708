//! What servers answer to those who publish: as recorded, and what no recording has.

use bytes::BytesMut;
use rtmp::amf0::Value;
use rtmp::chunk::Encoder;
use rtmp::handshake;
use rtmp::message::{Command, Control, Message, PeerBandwidth, UserControl};

use crate::{Result, Seeds, files};

/// S0, S1 and S2.
const HANDSHAKE: usize = 1 + 2 * handshake::SIZE;

pub(crate) fn write(seeds: &mut Seeds) -> Result<()> {
    for (name, bytes) in files("rtmp/testdata", "answers")? {
        seeds.add("client", &name, &[&[0, 2, 0], &bytes])?;
        seeds.add("client", &format!("{name}-later"), &[&[2, 0, 40], &bytes[HANDSHAKE..]])?;
        seeds.add("client", &format!("{name}-tight"), &[&[3, 0, 9], &bytes[HANDSHAKE..]])?;
    }
    for (name, url) in [
        ("name", "rtmp://host/live/key?a=b"),
        ("all", "rtmps://user:pass@host:444/app/instance/key-1"),
        ("address", "rtmp://[::1]:1936/live//a/b"),
        ("query", "rtmp://host/app?token=x/name"),
        ("bare", "RTMP://host"),
        ("scheme", "srt://host/x"),
        ("port", "rtmp://host:0/live/x"),
        ("host", "rtmp:///live/x"),
    ] {
        seeds.add("client", &format!("url-{name}"), &[&[0, 0, 0], url.as_bytes()])?;
    }
    let connected =
        answer("_result", 1.0, vec![Value::Null, info("status", "NetConnection.Connect.Success")]);
    let created = answer("_result", 4.0, vec![Value::Null, 1.0.into()]);
    let published = status("status", "NetStream.Publish.Start");
    let ok = [connected, created.clone(), published];
    let with = |more: &[Message]| [&ok[..], more].concat();
    let controls = [
        Control::SetPeerBandwidth(2_500_000, PeerBandwidth::Dynamic),
        Control::WindowAckSize(100),
        Control::UserControl(UserControl::PingRequest(7)),
        Control::Acknowledgement(9),
    ];
    let adobe = "[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=needauth&user=user&salt=s&opaque=o";
    let llnw = "[ AccessManager.Reject ] : [ authmod=llnw ] : ?reason=needauth&user=user&nonce=n";
    let first = "[ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ] : ";
    let elsewhere = Value::object([("code", 302.0.into()), ("redirect", "rtmp://b:1/live".into())]);
    let redirect = Value::object([("code", "NetConnection.Connect.Rejected".into()), ("ex", elsewhere)]);
    let again = Value::object([
        ("code", "NetConnection.Connect.ReconnectRequest".into()),
        ("tcUrl", "//b/live".into()),
    ]);
    for (name, messages) in [
        ("accepts", with(&controls.map(Control::encode))),
        ("measures", with(&[answer("_onbwcheck", 3.0, vec![Value::Null])])),
        ("ends", with(&[status("status", "NetStream.Unpublish.Success")])),
        ("sends-on", with(&[answer("onStatus", 0.0, vec![Value::Null, again])])),
        ("refuses-name", vec![ok[0].clone(), created, status("error", "NetStream.Publish.BadName")]),
        ("refuses-stream", vec![ok[0].clone(), answer("_error", 4.0, vec![Value::Null, "no".into()])]),
        ("redirects", vec![answer("_error", 1.0, vec![Value::Null, redirect])]),
        ("wants-user", vec![rejected(first)]),
        ("challenges-adobe", vec![rejected(adobe)]),
        ("challenges-llnw", vec![rejected(llnw)]),
        ("fails-user", vec![rejected("authmod=adobe ?reason=authfailed SECRET-KEY?z SECRET-PASSWORD")]),
    ] {
        let (encoder, mut out) = (Encoder::new(), BytesMut::new());
        messages.iter().for_each(|message| encoder.encode(3, message, &mut out));
        seeds.add("client", &format!("server-{name}"), &[&[2, 0, 20], &out])?;
    }
    Ok(())
}

fn answer(name: &str, transaction: f64, values: Vec<Value>) -> Message {
    Command { name: name.to_owned(), transaction, values }.encode(0)
}

fn status(level: &str, code: &str) -> Message {
    answer("onStatus", 0.0, vec![Value::Null, info(level, code)])
}

fn rejected(description: &str) -> Message {
    let code = "NetConnection.Connect.Rejected";
    let info = Value::object([("code", code.into()), ("description", description.into())]);
    answer("_error", 1.0, vec![Value::Null, info])
}

fn info(level: &str, code: &str) -> Value {
    Value::object([("level", level.into()), ("code", code.into()), ("description", "So it is.".into())])
}

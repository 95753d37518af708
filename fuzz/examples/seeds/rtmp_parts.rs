//! Tags, messages and values that no recording has.

use bytes::{BufMut, BytesMut};
use rtmp::amf0::Value;
use rtmp::message::{Command, Control, Message, PeerBandwidth, UserControl, kind};

use crate::{Result, Seeds, block, file};

/// A sound and a picture in one message.
pub(crate) const AGGREGATE: &[u8] =
    b"\x08\0\0\x02\0\x01\0\0\0\0\0aa\0\0\0\x0d\x09\0\0\x01\0\x01\x14\0\0\0\0v\0\0\0\x0c";

pub(crate) fn write(seeds: &mut Seeds) -> Result<()> {
    tags(seeds)?;
    messages(seeds)
}

/// Enhanced RTMP beyond what the files have: modifiers and several tracks.
fn tags(seeds: &mut Seeds) -> Result<()> {
    let avcc = file("media/testdata/x264-1080p.avcc")?;
    let config = media::codec::h264::Config::decode(&avcc)?;
    let unit = media::nal::join([&config.sps()[0][..], &config.pps()[0], &[0x65, 0x88, 0x84]]);
    let script = |tags: &[(u8, Vec<u8>)]| -> Vec<u8> {
        tags.iter().flat_map(|(kind, body)| [&[*kind], &block(body)[..]].concat()).collect()
    };
    let many = |track: u8, body: &[u8]| [&[track, 0, 0, body.len() as u8], body].concat();
    let tags = [
        (1, [&b"\x17\0\0\0\0"[..], &avcc].concat()),
        (1, [&b"\x27\x01\0\0\x28"[..], &unit].concat()),
        (1, [&b"\x97\x02\0\x01\x02\x03avc1\0\0\x28"[..], &unit].concat()),
        (1, [&b"\x96\x10avc1"[..], &many(0, &avcc), &many(1, &avcc)].concat()),
        (1, [&b"\x96\x11avc1"[..], &many(1, &[b"\0\0\0", &unit[..]].concat())].concat()),
        (1, [&b"\x96\x20avc1"[..], &many(2, &avcc), b"vp08", &many(3, b"x")].concat()),
        (0, b"\x95\x10mp4a\x00\0\0\x02\x12\x10\x01\0\0\x02\x12\x10".to_vec()),
        (0, b"\x95\x01mp4a\x01xyz".to_vec()),
        (0, b"\xaf\0\x12\x10".to_vec()),
        (0, b"\xaf\x01xyz".to_vec()),
        (0, b"\x2f\xff\xfb\x90\x64".to_vec()),
        (0, b"\x91Opus\xfc\0".to_vec()),
        (2, b"\x02\0\x0aonMetaData\x08\0\0\0\x01\0\x07encoder\x02\0\x03OBS\0\0\x09".to_vec()),
    ];
    seeds.add("flv_tags", "enhanced", &[&script(&tags)])?;
    let old: Vec<_> =
        (0u8..16).flat_map(|id| [(0, vec![id << 4, 0, 0]), (1, vec![0x10 | id, 0, 0, 0, 0, 0])]).collect();
    seeds.add("flv_tags", "old-codecs", &[&script(&old)])?;
    let in_band = [
        (1, [&b"\x17\x01\0\0\0"[..], &unit].concat()),
        (1, b"\x57\0".to_vec()),
        (1, b"\x17\x02\0\0\0".to_vec()),
    ];
    seeds.add("flv_tags", "no-sequence-header", &[&script(&in_band)])
}

/// Control messages and an aggregate, and values of every type.
fn messages(seeds: &mut Seeds) -> Result<()> {
    let values = every_value();
    let mut body = BytesMut::new();
    values.iter().for_each(|value| value.encode(&mut body));
    // Typed object, XML, unsupported, AMF3: what we read and do not write.
    body.put_slice(b"\x10\0\x01T\0\x01a\x05\0\0\x09\x0f\0\0\0\x02<>\x0d\x11");
    seeds.add("amf0", "every-type", &[&[0], &body])?;
    seeds.add("amf0", "tight", &[&[1], &body])?;
    for (index, message) in controls().into_iter().enumerate() {
        seeds.add("messages", &format!("control-{index}"), &[&[0, message.kind], &message.body])?;
    }
    seeds.add("messages", "aggregate", &[&[0, kind::AGGREGATE], AGGREGATE])?;
    let url = "rtmp://host/region?key=x%20y&&flag";
    let publish = Command {
        name: "/region/?a=%41".to_owned(),
        transaction: 3.0,
        values: vec!["north/news?b".into(), url.into()],
    };
    seeds.add("messages", "address", &[&[0, kind::COMMAND_AMF3, 0], &publish.encode(0).body])
}

fn every_value() -> Vec<Value> {
    vec![
        Value::Number(1.5),
        Value::Boolean(true),
        "text".into(),
        Value::object([("a", 1.0.into()), ("b", Value::object([("c", Value::Null)]))]),
        Value::Undefined,
        Value::Reference(1),
        Value::EcmaArray(vec![("duration".to_owned(), 0.0.into())]),
        Value::StrictArray(vec![Value::Null, Value::StrictArray(vec!["x".into()])]),
        Value::Date(1e12),
        "x".repeat(200).as_str().into(),
    ]
}

pub(crate) fn controls() -> Vec<Message> {
    let users = [
        UserControl::StreamBegin(1),
        UserControl::StreamEof(1),
        UserControl::StreamDry(1),
        UserControl::SetBufferLength(1, 3000),
        UserControl::StreamIsRecorded(1),
        UserControl::PingRequest(7),
        UserControl::PingResponse(7),
        UserControl::Other(31),
    ];
    let others = [
        Control::SetChunkSize(64),
        Control::Abort(3),
        Control::Acknowledgement(1),
        Control::WindowAckSize(100),
        Control::SetPeerBandwidth(1, PeerBandwidth::Hard),
        Control::SetPeerBandwidth(1, PeerBandwidth::Soft),
        Control::SetPeerBandwidth(1, PeerBandwidth::Dynamic),
    ];
    others.into_iter().chain(users.map(Control::UserControl)).map(Control::encode).collect()
}

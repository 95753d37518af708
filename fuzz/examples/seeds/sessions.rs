//! Every command there is an answer to, control messages and media, as chunks.

use bytes::{Bytes, BytesMut};
use rtmp::amf0::Value;
use rtmp::chunk::Encoder;
use rtmp::message::{Command, Control, Message, kind};

use crate::rtmp_parts::{AGGREGATE, controls};
use crate::{Result, Seeds};

pub(crate) fn write(seeds: &mut Seeds) -> Result<()> {
    let mut encoder = Encoder::new();
    let mut out = BytesMut::new();
    for (index, call) in calls().iter().enumerate() {
        encoder.encode(3, call, &mut out);
        if index % 3 == 0 {
            // Sound before it may come is an error, so there is none at first.
            let kind = if index > 8 { kind::AUDIO } else { 0 };
            encoder.encode(4, &message(kind, b"\xaf\x01xyz"), &mut out);
        }
    }
    for control in controls() {
        match Control::decode(&control)? {
            Some(Control::SetChunkSize(size)) => encoder.set_chunk_size(size, &mut out),
            _ => encoder.encode(2, &control, &mut out),
        }
    }
    let metadata = b"\x02\0\x0d@setDataFrame\x02\0\x0aonMetaData\x05";
    encoder.encode(4, &message(kind::DATA_AMF0, metadata), &mut out);
    encoder.encode(4, &message(kind::DATA_AMF0, b"\x02\0\x0f@clearDataFrame"), &mut out);
    encoder.encode(4, &message(kind::AGGREGATE, AGGREGATE), &mut out);
    for (name, choice, verdicts) in [
        ("accepted", 2, 0),
        ("refused", 2, 0b01_01_01),
        ("mixed", 2, 0b00_01_00_00),
        ("waits", 3, 0b10_10_10_10),
        ("closed", 2, 0b11_00),
        ("tight", 3, 0),
    ] {
        seeds.add("session", &format!("commands-{name}"), &[&[choice, verdicts, 0, 40], &out])?;
    }
    seeds.add("chunks", "commands", &[&[0, 0], &out])
}

fn message(kind: u8, body: &'static [u8]) -> Message {
    Message { kind, timestamp_ms: 5, stream: 1, body: Bytes::from_static(body) }
}

fn calls() -> Vec<Message> {
    let call = |stream: u32, name: &str, transaction: f64, values: Vec<Value>| {
        Command { name: name.to_owned(), transaction, values }.encode(stream)
    };
    let list = Value::StrictArray(vec!["av01".into(), "hvc1".into()]);
    let connect = Value::object([("app", "live".into()), ("fourCcList", list), ("capsEx", 15.0.into())]);
    let mut calls = vec![call(0, "connect", 1.0, vec![connect])];
    for name in ["releaseStream", "FCPublish", "_checkbw", "getStreamLength", "createStream", "mystery"] {
        calls.push(call(0, name, 2.0, vec![Value::Null, "cam".into()]));
    }
    for name in ["play", "publish", "publish", "FCUnpublish", "publish", "closeStream", "publish"] {
        calls.push(call(1, name, 4.0, vec![Value::Null, "cam?key=x".into(), "live".into()]));
    }
    calls.push(call(0, "deleteStream", 0.0, vec![Value::Null, 1.0.into()]));
    calls.push(call(1, "publish", 4.0, vec![Value::Null, "cam".into()]));
    calls.push(call(0, "onStatus", 0.0, vec![]));
    calls.push(call(0, "FCUnpublish", 2.0, vec![Value::Null, "cam".into()]));
    for name in
        ["play", "pause", "receiveAudio", "receiveVideo", "seek", "play2", "pause", "closeStream", "play"]
    {
        let flag = Value::Boolean(name != "pause" || calls.len() % 2 == 0);
        let values = if name == "play" { vec![Value::Null, "cam".into()] } else { vec![Value::Null, flag] };
        calls.push(call(1, name, 0.0, values));
    }
    calls
}

//! SRT: packets of each kind, handshakes, and scripts of a connection.

use srt::packet::{
    Ack, AckDetails, AckRates, Control, Extension, Flags, Handshake, HandshakeKind, Hello, KeyMaterial,
    LossList, Packet, encode_loss,
};
use srt::{Rejection, Sequence};

use crate::{Result, Seeds, block};

pub(crate) fn write(seeds: &mut Seeds) -> Result<()> {
    write_packets(seeds)?;
    write_listeners(seeds)?;
    write_connections(seeds)
}

fn key_material() -> Vec<u8> {
    KeyMaterial { keys: 3, salt: [4; 16], key_bytes: 16, wrapped: &[5; 40] }.encode()
}

fn extensions(keys: bool) -> Vec<u8> {
    let latency = std::time::Duration::from_millis(120);
    let hello =
        Hello { version: 0x10501, flags: Flags(0xbf), receive_latency: latency, send_latency: latency };
    let mut content = Vec::new();
    Extension::Hello(hello, false).encode(&mut content);
    if keys {
        Extension::KeyMaterial(&key_material(), false).encode(&mut content);
    }
    Extension::StreamId("#!::r=live/one,m=publish,u=me").encode(&mut content);
    content.extend(b"\0\x06\0\x01evil\0\x07\0\x00\0\x08\0\x01abcd");
    content
}

fn write_packets(seeds: &mut Seeds) -> Result<()> {
    let next = Sequence::new(77);
    let rates = AckRates { packets_per_second: 4, link_packets_per_second: 5, bytes_per_second: Some(6) };
    let details = AckDetails { rtt_us: 1, rtt_variance_us: 2, room: 3, rates: Some(rates) };
    let losses = encode_loss([(next, next), (next.plus(4), next.plus(9))]);
    let content = extensions(true);
    let handshake = |kind| Handshake {
        version: 5,
        encryption: 2,
        extension: 7,
        sequence: next,
        mtu: 1500,
        flow_window: 8192,
        kind,
        socket: 9,
        cookie: 8,
        address: [0; 16],
        content: &content,
    };
    let keys = key_material();
    let controls = [
        ("induction", Control::Handshake(Handshake { content: &[], ..handshake(HandshakeKind::Induction) })),
        ("conclusion", Control::Handshake(handshake(HandshakeKind::Conclusion))),
        ("rejection", Control::Handshake(handshake(HandshakeKind::Rejection(Rejection::NOT_FOUND)))),
        ("keep-alive", Control::KeepAlive),
        ("ack-light", Control::Ack(Ack { number: 0, next, details: None })),
        ("ack-full", Control::Ack(Ack { number: 5, next, details: Some(details) })),
        ("nak", Control::Nak(LossList::decode(&losses)?)),
        ("congestion", Control::Congestion),
        ("shutdown", Control::Shutdown),
        ("ackack", Control::AckAck(5)),
        ("drop", Control::DropRequest { message: 0, first: next, last: next.plus(3) }),
        ("peer-error", Control::PeerError(4000)),
        ("keys", Control::KeyMaterial { response: false, content: &keys }),
        ("keys-answer", Control::KeyMaterial { response: true, content: b"\0\0\0\x04" }),
    ];
    for (name, control) in controls {
        seeds.add("srt_packets", name, &[&Packet::control(1, 2, control).encode().to_vec()])?;
    }
    seeds.add("srt_packets", "data", &[b"\0\0\0\x4d\xd4\0\0\x01\0\0\0\x01\0\0\0\x02payload"])?;
    seeds.add("srt_packets", "key-material", &[&keys])?;
    seeds.add("srt_packets", "stream-id", &[b"#!::r=live/one,m=request,u=me,h=host,t=stream,s=1,x"])
}

fn write_listeners(seeds: &mut Seeds) -> Result<()> {
    let (plain, keys) = (block(&extensions(false)), block(&extensions(true)));
    let ask = |socket| [&[1, socket, 2, socket][..], &plain].concat();
    for (name, choice) in [("usual", 0), ("small", 1)] {
        let twice = [&[2, 9][..], &plain].concat();
        seeds.add(
            "srt_listener",
            &format!("{name}-accepted"),
            &[&[choice], &ask(9), &twice, &[6], &twice],
        )?;
        let encrypted = [&[1, 7, 2, 7][..], &keys].concat();
        seeds.add(
            "srt_listener",
            &format!("{name}-wrong-key"),
            &[&[choice], &encrypted, &[14], &encrypted, &[6]],
        )?;
        let many = [ask(1), ask(2), ask(3), vec![5, 4], ask(4), vec![6, 6, 4, 20, 0, 6, 6]].concat();
        seeds.add("srt_listener", &format!("{name}-many"), &[&[choice], &many])?;
        seeds.add("srt_listener", &format!("{name}-old"), &[&[choice], &ask(0x89)])?;
        let raw = [&[0][..], &block(b"\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")].concat();
        seeds.add("srt_listener", &format!("{name}-raw"), &[&[choice], &raw])?;
    }
    Ok(())
}

fn write_connections(seeds: &mut Seeds) -> Result<()> {
    for choice in 0..16 {
        let both = [1, 0x31, 9, 10, 2, 2, 10, 0, 0, 200, 2, 2, 10, 10, 0, 4, 0].repeat(12);
        seeds.add("srt_connection", &format!("both-{choice}"), &[&[choice], &both])?;
        let lossy = [1, 1, 1, 12, 10, 0x1a, 0x0f, 10, 0, 3, 0, 2, 2, 0, 9, 0, 10, 10].repeat(10);
        seeds.add(
            "srt_connection",
            &format!("lossy-{choice}"),
            &[&[choice], &lossy, &[0, 0xff, 0xff].repeat(3)],
        )?;
        let mut foreign = vec![1, 1, 0x41, 1];
        for op in 0..=255_u8 {
            foreign.extend([6 | op & 8, op.wrapping_mul(37), 40 + op % 9, 44 + op % 17, 0, 0, 60, 1]);
        }
        seeds.add("srt_connection", &format!("foreign-{choice}"), &[&[choice], &foreign])?;
        let keys =
            [&[5][..], &block(&[&b"\xff\xff\0\x03\0\0\0\0\0\0\0\0\0\0\0\0"[..], &key_material()].concat())];
        seeds.add(
            "srt_connection",
            &format!("keys-{choice}"),
            &[&[choice], &keys.concat().repeat(3), &[0xff]],
        )?;
    }
    Ok(())
}

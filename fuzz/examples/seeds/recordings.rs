//! What real encoders sent, in the form that each target takes.

use rtmp::chunk::Decoder;
use rtmp::flv::{Tag, TagKind, file};
use rtmp::message::{Command, Message, kind};
use rtmp::{Limits, handshake};

use crate::{Result, Seeds, block, files};

/// C0, C1 and C2.
const HANDSHAKE: usize = 1 + 2 * handshake::SIZE;

pub(crate) fn write(seeds: &mut Seeds) -> Result<()> {
    for (name, bytes) in files("rtmp/testdata", "rtmp")? {
        recording(seeds, &name, &bytes)?;
    }
    for (name, bytes) in files("rtmp/testdata", "flv")? {
        flv(seeds, &name, &bytes)?;
    }
    for (name, bytes) in files("media/testdata", "")? {
        media(seeds, &name, &bytes)?;
    }
    Ok(())
}

/// What a client sent: whole, and from after the handshake on, and the messages in it.
fn recording(seeds: &mut Seeds, name: &str, bytes: &[u8]) -> Result<()> {
    let chunks = &bytes[HANDSHAKE..];
    seeds.add("session", name, &[&[0, 0, 0x02, 0x00], &bytes[..bytes.len().min(HANDSHAKE + 2000)]])?;
    seeds.add("session", &format!("{name}-later"), &[&[2, 0, 0, 250], &chunks[..chunks.len().min(6000)]])?;
    seeds.add(
        "session",
        &format!("{name}-refused"),
        &[&[2, 0b01, 0, 60], &chunks[..chunks.len().min(2500)]],
    )?;
    seeds.add("chunks", name, &[&[0, 10], &chunks[..chunks.len().min(4000)]])?;
    seeds.add("chunks", &format!("{name}-tight"), &[&[1, 0], &chunks[..chunks.len().min(1500)]])?;
    let mut input = chunks;
    let mut decoder = Decoder::new(Limits::default());
    let (mut tags, mut media, mut count) = (Vec::new(), 0, 0);
    while let Some(message) = decoder.decode(&mut input)? {
        match (TagKind::from_type(message.kind), message.kind) {
            (Some(kind @ (TagKind::Audio | TagKind::Video)), _) if media < 24 => {
                media += 1;
                tags.push(Tag { kind, timestamp_ms: message.timestamp_ms, body: message.body });
            }
            (_, kind::AUDIO | kind::VIDEO) => {}
            (_, kind) => {
                let label = format!("{name}-{count}-{}", command_name(&message));
                count += 1;
                seeds.add("messages", &label, &[&[0, kind], &message.body])?;
                if matches!(kind, kind::COMMAND_AMF0 | kind::DATA_AMF0) {
                    seeds.add("amf0", &label, &[&[0], &message.body])?;
                }
            }
        }
    }
    seeds.add("flv_tags", name, &[&tag_script(&tags)])?;
    Ok(())
}

fn command_name(message: &Message) -> String {
    match Command::decode(message, rtmp::amf0::Limits::default()) {
        Ok(command) => format!("{}-{}", message.kind, command.name),
        Err(_) => message.kind.to_string(),
    }
}

/// Tags as the target `flv_tags` takes them.
fn tag_script(tags: &[Tag]) -> Vec<u8> {
    let tags = tags.iter().map(|tag| {
        let kind = match tag.kind {
            TagKind::Audio => 0,
            TagKind::Video => 1,
            TagKind::Script => 2,
        };
        [&[kind], &block(&tag.body)[..]].concat()
    });
    tags.collect::<Vec<_>>().concat()
}

fn flv(seeds: &mut Seeds, name: &str, bytes: &[u8]) -> Result<()> {
    seeds.add("flv_file", name, &[&[0, 0, 99], bytes])?;
    seeds.add("flv_file", &format!("{name}-tight"), &[&[1, 0, 9], &bytes[..bytes.len().min(1200)]])?;
    let mut reader = file::Reader::new(&Limits::default());
    reader.push(bytes);
    let mut tags = Vec::new();
    while let Some(tag) = reader.poll()? {
        tags.push(tag);
    }
    tags.truncate(16);
    if let Some(script) = tags.iter().find(|tag| tag.kind == TagKind::Script) {
        seeds.add("amf0", name, &[&[0], &script.body])?;
    }
    seeds.add("flv_tags", name, &[&tag_script(&tags)])
}

/// A record or an access unit of an encoder, by what its name ends in.
fn media(seeds: &mut Seeds, name: &str, bytes: &[u8]) -> Result<()> {
    let target = match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "avcc" => ("codec_configs", 0),
        "hvcc" => ("codec_configs", 1),
        "av1c" => ("codec_configs", 2),
        "vpcc" => ("codec_configs", 3),
        "asc" => ("codec_configs", 4),
        "flac-streaminfo" => ("codec_configs", 9),
        "au" if name.starts_with("x264") => ("access_units", 0b1100),
        "au" => ("access_units", 0b1101),
        "tu" => ("access_units", 2),
        "frame" if name.starts_with("vpx") => ("access_units", 3),
        _ => ("codec_configs", 7),
    };
    match target {
        ("access_units", choice) => seeds.add(target.0, name, &[&[choice], &block(bytes)]),
        (_, choice) => seeds.add(target.0, name, &[&[choice], bytes]),
    }
}

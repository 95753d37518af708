//! Prints a recorded connection, one side of it, message by message: `rtmp_dump FILE`, or `rtmp_dump` with the bytes on
//! standard input.

// A program whose purpose is to print.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::io::{Read, Write, stdin, stdout};
use std::{env, fs};

use rillcast_rtmp::chunk::Decoder;
use rillcast_rtmp::message::{Command, Control, Message, kind};
use rillcast_rtmp::{Limits, amf0, handshake};

fn main() -> Result<(), Box<dyn Error>> {
    let bytes = match env::args().nth(1) {
        Some(path) => fs::read(path)?,
        None => {
            let mut bytes = Vec::new();
            stdin().read_to_end(&mut bytes)?;
            bytes
        }
    };
    // C0, C1 and C2, or S0, S1 and S2.
    let mut input = bytes.get(1 + 2 * handshake::SIZE..).ok_or("the recording ends inside the handshake")?;
    let mut out = stdout().lock();
    let mut decoder = Decoder::new(Limits::default());
    loop {
        let decoded = decoder.decode(&mut input);
        let offset = bytes.len() - input.len();
        match decoded {
            Ok(Some(message)) => writeln!(out, "{offset:>8} {}", describe(&message))?,
            Ok(None) => return Ok(()),
            Err(error) => return Err(format!("at byte {offset}: {error}").into()),
        }
    }
}

/// One line: where it belongs, and what it says.
fn describe(message: &Message) -> String {
    let Message { kind, timestamp_ms, stream, body } = message;
    let head = format!("{timestamp_ms:>10} ms, stream {stream}: ");
    let start = body.slice(..body.len().min(16));
    head + &match *kind {
        kind::AUDIO => format!("audio, {} bytes, {start:?}", body.len()),
        kind::VIDEO => format!("video, {} bytes, {start:?}", body.len()),
        kind::COMMAND_AMF0 | kind::COMMAND_AMF3 => match Command::decode(message, amf0::Limits::default()) {
            Ok(Command { name, transaction, values }) => format!("{name} #{transaction} {values:?}"),
            Err(error) => format!("command: {error}"),
        },
        kind::DATA_AMF0 => {
            let mut decoder = amf0::Decoder::new(body, amf0::Limits::default());
            let values: Vec<_> = std::iter::from_fn(|| decoder.value().ok().flatten()).collect();
            format!("data {values:?}")
        }
        other => match Control::decode(message) {
            Ok(Some(control)) => format!("{control:?}"),
            Ok(None) => format!("type {other}, {} bytes, {start:?}", body.len()),
            Err(error) => format!("type {other}: {error}"),
        },
    }
}

//! Prints the packets of an MPEG-TS file, one line each: number, PID, continuity counter, flags, clock
//! reference, and what begins there (tables, PES packets with their stamps and the start of their payload).
//!
//! `dump FILE [--pes]`; with `--pes` only packets in which something begins.

use std::fmt::{self, Write as _};
use std::io::{BufWriter, ErrorKind, Write};

use rillcast_mpegts::PACKET_BYTES;

/// One packet as it lies in the file; every getter is total.
struct Packet<'a>(&'a [u8]);

impl<'a> Packet<'a> {
    fn pid(&self) -> u16 {
        u16::from_be_bytes([self.0[1] & 0x1F, self.0[2]])
    }

    fn starts(&self) -> bool {
        self.0[1] & 0x40 != 0
    }

    fn adaptation(&self) -> &'a [u8] {
        if self.0[3] & 0x20 == 0 {
            return &[];
        }
        let len = usize::from(self.0[4]);
        self.0.get(5..5 + len).unwrap_or_default()
    }

    fn payload(&self) -> &'a [u8] {
        let skipped = if self.0[3] & 0x20 == 0 { 4 } else { 5 + usize::from(self.0[4]) };
        let has_payload = self.0[3] & 0x10 != 0;
        self.0.get(skipped..).filter(|_| has_payload).unwrap_or_default()
    }

    /// In seconds.
    fn pcr(&self) -> Option<f64> {
        match *self.adaptation() {
            [flags, a, b, c, d, e, f, ..] if flags & 0x10 != 0 => {
                let base = u64::from(u32::from_be_bytes([a, b, c, d])) << 1 | u64::from(e >> 7);
                let extension = u64::from(e & 1) << 8 | u64::from(f);
                Some((base * 300 + extension) as f64 / 27e6)
            }
            _ => None,
        }
    }
}

impl fmt::Display for Packet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {:#06x} cc {:2}", self.pid(), self.0[3] & 15)?;
        let flags = self.adaptation().first().copied().unwrap_or_default();
        for (bit, name) in [(0x80, " discontinuity"), (0x40, " random-access")] {
            f.write_str(if flags & bit != 0 { name } else { "" })?;
        }
        if let Some(pcr) = self.pcr() {
            write!(f, " pcr {pcr:.6}")?;
        }
        if !self.starts() {
            return write!(f, " payload {}", self.payload().len());
        }
        match self.payload() {
            [0, 0, 1, stream, high, low, rest @ ..] => {
                write!(f, " PES {stream:#04x} length {}", u16::from_be_bytes([*high, *low]))?;
                pes(rest, f)
            }
            [pointer, rest @ ..] => {
                let section = rest.get(usize::from(*pointer)..).unwrap_or_default();
                write!(f, " section {}", hex(section, 40))
            }
            [] => Ok(()),
        }
    }
}

/// The optional header behind PES_packet_length.
fn pes(header: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let [_, flags, len, rest @ ..] = header else { return Ok(()) };
    let stamp = |bytes: &[u8]| {
        let word = bytes.iter().fold(0u64, |word, &byte| word << 8 | u64::from(byte));
        let ticks = (word >> 33 & 7) << 30 | (word >> 17 & 0x7FFF) << 15 | word >> 1 & 0x7FFF;
        ticks as f64 / 90e3
    };
    for (bit, name, at) in [(0x80, "pts", 0..5), (0x40, "dts", 5..10)] {
        if let Some(bytes) = rest.get(at).filter(|_| flags & bit != 0) {
            write!(f, " {name} {:.6}", stamp(bytes))?;
        }
    }
    write!(f, " | {}", hex(rest.get(usize::from(*len)..).unwrap_or_default(), 16))
}

fn hex(bytes: &[u8], most: usize) -> String {
    bytes.iter().take(most).fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x} ");
        text
    })
}

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let only_starts = arguments.iter().any(|argument| argument == "--pes");
    let Some(path) = arguments.iter().find(|argument| !argument.starts_with("--")) else {
        return Err(std::io::Error::new(ErrorKind::InvalidInput, "usage: dump FILE [--pes]"));
    };
    let file = std::fs::read(path)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    for (number, bytes) in file.chunks_exact(PACKET_BYTES).enumerate() {
        let packet = Packet(bytes);
        let written = match bytes[0] {
            0x47 if only_starts && !packet.starts() => Ok(()),
            0x47 => writeln!(out, "{number:6} {packet}"),
            other => writeln!(out, "{number:6} no sync byte: {other:#04x}"),
        };
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            other => other?,
        }
    }
    out.flush()
}

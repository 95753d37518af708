//! Extensions of the handshake (draft-sharabayko-srt 3.2.1.1 to 3.2.1.4).

use std::time::Duration;

use super::Fields;
use crate::Error;

/// The longest stream id.
pub(crate) const MAX_STREAM_ID_BYTES: usize = 512;

const HELLO_REQUEST: u16 = 1;
const HELLO_RESPONSE: u16 = 2;
const KEY_REQUEST: u16 = 3;
const KEY_RESPONSE: u16 = 4;
const STREAM_ID: u16 = 5;
const CONGESTION: u16 = 6;
const FILTER: u16 = 7;

/// The extensions of one handshake. Those of other kinds, groups among them, are left out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Extensions<'a> {
    /// What both are able to do.
    pub hello: Option<Hello>,
    /// A [`super::KeyMaterial`] or the answer to it.
    pub key_material: Option<&'a [u8]>,
    /// The stream id.
    pub stream_id: Option<String>,
    /// The congestion control; none stands for `live`.
    pub congestion: Option<String>,
    /// The packet filter.
    pub filter: Option<String>,
}

/// One extension to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extension<'a> {
    /// HSREQ, or HSRSP with `true`.
    Hello(Hello, bool),
    /// KMREQ, or KMRSP with `true`.
    KeyMaterial(&'a [u8], bool),
    /// SID.
    StreamId(&'a str),
}

impl<'a> Extensions<'a> {
    /// Reads all of them. The last of a kind counts; zeros may follow.
    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut fields = Fields::new("extension", bytes);
        let mut found = Self::default();
        while !fields.is_empty() {
            let (kind, words) = (fields.u16()?, fields.u16()?);
            let content = fields.take(usize::from(words) * 4)?;
            match kind {
                HELLO_REQUEST | HELLO_RESPONSE => found.hello = Some(Hello::decode(content)?),
                KEY_REQUEST | KEY_RESPONSE => found.key_material = Some(content),
                STREAM_ID => found.stream_id = Some(decode_text(content)?),
                CONGESTION => found.congestion = Some(decode_text(content)?),
                FILTER => found.filter = Some(decode_text(content)?),
                _ => {}
            }
        }
        Ok(found)
    }
}

impl Extension<'_> {
    /// Appends it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let (kind, content) = match *self {
            Self::Hello(hello, response) => {
                (if response { HELLO_RESPONSE } else { HELLO_REQUEST }, hello.encode())
            }
            Self::KeyMaterial(content, response) => {
                (if response { KEY_RESPONSE } else { KEY_REQUEST }, content.to_vec())
            }
            Self::StreamId(text) => (STREAM_ID, encode_text(text)),
        };
        out.extend(kind.to_be_bytes());
        out.extend(((content.len() / 4) as u16).to_be_bytes());
        out.extend(content);
    }
}

/// Text is a number of words, each with its lowest byte first, and zeros at the end.
fn decode_text(bytes: &[u8]) -> Result<String, Error> {
    let error = |why| Error::malformed("text of an extension", 0, why);
    if bytes.len() > MAX_STREAM_ID_BYTES {
        return Err(error("longer than 512 bytes"));
    }
    let text = bytes.as_chunks::<4>().0.iter().flat_map(|word| word.iter().rev()).copied();
    let text = text.take_while(|byte| *byte != 0).collect();
    String::from_utf8(text).map_err(|_| error("not UTF-8"))
}

fn encode_text(text: &str) -> Vec<u8> {
    let word = |part: &[u8]| {
        let mut word = [0; 4];
        word.iter_mut().rev().zip(part).for_each(|(to, from)| *to = *from);
        word
    };
    text.as_bytes().chunks(4).flat_map(word).collect()
}

/// The handshake extension message (3.2.1.1): version, abilities, latencies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hello {
    /// Version of the software: 0x00010500 for 1.5.0.
    pub version: u32,
    /// What it is able to do.
    pub flags: Flags,
    /// The latency with which its sender wants to receive, whole milliseconds.
    pub receive_latency: Duration,
    /// The latency that it wants the other side to have at least.
    pub send_latency: Duration,
}

impl Hello {
    fn decode(content: &[u8]) -> Result<Self, Error> {
        let mut fields = Fields::new("handshake extension message", content);
        let (version, flags) = (fields.u32()?, Flags(fields.u32()?));
        let (receive, send) = (fields.u16()?, fields.u16()?);
        let ms = |value| Duration::from_millis(u64::from(value));
        Ok(Self { version, flags, receive_latency: ms(receive), send_latency: ms(send) })
    }

    fn encode(&self) -> Vec<u8> {
        let ms = |latency: Duration| u16::try_from(latency.as_millis()).unwrap_or(u16::MAX).to_be_bytes();
        let mut bytes = self.version.to_be_bytes().to_vec();
        bytes.extend(self.flags.0.to_be_bytes());
        bytes.extend(ms(self.receive_latency));
        bytes.extend(ms(self.send_latency));
        bytes
    }
}

/// What a peer is able to do (3.2.1.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flags(pub u32);

impl Flags {
    /// Delivers by timestamp, as a sender.
    pub const TSBPD_SEND: Self = Self(1);
    /// Delivers by timestamp, as a receiver.
    pub const TSBPD_RECEIVE: Self = Self(2);
    /// Knows the two bits KK.
    pub const CRYPT: Self = Self(4);
    /// Drops what is too late.
    pub const TOO_LATE_DROP: Self = Self(8);
    /// Repeats NAKs.
    pub const PERIODIC_NAK: Self = Self(0x10);
    /// Marks what is retransmitted.
    pub const RETRANSMIT_FLAG: Self = Self(0x20);
    /// Sends a stream of bytes, not messages.
    pub const STREAM: Self = Self(0x40);
    /// Knows packet filters.
    pub const FILTER: Self = Self(0x80);

    /// Those of live mode.
    pub(crate) const LIVE: Self = Self(0x3f);

    /// Whether it has all of `flags`.
    pub const fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(extensions: &[Extension<'_>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        extensions.iter().for_each(|extension| extension.encode(&mut bytes));
        bytes
    }

    #[test]
    fn all_that_we_write() {
        let hello = Hello {
            version: 0x10500,
            flags: Flags::LIVE,
            receive_latency: Duration::from_millis(120),
            send_latency: Duration::from_secs(9),
        };
        let bytes = encode(&[
            Extension::Hello(hello, false),
            Extension::KeyMaterial(b"12345678", false),
            Extension::StreamId("abcde"),
        ]);
        assert!(bytes.ends_with(b"\0\x05\0\x02dcba\0\0\0e"));
        let found = Extensions::decode(&bytes).expect("extensions");
        assert_eq!(found.hello, Some(hello));
        assert_eq!(found.key_material, Some(&b"12345678"[..]));
        assert_eq!(found.stream_id.as_deref(), Some("abcde"));
    }

    #[test]
    fn other_kinds_are_left_out() {
        let mut bytes = b"\0\x08\0\x01abcd\0\x06\0\x01evil".to_vec();
        let found = Extensions::decode(&bytes).expect("extensions");
        assert_eq!(found, Extensions { congestion: Some("live".into()), ..Extensions::default() });
        bytes.push(0);
        assert!(Extensions::decode(&bytes).is_err());
    }

    #[test]
    fn limits() {
        let long = encode(&[Extension::StreamId(&"x".repeat(513))]);
        assert!(Extensions::decode(&long).is_err());
        let most = encode(&[Extension::StreamId(&"x".repeat(512))]);
        assert!(Extensions::decode(&most).is_ok());
        assert!(Extensions::decode(b"\0\x05\0\x02abcd").is_err());
        assert!(Extensions::decode(b"\0\x05\0\x01\xff\xff\xff\xff").is_err());
    }
}

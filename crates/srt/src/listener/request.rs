//! A handshake with the right cookie, while it waits for a verdict.

use std::time::Duration;

use super::{Key, Path, check_version};
use crate::crypto::Crypto;
use crate::packet::{Flags, Handshake, HandshakeKind, Hello, KeyMaterial, address_field};
use crate::{Error, Passphrase, Rejection, Sequence};

/// Which request a verdict is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RequestId {
    pub(super) key: Key,
    pub(super) number: u64,
}

/// Somebody wants to connect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// For the verdict.
    pub id: RequestId,
    /// Who, and which of our addresses was called: the peer's was proved.
    pub path: Path,
    /// What it wants; [`crate::StreamId`] takes it apart.
    pub stream_id: Option<String>,
    /// Bytes of its keys, if it encrypts.
    pub key_bytes: Option<usize>,
    /// Version of its software, 0x00010500 for 1.5.0.
    pub version: u32,
    /// The latency with which it wants to receive.
    pub receive_latency: Duration,
    /// The latency that it wants us to have for what it sends.
    pub send_latency: Duration,
}

pub(super) struct Pending {
    pub(super) key: Key,
    pub(super) number: u64,
    pub(super) until: Duration,
    pub(super) arrived: Duration,
    pub(super) timestamp: u32,
    pub(super) sequence: Sequence,
    pub(super) flow_window: u32,
    pub(super) hello: Hello,
    pub(super) key_material: Option<Vec<u8>>,
    /// What its keys are, once they were opened.
    pub(super) crypto: Option<Crypto>,
    encryption: u16,
    cookie: u32,
    key_bytes: Option<usize>,
    stream_id: Option<String>,
}

impl Pending {
    pub(super) fn new(
        now: Duration,
        verdict: Duration,
        key: Key,
        number: u64,
        timestamp: u32,
        handshake: &Handshake<'_>,
    ) -> Result<Self, Error> {
        check_version(handshake.version)?;
        let extensions = handshake.extensions()?;
        let hello = extensions.hello.ok_or(Error::malformed("handshake", 48, "no hello"))?;
        let rejected = |rejection| Err(Error::Rejected(rejection));
        if hello.flags.has(Flags::STREAM) {
            return rejected(Rejection::MESSAGE_API);
        }
        if extensions.congestion.is_some_and(|name| name != "live") {
            return rejected(Rejection::CONGESTION);
        }
        if extensions.filter.is_some_and(|filter| !filter.is_empty()) {
            return rejected(Rejection::FILTER);
        }
        let key_material = extensions.key_material.map(KeyMaterial::decode).transpose()?;
        Ok(Self {
            key,
            number,
            until: now.saturating_add(verdict),
            arrived: now,
            timestamp,
            sequence: handshake.sequence,
            flow_window: handshake.flow_window,
            hello,
            key_bytes: key_material.map(|message| message.key_bytes),
            // The message alone, whatever was behind it.
            key_material: key_material.map(|message| message.encode()),
            crypto: None,
            encryption: handshake.encryption,
            cookie: handshake.cookie,
            stream_id: extensions.stream_id,
        })
    }

    /// Opens its keys, once.
    pub(super) fn verify(&mut self, passphrase: Option<&Passphrase>) -> Result<(), Error> {
        match (passphrase, &self.key_material) {
            (None, None) => Ok(()),
            (Some(_), Some(_)) if self.crypto.is_some() => Ok(()),
            (Some(passphrase), Some(message)) => {
                self.crypto = Some(Crypto::adopt(passphrase, message)?);
                Ok(())
            }
            _ => Err(Error::Rejected(Rejection::UNSECURE)),
        }
    }

    pub(super) fn id(&self) -> RequestId {
        RequestId { key: self.key, number: self.number }
    }

    pub(super) fn request(&self) -> Request {
        Request {
            id: self.id(),
            path: self.key.0,
            stream_id: self.stream_id.clone(),
            key_bytes: self.key_bytes,
            version: self.hello.version,
            receive_latency: self.hello.receive_latency,
            send_latency: self.hello.send_latency,
        }
    }

    /// What an answer repeats.
    pub(super) fn answer<'a>(&self, content: &'a [u8]) -> Handshake<'a> {
        Handshake {
            version: Handshake::VERSION,
            encryption: self.encryption,
            extension: 0,
            sequence: self.sequence,
            mtu: super::MTU,
            flow_window: self.flow_window,
            kind: HandshakeKind::Conclusion,
            socket: self.key.1,
            cookie: self.cookie,
            address: address_field(self.key.0.peer.ip()),
            content,
        }
    }
}

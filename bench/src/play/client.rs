//! One player.

use std::time::Instant;

use anyhow::bail;

use super::Protocol;
use super::udp::{self, Count};
use crate::net::{self, Link, Poller, Ready, Received};
use crate::stamp::{self, Scanner};

/// How far a player is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Connecting,
    /// Asking for the stream.
    Talking,
    /// Media comes.
    Playing,
}

/// What a player is in the end.
#[derive(Clone, Default, Debug)]
pub(super) struct Outcome {
    /// Milliseconds from asking for the stream to the first media; none where none came.
    pub(super) first_ms: Option<f64>,
    /// Seconds of the window in which bytes came.
    pub(super) busy_seconds: u64,
    /// Bytes in the window.
    pub(super) bytes: u64,
    /// RTP packets over UDP in the window; none of other players.
    pub(super) datagrams: Option<Count>,
    /// Age in milliseconds of each stamp that a probe found in the window.
    pub(super) latencies_ms: Vec<f64>,
    /// Why it ended before its time.
    pub(super) error: Option<String>,
}

/// A player with its connection.
pub(super) struct Client {
    number: usize,
    /// None once it has failed.
    link: Option<Link>,
    state: State,
    protocol: Box<dyn Protocol>,
    /// Probes only.
    scanner: Option<Scanner>,
    total: u64,
    /// `total` at the last full second of the window.
    counted: u64,
    /// What had come by UDP when the window began.
    datagrams_before: Count,
    outcome: Outcome,
}

impl Client {
    pub(super) fn new(
        number: usize,
        link: std::io::Result<Link>,
        protocol: Box<dyn Protocol>,
        probe: bool,
    ) -> Self {
        let outcome = Outcome { error: link.as_ref().err().map(ToString::to_string), ..Outcome::default() };
        Self {
            number,
            link: link.ok(),
            state: State::Connecting,
            protocol,
            scanner: probe.then(Scanner::default),
            total: 0,
            counted: 0,
            datagrams_before: Count::default(),
            outcome,
        }
    }

    /// The window begins.
    pub(super) fn begin(&mut self) {
        self.counted = self.total;
        self.datagrams_before = self.protocol.media().map_or_else(Count::default, |media| media.count());
    }

    /// A second of the window is over.
    pub(super) fn count_second(&mut self) {
        self.outcome.busy_seconds += u64::from(self.total > self.counted);
        self.outcome.bytes += self.total - self.counted;
        self.counted = self.total;
    }

    pub(super) fn into_outcome(mut self) -> Outcome {
        let before = self.datagrams_before;
        self.outcome.datagrams = self.protocol.media().map(|media| {
            let Count { packets, lost } = media.count();
            // What came late makes it less than it was.
            Count { packets: packets - before.packets, lost: lost.saturating_sub(before.lost) }
        });
        self.outcome
    }

    /// Does what the connection is ready for. `stamps_count` says whether the window has begun.
    pub(super) fn serve(&mut self, ready: Ready, poller: &Poller, buffers: &mut Buffers, stamps_count: bool) {
        let Some(mut link) = self.link.take() else { return };
        let served = self
            .exchange(&mut link, ready, poller, buffers, stamps_count)
            .and_then(|()| Ok(link.flush(poller, self.number)?));
        match served {
            Ok(()) => self.link = Some(link),
            // Dropping the link closes it.
            Err(error) => self.outcome.error = Some(format!("{error:#}")),
        }
    }

    fn exchange(
        &mut self,
        link: &mut Link,
        ready: Ready,
        poller: &Poller,
        buffers: &mut Buffers,
        stamps_count: bool,
    ) -> anyhow::Result<()> {
        if self.state == State::Connecting {
            if ready.failed {
                bail!("connection refused");
            }
            if ready.writable {
                self.state = State::Talking;
                self.protocol.open(&mut link.out);
            }
        }
        if ready.readable {
            self.read(link, buffers, stamps_count)?;
            self.read_datagrams(link, poller, buffers, stamps_count)?;
        }
        Ok(())
    }

    fn read(&mut self, link: &mut Link, buffers: &mut Buffers, stamps_count: bool) -> anyhow::Result<()> {
        let unseen = self.state == State::Playing && self.scanner.is_none();
        let received = if unseen {
            net::discard(&link.socket, &mut buffers.untouched)?
        } else {
            net::receive(&link.socket, &mut buffers.read)?
        };
        let bytes = match received {
            Received::Bytes(bytes) => bytes,
            Received::Nothing => return Ok(()),
            Received::Closed => bail!("closed by the server"),
        };
        self.total += bytes as u64;
        if !unseen {
            self.look_at(&buffers.read[..bytes], link, stamps_count)?;
        }
        self.protocol.received(self.total, &mut link.out);
        Ok(())
    }

    fn look_at(&mut self, bytes: &[u8], link: &mut Link, stamps_count: bool) -> anyhow::Result<()> {
        if let Some(scanner) = &mut self.scanner {
            note_stamps(scanner, bytes, stamps_count, &mut self.outcome.latencies_ms);
        }
        if self.state == State::Talking && self.protocol.input(bytes, &mut link.out)? {
            self.begin_playing();
        }
        Ok(())
    }

    fn read_datagrams(
        &mut self,
        link: &mut Link,
        poller: &Poller,
        buffers: &mut Buffers,
        stamps_count: bool,
    ) -> anyhow::Result<()> {
        let Some(media) = self.protocol.media() else { return Ok(()) };
        media.watch(poller, self.number)?;
        let seen = if self.scanner.is_some() { buffers.read.len() } else { udp::HEADER_BYTES };
        let bytes = media.receive(&mut buffers.read[..seen], |packet| {
            if let Some(scanner) = &mut self.scanner {
                note_stamps(scanner, packet, stamps_count, &mut self.outcome.latencies_ms);
            }
        })?;
        self.total += bytes;
        if bytes > 0 && self.state == State::Talking {
            self.begin_playing();
        }
        self.protocol.received(self.total, &mut link.out);
        Ok(())
    }

    fn begin_playing(&mut self) {
        self.state = State::Playing;
        let asked = self.protocol.asked().unwrap_or_else(Instant::now);
        self.outcome.first_ms = Some(asked.elapsed().as_secs_f64() * 1e3);
    }
}

/// Looks for stamps, and notes how old they are if they count.
pub(super) fn note_stamps(scanner: &mut Scanner, bytes: &[u8], they_count: bool, ages_ms: &mut Vec<f64>) {
    let now = stamp::wall_clock();
    let stamps = scanner.feed(bytes);
    if they_count {
        ages_ms.extend(stamps.into_iter().map(|time| (now as f64 - time as f64) / 1e6));
    }
}

/// What all clients of a thread read into.
pub(super) struct Buffers {
    read: Vec<u8>,
    /// The kernel is given its length and never writes to it.
    untouched: Vec<u8>,
}

impl Buffers {
    pub(super) fn new() -> Self {
        Self { read: vec![0; 256 << 10], untouched: vec![0; net::DISCARD_BYTES] }
    }
}

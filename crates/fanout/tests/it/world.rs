//! What the tests share: items that say their number, and viewers that remember what they were told.

use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hub::{Limits, Ring};
use rillcast_fanout::{End, FanOut, How, Membership, Pieces, Settings, Viewer};

/// Longer than anything here takes on a busy machine; reaching it means that something hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An item: its number, 10 of them to a GOP, and a payload.
#[derive(Clone)]
pub(crate) struct Unit {
    pub(crate) number: u32,
    pub(crate) payload: Bytes,
}

impl Unit {
    pub(crate) fn new(number: u32, size: usize) -> Self {
        let fill = u8::try_from(number % 251).expect("under 251");
        Self { number, payload: vec![fill; size].into() }
    }
}

impl hub::Item for Unit {
    fn size(&self) -> usize {
        self.payload.len()
    }
    fn arrival(&self) -> Duration {
        Duration::from_millis(u64::from(self.number) * 40)
    }
    fn is_start(&self) -> bool {
        self.number.is_multiple_of(10)
    }
}

/// What a viewer was told.
#[derive(Default, Debug)]
pub(crate) struct Told {
    pub(crate) sent: usize,
    pub(crate) writes: usize,
    pub(crate) skips: usize,
    pub(crate) end: Option<End>,
}

/// Its wire form of an item is: `F`, `f` or `S` for the way it came there, number, length, payload.
pub(crate) struct Test {
    told: Arc<Mutex<Told>>,
    /// Serving this item goes wrong.
    pub(crate) panics_at: Option<u32>,
    /// Items with odd numbers are left out while it is 1.
    selected: u8,
    /// It is told the number of the item that it begins with, and whatever is said before waits for that.
    pub(crate) opens: bool,
    /// Items have no wire form, and each is followed by one more.
    pub(crate) refill: Option<Ring<Unit>>,
}

impl Viewer for Test {
    type Item = Unit;

    fn opens(&self) -> bool {
        self.opens
    }

    fn opening(&self, first: &Unit) -> Bytes {
        format!("{:04}", first.number).into()
    }

    fn frame<'i>(&self, item: &'i Unit, how: How, out: &mut Pieces<'i>) {
        assert_ne!(self.panics_at, Some(item.number), "on purpose");
        if let Some(ring) = &self.refill {
            return ring.push(Unit::new(1, 10));
        }
        if self.selected == 1 && !item.number.is_multiple_of(2) {
            return;
        }
        out.small(match how {
            How::First => b"F",
            How::Follows => b"f",
            How::Skipped => b"S",
        });
        out.small(&item.number.to_be_bytes());
        out.small(&u32::try_from(item.payload.len()).expect("small").to_be_bytes());
        out.shared(&item.payload);
    }

    fn is_urgent(item: &Unit) -> bool {
        item.number.is_multiple_of(2)
    }

    fn shape(&self) -> Option<u64> {
        self.panics_at.is_none().then_some(self.selected.into())
    }

    fn select(&mut self, word: u8) {
        self.selected = word;
    }

    fn tail(&self) -> &'static [u8] {
        b"T"
    }

    fn sent(&mut self, bytes: usize) {
        let mut told = lock(&self.told);
        told.sent += bytes;
        told.writes += 1;
    }

    fn skipped(&mut self) {
        lock(&self.told).skips += 1;
    }

    fn ended(self, why: End) {
        lock(&self.told).end = Some(why);
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn settings() -> Settings {
    Settings {
        workers: 1,
        merge_window: Duration::ZERO,
        hold: false,
        slow_viewer_timeout: PATIENCE,
        limits: Limits::default(),
    }
}

pub(crate) fn start(settings: Settings) -> FanOut {
    FanOut::start(settings).expect("threads")
}

/// A viewer's end of the connection.
pub(crate) struct Peer {
    pub(crate) socket: UnixStream,
    pub(crate) told: Arc<Mutex<Told>>,
    pub(crate) membership: Option<Membership>,
}

pub(crate) fn join(fan_out: &FanOut, ring: &Ring<Unit>, panics_at: Option<u32>) -> Peer {
    join_with(fan_out, ring, |viewer| viewer.panics_at = panics_at)
}

pub(crate) fn join_with(fan_out: &FanOut, ring: &Ring<Unit>, set: impl FnOnce(&mut Test)) -> Peer {
    let (ours, socket) = UnixStream::pair().expect("sockets");
    ours.set_nonblocking(true).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let told = Arc::<Mutex<Told>>::default();
    let mut viewer =
        Test { told: Arc::clone(&told), panics_at: None, selected: 0, opens: false, refill: None };
    set(&mut viewer);
    let membership = fan_out.join(ring, Arc::new(ours), Bytes::from_static(b"head"), viewer);
    Peer { socket, told, membership: Some(membership) }
}

impl Peer {
    pub(crate) fn head(&mut self) -> &mut Self {
        assert_eq!(&self.bytes::<4>(), b"head");
        self
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.socket.read_exact(&mut bytes).expect("bytes in time");
        bytes
    }

    /// The next item: how it came, and its number. The payload must be whole.
    pub(crate) fn item(&mut self) -> (char, u32) {
        let [how] = self.bytes();
        let number = u32::from_be_bytes(self.bytes());
        let mut payload = vec![0; u32::from_be_bytes(self.bytes()) as usize];
        self.socket.read_exact(&mut payload).expect("bytes in time");
        assert!(payload.iter().all(|&byte| u32::from(byte) == number % 251), "item {number} is torn");
        (char::from(how), number)
    }

    /// All that is left, to the end of the connection.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.socket.read_to_end(&mut rest).expect("an end");
        rest
    }

    pub(crate) fn end(&self) -> End {
        until(|| lock(&self.told).end.take())
    }
}

/// Waits until there is what is expected.
pub(crate) fn until<T>(mut probe: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "in time");
        std::thread::sleep(Duration::from_millis(5));
    }
}

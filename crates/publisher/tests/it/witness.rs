//! Viewers who watch without a pause while something changes, and what they must have seen.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use http_body_util::BodyExt as _;
use publisher::Body;

/// A transport stream is whole: continuity runs on all PIDs, and no break is marked.
pub(crate) fn assert_whole(bytes: &[u8]) {
    let mut counters: BTreeMap<u16, u8> = BTreeMap::new();
    for (number, packet) in bytes.chunks_exact(188).enumerate() {
        assert_eq!(packet[0], 0x47, "packet {number}");
        let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
        let (has_adaptation, has_payload) = (packet[3] & 0x20 != 0, packet[3] & 0x10 != 0);
        let is_break = has_adaptation && packet[4] > 0 && packet[5] & 0x80 != 0;
        assert!(!is_break, "packet {number} of PID {pid} marks a break");
        if has_payload {
            let counter = packet[3] & 0x0f;
            let before = counters.insert(pid, counter);
            assert!(
                before.is_none_or(|before| (before + 1) & 0x0f == counter),
                "packet {number} of PID {pid}"
            );
        }
    }
    assert!(counters.len() >= 4, "PAT, PMT, pictures and sound");
}

/// What a viewer has got so far, who is read without a pause.
pub(crate) struct Watched(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    bytes: Vec<u8>,
    ended: bool,
}

impl Watched {
    pub(crate) fn len(&self) -> usize {
        self.0.lock().expect("no panic").bytes.len()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.lock().expect("no panic").bytes.clone()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.0.lock().expect("no panic").ended
    }
}

pub(crate) fn watch(mut body: Body) -> Watched {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let watched = Watched(Arc::clone(&seen));
    tokio::spawn(async move {
        while let Some(Ok(frame)) = body.frame().await {
            seen.lock().expect("no panic").bytes.extend_from_slice(frame.data_ref().expect("data"));
        }
        seen.lock().expect("no panic").ended = true;
    });
    watched
}

/// From the first key frame that both have: viewers begin at different times.
pub(crate) fn common<'a>(a: &'a [u8], b: &'a [u8]) -> (&'a [u8], &'a [u8]) {
    let head = &b[..188 * 8];
    let start = (0..a.len() / 188).map(|n| n * 188).find(|&at| a[at..].starts_with(head));
    let a = &a[start.expect("the later one's first packets are in the earlier one's")..];
    let length = a.len().min(b.len());
    (&a[..length], &b[..length])
}

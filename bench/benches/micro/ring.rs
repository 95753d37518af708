//! The hub's ring: one writer, and readers that keep up with it.

use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use hub::{Cursor, Item, Limits, Ring};

/// A frame of 25 per second, the first of each 2 s a key frame.
#[derive(Clone)]
pub(crate) struct Piece {
    pub(crate) bytes: Bytes,
    pub(crate) number: u32,
}

impl Item for Piece {
    fn size(&self) -> usize {
        self.bytes.len()
    }

    fn arrival(&self) -> Duration {
        Duration::from_millis(40) * self.number
    }

    fn is_start(&self) -> bool {
        self.number.is_multiple_of(50)
    }
}

/// Frames that are written before the readers read.
const BATCH: u32 = 2;

/// A write of two frames and the read of them by every reader, as a merge window of 80 ms has it.
pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ring");
    for readers in [0, 1, 100, 1000] {
        let ring = Ring::new(Limits::default());
        let mut cursors: Vec<Cursor<Piece>> = (0..readers).filter_map(|_| ring.subscribe()).collect();
        let bytes = Bytes::from(vec![0; 10_000]);
        let mut number = 0;
        let mut out = Vec::new();
        let mut context = Context::from_waker(Waker::noop());
        group.throughput(Throughput::Elements(readers.max(1)));
        group.bench_function(format!("push and {readers} reads"), |bencher| {
            bencher.iter(|| {
                for _ in 0..BATCH {
                    ring.push(Piece { bytes: bytes.clone(), number });
                    number += 1;
                }
                for cursor in &mut cursors {
                    out.clear();
                    let _ = cursor.poll_read(&mut context, &mut out, usize::MAX);
                }
            });
        });
    }
    group.finish();
}

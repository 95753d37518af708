//! The ring under every order in which its threads can take turns: no wake-up is lost, no item is, and no hole goes
//! untold. Run by `scripts/test` with `--cfg loom`; without it there is nothing here.
#![cfg(loom)]

use std::time::Duration;

use loom::future::block_on;
use loom::thread;
use rillcast_hub::{Cursor, Item, Limits, Read, Ring};

/// An item: its number, 2 of them to a GOP.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Unit(u64);

impl Item for Unit {
    fn size(&self) -> usize {
        1
    }
    fn arrival(&self) -> Duration {
        Duration::from_secs(self.0)
    }
    fn is_start(&self) -> bool {
        self.0.is_multiple_of(2)
    }
}

fn model(check: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    // Three switches at places of the checker's choice, besides those where a thread waits.
    builder.preemption_bound = Some(3);
    builder.check(check);
}

/// Reads to the end; how each run of items came, and their numbers.
fn read_all(mut cursor: Cursor<Unit>) -> Vec<(Read, Vec<u64>)> {
    let mut runs = Vec::new();
    loop {
        let mut items = Vec::new();
        let read = block_on(cursor.read(&mut items, usize::MAX));
        if read == Read::Closed {
            return runs;
        }
        runs.push((read, items.iter().map(|unit| unit.0).collect()));
    }
}

fn numbers(runs: &[(Read, Vec<u64>)]) -> Vec<u64> {
    runs.iter().flat_map(|(_, numbers)| numbers.iter().copied()).collect()
}

/// Polls once, so that the cursor waits.
fn wait(cursor: &mut Cursor<Unit>) {
    block_on(std::future::poll_fn(|cx| {
        let _ = cursor.poll_read(cx, &mut Vec::new(), usize::MAX);
        std::task::Poll::Ready(())
    }));
}

#[test]
fn a_reader_gets_everything_that_is_written_and_the_end() {
    model(|| {
        let ring = Ring::new(Limits::default());
        let cursor = ring.subscribe().expect("an open ring");
        let writer = thread::spawn(move || {
            ring.push(Unit(0));
            ring.extend([Unit(1), Unit(2)]);
            ring.close();
        });
        let runs = read_all(cursor);
        assert!(runs.iter().all(|(read, _)| *read == Read::Items), "{runs:?}");
        assert_eq!(numbers(&runs), [0, 1, 2]);
        writer.join().expect("the writer");
    });
}

#[test]
fn two_readers_are_both_woken() {
    model(|| {
        let ring = Ring::new(Limits::default());
        let cursors = [ring.subscribe(), ring.subscribe()].map(|cursor| cursor.expect("an open ring"));
        let readers = cursors.map(|cursor| thread::spawn(move || numbers(&read_all(cursor))));
        ring.push(Unit(0));
        ring.close();
        readers.into_iter().for_each(|reader| assert_eq!(reader.join().expect("a reader"), [0]));
    });
}

#[test]
fn who_subscribes_while_it_is_written_to_begins_at_a_start() {
    model(|| {
        let ring = Ring::new(Limits::default());
        ring.push(Unit(0));
        let to_read = ring.clone();
        let reader = thread::spawn(move || to_read.subscribe().map(|cursor| numbers(&read_all(cursor))));
        ring.extend([Unit(1), Unit(2)]);
        ring.close();
        // None: it came after the end.
        if let Some(numbers) = reader.join().expect("the reader") {
            assert!(numbers == [0, 1, 2] || numbers == [2], "{numbers:?}");
        }
    });
}

#[test]
fn who_unsubscribes_takes_no_wake_up_of_others_with_it() {
    model(|| {
        let ring = Ring::new(Limits::default());
        let mut leaving = ring.subscribe().expect("an open ring");
        let staying = ring.subscribe().expect("an open ring");
        wait(&mut leaving);
        let leaver = thread::spawn(move || drop(leaving));
        let reader = thread::spawn(move || numbers(&read_all(staying)));
        ring.push(Unit(0));
        ring.close();
        assert_eq!(reader.join().expect("the reader"), [0]);
        leaver.join().expect("the one that left");
    });
}

#[test]
fn who_falls_behind_skips_to_a_start_and_is_told() {
    model(|| {
        let ring = Ring::new(Limits { bytes: 2, ..Limits::default() });
        let cursor = ring.subscribe().expect("an open ring");
        let writer = thread::spawn(move || {
            (0..4).for_each(|n| ring.push(Unit(n)));
            ring.close();
        });
        let mut last = None;
        for (read, numbers) in read_all(cursor) {
            for (index, number) in numbers.into_iter().enumerate() {
                match last {
                    Some(last) if index > 0 || read == Read::Items => assert_eq!(number, last + 1),
                    _ => assert!(number.is_multiple_of(2)),
                }
                last = Some(number);
            }
        }
        assert_eq!(last, Some(3), "the newest is always there");
        writer.join().expect("the writer");
    });
}

#[test]
fn what_a_worker_has_not_read_is_kept() {
    model(|| {
        let limits =
            Limits { lag: Duration::ZERO, gop: Duration::ZERO, keep_unread: true, ..Limits::default() };
        let ring = Ring::new(limits);
        let cursor = ring.subscribe().expect("an open ring");
        let writer = thread::spawn(move || {
            (0..3).for_each(|n| ring.push(Unit(n)));
            ring.close();
        });
        let runs = read_all(cursor);
        assert_eq!(numbers(&runs), [0, 1, 2]);
        assert!(runs.iter().all(|(read, _)| *read == Read::Items), "{runs:?}");
        writer.join().expect("the writer");
    });
}

#[test]
fn closing_while_somebody_subscribes_leaves_nobody_waiting() {
    model(|| {
        let ring: Ring<Unit> = Ring::new(Limits::default());
        let to_close = ring.clone();
        let closer = thread::spawn(move || to_close.close());
        if let Some(cursor) = ring.subscribe() {
            assert!(read_all(cursor).is_empty());
        }
        closer.join().expect("the one that closed");
        assert!(ring.subscribe().is_none());
    });
}

//! Viewers that do not keep up.

use std::time::Duration;

use hub::{Limits, Ring};
use rillcast_fanout::{End, Settings};

use crate::world::{Unit, join, lock, settings, start, until};

/// Larger than a socket's buffer together.
const LARGE: usize = 100_000;

#[test]
fn a_slow_viewer_skips_whole_gops_and_others_lose_nothing() {
    let fan_out = start(settings());
    let ring = Ring::new(Limits::default());
    ring.push(Unit::new(0, LARGE));
    let (mut slow, mut quick) = (join(&fan_out, &ring, None), join(&fan_out, &ring, None));
    quick.head();
    for n in 0..500 {
        if n > 0 {
            ring.push(Unit::new(n, LARGE));
        }
        assert_eq!(quick.item().1, n);
    }
    slow.head();
    let (mut last, mut skips) = (slow.item().1, 0);
    while last < 499 {
        let (how, number) = slow.item();
        match how {
            'S' => {
                assert!(number.is_multiple_of(10) && number > last + 1, "{number} after {last}");
                skips += 1;
            }
            how => assert_eq!((how, number), ('f', last + 1)),
        }
        last = number;
    }
    assert!(skips > 0);
    assert_eq!(lock(&slow.told).skips, skips);
    assert_eq!(lock(&quick.told).skips, 0);
}

#[test]
fn viewers_that_share_what_is_made_for_them_may_be_slow_each_in_its_own_way() {
    let fan_out = start(settings());
    let ring = Ring::new(Limits::default());
    ring.push(Unit::new(0, LARGE));
    let mut peers: Vec<_> = (0..12).map(|_| join(&fan_out, &ring, None)).collect();
    let mut at = vec![0; peers.len()];
    peers.iter_mut().for_each(|peer| assert_eq!(peer.head().item(), ('F', 0)));
    for n in 1..200 {
        ring.push(Unit::new(n, if n % 3 == 0 { LARGE } else { 300 }));
        // The first reads each item, the second two at each second one, and so on; the last reads at the end.
        for (index, peer) in peers.iter_mut().enumerate().take(11) {
            while n % (index as u32 + 1) == 0 && at[index] < n {
                at[index] = next(peer.item(), at[index]);
            }
        }
    }
    for (peer, at) in peers.iter_mut().zip(at) {
        let mut at = at;
        while at < 199 {
            at = next(peer.item(), at);
        }
    }
}

/// The number of an item that follows `last`, or that was skipped to.
fn next((how, number): (char, u32), last: u32) -> u32 {
    match how {
        'S' => assert!(number.is_multiple_of(10) && number > last + 1, "{number} after {last}"),
        how => assert_eq!((how, number), ('f', last + 1)),
    }
    number
}

#[test]
fn a_viewer_that_does_not_read_is_sent_away() {
    let timeout = Duration::from_millis(300);
    let fan_out = start(Settings { slow_viewer_timeout: timeout, ..settings() });
    let ring = Ring::new(Limits::default());
    ring.push(Unit::new(0, LARGE));
    let (mut still, mut quick) = (join(&fan_out, &ring, None), join(&fan_out, &ring, None));
    quick.head();
    let mut number = 0;
    // It is behind as soon as the log has dropped what it was to get.
    let end = until(|| {
        assert_eq!(quick.item().1, number);
        number += 1;
        ring.push(Unit::new(number, LARGE));
        lock(&still.told).end.take()
    });
    assert!(matches!(end, End::TooSlow(time) if time == timeout), "{end:?}");
    let rest = still.head().rest();
    assert!(!rest.is_empty() && rest.last() != Some(&b'T'), "an item that left in part has no end behind it");
    assert_eq!(quick.item().1, number);
}

#[test]
fn what_is_kept_for_slow_viewers_is_bounded_in_bytes() {
    let limits = Limits { bytes: 1 << 20, ..Limits::default() };
    let fan_out = start(Settings { limits, ..settings() });
    let ring = Ring::new(limits);
    ring.push(Unit::new(0, LARGE));
    let mut slow = join(&fan_out, &ring, None);
    slow.head();
    let mut quick = join(&fan_out, &ring, None);
    quick.head();
    // 40 items are 4 MB, and less than two seconds: only the bytes are over.
    for n in 1..=40 {
        assert_eq!(quick.item().1, n - 1);
        ring.push(Unit::new(n, LARGE));
    }
    while slow.item().1 < 40 {}
    assert_eq!(lock(&slow.told).skips, 1);
}

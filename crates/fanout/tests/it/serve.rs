//! Viewers that keep up.

use std::time::Duration;

use hub::{Limits, Ring};
use rillcast_fanout::{End, Settings};

use crate::world::{Unit, join, join_with, lock, settings, start, until};

#[test]
fn a_viewer_gets_all_from_the_newest_start_on() {
    let fan_out = start(settings());
    let ring = Ring::new(Limits::default());
    ring.extend((0..25).map(|n| Unit::new(n, 100)));
    let mut peer = join(&fan_out, &ring, None);
    assert_eq!(peer.head().item(), ('F', 20));
    (21..25).for_each(|n| assert_eq!(peer.item(), ('f', n)));
    for n in 25..60 {
        ring.push(Unit::new(n, 100));
        assert_eq!(peer.item(), ('f', n));
    }
    let mut late = join(&fan_out, &ring, None);
    assert_eq!(late.head().item(), ('F', 50));
    assert_eq!(fan_out.viewers(), 2);
}

#[test]
fn a_viewer_before_the_first_start_waits_for_it() {
    let fan_out = start(settings());
    let ring = Ring::new(Limits::default());
    let mut peer = join(&fan_out, &ring, None);
    peer.head();
    ring.extend((5..12).map(|n| Unit::new(n, 100)));
    assert_eq!((peer.item(), peer.item()), (('F', 10), ('f', 11)));
}

#[test]
fn items_larger_than_any_write_arrive_whole() {
    let fan_out = start(settings());
    let ring = Ring::new(Limits::default());
    let mut peer = join(&fan_out, &ring, None);
    peer.head();
    for n in 10..14 {
        ring.push(Unit::new(n, 3_000_000));
        assert_eq!(peer.item().1, n);
    }
    // A write that fills the socket ends before its last byte: that one comes when there is room again.
    assert_eq!(until(|| Some(lock(&peer.told).sent).filter(|&sent| sent >= 4 * 3_000_009)), 4 * 3_000_009);
}

#[test]
fn the_end_of_a_ring_ends_its_viewers_after_the_last_item() {
    let fan_out = start(settings());
    let ring = Ring::new(Limits::default());
    ring.push(Unit::new(10, 10));
    let mut peer = join(&fan_out, &ring, None);
    assert_eq!(peer.head().item(), ('F', 10));
    ring.push(Unit::new(11, 10));
    ring.close();
    assert_eq!(peer.item(), ('f', 11));
    assert_eq!(peer.rest(), b"T");
    assert!(matches!(peer.end(), End::Closed));
    assert_eq!(until(|| (fan_out.viewers() == 0).then_some(0)), 0);
    assert!(matches!(join(&fan_out, &ring, None).end(), End::Closed), "nobody can join what has ended");
}

#[test]
fn a_viewer_that_is_taken_away_gets_the_end_of_its_stream() {
    let fan_out = start(settings());
    let ring = Ring::new(Limits::default());
    ring.push(Unit::new(10, 10));
    let mut peer = join(&fan_out, &ring, None);
    assert_eq!(peer.head().item(), ('F', 10));
    peer.membership = None;
    assert_eq!(peer.rest(), b"T");
    assert!(matches!(peer.end(), End::Left));
}

#[test]
fn a_viewer_whose_connection_is_gone_ends_with_the_error() {
    let fan_out = start(settings());
    let ring = Ring::new(Limits::default());
    ring.push(Unit::new(10, 10));
    let mut peer = join(&fan_out, &ring, None);
    assert_eq!(peer.head().item(), ('F', 10));
    peer.socket.shutdown(std::net::Shutdown::Both).expect("a socket");
    ring.push(Unit::new(11, 10));
    assert!(matches!(peer.end(), End::Failed(_)));
}

#[test]
fn what_goes_wrong_for_one_viewer_ends_that_one_alone() {
    let fan_out = start(settings());
    let ring = Ring::new(Limits::default());
    ring.push(Unit::new(10, 10));
    let mut bad = join(&fan_out, &ring, Some(12));
    let mut good = join(&fan_out, &ring, None);
    assert_eq!((bad.head().item(), good.head().item()), (('F', 10), ('F', 10)));
    ring.push(Unit::new(11, 10));
    ring.push(Unit::new(12, 10));
    assert!(matches!(bad.end(), End::Panicked));
    ring.push(Unit::new(13, 10));
    assert_eq!([good.item(), good.item(), good.item()], [('f', 11), ('f', 12), ('f', 13)]);
}

#[test]
fn what_comes_within_the_window_leaves_together() {
    // So long that the window does not end while the test runs; what ends it is the close.
    let fan_out = start(Settings { merge_window: Duration::from_secs(3600), ..settings() });
    let ring = Ring::new(Limits::default());
    ring.push(Unit::new(10, 10));
    let mut peer = join(&fan_out, &ring, None);
    assert_eq!(peer.head().item(), ('F', 10), "a viewer that joins does not wait");
    ring.extend((11..40).map(|n| Unit::new(n, 10)));
    peer.socket.set_nonblocking(true).expect("a socket");
    std::thread::sleep(Duration::from_millis(50));
    let nothing = std::io::Read::read(&mut peer.socket, &mut [0; 1]).expect_err("nothing yet");
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    // Another viewer of the ring finds what is there and is served at once.
    let mut late = join(&fan_out, &ring, None);
    assert_eq!(late.head().item(), ('F', 10));
}

#[test]
fn a_window_that_ends_lets_everything_go() {
    let fan_out = start(Settings { merge_window: Duration::from_millis(20), ..settings() });
    let ring = Ring::new(Limits::default());
    let mut peer = join(&fan_out, &ring, None);
    peer.head();
    for n in 10..60 {
        ring.extend([Unit::new(n, 10)]);
        if n % 10 == 9 {
            (n - 9..=n).for_each(|n| assert_eq!(peer.item().1, n));
        }
    }
    let writes = until(|| Some(lock(&peer.told)).filter(|told| told.sent == 50 * 19).map(|told| told.writes));
    assert!(writes < 50, "{writes} writes");
}

#[test]
fn what_is_not_urgent_leaves_with_what_is() {
    let fan_out = start(Settings { hold: true, ..settings() });
    let ring = Ring::new(Limits::default());
    ring.push(Unit::new(10, 10));
    let mut peer = join(&fan_out, &ring, None);
    assert_eq!(peer.head().item(), ('F', 10));
    let writes = || lock(&peer.told).writes;
    let before = until(|| Some(writes()).filter(|&writes| writes > 0));
    for n in 11..31 {
        ring.push(Unit::new(n, 10));
    }
    (11..31).for_each(|n| assert_eq!(peer.item(), ('f', n)));
    let told = until(|| Some(lock(&peer.told)).filter(|told| told.sent == 21 * 19).map(|told| told.writes));
    assert!(told - before <= 10, "{told} writes for 10 urgent items");
    // Nothing urgent follows: it leaves all the same.
    ring.push(Unit::new(31, 10));
    assert_eq!(peer.item(), ('f', 31));
}

#[test]
fn viewers_are_spread_over_the_threads() {
    let fan_out = start(Settings { workers: 3, ..settings() });
    let ring = Ring::new(Limits::default());
    ring.push(Unit::new(10, 10));
    let mut peers: Vec<_> = (0..9).map(|_| join(&fan_out, &ring, None)).collect();
    peers.iter_mut().for_each(|peer| assert_eq!(peer.head().item(), ('F', 10)));
    ring.push(Unit::new(11, 10));
    peers.iter_mut().for_each(|peer| assert_eq!(peer.item(), ('f', 11)));
    drop(fan_out);
    for peer in &mut peers {
        assert_eq!(peer.rest(), b"T");
        assert!(matches!(peer.end(), End::Stopped));
    }
}

#[test]
fn a_ring_that_never_rests_keeps_nobody_else_waiting() {
    let fan_out = start(settings());
    let (busy, calm) = (Ring::new(Limits::default()), Ring::new(Limits::default()));
    busy.push(Unit::new(0, 10));
    calm.push(Unit::new(10, 10));
    let mut greedy = join_with(&fan_out, &busy, |viewer| viewer.refill = Some(busy.clone()));
    greedy.head();
    assert_eq!(join(&fan_out, &calm, None).head().item(), ('F', 10));
    greedy.membership = None;
    assert!(matches!(greedy.end(), End::Left));
}

#[test]
fn a_window_holds_up_no_more_than_it_must() {
    // More than is taken from a ring at a time; the window does not end while the test runs.
    let fan_out = start(Settings { merge_window: Duration::from_secs(3600), ..settings() });
    let ring = Ring::new(Limits::default());
    ring.extend((10..20).map(|n| Unit::new(n, 1 << 20)));
    let mut peer = join(&fan_out, &ring, None);
    peer.head();
    (10..20).for_each(|n| assert_eq!(peer.item().1, n));
}

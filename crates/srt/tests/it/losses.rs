//! Every byte is delivered or dropped by rule, in order, whatever the network does.

use std::time::Duration;

use bytes::Bytes;
use rillcast_srt::caller::Call;
use rillcast_srt::connection::Reason;
use rillcast_srt::{Bandwidth, KeyLength, Passphrase, Refresh, Settings};

use crate::link::{CALLER, Dice, LISTENER, MS, Network, Pair, Weather};

/// A packet with nothing behind it that would show that it is missing may come late, until its sender gives it up.
const LATEST: Duration = Duration::from_millis(1100);

/// A payload that tells which one it is.
fn payload(number: u32, bytes: usize) -> Bytes {
    let mut payload = number.to_be_bytes().to_vec();
    payload.resize(bytes.max(4), number as u8);
    payload.into()
}

/// Sends `count` payloads each `every` from `from`, and says when each was handed in.
fn send(pair: &mut Pair, from: usize, count: u32, every: Duration, bytes: usize) -> Vec<Duration> {
    let start = pair.now;
    let handed = (0..count).map(|number| {
        pair.run(start + every * number);
        pair.ends[from].send(pair.now, payload(number, bytes)).expect("room");
        pair.now
    });
    let handed = handed.collect();
    pair.run(pair.now + Duration::from_secs(3));
    handed
}

/// Checks what came, and says how many did not.
fn check(
    pair: &Pair,
    to: usize,
    handed: &[Duration],
    bytes: usize,
    latency: Duration,
    weather: Weather,
) -> usize {
    let got = &pair.got[to];
    let mut next = 0;
    for (at, found) in &got.payloads {
        let number = u32::from_be_bytes(*found.first_chunk().expect("four bytes"));
        assert!(number >= next, "{number} after {next}");
        assert_eq!(found, &payload(number, bytes));
        next = number + 1;
        // As late as was agreed, give or take what the way differs from that of the handshake.
        let due = handed[number as usize] + latency + weather.delay;
        let slack = weather.jitter + MS;
        assert!(*at + slack >= due && *at <= due + slack + LATEST, "{number} at {at:?}, not {due:?}");
    }
    handed.len() - got.payloads.len()
}

fn settings(dice: &mut Dice, latency: Duration) -> Settings {
    Settings {
        receive_latency: latency,
        send_latency: latency,
        first_timestamp: u32::MAX - dice.below(2_000_000) as u32,
        refresh: Refresh { packets: 40 + dice.below(100), announce: 5 + dice.below(20) },
        bandwidth: match dice.below(4) {
            0 => Bandwidth::Max(2_000_000),
            1 => Bandwidth::Input { rate: None, overhead: 100 },
            2 => Bandwidth::Input { rate: Some(800_000), overhead: 100 },
            _ => Bandwidth::Unlimited,
        },
        ..Settings::default()
    }
}

fn call(dice: &mut Dice, settings: &Settings) -> Call {
    let key_length = [None, Some(KeyLength::Aes128), Some(KeyLength::Aes192), Some(KeyLength::Aes256)];
    let key_length = key_length[dice.below(4) as usize];
    let first_sequence = Some(0x7fff_ffff - dice.below(200) as u32);
    Call {
        passphrase: key_length.map(|_| Passphrase::new("correct horse").expect("a good one")),
        key_length: key_length.unwrap_or_default(),
        settings: Settings { first_sequence, ..settings.clone() },
        ..Call::default()
    }
}

/// One run with everything from its seed.
fn any_run(seed: u64) {
    let mut dice = Dice(seed);
    let weather = Weather {
        loss: dice.below(300),
        double: dice.below(100),
        delay: MS * dice.below(60) as u32,
        jitter: MS * dice.below(30) as u32,
    };
    let latency = MS * (20 + dice.below(300) as u32);
    let settings = settings(&mut dice, latency);
    let call = call(&mut dice, &settings);
    let from = dice.below(2) as usize;
    let mut pair = Pair::new(Network::new(weather, seed ^ 1), call, &settings);
    let (count, bytes) = (150 + dice.below(150) as u32, 4 + dice.below(1313) as usize);
    let every = Duration::from_micros(500 + dice.below(5000));
    let handed = send(&mut pair, from, count, every, bytes);
    let missing = check(&pair, 1 - from, &handed, bytes, latency, weather);
    // What is missing was dropped, and said to be; behind the last that came nothing says it.
    let (sender, receiver) = (pair.ends[from].stats(), pair.ends[1 - from].stats());
    let last = pair.got[1 - from]
        .payloads
        .last()
        .map_or(0, |(_, found)| u32::from_be_bytes(*found.first_chunk().expect("four bytes")) as usize + 1);
    let behind = handed.len() - last;
    let unsent = count as u64 - sender.pkt_sent_unique;
    assert!((missing - behind) as u64 <= receiver.pkt_rcv_drop + unsent, "{sender:?} {receiver:?}");
    assert_eq!(pair.got[1 - from].lost, receiver.pkt_rcv_drop);
    assert_eq!(receiver.pkt_rcv_undecrypt, 0);
    assert!(pair.ends[from].is_drained(), "{sender:?}");
    assert_eq!((sender.pkt_malformed, receiver.pkt_malformed), (0, 0));
    assert!(pair.ends.iter().all(|end| !end.is_closed()));
}

#[test]
fn thousands_of_runs() {
    for seed in 0..2000 {
        let run = std::panic::catch_unwind(|| any_run(seed));
        assert!(run.is_ok(), "seed {seed}, see above");
    }
}

/// Nothing is missing at 5 % loss with four round trips of latency, both ways, with any key.
#[test]
fn five_percent_loss_and_four_round_trips() {
    let weather = Weather { loss: 50, double: 5, delay: MS * 25, jitter: MS * 4 };
    for (index, key_length) in
        [KeyLength::Aes128, KeyLength::Aes192, KeyLength::Aes256].into_iter().enumerate()
    {
        for from in [CALLER, LISTENER] {
            let settings = Settings {
                receive_latency: MS * 200,
                send_latency: MS * 200,
                refresh: Refresh { packets: 1000, announce: 200 },
                ..Settings::default()
            };
            let call = Call {
                passphrase: Some(Passphrase::new("correct horse").expect("a good one")),
                key_length,
                settings: settings.clone(),
                ..Call::default()
            };
            let mut pair = Pair::new(Network::new(weather, index as u64), call, &settings);
            // 10 Mbit/s for 10 s.
            let handed = send(&mut pair, from, 9500, Duration::from_micros(1053), 1316);
            let missing = check(&pair, 1 - from, &handed, 1316, MS * 200, weather);
            let (sender, receiver) = (pair.ends[from].stats(), pair.ends[1 - from].stats());
            assert!(missing <= 3, "{missing} of 9500 are missing: {sender:?} {receiver:?}");
            assert!(sender.pkt_retrans < 9500 / 10, "{sender:?}");
            assert!(sender.key_changes >= 8, "{sender:?}");
        }
    }
}

/// A dead network is noticed by both, and one that comes back in time goes on.
#[test]
fn outages() {
    let weather = Weather { loss: 0, double: 0, delay: MS * 10, jitter: Duration::ZERO };
    let settings = Settings::default();
    let mut pair = Pair::new(Network::new(weather, 5), Call::default(), &settings);
    send(&mut pair, CALLER, 100, MS, 1316);
    pair.network.weather.loss = 1000;
    let gone = send(&mut pair, CALLER, 1000, MS, 1316);
    assert_eq!(gone.len(), 1000);
    pair.network.weather.loss = 0;
    let came = pair.got[LISTENER].payloads.len();
    send(&mut pair, CALLER, 100, MS, 1316);
    assert_eq!(pair.got[LISTENER].payloads.len(), came + 100);
    assert_eq!(pair.got[LISTENER].lost, pair.ends[CALLER].stats().pkt_snd_drop);

    pair.network.weather.loss = 1000;
    pair.run(pair.now + Duration::from_secs(6));
    assert_eq!(pair.got.each_ref().map(|got| got.closed), [Some(Reason::Timeout); 2]);
}

/// What is in the receive buffer is still delivered when the peer says that it goes.
#[test]
fn the_end() {
    let weather = Weather { loss: 0, double: 0, delay: MS * 10, jitter: Duration::ZERO };
    let mut pair = Pair::new(Network::new(weather, 5), Call::default(), &Settings::default());
    for number in 0..10 {
        pair.ends[CALLER].send(pair.now, payload(number, 100)).expect("room");
    }
    pair.run(pair.now + MS);
    pair.ends[CALLER].close(pair.now);
    pair.run(pair.now + MS * 20);
    assert_eq!(pair.got[LISTENER].payloads.len(), 10);
    assert_eq!(pair.got.each_ref().map(|got| got.closed), [Some(Reason::Local), Some(Reason::Peer)]);
    assert!(pair.ends[CALLER].send(pair.now, payload(0, 10)).is_err());
}

/// An hour and a half of a sparse stream: the timestamps wrap, the clocks agree, nothing is lost.
#[test]
fn timestamps_wrap_by_themselves() {
    let weather = Weather { loss: 10, double: 0, delay: MS * 10, jitter: MS };
    let mut pair = Pair::new(Network::new(weather, 5), Call::default(), &Settings::default());
    let handed = send(&mut pair, LISTENER, 5400, Duration::from_secs(1), 188);
    let missing = check(&pair, CALLER, &handed, 188, MS * 120, weather);
    assert_eq!(missing, 0, "{:?} {:?}", pair.ends[LISTENER].stats(), pair.ends[CALLER].stats());
}

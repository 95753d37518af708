use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::rtcp::NtpTime;

const VIDEO: usize = 0;
const AUDIO: usize = 1;
const RATES: [u32; 2] = [90_000, 48_000];
/// When the sources of these tests capture their first pictures and sounds, on the clock of arrival.
const START: i64 = 50_000;

/// A source whose two tracks are captured by one clock, in milliseconds, and sent at once.
struct Source {
    sync: Sync,
    /// The timestamps that the tracks begin with: either wraps soon.
    zero: [u32; 2],
    /// The sender's NTP time at the start, of each track, in milliseconds of Unix time.
    ntp: [i64; 2],
}

fn at(ms: i64) -> Duration {
    Duration::from_millis((START + ms) as u64)
}

fn ticks(ms: i64) -> i64 {
    TimeDelta::from_millis(ms).ticks()
}

impl Source {
    fn new() -> Self {
        Self {
            sync: Sync::new(&RATES, VIDEO, USUAL_WAIT),
            zero: [u32::MAX - 45_000, u32::MAX - 100_000],
            ntp: [1_700_000_000_000; 2],
        }
    }

    fn timestamp(&self, track: usize, ms: i64) -> u32 {
        self.zero[track].wrapping_add((ms * i64::from(RATES[track]) / 1000) as u32)
    }

    /// What was captured at `ms` arrives `late` later.
    fn arrive(&mut self, track: usize, ms: i64, late: i64) -> Stamp {
        self.sync.arrive(at(ms + late), track, self.timestamp(track, ms))
    }

    /// The sender reports at that time.
    fn report(&mut self, track: usize, ms: i64) {
        let ntp = NtpTime::from_unix(Timestamp::from_scale(self.ntp[track] + ms, 1000));
        let rtp_timestamp = self.timestamp(track, ms);
        self.sync.report(at(ms), track, &SenderReport { ntp, rtp_timestamp, ..SenderReport::default() });
    }

    /// How much later than the picture captured at the same time a sound has its time, in ticks.
    fn apart(&mut self, now: i64, video: Stamp, audio: Stamp) -> Option<i64> {
        let (video, audio) = (self.sync.time(at(now), video)?, self.sync.time(at(now), audio)?);
        Some((audio - video).ticks())
    }

    /// Both tracks send for some time, sound `late` behind; how far apart the last ones were put.
    fn run(&mut self, ms: std::ops::Range<i64>, late: i64) -> Option<i64> {
        let mut apart = None;
        for ms in ms.step_by(20) {
            let (video, audio) = (self.arrive(VIDEO, ms, late), self.arrive(AUDIO, ms, late));
            apart = self.apart(ms + late, video, audio);
        }
        apart
    }

    fn basis(&self) -> [Basis; 2] {
        [self.sync.basis(VIDEO), self.sync.basis(AUDIO)]
    }
}

#[test]
fn reports_before_the_packets_are_exact_from_the_first_frame_on() {
    // As ffmpeg: the sound begins a frame earlier.
    let mut source = Source::new();
    source.report(VIDEO, 0);
    let video = source.arrive(VIDEO, 40, 3);
    assert_eq!(source.sync.time(at(43), video), None);
    source.report(AUDIO, 60);
    let audio = source.arrive(AUDIO, 20, 150);
    assert_eq!(source.apart(170, video, audio), Some(ticks(-20)));
    assert_eq!((source.basis(), source.sync.deadline()), ([Basis::Reports; 2], None));
    // Across the wraps of both.
    assert_eq!(source.run(200..4000, 5), Some(0));
}

#[test]
fn first_reports_three_seconds_late_are_waited_for() {
    // As GStreamer: sound is sent 300 ms late, so arrival would be wrong.
    let mut source = Source::new();
    let (video, audio) = (source.arrive(VIDEO, 0, 0), source.arrive(AUDIO, 0, 300));
    assert_eq!(source.sync.deadline(), Some(at(3500)));
    source.report(VIDEO, 1700);
    assert_eq!(source.apart(1700, video, audio), None);
    source.report(AUDIO, 3080);
    assert_eq!(source.apart(3080, video, audio), Some(0));
}

#[test]
fn without_reports_arrival_counts_after_the_wait() {
    let mut source = Source::new();
    let first = source.arrive(VIDEO, 0, 10);
    assert_eq!(source.run(20..3500, 10), None);
    assert_eq!(source.apart(3509, first, first), None);
    assert_eq!(source.apart(3510, first, first), Some(0));
    assert_eq!(source.run(3520..4000, 10), Some(0));
    assert_eq!(source.basis(), [Basis::Reports, Basis::Arrival]);
    // The common time is that of arrival.
    assert_eq!(source.sync.time(at(4000), first), Some(Timestamp::from_scale(START + 10, 1000)));
}

#[test]
fn reports_of_one_track_alone_say_nothing() {
    let mut source = Source::new();
    source.report(VIDEO, 0);
    source.run(0..5000, 0);
    source.report(VIDEO, 5000);
    assert_eq!((source.run(5000..6000, 0), source.basis()), (Some(0), [Basis::Reports, Basis::Arrival]));
}

#[test]
fn a_single_track_waits_for_nothing() {
    let mut sync = Sync::new(&[90_000], 0, USUAL_WAIT);
    let stamp = sync.arrive(at(0), 0, 77);
    assert_eq!(sync.time(at(0), stamp), Some(Timestamp::from_scale(START, 1000)));
    assert_eq!(sync.deadline(), None);
}

#[test]
fn a_track_that_never_sends_is_waited_for_once() {
    let mut source = Source::new();
    let audio = source.arrive(AUDIO, 0, 0);
    assert_eq!(source.sync.time(at(3499), audio), None);
    assert!(source.sync.time(at(3500), audio).is_some());
    // When it comes after all, it waits alone.
    let audio = source.arrive(AUDIO, 9000, 0);
    let video = source.arrive(VIDEO, 9000, 0);
    assert!(source.sync.time(at(9000), audio).is_some());
    assert_eq!(source.sync.time(at(9000), video), None);
    assert_eq!(source.sync.deadline(), Some(at(12_500)));
    source.report(AUDIO, 9100);
    source.report(VIDEO, 9200);
    assert_eq!(source.apart(9200, video, audio), Some(0));
}

#[test]
fn a_clock_that_the_sender_does_not_have_counts_for_nothing() {
    let mut source = Source::new();
    source.run(0..100, 0);
    for track in [VIDEO, AUDIO] {
        source.sync.report(at(100), track, &SenderReport { rtp_timestamp: 5, ..SenderReport::default() });
    }
    assert_eq!(source.run(100..3000, 0), None);
    assert_eq!(source.run(3000..4000, 0), Some(0));
}

#[test]
fn clocks_that_have_nothing_to_do_with_each_other_count_for_nothing() {
    for wrong in [6_000, -86_400_000, 1_600_000_000_000] {
        let mut source = Source::new();
        source.ntp[AUDIO] -= wrong;
        source.report(VIDEO, 0);
        source.report(AUDIO, 0);
        assert_eq!(source.run(0..4000, 0), Some(0), "{wrong}");
        source.report(VIDEO, 5000);
        source.report(AUDIO, 5000);
        assert_eq!(source.run(5000..6000, 0), Some(0), "{wrong}");
        assert_eq!(source.basis(), [Basis::Reports, Basis::Arrival]);
    }
}

/// A source whose sound is sent 200 ms late and which reports first after ten seconds.
fn misplaced() -> Source {
    let mut source = Source::new();
    for ms in (0..10_000).step_by(20) {
        source.arrive(VIDEO, ms, 0);
        source.arrive(AUDIO, ms - 200, 200);
    }
    let (video, audio) = (source.arrive(VIDEO, 10_000, 0), source.arrive(AUDIO, 9800, 200));
    assert_eq!(source.apart(10_000, video, audio), Some(0));
    source
}

#[test]
fn reports_that_come_later_move_the_sound_once_and_the_pictures_never() {
    let mut source = misplaced();
    let video = source.arrive(VIDEO, 10_020, 0);
    let before = source.sync.time(at(10_020), video);
    source.report(VIDEO, 10_020);
    source.report(AUDIO, 10_020);
    let (video, audio) = (source.arrive(VIDEO, 10_040, 0), source.arrive(AUDIO, 10_040, 200));
    assert_eq!(source.apart(10_240, video, audio), Some(0));
    let moved = source.sync.time(at(10_240), video).zip(before).map(|(after, before)| after - before);
    assert_eq!(moved, Some(TimeDelta::from_millis(20)));
    assert_eq!(source.basis(), [Basis::Reports; 2]);
    // Rounding, and what a sender imagines, change nothing any more.
    source.ntp[AUDIO] += 39;
    for ms in (15_000..60_000).step_by(5000) {
        source.report(VIDEO, ms);
        source.report(AUDIO, ms + 7);
    }
    let (video, audio) = (source.arrive(VIDEO, 60_000, 0), source.arrive(AUDIO, 60_000, 0));
    assert_eq!(source.apart(60_000, video, audio), Some(0));
}

#[test]
fn what_arrival_put_right_within_ten_milliseconds_stays_there() {
    let mut source = Source::new();
    source.run(0..4000, 0);
    source.ntp[AUDIO] += 9;
    source.report(VIDEO, 5000);
    source.report(AUDIO, 5000);
    assert_eq!((source.run(5000..6000, 0), source.basis()), (Some(0), [Basis::Reports; 2]));
}

#[test]
fn a_sender_that_sets_its_clock_does_not_tear_sound_from_picture() {
    let mut source = Source::new();
    source.report(VIDEO, 0);
    source.report(AUDIO, 0);
    source.run(0..4000, 0);
    // Between the reports of its tracks, and much more often of one of them.
    source.report(AUDIO, 5000);
    source.ntp = source.ntp.map(|ntp| ntp + 1500);
    for ms in (5010..15_000).step_by(1000) {
        source.report(VIDEO, ms);
        assert_eq!(source.run(ms..ms + 500, 0), Some(0));
    }
    for ms in (15_000..40_000).step_by(5000) {
        source.report(AUDIO, ms);
        source.report(VIDEO, ms);
    }
    assert_eq!(source.run(40_000..41_000, 0), Some(0));
}

#[test]
fn a_track_whose_clock_runs_away_is_fetched_back() {
    let mut source = Source::new();
    source.report(VIDEO, 0);
    source.report(AUDIO, 0);
    source.run(0..4000, 0);
    // 60 ms too little sound was counted since.
    source.zero[AUDIO] -= 60 * 48;
    let mut apart = Vec::new();
    for ms in (5000..25_000).step_by(5000) {
        source.report(VIDEO, ms);
        source.report(AUDIO, ms);
        apart.push(source.run(ms..ms + 100, 0));
    }
    assert_eq!(apart, [ticks(-60), ticks(-60), 0, 0].map(Some));
}

#[test]
fn a_jump_of_the_sender_is_a_jump_of_its_tracks() {
    let mut source = Source::new();
    source.report(VIDEO, 0);
    source.report(AUDIO, 0);
    source.run(0..4000, 0);
    // An hour on, on both clocks.
    let hour = 3_600_000;
    let before = source.arrive(VIDEO, 4000, 0);
    source.zero = [0, 1].map(|track| source.timestamp(track, hour));
    let (video, audio) = (source.arrive(VIDEO, 4020, 0), source.arrive(AUDIO, 4020, 0));
    assert_eq!(source.apart(4020, video, audio), Some(0));
    let jump = source.sync.time(at(4020), video).unwrap() - source.sync.time(at(4020), before).unwrap();
    assert_eq!(jump, TimeDelta::from_millis(hour + 20));
    source.report(VIDEO, 5000);
    source.report(AUDIO, 5000);
    assert_eq!((source.run(5000..6000, 0), source.basis()), (Some(0), [Basis::Reports; 2]));
}

#[test]
fn a_jump_of_one_track_alone_is_mended_by_the_next_reports() {
    for jumps in [VIDEO, AUDIO] {
        let mut source = Source::new();
        source.report(VIDEO, 0);
        source.report(AUDIO, 0);
        source.run(0..4000, 0);
        source.zero[jumps] = source.timestamp(jumps, 60_000);
        let apart = source.run(4000..5000, 0).unwrap();
        assert_eq!(apart.abs(), ticks(60_000));
        source.report(VIDEO, 5000);
        assert_eq!(source.run(5000..5500, 0), Some(apart));
        source.report(AUDIO, 5500);
        assert_eq!(source.run(5500..6000, 0), Some(0));
    }
}

#[test]
fn a_sender_that_begins_anew_goes_on_by_arrival_until_it_reports() {
    for restarted in [VIDEO, AUDIO] {
        let mut source = Source::new();
        source.report(VIDEO, 0);
        source.report(AUDIO, 0);
        source.run(0..4000, 0);
        source.sync.restart(restarted);
        // A report before the first packet could be of either sender.
        source.report(restarted, 4500);
        source.zero[restarted] = 12_345;
        // The last one before was captured at 3980; it came at once, and this one 30 ms late.
        let late = source.arrive(restarted, 5000, 30);
        let other = source.arrive(1 - restarted, 5030, 0);
        let times = [late, other].map(|stamp| source.sync.time(at(5030), stamp).unwrap());
        assert_eq!(times[0], times[1]);
        assert_eq!(source.run(5040..6000, 0).map(i64::abs), Some(ticks(30)));
        source.report(VIDEO, 6000);
        source.report(AUDIO, 6000);
        assert_eq!((source.run(6000..7000, 0), source.basis()), (Some(0), [Basis::Reports; 2]));
    }
}

/// Pictures go out in the order of decoding, long before they are shown; sound goes out when it is heard.
#[test]
fn reordered_pictures_are_put_by_those_that_are_sent_when_they_are_shown() {
    let mut source = Source::new();
    let mut last = None;
    for group in (0..4000).step_by(160) {
        // Decoded at each 40 ms from here on: the last of four, and the three before.
        for (decoded, shown) in [(0, 160), (40, 40), (80, 80), (120, 120)] {
            let now = group + decoded;
            let video = source.sync.arrive(at(now), VIDEO, source.timestamp(VIDEO, group + shown));
            let audio = source.arrive(AUDIO, now, 0);
            last = Some((video, audio, shown - decoded));
        }
    }
    let (video, audio, 0) = last.unwrap() else { panic!() };
    assert_eq!(source.apart(4000, video, audio), Some(0));
}

#[test]
fn a_track_that_does_not_exist_has_no_time() {
    let mut source = Source::new();
    let stamp = source.sync.arrive(at(0), 7, 1);
    source.sync.report(at(0), 7, &SenderReport::default());
    source.sync.restart(7);
    assert_eq!((source.sync.time(at(90_000), stamp), source.sync.basis(7)), (None, Basis::Waiting));
}

proptest! {
    /// Wherever the clocks begin, however late the first reports are within the wait: exact, to the rounding of a timestamp.
    #[test]
    fn reports_in_time_are_exact(
        zero: [u32; 2], ntp in 0i64..4_000_000_000_000, rates in [8000u32..200_000, 8000u32..200_000],
        reports in [0i64..3400, 0i64..3400], late in [0i64..1000, 0i64..1000],
    ) {
        let mut sync = Sync::new(&rates, 0, USUAL_WAIT);
        let timestamp = |track: usize, ms: i64| zero[track].wrapping_add((ms * i64::from(rates[track]) / 1000) as u32);
        let mut last = [None; 2];
        for ms in 0..3500 {
            for track in [0, 1] {
                if ms % 20 == 0 && ms >= late[track] {
                    let stamp = sync.arrive(at(ms), track, timestamp(track, ms - late[track]));
                    last[track] = Some((stamp, ms - late[track]));
                }
                if ms == reports[track] {
                    let ntp = NtpTime::from_unix(Timestamp::from_scale(ntp + ms, 1000));
                    let rtp_timestamp = timestamp(track, ms);
                    sync.report(at(ms), track, &SenderReport { ntp, rtp_timestamp, ..SenderReport::default() });
                }
            }
        }
        let times = last.map(|last| last.and_then(|(stamp, ms)| Some((sync.time(at(3500), stamp)?, ms))));
        let ([Some((first, first_ms)), Some((second, second_ms))], [Basis::Reports, Basis::Reports]) = (times, [sync.basis(0), sync.basis(1)]) else {
            return Err(TestCaseError::fail("no times"));
        };
        let apart = (second - first - TimeDelta::from_millis(second_ms - first_ms)).abs();
        prop_assert!(apart <= TimeDelta::from_scale(2, rates[0].min(rates[1])), "{:?}", apart);
    }

    /// Whatever comes: every stamp has its time after the wait, and in a track times differ as timestamps do.
    #[test]
    fn no_stamp_waits_for_ever(
        tracks in 1usize..4,
        script in vec((0u64..2000, 0usize..4, any::<u32>(), any::<u64>(), 0u8..8), 1..200),
    ) {
        let mut sync = Sync::new(&[90_000, 48_000, 0][..tracks], 1, USUAL_WAIT);
        let mut now = Duration::ZERO;
        for (wait, track, timestamp, ntp, call) in script {
            now += Duration::from_millis(wait);
            match call {
                0 => sync.restart(track),
                1 | 2 => {
                    let report = SenderReport { ntp: NtpTime(ntp), rtp_timestamp: timestamp, ..SenderReport::default() };
                    sync.report(now, track, &report);
                }
                _ => {
                    let stamp = sync.arrive(now, track, timestamp);
                    prop_assert!(sync.deadline().is_none_or(|deadline| deadline <= now + USUAL_WAIT));
                    if track < tracks {
                        prop_assert!(sync.clone().time(now + USUAL_WAIT, stamp).is_some());
                    }
                    let _ = sync.time(now, stamp);
                }
            }
        }
    }
}

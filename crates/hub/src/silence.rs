//! Silence in place of sound that a source stopped sending while its pictures go on.
//!
//! Players of every protocol wait for a track that was announced: browsers stand still, others lose the step. So what is
//! missing of the sound is filled with silent access units, where the codec has such, until the source's own sound is
//! back. Nothing is filled before the first sound came, nor where pictures are missing too.

use std::collections::BTreeMap;
use std::time::Duration;

use media::{Frame, Kind, TimeDelta, Timestamp, Track, TrackId};

/// Sound is away when it is this much farther behind the pictures than it ever was, and nothing of it came for as long.
/// What stands in for it must come sooner than MPEG-TS can wait for a track.
const AWAY: TimeDelta = TimeDelta::from_millis(300);
/// What is missing of sound that goes on is filled where it is more than this. Where more of the pictures is missing, as when
/// an encoder was started anew, sound is not expected either.
const HOLE: TimeDelta = TimeDelta::from_millis(100);
/// Sound that comes farther behind the pictures than this, or farther before them, is on another clock.
const FARTHEST: TimeDelta = TimeDelta::from_secs(5);

/// The sound of one source, and what stands in for it.
#[derive(Debug, Default)]
pub(crate) struct Silence {
    tracks: BTreeMap<TrackId, Sound>,
    /// The end of the newest picture.
    pictures: Option<Timestamp>,
    /// Silent access units so far.
    filled: u64,
}

/// One track of sound, from its first frame on.
#[derive(Debug)]
struct Sound {
    /// The end of what it has, silence included.
    end: Timestamp,
    /// When it came last.
    came: Duration,
    /// How far behind the pictures it came at most, negative where it is always before them; none before pictures came.
    behind: Option<TimeDelta>,
    away: bool,
}

impl Silence {
    /// An epoch begins: what was known holds no more.
    pub(crate) fn begin(&mut self) {
        self.tracks.clear();
        self.pictures = None;
    }

    /// Whether it stands in for a track now.
    pub(crate) fn stands_in(&self, track: TrackId) -> bool {
        self.tracks.get(&track).is_some_and(|sound| sound.away)
    }

    /// Whether it stands in for any track now.
    pub(crate) fn is_heard(&self) -> bool {
        self.tracks.values().any(|sound| sound.away)
    }

    /// Silent access units so far.
    pub(crate) fn filled(&self) -> u64 {
        self.filled
    }

    /// The next frame of the source, whose tracks are `tracks`: the silence that comes before it. None: it is sound that
    /// silence has taken the place of.
    pub(crate) fn push(&mut self, now: Duration, frame: &Frame, tracks: &[Track]) -> Option<Vec<Frame>> {
        let Some(pictures) = tracks.iter().find(|track| track.codec.kind() == Kind::Video) else {
            return Some(Vec::new());
        };
        let filled = match tracks.iter().find(|track| track.id == frame.track) {
            Some(track) if track.codec.kind() == Kind::Audio => self.sound(now, frame, track)?,
            Some(track) if track.id == pictures.id => self.picture(now, frame, tracks),
            _ => Vec::new(),
        };
        self.filled += filled.len() as u64;
        Some(filled)
    }

    fn picture(&mut self, now: Duration, frame: &Frame, tracks: &[Track]) -> Vec<Frame> {
        let before = self.pictures.replace(frame.dts + frame.duration);
        let hole = before.is_some_and(|end| frame.dts - end > HOLE);
        let mut filled = Vec::new();
        self.tracks.retain(|id, sound| {
            let Some(track) = tracks.iter().find(|track| track.id == *id) else { return false };
            if hole {
                (sound.end, sound.came) = (sound.end.max(frame.dts), now);
            }
            sound.away |= sound.is_due(now, frame.dts) && track.codec.silence().is_some();
            if sound.away {
                sound.fill(track, frame.dts - sound.behind(), &mut filled);
            }
            true
        });
        filled
    }

    fn sound(&mut self, now: Duration, frame: &Frame, track: &Track) -> Option<Vec<Frame>> {
        let new = Sound { end: frame.dts, came: now, behind: None, away: false };
        let sound = self.tracks.entry(track.id).or_insert(new);
        let half = TimeDelta::from_ticks(frame.duration.ticks() / 2);
        let behind = self.pictures.map(|end| (end - frame.dts).clamp(TimeDelta::ZERO - FARTHEST, FARTHEST));
        if sound.away && frame.dts < sound.end - half {
            // It was only late, and may be again.
            sound.behind = sound.behind.max(behind);
            return None;
        }
        let mut filled = Vec::new();
        // As far as pictures went on without it; up to it, where silence was before.
        let ahead = if sound.away { FARTHEST } else { TimeDelta::ZERO };
        let until = self.pictures.map_or(sound.end, |pictures| frame.dts.min(pictures + ahead));
        if sound.away || until - sound.end > HOLE {
            sound.fill(track, until, &mut filled);
        } else if frame.dts - sound.end <= HOLE {
            sound.behind = sound.behind.max(behind);
        }
        (sound.end, sound.came, sound.away) = (sound.end.max(frame.dts + frame.duration), now, false);
        Some(filled)
    }
}

impl Sound {
    fn behind(&self) -> TimeDelta {
        self.behind.unwrap_or(TimeDelta::ZERO)
    }

    /// Whether it does not come any more, pictures being where they are.
    fn is_due(&self, now: Duration, pictures: Timestamp) -> bool {
        TimeDelta::from(now.saturating_sub(self.came)) >= AWAY && pictures - self.end > AWAY + self.behind()
    }

    /// As many silent access units as end by that time.
    fn fill(&mut self, track: &Track, until: Timestamp, filled: &mut Vec<Frame>) {
        let Some((data, duration)) = track.codec.silence().filter(|_| self.end < until) else { return };
        while self.end + duration <= until {
            let (dts, data) = (self.end, data.clone());
            filled.push(Frame { track: track.id, dts, pts: dts, duration, key: true, data });
            self.end = dts + duration;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use media::Codec;
    use media::codec::aac;

    use super::*;

    const PICTURE_MS: i64 = 40;
    const SOUND_MS: i64 = 20;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_scale(ms, 1000)
    }

    fn aac() -> Codec {
        Codec::Aac(aac::Config::decode(&[0x11, 0x90]).expect("48 kHz stereo"))
    }

    fn tracks(sound: Codec) -> Vec<Track> {
        let mut tracks = testkit::clip().video_only().tracks;
        tracks[0].id = TrackId::VIDEO;
        tracks.push(Track { id: TrackId::AUDIO, codec: sound });
        tracks
    }

    /// Pictures and sound from 0 on, in the order in which they come.
    fn frames(until: i64, sound_late: i64) -> Vec<(i64, Frame)> {
        let frame = |track, ms: i64, duration| Frame {
            track,
            dts: at(ms),
            pts: at(ms),
            duration: TimeDelta::from_millis(duration),
            key: true,
            data: Bytes::from_static(b"own"),
        };
        let pictures =
            (0..until).step_by(PICTURE_MS as usize).map(|ms| (ms, frame(TrackId::VIDEO, ms, PICTURE_MS)));
        let sound = (0..until).step_by(SOUND_MS as usize);
        let sound = sound.map(|ms| (ms + sound_late, frame(TrackId::AUDIO, ms, SOUND_MS)));
        let mut frames: Vec<_> = pictures.chain(sound).collect();
        frames.sort_by_key(|&(came, _)| came);
        frames
    }

    fn ms(time: Timestamp) -> i64 {
        time.to_scale(1000)
    }

    /// Sound that goes out: where each frame begins and ends, and whether it is silence.
    fn run(frames: Vec<(i64, Frame)>, codec: Codec) -> (Silence, Vec<(i64, i64, bool)>) {
        let (mut silence, tracks, mut out) = (Silence::default(), tracks(codec), Vec::new());
        for (came, frame) in frames {
            let Some(before) = silence.push(Duration::from_millis(came as u64), &frame, &tracks) else {
                continue;
            };
            out.extend(before.into_iter().chain([frame]));
        }
        out.retain(|frame| frame.track == TrackId::AUDIO);
        let told = |frame: &Frame| (ms(frame.dts), ms(frame.dts + frame.duration), frame.data != b"own"[..]);
        let told = out.iter().map(told).collect();
        (silence, told)
    }

    fn without(range: std::ops::Range<i64>, track: TrackId) -> impl FnMut(&(i64, Frame)) -> bool {
        move |(_, frame)| frame.track != track || !range.contains(&ms(frame.dts))
    }

    /// Nothing of the sound is missing, or there twice, but for the rounding of silence to whole access units.
    fn assert_whole(sound: &[(i64, i64, bool)], until: i64) {
        assert_eq!(sound[0].0, 0);
        for pair in sound.windows(2) {
            let between = pair[1].0 - pair[0].1;
            assert!((-11..22).contains(&between), "{between} ms between {pair:?}");
        }
        assert!(until - sound[sound.len() - 1].1 <= 22);
    }

    #[test]
    fn sound_that_stops_and_comes_back_has_no_hole() {
        for late in [0, 300, 700, -200] {
            let frames = frames(20_000, late).into_iter().filter(without(4000..12_000, TrackId::AUDIO));
            let (silence, sound) = run(frames.collect(), aac());
            assert_whole(&sound, 20_000);
            let silent = |&&(start, end, silent): &&(i64, i64, bool)| {
                silent && (start < 3900 || (12_800..19_900).contains(&end))
            };
            assert_eq!(sound.iter().find(silent), None, "where there is sound it is the source's, {late}");
            assert!(!silence.stands_in(TrackId::AUDIO) && silence.filled() > 350);
        }
    }

    #[test]
    fn silence_keeps_step_with_the_pictures() {
        let frames = frames(10_000, 300).into_iter().filter(without(4000..20_000, TrackId::AUDIO));
        let (silence, sound) = run(frames.collect(), aac());
        assert!(silence.stands_in(TrackId::AUDIO));
        assert_whole(&sound, 9600);
    }

    #[test]
    fn what_is_missing_for_a_moment_is_filled_when_it_is_over() {
        let frames = frames(10_000, 0).into_iter().filter(without(4000..4400, TrackId::AUDIO));
        let (_, sound) = run(frames.collect(), aac());
        assert_whole(&sound, 10_000);
    }

    /// A source that sends 3 s of each kind at a time, and one that was held up with all that it has.
    #[test]
    fn sound_that_is_only_late_is_not_replaced() {
        let mut chunks = frames(30_000, 0);
        chunks.iter_mut().for_each(|(came, frame)| *came = *came / 3000 * 3000 + i64::from(frame.track.0));
        chunks.sort_by_key(|&(came, _)| came);
        let mut burst = frames(30_000, 600);
        burst.iter_mut().for_each(|(came, _)| *came = (*came).max(20_000));
        for frames in [chunks, burst] {
            let (silence, sound) = run(frames, aac());
            assert_eq!(silence.filled(), 0);
            assert_eq!(sound.len(), 1500);
        }
    }

    /// Half a second late each three seconds: the first time cannot be known.
    #[test]
    fn sound_that_is_late_at_times_is_replaced_once() {
        let mut frames = frames(30_000, 0);
        for (came, frame) in frames.iter_mut().filter(|(_, frame)| frame.track == TrackId::AUDIO) {
            let within = ms(frame.dts) % 3000;
            *came += if ms(frame.dts) > 2900 { (500 - within).max(0) } else { 0 };
        }
        frames.sort_by_key(|&(came, _)| came);
        let (silence, sound) = run(frames, aac());
        assert!(silence.filled() < 26, "{}", silence.filled());
        assert_whole(&sound, 30_000);
    }

    #[test]
    fn where_pictures_are_missing_too_nothing_is_filled() {
        for (late, until) in [(0, 12_000), (300, 12_000), (-300, 12_000), (0, 5400), (30, 5360), (-30, 5360)]
        {
            let all = frames(20_000, late).into_iter();
            let frames = all.filter(|(_, frame)| !(5000..until).contains(&ms(frame.dts)));
            let (silence, sound) = run(frames.collect(), aac());
            assert_eq!(silence.filled(), 0, "sound {late} ms late, until {until}");
            let missing = (until - 5000) / SOUND_MS;
            assert_eq!(sound.iter().filter(|sound| !sound.2).count() as i64, 1000 - missing);
        }
    }

    #[test]
    fn what_never_came_is_not_missed_and_an_epoch_begins_anew() {
        let frames = frames(10_000, 0);
        let pictures: Vec<_> =
            frames.iter().filter(|(_, frame)| frame.track == TrackId::VIDEO).cloned().collect();
        assert_eq!(run(pictures.clone(), aac()).0.filled(), 0);
        let (mut silence, _) = run(frames, aac());
        silence.begin();
        for (came, mut frame) in pictures {
            frame.dts += TimeDelta::from_secs(10);
            let came = Duration::from_millis(10_000 + came as u64);
            assert_eq!(silence.push(came, &frame, &tracks(aac())), Some(Vec::new()));
        }
    }

    #[test]
    fn what_was_not_announced_is_none_of_its_business() {
        let (_, mut frame) = frames(40, 0).remove(0);
        frame.track = TrackId(9);
        assert_eq!(Silence::default().push(Duration::ZERO, &frame, &tracks(aac())), Some(Vec::new()));
    }

    #[test]
    fn a_codec_without_silence_is_left_as_it_is() {
        let ac3 = testkit::samples::ac3().tracks.remove(0).codec;
        let frames = frames(20_000, 0).into_iter().filter(without(4000..12_000, TrackId::AUDIO));
        assert_eq!(run(frames.collect(), ac3).0.filled(), 0);
    }
}

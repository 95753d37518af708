//! H.264 and H.265: byte streams to access units of NAL units behind lengths.
//!
//! An access unit ends where the next begins (H.264 7.4.1.2.3, H.265 7.4.2.4.4), wherever PES packets end, so that several in
//! one packet and one over several come out right. The two fields of an interlaced frame stay together, as files have them.
//! When each of the last PES packets began with an access unit, one is taken for complete at the end of its PES packet, and
//! need not wait for the next.

use std::collections::VecDeque;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use media::codec::{h264, h265};
use media::{Codec, TrackId, nal};

use super::pes::Stamps;
use super::{Media, Output, Pid, WRAP};
use crate::Error;

/// Bytes behind a start code by which the unit is judged.
const HEAD: usize = 16;
/// PES packets in a row that began with an access unit, before it is believed that they always will.
const ALIGNED: u32 = 32;
/// Stamps that wait for their access unit.
const MAX_MARKS: usize = 64;
/// Parameter sets of a kind that wait for those of another.
const MAX_SETS: usize = 31;
/// The distance of pictures where nothing tells it: 25 per second.
const STEP: u64 = 3600;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    H264,
    H265,
}

/// What a NAL unit is to access units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Behind a picture it begins the next access unit.
    Opens,
    /// The first slice of a picture.
    First,
    /// Another slice.
    Slice,
    /// Neither.
    Other,
}

impl Syntax {
    fn class(self, unit: &[u8]) -> Class {
        use Class::{First, Opens, Other, Slice};
        // Nothing between two start codes; no header of either codec is two zero bytes.
        if unit.starts_with(&[0, 0]) {
            return Other;
        }
        match self {
            Self::H264 => match (h264::unit_type(unit), unit.get(1)) {
                // first_mb_in_slice is 0 where its code is the bit 1.
                (Some(1 | 2 | 5), Some(slice)) => {
                    if slice & 0x80 == 0 {
                        Slice
                    } else {
                        First
                    }
                }
                (Some(6..=9 | 14..=18), _) => Opens,
                _ => Other,
            },
            Self::H265 => {
                match (h265::unit_type(unit), unit) {
                    // first_slice_segment_in_pic_flag; other layers belong to the picture of the first.
                    (Some(0..=31), &[a, b, slice, ..]) => {
                        if slice & 0x80 == 0 || a & 1 != 0 || b & 0xF8 != 0 { Slice } else { First }
                    }
                    (Some(32..=35 | 39 | 41..=44 | 48..=55), _) => Opens,
                    _ => Other,
                }
            }
        }
    }

    fn is_delimiter(self, unit: &[u8]) -> bool {
        match self {
            Self::H264 => h264::unit_type(unit) == Some(h264::nal_type::AUD),
            Self::H265 => h265::unit_type(unit) == Some(h265::nal_type::AUD),
        }
    }

    /// The kinds of parameter sets that a configuration takes.
    fn sets(self) -> &'static [u8] {
        match self {
            Self::H264 => &[h264::nal_type::SPS, h264::nal_type::PPS],
            Self::H265 => &[h265::nal_type::VPS, h265::nal_type::SPS, h265::nal_type::PPS],
        }
    }

    fn unit_type(self, unit: &[u8]) -> Option<u8> {
        match self {
            Self::H264 => h264::unit_type(unit),
            Self::H265 => h265::unit_type(unit),
        }
    }
}

#[derive(Debug)]
pub(super) struct Pictures {
    syntax: Syntax,
    pid: Pid,
    track: TrackId,
    /// From the beginning of the open access unit.
    buffer: BytesMut,
    /// No start code that has not been judged is before this.
    scanned: usize,
    /// Stamps of PES packets, and where in the buffer those began.
    marks: VecDeque<(usize, Stamps)>,
    unit: Option<Unit>,
    habit: Habit,
    /// Until the next PES packet begins.
    skip: bool,
    codec: Option<Codec>,
    sets: Vec<Vec<Bytes>>,
    last: Option<Stamps>,
    step: u64,
    complained: bool,
}

/// The open access unit.
#[derive(Debug, Default)]
struct Unit {
    stamps: Option<Stamps>,
    has_picture: bool,
    /// The picture is a field, whose other may follow.
    field: Option<h264::Field>,
    /// Where the next access unit begins if it does not.
    next: Option<usize>,
    /// PES packets that began amid it.
    packets: u32,
}

/// How PES packets and access units lie to each other.
#[derive(Debug, Default)]
struct Habit {
    aligned: u32,
    /// A PES packet began amid an access unit: that may happen again.
    spans: bool,
    /// Where the PES packet began that was not judged yet.
    packet: Option<usize>,
}

impl Pictures {
    pub(super) fn new(syntax: Syntax, pid: Pid, track: TrackId) -> Self {
        Self {
            syntax,
            pid,
            track,
            buffer: BytesMut::new(),
            scanned: 0,
            marks: VecDeque::new(),
            unit: None,
            habit: Habit::default(),
            skip: false,
            codec: None,
            sets: vec![Vec::new(); syntax.sets().len()],
            last: None,
            step: STEP,
            complained: false,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// A PES packet begins.
    pub(super) fn begin(&mut self, stamps: Option<Stamps>) {
        self.skip = false;
        self.habit.packet = Some(self.buffer.len());
        if let Some(stamps) = stamps {
            self.marks.push_back((self.buffer.len(), stamps));
            if self.marks.len() > MAX_MARKS {
                self.marks.pop_front();
            }
        }
    }

    pub(super) fn data(&mut self, data: &[u8], out: &mut Output) {
        if !self.skip {
            self.buffer.extend_from_slice(data);
            self.advance(false, out);
        }
    }

    /// All of a PES packet has come.
    pub(super) fn end(&mut self, out: &mut Output) {
        if self.habit.aligned >= ALIGNED && !self.habit.spans {
            self.flush(out);
        }
    }

    /// All has come.
    pub(super) fn flush(&mut self, out: &mut Output) {
        self.advance(true, out);
        if self.unit.as_ref().is_some_and(|unit| unit.has_picture) {
            self.cut(self.buffer.len(), out);
        }
    }

    /// Packets are missing behind what came. Nothing of the open access unit is given, but if the PES packet was complete
    /// and access units do not go on behind such.
    pub(super) fn lost(&mut self, packet_open: bool, out: &mut Output) {
        if !packet_open && !self.habit.spans {
            self.flush(out);
        }
        self.clear();
    }

    /// Gives up what is held.
    pub(super) fn clear(&mut self) {
        self.buffer.clear();
        self.scanned = 0;
        self.marks.clear();
        self.unit = None;
        self.habit.packet = None;
        self.skip = true;
    }

    /// Judges the start codes that came. At the `end` nothing more belongs to the last unit.
    fn advance(&mut self, end: bool, out: &mut Output) {
        while let Some(found) = nal::start_code(&self.buffer[self.scanned..]) {
            let mut at = self.scanned + found;
            let head = &self.buffer[at + 3..];
            if head.len() < HEAD && !end {
                self.scanned = at;
                return;
            }
            let class = self.syntax.class(head);
            self.judge_packet(at, class);
            if let Some(edge) = self.edge(at, class) {
                self.cut(edge, out);
                at -= edge;
            }
            if self.unit.is_none() && matches!(class, Class::Opens | Class::First) {
                self.open(at);
                at = 0;
            }
            self.enter(at, class);
            self.scanned = at + 3;
        }
        self.scanned = self.scanned.max(self.buffer.len().saturating_sub(2));
    }

    /// Whether the PES packet began with an access unit.
    fn judge_packet(&mut self, at: usize, class: Class) {
        let Some(packet) = self.habit.packet.filter(|&packet| packet <= at) else { return };
        self.habit.packet = None;
        let aligned = matches!(class, Class::Opens | Class::First) && at - packet <= 1;
        if let Some(unit) = &mut self.unit {
            unit.packets += 1;
        }
        self.habit.aligned = if aligned { self.habit.aligned.saturating_add(1) } else { 0 };
        self.habit.spans |= !aligned;
    }

    /// Where the open access unit ends, if it ends before the unit at `at`.
    fn edge(&mut self, at: usize, class: Class) -> Option<usize> {
        let unit = self.unit.as_mut().filter(|unit| unit.has_picture)?;
        match class {
            // The other field may have a delimiter of its own.
            Class::Opens if unit.field.is_some() => {
                unit.next.get_or_insert(at);
                None
            }
            Class::Opens => Some(at),
            Class::First => {
                let (first, next) = (unit.field.take(), unit.next.take());
                let second = first.and_then(|_| self.field(at));
                let completes =
                    first.zip(second).is_some_and(|(first, second)| first.is_completed_by(second));
                if completes && self.unit.as_ref().is_some_and(|unit| unit.packets > 0) {
                    self.habit.spans = true;
                }
                (!completes).then(|| next.unwrap_or(at))
            }
            Class::Slice | Class::Other => None,
        }
    }

    /// The field that the slice behind the start code at `at` belongs to.
    fn field(&mut self, at: usize) -> Option<h264::Field> {
        if self.syntax != Syntax::H264 {
            return None;
        }
        let slice = &self.buffer[at + 3..];
        match &self.codec {
            Some(Codec::H264(config)) => config.field(slice),
            // The first picture has brought its parameter sets.
            _ => {
                self.learn(at);
                let [sps, pps] = &self.sets[..] else { return None };
                h264::Config::from_parameter_sets(sps, pps).ok()?.field(&self.buffer[at + 3..])
            }
        }
    }

    /// An access unit begins; what is before it belongs to none.
    fn open(&mut self, at: usize) {
        let mut unit = Unit::default();
        while let Some(&(_, stamps)) = self.marks.front().filter(|mark| mark.0 <= at) {
            unit.stamps = Some(stamps);
            self.marks.pop_front();
        }
        self.forget(at);
        self.unit = Some(unit);
    }

    fn enter(&mut self, at: usize, class: Class) {
        if !matches!(class, Class::First | Class::Slice) {
            return;
        }
        let is_new = self.unit.as_ref().is_some_and(|unit| !unit.has_picture);
        let field = if is_new { self.field(at) } else { None };
        if let Some(unit) = self.unit.as_mut().filter(|_| is_new) {
            unit.has_picture = true;
            unit.field = field;
        }
    }

    /// Bytes at the front of the buffer are done with.
    fn forget(&mut self, bytes: usize) {
        self.buffer.advance(bytes);
        self.scanned = self.scanned.saturating_sub(bytes);
        for (at, _) in &mut self.marks {
            *at = at.saturating_sub(bytes);
        }
        if let Some(at) = &mut self.habit.packet {
            *at = at.saturating_sub(bytes);
        }
    }

    /// The open access unit has ended at `end`.
    fn cut(&mut self, end: usize, out: &mut Output) {
        let unit = self.unit.take().unwrap_or_default();
        if self.codec.is_none() {
            self.learn(end);
            self.codec = self.configure();
            out.track(self.track, self.codec.as_ref());
        }
        let mut data = BytesMut::with_capacity(end + HEAD);
        for nal in nal::annex_b(&self.buffer[..end]).filter(|unit| !self.syntax.is_delimiter(unit)) {
            // No unit is as long as the limit of the whole, which is far less than 4 GiB.
            data.put_u32(nal.len() as u32);
            data.put_slice(nal);
        }
        self.forget(end);
        self.give(unit.stamps, data.freeze(), out);
    }

    fn give(&mut self, stamps: Option<Stamps>, data: Bytes, out: &mut Output) {
        if data.is_empty() {
            return;
        }
        let Some(codec) = &mut self.codec else {
            if !std::mem::replace(&mut self.complained, true) {
                out.damaged(self.track, Error::NoConfiguration { pid: self.pid });
            }
            return;
        };
        if let Some(changed) = codec.update(&data) {
            *codec = changed;
            out.track(self.track, Some(codec));
        }
        let key = codec.is_random_access(&data);
        let rate = codec.video().and_then(|video| video.frame_rate);
        let Some(stamps) = stamps.or_else(|| self.guess(rate.map(|rate| rate.period().to_scale(90_000))))
        else {
            return out.damaged(self.track, Error::NoStamp { pid: self.pid });
        };
        if let Some(last) = self.last {
            let step = stamps.dts.wrapping_sub(last.dts) % WRAP;
            // A tenth of a second, as slow as pictures come, and no reordering taken for a step.
            self.step = if (1..=9000).contains(&step) { step } else { self.step };
        }
        self.last = Some(stamps);
        out.unit(Media::Unit { track: self.track, pts: stamps.pts, dts: stamps.dts, key, data });
    }

    /// Stamps of an access unit that has none: a step behind the one before, and shown as long after its decoding.
    fn guess(&self, period: Option<i64>) -> Option<Stamps> {
        let step = period.and_then(|period| u64::try_from(period).ok()).unwrap_or(self.step);
        let after = |stamp: u64| stamp.wrapping_add(step) % WRAP;
        self.last.map(|last| Stamps { pts: after(last.pts), dts: after(last.dts) })
    }

    /// Keeps the parameter sets before `end`.
    fn learn(&mut self, end: usize) {
        for unit in nal::annex_b(&self.buffer[..end]) {
            let kind = self.syntax.unit_type(unit);
            let Some(place) = self.syntax.sets().iter().position(|&set| Some(set) == kind) else { continue };
            let sets = &mut self.sets[place];
            if sets.len() < MAX_SETS && !sets.iter().any(|set| set == unit) {
                sets.push(Bytes::copy_from_slice(unit));
            }
        }
    }

    /// The configuration, where parameter sets of all kinds have come. Sets that make none are forgotten.
    fn configure(&mut self) -> Option<Codec> {
        let codec = match &self.sets[..] {
            [sps, pps] => h264::Config::from_parameter_sets(sps, pps).map(Codec::H264),
            [vps, sps, pps] => h265::Config::from_parameter_sets(vps, sps, pps).map(Codec::H265),
            _ => return None,
        };
        if codec.is_err() && self.sets.iter().all(|sets| !sets.is_empty()) {
            self.sets.iter_mut().for_each(Vec::clear);
        }
        codec.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUD: &[u8] = &[9, 0xF0];
    /// first_mb_in_slice 0, slice_type 5, pic_parameter_set_id 0, 4 bits of frame_num, field_pic_flag 1: top and bottom.
    const TOP: &[u8] = &[0x41, 0b1001_1010, 0b0111_0000, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7];
    const BOTTOM: &[u8] = &[0x41, 0b1001_1010, 0b0111_1000, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8];
    /// Another frame_num, and no field.
    const FRAME: &[u8] = &[0x41, 0b1001_1010, 0b1000_0000, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9];
    /// A slice that begins further down.
    const SLICE: &[u8] = &[0x41, 0x40, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6];

    /// The parameter sets of an interlaced stream.
    fn sets() -> [Vec<u8>; 2] {
        let record = include_bytes!("../../../media/testdata/x264-1080i50.avcc");
        let config = h264::Config::decode(record).expect("avcC");
        [config.sps()[0].to_vec(), config.pps()[0].to_vec()]
    }

    fn stream(units: &[&[u8]]) -> Vec<u8> {
        units.iter().flat_map(|unit| [&[0, 0, 0, 1][..], unit].concat()).collect()
    }

    fn stamps(pts: u64) -> Option<Stamps> {
        Some(Stamps { pts, dts: pts })
    }

    /// PTS and first bytes of the units of each access unit.
    fn read(packets: &[(Option<Stamps>, &[u8])]) -> Vec<(u64, Vec<u8>)> {
        let (mut pictures, mut out) = (Pictures::new(Syntax::H264, 7, TrackId(0)), Output::default());
        for (stamps, data) in packets {
            pictures.begin(*stamps);
            pictures.data(data, &mut out);
            pictures.end(&mut out);
        }
        pictures.flush(&mut out);
        let unit = |media| match media {
            Media::Unit { pts, data, .. } => {
                Some((pts, nal::units(&data).map(|unit| unit[unit.len() - 1]).collect()))
            }
            _ => None,
        };
        out.queue.into_iter().filter_map(unit).collect()
    }

    #[test]
    fn fields_stay_together_and_frames_do_not() {
        let [sps, pps] = sets();
        let ends = |set: &[u8]| set[set.len() - 1];
        let head = [ends(&sps), ends(&pps)];
        let first = stream(&[AUD, &sps, &pps, TOP, AUD, BOTTOM]);
        let wanted = [(10, [&head[..], &[7, 8]].concat()), (20, vec![9]), (30, vec![9, 6])];
        let rest = [(stamps(20), stream(&[AUD, FRAME])), (stamps(30), stream(&[AUD, FRAME, SLICE]))];
        let rest = rest.iter().map(|(stamps, data)| (*stamps, &data[..]));
        assert_eq!(read(&[(stamps(10), &first[..])].into_iter().chain(rest).collect::<Vec<_>>()), wanted);
        // Each in a PES packet of its own, without delimiters.
        let (one, two) = (stream(&[&sps, &pps, TOP]), stream(&[BOTTOM]));
        let found = read(&[(stamps(10), &one[..]), (stamps(15), &two), (stamps(20), &stream(&[TOP]))]);
        assert_eq!(found[0].1, wanted[0].1);
        assert_eq!(found.iter().map(|unit| unit.0).collect::<Vec<_>>(), [10, 20]);
    }

    #[test]
    fn access_units_go_on_over_packets_cut_anywhere() {
        let [sps, pps] = sets();
        let whole = stream(&[AUD, &sps, &pps, FRAME, SLICE, AUD, FRAME, SLICE]);
        let wanted = read(&[(stamps(10), &whole[..])]);
        assert_eq!((wanted.len(), wanted[1].0), (2, 10 + 1800), "a step of the frame rate further on");
        for at in 1..whole.len() {
            assert_eq!(read(&[(stamps(10), &whole[..at]), (None, &whole[at..])]), wanted, "{at}");
        }
    }

    #[test]
    fn a_unit_of_nothing_is_no_picture() {
        let [sps, pps] = sets();
        let bytes = [&stream(&[&sps, &pps])[..], &[0, 0, 1, 0, 0, 1, 0, 0, 0, 1]].concat();
        assert_eq!(read(&[(stamps(10), &bytes[..])]), []);
        assert_eq!(Syntax::H265.class(&[0, 0, 1, 0x80]), Class::Other);
    }
}

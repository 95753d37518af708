//! Fragmented MP4 as a player reads it, by the boxes of another implementation.

use mp4_atom::{Atom as _, Buf as _, Codec as Entry, Decode as _, Ftyp, Header, Moof, Moov, Styp};

/// A sample of a segment, on the clock of its track.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sample {
    pub(crate) decoded: i64,
    pub(crate) shown: i64,
    pub(crate) duration: u64,
    pub(crate) sync: bool,
    pub(crate) data: Vec<u8>,
}

/// A media segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Segment {
    pub(crate) sequence_number: u32,
    /// `tfdt`.
    pub(crate) base: u64,
    pub(crate) samples: Vec<Sample>,
}

impl Segment {
    /// Reads one that holds a single fragment of a single track and nothing behind it.
    pub(crate) fn read(mut bytes: &[u8]) -> Self {
        let cursor = &mut bytes;
        let styp = Styp::decode(cursor).expect("styp");
        assert_eq!(styp.major_brand, b"msdh".into());
        let before = cursor.len();
        let moof = Moof::decode(cursor).expect("moof");
        let moof_size = before - cursor.len();
        let mdat = Header::decode(cursor).expect("mdat");
        assert_eq!((mdat.kind, mdat.size), (b"mdat".into(), Some(cursor.remaining())), "the last box");
        let head_size = before - cursor.len();
        let [traf] = &moof.traf[..] else { panic!("one track") };
        let [trun] = &traf.trun[..] else { panic!("one run") };
        assert_eq!(trun.data_offset, Some(i32::try_from(head_size).expect("small")));
        assert!(moof_size < head_size && traf.tfhd.default_base_is_moof);
        let base = traf.tfdt.as_ref().expect("tfdt").base_media_decode_time;
        let mut decoded = i64::try_from(base).expect("in range");
        let mut data = *cursor;
        let entries = (0..trun.samples.len()).map(|n| trun.samples.get(n).expect("counted"));
        let samples = entries.map(|entry| {
            let duration = entry.duration.or(traf.tfhd.default_sample_duration).expect("a duration");
            let size = entry.size.or(traf.tfhd.default_sample_size).expect("a size");
            let flags = entry.flags.or(traf.tfhd.default_sample_flags).expect("flags");
            let (own, rest) = data.split_at(size as usize);
            data = rest;
            let sample = Sample {
                decoded,
                shown: decoded + entry.cts.unwrap_or(0),
                duration: duration.into(),
                sync: flags & 0x1_0000 == 0,
                data: own.to_vec(),
            };
            decoded += i64::from(duration);
            sample
        });
        let samples: Vec<Sample> = samples.collect();
        assert!(data.is_empty(), "{} bytes of no sample", data.len());
        assert!(!samples.is_empty());
        Self { sequence_number: moof.mfhd.sequence_number, base, samples }
    }

    /// When its first sample is shown.
    pub(crate) fn start(&self) -> u64 {
        u64::try_from(self.samples.iter().map(|sample| sample.shown).min().expect("samples"))
            .expect("after 1970")
    }

    /// Sum of the durations.
    pub(crate) fn duration(&self) -> u64 {
        self.samples.iter().map(|sample| sample.duration).sum()
    }

    /// Type of the stream access point that it begins with; 0: none. Pictures that are shown before the key frame and
    /// follow it lean on what was before.
    pub(crate) fn sap(&self) -> u8 {
        let first = &self.samples[0];
        let leads = self.samples.iter().any(|sample| sample.shown < first.shown);
        match (first.sync, leads) {
            (false, _) => 0,
            (true, true) => 3,
            (true, false) => 1,
        }
    }
}

/// An initialization segment.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Init {
    pub(crate) timescale: u32,
    /// Type of the sample entry.
    pub(crate) entry: &'static str,
    pub(crate) size: Option<(u16, u16)>,
    pub(crate) sample_rate: Option<u32>,
}

impl Init {
    pub(crate) fn read(mut bytes: &[u8]) -> Self {
        let cursor = &mut bytes;
        Ftyp::decode(cursor).expect("ftyp");
        let moov = Moov::decode(cursor).expect("moov");
        assert!(cursor.is_empty() && moov.mvex.is_some());
        let [track] = &moov.trak[..] else { panic!("one track") };
        let timescale = track.mdia.mdhd.timescale;
        let picture = |visual: &mp4_atom::Visual| Some((visual.width, visual.height));
        let rate = |audio: &mp4_atom::Audio| Some(u32::from(audio.sample_rate.integer()));
        let [entry] = &track.mdia.minf.stbl.stsd.codecs[..] else { panic!("one entry") };
        let (entry, size, sample_rate) = match entry {
            Entry::Avc1(avc1) => ("avc1", picture(&avc1.visual), None),
            Entry::Hvc1(hvc1) => ("hvc1", picture(&hvc1.visual), None),
            Entry::Av01(av01) => ("av01", picture(&av01.visual), None),
            Entry::Mp4a(mp4a) => ("mp4a", None, rate(&mp4a.audio)),
            Entry::Opus(opus) => ("Opus", None, rate(&opus.audio)),
            Entry::Ac3(ac3) => ("ac-3", None, rate(&ac3.audio)),
            other => panic!("{other:?}"),
        };
        assert_eq!(Moov::KIND, b"moov".into());
        Self { timescale, entry, size, sample_rate }
    }
}

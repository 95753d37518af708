//! H.264 and H.265 access units as a byte stream (annex B of both) with what a transport stream wants on top: an
//! access unit delimiter first (ISO/IEC 13818-1 2.14.1 and 2.17.1), and the parameter sets at each random access
//! point.

use bytes::Bytes;
use media::codec::{h264, h265};
use media::nal;

use crate::packet::Payload;

/// The four-byte form everywhere: it is needed before delimiters and parameter sets and allowed before all.
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Access unit delimiter with primary_pic_type 7, any slice type (H.264 7.3.2.4).
const AUD_H264: [u8; 2] = [0x09, 0xF0];
/// Access unit delimiter with pic_type 2, any slice type (H.265 7.3.2.5).
const AUD_H265: [u8; 3] = [0x46, 0x01, 0x50];

/// One access unit in its byte stream form, as parts that are not copied yet.
#[derive(Clone, Copy)]
pub(crate) struct AccessUnit<'a> {
    aud: &'static [u8],
    is_aud: fn(&[u8]) -> bool,
    /// Parameter sets to be put in front; all empty where the access unit has its own.
    sets: [&'a [Bytes]; 3],
    data: &'a [u8],
}

impl<'a> AccessUnit<'a> {
    pub(crate) fn h264(config: &'a h264::Config, key: bool, data: &'a [u8]) -> Self {
        let is_aud = |unit: &[u8]| h264::unit_type(unit) == Some(h264::nal_type::AUD);
        // All sets or none: one of ours between theirs could name one that a decoder has not seen.
        let missing = key && !h264::has_parameter_sets(data);
        let sets = if missing { [&[], config.sps(), config.pps()] } else { [&[][..]; 3] };
        Self { aud: &AUD_H264, is_aud, sets, data }
    }

    pub(crate) fn h265(config: &'a h265::Config, key: bool, data: &'a [u8]) -> Self {
        let is_aud = |unit: &[u8]| h265::unit_type(unit) == Some(h265::nal_type::AUD);
        let missing = key && !h265::has_parameter_sets(data);
        let sets = if missing { [config.vps(), config.sps(), config.pps()] } else { [&[][..]; 3] };
        Self { aud: &AUD_H265, is_aud, sets, data }
    }

    /// The NAL units in order. A delimiter that the source sent gives way to ours, which stands first.
    fn units(self) -> impl Iterator<Item = &'a [u8]> {
        let sets = self.sets.into_iter().flatten().map(|set| &set[..]);
        let own = nal::units(self.data).filter(move |unit| !(self.is_aud)(unit));
        std::iter::once(self.aud).chain(sets).chain(own)
    }

    /// Bytes of the byte stream form.
    pub(crate) fn len(self) -> usize {
        self.units().map(|unit| START_CODE.len() + unit.len()).sum()
    }

    /// Copies the payload, for the only time on its way.
    pub(crate) fn write(self, payload: &mut Payload<'_>) {
        self.units().for_each(|unit| {
            payload.put(&START_CODE);
            payload.put(unit);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // x264's for 160x90, and any slice behind them.
    const SPS: &[u8] = &[
        0x67, 0x4D, 0x40, 0x0A, 0xEC, 0xA1, 0x46, 0xFF, 0x35, 0xC0, 0x44, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00,
        0x00, 0x03, 0x00, 0xCA, 0x3C, 0x48, 0x96, 0x58,
    ];
    const PPS: &[u8] = &[0x68, 0xEB, 0xE3, 0xCB, 0x20];
    const IDR: &[u8] = &[0x65, 0x88, 0x84, 0x00];
    const SEI: &[u8] = &[0x06, 0x05, 0x01, 0xAA, 0x80];
    const SLICE: &[u8] = &[0x41, 0x9A, 0x00, 0x00, 0x03, 0x01];
    const AUD: &[u8] = &[0x09, 0x10];

    fn config() -> h264::Config {
        let set = |bytes| [Bytes::from_static(bytes)];
        h264::Config::from_parameter_sets(&set(SPS), &set(PPS)).expect("parameter sets")
    }

    fn kinds(key: bool, units: &[&[u8]]) -> Vec<u8> {
        let (config, data) = (config(), nal::join(units.iter().copied()));
        let unit = AccessUnit::h264(&config, key, &data);
        let len = unit.units().map(|unit| unit.len() + 4).sum::<usize>();
        assert_eq!(unit.len(), len);
        unit.units().map(|unit| unit[0] & 31).collect()
    }

    #[test]
    fn parameter_sets_come_before_a_key_frame() {
        assert_eq!(kinds(true, &[SEI, IDR]), [9, 7, 8, 6, 5]);
        assert_eq!(kinds(false, &[SLICE]), [9, 1]);
    }

    #[test]
    fn what_is_there_is_not_doubled() {
        assert_eq!(kinds(true, &[AUD, SPS, PPS, IDR]), [9, 7, 8, 5]);
        assert_eq!(kinds(false, &[AUD, SLICE]), [9, 1]);
    }

    #[test]
    fn half_a_set_is_completed() {
        assert_eq!(kinds(true, &[PPS, IDR]), [9, 7, 8, 8, 5]);
    }

    #[test]
    fn a_malformed_unit_is_left_out() {
        let (config, data) = (config(), [0, 0, 0, 9, 1]);
        assert_eq!(AccessUnit::h264(&config, false, &data).len(), 6);
    }
}

//! The program config element (ISO/IEC 14496-3 4.4.1.1), which tells the channels when no number does.

use crate::Error;
use crate::bits::BitReader;

/// Reads one that is part of an `AudioSpecificConfig`, and counts its channels.
pub(super) fn channels(reader: &mut BitReader<'_>) -> Result<u32, Error> {
    reader.skip(4 + 2 + 4)?; // element_instance_tag, object_type, sampling_frequency_index
    let placed = reader.bits(4)? + reader.bits(4)? + reader.bits(4)?; // front, side, back
    let low_frequency = reader.bits(2)?;
    let data = reader.bits(3)?;
    let coupling = reader.bits(4)?;
    for mixdown_bits in [4, 4, 3] {
        if reader.flag()? {
            reader.skip(mixdown_bits)?;
        }
    }
    let mut channels = low_frequency;
    for _ in 0..placed {
        // A channel pair element has two.
        channels += if reader.flag()? { 2 } else { 1 };
        reader.skip(4)?;
    }
    reader.skip((4 * low_frequency + 4 * data + 5 * coupling) as usize)?;
    // byte_alignment() counts from the start of the AudioSpecificConfig, which is whole bytes.
    reader.skip(reader.remaining() % 8)?;
    let comment = reader.byte()?;
    reader.bytes(comment.into())?;
    if channels == 0 {
        return Err(reader.invalid("channels of the program config element", 0, "at least 1"));
    }
    Ok(channels)
}

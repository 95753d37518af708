//! Codec configurations that the test data has no file of.

use crate::{Result, Seeds, block, files};

pub(crate) fn write(seeds: &mut Seeds) -> Result<()> {
    const ASCS: [&[u8]; 8] = [
        &[0x12, 0x10],
        &[0x11, 0xb8],
        &[0x17, 0x80, 0x5d, 0xc0, 0x08],
        &[0xb9, 0x90, 0],
        &[0x2b, 0x92, 0x08, 0x00],
        &[0xeb, 0x09, 0x88, 0x00],
        &[0x13, 0x08, 0x56, 0xe5, 0x9d, 0x48, 0x80],
        &[0x8a, 0x18, 0x00, 0x00, 0x00],
    ];
    for (index, asc) in ASCS.iter().enumerate() {
        seeds.add("codec_configs", &format!("asc-{index}"), &[&[4], asc])?;
    }
    seeds.add("codec_configs", "adts", &[&[5], &[0xff, 0xf1, 0x4c, 0x80, 0x2f, 0x1f, 0xfc]])?;
    for (index, header) in
        [[0xff, 0xfb, 0x90, 0x64], [0xff, 0xe3, 0x28, 0xc4], [0xff, 0xfd, 0xa4, 0], [0xff, 0xff, 0xa8, 0]]
            .iter()
            .enumerate()
    {
        seeds.add("codec_configs", &format!("mpeg-audio-{index}"), &[&[6], header])?;
    }
    seeds.add("codec_configs", "opus", &[&[8], b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0"])?;
    let surround = b"OpusHead\x01\x06\x38\x01\x80\xbb\0\0\0\0\x01\x04\x02\0\x04\x01\x02\x03\x05";
    seeds.add("codec_configs", "opus-surround", &[&[8], surround])?;
    for (name, avcc) in files("media/testdata", "avcc")? {
        let config = media::codec::h264::Config::decode(&avcc)?;
        let sets = config.sps().iter().chain(config.pps());
        let annex_b: Vec<_> = sets.clone().flat_map(|set| [&[0, 0, 0, 1][..], set]).collect();
        seeds.add("codec_configs", &format!("{name}-sets"), &[&[10], &annex_b.concat()])?;
        let unit = media::nal::join(sets.map(|set| &set[..]));
        seeds.add("access_units", &format!("{name}-sets"), &[&[0b1100], &block(&unit)])?;
    }
    for (name, hvcc) in files("media/testdata", "hvcc")? {
        let config = media::codec::h265::Config::decode(&hvcc)?;
        let sets = config.vps().iter().chain(config.sps()).chain(config.pps());
        let annex_b: Vec<_> = sets.clone().flat_map(|set| [&[0, 0, 0, 1][..], set]).collect();
        seeds.add("codec_configs", &format!("{name}-sets"), &[&[11], &annex_b.concat()])?;
        let unit = media::nal::join(sets.map(|set| &set[..]));
        seeds.add("access_units", &format!("{name}-sets"), &[&[0b1101], &block(&unit)])?;
    }
    Ok(())
}

//! What real encoders wrote, named by encoder and stream, for the tests of this folder.

macro_rules! records {
    ($($name:ident = $file:literal;)*) => {
        $(pub(super) const $name: &[u8] = include_bytes!(concat!("../../testdata/", $file));)*
        /// All of them.
        pub(super) const ALL: &[&[u8]] = &[$($name),*];
    };
}

records! {
    X264_1080P = "x264-1080p.avcc";
    X264_1080I = "x264-1080i50.avcc";
    X264_422 = "x264-422-10bit-scaling-lists.avcc";
    X264_444_ODD = "x264-444-odd-size.avcc";
    X264_NTSC = "x264-open-gop-30000-1001.avcc";
    X264_OPEN_GOP = "x264-open-gop-recovery-point.au";
    X264_INTRA_REFRESH = "x264-intra-refresh-recovery-point.au";
    X265_1080P = "x265-1080p.hvcc";
    X265_LAYERS = "x265-10bit-layers-scaling-lists.hvcc";
    X265_444_ODD = "x265-444-odd-size.hvcc";
    X265_CRA = "x265-open-gop-cra.au";
    X265_LEADING = "x265-open-gop-leading.au";
    AOM_AV1C = "aom-10bit.av1c";
    AOM_KEY = "aom-10bit-key.tu";
    AOM_INTER = "aom-10bit-inter.tu";
    SVT_AV1C = "svt-8bit.av1c";
    SVT_KEY = "svt-8bit-key.tu";
    VPX_VPCC = "vpx.vpcc";
    VPX_KEY = "vpx-key-head.frame";
    VPX_INTER = "vpx-inter-head.frame";
    VPX_RGB_VPCC = "vpx-rgb-10bit.vpcc";
    VPX_RGB_KEY = "vpx-rgb-10bit-key-head.frame";
    AAC_HEXAGONAL = "ffmpeg-hexagonal-program-config.asc";
    AC3_51 = "ffmpeg-ac3-51-head.frame";
    EAC3_51 = "ffmpeg-eac3-51-head.frame";
    FLAC_96K = "ffmpeg-96k.flac-streaminfo";
}

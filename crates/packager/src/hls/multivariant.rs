//! The multivariant playlist, RFC 8216 4.3.4.

use std::fmt::Write;

/// What a multivariant playlist says.
#[derive(Clone, PartialEq, Debug)]
pub struct Multivariant {
    /// Every segment of every variant can be decoded without the one before it.
    pub independent: bool,
    /// The variants, the one to start with first.
    pub variants: Vec<Variant>,
}

/// One EXT-X-STREAM-INF with its URI.
#[derive(Clone, PartialEq, Debug)]
pub struct Variant {
    /// The media playlist, relative to this one.
    pub uri: String,
    /// BANDWIDTH: peak rate in bits per second.
    pub bandwidth: u64,
    /// AVERAGE-BANDWIDTH in bits per second.
    pub average_bandwidth: u64,
    /// CODECS: RFC 6381 strings of all the formats in it. The attribute is left out where this is empty, as it has
    /// to be where one of them has no string.
    pub codecs: Vec<String>,
    /// Width and height in pixels; none without video.
    pub resolution: Option<(u32, u32)>,
    /// Pictures per second; none without video.
    pub frame_rate: Option<f64>,
}

/// The playlist's text.
pub fn render_multivariant(playlist: &Multivariant) -> String {
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:3\n");
    if playlist.independent {
        text.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    }
    for variant in &playlist.variants {
        render_variant(variant, &mut text);
    }
    text
}

fn render_variant(variant: &Variant, text: &mut String) {
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={}",
        variant.bandwidth, variant.average_bandwidth
    );
    if !variant.codecs.is_empty() {
        let _ = write!(text, ",CODECS=\"{}\"", variant.codecs.join(","));
    }
    if let Some((width, height)) = variant.resolution {
        let _ = write!(text, ",RESOLUTION={width}x{height}");
    }
    if let Some(rate) = variant.frame_rate {
        let _ = write!(text, ",FRAME-RATE={rate:.3}");
    }
    let _ = write!(text, "\n{}\n", variant.uri);
}

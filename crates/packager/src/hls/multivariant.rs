//! The multivariant playlist, RFC 8216 4.3.4.

use std::fmt::Write;

/// What a multivariant playlist says.
#[derive(Clone, PartialEq, Debug)]
pub struct Multivariant {
    /// Every segment of every variant can be decoded without the one before it.
    pub independent: bool,
    /// Sound that variants share; they name it by [`SoundGroup::group`].
    pub sounds: Vec<SoundGroup>,
    /// The variants, the one to start with first.
    pub variants: Vec<Variant>,
}

/// Sound with a media playlist of its own: one EXT-X-MEDIA of type AUDIO (4.3.4.1). Those of one group are alike
/// but for their content: players choose one of them.
///
/// Characters that cannot stand in a quoted string (4.2) are left out of `name` and `language`.
#[derive(Clone, PartialEq, Debug)]
pub struct SoundGroup {
    /// GROUP-ID.
    pub group: String,
    /// NAME: what players show; different for all of a group.
    pub name: String,
    /// LANGUAGE as a BCP 47 tag.
    pub language: Option<String>,
    /// The media playlist, relative to this one.
    pub uri: String,
    /// CHANNELS: how many there are; none where that is not known.
    pub channels: Option<u32>,
    /// DEFAULT: what is played unless the viewer chooses; one of a group at most. Players choose by themselves,
    /// AUTOSELECT, among this one and those with a language.
    pub default: bool,
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
    /// CODECS: RFC 6381 strings of all the formats in it and in its sound group. The attribute is left out where this
    /// is empty, as it has to be where one of them has no string.
    pub codecs: Vec<String>,
    /// Width and height in pixels; none without video.
    pub resolution: Option<(u32, u32)>,
    /// Pictures per second; none without video.
    pub frame_rate: Option<f64>,
    /// AUDIO: the [`SoundGroup::group`] that belongs to it; none where its sound is in its own segments.
    pub audio: Option<String>,
}

/// The playlist's text. With sound groups its version is 4, as RFC 8216 7 advises.
pub fn render_multivariant(playlist: &Multivariant) -> String {
    let version = if playlist.sounds.is_empty() { 3 } else { 4 };
    let mut text = format!("#EXTM3U\n#EXT-X-VERSION:{version}\n");
    if playlist.independent {
        text.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    }
    for sound in &playlist.sounds {
        render_sound(sound, &mut text);
    }
    for variant in &playlist.variants {
        render_variant(variant, &mut text);
    }
    text
}

fn render_sound(sound: &SoundGroup, text: &mut String) {
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{}\",NAME=\"{}\"",
        sound.group,
        quotable(&sound.name)
    );
    if let Some(language) = &sound.language {
        let _ = write!(text, ",LANGUAGE=\"{}\"", quotable(language));
    }
    let yes = |yes| if yes { "YES" } else { "NO" };
    let (default, autoselect) = (yes(sound.default), yes(sound.default || sound.language.is_some()));
    let _ = write!(text, ",DEFAULT={default},AUTOSELECT={autoselect}");
    if let Some(channels) = sound.channels {
        let _ = write!(text, ",CHANNELS=\"{channels}\"");
    }
    let _ = writeln!(text, ",URI=\"{}\"", sound.uri);
}

/// A text without what would end a quoted string or its line (4.2).
fn quotable(text: &str) -> String {
    text.chars().filter(|&character| character != '"' && !character.is_control()).collect()
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
    if let Some(group) = &variant.audio {
        let _ = write!(text, ",AUDIO=\"{group}\"");
    }
    let _ = write!(text, "\n{}\n", variant.uri);
}

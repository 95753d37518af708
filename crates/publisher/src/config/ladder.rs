//! The rungs of an ABR ladder.

use std::collections::BTreeSet;

use super::{Source, Stream};

/// The name of the only rung of a stream without a ladder.
pub const DEFAULT_RENDITION: &str = "track_1";
/// Characters that the name of a rung may have at most.
const MAX_NAME: usize = 64;
/// Taken by the multivariant playlist and the manifest, beside which a rung's playlist has its place.
const RESERVED: &str = "index";

/// One rung of a ladder: the same source in one size and bit rate. An encoder feeds it at `<code>@<name>`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rendition {
    /// Its name in addresses and file names: `[A-Za-z0-9_-]{1,64}`, and not `index`.
    pub name: String,
    /// Width of the pictures in pixels, if that is known before they come. What comes counts.
    pub width: Option<u32>,
    /// Height of the pictures in pixels, likewise.
    pub height: Option<u32>,
    /// Bit rate that it is to have, in thousands of bits per second.
    pub bitrate_kbps: Option<u32>,
}

impl Rendition {
    /// Rungs that a ladder may have.
    pub const MAX: usize = hub::MAX_RUNGS;

    /// A rung of which only the name is known.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), width: None, height: None, bitrate_kbps: None }
    }

    /// Whether a text can be the name of a rung.
    ///
    /// # Errors
    /// What is allowed.
    pub fn check_name(name: &str) -> Result<(), &'static str> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        match name {
            RESERVED => Err("a name other than index, which is that of the playlist of all renditions"),
            "" => Err("1 to 64 characters of A-Z a-z 0-9 _ -"),
            name if name.len() > MAX_NAME || !name.chars().all(plain) => {
                Err("1 to 64 characters of A-Z a-z 0-9 _ -")
            }
            _ => Ok(()),
        }
    }
}

/// What is known anew of one rung of a ladder that stays as it is, for [`Service`](crate::Service) to rewrite the
/// playlist and the manifest in place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AbrRepMeta {
    /// The rung's name.
    pub slug: String,
    /// Bits per second, to be announced as BANDWIDTH; 0 where only measuring tells.
    pub bandwidth: u64,
    /// Width of the pictures in pixels; 0 where only the bitstream tells.
    pub width: u32,
    /// Height of the pictures in pixels; 0 where only the bitstream tells.
    pub height: u32,
    /// It has sound.
    pub has_audio: bool,
}

impl Stream {
    /// The rungs that it has: those of its ladder, or the one of a stream without.
    pub fn rungs(&self) -> Vec<Rendition> {
        match self.renditions.is_empty() {
            true => vec![Rendition::new(DEFAULT_RENDITION)],
            false => self.renditions.clone(),
        }
    }

    /// Whether the ladder can be run.
    ///
    /// # Errors
    /// What is wrong, as a sentence: too many rungs, a name that cannot be or is there twice, or an input that cannot
    /// feed several rungs.
    pub fn check_ladder(&self) -> Result<(), String> {
        let count = self.renditions.len();
        if count > Rendition::MAX {
            return Err(format!("a ladder of {count} renditions, at most {} are allowed", Rendition::MAX));
        }
        let mut names = BTreeSet::new();
        for Rendition { name, .. } in &self.renditions {
            Rendition::check_name(name)
                .map_err(|allowed| format!("rendition {name:?}; allowed: {allowed}"))?;
            if !names.insert(name) {
                return Err(format!("rendition {name:?} is there twice"));
            }
        }
        let reads = |source: &Source| *source != Source::Publish;
        if count > 1 && self.inputs.iter().any(|input| reads(&input.source)) {
            return Err("a file has one rendition and cannot feed a ladder; \
                        leave the renditions out, or have an encoder publish each"
                .to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Input;

    fn ladder(names: &[&str]) -> Stream {
        let renditions = names.iter().map(|name| Rendition::new(*name)).collect();
        Stream { renditions, ..Stream::new("news".parse().expect("a code")) }
    }

    #[test]
    fn without_a_ladder_there_is_one_rung() {
        let names = |stream: Stream| stream.rungs().into_iter().map(|rung| rung.name).collect::<Vec<_>>();
        assert_eq!(names(ladder(&[])), ["track_1"]);
        assert_eq!(names(ladder(&["a", "b"])), ["a", "b"]);
    }

    #[test]
    fn a_ladder_that_cannot_be_run_says_why() {
        let many: Vec<String> = (0..33).map(|n| format!("r{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(ladder(&many[..32]).check_ladder().is_ok());
        for (names, word) in [
            (&many[..], "at most 32"),
            (&["a", "a"][..], "twice"),
            (&["a b"][..], "A-Z a-z 0-9 _ -"),
            (&[""][..], "1 to 64"),
            (&["index"][..], "other than index"),
        ] {
            let error = ladder(names).check_ladder().expect_err(word);
            assert!(error.contains(word), "{error}");
        }
        let file = Input {
            source: Source::File { path: "/a.flv".into(), looped: true, program: None },
            priority: 0,
        };
        assert!(Stream { inputs: vec![file.clone()], ..ladder(&["a"]) }.check_ladder().is_ok());
        let error = Stream { inputs: vec![file], ..ladder(&["a", "b"]) }.check_ladder().expect_err("a file");
        assert!(error.contains("a file has one rendition"), "{error}");
    }
}

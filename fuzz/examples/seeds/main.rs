//! Writes `corpus/*/seed-*`: what real encoders sent, cut to size, in the form that each target takes, and the few
//! things that no recording has.
//!
//! Run it with `cargo run -p rillcast-fuzz --example seeds` after a change to a target's form. What the fuzzer found
//! beyond the seeds lies beside them and is left alone.

// A program whose purpose is to print.
#![allow(clippy::print_stdout)]

mod codecs;
mod http_heads;
mod payloads;
mod recordings;
mod rtmp_parts;
mod rtp_scripts;
mod rtsp;
mod servers;
mod sessions;
mod srt;
mod streams;
mod timelines;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// What can go wrong with a file.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let mut seeds = Seeds::new()?;
    recordings::write(&mut seeds)?;
    codecs::write(&mut seeds)?;
    http_heads::write(&mut seeds)?;
    payloads::write(&mut seeds)?;
    rtmp_parts::write(&mut seeds)?;
    rtp_scripts::write(&mut seeds)?;
    rtsp::write(&mut seeds)?;
    servers::write(&mut seeds)?;
    sessions::write(&mut seeds)?;
    srt::write(&mut seeds)?;
    streams::write(&mut seeds)?;
    timelines::write(&mut seeds)?;
    println!("{} seeds", seeds.count);
    Ok(())
}

/// A file of the test data.
fn file(path: &str) -> Result<Vec<u8>> {
    Ok(fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates").join(path))?)
}

/// The files of a folder of the test data with that extension (any, if it is empty), by their names without it.
fn files(folder: &str, extension: &str) -> Result<Vec<(String, Vec<u8>)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates").join(folder);
    let mut paths: Vec<_> =
        fs::read_dir(root)?.map(|file| file.map(|file| file.path())).collect::<std::io::Result<_>>()?;
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (stem, found) = name.rsplit_once('.').unwrap_or((&name, ""));
        if found == extension {
            files.push((stem.to_owned(), fs::read(&path)?));
        } else if extension.is_empty() && found != "md" {
            files.push((name, fs::read(&path)?));
        }
    }
    Ok(files)
}

struct Seeds {
    corpus: PathBuf,
    count: usize,
}

impl Seeds {
    /// Removes the seeds of the last time.
    fn new() -> Result<Self> {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
        for (target, _) in rillcast_fuzz::TARGETS {
            let folder = corpus.join(target);
            fs::create_dir_all(&folder)?;
            for file in fs::read_dir(folder)? {
                let path = file?.path();
                if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("seed-")) {
                    fs::remove_file(path)?;
                }
            }
        }
        Ok(Self { corpus, count: 0 })
    }

    fn add(&mut self, target: &str, name: &str, parts: &[&[u8]]) -> Result<()> {
        let name = format!("seed-{}", name.replace(['.', ' ', '@'], "-"));
        fs::write(self.corpus.join(target).join(name), parts.concat())?;
        self.count += 1;
        Ok(())
    }
}

/// A block behind its length of 16 bits.
fn block(bytes: &[u8]) -> Vec<u8> {
    let bytes = &bytes[..bytes.len().min(usize::from(u16::MAX))];
    [&(bytes.len() as u16).to_be_bytes(), bytes].concat()
}

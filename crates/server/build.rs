//! Puts hls.js and dash.js into the binary where `scripts/build-web` has fetched them; without them the program builds
//! and runs just the same, and its page says what is missing.

use std::path::Path;
use std::{env, fs, io};

/// What `scripts/build-web` makes; the program embeds it under the same names.
const FILES: [&str; 4] = ["hls.js.gz", "hls.js.LICENSE", "dash.js.gz", "dash.js.LICENSE"];

fn main() -> io::Result<()> {
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    let web = Path::new("../../web");
    let dist = web.join("dist");
    // A path that does not exist would make Cargo run this every time, so watch the nearest that does.
    let watched = [dist.as_path(), web, Path::new("build.rs")].into_iter().find(|path| path.exists());
    if let Some(path) = watched {
        println!("cargo:rerun-if-changed={}", path.display());
    }
    for file in FILES {
        let content = match fs::read(dist.join(file)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read?,
        };
        fs::write(Path::new(&out).join(file), content)?;
    }
    Ok(())
}

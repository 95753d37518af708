//! Whether two directories are apart from each other, as they will be once they exist.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// Whether two paths lead to the same directory, or one into the other. What of them exists is looked up, so that links
/// are seen.
pub fn overlap(a: &Path, b: &Path) -> bool {
    let (a, b) = (resolved(a), resolved(b));
    a.starts_with(&b) || b.starts_with(&a)
}

/// The path without links and dots. What does not exist yet is taken as it is written.
fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut missing: Vec<OsString> = Vec::new();
    let mut there = absolute.as_path();
    loop {
        if let Ok(mut found) = there.canonicalize() {
            for part in missing.iter().rev() {
                match part == ".." {
                    true => drop(found.pop()),
                    false => found.push(part),
                }
            }
            return found;
        }
        match (there.components().next_back(), there.parent()) {
            (Some(Component::Normal(name)), Some(parent)) => {
                missing.push(name.to_owned());
                there = parent;
            }
            (Some(Component::ParentDir), Some(parent)) => {
                missing.push("..".into());
                there = parent;
            }
            _ => return absolute,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_and_one_in_the_other_overlap_and_neighbours_do_not() {
        for (a, b, expected) in [
            ("/nonexistent/a", "/nonexistent/a/", true),
            ("/nonexistent/a", "/nonexistent/./x/../a/b", true),
            ("/nonexistent/a/b", "/nonexistent/a", true),
            ("/nonexistent/a", "/nonexistent/ab", false),
            ("/nonexistent/a", "/nonexistent/b", false),
            ("/", "/nonexistent", true),
        ] {
            assert_eq!(overlap(Path::new(a), Path::new(b)), expected, "{a} {b}");
        }
    }

    #[test]
    fn links_are_followed_as_far_as_there_is_something() {
        let dir = std::env::temp_dir().join(format!("rillcast-overlap-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(dir.join("real")).expect("made");
        std::os::unix::fs::symlink(dir.join("real"), dir.join("link")).expect("linked");
        assert!(overlap(&dir.join("real/hls"), &dir.join("link/hls")));
        assert!(overlap(&dir.join("link"), &dir.join("real/hls")));
        assert!(!overlap(&dir.join("real/hls"), &dir.join("link/dash")));
        std::fs::remove_dir_all(dir).expect("cleaned");
    }
}

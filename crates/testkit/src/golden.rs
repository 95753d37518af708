//! Comparison with files that hold what a text ought to be.

use std::path::Path;

/// Compares a text with the file at `path`, relative to the crate under test (`testdata/live.m3u8`).
///
/// With `RILLCAST_BLESS=1` in the environment the file is written anew instead.
///
/// # Panics
/// When the texts differ, showing the first line that does, or when the file cannot be read or written.
#[track_caller]
pub fn golden(path: impl AsRef<Path>, actual: &str) {
    let path = path.as_ref();
    let shown = path.display();
    if std::env::var_os("RILLCAST_BLESS").is_some_and(|value| value == "1") {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).unwrap_or_else(|error| panic!("{shown}: {error}"));
        }
        std::fs::write(path, actual).unwrap_or_else(|error| panic!("{shown}: {error}"));
        return;
    }
    let expected = std::fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("{shown}: {error}; RILLCAST_BLESS=1 writes it\nactual:\n{actual}"));
    if expected != actual {
        let same = expected.lines().zip(actual.lines()).take_while(|(left, right)| left == right).count();
        let line = |text: &str| text.lines().nth(same).unwrap_or("<end>").to_owned();
        let (left, right) = (line(&expected), line(actual));
        panic!("{shown}, line {}:\n expected: {left}\n   actual: {right}\nactual text:\n{actual}", same + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_pass() {
        golden("testdata/golden.txt", "one\ntwo\n");
    }

    #[test]
    #[should_panic(expected = "line 2:\n expected: two\n   actual: three")]
    fn the_first_difference_is_shown() {
        golden("testdata/golden.txt", "one\nthree\n");
    }
}

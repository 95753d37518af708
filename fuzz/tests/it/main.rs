//! Every file of the corpus through its target.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use rillcast_fuzz::TARGETS;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// Panics with the name of the file that breaks the target, and where there is none.
fn run(name: &str) {
    let (_, target) = TARGETS.iter().find(|(target, _)| *target == name).expect("a target");
    let folder = folder().join(name);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut count = 0;
    for file in files {
        let path = file.expect("a file of the corpus").path();
        let data = fs::read(&path).expect("a readable file");
        let whole = catch_unwind(|| target(&data)).is_ok();
        assert!(whole, "broken by {}, see above", path.display());
        count += 1;
    }
    assert!(count > 0, "{} is empty", folder.display());
    target(&[]);
}

macro_rules! corpus {
    ($($name:ident)*) => {
        $(#[test] fn $name() { run(stringify!($name)); })*

        #[test]
        fn every_target_has_its_test_and_its_program() {
            let tested = [$(stringify!($name)),*];
            assert_eq!(TARGETS.map(|target| target.0)[..], tested[..]);
            let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets");
            let mut names: Vec<_> = fs::read_dir(programs).unwrap().map(|file| file.unwrap().path()).collect();
            names.sort();
            let names: Vec<_> = names.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
            assert_eq!(names[..], tested[..]);
        }
    };
}

corpus! {
    access_units amf0 chunks client codec_configs flv_file flv_tags http_head messages mpegts_demux rtcp rtp_packets rtp_payloads rtsp_session sdp
    session srt_connection srt_listener srt_packets timeline
}

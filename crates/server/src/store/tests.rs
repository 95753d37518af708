//! What is kept comes back, and what is not ours is refused.

use serde_json::json;

use super::*;

/// A directory that goes with its test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("rillcast-store-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    fn open(&self) -> anyhow::Result<(Store, Kept)> {
        Store::open(Some(&self.0))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn code(text: &str) -> Code {
    text.parse().expect(text)
}

#[tokio::test]
async fn what_was_committed_is_there_again() {
    let folder = Folder::new("again");
    let (store, kept) = folder.open().expect("a new one");
    assert_eq!(kept, Kept::default());
    assert!(store.persists());
    let document = json!({"stream_key": "k", "push": [{"url": "rtmp://h/a/b"}]});
    let writes = vec![
        Write::Stream(code("a/b"), Some(document.clone())),
        Write::Stream(code("c"), Some(json!({}))),
        Write::Stopped(code("c"), true),
        Write::Stopped(code("of-the-file"), true),
        Write::Settings(json!({"listeners": {"rtmp": {"port": 1}}})),
    ];
    store.commit(writes).await.expect("written");
    let writes = vec![Write::Stream(code("c"), None), Write::Stopped(code("c"), false)];
    store.commit(writes).await.expect("written");
    let error = folder.open().err().expect("one process at a time");
    let told = format!("{error:#}");
    assert!(told.contains(&folder.0.display().to_string()) && told.contains("another rillcast"), "{told}");
    drop(store);
    let (_, kept) = folder.open().expect("there");
    assert_eq!(kept.streams, BTreeMap::from([(code("a/b"), document)]));
    assert_eq!(kept.stopped, BTreeSet::from([code("of-the-file")]));
    assert_eq!(kept.settings["listeners"]["rtmp"]["port"], 1);
}

#[test]
fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new("mode");
    let _open = folder.open().expect("a new one");
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&folder.0), mode(&folder.0.join(FILE))), (0o700, 0o600));
}

#[test]
fn what_a_newer_version_wrote_is_refused() {
    let folder = Folder::new("newer");
    let (store, _) = folder.open().expect("a new one");
    let put = |record: Option<&[u8]>, format: u64| {
        let database = store.0.as_ref().expect("on disk");
        let begun = database.begin_write().expect("begun");
        begun.open_table(META).expect("a table").insert("format", format).expect("put");
        match record {
            Some(record) => {
                drop(begun.open_table(STREAMS).expect("a table").insert("a", record).expect("put"))
            }
            None => drop(begun.open_table(STREAMS).expect("a table").remove("a").expect("removed")),
        }
        begun.commit().expect("committed");
        read(database).map(|_| ()).map_err(|error| format!("{error:#}"))
    };
    assert_eq!(put(Some(br#"{"version": 1, "config": {}}"#), FORMAT), Ok(()));
    for (record, format, told) in [
        (Some(&br#"{"version": 2, "config": {}}"#[..]), FORMAT, "stream a: was written by another version"),
        (Some(b"rubbish"), FORMAT, "stream a: is no record of Rillcast"),
        (None, FORMAT + 1, "format 2, this one knows 1"),
    ] {
        let error = put(record, format).expect_err(told);
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn what_is_no_store_is_refused_and_left_alone() {
    let folder = Folder::new("other");
    std::fs::create_dir_all(&folder.0).expect("made");
    let path = folder.0.join(FILE);
    std::fs::write(&path, "somebody else's file").expect("written");
    let error = folder.open().err().expect("not ours");
    assert!(format!("{error:#}").contains("rillcast.redb cannot be read"), "{error:#}");
    assert_eq!(std::fs::read(&path).expect("there"), b"somebody else's file");
}

#[tokio::test]
async fn without_a_directory_nothing_is_kept() {
    let (store, kept) = Store::open(None).expect("nothing to open");
    assert!(!store.persists() && kept == Kept::default());
    store.commit(vec![Write::Stopped(code("a"), true)]).await.expect("nothing to do");
}

//! A ladder in the configuration, in the status and in the answers to players.

use crate::program::{Running, file, output, rillcast, run};

const CONFIG: &str = "streams:
  news:
    renditions: [{name: 720p, width: 1280, height: 720, bitrate_kbps: 3000}, {}]
  cam:
";

#[test]
fn the_status_and_the_paths_know_every_rendition() {
    let server = Running::start(&mut run(file("ladder.yaml", CONFIG)));
    let (_, body) = server.get_bytes("/api/v1/streams");
    let status: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    let [cam, news] = &status["streams"].as_array().expect("a list")[..] else { panic!("{status}") };
    assert_eq!(
        (&cam["state"], &cam["source"], &cam["tracks"]),
        (&"waiting".into(), &().into(), &serde_json::json!([]))
    );
    assert_eq!(cam["renditions"].as_array().map(Vec::len), Some(1));
    assert_eq!(cam["renditions"][0]["name"], "track_1");
    let rungs = &news["renditions"];
    assert_eq!((&rungs[0]["name"], &rungs[1]["name"]), (&"720p".into(), &"track_2".into()));
    assert_eq!((&rungs[0]["width"], &rungs[0]["bitrate_kbps"]), (&1280.into(), &3000.into()));
    assert_eq!((&rungs[1]["width"], &rungs[1]["state"]), (&().into(), &"waiting".into()));
    assert_eq!(rungs[0]["outputs"]["mpegts"], "/news@720p/mpegts");
    let answer = server.get("/news@1080p/mpegts");
    assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{answer}");
    assert!(answer.ends_with("stream news has no rendition \"1080p\"; it has 720p, track_2\n"), "{answer}");
}

#[test]
fn a_ladder_of_a_file_is_named_with_its_place() {
    let path = file(
        "ladder-of-a-file.yaml",
        "streams: {a: {inputs: [{url: 'file:///a.flv'}], renditions: [{}, {}]}}\n",
    );
    let (status, _, error) = output(&mut rillcast(&["check", "-c", path.to_str().expect("UTF-8")]));
    assert_eq!(status, Some(1));
    assert!(error.contains(":1:61: streams.a.renditions: an input of its own has one rendition"), "{error}");
}

#[test]
fn a_ladder_of_one_may_be_a_file_and_has_its_name() {
    let clip = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/demo.flv");
    let text = format!(
        "streams: {{a: {{inputs: [{{url: 'file://{clip}?loop=true'}}], renditions: [{{name: hd}}]}}}}\n"
    );
    let server = Running::start(&mut run(file("ladder-of-one.yaml", &text)));
    server.get_when_there("/a@hd/index.m3u8");
    assert!(server.get("/a@track_1/index.m3u8").starts_with("HTTP/1.1 404 "));
    let status = server.get("/api/v1/streams");
    assert!(status.contains("\"name\":\"hd\"") && status.contains("\"state\":\"live\""), "{status}");
}

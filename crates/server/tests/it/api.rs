//! Every call of the API, and every error.

use serde_json::{Value as Json, json};

use crate::client::{call, give, send};
use crate::encoder::{publish, publish_as};
use crate::program::{Running, file, rillcast, run};

fn actions(plan: &Json) -> Vec<&str> {
    plan["actions"]
        .as_array()
        .expect("a plan")
        .iter()
        .filter_map(|action| action["action"].as_str())
        .collect()
}

#[test]
fn a_stream_is_made_changed_and_removed_and_each_plan_is_what_is_then_done() {
    let path = file("api-life.yaml", "streams: {filed: }\n");
    let server = Running::start(&mut run(&path));
    let stream = "/v1/streams/region/news";
    let document = json!({"stream_key": "geheim", "protocols": {"dash": false},
        "push": [{"url": "rtmp://localhost:9/live/geheim", "comment": "x"}]});
    // The same call with `dry_run` before: the same plan, and nothing is done.
    let both = |method: &str, path: &str, document: Option<&Json>| {
        let ask = |path: &str| match document {
            Some(document) => give(&server, method, path, document),
            None => call(&server, method, path),
        };
        let before = call(&server, "GET", stream).body;
        let planned = ask(&format!("{path}?dry_run=true"));
        assert_eq!((planned.status, &planned.body["dry_run"]), (200, &true.into()), "{}", planned.body);
        assert_eq!(call(&server, "GET", stream).body, before, "nothing was done");
        let done = ask(path);
        assert_eq!(done.body["dry_run"], false, "{}", done.body);
        assert_eq!(planned.body["actions"], done.body["actions"]);
        done
    };
    let made = both("PUT", stream, Some(&document));
    assert_eq!((made.status, actions(&made.body)), (201, vec!["stream_starts"]));
    assert_eq!((&made.body["kept"], &made.body["stream"]), (&"memory".into(), &"region/news".into()));
    let got = call(&server, "GET", "/v1/streams/region%2Fnews");
    assert_eq!((got.status, got.header("etag")), (200, made.header("etag")));
    assert_eq!((&got.body["origin"], &got.body["config"]["stream_key"]), (&"api".into(), &"***".into()));
    assert_eq!(got.body["config"]["push"][0]["url"], "rtmp://localhost:9/live/***");

    // All of it sent back means that nothing changes, the secrets least of all.
    let same = both("PUT", stream, Some(&got.body["config"]));
    assert_eq!((same.status, actions(&same.body)), (200, vec![]));
    publish_as(&server, "region/news?key=geheim", "region/news", "track_1");
    let patched = both(
        "PATCH",
        stream,
        Some(&json!({"protocols": {"dash": true, "mpegts": false}, "stream_key": "***",
        "push": [{"url": "rtmp://localhost:9/live/***", "comment": "y"}, {"url": "rtmp://localhost:9/live/another"}]})),
    );
    assert_eq!(actions(&patched.body), ["output_stops", "output_starts", "push_starts", "push_noted"]);
    assert_eq!(patched.body["publishers"], 0);
    let sessions = call(&server, "GET", "/v1/streams/region/news/sessions?role=publisher&protocol=rtmp").body;
    assert_eq!((&sessions["total"], &sessions["sessions"][0]["stream"]), (&1.into(), &"region/news".into()));
    let patched = both("PATCH", stream, Some(&json!({"stream_key": null, "push": null, "protocols": null})));
    assert_eq!(actions(&patched.body), ["stream_key_changes", "output_starts", "push_stops", "push_stops"]);

    let stopped = both("POST", "/v1/streams/region/news/stop", None);
    assert_eq!((actions(&stopped.body), &stopped.body["publishers"]), (vec!["stream_stops"], &1.into()));
    let state = |state: &str| {
        assert_eq!(call(&server, "GET", "/v1/streams/region/news/runtime").body["state"], state)
    };
    state("stopped");
    assert_eq!(actions(&both("POST", "/v1/streams/region/news/stop", None).body), [""; 0]);
    assert_eq!(actions(&both("PATCH", stream, Some(&json!({"takeover": false}))).body), [""; 0]);
    state("stopped");
    assert_eq!(actions(&both("POST", "/v1/streams/region/news/start", None).body), ["stream_starts"]);
    state("waiting");
    assert_eq!(call(&server, "GET", stream).body["config"]["takeover"], false);
    let restarted = both("POST", "/v1/streams/filed/restart", None);
    assert_eq!(actions(&restarted.body), ["stream_stops", "stream_starts"]);
    let removed = both("DELETE", stream, None);
    assert_eq!((removed.status, actions(&removed.body)), (200, vec!["stream_stops"]));
    call(&server, "GET", stream).problem(404, "not-found");
    assert_eq!(server.codes(), ["filed"]);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let path = file("api-faults.yaml", "streams: {filed: }\n");
    let server = Running::start(&mut run(&path));
    let put = |document: Json| give(&server, "PUT", "/v1/streams/news", &document);
    let wrong = put(
        json!({"takeover": "yes", "protocols": {"hsl": true}, "stream_key": 7, "push": [{"url": "rtmp://h/a/k", "limit": -1}],
        "renditions": [{"name": "a"}, {"name": "a"}]}),
    );
    wrong.problem(422, "invalid");
    assert_eq!(
        wrong.places("pointer"),
        ["/protocols/hsl", "/push/0/limit", "/renditions/1/name", "/stream_key", "/takeover"]
    );
    let told = wrong.body["errors"][0]["detail"].as_str().expect("a sentence");
    assert!(told.contains("did you mean hls?"), "{told}");
    assert_eq!(put(json!({"stream_key": "***"})).places("pointer"), ["/stream_key"]);
    assert_eq!(put(json!([])).places("pointer"), [""]);
    assert_eq!(put(json!({})).status, 201);
    let patched = give(&server, "PATCH", "/v1/streams/news", &json!({"protocols": {"hsl": null}}));
    assert_eq!(patched.places("pointer"), ["/protocols/hsl"]);
    assert_eq!(call(&server, "DELETE", "/v1/streams/news").status, 200);
    assert_eq!(give(&server, "PUT", "/v1/streams/live/x", &json!({})).places("parameter"), ["code"]);

    let file =
        ["PUT", "PATCH", "DELETE"].map(|method| give(&server, method, "/v1/streams/filed", &json!({})));
    file.iter().for_each(|answer| assert!(answer.problem(409, "read-only").contains("configuration file")));
    assert_eq!(call(&server, "GET", "/v1/streams/filed").body["origin"], "file");
    for (method, path) in [
        ("GET", "/v1/streams/none"),
        ("PATCH", "/v1/streams/none"),
        ("DELETE", "/v1/streams/none"),
        ("POST", "/v1/streams/none/start"),
        ("GET", "/v1/streams/none/runtime"),
        ("GET", "/v1/streams/none/sessions"),
        ("GET", "/v1/sessions/999"),
        ("DELETE", "/v1/sessions/999"),
        ("GET", "/v1/nothing"),
        ("GET", "/v2"),
        ("GET", "/v1/"),
    ] {
        give(&server, method, path, &json!({})).problem(404, "not-found");
    }
    for (method, path, allowed) in [
        ("POST", "/v1/streams", "GET, HEAD"),
        ("GET", "/v1/streams/news/start", "POST"),
        ("POST", "/v1/streams/news", "GET, HEAD, PUT, PATCH, DELETE"),
        ("PUT", "/v1/config", "GET, HEAD, PATCH"),
        ("PUT", "/", "GET, HEAD"),
        ("PATCH", "/v1/sessions/1", "GET, HEAD, DELETE"),
        ("OPTIONS", "/v1/config/defaults", "GET, HEAD"),
    ] {
        let answer = call(&server, method, path);
        answer.problem(405, "method-not-allowed");
        assert_eq!(answer.header("allow"), allowed);
    }
    for path in [
        "/v1/streams?limit=0",
        "/v1/streams?limit=x",
        "/v1/streams?limt=1",
        "/v1/config?x=",
        "/v1/sessions?role=x",
        "/v1/sessions?limit=1001",
        "/v1/sessions/x",
        "/v1/streams//",
        "/v1/streams/%FF",
        "/v1/streams?limit=1&limit=1",
        "/v1/limits?x=1",
    ] {
        call(&server, "GET", path).problem(400, "malformed");
    }
    let news = "/v1/streams/news";
    let json = "Content-Type: application/json; charset=utf-8\r\n";
    for body in ["{", "", "{} {}", "{'a': 1}"] {
        send(&server, "PUT", news, json, body).problem(400, "malformed");
    }
    let deep = "[".repeat(100_000);
    send(&server, "PUT", news, json, &deep).problem(400, "malformed");
    send(&server, "PUT", news, json, &format!("\"{}\"", "x".repeat(256 << 10))).problem(413, "too-large");
    for (method, headers) in [
        ("PUT", ""),
        ("PUT", "Content-Type: text/plain\r\n"),
        ("PUT", "Content-Type: application/merge-patch+json\r\n"),
        ("PATCH", "Content-Type: application/yaml\r\n"),
    ] {
        let answer = send(&server, method, news, headers, "{}");
        answer.problem(415, "media-type");
        assert_eq!(answer.places("header"), ["Content-Type"]);
    }
    send(&server, "GET", "/v1/streams", "X-Forwarded-For: 192.0.2.1\r\n", "").problem(403, "forbidden");
    assert_eq!(server.codes(), ["filed"], "nothing of it was done");
}

#[test]
fn a_change_of_another_version_is_refused() {
    let server = Running::start(&mut rillcast(&["run"]));
    let put = |headers: &str, document: Json| {
        send(
            &server,
            "PUT",
            "/v1/streams/news",
            &format!("Content-Type: application/json\r\n{headers}"),
            &document.to_string(),
        )
    };
    put("If-Match: *\r\n", json!({})).problem(412, "changed-meanwhile");
    let made = put("If-None-Match: *\r\n", json!({}));
    assert_eq!(made.status, 201);
    put("If-None-Match: *\r\n", json!({})).problem(412, "changed-meanwhile");
    let first = made.header("etag");
    let second = put(&format!("If-Match: \"x\", {first}\r\n"), json!({"takeover": false})).header("etag");
    assert_ne!(first, second);
    for (method, path) in
        [("PUT", ""), ("PATCH", ""), ("PATCH", "?dry_run=true"), ("DELETE", ""), ("POST", "/stop")]
    {
        let headers = format!("Content-Type: application/json\r\nIf-Match: {first}\r\n");
        send(&server, method, &format!("/v1/streams/news{path}"), &headers, "{}")
            .problem(412, "changed-meanwhile");
    }
    let stopped = send(&server, "POST", "/v1/streams/news/stop", &format!("If-Match: {second}\r\n"), "");
    assert_eq!(stopped.status, 200);
    assert_ne!(stopped.header("etag"), second, "whether it is to run is part of the version");
}

#[test]
fn the_list_has_pages_and_who_came_by_itself() {
    let server = Running::start(&mut rillcast(&["run"]));
    for code in ["a/b", "a", "c-1", "z"] {
        assert_eq!(give(&server, "PUT", &format!("/v1/streams/{code}"), &json!({})).status, 201);
    }
    publish(&server, "guest", "track_1");
    let mut codes = Vec::new();
    let mut path = "/v1/streams?limit=2".to_owned();
    loop {
        let page = call(&server, "GET", &path).body;
        assert_eq!(page["total"], 5);
        codes.extend(
            page["streams"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|stream| stream["code"].as_str().expect("a code").to_owned()),
        );
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/streams?limit=2&after={next}");
    }
    assert_eq!(codes, ["a", "a/b", "c-1", "guest", "z"]);
    let guest = call(&server, "GET", "/v1/streams/guest").body;
    assert_eq!(
        (&guest["origin"], &guest["config"]["inputs"][0]["url"]),
        (&"publisher".into(), &"publish://".into())
    );

    let sessions = call(&server, "GET", "/v1/sessions").body;
    let id = sessions["sessions"][0]["id"].as_u64().expect("an id");
    let session = call(&server, "GET", &format!("/v1/sessions/{id}")).body;
    assert_eq!((&session["role"], &session["stream"]), (&"publisher".into(), &"guest".into()));
    for empty in [
        format!("/v1/sessions?after={id}"),
        "/v1/sessions?role=viewer".to_owned(),
        "/v1/sessions?stream=a".to_owned(),
    ] {
        assert_eq!(
            call(&server, "GET", &empty).body["total"].as_u64().map(|total| total.min(1)),
            Some(u64::from(empty.contains("after"))),
            "{empty}"
        );
    }
    // An encoder that is kicked is gone. Its stream becomes one of the API's.
    assert_eq!(call(&server, "DELETE", &format!("/v1/sessions/{id}")).status, 200);
    server.poll(|server| (call(server, "GET", &format!("/v1/sessions/{id}")).status == 404).then_some(()));
    assert_eq!(
        give(&server, "PUT", "/v1/streams/guest", &json!({"takeover": false})).body["actions"][0]["action"],
        "takeover_changes"
    );
    assert_eq!(call(&server, "GET", "/v1/streams/guest").body["origin"], "api");
}

#[test]
fn what_is_for_everybody_and_what_describes_itself() {
    let server = Running::start(&mut rillcast(&["demo"]));
    assert!(server.get("/readyz").ends_with("ready\n") && server.get("/healthz").ends_with("ok\n"));
    let page = server.get("/api/");
    assert!(page.contains("text/html") && page.contains("PUT /api/v1/streams/{code}"), "{page}");
    assert!(server.get("/assets/api.css").contains("text/css"));
    let document = call(&server, "GET", "/openapi.json").body;
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    let demo = call(&server, "GET", "/v1/streams/demo").body;
    assert_eq!(
        (&demo["origin"], &demo["config"]["inputs"][0]["url"]),
        (&"program".into(), &"demo://".into())
    );
    give(&server, "PUT", "/v1/streams/demo", &json!({})).problem(409, "read-only");
    let limits = call(&server, "GET", "/v1/limits").body;
    assert_eq!((&limits["connections"]["limit"], &limits["panics"]), (&20_000.into(), &0.into()));
    let head = call(&server, "HEAD", "/v1/streams/demo");
    assert!(head.status == 200 && head.body.is_null() && !head.header("etag").is_empty());
}

//! What the API made outlives the program.

use std::path::PathBuf;

use serde_json::{Value as Json, json};

use crate::client::{call, give};
use crate::program::{Running, file, output, path, run};

/// A directory that is not there yet, and a configuration that keeps its changes in it.
fn fresh(name: &str, more: &str) -> (PathBuf, PathBuf) {
    let data = path(&format!("store-{name}"));
    let _ = std::fs::remove_dir_all(&data);
    let config = file(&format!("store-{name}.yaml"), &format!("data_dir: '{}'\n{more}", data.display()));
    (config, data)
}

fn end(mut server: Running) {
    server.signal("-TERM");
    assert_eq!(server.child.wait().expect("ended").code(), Some(0));
}

#[test]
fn streams_their_secrets_and_whether_they_run_are_there_again() {
    let (config, data) = fresh("again", "streams: {filed: , other: }\n");
    let server = Running::start(&mut run(&config));
    let made = give(
        &server,
        "PUT",
        "/v1/streams/region/news",
        &json!({"stream_key": "geheim", "renditions": [{"name": "hd"}]}),
    );
    assert_eq!((made.status, &made.body["kept"]), (201, &"disk".into()));
    assert_eq!(give(&server, "PUT", "/v1/streams/gone", &json!({})).status, 201);
    assert_eq!(give(&server, "PATCH", "/v1/streams/region/news", &json!({"takeover": false})).status, 200);
    for (method, call_path) in [("POST", "region/news/stop"), ("POST", "filed/stop"), ("DELETE", "gone")] {
        assert_eq!(call(&server, method, &format!("/v1/streams/{call_path}")).status, 200);
    }
    let before = call(&server, "GET", "/v1/streams/region/news").body;

    let (status, _, stderr) = output(&mut run(&config));
    assert_eq!(status, Some(1));
    assert!(
        stderr.contains(&format!("data_dir {}: is used by another rillcast", data.display())),
        "{stderr}"
    );
    end(server);

    let mut server = Running::start(&mut run(&config));
    assert_eq!(server.codes(), ["filed", "other", "region/news"]);
    let after = call(&server, "GET", "/v1/streams/region/news").body;
    assert_eq!((&after, &after["stopped"]), (&before, &true.into()));
    let state = |server: &Running, code: &str| {
        call(server, "GET", &format!("/v1/streams/{code}/runtime")).body["state"].clone()
    };
    assert_eq!([state(&server, "filed"), state(&server, "other")], ["stopped", "waiting"]);
    // The file may be read again meanwhile: what was stopped stays so.
    std::fs::write(
        &config,
        format!("data_dir: '{}'\nstreams: {{filed: {{takeover: false}}, region/news: }}\n", data.display()),
    )
    .expect("written");
    server.signal("-HUP");
    let log = server.log_until("configuration applied").join("\n");
    assert!(log.contains("made by the API as well: the file counts"), "{log}");
    assert_eq!(server.codes(), ["filed", "region/news"]);
    assert_eq!(state(&server, "filed"), "stopped");
    assert_eq!(call(&server, "GET", "/v1/streams/region/news").body["origin"], "file");
    end(server);
    std::fs::write(&config, format!("data_dir: '{}'\n", data.display())).expect("written");
    let server = Running::start(&mut run(&config));
    let back = call(&server, "GET", "/v1/streams/region/news").body;
    assert_eq!((&back["origin"], &back["config"]["stream_key"]), (&"api".into(), &"***".into()));
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let (config, data) = fresh("unfit", "");
    std::fs::create_dir_all(&data).expect("made");
    std::fs::write(data.join("rillcast.redb"), "somebody else's").expect("written");
    let (status, _, stderr) = output(&mut run(&config));
    assert_eq!(status, Some(1));
    assert!(
        stderr.contains(&format!("data_dir {}: rillcast.redb cannot be read", data.display())),
        "{stderr}"
    );
}

/// How often the program is killed: 15 times, or what the variable says.
fn kills() -> u64 {
    std::env::var("CRASH_KILLS").ok().map_or(15, |kills| kills.parse().expect("a number"))
}

#[test]
fn no_acknowledged_change_is_lost_when_it_is_killed() {
    let (config, _) = fresh("killed", "");
    // What was acknowledged of each of these streams, and what was asked for last.
    let mut known: Vec<Option<u64>> = vec![None; 8];
    let mut asked = known.clone();
    let mut acknowledged = 0;
    for round in 0..kills() {
        let server = Running::start(&mut run(&config));
        let list = call(&server, "GET", "/v1/streams?limit=1000").body;
        let there: Vec<&str> = list["streams"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|stream| stream["code"].as_str())
            .collect();
        for (index, (known, asked)) in known.iter_mut().zip(&asked).enumerate() {
            let code = format!("s{index}");
            let stream = call(&server, "GET", &format!("/v1/streams/{code}")).body;
            let kept = stream["config"]["inputs"][0]["priority"].as_u64();
            assert!(
                kept == *known || kept == *asked,
                "round {round}: {code} is {kept:?}, acknowledged {known:?}, asked for {asked:?}"
            );
            assert_eq!(there.contains(&&*code), kept.is_some());
            *known = kept;
        }
        let pid = server.child.id();
        let killer = std::thread::spawn(move || {
            // Whenever: what matters is only that it is amid the changes.
            std::thread::sleep(std::time::Duration::from_millis(20 + round * 37 % 150));
            std::process::Command::new("kill")
                .args(["-KILL", &pid.to_string()])
                .status()
                .expect("kill is there");
        });
        for number in 0.. {
            let (index, value) = (number as usize % known.len(), round * 1_000_000 + number);
            asked[index] = if number % 5 == 4 { None } else { Some(value) };
            let Some(status) = change(&server, index, asked[index]) else { break };
            assert!(matches!(status, 200 | 201 | 404), "{status}");
            known[index] = asked[index];
            acknowledged += 1;
        }
        killer.join().expect("killed");
    }
    println!("{} kills, {acknowledged} changes acknowledged", kills());
    assert!(acknowledged > kills(), "{acknowledged}");
}

/// Makes a stream with a number in it, or removes it; none when the program is gone before it answers.
fn change(server: &Running, index: usize, value: Option<u64>) -> Option<u16> {
    use std::io::{Read as _, Write as _};
    let body = value.map_or_else(String::new, |value| {
        json!({"inputs": [{"url": "publish://", "priority": value}]}).to_string()
    });
    let method = if value.is_some() { "PUT" } else { "DELETE" };
    let request = format!(
        "{method} /api/v1/streams/s{index} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        server.authority,
        body.len()
    );
    let mut stream = std::net::TcpStream::connect(&server.authority).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    // What it sent before it was killed counts.
    let _ = stream.read_to_string(&mut answer);
    answer.split(' ').nth(1)?.parse().ok()
}

/// Measures 1,000 streams; `scripts/bench-api` runs it with a release build.
#[test]
#[ignore = "it measures, and proves nothing"]
fn a_thousand_streams_are_measured() {
    /// Nobody reads the log here, and a pipe holds little.
    const FEW: &str = "warn,rillcast::http=info";
    let (config, _) = fresh("thousand", "");
    let server = Running::start(run(&config).env("RILLCAST_LOG", FEW));
    let document = json!({"stream_key": "geheim", "push": [{"url": "rtmp://localhost:9/live/geheim"}]});
    for index in 0..1000 {
        assert_eq!(give(&server, "PUT", &format!("/v1/streams/region/s{index}"), &document).status, 201);
    }
    end(server);
    let begun = std::time::Instant::now();
    let server = Running::start(run(&config).env("RILLCAST_LOG", FEW));
    println!("start: {:?}", begun.elapsed());
    assert_eq!(call(&server, "GET", "/v1/streams?limit=1000").body["total"], 1000);
    let measure = |name: &str, mut ask: Box<dyn FnMut(usize)>| {
        let mut times: Vec<_> = (0..500)
            .map(|index| {
                let begun = std::time::Instant::now();
                ask(index);
                begun.elapsed()
            })
            .collect();
        times.sort();
        println!("{name}: median {:?}, p99 {:?}, worst {:?}", times[250], times[495], times[499]);
    };
    let server = std::rc::Rc::new(server);
    let with = |ask: fn(&Running, usize) -> Json| {
        let server = std::rc::Rc::clone(&server);
        Box::new(move |index| drop(ask(&server, index))) as Box<dyn FnMut(usize)>
    };
    measure("list of 100", with(|server, _| call(server, "GET", "/v1/streams").body));
    measure("list of 1000", with(|server, _| call(server, "GET", "/v1/streams?limit=1000").body));
    measure("get", with(|server, index| call(server, "GET", &format!("/v1/streams/region/s{index}")).body));
    measure(
        "change",
        with(|server, index| {
            give(
                server,
                "PATCH",
                &format!("/v1/streams/region/s{index}"),
                &json!({"takeover": index % 2 == 0}),
            )
            .body
        }),
    );
}

//! Tokens of the API, as their users have them.

use crate::program::{Running, file, output, rillcast, run};

/// A token and its line for the file, as `rillcast token` prints them.
pub(crate) fn token(name: &str, role: &str) -> (String, String) {
    let (status, stdout, stderr) = output(&mut rillcast(&["token", "--name", name, "--role", role]));
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    let line = |begin: &str| {
        let found = stdout.lines().find_map(|line| line.trim().strip_prefix(begin));
        found.unwrap_or_else(|| panic!("{begin} in {stdout}")).to_owned()
    };
    (format!("rillcast_{}", line("rillcast_")), line("- "))
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

#[test]
fn who_has_a_token_may_do_what_it_is_for_and_the_log_has_none() {
    let [(admin, admin_line), (viewer, viewer_line), (old, old_line)] =
        [token("ops", "admin"), token("grafana", "viewer"), token("old", "admin")];
    let config = |lines: [&str; 2], more: &str| {
        let [one, other] = lines;
        format!("api:\n  tokens:\n    - {one}\n    - {other}\n{more}streams: {{news: }}\n")
    };
    let path = file("auth-tokens.yaml", &config([&old_line, &viewer_line], ""));
    let mut server = Running::start(&mut run(&path));
    let status = |server: &Running, method: &str, path: &str, headers: &str| {
        let (head, body) = server.ask(method, path, headers);
        (head.split(' ').nth(1).expect("a status").to_owned(), head, String::from_utf8(body).expect("UTF-8"))
    };
    let call = "/api/v1/streams";
    let (code, head, _) = status(&server, "GET", call, "");
    assert!(code == "401" && head.contains("www-authenticate: Bearer realm=\"rillcast\"\r\n"), "{head}");
    let (code, head, body) = status(&server, "GET", call, &bearer("rillcast_geheim"));
    assert!(code == "401" && head.contains("error=\"invalid_token\""), "{head}");
    assert!(!body.contains("geheim"), "{body}");
    // A token is enough from anywhere, by whatever name.
    let elsewhere = format!("Host: tv.example\r\nX-Forwarded-For: 192.0.2.9\r\n{}", bearer(&viewer));
    let (code, head, body) = status(&server, "GET", call, &elsewhere);
    assert!(code == "200" && body.contains("\"code\":\"news\""), "{head}{body}");
    let (code, head, _) = status(&server, "DELETE", call, &bearer(&viewer));
    assert!(code == "403" && head.contains("error=\"insufficient_scope\""), "{head}");
    assert_eq!(status(&server, "POST", call, &bearer(&old)).0, "405", "an admin gets as far as the call");
    // The page has nothing to hide; what it shows it asks for with a token. Media need none.
    assert_eq!(status(&server, "GET", "/", "Host: tv.example\r\n").0, "200");
    assert_eq!(status(&server, "GET", "/assets/api.js", "").0, "200");
    assert_eq!(status(&server, "GET", "/news/time", "").0, "200");

    // Another token, and this machine without one.
    std::fs::write(&path, config([&admin_line, &viewer_line], "  loopback_without_token: true\n"))
        .expect("written");
    server.signal("-HUP");
    let log = server.log_until("configuration applied").join("\n");
    assert!(log.contains("settings_left=0"), "{log}");
    assert!(log.contains("refused: the API, for a token that is none of ours"), "{log}");
    assert_eq!(status(&server, "GET", call, &bearer(&old)).0, "401", "it was taken out of the file");
    assert_eq!(status(&server, "POST", call, &bearer(&admin)).0, "405");
    assert_eq!(status(&server, "GET", call, "").0, "200");
    assert_eq!(
        status(&server, "GET", call, "X-Forwarded-For: 127.0.0.1\r\n").0,
        "401",
        "a proxy is not this machine"
    );
    assert_eq!(status(&server, "GET", call, "Origin: http://tv.example\r\n").0, "401");

    server.signal("-TERM");
    let log = log + &server.log_until("stopped").join("\n");
    for secret in [&admin, &viewer, &old, "geheim"] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[test]
fn a_check_names_who_has_a_token_and_what_is_wrong_with_one_is_told_without_it() {
    let (token, line) = token("ops", "viewer");
    let (status, stdout, _) = output(
        rillcast(&["check", "-c"]).arg(file("auth-good.yaml", &format!("api:\n  tokens:\n    - {line}\n"))),
    );
    assert!(status == Some(0) && stdout.contains("API       with the token of ops (viewer)\n"), "{stdout}");
    let wrong = format!("api: {{tokens: [{{name: a, role: root, hash: {token}}}, {{name: b}}]}}\n");
    let path = file("auth-bad.yaml", &wrong);
    let (status, _, stderr) = output(rillcast(&["check", "-c"]).arg(&path));
    assert_eq!(status, Some(1));
    for part in [
        "api.tokens[0].role: root is not allowed; allowed: admin, viewer",
        "api.tokens[0].hash: *** is not allowed; allowed: \"sha256:\" and 64",
        "api.tokens[1]: a token needs a name, a hash and a role",
    ] {
        assert!(stderr.contains(part), "{part} in {stderr}");
    }
    assert!(!stderr.contains(&token), "{stderr}");
}

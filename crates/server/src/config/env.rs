//! Overrides from the environment: `RILLCAST_<PATH>` sets the setting at that path, `RILLCAST_HTTP_LISTEN` for
//! `http.listen`.

use std::ffi::OsString;

use super::fault::{Fault, Place};
use super::read::{Notes, closest};
use super::tree::{Entry, Node, Value};

/// What every variable of ours begins with.
const PREFIX: &str = "RILLCAST_";
/// Variables that are no settings of the file.
const OTHERS: [&str; 2] = [crate::log::FILTER, crate::log::FORMAT];
/// Settings that a variable can set. Streams have free names and stay in the file.
pub(super) const SETTINGS: [&[&str]; 53] = [
    &["data_dir"],
    &["http", "listen"],
    &["api", "loopback_without_token"],
    &["tls", "cert"],
    &["tls", "key"],
    &["listeners", "rtmp", "enabled"],
    &["listeners", "rtmp", "listen_host"],
    &["listeners", "rtmp", "port"],
    &["listeners", "rtmps", "enabled"],
    &["listeners", "rtmps", "listen_host"],
    &["listeners", "rtmps", "port"],
    &["listeners", "rtsp", "enabled"],
    &["listeners", "rtsp", "listen_host"],
    &["listeners", "rtsp", "port"],
    &["listeners", "rtsp", "udp_ports"],
    &["listeners", "rtsps", "enabled"],
    &["listeners", "rtsps", "listen_host"],
    &["listeners", "rtsps", "port"],
    &["listeners", "srt", "enabled"],
    &["listeners", "srt", "listen_host"],
    &["listeners", "srt", "port"],
    &["listeners", "srt", "latency_ms"],
    &["listeners", "srt", "passphrase"],
    &["publisher", "hls", "dir"],
    &["publisher", "hls", "live_segment_sec"],
    &["publisher", "hls", "live_window"],
    &["publisher", "hls", "live_history"],
    &["publisher", "hls", "live_ephemeral"],
    &["publisher", "hls", "segment_type"],
    &["publisher", "dash", "dir"],
    &["publisher", "dash", "live_segment_sec"],
    &["publisher", "dash", "live_window"],
    &["publisher", "dash", "live_history"],
    &["publisher", "dash", "live_ephemeral"],
    &["publisher", "kick_sec"],
    &["trusted_proxies"],
    &["fan_out", "workers"],
    &["fan_out", "merge_window_ms"],
    &["fan_out", "sound_at_once"],
    &["fan_out", "slow_viewer_timeout_sec"],
    &["limits", "handshake_timeout_sec"],
    &["limits", "connections"],
    &["limits", "connections_per_address"],
    &["limits", "request_head_bytes"],
    &["limits", "publishers_in_handshake"],
    &["limits", "viewers_per_stream"],
    &["limits", "viewer_queue_bytes"],
    &["limits", "rtmp_message_bytes"],
    &["limits", "rtmp_pending_bytes"],
    &["limits", "rtmp_chunk_streams"],
    &["limits", "amf_bytes"],
    &["limits", "amf_depth"],
    &["limits", "amf_values"],
];

/// The variable that sets a path.
pub(crate) fn variable(path: &[&str]) -> String {
    format!("{PREFIX}{}", path.join("_").to_ascii_uppercase())
}

/// Puts the variables of ours over the tree of the file. An empty variable sets nothing.
pub(crate) fn overlay(root: &mut Node, variables: impl Iterator<Item = (OsString, OsString)>, notes: &Notes) {
    let known: Vec<(String, &[&str])> = SETTINGS.iter().map(|path| (variable(path), *path)).collect();
    for (name, value) in variables {
        let name = name.to_string_lossy().into_owned();
        if !name.starts_with(PREFIX) || OTHERS.contains(&name.as_str()) {
            continue;
        }
        match known.iter().find(|(variable, _)| *variable == name) {
            Some((_, path)) => {
                let place = Place::Variable(name);
                match value.into_string() {
                    Ok(text) if text.is_empty() => {}
                    Ok(text) => put(root, path, node(path, text, &place)),
                    Err(_) => notes.add(Fault::new(place, "the value is not valid UTF-8")),
                }
            }
            None => notes.add(unknown(name, &known)),
        }
    }
}

fn unknown(name: String, known: &[(String, &[&str])]) -> Fault {
    let names = known.iter().map(|(name, _)| name.as_str()).chain(OTHERS);
    // Without the prefix, which would make everything of ours look alike.
    let names: Vec<&str> = names.filter_map(|name| name.strip_prefix(PREFIX)).collect();
    let problem = match closest(name.trim_start_matches(PREFIX), &names) {
        Some(known) => format!("unknown variable; did you mean {PREFIX}{known}?"),
        None => format!(
            "unknown variable; allowed: {PREFIX} with the path of a setting, as {} for http.listen (streams are set in the file)",
            variable(&["http", "listen"])
        ),
    };
    Fault::new(Place::Variable(name), problem)
}

/// A list of addresses is written with commas; everything else is one value.
fn node(path: &[&str], text: String, place: &Place) -> Node {
    let scalar = |text: &str| Node {
        place: place.clone(),
        value: Value::Scalar { text: text.trim().to_owned(), quoted: false },
    };
    if path == ["http", "listen"] && text.contains(',') {
        return Node { place: place.clone(), value: Value::List(text.split(',').map(scalar).collect()) };
    }
    scalar(&text)
}

/// Sets the value at a path and makes the mappings on the way. A value of another kind on the way stays, and is
/// refused when it is read.
fn put(root: &mut Node, path: &[&str], new: Node) {
    let Some((key, rest)) = path.split_first() else {
        *root = new;
        return;
    };
    if root.value == Value::Null {
        root.value = Value::Map(Vec::new());
    }
    let Value::Map(entries) = &mut root.value else { return };
    let index = entries.iter().position(|entry| entry.key == *key).unwrap_or_else(|| {
        let node = Node { place: new.place.clone(), value: Value::Null };
        entries.push(Entry { key: (*key).to_owned(), place: new.place.clone(), node });
        entries.len() - 1
    });
    put(&mut entries[index].node, rest, new);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree;

    fn overlaid(file: &str, variables: &[(&str, &str)]) -> (Node, Vec<String>) {
        let mut root = tree::parse(file).expect("valid YAML");
        let notes = Notes::default();
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        overlay(&mut root, variables, &notes);
        (root, notes.into_sorted().iter().map(|fault| fault.located("file")).collect())
    }

    #[test]
    fn a_variable_replaces_or_adds_a_setting_and_leaves_the_rest() {
        let (root, faults) = overlaid(
            "http: {listen: ':1'}\nlisteners: {rtmp: {port: 1, enabled: true}}\n",
            &[
                ("RILLCAST_LISTENERS_RTMP_PORT", "2"),
                ("RILLCAST_DATA_DIR", "/d"),
                ("RILLCAST_HTTP_LISTEN", ""),
                ("PATH", "x"),
            ],
        );
        assert_eq!(faults, Vec::<String>::new());
        let shown = format!("{root:?}");
        for part in [
            "\":1\"",
            "Variable(\"RILLCAST_LISTENERS_RTMP_PORT\"), value: Scalar { text: \"2\"",
            "text: \"/d\"",
            "enabled",
        ] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
    }

    #[test]
    fn unknown_variables_are_named() {
        let (_, faults) = overlaid(
            "",
            &[("RILLCAST_HTTP_LISTN", "1"), ("RILLCAST_STREAMS_A_KEY", "1"), ("RILLCAST_LOG", "x")],
        );
        assert_eq!(
            faults,
            [
                "RILLCAST_HTTP_LISTN: unknown variable; did you mean RILLCAST_HTTP_LISTEN?",
                "RILLCAST_STREAMS_A_KEY: unknown variable; allowed: RILLCAST_ with the path of a setting, as \
                 RILLCAST_HTTP_LISTEN for http.listen (streams are set in the file)",
            ]
        );
    }
}

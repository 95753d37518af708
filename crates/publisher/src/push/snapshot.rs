//! What is shown of push destinations: the contract's types, as JSON.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use media::Timestamp;
use serde::{Serialize, Serializer};

use super::reason::Reason;

/// Where a destination stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PushStatus {
    /// Before the first attempt and during it, and while media is waited for.
    Starting,
    /// The peer has accepted the publication, and its system acknowledges what is sent.
    Active,
    /// The last connection ended, or could not be made; the next attempt is due or under way.
    Reconnecting,
    /// Given up: after as many failed attempts as `limit` says, or because the URL cannot be pushed to. It stays so until
    /// the destination is changed or removed.
    Failed,
}

/// Something that went wrong.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ErrorEntry {
    /// For people; never with the stream key in it.
    pub message: String,
    /// When.
    #[serde(serialize_with = "time")]
    pub at: SystemTime,
}

/// One destination as it was at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PushSnapshot {
    /// Tells it from all others of this process, also where two have one URL.
    pub id: u64,
    /// The URL with the stream key, the query and the credentials masked.
    pub url: String,
    /// Where it stands.
    pub status: PushStatus,
    /// The attempt under way or last made; 0 before the first.
    pub attempt: u32,
    /// Since when the peer takes media, while it is active.
    #[serde(serialize_with = "maybe_time", skip_serializing_if = "Option::is_none")]
    pub connected_at: Option<SystemTime>,
    /// The last errors, oldest first, five at most. Being active does not wipe them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ErrorEntry>,
    /// The kind of the last error, until it is active again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// When the next attempt will be made.
    #[serde(serialize_with = "maybe_time", skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<SystemTime>,
    /// The rung that is pushed, while it is connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rendition: Option<String>,
    /// From the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Bytes that the systems of its peers have acknowledged, over all connections.
    pub bytes_sent: u64,
    /// What the peer takes, over the last seconds.
    pub bits_per_second: u64,
    /// GOPs that it did not get whole because the peer was too slow, over all connections.
    pub skipped_gops: u64,
    /// Age of the oldest media that the peer has not acknowledged yet, in milliseconds.
    pub queue_delay_ms: u64,
    /// Since when there is no media to send, while it is connected.
    #[serde(serialize_with = "maybe_time", skip_serializing_if = "Option::is_none")]
    pub idle_since: Option<SystemTime>,
    /// What the peer has acknowledged by RTMP, in bytes modulo 2³². Many servers never do: it is shown and nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtmp_acknowledged: Option<u32>,
    /// Tracks that this peer does not get, as sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// All destinations of a stream as they were at one moment: a copy.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct RuntimeStatus {
    /// By URL, as shown, then by id.
    pub pushes: Vec<PushSnapshot>,
}

/// RFC 3339, in UTC to the millisecond.
fn time<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let unix = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    serializer.serialize_str(&packager::utc(Timestamp::from_duration(unix)))
}

fn maybe_time<S: Serializer>(maybe: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    match maybe {
        Some(at) => time(at, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> PushSnapshot {
        PushSnapshot {
            id: 7,
            url: "rtmp://host/live/***".to_owned(),
            status: PushStatus::Starting,
            attempt: 0,
            connected_at: None,
            errors: Vec::new(),
            reason: None,
            next_attempt_at: None,
            rendition: None,
            comment: None,
            bytes_sent: 0,
            bits_per_second: 0,
            skipped_gops: 0,
            queue_delay_ms: 0,
            idle_since: None,
            rtmp_acknowledged: None,
            warnings: Vec::new(),
        }
    }

    #[test]
    fn the_json_is_that_of_the_contract() {
        let json = serde_json::to_value(RuntimeStatus { pushes: vec![snapshot()] }).expect("JSON");
        let expected = serde_json::json!({"pushes": [{
            "id": 7, "url": "rtmp://host/live/***", "status": "starting", "attempt": 0,
            "bytes_sent": 0, "bits_per_second": 0, "skipped_gops": 0, "queue_delay_ms": 0,
        }]});
        assert_eq!(json, expected, "connected_at and errors are left out where there are none");
        let at = UNIX_EPOCH + Duration::from_millis(1_234_567_890_123);
        let errors = vec![ErrorEntry { message: "no".to_owned(), at }];
        let full =
            PushSnapshot { connected_at: Some(at), errors, reason: Some(Reason::NoAnswer), ..snapshot() };
        let json = serde_json::to_value(full).expect("JSON");
        assert_eq!(json["connected_at"], "2009-02-13T23:31:30.123Z");
        assert_eq!(json["errors"], serde_json::json!([{"message": "no", "at": "2009-02-13T23:31:30.123Z"}]));
        assert_eq!(json["reason"], "no_answer");
    }

    #[test]
    fn the_states_have_the_names_of_the_contract() {
        let states = [PushStatus::Starting, PushStatus::Active, PushStatus::Reconnecting, PushStatus::Failed];
        let names = serde_json::to_value(states).expect("JSON");
        assert_eq!(names, serde_json::json!(["starting", "active", "reconnecting", "failed"]));
    }
}

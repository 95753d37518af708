//! A player of live HLS (RFC 8216): polls the playlist and takes what is new.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Agent, Kind, Next, Tally};

/// Shortest time between two looks at a playlist.
const POLL: Duration = Duration::from_millis(200);

/// One player. It starts at the newest segment.
pub(super) struct Player {
    /// Path of the playlist: of the multivariant one until it was read.
    playlist: String,
    segments: VecDeque<String>,
    /// Number of the newest segment that was listed; none before the first playlist.
    newest: Option<u64>,
    target_duration: Duration,
    /// When the playlist is asked for again; none before the first time.
    due: Option<Instant>,
}

impl Player {
    pub(super) fn new(playlist: String) -> Self {
        Self { playlist, segments: VecDeque::new(), newest: None, target_duration: Duration::ZERO, due: None }
    }

    /// RFC 8216 6.3.4: half a target duration where nothing is new.
    fn poll_later(&mut self, now: Instant) {
        self.due = Some(now + (self.target_duration / 2).max(POLL));
    }

    fn read(&mut self, text: &str, now: Instant, tally: &mut Tally) {
        let mut uris = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        if text.contains("#EXT-X-STREAM-INF") {
            if let Some(uri) = uris.next() {
                self.playlist = resolve(&self.playlist, uri);
            }
            return;
        }
        self.target_duration =
            Duration::from_secs(tag(text, "#EXT-X-TARGETDURATION:").unwrap_or(2).min(3600));
        let first = tag(text, "#EXT-X-MEDIA-SEQUENCE:").unwrap_or(0);
        let uris: Vec<&str> = uris.collect();
        let end = first + uris.len() as u64;
        // The next one that this player wants.
        let wanted = self.newest.map_or_else(|| end.saturating_sub(1), |newest| newest + 1);
        tally.gaps += first.saturating_sub(wanted);
        let skip = wanted.saturating_sub(first);
        self.segments.extend(uris.iter().skip(skip as usize).map(|uri| resolve(&self.playlist, uri)));
        self.newest = self.newest.max(end.checked_sub(1));
        if self.segments.is_empty() {
            self.poll_later(now);
        }
    }
}

impl Agent for Player {
    fn next(&mut self, now: Instant) -> Next {
        match (self.segments.front(), self.due) {
            (Some(segment), _) => Next::Get(Kind::Segment, segment.clone()),
            (None, Some(due)) if due > now => Next::Wait(due),
            (None, _) => Next::Get(Kind::Playlist, self.playlist.clone()),
        }
    }

    fn done(&mut self, body: &[u8], took: Duration, now: Instant, tally: &mut Tally) {
        if self.segments.pop_front().is_none() {
            self.read(&String::from_utf8_lossy(body), now, tally);
            return;
        }
        tally.late += u64::from(took > self.target_duration);
        if self.segments.is_empty() {
            self.poll_later(now);
        }
    }
}

/// The number behind a tag.
fn tag(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

/// The path that a playlist's URI stands for. The server is always the playlist's own.
fn resolve(playlist: &str, uri: &str) -> String {
    if uri.starts_with('/') {
        return uri.to_owned();
    }
    if let Some((_, rest)) = uri.split_once("://") {
        return rest.find('/').map_or("/", |slash| &rest[slash..]).to_owned();
    }
    let path = playlist.split('?').next().unwrap_or_default();
    let folder = path.rfind('/').map_or("/", |slash| &path[..=slash]);
    format!("{folder}{uri}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(first: u64, count: u64) -> String {
        let segments: String =
            (first..first + count).map(|number| format!("#EXTINF:2.0,\ns{number}.ts\n")).collect();
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n{segments}")
    }

    #[test]
    fn a_player_follows_the_playlist() {
        let now = Instant::now();
        let mut tally = Tally::default();
        let mut player = Player::new("/x/index.m3u8".into());
        let mut done = |player: &mut Player, body: &str| {
            player.done(body.as_bytes(), Duration::from_secs(1), now, &mut tally)
        };
        assert_eq!(player.next(now), Next::Get(Kind::Playlist, "/x/index.m3u8".into()));
        done(&mut player, "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv/main.m3u8\n");
        assert_eq!(player.next(now), Next::Get(Kind::Playlist, "/x/v/main.m3u8".into()));
        done(&mut player, &media(10, 3));
        assert_eq!(player.next(now), Next::Get(Kind::Segment, "/x/v/s12.ts".into()), "the newest first");
        done(&mut player, "");
        let later = now + Duration::from_secs(1);
        assert_eq!(player.next(now), Next::Wait(later));
        assert_eq!(player.next(later), Next::Get(Kind::Playlist, "/x/v/main.m3u8".into()));
        done(&mut player, &media(11, 2));
        assert_eq!(player.next(now), Next::Wait(later), "nothing new");
        done(&mut player, &media(15, 2));
        assert_eq!(player.next(now), Next::Get(Kind::Segment, "/x/v/s15.ts".into()));
        player.done(b"", Duration::from_secs(3), now, &mut tally);
        assert_eq!((tally.gaps, tally.late), (2, 1));
    }

    #[test]
    fn uris_are_resolved() {
        assert_eq!(resolve("/a/b.m3u8?t=1/2", "c.ts?k"), "/a/c.ts?k");
        assert_eq!(resolve("/b.m3u8", "c.ts"), "/c.ts");
        assert_eq!(resolve("/a/b.m3u8", "/c.ts"), "/c.ts");
        assert_eq!(resolve("/a/b.m3u8", "http://127.0.0.1:80/d/c.ts"), "/d/c.ts");
    }
}

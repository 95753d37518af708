//! `play_auth` and `play_auth_keys`, of the whole and of one stream.

use publisher::config::{PlayAuth, Secret};

use super::read::{Item, Section};

/// Keys at most: each token is checked with all of them.
const MOST: usize = 16;

/// Reads both keys of a section. `has_keys`: there are some where this section has none.
pub(super) fn play_auth(section: &mut Section<'_>, has_keys: bool) -> PlayAuth {
    let item = section.item("play_auth");
    let needs_token = item.as_ref().and_then(|item| {
        item.read("token, none", |text| match text {
            "token" => Some(true),
            "none" => Some(false),
            _ => None,
        })
    });
    let keys = section.item("play_auth_keys").map(|item| keys(&item)).unwrap_or_default();
    if let (Some(item), Some(true), true, false) = (item, needs_token, keys.is_empty(), has_keys) {
        item.wrong("tokens are made with a key; give one or several as play_auth_keys");
    }
    PlayAuth { needs_token, keys }
}

fn keys(item: &Item<'_>) -> Vec<Secret> {
    let items = item.list();
    if items.len() > MOST {
        item.wrong(&format!("{} keys, at most {MOST} are allowed", items.len()));
    }
    let key = |item: &Item<'_>| {
        item.read("16 to 256 characters, as `openssl rand -hex 32` makes them", |text| {
            (16..=256).contains(&text.chars().count()).then(|| Secret::new(text))
        })
    };
    items.iter().filter_map(key).collect()
}

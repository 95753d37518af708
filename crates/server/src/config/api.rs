//! The section `api`: who may use it.

use crate::auth::{Hash, Role, Settings, Token};

use super::read::{Item, Section};

/// Tokens at most: each request is compared with all of them.
const MOST: usize = 256;

/// Reads `api`.
pub(super) fn api(mut section: Section<'_>) -> Settings {
    let tokens = section.item("tokens").map(|item| tokens(&item)).unwrap_or_default();
    let loopback = section.item("loopback_without_token").and_then(|item| item.flag());
    section.close();
    Settings { tokens, loopback_without_token: loopback.unwrap_or(false) }
}

fn tokens(item: &Item<'_>) -> Vec<Token> {
    let items = item.list();
    if items.len() > MOST {
        item.wrong(&format!("{} tokens, at most {MOST} are allowed", items.len()));
    }
    let mut tokens: Vec<Token> = Vec::new();
    for item in items {
        let Some(token) = token(item.clone()) else { continue };
        match tokens.iter().any(|other| other.name == token.name) {
            true => item.wrong("another token has this name"),
            false => tokens.push(token),
        }
    }
    tokens
}

fn token(item: Item<'_>) -> Option<Token> {
    let whole = item.clone();
    let mut section = item.section();
    let name = section.item("name").map(|item| item.text().map(str::to_owned));
    let hash = section.item("hash").map(|item| {
        item.read("\"sha256:\" and 64 hexadecimal digits, as `rillcast token` prints it", Hash::parse)
    });
    let role = section.item("role").map(|item| item.read("admin, viewer", Role::parse));
    section.close();
    let (Some(name), Some(hash), Some(role)) = (name, hash, role) else {
        whole.wrong("a token needs a name, a hash and a role; `rillcast token` makes one");
        return None;
    };
    Some(Token { name: name?, hash: hash?, role: role? })
}

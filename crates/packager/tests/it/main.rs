//! The packager as its users see it: entries in, segments and playlists out.

mod carrier;
mod ladders;
mod manifests;
mod playlists;
mod rules;
mod source;

//! The packager as its users see it: entries in, segments and playlists out.

mod boxes;
mod breaks;
mod carrier;
mod cmaf;
mod dash_player;
mod hls_player;
mod ladders;
mod made;
mod manifests;
mod mpd;
mod playlists;
mod rtp;
mod rules;
mod rules_of_ladders;
mod source;
mod stage;
mod store;

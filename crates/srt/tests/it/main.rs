//! Two ends and the network between them, in virtual time.

mod handshakes;
mod link;
mod losses;

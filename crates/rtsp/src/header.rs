//! Headers with a grammar of their own (RFC 2326 12).

mod transport;

pub use transport::{Lower, Profile, Transport};

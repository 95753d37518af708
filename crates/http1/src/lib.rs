//! Heads of HTTP/1.1 messages (RFC 9112), for connections whose bodies are sent past any HTTP library: requests are
//! decoded, answers encoded. Sans-IO.
//!
//! Bodies of requests are not read here. A request that has one is told by [`Head::has_body`] and is to be given to
//! whoever can read it, for what follows its head is not the next request.

mod request;
mod response;

pub use request::{Error, Head, Limits, decode};
pub use response::{CHUNKED_END, ChunkHead, Framing, chunk_head, encode};

//! What the machine itself can do: limits that no server with plain sockets passes.

pub(crate) mod memory;
pub(crate) mod serve;
pub(crate) mod udp;

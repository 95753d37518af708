//! Integration tests: viewers at the other end of real sockets.

mod serve;
mod slow;
mod world;

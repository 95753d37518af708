//! Integration tests: viewers at the other end of real sockets.

mod aside;
mod serve;
mod slow;
mod world;

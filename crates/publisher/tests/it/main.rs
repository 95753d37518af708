//! The service as its callers see it, on real sockets and real media.

extern crate rillcast_publisher as publisher;

mod contract;
mod hls;
mod rtmp;
mod world;

//! The service as its callers see it, on real sockets and real media.

mod contract;
mod hls;
mod rtmp;
mod world;

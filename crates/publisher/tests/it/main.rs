//! The service as its callers see it, on real sockets and real media.

extern crate rillcast_publisher as publisher;

mod certificates;
mod change;
mod contract;
mod dash;
mod encoder;
mod events;
mod hls;
mod ladder;
mod peer;
mod play;
mod player;
mod prover;
mod push;
mod push_life;
mod pushing;
mod restart;
mod rtmp;
mod rtmps;
mod rtsp_client;
mod rtsp_encoder;
mod rtsp_play;
mod rtsp_publish;
mod sessions;
mod srt_client;
mod srt_input;
mod srt_play;
mod srt_publish;
mod transport_stream;
mod witness;
mod world;

//! RTP as its users see it.

mod descriptions;
mod round_trip;

//! RTMP publishers over real sockets, from recordings of real encoders.

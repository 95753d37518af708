//! RTSP 1.0 (RFC 2326), the server's side: messages, descriptions (SDP, RFC 8866), proof of identity (RFC 7616), and the
//! session of one connection. Sans-IO.

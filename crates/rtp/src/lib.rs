//! RTP (RFC 3550) and what it carries: packets, reports, reception over networks that lose and reorder, and the payload
//! formats of the codecs, both ways. Sans-IO.

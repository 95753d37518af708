//! Boxes and full boxes (ISO/IEC 14496-12 4.2), written one inside the other into one buffer.

use bytes::BufMut;

/// Bytes of a box header with a 32-bit size.
pub(crate) const HEADER: usize = 8;

/// Writes a box around what `body` writes.
pub(crate) fn put(out: &mut Vec<u8>, kind: &[u8; 4], body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.put_u32(0);
    out.put_slice(kind);
    body(out);
    // All that is written here has to fit into memory beside its media, and no header of 4 GiB does.
    let size = (out.len() - start) as u32;
    out[start..start + 4].copy_from_slice(&size.to_be_bytes());
}

/// Writes a full box, `flags` having 24 bits, around what `body` writes.
pub(crate) fn put_full(
    out: &mut Vec<u8>,
    kind: &[u8; 4],
    version: u8,
    flags: u32,
    body: impl FnOnce(&mut Vec<u8>),
) {
    put(out, kind, |out| {
        out.put_u32(u32::from(version) << 24 | flags);
        body(out);
    });
}

/// Writes a box of these bytes.
pub(crate) fn put_bytes(out: &mut Vec<u8>, kind: &[u8; 4], body: &[u8]) {
    put(out, kind, |out| out.put_slice(body));
}

/// Writes `ftyp` or `styp` (4.3, 8.16.2): the first brand is the major one, its version is 0.
pub(crate) fn put_brands(out: &mut Vec<u8>, kind: &[u8; 4], brands: &[&[u8; 4]]) {
    put(out, kind, |out| {
        if let Some(major) = brands.first() {
            out.put_slice(&major[..]);
        }
        out.put_u32(0);
        brands.iter().for_each(|brand| out.put_slice(&brand[..]));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_know_their_size() {
        let mut out = vec![9];
        put(&mut out, b"moof", |out| put_full(out, b"mfhd", 1, 2, |out| out.put_u8(7)));
        assert_eq!(out, b"\x09\0\0\0\x15moof\0\0\0\x0dmfhd\x01\0\0\x02\x07");
        let mut out = Vec::new();
        put_brands(&mut out, b"styp", &[b"msdh", b"cmfs"]);
        assert_eq!(out, b"\0\0\0\x18stypmsdh\0\0\0\0msdhcmfs");
    }
}

//! A reader of boxes that knows nothing of the writer: sizes, types, and which boxes hold others.

/// A box without its header.
#[derive(Clone, Copy)]
pub(crate) struct Node<'a> {
    pub(crate) kind: [u8; 4],
    /// Where the header begins in what was walked.
    pub(crate) at: usize,
    pub(crate) body: &'a [u8],
}

impl<'a> Node<'a> {
    /// The boxes inside.
    pub(crate) fn children(self) -> Vec<Self> {
        let skip = match &self.kind {
            b"moov" | b"trak" | b"mdia" | b"minf" | b"dinf" | b"stbl" | b"mvex" | b"moof" | b"traf" => 0,
            b"stsd" | b"dref" => 8,
            b"avc1" | b"hvc1" | b"av01" | b"vp09" => 78,
            b"mp4a" | b"ac-3" | b"ec-3" | b"Opus" | b"fLaC" => 28,
            _ => return Vec::new(),
        };
        walk(&self.body[skip..])
    }

    /// The one box at this path of types, separated by `/`.
    pub(crate) fn find(self, path: &str) -> Self {
        path.split('/').fold(self, |node, kind| {
            let found: Vec<_> = node.children().into_iter().filter(|c| c.kind == kind.as_bytes()).collect();
            assert_eq!(found.len(), 1, "{kind} of {path}");
            found[0]
        })
    }

    /// The types of the boxes inside, and of those inside them in brackets.
    pub(crate) fn outline(self) -> String {
        let inner: Vec<_> = self.children().into_iter().map(Node::outline).collect();
        let kind = String::from_utf8_lossy(&self.kind).trim().to_owned();
        if inner.is_empty() { kind } else { format!("{kind}({})", inner.join(" ")) }
    }

    /// Version and flags of a full box.
    pub(crate) fn version_flags(self) -> (u8, u32) {
        let head = u32_at(self.body, 0);
        ((head >> 24) as u8, head & 0xff_ffff)
    }
}

/// The boxes that these bytes are; the last may end before its size says, for media follows.
pub(crate) fn walk(mut data: &[u8]) -> Vec<Node<'_>> {
    let (mut nodes, mut at) = (Vec::new(), 0);
    while !data.is_empty() {
        let kind: [u8; 4] = data[4..8].try_into().expect("four bytes");
        let (header, size) = match u32_at(data, 0) {
            1 => (16, u64::from(u32_at(data, 8)) << 32 | u64::from(u32_at(data, 12))),
            size => (8, u64::from(size)),
        };
        let end = match usize::try_from(size) {
            Ok(size) if size <= data.len() => size,
            _ if &kind == b"mdat" => data.len(),
            _ => panic!("{} reaches beyond its parent", String::from_utf8_lossy(&kind)),
        };
        nodes.push(Node { kind, at, body: &data[header..end] });
        (data, at) = (&data[end..], at + end);
    }
    nodes
}

pub(crate) fn u16_at(data: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(data[at..at + 2].try_into().expect("two bytes"))
}

pub(crate) fn u32_at(data: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(data[at..at + 4].try_into().expect("four bytes"))
}

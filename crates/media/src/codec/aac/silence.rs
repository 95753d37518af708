//! An access unit in which nothing is heard (ISO/IEC 14496-3 4.4.2): every element that the channel configuration asks
//! for, with no spectral line in it.

use bytes::Bytes;

/// Syntactic elements, table 4.85.
#[derive(Clone, Copy)]
enum Element {
    Single = 0,
    Pair = 1,
    LowFrequency = 3,
}

/// `ID_END`.
const END: u32 = 7;

/// Bits, the most significant first.
#[derive(Default)]
pub(super) struct Bits {
    pub(super) bytes: Vec<u8>,
    count: usize,
}

impl Bits {
    pub(super) fn put(&mut self, value: u32, width: usize) {
        for shift in (0..width).rev() {
            if self.count.is_multiple_of(8) {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> shift & 1) as u8) << (7 - self.count % 8);
            }
            self.count += 1;
        }
    }

    /// `ics_info()`: one long window of the first shape, no scale factor band, no prediction.
    fn window(&mut self) {
        self.put(0, 1 + 2 + 1 + 6 + 1);
    }

    /// `global_gain`, and that there are no pulses, no noise shaping and no gain control.
    fn channel(&mut self, info: bool) {
        self.put(0, 8);
        if info {
            self.window();
        }
        self.put(0, 3);
    }

    fn element(&mut self, element: Element, tag: u32) {
        self.put(element as u32, 3);
        self.put(tag, 4);
        match element {
            Element::Single | Element::LowFrequency => self.channel(true),
            Element::Pair => {
                self.put(1, 1); // common_window
                self.window();
                self.put(0, 2); // ms_mask_present
                self.channel(false);
                self.channel(false);
            }
        }
    }
}

/// The elements of a `channelConfiguration`, table 1.19; none where it does not tell them.
fn elements(channel_config: u8) -> Option<&'static [Element]> {
    use Element::{LowFrequency as L, Pair as P, Single as S};
    Some(match channel_config {
        1 => &[S],
        2 => &[P],
        3 => &[S, P],
        4 => &[S, P, S],
        5 => &[S, P, P],
        6 => &[S, P, P, L],
        7 | 12 => &[S, P, P, P, L],
        11 => &[S, P, P, S, L],
        _ => return None,
    })
}

/// A silent access unit of AAC-LC; none for a configuration whose channels a program config element tells.
pub(super) fn unit(channel_config: u8) -> Option<Bytes> {
    let mut bits = Bits::default();
    // Elements of one kind are told apart by a number.
    let mut tags = [0; 4];
    for &element in elements(channel_config)? {
        let tag = &mut tags[element as usize];
        bits.element(element, *tag);
        *tag += 1;
    }
    bits.put(END, 3);
    Some(bits.bytes.into())
}

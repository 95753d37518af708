//! An access unit whose parts come in several packets of one timestamp.

use bytes::Bytes;

use crate::Error;

/// The parts so far. What is damaged is not kept, but its end is still waited for.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    data: Vec<u8>,
    timestamp: Option<u32>,
    damage: Option<Error>,
}

impl Assembly {
    /// Begins an access unit behind what [`Assembly::carry`] left.
    pub(super) fn begin(&mut self, timestamp: u32) {
        self.timestamp = Some(timestamp);
    }

    /// That of the unit that is open; none between units.
    pub(super) fn timestamp(&self) -> Option<u32> {
        self.timestamp
    }

    /// Whether the open unit is lost already.
    pub(super) fn is_damaged(&self) -> bool {
        self.damage.is_some()
    }

    /// The open unit will not be whole. Of several reasons the first counts.
    pub(super) fn damage(&mut self, why: Error) {
        self.data.clear();
        self.damage.get_or_insert(why);
    }

    /// Bytes at the end of the unit; it must not become longer than `limit`.
    pub(super) fn put(&mut self, bytes: &[u8], limit: usize) {
        let len = self.data.len() + bytes.len();
        if len > limit {
            let (value, limit) = (len as u64, limit as u64);
            self.damage(Error::Limit { what: "access unit", value, limit });
        } else if self.damage.is_none() {
            self.data.extend_from_slice(bytes);
        }
    }

    /// What there is of it; nothing of a damaged unit.
    pub(super) fn data(&self) -> &[u8] {
        &self.data
    }

    /// The same, to be changed.
    pub(super) fn data_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// Ends the unit and leaves what it has to the next one.
    pub(super) fn carry(&mut self) {
        self.timestamp = None;
    }

    /// Ends the unit and gives it, in memory of its own that is no larger than it.
    pub(super) fn end(&mut self) -> Result<Bytes, Error> {
        self.timestamp = None;
        let result = match self.damage.take() {
            None => Ok(Bytes::copy_from_slice(&self.data)),
            Some(why) => Err(why),
        };
        self.data.clear();
        result
    }
}

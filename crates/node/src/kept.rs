//! The output of a stage, kept exactly as it went out, so that it can be sent again.
//! It sends nothing.

use bytes::Bytes;
use protocol::{Activations, WireType};

/// Rows 0 to `len`, in the session's wire type. At most the session's positions: their memory is
/// counted when the session is admitted.
#[derive(Debug)]
pub(crate) struct Kept {
    wire: WireType,
    d_model: u32,
    bytes: Vec<u8>,
}

impl Kept {
    pub(crate) fn new(wire: WireType, d_model: u32) -> Kept {
        Kept {
            wire,
            d_model,
            bytes: Vec::new(),
        }
    }

    /// Positions kept.
    pub(crate) fn len(&self) -> u32 {
        (self.bytes.len() / self.row()) as u32
    }

    /// Forgets what comes after so many positions.
    pub(crate) fn truncate(&mut self, positions: u32) {
        self.bytes.truncate(positions as usize * self.row());
    }

    /// Adds rows at the end. Whole rows only; what is not is left out and answered with `false`.
    pub(crate) fn append(&mut self, first: u32, bytes: &[u8]) -> bool {
        let sound = first == self.len() && bytes.len().is_multiple_of(self.row());
        if sound {
            self.bytes.extend_from_slice(bytes);
        }
        sound
    }

    /// Rows `first..end`, as far as there are any and as many as fit a message.
    pub(crate) fn rows(&self, first: u32, end: u32) -> Option<Activations> {
        let most = Activations::most_positions(self.wire, self.d_model);
        let end = end.min(self.len()).min(first.saturating_add(most));
        let count = end.checked_sub(first).filter(|count| *count > 0)?;
        let bytes = &self.bytes[first as usize * self.row()..end as usize * self.row()];
        Activations::new(self.wire, count, self.d_model, Bytes::copy_from_slice(bytes)).ok()
    }

    fn row(&self) -> usize {
        // A model of no width does not pass the manifest; here it must only not divide by zero.
        self.wire.row_bytes(self.d_model).max(1)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rows_come_out_as_they_went_in() {
        let mut kept = Kept::new(WireType::F16, 2);
        assert!(kept.append(0, &[1; 8]));
        assert!(!kept.append(3, &[2; 4]), "a hole");
        assert!(!kept.append(2, &[2; 3]), "half a row");
        assert!(kept.append(2, &[2; 4]));
        assert_eq!(kept.len(), 3);
        assert_eq!(&kept.rows(1, 9).unwrap().bytes()[..], [1, 1, 1, 1, 2, 2, 2, 2]);
        kept.truncate(1);
        assert_eq!(kept.len(), 1);
        assert!(kept.rows(1, 2).is_none());
        kept.truncate(5);
        assert_eq!(kept.len(), 1);
    }
}

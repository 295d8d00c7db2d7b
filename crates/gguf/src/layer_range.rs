//! A run of consecutive layers.
//! Does not know how many layers a model has.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// Layers `first..end`; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LayerRange {
    first: u32,
    end: u32,
}

/// Why two numbers, or a text, are no range of layers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayerRangeError {
    /// The range has no layer.
    #[error("layers {first}-{end}: the end must come after the first")]
    Empty {
        /// First layer.
        first: u32,
        /// One past the last.
        end: u32,
    },
    /// The text is not two numbers.
    #[error("layers are written as first-end, like 0-3 for three layers")]
    Text,
}

impl LayerRange {
    /// Layers `first..end`.
    ///
    /// # Errors
    /// [`LayerRangeError::Empty`].
    pub fn new(first: u32, end: u32) -> Result<LayerRange, LayerRangeError> {
        if first < end {
            Ok(LayerRange { first, end })
        } else {
            Err(LayerRangeError::Empty { first, end })
        }
    }

    /// The first layer.
    pub fn first(&self) -> u32 {
        self.first
    }

    /// One past the last layer.
    pub fn end(&self) -> u32 {
        self.end
    }

    /// How many layers; at least one.
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(&self) -> u32 {
        self.end - self.first
    }

    /// Whether `layer` is one of them.
    pub fn contains(&self, layer: u32) -> bool {
        (self.first..self.end).contains(&layer)
    }

    /// Whether the two share a layer.
    pub fn overlaps(&self, other: &LayerRange) -> bool {
        self.first < other.end && other.first < self.end
    }

    /// The layers' numbers.
    pub fn layers(&self) -> Range<u32> {
        self.first..self.end
    }
}

impl fmt::Display for LayerRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.end)
    }
}

impl FromStr for LayerRange {
    type Err = LayerRangeError;

    fn from_str(text: &str) -> Result<LayerRange, LayerRangeError> {
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            plain
                .then(|| digits.parse().ok())
                .flatten()
                .ok_or(LayerRangeError::Text)
        };
        let (first, end) = text.split_once('-').ok_or(LayerRangeError::Text)?;
        LayerRange::new(number(first)?, number(end)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_range_prints_as_it_is_read() {
        let range: LayerRange = "3-5".parse().unwrap();
        assert_eq!((range.first(), range.end(), range.len()), (3, 5, 2));
        assert_eq!(range.to_string(), "3-5");
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "",
            "-",
            "3",
            "3-",
            "-3",
            "+1-2",
            "1-2-3",
            " 1-2",
            "2-1",
            "1-1",
            "0-4294967296",
        ] {
            assert!(text.parse::<LayerRange>().is_err(), "{text}");
        }
    }

    #[test]
    fn ranges_that_touch_do_not_overlap() {
        let range = |first, end| LayerRange::new(first, end).unwrap();
        assert!(!range(0, 3).overlaps(&range(3, 5)));
        assert!(range(0, 4).overlaps(&range(3, 5)) && range(3, 5).overlaps(&range(0, 4)));
        assert!(range(0, 3).contains(2) && !range(0, 3).contains(3));
    }
}

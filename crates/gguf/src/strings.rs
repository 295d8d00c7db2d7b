//! An array of strings in one piece of memory.
//! Does not know what the strings mean.

use std::fmt;

use crate::source::make_room;

/// Strings packed behind each other: five bytes of overhead each where `Vec<String>` has fifty, which is what
/// keeps a hostile vocabulary from costing more memory than it has bytes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Strings {
    text: String,
    ends: Vec<u32>,
}

impl Strings {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The string at `index`.
    pub fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)? as usize;
        let start = index
            .checked_sub(1)
            .map_or(0, |before| self.ends[before] as usize);
        Some(&self.text[start..end])
    }

    /// All in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let string = &self.text[start as usize..*end as usize];
            start = *end;
            string
        })
    }

    /// Appends one. Returns whether there was room: together they stay under 4 GiB.
    #[must_use]
    pub(crate) fn push(&mut self, string: &str) -> bool {
        let Some(end) = self
            .text
            .len()
            .checked_add(string.len())
            .and_then(|end| u32::try_from(end).ok())
        else {
            return false;
        };
        make_room(&mut self.ends, 1);
        if self.text.capacity() - self.text.len() < string.len() {
            self.text
                .reserve_exact(string.len().max(self.text.len() / 4).max(1 << 10));
        }
        self.text.push_str(string);
        self.ends.push(end);
        true
    }
}

impl fmt::Debug for Strings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// For writing files; more than 4 GiB of text is cut off, which no limit of the format allows anyway.
impl<S: AsRef<str>> FromIterator<S> for Strings {
    fn from_iter<I: IntoIterator<Item = S>>(strings: I) -> Strings {
        let mut packed = Strings::default();
        for string in strings {
            if !packed.push(string.as_ref()) {
                break;
            }
        }
        packed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_come_back_as_they_went_in() {
        let words = ["", "▁the", "", "ü", "x"];
        let packed: Strings = words.iter().collect();
        assert_eq!(packed.iter().collect::<Vec<_>>(), words);
        assert_eq!(
            (0..=words.len()).map(|i| packed.get(i)).collect::<Vec<_>>(),
            [Some(""), Some("▁the"), Some(""), Some("ü"), Some("x"), None]
        );
    }
}

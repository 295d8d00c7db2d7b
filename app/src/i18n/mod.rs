//! Every word that people read, as one table per language with the same keys.
//! A key that a language lacks does not compile; numbers and units are `format`'s.
//!
//! A language is one file, `xx.rs`, and its name in the list below. What is said before the app runs (`public/boot.js`)
//! and on other people's pages (`public/embed/words.js`) falls back to English until it is there as well.

mod pseudo;
mod words;

pub use words::Words;

macro_rules! languages {
    ($($name:ident),+ $(,)?) => {
        $(mod $name;)+
        const TABLES: &[&Words] = &[$(&$name::WORDS),+];
    };
}

languages!(en, es, ar);

/// A language of the app, by its place in the list; the first is what is spoken where nothing else is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Language(usize);

impl Language {
    /// English with marks, for the test that finds text which no table has.
    const PSEUDO: Self = Self(usize::MAX);

    /// Every language that people may choose.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..TABLES.len()).map(Self)
    }

    /// The tag for `lang` attributes.
    pub fn tag(self) -> &'static str {
        self.words().tag
    }

    /// The language's name for itself.
    pub fn own_name(self) -> &'static str {
        self.words().own_name
    }

    pub fn direction(self) -> &'static str {
        self.words().direction
    }

    pub fn words(self) -> &'static Words {
        if self == Self::PSEUDO {
            return pseudo::words();
        }
        TABLES.get(self.0).copied().unwrap_or(&en::WORDS)
    }

    /// From `es`, `es-MX` and the like.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag
            .split(['-', '_'])
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        if primary == pseudo::TAG {
            return Some(Self::PSEUDO);
        }
        Self::all().find(|language| language.tag() == primary)
    }
}

impl Words {
    /// A value within this language's text that keeps its own direction: `1.2 GB` is not turned round in Arabic.
    pub fn isolate(&self, value: &str) -> String {
        match self.direction {
            "rtl" => isolate(value),
            _ => value.to_owned(),
        }
    }
}

fn isolate(value: &str) -> String {
    format!("\u{2068}{value}\u{2069}")
}

/// Puts values into `{name}` places of a text; one that reads from the right isolates them.
pub fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let from_right = text.chars().any(|c| ('\u{590}'..'\u{900}').contains(&c));
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        match after.split_once('}') {
            Some((name, behind)) => {
                // A value is put in once and never read again: a `{` inside it stays what it is.
                match values.iter().find(|(key, _)| *key == name) {
                    Some((_, value)) if from_right => out.push_str(&isolate(value)),
                    Some((_, value)) => out.push_str(value),
                    None => {}
                }
                rest = behind;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeSet;

    fn places(text: &str) -> BTreeSet<&str> {
        text.split('{')
            .skip(1)
            .filter_map(|part| part.split_once('}'))
            .map(|(name, _)| name)
            .collect()
    }

    #[test]
    fn every_language_fills_the_same_places() {
        let english = Language::default().words().entries();
        for language in Language::all() {
            for ((key, text), (_, original)) in language.words().entries().into_iter().zip(&english) {
                assert_eq!(places(text), places(original), "{} of {}", key, language.tag());
                assert!(!text.trim().is_empty(), "{} of {} is empty", key, language.tag());
            }
        }
    }

    #[test]
    fn a_translation_is_not_a_copy() {
        let english = Language::default().words().entries();
        for language in Language::all().skip(1) {
            let words = language.words().entries();
            let same = words.iter().zip(&english).filter(|(a, b)| a.1 == b.1).count();
            assert!(
                same * 12 < english.len(),
                "{same} texts of {} are English",
                language.tag()
            );
        }
    }

    #[test]
    fn fill_puts_values_in_their_places_once() {
        let check = |text, values: &[(&str, &str)], expect: &str| assert_eq!(fill(text, values), expect);
        check("{a} of {b}", &[("a", "1"), ("b", "2")], "1 of 2");
        check("{a}", &[("a", "{b}"), ("b", "x")], "{b}");
        check("{gone}!", &[], "!");
        check("open { brace", &[], "open { brace");
        check("", &[], "");
    }

    #[test]
    fn what_reads_from_the_right_keeps_the_order_of_what_is_put_in() {
        assert_eq!(
            fill("الحجم {n} هنا", &[("n", "1.2 GB")]),
            "الحجم \u{2068}1.2 GB\u{2069} هنا"
        );
        let arabic = Language::from_tag("ar").unwrap().words();
        assert!(fill(arabic.route_bytes, &[("n", "412 kB")]).contains(&isolate("412 kB")));
        assert_eq!(fill("{n}", &[("n", "عربي")]), "عربي");
    }

    #[test]
    fn tags_are_matched_by_their_first_part() {
        let tag = |tag: &str| Language::from_tag(tag).map(Language::tag);
        assert_eq!(tag("es-MX"), Some("es"));
        assert_eq!(tag("AR"), Some("ar"));
        assert_eq!(Language::default().tag(), "en");
        assert_eq!(Language::from_tag("eo"), None);
        assert_eq!(Language::from_tag(""), None);
    }
}

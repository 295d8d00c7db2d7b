//! Every word that people read, as one table per language with the same keys.
//! A key that a language lacks does not compile; numbers and units are `format`'s.

mod ar;
mod en;
mod es;
mod words;

pub use words::Words;

/// The languages of the app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    #[default]
    English,
    Spanish,
    Arabic,
}

impl Language {
    pub const ALL: [Self; 3] = [Self::English, Self::Spanish, Self::Arabic];

    /// The tag for `lang` attributes.
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Spanish => "es",
            Self::Arabic => "ar",
        }
    }

    /// The language's name for itself.
    pub fn own_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Spanish => "Español",
            Self::Arabic => "العربية",
        }
    }

    pub fn direction(self) -> &'static str {
        match self {
            Self::Arabic => "rtl",
            Self::English | Self::Spanish => "ltr",
        }
    }

    pub fn words(self) -> &'static Words {
        match self {
            Self::English => &en::WORDS,
            Self::Spanish => &es::WORDS,
            Self::Arabic => &ar::WORDS,
        }
    }

    /// From `es`, `es-MX` and the like.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag
            .split(['-', '_'])
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        Self::ALL.into_iter().find(|language| language.tag() == primary)
    }
}

/// Puts values into `{name}` places of a text.
pub fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        match after.split_once('}') {
            Some((name, behind)) => {
                // A value is put in once and never read again: a `{` inside it stays what it is.
                out.push_str(
                    values
                        .iter()
                        .find(|(key, _)| *key == name)
                        .map_or("", |(_, value)| value),
                );
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
        let english = Language::English.words().entries();
        for language in Language::ALL {
            for ((key, text), (_, original)) in language.words().entries().into_iter().zip(&english) {
                assert_eq!(places(text), places(original), "{} of {}", key, language.tag());
                assert!(!text.trim().is_empty(), "{} of {} is empty", key, language.tag());
            }
        }
    }

    #[test]
    fn a_translation_is_not_a_copy() {
        let english = Language::English.words().entries();
        for language in [Language::Spanish, Language::Arabic] {
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
    fn tags_are_matched_by_their_first_part() {
        assert_eq!(Language::from_tag("es-MX"), Some(Language::Spanish));
        assert_eq!(Language::from_tag("AR"), Some(Language::Arabic));
        assert_eq!(Language::from_tag("eo"), None);
        assert_eq!(Language::from_tag(""), None);
    }
}

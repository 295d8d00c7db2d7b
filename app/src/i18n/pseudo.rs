//! A language that nobody speaks: English with marks around every text.
//! What appears on the screen without them stands in no table. It is chosen by its tag alone, never offered.

use std::sync::OnceLock;

use super::{Words, en};

/// A private tag.
pub const TAG: &str = "zz";

/// The marked table, made once.
pub fn words() -> &'static Words {
    static WORDS: OnceLock<Words> = OnceLock::new();
    WORDS.get_or_init(|| {
        let mut words = en::WORDS.map(marked);
        words.tag = TAG;
        words.direction = "ltr";
        words
    })
}

/// The marks stay for as long as the page does, as the tables do.
fn marked(text: &'static str) -> &'static str {
    Box::leak(format!("\u{27e6}{text}\u{27e7}").into_boxed_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_marked_and_keeps_its_places() {
        for ((key, text), (_, plain)) in words().entries().into_iter().zip(en::WORDS.entries()) {
            if !["tag", "direction"].contains(&key) {
                assert_eq!(text, format!("\u{27e6}{plain}\u{27e7}"), "{key}");
            }
        }
    }
}

//! Cuts growing text into sentences, so that a screen reader hears whole ones.
//! Does not speak and knows no language: it goes by marks.

/// The end of the last whole sentence in `text` at or after `from`, if there is one.
/// Both are byte offsets; `from` must be one that this function returned, or 0.
pub fn complete(text: &str, from: usize) -> Option<usize> {
    let rest = text.get(from..)?;
    let mut end = None;
    let mut characters = rest.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let after = at + character.len_utf8();
        let blank_follows = characters.peek().is_some_and(|(_, next)| next.is_whitespace());
        match character {
            '\n' => end = Some(after),
            // These end a sentence wherever they stand.
            '。' | '！' | '？' | '؟' | '।' => end = Some(after),
            '.' | '!' | '?' | '…' | ':' | ';' if blank_follows => end = Some(after),
            _ => {}
        }
    }
    end.map(|end| from + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_whole_once_a_blank_follows_its_mark() {
        let check =
            |text: &str, from, expect: Option<usize>| assert_eq!(complete(text, from), expect, "{text}");
        check("", 0, None);
        check("Hello", 0, None);
        check("Hello.", 0, None);
        check("Hello. W", 0, Some(6));
        check("3.14 is", 0, None);
        check("One. Two! Three", 0, Some(9));
        check("One. Two! Three", 9, None);
        check("line\n", 0, Some(5));
        check("كيف؟", 0, Some(8));
        check("short", 99, None);
    }
}

//! Tokens back into text as they come: only whole UTF-8 characters leave, however tokens cut them.
//! Does not know when to stop: that is [`crate::StopStrings`] and [`Tokenizer::is_end`].

use super::Tokenizer;

/// Turns a stream of tokens into text. Joined, its pieces are the decoding of all tokens.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    /// The beginning of a character whose end has not come; at most 3 bytes.
    pending: Vec<u8>,
    /// The text begins here, so a leading space that only marks a word is dropped.
    at_start: bool,
}

impl Decoder {
    /// A decoder for the beginning of a text.
    pub fn at_start() -> Decoder {
        Decoder {
            pending: Vec::new(),
            at_start: true,
        }
    }

    /// A decoder for what follows a prompt.
    pub fn continuing() -> Decoder {
        Decoder::default()
    }

    /// The text that this token completes; empty while a character is unfinished. Bytes that can no
    /// longer become a character give U+FFFD.
    pub fn push(&mut self, tokenizer: &Tokenizer, token: u32) -> String {
        let before = self.pending.len();
        tokenizer.bytes(token, &mut self.pending);
        if self.at_start && self.pending.len() > before {
            self.at_start = false;
            if tokenizer.marks_start_with_space() && self.pending.first() == Some(&b' ') {
                self.pending.remove(0);
            }
        }
        let mut text = String::new();
        let mut rest = self.pending.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    rest = &[];
                    break;
                }
                Err(error) => {
                    let (valid, tail) = rest.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(valid));
                    rest = tail;
                    let Some(damaged) = error.error_len() else { break };
                    text.push(char::REPLACEMENT_CHARACTER);
                    rest = &rest[damaged..];
                }
            }
        }
        self.pending = rest.to_vec();
        text
    }

    /// What is left at the end: nothing, or U+FFFD for a character that never ended.
    pub fn finish(self) -> String {
        String::from_utf8_lossy(&self.pending).into_owned()
    }
}

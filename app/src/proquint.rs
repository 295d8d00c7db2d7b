//! An id as words that can be read aloud in any language: each of five letters stands for sixteen bits.
//! Not a secret and not a proof: whoever must be sure compares the id itself.

const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
const VOWELS: &[u8; 4] = b"aiou";
/// Words of an id: 96 bits, far more than anybody can search for a likeness of.
pub const WORDS: usize = 6;

/// The first words of an id in hexadecimal digits; fewer where it is shorter.
pub fn words(id: &str) -> Vec<String> {
    let digits: Vec<u16> = id
        .chars()
        .map_while(|c| c.to_digit(16).and_then(|d| u16::try_from(d).ok()))
        .collect();
    digits
        .chunks_exact(4)
        .take(WORDS)
        .map(|four| word(four.iter().fold(0, |sum, digit| sum << 4 | digit)))
        .collect()
}

fn word(bits: u16) -> String {
    let consonant = |at: u32| char::from(CONSONANTS[usize::from(bits >> at & 0xf)]);
    let vowel = |at: u32| char::from(VOWELS[usize::from(bits >> at & 0x3)]);
    [consonant(12), vowel(10), consonant(6), vowel(4), consonant(0)]
        .iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bits_are_one_word_and_no_two_alike() {
        assert_eq!(words("7f000001"), ["lusab", "babad"]);
        let all: std::collections::BTreeSet<String> = (0..=u16::MAX).map(word).collect();
        assert_eq!(all.len(), 65_536);
    }

    #[test]
    fn an_id_has_six_words_and_what_is_no_id_has_none() {
        assert_eq!(words(&"0123456789abcdef".repeat(4)).len(), WORDS);
        assert!(words("").is_empty());
        assert!(words("xyz").is_empty());
        assert_eq!(words("7f00").len(), 1);
    }
}

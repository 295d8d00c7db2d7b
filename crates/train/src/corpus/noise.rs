//! How people type: openings, politeness, capitals or none, question marks or none, slips of the finger.
//! Does not change what is asked.

use gguf::synthetic::SplitMix;

use super::grammar::{chance, expand, pick};

const OPENINGS: &str = "{hi|hello|hey|please|ok|so|sorry|excuse me|and|well|quick question|one more question|\
    i have a question|one question|question|now|but|tell me|could you tell me|can you tell me|please tell me|\
    do you know|i wonder|i would like to know|i want to know|i was wondering|um|oh|also|another thing|dear guide|guide}";
const ENDINGS: &str = "{please|thanks|thank you|for me|exactly|in short|in simple words|here|then|again|actually|\
    in one sentence|quickly|i wonder|pls|right now|in a few words}";

/// A question as somebody might type it.
pub(super) fn typed(question: &str, random: &mut SplitMix) -> String {
    let mut text = question.to_owned();
    if chance(16, random) {
        let separator = pick(&[", ", " ", ": "], random);
        text = [&expand(OPENINGS, random), separator, &text].concat();
    }
    if chance(10, random) {
        let separator = pick(&[" ", ", "], random);
        text = [&text, separator, &expand(ENDINGS, random)].concat();
    }
    if chance(8, random) {
        text = slip(&text, random);
    }
    let mut text = match random.below(100) {
        0..55 => capital(&text),
        55..97 => text.to_lowercase(),
        _ => text.to_uppercase(),
    };
    text.push_str(match random.below(100) {
        0..60 => "?",
        60..88 => "",
        88..95 => ".",
        95..98 => "??",
        _ => "!",
    });
    text
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    let text = first.unwrap_or_default() + chars.as_str();
    text.replace(" i ", " I ").replace(" i'", " I'")
}

/// One letter lost, doubled or changed places with its neighbour.
fn slip(text: &str, random: &mut SplitMix) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    if chars.len() < 6 {
        return text.to_owned();
    }
    let at = 1 + random.below(chars.len() as u64 - 2) as usize;
    if !chars[at].is_alphabetic() {
        return text.to_owned();
    }
    match random.below(3) {
        0 => drop(chars.remove(at)),
        1 => chars.insert(at, chars[at]),
        _ if chars[at + 1].is_alphabetic() => chars.swap(at, at + 1),
        _ => {}
    }
    chars.into_iter().collect()
}

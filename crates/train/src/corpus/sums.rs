//! Small arithmetic and counting.
//! Does not go beyond what so small a model can learn.

use gguf::synthetic::SplitMix;

use super::grammar::{expand, pick};

const WORDS: [&str; 21] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
];

/// A sum or a count, and its answer.
pub(super) fn exchange(random: &mut SplitMix) -> (String, String) {
    match random.below(10) {
        0..6 => sum(random),
        6..9 => count(random),
        _ => next(random),
    }
}

fn sum(random: &mut SplitMix) -> (String, String) {
    let (mut a, mut b) = (random.below(11), random.below(11));
    let minus = random.below(3) == 0;
    if minus && a < b {
        (a, b) = (b, a);
    }
    let result = if minus { a - b } else { a + b };
    let (sign, word) = match (minus, random.below(3)) {
        (false, 0) => ("+", "plus"),
        (false, 1) => ("plus", "and"),
        (false, _) => ("+", "plus"),
        (true, 0) => ("minus", "less"),
        (true, _) => ("-", "minus"),
    };
    let in_words = random.below(4) == 0;
    let say = |n: u64| {
        if in_words {
            WORDS[n as usize].to_owned()
        } else {
            n.to_string()
        }
    };
    let sign = if in_words { word } else { sign };
    let tight = sign.len() == 1 && random.below(4) == 0;
    let space = if tight { "" } else { " " };
    let task = format!("{}{space}{sign}{space}{}", say(a), say(b));
    let before = pick(
        &[
            "what is ",
            "what's ",
            "",
            "how much is ",
            "calculate ",
            "compute ",
            "add up ",
            "can you do ",
            "solve ",
            "tell me ",
            "what does ",
            "do you know what ",
        ],
        random,
    );
    let before = if minus && before == "add up " {
        "calculate "
    } else {
        before
    };
    let after = match before {
        "what does " => " make",
        "do you know what " => " is",
        _ if !in_words && random.below(8) == 0 => " =",
        _ => "",
    };
    let sign = if minus { "-" } else { "+" };
    (
        format!("{before}{task}{after}"),
        format!("{a} {sign} {b} = {result}."),
    )
}

fn count(random: &mut SplitMix) -> (String, String) {
    let to = 3 + random.below(13);
    let from = if random.below(4) == 0 {
        1 + random.below(to - 1)
    } else {
        1
    };
    let question = if from > 1 {
        expand(
            &format!("{{can you |please |}}count from {from} to {to}{{ for me|}}"),
            random,
        )
    } else {
        let many = [
            "{can you |please |could you |now |}{count|count up} {|from 1 |from one }to ",
            "{how do you count|count with me|show me how to count|let us count|start counting} to ",
        ];
        let word = if to <= 10 && random.below(3) == 0 {
            WORDS[to as usize].to_owned()
        } else {
            to.to_string()
        };
        expand(pick(&many, random), random) + " " + &word
    };
    let numbers: Vec<String> = (from..=to).map(|n| n.to_string()).collect();
    (question, numbers.join(", ") + ".")
}

fn next(random: &mut SplitMix) -> (String, String) {
    let n = random.below(20);
    let (what, answer) = if random.below(2) == 0 || n == 0 {
        ("after", n + 1)
    } else {
        ("before", n - 1)
    };
    let question = expand(&format!("{{what|which number}} comes {what} {n}"), random);
    (question, format!("{answer} comes {what} {n}."))
}

//! Phrasings: `{a|b {c|}}` is a or b, and so on within; `<name>` stands for a phrasing of [`NAMES`].
//! Does not know what the phrasings are about.

use gguf::synthetic::SplitMix;

/// Phrasings with a name, for what is said in many places.
const NAMES: [(&str, &str); 17] = [
    (
        "app",
        "{Manyhands|Manyhands|Manyhands|many hands|this app|this site|this page|this program|this|it}",
    ),
    (
        "me",
        "{device|computer|machine|laptop|pc|phone|tablet|tab|browser}",
    ),
    (
        "phone",
        "{phone|mobile|smartphone|mobile phone|cell phone|tablet|android phone|iphone|handy}",
    ),
    (
        "text",
        "{text|words|messages|message|chat|chats|conversation|conversations|questions|data|prompts|input}",
    ),
    (
        "see",
        "{see|read|look at|know|learn|get|view|watch|spy on|find out}",
    ),
    (
        "others",
        "{others|other people|strangers|people|anybody|anyone|someone|somebody|other users}",
    ),
    (
        "stop",
        "{stop|end|quit|finish|cancel|switch off|turn off|leave|pause|halt|disable}",
    ),
    ("lend", "{lend|share|donate|give|offer|contribute}"),
    (
        "power",
        "{computing power|compute|processing power|computer power|resources|cpu time|power}",
    ),
    (
        "show",
        "{show me|tell me|explain|explain to me|describe|let me know}",
    ),
    ("need", "{need|require|have to have|must have|want}"),
    (
        "start",
        "{start|begin|launch|run|set up|host|install|operate|get going}",
    ),
    ("safe", "{safe|secure|private|confidential|protected}"),
    ("answer", "{answer|reply|response|text|result|message}"),
    ("make", "{make|create|get|generate|obtain|set up}"),
    ("model", "{model|language model|ai|ai model|llm}"),
    ("very", "{|really |exactly |actually |}"),
];

/// One of the phrasings of `pattern`, drawn from `random`.
pub fn expand(pattern: &str, random: &mut SplitMix) -> String {
    let mut out = String::new();
    expand_into(pattern, random, &mut out, 0);
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Names inside names; deeper than this they would be going in circles.
const MAX_DEPTH: u32 = 8;

fn expand_into(pattern: &str, random: &mut SplitMix, out: &mut String, depth: u32) {
    let mut rest = pattern;
    while let Some(at) = rest.find(['{', '<']) {
        out.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        if rest[at..].starts_with('<') {
            let (name, after) = behind.split_once('>').unwrap_or((behind, ""));
            if let Some((_, named)) = NAMES.iter().find(|(known, _)| *known == name)
                && depth < MAX_DEPTH
            {
                expand_into(named, random, out, depth + 1);
            }
            rest = after;
        } else {
            let (choices, after) = choices(behind);
            let choice = choices[random.below(choices.len() as u64) as usize];
            expand_into(choice, random, out, depth);
            rest = after;
        }
    }
    out.push_str(rest);
}

/// Splits what stands behind a `{` into its choices and what follows the matching `}`.
fn choices(text: &str) -> (Vec<&str>, &str) {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                found.push(&text[start..at]);
                return (found, &text[at + 1..]);
            }
            '}' => depth -= 1,
            '|' if depth == 0 => {
                found.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(&text[start..]);
    (found, "")
}

/// Whether braces and names of a pattern are closed and known.
pub fn is_sound(pattern: &str) -> bool {
    let mut depth = 0_i32;
    for c in pattern.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if depth < 0 {
            return false;
        }
    }
    let mut names = pattern.split('<').skip(1);
    depth == 0
        && names.all(|part| {
            part.split_once('>')
                .is_some_and(|(name, _)| NAMES.iter().any(|(known, _)| *known == name))
        })
}

/// One of a list.
pub(crate) fn pick<'a, T: ?Sized>(list: &[&'a T], random: &mut SplitMix) -> &'a T {
    list[random.below(list.len() as u64) as usize]
}

/// True in `percent` of a hundred cases.
pub(crate) fn chance(percent: u64, random: &mut SplitMix) -> bool {
    random.below(100) < percent
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_choice_comes_and_nothing_else() {
        let mut random = SplitMix::new(1);
        let found: BTreeSet<String> = (0..200)
            .map(|_| expand("a {b|c {d|}}{!|}", &mut random))
            .collect();
        let expect = ["a b", "a b!", "a c", "a c d", "a c d!", "a c !"];
        assert_eq!(found, expect.map(str::to_owned).into_iter().collect());
    }

    #[test]
    fn names_are_sound_and_unclosed_braces_are_not() {
        assert!(NAMES.iter().all(|(_, pattern)| is_sound(pattern)));
        assert!(!is_sound("{a") && !is_sound("a}") && !is_sound("<nobody>") && !is_sound("<app"));
    }
}

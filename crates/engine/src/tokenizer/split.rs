//! Pre-tokenizers: how byte-level BPE vocabularies cut text into words before merging.
//! Does not use a regular-expression engine: each rule of the published patterns is a small
//! function, so the worker stays small and no input can make a pattern backtrack for long.
//!
//! A rule looks at the start of what is left and says how many characters it takes, 0 for none.
//! Characters that no rule takes stay together as words of their own. Rules that follow cut the
//! words that rules before them have left.

use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

use crate::EngineError;

type Rule = fn(&[char]) -> usize;

/// One pattern of a family.
#[derive(Clone, Copy)]
enum Pass {
    /// Wherever the rule matches.
    Cut(Rule),
    /// `\s+$`, which as a rule would scan a long run of spaces once per space.
    TrailingSpace,
}

/// The rules of one family of vocabularies.
pub(crate) struct Splitter {
    passes: Vec<Pass>,
    whole_words: bool,
}

impl Splitter {
    /// The rules by the name that the file gives them in `tokenizer.ggml.pre`.
    ///
    /// # Errors
    /// [`EngineError::Tokenizer`] for a name that is not known: guessing would garble every prompt.
    pub(crate) fn named(pre: &str) -> Result<Splitter, EngineError> {
        let rules: &'static [Rule] = match pre {
            "default" => &[punctuation_run, gpt2, numbers, three_digits],
            "gpt-2" | "phi-2" | "mpt" | "olmo" | "jais" | "jina-es" | "jina-de" | "jina-v2-es"
            | "jina-v2-de" | "jina-v2-code" | "roberta-bpe" | "gigachat" | "a.x-4.0" | "mellum"
            | "modern-bert" | "exaone4" => &[gpt2],
            "llama3" | "llama-v3" | "llama-bpe" | "falcon3" | "pixtral" | "dbrx" | "smaug-bpe"
            | "chatglm-bpe" | "glm4" | "lfm2" | "midm-2.0" | "megrez" => &[llama3],
            "qwen2" | "stablelm2" | "deepseek-r1-qwen" | "hunyuan" | "kormo" => &[qwen2],
            "starcoder" | "refact" | "command-r" | "smollm" | "codeshell" | "exaone" | "minerva-7b"
            | "granite" => &[one_number, gpt2],
            "falcon" => &[falcon_punctuation, gpt2, three_digits],
            "deepseek-llm" => &[line_end, deepseek_letters, deepseek_punctuation, cjk, numbers],
            "deepseek-coder" => &[line_end, spaced_letters, spaced_punctuation, cjk, one_number],
            "deepseek-v3" => &[up_to_three_numbers, han_and_kana, deepseek3],
            "gpt-4o" | "llama4" | "kanana2" => &[gpt4o],
            "tekken" => &[tekken],
            "poro-chat" | "bloom" | "gpt3-finnish" => &[bloom],
            "viking" => &[bloom, one_number],
            other => {
                return Err(EngineError::Tokenizer(format!(
                    "pre-tokenizer {other:?} is not known"
                )));
            }
        };
        let whole_words = matches!(
            pre,
            "llama3" | "llama-v3" | "llama-bpe" | "falcon3" | "pixtral" | "tekken" | "lfm2"
        );
        let mut passes: Vec<Pass> = rules.iter().map(|rule| Pass::Cut(*rule)).collect();
        if pre == "deepseek-llm" {
            passes.insert(3, Pass::TrailingSpace);
        }
        Ok(Splitter { passes, whole_words })
    }

    /// Whether words that are tokens are left whole.
    pub(crate) fn keeps_whole_words(&self) -> bool {
        self.whole_words
    }

    /// Cuts a text into words; together they are the text.
    pub(crate) fn split<'a>(&self, text: &'a [char]) -> Vec<&'a [char]> {
        let mut words = vec![text];
        for pass in &self.passes {
            words = words
                .into_iter()
                .flat_map(|word| match pass {
                    Pass::Cut(rule) => cut(word, *rule),
                    Pass::TrailingSpace => cut_trailing_space(word),
                })
                .collect();
        }
        words
    }
}

fn cut_trailing_space(text: &[char]) -> Vec<&[char]> {
    let kept = text.iter().rposition(|c| !space(*c)).map_or(0, |last| last + 1);
    let (words, spaces) = text.split_at(kept);
    [words, spaces]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect()
}

fn cut(mut text: &[char], rule: Rule) -> Vec<&[char]> {
    let mut words = Vec::new();
    let mut skipped = 0;
    while skipped < text.len() {
        match rule(&text[skipped..]) {
            0 => skipped += 1,
            taken => {
                if skipped > 0 {
                    words.push(&text[..skipped]);
                }
                words.push(&text[skipped..skipped + taken]);
                text = &text[skipped + taken..];
                skipped = 0;
            }
        }
    }
    if !text.is_empty() {
        words.push(text);
    }
    words
}

// Character classes.

fn letter(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphabetic()
    } else {
        c.general_category_group() == GeneralCategoryGroup::Letter
    }
}

/// \p{N}: exactly what the standard library calls numeric.
fn number(c: char) -> bool {
    c.is_numeric()
}

fn space(c: char) -> bool {
    c.is_whitespace()
}

pub(crate) fn punctuation(c: char) -> bool {
    c.general_category_group() == GeneralCategoryGroup::Punctuation
}

fn symbol(c: char) -> bool {
    c.general_category_group() == GeneralCategoryGroup::Symbol
}

pub(crate) fn mark(c: char) -> bool {
    !c.is_ascii() && c.general_category_group() == GeneralCategoryGroup::Mark
}

fn cased(c: char) -> bool {
    use GeneralCategory::{LowercaseLetter, TitlecaseLetter, UppercaseLetter};
    if c.is_ascii() {
        return c.is_ascii_alphabetic();
    }
    matches!(
        c.general_category(),
        UppercaseLetter | LowercaseLetter | TitlecaseLetter
    )
}

fn line_break(c: char) -> bool {
    matches!(c, '\r' | '\n')
}

fn other(c: char) -> bool {
    !space(c) && !letter(c) && !number(c)
}

// Building blocks.

fn run(text: &[char], class: impl Fn(char) -> bool) -> usize {
    text.iter().take_while(|c| class(**c)).count()
}

/// `class{0,most}`, without looking further.
fn run_up_to(text: &[char], most: usize, class: impl Fn(char) -> bool) -> usize {
    run(&text[..text.len().min(most)], class)
}

/// ` ?class+`
fn spaced(text: &[char], lead: impl Fn(char) -> bool, class: impl Fn(char) -> bool) -> usize {
    let skip = usize::from(text.first().is_some_and(|c| lead(*c)));
    match run(&text[skip..], &class) {
        0 => run(text, class),
        taken => skip + taken,
    }
}

fn blank(c: char) -> bool {
    c == ' '
}

/// `'s|'t|'re|'ve|'m|'ll|'d`, in either case where `fold` says so.
fn contraction(text: &[char], fold: bool) -> usize {
    let at = |index: usize| {
        text.get(index)
            .map(|c| if fold { c.to_ascii_lowercase() } else { *c })
    };
    match (at(0), at(1), at(2)) {
        (Some('\''), Some('s' | 't' | 'm' | 'd'), _) => 2,
        (Some('\''), Some('r' | 'v'), Some('e')) | (Some('\''), Some('l'), Some('l')) => 3,
        _ => 0,
    }
}

/// `\s+(?!\S)|\s+`: leaves the last space to the word that follows it.
fn spaces(text: &[char]) -> usize {
    match run(text, space) {
        count if count > 1 && count < text.len() => count - 1,
        count => count,
    }
}

/// `\s*[\r\n]+`
fn lines(text: &[char]) -> usize {
    let spaces = &text[..run(text, space)];
    spaces
        .iter()
        .rposition(|c| line_break(*c))
        .map_or(0, |last| last + 1)
}

/// The first of the alternatives that takes anything.
fn first(alternatives: impl IntoIterator<Item = usize>) -> usize {
    alternatives.into_iter().find(|taken| *taken > 0).unwrap_or(0)
}

// The families.

fn gpt2(text: &[char]) -> usize {
    match contraction(text, false) {
        0 => {}
        taken => return taken,
    }
    match spaced(text, blank, letter) {
        0 => first([
            spaced(text, blank, number),
            spaced(text, blank, other),
            spaces(text),
        ]),
        taken => taken,
    }
}

fn llama3(text: &[char]) -> usize {
    llama3_like(text, 3)
}

fn qwen2(text: &[char]) -> usize {
    llama3_like(text, 1)
}

fn llama3_like(text: &[char], digits: usize) -> usize {
    let lead = |c: char| !line_break(c) && !letter(c) && !number(c);
    match first([
        contraction(text, true),
        spaced(text, lead, letter),
        run_up_to(text, digits, number),
    ]) {
        0 => first([other_and(text, line_break), lines(text), spaces(text)]),
        taken => taken,
    }
}

/// ` ?[^\s\p{L}\p{N}]+tail*`
fn other_and(text: &[char], tail: impl Fn(char) -> bool) -> usize {
    match spaced(text, blank, other) {
        0 => 0,
        taken => taken + run(&text[taken..], tail),
    }
}

fn gpt4o(text: &[char]) -> usize {
    let word = cased_word(text);
    let word = if word > 0 {
        word + contraction(&text[word..], true)
    } else {
        0
    };
    cased_family(text, word, 3)
}

fn tekken(text: &[char]) -> usize {
    cased_family(text, cased_word(text), 1)
}

fn cased_family(text: &[char], word: usize, digits: usize) -> usize {
    let tail = |c: char| line_break(c) || c == '/';
    match first([word, run_up_to(text, digits, number)]) {
        0 => first([other_and(text, tail), lines(text), spaces(text)]),
        taken => taken,
    }
}

/// `[^\r\n\p{L}\p{N}]?` and then `upper*lower+|upper+lower*`, where caseless letters and marks are
/// both upper and lower.
fn cased_word(text: &[char]) -> usize {
    let lead = text
        .first()
        .is_some_and(|c| !line_break(*c) && !letter(*c) && !number(*c));
    let (with, without): (usize, usize) = (usize::from(lead), 0);
    let after = |skip: usize, shape: fn(&[char]) -> usize| match shape(&text[skip..]) {
        0 => 0,
        taken => skip + taken,
    };
    first([
        after(with, upper_then_lower),
        after(without, upper_then_lower),
        after(with, upper_run),
        after(without, upper_run),
    ])
}

fn upper(c: char) -> bool {
    (letter(c) && c.general_category() != GeneralCategory::LowercaseLetter) || mark(c)
}

fn lower(c: char) -> bool {
    use GeneralCategory::{TitlecaseLetter, UppercaseLetter};
    (letter(c) && !matches!(c.general_category(), UppercaseLetter | TitlecaseLetter)) || mark(c)
}

/// `upper*lower+`: gives back what it took too much of, as the pattern would.
fn upper_then_lower(text: &[char]) -> usize {
    let uppers = run(text, upper);
    match run(&text[uppers..], lower) {
        0 => text[..uppers]
            .iter()
            .rposition(|c| lower(*c))
            .map_or(0, |last| last + 1),
        lowers => uppers + lowers,
    }
}

/// `upper+lower*`
fn upper_run(text: &[char]) -> usize {
    match run(text, upper) {
        0 => 0,
        uppers => uppers + run(&text[uppers..], lower),
    }
}

fn deepseek3(text: &[char]) -> usize {
    let ascii_mark_and_word = match text {
        [mark, rest @ ..] if mark.is_ascii_punctuation() => match run(rest, |c| c.is_ascii_alphabetic()) {
            0 => 0,
            taken => 1 + taken,
        },
        _ => 0,
    };
    let sign = |c: char| punctuation(c) || symbol(c);
    let word = |c: char| letter(c) || mark(c);
    let signs = match spaced(text, blank, sign) {
        0 => 0,
        taken => taken + run(&text[taken..], line_break),
    };
    let lead = |c: char| !line_break(c) && !letter(c) && !sign(c);
    first([
        ascii_mark_and_word,
        spaced(text, lead, word),
        signs,
        lines(text),
        spaces(text),
    ])
}

fn numbers(text: &[char]) -> usize {
    run(text, number)
}

fn one_number(text: &[char]) -> usize {
    run_up_to(text, 1, number)
}

fn up_to_three_numbers(text: &[char]) -> usize {
    run_up_to(text, 3, number)
}

fn three_digits(text: &[char]) -> usize {
    if run_up_to(text, 3, |c| c.is_ascii_digit()) == 3 {
        3
    } else {
        0
    }
}

fn punctuation_run(text: &[char]) -> usize {
    run(text, |c| {
        punctuation(c) || matches!(c, '$' | '+' | '<' | '=' | '>' | '^' | '~' | '|')
    })
}

fn falcon_punctuation(text: &[char]) -> usize {
    run(text, |c| {
        punctuation(c) || matches!(c, '$' | '+' | '<' | '=' | '>' | '^' | '~' | '|' | '`')
    })
}

fn line_end(text: &[char]) -> usize {
    run_up_to(text, 1, line_break)
}

fn cjk(text: &[char]) -> usize {
    run(
        text,
        |c| matches!(c, '\u{0800}'..='\u{9fa5}' | '\u{ac00}'..='\u{d7ff}'),
    )
}

fn han_and_kana(text: &[char]) -> usize {
    run(
        text,
        |c| matches!(c, '\u{4e00}'..='\u{9fa5}' | '\u{3040}'..='\u{30ff}'),
    )
}

fn spaced_letters(text: &[char]) -> usize {
    spaced(text, space, letter)
}

fn spaced_punctuation(text: &[char]) -> usize {
    spaced(text, space, punctuation)
}

/// The pattern lists cased letters, without those that these blocks hold.
fn deepseek_letters(text: &[char]) -> usize {
    let left_out = |c: char| {
        matches!(c, '\u{560}'..='\u{588}' | '\u{10c7}'..='\u{10ff}' | '\u{1c80}'..='\u{1c88}' | '\u{2d00}'..='\u{2d2d}'
            | '\u{a790}'..='\u{ab68}' | '\u{10570}'..='\u{105bc}' | '\u{16e40}'..='\u{16e7f}' | '\u{1d400}'..='\u{1df1e}')
    };
    spaced(text, space, |c| cased(c) && !left_out(c))
}

fn deepseek_punctuation(text: &[char]) -> usize {
    let listed = |c: char| {
        matches!(c, '!'..='/' | ':'..='~' | '\u{ff01}'..='\u{ff0f}' | '\u{ff1a}'..='\u{ff5e}' | '\u{2018}'..='\u{201f}'
            | '\u{3000}'..='\u{3002}')
    };
    spaced(text, space, listed)
}

/// ` ?[^(\s|.,!?…。，、।۔،)]+`
fn bloom(text: &[char]) -> usize {
    spaced(text, blank, |c| !space(c) && !"(|.,!?…。，、।۔،)".contains(c))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(pre: &str, text: &str, expect: &[&str]) {
        let chars: Vec<char> = text.chars().collect();
        let words: Vec<String> = Splitter::named(pre)
            .unwrap()
            .split(&chars)
            .iter()
            .map(|w| w.iter().collect())
            .collect();
        assert_eq!(words, expect, "{pre}: {text:?}");
    }

    #[test]
    fn each_family_cuts_as_its_pattern_does() {
        check(
            "gpt-2",
            "Hello  world's 123!",
            &["Hello", " ", " world", "'s", " 123", "!"],
        );
        check("gpt-2", "a \t\n", &["a", " \t\n"]);
        check("gpt-2", "a\n\nb'S", &["a", "\n", "\n", "b", "'", "S"]);
        check(
            "llama-bpe",
            "I'LL pay 12345\n\n  now...\n",
            &["I", "'LL", " pay", " ", "123", "45", "\n\n", " ", " now", "...\n"],
        );
        check("qwen2", "x12 y", &["x", "1", "2", " y"]);
        check("smollm", "in 2024!", &["in", " ", "2", "0", "2", "4", "!"]);
        check("default", "a,b 1234", &["a", ",", "b", " ", "123", "4"]);
        check("falcon", "`a` 1234", &["`", "a", "`", " ", "123", "4"]);
        check(
            "gpt-4o",
            "HelloWorld don't/\n",
            &["Hello", "World", " don't", "/\n"],
        );
        check("gpt-4o", "ABCdef GHI", &["ABCdef", " GHI"]);
        check("tekken", "don't 42", &["don", "'t", " ", "4", "2"]);
        check(
            "deepseek-llm",
            "ab 中文 12\n",
            &["ab", " ", "中文", " ", "12", "\n"],
        );
        check("deepseek-v3", "x=1234 かな", &["x", "=", "123", "4", " ", "かな"]);
        check("bloom", "Hi, there", &["Hi", ",", " there"]);
    }

    #[test]
    fn an_unknown_family_is_refused_by_name() {
        let Err(error) = Splitter::named("martian") else {
            panic!("accepted")
        };
        assert!(error.to_string().contains("\"martian\""));
    }
}

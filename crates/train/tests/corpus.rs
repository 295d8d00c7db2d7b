//! The corpus: what it may not ask, that it has thousands of ways, that nothing in it is broken.
//! Does not train.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet, HashSet};

use gguf::synthetic::SplitMix;
use train::corpus::{Corpus, facts, plain};
use train::evaluate::Questions;

fn corpus() -> Corpus {
    Corpus::new(Questions::kept().kept_back(), 1)
}

#[test]
fn no_question_of_the_examination_is_ever_learnt() {
    let questions = Questions::kept();
    let kept_back: HashSet<String> = questions.kept_back().map(plain).collect();
    assert_eq!(questions.held_out.len(), 100);
    let all = questions.held_out.len() + questions.second.len() + questions.unknown.len();
    assert_eq!(kept_back.len(), all, "two of them are the same");
    for round in 0..6 {
        for turn in corpus().dialogues(round, 4096).iter().flatten() {
            assert!(!kept_back.contains(&plain(&turn.question)), "{}", turn.question);
        }
    }
}

#[test]
fn what_is_kept_back_would_have_come_otherwise() {
    let first = corpus().dialogues(0, 1)[0][0].clone();
    let without = Corpus::new([first.question.as_str()].into_iter(), 1);
    let again = without.dialogues(0, 2000);
    assert!(
        !again
            .iter()
            .flatten()
            .any(|turn| plain(&turn.question) == plain(&first.question))
    );
}

#[test]
fn every_fact_is_asked_in_very_many_ways() {
    let mut ways: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let answers: BTreeMap<&str, &str> = facts()
        .flat_map(|fact| fact.answers.iter().map(|answer| (*answer, fact.name)))
        .collect();
    for round in 0..12 {
        for turn in corpus().dialogues(round, 4096).into_iter().flatten() {
            if let Some(fact) = answers.get(turn.answer.as_str()) {
                ways.entry(fact).or_default().insert(turn.question);
            }
        }
    }
    let fewest = ways.iter().min_by_key(|(_, ways)| ways.len()).unwrap();
    assert_eq!(ways.len(), facts().count());
    // Each is asked some 700 times in these rounds, hardly ever twice in the same way.
    assert!(fewest.1.len() > 300, "{}: {}", fewest.0, fewest.1.len());
}

#[test]
fn no_dialogue_has_a_hole_or_a_remnant_of_the_grammar() {
    let mut random = SplitMix::new(1);
    for turn in corpus().dialogues(random.bits(), 20_000).iter().flatten() {
        for text in [&turn.question, &turn.answer] {
            assert!(!text.trim().is_empty() && text.len() < 400, "{turn:?}");
            assert!(!text.contains(['{', '}', '<', '|', '@']), "{turn:?}");
        }
        assert!(turn.answer.ends_with(['.', '!', '。']), "{turn:?}");
    }
}

#[test]
fn sums_and_counts_are_right() {
    let mut sums = 0;
    for turn in corpus().dialogues(0, 20_000).iter().flatten() {
        let parts: Vec<&str> = turn.answer.trim_end_matches('.').split(' ').collect();
        if let [a, sign @ ("+" | "-"), b, "=", result] = parts.as_slice() {
            let [a, b, result]: [i64; 3] = [a, b, result].map(|n| n.parse().unwrap());
            assert_eq!(if *sign == "+" { a + b } else { a - b }, result, "{turn:?}");
            sums += 1;
        }
    }
    assert!(sums > 300, "{sums}");
}

//! The examination of the model that ships: `public/models/welcome.gguf`, in the engine, greedily.
//! Does not train; what it gets wrong is printed.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use gguf::Header;
use train::corpus::UNKNOWN;
use train::evaluate::{Guide, Questions};

fn file() -> Vec<u8> {
    std::fs::read("../../public/models/welcome.gguf").unwrap()
}

#[test]
fn it_answers_what_it_never_learnt_greets_and_says_when_it_does_not_know() {
    let marks = Questions::kept().ask(&mut Guide::load(&file()).unwrap()).unwrap();
    for (question, answer) in &marks.failures {
        println!("{question}\n    {answer}");
    }
    println!("{marks:?}");
    assert_eq!(marks.held_out.1, 100);
    assert!(marks.held_out.0 >= 85, "{:?}", marks.held_out);
    assert!(marks.second.0 * 100 >= marks.second.1 * 85, "{:?}", marks.second);
    assert_eq!(marks.greetings.0, marks.greetings.1);
    assert!(marks.sums.0 * 10 >= marks.sums.1 * 8, "{:?}", marks.sums);
    assert_eq!(marks.unknown.0, marks.unknown.1);
    assert_eq!(marks.well_formed.0, marks.well_formed.1);
}

#[test]
fn it_goes_on_talking_in_a_long_conversation() {
    let mut guide = Guide::load(&file()).unwrap();
    let questions = [
        "Hello!",
        "What is Manyhands?",
        "What is a relay?",
        "Who won the match yesterday?",
        "What is a shard?",
    ];
    let words = ["hello", "commons", "introduces", "", "part of a model"];
    let mut messages: Vec<(&str, String)> = Vec::new();
    for (question, word) in questions.into_iter().zip(words) {
        messages.push(("user", question.to_owned()));
        let all: Vec<(&str, &str)> = messages
            .iter()
            .map(|(role, text)| (*role, text.as_str()))
            .collect();
        let answer = guide.answer(&all).unwrap();
        assert!(answer.is_well_formed(), "{question}: {answer:?}");
        assert!(
            answer.text.to_lowercase().contains(word),
            "{question}: {answer:?}"
        );
        messages.push(("assistant", answer.text));
    }
    assert_eq!(messages[7].1, UNKNOWN);
}

#[test]
fn it_ships_as_promised() {
    let bytes = file();
    let header = Header::read(bytes.as_slice(), bytes.len() as u64).unwrap();
    let config = header.config().unwrap();
    assert_eq!(config.n_layers, 8);
    assert!(bytes.len() <= 8 << 20 && (2000..=4000).contains(&config.vocab));
    let text = |key: &str| header.metadata().string(key).unwrap().unwrap().to_owned();
    assert_eq!(text("general.license"), "MIT OR Apache-2.0");
    assert!(text("general.description").contains("not an assistant"));
}

#[test]
fn its_card_has_the_numbers_of_the_file() {
    let card = "../../public/models/welcome.md";
    let card = std::fs::read_to_string(card).unwrap();
    let bytes = file();
    let header = Header::read(bytes.as_slice(), bytes.len() as u64).unwrap();
    let description = header
        .metadata()
        .string("general.description")
        .unwrap()
        .unwrap()
        .to_owned();
    let marks = description
        .split("answered ")
        .nth(1)
        .and_then(|rest| rest.split(" questions").next())
        .unwrap();
    assert!(card.contains(&format!("| {marks} |")), "{marks}");
}

//! Prints the token ids of strings in a file, one line per string.
//! Does not add special tokens. A line of `__ggml_vocab_test__` ends each string.
#![allow(clippy::print_stdout)]

mod support;

use engine::Tokenizer;
use support::{Failure, vocabulary};

const USAGE: &str = "usage: tokenize --model FILE --input FILE.inp";
const SEPARATOR: &str = "\n__ggml_vocab_test__\n";

fn main() -> Result<(), Failure> {
    let (mut model, mut input) = (None, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        match flag.as_str() {
            "--model" => model = arguments.next(),
            "--input" => input = arguments.next(),
            other => return Err(format!("unknown option {other}\n{USAGE}").into()),
        }
    }
    let (Some(model), Some(input)) = (model, input) else {
        return Err(USAGE.into());
    };
    let header = vocabulary(&model)?;
    let tokenizer = Tokenizer::from_header(&header)?;
    let input = std::fs::read_to_string(input)?;
    for text in input.strip_suffix(SEPARATOR).unwrap_or(&input).split(SEPARATOR) {
        let ids = tokenizer.encode(text, false);
        println!("{}", ids.iter().map(|id| format!(" {id}")).collect::<String>());
    }
    Ok(())
}

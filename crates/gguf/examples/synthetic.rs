//! Writes the models that benchmarks compute with: 79 million parameters, or 1.2 billion, that have learnt nothing.
//! Does not keep it anywhere: it is made when it is needed, the same bytes each time.
#![allow(clippy::print_stderr)]

use std::fs::File;
use std::io::{BufWriter, Error, Result};
use std::process::ExitCode;

use gguf::TensorType;
use gguf::synthetic::Model;

fn main() -> ExitCode {
    match write() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!(
                "synthetic: {error}\nusage: synthetic TYPE FILE.gguf [large], where TYPE is Q4_0, Q8_0, Q4_K …"
            );
            ExitCode::FAILURE
        }
    }
}

fn write() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (ty, path, shape) = match arguments.as_slice() {
        [ty, path] => (ty, path, Model::small()),
        [ty, path, size] if size == "large" => (ty, path, Model::large()),
        _ => {
            return Err(Error::other(
                "two arguments are needed, and no other third than `large`",
            ));
        }
    };
    let ty = TensorType::ALL.into_iter().find(|known| known.to_string() == *ty);
    let model = Model {
        ty: ty.ok_or_else(|| Error::other("this type is not known"))?,
        ..shape
    };
    model
        .writer()
        .map_err(Error::other)?
        .write(BufWriter::new(File::create(path)?))
}

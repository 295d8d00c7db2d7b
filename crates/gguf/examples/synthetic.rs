//! Writes the model that benchmarks compute with: 79 million parameters that have learnt nothing.
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
                "synthetic: {error}\nusage: synthetic TYPE FILE.gguf, where TYPE is Q4_0, Q8_0, Q4_K …"
            );
            ExitCode::FAILURE
        }
    }
}

fn write() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [ty, path] = arguments.as_slice() else {
        return Err(Error::other("two arguments are needed"));
    };
    let ty = TensorType::ALL.into_iter().find(|known| known.to_string() == *ty);
    let model = Model {
        ty: ty.ok_or_else(|| Error::other("this type is not known"))?,
        n_layers: 12,
        d_model: 768,
        d_ffn: 2_048,
        n_heads: 12,
        n_kv_heads: 4,
        vocab: 4_096,
        context: 1_024,
        seed: 79,
        ..Model::tiny()
    };
    model
        .writer()
        .map_err(Error::other)?
        .write(BufWriter::new(File::create(path)?))
}

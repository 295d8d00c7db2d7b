//! What becomes of every class of forged files, as one digest per class: the same natively and on wasm32.
//! Does not compare them: natively this prints, on wasm32 `verdicts.mjs` asks, and `cargo xtask test` compares.
#![allow(clippy::print_stdout)]

#[path = "../tests/forged/mod.rs"]
mod forged;

/// As many as the quick tests take.
const SEEDS: u64 = 5;

#[cfg(not(target_arch = "wasm32"))]
fn main() {
    for class in forged::CLASSES {
        println!("{} {:016x}", class.name, class.digest(SEEDS));
    }
}

#[cfg(target_arch = "wasm32")]
fn main() {}

/// What the script calls: numbers alone cross the border.
#[cfg(target_arch = "wasm32")]
mod exports {
    #![allow(unsafe_code)] // an exported name must be unique, which the compiler cannot check

    use super::{SEEDS, forged};

    /// How many classes there are.
    #[unsafe(no_mangle)]
    extern "C" fn class_count() -> usize {
        forged::CLASSES.len()
    }

    /// Where the name of a class lies.
    #[unsafe(no_mangle)]
    extern "C" fn class_name(index: usize) -> *const u8 {
        forged::CLASSES[index].name.as_ptr()
    }

    /// How long it is.
    #[unsafe(no_mangle)]
    extern "C" fn class_name_bytes(index: usize) -> usize {
        forged::CLASSES[index].name.len()
    }

    /// What becomes of its files.
    #[unsafe(no_mangle)]
    extern "C" fn class_digest(index: usize) -> u64 {
        forged::CLASSES[index].digest(SEEDS)
    }
}

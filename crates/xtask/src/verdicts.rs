//! Whether wasm32 and this machine judge every class of forged model files alike.
//! It does not say whether they judge right: the native tests do.

use anyhow::{Context as _, Result};

use crate::context::Context;
use crate::report::Counts;
use crate::tools;

const EXAMPLE: [&str; 6] = [
    "--locked",
    "--quiet",
    "--package",
    "gguf",
    "--example",
    "verdicts",
];

/// Compares the digests, class by class.
///
/// # Errors
/// When the example cannot be built or run on either side.
pub(crate) fn compare(context: &Context) -> Result<Counts> {
    let native = context.cargo().arg("run").args(EXAMPLE).output()?;
    let target = "wasm32-unknown-unknown";
    tools::wasm_cargo(context, "cargo")?
        .arg("build")
        .args(EXAMPLE)
        .args(["--target", target])
        .run()?;
    let module = context.target.join(target).join("debug/examples/verdicts.wasm");
    let script = context.root.join("crates/gguf/examples/verdicts.mjs");
    let wasm = context.command("node").arg(script).arg(module).output()?;
    count(&native, &wasm).context("the example named no class")
}

/// One passed test for each class whose lines are the same.
fn count(native: &str, wasm: &str) -> Option<Counts> {
    let mut counts = Counts::default();
    for line in native.lines() {
        let class = line.split(' ').next().unwrap_or(line);
        if wasm.lines().any(|other| other == line) {
            counts.passed += 1;
        } else {
            println!("{class}: wasm32 judges otherwise");
            counts.failed += 1;
        }
    }
    let extra = wasm.lines().count().saturating_sub(native.lines().count());
    counts.failed += u64::try_from(extra).unwrap_or(u64::MAX);
    (counts != Counts::default()).then_some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_that_is_judged_otherwise_or_not_at_all_fails() {
        let same = "keys::bool_2 1a\nkeys::key_twice 2b\n";
        let counts = |wasm| count(same, wasm).map(|counts| (counts.passed, counts.failed));
        assert_eq!(counts(same), Some((2, 0)));
        assert_eq!(counts("keys::bool_2 1a\nkeys::key_twice 2c\n"), Some((1, 1)));
        assert_eq!(counts(""), Some((0, 2)));
        assert_eq!(count("", ""), None);
    }
}

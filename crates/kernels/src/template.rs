//! Writes the variants of a kernel from one text: conditions, and loops that must be unrolled.
//! Does not understand WGSL; lines that begin with `#` are its own, everything else is copied.
//!
//! `#if NAME` … `#else` … `#end` keeps what the variant has; `#for i LIST` … `#end` repeats its lines with
//! `$i` replaced by each item of LIST. Values indexed by a loop that drivers may not unroll would end up in
//! memory instead of registers; that is what the loops here are for.

use std::collections::BTreeMap;

/// The choices of a variant: flags are lists that are not empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choices(BTreeMap<&'static str, Vec<String>>);

impl Choices {
    /// A flag.
    pub(crate) fn flag(mut self, name: &'static str, on: bool) -> Choices {
        self.0
            .insert(name, if on { vec![name.into()] } else { Vec::new() });
        self
    }

    /// What a loop runs over, written as WGSL's u32.
    pub(crate) fn list(mut self, name: &'static str, items: impl IntoIterator<Item = u32>) -> Choices {
        self.0
            .insert(name, items.into_iter().map(|item| format!("{item}u")).collect());
        self
    }

    /// A loop that is written once, over a variable of the kernel's own.
    pub(crate) fn variable(mut self, name: &'static str, variable: &str) -> Choices {
        self.0.insert(name, vec![variable.to_owned()]);
        self
    }
}

/// The text of one variant.
pub(crate) fn expand(source: &str, choices: &Choices) -> String {
    let lines: Vec<&str> = source.lines().collect();
    let mut out = String::with_capacity(source.len() * 2);
    block(&lines, choices, &mut out);
    out
}

fn block(lines: &[&str], choices: &Choices, out: &mut String) {
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let Some(directive) = line.trim_start().strip_prefix('#') else {
            out.push_str(line);
            out.push('\n');
            at += 1;
            continue;
        };
        let (middle, end) = extent(lines, at);
        let body = &lines[at + 1..middle.unwrap_or(end)];
        let mut words = directive.split_whitespace();
        let (verb, name, last) = (words.next(), words.next().unwrap_or_default(), words.next());
        let items = |name: &str| choices.0.get(name).cloned().unwrap_or_default();
        if verb == Some("for") {
            let variable = format!("${name}");
            for item in items(last.unwrap_or_default()) {
                let mut once = String::new();
                block(body, choices, &mut once);
                out.push_str(&once.replace(&variable, &item));
            }
        } else if !items(name).is_empty() {
            block(body, choices, out);
        } else if let Some(middle) = middle {
            block(&lines[middle + 1..end], choices, out);
        }
        at = end + 1;
    }
}

/// Where the block that opens at `start` has its `#else`, and where it ends.
fn extent(lines: &[&str], start: usize) -> (Option<usize>, usize) {
    let (mut depth, mut middle) = (0, None);
    for (at, line) in lines.iter().enumerate().skip(start) {
        match line.trim_start() {
            line if line.starts_with("#if ") || line.starts_with("#for ") => depth += 1,
            "#else" if depth == 1 => middle = Some(at),
            "#end" if depth == 1 => return (middle, at),
            "#end" => depth -= 1,
            _ => {}
        }
    }
    (middle, lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_and_loops_nest() {
        let source = "a\n#for t T\n#if X\nx$t\n#for r R\ny$t+$r\n#end\n#else\nz$t\n#end\n#end\nb";
        let choices = Choices::default().list("T", 0..2).list("R", [4, 5]);
        let on = expand(source, &choices.clone().flag("X", true));
        assert_eq!(on, "a\nx0u\ny0u+4u\ny0u+5u\nx1u\ny1u+4u\ny1u+5u\nb\n");
        assert_eq!(expand(source, &choices.flag("X", false)), "a\nz0u\nz1u\nb\n");
    }
}

//! Splits what a model thinks aloud from what it answers.
//! Knows the one mark that open models share: a leading `<think>`.

/// `(reasoning, answer)`; while the mark is open all that follows is reasoning.
pub fn split(text: &str) -> (Option<&str>, &str) {
    let Some(inner) = text.trim_start().strip_prefix("<think>") else {
        return (None, text);
    };
    match inner.split_once("</think>") {
        Some((thought, answer)) => (some(thought), answer.trim_start()),
        None => (some(inner), ""),
    }
}

/// Some models open the mark and think nothing.
fn some(thought: &str) -> Option<&str> {
    (!thought.trim().is_empty()).then(|| thought.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_leading_mark_is_reasoning() {
        let check = |text, expect| assert_eq!(split(text), expect, "{text}");
        check("hello", (None, "hello"));
        check("<think>a b</think>\n\nc", (Some("a b"), "c"));
        check("\n<think>a", (Some("a"), ""));
        check("<think>\n\n</think>c", (None, "c"));
        check("say <think>x</think>", (None, "say <think>x</think>"));
        check("<thinking", (None, "<thinking"));
    }
}

//! How long each step took and how many tests passed: the table at the end of a run.
//! It does not run tests; it reads what the runners print.

use std::time::{Duration, Instant};

use anyhow::Result;

/// Passed and failed tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Counts {
    /// What a runner's output says: cargo-nextest, cargo test and Playwright are understood.
    pub(crate) fn read(output: &str) -> Self {
        let mut sum = Self::default();
        for line in output.lines() {
            let line = plain(line);
            // nextest: "Summary [ 1.2s] 12 tests run: 11 passed, 1 failed, 2 skipped"
            // cargo test: "test result: FAILED. 3 passed; 1 failed; 0 ignored"
            let is_summary = line.starts_with("test result:") || line.trim_start().starts_with("Summary [");
            // Playwright: "  3 passed (12.1s)", "  1 failed", each on a line of its own.
            let words: Vec<&str> = line.split_whitespace().collect();
            let is_playwright = line.starts_with("  ")
                && matches!(words.as_slice(), [count, "passed" | "failed", ..] if count.parse::<u64>().is_ok());
            if is_summary || is_playwright {
                sum.passed += number_before(&words, "passed");
                sum.failed += number_before(&words, "failed") + number_before(&words, "timed");
            }
        }
        sum
    }

    /// What a plain runner says in its last line: "3 passed, 0 failed".
    pub(crate) fn read_last_line(output: &str) -> Option<Self> {
        let last = plain(output.trim_end().lines().last()?);
        let words: Vec<&str> = last.split_whitespace().collect();
        let [passed, "passed,", failed, "failed"] = words.as_slice() else {
            return None;
        };
        Some(Self {
            passed: passed.parse().ok()?,
            failed: failed.parse().ok()?,
        })
    }

    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// The number in front of a word, as in "11 passed,".
fn number_before(words: &[&str], what: &str) -> u64 {
    let pairs = words
        .windows(2)
        .filter(|pair| pair[1].trim_end_matches([',', ';', '.']) == what);
    pairs.filter_map(|pair| pair[0].parse::<u64>().ok()).sum()
}

/// A line without its colour codes.
fn plain(line: &str) -> String {
    let mut kept = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(next) = chars.next() {
        if next == '\u{1b}' {
            chars.by_ref().find(char::is_ascii_alphabetic);
        } else {
            kept.push(next);
        }
    }
    kept
}

/// Steps that were run, in order.
#[derive(Default)]
pub(crate) struct Steps {
    rows: Vec<(String, Duration, &'static str)>,
    counts: Counts,
}

impl Steps {
    /// Runs one step, times it, and adds the tests it counted. A step that counted no failing test but failed counts as one.
    ///
    /// # Errors
    /// Those of the step, after noting it.
    pub(crate) fn run(&mut self, name: &str, step: impl FnOnce() -> Result<Counts>) -> Result<()> {
        println!("\n== {name}");
        let start = Instant::now();
        let result = step();
        let verdict = match &result {
            Ok(counts) if counts.failed == 0 => "ok",
            _ => "FAILED",
        };
        self.rows.push((name.to_owned(), start.elapsed(), verdict));
        match result {
            Ok(counts) => {
                self.counts.add(counts);
                if counts.failed > 0 {
                    anyhow::bail!("{name}: {} tests failed", counts.failed);
                }
                Ok(())
            }
            Err(error) => {
                self.counts.failed += 1;
                Err(error.context(format!("step failed: {name}")))
            }
        }
    }

    /// Notes a step that this machine cannot do.
    pub(crate) fn left_out(&mut self, name: &str, reason: &'static str) {
        println!("\n== {name}: left out, {reason}");
        self.rows.push((name.to_owned(), Duration::ZERO, reason));
    }

    /// The table of times, then the line with the sum of all tests.
    pub(crate) fn print(&self) {
        println!("\n{:<28} {:>8}  result", "step", "time");
        for (name, time, verdict) in &self.rows {
            println!("{name:<28} {:>8}  {verdict}", seconds(*time));
        }
        let total: Duration = self.rows.iter().map(|(_, time, _)| *time).sum();
        println!("{:<28} {:>8}", "total", seconds(total));
        println!("\n{} passed, {} failed", self.counts.passed, self.counts.failed);
    }
}

/// A duration as people read it.
pub(crate) fn seconds(duration: Duration) -> String {
    match duration.as_secs() {
        0..60 => format!("{:.1} s", duration.as_secs_f64()),
        whole => format!("{} min {:02} s", whole / 60, whole % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(output: &str, passed: u64, failed: u64) {
        assert_eq!(Counts::read(output), Counts { passed, failed }, "{output}");
    }

    #[test]
    fn each_runner_is_counted() {
        check(
            "     Summary [   1.204s] 12 tests run: 11 passed, 1 failed, 2 skipped",
            11,
            1,
        );
        check(
            "     Summary [   1.204s] 3 tests run: 2 passed (1 slow), 1 timed out, 0 skipped",
            2,
            1,
        );
        check(
            "test result: ok. 3 passed; 0 failed; 0 ignored; finished in 0.01s\ntest result: FAILED. 1 passed; 2 failed; 0 ignored",
            4,
            2,
        );
        check(
            "Running 4 tests using 1 worker\n  1 failed\n    [cpu] specs/a.ts:3:1\n  3 passed (12.1s)\n",
            3,
            1,
        );
    }

    #[test]
    fn colours_do_not_hide_a_failure() {
        check(
            "\u{1b}[32;1m     Summary\u{1b}[0m [   1.2s] \u{1b}[1m2\u{1b}[0m tests run: \u{1b}[1m1\u{1b}[0m \u{1b}[32mpassed\u{1b}[0m, \u{1b}[1m1\u{1b}[0m \u{1b}[31mfailed\u{1b}[0m, 0 skipped",
            1,
            1,
        );
    }

    #[test]
    fn what_a_test_prints_is_not_counted() {
        check("7 passed, 3 failed\nprinted by a test: 9 passed\n", 0, 0);
    }

    #[test]
    fn a_plain_runner_is_read_by_its_last_line_alone() {
        let counts = |output| Counts::read_last_line(output);
        assert_eq!(
            counts("9 passed, 9 failed\n3 passed, 1 failed\n"),
            Some(Counts { passed: 3, failed: 1 })
        );
        assert_eq!(counts("3 passed, 1 failed\nError: broken\n"), None);
        assert_eq!(counts(""), None);
    }

    #[test]
    fn a_failed_step_counts_even_without_tests() {
        let mut steps = Steps::default();
        assert!(steps.run("breaks", || anyhow::bail!("no")).is_err());
        assert_eq!(steps.counts, Counts { passed: 0, failed: 1 });
    }
}

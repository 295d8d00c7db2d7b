//! Stop strings in a stream of text.
//! Does not look at tokens: it sees what the decoder lets through.

use crate::EngineError;

/// Stop strings of one request, as many as OpenAI's interface allows fourfold.
pub const MAX_STOPS: usize = 16;

/// Bytes of one stop string; as many may be held back while they are coming.
pub const MAX_STOP_BYTES: usize = 256;

/// Watches for stop strings and holds back text that may be the beginning of one.
#[derive(Clone, Debug, Default)]
pub struct StopStrings {
    stops: Vec<String>,
    held: String,
    stopped: bool,
}

impl StopStrings {
    /// Watches for these strings.
    ///
    /// # Errors
    /// [`EngineError::Sampling`] when there are too many, or one is empty or too long.
    pub fn new(stops: Vec<String>) -> Result<StopStrings, EngineError> {
        if stops.len() > MAX_STOPS {
            return Err(EngineError::Sampling(format!(
                "{} stop strings, at most {MAX_STOPS}",
                stops.len()
            )));
        }
        if let Some(bad) = stops
            .iter()
            .find(|stop| stop.is_empty() || stop.len() > MAX_STOP_BYTES)
        {
            return Err(EngineError::Sampling(format!(
                "a stop string of {} bytes, 1 to {MAX_STOP_BYTES} are possible",
                bad.len()
            )));
        }
        Ok(StopStrings {
            stops,
            ..StopStrings::default()
        })
    }

    /// The text that may be shown now. After a stop string has come, nothing more is.
    pub fn push(&mut self, text: &str) -> String {
        if self.stopped {
            return String::new();
        }
        self.held.push_str(text);
        if let Some(at) = self
            .stops
            .iter()
            .filter_map(|stop| self.held.find(stop.as_str()))
            .min()
        {
            self.stopped = true;
            self.held.truncate(at);
            return std::mem::take(&mut self.held);
        }
        let mut starts = self.held.char_indices().map(|(at, _)| at);
        let shown = starts.find(|at| self.stops.iter().any(|stop| stop.starts_with(&self.held[*at..])));
        let kept = self.held.split_off(shown.unwrap_or(self.held.len()));
        std::mem::replace(&mut self.held, kept)
    }

    /// Whether a stop string has come.
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// What was held back in vain, at the end of the answer.
    pub fn finish(self) -> String {
        if self.stopped { String::new() } else { self.held }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(stops: &[&str], pieces: &[&str], expect: &[&str], stopped: bool) {
        let mut watch = StopStrings::new(stops.iter().map(|s| s.to_string()).collect()).unwrap();
        let mut shown: Vec<String> = pieces.iter().map(|piece| watch.push(piece)).collect();
        assert_eq!(watch.stopped(), stopped, "{pieces:?}");
        shown.push(watch.finish());
        assert_eq!(shown, expect, "{pieces:?}");
    }

    #[test]
    fn a_stop_string_cut_across_pieces_is_never_shown() {
        check(
            &["</s>"],
            &["Hi<", "/s", ">more", "x"],
            &["Hi", "", "", "", ""],
            true,
        );
        check(&["</s>"], &["Hi<", "/b", "ye"], &["Hi", "</b", "ye", ""], false);
        check(&["</s>"], &["a</"], &["a", "</"], false);
        check(
            &["\n\n", "\nUser:"],
            &["a\n", "Us", "er: b"],
            &["a", "", "", ""],
            true,
        );
        check(&["aab"], &["aa", "ab"], &["", "a", ""], true);
        check(&[], &["é", "!"], &["é", "!", ""], false);
        check(&["éa"], &["é", "é", "a"], &["", "é", "", ""], true);
    }

    #[test]
    fn too_many_empty_and_huge_stop_strings_are_refused() {
        assert!(StopStrings::new(vec!["x".into(); MAX_STOPS]).is_ok());
        assert!(StopStrings::new(vec!["x".into(); MAX_STOPS + 1]).is_err());
        assert!(StopStrings::new(vec![String::new()]).is_err());
        assert!(StopStrings::new(vec!["x".repeat(MAX_STOP_BYTES + 1)]).is_err());
    }
}

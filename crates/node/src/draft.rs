//! Guesses at the tokens to come, taken from what was said already (prompt lookup).
//! It costs nothing and promises nothing: only what the head samples itself is kept.

/// The longest and the shortest ending that is looked for.
const LONGEST: usize = 4;
const SHORTEST: usize = 2;
/// The most tokens guessed at once.
pub(crate) const MAX_DRAFT: u32 = 15;
/// Guesses by the old distance alone that may be wrong from the first token on before it is given up.
const MAX_ASTRAY: u32 = 2;
/// How many tokens are guessed at first.
const FIRST_DEPTH: u32 = 8;
/// How far back is looked: bounds the work per token.
const LOOK_BACK: usize = 8_192;

/// See the file's head.
#[derive(Clone, Debug)]
pub(crate) struct Drafter {
    /// How many to guess: more after guesses that were right, fewer after wrong ones.
    depth: u32,
    /// How far back the text lies that is being repeated. A word that is said otherwise does not change that.
    distance: Option<usize>,
    /// The last guess had no other ground than the distance, and how many such were wrong in a row.
    by_distance: bool,
    astray: u32,
}

impl Drafter {
    pub(crate) fn new() -> Drafter {
        Drafter {
            depth: FIRST_DEPTH,
            distance: None,
            by_distance: false,
            astray: 0,
        }
    }

    /// What followed when the last few tokens were last said, or else what comes next in the text that was being
    /// repeated; at most `most` tokens.
    pub(crate) fn draft(&mut self, tokens: &[u32], most: u32) -> Vec<u32> {
        let most = self.depth.min(most) as usize;
        let tokens = &tokens[tokens.len().saturating_sub(LOOK_BACK)..];
        let follows = (SHORTEST..=LONGEST)
            .rev()
            .find_map(|length| follows(tokens, length));
        self.by_distance = follows.is_none();
        if let Some(at) = follows {
            self.distance = Some(tokens.len() - at);
        }
        let known = self
            .distance
            .and_then(|distance| tokens.len().checked_sub(distance));
        // What followed may reach the end: a text that repeats itself goes on with what is guessed.
        known.map_or_else(Vec::new, |at| {
            tokens[at..].iter().copied().cycle().take(most).collect()
        })
    }

    /// Learns how many of the guesses were right.
    pub(crate) fn learn(&mut self, drafted: u32, agreed: u32) {
        if drafted == 0 {
            return;
        }
        if agreed == 0 && self.by_distance {
            // A guess without much ground says nothing about those that have one.
            self.astray += 1;
            if self.astray >= MAX_ASTRAY {
                (self.distance, self.astray) = (None, 0);
            }
            return;
        }
        self.astray = 0;
        self.depth = if agreed == drafted {
            (self.depth * 2).min(MAX_DRAFT)
        } else {
            (agreed + 1).max(self.depth / 2).max(1)
        };
    }
}

/// Where it goes on after the last earlier place that ends as the text ends, in so many tokens.
fn follows(tokens: &[u32], length: usize) -> Option<usize> {
    let start = tokens.len().checked_sub(length)?;
    let ending = &tokens[start..];
    let earlier = (0..start).rev().find(|at| tokens[*at..*at + length] == *ending)?;
    Some(earlier + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_followed_last_time_is_guessed_again() {
        let draft = |tokens: &[u32], most| Drafter::new().draft(tokens, most);
        assert_eq!(draft(&[1, 2, 3, 4, 9, 1, 2], 4), [3, 4, 9, 1]);
        assert_eq!(draft(&[1, 2, 3, 4, 9, 1, 2], 2), [3, 4]);
        assert_eq!(draft(&[1, 2, 3], 4), []);
        assert_eq!(draft(&[], 4), []);
    }

    #[test]
    fn a_text_that_repeats_itself_is_guessed_beyond_its_end() {
        let draft = |tokens: &[u32], most| Drafter::new().draft(tokens, most);
        assert_eq!(draft(&[5, 5, 5, 5], 4), [5, 5, 5, 5]);
        assert_eq!(draft(&[7, 1, 2, 3, 1, 2, 3, 1, 2], 4), [3, 1, 2, 3]);
    }

    #[test]
    fn a_word_said_otherwise_does_not_end_the_guessing_but_two_wrong_guesses_in_a_row_do() {
        let mut drafter = Drafter::new();
        let mut tokens = vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2];
        assert_eq!(drafter.draft(&tokens, 4), [3, 4, 5, 6]);
        drafter.learn(4, 1);
        tokens.extend([3, 99]);
        assert_eq!(drafter.draft(&tokens, 4), [5, 6, 7, 8]);
        drafter.learn(4, 0);
        tokens.push(98);
        assert_eq!(drafter.draft(&tokens, 4), [6, 7, 8, 9]);
        drafter.learn(4, 0);
        tokens.push(97);
        assert_eq!(drafter.draft(&tokens, 4), []);
    }

    #[test]
    fn a_copied_text_comes_in_five_tokens_a_trip_even_where_a_word_in_each_line_is_another() {
        let line = |n: u32| (0..16).map(move |at| 1_000 + 16 * n + at);
        let told: Vec<u32> = (0..20).flat_map(line).collect();
        let mut answer = told.clone();
        for (n, word) in answer.iter_mut().skip(7).step_by(16).enumerate() {
            *word = 5_000 + n as u32;
        }
        let (mut drafter, mut tokens, mut trips) = (Drafter::new(), told.clone(), 0);
        // The first two are what tells where in the text it begins.
        tokens.extend(&answer[..2]);
        while let Some(left) = answer
            .get(tokens.len() - told.len()..)
            .filter(|left| !left.is_empty())
        {
            let drafts = drafter.draft(&tokens, MAX_DRAFT.min(left.len() as u32 - 1));
            let agreed = drafts
                .iter()
                .zip(left)
                .take_while(|(guess, word)| guess == word)
                .count();
            drafter.learn(drafts.len() as u32, agreed as u32);
            tokens.extend(&left[..=agreed]);
            trips += 1;
        }
        let said = answer.len() - 2;
        assert!(said >= 5 * trips, "{said} tokens in {trips} trips");
    }

    #[test]
    fn wrong_guesses_make_it_modest_and_right_ones_bold() {
        let mut drafter = Drafter::new();
        drafter.learn(8, 8);
        assert_eq!(drafter.depth, MAX_DRAFT);
        for _ in 0..9 {
            drafter.learn(4, 0);
        }
        assert_eq!(drafter.depth, 1);
        drafter.learn(0, 0);
        assert_eq!(drafter.depth, 1);
    }
}

//! Guesses at the tokens to come, taken from what was said already (prompt lookup).
//! It costs nothing and promises nothing: only what the head samples itself is kept.

/// The longest and the shortest ending that is looked for.
const LONGEST: usize = 4;
const SHORTEST: usize = 2;
/// The most tokens guessed at once.
pub(crate) const MAX_DRAFT: u32 = 15;
/// How far back is looked: bounds the work per token.
const LOOK_BACK: usize = 8_192;

/// See the file's head.
#[derive(Clone, Debug)]
pub(crate) struct Drafter {
    /// How many to guess: more after guesses that were right, fewer after wrong ones.
    depth: u32,
}

impl Drafter {
    pub(crate) fn new() -> Drafter {
        Drafter { depth: 4 }
    }

    /// What followed when the last few tokens were last said, at most `most` tokens.
    pub(crate) fn draft(&self, tokens: &[u32], most: u32) -> Vec<u32> {
        let most = self.depth.min(most) as usize;
        let tokens = &tokens[tokens.len().saturating_sub(LOOK_BACK)..];
        for length in (SHORTEST..=LONGEST).rev() {
            let Some(start) = tokens.len().checked_sub(length).filter(|start| *start > 0) else {
                continue;
            };
            let ending = &tokens[start..];
            let earlier = (0..start).rev().find(|at| tokens[*at..*at + length] == *ending);
            if let Some(at) = earlier {
                let follows = &tokens[at + length..];
                return follows[..follows.len().min(most)].to_vec();
            }
        }
        Vec::new()
    }

    /// Learns how many of the guesses were right.
    pub(crate) fn learn(&mut self, drafted: u32, agreed: u32) {
        if drafted == 0 {
            return;
        }
        self.depth = if agreed == drafted {
            (self.depth * 2).min(MAX_DRAFT)
        } else {
            (agreed + 1).max(self.depth / 2).max(1)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_followed_last_time_is_guessed_again() {
        let drafter = Drafter::new();
        assert_eq!(drafter.draft(&[1, 2, 3, 4, 9, 1, 2], 4), [3, 4, 9, 1]);
        assert_eq!(drafter.draft(&[1, 2, 3, 4, 9, 1, 2], 2), [3, 4]);
        assert_eq!(drafter.draft(&[1, 2, 3], 4), []);
        assert_eq!(drafter.draft(&[], 4), []);
        assert_eq!(drafter.draft(&[5, 5, 5, 5], 4), [5]);
    }

    #[test]
    fn wrong_guesses_make_it_modest_and_right_ones_bold() {
        let mut drafter = Drafter::new();
        drafter.learn(4, 4);
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

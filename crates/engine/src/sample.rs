//! From logits to a token: greedy, temperature, top-k, top-p, min-p, repetition penalty.
//! Does not remember anything: the same logits, settings, position and history give the same token.
//!
//! Randomness is a function of (seed, position), not a stream. A position that is computed again,
//! after a rollback, on a replacement peer or speculatively, gives the token it gave before.

use std::cmp::Ordering;

use crate::EngineError;
use crate::cpu::ops::exp;

/// Tokens of history that the repetition penalty looks at.
pub const PENALTY_WINDOW_TOKENS: usize = 64;

/// How to choose. The default is greedy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// 0 is greedy; above it, logits are divided by it. At most 100.
    pub temperature: f32,
    /// Keep this many of the likeliest tokens; 0 keeps all.
    pub top_k: u32,
    /// Keep the likeliest tokens until they hold this share; 1 keeps all (Holtzman et al. 2019).
    pub top_p: f32,
    /// Keep tokens at least this share as likely as the likeliest; 0 keeps all (Nguyen et al. 2024).
    pub min_p: f32,
    /// Divides positive logits of tokens in the recent history, multiplies negative ones; 1 is off
    /// (Keskar et al. 2019).
    pub repeat_penalty: f32,
    /// Chooses the run.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Sampling {
        Sampling {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repeat_penalty: 1.0,
            seed: 0,
        }
    }
}

impl Sampling {
    /// Whether every setting is in its range.
    ///
    /// # Errors
    /// [`EngineError::Sampling`] with the setting and its value.
    pub fn check(&self) -> Result<(), EngineError> {
        let settings = [
            ("temperature", self.temperature, 0.0..=100.0),
            ("top_p", self.top_p, 0.0..=1.0),
            ("min_p", self.min_p, 0.0..=1.0),
            ("repeat_penalty", self.repeat_penalty, 0.01..=100.0),
        ];
        for (name, value, range) in settings {
            if !range.contains(&value) {
                return Err(EngineError::Sampling(format!(
                    "{name} {value} is outside {}..={}",
                    range.start(),
                    range.end()
                )));
            }
        }
        Ok(())
    }

    /// Whether the likeliest token is taken as it is, so that a device may choose it.
    pub(crate) fn is_greedy(&self) -> bool {
        self.temperature == 0.0 && self.repeat_penalty == 1.0
    }

    /// The token at `position`, whose logits these are. `history` holds the tokens before it, the
    /// newest last; it matters for the repetition penalty alone.
    ///
    /// # Errors
    /// [`EngineError::NotFinite`] when the likeliest logit is not a finite number.
    pub fn choose(&self, logits: &[f32], position: u32, history: &[u32]) -> Result<u32, EngineError> {
        let all = logits.iter().zip(0..).map(|(logit, token)| (token, *logit));
        self.choose_among(all, position, history)
    }

    /// How many of the likeliest tokens hold every one that could be chosen; none where that may take the
    /// whole vocabulary. A penalty only pushes tokens down: as many more as it may push out are enough.
    pub(crate) fn candidates(&self) -> Option<u32> {
        let penalised = if self.repeat_penalty == 1.0 {
            0
        } else {
            PENALTY_WINDOW_TOKENS as u32
        };
        let k = if self.temperature == 0.0 { 1 } else { self.top_k };
        (k > 0 && self.repeat_penalty >= 1.0).then(|| k.saturating_add(penalised))
    }

    /// The same as [`Sampling::choose`], from (token, logit) of some tokens, in any order.
    pub(crate) fn choose_among(
        &self,
        some: impl Iterator<Item = (u32, f32)>,
        position: u32,
        history: &[u32],
    ) -> Result<u32, EngineError> {
        self.check()?;
        let mut candidates: Vec<Candidate> = some.map(|(token, logit)| Candidate { token, logit }).collect();
        candidates.sort_unstable_by_key(|candidate| candidate.token);
        self.penalise(&mut candidates, history);
        let best = candidates.iter().min_by(|a, b| a.before(b)).copied();
        let best = best
            .filter(|best| best.logit.is_finite())
            .ok_or(EngineError::NotFinite { position })?;
        if self.temperature == 0.0 {
            return Ok(best.token);
        }
        self.keep_top_k(&mut candidates);
        candidates.sort_unstable_by(Candidate::before);
        self.keep_top_p(&mut candidates, best.logit);
        // exp(logit − best) ≥ min_p is the rule on probabilities, without their sum.
        candidates.retain(|candidate| exp(candidate.logit - best.logit) >= self.min_p);
        Ok(self.draw(&candidates, best, position))
    }

    fn penalise(&self, candidates: &mut [Candidate], history: &[u32]) {
        if self.repeat_penalty == 1.0 {
            return;
        }
        let mut recent = history[history.len().saturating_sub(PENALTY_WINDOW_TOKENS)..].to_vec();
        recent.sort_unstable();
        recent.dedup();
        for token in recent {
            let at = candidates.binary_search_by_key(&token, |candidate| candidate.token);
            if let Some(candidate) = at.ok().and_then(|at| candidates.get_mut(at)) {
                let factor = if candidate.logit > 0.0 {
                    1.0 / self.repeat_penalty
                } else {
                    self.repeat_penalty
                };
                candidate.logit *= factor;
            }
        }
    }

    fn keep_top_k(&self, candidates: &mut Vec<Candidate>) {
        let k = self.top_k as usize;
        if k > 0 && k < candidates.len() {
            candidates.select_nth_unstable_by(k - 1, Candidate::before);
            candidates.truncate(k);
        }
    }

    fn keep_top_p(&self, candidates: &mut Vec<Candidate>, best: f32) {
        if self.top_p >= 1.0 {
            return;
        }
        let weight = |candidate: &Candidate| f64::from(exp(candidate.logit - best));
        let enough = f64::from(self.top_p) * candidates.iter().map(weight).sum::<f64>();
        let mut held = 0.0;
        let kept = candidates.iter().take_while(|candidate| {
            let more = held < enough;
            held += weight(candidate);
            more
        });
        let kept = kept.count().max(1);
        candidates.truncate(kept);
    }

    fn draw(&self, candidates: &[Candidate], best: Candidate, position: u32) -> u32 {
        let weight =
            |candidate: &Candidate| f64::from(exp((candidate.logit - best.logit) / self.temperature));
        let total: f64 = candidates.iter().map(weight).sum();
        let mut left = uniform(self.seed, position) * total;
        for candidate in candidates {
            left -= weight(candidate);
            if left < 0.0 {
                return candidate.token;
            }
        }
        best.token
    }
}

#[derive(Clone, Copy)]
struct Candidate {
    token: u32,
    logit: f32,
}

impl Candidate {
    /// Likelier first, the smaller id among equals, what is not a number last.
    fn before(&self, other: &Candidate) -> Ordering {
        let key = |c: &Candidate| {
            if c.logit.is_nan() {
                f32::NEG_INFINITY
            } else {
                c.logit
            }
        };
        key(other)
            .total_cmp(&key(self))
            .then(self.token.cmp(&other.token))
    }
}

/// A number in [0, 1) from (seed, position): two rounds of Stafford's "Mix13", the finaliser of
/// SplitMix64 (Steele, Lea and Flood 2014).
fn uniform(seed: u64, position: u32) -> f64 {
    let mix = |x: u64| {
        let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    };
    let counter = u64::from(position)
        .wrapping_add(1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mix(mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15)) ^ mix(counter)) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LOGITS: [f32; 5] = [1.0, 3.0, 2.0, 3.0, -1.0];

    /// How often each token comes at 20,000 positions.
    fn counts(sampling: Sampling, history: &[u32]) -> [f64; 5] {
        let mut counts = [0.0; 5];
        for position in 0..20_000 {
            counts[sampling.choose(&LOGITS, position, history).unwrap() as usize] += 1.0 / 20_000.0;
        }
        counts
    }

    fn hot() -> Sampling {
        Sampling {
            temperature: 1.0,
            seed: 7,
            ..Sampling::default()
        }
    }

    #[test]
    fn greedy_takes_the_likeliest_and_the_first_among_equals() {
        assert_eq!(Sampling::default().choose(&LOGITS, 9, &[]).unwrap(), 1);
        assert_eq!(
            Sampling::default().choose(&[f32::NAN, 1.0, 2.0], 9, &[]).unwrap(),
            2
        );
    }

    #[test]
    fn temperature_follows_the_softmax() {
        for temperature in [0.5, 1.0, 2.0] {
            let found = counts(Sampling { temperature, ..hot() }, &[]);
            let weights = LOGITS.map(|x| f64::from(x / temperature).exp());
            let total: f64 = weights.iter().sum();
            for (found, weight) in found.iter().zip(weights) {
                assert!(
                    (found - weight / total).abs() < 0.012,
                    "{found} {}",
                    weight / total
                );
            }
        }
    }

    #[test]
    fn each_filter_removes_exactly_the_tail_it_names() {
        let support = |s: Sampling| counts(s, &[]).map(|c| c > 0.0);
        assert_eq!(
            support(Sampling { top_k: 2, ..hot() }),
            [false, true, false, true, false]
        );
        assert_eq!(
            support(Sampling { top_k: 1, ..hot() }),
            [false, true, false, false, false]
        );
        assert_eq!(support(Sampling { top_k: 99, ..hot() }), [true; 5]);
        assert_eq!(
            support(Sampling { top_p: 0.5, ..hot() }),
            [false, true, false, true, false]
        );
        assert_eq!(
            support(Sampling { top_p: 0.0, ..hot() }),
            [false, true, false, false, false]
        );
        assert_eq!(
            support(Sampling { min_p: 0.3, ..hot() }),
            [false, true, true, true, false]
        );
        assert_eq!(
            support(Sampling { min_p: 1.0, ..hot() }),
            [false, true, false, true, false]
        );
    }

    #[test]
    fn the_penalty_pushes_recent_tokens_down_and_forgets_old_ones() {
        let penalty = Sampling {
            repeat_penalty: 2.0,
            ..Sampling::default()
        };
        assert_eq!(penalty.choose(&LOGITS, 0, &[1]).unwrap(), 3);
        assert_eq!(penalty.choose(&LOGITS, 0, &[1, 3, 3]).unwrap(), 2);
        let mut long = vec![1];
        long.extend([0; PENALTY_WINDOW_TOKENS]);
        assert_eq!(penalty.choose(&LOGITS, 0, &long).unwrap(), 1);
        assert_eq!(penalty.choose(&[-1.0, -1.5], 0, &[0]).unwrap(), 1);
        assert_eq!(penalty.choose(&LOGITS, 0, &[4_000_000]).unwrap(), 1);
    }

    #[test]
    fn the_same_seed_and_position_give_the_same_token_and_others_differ() {
        let run = |seed| {
            (0..64)
                .map(|p| Sampling { seed, ..hot() }.choose(&LOGITS, p, &[]).unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        assert!(run(1).windows(8).any(|w| w.iter().any(|t| *t != w[0])));
    }

    #[test]
    fn damaged_logits_and_settings_are_refused() {
        let refused = |logits: &[f32]| hot().choose(logits, 5, &[]).unwrap_err().to_string();
        assert!(refused(&[f32::NAN; 3]).contains("position 5"));
        assert!(refused(&[1.0, f32::INFINITY]).contains("not finite"));
        assert!(refused(&[]).contains("not finite"));
        for bad in [
            Sampling {
                temperature: -1.0,
                ..hot()
            },
            Sampling {
                temperature: f32::NAN,
                ..hot()
            },
            Sampling { top_p: 1.1, ..hot() },
            Sampling { min_p: -0.1, ..hot() },
            Sampling {
                repeat_penalty: 0.0,
                ..hot()
            },
        ] {
            assert!(bad.choose(&LOGITS, 0, &[]).is_err(), "{bad:?}");
        }
    }
}

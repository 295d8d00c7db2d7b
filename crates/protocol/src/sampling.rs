//! How the head turns logits into a token.
//! It samples nothing: the engine does.

use crate::ProtocolError;

/// Sampling settings. The random number of a token is drawn from (seed, position) alone, so that a
/// replayed or speculated position gives the same token again.
#[derive(Clone, Copy, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub struct Sampling {
    /// 0 is greedy.
    #[n(0)]
    pub temperature: f32,
    /// Keep the k likeliest; 0 keeps all.
    #[n(1)]
    pub top_k: u32,
    /// Keep the smallest set with this much probability; 1 keeps all.
    #[n(2)]
    pub top_p: f32,
    /// Drop what is less likely than this share of the likeliest; 0 drops none.
    #[n(3)]
    pub min_p: f32,
    /// Divide the logits of recent tokens by this; 1 leaves them.
    #[n(4)]
    pub repeat_penalty: f32,
    /// Same seed, same tokens.
    #[n(5)]
    pub seed: u64,
}

impl Sampling {
    /// Always the likeliest token.
    pub const GREEDY: Sampling = Sampling {
        temperature: 0.0,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        repeat_penalty: 1.0,
        seed: 0,
    };

    /// Refuses what no sampler can honour: NaN, negatives, shares outside 0…1.
    pub fn check(&self) -> Result<(), ProtocolError> {
        let share = |x: f32| (0.0..=1.0).contains(&x);
        if !(0.0..=100.0).contains(&self.temperature) {
            return Err(ProtocolError::Value("temperature is outside 0 to 100"));
        }
        if !share(self.top_p) || self.top_p == 0.0 {
            return Err(ProtocolError::Value("top_p is outside 0 to 1"));
        }
        if !share(self.min_p) {
            return Err(ProtocolError::Value("min_p is outside 0 to 1"));
        }
        if !(0.01..=100.0).contains(&self.repeat_penalty) {
            return Err(ProtocolError::Value("repeat_penalty is outside 0.01 to 100"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_extreme_setting_passes() {
        assert_eq!(Sampling::GREEDY.check(), Ok(()));
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0, f32::MAX] {
            assert!(
                Sampling {
                    temperature: bad,
                    ..Sampling::GREEDY
                }
                .check()
                .is_err()
            );
            assert!(
                Sampling {
                    top_p: bad,
                    ..Sampling::GREEDY
                }
                .check()
                .is_err()
            );
            assert!(
                Sampling {
                    min_p: bad,
                    ..Sampling::GREEDY
                }
                .check()
                .is_err()
            );
            assert!(
                Sampling {
                    repeat_penalty: bad,
                    ..Sampling::GREEDY
                }
                .check()
                .is_err()
            );
        }
        assert!(
            Sampling {
                top_p: 0.0,
                ..Sampling::GREEDY
            }
            .check()
            .is_err()
        );
    }
}

//! How a model turns its heads by position: the numbers of rotary embedding (Su et al. 2021) and its scalings.
//! Does not compute angles.

use crate::error::GgufError;
use crate::metadata::Metadata;

/// Rotary embedding of a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rope {
    /// The base of the frequencies, at least 1.
    pub base: f32,
    /// Values of each head that are turned: even, at most `head_dim`.
    pub dims: u32,
    /// Which values form a pair.
    pub layout: RopeLayout,
    /// How positions beyond the trained context are reached.
    pub scaling: RopeScaling,
}

/// Which values of a head form a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopeLayout {
    /// 2i and 2i + 1: files of architecture `llama`.
    Interleaved,
    /// i and i + dims / 2: `qwen2`, `qwen3`.
    Neox,
}

/// How positions beyond the trained context are reached. Llama 3's files carry theirs as the tensor
/// `rope_freqs.weight` instead.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RopeScaling {
    /// They are not.
    None,
    /// Position interpolation (Chen et al. 2023).
    Linear {
        /// Positions are divided by it.
        factor: f32,
    },
    /// By wavelength, as Llama 3.1 does.
    Llama3 {
        /// Long waves are stretched by it.
        factor: f32,
        /// Waves longer than `original_context` / this are long.
        low_freq_factor: f32,
        /// Waves shorter than `original_context` / this are kept.
        high_freq_factor: f32,
        /// The trained context.
        original_context: u32,
    },
    /// YaRN (Peng et al. 2023).
    Yarn {
        /// Slow pairs are stretched by it.
        factor: f32,
        /// The trained context.
        original_context: u32,
        /// Multiplies YaRN's own attention magnitude; usually 1.
        attention_factor: f32,
        /// Pairs that turn more often than this in the trained context are kept.
        beta_fast: f32,
        /// Pairs that turn less often than this are stretched.
        beta_slow: f32,
    },
}

impl RopeScaling {
    /// Reads `<prefix>.rope.scaling.*`.
    pub(crate) fn read(metadata: &Metadata, prefix: &str, context: u32) -> Result<RopeScaling, GgufError> {
        let key = |name: &str| format!("{prefix}.rope.scaling.{name}");
        let positive = |key: String, default: Option<f32>| positive(metadata, key, default);
        let context = || {
            let key = key("original_context_length");
            let found = metadata.u32(&key)?.unwrap_or(context);
            let wrong = |found: u32| GgufError::Value {
                key,
                found: found.to_string(),
                needed: "a positive number",
            };
            if found == 0 { Err(wrong(found)) } else { Ok(found) }
        };
        // Files from before the type had a key say only by how much.
        let legacy = format!("{prefix}.rope.scale_linear");
        Ok(match metadata.string(&key("type"))? {
            None if metadata.get(&legacy).is_some() => RopeScaling::Linear {
                factor: positive(legacy, None)?,
            },
            None | Some("none") => RopeScaling::None,
            Some("linear") => RopeScaling::Linear {
                factor: positive(key("factor"), None)?,
            },
            Some("llama3") => {
                let low = positive(key("low_freq_factor"), Some(1.0))?;
                let high = positive(key("high_freq_factor"), Some(4.0))?;
                if high <= low {
                    let (key, found) = (key("high_freq_factor"), high.to_string());
                    return Err(GgufError::Value {
                        key,
                        found,
                        needed: "more than low_freq_factor",
                    });
                }
                RopeScaling::Llama3 {
                    factor: positive(key("factor"), None)?,
                    low_freq_factor: low,
                    high_freq_factor: high,
                    original_context: context()?,
                }
            }
            Some("yarn") => RopeScaling::Yarn {
                factor: positive(key("factor"), None)?,
                original_context: context()?,
                attention_factor: positive(key("attn_factor"), Some(1.0))?,
                beta_fast: positive(key("yarn_beta_fast"), Some(32.0))?,
                beta_slow: positive(key("yarn_beta_slow"), Some(1.0))?,
            },
            Some(other) => {
                let other: String = other.chars().take(40).collect();
                return Err(GgufError::Unsupported(format!("rope scaling {other:?}")));
            }
        })
    }
}

/// A finite number above zero.
fn positive(metadata: &Metadata, key: String, default: Option<f32>) -> Result<f32, GgufError> {
    match metadata.f32(&key)?.or(default) {
        Some(number) if number.is_finite() && number > 0.0 => Ok(number),
        Some(number) => Err(GgufError::Value {
            key,
            found: number.to_string(),
            needed: "a finite number above zero",
        }),
        None => Err(GgufError::MissingKey(key)),
    }
}

//! What the kernels may use beyond the floor that every device has: exchange of values within a subgroup, and keys
//! and values in half precision.
//! Does not choose for a device that was not tried: a probe runs first, and what it does not prove is not used.
//!
//! A sum over threads halves the distance between partners at every step. Steps wider than a subgroup go through
//! shared memory, narrower ones from register to register; the partners are the same, and so are the bits.
//!
//! Half precision pays where single precision is stored: weights and their scales are smaller already, what goes
//! from kernel to kernel stays in the GPU's own caches. Keys and values are what is left, 8 bytes times width, layers
//! and positions, read again for every token: 1 GiB of an 8 B model's cache at 4,096 positions, beside 4.5 GB of its
//! weights in Q4_K. Sums stay in single precision, so that a row has the same bits alone and among others, but they
//! are other bits than those of the floor.

use std::fmt;

use half::f16;

use crate::pipeline::Kind;
use crate::template::{Choices, expand};
use crate::{Gpu, words};

/// Threads of the workgroups that add up.
const THREADS: u32 = 64;

/// Which variants of the kernels a device takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Variants {
    /// Neighbouring threads that exchange values without shared memory: a power of two, or 0 for none.
    pub subgroup: u32,
    /// Whether caches hold keys and values in half precision.
    pub half: bool,
}

impl Variants {
    /// The distances of a sum over `threads`, a power of two, as the choices of a kernel: `WIDTHS` through shared
    /// memory, then `NEAR` within a subgroup. `SHARED` is whether shared memory is written before.
    pub(crate) fn steps(self, choices: Choices, threads: u32) -> Choices {
        let all = (0..threads.ilog2()).rev().map(|power| 1 << power);
        let (wide, near): (Vec<u32>, Vec<u32>) = all.partition(|width| *width >= self.subgroup);
        choices
            .flag("SHARED", near.is_empty() || !wide.is_empty())
            .list("WIDTHS", wide)
            .list("NEAR", near)
    }

    /// Bytes of a value in a cache.
    pub fn cache_value_bytes(self) -> u64 {
        if self.half { 2 } else { 4 }
    }

    /// What is said of a kernel's name.
    pub(crate) fn suffix(self) -> String {
        if self.subgroup == 0 {
            String::new()
        } else {
            format!(".s{}", self.subgroup)
        }
    }

    /// The same of a kernel that has to do with a cache.
    pub(crate) fn cache_suffix(self) -> String {
        self.suffix() + if self.half { ".half" } else { "" }
    }

    /// What a kernel's text begins with. Browsers require it; naga has the operations and refuses to hear of them.
    pub(crate) fn preamble(self) -> &'static str {
        if self.subgroup > 0 && cfg!(target_arch = "wasm32") {
            "enable subgroups;\n"
        } else {
            ""
        }
    }

    /// The same for a kernel that has to do with a cache, and what a value is in it.
    pub(crate) fn cache_preamble(self) -> String {
        let cache = if self.half {
            include_str!("ops/cache_f16.wgsl")
        } else {
            include_str!("ops/cache_f32.wgsl")
        };
        self.preamble().to_owned() + cache
    }
}

impl fmt::Display for Variants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.half { "f32, cache in f16" } else { "f32" })?;
        match self.subgroup {
            0 => Ok(()),
            size => write!(f, ", subgroups of {size}"),
        }
    }
}

impl Gpu {
    /// What the kernels made from now on use.
    pub fn variants(&self) -> Variants {
        self.variants.get()
    }

    /// Back to the floor, for kernels made from now on; says whether they used anything else.
    pub fn use_floor(&self) -> bool {
        self.variants.replace(Variants::default()) != Variants::default()
    }

    /// Exchanges within subgroups from now on, if a probe finds that they hold at least `smallest` threads, and
    /// neighbours. The device must have been opened with the feature.
    pub async fn use_subgroups(&self, smallest: u32) -> bool {
        let subgroup = match smallest {
            0 | 1 => return false,
            size => 1 << size.min(THREADS).ilog2(),
        };
        let variants = Variants {
            subgroup,
            ..self.variants()
        };
        let bytes = 4 * THREADS * subgroup;
        let name = format!("probe{}", variants.suffix());
        let found = self.probe(&name, bytes, || source(variants)).await;
        let found = words(&found.unwrap_or_default());
        // Whether every thread finds the partners that a sum needs.
        let mut near = (0..subgroup.ilog2()).map(|power| 1 << power);
        let proven = near.all(|width: u32| {
            (0..THREADS)
                .all(|thread| found.get((THREADS * width + thread) as usize) == Some(&(thread ^ width)))
        });
        if proven {
            self.variants.set(variants);
        }
        proven
    }

    /// Caches hold half precision from now on, if the device was opened with it and a probe finds that it is there.
    pub async fn use_half(&self) -> bool {
        if !self.half {
            return false;
        }
        let found = self
            .probe("probe.half", 2 * THREADS, || HALF_PROBE.to_owned())
            .await;
        let wanted = (0..THREADS).flat_map(|thread| f16::from_f32(thread as f32 + 0.5).to_le_bytes());
        let proven = found.is_some_and(|found| found.into_iter().eq(wanted));
        if proven {
            self.variants.set(Variants {
                half: true,
                ..self.variants()
            });
        }
        proven
    }

    /// What one workgroup writes; nothing where the device refuses the kernel.
    async fn probe(&self, name: &str, bytes: u32, source: impl FnOnce() -> String) -> Option<Vec<u8>> {
        let (made, verdict) = self.guarded("a probe", bytes.into(), || {
            let out = self.storage("a probe", bytes.into()).ok()?;
            let kernel = self.pipeline(name, &[(0, Kind::Write)], source);
            let bound = self.bind(&kernel, &[(0, &out)]);
            let mut commands = self.commands();
            commands.dispatch(&kernel, &bound, [1, 1, 1]);
            commands.submit();
            Some(out)
        });
        verdict.await.ok()?;
        self.take(&made?, bytes.into()).await.ok()
    }
}

const HALF_PROBE: &str = "enable f16;
@group(0) @binding(0) var<storage, read_write> out: array<f16>;
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) thread: u32) {
    out[thread] = f16(f32(thread) + 0.5);
}
";

fn source(variants: Variants) -> String {
    let choices = variants.steps(Choices::default(), variants.subgroup);
    let kernel = "@group(0) @binding(0) var<storage, read_write> out: array<u32>;\n\
                  @compute @workgroup_size(64)\n\
                  fn main(@builtin(local_invocation_index) thread: u32) {\n\
                  #for w NEAR\n\
                  out[64u * $w + thread] = subgroupShuffleXor(thread, $w);\n\
                  #end\n\
                  }\n";
    variants.preamble().to_owned() + &expand(kernel, &choices)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(subgroup: u32) -> Variants {
        Variants {
            subgroup,
            half: false,
        }
    }

    fn steps(subgroup: u32, threads: u32) -> String {
        let choices = with(subgroup).steps(Choices::default(), threads);
        let text = "#if SHARED\nshared\n#end\n#for w WIDTHS\nwide $w\n#end\n#for w NEAR\nnear $w\n#end";
        expand(text, &choices).replace('\n', ", ")
    }

    #[test]
    fn a_sum_has_the_same_steps_wherever_they_go() {
        assert_eq!(steps(0, 8), "shared, wide 4u, wide 2u, wide 1u, ");
        assert_eq!(steps(4, 8), "shared, wide 4u, near 2u, near 1u, ");
        assert_eq!(steps(32, 8), "near 4u, near 2u, near 1u, ");
        assert_eq!(steps(32, 1), "shared, ");
    }

    #[test]
    fn the_probes_are_valid_wgsl() {
        for subgroup in [2, 4, 64] {
            crate::ops::tests::validate("probe", &source(with(subgroup)));
        }
        crate::ops::tests::validate("probe", HALF_PROBE);
    }
}

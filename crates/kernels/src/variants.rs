//! What the kernels may use beyond the floor that every device has: exchange of values within a subgroup.
//! Does not choose for a device that was not tried: a probe runs first, and what it does not prove is not used.
//!
//! A sum over threads halves the distance between partners at every step. Steps wider than a subgroup go through
//! shared memory, narrower ones from register to register; the partners are the same, and so are the bits.

use std::fmt;

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

    /// What is said of a kernel's name.
    pub(crate) fn suffix(self) -> String {
        if self.subgroup == 0 {
            String::new()
        } else {
            format!(".s{}", self.subgroup)
        }
    }

    /// What a kernel's text begins with. Browsers require it; naga has the operations and refuses to hear of them.
    pub(crate) fn preamble(self) -> &'static str {
        if self.subgroup > 0 && cfg!(target_arch = "wasm32") {
            "enable subgroups;\n"
        } else {
            ""
        }
    }
}

impl fmt::Display for Variants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.subgroup {
            0 => f.write_str("f32"),
            size => write!(f, "f32, subgroups of {size}"),
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
        let proven = self.probe(Variants { subgroup }).await;
        if proven {
            self.variants.set(Variants { subgroup });
        }
        proven
    }

    /// Whether every thread finds the partners that a sum needs.
    async fn probe(&self, variants: Variants) -> bool {
        let bytes = u64::from(4 * THREADS * variants.subgroup);
        let (made, verdict) = self.guarded("a probe", bytes, || {
            let out = self.storage("a probe", bytes).ok()?;
            let name = format!("probe{}", variants.suffix());
            let kernel = self.pipeline(&name, &[(0, Kind::Write)], || source(variants));
            let bound = self.bind(&kernel, &[(0, &out)]);
            let mut commands = self.commands();
            commands.dispatch(&kernel, &bound, [1, 1, 1]);
            commands.submit();
            Some(out)
        });
        let (Ok(()), Some(out)) = (verdict.await, made) else {
            return false;
        };
        let Ok(found) = self.take(&out, bytes).await else {
            return false;
        };
        let found = words(&found);
        let mut near = (0..variants.subgroup.ilog2()).map(|power| 1 << power);
        near.all(|width: u32| {
            (0..THREADS)
                .all(|thread| found.get((THREADS * width + thread) as usize) == Some(&(thread ^ width)))
        })
    }
}

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

    fn steps(subgroup: u32, threads: u32) -> String {
        let choices = Variants { subgroup }.steps(Choices::default(), threads);
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
    fn the_probe_is_valid_wgsl() {
        for subgroup in [2, 4, 64] {
            crate::ops::tests::validate("probe", &source(Variants { subgroup }));
        }
    }
}

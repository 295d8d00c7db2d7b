//! The operations, one folder each: what the engine calls, the kernel, and its reference in f64.
//! Nothing here knows which layer it computes.

pub mod argmax;
pub mod attention;
pub mod embed;
pub mod matmul;
pub mod rope;
pub mod topk;

pub use argmax::Argmax;
pub use attention::Attention;
pub use embed::Embed;
pub use matmul::{End, Matmul};
pub use rope::Rope;
pub use topk::TopK;

use crate::Gpu;

/// Values between two rows of an activation buffer whose rows hold `width`: rows begin at whole items, so that
/// the last item of a row reads zeros and not its neighbour.
pub fn stride(width: u32) -> u32 {
    width.next_multiple_of(32)
}

/// The rows that a step computes: kernels are bound to it once and read it anew at every dispatch.
pub struct Rows {
    pub(crate) buffer: wgpu::Buffer,
}

impl Rows {
    /// Made once.
    pub fn new(gpu: &Gpu) -> Rows {
        Rows {
            buffer: gpu.uniform("rows", &[1, 0, 0, 0]),
        }
    }

    /// The next submit computes `count` rows, the first of which stands at position `first`.
    pub fn set(&self, gpu: &Gpu, count: u32, first: u32) {
        gpu.write(&self.buffer, 0, bytemuck::cast_slice(&[count, first, 0, 0]));
    }
}

#[cfg(test)]
pub(crate) mod tests {
    /// Parses and validates WGSL as wgpu does, without an adapter.
    pub(crate) fn validate(name: &str, source: &str) {
        let module = match naga::front::wgsl::parse_str(source) {
            Ok(module) => module,
            Err(error) => panic!("{name}: {}", error.emit_to_string(source)),
        };
        let flags = naga::valid::ValidationFlags::all();
        // Unpacking two halves is in the core of WebGPU.
        let capabilities = naga::valid::Capabilities::SHADER_FLOAT16_IN_FLOAT32
            | naga::valid::Capabilities::SUBGROUP
            | naga::valid::Capabilities::SHADER_FLOAT16;
        let mut validator = naga::valid::Validator::new(flags, capabilities);
        if let Err(error) = validator.validate(&module) {
            panic!("{name}: {}", error.emit_to_string(source));
        }
    }
}

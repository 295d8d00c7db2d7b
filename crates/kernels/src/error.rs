//! What can go wrong with a GPU, by name.
//! Does not decide whether to fall back: the caller does.

/// Why a GPU did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GpuError {
    /// There is no adapter, or none of the kind asked for.
    #[error("no gpu adapter: {0}")]
    NoAdapter(String),
    /// The adapter gave no device.
    #[error("the gpu gave no device: {0}")]
    NoDevice(String),
    /// Memory was refused.
    #[error("{bytes} bytes for {what} do not fit the gpu")]
    OutOfMemory {
        /// What the memory was for.
        what: &'static str,
        /// How much.
        bytes: u64,
    },
    /// The device went away: driver reset, sleep, another program.
    #[error("the gpu was lost: {0}")]
    Lost(String),
    /// The kernels do not cover this.
    #[error("the gpu kernels cannot compute {0}")]
    Unsupported(String),
    /// The driver refused something that should be sound.
    #[error("the gpu refused a command: {0}")]
    Refused(String),
    /// The self-test gave a wrong answer.
    #[error("the gpu computes {kernel} wrongly: normalised error {nmse:e}", nmse = f64::from_bits(*.nmse_bits))]
    Wrong {
        /// Which kernel.
        kernel: String,
        /// The normalised mean square error, as bits, so that errors can be compared.
        nmse_bits: u64,
    },
}

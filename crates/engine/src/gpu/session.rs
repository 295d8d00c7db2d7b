//! One session's keys and values on the device, with the kernels that are bound to them.
//! Does not count positions: the shard does.

use kernels::Verdict;
use kernels::ops::{Attention, Rope};

use super::GpuStage;
use crate::EngineError;

/// The cache of a session, reserved whole when it opens.
pub(crate) struct GpuSession {
    pub(super) layers: Vec<LayerSession>,
    /// Positions that fit.
    pub(super) capacity: u32,
    /// The device's word on the memory; a browser gives it later, so the first step waits for it.
    pub(super) verdict: Option<Verdict>,
}

/// What one layer does with a session's cache.
pub(super) struct LayerSession {
    pub(super) rope: Rope,
    pub(super) attention: Attention,
}

impl GpuStage {
    /// Reserves the cache of a session.
    ///
    /// # Errors
    /// [`EngineError::Gpu`] when memory is refused, here or at the first step.
    pub(crate) fn open(&mut self, capacity: u32) -> Result<GpuSession, EngineError> {
        self.gpu.check()?;
        let kv_width = self.config.n_kv_heads * self.config.head_dim;
        let value = self.gpu.variants().cache_value_bytes();
        let each = value * u64::from(kv_width) * u64::from(capacity);
        let bytes = 2 * each * self.layers.len() as u64;
        let gpu = std::rc::Rc::clone(&self.gpu);
        let (made, verdict) = gpu.guarded("keys and values", bytes, || self.bind(capacity, each));
        Ok(GpuSession {
            layers: made?,
            capacity,
            verdict: Some(verdict),
        })
    }

    fn bind(&mut self, capacity: u32, each: u64) -> Result<Vec<LayerSession>, EngineError> {
        if self
            .turns
            .as_ref()
            .is_none_or(|(_, positions)| *positions < capacity)
        {
            self.rope.reserve(capacity as usize);
            let turns = self.rope.first(capacity as usize);
            self.turns = Some((self.gpu.storage_with("angles", turns)?, capacity));
        }
        let Some((turns, _)) = &self.turns else {
            return Ok(Vec::new());
        };
        let open = |layer: &super::Layer| {
            let cache = (self.gpu.storage("keys", each)?, self.gpu.storage("values", each)?);
            layer.open(
                &self.gpu,
                &self.config,
                &self.scratch,
                &self.rows,
                cache,
                turns,
                capacity,
            )
        };
        self.layers.iter().map(open).collect()
    }
}

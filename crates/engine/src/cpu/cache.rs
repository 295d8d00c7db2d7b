//! The keys and values of one session, reserved whole when it opens.
//! Does not count positions: the shard does.

use crate::EngineError;

/// One layer's keys and values.
pub(crate) struct LayerCache {
    /// (n_kv_heads, capacity, head_dim)
    pub(crate) keys: Vec<f32>,
    /// (n_kv_heads, capacity, head_dim)
    pub(crate) values: Vec<f32>,
}

/// Keys and values of all layers of a stage.
pub(crate) struct KvCache {
    pub(crate) layers: Vec<LayerCache>,
    /// Positions that fit.
    pub(crate) capacity: usize,
}

impl KvCache {
    /// Bytes that a session of `capacity` positions takes.
    pub(crate) fn bytes(n_layers: usize, kv_width: usize, capacity: usize) -> u64 {
        2 * 4 * n_layers as u64 * kv_width as u64 * capacity as u64
    }

    /// Reserves room for `capacity` positions of `kv_width` = n_kv_heads · head_dim values.
    ///
    /// # Errors
    /// [`EngineError::OutOfMemory`], before anything is computed.
    pub(crate) fn new(n_layers: usize, kv_width: usize, capacity: usize) -> Result<KvCache, EngineError> {
        let bytes = KvCache::bytes(n_layers, kv_width, capacity);
        let refused = || EngineError::OutOfMemory {
            what: "keys and values",
            bytes,
        };
        let values = kv_width.checked_mul(capacity).ok_or_else(refused)?;
        let reserve = || {
            let mut zeros = Vec::new();
            zeros.try_reserve_exact(values).map_err(|_| refused())?;
            zeros.resize(values, 0.0f32);
            Ok::<_, EngineError>(zeros)
        };
        let layers = (0..n_layers).map(|_| {
            Ok(LayerCache {
                keys: reserve()?,
                values: reserve()?,
            })
        });
        Ok(KvCache {
            layers: layers.collect::<Result<_, EngineError>>()?,
            capacity,
        })
    }
}

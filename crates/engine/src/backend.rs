//! The back ends a shard may have, and the caches they keep.
//! Does not choose between them: whoever loads a shard does.

use crate::EngineError;
use crate::cpu::CpuStage;
use crate::cpu::cache::KvCache;
use crate::gpu::{GpuSession, GpuStage};

/// Which back end computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendKind {
    /// One thread of plain vector code, everywhere.
    Cpu,
    /// WebGPU.
    Gpu,
}

/// A stage's weights, where they compute.
pub(crate) enum Compute {
    Cpu(Box<CpuStage>),
    Gpu(Box<GpuStage>),
}

/// A session's keys and values, where they are.
pub(crate) enum Cache {
    Cpu(KvCache),
    Gpu(GpuSession),
}

impl Compute {
    /// Reserves the cache of a session.
    pub(crate) fn open(&mut self, positions: u32) -> Result<Cache, EngineError> {
        match self {
            Compute::Cpu(stage) => stage.open(positions as usize).map(Cache::Cpu),
            Compute::Gpu(stage) => stage.open(positions).map(Cache::Gpu),
        }
    }

    pub(crate) fn kind(&self) -> BackendKind {
        match self {
            Compute::Cpu(_) => BackendKind::Cpu,
            Compute::Gpu(_) => BackendKind::Gpu,
        }
    }
}

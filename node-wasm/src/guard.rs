//! The guard against heat: which stage is measured again, when, and what share of the time is left to it.
//! It computes nothing and asks nobody: the pacer does, `node` judges the figures.

use jobs::{Ask, StageKey};
use node::Warmth;

/// How often the same piece of work is measured while there is work: heat comes over minutes.
const EVERY_MS: f64 = 10_000.0;
/// And more seldom where it takes long: at most this part of the time goes into it.
const COST: f64 = 0.02;

/// Follows the stage that was loaded last.
#[derive(Default)]
pub(crate) struct Guard {
    measured: Option<(StageKey, Warmth)>,
    next_ms: f64,
}

impl Guard {
    /// What is asked of the worker passes by here. Another stage is another piece of work, and begins anew.
    pub(crate) fn see(&mut self, ask: &Ask) {
        match ask {
            Ask::LoadStage { stage, .. } => {
                self.measured = Some((stage.clone(), Warmth::default()));
                self.next_ms = 0.0;
            }
            Ask::DropStage { stage } if self.is_of(stage) => self.measured = None,
            _ => {}
        }
    }

    /// What to measure now, if anything. It is not said again before the figure came, or the time for it has passed.
    pub(crate) fn due(&mut self, now_ms: f64) -> Option<StageKey> {
        let (stage, _) = self.measured.as_ref().filter(|_| now_ms >= self.next_ms)?;
        self.next_ms = now_ms + EVERY_MS;
        Some(stage.clone())
    }

    /// How long it took.
    pub(crate) fn note(&mut self, stage: &StageKey, ms: f64, now_ms: f64) {
        if let Some((measured, warmth)) = &mut self.measured
            && measured == stage
        {
            warmth.note((ms * 1000.0) as u32);
            self.next_ms = now_ms + EVERY_MS.max(ms / COST);
        }
    }

    /// The share of the time that is left, in percent.
    pub(crate) fn share(&self) -> u8 {
        let warmth = self.measured.as_ref().map(|(_, warmth)| warmth);
        warmth.map_or(100, Warmth::share)
    }

    /// It is not wanted any more, and what it knew is old when it is wanted again.
    pub(crate) fn forget(&mut self) {
        if let Some((_, warmth)) = &mut self.measured {
            *warmth = Warmth::default();
        }
    }

    fn is_of(&self, stage: &StageKey) -> bool {
        self.measured
            .as_ref()
            .is_some_and(|(measured, _)| measured == stage)
    }
}

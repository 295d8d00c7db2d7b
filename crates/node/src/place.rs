//! One place on a route: the stage that fills it, and how it is doing.
//! It fills no place by itself: the request does.

use protocol::{Addresses, PeerId, SessionId, Stage, SwarmId, Trace};

use crate::credit::Credit;
use crate::io::{Now, StreamId};
use crate::pace::Pace;
use crate::receipts::Tally;

/// A stage that has heard an Open may take this long until its cache is there: its device may be in
/// the middle of another's long step.
const BUSY_OPENING_MS: u64 = 60_000;

/// A place on the route.
pub(crate) struct Place {
    pub(crate) active: Slot,
    /// It is fed the same Steps and takes over at once.
    pub(crate) standby: Option<Slot>,
}

/// A stage on a peer.
pub(crate) struct Slot {
    pub(crate) peer: PeerId,
    pub(crate) addresses: Addresses,
    /// Where it works.
    pub(crate) swarm: SwarmId,
    /// It may know whose node asks.
    pub(crate) trusted: bool,
    pub(crate) session: SessionId,
    pub(crate) stage: Stage,
    pub(crate) control: StreamId,
    pub(crate) state: SlotState,
    /// Positions that it is known to have computed in this epoch.
    pub(crate) has: u32,
    /// Since when it has had work that it has not done; `None`: it has none.
    pub(crate) due: Option<Now>,
    pub(crate) pace: Pace,
    pub(crate) cost: Cost,
    /// What it said in all that it did: for its receipt.
    pub(crate) told: Tally,
    /// It is busy, and this session waits in its queue.
    pub(crate) queued: bool,
    /// For Steps from this node.
    pub(crate) credit: Credit,
    /// Its line on the route sheet.
    pub(crate) hop: usize,
}

/// How far a slot is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum SlotState {
    /// Chosen, not asked yet.
    New,
    /// Asked; it must answer by then.
    Opening { until: Now },
    /// It answered.
    Serving,
    /// Lost.
    Dead,
}

/// What single tokens cost a stage lately, by its own word.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    steps: u32,
    ms: u64,
}

impl Cost {
    /// Tokens between two looks: one slow step is no sign of a slow device.
    const STEPS: u32 = 8;

    pub(crate) fn note(&mut self, trace: &Trace) {
        if trace.positions == 1 {
            self.steps += 1;
            self.ms += u64::from(trace.queue_ms) + u64::from(trace.compute_ms);
        }
    }

    /// Microseconds per token, once every so many tokens.
    pub(crate) fn take_us(&mut self) -> Option<u64> {
        let cost =
            (self.steps >= Cost::STEPS).then(|| self.ms.saturating_mul(1_000) / u64::from(Cost::STEPS))?;
        *self = Cost::default();
        Some(cost)
    }
}

impl Slot {
    /// A standby has no line.
    pub(crate) const NO_HOP: usize = usize::MAX;

    pub(crate) fn is_alive(&self) -> bool {
        self.state != SlotState::Dead
    }

    /// It has heard the Open, and may need a while: its device may be busy.
    pub(crate) fn heard(&mut self, now: Now) {
        if let SlotState::Opening { until } = &mut self.state {
            *until = (*until).max(now.plus_ms(BUSY_OPENING_MS));
        }
    }

    /// Sets the clock where there is work of `available` positions, stops it where there is none.
    pub(crate) fn watch(&mut self, available: u32, now: Now) {
        if available <= self.has {
            self.due = None;
        } else if self.due.is_none() {
            self.due = Some(now);
        }
    }

    /// It must have shown something by then.
    pub(crate) fn deadline(&self, available: u32) -> Option<Now> {
        match self.state {
            SlotState::Opening { until } => Some(until),
            SlotState::Serving => {
                let wait = self.pace.deadline_ms(available.saturating_sub(self.has));
                self.due.map(|due| due.plus_ms(wait))
            }
            SlotState::New | SlotState::Dead => None,
        }
    }

    /// It has shown something: so many positions are computed.
    pub(crate) fn progressed(&mut self, has: u32, positions: u32, now: Now) {
        if let Some(due) = self.due.take() {
            self.pace.note(now.since(due), positions);
        }
        self.has = has;
    }
}

impl Place {
    pub(crate) fn slots(&self) -> impl Iterator<Item = &Slot> {
        std::iter::once(&self.active).chain(&self.standby)
    }

    pub(crate) fn slots_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        std::iter::once(&mut self.active).chain(&mut self.standby)
    }
}

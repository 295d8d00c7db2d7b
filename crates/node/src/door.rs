//! Who is let in to the worker: its terms, what is known of those who ask, and the queue where it is busy.
//! It does not count sessions or memory: the worker says how busy it is.

use std::collections::{BTreeMap, VecDeque};

use identity::NodeId;
use protocol::Open;
use registry::policy::{Admission, Ask, Load, Privacy, Reason, SwarmPolicy, admit, weight_of};
use registry::{FairQueue, Queued, Standing, WorkKind};

use crate::desk::JobKey;
use crate::io::Now;

/// Sessions that wait: an answer in the far future helps nobody, and each may hold a stream's credit of Steps.
const MAX_WAITING_JOBS: usize = 64;
/// Askers remembered. One that is forgotten has its hour anew; the one that asked longest ago goes first.
const MAX_ASKERS: usize = 1_024;
/// Openings remembered of one asker; no terms can allow more per hour.
const MAX_STAMPS: usize = 4_096;
const HOUR_MS: u64 = 3_600_000;

/// Who asks, as far as it is proved.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The identity behind the peer, or a name for the peer where it shows none.
    pub(crate) id: NodeId,
    pub(crate) standing: Standing,
    pub(crate) distance: Privacy,
}

/// See the file's head.
pub(crate) struct Door {
    policy: SwarmPolicy,
    queue: FairQueue<JobKey>,
    askers: BTreeMap<NodeId, Asker>,
}

/// What somebody has had here.
#[derive(Default)]
struct Asker {
    opened: VecDeque<Now>,
    positions: u64,
    last: Now,
}

impl Default for Door {
    fn default() -> Door {
        Door::new(SwarmPolicy::default())
    }
}

impl Door {
    pub(crate) fn new(policy: SwarmPolicy) -> Door {
        Door {
            queue: FairQueue::new(policy.reserved_share()),
            policy,
            askers: BTreeMap::new(),
        }
    }

    /// New terms, for those who come from now on. What was had on the old ones still counts.
    pub(crate) fn set_policy(&mut self, policy: SwarmPolicy) {
        self.queue.reserve(policy.reserved_share());
        self.policy = policy;
    }

    /// Whether the terms and the standing of somebody who was let in still allow it, however busy this node is. How
    /// often they may come is asked at the door only: it bars the next session and ends none.
    pub(crate) fn still(&self, caller: &Caller, open: &Open) -> Result<(), registry::policy::Decline> {
        let terms = SwarmPolicy {
            sessions_per_hour: u32::MAX,
            ..self.policy.clone()
        };
        let mut standing = caller.standing.clone();
        standing.caveats.requests_per_hour = None;
        let ask = Ask {
            who: caller.id,
            standing,
            weight: 0,
            kind: WorkKind(open.kind.number()),
            model: open.model.0,
            positions: open.max_positions,
            distance: caller.distance,
            sessions_this_hour: 0,
            budget_left: None,
        };
        let free = Load {
            free_sessions: 1,
            queued: 0,
        };
        admit(&terms, &ask, free).map(|_| ())
    }

    /// Yes, in turn, or no. A yes is counted.
    pub(crate) fn ask(
        &mut self,
        key: &JobKey,
        caller: &Caller,
        open: &Open,
        free_sessions: u32,
        now: Now,
    ) -> Result<Admission, registry::policy::Decline> {
        let load = Load {
            free_sessions,
            queued: self.queue.len(),
        };
        let had = self.askers.get(&caller.id);
        let used = had.map_or(0, |asker| asker.positions);
        let weight = weight_of(caller.standing.role);
        let ask = Ask {
            who: caller.id,
            standing: caller.standing.clone(),
            weight,
            kind: WorkKind(open.kind.number()),
            model: open.model.0,
            positions: open.max_positions,
            distance: caller.distance,
            sessions_this_hour: had.map_or(0, |asker| asker.this_hour(now)),
            budget_left: caller
                .standing
                .caveats
                .budget_tokens
                .filter(|_| caller.standing.role.is_some())
                .map(|budget| budget.saturating_sub(used)),
        };
        let admission = admit(&self.policy, &ask, load)?;
        if let Admission::Queue { weight } = admission {
            let full = self.queue.len() >= MAX_WAITING_JOBS;
            if full
                || self
                    .queue
                    .push(caller.id, weight, open.max_positions, key.clone())
                    .is_err()
            {
                return Err(registry::policy::Decline {
                    reason: Reason::QueueFull,
                    quote: None,
                });
            }
        }
        self.stamp(caller.id, now);
        Ok(admission)
    }

    /// Positions were computed for somebody.
    pub(crate) fn served(&mut self, who: NodeId, positions: u64) {
        if let Some(asker) = self.askers.get_mut(&who) {
            asker.positions = asker.positions.saturating_add(positions);
        }
    }

    /// Who waits and is next.
    pub(crate) fn next(&self) -> Option<&JobKey> {
        self.queue.peek().map(|queued| &queued.item)
    }

    /// It is theirs.
    pub(crate) fn take_next(&mut self) -> Option<Queued<JobKey>> {
        self.queue.pop()
    }

    /// Somebody waits no more.
    pub(crate) fn leave(&mut self, key: &JobKey) {
        self.queue.retain(|queued| queued.item != *key);
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> u32 {
        u32::try_from(self.queue.len()).unwrap_or(u32::MAX)
    }

    fn stamp(&mut self, who: NodeId, now: Now) {
        if !self.askers.contains_key(&who) && self.askers.len() >= MAX_ASKERS {
            let oldest = self.askers.iter().min_by_key(|(_, asker)| asker.last);
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                self.askers.remove(&oldest);
            }
        }
        let asker = self.askers.entry(who).or_default();
        asker.opened.retain(|at| now.since(*at) < HOUR_MS);
        if asker.opened.len() >= MAX_STAMPS {
            asker.opened.pop_front();
        }
        asker.opened.push_back(now);
        asker.last = now;
    }
}

impl Asker {
    fn this_hour(&self, now: Now) -> u32 {
        let recent = self.opened.iter().filter(|at| now.since(**at) < HOUR_MS).count();
        u32::try_from(recent).unwrap_or(u32::MAX)
    }
}

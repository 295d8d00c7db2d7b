//! The swarms a node belongs to: one identity, many registries.
//! It does not decide which of them to work for.

use std::collections::BTreeMap;

use identity::{NodeId, Timestamp};

use crate::{Refusal, Registry, Role, Standing, SwarmId};

/// Most swarms one node follows.
pub const MAX_SWARMS: usize = 64;

/// Who I am, and every swarm I follow.
#[derive(Clone, Debug)]
pub struct Memberships {
    me: NodeId,
    swarms: BTreeMap<SwarmId, Registry>,
}

impl Memberships {
    /// No swarm yet.
    pub fn new(me: NodeId) -> Self {
        Self {
            me,
            swarms: BTreeMap::new(),
        }
    }

    /// Another identity from now on; the swarms stay.
    pub fn become_somebody(&mut self, me: NodeId) {
        self.me = me;
    }

    /// Follows one more swarm.
    pub fn follow(&mut self, registry: Registry) -> Result<(), Refusal> {
        if self.swarms.contains_key(&registry.id()) {
            return Err(Refusal::NothingToDo);
        }
        if self.swarms.len() >= MAX_SWARMS {
            return Err(Refusal::Full {
                what: "swarms",
                max: MAX_SWARMS,
            });
        }
        self.swarms.insert(registry.id(), registry);
        Ok(())
    }

    /// Forgets a swarm.
    pub fn leave(&mut self, swarm: SwarmId) -> Option<Registry> {
        self.swarms.remove(&swarm)
    }

    /// One swarm's registry.
    pub fn get(&self, swarm: SwarmId) -> Option<&Registry> {
        self.swarms.get(&swarm)
    }

    /// One swarm's registry, to feed it what peers sent.
    pub fn get_mut(&mut self, swarm: SwarmId) -> Option<&mut Registry> {
        self.swarms.get_mut(&swarm)
    }

    /// Every swarm.
    pub fn ids(&self) -> impl Iterator<Item = SwarmId> + '_ {
        self.swarms.keys().copied()
    }

    /// Every swarm, with what I may do there.
    pub fn all(&self, now: Timestamp) -> impl Iterator<Item = (SwarmId, Standing)> + '_ {
        self.swarms
            .iter()
            .map(move |(id, registry)| (*id, registry.standing(self.me, now)))
    }

    /// My devices: the swarms whose registry my key owns.
    pub fn mine(&self, now: Timestamp) -> impl Iterator<Item = SwarmId> + '_ {
        self.all(now)
            .filter(|(_, standing)| standing.role == Some(Role::Owner))
            .map(|(id, _)| id)
    }
}

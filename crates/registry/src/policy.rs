//! The terms of a worker or a model as data, and the decision whether to take a piece of work on them.
//! It does not measure load and does not charge: numbers come in, a verdict goes out.

use std::collections::BTreeSet;

use identity::NodeId;
use minicbor::{Decode, Decoder, Encode, Encoder};

use crate::{MAX_KINDS, MAX_QUEUED, Role, Standing, WorkKind, caveats::within};

/// Most keys listed in one policy.
pub const MAX_LISTED: usize = 256;
/// Most models listed in one policy.
pub const MAX_MODELS: usize = 256;
/// Longest quote or authorization: room for any scheme's token, none for smuggling data.
pub const MAX_OPAQUE_BYTES: usize = 1024;
/// Least share of a worker's time for those without standing: slower, never blocked. No policy can go below.
pub const MIN_RESERVED_PERCENT: u8 = 5;

/// What a worker or a model asks of those who want to use it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SwarmPolicy {
    /// Who may ask.
    #[n(0)]
    pub who: Who,
    /// Which kinds of work; `None`: any.
    #[n(1)]
    pub kinds: Option<BTreeSet<WorkKind>>,
    /// Which models, by manifest id; `None`: any.
    #[cbor(n(2), with = "models")]
    pub models: Option<BTreeSet<[u8; 32]>>,
    /// Most positions of one session.
    #[n(3)]
    pub max_positions: u32,
    /// Most sessions one requester may open per hour.
    #[n(4)]
    pub sessions_per_hour: u32,
    /// How far from home a conversation may come: see [`Privacy`].
    #[n(5)]
    pub privacy: Privacy,
    /// Share of the time for those without standing, in percent; at least [`MIN_RESERVED_PERCENT`] counts.
    #[n(6)]
    pub reserved_percent: u8,
    /// What more would cost, for a scheme that we do not know. Handed on as it is.
    #[n(7)]
    pub quote: Option<Quote>,
}

impl Default for SwarmPolicy {
    /// Anybody, anything, within what a phone can bear.
    fn default() -> Self {
        Self {
            who: Who::Anybody,
            kinds: None,
            models: None,
            max_positions: 4096,
            sessions_per_hour: 60,
            privacy: Privacy::Strangers,
            reserved_percent: 20,
            quote: None,
        }
    }
}

/// Who may ask.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Who {
    #[n(0)]
    Anybody,
    /// Members of the swarm, of any role.
    #[n(1)]
    Members,
    /// These identities.
    #[n(2)]
    Listed(#[n(0)] BTreeSet<NodeId>),
}

/// Whose text a worker is willing to see, from nearest to farthest. A stage can read what passes through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Privacy {
    /// That of its owner's own devices only.
    #[n(0)]
    Mine,
    /// That of members too.
    #[n(1)]
    Members,
    /// Anybody's.
    #[n(2)]
    Strangers,
}

/// What more would cost: bytes of some scheme, not read here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote(Vec<u8>);

/// The answer to a quote: bytes of the same scheme, not read here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization(Vec<u8>);

/// Somebody's wish, with what is known about them.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The identity behind the peer, as its credential proved it.
    pub who: NodeId,
    /// What the swarm's registry says of them.
    pub standing: Standing,
    /// What they have earned by work; 0 is a newcomer.
    pub weight: u32,
    pub kind: WorkKind,
    /// The model's manifest id.
    pub model: [u8; 32],
    /// Positions the session reserves.
    pub positions: u32,
    /// How near they stand to the worker's owner.
    pub distance: Privacy,
    /// Sessions they opened here within the last hour, this one not counted.
    pub sessions_this_hour: u32,
    /// Positions that their budget has left, by the server's own count; `None`: not limited.
    pub budget_left: Option<u64>,
}

/// How busy the worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    pub free_sessions: u32,
    /// Asks that wait already.
    pub queued: usize,
}

/// Yes, now or in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Begin.
    Start,
    /// Wait in the fair queue with this weight; 0 waits on the reserved share.
    Queue { weight: u32 },
}

/// No, and why; with what more would cost where the worker named it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Decline {
    pub reason: Reason,
    pub quote: Option<Quote>,
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("the swarm's owner has halted all work")]
    Halted,
    #[error("blocked in this swarm")]
    Blocked,
    #[error("this worker serves {0} only")]
    NotForYou(&'static str),
    #[error("this worker does not see the text of people so far away: {asked:?}, at most {accepts:?}")]
    TooPrivate { asked: Privacy, accepts: Privacy },
    #[error("this kind of work ({}) is not done here", .0.0)]
    Kind(WorkKind),
    #[error("this model is not served here")]
    Model,
    #[error("{asked} positions asked, at most {max}")]
    Positions { asked: u32, max: u32 },
    #[error("{max} sessions per hour, try again later")]
    SessionsPerHour { max: u32 },
    #[error("{left} tokens of the budget are left, {asked} asked")]
    Budget { asked: u32, left: u64 },
    #[error("the queue is full, try again later")]
    QueueFull,
}

/// Decides whether to take an ask. Pure: the same question gets the same answer, with its reason.
///
/// Load alone never refuses (unless even the queue is full): whoever the terms allow waits in turn.
pub fn admit(policy: &SwarmPolicy, ask: &Ask, load: Load) -> Result<Admission, Decline> {
    let no = |reason| Err(Decline { reason, quote: None });
    // More of what is allowed could be had under some scheme; what is not allowed could not.
    let more = |reason| {
        Err(Decline {
            reason,
            quote: policy.quote.clone(),
        })
    };
    let (standing, caveats) = (&ask.standing, &ask.standing.caveats);
    if standing.halted {
        return no(Reason::Halted);
    }
    if standing.blocked {
        return no(Reason::Blocked);
    }
    match &policy.who {
        Who::Members if standing.role.is_none() => return no(Reason::NotForYou("members")),
        Who::Listed(listed) if !listed.contains(&ask.who) => return no(Reason::NotForYou("listed keys")),
        _ => {}
    }
    if ask.distance > policy.privacy {
        return no(Reason::TooPrivate {
            asked: ask.distance,
            accepts: policy.privacy,
        });
    }
    let allowed =
        |kinds: &Option<BTreeSet<WorkKind>>| kinds.as_ref().is_none_or(|kinds| kinds.contains(&ask.kind));
    if !allowed(&policy.kinds) || (standing.role.is_some() && !allowed(&caveats.kinds)) {
        return no(Reason::Kind(ask.kind));
    }
    if policy
        .models
        .as_ref()
        .is_some_and(|models| !models.contains(&ask.model))
    {
        return no(Reason::Model);
    }
    if ask.positions > policy.max_positions {
        return more(Reason::Positions {
            asked: ask.positions,
            max: policy.max_positions,
        });
    }
    let own_rate = caveats.requests_per_hour.filter(|_| standing.role.is_some());
    let max = own_rate.map_or(policy.sessions_per_hour, |own| own.min(policy.sessions_per_hour));
    if ask.sessions_this_hour >= max {
        return more(Reason::SessionsPerHour { max });
    }
    if let Some(left) = ask
        .budget_left
        .filter(|_| !within(Some(u64::from(ask.positions)), ask.budget_left))
    {
        return more(Reason::Budget {
            asked: ask.positions,
            left,
        });
    }
    if load.free_sessions > 0 && load.queued == 0 {
        return Ok(Admission::Start);
    }
    if load.queued >= MAX_QUEUED {
        return no(Reason::QueueFull);
    }
    Ok(Admission::Queue { weight: ask.weight })
}

impl SwarmPolicy {
    /// The share for those without standing that counts, in percent.
    pub fn reserved_share(&self) -> u8 {
        self.reserved_percent
            .clamp(MIN_RESERVED_PERCENT, 100 - MIN_RESERVED_PERCENT)
    }

    /// Whether its lists keep their limits: to be asked of every policy from outside.
    pub fn is_within_limits(&self) -> bool {
        let listed = matches!(&self.who, Who::Listed(listed) if listed.len() > MAX_LISTED);
        let kinds = self.kinds.as_ref().is_some_and(|kinds| kinds.len() > MAX_KINDS);
        let models = self
            .models
            .as_ref()
            .is_some_and(|models| models.len() > MAX_MODELS);
        !(listed || kinds || models)
    }
}

/// What a role weighs in the queue before anything was earned: those who run the swarm need to look after it.
pub fn weight_of(role: Option<Role>) -> u32 {
    match role {
        None => 0,
        Some(Role::Worker | Role::Coordinator) => 1,
        Some(Role::Admin | Role::Owner) => 2,
    }
}

macro_rules! opaque {
    ($name:ident) => {
        impl $name {
            /// Wraps at most [`MAX_OPAQUE_BYTES`]; `None` for more.
            pub fn new(bytes: Vec<u8>) -> Option<Self> {
                (bytes.len() <= MAX_OPAQUE_BYTES).then_some(Self(bytes))
            }

            /// The bytes, for whoever knows the scheme.
            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                let bytes = d.bytes()?;
                if bytes.len() > MAX_OPAQUE_BYTES {
                    return Err(minicbor::decode::Error::message(
                        "opaque bytes over their limit",
                    ));
                }
                Ok(Self(bytes.to_vec()))
            }
        }
    };
}

opaque!(Quote);
opaque!(Authorization);

/// Model ids as byte strings: plain arrays of bytes would take up to twice the room.
mod models {
    use super::BTreeSet;
    use minicbor::{Decode, Decoder, Encode, Encoder, bytes::ByteArray};

    type Models = Option<BTreeSet<[u8; 32]>>;

    pub(super) fn encode<C, W: minicbor::encode::Write>(
        models: &Models,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        let models: Option<BTreeSet<ByteArray<32>>> = models
            .as_ref()
            .map(|models| models.iter().map(|id| ByteArray::from(*id)).collect());
        models.encode(e, ctx)
    }

    pub(super) fn decode<C>(d: &mut Decoder<'_>, ctx: &mut C) -> Result<Models, minicbor::decode::Error> {
        let models = Option::<BTreeSet<ByteArray<32>>>::decode(d, ctx)?;
        Ok(models.map(|models| models.into_iter().map(Into::into).collect()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Caveats;

    const IDLE: Load = Load {
        free_sessions: 1,
        queued: 0,
    };

    fn newcomer() -> Ask {
        Ask {
            who: NodeId::from_bytes([1; 32]),
            standing: Standing {
                role: None,
                caveats: Caveats::NONE,
                blocked: false,
                halted: false,
            },
            weight: 0,
            kind: WorkKind::INFERENCE,
            model: [7; 32],
            positions: 1000,
            distance: Privacy::Strangers,
            sessions_this_hour: 0,
            budget_left: None,
        }
    }

    fn member() -> Ask {
        let mut ask = newcomer();
        ask.standing.role = Some(Role::Worker);
        ask.weight = 3;
        ask
    }

    fn check(policy: &SwarmPolicy, ask: &Ask, expect: Result<Admission, Reason>) {
        let got = admit(policy, ask, IDLE).map_err(|decline| decline.reason);
        assert_eq!(got, expect, "{ask:?}");
    }

    #[test]
    fn the_terms_decide_and_the_reason_is_said() {
        let open = SwarmPolicy::default();
        let quoted = SwarmPolicy {
            quote: Quote::new(vec![1]),
            ..SwarmPolicy::default()
        };
        check(&open, &newcomer(), Ok(Admission::Start));
        let mut ask = newcomer();
        ask.standing.halted = true;
        check(&open, &ask, Err(Reason::Halted));
        let mut ask = newcomer();
        ask.standing.blocked = true;
        check(&open, &ask, Err(Reason::Blocked));

        let members = SwarmPolicy {
            who: Who::Members,
            ..open.clone()
        };
        check(&members, &newcomer(), Err(Reason::NotForYou("members")));
        check(&members, &member(), Ok(Admission::Start));
        let listed = SwarmPolicy {
            who: Who::Listed(BTreeSet::from([NodeId::from_bytes([2; 32])])),
            ..open.clone()
        };
        check(&listed, &member(), Err(Reason::NotForYou("listed keys")));
        check(
            &listed,
            &Ask {
                who: NodeId::from_bytes([2; 32]),
                ..newcomer()
            },
            Ok(Admission::Start),
        );

        let mine = SwarmPolicy {
            privacy: Privacy::Mine,
            ..open.clone()
        };
        let far = Reason::TooPrivate {
            asked: Privacy::Strangers,
            accepts: Privacy::Mine,
        };
        check(&mine, &newcomer(), Err(far));
        check(
            &mine,
            &Ask {
                distance: Privacy::Mine,
                ..newcomer()
            },
            Ok(Admission::Start),
        );

        let some = SwarmPolicy {
            kinds: Some(BTreeSet::from([WorkKind::EVALUATION])),
            ..open.clone()
        };
        check(&some, &newcomer(), Err(Reason::Kind(WorkKind::INFERENCE)));
        let some = SwarmPolicy {
            models: Some(BTreeSet::from([[8; 32]])),
            ..open.clone()
        };
        check(&some, &newcomer(), Err(Reason::Model));
        check(
            &some,
            &Ask {
                model: [8; 32],
                ..newcomer()
            },
            Ok(Admission::Start),
        );

        for (positions, ok) in [(0, true), (4096, true), (4097, false), (u32::MAX, false)] {
            let got = admit(
                &quoted,
                &Ask {
                    positions,
                    ..newcomer()
                },
                IDLE,
            );
            assert_eq!(got.is_ok(), ok, "{positions}");
            assert!(
                got.is_ok() || got.unwrap_err().quote.is_some(),
                "more could be had"
            );
        }
        for (sessions_this_hour, ok) in [(0, true), (59, true), (60, false), (u32::MAX, false)] {
            assert_eq!(
                admit(
                    &open,
                    &Ask {
                        sessions_this_hour,
                        ..newcomer()
                    },
                    IDLE
                )
                .is_ok(),
                ok
            );
        }
    }

    #[test]
    fn a_members_caveats_bind_beside_the_workers_terms() {
        let open = SwarmPolicy::default();
        let mut ask = member();
        ask.standing.caveats.requests_per_hour = Some(2);
        check(
            &open,
            &Ask {
                sessions_this_hour: 1,
                ..ask.clone()
            },
            Ok(Admission::Start),
        );
        check(
            &open,
            &Ask {
                sessions_this_hour: 2,
                ..ask
            },
            Err(Reason::SessionsPerHour { max: 2 }),
        );
        let mut ask = member();
        ask.standing.caveats.kinds = Some(BTreeSet::new());
        check(&open, &ask, Err(Reason::Kind(WorkKind::INFERENCE)));
        check(
            &open,
            &Ask {
                budget_left: Some(1000),
                ..member()
            },
            Ok(Admission::Start),
        );
        check(
            &open,
            &Ask {
                budget_left: Some(999),
                ..member()
            },
            Err(Reason::Budget {
                asked: 1000,
                left: 999,
            }),
        );
    }

    #[test]
    fn load_makes_people_wait_and_only_a_full_queue_refuses() {
        let open = SwarmPolicy::default();
        let check = |free_sessions, queued, ask: &Ask, expect: Result<Admission, Reason>| {
            let got = admit(
                &open,
                ask,
                Load {
                    free_sessions,
                    queued,
                },
            )
            .map_err(|d| d.reason);
            assert_eq!(got, expect);
        };
        check(0, 0, &newcomer(), Ok(Admission::Queue { weight: 0 }));
        check(0, 5, &member(), Ok(Admission::Queue { weight: 3 }));
        // A free place goes to whoever waited, not to whoever comes now.
        check(1, 5, &member(), Ok(Admission::Queue { weight: 3 }));
        check(0, MAX_QUEUED, &member(), Err(Reason::QueueFull));
    }

    #[test]
    fn a_policy_reads_back_and_keeps_its_limits() {
        let ids = |n: usize| {
            (0..n as u16).map(|i| NodeId::from_bytes(core::array::from_fn(|b| (i >> (b % 2 * 8)) as u8)))
        };
        let policy = SwarmPolicy {
            who: Who::Listed(ids(MAX_LISTED).collect()),
            models: Some(BTreeSet::from([[200; 32], [3; 32]])),
            quote: Quote::new(vec![9; MAX_OPAQUE_BYTES]),
            ..SwarmPolicy::default()
        };
        let bytes = minicbor::to_vec(&policy).unwrap();
        identity::cbor::check_deterministic(&bytes).unwrap();
        assert_eq!(minicbor::decode::<SwarmPolicy>(&bytes).unwrap(), policy);
        assert!(policy.is_within_limits());
        let over = SwarmPolicy {
            who: Who::Listed(ids(MAX_LISTED + 1).collect()),
            ..policy
        };
        assert!(!over.is_within_limits());
        assert_eq!(Quote::new(vec![0; MAX_OPAQUE_BYTES + 1]), None);
        let long = minicbor::to_vec(minicbor::bytes::ByteVec::from(vec![0; MAX_OPAQUE_BYTES + 1])).unwrap();
        assert!(minicbor::decode::<Authorization>(&long).is_err());
    }

    #[test]
    fn no_policy_takes_the_floor_away() {
        for (percent, counts) in [(0, 5), (5, 5), (20, 20), (95, 95), (100, 95), (255, 95)] {
            let policy = SwarmPolicy {
                reserved_percent: percent,
                ..SwarmPolicy::default()
            };
            assert_eq!(policy.reserved_share(), counts);
        }
    }
}

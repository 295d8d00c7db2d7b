//! A swarm as the screen shows it: plain values, and the terms of work in words.
//! Nothing here changes a registry.

use identity::{NodeId, Timestamp};
use registry::policy::{MIN_RESERVED_PERCENT, Privacy, SwarmPolicy, Who};
use registry::{Member, Role};

use super::encode;
use super::kept::Kept;
use crate::error::Error;

/// One swarm.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SwarmCard {
    pub id: String,
    pub name: String,
    /// The role of this browser's identity, accepted and not ended.
    pub role: Option<&'static str>,
    /// A role that waits for this identity's yes.
    pub offered: Option<&'static str>,
    pub members: Vec<MemberInfo>,
    pub blocked: Vec<String>,
    /// Why all work stands still.
    pub halted: Option<String>,
    /// Records that count, the genesis not counted.
    pub sequence: u64,
    pub policy: PolicyInfo,
}

/// Somebody in a swarm.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemberInfo {
    pub id: String,
    pub role: Option<&'static str>,
    pub offered: Option<&'static str>,
    /// The role is held and was accepted.
    pub accepted: bool,
    pub until_ms: Option<f64>,
    /// This browser's identity.
    pub me: bool,
    /// The key, for a grant elsewhere; nothing for a quorum.
    pub key: Option<String>,
}

/// The terms on which a swarm's work is done on this device.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PolicyInfo {
    /// `anybody` or `members`.
    pub who: String,
    /// `mine`, `members` or `strangers`.
    pub privacy: String,
    pub max_positions: u32,
    pub sessions_per_hour: u32,
    pub reserved_percent: u8,
}

pub(super) fn card(kept: &Kept, me: Option<NodeId>, now: Timestamp) -> SwarmCard {
    let registry = &kept.registry;
    let state = registry.state();
    let mut members: Vec<MemberInfo> = state
        .members()
        .map(|(id, member)| row(id, member, registry.standing(id, now).role, me))
        .collect();
    members.sort_by(|a, b| (rank(b), &a.id).cmp(&(rank(a), &b.id)));
    let mine = members.iter().find(|member| member.me).cloned();
    SwarmCard {
        id: registry.id().to_string(),
        name: state.name().to_owned(),
        role: mine.as_ref().filter(|m| m.accepted).and_then(|m| m.role),
        offered: mine.and_then(|m| m.offered),
        members,
        blocked: state.blocked().map(|id| id.to_string()).collect(),
        halted: state.halted().map(str::to_owned),
        sequence: registry.head().sequence,
        policy: policy_info(&kept.policy),
    }
}

fn row(id: NodeId, member: &Member, standing: Option<Role>, me: Option<NodeId>) -> MemberInfo {
    let held = member.held.as_ref();
    let waits = held.filter(|_| standing.is_none()).map(|held| held.terms.role);
    let offered = member
        .offered
        .as_ref()
        .map(|offered| offered.terms.role)
        .or(waits);
    MemberInfo {
        id: id.to_string(),
        role: standing.map(Role::word),
        offered: offered.map(Role::word),
        accepted: standing.is_some(),
        until_ms: held
            .or(member.offered.as_ref())
            .and_then(|tenure| tenure.terms.until)
            .map(|until| until.as_ms() as f64),
        me: me == Some(id),
        key: match &member.authority {
            identity::Authority::Key(key) => Some(format!("p_{}", encode(&key.to_bytes()))),
            identity::Authority::Quorum(_) => None,
        },
    }
}

fn rank(member: &MemberInfo) -> u8 {
    let order = |role: Option<&str>| match role {
        Some("owner") => 4,
        Some("admin") => 3,
        Some("coordinator") => 2,
        Some("worker") => 1,
        _ => 0,
    };
    order(member.role).max(order(member.offered))
}

fn policy_info(policy: &SwarmPolicy) -> PolicyInfo {
    PolicyInfo {
        who: match policy.who {
            Who::Anybody => "anybody",
            Who::Members | Who::Listed(_) => "members",
        }
        .to_owned(),
        privacy: match policy.privacy {
            Privacy::Mine => "mine",
            Privacy::Members => "members",
            Privacy::Strangers => "strangers",
        }
        .to_owned(),
        max_positions: policy.max_positions,
        sessions_per_hour: policy.sessions_per_hour,
        reserved_percent: policy.reserved_share(),
    }
}

/// Terms from the screen; what it does not show stays as it is.
pub(super) fn policy(info: &PolicyInfo, before: SwarmPolicy) -> Result<SwarmPolicy, Error> {
    let bad =
        |what: &str, got: &str| Error::new("bad_request", format!("{what}: {got:?} is none of the choices"));
    if !(MIN_RESERVED_PERCENT..=100 - MIN_RESERVED_PERCENT).contains(&info.reserved_percent) {
        return Err(Error::because(
            "bad_request",
            "floor",
            format!("at least {MIN_RESERVED_PERCENT} % of the time stays for those without standing"),
        ));
    }
    Ok(SwarmPolicy {
        who: match info.who.as_str() {
            "anybody" => Who::Anybody,
            "members" => Who::Members,
            other => return Err(bad("who", other)),
        },
        privacy: match info.privacy.as_str() {
            "mine" => Privacy::Mine,
            "members" => Privacy::Members,
            "strangers" => Privacy::Strangers,
            other => return Err(bad("privacy", other)),
        },
        max_positions: info.max_positions,
        sessions_per_hour: info.sessions_per_hour,
        reserved_percent: info.reserved_percent,
        ..before
    })
}

//! Who stands behind an Open: the delegation that it shows, and what the registry says of that identity.
//! It admits nobody: the worker's terms do.

use identity::NodeId;
use protocol::{Ground, Open, PeerId, Refusal, SwarmId};
use registry::policy::Privacy;

use crate::admission::No;
use crate::desk::Desk;
use crate::door::Caller;
use crate::registries::Registries;

/// The caller, or why it is none that this node works for. `mine`: the shell has said so, or the peer's offer has
/// shown it. `swarm`: the one that this node lends to.
pub(crate) fn of(
    peer: &PeerId,
    open: &Open,
    mine: bool,
    (registries, owner, swarm): (&Registries, Option<NodeId>, &SwarmId),
    desk: &Desk,
) -> Result<Caller, No> {
    if open.swarm != *swarm {
        let no = No::because(Refusal::Policy, "this device does not work for that swarm");
        return Err(no.on(Ground::OtherSwarm));
    }
    let proved = open.delegation.as_ref().map(|credential| {
        let bytes = peer.to_bytes().unwrap_or_default();
        credential.verify(&bytes, desk.wall())
    });
    let id = match proved {
        None => nameless(peer),
        Some(Ok(key)) => key.node_id(),
        Some(Err(error)) => return Err(No::because(Refusal::Expired, &error.to_string())),
    };
    let standing = registries.standing(&open.swarm, id, desk);
    let distance = if mine || Some(id) == owner || registries.is_mine(id, desk) {
        Privacy::Mine
    } else if standing.role.is_some() {
        Privacy::Members
    } else {
        Privacy::Strangers
    };
    Ok(Caller {
        id,
        standing,
        distance,
    })
}

/// A name for a peer that shows none, so that it can be counted. It is nobody's identity: no role is ever found
/// under it, since it is the hash of no key.
fn nameless(peer: &PeerId) -> NodeId {
    let text = peer.as_str().as_bytes();
    let mut name = [0; 32];
    // The end of a peer id differs, its beginning hardly does.
    for (at, byte) in text.iter().rev().take(32).enumerate() {
        name[at] = *byte;
    }
    NodeId::from_bytes(name)
}

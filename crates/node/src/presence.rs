//! Being here: what this node says of itself in the swarms that it follows and lends nothing to, so that their members
//! find each other and hear of each other's records.
//! It offers no work and says not whose device this is: lending does both.

use std::collections::BTreeMap;

use identity::{Draft, Scheme, Signature, Signed};
use protocol::{Backend, List, Offer, Power, RegistryHead, SwarmId, Terms};

use crate::desk::Desk;
use crate::io::{Effect, EffectId, Now};
use crate::myself::Myself;
use crate::peers::Peers;
use crate::registries::Registries;

/// It is said again this often, and holds for three times as long: two may get lost.
const REPEAT_MS: u64 = 30_000;
const LIFETIME_S: u32 = 90;
/// Where so many are heard in a swarm whose names come before this node's, a newcomer finds enough of them, and it
/// keeps quiet: in a swarm of thousands as many speak, and always the same.
const CROWD: usize = 16;
/// Whoever lacks something, and whoever has just come, is answered; all of them together this often.
const ANSWER_MS: u64 = 3_000;
/// Several records in a row are told of together.
const NEWS_MS: u64 = 500;

/// See the file's head.
#[derive(Default)]
pub(crate) struct Presence {
    /// Bounded by the swarms that are followed.
    said: BTreeMap<SwarmId, Said>,
    signing: BTreeMap<SwarmId, (EffectId, Draft<Offer>)>,
}

/// What was said last in a swarm.
struct Said {
    at: Now,
    head: Option<RegistryHead>,
    /// To be said again then.
    next: Now,
}

impl Presence {
    /// Somebody came to a swarm, or knows less of it than this node: they should hear from it.
    pub(crate) fn answer(&mut self, swarm: &SwarmId) {
        if let Some(said) = self.said.get_mut(swarm) {
            said.next = said.next.min(said.at.plus_ms(ANSWER_MS));
        }
    }

    /// The relay was lost and found, or this node has another address: everybody is told.
    pub(crate) fn refresh(&mut self) {
        self.said.clear();
    }

    /// Says what is due. `lent_to`: the swarm whose members hear of this node by its offers of work. Answers when to
    /// look again.
    pub(crate) fn tick(
        &mut self,
        lent_to: Option<SwarmId>,
        registries: &Registries,
        peers: &Peers,
        myself: &Myself,
        desk: &mut Desk,
    ) -> Option<Now> {
        desk.online_since?;
        let heads = registries.heads();
        self.said.retain(|swarm, _| heads.contains_key(swarm));
        self.signing.retain(|swarm, _| heads.contains_key(swarm));
        for (swarm, head) in heads.into_iter().filter(|(swarm, _)| Some(*swarm) != lent_to) {
            if let Some(said) = self.said.get_mut(&swarm) {
                if said.head != head {
                    said.next = said.next.min(said.at.plus_ms(NEWS_MS));
                }
                if said.next > desk.now {
                    continue;
                }
            }
            let others = peers.present(&swarm, desk.now);
            if others.iter().filter(|(peer, _)| *peer < desk.me).count() < CROWD {
                self.say(swarm, head, myself, desk);
            }
            let (at, next) = (desk.now, desk.now.plus_ms(REPEAT_MS));
            self.said.insert(swarm, Said { at, head, next });
        }
        let speaks = self.said.iter().filter(|(swarm, _)| Some(**swarm) != lent_to);
        speaks.map(|(_, said)| said.next).min()
    }

    /// It is signed: out with it. `false` where it was not this one's.
    pub(crate) fn signed(
        &mut self,
        effect: EffectId,
        signature: Option<&Signature>,
        desk: &mut Desk,
    ) -> bool {
        let mut asked = self.signing.iter();
        let Some(swarm) = asked.find_map(|(swarm, (asked, _))| (*asked == effect).then_some(*swarm)) else {
            return false;
        };
        let Some((_, draft)) = self.signing.remove(&swarm) else {
            return false;
        };
        desk.publish(swarm, draft, signature);
        true
    }

    fn say(&mut self, swarm: SwarmId, registry: Option<RegistryHead>, myself: &Myself, desk: &mut Desk) {
        let offer = Offer {
            swarm,
            peer: desk.me.clone(),
            addresses: desk.addresses.clone(),
            kinds: List::default(),
            work: None,
            memory_bytes: 0,
            keep_bytes: 0,
            backend: Backend::Cpu,
            power: Power::Unknown,
            background: false,
            terms: Terms::Mine,
            sequence: desk.next_offer(),
            lifetime_s: LIFETIME_S,
            links: List::default(),
            issued_at: desk.wall(),
            credential: None,
            registry,
        };
        let (key, signer) = myself.session();
        match Signed::draft(&offer, key, Scheme::plain(key.alg())) {
            Ok(draft) => {
                let message = draft.to_be_signed().to_vec();
                let effect = desk.effect(Effect::Sign { key: signer, message });
                self.signing.insert(swarm, (effect, draft));
            }
            Err(error) => tracing::warn!(%error, "a word of being here cannot be made"),
        }
    }
}

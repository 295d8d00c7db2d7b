//! Whose swarms the relay carries offers for beside its own: those whose members are connected to it.
//! It reads no offer and subscribes to nothing by itself: the driver does.

use std::collections::{HashMap, HashSet};

use libp2p::{PeerId, gossipsub::TopicHash};

use super::behaviour::offers_topic;

/// The topics of people's own swarms, and who is subscribed to each.
pub struct Topics {
    max_topics: usize,
    max_per_peer: usize,
    followed: HashMap<TopicHash, Followed>,
    of_peer: HashMap<PeerId, usize>,
}

struct Followed {
    swarm: [u8; 32],
    peers: HashSet<PeerId>,
}

/// What follows from a peer's subscription.
#[derive(Debug, PartialEq, Eq)]
pub enum Joined {
    /// The relay subscribes too.
    First,
    /// It has already, or the peer said so before.
    Known,
    /// No topic of a swarm: nothing to do with us.
    Foreign,
    /// There is no room for one more.
    Full,
}

impl Topics {
    /// An empty table for so many topics in all, and so many of one peer.
    pub fn new(max_topics: u64, max_per_peer: u64) -> Self {
        let bound = |limit| usize::try_from(limit).unwrap_or(usize::MAX);
        Topics {
            max_topics: bound(max_topics),
            max_per_peer: bound(max_per_peer),
            followed: HashMap::new(),
            of_peer: HashMap::new(),
        }
    }

    /// A peer subscribed to a topic.
    pub fn join(&mut self, peer: PeerId, topic: &TopicHash) -> Joined {
        let Some(swarm) = swarm_of(topic) else {
            return Joined::Foreign;
        };
        let has = self.of_peer.get(&peer).copied().unwrap_or(0);
        let room = self.followed.len() < self.max_topics;
        let joined = match self.followed.get_mut(topic) {
            Some(followed) if followed.peers.contains(&peer) => return Joined::Known,
            _ if has >= self.max_per_peer => return Joined::Full,
            Some(followed) => {
                followed.peers.insert(peer);
                Joined::Known
            }
            None if !room => return Joined::Full,
            None => {
                let peers = HashSet::from([peer]);
                self.followed.insert(topic.clone(), Followed { swarm, peers });
                Joined::First
            }
        };
        self.of_peer.insert(peer, has + 1);
        joined
    }

    /// A peer is subscribed no more.
    pub fn leave(&mut self, peer: &PeerId, topic: &TopicHash) {
        let left = self
            .followed
            .get_mut(topic)
            .is_some_and(|followed| followed.peers.remove(peer));
        if left && let Some(has) = self.of_peer.get_mut(peer) {
            *has -= 1;
            if *has == 0 {
                self.of_peer.remove(peer);
            }
        }
    }

    /// A peer is gone.
    pub fn gone(&mut self, peer: &PeerId) {
        if self.of_peer.remove(peer).is_some() {
            for followed in self.followed.values_mut() {
                followed.peers.remove(peer);
            }
        }
    }

    /// Forgets the topics that nobody is subscribed to, and says which: not at once, since a page that is loaded
    /// anew is back in a moment.
    pub fn sweep(&mut self) -> Vec<TopicHash> {
        let empty =
            |(topic, followed): (&TopicHash, &Followed)| followed.peers.is_empty().then(|| topic.clone());
        let gone: Vec<TopicHash> = self.followed.iter().filter_map(empty).collect();
        for topic in &gone {
            self.followed.remove(topic);
        }
        gone
    }

    /// The swarm whose offers are made on a topic that is followed.
    pub fn swarm(&self, topic: &TopicHash) -> Option<[u8; 32]> {
        self.followed.get(topic).map(|followed| followed.swarm)
    }
}

/// The swarm of an offers topic.
fn swarm_of(topic: &TopicHash) -> Option<[u8; 32]> {
    let (_, id) = topic.as_str().rsplit_once('/')?;
    let swarm: [u8; 32] = hex::decode(id).ok()?.try_into().ok()?;
    // Only as it is written: two spellings would be two topics.
    (offers_topic(&hex::encode(swarm)).hash() == *topic).then_some(swarm)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn topic(swarm: u8) -> TopicHash {
        offers_topic(&hex::encode([swarm; 32])).hash()
    }

    #[test]
    fn a_swarm_is_carried_from_its_first_member_until_some_time_after_its_last() {
        let mut topics = Topics::new(10, 10);
        let (a, b) = (PeerId::random(), PeerId::random());
        assert_eq!(topics.join(a, &topic(1)), Joined::First);
        assert_eq!(topics.join(a, &topic(1)), Joined::Known);
        assert_eq!(topics.join(b, &topic(1)), Joined::Known);
        assert_eq!(topics.swarm(&topic(1)), Some([1; 32]));
        topics.leave(&a, &topic(1));
        assert!(topics.sweep().is_empty());
        topics.gone(&b);
        assert_eq!(
            topics.join(a, &topic(1)),
            Joined::Known,
            "back before anybody swept"
        );
        topics.gone(&a);
        assert_eq!(topics.sweep(), [topic(1)]);
        assert_eq!(topics.swarm(&topic(1)), None);
        assert!(topics.of_peer.is_empty());
    }

    #[test]
    fn so_many_topics_and_so_many_of_one_peer_and_no_more() {
        let mut topics = Topics::new(3, 2);
        let (a, b) = (PeerId::random(), PeerId::random());
        assert_eq!(topics.join(a, &topic(1)), Joined::First);
        assert_eq!(topics.join(a, &topic(2)), Joined::First);
        assert_eq!(topics.join(a, &topic(3)), Joined::Full, "two of one peer");
        assert_eq!(topics.join(b, &topic(3)), Joined::First);
        assert_eq!(topics.join(b, &topic(4)), Joined::Full, "three in all");
        assert_eq!(topics.join(b, &topic(1)), Joined::Known);
        topics.leave(&a, &topic(2));
        assert_eq!(topics.join(a, &topic(3)), Joined::Known);
    }

    #[test]
    fn other_topics_are_no_business_of_ours() {
        let mut topics = Topics::new(10, 10);
        let upper = format!("/manyhands/offers/1/{}", "AB".repeat(32));
        let short = "/manyhands/offers/1/abcd".to_owned();
        for text in [upper, short, hex::encode([1; 32]), "chat".to_owned()] {
            let topic = TopicHash::from_raw(text);
            assert_eq!(topics.join(PeerId::random(), &topic), Joined::Foreign, "{topic}");
        }
        assert!(topics.of_peer.is_empty());
    }
}

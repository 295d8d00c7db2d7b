//! The two ends of the loop around the swarm: what it is told, and what it tells.
//! Nothing here knows libp2p's events; the task does.

use futures::SinkExt as _;
use futures::channel::{mpsc, oneshot};
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};
use protocol::{ModelId, SwarmId};
use registry::Found;

use super::behaviour::Setup;
use super::task;
use crate::error::Error;

/// Commands and events in flight between the driver and the loop.
const MAX_IN_FLIGHT: usize = 256;

/// What the loop is told.
#[derive(Debug)]
pub(super) enum Command {
    /// Make a direct connection to a peer, through the relay's introduction.
    Connect { peer: PeerId, addresses: Vec<Multiaddr> },
    /// The same, and tell whoever waits for it.
    Reach {
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        reached: oneshot::Sender<Result<(), String>>,
    },
    /// Send a signed offer to everybody who hears a topic.
    Publish { topic: String, bytes: Vec<u8> },
    /// Hear what is said on a topic, or no more.
    Hear { topic: String, wanted: bool },
    /// Put an entry into the DHT.
    Put {
        key: Vec<u8>,
        bytes: Vec<u8>,
        stored: oneshot::Sender<Result<(), String>>,
    },
    /// Look for an entry in the DHT.
    Get {
        key: Vec<u8>,
        found: oneshot::Sender<Option<Found<PeerId>>>,
    },
    /// The tab woke up, or its network changed: what was connected may be so no more.
    Wake { network_changed: bool },
}

/// What the loop tells the driver.
#[derive(Debug)]
pub(crate) enum Event {
    /// The relay holds a reservation for us: others can find us at this address.
    RelayUp { address: Multiaddr },
    /// The relay is gone; it is being dialled again.
    RelayDown { reason: String },
    /// A peer is directly reachable: streams may be opened.
    Reached(PeerId),
    /// The last direct connection to a peer is gone.
    Lost(PeerId),
    /// A peer could not be reached directly.
    Unreachable { peer: PeerId, reason: String },
    /// A measured round trip to a peer.
    RoundTrip { peer: PeerId, ms: u32 },
    /// A message on the topic of a swarm that is heard, and its author, whose signature the gossip layer checked.
    Gossip { from: PeerId, bytes: Vec<u8> },
}

/// The driver's end.
pub(crate) struct Net {
    commands: mpsc::Sender<Command>,
    pub(crate) streams: libp2p_stream::Control,
}

impl Net {
    /// Starts the loop, which hears what is said in `swarm`. `relays` are addresses of relays that a browser can dial, best first,
    /// each ending in `/p2p/<relay>`.
    pub(crate) fn spawn(
        keypair: &Keypair,
        setup: &Setup,
        relays: Vec<Multiaddr>,
        swarm: &SwarmId,
    ) -> Result<(Net, mpsc::Receiver<Event>), Error> {
        let (commands, command_queue) = mpsc::channel(MAX_IN_FLIGHT);
        let (events, event_queue) = mpsc::channel(MAX_IN_FLIGHT);
        let streams = task::spawn(keypair, setup, relays, topic(swarm), command_queue, events)?;
        Ok((Net { commands, streams }, event_queue))
    }

    /// Asks for a direct connection to a peer.
    pub(crate) fn connect(&mut self, peer: &protocol::PeerId, addresses: &protocol::Addresses) {
        let Ok(peer) = peer.as_str().parse() else { return };
        let addresses = addresses
            .iter()
            .filter_map(|address| address.parse().ok())
            .collect();
        self.command(Command::Connect { peer, addresses });
    }

    /// Sends a signed offer to everybody in a swarm.
    pub(crate) fn publish(&mut self, swarm: &SwarmId, bytes: Vec<u8>) {
        let topic = topic(swarm);
        self.command(Command::Publish { topic, bytes });
    }

    /// Hears what is said in one more swarm.
    pub(crate) fn follow(&mut self, swarm: &SwarmId) {
        let (topic, wanted) = (topic(swarm), true);
        self.command(Command::Hear { topic, wanted });
    }

    /// No longer.
    pub(crate) fn unfollow(&mut self, swarm: &SwarmId) {
        let (topic, wanted) = (topic(swarm), false);
        self.command(Command::Hear { topic, wanted });
    }

    /// A handle for others than the driver.
    pub(crate) fn line(&self) -> NetLine {
        NetLine {
            commands: self.commands.clone(),
        }
    }

    fn command(&mut self, command: Command) {
        if let Err(error) = self.commands.try_send(command) {
            tracing::warn!(%error, "the net is not listening");
        }
    }
}

/// A line to the loop for those who wait for its answers.
#[derive(Clone)]
pub(crate) struct NetLine {
    commands: mpsc::Sender<Command>,
}

impl NetLine {
    /// Waits for a direct connection to `peer`.
    pub(crate) async fn reach(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) -> Result<(), String> {
        let (reached, answer) = oneshot::channel();
        let command = Command::Reach {
            peer,
            addresses,
            reached,
        };
        self.tell(command).await?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Puts an entry into the DHT.
    pub(crate) async fn put(&mut self, key: Vec<u8>, bytes: Vec<u8>) -> Result<(), String> {
        let (stored, answer) = oneshot::channel();
        self.tell(Command::Put { key, bytes, stored }).await?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// The newest sound version of an entry that the DHT has.
    pub(crate) async fn get(&mut self, key: Vec<u8>) -> Result<Option<Found<PeerId>>, String> {
        let (found, answer) = oneshot::channel();
        self.tell(Command::Get { key, found }).await?;
        answer.await.map_err(|_| stopped())
    }

    /// The tab woke up, or its network changed.
    pub(crate) fn wake(&mut self, network_changed: bool) {
        // A full queue means that the loop is awake.
        let _ = self.commands.try_send(Command::Wake { network_changed });
    }

    async fn tell(&mut self, command: Command) -> Result<(), String> {
        self.commands.send(command).await.map_err(|_| stopped())
    }
}

/// Where the workers of a swarm announce themselves.
fn topic(swarm: &SwarmId) -> String {
    format!("/manyhands/offers/1/{}", ModelId(swarm.0))
}

fn stopped() -> String {
    "the node was stopped".to_owned()
}

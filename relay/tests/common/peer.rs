//! A native libp2p peer as anybody would build it from released crates: WebSocket, Noise, Yamux,
//! circuit relay client, identify, gossip, streams.
//! It shares no code with the relay.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm, SwarmBuilder, Transport,
    core::upgrade::Version,
    gossipsub, identify, kad, noise, relay,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

/// Longer than anything takes here, so that only what never happens fails.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(NetworkBehaviour)]
pub struct Behaviour {
    pub relay: relay::client::Behaviour,
    pub identify: identify::Behaviour,
    pub gossip: gossipsub::Behaviour,
    pub stream: libp2p_stream::Behaviour,
    pub kad: kad::Behaviour<kad::store::MemoryStore>,
}

fn kad_config(patience: Duration) -> kad::Config {
    let mut config = kad::Config::new(libp2p::StreamProtocol::new("/manyhands/kad/1"));
    config.set_substreams_timeout(patience);
    config
}

type Order = Box<dyn FnOnce(&mut Swarm<Behaviour>) + Send>;

/// A peer whose swarm runs in a task of its own.
pub struct Peer {
    pub id: PeerId,
    pub key: libp2p::identity::Keypair,
    pub streams: libp2p_stream::Control,
    orders: mpsc::UnboundedSender<Order>,
    events: mpsc::UnboundedReceiver<SwarmEvent<BehaviourEvent>>,
}

impl Peer {
    /// A new peer that knows nobody.
    pub fn new() -> Peer {
        Peer::patient_for(Duration::from_secs(10))
    }

    /// The same, which gives up a question to the DHT after so long: a refusal is heard by no other sign.
    pub fn patient_for(patience: Duration) -> Peer {
        let key = libp2p::identity::Keypair::generate_ed25519();
        let mut swarm = SwarmBuilder::with_existing_identity(key.clone())
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_other_transport(|key| {
                libp2p_websocket::Config::new(tcp::tokio::Transport::new(tcp::Config::default()))
                    .upgrade(Version::V1)
                    .authenticate(noise::Config::new(key).unwrap())
                    .multiplex(yamux::Config::default())
            })
            .unwrap()
            .with_relay_client(noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|key, relay| Behaviour {
                relay,
                identify: identify::Behaviour::new(identify::Config::new("/test/1".to_owned(), key.public())),
                gossip: gossipsub::Behaviour::new(
                    gossipsub::MessageAuthenticity::Signed(key.clone()),
                    gossipsub::Config::default(),
                )
                .unwrap(),
                stream: libp2p_stream::Behaviour::new(),
                kad: kad::Behaviour::with_config(
                    key.public().to_peer_id(),
                    kad::store::MemoryStore::new(key.public().to_peer_id()),
                    kad_config(patience),
                ),
            })
            .unwrap()
            .with_swarm_config(|config| config.with_idle_connection_timeout(PATIENCE))
            .build();
        let id = *swarm.local_peer_id();
        let streams = swarm.behaviour().stream.new_control();
        let (orders, mut ordered) = mpsc::unbounded_channel::<Order>();
        let (report, events) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    order = ordered.recv() => match order {
                        Some(order) => order(&mut swarm),
                        None => return,
                    },
                    event = swarm.select_next_some() => {
                        let _ = report.send(event);
                    }
                }
            }
        });
        Peer {
            id,
            key,
            streams,
            orders,
            events,
        }
    }

    /// Lets the swarm do something.
    pub fn tell(&self, order: impl FnOnce(&mut Swarm<Behaviour>) + Send + 'static) {
        self.orders.send(Box::new(order)).ok().unwrap();
    }

    /// The first `Some` that `pick` makes of an event from now on, or `None` if none comes.
    pub async fn first_within<T>(
        &mut self,
        limit: Duration,
        mut pick: impl FnMut(SwarmEvent<BehaviourEvent>) -> Option<T>,
    ) -> Option<T> {
        timeout(limit, async {
            while let Some(event) = self.events.recv().await {
                if let Some(found) = pick(event) {
                    return Some(found);
                }
            }
            None
        })
        .await
        .unwrap_or(None)
    }

    /// The same for what must come.
    pub async fn first<T>(
        &mut self,
        what: &str,
        pick: impl FnMut(SwarmEvent<BehaviourEvent>) -> Option<T>,
    ) -> T {
        self.first_within(PATIENCE, pick)
            .await
            .unwrap_or_else(|| panic!("never happened: {what}"))
    }

    /// Connects to `addr`.
    pub async fn connect(&mut self, addr: &Multiaddr) {
        let to = addr.clone();
        self.tell(move |swarm| swarm.dial(to).unwrap());
        self.first("a connection", |event| match event {
            SwarmEvent::ConnectionEstablished { .. } => Some(()),
            SwarmEvent::OutgoingConnectionError { error, .. } => panic!("{error}"),
            _ => None,
        })
        .await;
    }

    /// Reserves a circuit at the relay and returns the address under which others reach this peer.
    pub async fn reserve(&mut self, relay: &Multiaddr) -> Multiaddr {
        let circuit = relay.clone().with(libp2p::multiaddr::Protocol::P2pCircuit);
        let listen = circuit.clone();
        let (told, listener) = oneshot::channel();
        self.tell(move |swarm| {
            let _ = told.send(swarm.listen_on(listen).unwrap());
        });
        // That of an earlier relay, which is gone by now, may close meanwhile.
        let listener = listener.await.unwrap();
        self.first("a reservation", |event| match event {
            SwarmEvent::Behaviour(BehaviourEvent::Relay(relay::client::Event::ReservationReqAccepted {
                ..
            })) => Some(()),
            SwarmEvent::ListenerClosed {
                listener_id, reason, ..
            } if listener_id == listener => panic!("{reason:?}"),
            _ => None,
        })
        .await;
        circuit.with(libp2p::multiaddr::Protocol::P2p(self.id))
    }
}

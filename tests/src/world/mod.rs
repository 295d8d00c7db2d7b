//! Nodes, their devices and the network between them, in virtual time.
//! Nothing here waits or runs in parallel: the next thing to happen is taken from a queue, over and over.

mod device;
mod dice;
mod network;
mod scene;

use std::collections::{BTreeMap, VecDeque};

use identity::{LocalKey, SigningKey as _, Timestamp};
use node::io::{
    Ask, Effect, Event, Identity, Input, Keep, Lend, Mode, ModelSpec, Now, Output, RequestId, Signer,
};
use node::{Config, Node};
use protocol::{LayerRange, ModelId, PeerId, Sampling, SwarmId};
use registry::policy::SwarmPolicy;

pub use device::{D_MODEL, Device, QUICK, Speed, VOCAB, undisturbed};
pub use dice::Dice;
pub use network::{Distance, NEAR, Network};

/// The swarm that everybody is in where nothing else is said; nobody knows its registry.
pub const SWARM: SwarmId = SwarmId([7; 32]);

/// The time of day when a world begins.
pub const MORNING: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// Everything there is.
pub struct World {
    /// Milliseconds since the beginning.
    pub now: u64,
    /// The source of chance.
    pub dice: Dice,
    /// What lies between hosts.
    pub network: Network,
    /// The swarm that hosts which are made from now on are in.
    pub swarm: SwarmId,
    /// Nobody's key is at hand any more: nothing is signed, so nothing is announced. For the long end of a history,
    /// in which nothing but time happens.
    pub hushed: bool,
    /// The hosts, dead or alive.
    pub hosts: Vec<Host>,
    queue: BTreeMap<(u64, u64), Happening>,
    happened: u64,
}

/// A tab on some device.
pub struct Host {
    /// Its name.
    pub id: PeerId,
    /// The key that its name is.
    pub session: LocalKey,
    /// Its owner's key.
    pub owner: Option<LocalKey>,
    /// What it wants to know again after a restart.
    pub kept: Vec<Keep>,
    /// The node; `None`: crashed, closed.
    pub node: Option<Node>,
    /// What computes.
    pub device: Device,
    /// How fast.
    pub speed: Speed,
    /// Records that it gave to the gossip.
    pub published: u64,
    /// What its user was told, and when.
    pub events: Vec<(u64, RequestId, Event)>,
    /// Counts restarts: what was on its way to an earlier life does not arrive.
    pub life: u32,
    /// It is suspended until then: nothing reaches it before.
    pub asleep_until: u64,
    lend: Option<Lend>,
    wake: Option<u64>,
}

/// Something that happens at a moment.
#[derive(Debug)]
pub(crate) enum Happening {
    Input {
        host: usize,
        life: u32,
        input: Input,
    },
    Connected {
        ends: [(usize, u32); 2],
    },
    Bytes {
        to: network::End,
        frames: VecDeque<Vec<u8>>,
    },
    Device {
        host: usize,
        life: u32,
    },
    Wake {
        host: usize,
        life: u32,
    },
}

impl World {
    /// An empty world.
    pub fn new(seed: u64) -> World {
        World {
            now: 0,
            dice: Dice::new(seed),
            network: Network::default(),
            swarm: SWARM,
            hushed: false,
            hosts: Vec::new(),
            queue: BTreeMap::new(),
            happened: 0,
        }
    }

    /// One more host; answers its number.
    pub fn host(&mut self, speed: Speed) -> usize {
        let index = self.hosts.len();
        let session = session(index);
        self.hosts.push(Host {
            id: name(&session),
            session,
            owner: None,
            kept: Vec::new(),
            node: None,
            device: Device::default(),
            speed,
            published: 0,
            events: Vec::new(),
            life: 0,
            asleep_until: 0,
            lend: None,
            wake: None,
        });
        self.start(index);
        index
    }

    /// A host lends layers `first..end` of [`model`].
    pub fn lend(&mut self, host: usize, first: u32, end: u32, layers: u32) {
        let lend = Lend {
            swarm: None,
            model: model(layers),
            layers: LayerRange::new(first, end).ok(),
            most_layers: end - first,
            policy: anybody(),
            memory_bytes: 1 << 30,
            positions: 100_000,
        };
        self.hosts[host].lend = Some(lend.clone());
        self.input(host, Input::Lend(Box::new(lend)));
    }

    /// A user's input, now.
    pub fn input(&mut self, host: usize, input: Input) {
        let Some(node) = &mut self.hosts[host].node else {
            return;
        };
        node.handle_input(Now(self.now), input);
        self.drain(host);
    }

    /// The tab is gone. Silently: the others notice only that nothing comes any more.
    pub fn crash(&mut self, host: usize, silently: bool) {
        if self.hosts[host].node.take().is_none() {
            return;
        }
        self.hosts[host].device = Device::default();
        self.disconnect_all(host, silently);
        self.hosts[host].life += 1;
    }

    /// The tab is opened again, and lends as before.
    pub fn restart(&mut self, host: usize) {
        if self.hosts[host].node.is_none() {
            self.start(host);
            if let Some(lend) = self.hosts[host].lend.clone() {
                self.input(host, Input::Lend(Box::new(lend)));
            }
        }
    }

    /// Lets everything happen that happens before a moment.
    pub fn run_until(&mut self, until: u64) {
        while let Some(((at, _), happening)) = self
            .queue
            .first_entry()
            .filter(|next| next.key().0 <= until)
            .map(|e| e.remove_entry())
        {
            self.now = at;
            self.happen(happening);
        }
        self.now = until;
    }

    /// Lets things happen until a request is over; the moment when it was. `None`: not before the given moment.
    pub fn run_until_over(&mut self, host: usize, request: RequestId, until: u64) -> Option<u64> {
        let over = |event: &Event| matches!(event, Event::Finished { .. } | Event::Failed { .. });
        loop {
            let events = self.hosts[host].events.iter();
            if let Some((at, _, _)) = events.rev().find(|(_, of, event)| *of == request && over(event)) {
                return Some(*at);
            }
            let next = self
                .queue
                .first_entry()
                .filter(|next| next.key().0 <= until)
                .map(|next| next.remove_entry());
            let Some(((at, _), happening)) = next else {
                self.now = until;
                return None;
            };
            self.now = at;
            self.happen(happening);
        }
    }

    /// The tokens of a request. Panics where a position came twice or out of order.
    pub fn tokens(&self, host: usize, request: RequestId, prompt: usize) -> Vec<u32> {
        let mut tokens = Vec::new();
        for (_, of, event) in &self.hosts[host].events {
            if let (true, Event::Token { position, id, .. }) = (*of == request, event) {
                assert_eq!(
                    *position as usize,
                    prompt + tokens.len(),
                    "a position twice, or out of order"
                );
                tokens.push(*id);
            }
        }
        tokens
    }

    pub(crate) fn at(&mut self, at: u64, happening: Happening) {
        self.happened += 1;
        self.queue.insert((at.max(self.now), self.happened), happening);
    }

    fn start(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        let config = Config {
            me: host.id.clone(),
            swarm: self.swarm,
            start: self.now + 1,
            session: host.session.public_key(),
            // The node counts from the beginning of the world.
            clock: MORNING,
        };
        host.node = Some(Node::new(config));
        host.wake = None;
        let owner = host.owner.as_ref().map(LocalKey::public_key);
        self.input(index, Input::Relay { up: true });
        if let Some(key) = owner {
            self.input(index, Input::Identity(Some(Identity { key, device: None })));
        }
    }

    /// A host belongs to whoever holds a key.
    pub fn belongs_to(&mut self, host: usize, owner: LocalKey) {
        let key = owner.public_key();
        self.hosts[host].owner = Some(owner);
        self.input(host, Input::Identity(Some(Identity { key, device: None })));
    }

    /// The time of day.
    pub fn wall(&self) -> Timestamp {
        MORNING.plus(std::time::Duration::from_millis(self.now))
    }

    /// The receipts that a host has kept.
    pub fn receipts(&self, host: usize) -> Vec<&identity::CoSigned<protocol::Receipt>> {
        let mut found = Vec::new();
        for keep in &self.hosts[host].kept {
            if let Keep::Receipt(receipt) = keep {
                found.push(&**receipt);
            }
        }
        found
    }

    pub(crate) fn alive(&self, host: usize, life: u32) -> bool {
        self.hosts[host].life == life && self.hosts[host].node.is_some()
    }

    fn happen(&mut self, happening: Happening) {
        let host = match &happening {
            Happening::Input { host, .. } | Happening::Device { host, .. } | Happening::Wake { host, .. } => {
                *host
            }
            Happening::Bytes { to, .. } => to.0,
            Happening::Connected { ends } => ends[0].0,
        };
        let asleep_until = self.hosts[host].asleep_until;
        if self.now < asleep_until {
            return self.at(asleep_until, happening);
        }
        match happening {
            Happening::Input { host, life, input } => {
                if self.alive(host, life) {
                    self.input(host, input);
                }
            }
            Happening::Connected { ends } => self.connected(ends),
            Happening::Bytes { to, frames } => self.arrive(to, frames),
            Happening::Wake { host, life } => {
                if self.alive(host, life) && self.hosts[host].wake.is_some_and(|at| at <= self.now) {
                    self.hosts[host].wake = None;
                    self.input(host, Input::Tick);
                }
            }
            Happening::Device { host, life } => {
                while self.alive(host, life)
                    && let Some((effect, result)) = self.hosts[host].device.done(self.now)
                {
                    self.input(host, Input::Computed { effect, result });
                }
            }
        }
    }

    fn drain(&mut self, host: usize) {
        while let Some(output) = self.hosts[host].node.as_mut().and_then(Node::poll_output) {
            self.output(host, output);
        }
    }

    fn output(&mut self, host: usize, output: Output) {
        let life = self.hosts[host].life;
        match output {
            Output::Connect { peer, .. } => self.connect(host, &peer),
            Output::OpenStream { stream, peer } => self.open_stream(host, stream, &peer),
            Output::Send { stream, message } => self.send(host, stream, &message),
            Output::CloseStream { stream } => self.close_stream(host, stream),
            Output::Event { request, event } => {
                let now = self.now;
                self.hosts[host].events.push((now, request, event));
            }
            Output::WakeAt(at) => {
                self.hosts[host].wake = Some(at.0);
                self.at(at.0, Happening::Wake { host, life });
            }
            Output::Effect { id, effect } => match effect {
                Effect::Compute(work) => {
                    let (now, speed) = (self.now, self.hosts[host].speed);
                    let done = self.hosts[host].device.take(now, id, work, speed);
                    self.at(done, Happening::Device { host, life });
                }
                Effect::Sign { .. } if self.hushed => {}
                Effect::Sign { key, message } => {
                    let index = host;
                    let host = &self.hosts[index];
                    let signature = match key {
                        Signer::Session => Some(host.session.sign(&message)),
                        Signer::Identity => host.owner.as_ref().map(|owner| owner.sign(&message)),
                    };
                    let input = Input::Signed {
                        effect: id,
                        signature,
                    };
                    self.at(
                        self.now + 1,
                        Happening::Input {
                            host: index,
                            life,
                            input,
                        },
                    );
                }
                Effect::Publish { record, .. } => {
                    self.hosts[host].published += 1;
                    self.publish(host, &record);
                }
            },
            Output::Keep(keep) => self.hosts[host].kept.push(keep),
        }
    }
}

/// The key of a host, by its number.
fn session(index: usize) -> LocalKey {
    let mut secret = [7; 32];
    secret[..8].copy_from_slice(&(index as u64).to_be_bytes());
    LocalKey::eddsa(&secret).expect("any 32 bytes are a key")
}

fn name(session: &LocalKey) -> PeerId {
    let id = session.public_key().peer_id().expect("an Ed25519 key has one");
    PeerId::from_bytes(&id).expect("38 bytes")
}

/// Terms without any limit.
pub fn anybody() -> SwarmPolicy {
    SwarmPolicy {
        max_positions: u32::MAX,
        sessions_per_hour: u32::MAX,
        ..SwarmPolicy::default()
    }
}

/// A model of so many layers.
pub fn model(layers: u32) -> ModelSpec {
    ModelSpec {
        id: ModelId([9; 32]),
        layers,
        d_model: D_MODEL,
    }
}

/// A question in swarm mode.
pub fn ask(request: u64, prompt: &[u32], max_tokens: u32, layers: u32) -> Ask {
    Ask {
        request: RequestId(request),
        swarm: None,
        model: model(layers),
        prompt: prompt.to_vec(),
        sampling: Sampling::GREEDY,
        max_tokens,
        stop: Vec::new(),
        mode: Mode::Swarm,
        wire: None,
        local_ready: false,
        speculate: false,
        shadow: false,
    }
}

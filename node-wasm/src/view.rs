//! The snapshot as it is kept for the page: merged from the node, the net and the worker.
//! It tells listeners that something changed; it changes nothing itself.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};

use node::io::{Input, Now};
use node::{LendState as NodeLend, Node};
use protocol::{PeerId, SwarmId};

use crate::driver::{Clock, Given};
use crate::net::Event;
use crate::roll::kept_id;
use crate::snapshot::{Connection, Lending, ModelInfo, Snapshot, SwarmInfo, WorkerInfo};

/// Screens are not repainted more often than this: what a device can do goes to those it computes for, and on a small one
/// painting counters costs more than the layers do.
const REFRESH_EVERY_MS: u64 = 250;

/// What the page may look at, and who wants to know when it changes.
#[derive(Default)]
pub(crate) struct View {
    snapshot: Snapshot,
    listeners: Vec<(u64, Rc<dyn Fn()>)>,
    last_listener: u64,
    relay_models: Vec<ModelInfo>,
    kept_models: Vec<ModelInfo>,
    last_refresh: Option<Now>,
    /// The node was busy since: what it did is shown when the time has come.
    behind: bool,
    /// The swarm that is shown, where it is not the relay's.
    swarm: Option<SwarmId>,
    /// What computes this tab's own stages, and its name, by their layers.
    own: HashMap<(u32, u32), (String, String)>,
}

impl View {
    /// The state now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.snapshot.clone()
    }

    /// Whether this tab lends layers that are loaded.
    pub(crate) fn lends(&self) -> bool {
        matches!(self.snapshot.lend.state, Lending::Ready | Lending::Working)
    }

    /// Calls `listener` after each change, until the guard is dropped.
    pub(crate) fn listen(view: &Rc<RefCell<View>>, listener: Rc<dyn Fn()>) -> Listening {
        let mut this = view.borrow_mut();
        this.last_listener += 1;
        let number = this.last_listener;
        this.listeners.push((number, listener));
        Listening {
            view: Rc::downgrade(view),
            number,
        }
    }

    /// Changes what the page sees by hand: for what the node does not know.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Snapshot)) {
        let before = self.snapshot.clone();
        change(&mut self.snapshot);
        if self.snapshot != before {
            self.tell();
        }
    }

    /// Another swarm is asked and lent to.
    pub(crate) fn use_swarm(&mut self, swarm: Option<SwarmId>) {
        self.swarm = swarm;
        self.last_refresh = None;
        self.change(|snapshot| snapshot.own_swarm = swarm.as_ref().map(kept_id));
    }

    /// What the relay says of itself.
    pub(crate) fn relay(&mut self, swarm: SwarmInfo, models: Vec<ModelInfo>, reachable: Vec<String>) {
        self.relay_models = models;
        self.change(|snapshot| {
            snapshot.swarm = Some(swarm);
            snapshot.reachable = reachable;
        });
        self.list_models();
    }

    /// Models of which something is kept in this browser.
    pub(crate) fn kept_models(&mut self, models: Vec<ModelInfo>) {
        self.kept_models = models;
        self.list_models();
    }

    /// The relay's models first; what is listed there is not listed again.
    fn list_models(&mut self) {
        let mut models = self.relay_models.clone();
        let listed = |id: &str| self.relay_models.iter().any(|model| model.id == id);
        models.extend(
            self.kept_models
                .iter()
                .filter(|model| !listed(&model.id))
                .cloned(),
        );
        self.change(|snapshot| snapshot.models = models);
    }

    /// Bytes of the stage that is being loaded.
    pub(crate) fn loading(&mut self, loaded_bytes: u64, total_bytes: u64) {
        self.change(|snapshot| {
            snapshot.lend.loaded_bytes = loaded_bytes;
            snapshot.lend.total_bytes = total_bytes;
        });
    }

    /// News of the net, and what of it the node must hear.
    pub(crate) fn hear(&mut self, event: Event) -> Option<Input> {
        match event {
            Event::RelayUp { .. } => {
                self.change(|snapshot| {
                    snapshot.connection = Connection::Online;
                    snapshot.reason = None;
                });
                Some(Input::Relay { up: true })
            }
            Event::RelayDown { reason } => {
                self.change(|snapshot| {
                    snapshot.connection = Connection::Connecting;
                    snapshot.reason = Some(reason);
                });
                Some(Input::Relay { up: false })
            }
            Event::Reached(peer) => Some(Input::PeerConnected { peer: name(&peer)? }),
            Event::Lost(peer) => Some(Input::PeerDisconnected { peer: name(&peer)? }),
            Event::Unreachable { peer, reason } => {
                tracing::info!(%peer, %reason, "a peer cannot be reached directly");
                Some(Input::ConnectFailed { peer: name(&peer)? })
            }
            Event::RoundTrip { peer, ms } => Some(Input::RoundTrip {
                peer: name(&peer)?,
                ms,
            }),
            Event::Gossip { from, bytes } => Some(Input::OfferReceived {
                from: name(&from)?,
                bytes,
            }),
        }
    }

    /// Takes the node's state over, unless that was done a moment ago.
    pub(crate) fn refresh(&mut self, node: &Node, clock: &Clock, given: &Given) {
        let now = clock.now();
        if self
            .last_refresh
            .is_some_and(|last| now.since(last) < REFRESH_EVERY_MS)
        {
            self.behind = true;
            return;
        }
        self.behind = false;
        self.last_refresh = Some(now);
        let state = node.snapshot();
        let shown = self.swarm.unwrap_or(state.home);
        self.change(|snapshot| {
            snapshot.workers = workers(&state, &shown);
            snapshot.busy = busy(&state);
            let gave = &mut snapshot.lend.gave;
            let more = state.served_positions.saturating_sub(gave.tokens);
            if let NodeLend::Ready { us_per_token, .. } = &state.lending {
                // As measured one token after the other: several at once take less.
                gave.compute_ms += more as f64 * f64::from(*us_per_token) / 1000.0;
            }
            gave.tokens = state.served_positions;
            gave.jobs = given.jobs;
            gave.bytes = given.bytes;
            lend(snapshot, &state.lending);
        });
    }

    /// How long the loop may sleep at most before it calls [`View::refresh`] again, where something waits to be shown.
    pub(crate) fn next_refresh_ms(&self) -> Option<u64> {
        self.behind.then_some(REFRESH_EVERY_MS)
    }

    /// Which back end each worker says that it has.
    pub(crate) fn backends(&self) -> HashMap<String, String> {
        self.snapshot
            .workers
            .iter()
            .map(|w| (w.peer.clone(), w.backend.clone()))
            .collect()
    }

    /// A stage of this tab is ready, on this back end.
    pub(crate) fn loaded(&mut self, layers: (u32, u32), backend: String, adapter: String) {
        self.own.insert(layers, (backend, adapter));
    }

    /// What computes a stage of this tab, and its name.
    pub(crate) fn own_backend(&self, layers: (u32, u32)) -> Option<(String, String)> {
        self.own.get(&layers).cloned()
    }

    fn tell(&mut self) {
        // Told after this turn: a listener may ask for the snapshot, which is borrowed just now.
        for (_, listener) in &self.listeners {
            let listener = Rc::clone(listener);
            wasm_bindgen_futures::spawn_local(async move { listener() });
        }
    }
}

/// Somebody listens for as long as this lives.
pub struct Listening {
    view: Weak<RefCell<View>>,
    number: u64,
}

impl Listening {
    /// Listens for as long as the node lives.
    pub fn forever(self) {
        std::mem::forget(self);
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let Some(view) = self.view.upgrade() else { return };
        // A listener may own what is dropped with it: that must find the view free.
        let gone = {
            let mut view = view.borrow_mut();
            let at = view
                .listeners
                .iter()
                .position(|(number, _)| *number == self.number);
            at.map(|at| view.listeners.swap_remove(at))
        };
        drop(gone);
    }
}

fn name(peer: &libp2p::PeerId) -> Option<PeerId> {
    PeerId::new(&peer.to_base58()).ok()
}

/// Who works in a swarm, and our own devices wherever they do: they are asked in every mode.
fn workers(state: &node::Snapshot, swarm: &SwarmId) -> Vec<WorkerInfo> {
    state
        .peers
        .iter()
        .filter_map(|row| {
            let work = row
                .work
                .as_ref()
                .filter(|work| work.swarm == *swarm || row.mine)?;
            Some(WorkerInfo {
                peer: row.peer.to_string(),
                model: work.model.to_string(),
                first: work.layers.first(),
                end: work.layers.end(),
                backend: backend(work.backend).to_owned(),
                batch_invariant: work.batch_invariant,
                tokens_per_s: 1e6 / work.us_per_token.max(1) as f32,
                mine: row.mine,
            })
        })
        .collect()
}

/// Everybody who has a stage of an answer under way.
fn busy(state: &node::Snapshot) -> Vec<String> {
    let mut peers: Vec<String> = state
        .requests
        .iter()
        .flat_map(|request| &request.stages)
        .map(|(peer, _)| peer.to_string())
        .collect();
    peers.sort_unstable();
    peers.dedup();
    peers
}

fn backend(backend: protocol::Backend) -> &'static str {
    match backend {
        protocol::Backend::Gpu => "gpu",
        protocol::Backend::Cpu => "cpu",
        _ => "other",
    }
}

fn lend(snapshot: &mut Snapshot, state: &NodeLend) {
    let lend = &mut snapshot.lend;
    let layers = match state {
        NodeLend::Off => {
            lend.state = Lending::Off;
            lend.reason = None;
            lend.slowed = None;
            return;
        }
        NodeLend::Loading { layers } => {
            lend.state = Lending::Loading;
            lend.slowed = None;
            let Some(layers) = layers else { return };
            layers
        }
        NodeLend::Ready { layers, working, .. } => {
            lend.state = if *working {
                Lending::Working
            } else {
                Lending::Ready
            };
            layers
        }
        NodeLend::Failed { code } => {
            lend.state = Lending::Error;
            lend.reason = Some(code.as_str().to_owned());
            return;
        }
    };
    lend.reason = None;
    lend.first = layers.first();
    lend.end = layers.end();
}

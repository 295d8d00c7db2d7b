//! The roll: keeps the node, this browser's storage, its other tabs and the DHT of one mind about who this is and about
//! the registers of their swarms. It decides nothing: what holds in a register is the register's own word.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use futures::SinkExt as _;
use futures::channel::mpsc;
use gloo::timers::future::TimeoutFuture;
use identity::CoSigned;
use node::io::{Identity, Input};
use protocol::SwarmId;
use registry::policy::SwarmPolicy;
use registry::{Record, Registry, Statement};

use crate::channel::Channel;
use crate::config::Storage;
use crate::driver::Happening;
use crate::error::Error;
use crate::identity_card::IdentityCard;
use crate::net::NetLine;
use crate::registries;
use crate::snapshot::Connection;
use crate::swarms::Swarms;
use crate::view::View;

/// News of registers come page by page: what comes within this is written at once.
const GATHER_MS: u32 = 150;
/// A person who changes a register often changes it again: the DHT gets what stands after this.
const PUBLISH_AFTER_MS: u32 = 2_000;
/// And where the relays did not take it, it is tried again after this.
const PUBLISH_AGAIN_MS: u32 = 30_000;
/// What lies in the DHT ends after three days: it is renewed daily, and by every visit.
const RENEW_MS: u32 = 24 * 60 * 60 * 1_000;
/// A tab that has just come may find the DHT before its relays answer for it: it looks so often.
const LOOKS: u32 = 5;
const LOOK_AGAIN_MS: u32 = 3_000;
/// What other tabs of this browser are told where the identity changed; else the swarm's id.
const IDENTITY: &str = "identity";

/// See the file's head. One for each node.
pub(crate) struct Roll {
    card: Rc<IdentityCard>,
    swarms: Rc<Swarms>,
    happenings: mpsc::Sender<Happening>,
    view: Rc<RefCell<View>>,
    /// The line to the net, once there is one.
    net: RefCell<Option<NetLine>>,
    /// From the node, to be written. No more than the registers themselves hold: each comes once, and only after it
    /// was found to hold.
    news: RefCell<BTreeMap<String, News>>,
    /// Registers that the DHT has an older copy of.
    stale: RefCell<BTreeSet<String>>,
    publishing: Cell<bool>,
    /// What this tab lends to a swarm of its own, and on which terms as far as the node was told.
    lent: RefCell<Option<Lent>>,
    /// The other tabs of this browser, where they share its storage.
    others: Option<Channel>,
}

struct Lent {
    swarm: SwarmId,
    positions: u32,
    terms: SwarmPolicy,
}

#[derive(Default)]
struct News {
    records: Vec<CoSigned<Record>>,
    statements: Vec<CoSigned<Statement>>,
}

impl Roll {
    pub(crate) fn new(
        (card, swarms): (Rc<IdentityCard>, Rc<Swarms>),
        storage: Storage,
        happenings: mpsc::Sender<Happening>,
        view: Rc<RefCell<View>>,
    ) -> Rc<Roll> {
        let roll = Rc::new(Roll {
            card,
            swarms,
            happenings,
            view,
            net: RefCell::default(),
            news: RefCell::default(),
            stale: RefCell::default(),
            publishing: Cell::new(false),
            lent: RefCell::default(),
            others: (storage == Storage::Persistent)
                .then(|| Channel::open("manyhands-roll"))
                .flatten(),
        });
        if let Some(others) = &roll.others {
            let weak = Rc::downgrade(&roll);
            others.on_message(move |said| {
                if let Some(roll) = weak.upgrade() {
                    wasm_bindgen_futures::spawn_local(async move { roll.told(&said).await });
                }
            });
        }
        roll
    }

    pub(crate) fn card(&self) -> Rc<IdentityCard> {
        Rc::clone(&self.card)
    }

    /// Hands over what is kept, and leaves it in the DHT anew, as long as the node runs. Makes nothing: no identity,
    /// no storage.
    pub(crate) fn begin(self: &Rc<Roll>, net: NetLine) {
        *self.net.borrow_mut() = Some(net);
        let this = Rc::clone(self);
        wasm_bindgen_futures::spawn_local(async move {
            match this.card.find_quietly().await {
                Ok(Some(pair)) => this.tell(owned_by(Some(pair.public()))).await,
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "the identity cannot be read"),
            }
            let kept = this.swarms.registries().await.unwrap_or_default();
            let ids: Vec<String> = kept.iter().map(|registry| registry.id().to_string()).collect();
            for registry in kept {
                this.tell(Input::Follow(Box::new(registry))).await;
            }
            while !this.happenings.is_closed() {
                ids.iter().for_each(|id| this.publish_soon(id));
                TimeoutFuture::new(RENEW_MS).await;
            }
        });
    }

    /// The identity was made, taken in or forgotten on this page.
    pub(crate) async fn identity_changed(&self) {
        let public = self.card.find_quietly().await.ok().flatten();
        self.tell(owned_by(public.map(|pair| pair.public()))).await;
        self.tell_others(IDENTITY);
    }

    /// A register was changed, taken in or left on this page.
    pub(crate) async fn changed(self: &Rc<Roll>, swarm: &str) {
        self.hand(swarm).await;
        self.publish_soon(swarm);
        self.tell_others(swarm);
    }

    /// Something is to be lent to a swarm of one's own, with room for so many positions. Answers on which terms.
    pub(crate) async fn lends(&self, swarm: SwarmId, positions: u32) -> Result<SwarmPolicy, Error> {
        let terms = self.terms(&swarm, positions).await?;
        *self.lent.borrow_mut() = Some(Lent {
            swarm,
            positions,
            terms: terms.clone(),
        });
        Ok(terms)
    }

    /// Nothing is lent to a swarm of one's own any more.
    pub(crate) fn lends_no_more(&self) {
        self.lent.borrow_mut().take();
    }

    /// The terms of work in a swarm were changed on this page: they hold for what is lent, here and in other tabs.
    pub(crate) async fn terms_changed(&self, swarm: &str) {
        self.tell_terms(swarm).await;
        self.tell_others(swarm);
    }

    /// The node heard of a record that is new.
    pub(crate) fn record(self: &Rc<Roll>, swarm: SwarmId, record: CoSigned<Record>) {
        self.gather(swarm, |news| news.records.push(record));
    }

    /// The same of a Worker's word.
    pub(crate) fn statement(self: &Rc<Roll>, swarm: SwarmId, statement: CoSigned<Statement>) {
        self.gather(swarm, |news| news.statements.push(statement));
    }

    /// Looks in the DHT for the swarms of this identity, and follows what it finds. Says how many there are.
    pub(crate) async fn recover(self: &Rc<Roll>) -> Result<usize, Error> {
        let Some(pair) = self.card.find_quietly().await? else {
            return Ok(0);
        };
        for _ in 0..LOOKS {
            if let Some(mut net) = self.online() {
                let found = registries::recover(&mut net, pair.node_id()).await?;
                let count = found.len();
                for registry in found {
                    let id = registry.id().to_string();
                    self.swarms.take(registry).await?;
                    self.hand(&id).await;
                    self.tell_others(&id);
                    self.publish_soon(&id);
                }
                if count > 0 {
                    self.show();
                    return Ok(count);
                }
            }
            TimeoutFuture::new(LOOK_AGAIN_MS).await;
        }
        Ok(0)
    }

    /// Another tab of this browser has changed what both keep.
    async fn told(self: &Rc<Roll>, said: &str) {
        if said == IDENTITY {
            match self.card.look_again().await {
                Ok(pair) => self.tell(owned_by(pair.map(|pair| pair.public()))).await,
                Err(error) => tracing::warn!(%error, "the identity cannot be read"),
            }
        } else if said.len() == 64 {
            self.hand(said).await;
            self.tell_terms(said).await;
        }
        self.show();
    }

    async fn hand(&self, swarm: &str) {
        match self.swarms.registry(swarm).await {
            Ok(Some(registry)) => self.tell(Input::Follow(Box::new(registry))).await,
            Ok(None) => {
                if let Some(swarm) = wire_id(swarm) {
                    self.tell(Input::Unfollow { swarm }).await;
                }
            }
            Err(error) => tracing::warn!(%swarm, %error, "a register cannot be read"),
        }
    }

    /// Tells the node on which terms it lends to a swarm, if it does and others hold now.
    async fn tell_terms(&self, swarm: &str) {
        let lent = self
            .lent
            .borrow()
            .as_ref()
            .map(|lent| (lent.swarm, lent.positions));
        let Some((lent_to, positions)) = lent.filter(|(lent_to, _)| kept_id(lent_to) == swarm) else {
            return;
        };
        match self.terms(&lent_to, positions).await {
            Ok(terms) => {
                let changed = self.lent.borrow_mut().as_mut().is_some_and(|lent| {
                    let changed = lent.swarm == lent_to && lent.terms != terms;
                    if changed {
                        lent.terms.clone_from(&terms);
                    }
                    changed
                });
                if changed {
                    self.tell(Input::Terms(Box::new(terms))).await;
                }
            }
            Err(error) => tracing::warn!(%swarm, %error, "the terms of work cannot be read"),
        }
    }

    /// The terms that were set for a swarm of one's own, within what this device bears.
    async fn terms(&self, swarm: &SwarmId, positions: u32) -> Result<SwarmPolicy, Error> {
        let policy = self.swarms.policy(&kept_id(swarm)).await?;
        Ok(SwarmPolicy {
            max_positions: policy.max_positions.min(positions),
            ..policy
        })
    }

    fn gather(self: &Rc<Roll>, swarm: SwarmId, add: impl FnOnce(&mut News)) {
        let mut news = self.news.borrow_mut();
        let first = news.is_empty();
        add(news.entry(kept_id(&swarm)).or_default());
        if first {
            let this = Rc::clone(self);
            wasm_bindgen_futures::spawn_local(async move {
                TimeoutFuture::new(GATHER_MS).await;
                this.write().await;
            });
        }
    }

    async fn write(self: &Rc<Roll>) {
        let gathered = std::mem::take(&mut *self.news.borrow_mut());
        for (swarm, News { records, statements }) in gathered {
            match self.swarms.take_in(&swarm, records, statements).await {
                Ok(()) => self.publish_soon(&swarm),
                Err(error) => tracing::warn!(%swarm, %error, "news of a register could not be kept"),
            }
        }
        self.show();
    }

    fn publish_soon(self: &Rc<Roll>, swarm: &str) {
        self.stale.borrow_mut().insert(swarm.to_owned());
        if self.publishing.replace(true) {
            return;
        }
        let this = Rc::clone(self);
        wasm_bindgen_futures::spawn_local(async move {
            let mut wait_ms = PUBLISH_AFTER_MS;
            while !this.happenings.is_closed() && !this.stale.borrow().is_empty() {
                TimeoutFuture::new(wait_ms).await;
                wait_ms = match this.publish().await {
                    true => PUBLISH_AFTER_MS,
                    false => PUBLISH_AGAIN_MS,
                };
            }
            this.publishing.set(false);
        });
    }

    /// Leaves every register that changed in the DHT, if there is a relay and an identity with a role. Answers whether
    /// the relays took what there was.
    async fn publish(&self) -> bool {
        let Some(mut net) = self.online() else {
            return true;
        };
        let stale = std::mem::take(&mut *self.stale.borrow_mut());
        let Ok(Some(pair)) = self.card.find_quietly().await else {
            return true;
        };
        let mut taken = true;
        for swarm in stale {
            let Ok(Some(registry)) = self.swarms.registry(&swarm).await else {
                continue;
            };
            if !is_member(&registry, &pair) {
                continue;
            }
            let sequence = registry.head().sequence;
            match registries::publish(&mut net, &pair, &registry).await {
                Ok(()) => self
                    .view
                    .borrow_mut()
                    .change(|snapshot| *snapshot.published.entry(swarm).or_default() = sequence),
                Err(error) => {
                    tracing::warn!(%swarm, %error, "a register is not in the DHT yet");
                    self.stale.borrow_mut().insert(swarm);
                    taken = false;
                }
            }
        }
        taken
    }

    /// The line to the net, while a relay answers.
    fn online(&self) -> Option<NetLine> {
        let online = self.view.borrow().snapshot().connection == Connection::Online;
        self.net.borrow().clone().filter(|_| online)
    }

    async fn tell(&self, input: Input) {
        let mut happenings = self.happenings.clone();
        // An error means that the node was stopped.
        let _ = happenings.send(Happening::Input(input)).await;
    }

    fn tell_others(&self, what: &str) {
        if let Some(others) = &self.others {
            others.say(what);
        }
    }

    /// The screens should read anew.
    fn show(&self) {
        self.view.borrow_mut().change(|snapshot| snapshot.registers += 1);
    }
}

fn owned_by(key: Option<identity::PublicKey>) -> Input {
    Input::Identity(key.map(|key| Identity { key, device: None }))
}

fn is_member(registry: &Registry, pair: &crate::keys::KeyPair) -> bool {
    registry
        .standing(pair.node_id(), crate::consents::now())
        .role
        .is_some()
}

/// A swarm's name in storage.
pub(crate) fn kept_id(swarm: &SwarmId) -> String {
    protocol::ModelId(swarm.0).to_string()
}

/// The same on the wire.
pub(crate) fn wire_id(swarm: &str) -> Option<SwarmId> {
    swarm.parse::<protocol::ModelId>().ok().map(|id| SwarmId(id.0))
}

//! The screens' one door to the node: starts it, asks it, and turns what it says into `view`'s values.
//! The only file that names `node_wasm`; it asks nobody for consent (see `context`).

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{Stream, StreamExt as _};
use leptos::prelude::*;
use node_wasm::{ChatRequest, ChatStream, Config, Handle, LendOptions, Sampling};
// Plain data of the node's, shown as it is.
pub use node_wasm::{
    Attempt, CodeReader, LinkInfo, Loader, MAX_BACKUP_BYTES, MAX_CODE_SIDE, MIN_PASSPHRASE_CHARS, MemberInfo,
    PolicyInfo, RelayHealth, SiteGave, SiteInfo, SwarmCard, Unlock, opens_with_passkey, passkeys,
};

use crate::catalogue::{self, Catalogue};
use crate::consent::{Purpose, Receipt, TERMS};
use crate::query::Query;
use crate::source::Source;
use crate::view::{
    Ask, Backend, Backup, ChatEvent, Connection, Fault, Gave, Hop, Kept, KeptModel, Lend, LendState, Mode,
    Model, Route, Snapshot, Swarm, Worker,
};

/// The node of this tab.
#[derive(Clone, Copy)]
pub struct Node {
    pub snapshot: RwSignal<Snapshot>,
    handle: StoredValue<Handle, LocalStorage>,
}

impl Node {
    /// Starts it. It connects in the background; nothing is lent, asked or kept by this.
    pub fn start(origin: String, query: &Query) -> Self {
        let handle = Handle::start(config(origin, query));
        let snapshot = RwSignal::new(from_snapshot(handle.snapshot()));
        let listening = handle.on_change({
            let handle = handle.clone();
            move || {
                let now = from_snapshot(handle.snapshot());
                // The node may speak of the same state twice; the screen is drawn once.
                if snapshot.with_untracked(|before| *before != now) {
                    snapshot.set(now);
                }
            }
        });
        listening.forever();
        Self {
            snapshot,
            handle: StoredValue::new_local(handle),
        }
    }

    /// Resolves when layers are served. The person has agreed before this is called.
    pub async fn lend(
        self,
        model: Option<String>,
        layers: Option<(u32, u32)>,
        small: bool,
    ) -> Result<(), Fault> {
        let handle = self.handle.get_value();
        let options = LendOptions {
            model,
            layers,
            backend: None,
            small,
        };
        handle.lend(options).await.map_err(from_error)
    }

    /// How much of the time may go into lent work.
    pub fn set_power(self, percent: u8) {
        self.handle.with_value(|handle| handle.set_power(percent));
    }

    /// Whether lent work becomes less while the device is warm.
    pub fn set_guarded(self, on: bool) {
        self.handle.with_value(|handle| handle.set_guarded(on));
    }

    pub async fn relay_health(self) -> Result<RelayHealth, Fault> {
        let handle = self.handle.get_value();
        handle.relay_health().await.map_err(from_error)
    }

    pub async fn stop_lending(self) {
        let handle = self.handle.get_value();
        handle.stop_lending().await;
    }

    /// Whether all of a model can be computed here, by what is known of both.
    pub fn fits(self, model: &str) -> bool {
        self.handle.with_value(|handle| handle.fits(model))
    }

    /// Asks for one answer.
    pub fn ask(self, ask: Ask) -> Answer {
        let handle = self.handle.get_value();
        Answer(handle.chat(to_request(ask)))
    }

    /// The models that this browser keeps, and what can be done with them.
    pub async fn kept(self) -> Result<Kept, Fault> {
        let shelf = self.handle.get_value().shelf();
        shelf.kept().await.map(from_kept).map_err(from_error)
    }

    pub async fn look_up(self, model: &str) -> Result<(), Fault> {
        let shelf = self.handle.get_value().shelf();
        shelf.look_up(model).await.map_err(from_error)
    }

    pub async fn download(self, model: &str, progress: node_wasm::Progress) -> Result<(), Fault> {
        let shelf = self.handle.get_value().shelf();
        shelf.download(model, progress).await.map_err(from_error)
    }

    /// Answers the model's id.
    pub async fn import_url(
        self,
        source: &Source,
        name: &str,
        license: Option<String>,
        progress: node_wasm::Progress,
    ) -> Result<String, Fault> {
        let about = node_wasm::ImportAbout {
            name: name.to_owned(),
            file_name: source.file_name.clone(),
            license,
        };
        let shelf = self.handle.get_value().shelf();
        shelf
            .import_url(&source.url, about, progress)
            .await
            .map_err(from_error)
    }

    /// Answers the model's id.
    pub async fn import_file(
        self,
        file: &web_sys::File,
        progress: node_wasm::Progress,
    ) -> Result<String, Fault> {
        let shelf = self.handle.get_value().shelf();
        shelf.import_file(file, progress).await.map_err(from_error)
    }

    /// Stops a download where it is: `what` is a model, an address or a file's name.
    pub async fn pause(self, what: &str) {
        self.handle.get_value().shelf().pause(what).await;
    }

    pub async fn forget(self, what: &str) -> Result<(), Fault> {
        let shelf = self.handle.get_value().shelf();
        shelf.forget(what).await.map_err(from_error)
    }

    /// Answers how many bytes are whole.
    pub async fn verify(self, model: &str, progress: node_wasm::Progress) -> Result<u64, Fault> {
        let shelf = self.handle.get_value().shelf();
        shelf.verify(model, progress).await.map_err(from_error)
    }

    /// The catalogue that ships with the app, once its signature was found good.
    pub async fn catalogue(self, origin: &str) -> Result<Catalogue, Fault> {
        let bytes = node_wasm::catalogue(origin).await.map_err(from_error)?;
        catalogue::read(&bytes).map_err(|why| Fault::new("model_rejected", why))
    }

    pub async fn identity(self) -> Result<Option<String>, Fault> {
        let handle = self.handle.get_value();
        handle.identity().await.map_err(from_error)
    }

    pub async fn create_identity(self) -> Result<String, Fault> {
        let handle = self.handle.get_value();
        handle.create_identity().await.map_err(from_error)
    }

    pub async fn reset_identity(self) -> Result<(), Fault> {
        let handle = self.handle.get_value();
        handle.reset_identity().await.map_err(from_error)
    }

    pub async fn export_identity(self, unlock: Unlock) -> Result<String, Fault> {
        let handle = self.handle.get_value();
        handle.export_identity(&unlock).await.map_err(from_error)
    }

    pub async fn import_identity(self, file: String, unlock: Unlock) -> Result<(), Fault> {
        let handle = self.handle.get_value();
        handle.import_identity(&file, &unlock).await.map_err(from_error)
    }

    /// Has the identity sign that the person agreed, and keeps it.
    pub async fn agree(self, purpose: Purpose) -> Result<(), Fault> {
        let handle = self.handle.get_value();
        handle.agree(purpose.number(), TERMS).await.map_err(from_error)
    }

    pub async fn withdraw(self, purpose: Purpose) -> Result<(), Fault> {
        let handle = self.handle.get_value();
        handle.withdraw(purpose.number()).await.map_err(from_error)
    }

    pub async fn receipts(self) -> Result<Vec<Receipt>, Fault> {
        let handle = self.handle.get_value();
        let kept = handle.consents().await.map_err(from_error)?;
        let known = kept.into_iter().filter_map(|consent| {
            Some(Receipt {
                purpose: Purpose::from_number(consent.purpose)?,
                terms: consent.terms,
                agreed_ms: consent.agreed_ms,
                expires_ms: consent.expires_ms,
                withdrawn_ms: consent.withdrawn_ms,
                signed: true,
            })
        });
        Ok(known.collect())
    }

    pub async fn swarms(self) -> Result<Vec<SwarmCard>, Fault> {
        let handle = self.handle.get_value();
        handle.swarms().await.map_err(from_error)
    }

    /// Asks and lends in this swarm from now on; none: in the relay's.
    pub fn use_swarm(self, swarm: Option<&str>) -> Result<(), Fault> {
        self.handle
            .with_value(|handle| handle.use_swarm(swarm))
            .map_err(from_error)
    }

    /// Looks for the identity's swarms in the relays' table. Answers how many there are.
    pub async fn recover_swarms(self) -> Result<usize, Fault> {
        let handle = self.handle.get_value();
        handle.recover_swarms().await.map_err(from_error)
    }

    pub async fn create_swarm(self, name: String) -> Result<SwarmCard, Fault> {
        let handle = self.handle.get_value();
        handle.create_swarm(&name).await.map_err(from_error)
    }

    pub async fn attempt(self, swarm: String, attempt: Attempt) -> Result<SwarmCard, Fault> {
        let handle = self.handle.get_value();
        handle.attempt(&swarm, attempt).await.map_err(from_error)
    }

    pub async fn set_policy(self, swarm: String, policy: PolicyInfo) -> Result<SwarmCard, Fault> {
        let handle = self.handle.get_value();
        handle.set_policy(&swarm, &policy).await.map_err(from_error)
    }

    pub async fn invite_to_swarm(self, swarm: String, role: String) -> Result<String, Fault> {
        let handle = self.handle.get_value();
        handle.invite_to_swarm(&swarm, &role).await.map_err(from_error)
    }

    pub async fn share_swarm(self, swarm: String) -> Result<String, Fault> {
        let handle = self.handle.get_value();
        handle.share_swarm(&swarm).await.map_err(from_error)
    }

    pub async fn join_swarm(self, token: String) -> Result<SwarmCard, Fault> {
        let handle = self.handle.get_value();
        handle.join_swarm(&token).await.map_err(from_error)
    }

    /// What a link of the relay's opens.
    pub async fn read_link(self, is_claim: bool, secret: String) -> Result<LinkInfo, Fault> {
        let handle = self.handle.get_value();
        handle.read_link(is_claim, &secret).await.map_err(from_error)
    }

    /// Takes what it gives. The person has agreed before this is called.
    pub async fn take_link(self, is_claim: bool, secret: String) -> Result<SwarmCard, Fault> {
        let handle = self.handle.get_value();
        handle.take_link(is_claim, &secret).await.map_err(from_error)
    }

    /// The secret of an invite that gives no role.
    pub async fn open_invite(self) -> Result<String, Fault> {
        let handle = self.handle.get_value();
        handle.open_invite().await.map_err(from_error)
    }

    pub async fn leave_swarm(self, swarm: String) -> Result<(), Fault> {
        let handle = self.handle.get_value();
        handle.leave_swarm(&swarm).await.map_err(from_error)
    }

    pub async fn sites(self) -> Result<Vec<SiteInfo>, Fault> {
        let handle = self.handle.get_value();
        handle.sites().await.map_err(from_error)
    }

    pub async fn create_site(self, origins: Vec<String>) -> Result<SiteInfo, Fault> {
        let handle = self.handle.get_value();
        handle.create_site(origins).await.map_err(from_error)
    }

    pub async fn set_site_origins(self, key: String, origins: Vec<String>) -> Result<SiteInfo, Fault> {
        let handle = self.handle.get_value();
        handle.set_site_origins(&key, origins).await.map_err(from_error)
    }

    pub async fn site_counts(self, key: String) -> Result<SiteGave, Fault> {
        let handle = self.handle.get_value();
        handle.site_counts(&key).await.map_err(from_error)
    }

    pub async fn site_loader(self) -> Result<Loader, Fault> {
        let handle = self.handle.get_value();
        handle.site_loader().await.map_err(from_error)
    }

    pub async fn forget_site(self, key: String) -> Result<(), Fault> {
        let handle = self.handle.get_value();
        handle.forget_site(&key).await.map_err(from_error)
    }
}

/// An answer on its way. Dropping it stops the work everywhere.
pub struct Answer(ChatStream);

impl Stream for Answer {
    type Item = ChatEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ChatEvent>> {
        self.0.poll_next_unpin(cx).map(|event| event.map(from_event))
    }
}

fn config(origin: String, query: &Query) -> Config {
    let mut config = Config::new(origin);
    config.storage = if query.memory_only {
        node_wasm::Storage::Memory
    } else {
        node_wasm::Storage::Persistent
    };
    config.backend = match query.backend.unwrap_or_default() {
        Backend::Auto => node_wasm::Backend::Auto,
        Backend::Gpu => node_wasm::Backend::Gpu,
        Backend::Cpu => node_wasm::Backend::Cpu,
    };
    config.pace_ms = query.pace_ms;
    // A line that cannot be read is none: a test sees at once that nothing is slower.
    config.net = query.net.as_deref().and_then(|net| net.parse().ok());
    config.wire = query.wire.as_deref().and_then(|wire| match wire {
        "f32" => Some(node_wasm::Wire::F32),
        "f16" => Some(node_wasm::Wire::F16),
        "q8" => Some(node_wasm::Wire::Q8),
        _ => None,
    });
    config.speculate = query.speculate.unwrap_or(config.speculate);
    config.shadow = query.shadow.unwrap_or(config.shadow);
    config
}

fn to_request(ask: Ask) -> ChatRequest {
    ChatRequest {
        model: ask.model,
        messages: ask
            .messages
            .into_iter()
            .map(|(role, content)| node_wasm::Message { role, content })
            .collect(),
        prompt: None,
        strangers_agreed: ask.strangers_agreed,
        mode: match ask.mode {
            Mode::Auto => node_wasm::Mode::Auto,
            Mode::Local => node_wasm::Mode::Local,
            Mode::Mine => node_wasm::Mode::Mine,
            Mode::Swarm => node_wasm::Mode::Swarm,
        },
        max_tokens: ask.max_tokens,
        sampling: Sampling {
            temperature: ask.temperature,
            top_k: 0,
            top_p: ask.top_p,
            min_p: 0.0,
            repeat_penalty: 1.0,
            seed: ask.seed,
        },
    }
}

fn from_event(event: node_wasm::ChatEvent) -> ChatEvent {
    match event {
        node_wasm::ChatEvent::Text { text, .. } => ChatEvent::Text(text),
        node_wasm::ChatEvent::Waiting { reason } => ChatEvent::Waiting { reason },
        node_wasm::ChatEvent::Resumed => ChatEvent::Resumed,
        node_wasm::ChatEvent::Route(route) => ChatEvent::Route(Route {
            hops: route
                .hops
                .into_iter()
                .map(|hop| Hop {
                    peer: hop.peer.unwrap_or_default(),
                    first: hop.first,
                    end: hop.end,
                    backend: hop.backend,
                    adapter: hop.adapter,
                    ms: hop.ms,
                    lost: hop.lost,
                })
                .collect(),
            replays: route.replays,
            bytes: route.bytes,
            tokens: route.tokens,
            trips: route.trips,
            longest_stall_ms: route.longest_stall_ms,
            decode_ms: route.decode_ms,
        }),
        node_wasm::ChatEvent::Done { tokens, ms, .. } => ChatEvent::Done { tokens, ms },
        node_wasm::ChatEvent::Failed(error) => ChatEvent::Failed(from_error(error)),
    }
}

fn from_error(error: node_wasm::Error) -> Fault {
    Fault {
        reason: error.reason.map(str::to_owned),
        ..Fault::new(error.code, error.message)
    }
}

fn from_snapshot(snapshot: node_wasm::Snapshot) -> Snapshot {
    Snapshot {
        connection: match snapshot.connection {
            node_wasm::Connection::Offline => Connection::Offline,
            node_wasm::Connection::Connecting => Connection::Connecting,
            node_wasm::Connection::Online => Connection::Online,
        },
        reason: snapshot.reason,
        peer_id: snapshot.peer_id,
        node_id: snapshot.node_id,
        public_key: snapshot.public_key,
        backup: match snapshot.backup {
            node_wasm::Backup::None => Backup::None,
            node_wasm::Backup::Possible => Backup::Possible,
            node_wasm::Backup::Made => Backup::Made,
            node_wasm::Backup::MadeWithPasskey => Backup::MadeWithPasskey,
            node_wasm::Backup::Impossible => Backup::Impossible,
        },
        swarm: snapshot.swarm.map(|swarm| Swarm {
            id: swarm.id,
            name: swarm.name,
        }),
        registers: snapshot.registers,
        published: snapshot.published,
        models: snapshot
            .models
            .into_iter()
            .map(|model| Model {
                id: model.id,
                name: model.name,
                architecture: model.architecture,
                layers: model.layers,
                bytes: model.bytes,
                license: model.license.unwrap_or_default(),
                own: model.own,
                description: model.description.unwrap_or_default(),
            })
            .collect(),
        workers: snapshot
            .workers
            .into_iter()
            .map(|worker| Worker {
                peer: worker.peer,
                model: worker.model,
                first: worker.first,
                end: worker.end,
                backend: worker.backend,
                tokens_per_s: f64::from(worker.tokens_per_s),
                mine: worker.mine,
            })
            .collect(),
        busy: snapshot.busy,
        reachable: snapshot.reachable,
        lend: from_lend(snapshot.lend),
    }
}

fn from_kept(kept: node_wasm::Kept) -> Kept {
    Kept {
        models: kept
            .models
            .into_iter()
            .map(|model| KeptModel {
                model: Model {
                    id: model.model,
                    name: model.name,
                    architecture: model.architecture,
                    layers: model.layers,
                    bytes: model.bytes,
                    license: model.license.unwrap_or_default(),
                    description: String::new(),
                    own: model.own,
                },
                held_bytes: model.held_bytes,
                sources: model.sources,
            })
            .collect(),
        used_bytes: kept.used_bytes,
        quota_bytes: kept.quota_bytes,
        persistent: kept.persistent,
        known: true,
    }
}

fn from_lend(lend: node_wasm::LendState) -> Lend {
    Lend {
        state: match lend.state {
            node_wasm::Lending::Off => LendState::Off,
            node_wasm::Lending::Loading => LendState::Loading,
            node_wasm::Lending::Ready => LendState::Ready,
            node_wasm::Lending::Working => LendState::Working,
            node_wasm::Lending::Paused => LendState::Paused,
            node_wasm::Lending::Error => LendState::Error,
        },
        reason: lend.reason,
        slowed: lend.slowed,
        model: lend.model,
        range: (lend.first < lend.end).then_some((lend.first, lend.end)),
        loaded_bytes: lend.loaded_bytes,
        total_bytes: lend.total_bytes,
        gave: Gave {
            jobs: lend.gave.jobs,
            tokens: lend.gave.tokens,
            bytes: lend.gave.bytes,
            compute_ms: lend.gave.compute_ms,
        },
    }
}

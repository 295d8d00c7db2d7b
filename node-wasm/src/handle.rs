//! The one handle through which a page uses the node.
//! Clones share one node; the last one to go does not stop it, `stop` does.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use futures::channel::{mpsc, oneshot};
use futures::future::{self, Either};
use futures::{SinkExt as _, StreamExt as _};
use node::io::{Ask, Lend, RequestId};
use protocol::{LayerRange, SwarmId};
use registry::policy::SwarmPolicy;

use crate::answer::{Scribe, Text};
use crate::bring_up;
use crate::chat::{ChatEvent, ChatRequest, ChatStream, FinishReason, Mode};
use crate::command::Command;
use crate::commons::Commons;
use crate::config::{Backend, Config, Storage, Wire};
use crate::driver::{Happening, MAX_HAPPENINGS};
use crate::ending::{self, Ended, Ending};
use crate::error::Error;
use crate::knobs::Knobs;
use crate::locks;
use crate::models::Models;
use crate::relay_api::RelayHealth;
use crate::roll::{self, Roll};
use crate::shelf::Shelf;
use crate::snapshot::{Lending, Snapshot};
use crate::view::{Listening, View};
use crate::worker::Worker;

/// Text that the page has not taken yet.
const MAX_CHAT_EVENTS: usize = 256;
/// Positions that a lender has room for, where nothing else is known: 2,048 for each of four.
const LENT_POSITIONS: u32 = 8_192;
/// Positions behind an answer's end that guesses may take.
const DRAFT_POSITIONS: u32 = 16;

/// The same on a phone: one conversation at a time.
const SMALL_POSITIONS: u32 = 2_048;
/// Weights of a phone's range: WebGPU promises bindings of 128 MiB, and a download should end within a minute.
const SMALL_RANGE_BYTES: u64 = 128 << 20;

/// A node in this tab.
#[derive(Clone)]
pub struct Handle {
    shared: Rc<Shared>,
}

struct Shared {
    config: Config,
    view: Rc<RefCell<View>>,
    happenings: mpsc::Sender<Happening>,
    worker: Worker,
    models: Models,
    shelf: Shelf,
    commons: Commons,
    knobs: Rc<Knobs>,
    requests: Cell<u64>,
    /// The person has agreed to work with others: peers may be asked for what they have.
    peers_allowed: Rc<Cell<bool>>,
    roll: Rc<Roll>,
    /// The swarm that is asked and lent to; none: the relay's.
    swarm: Cell<Option<SwarmId>>,
    /// Held while this tab lends whatever the swarm lacks: one tab of a browser does.
    default_lend: RefCell<Option<locks::Held>>,
    /// The end of what is lent, for whoever waits until it is served.
    lending_ends: Ending,
    /// The end of the node.
    node_ends: Ending,
}

/// What to lend.
#[derive(Clone, Debug, Default)]
pub struct LendOptions {
    /// A model's id; the relay's first model when there is none.
    pub model: Option<String>,
    /// Layers `first..end`; those that the swarm lacks most when there are none.
    pub layers: Option<(u32, u32)>,
    /// What computes them; as the node was started where nothing is said.
    pub backend: Option<Backend>,
    /// A phone: a range that its memory and its time bear, and no more.
    pub small: bool,
}

impl Handle {
    /// Starts a node. It answers at once and connects in the background: the snapshot says how
    /// far it is. Nothing is computed, stored or lent by starting.
    pub fn start(config: Config) -> Handle {
        let (happenings, queue) = mpsc::channel(MAX_HAPPENINGS);
        let view = Rc::new(RefCell::new(View::default()));
        let worker = Worker::of(&config.relay_origin, config.storage == Storage::Persistent);
        let knobs = Rc::new(Knobs::new(config.backend));
        let models = Models::new(config.relay_origin.clone(), worker.clone());
        let peers_allowed = Rc::<Cell<bool>>::default();
        let shelf = Shelf::new(
            config.relay_origin.clone(),
            worker.clone(),
            Rc::clone(&view),
            Rc::clone(&peers_allowed),
        );
        let commons = Commons::new(config.storage, config.relay_origin.clone());
        let roll = Roll::new(
            commons.roll(),
            config.storage,
            happenings.clone(),
            Rc::clone(&view),
        );
        bring_up::start(
            config.clone(),
            Rc::clone(&view),
            worker.clone(),
            Rc::clone(&knobs),
            Rc::clone(&peers_allowed),
            Rc::clone(&roll),
            (happenings.clone(), queue),
        );
        let shared = Shared {
            config,
            view,
            happenings,
            worker,
            models,
            shelf,
            commons,
            knobs,
            requests: Cell::new(0),
            peers_allowed,
            roll,
            swarm: Cell::new(None),
            default_lend: RefCell::new(None),
            lending_ends: Ending::default(),
            node_ends: Ending::default(),
        };
        Handle {
            shared: Rc::new(shared),
        }
    }

    /// The state now.
    pub fn snapshot(&self) -> Snapshot {
        self.shared.view.borrow().snapshot()
    }

    /// Calls `listener` after each change of the snapshot, for as long as the guard is kept.
    #[must_use = "the listener is forgotten with the guard"]
    pub fn on_change(&self, listener: impl Fn() + 'static) -> Listening {
        View::listen(&self.shared.view, Rc::new(listener))
    }

    /// The models that this browser keeps.
    pub fn shelf(&self) -> Shelf {
        self.shared.shelf.clone()
    }

    /// Chooses the swarm that is asked and lent to from now on, by its id; none: the relay's. What is lent already
    /// stays where it is.
    pub fn use_swarm(&self, swarm: Option<&str>) -> Result<(), Error> {
        let chosen = swarm.map(|text| {
            roll::wire_id(text).ok_or_else(|| Error::new("bad_request", format!("{text:?} is no swarm's id")))
        });
        let chosen = chosen.transpose()?;
        self.shared.swarm.set(chosen);
        self.shared.view.borrow_mut().use_swarm(chosen);
        Ok(())
    }

    /// Lends layers; resolves when this tab serves them, or as soon as lending is stopped meanwhile. The caller has
    /// asked the person first.
    pub async fn lend(&self, options: LendOptions) -> Result<(), Error> {
        let stopped = self.shared.lending_ends.next();
        let (answer, served) = oneshot::channel();
        let this = self.clone();
        let until = stopped.clone();
        // What waits for the browser is not dropped half way: it sees by itself that nobody wants it any more.
        wasm_bindgen_futures::spawn_local(async move {
            let _ = answer.send(this.lend_until(until, options).await);
        });
        match future::select(stopped, served).await {
            Either::Right((Ok(end), _)) => end,
            Either::Right((Err(_), _)) | Either::Left(_) => Err(no_longer_lent()),
        }
    }

    async fn lend_until(&self, stopped: Ended, options: LendOptions) -> Result<(), Error> {
        self.shared.peers_allowed.set(true);
        if options.layers.is_none() && self.shared.default_lend.borrow().is_none() {
            let held = locks::try_hold(locks::DEFAULT_LEND).await.ok_or_else(|| {
                let message = "another tab of this browser lends already; name the layers to lend from two";
                Error::new("not_allowed", message)
            })?;
            if ending::is_over(&stopped) {
                return Err(no_longer_lent());
            }
            *self.shared.default_lend.borrow_mut() = Some(held);
        }
        let model = self.model(options.model).await?;
        let facts = self.shared.models.open(&model).await?;
        let spec = self.shared.models.spec(&facts)?;
        let layers = options
            .layers
            .map(|(first, end)| LayerRange::new(first, end))
            .transpose()
            .map_err(|e| Error::new("bad_request", e.to_string()))?;
        if layers.is_some_and(|layers| layers.end() > facts.layers) {
            let message = format!("the model has {} layers", facts.layers);
            return Err(Error::new("bad_request", message));
        }
        if let Some(backend) = options.backend {
            self.shared.knobs.set_backend(backend);
        }
        let most_layers = if options.small {
            small_range(&facts, &model, &self.snapshot())
        } else {
            facts.layers
        };
        let positions = if options.small {
            SMALL_POSITIONS
        } else {
            LENT_POSITIONS
        };
        if ending::is_over(&stopped) {
            return Err(no_longer_lent());
        }
        self.shared.view.borrow_mut().change(|snapshot| {
            snapshot.lend.model = Some(model);
            snapshot.lend.loaded_bytes = 0;
            snapshot.lend.total_bytes = 0;
        });
        self.open_device().await?;
        let swarm = self.shared.swarm.get();
        let policy = match swarm {
            Some(swarm) => self.shared.roll.lends(swarm, positions).await?,
            None => {
                self.shared.roll.lends_no_more();
                terms_of_work(positions)
            }
        };
        let lend = Lend {
            swarm,
            model: spec,
            layers,
            most_layers,
            policy,
            memory_bytes: u64::from(positions) * u64::from(facts.kv_bytes_per_layer),
            positions,
        };
        // Whoever stopped it while the model was opened has said so before there was anything to stop.
        if ending::is_over(&stopped) {
            return Err(no_longer_lent());
        }
        self.tell(Command::Lend(Box::new(lend))).await?;
        match future::select(stopped, std::pin::pin!(self.until_lent())).await {
            Either::Left(_) => Err(no_longer_lent()),
            Either::Right((end, _)) => end,
        }
    }

    /// Opens what shall compute here, so that a GPU that was asked for and is not there is said before weights come.
    async fn open_device(&self) -> Result<(), Error> {
        let backend = self.shared.knobs.backend();
        self.shared.worker.ask(jobs::Ask::OpenDevice { backend }).await?;
        Ok(())
    }

    /// How much of the time may go into lent work, in percent; work that runs is slowed down from its next step on.
    pub fn set_power(&self, percent: u8) {
        self.shared.knobs.set_power(percent);
    }

    /// Whether lent work becomes less while the device is slower than it was, as it is when it is warm. At first it does.
    pub fn set_guarded(&self, on: bool) {
        self.shared.knobs.set_guarded(on);
        if !on {
            let mut view = self.shared.view.borrow_mut();
            view.change(|snapshot| snapshot.lend.slowed = None);
        }
    }

    /// Stops lending: at once.
    pub async fn stop_lending(&self) {
        self.shared.lending_ends.tell();
        self.shared.default_lend.borrow_mut().take();
        self.shared.roll.lends_no_more();
        // An error means that the node is gone, and with it what was lent.
        let _ = self.tell(Command::StopLending).await;
    }

    /// Asks. The answer comes through the stream; what cannot be asked fails through it too.
    pub fn chat(&self, request: ChatRequest) -> ChatStream {
        let (mut page, events) = mpsc::channel(MAX_CHAT_EVENTS);
        let id = RequestId(self.shared.requests.replace(self.shared.requests.get() + 1));
        let this = self.clone();
        let model = Rc::new(OnceCell::new());
        let cancelled = Rc::new(Cell::new(false));
        let asking = (Rc::clone(&model), Rc::clone(&cancelled));
        wasm_bindgen_futures::spawn_local(async move {
            let (model, cancelled) = asking;
            let question = this.question(id, request, (&model, &cancelled), page.clone());
            let told = match question.await {
                Ok(Some(question)) if !cancelled.get() => {
                    this.ask(question).await.err().map(ChatEvent::Failed)
                }
                // Nobody has heard of it yet, so that nobody needs to be told to stop.
                Ok(_) => Some(stopped_unasked()),
                Err(error) => Some(ChatEvent::Failed(error)),
            };
            if let Some(end) = told {
                // A page that no longer listens has cancelled already.
                let _ = page.send(end).await;
            }
        });
        let happenings = self.shared.happenings.clone();
        let cancel = move || {
            cancelled.set(true);
            let mut happenings = happenings.clone();
            wasm_bindgen_futures::spawn_local(async move {
                let _ = happenings.send(Happening::Command(Command::Cancel(id))).await;
            });
        };
        ChatStream {
            events,
            model,
            cancel: Some(Box::new(cancel)),
        }
    }

    /// Whether all of a model can be computed in this tab, by what is known of both.
    pub fn fits(&self, model: &str) -> bool {
        self.shared.models.fits(model, &self.snapshot())
    }

    /// Ends the node: peers are told, the worker stops.
    pub async fn stop(&self) {
        self.shared.lending_ends.tell();
        self.shared.node_ends.tell_for_good();
        self.shared.default_lend.borrow_mut().take();
        // An error means that it has ended already.
        let _ = self.tell(Command::Stop).await;
        self.shared.worker.stop();
    }

    /// How the relay is doing just now.
    pub async fn relay_health(&self) -> Result<RelayHealth, Error> {
        crate::relay_api::health(&self.shared.config.relay_origin).await
    }

    pub(crate) fn relay_origin(&self) -> &str {
        &self.shared.config.relay_origin
    }

    pub(crate) fn roll(&self) -> Rc<Roll> {
        Rc::clone(&self.shared.roll)
    }

    pub(crate) fn commons(&self) -> &Commons {
        &self.shared.commons
    }

    pub(crate) fn change_snapshot(&self, change: impl FnOnce(&mut Snapshot)) {
        self.shared.view.borrow_mut().change(change);
    }

    /// What the node is asked, once all of that is known; nothing where it was cancelled before the model was.
    async fn question(
        &self,
        id: RequestId,
        request: ChatRequest,
        (named, cancelled): (&OnceCell<String>, &Cell<bool>),
        page: mpsc::Sender<ChatEvent>,
    ) -> Result<Option<Happening>, Error> {
        if self.shared.knobs.backend() == Backend::Gpu {
            // Asked for by name: without it there is no answer, rather than one from the processor.
            self.open_device().await?;
        }
        let model = self.model(request.model).await?;
        if cancelled.get() {
            return Ok(None);
        }
        // It is said once.
        let _ = named.set(model.clone());
        // Others are asked for chunks only by somebody who asks them to compute anyway.
        let elsewhere = match request.mode {
            Mode::Swarm | Mode::Mine => true,
            Mode::Auto => request.strangers_agreed && !self.fits(&model),
            Mode::Local => false,
        };
        if elsewhere {
            self.shared.peers_allowed.set(true);
        }
        let facts = self.shared.models.open(&model).await?;
        let prompt = match request.prompt {
            Some(text) => jobs::Prompt::Raw(text),
            None => jobs::Prompt::Chat(request.messages),
        };
        let (prompt, from_nothing) = self.shared.models.encode(&model, prompt).await?;
        let text = Text {
            worker: self.shared.worker.clone(),
            model,
            decoder: id.0,
            from_nothing,
            prompt_tokens: u32::try_from(prompt.len()).unwrap_or(u32::MAX),
        };
        let fits = self.fits(&text.model);
        let mode = request.mode.for_node(request.strangers_agreed, fits)?;
        // A model that was trained for less than is asked for says as much as it can.
        let room = facts
            .context
            .saturating_sub(text.prompt_tokens.saturating_add(DRAFT_POSITIONS))
            .max(1);
        let scribe = Scribe::start(text, Rc::clone(&self.shared.view), page);
        let ask = Ask {
            request: id,
            swarm: self.shared.swarm.get(),
            model: self.shared.models.spec(&facts)?,
            prompt,
            sampling: crate::models::sampling(&request.sampling)?,
            max_tokens: request.max_tokens.min(room),
            stop: facts.end_ids,
            mode,
            wire: self.shared.config.wire.map(|wire| match wire {
                Wire::F32 => protocol::WireType::F32,
                Wire::F16 => protocol::WireType::F16,
                Wire::Q8 => protocol::WireType::Q8,
            }),
            local_ready: fits,
            speculate: self.shared.config.speculate,
            shadow: self.shared.config.shadow,
        };
        Ok(Some(Happening::Asked(Box::new(ask), scribe)))
    }

    async fn ask(&self, question: Happening) -> Result<(), Error> {
        let mut happenings = self.shared.happenings.clone();
        happenings.send(question).await.map_err(|_| node_stopped())
    }

    /// The model that was named, or the relay's first one, once the relay has answered.
    async fn model(&self, named: Option<String>) -> Result<String, Error> {
        if let Some(model) = named {
            return Ok(model);
        }
        self.until(|snapshot| snapshot.models.first().map(|model| Ok(model.id.clone())))
            .await
    }

    async fn until_lent(&self) -> Result<(), Error> {
        self.until(|snapshot| match snapshot.lend.state {
            Lending::Ready | Lending::Working => Some(Ok(())),
            Lending::Error => {
                let code = snapshot.lend.reason.clone().unwrap_or_default();
                Some(Err(Error::from_code(&code, "these layers cannot be lent")))
            }
            _ => None,
        })
        .await
    }

    /// Waits for the snapshot to say something.
    async fn until<T>(&self, look: impl Fn(&Snapshot) -> Option<Result<T, Error>>) -> Result<T, Error> {
        let (changed, mut changes) = mpsc::channel(1);
        let _listening = self.on_change(move || {
            // A full channel means that a look is due already.
            let _ = changed.clone().try_send(());
        });
        let mut ended = self.shared.node_ends.next();
        loop {
            if let Some(found) = look(&self.snapshot()) {
                return found;
            }
            match future::select(ended, changes.next()).await {
                Either::Right((Some(()), still)) => ended = still,
                Either::Right((None, _)) | Either::Left(_) => return Err(node_stopped()),
            }
        }
    }

    async fn tell(&self, command: Command) -> Result<(), Error> {
        let mut happenings = self.shared.happenings.clone();
        happenings
            .send(Happening::Command(command))
            .await
            .map_err(|_| node_stopped())
    }
}

fn node_stopped() -> Error {
    Error::new("aborted", "the node was stopped")
}

fn no_longer_lent() -> Error {
    Error::because("aborted", "stopped", "lending was stopped".to_owned())
}

/// The end of an answer that nobody was asked for.
fn stopped_unasked() -> ChatEvent {
    ChatEvent::Done {
        finish_reason: FinishReason::Stopped,
        prompt_tokens: 0,
        tokens: 0,
        ms: 0.0,
    }
}

/// The terms of a tab that lends to anybody: sessions as long as there is room for one, and as many per hour as a
/// person who types without a pause may need, with every stage opened anew now and then.
fn terms_of_work(positions: u32) -> SwarmPolicy {
    SwarmPolicy {
        max_positions: positions,
        sessions_per_hour: 1_200,
        ..SwarmPolicy::default()
    }
}

/// Layers whose weights stay below what a phone bears; always one at least, so that every phone has something to do.
fn small_range(facts: &jobs::ModelFacts, model: &str, snapshot: &Snapshot) -> u32 {
    let bytes = snapshot
        .models
        .iter()
        .find(|m| m.id == model)
        .map_or(0, |m| m.bytes);
    let per_layer = (bytes / u64::from(facts.layers.max(1))).max(1);
    let layers = u32::try_from(SMALL_RANGE_BYTES / per_layer).unwrap_or(u32::MAX);
    layers.clamp(1, facts.layers.max(1))
}

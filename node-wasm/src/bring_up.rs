//! From settings to a running node: ask the relay who it is, start the net, run the driver.
//! It keeps trying while the relay is down; nothing else depends on its being up.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures::channel::mpsc;
use futures::{SinkExt as _, StreamExt as _};
use gloo::timers::future::TimeoutFuture;
use identity::{LocalKey, SigningKey as _, Timestamp};
use libp2p::identity::Keypair;
use node::Node;
use protocol::{PeerId, SwarmId};

use crate::blobs::Fetcher;
use crate::conditions;
use crate::config::{Config, Storage};
use crate::driver::{Driver, Happening};
use crate::effects::Effects;
use crate::error::Error;
use crate::knobs::Knobs;
use crate::net::{BackOff, Event, Net, Setup};
use crate::pacer::Pacer;
use crate::relay_api::{self, SwarmAnswer};
use crate::remembered;
use crate::roll::{self, Roll};
use crate::snapshot::Connection;
use crate::view::View;
use crate::worker::Worker;

/// Questions of the worker that wait for the peers' answers; the worker is told that nobody has what
/// comes beyond that.
const MAX_QUESTIONS: usize = 64;

/// Starts everything in the background.
pub(crate) fn start(
    config: Config,
    view: Rc<RefCell<View>>,
    worker: Worker,
    knobs: Rc<Knobs>,
    peers_allowed: Rc<Cell<bool>>,
    roll: Rc<Roll>,
    channel: (mpsc::Sender<Happening>, mpsc::Receiver<Happening>),
) {
    wasm_bindgen_futures::spawn_local(async move {
        view.borrow_mut()
            .change(|snapshot| snapshot.connection = Connection::Connecting);
        let answer = first_answer(&config, &view).await;
        view.borrow_mut().relay(
            answer.swarm.clone(),
            answer.models.clone(),
            relay_api::page_origins(&answer.relays),
        );
        match assemble(
            config,
            answer,
            Rc::clone(&view),
            (worker, knobs),
            peers_allowed,
            roll,
            channel,
        ) {
            Ok(driver) => driver.run().await,
            Err(error) => view.borrow_mut().change(|snapshot| {
                snapshot.connection = Connection::Offline;
                snapshot.reason = Some(error.message);
            }),
        }
    });
}

/// The relay's answer, or its last one where it cannot be reached now: a page without a network still has its
/// models, and answers what it can answer alone. The relay is asked on in the background then.
async fn first_answer(config: &Config, view: &Rc<RefCell<View>>) -> SwarmAnswer {
    let keeps = config.storage == Storage::Persistent;
    let error = match ask_relay(config).await {
        Ok(answer) => return answer,
        Err(error) => error,
    };
    let kept = keeps.then(|| remembered::read(&config.relay_origin)).flatten();
    view.borrow_mut().change(|snapshot| {
        snapshot.connection = Connection::Offline;
        snapshot.reason = Some(error.message);
    });
    let Some(kept) = kept else {
        return find_relay(config, view).await;
    };
    let (config, view, known) = (config.clone(), Rc::clone(view), kept.clone());
    wasm_bindgen_futures::spawn_local(async move {
        let fresh = find_relay(&config, &view).await;
        // Other relays of the network come and go; the page's own is the first.
        if (&fresh.swarm.id, fresh.relays.first()) == (&known.swarm.id, known.relays.first()) {
            let reachable = relay_api::page_origins(&fresh.relays);
            view.borrow_mut().relay(fresh.swarm, fresh.models, reachable);
        } else {
            view.borrow_mut().change(|snapshot| {
                snapshot.reason = Some("the relay is another one now: reload the page".into())
            });
        }
    });
    kept
}

async fn ask_relay(config: &Config) -> Result<SwarmAnswer, Error> {
    let (answer, bytes) = relay_api::swarm(&config.relay_origin).await?;
    if config.storage == Storage::Persistent {
        remembered::write(&config.relay_origin, &bytes);
    }
    Ok(answer)
}

async fn find_relay(config: &Config, view: &Rc<RefCell<View>>) -> SwarmAnswer {
    let mut back_off = BackOff::default();
    loop {
        match ask_relay(config).await {
            Ok(answer) => return answer,
            Err(error) => view.borrow_mut().change(|snapshot| {
                snapshot.connection = Connection::Offline;
                snapshot.reason = Some(error.message);
            }),
        }
        let wait = back_off.next(js_sys::Math::random());
        TimeoutFuture::new(u32::try_from(wait.as_millis()).unwrap_or(u32::MAX)).await;
    }
}

fn assemble(
    config: Config,
    answer: SwarmAnswer,
    view: Rc<RefCell<View>>,
    (worker, knobs): (Worker, Rc<Knobs>),
    peers_allowed: Rc<Cell<bool>>,
    roll: Rc<Roll>,
    (happenings, queue): (mpsc::Sender<Happening>, mpsc::Receiver<Happening>),
) -> Result<Driver, Error> {
    // The tab's address in the mesh lives as long as the tab; who is behind it is the identity's word.
    let session = Keypair::generate_ed25519();
    let me = session.public().to_peer_id().to_base58();
    let swarm = swarm_id(&answer.swarm.id)?;
    let setup = Setup {
        ice_servers: answer.ice_servers,
        impairment: config.net,
    };
    let (mut net, events) = Net::spawn(&session, &setup, answer.relays, &swarm)?;
    crate::streams::accept(&mut net.streams, happenings.clone())?;
    crate::blobs::serve(&mut net.streams, worker.clone(), Rc::clone(&view))?;
    fetch_from_peers(&net, &worker, happenings.clone(), peers_allowed);
    forward(events, happenings.clone(), config.relay_origin.clone());
    conditions::watch(&happenings, net.line());
    view.borrow_mut()
        .change(|snapshot| snapshot.peer_id = Some(me.clone()));

    let me = PeerId::new(&me).map_err(|e| Error::internal(e.to_string()))?;
    let signer = session_key(&session)?;
    let start = js_sys::Date::now() as u64;
    let node = Node::new(node::Config {
        me,
        swarm,
        start,
        session: signer.public_key(),
        clock: Timestamp::from_ms(start),
    });
    let effects = Effects {
        desk: Pacer::new(worker, Rc::clone(&knobs), Rc::clone(&view)),
        knobs,
        view: Rc::clone(&view),
        pace_ms: config.pace_ms,
        session: signer,
        card: roll.card(),
        whole_ms: Rc::default(),
    };
    roll.begin(net.line());
    Ok(Driver::new(node, net, effects, view, roll, (happenings, queue)))
}

/// The session's key as one that signs records.
fn session_key(session: &Keypair) -> Result<LocalKey, Error> {
    let unusable = |why: String| Error::internal(format!("the session's key cannot sign: {why}"));
    let key = session
        .clone()
        .try_into_ed25519()
        .map_err(|e| unusable(e.to_string()))?;
    let secret: [u8; 32] = key
        .secret()
        .as_ref()
        .try_into()
        .map_err(|_| unusable("it is no Ed25519 key".to_owned()))?;
    LocalKey::eddsa(&secret).map_err(|e| unusable(e.to_string()))
}

/// Lets the worker ask peers for chunks.
fn fetch_from_peers(
    net: &Net,
    worker: &Worker,
    happenings: mpsc::Sender<Happening>,
    allowed: Rc<Cell<bool>>,
) {
    let (questions, asked) = mpsc::channel(MAX_QUESTIONS);
    let fetcher = Fetcher {
        worker: worker.clone(),
        streams: net.streams.clone(),
        net: net.line(),
        happenings,
        allowed,
    };
    wasm_bindgen_futures::spawn_local(fetcher.run(asked));
    worker.on_peers(questions);
}

/// Hands the net's events to the driver, waiting where it is busy.
fn forward(mut events: mpsc::Receiver<Event>, mut happenings: mpsc::Sender<Happening>, relay_origin: String) {
    wasm_bindgen_futures::spawn_local(async move {
        while let Some(event) = events.next().await {
            if matches!(event, Event::RelayUp { .. }) {
                wasm_bindgen_futures::spawn_local(catch_up(relay_origin.clone(), happenings.clone()));
            }
            if happenings.send(Happening::Net(event)).await.is_err() {
                return;
            }
        }
    });
}

/// What was announced while this tab was not there, instead of waiting until it is repeated.
async fn catch_up(relay_origin: String, mut happenings: mpsc::Sender<Happening>) {
    for (from, bytes) in relay_api::offers(&relay_origin).await {
        let event = Event::Gossip { from, bytes };
        if happenings.send(Happening::Net(event)).await.is_err() {
            return;
        }
    }
}

fn swarm_id(text: &str) -> Result<SwarmId, Error> {
    roll::wire_id(text)
        .ok_or_else(|| Error::relay(format!("the relay names a swarm {text:?}, which is no id")))
}

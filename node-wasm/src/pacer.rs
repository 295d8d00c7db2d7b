//! Deeds on their way to the compute worker, in order, with a rest after each step as the person's power setting says.
//! It computes nothing and drops nothing: what has to wait waits its turn.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use futures::channel::oneshot;
use gloo::timers::future::TimeoutFuture;
use jobs::{Answer, Ask};

use crate::error::Error;
use crate::knobs::Knobs;
use crate::worker::Worker;

/// The longest rest that is owed: whoever waits longer for a stage takes it for gone.
const MAX_REST_MS: f64 = 3_000.0;

type Progress = Box<dyn FnMut(u64, u64)>;

/// The way to the worker.
pub(crate) struct Pacer {
    shared: Rc<Shared>,
}

struct Shared {
    worker: Worker,
    knobs: Rc<Knobs>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    rest_until_ms: f64,
    timer: bool,
}

struct Waiting {
    ask: Ask,
    progress: Option<Progress>,
    done: oneshot::Sender<Result<Answer, Error>>,
}

impl Pacer {
    pub(crate) fn new(worker: Worker, knobs: Rc<Knobs>) -> Pacer {
        Pacer {
            shared: Rc::new(Shared {
                worker,
                knobs,
                state: RefCell::default(),
            }),
        }
    }

    /// Asks; posted at once where no rest is due, else in turn.
    pub(crate) fn ask(
        &self,
        ask: Ask,
        progress: Option<Progress>,
    ) -> impl Future<Output = Result<Answer, Error>> + 'static {
        let (done, answer) = oneshot::channel();
        // The node bounds what it asks for at once, and with it this queue.
        self.shared
            .state
            .borrow_mut()
            .waiting
            .push_back(Waiting { ask, progress, done });
        Shared::post(&self.shared);
        async move {
            answer
                .await
                .unwrap_or_else(|_| Err(Error::new("aborted", "the compute worker was stopped")))
        }
    }
}

impl Shared {
    /// Posts what may go now.
    fn post(this: &Rc<Shared>) {
        loop {
            let mut state = this.state.borrow_mut();
            let rest_ms = state.rest_until_ms - js_sys::Date::now();
            if state.waiting.is_empty() {
                return;
            }
            if rest_ms > 0.0 {
                if !state.timer {
                    state.timer = true;
                    let this = Rc::clone(this);
                    wasm_bindgen_futures::spawn_local(async move {
                        TimeoutFuture::new(rest_ms.min(MAX_REST_MS).ceil() as u32).await;
                        this.state.borrow_mut().timer = false;
                        Shared::post(&this);
                    });
                }
                return;
            }
            let Some(Waiting { ask, progress, done }) = state.waiting.pop_front() else {
                return;
            };
            drop(state);
            let answered = this.worker.ask_with(ask, progress);
            let this = Rc::clone(this);
            wasm_bindgen_futures::spawn_local(async move {
                let result = answered.await;
                if let Ok(Answer::Stepped { compute_ms, .. }) = &result {
                    this.rest(f64::from(*compute_ms));
                }
                let _ = done.send(result);
            });
        }
    }

    /// Work of `compute_ms` at `power` percent is followed by a rest that makes it that share of the time.
    fn rest(&self, compute_ms: f64) {
        let power = f64::from(self.knobs.power());
        if power >= 100.0 || !compute_ms.is_finite() {
            return;
        }
        let now = js_sys::Date::now();
        let mut state = self.state.borrow_mut();
        let owed = state.rest_until_ms.max(now) - now + compute_ms * (100.0 - power) / power;
        state.rest_until_ms = now + owed.clamp(0.0, MAX_REST_MS);
    }
}

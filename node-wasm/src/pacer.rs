//! Deeds on their way to the compute worker, in order, with a rest after each step as the person's power setting says,
//! and a longer one while the device is warm.
//! It computes nothing and drops nothing: what has to wait waits its turn.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use futures::channel::oneshot;
use gloo::timers::future::TimeoutFuture;
use jobs::{Answer, Ask};

use crate::error::Error;
use crate::guard::Guard;
use crate::knobs::Knobs;
use crate::view::View;
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
    view: Rc<RefCell<View>>,
    state: RefCell<State>,
    guard: RefCell<Guard>,
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
    pub(crate) fn new(worker: Worker, knobs: Rc<Knobs>, view: Rc<RefCell<View>>) -> Pacer {
        Pacer {
            shared: Rc::new(Shared {
                worker,
                knobs,
                view,
                state: RefCell::default(),
                guard: RefCell::default(),
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
            this.guard.borrow_mut().see(&ask);
            let answered = this.worker.ask_with(ask, progress);
            let this = Rc::clone(this);
            wasm_bindgen_futures::spawn_local(async move {
                let result = answered.await;
                if let Ok(Answer::Stepped { compute_ms, .. }) = &result {
                    this.rest(f64::from(*compute_ms));
                    Shared::look_after(&this);
                }
                let _ = done.send(result);
            });
        }
    }

    /// Measures the stage in passing when the time has come, and lets the device down or up by what that says. Only
    /// what is lent is let down; whoever asks on this device waits for the answer.
    fn look_after(this: &Rc<Shared>) {
        if !this.is_guarded() {
            this.guard.borrow_mut().forget();
            return;
        }
        let Some(stage) = this.guard.borrow_mut().due(js_sys::Date::now()) else {
            return;
        };
        let measured = this.worker.ask(Ask::Measure { stage: stage.clone() });
        let this = Rc::clone(this);
        wasm_bindgen_futures::spawn_local(async move {
            let Ok(Answer::Stepped { compute_ms, .. }) = measured.await else {
                return;
            };
            let share = {
                let mut guard = this.guard.borrow_mut();
                guard.note(&stage, f64::from(compute_ms), js_sys::Date::now());
                guard.share()
            };
            let slowed = (share < 100 && this.knobs.guarded()).then_some(share);
            this.view
                .borrow_mut()
                .change(|snapshot| snapshot.lend.slowed = slowed);
        });
    }

    fn is_guarded(&self) -> bool {
        self.knobs.guarded() && self.view.borrow().lends()
    }

    /// Work of `compute_ms` at `power` percent is followed by a rest that makes it that share of the time.
    fn rest(&self, compute_ms: f64) {
        let warm = if self.is_guarded() {
            self.guard.borrow().share()
        } else {
            100
        };
        let power = f64::from(self.knobs.power()) * f64::from(warm) / 100.0;
        if power >= 100.0 || !compute_ms.is_finite() {
            return;
        }
        let now = js_sys::Date::now();
        let mut state = self.state.borrow_mut();
        let owed = state.rest_until_ms.max(now) - now + compute_ms * (100.0 - power) / power;
        state.rest_until_ms = now + owed.clamp(0.0, MAX_REST_MS);
    }
}

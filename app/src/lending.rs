//! Lending from the person's side: wanted or not, held back or not, and why.
//! What is lent, to whom and how is the node's; consent is asked here before anything starts.

use std::time::Duration;

use leptos::ev;
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::browser::power::{self, ScreenLock, TabLock};
use crate::browser::tone::Tone;
use crate::browser::{idle, page};
use crate::consent::Purpose;
use crate::context::App;
use crate::settings::Settings;
use crate::view::{Fault, Lend, LendState};

/// How often battery, connection, clock and person are looked at while lending.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Lent work rests no more where nothing is lent: the person's own answers take the whole device.
const FULL_POWER: u8 = 100;

/// Lives as long as the app: lending goes on while other pages are looked at.
#[derive(Clone, Copy)]
pub struct Lending {
    app: App,
    /// The person pressed the button and has not pressed it again.
    pub wanted: RwSignal<bool>,
    screen: StoredValue<Option<ScreenLock>, LocalStorage>,
    tab: StoredValue<Option<TabLock>, LocalStorage>,
    tone: StoredValue<Option<Tone>, LocalStorage>,
}

impl Lending {
    pub fn new(app: App) -> Self {
        let lending = Self {
            app,
            wanted: RwSignal::new(false),
            screen: StoredValue::new_local(None),
            tab: StoredValue::new_local(None),
            tone: StoredValue::new_local(None),
        };
        idle::watch();
        set_interval(move || spawn_local(lending.look()), LOOK_EVERY);
        // A changed setting is looked at now, not in five seconds.
        Effect::new(move || {
            app.settings.track();
            if lending.wanted.get_untracked() {
                spawn_local(lending.look());
            }
        });
        // What is lent moves to the swarm that is chosen.
        Effect::new(move |before: Option<Option<String>>| {
            let now = app.swarm.get();
            let moved = before.is_some_and(|before| before != now);
            if moved && lending.wanted.get_untracked() && app.lend_held.get_untracked().is_none() {
                spawn_local(async move {
                    app.node.stop_lending().await;
                    lending.go().await;
                });
            }
            now
        });
        // A role that was taken away while lending ends it; what is said of it stays on the screen.
        let refused = Memo::new(move |_| {
            app.node.snapshot.with(|snapshot| {
                let lend = &snapshot.lend;
                lend.state == LendState::Error && lend.reason.as_deref() == Some("not_allowed")
            })
        });
        Effect::new(move || {
            if refused.get() && lending.wanted.get_untracked() {
                lending.stop();
                let fault = Fault {
                    reason: Some("no_role".to_owned()),
                    ..Fault::new("not_allowed", "")
                };
                app.lend_fault.set(Some(fault));
            }
        });
        Effect::new(move || {
            let wanted = lending.wanted.get();
            let power = app.settings.with(|settings| settings.power);
            app.node.set_power(if wanted { power } else { FULL_POWER });
        });
        // Somebody waits for the token that is being computed: the browser asks before it takes the page away.
        Effect::new(move |heard: Option<Option<WindowListenerHandle>>| {
            if let Some(heard) = heard.flatten() {
                heard.remove();
            }
            // Only while lending: a page with such a listener is not kept for the way back.
            lending.wanted.get().then(|| {
                window_event_listener(ev::beforeunload, move |event| {
                    let state = app.node.snapshot.with_untracked(|snapshot| snapshot.lend.state);
                    if state == LendState::Working {
                        event.prevent_default();
                        // What older browsers look at; none shows the text.
                        event.set_return_value("!");
                    }
                })
            })
        });
        Effect::new(move || {
            app.node.set_guarded(app.settings.with(|settings| settings.cool));
        });
        lending
    }

    /// What the screens show: the node's word, or why this page holds it back.
    pub fn shown(self) -> Lend {
        let mut lend = self.app.node.snapshot.with(|snapshot| snapshot.lend.clone());
        if let Some(fault) = self.app.lend_fault.get() {
            lend.state = LendState::Error;
            lend.reason = Some(fault.code);
        } else if self.wanted.get() {
            if let Some(reason) = self.app.lend_held.get() {
                lend.state = LendState::Paused;
                lend.reason = Some(reason.to_owned());
            } else if lend.state == LendState::Off {
                // Asked for, and the node has not said anything yet.
                lend.state = LendState::Loading;
            } else if lend.slowed.is_some() && lend.state.is_on() {
                lend.reason = Some("warm".to_owned());
            }
        }
        lend
    }

    pub fn is_on(self) -> bool {
        self.wanted.get()
    }

    pub fn toggle(self) {
        if self.wanted.get_untracked() {
            self.stop()
        } else {
            self.start()
        }
    }

    fn start(self) {
        spawn_local(async move {
            if self.app.consent(Purpose::Lend).await {
                self.app.lend_fault.set(None);
                self.wanted.set(true);
                self.tab.set_value(TabLock::take());
                self.look().await;
                if self.app.lend_held.get_untracked().is_none() {
                    self.go().await;
                }
            }
        });
    }

    pub fn stop(self) {
        self.wanted.set(false);
        self.app.lend_fault.set(None);
        self.app.lend_held.set(None);
        self.screen.set_value(None);
        self.tab.set_value(None);
        self.tone.set_value(None);
        spawn_local(self.app.node.stop_lending());
    }

    /// Goes on although something speaks against it: the condition is dropped.
    pub fn override_hold(self) {
        self.app
            .settings
            .update(|settings| match self.app.lend_held.get_untracked() {
                Some("battery") => settings.only_charging = false,
                Some("metered") => settings.not_metered = false,
                Some("busy") => settings.only_idle = false,
                Some("schedule") => settings.schedule.on = false,
                _ => {}
            });
        spawn_local(self.look());
    }

    async fn go(self) {
        let layers = self.app.query.with_value(|query| query.layers);
        let model = self.app.model_id();
        let small = self.app.capabilities.phone;
        let result = self.app.node.lend(model, layers, small).await;
        // What was stopped to be lent anew is no fault.
        if let Err(fault) = result
            && fault.reason.as_deref() != Some("stopped")
            && self.wanted.get_untracked()
            && self.app.lend_held.get_untracked().is_none()
        {
            self.wanted.set(false);
            self.app.lend_fault.set(Some(fault));
        }
    }

    /// Holds back or goes on, as the person's conditions say.
    async fn look(self) {
        if !self.wanted.get_untracked() {
            return;
        }
        let settings = self.app.settings.get_untracked();
        let hold = held_back(&settings).await;
        self.hold_screen(settings.keep_awake && hold.is_none()).await;
        // The person may have stopped while the battery was asked, or the screen.
        if !self.wanted.get_untracked() {
            return;
        }
        self.hold_tone(settings.tone && hold.is_none());
        let before = self.app.lend_held.get_untracked();
        if before == hold {
            return;
        }
        self.app.lend_held.set(hold);
        match (before, hold) {
            (None, Some(_)) => self.app.node.stop_lending().await,
            (Some(_), None) => spawn_local(self.go()),
            _ => {}
        }
    }

    fn hold_tone(self, wanted: bool) {
        if !wanted {
            self.tone.set_value(None);
        } else if self.tone.with_value(Option::is_none) {
            self.tone.set_value(Tone::play());
        }
    }

    async fn hold_screen(self, wanted: bool) {
        let held = self
            .screen
            .with_value(|lock| lock.as_ref().is_some_and(ScreenLock::is_held));
        if !wanted {
            self.screen.set_value(None);
        } else if self.app.capabilities.phone && !held && !power::hidden() {
            let lock = ScreenLock::take().await;
            // The person may have stopped meanwhile.
            self.screen
                .set_value(lock.filter(|_| self.wanted.get_untracked()));
        }
    }
}

/// The first of the person's conditions that is not met: a reason word.
async fn held_back(settings: &Settings) -> Option<&'static str> {
    let (weekday, minute) = page::local_time();
    if !settings.schedule.is_time(weekday, minute) {
        Some("schedule")
    } else if settings.only_idle && !idle::is_idle() {
        Some("busy")
    } else if settings.only_charging && power::charging().await == Some(false) {
        Some("battery")
    } else if settings.not_metered && power::metered() == Some(true) {
        Some("metered")
    } else {
        None
    }
}

pub fn lending() -> Lending {
    expect_context::<Lending>()
}

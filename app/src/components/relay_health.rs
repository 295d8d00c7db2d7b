//! How the relay is doing: asked every few seconds while this is on the screen.
//! It changes nothing; without an answer it says so.

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::context::{app, words};
use crate::format;
use crate::i18n::fill;
use crate::state::RelayHealth;

const ASK_EVERY: Duration = Duration::from_secs(10);
/// A clock that is off by more makes signatures fail: they would lie in the future.
const CLOCK_OFF_MS: f64 = 60_000.0;

#[component]
pub fn RelayCard() -> impl IntoView {
    let t = words();
    let node = app().node;
    let health = RwSignal::new(None::<Option<RelayHealth>>);
    let ask = move || {
        spawn_local(async move {
            let answer = node.relay_health().await.ok();
            health.try_set(Some(answer));
        });
    };
    ask();
    let timer = set_interval_with_handle(ask, ASK_EVERY).ok();
    on_cleanup(move || {
        if let Some(timer) = timer {
            timer.clear();
        }
    });
    let state = move || {
        health.with(|health| match health {
            None => "unknown",
            Some(Some(health)) if health.ready => "ready",
            Some(Some(_)) => "draining",
            Some(None) => "silent",
        })
    };
    let sentence = move || match state() {
        "ready" => t.relay_ready,
        "draining" => t.relay_draining,
        "silent" => t.relay_silent,
        _ => t.conn_connecting,
    };
    let figures = move || {
        health.get().flatten().map(|health| {
            let off = health.clock_ahead_ms.filter(|ahead| ahead.abs() > CLOCK_OFF_MS);
            view! {
                <dl class="figures">
                    <div><dt>{t.relay_answers}</dt><dd><bdi>{format::duration_ms(health.ms)}</bdi></dd></div>
                    <div><dt>{t.relay_workers}</dt><dd>{health.workers.to_string()}</dd></div>
                </dl>
                {off.map(|ahead| view! { <p class="notice">{fill(t.relay_clock, &[("n", &format::duration_ms(ahead.abs()))])}</p> })}
            }
        })
    };
    view! {
        <section class="card" aria-labelledby="relay-title" data-testid="relay-health" data-state=state>
            <h2 id="relay-title">{t.relay}</h2>
            <p role="status">{sentence}</p>
            {figures}
        </section>
    }
}

//! Lend a hand: one large button, what happens now, what was given, on which conditions, and who else to ask.
//! The same screen under `/join`, where somebody was invited to it.

use leptos::prelude::*;

use crate::components::{
    Conditions, FaultNotice, Invite, Keeping, Mark, Missing, RelayLink, Scanner, SwarmSwitch,
};
use crate::context::{app, words};
use crate::format;
use crate::i18n::{Words, fill};
use crate::lending::lending;
use crate::view::{Lend, LendState};

/// What a device draws while it computes, roughly: measured figures of phones and of laptops lie around these.
const PHONE_WATTS: f64 = 4.0;
const DESK_WATTS: f64 = 25.0;

#[component]
pub fn LendPage(invited: bool) -> impl IntoView {
    let t = words();
    let app = app();
    let lending = lending();
    let lend = Memo::new(move |_| lending.shown());
    let (title, lead) = if invited {
        (t.join_title, t.join_lead)
    } else {
        (t.lend_title, t.lend_lead)
    };
    let busy = Signal::derive(move || lend.with(|lend| lend.state == LendState::Working));
    let on = Memo::new(move |_| lending.is_on());
    view! {
        <div class="page">
            <header class="page-head">
                <h1>{title}</h1>
                <p class="lead">{lead}</p>
            </header>
            {invited.then(|| view! { <RelayLink is_claim=false /> })}
            <SwarmSwitch />
            <section class="card lend" class:on=move || on.get()>
                <button type="button" class="lend-toggle" data-testid="lend-toggle" aria-pressed=move || on.get().to_string()
                    on:click=move |_| lending.toggle()>
                    <Mark busy=busy />
                    <span>{move || if on.get() { t.lend_stop } else { t.lend_start }}</span>
                </button>
                <Status lend=lend />
                {move || app.lend_fault.get().map(|fault| view! { <FaultNotice fault=fault /> })}
            </section>
            <Keeping />
            <GaveCard lend=lend />
            <Conditions />
            <Invite />
            <Scanner />
            <Missing />
        </div>
    }
}

#[component]
fn Status(lend: Memo<Lend>) -> impl IntoView {
    let t = words();
    let app = app();
    let lending = lending();
    let state = Memo::new(move |_| lend.with(|lend| lend.state));
    let words = move || match state.get() {
        LendState::Off => t.lend_off,
        LendState::Loading => t.lend_loading,
        LendState::Ready => t.lend_ready,
        LendState::Working => t.lend_working,
        LendState::Paused => t.lend_paused,
        LendState::Error => t.lend_error,
    };
    let slowed = move || lend.with(|lend| lend.slowed.filter(|_| lend.state.is_on()));
    let hint = move || match state.get() {
        LendState::Off => Some(t.lend_off_hint.to_owned()),
        LendState::Ready | LendState::Working => Some(match slowed() {
            Some(share) => fill(t.lend_warm, &[("n", &share.to_string())]),
            None => t.lend_thanks.to_owned(),
        }),
        LendState::Paused => Some(lend.with(|lend| pause_sentence(t, lend.reason.as_deref()).to_owned())),
        LendState::Loading | LendState::Error => None,
    };
    let layers = move || {
        lend.with(|lend| {
            let (first, end) = lend.range.filter(|_| lend.state.is_on())?;
            let last = end.saturating_sub(1);
            let range = fill(t.layers_range, &[("a", &first.to_string()), ("b", &last.to_string())]);
            let model = lend.model.as_deref().map(|id| app.node.snapshot.with(|snapshot| snapshot.model_name(id)));
            Some(view! {
                <p class="lend-layers" data-testid="lend-layers" data-first=first.to_string() data-last=last.to_string()>
                    <bdi>{model}</bdi>
                    <span>{range}</span>
                </p>
            })
        })
    };
    let lent_to = move || {
        let name = app.own_swarm().filter(|_| state.get().is_on())?.name;
        Some(
            view! { <p class="quiet" data-testid="lent-to"><bdi>{fill(t.lent_to, &[("name", &name)])}</bdi></p> },
        )
    };
    let progress = move || {
        lend.with(|lend| {
            (lend.state == LendState::Loading).then(|| {
                let percent = format::percent(lend.loaded_bytes, lend.total_bytes);
                let share = format!("{percent}%");
                let figures = (lend.total_bytes > 0)
                    .then(|| format!("{} / {}", format::bytes(lend.loaded_bytes), format::bytes(lend.total_bytes)));
                let (now, sure) = (percent.to_string(), lend.total_bytes > 0);
                view! {
                    <div class="progress" class:unsure=!sure data-testid="lend-progress" role="progressbar" aria-label=t.lend_progress
                        aria-valuemin="0" aria-valuemax="100" aria-valuenow=sure.then_some(now)>
                        <div class="progress-bar" style:inline-size=share>{""}</div>
                    </div>
                    <p class="quiet" dir="ltr">{figures}</p>
                }
            })
        })
    };
    let resume = move || {
        (state.get() == LendState::Paused && app.lend_held.get().is_some()).then(|| {
            view! { <button type="button" class="button" on:click=move |_| lending.override_hold()>{t.lend_resume}</button> }
        })
    };
    let warm = move || {
        slowed().map(|_| {
            let whole = move |_| app.settings.update(|settings| settings.cool = false);
            view! { <button type="button" class="button" data-testid="lend-whole" on:click=whole>{t.lend_whole}</button> }
        })
    };
    view! {
        <div class="lend-status" data-testid="lend-status" role="status" data-state=move || state.get().word()
            data-peer=move || app.node.snapshot.with(|snapshot| snapshot.peer_id.clone())
            data-reason=move || lend.with(|lend| lend.reason.clone())>
            <p class="lend-word">{words}</p>
            <p class="quiet">{hint}</p>
            {layers}
            {lent_to}
            {resume}
            {warm}
        </div>
        {progress}
    }
}

#[component]
fn GaveCard(lend: Memo<Lend>) -> impl IntoView {
    let t = words();
    let gave = Memo::new(move |_| lend.with(|lend| lend.gave));
    let watts = if app().capabilities.phone {
        PHONE_WATTS
    } else {
        DESK_WATTS
    };
    view! {
        <section class="card" aria-labelledby="gave-title">
            <h2 id="gave-title">{t.gave}</h2>
            <dl class="figures">
                <div><dt>{t.gave_jobs}</dt><dd>{move || format::count(gave.get().jobs)}</dd></div>
                <div><dt>{t.gave_tokens}</dt><dd>{move || format::count(gave.get().tokens)}</dd></div>
                <div><dt>{t.gave_bytes}</dt><dd><bdi>{move || format::bytes(gave.get().bytes)}</bdi></dd></div>
                <div><dt>{t.gave_energy}</dt><dd data-testid="gave-energy"><bdi>{move || format::energy(gave.get().compute_ms, watts)}</bdi></dd></div>
            </dl>
            <p class="quiet">{t.gave_session} " " {fill(t.gave_watts, &[("n", &watts.to_string())])}</p>
        </section>
    }
}

fn pause_sentence(t: &'static Words, reason: Option<&str>) -> &'static str {
    match reason {
        Some("battery") => t.pause_battery,
        Some("metered") => t.pause_metered,
        Some("busy") => t.pause_busy,
        Some("schedule") => t.pause_schedule,
        _ => t.pause_other,
    }
}

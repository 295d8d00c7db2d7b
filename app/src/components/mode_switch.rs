//! Where the next answer is computed: four choices beside the input, and what the chosen one means.
//! Changes only the choice; consent is asked when something is sent.

use leptos::prelude::*;

use super::{Icon, icon};
use crate::context::{app, words};
use crate::i18n::fill;
use crate::view::Mode;

#[component]
pub fn ModeSwitch() -> impl IntoView {
    let t = words();
    let app = app();
    let choices = [
        (Mode::Auto, "mode-auto", t.mode_auto, Icon::Spark),
        (Mode::Local, "mode-local", t.mode_local, Icon::Device),
        (Mode::Mine, "mode-mine", t.mode_mine, Icon::Devices),
        (Mode::Swarm, "mode-swarm", t.mode_swarm, Icon::Globe),
    ]
    .map(|(mode, testid, label, symbol)| {
        // In a swarm of one's own the others are its members.
        let label = move || match mode {
            Mode::Swarm if app.swarm.with(Option::is_some) => t.members,
            _ => label,
        };
        view! {
            <label class="mode-choice" data-testid=testid>
                <input type="radio" name="mode" value=mode.word() prop:checked=move || app.mode.get() == mode
                    on:change=move |_| app.set_mode(mode) />
                {icon(symbol)}
                <span>{label}</span>
            </label>
        }
    });
    view! {
        <fieldset class="mode" data-testid="mode" data-mode=move || app.mode.get().word()>
            <legend class="sr-only">{t.mode}</legend>
            {choices.into_iter().collect_view()}
        </fieldset>
    }
}

/// What the chosen mode means for what is written.
#[component]
pub fn ModeHint() -> impl IntoView {
    let t = words();
    let app = app();
    let hint = move || match (app.mode.get(), app.own_swarm()) {
        (Mode::Local, _) => t.mode_local_hint.to_owned(),
        (Mode::Mine, _) => t.mode_mine_hint.to_owned(),
        (Mode::Auto | Mode::Swarm, Some(swarm)) => fill(t.mode_own_swarm_hint, &[("name", &swarm.name)]),
        (Mode::Auto, None) => t.mode_auto_hint.to_owned(),
        (Mode::Swarm, None) => t.mode_swarm_hint.to_owned(),
    };
    let open = move || app.mode.get() == Mode::Swarm && app.swarm.with(Option::is_none);
    view! { <p class="mode-hint" class:open=open>{hint}</p> }
}

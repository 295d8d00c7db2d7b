//! The terms on which a swarm's work is done on this device, as a form.
//! It does not decide about a piece of work; the node does, by these terms.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::FaultNotice;
use crate::context::{app, words};
use crate::state::PolicyInfo;
use crate::view::Fault;

#[component]
pub fn Policy(swarm: StoredValue<String>, policy: Signal<PolicyInfo>) -> impl IntoView {
    let t = words();
    let app = app();
    let draft = RwSignal::new(policy.get_untracked());
    let fault = RwSignal::new(None::<Fault>);
    let saved = RwSignal::new(false);
    let save = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        spawn_local(async move {
            let result = app
                .node
                .set_policy(swarm.get_value(), draft.get_untracked())
                .await;
            saved.try_set(result.is_ok());
            fault.try_set(result.err());
            app.read_swarms().await;
        });
    };
    let choose = move |label,
                       testid,
                       choices: &[(&'static str, &'static str)],
                       get: fn(&PolicyInfo) -> &String,
                       set: fn(&mut PolicyInfo, String)| {
        let options = choices
            .iter()
            .map(|&(value, text)| view! { <option value=value selected=move || draft.with(|draft| get(draft) == value)>{text}</option> })
            .collect::<Vec<_>>();
        view! {
            <label class="setting">
                <span>{label}</span>
                <select class="field" data-testid=testid on:change:target=move |event| draft.update(|draft| set(draft, event.target().value()))>{options}</select>
            </label>
        }
    };
    let number = move |label,
                       testid,
                       least: u32,
                       most: u32,
                       get: fn(&PolicyInfo) -> u32,
                       set: fn(&mut PolicyInfo, u32)| {
        view! {
            <label class="setting">
                <span>{label}</span>
                <input class="field" type="number" inputmode="numeric" data-testid=testid min=least.to_string() max=most.to_string()
                    prop:value=move || draft.with(get).to_string()
                    on:change:target=move |event| {
                        if let Ok(value) = event.target().value().parse::<u32>() {
                            draft.update(|draft| set(draft, value.clamp(least, most)));
                        }
                    } />
            </label>
        }
    };
    view! {
        <details class="policy" data-testid="policy">
            <summary>{t.policy}</summary>
            <form class="stack" on:submit=save>
                {choose(t.policy_who, "policy-who", &[("anybody", t.who_anybody), ("members", t.who_members)], |p| &p.who, |p, v| p.who = v)}
                {choose(t.policy_privacy, "policy-privacy",
                    &[("mine", t.privacy_mine), ("members", t.privacy_members), ("strangers", t.privacy_strangers)],
                    |p| &p.privacy, |p, v| p.privacy = v)}
                {number(t.policy_positions, "policy-positions", 64, 1_000_000, |p| p.max_positions, |p, v| p.max_positions = v)}
                {number(t.policy_sessions, "policy-sessions", 1, 100_000, |p| p.sessions_per_hour, |p, v| p.sessions_per_hour = v)}
                {number(t.policy_reserved, "policy-reserved", 0, 95, |p| u32::from(p.reserved_percent), |p, v| p.reserved_percent = u8::try_from(v).unwrap_or(95))}
                <p class="quiet" role="status">{move || saved.get().then_some(t.policy_saved)}</p>
                {move || fault.get().map(|fault| view! { <FaultNotice fault=fault /> })}
                <button type="submit" class="button" data-testid="policy-save">{t.save}</button>
            </form>
        </details>
    }
}

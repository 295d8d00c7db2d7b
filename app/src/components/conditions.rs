//! How a person lends: how hard, when, and on which conditions.
//! It only sets; `lending` looks at the settings and holds back.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::{Icon, icon};
use crate::browser::{idle, page};
use crate::context::{app, words};
use crate::i18n::fill;
use crate::schedule;
use crate::settings::{POWERS, Settings};

#[component]
pub fn Conditions() -> impl IntoView {
    let t = words();
    let phone = app().capabilities.phone;
    view! {
        <section class="card" aria-labelledby="conditions-title">
            <h2 id="conditions-title">{t.lend_own_title}</h2>
            <Power />
            <Check testid="lend-charging" text=t.lend_charging get=|s| s.only_charging set=|s, on| s.only_charging = on />
            <Check testid="lend-wifi" text=t.lend_wifi get=|s| s.not_metered set=|s, on| s.not_metered = on />
            <Check testid="lend-idle" text=t.lend_idle get=|s| s.only_idle set=|s, on| {
                s.only_idle = on;
                if on {
                    // In the click, since the browser asks the person.
                    spawn_local(idle::ask_for_detector());
                }
            } />
            <Check testid="lend-cool" text=t.lend_cool get=|s| s.cool set=|s, on| s.cool = on />
            <Week />
            {phone.then(|| view! {
                <Check testid="lend-awake" text=t.lend_awake get=|s| s.keep_awake set=|s, on| s.keep_awake = on />
            })}
            <Check testid="lend-tone" text=t.lend_tone get=|s| s.tone set=|s, on| s.tone = on />
            <p class="row quiet">{icon(Icon::Device)} {if phone { t.lend_keep_open } else { t.lend_hidden }}</p>
            {phone.then(|| view! { <p class="quiet">{t.lend_small}</p> })}
        </section>
    }
}

#[component]
fn Power() -> impl IntoView {
    let t = words();
    let settings = app().settings;
    let choices = POWERS.map(|power| {
        let text = fill(t.lend_power_share, &[("n", &power.to_string())]);
        view! {
            <label class="choice">
                <input type="radio" name="power" value=power.to_string() data-testid=format!("lend-power-{power}")
                    prop:checked=move || settings.with(|s| s.power == power) on:change=move |_| settings.update(|s| s.power = power) />
                <span>{text}</span>
            </label>
        }
    });
    view! {
        <fieldset class="power" data-testid="lend-power" data-power=move || settings.with(|s| s.power.to_string())>
            <legend>{t.lend_power}</legend>
            <div class="row wrap">{choices.into_iter().collect_view()}</div>
            <p class="quiet">{t.lend_power_hint}</p>
        </fieldset>
    }
}

#[component]
fn Check(
    testid: &'static str,
    text: &'static str,
    get: fn(&Settings) -> bool,
    set: fn(&mut Settings, bool),
) -> impl IntoView {
    let settings = app().settings;
    view! {
        <label class="check">
            <input type="checkbox" data-testid=testid prop:checked=move || settings.with(get)
                on:change:target=move |event| settings.update(|s| set(s, event.target().checked())) />
            <span>{text}</span>
        </label>
    }
}

/// The hours of the week.
#[component]
fn Week() -> impl IntoView {
    let t = words();
    let app = app();
    let settings = app.settings;
    let days = page::weekdays(app.language.get_untracked().tag())
        .into_iter()
        .enumerate()
        .map(|(at, name)| {
            let bit = 1_u8 << at;
            view! {
                <label class="choice">
                    <input type="checkbox" data-testid=format!("schedule-day-{at}") prop:checked=move || settings.with(|s| s.schedule.days & bit != 0)
                        on:change=move |_| settings.update(|s| s.schedule.days ^= bit) />
                    <span translate="no">{name}</span>
                </label>
            }
        })
        .collect::<Vec<_>>();
    let time = move |label, testid, get: fn(&Settings) -> u16, set: fn(&mut Settings, u16)| {
        view! {
            <label>{label} " "
                <input class="field" type="time" data-testid=testid prop:value=move || settings.with(|s| schedule::clock(get(s)))
                    on:change:target=move |event| {
                        if let Some(minute) = schedule::minute(&event.target().value()) {
                            settings.update(|s| set(s, minute));
                        }
                    } />
            </label>
        }
    };
    view! {
        <Check testid="lend-schedule" text=t.lend_schedule get=|s| s.schedule.on set=|s, on| s.schedule.on = on />
        <div class="week" hidden=move || settings.with(|s| !s.schedule.on)>
            <div class="row wrap">{days}</div>
            <div class="row wrap">
                {time(t.schedule_from, "schedule-from", |s| s.schedule.from, |s, at| s.schedule.from = at)}
                {time(t.schedule_to, "schedule-to", |s| s.schedule.to, |s, at| s.schedule.to = at)}
            </div>
        </div>
    }
}

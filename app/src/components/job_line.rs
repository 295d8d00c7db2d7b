//! Something on its way: how far, how fast, how long still, and the buttons that stop it and go on.
//! The work is the shelf's.

use leptos::prelude::*;

use super::{FaultNotice, Icon, icon};
use crate::context::{app, words};
use crate::format;
use crate::i18n::fill;
use crate::shelf::{Job, JobState, Task};

#[component]
pub fn JobLine(
    key: String,
    /// Whether the line says what it is of: a card does already.
    #[prop(optional)]
    named: bool,
) -> impl IntoView {
    let t = words();
    let shelf = app().shelf;
    let key = StoredValue::new(key);
    let job = Memo::new(move |_| shelf.jobs.with(|jobs| jobs.get(&key.get_value()).cloned()));
    let state = Memo::new(move |_| job.with(|job| job.as_ref().map(|job| job.state.clone())));
    let name = move || {
        let name = job.with(|job| job.as_ref().map(|job| job.name.clone()));
        named.then(|| view! { <strong><bdi>{name}</bdi></strong> })
    };
    let percent = move || {
        job.with(|job| {
            job.as_ref()
                .map_or(0, |job| format::percent(job.here_bytes, job.total_bytes))
        })
    };
    let words = move || job.with(|job| job.as_ref().map(|job| sentence(t, job)).unwrap_or_default());
    let bar = move || {
        matches!(state.get(), Some(JobState::Running | JobState::Paused)).then(|| {
            view! {
                <div class="progress" role="progressbar" data-testid="model-progress" aria-label=t.model_progress
                    aria-valuemin="0" aria-valuemax="100" aria-valuenow=move || percent().to_string()>
                    <div class="progress-bar" style:inline-size=move || format!("{}%", percent())>{""}</div>
                </div>
            }
        })
    };
    let end = move || match state.get() {
        Some(JobState::Failed(fault)) => Some(view! { <FaultNotice fault=fault /> }),
        _ => None,
    };
    let pausable =
        Memo::new(move |_| job.with(|job| job.as_ref().is_some_and(|job| job.task != Task::Verify)));
    let buttons = move || {
        match state.get() {
        Some(JobState::Running) => pausable.get().then(|| {
            view! {
                <button type="button" class="button" data-testid="model-pause" on:click=move |_| shelf.pause(&key.get_value())>
                    {icon(Icon::Pause)} {t.pause}</button>
            }
            .into_any()
        }),
        Some(JobState::Paused | JobState::Failed(_)) => Some(
            view! {
                <button type="button" class="button" data-testid="model-resume" on:click=move |_| shelf.resume(&key.get_value())>
                    {icon(Icon::Play)} {t.go_on}</button>
                <button type="button" class="button" data-testid="model-discard" on:click=move |_| if named {
                    shelf.forget(&key.get_value());
                } else {
                    shelf.dismiss(&key.get_value());
                }>{if named { t.discard } else { t.close }}</button>
            }
            .into_any(),
        ),
        Some(JobState::Verified(_)) => Some(
            view! { <button type="button" class="button" on:click=move |_| shelf.dismiss(&key.get_value())>{t.close}</button> }.into_any(),
        ),
        None => None,
    }
    };
    view! {
        <div class="job" data-testid="model-job" data-state=move || state.get().map(|state| state.word())>
            {name}
            {bar}
            <p class="quiet" role="status">{words}</p>
            {end}
            <div class="row wrap">{buttons}</div>
        </div>
    }
}

fn sentence(t: &'static crate::i18n::Words, job: &Job) -> String {
    let (here, total) = (format::bytes(job.here_bytes), format::bytes(job.total_bytes));
    let far = match job.total_bytes {
        0 => t.job_begins.to_owned(),
        _ => fill(t.job_far, &[("n", &here), ("m", &total)]),
    };
    match &job.state {
        JobState::Running => {
            let speed = job
                .pace
                .bytes_per_s()
                .map(|rate| t.isolate(&format!("{}/s", format::bytes(rate as u64))));
            let left = job.pace.left_ms(job.total_bytes).map(|ms| {
                let left = format::duration_ms((ms / 1000.0).ceil() * 1000.0);
                fill(t.job_left, &[("t", &left)])
            });
            [Some(far), speed, left]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(" · ")
        }
        JobState::Paused => format!("{} · {far}", t.job_paused),
        JobState::Failed(_) => String::new(),
        JobState::Verified(whole) if *whole >= job.total_bytes => t.verified_whole.to_owned(),
        JobState::Verified(whole) => {
            let lost = format::bytes(job.total_bytes.saturating_sub(*whole));
            fill(t.verified_part, &[("n", &lost)])
        }
    }
}

//! Settings: how it looks, which language, how models answer, and everything of one's own to take along.
//! Kept at once, without a button; nothing here leaves the browser.

use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::archive::{self, MAX_ARCHIVE_BYTES};
use crate::browser::files;
use crate::components::{Dialog, ShortcutList};
use crate::context::{app, words};
use crate::i18n::{Language, fill};
use crate::settings::{MAX_ANSWER_TOKENS, MAX_SYSTEM_BYTES, Settings};

#[component]
pub fn SettingsPage() -> impl IntoView {
    let t = words();
    view! {
        <div class="page">
            <header class="page-head"><h1>{t.settings_title}</h1></header>
            <Appearance />
            <Answers />
            <Data />
            <section class="card" aria-labelledby="shortcuts-title">
                <h2 id="shortcuts-title">{t.shortcuts}</h2>
                <ShortcutList />
            </section>
        </div>
    }
}

#[component]
fn Appearance() -> impl IntoView {
    let t = words();
    let settings = app().settings;
    let themes = [
        ("", t.theme_system),
        ("light", t.theme_light),
        ("dark", t.theme_dark),
    ]
    .map(|(value, label)| {
        view! { <option value=value selected=move || settings.with(|s| s.theme == value)>{label}</option> }
    });
    let language = app().language;
    let languages = Language::all().map(|choice| {
        view! { <option value=choice.tag() lang=choice.tag() selected=move || language.get() == choice>{choice.own_name()}</option> }
    });
    view! {
        <section class="card" aria-labelledby="appearance-title">
            <h2 id="appearance-title">{t.appearance}</h2>
            <label class="setting">
                <span>{t.theme}</span>
                <select class="field" data-testid="theme" on:change:target=move |event| settings.update(|s| s.theme = event.target().value())>
                    {themes.into_iter().collect_view()}
                </select>
            </label>
            <label class="setting">
                <span>{t.language}</span>
                <select class="field" data-testid="language" on:change:target=move |event| settings.update(|s| s.language = event.target().value())>
                    {languages.collect_view()}
                </select>
            </label>
        </section>
    }
}

#[component]
fn Answers() -> impl IntoView {
    let t = words();
    let settings = app().settings;
    // What is typed counts only once it is within its bounds.
    let change = move |apply: &dyn Fn(&mut Settings)| {
        settings.update(|settings| {
            apply(settings);
            *settings = settings.clone().sound();
        });
    };
    view! {
        <section class="card" aria-labelledby="answers-title">
            <h2 id="answers-title">{t.answers}</h2>
            <label class="setting tall">
                <span>{t.system_prompt}</span>
                <textarea class="field" rows="3" dir="auto" maxlength=MAX_SYSTEM_BYTES.to_string() prop:value=move || settings.with(|s| s.system.clone())
                    on:change:target=move |event| change(&|s| s.system = event.target().value())></textarea>
            </label>
            <label class="setting">
                <span>{t.temperature} <small>{t.temperature_hint}</small></span>
                <input class="field" type="number" min="0" max="2" step="0.1" prop:value=move || settings.with(|s| s.temperature.to_string())
                    on:change:target=move |event| change(&|s| s.temperature = event.target().value().parse().unwrap_or(s.temperature)) />
            </label>
            <label class="setting">
                <span>{t.top_p} <small>{t.top_p_hint}</small></span>
                <input class="field" type="number" min="0.05" max="1" step="0.05" prop:value=move || settings.with(|s| s.top_p.to_string())
                    on:change:target=move |event| change(&|s| s.top_p = event.target().value().parse().unwrap_or(s.top_p)) />
            </label>
            <label class="setting">
                <span>{t.max_tokens}</span>
                <input class="field" type="number" min="1" max=MAX_ANSWER_TOKENS.to_string() step="1" prop:value=move || settings.with(|s| s.max_tokens.to_string())
                    on:change:target=move |event| change(&|s| s.max_tokens = event.target().value().parse().unwrap_or(s.max_tokens)) />
            </label>
            <button type="button" class="button" on:click=move |_| {
                let fresh = Settings::default();
                change(&|s| {
                    s.system.clear();
                    s.temperature = fresh.temperature;
                    s.top_p = fresh.top_p;
                    s.max_tokens = fresh.max_tokens;
                });
            }>{t.reset_defaults}</button>
        </section>
    }
}

#[component]
fn Data() -> impl IntoView {
    let t = words();
    let chats = app().chats;
    let input = NodeRef::<html::Input>::new();
    let said = RwSignal::new(String::new());
    let deleting = RwSignal::new(false);
    let export = move |_| {
        spawn_local(async move {
            let everything = archive::write(chats.everything().await);
            // Fails only in browsers without downloads, which then show nothing to save.
            let _ = files::save("manyhands-conversations.json", &everything);
        });
    };
    let import = move |_| {
        let Some(file) = input.get_untracked().and_then(|input| files::chosen(&input)) else {
            return;
        };
        spawn_local(async move {
            let text = files::text(&file, MAX_ARCHIVE_BYTES).await.unwrap_or_default();
            let words = match archive::read(&text) {
                Ok(conversations) => {
                    let count = conversations.len().to_string();
                    drop(said.try_set(t.import_writes.to_owned()));
                    let kept = chats.take_in(conversations).await;
                    let imported = fill(t.imported, &[("n", &count)]);
                    if kept {
                        imported
                    } else {
                        format!("{imported}. {}", t.not_kept)
                    }
                }
                Err(error) => fill(t.import_failed, &[("why", &error.to_string())]),
            };
            drop(said.try_set(words));
        });
    };
    view! {
        <section class="card" aria-labelledby="data-title">
            <h2 id="data-title">{t.your_data}</h2>
            <p>{t.your_data_text}</p>
            <div class="row wrap">
                <button type="button" class="button" data-testid="export-all" on:click=export>{t.export_all}</button>
                <label class="button file-button">
                    {t.import_all}
                    <input class="sr-only" type="file" accept="application/json,.json" data-testid="import-all" node_ref=input on:change=import />
                </label>
                <button type="button" class="button danger" on:click=move |_| deleting.set(true)>{t.delete_all}</button>
            </div>
            <p role="status" data-testid="import-result">{move || said.get()}</p>
        </section>
        {move || deleting.get().then(|| view! {
            <Dialog labelled_by="delete-all-title" on_cancel=Callback::new(move |()| deleting.set(false))>
                <h2 id="delete-all-title">{t.delete_all_sure}</h2>
                <div class="dialog-actions">
                    <button type="button" class="button" on:click=move |_| deleting.set(false)>{t.cancel}</button>
                    <button type="button" class="button danger" on:click=move |_| {
                        chats.delete_all();
                        deleting.set(false);
                    }>{t.delete_all}</button>
                </div>
            </Dialog>
        })}
    }
}

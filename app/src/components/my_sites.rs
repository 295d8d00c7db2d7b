//! Sites of the person: a key for each, the pages that may hold its embed, the tag to paste, what visitors gave.
//! The relay serves the embed and counts; a count is shown only after its signature was checked.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::FaultNotice;
use super::code::CopyButton;
use crate::browser::page;
use crate::context::{app, words};
use crate::format;
use crate::i18n::fill;
use crate::state::{Loader, SiteGave, SiteInfo};
use crate::view::Fault;

#[component]
pub fn MySites() -> impl IntoView {
    let t = words();
    let app = app();
    let sites = RwSignal::new(Vec::<SiteInfo>::new());
    let loader = RwSignal::new(None::<Loader>);
    let fault = RwSignal::new(None::<Fault>);
    let origins = RwSignal::new(String::new());
    let read = move || async move {
        if let Ok(found) = app.node.sites().await {
            sites.try_set(found);
        }
        // Without sites nobody needs the loader's hash.
        if sites.try_with_untracked(Vec::is_empty) == Some(false)
            && let Ok(found) = app.node.site_loader().await
        {
            loader.try_set(Some(found));
        }
    };
    spawn_local(read());
    let create = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        spawn_local(async move {
            match app.node.create_site(lines(&origins.get_untracked())).await {
                Ok(_) => {
                    fault.try_set(None);
                    origins.try_set(String::new());
                }
                Err(failed) => drop(fault.try_set(Some(failed))),
            }
            read().await;
        });
    };
    view! {
        <section class="card" aria-labelledby="sites-title" data-testid="sites">
            <h2 id="sites-title">{t.sites}</h2>
            <p>{t.sites_text}</p>
            {move || sites.get().into_iter().map(|site| view! { <Site site=site sites=sites loader=loader /> }).collect::<Vec<_>>()}
            <form class="stack" on:submit=create>
                <label class="stack">{t.site_origins}
                    <textarea class="field" dir="ltr" rows="2" data-testid="site-origins" placeholder="https://example.org" spellcheck="false"
                        prop:value=move || origins.get() on:input:target=move |event| origins.set(event.target().value())></textarea>
                </label>
                <div><button type="submit" class="button" data-testid="site-create" disabled=move || origins.with(|o| o.trim().is_empty())>{t.site_create}</button></div>
            </form>
            {move || fault.get().map(|fault| view! { <FaultNotice fault=fault /> })}
        </section>
    }
}

#[component]
fn Site(site: SiteInfo, sites: RwSignal<Vec<SiteInfo>>, loader: RwSignal<Option<Loader>>) -> impl IntoView {
    let t = words();
    let app = app();
    let key = StoredValue::new(site.key.clone());
    let origins = RwSignal::new(site.origins.join("\n"));
    let gave = RwSignal::new(None::<SiteGave>);
    let fault = RwSignal::new(None::<Fault>);
    let count = move || async move {
        match app.node.site_counts(key.get_value()).await {
            Ok(found) => drop(gave.try_set(Some(found))),
            Err(failed) => drop(fault.try_set(Some(failed))),
        }
    };
    spawn_local(count());
    let snippet = {
        let key = site.key.clone();
        Signal::derive(move || {
            let origin = page::origin();
            let (file, integrity) = loader.with(|loader| match loader {
                Some(loader) => (
                    loader.file.clone(),
                    format!(" integrity=\"{}\" crossorigin=\"anonymous\"", loader.integrity),
                ),
                None => ("v1.js".to_owned(), String::new()),
            });
            format!(
                "<script async src=\"{origin}/embed/{file}\" data-site=\"{key}\" data-services=\"lend,chat\"\n  data-mode=\"popup\" data-lang=\"auto\" data-theme=\"auto\" data-max-duty=\"25\"{integrity}></script>"
            )
        })
    };
    let policy = format!("script-src {0}; frame-src {0}", page::origin());
    let save = move |_| {
        spawn_local(async move {
            let result = app
                .node
                .set_site_origins(key.get_value(), lines(&origins.get_untracked()))
                .await;
            fault.try_set(result.err());
        });
    };
    let forget = move |_| {
        spawn_local(async move {
            match app.node.forget_site(key.get_value()).await {
                Ok(()) => drop(
                    sites.try_update(|sites| sites.retain(|site| key.with_value(|key| site.key != *key))),
                ),
                Err(failed) => drop(fault.try_set(Some(failed))),
            }
        });
    };
    let figures = move || {
        gave.get().map(|gave| {
            let tag = app.language.get_untracked().tag();
            let dates = [("from", page::date(gave.from_ms, tag)), ("to", page::date(gave.until_ms, tag))];
            let values: Vec<(&str, &str)> = dates.iter().map(|(name, date)| (*name, date.as_str())).collect();
            view! {
                <dl class="figures" data-testid="site-gave" data-visits=gave.visits.to_string() data-tokens=gave.tokens.to_string()>
                    <div><dt>{t.site_visits}</dt><dd>{format::count(gave.visits)}</dd></div>
                    <div><dt>{t.gave_jobs}</dt><dd>{format::count(gave.jobs)}</dd></div>
                    <div><dt>{t.gave_tokens}</dt><dd>{format::count(gave.tokens)}</dd></div>
                    <div><dt>{t.gave_bytes}</dt><dd><bdi>{format::bytes(gave.bytes)}</bdi></dd></div>
                </dl>
                <p class="quiet" title=gave.signer.clone()>{fill(t.site_signed, &values)}</p>
            }
        })
    };
    view! {
        <article class="site" data-testid="site" data-site=site.key.clone()>
            <p class="row"><code class="key-id" dir="ltr">{site.key.clone()}</code></p>
            {figures}
            <p class="quiet">{t.site_snippet}</p>
            <div class="row snippet">
                <pre dir="ltr" tabindex="0" data-testid="site-snippet"><code>{move || snippet.get()}</code></pre>
                <CopyButton text=snippet />
            </div>
            <p class="quiet">{t.site_policy} " " <code dir="ltr">{policy}</code></p>
            <label class="stack">{t.site_origins}
                <textarea class="field" dir="ltr" rows="2" spellcheck="false" prop:value=move || origins.get()
                    on:input:target=move |event| origins.set(event.target().value())></textarea>
            </label>
            <div class="row wrap">
                <button type="button" class="button" data-testid="site-save" on:click=save>{t.site_save}</button>
                <button type="button" class="button" data-testid="site-count" on:click=move |_| spawn_local(count())>{t.site_recount}</button>
                <button type="button" class="button danger" data-testid="site-forget" on:click=forget>{t.site_forget}</button>
            </div>
            {move || fault.get().map(|fault| view! { <FaultNotice fault=fault /> })}
        </article>
    }
}

/// One origin per line, as people paste them: a slash at the end is no part of it.
fn lines(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| line.trim().trim_end_matches('/').to_lowercase())
        .filter(|line| !line.is_empty())
        .collect()
}

//! The signed catalogue: models of the world outside, one click each.
//! Says what is not known: which files nobody here has read, and which sites do not answer.

use leptos::prelude::*;

use super::model_facts::{FitTag, facts, said};
use super::{FaultNotice, Icon, icon};
use crate::catalogue::{Catalogue, Entry};
use crate::context::{app, words};
use crate::format;
use crate::i18n::fill;
use crate::source::Source;

#[component]
pub fn CatalogueList() -> impl IntoView {
    let t = words();
    let shelf = app().shelf;
    shelf.open_catalogue();
    let list = move || match shelf.catalogue.get() {
        None => view! { <p class="quiet" role="status">{t.job_begins}</p> }.into_any(),
        Some(Err(fault)) => view! { <FaultNotice fault=fault /> }.into_any(),
        Some(Ok(catalogue)) => entries(catalogue).into_any(),
    };
    view! {
        <section class="card" aria-labelledby="catalogue-title">
            <h2 id="catalogue-title">{t.catalogue_title}</h2>
            <p>{t.catalogue_text}</p>
            {list}
        </section>
    }
}

fn entries(catalogue: Catalogue) -> impl IntoView {
    let t = words();
    let lines = catalogue
        .models
        .into_iter()
        .map(|entry| view! { <Line entry=entry /> })
        .collect::<Vec<_>>();
    view! {
        <ul class="catalogue plain-list">{lines}</ul>
        <p class="quiet">{fill(t.catalogue_signed, &[("date", &catalogue.date)])}</p>
    }
}

#[component]
fn Line(entry: Entry) -> impl IntoView {
    let t = words();
    let shelf = app().shelf;
    let Ok(source) = Source::parse(&entry.source) else {
        return ().into_any();
    };
    let site = source.url.split('/').nth(2).unwrap_or_default().to_owned();
    let [_, memory, license] = facts(entry.bytes, &entry.license);
    let facts = [
        t.isolate(&parameters(entry.parameters_m)),
        fill(t.about_size, &[("n", &format::bytes(entry.bytes))]),
        said(memory),
        said(license),
        t.isolate(&entry.languages),
        t.isolate(&site),
    ]
    .join(" · ");
    let pinned = if entry.model.is_some() {
        None
    } else {
        Some(t.catalogue_unpinned)
    };
    let name = entry.name.clone();
    let label = format!("{}: {}", t.catalogue_get, entry.name);
    let source = StoredValue::new(source);
    let here = Memo::new(move |_| {
        let url = source.with_value(|source| source.url.clone());
        shelf
            .kept
            .with(|kept| kept.models.iter().any(|kept| kept.sources.contains(&url)))
    });
    let busy = Memo::new(move |_| {
        shelf
            .jobs
            .with(|jobs| source.with_value(|source| jobs.contains_key(&source.url)))
    });
    let license = entry.license;
    let button = move || {
        let (name, license, label) = (name.clone(), license.clone(), label.clone());
        if here.get() {
            view! { <span class="tag good">{t.kept_whole}</span> }.into_any()
        } else {
            view! {
                <button type="button" class="button" data-testid="catalogue-get" aria-label=label disabled=move || busy.get()
                    on:click=move |_| shelf.import_url(source.get_value(), &name, Some(license.clone()))>{icon(Icon::Fetch)} {t.catalogue_get}</button>
            }
            .into_any()
        }
    };
    view! {
        <li class="catalogue-item" data-testid="catalogue-item" data-source=entry.source.clone()>
            <div>
                <h3><bdi>{entry.name.clone()}</bdi></h3>
                <p class="quiet">{facts}</p>
                <p class="tags"><FitTag bytes=entry.bytes />{pinned.map(|words| view! { <span class="tag">{words}</span> })}</p>
            </div>
            {button}
        </li>
    }
    .into_any()
}

/// `135 M`, `1.7 B`: as everybody writes them.
fn parameters(millions: u32) -> String {
    if millions < 1000 {
        format!("{millions} M")
    } else {
        format!("{:.1} B", f64::from(millions) / 1000.0)
    }
}

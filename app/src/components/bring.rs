//! Brings a model into this browser: a file from the disk, dropped or chosen, or an address.
//! Nothing of it leaves the browser; the file is described and kept here.

use leptos::html;
use leptos::prelude::*;

use super::{Icon, JobLine, icon};
use crate::browser::files;
use crate::context::{app, words};
use crate::i18n::Words;
use crate::shelf::Task;
use crate::source::{Source, SourceError};

#[component]
pub fn Bring() -> impl IntoView {
    let t = words();
    let shelf = app().shelf;
    let address = RwSignal::new(String::new());
    let fault = RwSignal::new(None::<SourceError>);
    let over = RwSignal::new(false);
    let input = NodeRef::<html::Input>::new();
    let open = move || match Source::parse(&address.get_untracked()) {
        Ok(source) => {
            fault.set(None);
            address.set(String::new());
            let name = source.file_name.clone();
            // The name that the file gives itself is the better one; this is what the line says until then.
            shelf.import_named(source, name);
        }
        Err(error) => fault.set(Some(error)),
    };
    let take = move |file: Option<web_sys::File>| {
        if let Some(file) = file {
            shelf.import_file(file);
        }
    };
    let keys = Memo::new(move |_| {
        shelf.jobs.with(|jobs| {
            let outside = jobs
                .iter()
                .filter(|(_, job)| matches!(job.task, Task::Url { .. } | Task::File(_)));
            outside.map(|(key, _)| key.clone()).collect::<Vec<_>>()
        })
    });
    view! {
        <section class="card" aria-labelledby="bring-title">
            <h2 id="bring-title">{t.bring_title}</h2>
            <p>{t.bring_text}</p>
            <div class="drop" class:over=move || over.get() data-testid="model-drop"
                on:dragover=move |event| {
                    event.prevent_default();
                    over.set(true);
                }
                on:dragleave=move |_| over.set(false)
                on:drop=move |event| {
                    event.prevent_default();
                    over.set(false);
                    take(event.data_transfer().and_then(|data| data.files()).and_then(|files| files.get(0)));
                }>
                <label class="button file-button">
                    {icon(Icon::Plus)} {t.bring_file}
                    <input class="sr-only" type="file" accept=".gguf" data-testid="model-file" node_ref=input
                        on:change=move |_| take(input.get_untracked().and_then(|input| files::chosen(&input))) />
                </label>
                <span class="quiet">{t.bring_drop}</span>
            </div>
            <form class="row wrap bring-address" on:submit=move |event| {
                event.prevent_default();
                open();
            }>
                <label class="grow">
                    <span class="sr-only">{t.bring_address}</span>
                    <input class="field" type="text" dir="ltr" inputmode="url" autocomplete="off" spellcheck="false"
                        placeholder="hf:owner/repo/file.gguf" aria-label=t.bring_address data-testid="model-url"
                        aria-invalid=move || fault.get().is_some().to_string()
                        prop:value=move || address.get() on:input:target=move |event| address.set(event.target().value()) />
                </label>
                <button type="submit" class="button" data-testid="model-open-url">{t.bring_open}</button>
            </form>
            {move || fault.get().map(|error| view! { <p class="notice bad" role="alert" data-testid="model-url-error">{sentence(t, error)}</p> })}
            {move || keys.get().into_iter().map(|key| view! { <JobLine key=key named=true /> }).collect::<Vec<_>>()}
        </section>
    }
}

fn sentence(t: &'static Words, error: SourceError) -> &'static str {
    match error {
        SourceError::Unreadable => t.address_unreadable,
        SourceError::NotHttps => t.address_not_https,
        SourceError::HuggingFace => t.address_hf,
        SourceError::NotGguf => t.address_not_gguf,
    }
}

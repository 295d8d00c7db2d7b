//! What keeps the key that lending earns for: the home screen, where browsers clear nothing, and a backup.
//! It is offered when lending begins, before anything is earned, until it was done or put away.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::{Icon, icon};
use crate::browser::home::{self, Way};
use crate::context::{app, words};
use crate::lending::lending;
use crate::view::Backup;

#[component]
pub fn Keeping() -> impl IntoView {
    let t = words();
    let app = app();
    let lending = lending();
    let way = RwSignal::new(home::way());
    for event in ["beforeinstallprompt", "appinstalled"] {
        let heard = window_event_listener_untyped(event, move |_| way.set(home::way()));
        on_cleanup(move || heard.remove());
    }
    let key = Memo::new(move |_| {
        app.node
            .snapshot
            .with(|snapshot| snapshot.backup == Backup::Possible)
    });
    let shown = Memo::new(move |_| {
        let put_away = app.settings.with(|settings| settings.keeping_put_away);
        !put_away && (lending.is_on() || key.get()) && (way.get().is_some() || key.get())
    });
    let install = move |_| {
        spawn_local(async move {
            home::take_offer().await;
            way.try_set(home::way());
        });
    };
    let put_away = move |_| app.settings.update(|settings| settings.keeping_put_away = true);
    let by = move || {
        way.get().map(|way| match way {
            Way::Offer => {
                view! { <button type="button" class="button primary" data-testid="keeping-install" on:click=install>{t.keeping_install}</button> }.into_any()
            }
            Way::ShareMenu => view! { <p data-testid="keeping-share">{t.keeping_share}</p> }.into_any(),
        })
    };
    move || {
        shown.get().then(|| {
            view! {
                <section class="card" aria-labelledby="keeping-title" data-testid="keeping">
                    <h2 id="keeping-title">{t.keeping}</h2>
                    <p>{t.keeping_text}</p>
                    <div class="row wrap">
                        {by}
                        {move || key.get().then(|| view! { <a class="button" href="/keys" data-testid="keeping-backup">{icon(Icon::Key)} {t.keeping_backup}</a> })}
                        <button type="button" class="button" data-testid="keeping-close" on:click=put_away>{t.keeping_close}</button>
                    </div>
                </section>
            }
        })
    }
}

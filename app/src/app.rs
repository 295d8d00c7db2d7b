//! The frame around every screen: navigation, connection, consent, the keyboard, and which screen is where.
//! Holds no state of its own beyond what is open.

use std::time::Duration;

use leptos::ev;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::components::{Route, Router, Routes};
use leptos_router::hooks::{use_location, use_navigate};
use leptos_router::path;

use crate::browser::{focus, page};
use crate::components::{
    ConnectionPill, ConsentDialog, DeleteChat, History, Icon, Mark, ShortcutSheet, icon,
};
use crate::context::{App, app, words};
use crate::conversation::Role;
use crate::lending::Lending;
use crate::pages;
use crate::view::Connection;

/// How long another screen, or the drawer, needs before it can take the focus.
const SHOWS_AFTER: Duration = Duration::from_millis(50);
/// What opens the drawer, and the drawer.
const MENU: &str = "menu";
const SIDE: &str = "side";

#[component]
pub fn Root() -> impl IntoView {
    let app = App::start();
    provide_context(app);
    provide_context(Lending::new(app));
    page::remove_boot_sign();
    focus::keep();
    view! {
        <Router>
            {move || {
                // Words do not change under a screen: another language draws it anew.
                provide_context(app.language.get());
                view! { <Frame /> }
            }}
        </Router>
    }
}

#[component]
fn Frame() -> impl IntoView {
    let t = words();
    let app = app();
    let search = RwSignal::new(String::new());
    let renaming = RwSignal::new(None::<String>);
    let deleting = RwSignal::new(None::<String>);
    let collapsed = RwSignal::new(false);
    let navigate = use_navigate();
    let new_chat = {
        let navigate = navigate.clone();
        move || {
            app.chats.open_new();
            app.drawer.set(false);
            navigate("/", Default::default());
            // From another screen, the chat takes its place a moment after the address.
            focus_soon("chat-input");
        }
    };
    let on_new = {
        let new_chat = new_chat.clone();
        move |_| new_chat()
    };
    let help = RwSignal::new(false);
    keyboard(
        new_chat,
        Sheets {
            renaming,
            deleting,
            collapsed,
            help,
        },
    );
    let busy = Signal::derive(move || app.chats.is_running());
    // Offline for a reason: not only because the page has just been opened.
    let unreachable = Memo::new(move |_| {
        app.node
            .snapshot
            .with(|s| s.connection == Connection::Offline && s.reason.is_some())
    });
    let location = use_location();
    Effect::new(move || {
        let name = location.pathname.with(|path| {
            places(true)
                .into_iter()
                .find(|place| place.0 == path)
                .map(|place| place.1)
        });
        page::set_title(name);
        page::to_top("main");
    });
    // What held the focus in the drawer goes out of sight with it; on a desk the button does, and nothing moves.
    Effect::new(move |was: Option<bool>| {
        let open = app.drawer.get();
        if was == Some(true) && !open && page::has_focus_within(SIDE) {
            page::focus(MENU);
        }
        open
    });
    let on_leave = move |event: web_sys::FocusEvent| {
        // The veil closes the drawer by itself, once it was clicked.
        if page::is_outside(event.related_target(), ".side, .veil, dialog") {
            app.drawer.set(false);
        }
    };
    view! {
        <a class="skip" href="#main">{t.skip}</a>
        <div class="frame" class:drawer-open=move || app.drawer.get() class:collapsed=move || collapsed.get()>
            <aside id=SIDE class="side" tabindex="-1" on:focusout=on_leave>
                <a class="brand" href="/" on:click=move |_| app.drawer.set(false)>
                    <Mark busy=busy />
                    <span translate="no">"Manyhands"</span>
                </a>
                <button type="button" class="button new-chat" on:click=on_new>{icon(Icon::Plus)} {t.new_chat}</button>
                <nav class="side-nav" aria-label=t.nav>{links(true)}</nav>
                <History search=search renaming=renaming deleting=deleting />
            </aside>
            <button type="button" class="veil" aria-label=t.close tabindex="-1" on:click=move |_| app.drawer.set(false)></button>
            <div class="stage">
                <header class="top">
                    <button type="button" id=MENU class="icon-button menu" aria-label=t.menu title=t.menu
                        aria-controls=SIDE aria-expanded=move || app.drawer.get().to_string()
                        on:click=move |_| {
                            app.drawer.update(|open| *open = !*open);
                            collapsed.set(false);
                            if app.drawer.get_untracked() {
                                focus_soon(SIDE);
                            }
                        }>{icon(Icon::Menu)}</button>
                    <span class="top-swarm" dir="auto">{move || app.node.snapshot.with(|s| s.swarm.as_ref().map(|swarm| swarm.name.clone()))}</span>
                    <ConnectionPill />
                </header>
                {move || unreachable.get().then(|| view! { <p class="banner" role="status">{t.err_relay_unreachable}</p> })}
                <main id="main" tabindex="-1">
                    <Routes fallback=|| view! { <p class="page lead">{words().not_found}</p> }>
                        <Route path=path!("/") view=pages::ChatPage />
                        <Route path=path!("/lend") view=|| view! { <pages::LendPage invited=false /> } />
                        <Route path=path!("/join") view=|| view! { <pages::LendPage invited=true /> } />
                        <Route path=path!("/swarm") view=pages::SwarmPage />
                        <Route path=path!("/models") view=pages::ModelsPage />
                        <Route path=path!("/keys") view=pages::KeysPage />
                        <Route path=path!("/settings") view=pages::SettingsPage />
                    </Routes>
                </main>
                <nav class="tabs" aria-label=t.nav>{links(false)}</nav>
            </div>
        </div>
        <ConsentDialog />
        <DeleteChat deleting=deleting />
        <ShortcutSheet open=help />
    }
}

/// Gives the focus to what is there, or will be in a moment.
fn focus_soon(id: &'static str) {
    page::focus(id);
    if !page::has_focus_within(id) {
        set_timeout(move || page::focus(id), SHOWS_AFTER);
    }
}

/// The screens in the order of the navigation; names are shorter where there is little room.
fn places(whole: bool) -> [(&'static str, &'static str, Icon); 6] {
    let t = words();
    [
        ("/", t.nav_chat, Icon::Chat),
        (
            "/lend",
            if whole { t.nav_lend } else { t.nav_lend_short },
            Icon::Hand,
        ),
        ("/swarm", t.nav_swarm, Icon::Swarm),
        ("/models", t.nav_models, Icon::Model),
        ("/keys", t.nav_keys, Icon::Key),
        ("/settings", t.nav_settings, Icon::Settings),
    ]
}

fn links(whole: bool) -> impl IntoView {
    let app = app();
    let path = use_location().pathname;
    places(whole)
        .into_iter()
        .map(|(href, label, symbol)| {
            let here = move || {
                path.with(|path| path == href || (href == "/lend" && path == "/join"))
                    .then_some("page")
            };
            view! {
                <a class="nav-link" href=href aria-current=here on:click=move |_| app.drawer.set(false)>
                    {icon(symbol)}
                    <span>{label}</span>
                </a>
            }
        })
        .collect_view()
}

/// What the keyboard opens and closes.
#[derive(Clone, Copy)]
struct Sheets {
    renaming: RwSignal<Option<String>>,
    deleting: RwSignal<Option<String>>,
    collapsed: RwSignal<bool>,
    help: RwSignal<bool>,
}

/// The shortcuts that people know from other chats; `ShortcutList` names them all.
fn keyboard(new_chat: impl Fn() + 'static, sheets: Sheets) {
    let app = app();
    let Sheets {
        renaming,
        deleting,
        collapsed,
        help,
    } = sheets;
    let last_answer = move || {
        untrack(|| {
            app.chats.with_current(|conversation| {
                let path = conversation.path();
                let last = path.last().and_then(|id| conversation.message(*id));
                last.filter(|message| message.role == Role::Assistant).cloned()
            })
        })
        .flatten()
    };
    let handle = window_event_listener(ev::keydown, move |event| {
        let command = event.ctrl_key() || event.meta_key();
        let current = app.chats.current.get_untracked();
        match (
            command,
            event.shift_key(),
            event.key().to_ascii_lowercase().as_str(),
        ) {
            (true, true, "o") => new_chat(),
            (true, true, "e") => {
                app.drawer.set(true);
                collapsed.set(false);
                renaming.set(current);
            }
            (true, true, "d") => deleting.set(current),
            (true, false, "k") => {
                app.drawer.set(true);
                collapsed.set(false);
                focus_soon("history-search");
            }
            (true, true, "enter") => {
                if let Some(answer) = last_answer() {
                    spawn_local(app.chats.go_on(app, answer.id));
                }
            }
            (true, true, "c") => {
                if let Some(answer) = last_answer() {
                    spawn_local(async move { _ = page::copy(&answer.text).await });
                }
            }
            (true, _, "/") => help.update(|open| *open = !*open),
            (true, false, "b") => collapsed.update(|collapsed| *collapsed = !*collapsed),
            (false, false, "escape") if page::is_taken(&event) => return,
            (false, false, "escape") if app.drawer.get_untracked() => app.drawer.set(false),
            (false, false, "escape") if app.chats.live.with_untracked(Option::is_some) => app.chats.stop(),
            _ => return,
        }
        event.prevent_default();
    });
    on_cleanup(move || handle.remove());
}

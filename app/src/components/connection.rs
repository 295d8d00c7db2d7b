//! Whether the node reaches its relay, on every screen.
//! Only shows it; reconnecting is the node's work.

use leptos::prelude::*;

use crate::context::{app, words};
use crate::view::Connection;

#[component]
pub fn ConnectionPill() -> impl IntoView {
    let t = words();
    let snapshot = app().node.snapshot;
    let connection = Memo::new(move |_| snapshot.with(|snapshot| snapshot.connection));
    let text = move || match connection.get() {
        Connection::Offline => t.conn_offline,
        Connection::Connecting => t.conn_connecting,
        Connection::Online => t.conn_online,
    };
    let reason = move || snapshot.with(|snapshot| snapshot.reason.clone());
    view! {
        <span class="pill" role="status" data-testid="connection" data-state=move || connection.get().word() title=reason>
            <span class="dot" aria-hidden="true">{""}</span>
            {text}
        </span>
    }
}

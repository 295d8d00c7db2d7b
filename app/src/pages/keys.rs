//! Keys: who this browser is, what its person agreed to, the swarms and the sites that are theirs.
//! Arranges only; each part is a component.

use leptos::prelude::*;

use crate::components::{Agreements, Identity, MySites, MySwarms, RelayLink};
use crate::context::words;

#[component]
pub fn KeysPage() -> impl IntoView {
    let t = words();
    view! {
        <div class="page">
            <header class="page-head">
                <h1>{t.keys_title}</h1>
                <p class="lead">{t.keys_lead}</p>
            </header>
            <RelayLink is_claim=true />
            <Identity />
            <MySwarms />
            <Agreements />
            <MySites />
        </div>
    }
}

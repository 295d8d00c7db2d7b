//! The question without which nothing of another's is used and nothing is lent.
//! It records the answer through `context`; it starts nothing itself.

use leptos::prelude::*;

use super::{Dialog, Icon, icon};
use crate::consent::Purpose;
use crate::context::{app, words};

#[component]
pub fn ConsentDialog() -> impl IntoView {
    let app = app();
    move || {
        app.asking
            .get()
            .map(|purpose| view! { <Question purpose=purpose /> })
    }
}

#[component]
fn Question(purpose: Purpose) -> impl IntoView {
    let t = words();
    let app = app();
    let (title, lines, yes, symbol) = match purpose {
        Purpose::Lend => (
            t.consent_lend_title,
            [t.consent_lend_1, t.consent_lend_2, t.consent_lend_3],
            t.consent_lend_yes,
            Icon::Hand,
        ),
        Purpose::Swarm => (
            t.consent_swarm_title,
            [t.consent_swarm_1, t.consent_swarm_2, t.consent_swarm_3],
            t.consent_swarm_yes,
            Icon::Globe,
        ),
        Purpose::Members => (
            t.consent_members_title,
            [t.consent_members_1, t.consent_members_2, t.consent_swarm_3],
            t.consent_members_yes,
            Icon::Devices,
        ),
    };
    let answer = move |agreed| app.answer_consent(agreed);
    view! {
        <Dialog
            labelled_by="consent-title"
            on_cancel=Callback::new(move |()| answer(false))
            testid="consent-dialog"
            about=purpose.word()
        >
            <div class="dialog-sign">{icon(symbol)}</div>
            <h2 id="consent-title">{title}</h2>
            <ul class="consent-lines" data-among=purpose.among()>
                {lines.into_iter().map(|line| view! { <li>{line}</li> }).collect_view()}
            </ul>
            <p class="quiet">{t.consent_until}</p>
            <div class="dialog-actions">
                <button type="button" class="button" data-testid="consent-decline" on:click=move |_| answer(false)>
                    {t.consent_no}
                </button>
                <button type="button" class="button primary" data-testid="consent-accept" on:click=move |_| answer(true)>
                    {yes}
                </button>
            </div>
        </Dialog>
    }
}

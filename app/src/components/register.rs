//! The register of one swarm: who is in it with which role, what may be tried, and the words of the register when it
//! says no. It knows no rules: every attempt is signed and tried.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::code::CopyButton;
use super::qr_code::QrCode;
use super::{FaultNotice, Policy};
use crate::browser::page;
use crate::context::{App, app, words};
use crate::i18n::{Words, fill};
use crate::state::{Attempt, MemberInfo, SwarmCard};
use crate::view::Fault;
use crate::{format, proquint};

const ROLES: [&str; 4] = ["worker", "coordinator", "admin", "owner"];

/// A role in the language of the screen.
pub fn role_word(t: &'static Words, role: Option<&str>) -> &'static str {
    match role {
        Some("owner") => t.role_owner,
        Some("admin") => t.role_admin,
        Some("coordinator") => t.role_coordinator,
        Some("worker") => t.role_worker,
        _ => t.role_none,
    }
}

/// What every part of a register needs: which swarm, how to try something, what came of it.
#[derive(Clone, Copy)]
struct Desk {
    app: App,
    swarm: StoredValue<String>,
    fault: RwSignal<Option<Fault>>,
}

impl Desk {
    fn attempt(self, attempt: Attempt) {
        let app = self.app;
        spawn_local(async move {
            let result = app.node.attempt(self.swarm.get_value(), attempt).await;
            self.fault.try_set(result.err());
            app.read_swarms().await;
        });
    }
}

#[component]
pub fn Register(card: Memo<SwarmCard>, opened: RwSignal<Option<String>>) -> impl IntoView {
    let t = words();
    let app = app();
    let desk = Desk {
        app,
        swarm: StoredValue::new(card.with_untracked(|card| card.id.clone())),
        fault: RwSignal::new(None),
    };
    let members = move || {
        card.with(|card| {
            card.members
                .iter()
                .map(|member| view! { <MemberRow member=member.clone() desk=desk /> })
                .collect::<Vec<_>>()
        })
    };
    let blocked = move || {
        card.with(|card| {
            (!card.blocked.is_empty()).then(|| {
                let rows = card.blocked.iter().cloned().map(|id| {
                    let name = format::short_id(&id);
                    let unblock = move |_| desk.attempt(Attempt::Unblock { member: id.clone() });
                    view! { <li class="row"><code dir="ltr">{name}</code> <button type="button" class="button small" on:click=unblock>{t.unblock}</button></li> }
                });
                view! { <h3>{t.blocked_members}</h3> <ul class="plain-list">{rows.collect::<Vec<_>>()}</ul> }
            })
        })
    };
    let offer = move || {
        card.with(|card| {
            card.offered.map(|role| view! {
                <p class="notice">{fill(t.offered_you, &[("role", role_word(t, Some(role)))])}
                    <button type="button" class="button" data-testid="role-accept" on:click=move |_| desk.attempt(Attempt::Accept)>{t.accept_role}</button>
                </p>
            })
        })
    };
    let halted = move || {
        card.with(|card| match &card.halted {
            Some(why) => view! {
                <p class="notice bad" role="status">{fill(t.halted, &[("why", why)])}
                    <button type="button" class="button" data-testid="swarm-lift" on:click=move |_| desk.attempt(Attempt::Lift)>{t.lift}</button>
                </p>
            }
            .into_any(),
            None => view! {
                <button type="button" class="button danger" data-testid="swarm-halt"
                    on:click=move |_| desk.attempt(Attempt::Halt { reason: String::new() })>{t.halt}</button>
            }
            .into_any(),
        })
    };
    let leave = move |_| {
        spawn_local(async move {
            if let Err(failed) = app.node.leave_swarm(desk.swarm.get_value()).await {
                desk.fault.try_set(Some(failed));
                return;
            }
            opened.set(None);
            app.read_swarms().await;
        });
    };
    let published = move || {
        let last = card.with(|card| {
            app.node
                .snapshot
                .with(|snapshot| snapshot.published.get(&card.id).copied())
        })?;
        let n = last.to_string();
        Some(
            view! { <p class="quiet" data-testid="register-published" data-sequence=n.clone()>{fill(t.register_published, &[("n", &n)])}</p> },
        )
    };
    view! {
        <div class="register" data-testid="register">
            {offer}
            {move || desk.fault.get().map(|fault| view! { <FaultNotice fault=fault /> })}
            <h3>{t.members}</h3>
            <ul class="plain-list members">{members}</ul>
            {blocked}
            {published}
            <Grant desk=desk />
            <Invites desk=desk />
            <Policy swarm=desk.swarm policy=Signal::derive(move || card.with(|card| card.policy.clone())) />
            <div class="row wrap">
                {halted}
                <button type="button" class="button" data-testid="swarm-resign" on:click=move |_| desk.attempt(Attempt::Resign)>{t.resign}</button>
                <button type="button" class="button danger" on:click=leave>{t.leave_swarm}</button>
            </div>
        </div>
    }
}

#[component]
fn MemberRow(member: MemberInfo, desk: Desk) -> impl IntoView {
    let t = words();
    let tag = app().language.get_untracked().tag();
    let id = member.id.clone();
    let said = {
        let held = role_word(t, member.role).to_owned();
        let offered = member
            .offered
            .map(|role| fill(t.role_offered, &[("role", role_word(t, Some(role)))]));
        let until = member
            .until_ms
            .map(|ms| fill(t.role_until, &[("date", &page::date(ms, tag))]));
        [member.role.map(|_| held), offered, until]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" · ")
    };
    let rank = |role: Option<&str>| ROLES.iter().position(|known| Some(*known) == role);
    let now = rank(member.role).max(rank(member.offered));
    let shown = now.and_then(|now| ROLES.get(now).copied()).unwrap_or_default();
    let change = {
        let id = id.clone();
        move |event: web_sys::Event| {
            let role = event_target_value(&event);
            // What stands there stays the register's word: a change draws the row anew, a refusal does not.
            event_target::<web_sys::HtmlSelectElement>(&event).set_value(shown);
            let member = id.clone();
            let attempt = if rank(Some(&role)) > now {
                Attempt::Promote { member, role }
            } else {
                Attempt::Demote { member, role }
            };
            desk.attempt(attempt);
        }
    };
    let options = ROLES.map(|role| {
        let selected = rank(Some(role)) == now;
        view! { <option value=role selected=selected>{role_word(t, Some(role))}</option> }
    });
    let press = move |make: fn(String) -> Attempt| {
        let id = id.clone();
        move |_| desk.attempt(make(id.clone()))
    };
    let words = proquint::words(&member.id)
        .into_iter()
        .take(2)
        .collect::<Vec<_>>()
        .join(" ");
    view! {
        <li class="member" data-testid="member" data-member=member.id.clone() data-role=member.role data-offered=member.offered>
            <div class="grow">
                <p><span dir="ltr" translate="no" title=member.id.clone()>{words}</span> {member.me.then(|| view! { <span class="tag">{t.member_you}</span> })}</p>
                <p class="quiet">{said}</p>
            </div>
            <label><span class="sr-only">{t.change_role}</span>
                <select class="field" data-testid="member-role" on:change=change>{options.into_iter().collect_view()}</select>
            </label>
            <button type="button" class="button small" data-testid="member-kick" on:click=press(|member| Attempt::Kick { member })>{t.kick}</button>
            <button type="button" class="button small" data-testid="member-revoke" title=t.revoke_hint on:click=press(|member| Attempt::Revoke { member })>{t.revoke}</button>
            <button type="button" class="button small danger" data-testid="member-block" on:click=press(|member| Attempt::Block { member })>{t.block}</button>
        </li>
    }
}

/// A role for somebody whose key is known.
#[component]
fn Grant(desk: Desk) -> impl IntoView {
    let t = words();
    let key = RwSignal::new(String::new());
    let role = RwSignal::new("worker".to_owned());
    let grant = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        desk.attempt(Attempt::Grant {
            key: key.get_untracked(),
            role: role.get_untracked(),
            days: None,
        });
    };
    view! {
        <h3>{t.grant}</h3>
        <form class="row wrap" on:submit=grant>
            <label class="grow">
                <span class="sr-only">{t.member_key}</span>
                <input class="field" dir="ltr" data-testid="grant-key" placeholder=t.member_key autocomplete="off" spellcheck="false"
                    on:input:target=move |event| key.set(event.target().value()) />
            </label>
            <RoleChoice role=role testid="grant-role" />
            <button type="submit" class="button" data-testid="grant" disabled=move || key.with(|k| k.trim().is_empty())>{t.grant_do}</button>
        </form>
    }
}

/// A role for whoever has the link first, and the register alone for devices and members that fell behind.
#[component]
fn Invites(desk: Desk) -> impl IntoView {
    let t = words();
    let app = app();
    let role = RwSignal::new("worker".to_owned());
    let made = RwSignal::new(None::<(bool, String)>);
    let make = move |secret: bool| {
        spawn_local(async move {
            let swarm = desk.swarm.get_value();
            let result = if secret {
                app.node.invite_to_swarm(swarm, role.get_untracked()).await
            } else {
                app.node.share_swarm(swarm).await
            };
            match result {
                Ok(token) => {
                    desk.fault.try_set(None);
                    made.try_set(Some((secret, format!("{}/keys#{token}", page::origin()))));
                }
                Err(failed) => drop(desk.fault.try_set(Some(failed))),
            }
            app.read_swarms().await;
        });
    };
    view! {
        <h3>{t.invite_role}</h3>
        <div class="row wrap">
            <RoleChoice role=role testid="invite-role" />
            <button type="button" class="button" data-testid="invite-make" on:click=move |_| make(true)>{t.invite_make}</button>
            <button type="button" class="button" data-testid="register-share" on:click=move |_| make(false)>{t.register_share}</button>
        </div>
        {move || made.get().map(|(secret, link)| view! {
            <p class="quiet">{if secret { t.invite_secret } else { t.register_share_text }}</p>
            <p class="row">
                <code class="key-id link" dir="ltr" data-testid="invite-token">{link.clone()}</code>
                <CopyButton text=Signal::stored(link.clone()) />
            </p>
            <QrCode text=link label=t.invite_qr large=true />
        })}
    }
}

#[component]
fn RoleChoice(role: RwSignal<String>, testid: &'static str) -> impl IntoView {
    let t = words();
    let options = ROLES.map(|each| {
        view! { <option value=each selected=move || role.with(|role| role == each)>{role_word(t, Some(each))}</option> }
    });
    view! {
        <label>
            <span class="sr-only">{t.role}</span>
            <select class="field" data-testid=testid on:change:target=move |event| role.set(event.target().value())>{options.into_iter().collect_view()}</select>
        </label>
    }
}

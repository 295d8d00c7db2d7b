//! Where an answer was computed: one line, and behind it every device on the way.
//! Always in the document, folded or not; judges nothing.

use std::collections::BTreeSet;

use leptos::prelude::*;

use super::{Icon, icon};
use crate::context::words;
use crate::conversation::{MEMBERS, Message};
use crate::format;
use crate::i18n::fill;
use crate::view::{Hop, Route};

#[component]
pub fn RouteSheet(message: Message) -> impl IntoView {
    let t = words();
    let route = message.route.clone().unwrap_or_default();
    let peers = route
        .hops
        .iter()
        .filter(|hop| !hop.peer.is_empty())
        .map(|hop| hop.peer.as_str())
        .collect::<BTreeSet<_>>();
    let mode = message.mode.as_deref();
    let (mine, members) = (mode == Some("mine"), mode == Some(MEMBERS));
    let strangers = !peers.is_empty() && !mine && !members;
    let count = peers.len().to_string();
    let (label, symbol) = if peers.is_empty() {
        (t.route_local.to_owned(), Icon::Device)
    } else if mine {
        (fill(t.route_mine, &[("n", &count)]), Icon::Devices)
    } else if members {
        (fill(t.route_members, &[("n", &count)]), Icon::Devices)
    } else {
        (fill(t.route_swarm, &[("n", &count)]), Icon::Globe)
    };
    let facts: Vec<String> = [
        message.model.clone(),
        format::rate(message.tokens, message.ms),
        (message.ms > 0.0).then(|| format::duration_ms(message.ms)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let remote = route.remote_hops();
    view! {
        <details
            class="route"
            class:strangers=strangers
            data-testid="message-route"
            data-hops=remote.to_string()
            data-tokens=route.tokens.to_string()
            data-trips=route.trips.to_string()
            data-replays=route.replays.to_string()
            data-stall-ms=route.longest_stall_ms.to_string()
            data-decode-ms=route.decode_ms.to_string()
            on:toggle=show_whole
        >
            <summary>
                {icon(symbol)}
                <span>{label}</span>
                <span class="route-facts" dir="ltr">{facts.join(" · ")}</span>
            </summary>
            <div class="route-sheet">
                <h3>{t.route_title}</h3>
                {strangers.then(|| view! { <p>{t.route_read}</p> })}
                <ol class="hops">{hops(&route)}</ol>
                <p class="quiet">{fill(t.route_replays, &[("n", &route.replays.to_string())])}</p>
                {(route.longest_stall_ms > 0).then(|| {
                    let stall = format::duration_ms(route.longest_stall_ms as f64);
                    view! { <p class="quiet">{fill(t.route_stall, &[("n", &stall)])}</p> }
                })}
                {(route.trips > 0).then(|| {
                    let (tokens, trips) = (route.tokens.to_string(), route.trips.to_string());
                    view! { <p class="quiet">{fill(t.route_trips, &[("n", &tokens), ("trips", &trips)])}</p> }
                })}
                <p class="quiet">{fill(t.route_bytes, &[("n", &format::bytes(route.bytes))])}</p>
            </div>
        </details>
    }
}

/// What was just unfolded may lie below the edge of the screen.
fn show_whole(event: web_sys::Event) {
    let sheet: web_sys::HtmlElement = event_target(&event);
    if sheet.has_attribute("open") {
        sheet.scroll_into_view_with_bool(false);
    }
}

fn hops(route: &Route) -> Vec<AnyView> {
    route.hops.iter().map(hop).collect()
}

fn hop(hop: &Hop) -> AnyView {
    let t = words();
    let here = hop.peer.is_empty();
    let name = if here {
        t.this_device.to_owned()
    } else {
        format::short_id(&hop.peer)
    };
    let last = hop.end.saturating_sub(1);
    let range = fill(
        t.layers_range,
        &[("a", &hop.first.to_string()), ("b", &last.to_string())],
    );
    let what = [hop.backend.to_uppercase(), hop.adapter.clone()];
    let what: Vec<String> = what.into_iter().filter(|word| !word.is_empty()).collect();
    let facts = format!(" · {} {}", t.isolate(&format::duration_ms(hop.ms)), t.route_step);
    view! {
        <li
            class="hop"
            class:lost=hop.lost
            data-peer=hop.peer.clone()
            data-first=hop.first.to_string()
            data-last=last.to_string()
            data-backend=hop.backend.clone()
            data-adapter=hop.adapter.clone()
            data-ms=format!("{:.2}", hop.ms)
        >
            {icon(if here { Icon::Device } else { Icon::Globe })}
            <span class="hop-name" title=hop.peer.clone()><bdi>{name}</bdi></span>
            <span>{range}</span>
            <span class="quiet"><bdi>{what.join(" · ")}</bdi>{facts}</span>
            {hop.lost.then(|| view! { <span class="quiet">{t.route_lost}</span> })}
        </li>
    }
    .into_any()
}

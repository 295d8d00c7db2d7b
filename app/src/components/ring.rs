//! The picture of a model in the swarm: its layers on a circle, and an arc for each device that lends some.
//! Coordinates come from `crate::ring`; a table says the same in words.

use leptos::prelude::*;

use crate::context::words;
use crate::i18n::fill;
use crate::ring::{arc, lanes};
use crate::view::{Model, Worker, coverage};

/// Layers drawn one by one; more are drawn as gaps and arcs alone.
const MAX_TICKS: u32 = 160;
/// Colours that tell neighbours apart.
const TINTS: usize = 4;

#[component]
pub fn Ring(
    model: Model,
    workers: Vec<Worker>,
    own_peer: Option<String>,
    /// Peers that work just now.
    busy: Vec<String>,
) -> impl IntoView {
    let t = words();
    let found = coverage(&model, &workers);
    let layers = model.layers;
    let base = if layers <= MAX_TICKS {
        (0..layers).map(|layer| (layer, layer + 1)).collect()
    } else {
        vec![(0, layers)]
    };
    let ticks = base
        .into_iter()
        .map(|(first, end)| {
            let lent = !found.gaps.iter().any(|&(a, b)| a <= first && end <= b);
            view! { <path class="ring-layer" class:lent=lent d=arc(first, end, layers, 52.0)></path> }
        })
        .collect_view();
    let mine: Vec<&Worker> = workers.iter().filter(|worker| worker.model == model.id).collect();
    let ranges: Vec<(u32, u32)> = mine.iter().map(|worker| (worker.first, worker.end)).collect();
    let lanes = lanes(&ranges);
    // The picture is as large as its outermost lane.
    let reach = 62.0 + 7.0 * lanes.iter().copied().max().unwrap_or(0) as f64 + 5.0;
    let view_box = format!("-{reach} -{reach} {0} {0}", 2.0 * reach);
    let arcs = mine
        .iter()
        .zip(lanes)
        .enumerate()
        .map(|(at, (worker, lane))| {
            let own = own_peer.as_deref() == Some(worker.peer.as_str());
            let class = if own { "ring-arc own".to_owned() } else { format!("ring-arc tint-{}", at % TINTS) };
            let works = busy.contains(&worker.peer);
            view! { <path class=class class:works=works d=arc(worker.first, worker.end, layers, 62.0 + 7.0 * lane as f64)></path> }
        })
        .collect_view();
    let label = fill(t.swarm_ring, &[("model", &model.name)]);
    view! {
        <svg class="ring" viewBox=view_box role="img" aria-label=label>
            <g>{ticks}</g>
            <g>{arcs}</g>
            <text class="ring-count" y="2" text-anchor="middle">{format!("{}/{}", found.covered, found.layers)}</text>
            <text class="ring-words" y="18" text-anchor="middle">{t.layers}</text>
        </svg>
    }
}

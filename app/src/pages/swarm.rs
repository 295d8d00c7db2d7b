//! Who lends what: for each model how much of it is there, the gaps, a picture, and every device.
//! Shows the node's snapshot; it asks nobody.

use leptos::prelude::*;

use crate::components::{Icon, RelayCard, Ring, SwarmSwitch, icon};
use crate::context::{app, words};
use crate::format;
use crate::i18n::{Words, fill};
use crate::throughput;
use crate::view::{Coverage, LendState, Model, Snapshot, Worker, coverage};

#[component]
pub fn SwarmPage() -> impl IntoView {
    let t = words();
    let app = app();
    let shown = Memo::new(move |_| {
        app.node.snapshot.with(|snapshot| {
            (
                snapshot.models.clone(),
                snapshot.workers.clone(),
                snapshot.peer_id.clone(),
                working(snapshot),
            )
        })
    });
    let models = move || {
        let (models, workers, own, busy) = shown.get();
        models
            .into_iter()
            .map(|model| model_card(model, &workers, own.clone(), busy.clone()))
            .collect::<Vec<_>>()
    };
    let rows = move || {
        let (models, workers, own, _) = shown.get();
        if workers.is_empty() {
            return view! {
                <div class="empty">
                    <p>{t.swarm_empty}</p>
                    <a class="button primary" href="/lend">{icon(Icon::Hand)} {t.nav_lend}</a>
                </div>
            }
            .into_any();
        }
        let rows = workers
            .iter()
            .map(|worker| row(worker, &models, own.as_deref()))
            .collect::<Vec<_>>();
        view! {
            <div class="table" tabindex="0" role="region" aria-labelledby="devices-title">
                <table class="devices">
                    <thead>
                        <tr>
                            <th scope="col">{t.device}</th>
                            <th scope="col">{t.model}</th>
                            <th scope="col">{t.layers}</th>
                            <th scope="col">{t.backend}</th>
                            <th scope="col" class="end">{t.speed}</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    view! {
        <div class="page">
            <header class="page-head">
                <h1>{t.swarm_title}</h1>
                <p class="lead">{t.swarm_lead}</p>
            </header>
            <SwarmSwitch />
            {models}
            <section class="card" aria-labelledby="devices-title">
                <h2 id="devices-title">{t.devices}</h2>
                {rows}
            </section>
            <RelayCard />
        </div>
    }
}

/// Who computes just now, as far as this device knows: for its own answers, and itself for others.
fn working(snapshot: &Snapshot) -> Vec<String> {
    let own = snapshot
        .peer_id
        .iter()
        .filter(|_| snapshot.lend.state == LendState::Working);
    snapshot.busy.iter().chain(own).cloned().collect()
}

fn model_card(model: Model, workers: &[Worker], own: Option<String>, busy: Vec<String>) -> AnyView {
    let t = words();
    let found = coverage(&model, workers);
    let whole = found.gaps.is_empty();
    let share = format!(
        "{}%",
        format::percent(u64::from(found.covered), u64::from(found.layers))
    );
    let figures = fill(
        t.coverage,
        &[
            ("a", &found.covered.to_string()),
            ("b", &found.layers.to_string()),
        ],
    );
    let rate = throughput::tokens_per_s(&model, workers);
    let sentence = if whole {
        t.coverage_full.to_owned()
    } else {
        gaps(t, &found)
    };
    view! {
        <section class="card model-coverage">
            <Ring model=model.clone() workers=workers.to_vec() own_peer=own busy=busy />
            <div class="coverage" class:whole=whole data-testid="coverage" data-model=model.id.clone()
                data-covered=found.covered.to_string() data-layers=found.layers.to_string()>
                <h2><bdi>{model.name.clone()}</bdi></h2>
                <p class="coverage-figures">{figures}</p>
                <div class="progress" aria-hidden="true"><div class="progress-bar" style:inline-size=share>{""}</div></div>
                <p class="quiet">{sentence}</p>
                {rate.map(|rate| view! { <p class="quiet" data-testid="throughput">{fill(t.throughput, &[("rate", &format::tokens_per_s(rate))])}</p> })}
            </div>
        </section>
    }
    .into_any()
}

fn gaps(t: &'static Words, found: &Coverage) -> String {
    // More than these would be a wall of numbers.
    const SHOWN: usize = 6;
    let mut ranges: Vec<String> = found
        .gaps
        .iter()
        .take(SHOWN)
        .map(|(first, end)| {
            if end - first == 1 {
                first.to_string()
            } else {
                format!("{first}–{}", end - 1)
            }
        })
        .collect();
    if found.gaps.len() > SHOWN {
        ranges.push("…".to_owned());
    }
    fill(t.coverage_gap, &[("ranges", &ranges.join(", "))])
}

fn row(worker: &Worker, models: &[Model], own: Option<&str>) -> AnyView {
    let t = words();
    let name = models
        .iter()
        .find(|model| model.id == worker.model)
        .map_or_else(|| format::short_id(&worker.model), |m| m.name.clone());
    let here = own == Some(worker.peer.as_str());
    let last = worker.end.saturating_sub(1);
    let backend = match worker.backend.as_str() {
        "gpu" => t.backend_gpu,
        "cpu" => t.backend_cpu,
        _ => "–",
    };
    view! {
        <tr data-testid="peer-row" data-peer=worker.peer.clone() data-model=worker.model.clone()
            data-first=worker.first.to_string() data-last=last.to_string() data-mine=worker.mine.then_some("true")>
            <th scope="row" title=worker.peer.clone()>
                <bdi>{format::short_id(&worker.peer)}</bdi>
                {here.then(|| view! { <span class="tag">{t.this_device}</span> })}
                {(worker.mine && !here).then(|| view! { <span class="tag">{t.device_mine}</span> })}
            </th>
            <td><bdi>{name}</bdi></td>
            <td dir="ltr">{format!("{}–{last}", worker.first)}</td>
            <td>{backend}</td>
            <td class="end" dir="ltr">{format::tokens_per_s(worker.tokens_per_s)}</td>
        </tr>
    }
    .into_any()
}

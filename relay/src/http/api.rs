//! `/api/v1/…`: what the relay knows, as JSON (contract).
//! It does not change anything.

use std::{sync::Arc, time::Instant};

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use libp2p::{Multiaddr, PeerId};
use serde_json::{Value, json};

use super::{AppState, error::ApiError};
use crate::{clock, config::is_turn_url};

/// The relay's default swarm.
pub async fn swarm(State(state): State<Arc<AppState>>) -> Response {
    fresh(swarm_json(&state))
}

/// A swarm by its id.
pub async fn swarm_by_id(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    if id != state.swarm.id {
        return Err(ApiError::not_found("this relay does not know that swarm"));
    }
    Ok(fresh(swarm_json(&state)))
}

/// Who works on what.
pub async fn peers(State(state): State<Arc<AppState>>) -> Response {
    let models: Vec<(String, u32)> = state
        .models
        .all()
        .iter()
        .map(|model| (model.id.clone(), model.layers))
        .collect();
    let mut board = state.shared.board();
    board.expire(Instant::now());
    fresh(board.to_json(&models))
}

/// What workers announced, for whoever has just come.
pub async fn offers(State(state): State<Arc<AppState>>) -> Response {
    let mut board = state.shared.board();
    board.expire(Instant::now());
    fresh(board.told())
}

/// 200 as long as the process answers.
pub async fn livez() -> &'static str {
    "ok\n"
}

/// 200 while new visitors are welcome, 503 before everything listens and while draining.
pub async fn readyz(State(state): State<Arc<AppState>>) -> Response {
    if state.shared.is_ready() {
        "ok\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    }
}

/// An unknown address below `/api`.
pub async fn unknown() -> ApiError {
    ApiError::not_found("no such address; see /api/v1/swarm")
}

fn swarm_json(state: &AppState) -> Value {
    let models: Vec<Value> = state
        .models
        .all()
        .iter()
        .map(|model| {
            json!({
                "id": model.id,
                "name": model.name,
                "architecture": model.architecture,
                "layers": model.layers,
                "bytes": model.bytes,
                "sha256": model.sha256,
                "license": model.license,
                "description": model.description,
            })
        })
        .collect();
    let ice_servers: Vec<Value> = state
        .ice_servers
        .iter()
        .map(|url| ice_server(state, url))
        .collect();
    json!({
        "swarm": swarm_name(state),
        "relay": relay(state),
        "relays": relays(state),
        "ice_servers": ice_servers,
        "models": models,
        // Clients compare it with their own clock.
        "time": clock::unix_ms(),
    })
}

/// `{"id","name"}`.
pub(super) fn swarm_name(state: &AppState) -> Value {
    json!({ "id": state.swarm.id, "name": state.swarm.name })
}

/// `{"peer_id","multiaddrs"}`.
pub(super) fn relay(state: &AppState) -> Value {
    located(&state.peer_id, &state.shared.addrs())
}

/// The other relays of the network, in the same form: where to turn when this one is gone.
fn relays(state: &AppState) -> Value {
    let others = state.shared.relays();
    others.iter().map(|(peer, addrs)| located(peer, addrs)).collect()
}

fn located(peer: &PeerId, addrs: &[Multiaddr]) -> Value {
    let with_peer = |addr: &Multiaddr| format!("{addr}/p2p/{peer}");
    let multiaddrs: Vec<String> = addrs.iter().map(with_peer).collect();
    json!({ "peer_id": peer.to_string(), "multiaddrs": multiaddrs })
}

/// As `RTCPeerConnection` takes it; a TURN server with a credential that ends by itself.
fn ice_server(state: &AppState, url: &str) -> Value {
    match &state.turn {
        Some(secret) if is_turn_url(url) => {
            let minted = secret.mint(clock::unix_s().saturating_add(state.turn_credential_s));
            json!({ "urls": [url], "username": minted.username, "credential": minted.credential })
        }
        _ => json!({ "urls": [url] }),
    }
}

/// An answer that holds for this moment only: nobody keeps it.
pub(super) fn fresh(body: Value) -> Response {
    let mut answer = Json(body).into_response();
    answer
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

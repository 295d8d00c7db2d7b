//! The web server: routes, and what every answer has in common.
//! It does not accept connections (`server`) and holds no state of its own.

pub mod api;
pub mod app;
pub mod claim;
pub mod error;
pub mod gate;
pub mod headers;
pub mod join;
pub mod model_files;
pub mod range;
pub mod server;
pub mod sites;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::{ConnectInfo, DefaultBodyLimit, FromRequestParts, Request, State, ws::WebSocketUpgrade},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use libp2p::PeerId;

use self::{
    app::AppFiles,
    error::ApiError,
    headers::{Audience, SecurityHeaders},
    join::InviteDesk,
    sites::SiteDesk,
};
use crate::{
    metrics::Metrics,
    models::Library,
    net::{http_ws::WsDoor, ws_stream::WsStream},
    owner::Ownership,
    register::Register,
    shared::Shared,
    store::Store,
    swarm_state::SwarmState,
    turn::TurnSecret,
};

/// Largest WebSocket message that we take. Noise frames are below 64 KiB; js-libp2p gathers
/// several into one message.
const MAX_WS_MESSAGE_BYTES: usize = 1024 * 1024;

/// Largest body of a request: a claim with its signed delegation is below 1 KiB.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// Buffers of one WebSocket: small, because most sockets are idle most of the time.
const WS_READ_BUFFER_BYTES: usize = 8 * 1024;
const WS_WRITE_BUFFER_BYTES: usize = 16 * 1024;
/// A message more than the buffer: beyond that the peer is not reading.
const WS_MAX_WRITE_BUFFER_BYTES: usize = 512 * 1024;

/// What the handlers share.
pub struct AppState {
    pub shared: Arc<Shared>,
    pub models: Arc<Library>,
    pub store: Store,
    pub ownership: Ownership,
    pub register: Register,
    pub swarm: SwarmState,
    pub peer_id: PeerId,
    pub ice_servers: Vec<String>,
    pub turn: Option<TurnSecret>,
    pub turn_credential_s: u64,
    pub app: AppFiles,
    pub door: WsDoor,
    pub headers: SecurityHeaders,
    pub desk: SiteDesk,
    pub invites: InviteDesk,
}

/// All routes.
pub fn router(state: Arc<AppState>) -> Router {
    Router::new()
        .route("/livez", get(api::livez))
        .route("/readyz", get(api::readyz))
        .route("/healthz", get(api::readyz))
        .route("/api/v1/swarm", get(api::swarm))
        .route("/api/v1/swarms/{id}", get(api::swarm_by_id))
        .route("/api/v1/peers", get(api::peers))
        .route("/api/v1/offers", get(api::offers))
        .route("/api/v1/invite", post(join::invite))
        .route("/api/v1/invite/mint", post(join::mint))
        .route("/api/v1/register", post(join::register))
        .route("/api/v1/claim", get(claim::offer).post(claim::claim))
        .route("/api/v1/sites", post(sites::publish))
        .route("/api/v1/sites/{key}", get(sites::site))
        .route("/api/v1/sites/{key}/counts", get(sites::counts))
        .route("/api/v1/sites/{key}/gave", post(sites::gave))
        .route("/api/{*rest}", get(api::unknown))
        .route("/models/{id}", get(model_files::file))
        .route("/models/{id}/manifest", get(model_files::manifest))
        .route("/models/{id}/chunks/{hash}", get(model_files::chunk))
        .fallback(app_or_websocket)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(state.clone(), every_answer))
        .with_state(state)
}

/// The metrics page, for a listener of its own.
pub fn metrics_router(metrics: Arc<Metrics>) -> Router {
    Router::new().route(
        "/metrics",
        get(|| async move {
            (
                [(
                    header::CONTENT_TYPE,
                    "application/openmetrics-text; version=1.0.0; charset=utf-8",
                )],
                metrics.text(),
            )
        }),
    )
}

/// The app's files and, on `/`, libp2p over WebSocket.
async fn app_or_websocket(State(state): State<Arc<AppState>>, request: Request) -> Response {
    let (mut parts, _body) = request.into_parts();
    if parts.uri.path() == "/" && parts.headers.contains_key(header::UPGRADE) {
        return match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => enter(&state, upgrade, parts.extensions.get().copied()),
            Err(rejection) => rejection.into_response(),
        };
    }
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    match percent_encoding::percent_decode_str(parts.uri.path()).decode_utf8() {
        Ok(path) => {
            let mut answer = state.app.answer(&path, &parts.headers).await;
            // A site that has said where it is may be framed there and nowhere else.
            if path == "/embed/v1"
                && let Some(origins) = state.desk.ancestors(parts.uri.query().unwrap_or_default())
            {
                state.headers.framed_by(&origins, answer.headers_mut());
            }
            answer
        }
        Err(_) => ApiError::bad_request("path", "the path is not UTF-8").into_response(),
    }
}

/// Hands the socket to the swarm, where a place was free before the upgrade was promised.
fn enter(state: &AppState, upgrade: WebSocketUpgrade, from: Option<ConnectInfo<SocketAddr>>) -> Response {
    let (Some(place), Some(ConnectInfo(from))) = (state.door.place(), from) else {
        state.shared.metrics.deny("websocket_queue");
        return ApiError::unavailable("too many connections are waiting; try again").into_response();
    };
    upgrade
        .read_buffer_size(WS_READ_BUFFER_BYTES)
        .write_buffer_size(WS_WRITE_BUFFER_BYTES)
        .max_write_buffer_size(WS_MAX_WRITE_BUFFER_BYTES)
        .max_message_size(MAX_WS_MESSAGE_BYTES)
        .max_frame_size(MAX_WS_MESSAGE_BYTES)
        .on_upgrade(move |socket| async move { place.enter(WsStream::new(socket), from) })
}

/// Refuses paths that climb, answers preflights, adds the headers, counts.
async fn every_answer(State(state): State<Arc<AppState>>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    let audience = Audience::of(&path);
    let user_agent = request.headers().get(header::USER_AGENT).cloned();
    let mut answer = if climbs(&path) {
        ApiError::bad_request("path", "a path must not contain `..`").into_response()
    } else if method == Method::OPTIONS && audience == Audience::Anyone {
        preflight()
    } else {
        next.run(request).await
    };
    // What is no text names no browser.
    let user_agent = user_agent.as_ref().and_then(|name| name.to_str().ok());
    let user_agent = user_agent.unwrap_or_default();
    let others = state.shared.met_relays();
    if others.is_empty() {
        state.headers.apply(audience, user_agent, answer.headers_mut());
    } else {
        let headers = state.headers.with_others(others.values().flatten());
        headers.apply(audience, user_agent, answer.headers_mut());
    }
    state.shared.metrics.http_answer(answer.status().as_u16());
    tracing::debug!(%method, path, status = answer.status().as_u16(), "http");
    answer
}

/// Whether a path tries to leave its folder, in plain or percent-encoded form. Browsers resolve
/// `..` before they ask, so nobody honest sends it.
fn climbs(path: &str) -> bool {
    let decoded = percent_encoding::percent_decode_str(path).collect::<Vec<u8>>();
    decoded
        .split(|byte| matches!(byte, b'/' | b'\\'))
        .any(|part| part == b"..")
}

fn preflight() -> Response {
    let mut answer = StatusCode::NO_CONTENT.into_response();
    let headers = answer.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, HEAD, POST, OPTIONS"),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("content-type, range, if-range, if-none-match"),
    );
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_climb_are_seen_in_every_spelling() {
        for path in [
            "/..",
            "/a/../b",
            "/%2e%2e/etc/passwd",
            "/a/..%2f..",
            "/a/%2E./b",
            "/..\\x",
        ] {
            assert!(climbs(path), "{path}");
        }
        for path in ["/", "/a..b", "/...", "/models/ab12"] {
            assert!(!climbs(path), "{path}");
        }
    }
}

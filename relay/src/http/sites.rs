//! `/api/v1/sites…`: a site's statement, what its visitors' tabs report, and the signed sums.
//! It decides nothing; `sites` does.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::JsonRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    AppState, api,
    error::ApiError,
    gate::{From, Gate},
};
use crate::{
    clock,
    limits::Limits,
    sites::{Gave, SiteError, SiteKey, Sites},
};

/// The sites, and how often one network may speak of them.
pub struct SiteDesk {
    pub sites: Sites,
    gate: Gate,
}

/// What a site's owner sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    statement: String,
}

impl SiteDesk {
    /// Opens the desk.
    pub fn new(sites: Sites, limits: &Limits) -> SiteDesk {
        SiteDesk {
            sites,
            gate: Gate::new(limits.site_writes_per_subnet_per_min),
        }
    }

    /// Where the embed of the site named in a query may stand; nothing where no site is named or known.
    pub fn ancestors(&self, query: &str) -> Option<Vec<String>> {
        // Read as the frame's own script reads it: another spelling of a name or key must not be another site.
        let key: SiteKey = query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .find(|(name, _)| plain(name) == "site")
            .and_then(|(_, value)| plain(value).parse().ok())?;
        let (statement, _) = self.sites.statement(&key).ok().flatten()?;
        Some(statement.origins)
    }
}

/// Takes a statement in.
pub async fn publish(
    State(state): State<Arc<AppState>>,
    from: From,
    body: Result<Json<Statement>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    state.desk.gate.let_pass(from)?;
    let Json(body) = body.map_err(|error| ApiError::bad_request("body", error.body_text()))?;
    let bytes = URL_SAFE_NO_PAD
        .decode(&body.statement)
        .map_err(|_| ApiError::bad_request("statement", "not base64url without padding"))?;
    let key = state.desk.sites.publish(&bytes, clock::now()).map_err(refuse)?;
    tracing::info!(site = %key, "a site said where it is");
    Ok(Json(json!({ "site": key.to_string() })))
}

/// What a site said, with its signature.
pub async fn site(State(state): State<Arc<AppState>>, Path(key): Path<String>) -> Result<Response, ApiError> {
    let key: SiteKey = key.parse().map_err(refuse)?;
    let (statement, bytes) = state
        .desk
        .sites
        .statement(&key)
        .map_err(refuse)?
        .ok_or_else(|| refuse(SiteError::Unknown))?;
    Ok(api::fresh(json!({
        "site": key.to_string(),
        "origins": statement.origins,
        "sequence": statement.sequence,
        "statement": URL_SAFE_NO_PAD.encode(bytes),
    })))
}

/// The sums so far, signed by the relay's publisher key.
pub async fn counts(
    State(state): State<Arc<AppState>>,
    Path(key): Path<String>,
) -> Result<Response, ApiError> {
    let key: SiteKey = key.parse().map_err(refuse)?;
    let counts = state.desk.sites.counts(&key, clock::now()).map_err(refuse)?;
    let signed = state.ownership.sign(&counts).map_err(|error| {
        tracing::error!(%error, "counts");
        ApiError::internal()
    })?;
    Ok(api::fresh(json!({
        "site": key.to_string(),
        "from": counts.from.as_ms(),
        "until": counts.until.as_ms(),
        "visits": counts.visits,
        "jobs": counts.jobs,
        "tokens": counts.tokens,
        "bytes": counts.bytes,
        "publisher": hex::encode(state.ownership.publisher().to_bytes()),
        "signed": URL_SAFE_NO_PAD.encode(signed.to_bytes()),
    })))
}

/// What a tab gave; from our own pages only, as far as a browser says where it is.
pub async fn gave(
    State(state): State<Arc<AppState>>,
    Path(key): Path<String>,
    from: From,
    headers: HeaderMap,
    body: Result<Json<Gave>, JsonRejection>,
) -> Result<StatusCode, ApiError> {
    if headers
        .get("sec-fetch-site")
        .is_some_and(|site| site != "same-origin")
    {
        return Err(ApiError::forbidden(
            "only the embed itself reports what was given",
        ));
    }
    state.desk.gate.let_pass(from)?;
    let key: SiteKey = key.parse().map_err(refuse)?;
    let Json(gave) = body.map_err(|error| ApiError::bad_request("body", error.body_text()))?;
    state.desk.sites.add(&key, gave, clock::now()).map_err(refuse)?;
    Ok(StatusCode::NO_CONTENT)
}

/// A part of a query without its escapes.
fn plain(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced)
        .decode_utf8_lossy()
        .into_owned()
}

fn refuse(error: SiteError) -> ApiError {
    match error {
        SiteError::Store(_) | SiteError::Read(_) => {
            tracing::error!(%error, "sites");
            ApiError::internal()
        }
        SiteError::Unknown => ApiError::not_found(error.to_string()),
        SiteError::TooMany(_) => ApiError::unavailable(error.to_string()),
        SiteError::Old { .. } => ApiError::forbidden(error.to_string()),
        SiteError::Key(_) => ApiError::bad_request("site", error.to_string()),
        SiteError::Report => ApiError::bad_request("body", error.to_string()),
        SiteError::Statement(_) | SiteError::Origins(_) | SiteError::FromTheFuture(_) => {
            ApiError::bad_request("statement", error.to_string())
        }
    }
}

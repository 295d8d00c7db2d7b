//! `POST /api/v1/invite`: an invite's secret for the invite proper.
//! It grants nothing: a role is granted by the owner's signature.

use std::sync::Arc;

use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::{AppState, api, error::ApiError};
use crate::invites::{self, InviteError, Secret};

/// What a joining page sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    secret: String,
}

/// Answers with swarm, relay addresses, wished role and end of the invite.
pub async fn invite(
    State(state): State<Arc<AppState>>,
    body: Result<Json<Exchange>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(exchange) = body.map_err(|error| ApiError::bad_request("body", error.body_text()))?;
    let secret: Secret = exchange
        .secret
        .parse()
        .map_err(|error: InviteError| ApiError::bad_request("secret", error.to_string()))?;
    let invite = invites::find(&state.store, &secret).map_err(|error| match error {
        InviteError::Unknown => ApiError::not_found(error.to_string()),
        error => {
            tracing::error!(%error, "invite");
            ApiError::internal()
        }
    })?;
    let mut answer = Json(json!({
        "swarm": api::swarm_name(&state),
        "relay": api::relay(&state),
        "role": invite.role,
        "grant": null,
        "expires": invite.expires_unix_s,
    }))
    .into_response();
    answer
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

//! `/api/v1/claim`: what an owner-to-be signs, and the signature's arrival.
//! It decides nothing; `owner` does.

use std::sync::Arc;

use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use registry::Role;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AppState, api, error::ApiError, join::refuse_record};
use crate::{clock, owner::OwnerError, register::RegisterError};

/// What a claiming page sends: the link's secret, and the owner's signed delegation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    secret: String,
    delegation: String,
}

/// The publisher's key to delegate to, and whether the swarm has an owner.
pub async fn offer(State(state): State<Arc<AppState>>) -> Result<Json<Value>, ApiError> {
    let owner = state.ownership.owner().map_err(refuse)?;
    Ok(Json(json!({
        "swarm": api::swarm_name(&state),
        "publisher": hex::encode(state.ownership.publisher().to_bytes()),
        "owner": owner.map(|owner| owner.to_string()),
        "claim": state.ownership.claim_hash().map_err(refuse)?.map(hex::encode),
        "register": state.register.text(),
    })))
}

/// Makes the signer the owner.
pub async fn claim(
    State(state): State<Arc<AppState>>,
    body: Result<Json<Claim>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(claim) = body.map_err(|error| ApiError::bad_request("body", error.body_text()))?;
    let delegation = URL_SAFE_NO_PAD
        .decode(&claim.delegation)
        .map_err(|_| ApiError::bad_request("delegation", "not base64url without padding"))?;
    let now = clock::now();
    let enter = |key| match state.register.offer(key, Role::Owner, now) {
        // A folder without a register is claimed all the same.
        Err(RegisterError::Owned) => Ok(()),
        entered => entered,
    };
    let owner = state
        .ownership
        .claim(&claim.secret, &delegation, now, enter)
        .map_err(refuse)?;
    if let Err(error) = state.register.retire_founder() {
        // It signs no more; its file goes at the next start.
        tracing::error!(%error, "claim");
    }
    tracing::info!(%owner, "the swarm has an owner");
    Ok(Json(
        json!({ "owner": owner.to_string(), "register": state.register.text() }),
    ))
}

fn refuse(error: OwnerError) -> ApiError {
    match error {
        OwnerError::Store(_) | OwnerError::Damaged { .. } => {
            tracing::error!(%error, "claim");
            ApiError::internal()
        }
        OwnerError::Claimed => ApiError::forbidden(error.to_string()).because("claimed"),
        OwnerError::Secret => ApiError::forbidden(error.to_string()).because("claim_secret"),
        OwnerError::Register(error) => refuse_record(error),
        OwnerError::Delegation(_) | OwnerError::OtherPublisher => {
            ApiError::bad_request("delegation", error.to_string())
        }
    }
}

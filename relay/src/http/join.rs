//! `/api/v1/invite…`: an invite's secret for the invite proper and, once, for the role it promises; and the invites
//! without a role that pages show. It decides nothing: `invites`, `open_invites` and `register` do.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
    response::Response,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use identity::{PublicKey, Signed};
use registry::{Joining, Role};
use serde::Deserialize;
use serde_json::json;

use super::{
    AppState, api,
    error::ApiError,
    gate::{From, Gate},
};
use crate::{
    clock,
    invites::{self, Invite, InviteError, Secret},
    limits::Limits,
    open_invites::OpenInvites,
    register::RegisterError,
};

/// Where invites are asked for, exchanged and taken up.
pub struct InviteDesk {
    open: OpenInvites,
    gate: Gate,
    /// Two who take the same invite up at once must not both have it.
    taking: Mutex<()>,
}

/// What a joining page sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    secret: String,
    /// A signed [`Joining`]: the role is to go to the key that signed it.
    #[serde(default)]
    joining: Option<String>,
}

/// What members have signed since.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct News {
    register: String,
}

impl InviteDesk {
    /// Opens the desk.
    pub fn new(open: OpenInvites, limits: &Limits) -> InviteDesk {
        InviteDesk {
            open,
            gate: Gate::new(limits.invites_per_subnet_per_min),
            taking: Mutex::new(()),
        }
    }
}

/// A secret for whoever shows this relay's address to somebody: it gives no role, and nothing is kept for it.
pub async fn mint(State(state): State<Arc<AppState>>, from: From) -> Result<Response, ApiError> {
    state.invites.gate.let_pass(from)?;
    let (secret, expires) = state.invites.open.current(clock::unix_s());
    Ok(api::fresh(
        json!({ "secret": secret.to_string(), "expires": expires }),
    ))
}

/// Answers with swarm, relay addresses, role and end of the invite; and with the register that holds the signed grant,
/// for whoever takes the role up.
pub async fn invite(
    State(state): State<Arc<AppState>>,
    from: From,
    body: Result<Json<Exchange>, JsonRejection>,
) -> Result<Response, ApiError> {
    state.invites.gate.let_pass(from)?;
    let Json(exchange) = body.map_err(|error| ApiError::bad_request("body", error.body_text()))?;
    let secret: Secret = exchange
        .secret
        .parse()
        .map_err(|error: InviteError| ApiError::bad_request("secret", error.to_string()))?;
    let open = state
        .invites
        .open
        .find(&secret, clock::unix_s())
        .map_err(refuse)?;
    let invite = match open {
        Some(expires_unix_s) => Invite {
            role: None,
            expires_unix_s,
            used_by: None,
        },
        None => invites::find(&state.store, &secret).map_err(refuse)?,
    };
    let grant = match (&invite.role, &exchange.joining) {
        (Some(role), Some(joining)) => Some(grant(&state, &secret, role, joining)?),
        _ => None,
    };
    Ok(api::fresh(json!({
        "swarm": api::swarm_name(&state),
        "relay": api::relay(&state),
        "role": invite.role,
        "register": state.register.id().map(|id| id.to_string()),
        "grant": grant,
        "expires": invite.expires_unix_s,
    })))
}

/// Takes in what members have signed, and answers with all that is known here.
pub async fn register(
    State(state): State<Arc<AppState>>,
    from: From,
    body: Result<Json<News>, JsonRejection>,
) -> Result<Response, ApiError> {
    state.invites.gate.let_pass(from)?;
    let Json(news) = body.map_err(|error| ApiError::bad_request("body", error.body_text()))?;
    state
        .register
        .take_in(&news.register, clock::now())
        .map_err(refuse_record)?;
    Ok(api::fresh(json!({ "register": state.register.text() })))
}

/// Grants the role to the key that signed; the register with the grant in it.
fn grant(state: &AppState, secret: &Secret, role: &str, joining: &str) -> Result<Option<String>, ApiError> {
    let key = signer(state, secret, joining)?;
    let _one_at_a_time = state
        .invites
        .taking
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if state.register.grants() {
        // Written down first: whatever happens then, no second key is let in.
        invites::take_up(&state.store, secret, key.node_id()).map_err(refuse)?;
        let role = Role::of_word(role).ok_or_else(|| refuse(InviteError::Role(role.to_owned())))?;
        state
            .register
            .offer(key, role, clock::now())
            .map_err(refuse_record)?;
        tracing::info!(member = %key.node_id(), role = role.word(), "an invite was taken up");
    } else {
        // Whoever took it up while the relay could still grant may fetch what they have.
        let first = invites::find(&state.store, secret).map_err(refuse)?.used_by;
        if first != Some(key.node_id().to_string()) {
            return Err(refuse_record(RegisterError::Owned));
        }
    }
    Ok(state.register.text())
}

/// The key that says it takes this very invite up.
fn signer(state: &AppState, secret: &Secret, joining: &str) -> Result<PublicKey, ApiError> {
    let bad = |why: String| ApiError::bad_request("joining", why);
    let bytes = URL_SAFE_NO_PAD
        .decode(joining)
        .map_err(|_| bad("not base64url without padding".to_owned()))?;
    let verified = Signed::<Joining>::from_bytes(&bytes)
        .and_then(|signed| signed.verify())
        .map_err(|error| bad(error.to_string()))?;
    let register = state
        .register
        .id()
        .ok_or_else(|| refuse_record(RegisterError::Owned))?;
    if *verified != secret.joining(register) {
        return Err(bad("signed for another invite or another register".to_owned()));
    }
    Ok(verified.signer())
}

fn refuse(error: InviteError) -> ApiError {
    let message = error.to_string();
    match error {
        InviteError::Unknown => ApiError::not_found(message).because("invite_unknown"),
        InviteError::Expired => ApiError::not_found(message).because("invite_expired"),
        InviteError::Used => ApiError::forbidden(message).because("used"),
        InviteError::Owned => ApiError::forbidden(message).because("owned"),
        InviteError::Secret(_) | InviteError::Role(_) => ApiError::bad_request("secret", message),
        InviteError::Store(_) | InviteError::Read(_) | InviteError::TooMany(_) => {
            tracing::error!(%error, "invite");
            ApiError::internal()
        }
    }
}

/// The same for what the register says.
pub(super) fn refuse_record(error: RegisterError) -> ApiError {
    let message = error.to_string();
    match error {
        RegisterError::Owned => ApiError::forbidden(message).because("owned"),
        RegisterError::Refused(_) => ApiError::forbidden(message),
        RegisterError::Full => ApiError::forbidden(message).because("full"),
        RegisterError::News(_) => ApiError::bad_request("register", message),
        RegisterError::Store(_)
        | RegisterError::Damaged { .. }
        | RegisterError::Forget(_)
        | RegisterError::Sign(_) => {
            tracing::error!(%error, "register");
            ApiError::internal()
        }
    }
}

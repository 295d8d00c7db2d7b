//! An error as other programs read it: `{"error":{"message","type","code","param"}}` (contract).
//! It does not say more than the client needs: no paths, no system messages.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

/// An answer that says no.
#[derive(Debug, Clone)]
pub struct ApiError {
    status: StatusCode,
    message: String,
    param: Option<&'static str>,
    /// Why exactly, as a word that a screen can translate.
    reason: Option<&'static str>,
}

impl ApiError {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        ApiError {
            status,
            message: message.into(),
            param: None,
            reason: None,
        }
    }

    /// The request itself is wrong; `param` names the part.
    pub fn bad_request(param: &'static str, message: impl Into<String>) -> Self {
        let mut error = ApiError::new(StatusCode::BAD_REQUEST, message);
        error.param = Some(param);
        error
    }

    /// The same with a word for why.
    pub fn because(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::NOT_FOUND, message)
    }

    /// Not now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    /// Our own fault; the log says more.
    pub fn internal() -> Self {
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the relay could not read its own data; its log says why",
        )
    }

    /// Signed by nobody who may do this.
    pub fn forbidden(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::FORBIDDEN, message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (kind, code) = match self.status {
            StatusCode::NOT_FOUND => ("not_found_error", "not_found"),
            StatusCode::FORBIDDEN => ("permission_error", "not_allowed"),
            status if status.is_server_error() => ("server_error", "relay_unreachable"),
            _ => ("invalid_request_error", "bad_request"),
        };
        let mut body = json!({ "error": {
            "message": self.message,
            "type": kind,
            "code": code,
            "param": self.param,
        }});
        if let Some(reason) = self.reason {
            body["error"]["reason"] = reason.into();
        }
        (self.status, Json(body)).into_response()
    }
}

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
}

impl ApiError {
    /// The request itself is wrong; `param` names the part.
    pub fn bad_request(param: &'static str, message: impl Into<String>) -> Self {
        ApiError {
            status: StatusCode::BAD_REQUEST,
            message: message.into(),
            param: Some(param),
        }
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        ApiError {
            status: StatusCode::NOT_FOUND,
            message: message.into(),
            param: None,
        }
    }

    /// Not now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        ApiError {
            status: StatusCode::SERVICE_UNAVAILABLE,
            message: message.into(),
            param: None,
        }
    }

    /// Our own fault; the log says more.
    pub fn internal() -> Self {
        ApiError {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            message: "the relay could not read its own data; its log says why".to_owned(),
            param: None,
        }
    }

    /// Signed by nobody who may do this.
    pub fn forbidden(message: impl Into<String>) -> Self {
        ApiError {
            status: StatusCode::FORBIDDEN,
            message: message.into(),
            param: None,
        }
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
        let body = json!({ "error": {
            "message": self.message,
            "type": kind,
            "code": code,
            "param": self.param,
        }});
        (self.status, Json(body)).into_response()
    }
}

//! `/models/{id}`: model files by their hash, whole, in part or by chunk, and their manifests.
//! It does not list models (`api` does) and does not hash what it sends: readers check chunks.

use std::{
    io::{self, SeekFrom},
    ops::Range,
    sync::Arc,
};

use axum::{
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::stream;
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt},
};

use super::{
    AppState,
    error::ApiError,
    range::{self, Asked},
};
use crate::models::Published;

/// Read and sent at once.
const PIECE_BYTES: usize = 128 * 1024;

/// GET or HEAD of the whole file or a range of it.
pub async fn file(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let model = find(&state, &id)?;
    let etag = quoted(&model.sha256);
    if headers.get(header::IF_NONE_MATCH) == Some(&etag) {
        return Ok((StatusCode::NOT_MODIFIED, cache_headers(etag)).into_response());
    }
    // A range of another version must not be mixed into this one.
    let range_is_ours = headers.get(header::IF_RANGE).is_none_or(|tag| *tag == etag);
    let asked = headers
        .get(header::RANGE)
        .filter(|_| range_is_ours)
        .and_then(|value| value.to_str().ok());
    let part = match range::parse(asked, model.bytes) {
        Asked::Everything => Sent::File,
        Asked::Part(part) => Sent::Part(part),
        Asked::Beyond => {
            let size = HeaderValue::from_str(&format!("bytes */{}", model.bytes));
            let mut answer = (
                StatusCode::RANGE_NOT_SATISFIABLE,
                format!("the file has {} bytes\n", model.bytes),
            )
                .into_response();
            if let Ok(size) = size {
                answer.headers_mut().insert(header::CONTENT_RANGE, size);
            }
            return Ok(answer);
        }
    };
    send(&state, &model, part, etag, &method).await
}

/// GET or HEAD of the chunk with that hash: what any cache on the way can keep for ever.
pub async fn chunk(
    State(state): State<Arc<AppState>>,
    Path((id, hash)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let model = find(&state, &id)?;
    let chunk = model
        .chunk(&hash)
        .ok_or_else(|| ApiError::not_found("the model has no chunk with that hash"))?;
    let etag = quoted(&hash.to_ascii_lowercase());
    if headers.get(header::IF_NONE_MATCH) == Some(&etag) {
        return Ok((StatusCode::NOT_MODIFIED, cache_headers(etag)).into_response());
    }
    send(&state, &model, Sent::Chunk(chunk), etag, &method).await
}

/// GET of the manifest.
pub async fn manifest(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let model = find(&state, &id)?;
    let mut answer = cache_headers(quoted(&format!("{}-manifest", model.id)));
    answer.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/cbor"));
    Ok((answer, model.manifest.clone()).into_response())
}

fn find(state: &AppState, id: &str) -> Result<Arc<Published>, ApiError> {
    state
        .models
        .get(id)
        .ok_or_else(|| ApiError::not_found("no model has that id"))
}

/// What of a file is sent.
enum Sent {
    /// All of it.
    File,
    /// A range that the client named: 206.
    Part(Range<u64>),
    /// A chunk, which is a whole of its own: 200.
    Chunk(Range<u64>),
}

async fn send(
    state: &AppState,
    model: &Published,
    what: Sent,
    etag: HeaderValue,
    method: &Method,
) -> Result<Response, ApiError> {
    let broken = |error: io::Error| {
        tracing::error!(model = model.name, %error, "model file cannot be read");
        ApiError::internal()
    };
    let mut file = File::open(&model.path).await.map_err(broken)?;
    let bytes_now = file.metadata().await.map_err(broken)?.len();
    if bytes_now != model.bytes {
        return Err(broken(io::Error::other("its size has changed")));
    }
    let mut headers = cache_headers(etag);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    let ranges = match &what {
        Sent::Chunk(_) => "none",
        Sent::File | Sent::Part(_) => "bytes",
    };
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static(ranges));
    let (range, status) = match what {
        Sent::File => (0..model.bytes, StatusCode::OK),
        Sent::Chunk(range) => (range, StatusCode::OK),
        Sent::Part(range) => {
            let (first, last) = (range.start, range.end.saturating_sub(1));
            let text = format!("bytes {first}-{last}/{}", model.bytes);
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(header::CONTENT_RANGE, value);
            }
            (range, StatusCode::PARTIAL_CONTENT)
        }
    };
    let length = range.end.saturating_sub(range.start);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if *method == Method::HEAD {
        return Ok((status, headers).into_response());
    }
    file.seek(SeekFrom::Start(range.start)).await.map_err(broken)?;
    let sent = state.shared.metrics.model_bytes.clone();
    let pieces = stream::try_unfold((file, length), move |(mut file, left)| {
        let sent = sent.clone();
        async move {
            if left == 0 {
                return Ok::<_, io::Error>(None);
            }
            let want = usize::try_from(left).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
            let mut piece = vec![0; want];
            let n = file.read(&mut piece).await?;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            piece.truncate(n);
            sent.inc_by(n as u64);
            Ok(Some((Bytes::from(piece), (file, left - n as u64))))
        }
    });
    Ok((status, headers, Body::from_stream(pieces)).into_response())
}

/// Content under its hash never changes.
fn cache_headers(etag: HeaderValue) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::ETAG, etag);
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    headers
}

fn quoted(hash: &str) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{hash}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

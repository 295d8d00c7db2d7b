//! Bytes of a model, fetched by chunk, each checked against the manifest before anybody reads it.
//! What the bytes mean is the engine's business.

use gguf::{Manifest, ModelId};
use jobs::Failure;
use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, Request, RequestInit, Response, WorkerGlobalScope};

use crate::failure::{failure, rejected, unreachable};

/// No honest manifest is longer: 32 bytes for each chunk of a file of 32 GiB, and some words.
const MAX_MANIFEST_BYTES: u64 = 8 << 20;

/// Where a model's chunks come from.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    url: String,
    manifest: Manifest,
}

impl Source {
    /// Fetches the manifest of `model` from a relay and checks that it is the one that was named.
    pub(crate) async fn open(origin: &str, model: &ModelId) -> Result<Source, Failure> {
        let url = format!("{origin}/models/{model}");
        let bytes = fetch(&format!("{url}/manifest"), None, MAX_MANIFEST_BYTES).await?;
        let manifest =
            Manifest::decode(&bytes).map_err(|e| rejected(format!("the manifest of {model}: {e}")))?;
        if manifest.id() != *model {
            return Err(rejected(format!(
                "asked for model {model}, was given {}",
                manifest.id()
            )));
        }
        Ok(Source { url, manifest })
    }

    /// What the model's file is.
    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// One chunk, checked.
    pub(crate) async fn chunk(&self, index: u32) -> Result<Vec<u8>, Failure> {
        let range = self
            .manifest
            .chunk_range(index)
            .ok_or_else(|| rejected(format!("the model has no chunk {index}")))?;
        let bytes = fetch(&self.url, Some((range.start, range.end)), range.end - range.start).await?;
        self.manifest
            .check_chunk(index, &bytes)
            .map_err(|e| rejected(e.to_string()))?;
        Ok(bytes)
    }
}

/// `range` is half open. An answer longer than `limit_bytes` is refused unread where its length
/// is announced, and cut off by the manifest's check where it is not.
async fn fetch(url: &str, range: Option<(u64, u64)>, limit_bytes: u64) -> Result<Vec<u8>, Failure> {
    let request = request(url, range).map_err(|e| unreachable(url, &e))?;
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    let response = JsFuture::from(scope.fetch_with_request(&request))
        .await
        .map_err(|e| unreachable(url, &e))?;
    let response: Response = response.unchecked_into();
    let expected = if range.is_some() { 206 } else { 200 };
    if response.status() != expected {
        return Err(failure(
            "relay_unreachable",
            format!("{url} answers {}", response.status()),
        ));
    }
    let announced = response
        .headers()
        .get("content-length")
        .ok()
        .flatten()
        .and_then(|l| l.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit_bytes) {
        return Err(rejected(format!("{url} sends more than {limit_bytes} bytes")));
    }
    let body = response.array_buffer().map_err(|e| unreachable(url, &e))?;
    let body = JsFuture::from(body).await.map_err(|e| unreachable(url, &e))?;
    let buffer: ArrayBuffer = body.unchecked_into();
    if u64::from(buffer.byte_length()) > limit_bytes {
        return Err(rejected(format!("{url} sent more than {limit_bytes} bytes")));
    }
    Ok(Uint8Array::new(&buffer).to_vec())
}

fn request(url: &str, range: Option<(u64, u64)>) -> Result<Request, JsValue> {
    let headers = Headers::new()?;
    if let Some((start, end)) = range {
        headers.set("range", &format!("bytes={start}-{}", end - 1))?;
    }
    let init = RequestInit::new();
    init.set_headers(&headers);
    Request::new_with_str_and_init(url, &init)
}

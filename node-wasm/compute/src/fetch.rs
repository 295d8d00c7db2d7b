//! Bytes over HTTP, whole or from a place in a file on, never more than was said.
//! Knows nothing of models.

use jobs::Failure;
use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Headers, ReadableStreamDefaultReader, Request, RequestCache, RequestInit, Response, WorkerGlobalScope,
};

use crate::failure::{failure, rejected};

/// Whom to blame: the code of the contract for a relay, or for any other site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Site {
    Relay,
    Elsewhere,
}

impl Site {
    fn code(self) -> &'static str {
        match self {
            Site::Relay => "relay_unreachable",
            Site::Elsewhere => "source_unreachable",
        }
    }

    fn failed(self, url: &str, error: &JsValue) -> Failure {
        let words = js_sys::Reflect::get(error, &"message".into())
            .ok()
            .and_then(|m| m.as_string())
            .unwrap_or_else(|| format!("{error:?}"));
        let message = match self {
            Site::Relay => format!("{url}: {words}"),
            // A browser does not tell the two apart.
            Site::Elsewhere => {
                format!("{url} cannot be reached, or does not let other sites read its files (CORS): {words}")
            }
        };
        failure(self.code(), message)
    }
}

/// All that an address answers. More than `limit_bytes` is refused unread where its length is announced, and after it
/// otherwise.
pub(crate) async fn whole(url: &str, limit_bytes: u64, site: Site) -> Result<Vec<u8>, Failure> {
    let response = answer(url, None, site).await?;
    if response.status() != 200 {
        return Err(failure(
            site.code(),
            format!("{url} answers {}", response.status()),
        ));
    }
    if length(&response).is_some_and(|length| length > limit_bytes) {
        return Err(rejected(format!("{url} sends more than {limit_bytes} bytes")));
    }
    let failed = |e: JsValue| site.failed(url, &e);
    let body = JsFuture::from(response.array_buffer().map_err(failed)?)
        .await
        .map_err(failed)?;
    let buffer: ArrayBuffer = body.unchecked_into();
    if u64::from(buffer.byte_length()) > limit_bytes {
        return Err(rejected(format!("{url} sent more than {limit_bytes} bytes")));
    }
    Ok(Uint8Array::new(&buffer).to_vec())
}

/// What of the bytes `first..end` of a file is not in `part` yet, put there as it comes: whatever ends it, `part` has
/// what has come.
pub(crate) async fn rest(
    url: &str,
    first: u64,
    end: u64,
    part: &mut Vec<u8>,
    site: Site,
) -> Result<(), Failure> {
    let from = first + part.len() as u64;
    if from >= end {
        return Ok(());
    }
    let response = answer(url, Some(&format!("bytes={from}-{}", end - 1)), site).await?;
    let status = response.status();
    if status != 206 {
        let message = if site == Site::Elsewhere && status == 200 {
            format!("{url} sends no parts of files (range requests)")
        } else {
            format!("{url} answers {status}")
        };
        return Err(failure(site.code(), message));
    }
    let mut reader = Reader::of(&response, url, site)?;
    part.reserve_exact(usize::try_from(end - from).unwrap_or(0));
    while let Some(piece) = reader.next().await? {
        let length = part.len();
        if (length as u64).saturating_add(piece.length().into()) > end - first {
            return Err(rejected(format!("{url} sent more than was asked for")));
        }
        part.resize(length + piece.length() as usize, 0);
        if let Some(room) = part.get_mut(length..) {
            piece.copy_to(room);
        }
    }
    if (part.len() as u64) < end - first {
        return Err(failure(site.code(), format!("{url} ended early")));
    }
    Ok(())
}

/// The bytes of an answer, as the network brings them.
struct Reader {
    url: String,
    site: Site,
    reader: ReadableStreamDefaultReader,
    is_over: bool,
}

impl Reader {
    fn of(response: &Response, url: &str, site: Site) -> Result<Reader, Failure> {
        let sends_nothing = || failure(site.code(), format!("{url} sends nothing"));
        let body = response.body().ok_or_else(sends_nothing)?;
        Ok(Reader {
            url: url.to_owned(),
            site,
            reader: body.get_reader().unchecked_into(),
            is_over: false,
        })
    }

    async fn next(&mut self) -> Result<Option<Uint8Array>, Failure> {
        let read = JsFuture::from(self.reader.read()).await;
        let value = read.and_then(|read| js_sys::Reflect::get(&read, &"value".into()));
        let piece = value.map(|value| value.dyn_into().ok());
        self.is_over = !matches!(piece, Ok(Some(_)));
        piece.map_err(|e| self.site.failed(&self.url, &e))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Nobody waits for the end of what is not wanted any more. What has failed would fail once more.
        if !self.is_over {
            let _ = self.reader.cancel();
        }
    }
}

/// A file that comes piece by piece, as the network brings it.
pub(crate) struct Stream {
    reader: Reader,
    /// Where in the file it begins.
    pub(crate) first: u64,
    /// The length of the whole file.
    pub(crate) file_bytes: u64,
}

impl Stream {
    /// Opens a file from `first` on, if the site can; from its beginning otherwise.
    pub(crate) async fn open(url: &str, first: u64) -> Result<Stream, Failure> {
        let range = (first > 0).then(|| format!("bytes={first}-"));
        let response = answer(url, range.as_deref(), Site::Elsewhere).await?;
        let first = match response.status() {
            200 => 0,
            206 => first,
            status => {
                let message = format!("{url} answers {status}");
                return Err(failure(Site::Elsewhere.code(), message));
            }
        };
        let Some(rest) = length(&response) else {
            let message = format!("{url} does not say how long the file is");
            return Err(failure(Site::Elsewhere.code(), message));
        };
        Ok(Stream {
            reader: Reader::of(&response, url, Site::Elsewhere)?,
            first,
            file_bytes: first.saturating_add(rest),
        })
    }

    /// What came next; nothing at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Uint8Array>, Failure> {
        self.reader.next().await
    }
}

async fn answer(url: &str, range: Option<&str>, site: Site) -> Result<Response, Failure> {
    let failed = |e: JsValue| site.failed(url, &e);
    let request = request(url, range).map_err(failed)?;
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    let response = JsFuture::from(scope.fetch_with_request(&request))
        .await
        .map_err(failed)?;
    Ok(response.unchecked_into())
}

fn length(response: &Response) -> Option<u64> {
    let header = response.headers().get("content-length").ok().flatten()?;
    header.parse().ok()
}

fn request(url: &str, range: Option<&str>) -> Result<Request, JsValue> {
    let headers = Headers::new()?;
    let init = RequestInit::new();
    if let Some(range) = range {
        headers.set("range", range)?;
        // Whoever asks for a part keeps it himself. The browser's own cache has one entry for each file, and begins a part
        // anew, up to some hundred kilobytes later, when another part of the same file is on its way.
        init.set_cache(RequestCache::NoStore);
    }
    init.set_headers(&headers);
    Request::new_with_str_and_init(url, &init)
}

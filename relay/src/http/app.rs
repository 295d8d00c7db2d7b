//! The app's files: from a folder, or built into the binary, or a page that says how to build it.
//! It does not know what is in them.

use std::{
    borrow::Cow,
    path::{Component, Path, PathBuf},
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use sha2::{Digest, Sha256};

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Largest file of the app that is read from a folder; the wasm of a debug build is the largest.
const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;

/// The app's own addresses; each shows `index.html` (contract).
const PAGES: &[&str] = &["/", "/lend", "/swarm", "/models", "/keys", "/settings", "/join"];

/// Browsers ask for it on pages that name no picture of their own, such as a file of the app that is opened by itself.
const UNNAMED_ICON: &str = "/favicon.ico";
const ICON: &str = "/icons/icon-192.png";

/// Below these are files and answers for programs, and never a page of the app.
const NO_PAGES: &[&str] = &["api", "embed", "models", "sdk"];

const NOT_BUILT: &str = "<!doctype html><html lang=en><meta charset=utf-8><title>Manyhands</title>\
<h1>The relay runs, the app is not built</h1>\
<p>Run <code>cargo xtask serve</code>, or start the relay with <code>--app DIR</code> where \
<code>DIR</code> is the folder that <code>trunk build</code> wrote.";

/// Where the app's files come from.
#[derive(Debug, Clone)]
pub enum AppFiles {
    /// Read at each request, so that a rebuilt app shows at once.
    Folder(PathBuf),
    /// Built into the binary.
    Embedded,
    /// There are none.
    NotBuilt,
}

impl AppFiles {
    /// `chosen` if given; else the built-in files; else, in a debug build, `dist/` in the working folder.
    pub fn find(chosen: Option<&Path>) -> AppFiles {
        if let Some(dir) = chosen {
            return AppFiles::Folder(dir.to_owned());
        }
        if !EMBEDDED.is_empty() {
            return AppFiles::Embedded;
        }
        let dist = Path::new("dist");
        if cfg!(debug_assertions) && dist.join("index.html").is_file() {
            return AppFiles::Folder(dist.to_owned());
        }
        AppFiles::NotBuilt
    }

    /// Answers a GET of `path` (percent-decoded, starting with a slash). Somebody who opens an address that is none of
    /// the app's gets the app all the same, which says so, with the status that says so to programs.
    pub async fn answer(&self, path: &str, request: &HeaderMap) -> Response {
        if PAGES.contains(&path) {
            return self.page(request).await;
        }
        if let Some(page) = path.strip_suffix('/').filter(|page| PAGES.contains(page)) {
            return Redirect::permanent(page).into_response();
        }
        if path == UNNAMED_ICON {
            return Redirect::permanent(ICON).into_response();
        }
        // `/embed/v1` is a page of its own; its file has the ending that pages have.
        let name = match path.trim_start_matches('/') {
            "embed/v1" => "embed/v1.html",
            // Under its own name it would escape the list of pages that may frame it.
            "embed/v1.html" => "",
            name => name,
        };
        match self.file(name, request).await {
            Some(response) => response,
            None if opens_a_page(path, request) => {
                // Whoever has the page already gets it again: nothing is no page either.
                let mut fresh = request.clone();
                fresh.remove(header::IF_NONE_MATCH);
                let mut response = self.page(&fresh).await;
                *response.status_mut() = StatusCode::NOT_FOUND;
                response
            }
            None => (StatusCode::NOT_FOUND, "there is nothing here\n").into_response(),
        }
    }

    async fn page(&self, request: &HeaderMap) -> Response {
        match self.file("index.html", request).await {
            Some(response) => response,
            None => page(NOT_BUILT),
        }
    }

    async fn file(&self, name: &str, request: &HeaderMap) -> Option<Response> {
        if !is_plain(name) || name.ends_with(".br") {
            return None;
        }
        let brotli = if accepts_brotli(request) {
            self.read(&format!("{name}.br")).await
        } else {
            None
        };
        let (bytes, compressed) = match brotli {
            Some(bytes) => (bytes, true),
            None => (self.read(name).await?, false),
        };
        let etag = etag(&bytes, compressed);
        let cache = if is_hashed(name) || is_release(name) {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::ETAG, etag.clone());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if request.get(header::IF_NONE_MATCH) == Some(&etag) {
            return Some((StatusCode::NOT_MODIFIED, headers).into_response());
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
        if compressed {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
        }
        let body = match bytes {
            Cow::Borrowed(bytes) => Body::from(bytes),
            Cow::Owned(bytes) => Body::from(bytes),
        };
        Some((headers, body).into_response())
    }

    async fn read(&self, name: &str) -> Option<Cow<'static, [u8]>> {
        match self {
            AppFiles::NotBuilt => None,
            AppFiles::Embedded => EMBEDDED
                .binary_search_by_key(&name, |(name, _)| name)
                .ok()
                .map(|at| Cow::Borrowed(EMBEDDED[at].1)),
            AppFiles::Folder(dir) => {
                let path = dir.join(name);
                let metadata = tokio::fs::metadata(&path).await.ok()?;
                if !metadata.is_file() || metadata.len() > MAX_FILE_BYTES {
                    return None;
                }
                tokio::fs::read(&path).await.ok().map(Cow::Owned)
            }
        }
    }
}

/// Whether a person opens that address, and not a program or a page that asks for a file.
fn opens_a_page(path: &str, request: &HeaderMap) -> bool {
    let accept = request.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let mut names = path.trim_start_matches('/').split('/');
    accept.is_some_and(|kinds| kinds.contains("text/html"))
        && names.next().is_some_and(|first| !NO_PAGES.contains(&first))
        && !path.contains('.')
}

/// Names of files that lie below the folder: no `..`, no root, no drive, nothing hidden.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.contains(['\\', '\0', ':'])
        && !name
            .split('/')
            .any(|part| part.is_empty() || part.starts_with('.'))
        && Path::new(name)
            .components()
            .all(|component| matches!(component, Component::Normal(_)))
}

/// Whether the name carries a hash of the content (`app-0123456789abcdef_bg.wasm`).
fn is_hashed(name: &str) -> bool {
    let stem = name.rsplit('/').next().unwrap_or(name);
    stem.split(['-', '.', '_'])
        .skip(1)
        .any(|part| part.len() >= 8 && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Whether it is a published version of the embed's loader, whose hash stands in other people's pages.
fn is_release(name: &str) -> bool {
    name.strip_prefix("embed/v1.")
        .and_then(|rest| rest.strip_suffix(".js"))
        .is_some_and(|version| {
            version.bytes().all(|b| b.is_ascii_digit() || b == b'.') && version.contains('.')
        })
}

fn accepts_brotli(request: &HeaderMap) -> bool {
    request
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            parts.next() == Some("br") && !parts.any(|q| matches!(q, "q=0" | "q=0.0"))
        })
}

/// Strong: a hash of the very bytes that are sent.
fn etag(bytes: &[u8], compressed: bool) -> HeaderValue {
    let hash = hex::encode(&Sha256::digest(bytes)[..16]);
    let tag = if compressed {
        format!("\"{hash}-br\"")
    } else {
        format!("\"{hash}\"")
    };
    HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""))
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "ts" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn page(html: &'static str) -> Response {
    (
        [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CACHE_CONTROL, "no-cache"),
        ],
        html,
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_files_below_the_folder_have_plain_names() {
        for good in ["index.html", "a/b/c.js", "app-0123456789abcdef_bg.wasm"] {
            assert!(is_plain(good), "{good}");
        }
        for bad in [
            "",
            "..",
            "../x",
            "a/../x",
            "/etc/passwd",
            "a//b",
            ".git/config",
            "a\\..\\b",
            "c:x",
            "a\0",
        ] {
            assert!(!is_plain(bad), "{bad}");
        }
    }

    #[test]
    fn only_names_with_a_hash_are_immutable() {
        for hashed in [
            "app-0123456789abcdef.js",
            "app-0123456789abcdef_bg.wasm",
            "x/style-89abcdef01.css",
        ] {
            assert!(is_hashed(hashed), "{hashed}");
        }
        for plain in [
            "index.html",
            "manifest.webmanifest",
            "embed/v1.js",
            "deadbeef.js",
            "app-main.js",
        ] {
            assert!(!is_hashed(plain), "{plain}");
        }
    }

    #[test]
    fn published_versions_of_the_loader_are_immutable_and_the_moving_one_is_not() {
        for (name, expect) in [
            ("embed/v1.0.0.js", true),
            ("embed/v1.12.3.js", true),
            ("embed/v1.js", false),
            ("embed/v1.x.js", false),
            ("embed/frame.js", false),
        ] {
            assert_eq!(is_release(name), expect, "{name}");
        }
    }

    #[tokio::test]
    async fn who_opens_an_address_that_is_none_sees_the_app_and_a_program_only_its_status() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("index.html"), "<p>app").unwrap();
        let app = AppFiles::find(Some(dir.path()));
        let kind = async |path: &str, accept: &'static str| {
            let mut request = HeaderMap::new();
            request.insert(header::ACCEPT, HeaderValue::from_static(accept));
            let answer = app.answer(path, &request).await;
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
            answer.headers()[header::CONTENT_TYPE]
                .to_str()
                .unwrap()
                .to_owned()
        };
        const BROWSER: &str = "text/html,application/xhtml+xml,*/*;q=0.8";
        assert_eq!(kind("/nothing/here", BROWSER).await, "text/html; charset=utf-8");
        for (path, accept) in [
            ("/nothing/here", "*/*"),
            ("/gone.js", BROWSER),
            ("/api/v2", BROWSER),
            ("/models/0123", BROWSER),
            ("/.git/config", BROWSER),
        ] {
            assert_eq!(kind(path, accept).await, "text/plain; charset=utf-8", "{path}");
        }
    }

    #[test]
    fn brotli_is_sent_to_those_who_take_it() {
        let check = |value: &str, expect: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, value.parse().unwrap());
            assert_eq!(accepts_brotli(&headers), expect, "{value}");
        };
        check("gzip, deflate, br", true);
        check("br;q=0.5", true);
        check("br;q=0", false);
        check("gzip", false);
        check("brotli", false);
    }

    #[tokio::test]
    async fn a_folder_is_served_with_its_compressed_twins() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("index.html"), "<p>app").unwrap();
        std::fs::write(dir.path().join("app-0123456789abcdef.js"), "plain").unwrap();
        std::fs::write(dir.path().join("app-0123456789abcdef.js.br"), "squeezed").unwrap();
        let app = AppFiles::find(Some(dir.path()));
        let mut request = HeaderMap::new();

        let page = app.answer("/join", &request).await;
        assert_eq!(page.status(), 200);
        assert_eq!(page.headers()[header::CACHE_CONTROL], "no-cache");
        assert_eq!(app.answer("/joined", &request).await.status(), 404);
        for (asked, is_at) in [("/join/", "/join"), ("/favicon.ico", "/icons/icon-192.png")] {
            let moved = app.answer(asked, &request).await;
            assert_eq!(
                (moved.status(), &moved.headers()[header::LOCATION]),
                (StatusCode::PERMANENT_REDIRECT, &HeaderValue::from_static(is_at))
            );
        }

        request.insert(header::ACCEPT_ENCODING, "br".parse().unwrap());
        let script = app.answer("/app-0123456789abcdef.js", &request).await;
        assert_eq!(script.headers()[header::CONTENT_ENCODING], "br");
        assert_eq!(
            script.headers()[header::CONTENT_TYPE],
            "text/javascript; charset=utf-8"
        );
        assert!(
            script.headers()[header::CACHE_CONTROL]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
        request.insert(header::IF_NONE_MATCH, script.headers()[header::ETAG].clone());
        let again = app.answer("/app-0123456789abcdef.js", &request).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    }
}

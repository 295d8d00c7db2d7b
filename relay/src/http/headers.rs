//! The security headers of every answer: one policy for the app, one for what other sites may
//! load, one for the embed frame.
//! It does not route and does not know file types.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use libp2p::Multiaddr;

use crate::net::addrs::ws_origins;

/// Who an answer is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Our own pages.
    App,
    /// Any site: `/api`, `/models/…`, `/sdk`, and the compute worker that the SDK starts.
    Anyone,
    /// A frame on other sites: `/embed`.
    Frame,
}

impl Audience {
    /// The audience of a request path.
    pub fn of(path: &str) -> Audience {
        let below = |prefix: &str| {
            path.strip_prefix(prefix)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        let worker = path == "/compute_loader.js" || path.starts_with("/compute-");
        if below("/api") || below("/models") || below("/sdk") || worker || is_loader(path) {
            Audience::Anyone
        } else if below("/embed") {
            Audience::Frame
        } else {
            Audience::App
        }
    }
}

/// The headers, ready to be copied into answers.
#[derive(Debug, Clone)]
pub struct SecurityHeaders {
    addrs: Vec<Multiaddr>,
    app_csp: HeaderValue,
    frame_csp: HeaderValue,
    hsts: bool,
}

impl SecurityHeaders {
    /// Headers that let pages connect to the relay at `addrs`. `hsts` only under a certificate
    /// that browsers accept: under a self-signed one it would lock people out.
    pub fn new(addrs: &[Multiaddr], hsts: bool) -> Self {
        SecurityHeaders {
            app_csp: csp(addrs, "'none'"),
            frame_csp: csp(addrs, "*"),
            addrs: addrs.to_vec(),
            hsts,
        }
    }

    /// The same for a relay whose pages may also connect to these other relays.
    pub fn with_others<'a>(&self, others: impl Iterator<Item = &'a Multiaddr>) -> Self {
        let addrs: Vec<Multiaddr> = self.addrs.iter().cloned().chain(others.cloned()).collect();
        SecurityHeaders::new(&addrs, self.hsts)
    }

    /// Lets the frame stand on our own pages and on `origins` alone.
    pub fn framed_by(&self, origins: &[String], headers: &mut HeaderMap) {
        let ancestors = format!("'self' {}", origins.join(" "));
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            csp(&self.addrs, ancestors.trim_end()),
        );
    }

    /// Adds the headers for `audience` with that browser; a header that the answer already has is kept.
    pub fn apply(&self, audience: Audience, user_agent: &str, headers: &mut HeaderMap) {
        let mut set = |name: HeaderName, value: &HeaderValue| {
            if !headers.contains_key(&name) {
                headers.insert(name, value.clone());
            }
        };
        let fixed = HeaderValue::from_static;
        set(header::X_CONTENT_TYPE_OPTIONS, &fixed("nosniff"));
        set(header::REFERRER_POLICY, &fixed("no-referrer"));
        if self.hsts {
            set(
                header::STRICT_TRANSPORT_SECURITY,
                &fixed("max-age=31536000; includeSubDomains"),
            );
        }
        set(
            HeaderName::from_static("permissions-policy"),
            &fixed("camera=(self), screen-wake-lock=(self), microphone=(), geolocation=()"),
        );
        let (csp, opener, resource) = match audience {
            Audience::App => (&self.app_csp, "same-origin", "same-origin"),
            Audience::Anyone => (&self.app_csp, "same-origin", "cross-origin"),
            // The frame opens our consent page and must be able to hear from it.
            Audience::Frame => (&self.frame_csp, "unsafe-none", "cross-origin"),
        };
        set(header::CONTENT_SECURITY_POLICY, csp);
        set(
            HeaderName::from_static("cross-origin-opener-policy"),
            &fixed(opener),
        );
        // What stands on any site is kept by caches of others, and has one form: the strict one, which a worker may have
        // under a page of either kind.
        let strict = audience == Audience::Anyone || !knows_credentialless(user_agent);
        set(
            HeaderName::from_static("cross-origin-embedder-policy"),
            &fixed(if strict { "require-corp" } else { "credentialless" }),
        );
        set(
            HeaderName::from_static("cross-origin-resource-policy"),
            &fixed(resource),
        );
        if audience == Audience::Anyone {
            set(header::ACCESS_CONTROL_ALLOW_ORIGIN, &fixed("*"));
            set(
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                &fixed("accept-ranges, content-length, content-range, etag"),
            );
        } else {
            headers.append(header::VARY, fixed("user-agent"));
        }
    }
}

/// Whether the browser isolates a page that says `credentialless`. WebKit does not, on iOS under any name, and neither
/// does Firefox on Android: they take the word for no policy at all.
fn knows_credentialless(user_agent: &str) -> bool {
    let has = |word: &str| user_agent.contains(word);
    let webkit = has("AppleWebKit/") && !has("Chrome/") && !has("Chromium/");
    let firefox_on_android = has("Firefox/") && has("Android");
    !(webkit || firefox_on_android)
}

/// The embed's loader: a script tag with `integrity` asks for it in CORS mode.
fn is_loader(path: &str) -> bool {
    path.strip_prefix("/embed/v1")
        .is_some_and(|rest| rest.ends_with(".js") || rest.ends_with(".json"))
}

/// The content security policy. `connect-src` allows https because a person may open a model by
/// its URL; beyond that, the relay's own WebSocket addresses.
fn csp(addrs: &[Multiaddr], frame_ancestors: &str) -> HeaderValue {
    let mut connect = String::from("'self' https: wss:");
    for origin in ws_origins(addrs) {
        if origin.starts_with("ws:") {
            connect.push(' ');
            connect.push_str(&origin);
        }
    }
    let policy = format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
         img-src 'self' data: blob:; connect-src {connect}; worker-src 'self'; \
         manifest-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors {frame_ancestors}; require-trusted-types-for 'script'; \
         trusted-types default leptos-none"
    );
    // Origins come from multiaddrs, whose names may hold more than a header may.
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_audience_follows_the_path() {
        let check = |path: &str, expect| assert_eq!(Audience::of(path), expect, "{path}");
        check("/", Audience::App);
        check("/models", Audience::App);
        check("/models/ab12", Audience::Anyone);
        check("/api/v1/swarm", Audience::Anyone);
        check("/apis", Audience::App);
        check("/sdk/manyhands.js", Audience::Anyone);
        check("/embed/v1", Audience::Frame);
        check("/embed/frame.js", Audience::Frame);
        check("/embed/v1.js", Audience::Anyone);
        check("/embed/v1.0.0.js", Audience::Anyone);
        check("/compute_loader.js", Audience::Anyone);
        check("/compute-0123456789abcdef_bg.wasm", Audience::Anyone);
        check("/computer.js", Audience::App);
    }

    #[test]
    fn the_policy_names_the_relays_own_addresses_and_no_inline_script() {
        let addrs = ["/ip4/127.0.0.1/tcp/8787/ws".parse().unwrap()];
        let mut headers = HeaderMap::new();
        SecurityHeaders::new(&addrs, false).apply(Audience::App, "", &mut headers);
        let csp = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(
            csp.contains("connect-src 'self' https: wss: ws://127.0.0.1:8787;"),
            "{csp}"
        );
        assert!(csp.contains("require-trusted-types-for 'script'"), "{csp}");
        assert!(!csp.contains("unsafe-inline"), "{csp}");
        assert!(!headers.contains_key(header::STRICT_TRANSPORT_SECURITY));
        assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    }

    #[test]
    fn a_site_that_said_where_it_is_is_framed_there_alone() {
        let mut headers = HeaderMap::new();
        let policy = SecurityHeaders::new(&[], false);
        policy.framed_by(&["https://a.example".to_owned()], &mut headers);
        policy.apply(Audience::Frame, "", &mut headers);
        let csp = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(csp.contains("frame-ancestors 'self' https://a.example;"), "{csp}");
        policy.framed_by(&[], &mut headers);
        let csp = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(csp.contains("frame-ancestors 'self';"), "{csp}");
    }

    #[test]
    fn a_browser_without_credentialless_is_isolated_all_the_same() {
        let embedder = |audience, user_agent: &str| {
            let mut headers = HeaderMap::new();
            SecurityHeaders::new(&[], false).apply(audience, user_agent, &mut headers);
            let varies = headers.contains_key(header::VARY);
            assert_eq!(varies, audience != Audience::Anyone, "{user_agent}");
            headers["cross-origin-embedder-policy"].clone()
        };
        for strict in [
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/131.0.6778.73 Mobile/15E148 Safari/604.1",
            "Mozilla/5.0 (Android 14; Mobile; rv:132.0) Gecko/132.0 Firefox/132.0",
        ] {
            assert_eq!(embedder(Audience::App, strict), "require-corp", "{strict}");
            assert_eq!(embedder(Audience::Frame, strict), "require-corp", "{strict}");
        }
        for other in [
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36",
            "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
            "",
        ] {
            assert_eq!(embedder(Audience::App, other), "credentialless", "{other}");
            assert_eq!(embedder(Audience::Anyone, other), "require-corp", "{other}");
        }
    }

    #[test]
    fn an_answer_keeps_the_headers_it_brought() {
        let mut headers = HeaderMap::new();
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("origin"));
        SecurityHeaders::new(&[], true).apply(Audience::Anyone, "", &mut headers);
        assert_eq!(headers[header::REFERRER_POLICY], "origin");
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert!(headers.contains_key(header::STRICT_TRANSPORT_SECURITY));
    }
}

//! The web server from outside: pages, files, models, API, headers, and its end.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use common::{Relay, http, model, program, said};
use sha2::{Digest, Sha256};

/// A folder as the build leaves it.
fn app() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    write("index.html", "<!doctype html><title>app</title>");
    write("app-0123456789abcdef.js", "plain");
    write("app-0123456789abcdef.js.br", "squeezed");
    write("app-0123456789abcdef_bg.wasm", "\0asm");
    write("manifest.webmanifest", "{}");
    fs::create_dir(dir.path().join("embed")).unwrap();
    write("embed/v1.html", "<!doctype html><title>frame</title>");
    write("embed/v1.0.0.js", "loader");
    write("embed/v1.js", "loader");
    dir
}

#[test]
fn every_page_of_the_app_is_the_app_and_nothing_else_is() {
    let (data, app) = (tempfile::tempdir().unwrap(), app());
    let relay = Relay::start(data.path(), &["--app", &app.path().to_string_lossy()]);
    let at = relay.http();
    for page in [
        "/",
        "/lend",
        "/swarm",
        "/models",
        "/keys",
        "/settings",
        "/join",
        "/join?x=1",
    ] {
        let answer = http::get(at, page);
        assert_eq!(answer.status, 200, "{page}");
        assert!(answer.text().contains("<title>app</title>"), "{page}");
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(answer.header("cache-control"), "no-cache");
    }
    for missing in [
        "/nothing",
        "/app.js",
        "/api/v2",
        "/models/0123",
        "/sdk/x.js",
        "/.git/config",
    ] {
        assert_eq!(http::get(at, missing).status, 404, "{missing}");
    }
    assert_eq!(http::ask(at, "DELETE", "/", &[], b"").status, 405);
}

#[test]
fn files_have_their_type_their_age_and_their_compressed_twin() {
    let (data, app) = (tempfile::tempdir().unwrap(), app());
    let relay = Relay::start(data.path(), &["--app", &app.path().to_string_lossy()]);
    let at = relay.http();
    let script = "/app-0123456789abcdef.js";
    let plain = http::get(at, script);
    assert_eq!(
        (plain.text().as_str(), plain.header("content-encoding")),
        ("plain", "")
    );
    let small = http::get_with(at, script, &[("accept-encoding", "gzip, br")]);
    assert_eq!(
        (small.text().as_str(), small.header("content-encoding")),
        ("squeezed", "br")
    );
    assert_eq!(small.header("content-type"), "text/javascript; charset=utf-8");
    assert!(small.header("cache-control").contains("immutable"));
    assert_eq!(small.header("vary"), "accept-encoding");
    assert_ne!(small.header("etag"), plain.header("etag"));
    let known = [("accept-encoding", "br"), ("if-none-match", small.header("etag"))];
    assert_eq!(http::get_with(at, script, &known).status, 304);
    let wasm = http::get(at, "/app-0123456789abcdef_bg.wasm");
    assert_eq!(wasm.header("content-type"), "application/wasm");
    let manifest = http::get(at, "/manifest.webmanifest");
    assert_eq!(manifest.header("content-type"), "application/manifest+json");
    assert_eq!(manifest.header("cache-control"), "no-cache");
}

#[test]
fn every_answer_carries_the_security_headers() {
    let (data, app) = (tempfile::tempdir().unwrap(), app());
    let relay = Relay::start(data.path(), &["--app", &app.path().to_string_lossy()]);
    let at = relay.http();
    for path in [
        "/",
        "/nothing",
        "/app-0123456789abcdef.js",
        "/api/v1/swarm",
        "/models/0123",
        "/embed/v1",
    ] {
        let answer = http::get(at, path);
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert!(
            answer
                .header("content-security-policy")
                .contains("require-trusted-types-for 'script'")
        );
        assert!(answer.header("permissions-policy").contains("microphone=()"));
        assert_eq!(answer.header("strict-transport-security"), "", "no TLS, no HSTS");
    }
    let page = http::get(at, "/");
    let csp = page.header("content-security-policy");
    assert_eq!(
        csp,
        format!(
            "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
             img-src 'self' data: blob:; connect-src 'self' https: wss: ws://{at}; \
             worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'; require-trusted-types-for 'script'; \
             trusted-types default leptos-none"
        )
    );
    assert_eq!(page.header("cross-origin-opener-policy"), "same-origin");
    assert_eq!(page.header("cross-origin-embedder-policy"), "credentialless");
    let safari = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15";
    let strict = http::get_with(at, "/", &[("user-agent", safari)]);
    assert_eq!(strict.header("cross-origin-embedder-policy"), "require-corp");
    assert_eq!(page.header("cross-origin-resource-policy"), "same-origin");
    let api = http::get(at, "/api/v1/swarm");
    assert_eq!(api.header("access-control-allow-origin"), "*");
    assert_eq!(api.header("cross-origin-resource-policy"), "cross-origin");
    assert_eq!(page.header("access-control-allow-origin"), "");
    let preflight = http::ask(
        at,
        "OPTIONS",
        "/models/0123",
        &[("origin", "https://elsewhere.example")],
        b"",
    );
    assert_eq!(preflight.status, 204);
    assert!(preflight.header("access-control-allow-headers").contains("range"));
    let frame = http::get(at, "/embed/v1");
    assert_eq!(frame.header("cross-origin-opener-policy"), "unsafe-none");
    assert!(
        frame
            .header("content-security-policy")
            .contains("frame-ancestors *")
    );
}

#[test]
fn a_path_that_climbs_is_refused_in_every_spelling() {
    let (data, app) = (tempfile::tempdir().unwrap(), app());
    let secret = app.path().join("../secret-of-the-test");
    fs::write(&secret, "secret").unwrap();
    let relay = Relay::start(data.path(), &["--app", &app.path().to_string_lossy()]);
    for path in [
        "/../secret-of-the-test",
        "/%2e%2e/secret-of-the-test",
        "/x/..%2fsecret-of-the-test",
        "/..%5csecret-of-the-test",
        "/models/../../secret-of-the-test",
        "/models/..%2f..%2fpeer.key",
    ] {
        let answer = http::get(relay.http(), path);
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.text().contains("`..`"), "{path}: {}", answer.text());
        assert_eq!(answer.text().trim().lines().count(), 1);
    }
    fs::remove_file(secret).unwrap();
}

#[test]
fn a_model_is_served_by_its_hashes_whole_and_in_part() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("tiny.gguf");
    let bytes = model::gguf(3, 1);
    fs::write(&file, &bytes).unwrap();
    let relay = Relay::start(data.path(), &["--model", &file.to_string_lossy()]);
    let at = relay.http();
    let swarm = relay.json("/api/v1/swarm");
    let listed = &swarm["models"][0];
    let hash = hex::encode(Sha256::digest(&bytes));
    assert_eq!(listed["name"], "Tiny");
    assert_eq!(listed["architecture"], "llama");
    assert_eq!(listed["layers"], 3);
    assert_eq!(listed["bytes"], bytes.len());
    assert_eq!(listed["sha256"], hash.as_str());
    let by_id = relay.json(&format!(
        "/api/v1/swarms/{}",
        swarm["swarm"]["id"].as_str().unwrap()
    ));
    assert_eq!(by_id["models"], swarm["models"]);
    assert_eq!(http::get(at, "/api/v1/swarms/00").status, 404);
    let id = listed["id"].as_str().unwrap();

    for name in [id, &hash] {
        let whole = http::get(at, &format!("/models/{name}"));
        assert_eq!((whole.status, &whole.body), (200, &bytes));
        assert_eq!(whole.header("etag"), format!("\"{hash}\""));
        assert!(whole.header("cache-control").contains("immutable"));
        assert_eq!(whole.header("accept-ranges"), "bytes");
    }
    let path = format!("/models/{id}");
    let size = bytes.len();
    let part = |range: &str| http::get_with(at, &path, &[("range", range)]);
    let middle = part("bytes=100-299");
    assert_eq!((middle.status, middle.body.as_slice()), (206, &bytes[100..300]));
    assert_eq!(middle.header("content-range"), format!("bytes 100-299/{size}"));
    assert_eq!(part("bytes=-7").body, &bytes[size - 7..]);
    assert_eq!(part(&format!("bytes={}-", size - 1)).body, &bytes[size - 1..]);
    let beyond = part(&format!("bytes={size}-"));
    assert_eq!(beyond.status, 416);
    assert_eq!(beyond.header("content-range"), format!("bytes */{size}"));
    assert!(beyond.text().contains(&size.to_string()));

    let etag = format!("\"{hash}\"");
    assert_eq!(http::get_with(at, &path, &[("if-none-match", &etag)]).status, 304);
    let ours = [("range", "bytes=0-9"), ("if-range", etag.as_str())];
    assert_eq!(http::get_with(at, &path, &ours).status, 206);
    let other = [("range", "bytes=0-9"), ("if-range", "\"other\"")];
    assert_eq!(http::get_with(at, &path, &other).status, 200);
    let head = http::ask(at, "HEAD", &path, &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), size.to_string());

    let manifest = http::get(at, &format!("{path}/manifest"));
    let manifest = gguf::Manifest::decode(&manifest.body).unwrap();
    assert_eq!(manifest.id().to_string(), id);
    assert!(manifest.check_chunk(0, &bytes[..size.min(1 << 20)]).is_ok());
    assert!(relay.metric("manyhands_model_bytes_total") > 2 * size as u64);
}

#[test]
fn a_model_is_served_by_the_hashes_of_its_chunks() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("tiny.gguf");
    let bytes = model::gguf(60, 1);
    fs::write(&file, &bytes).unwrap();
    let relay = Relay::start(data.path(), &["--model", &file.to_string_lossy()]);
    let at = relay.http();
    let id = relay.json("/api/v1/swarm")["models"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let chunks: Vec<&[u8]> = bytes.chunks(gguf::CHUNK_BYTES as usize).collect();
    assert!(chunks.len() > 2, "{} chunks", chunks.len());
    for chunk in &chunks {
        let hash = hex::encode(Sha256::digest(chunk));
        let path = format!("/models/{id}/chunks/{hash}");
        let got = http::get(at, &path);
        assert_eq!((got.status, got.body.as_slice()), (200, *chunk));
        assert_eq!(got.header("etag"), format!("\"{hash}\""));
        assert_eq!(got.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(got.header("access-control-allow-origin"), "*");
        assert_eq!(got.header("content-length"), chunk.len().to_string());
        let known = [("if-none-match", got.header("etag"))];
        assert_eq!(http::get_with(at, &path, &known).status, 304);
        let head = http::ask(at, "HEAD", &path, &[], b"");
        assert_eq!((head.status, head.body.len()), (200, 0));
    }
    let real = hex::encode(Sha256::digest(chunks[0]));
    let other_hash = hex::encode(Sha256::digest(b"another"));
    for missing in [
        format!("/models/{id}/chunks/{other_hash}"),
        format!("/models/{id}/chunks/{}", &real[1..]),
        format!("/models/{id}/chunks/{real}00"),
        format!("/models/{id}/chunks/not-a-hash"),
        format!("/models/{other_hash}/chunks/{real}"),
    ] {
        assert_eq!(http::get(at, &missing).status, 404, "{missing}");
    }
}

#[test]
fn a_file_that_changed_under_the_relay_is_not_served_as_the_old_one() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("tiny.gguf");
    fs::write(&file, model::gguf(1, 1)).unwrap();
    let relay = Relay::start(data.path(), &["--model", &file.to_string_lossy()]);
    let id = relay.json("/api/v1/swarm")["models"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    fs::write(&file, model::gguf(2, 1)).unwrap();
    assert_eq!(http::get(relay.http(), &format!("/models/{id}")).status, 500);
}

#[test]
fn health_and_metrics_say_what_is() {
    let data = tempfile::tempdir().unwrap();
    let relay = Relay::start(data.path(), &["--limits", "open", "--limit", "max_circuits=7"]);
    for path in ["/livez", "/readyz", "/healthz"] {
        assert_eq!(http::get(relay.http(), path).status, 200, "{path}");
    }
    assert_eq!(
        http::get(relay.http(), "/metrics").status,
        404,
        "only on its own port"
    );
    assert_eq!(relay.metric("manyhands_limit{name=\"max_circuits\"}"), 7);
    assert_eq!(relay.metric("manyhands_circuit_bytes_total"), 0);
    assert!(relay.metric("manyhands_http_answers_total{status=\"200\"}") >= 3);
    let peers = relay.json("/api/v1/peers");
    assert_eq!(peers["workers"], serde_json::json!([]));
}

#[test]
fn an_invite_is_exchanged_for_the_swarm_and_a_guess_for_nothing() {
    let data = tempfile::tempdir().unwrap();
    let relay = Relay::start(data.path(), &[]);
    let made = said(program(data.path()).args(["invite", "--role", "Worker"]));
    let (url, secret) = made.out.trim().split_once("/join#v1.").unwrap();
    assert_eq!(url, relay.ready["url"].as_str().unwrap());
    let exchange = |body: &str| {
        let headers = [("content-type", "application/json")];
        http::ask(relay.http(), "POST", "/api/v1/invite", &headers, body.as_bytes())
    };
    let answer = exchange(&format!("{{\"secret\":\"{secret}\"}}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let invite: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(invite["role"], "Worker");
    assert_eq!(invite["swarm"], relay.json("/api/v1/swarm")["swarm"]);
    assert_eq!(invite["relay"]["multiaddrs"][0], relay.ready["p2p"][0]);
    assert_eq!(exchange("{\"secret\":\"AAAAAAAAAAAAAAAAAAAAAA\"}").status, 404);
    for bad in [
        "{\"secret\":\"short\"}",
        "{\"secret\":7}",
        "{}",
        "not json",
        "{\"secret\":\"../../peer.key\"}",
    ] {
        assert_eq!(exchange(bad).status, 400, "{bad}");
    }
}

#[test]
fn a_running_download_ends_well_when_the_relay_is_told_to_stop() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("tiny.gguf");
    // Larger than any socket buffer, so that the answer is under way for as long as we like.
    let bytes = model::gguf(400, 1);
    fs::write(&file, &bytes).unwrap();
    let relay = Relay::start(data.path(), &["--model", &file.to_string_lossy()]);
    let at = relay.http();
    let id = relay.json("/api/v1/swarm")["models"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut stream = http::send(at, "GET", &format!("/models/{id}"), &[], b"");
    // Well behind the head: the answer is truly under way.
    let mut answer = vec![0; 64 * 1024];
    stream.read_exact(&mut answer).unwrap();
    relay.terminate();
    // Soon, and well before it would break off what is under way.
    let end = std::time::Instant::now() + Duration::from_secs(2);
    while TcpStream::connect(at).is_ok() {
        assert!(std::time::Instant::now() < end, "somebody new is still let in");
        std::thread::sleep(Duration::from_millis(20));
    }
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(http::parse(&answer).body, bytes);
    assert!(relay.wait().success());
}

#[test]
fn a_client_that_never_finishes_its_request_is_dropped() {
    let data = tempfile::tempdir().unwrap();
    let relay = Relay::start(data.path(), &["--limit", "http_header_timeout_s=1"]);
    let mut slow = TcpStream::connect(relay.http()).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n").unwrap();
    let mut rest = Vec::new();
    // Closed by the relay, with or without a word.
    let _ = slow.read_to_end(&mut rest);
    relay.until("the slow client is gone", |relay| {
        relay.metric("manyhands_http_connections_open") <= 1
    });
}

#[test]
fn without_an_app_the_relay_says_how_to_build_one() {
    let (data, empty) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let relay = Relay::start(data.path(), &["--app", &empty.path().to_string_lossy()]);
    let page = http::get(relay.http(), "/");
    assert_eq!(page.status, 200);
    assert!(page.text().contains("cargo xtask serve"), "{}", page.text());
}

/// Accepts the one certificate that the relay has made for itself.
fn https(data: &std::path::Path) -> tokio_rustls::rustls::ClientConfig {
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer};
    let kept = fs::read(data.join("tls-self-signed.json")).unwrap();
    let kept: serde_json::Value = serde_json::from_slice(&kept).unwrap();
    let der: Vec<u8> = serde_json::from_value(kept["certificate_der"].clone()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(der)).unwrap();
    ClientConfig::builder_with_provider(std::sync::Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

#[test]
fn a_self_signed_relay_speaks_tls_under_its_addresses_and_keeps_its_certificate() {
    use tokio_rustls::rustls::{ClientConnection, StreamOwned};
    let data = tempfile::tempdir().unwrap();
    let mut certificates = Vec::new();
    for _ in 0..2 {
        let relay = Relay::start(data.path(), &["--tls", "self-signed"]);
        assert!(
            relay.ready["url"]
                .as_str()
                .unwrap()
                .starts_with("https://localhost:")
        );
        assert!(relay.ready["p2p"][0].as_str().unwrap().contains("/tls/ws/p2p/"));
        for name in ["localhost", "127.0.0.1"] {
            let client = ClientConnection::new(
                std::sync::Arc::new(https(data.path())),
                name.to_owned().try_into().unwrap(),
            );
            let socket = TcpStream::connect(relay.http()).unwrap();
            let mut stream = StreamOwned::new(client.unwrap(), socket);
            stream
                .write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                .unwrap();
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            let answer = http::parse(&answer);
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("strict-transport-security"), "");
        }
        // Plain HTTP on the TLS port gets nothing, and harms nothing.
        let mut plain = http::send(relay.http(), "GET", "/", &[], b"");
        let mut answer = Vec::new();
        let _ = plain.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP"));
        certificates.push(fs::read(data.path().join("tls-self-signed.json")).unwrap());
    }
    assert_eq!(certificates[0], certificates[1]);
}

#[test]
fn the_claim_link_makes_one_owner() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use identity::{LocalKey, PublicKey, PublisherDelegation, Signed, SigningKey, Timestamp, Validity};
    let data = tempfile::tempdir().unwrap();
    let relay = Relay::start(data.path(), &[]);
    relay.until("the claim link is printed", |relay| {
        relay.log().contains("#claim.v1.")
    });
    let log = relay.log();
    let (_, secret) = log.split_once("/keys#claim.v1.").unwrap();
    let secret = secret.lines().next().unwrap();
    let offer = relay.json("/api/v1/claim");
    assert_eq!(offer["owner"], serde_json::Value::Null);
    let key = hex::decode(offer["publisher"].as_str().unwrap()).unwrap();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let person = LocalKey::es256(&[1; 32]).unwrap();
    let paper = Signed::sign(
        &PublisherDelegation {
            publisher: PublicKey::from_bytes(&key).unwrap(),
            validity: Validity::starting(
                Timestamp::from_seconds(now.as_secs()),
                Duration::from_secs(86_400),
            ),
        },
        &person,
    )
    .unwrap();
    let claim = |secret: &str| {
        let body = serde_json::json!({
            "secret": secret,
            "delegation": URL_SAFE_NO_PAD.encode(paper.to_bytes()),
        });
        let headers = [("content-type", "application/json")];
        http::ask(
            relay.http(),
            "POST",
            "/api/v1/claim",
            &headers,
            body.to_string().as_bytes(),
        )
        .status
    };
    assert_eq!(claim("AAAAAAAAAAAAAAAAAAAAAA"), 403);
    assert_eq!(claim(secret), 200);
    assert_eq!(claim(secret), 403);
    let owner = person.public_key().node_id().to_string();
    assert_eq!(relay.json("/api/v1/claim")["owner"], owner.as_str());
    drop(relay);
    let again = Relay::start(data.path(), &[]);
    assert!(!again.log().contains("#claim.v1."));
    let shown = said(program(data.path()).args(["swarm", "show"]));
    assert!(shown.out.contains(&owner), "{}", shown.out);
}

#[test]
fn a_turn_server_is_told_with_a_credential_that_ends() {
    let data = tempfile::tempdir().unwrap();
    let secret = data.path().join("turn.secret");
    fs::write(&secret, "north\n").unwrap();
    let url = "turn:turn.example:3478?transport=udp";
    let relay = Relay::start(
        data.path(),
        &[
            "--ice-server",
            url,
            "--turn-secret-file",
            &secret.to_string_lossy(),
        ],
    );
    let server = &relay.json("/api/v1/swarm")["ice_servers"][0];
    assert_eq!(server["urls"][0], url);
    let until = server["username"].as_str().unwrap().strip_suffix(":tab").unwrap();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let left = until.parse::<u64>().unwrap() - now.as_secs();
    assert!((21_590..=21_600).contains(&left), "{left} s");
    assert_eq!(server["credential"].as_str().unwrap().len(), 28);
    assert!(!relay.log().contains("north"));
}

/// A site's statement as its owner's browser signs it.
fn statement(sequence: u64, origins: &[&str]) -> (String, String) {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use identity::{LocalKey, Signed, SigningKey, Timestamp};
    let key = LocalKey::es256(&[9; 32]).unwrap();
    let record = registry::SiteOrigins {
        origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
        sequence,
        issued_at: Timestamp::from_seconds(1_600_000_000),
    };
    let bytes = Signed::sign(&record, &key).unwrap().to_bytes();
    let site = format!("k_{}", URL_SAFE_NO_PAD.encode(key.public_key().to_bytes()));
    let body = format!("{{\"statement\":\"{}\"}}", URL_SAFE_NO_PAD.encode(bytes));
    (site, body)
}

#[test]
fn a_site_is_framed_where_its_key_says_and_its_visitors_gifts_are_counted_and_signed() {
    let (data, app) = (tempfile::tempdir().unwrap(), app());
    let relay = Relay::start(data.path(), &["--app", &app.path().to_string_lossy()]);
    let at = relay.http();
    let json = [("content-type", "application/json")];
    let policy = |path: &str| http::get(at, path).header("content-security-policy").to_owned();
    assert!(policy("/embed/v1?site=k_unknown").contains("frame-ancestors *;"));
    assert_eq!(http::get(at, "/embed/v1.html").status, 404);

    let (site, body) = statement(2, &["https://a.example"]);
    let gave = format!("/api/v1/sites/{site}/gave");
    let gift = br#"{"visits":1,"jobs":2,"tokens":30,"bytes":400}"#;
    assert_eq!(http::ask(at, "POST", &gave, &json, gift).status, 404);
    let published = http::ask(at, "POST", "/api/v1/sites", &json, body.as_bytes());
    assert_eq!(published.status, 200, "{}", published.text());
    let escaped = format!("/embed/v1?x=1&s%69te={}", site.replace('_', "%5f"));
    for path in [format!("/embed/v1?site={site}"), escaped] {
        assert!(
            policy(&path).contains("frame-ancestors 'self' https://a.example;"),
            "{path}"
        );
    }
    let (_, older) = statement(1, &["https://b.example"]);
    assert_eq!(
        http::ask(at, "POST", "/api/v1/sites", &json, older.as_bytes()).status,
        403
    );

    assert_eq!(http::ask(at, "POST", &gave, &json, gift).status, 204);
    let foreign = [json[0], ("sec-fetch-site", "cross-site")];
    assert_eq!(http::ask(at, "POST", &gave, &foreign, gift).status, 403);
    let counts = http::get(at, &format!("/api/v1/sites/{site}/counts"));
    let counts: serde_json::Value = serde_json::from_str(&counts.text()).unwrap();
    assert_eq!((&counts["visits"], &counts["tokens"]), (&1.into(), &30.into()));
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let signed = URL_SAFE_NO_PAD
        .decode(counts["signed"].as_str().unwrap())
        .unwrap();
    let verified = identity::Signed::<registry::SiteCounts>::from_bytes(&signed)
        .and_then(|signed| signed.verify())
        .unwrap();
    assert_eq!(verified.jobs, 2);
    let publisher: Vec<u8> = verified.signer().to_bytes();
    assert_eq!(counts["publisher"], hex::encode(publisher));
}

#[test]
fn other_peoples_pages_may_load_the_sdk_its_worker_and_the_loader_and_nothing_else() {
    let (data, app) = (tempfile::tempdir().unwrap(), app());
    let relay = Relay::start(data.path(), &["--app", &app.path().to_string_lossy()]);
    let at = relay.http();
    for (path, open) in [
        ("/sdk/sdk.js", true),
        ("/compute_loader.js", true),
        ("/compute-0123456789abcdef_bg.wasm", true),
        ("/embed/v1.js", true),
        ("/embed/v1.0.0.js", true),
        ("/", false),
        ("/app-0123456789abcdef_bg.wasm", false),
        ("/embed/v1", false),
    ] {
        let answer = http::get(at, path);
        let expect = if open { "*" } else { "" };
        assert_eq!(answer.header("access-control-allow-origin"), expect, "{path}");
    }
    assert!(
        http::get(at, "/embed/v1.0.0.js")
            .header("cache-control")
            .contains("immutable")
    );
    assert_eq!(http::get(at, "/embed/v1.js").header("cache-control"), "no-cache");
}

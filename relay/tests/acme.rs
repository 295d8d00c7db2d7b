//! The certificate from a certificate authority: ordered from Pebble, the ACME project's test server, and used.
//! It skips, and says so, where Pebble (Debian: `apt-get install pebble`) is not installed.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod common;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use common::{Relay, http};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

/// A name of RFC 6761's `.test`: only Pebble's own name server resolves it, to this machine.
const HOST: &str = "relay.test";

#[test]
fn a_certificate_is_ordered_from_an_authority_and_browsers_that_trust_it_get_in() {
    let Some(authority) = Authority::start() else {
        eprintln!("skipped: pebble and pebble-challtestsrv are not installed");
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let listen = format!("127.0.0.1:{}", authority.challenge_port);
    let relay = Relay::start(
        data.path(),
        &[
            "--listen",
            &listen,
            "--tls",
            "acme",
            "--public-url",
            &format!("https://{HOST}"),
            "--acme-directory",
            &format!("https://localhost:{}/dir", authority.port),
            "--acme-ca",
            &authority.certificate.to_string_lossy(),
        ],
    );

    let trust = authority.client();
    let address: SocketAddr = listen.parse().unwrap();
    let answer = until(|| get(address, HOST, trust.clone(), "/livez"))
        .unwrap_or_else(|| panic!("no certificate within a minute: {}", relay.log()));
    assert_eq!(answer.status, 200);
    // Only a certificate that browsers accept may be demanded of them in future.
    assert!(answer.header("strict-transport-security").starts_with("max-age="));
    assert!(get(address, "other.test", trust, "/livez").is_err());
}

#[test]
fn an_authority_that_cannot_be_trusted_is_refused_by_the_name_of_its_file() {
    let data = tempfile::tempdir().unwrap();
    let ca = data.path().join("ca.pem");
    fs::write(&ca, "not a certificate").unwrap();
    let said = common::said(
        common::program(data.path())
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--metrics",
                "off",
                "--tls",
                "acme",
            ])
            .args(["--public-url", "https://relay.test", "--acme-ca"])
            .arg(&ca),
    );
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(
        said.err.contains("ca.pem") && said.err.lines().count() == 1,
        "{}",
        said.err
    );
}

/// A certificate authority on loopback, with a name server that knows one address for every name.
struct Authority {
    folder: tempfile::TempDir,
    certificate: std::path::PathBuf,
    port: u16,
    management_port: u16,
    challenge_port: u16,
    programs: Vec<Child>,
}

impl Authority {
    fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let [port, management_port, challenge_port, http_port] = free_ports();
        let name_port = UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let own =
            rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let (certificate, key) = (folder.path().join("ca.pem"), folder.path().join("key.pem"));
        fs::write(&certificate, own.cert.pem()).unwrap();
        fs::write(&key, own.key_pair.serialize_pem()).unwrap();
        let config = folder.path().join("pebble.json");
        let text = serde_json::json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management_port}"),
            "certificate": certificate, "privateKey": key,
            "httpPort": http_port, "tlsPort": challenge_port,
            "ocspResponderURL": "", "externalAccountBindingRequired": false,
        }});
        fs::write(&config, text.to_string()).unwrap();

        let mut names = quiet("pebble-challtestsrv");
        names.args([
            "-dns01",
            &format!("127.0.0.1:{name_port}"),
            "-defaultIPv4",
            "127.0.0.1",
            "-defaultIPv6",
            "",
        ]);
        names.args(["-http01", "", "-https01", "", "-tlsalpn01", ""]);
        names.args(["-management", ""]);
        let mut pebble = quiet("pebble");
        pebble.arg("-config").arg(&config);
        pebble.args(["-dnsserver", &format!("127.0.0.1:{name_port}")]);
        pebble
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_WFE_NONCEREJECT", "0");
        let programs = vec![names.spawn().ok()?, pebble.spawn().ok()?];
        let authority = Self {
            folder,
            certificate,
            port,
            management_port,
            challenge_port,
            programs,
        };
        // The relay asks for the directory once at its start, and again only after a while.
        until(|| TcpStream::connect(("127.0.0.1", authority.port))).expect("pebble does not listen");
        Some(authority)
    }

    /// A client that trusts what this authority issues, and nothing else.
    fn client(&self) -> Arc<ClientConfig> {
        let own = trusting(&fs::read(&self.certificate).unwrap());
        let address = SocketAddr::from(([127, 0, 0, 1], self.management_port));
        let root = get(address, "localhost", own, "/roots/0").unwrap();
        trusting(&root.body)
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        for program in &mut self.programs {
            let _ = program.kill();
            let _ = program.wait();
        }
        assert!(Path::new(self.folder.path()).exists());
    }
}

fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Ports that were free a moment ago, all different.
fn free_ports<const N: usize>() -> [u16; N] {
    let held: Vec<TcpListener> = (0..N)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    std::array::from_fn(|at| held[at].local_addr().unwrap().port())
}

fn until<T, E>(attempt: impl Fn() -> Result<T, E>) -> Option<T> {
    let end = Instant::now() + Duration::from_secs(60);
    while Instant::now() < end {
        if let Ok(done) = attempt() {
            return Some(done);
        }
        thread::sleep(Duration::from_millis(100));
    }
    None
}

fn trusting(pem: &[u8]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// GET over TLS, of `name` at `address`.
fn get(
    address: SocketAddr,
    name: &str,
    trust: Arc<ClientConfig>,
    path: &str,
) -> std::io::Result<http::Answer> {
    let server = name.to_owned().try_into().map_err(std::io::Error::other)?;
    let session = ClientConnection::new(trust, server).map_err(std::io::Error::other)?;
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut stream = StreamOwned::new(session, socket);
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    // A server may close without TLS's own goodbye; what counts is the whole answer.
    match stream.read_to_end(&mut answer) {
        Err(error) if answer.is_empty() => return Err(error),
        _ => {}
    }
    Ok(http::parse(&answer))
}

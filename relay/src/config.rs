//! The relay's settings: flags before environment before a TOML file before defaults.
//! It does not open, create or bind anything.

mod values;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use libp2p::{Multiaddr, multiaddr::Protocol};
use serde::{Deserialize, Serialize};

pub use self::values::{LimitArg, MetricsAddr, Port};
use crate::{
    limits::{Limits, UnknownLimit},
    net::addrs::{NotAPublicUrl, PublicUrl},
};

/// Largest settings file: a hundred keys fit many times over.
const MAX_CONFIG_BYTES: u64 = 1024 * 1024;

/// The DHT warns at every start that it knows nobody yet; the WebRTC libraries warn with a visitor's address.
const DEFAULT_LOG_FILTER: &str = "info,libp2p_swarm=warn,libp2p_kad=error,webrtc_ice=off,libp2p_webrtc=off";

/// What may be set, everything optional: as flags, environment and TOML keys alike.
#[derive(Debug, Clone, Default, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address of the web server and, on the same port, of libp2p over WebSocket [127.0.0.1:8787]
    #[arg(long, env = "MANYHANDS_RELAY_LISTEN", value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    /// How the outside world reaches the web server, for example https://relay.example
    #[arg(long, env = "MANYHANDS_RELAY_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// Folder of key, models and swarm state
    #[arg(skip)]
    pub data: Option<PathBuf>,
    /// Where the certificate comes from [off]
    #[arg(long, env = "MANYHANDS_RELAY_TLS", value_enum)]
    pub tls: Option<TlsMode>,
    /// Certificate chain in PEM, with --tls files
    #[arg(long, env = "MANYHANDS_RELAY_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// Private key in PEM, with --tls files
    #[arg(long, env = "MANYHANDS_RELAY_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Contact address for the certificate authority, with --tls acme
    #[arg(long, env = "MANYHANDS_RELAY_ACME_EMAIL", value_name = "ADDRESS")]
    pub acme_email: Option<String>,
    /// Directory of the certificate authority, with --tls acme [Let's Encrypt]
    #[arg(long, env = "MANYHANDS_RELAY_ACME_DIRECTORY", value_name = "URL")]
    pub acme_directory: Option<String>,
    /// Certificates in PEM by which a private authority's directory is trusted [the web's own]
    #[arg(long, env = "MANYHANDS_RELAY_ACME_CA", value_name = "FILE")]
    pub acme_ca: Option<PathBuf>,
    /// Port of libp2p over TCP for native peers [off]
    #[arg(long, env = "MANYHANDS_RELAY_P2P_PORT", value_name = "PORT|off")]
    pub p2p_port: Option<Port>,
    /// UDP port of libp2p's /webrtc-direct [off]
    #[arg(long, env = "MANYHANDS_RELAY_WEBRTC_PORT", value_name = "PORT|off")]
    pub webrtc_port: Option<Port>,
    /// UDP port of libp2p's /webtransport [off]
    #[arg(long, env = "MANYHANDS_RELAY_WEBTRANSPORT_PORT", value_name = "PORT|off")]
    pub webtransport_port: Option<Port>,
    /// UDP port of the STUN server [off]
    #[arg(long, env = "MANYHANDS_RELAY_STUN_PORT", value_name = "PORT|off")]
    pub stun_port: Option<Port>,
    /// Address of the metrics page [127.0.0.1:9787]
    #[arg(long, env = "MANYHANDS_RELAY_METRICS", value_name = "ADDR:PORT|off")]
    pub metrics: Option<MetricsAddr>,
    /// GGUF files to publish; without any, those in the data folder, else the welcome model
    #[arg(long, env = "MANYHANDS_RELAY_MODEL", value_name = "PATH", num_args = 1.., value_delimiter = ',')]
    #[serde(default)]
    pub model: Vec<PathBuf>,
    /// Serve the app from this folder rather than the one built in
    #[arg(long, env = "MANYHANDS_RELAY_APP", value_name = "DIR")]
    pub app: Option<PathBuf>,
    /// Name of the relay's own swarm [manyhands]
    #[arg(long, env = "MANYHANDS_RELAY_SWARM_NAME", value_name = "NAME")]
    pub swarm_name: Option<String>,
    /// ICE servers for the browsers, for example stun:stun.example:3478
    #[arg(
        long,
        env = "MANYHANDS_RELAY_ICE_SERVER",
        value_name = "URL",
        value_delimiter = ','
    )]
    #[serde(default)]
    pub ice_server: Vec<String>,
    /// File with the secret that the TURN servers among them share with us (coturn: static-auth-secret)
    #[arg(long, env = "MANYHANDS_RELAY_TURN_SECRET_FILE", value_name = "FILE")]
    pub turn_secret_file: Option<PathBuf>,
    /// Other relays of the same network, as multiaddrs that end in /p2p/ID
    #[arg(
        long,
        env = "MANYHANDS_RELAY_RELAY",
        value_name = "MULTIADDR",
        value_delimiter = ','
    )]
    #[serde(default)]
    pub relay: Vec<Multiaddr>,
    /// Profile of limits; `open` is for tests and benchmarks on loopback [default]
    #[arg(long, env = "MANYHANDS_RELAY_LIMITS", value_enum)]
    pub limits: Option<Profile>,
    /// One limit of its own, NAME=NUMBER; --print-config lists the names
    #[arg(
        long = "limit",
        env = "MANYHANDS_RELAY_LIMIT",
        value_name = "NAME=NUMBER",
        value_delimiter = ','
    )]
    #[serde(skip)]
    pub limit_args: Vec<LimitArg>,
    /// The same as a TOML table.
    #[arg(skip)]
    #[serde(default)]
    pub limit: BTreeMap<String, u64>,
    /// Form of the log [text]
    #[arg(long, env = "MANYHANDS_RELAY_LOG", value_enum)]
    pub log: Option<LogForm>,
    /// What is logged, in the syntax of tracing's EnvFilter [info]
    #[arg(long, env = "MANYHANDS_RELAY_LOG_FILTER", value_name = "FILTER")]
    pub log_filter: Option<String>,
}

/// Where the TLS certificate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// Plain HTTP: for loopback, or behind a proxy that terminates TLS.
    Off,
    /// Our own certificate with the local network's addresses as names.
    SelfSigned,
    /// --tls-cert and --tls-key.
    Files,
    /// From a certificate authority, by the TLS-ALPN challenge on the web server's port.
    Acme,
}

/// A named set of limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    Default,
    Open,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogForm {
    Text,
    Json,
}

/// The settings in force.
#[derive(Debug, Clone)]
pub struct Config {
    pub listen: SocketAddr,
    pub public_url: Option<PublicUrl>,
    pub data: PathBuf,
    pub tls: TlsMode,
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    pub acme_email: Option<String>,
    pub acme_directory: Option<String>,
    pub acme_ca: Option<PathBuf>,
    pub p2p_port: Option<u16>,
    pub webrtc_port: Option<u16>,
    pub webtransport_port: Option<u16>,
    pub stun_port: Option<u16>,
    pub metrics: Option<SocketAddr>,
    pub models: Vec<PathBuf>,
    pub app: Option<PathBuf>,
    pub swarm_name: String,
    pub ice_servers: Vec<String>,
    pub turn_secret_file: Option<PathBuf>,
    pub relays: Vec<Multiaddr>,
    pub limits: Limits,
    pub log: LogForm,
    pub log_filter: String,
}

/// A setting that cannot be used. All of these end the program with exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read config file {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("config file {path}: {why}")]
    File { path: PathBuf, why: String },
    #[error(transparent)]
    Limit(#[from] UnknownLimit),
    #[error("public-url: {0}")]
    PublicUrl(#[from] NotAPublicUrl),
    #[error("{0} is needed with {1}")]
    Missing(&'static str, &'static str),
    #[error("the name of a swarm has 1 to {MAX_NAME_BYTES} bytes of printable text")]
    SwarmName,
    #[error("no data folder: give --data DIR (neither STATE_DIRECTORY, XDG_DATA_HOME nor HOME is set)")]
    NoDataFolder,
    #[error("log-filter `{0}`: {1}")]
    LogFilter(String, String),
    #[error("relay `{0}` does not end in /p2p/ID: without it nobody would know who answers there")]
    Relay(Multiaddr),
    #[error("ice server `{0}` is not a stun:, turn: or turns: URL")]
    IceServer(String),
}

/// Longest name of a swarm: it is shown in one line on a phone.
const MAX_NAME_BYTES: usize = 64;

impl Settings {
    /// Reads a settings file.
    ///
    /// # Errors
    /// When it cannot be read, is no TOML or has an unknown key.
    pub fn from_file(path: &Path) -> Result<Settings, ConfigError> {
        let read = |source| ConfigError::Read {
            path: path.to_owned(),
            source,
        };
        if std::fs::metadata(path).map_err(read)?.len() > MAX_CONFIG_BYTES {
            return Err(ConfigError::File {
                path: path.to_owned(),
                why: format!("larger than {MAX_CONFIG_BYTES} bytes"),
            });
        }
        let text = std::fs::read_to_string(path).map_err(read)?;
        toml::from_str(&text).map_err(|error| ConfigError::File {
            path: path.to_owned(),
            // One line: the message, and where.
            why: match error.span() {
                Some(span) => {
                    let line = text[..span.start.min(text.len())].lines().count().max(1);
                    format!("line {line}: {}", one_line(error.message()))
                }
                None => one_line(error.message()),
            },
        })
    }

    /// These settings, and where they say nothing those of `weaker`.
    pub fn or(self, weaker: Settings) -> Settings {
        fn pick<T>(strong: Vec<T>, weak: Vec<T>) -> Vec<T> {
            if strong.is_empty() { weak } else { strong }
        }
        Settings {
            listen: self.listen.or(weaker.listen),
            public_url: self.public_url.or(weaker.public_url),
            data: self.data.or(weaker.data),
            tls: self.tls.or(weaker.tls),
            tls_cert: self.tls_cert.or(weaker.tls_cert),
            tls_key: self.tls_key.or(weaker.tls_key),
            acme_email: self.acme_email.or(weaker.acme_email),
            acme_directory: self.acme_directory.or(weaker.acme_directory),
            acme_ca: self.acme_ca.or(weaker.acme_ca),
            p2p_port: self.p2p_port.or(weaker.p2p_port),
            webrtc_port: self.webrtc_port.or(weaker.webrtc_port),
            webtransport_port: self.webtransport_port.or(weaker.webtransport_port),
            stun_port: self.stun_port.or(weaker.stun_port),
            metrics: self.metrics.or(weaker.metrics),
            model: pick(self.model, weaker.model),
            app: self.app.or(weaker.app),
            swarm_name: self.swarm_name.or(weaker.swarm_name),
            ice_server: pick(self.ice_server, weaker.ice_server),
            turn_secret_file: self.turn_secret_file.or(weaker.turn_secret_file),
            relay: pick(self.relay, weaker.relay),
            limits: self.limits.or(weaker.limits),
            limit_args: pick(self.limit_args, weaker.limit_args),
            limit: if self.limit.is_empty() {
                weaker.limit
            } else {
                self.limit
            },
            log: self.log.or(weaker.log),
            log_filter: self.log_filter.or(weaker.log_filter),
        }
    }

    /// Fills in the defaults and checks what belongs together.
    ///
    /// # Errors
    /// When a value is unusable or one that another needs is missing.
    pub fn resolve(self) -> Result<Config, ConfigError> {
        let mut limits = match self.limits {
            Some(Profile::Open) => Limits::open(),
            Some(Profile::Default) | None => Limits::default(),
        };
        for (name, value) in &self.limit {
            limits.set(name, *value)?;
        }
        for LimitArg { name, value } in &self.limit_args {
            limits.set(name, *value)?;
        }
        let tls = self.tls.unwrap_or(TlsMode::Off);
        if tls == TlsMode::Files {
            if self.tls_cert.is_none() {
                return Err(ConfigError::Missing("--tls-cert", "--tls files"));
            }
            if self.tls_key.is_none() {
                return Err(ConfigError::Missing("--tls-key", "--tls files"));
            }
        }
        if tls == TlsMode::Acme && self.public_url.is_none() {
            return Err(ConfigError::Missing("--public-url", "--tls acme"));
        }
        let swarm_name = self.swarm_name.unwrap_or_else(|| "manyhands".to_owned());
        if swarm_name.is_empty()
            || swarm_name.len() > MAX_NAME_BYTES
            || swarm_name.chars().any(char::is_control)
        {
            return Err(ConfigError::SwarmName);
        }
        if let Some(url) = self.ice_server.iter().find(|url| !is_ice_url(url)) {
            return Err(ConfigError::IceServer(url.clone()));
        }
        // Browsers refuse every connection where a TURN server comes without a credential.
        if self.ice_server.iter().any(|url| is_turn_url(url)) && self.turn_secret_file.is_none() {
            return Err(ConfigError::Missing(
                "--turn-secret-file",
                "turn: among --ice-server",
            ));
        }
        let ends_in_peer = |addr: &&Multiaddr| matches!(addr.iter().last(), Some(Protocol::P2p(_)));
        if let Some(addr) = self.relay.iter().find(|addr| !ends_in_peer(addr)) {
            return Err(ConfigError::Relay(addr.clone()));
        }
        Ok(Config {
            listen: self
                .listen
                .unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 8787))),
            public_url: self.public_url.as_deref().map(str::parse).transpose()?,
            data: self
                .data
                .or_else(default_data_folder)
                .ok_or(ConfigError::NoDataFolder)?,
            tls,
            tls_cert: self.tls_cert,
            tls_key: self.tls_key,
            acme_email: self.acme_email,
            acme_directory: self.acme_directory,
            acme_ca: self.acme_ca,
            p2p_port: self.p2p_port.and_then(|port| port.0),
            webrtc_port: self.webrtc_port.and_then(|port| port.0),
            webtransport_port: self.webtransport_port.and_then(|port| port.0),
            stun_port: self.stun_port.and_then(|port| port.0),
            metrics: self
                .metrics
                .map_or(Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 9787))), |addr| addr.0),
            models: self.model,
            app: self.app,
            swarm_name,
            ice_servers: self.ice_server,
            turn_secret_file: self.turn_secret_file,
            relays: self.relay,
            limits,
            log: self.log.unwrap_or(LogForm::Text),
            log_filter: self.log_filter.unwrap_or_else(|| DEFAULT_LOG_FILTER.to_owned()),
        })
    }
}

impl Config {
    /// The settings in force as a TOML file that would set them.
    pub fn to_toml(&self) -> String {
        let settings = Settings {
            listen: Some(self.listen),
            public_url: self.public_url.as_ref().map(ToString::to_string),
            data: Some(self.data.clone()),
            tls: Some(self.tls),
            tls_cert: self.tls_cert.clone(),
            tls_key: self.tls_key.clone(),
            acme_email: self.acme_email.clone(),
            acme_directory: self.acme_directory.clone(),
            acme_ca: self.acme_ca.clone(),
            p2p_port: Some(Port(self.p2p_port)),
            webrtc_port: Some(Port(self.webrtc_port)),
            webtransport_port: Some(Port(self.webtransport_port)),
            stun_port: Some(Port(self.stun_port)),
            metrics: Some(MetricsAddr(self.metrics)),
            model: self.models.clone(),
            app: self.app.clone(),
            swarm_name: Some(self.swarm_name.clone()),
            ice_server: self.ice_servers.clone(),
            turn_secret_file: self.turn_secret_file.clone(),
            relay: self.relays.clone(),
            limits: None,
            limit_args: Vec::new(),
            limit: self
                .limits
                .iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            log: Some(self.log),
            log_filter: Some(self.log_filter.clone()),
        };
        toml::to_string(&settings).unwrap_or_else(|error| format!("# {error}\n"))
    }
}

/// systemd's state folder, else the user's data folder.
fn default_data_folder() -> Option<PathBuf> {
    let set = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set("STATE_DIRECTORY")
        .or_else(|| set("XDG_DATA_HOME").map(|dir| dir.join("manyhands-relay")))
        .or_else(|| set("HOME").map(|dir| dir.join(".local/share/manyhands-relay")))
}

fn is_ice_url(url: &str) -> bool {
    let scheme = url
        .split_once(':')
        .map(|(scheme, rest)| (scheme, !rest.is_empty()));
    matches!(scheme, Some(("stun" | "stuns" | "turn" | "turns", true)))
        && url.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether an ICE server carries traffic, and so wants to know for whom.
pub(crate) fn is_turn_url(url: &str) -> bool {
    matches!(url.split_once(':'), Some(("turn" | "turns", _)))
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn file(text: &str) -> Result<Settings, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("relay.toml");
        std::fs::write(&path, text).unwrap();
        Settings::from_file(&path)
    }

    #[test]
    fn a_stronger_source_wins_key_by_key() {
        let weak = file("swarm_name = \"file\"\np2p_port = 4001\nstun_port = \"off\"").unwrap();
        let strong = Settings {
            swarm_name: Some("flag".to_owned()),
            data: Some("/nowhere".into()),
            ..Settings::default()
        };
        let config = strong.or(weak).resolve().unwrap();
        assert_eq!(config.swarm_name, "flag");
        assert_eq!(config.p2p_port, Some(4001));
        assert_eq!(config.stun_port, None);
        assert_eq!(config.metrics, Some("127.0.0.1:9787".parse().unwrap()));
    }

    #[test]
    fn an_unknown_key_is_an_error_of_one_line_that_names_it() {
        let check = |text: &str, names: &str| {
            let error = file(text).map(Settings::resolve).map_or_else(
                |error| error,
                |resolved| resolved.expect_err("accepted a bad file"),
            );
            let message = error.to_string();
            assert!(message.contains(names), "{message}");
            assert_eq!(message.lines().count(), 1, "{message}");
        };
        check("lisen = \"127.0.0.1:1\"", "lisen");
        check("p2p_port = 65536", "line 1");
        check("\nlisten = 7", "line 2");
        check("data = \"/x\"\n[limit]\nmax_nothing = 1", "max_nothing");
        check("data = \"/x\"\ntls = \"files\"", "--tls-cert");
        check("data = \"/x\"\nice_server = [\"http://x\"]", "http://x");
        check(
            "data = \"/x\"\nice_server = [\"turn:t:3478\"]",
            "--turn-secret-file",
        );
        check("data = \"/x\"\nrelay = [\"/ip4/127.0.0.1/tcp/1\"]", "/p2p/ID");
        check("data = \"/x\"\npublic_url = \"relay.example\"", "relay.example");
    }

    #[test]
    fn the_printed_config_sets_the_same_again() {
        let config = Settings {
            data: Some("/srv/relay".into()),
            limits: Some(Profile::Open),
            limit_args: vec!["max_circuits=7".parse().unwrap()],
            metrics: Some(MetricsAddr(None)),
            ..Settings::default()
        }
        .resolve()
        .unwrap();
        let again = file(&config.to_toml()).unwrap().resolve().unwrap();
        assert_eq!(again.to_toml(), config.to_toml());
        assert_eq!(again.limits.max_circuits, 7);
        assert_eq!(again.limits.max_reservations, Limits::open().max_reservations);
        assert_eq!(again.metrics, None);
    }
}

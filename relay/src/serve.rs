//! `serve`: puts the parts together, says when they are ready, and takes them down in order.
//! It holds no logic of any part.

use std::{
    io::Write,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use libp2p::{Multiaddr, multiaddr::Protocol};
use serde::Serialize;
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::{
    net::{TcpListener, UdpSocket},
    task::JoinSet,
};

use crate::{
    clock,
    config::{Config, TlsMode},
    driver::{Driver, DriverError},
    http::{
        self, AppState, app::AppFiles, headers::SecurityHeaders, join::InviteDesk, server::Server,
        sites::SiteDesk,
    },
    keys::{self, KeyError},
    metrics::Metrics,
    models::{Library, ModelError},
    net::{
        self, NetError,
        addrs::{PublicUrl, interfaces, ws_listen_addrs},
        webtransport::WebTransport,
    },
    notify,
    offers::Board,
    open_invites::OpenInvites,
    owner::{OwnerError, Ownership},
    register::{Register, RegisterError},
    shared::Shared,
    sites::Sites,
    stop,
    store::{Store, StoreError},
    stun,
    swarm_state::{SwarmState, SwarmStateError},
    tls::{self, TlsError},
    turn::TurnSecret,
    webrtc_cert::{self, CertificateError},
};

const URL_FILE: &str = "url";
/// A relay that is told to stop is gone after this.
const DRAIN: Duration = Duration::from_secs(8);

/// The relay could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("cannot listen on {addr}: {source}")]
    Bind {
        addr: SocketAddr,
        source: std::io::Error,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Swarm(#[from] SwarmStateError),
    #[error(transparent)]
    Owner(#[from] OwnerError),
    #[error(transparent)]
    Register(#[from] RegisterError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error(transparent)]
    Net(#[from] NetError),
    #[error(transparent)]
    Driver(#[from] DriverError),
    #[error("turn secret {path}: {source}")]
    TurnSecret { path: PathBuf, source: std::io::Error },
    #[error("cannot wait for signals: {0}")]
    Signal(std::io::Error),
}

/// The ready line (contract).
#[derive(Serialize)]
struct Ready {
    ready: Where,
}

#[derive(Serialize)]
struct Where {
    url: String,
    p2p: Vec<String>,
    metrics: Option<String>,
    stun: Option<String>,
}

/// Everything that can be refused, taken before anything is promised.
struct Sockets {
    http: TcpListener,
    http_addr: SocketAddr,
    metrics: Option<TcpListener>,
    stun: Option<UdpSocket>,
}

/// Serves until the process is told to stop. `ready` receives the one line that says where.
///
/// # Errors
/// When anything that was asked for cannot be had; nothing is left half done then.
pub async fn run(config: Config, ready: impl Write) -> Result<(), ServeError> {
    let store = Store::open(&config.data)?;
    let _lock = store.lock()?;
    let sockets = Sockets::bind(&config).await?;
    let interfaces = interfaces();
    let tls = tls::acceptor(&config, &store, &interfaces)?;
    let key = keys::open(&store)?;
    let swarm_state = SwarmState::open(&store, &config.swarm_name)?;
    let ownership = Ownership::open(&store)?;
    let register = Register::open(
        &store,
        &swarm_state.name,
        ownership.owner()?.is_some(),
        clock::now(),
    )?;
    let models = Arc::new(Library::open(&store, &config.models)?);
    let certificate = match config.webrtc_port {
        Some(_) => Some(webrtc_cert::open(&store)?),
        None => None,
    };
    let url = config
        .public_url
        .clone()
        .unwrap_or_else(|| PublicUrl::of_listener(sockets.http_addr, tls.is_some(), &interfaces));

    let metrics = Arc::new(Metrics::new(&config.limits));
    let shared = Arc::new(Shared::new(
        metrics.clone(),
        Board::new(swarm_state.id_bytes, config.limits.max_offers),
    ));
    let webtransport = config
        .webtransport_port
        .map(|_| WebTransport::new(key.clone(), store.clone()));
    let (swarm, door) = net::build(&key, &config.limits, certificate, webtransport, &metrics)?;
    let mut driver = Driver::new(
        swarm,
        shared.clone(),
        &swarm_state.id,
        config.public_url.clone(),
        &config.relays,
        &config.limits,
    )?;
    driver
        .listen(&listen_addrs(
            &config,
            sockets.http_addr,
            tls.is_some(),
            &interfaces,
        ))
        .await?;

    let turn = config
        .turn_secret_file
        .as_deref()
        .map(|path| {
            TurnSecret::read(path).map_err(|source| ServeError::TurnSecret {
                path: path.to_owned(),
                source,
            })
        })
        .transpose()?;
    let stun_url = sockets.stun_url(&url);
    let mut ice_servers = config.ice_servers.clone();
    ice_servers.extend(stun_url.clone());
    // Only a certificate that browsers accept may be demanded of them in future.
    let hsts = matches!(config.tls, TlsMode::Files | TlsMode::Acme);
    let state = Arc::new(AppState {
        headers: SecurityHeaders::new(&shared.addrs(), hsts),
        shared: shared.clone(),
        models: models.clone(),
        store: store.clone(),
        ownership,
        register,
        swarm: swarm_state,
        peer_id: key.public().to_peer_id(),
        ice_servers,
        turn,
        turn_credential_s: config.limits.turn_credential_s,
        app: AppFiles::find(config.app.as_deref()),
        door,
        desk: SiteDesk::new(Sites::new(&store, config.limits.max_sites), &config.limits),
        invites: InviteDesk::new(OpenInvites::open(&store)?, &config.limits),
    });
    let line = Ready {
        ready: Where {
            url: url.to_string(),
            p2p: shared
                .addrs()
                .iter()
                .map(|addr| format!("{addr}/p2p/{}", state.peer_id))
                .collect(),
            metrics: sockets.metrics_url(),
            stun: stun_url,
        },
    };
    // For `invite`, which runs beside us and must not ask for what we know.
    store.write(URL_FILE, url.to_string().as_bytes())?;

    if let Some(fragment) = state.ownership.new_claim()? {
        // In plain words whatever form the log has: it is for whoever starts the relay.
        let _ = writeln!(
            std::io::stderr(),
            "whoever opens this link first becomes the owner of the swarm: {url}/keys#{fragment}"
        );
    }

    let (stopper, stop) = stop::channel();
    let mut tasks = JoinSet::new();
    tasks.spawn(driver.run(stop.clone(), DRAIN));
    let server = |listener, tls, router| Server {
        listener,
        tls,
        router,
        metrics: metrics.clone(),
        limits: config.limits.clone(),
    };
    tasks.spawn(server(sockets.http, tls, http::router(state)).run(stop.clone(), DRAIN));
    if let Some(listener) = sockets.metrics {
        let router = http::metrics_router(metrics.clone());
        tasks.spawn(server(listener, None, router).run(stop.clone(), DRAIN));
    }
    if let Some(socket) = sockets.stun {
        tasks.spawn(stun::run(socket, metrics.clone(), stop));
    }
    // Whoever hears that the relay is ready may tell it to stop at once.
    let signals = Signals::listen().map_err(ServeError::Signal)?;
    shared.set_ready(true);
    announce(&line, ready);
    notify::ready();

    signals
        .until_told_to_stop(&models)
        .await
        .map_err(ServeError::Signal)?;
    tracing::info!("draining");
    notify::stopping();
    shared.set_ready(false);
    stopper.stop();
    while tasks.join_next().await.is_some() {}
    Ok(())
}

/// Where the running relay can be reached, for the commands that run beside it.
///
/// # Errors
/// When the data folder cannot be read.
pub fn last_url(store: &Store) -> Result<Option<String>, StoreError> {
    Ok(store
        .read(URL_FILE)?
        .and_then(|bytes| String::from_utf8(bytes).ok()))
}

impl Sockets {
    async fn bind(config: &Config) -> Result<Sockets, ServeError> {
        let http = bind(config.listen).await?;
        let http_addr = http.local_addr().map_err(|source| ServeError::Bind {
            addr: config.listen,
            source,
        })?;
        Ok(Sockets {
            metrics: match config.metrics {
                Some(addr) => Some(bind(addr).await?),
                None => None,
            },
            stun: match config.stun_port {
                Some(port) => Some(bind_udp((http_addr.ip(), port).into()).await?),
                None => None,
            },
            http,
            http_addr,
        })
    }

    fn metrics_url(&self) -> Option<String> {
        let addr = self.metrics.as_ref()?.local_addr().ok()?;
        Some(format!("http://{addr}/metrics"))
    }

    /// The STUN server as an ICE server's URL.
    fn stun_url(&self, url: &PublicUrl) -> Option<String> {
        let addr = self.stun.as_ref()?.local_addr().ok()?;
        let port = addr.port();
        // `localhost` may resolve to the address family on which nobody listens.
        let host = match url.host() {
            name if name == "localhost" => addr.ip().to_string(),
            name => name,
        };
        Some(if host.contains(':') {
            format!("stun:[{host}]:{port}")
        } else {
            format!("stun:{host}:{port}")
        })
    }
}

fn listen_addrs(config: &Config, http: SocketAddr, tls: bool, interfaces: &[IpAddr]) -> Vec<Multiaddr> {
    let mut addrs = ws_listen_addrs(http, tls, interfaces);
    if let Some(port) = config.p2p_port {
        addrs.push(Multiaddr::from(http.ip()).with(Protocol::Tcp(port)));
    }
    if let Some(port) = config.webrtc_port {
        addrs.push(
            Multiaddr::from(http.ip())
                .with(Protocol::Udp(port))
                .with(Protocol::WebRTCDirect),
        );
    }
    if let Some(port) = config.webtransport_port {
        addrs.push(
            Multiaddr::from(http.ip())
                .with(Protocol::Udp(port))
                .with(Protocol::QuicV1)
                .with(Protocol::WebTransport),
        );
    }
    addrs
}

/// Whoever started us may not be listening; that is no reason not to serve.
fn announce(line: &Ready, mut ready: impl Write) {
    if let Ok(line) = serde_json::to_string(line) {
        let _ = writeln!(ready, "{line}").and_then(|()| ready.flush());
    }
}

async fn bind_udp(addr: SocketAddr) -> Result<UdpSocket, ServeError> {
    UdpSocket::bind(addr)
        .await
        .map_err(|source| ServeError::Bind { addr, source })
}

async fn bind(addr: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(addr)
        .await
        .map_err(|source| ServeError::Bind { addr, source })
}

/// Ctrl-C or, on Unix, SIGTERM. SIGHUP reads the models again.
struct Signals {
    #[cfg(unix)]
    interrupt: Signal,
    #[cfg(unix)]
    terminate: Signal,
    #[cfg(unix)]
    reload: Signal,
}

impl Signals {
    /// From now on they are heard; before, they end the process.
    #[cfg(unix)]
    fn listen() -> std::io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            reload: signal(SignalKind::hangup())?,
        })
    }

    #[cfg(not(unix))]
    fn listen() -> std::io::Result<Signals> {
        Ok(Signals {})
    }

    #[cfg(unix)]
    async fn until_told_to_stop(mut self, models: &Library) -> std::io::Result<()> {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return Ok(()),
                _ = self.terminate.recv() => return Ok(()),
                _ = self.reload.recv() => match models.reload() {
                    Ok(()) => tracing::info!(models = models.all().len(), "models read again"),
                    Err(error) => tracing::warn!(%error, "models not read again"),
                },
            }
        }
    }

    #[cfg(not(unix))]
    async fn until_told_to_stop(self, _: &Library) -> std::io::Result<()> {
        tokio::signal::ctrl_c().await
    }
}

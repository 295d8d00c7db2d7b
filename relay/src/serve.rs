//! `serve`: puts the parts together, says when they are ready, and takes them down in order.
//! It holds no logic of any part.

use std::{
    io::Write,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use libp2p::{Multiaddr, multiaddr::Protocol};
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    config::{Config, TlsMode},
    driver::{Driver, DriverError},
    http::{self, AppState, app::AppFiles, headers::SecurityHeaders, server::Server},
    keys::{self, KeyError},
    metrics::Metrics,
    models::{Library, ModelError},
    net::{
        self, NetError,
        addrs::{PublicUrl, interfaces, ws_listen_addrs},
    },
    offers::Board,
    shared::Shared,
    stop,
    store::{Store, StoreError},
    swarm_state::{SwarmState, SwarmStateError},
};

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
    Model(#[from] ModelError),
    #[error(transparent)]
    Net(#[from] NetError),
    #[error(transparent)]
    Driver(#[from] DriverError),
    #[error("cannot wait for signals: {0}")]
    Signal(std::io::Error),
}

/// Serves until the process is told to stop. `ready` receives the one line that says where.
///
/// # Errors
/// When anything that was asked for cannot be had; nothing is left half done then.
pub async fn run(config: Config, mut ready: impl Write) -> Result<(), ServeError> {
    let store = Store::open(&config.data)?;
    let _lock = store.lock()?;
    let listener = bind(config.listen).await?;
    let metrics_listener = match config.metrics {
        Some(addr) => Some(bind(addr).await?),
        None => None,
    };
    let key = keys::open(&store)?;
    let swarm_state = SwarmState::open(&store, &config.swarm_name)?;
    let models = Arc::new(Library::open(&store, &config.models)?);

    let metrics = Arc::new(Metrics::new(&config.limits));
    let shared = Arc::new(Shared::new(
        metrics.clone(),
        Board::new(swarm_state.id_bytes, config.limits.max_offers),
    ));
    let https = config.tls != TlsMode::Off;
    let http_addr = local_addr(&listener, config.listen)?;
    let interfaces = interfaces();
    let url = config
        .public_url
        .clone()
        .unwrap_or_else(|| PublicUrl::of_listener(http_addr, https, &interfaces));

    let (swarm, door) = net::build(&key, &config.limits, None, &metrics.circuit_bytes)?;
    let mut driver = Driver::new(
        swarm,
        shared.clone(),
        &swarm_state.id,
        config.public_url.clone(),
        &config.relays,
        &config.limits,
    )?;
    let mut listen = ws_listen_addrs(http_addr, https, &interfaces);
    if let Some(port) = config.p2p_port {
        listen.push(tcp_addr(http_addr.ip(), port));
    }
    driver.listen(&listen).await?;

    let state = Arc::new(AppState {
        headers: SecurityHeaders::new(&shared.addrs(), url.is_https() && config.public_url.is_some()),
        shared: shared.clone(),
        models,
        swarm: swarm_state,
        peer_id: key.public().to_peer_id(),
        ice_servers: config.ice_servers.clone(),
        app: AppFiles::find(config.app.as_deref()),
        door,
    });
    let (stopper, stop) = stop::channel();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(driver.run(stop.clone(), DRAIN));
    tasks.spawn(
        Server {
            listener,
            tls: None,
            router: http::router(state.clone()),
            metrics: metrics.clone(),
            limits: config.limits.clone(),
        }
        .run(stop.clone(), DRAIN),
    );
    let mut metrics_url = None;
    if let Some(listener) = metrics_listener {
        let addr = listener.local_addr().ok();
        metrics_url = addr.map(|addr| format!("http://{addr}/metrics"));
        tasks.spawn(
            Server {
                listener,
                tls: None,
                router: http::metrics_router(metrics.clone()),
                metrics: metrics.clone(),
                limits: config.limits.clone(),
            }
            .run(stop.clone(), DRAIN),
        );
    }

    shared.set_ready(true);
    let p2p: Vec<String> = shared
        .addrs()
        .iter()
        .map(|addr| format!("{addr}/p2p/{}", state.peer_id))
        .collect();
    let line = json!({ "ready": {
        "url": url.to_string(),
        "p2p": p2p,
        "metrics": metrics_url,
        "stun": null,
    }});
    // Whoever started us may not be listening; that is no reason not to serve.
    let _ = writeln!(ready, "{line}").and_then(|()| ready.flush());

    told_to_stop().await.map_err(ServeError::Signal)?;
    tracing::info!("draining");
    shared.set_ready(false);
    stopper.stop();
    while tasks.join_next().await.is_some() {}
    Ok(())
}

async fn bind(addr: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(addr)
        .await
        .map_err(|source| ServeError::Bind { addr, source })
}

fn local_addr(listener: &TcpListener, asked: SocketAddr) -> Result<SocketAddr, ServeError> {
    listener
        .local_addr()
        .map_err(|source| ServeError::Bind { addr: asked, source })
}

fn tcp_addr(ip: IpAddr, port: u16) -> Multiaddr {
    Multiaddr::from(ip).with(Protocol::Tcp(port))
}

/// Ctrl-C or, on Unix, SIGTERM.
async fn told_to_stop() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

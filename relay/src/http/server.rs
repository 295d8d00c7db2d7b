//! Accepts connections for the web server: bounded in number, with a time limit for the head of
//! a request, plain or under TLS, and drained at the end.
//! It does not route.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo, http::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::{limits::Limits, metrics::Metrics, stop::Stop};

/// After an error such as "too many open files" accepting again at once would only spin.
const PAUSE_AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(50);

/// A listener with everything that its connections need.
pub struct Server {
    pub listener: TcpListener,
    pub tls: Option<TlsAcceptor>,
    pub router: Router,
    pub metrics: Arc<Metrics>,
    pub limits: Limits,
}

impl Server {
    /// Serves until told to stop, then lets running answers end, at most `drain` long.
    pub async fn run(self, mut stop: Stop, drain: Duration) {
        let max_connections = u32::try_from(self.limits.max_http_connections).unwrap_or(u32::MAX);
        let places = Arc::new(Semaphore::new(max_connections as usize));
        let header_timeout = Duration::from_secs(self.limits.http_header_timeout_s);
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(header_timeout);

        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = stop.wait() => break,
            };
            let (socket, from) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(PAUSE_AFTER_ACCEPT_ERROR).await;
                    continue;
                }
            };
            let Ok(place) = places.clone().try_acquire_owned() else {
                self.metrics.deny("max_http_connections");
                continue;
            };
            let _ = socket.set_nodelay(true);
            let connection = Connection {
                from,
                router: self.router.clone(),
                http: http.clone(),
                stop: stop.clone(),
                open: Open::new(self.metrics.clone(), place),
            };
            match self.tls.clone() {
                None => drop(tokio::spawn(connection.serve(socket))),
                Some(tls) => drop(tokio::spawn(async move {
                    match tokio::time::timeout(header_timeout, tls.accept(socket)).await {
                        Ok(Ok(stream)) => connection.serve(stream).await,
                        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
                        Err(_) => tracing::debug!("TLS handshake timed out"),
                    }
                })),
            }
        }
        drop(self.listener);
        // All places free: the last connection has ended.
        let _ = tokio::time::timeout(drain, places.acquire_many(max_connections)).await;
    }
}

struct Connection {
    from: SocketAddr,
    router: Router,
    http: http1::Builder,
    stop: Stop,
    open: Open,
}

impl Connection {
    async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S) {
        let Connection {
            from,
            router,
            http,
            mut stop,
            open,
        } = self;
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(from));
            router.clone().oneshot(request)
        });
        let mut connection = pin!(
            http.serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
        );
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stop.wait() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "connection ended");
        }
        drop(open);
    }
}

/// Counts a connection for as long as it lives. An upgraded one lives on in the swarm, which has
/// its own limits.
struct Open {
    metrics: Arc<Metrics>,
    _place: OwnedSemaphorePermit,
}

impl Open {
    fn new(metrics: Arc<Metrics>, place: OwnedSemaphorePermit) -> Self {
        metrics.http_connections_open.inc();
        Open {
            metrics,
            _place: place,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.metrics.http_connections_open.dec();
    }
}

//! The doors: connections are accepted, served, and ended.
//!
//! Promises: a bounded number at a time; after the signal to stop what has come in is answered, and the doors are closed
//! to all else. Deliberately not here: what is behind a path (`ingest`, `web`).

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::DRAIN_MAX;
use crate::config::Limits;

/// Header fields of a request: far more than any client sends, far fewer than would cost memory.
const HEADERS_MAX: usize = 100;
/// Bytes of a request's head. DSN, token and a proxy's additions fit several times.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Serves connections until `stop` is ready, and answers then what has come in.
pub(super) async fn accept(listener: TcpListener, app: Router, limits: &Limits, stop: impl Future<Output = ()>) {
    let connections = Arc::new(Semaphore::new(limits.connections));
    let open = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.read_timeout.get());
    http.max_headers(HEADERS_MAX).max_buf_size(HEAD_BYTES_MAX).half_close(true);
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = async {
            let permit = Arc::clone(&connections).acquire_owned().await;
            (listener.accept().await, permit)
        };
        let (accepted, permit) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut stop => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                // Out of file descriptors, most likely: without a pause this loop would only burn a core.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        stream.set_nodelay(true).ok();
        let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app.clone()));
        let connection = open.watch(connection);
        tokio::spawn(async move {
            // A client that breaks off is not ours to report.
            connection.await.ok();
            drop(permit);
        });
    }
    drop(listener);
    drop(app);
    tracing::info!("stopping: answering what has come in");
    if tokio::time::timeout(DRAIN_MAX, open.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time and were given up unacknowledged");
    }
}

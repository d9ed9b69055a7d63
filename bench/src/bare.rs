//! The bare server: what the HTTP stack itself costs on this machine.
//!
//! Promises: bongsu's stack (axum on hyper's http1 on tokio, mimalloc, `TCP_NODELAY`), the whole body read, and a fixed
//! answer of about 200 bytes. Deliberately not here: anything that looks at the body. What separates bongsu's figures
//! from these is what bongsu does with an event.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As long as bongsu's answer to one event.
const ANSWER: &str = concat!(
    r#"{"accepted":1,"outcomes":[{"outcome":"suppressed","reason":"budget","#,
    r#""fingerprint":"1:00000000000000000000000000000000","budget":5,"#,
    r#""occurrences":1,"window_ends_at":"2000-01-01T00:00:00.000Z"}]}"#
);

async fn take(body: Bytes) -> impl IntoResponse {
    std::hint::black_box(body);
    (StatusCode::ACCEPTED, [(header::CONTENT_TYPE, "application/json")], ANSWER)
}

async fn serve(address: SocketAddr) -> std::io::Result<()> {
    let router = Router::new()
        .route("/readyz", get(|| async { "ready" }))
        .route("/api/v1/events", post(take))
        .route("/api/{project}/envelope/", post(take));
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            // A connection that breaks off is the generator's to report.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let Some(address) = std::env::args().nth(1).and_then(|text| text.parse().ok()) else {
        eprintln!("usage: bongsu-bench-bare ADDRESS:PORT");
        std::process::exit(2);
    };
    let mut stop = signal(SignalKind::terminate())?;
    tokio::select! {
        result = serve(address) => result,
        _ = stop.recv() => Ok(()),
    }
}

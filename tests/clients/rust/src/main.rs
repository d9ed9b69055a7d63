//! A small service as teams run it: axum, with the `sentry` crate and its layers as their documentation says.

mod payments;

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::post;
use sentry::integrations::tower::{NewSentryLayer, SentryHttpLayer};
use tower_http::catch_panic::CatchPanicLayer;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    // The DSN comes from SENTRY_DSN.
    let _guard = sentry::init(
        sentry::ClientOptions::new()
            .maybe_release(sentry::release_name!())
            .environment("staging")
            .attach_stacktrace(true),
    );
    let app = Router::new()
        .route("/orders/{id}/pay", post(pay))
        .route("/orders/{id}/refund", post(refund))
        .layer(CatchPanicLayer::new())
        .layer(SentryHttpLayer::new().enable_transaction())
        .layer(NewSentryLayer::new_from_top());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    axum::serve(listener, app).await
}

async fn pay(Path(order): Path<String>) -> StatusCode {
    payments::charge(&order);
    StatusCode::NO_CONTENT
}

async fn refund(Path(order): Path<String>) -> StatusCode {
    match payments::refund(&order) {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(error) => {
            sentry::capture_error(&error);
            StatusCode::BAD_GATEWAY
        }
    }
}

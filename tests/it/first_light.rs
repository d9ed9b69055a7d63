//! The shortest way through the river: an error comes in, people are told at most five times.

use serde_json::json;

use crate::harness::{Server, Sink, wait_for};

#[tokio::test]
async fn the_same_error_alerts_at_most_five_times_and_the_rest_is_counted() {
    let sink = Sink::start().await;
    let server = Server::start(&sink.as_channel()).await;
    for _ in 0..8 {
        server.send(&json!({ "detail": "connection refused", "environment": "prod" })).await;
    }
    wait_for("five alerts", || sink.received().len() == 5).await;
    let ordinals: Vec<_> = sink.received().iter().map(|one| one.json["ordinal"].as_u64().unwrap()).collect();
    assert_eq!(ordinals, [1, 2, 3, 4, 5]);
    let issues = server.api("/api/v1/issues").await;
    assert_eq!(issues["items"][0]["occurrences"], 8);
    assert_eq!(issues["items"][0]["suppressed"], 3);
}

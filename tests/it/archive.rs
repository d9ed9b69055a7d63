//! Several bongsu on one PostgreSQL or MariaDB: one budget, one outbox, and a database that goes away and comes back.

use serde_json::json;

use crate::harness::{Server, Sink, wait_for, wait_until};
use crate::servers::mariadb::Mariadb;
use crate::servers::postgres::Postgres;

/// Two servers take the same error at the same time; their receiver hears of it five times.
async fn two_share(url: &str, kind: &str, goes_and_comes_back: impl FnOnce()) {
    let sink = Sink::start().await;
    let channel = format!("{}[deliver]\ntimeout = \"2s\"\nlease = \"5s\"\n", sink.as_channel());
    let stores = format!("[archive]\nurl = \"{url}\"");
    let (one, other) = (Server::start_on(&stores, &channel).await, Server::start_on(&stores, &channel).await);
    let event = json!({ "detail": "connection refused", "environment": "prod" });
    let send = async |server: &Server| {
        for _ in 0..20 {
            server.send(&event).await;
        }
    };
    tokio::join!(send(&one), send(&other), send(&one), send(&other));
    wait_for("five alerts", || sink.count() >= 5).await;
    let issues = other.api("/api/v1/issues").await;
    assert_eq!((&issues["items"][0]["occurrences"], &issues["items"][0]["alerts"]), (&json!(80), &json!(5)));

    // Commands of the CLI work on the same archive.
    let (code, out, err) = one.cli(&["check"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains(&format!("archive: {kind}")) && out.contains("old rows are removed by"), "{out}");
    let (code, out, err) = one.cli(&["project", "add", "shop"]);
    assert_eq!(code, 0, "{out}{err}");
    let (code, out, err) = other.cli(&["issues"]);
    assert!(code == 0 && out.contains("connection refused"), "{out}{err}");

    goes_and_comes_back();
    // What was refused meanwhile was said to be refused.
    wait_until("the archive to be back", async || one.try_send(&event).await.0 == 202).await;
    wait_until("the archive to be back", async || other.try_send(&event).await.0 == 202).await;
    let issues = one.api("/api/v1/issues").await;
    assert_eq!((&issues["items"][0]["occurrences"], &issues["items"][0]["alerts"]), (&json!(82), &json!(5)));
    let mut ordinals: Vec<u64> =
        sink.payloads("alert").iter().map(|alert| alert["ordinal"].as_u64().unwrap()).collect();
    ordinals.sort_unstable();
    assert_eq!(ordinals, [1, 2, 3, 4, 5], "each once");
    for line in [one.log(), other.log()].concat() {
        assert!(!line.contains("hush-hush"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_share_postgres() {
    let mut server = Postgres::start();
    let url = server.database("shared");
    two_share(&url, "PostgreSQL ", || {
        server.stop();
        server.start_again();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_share_mariadb() {
    let mut server = Mariadb::start();
    let url = server.database("shared");
    two_share(&url, "MariaDB ", || {
        server.stop();
        server.start_again();
    })
    .await;
}

//! What one cause breaks is told in few messages, and what has piled up in one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Reaction, Received, Server, Sink, wait_for, wait_until};
use crate::servers::postgres::Postgres;
use crate::servers::redis::Redis;

const MODULES: usize = 40;
const ERRORS_EACH: usize = 10;
/// The outage brings its errors in this time.
const OUTAGE: Duration = Duration::from_secs(20);
/// What people can bear.
const FIRST_MINUTE: Duration = Duration::from_secs(60);
const MESSAGES_MAX: usize = 6;

/// A database is away: each module fails in code of its own, at several requests.
fn outage(module: usize, nth: usize) -> Value {
    let request = ["list", "pay", "cancel", "refund", "search", "cart", "stock", "ship", "login", "report"][nth];
    json!({
        "module": format!("svc-{module:02}-api"),
        "environment": "prod",
        "method": "GET",
        "url": format!("/{request}"),
        "location": format!("com.acme.m{module}.{request}Repository.find"),
        "detail": format!("{request} failed"),
        "exception": {"type": "com.acme.ApiException", "value": format!("{request} failed"),
            "cause": {"type": "java.net.ConnectException", "value": "Connection refused: db-primary:5432"}},
    })
}

/// The alerts of a message, by fingerprint and ordinal.
fn alerts(payload: &Value) -> Vec<(String, u64)> {
    let folded = payload["folded"].as_array().expect("a payload lists what is folded");
    let told = [payload].into_iter().chain(folded);
    told.map(|one| (one["fingerprint"].as_str().unwrap().to_owned(), one["ordinal"].as_u64().unwrap())).collect()
}

fn all_alerts(received: &[Received]) -> Vec<(String, u64)> {
    received.iter().flat_map(|one| alerts(&one.json)).collect()
}

fn in_the_first_minute(received: &[Received]) -> usize {
    received.iter().filter(|one| one.at < received[0].at + FIRST_MINUTE).count()
}

/// Invariant: a storm adds to the brakes; the budget of each error still holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_outage_in_forty_modules_takes_six_messages_at_most() {
    let (redis, postgres) = (Redis::start(), Postgres::start());
    let (hook, slack) = (Sink::start().await, Sink::start().await);
    let stores = format!(
        "[archive]\nurl = \"{}\"\n[cache]\nurl = \"redis://{}\"\n",
        postgres.database("outage"),
        redis.address()
    );
    let channels = format!(
        "[[channel]]\nname = \"hook\"\ntype = \"webhook\"\nurl = \"{}\"\n\
         [[channel]]\nname = \"chat\"\ntype = \"slack\"\nurl = \"{}\"\n",
        hook.url(),
        slack.url()
    );
    let pods = [Server::start_on(&stores, &channels).await, Server::start_on(&stores, &channels).await];
    let mut pace = tokio::time::interval(OUTAGE / (MODULES * ERRORS_EACH) as u32);
    for nth in 0..ERRORS_EACH {
        for module in 0..MODULES {
            pace.tick().await;
            pods[module % 2].send(&outage(module, nth)).await;
        }
    }
    wait_until("all to be told", async || all_alerts(&hook.received()).len() == MODULES * ERRORS_EACH).await;

    let received = hook.received();
    let told: BTreeSet<(String, u64)> = all_alerts(&received).into_iter().collect();
    assert_eq!(told.len(), MODULES * ERRORS_EACH, "each alert is told once");
    assert!(in_the_first_minute(&received) <= MESSAGES_MAX, "{} messages", in_the_first_minute(&received));
    let storm = received.iter().map(|one| &one.json).find(|one| one["kind"] == "storm").expect("a storm is told");
    assert_eq!(
        (&storm["spread"]["modules"], &storm["spread"]["first_module"]),
        (&json!(MODULES), &json!("svc-00-api"))
    );
    let text = storm["text"].as_str().unwrap();
    for part in ["40 modules", "ConnectException", "Connection refused: db-primary:5432", "first in svc-00-api"] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
    wait_for("the chat to be told as often", || slack.count() == received.len()).await;
    assert!(in_the_first_minute(&slack.received()) <= MESSAGES_MAX);
    assert!(slack.received().iter().any(|one| one.json.to_string().contains("40 modules")));
    eprintln!("{} alerts in {} messages", told.len(), received.len());

    // Everything that was folded is listed with an issue of it.
    let issue = pods[0].api(&format!("/api/v1/issues/{}", storm["fingerprint"].as_str().unwrap())).await;
    let listed: usize = issue["told_together"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|message| message["channel"] == "hook")
        .map(|message| message["alerts"].as_array().unwrap().len())
        .sum();
    assert_eq!(listed, alerts(storm).len(), "{}", issue["told_together"]);
    let delivered = pods[0].api("/api/v1/deliveries?state=delivered&limit=500").await;
    let of_hook = delivered["items"].as_array().unwrap().iter().filter(|one| one["channel"] == "hook").count();
    assert!(of_hook > 0, "what is folded shares the fate of what tells it");
}

#[tokio::test]
async fn what_piled_up_while_a_channel_was_away_is_told_in_a_digest() {
    let away = Arc::new(AtomicBool::new(true));
    let is_away = Arc::clone(&away);
    let sink =
        Sink::reacting(move |_, _| Reaction::status(if is_away.load(Ordering::Relaxed) { 503 } else { 200 })).await;
    let toml = format!(
        "[deliver]\nbackoff_first = \"50ms\"\nbackoff_longest = \"200ms\"\nconcurrency = 1\n[storm]\nwait = \"1s\"\n\
         [[channel]]\nname = \"ops\"\ntype = \"webhook\"\nlocale = \"ko\"\nurl = \"{}\"\n",
        sink.url()
    );
    let server = Server::start(&toml).await;
    let words = ["kettle", "lamp", "spoon", "chair", "table", "window", "door", "carpet"];
    let mut errors = Vec::new();
    for one in words {
        for other in words {
            errors.push(json!({"module": format!("{one}-api"), "detail": format!("the {one} broke the {other}")}));
        }
    }
    server.send(&json!(errors)).await;
    wait_for("a first try", || sink.count() > 0).await;
    away.store(false, Ordering::Relaxed);
    let taken = || {
        let failed = sink.received().iter().filter(|one| one.json["folded"] == json!([])).count();
        (failed, sink.payloads("digest"))
    };
    wait_for("a digest", || !taken().1.is_empty()).await;
    wait_until("all to be delivered", async || {
        server.api("/api/v1/deliveries?state=pending").await["items"].as_array().unwrap().is_empty()
    })
    .await;
    let received = sink.received();
    let told: BTreeSet<(String, u64)> = all_alerts(&received).into_iter().collect();
    assert_eq!(told.len(), errors.len());
    let digest = &sink.payloads("digest")[0];
    let text = digest["text"].as_str().unwrap();
    assert!(text.contains("종 동시 발생") && text.contains("🆕"), "{text}");
    // One at a time: each message is counted, and they are few.
    assert!(received.len() < errors.len() / 2, "{} requests", received.len());
}

//! People are told once, over all pods, when a store goes away and when it is back.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{PODS, pods, stores};
use crate::harness::{Server, Sink, wait_for, wait_until};
use crate::servers::postgres::Postgres;
use crate::servers::redis::Redis;

/// How often each change was told, by where it says that it happened.
fn told(sink: &Sink) -> BTreeMap<String, usize> {
    let mut told = BTreeMap::new();
    for payload in sink.payloads("health") {
        *told.entry(payload["attributes"]["location"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    told
}

/// Waits until every pod has said so.
async fn all_said(pods: &[Server], location: &str) {
    wait_until(&format!("all pods to say {location}"), async || {
        let issues = pods[0].api(&format!("/api/v1/issues?q={location}")).await;
        issues["items"][0]["occurrences"].as_u64() == Some(PODS as u64)
    })
    .await;
}

async fn decides(pod: &Server, who: &str) -> bool {
    let Ok(answer) = crate::harness::client().get(format!("{}/readyz", pod.base())).send().await else { return false };
    let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    answer["decides"] == who
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_goes_away_is_announced_once_and_so_is_its_return() {
    let (redis, mut postgres, sink) = (Redis::start(), Postgres::start(), Sink::start().await);
    let stores = stores(&postgres.database("health"), Some(&format!("redis://{}", redis.address())));
    // Without any traffic.
    let pods = pods(&stores, &sink).await;
    redis.process.pause();
    all_said(&pods, "cache.away").await;
    redis.process.resume();
    all_said(&pods, "cache.back").await;
    wait_for("the return to be told", || told(&sink).len() == 2).await;

    postgres.stop();
    wait_for("that the archive is away to be told", || told(&sink).len() == 3).await;
    for pod in &pods {
        wait_until("the pod to notice", async || decides(pod, "cache").await).await;
    }
    postgres.start_again();
    all_said(&pods, "archive.back").await;
    all_said(&pods, "archive.away").await;
    wait_for("the return to be told", || told(&sink).len() == 4).await;
    assert!(told(&sink).values().all(|times| *times == 1), "{:?}", told(&sink));
    let text = |location: &str| {
        let of = |payload: &&Value| payload["attributes"]["location"] == location;
        sink.payloads("health").iter().find(of).unwrap()["text"].as_str().unwrap().to_owned()
    };
    assert!(
        text("cache.away").starts_with("⚠️ bongsu · the cache is away\nThe archive counts"),
        "{}",
        text("cache.away")
    );
    assert!(text("archive.back").contains("Away for: "), "{}", text("archive.back"));
}

//! Several pods on the same stores: one gate.

mod delivery;
mod faults;
mod health;
mod storm;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use storm::{BUDGET, Storm, check_delivered};

use crate::crash::module;
use crate::harness::{Reaction, Server, Sink, wait_for, wait_until};
#[cfg(feature = "dynamodb")]
use crate::servers::dynamodb::DynamoDb;
use crate::servers::mariadb::Mariadb;
use crate::servers::postgres::Postgres;
use crate::servers::redis::Redis;

const PODS: usize = 3;
const EVENTS: usize = 100_000;
const ERRORS: usize = 200;
const BATCH: usize = 20;
const CONNECTIONS: usize = 24;

/// The sections of the configuration that name the stores.
fn stores(archive: &str, cache: Option<&str>) -> String {
    let cache = cache.map_or_else(String::new, |url| format!("[cache]\nurl = \"{url}\"\n"));
    format!("[archive]\nurl = \"{archive}\"\n{cache}")
}

async fn pods(stores: &str, sink: &Sink) -> Vec<Server> {
    let mut pods = Vec::new();
    for _ in 0..PODS {
        pods.push(Server::start_on(stores, &sink.as_channel()).await);
    }
    pods
}

/// A storm without any fault.
async fn calm(name: &str, stores: &str) {
    let sink = Sink::start().await;
    let pods = pods(stores, &sink).await;
    let storm = Storm::over(&pods, EVENTS, ERRORS, BATCH, Duration::ZERO);
    storm.rage(CONNECTIONS).await;
    assert_eq!(storm.sum(|known| known.acknowledged), EVENTS as u64, "{name}");
    storm.check(&pods[0], 0).await;
    let twice = check_delivered(&sink, ERRORS * BUDGET as usize).await;
    eprintln!("{name}: {EVENTS} acknowledged and counted, longest {:?}, {twice} sent twice", storm.longest());
    assert_eq!(twice, 0, "{name}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_pods_on_redis_and_postgresql_alert_five_times_and_count_all() {
    let (redis, postgres) = (Redis::start(), Postgres::start());
    calm("redis+postgresql", &stores(&postgres.database("calm"), Some(&format!("redis://{}", redis.address())))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_pods_on_redis_and_mariadb_alert_five_times_and_count_all() {
    let (redis, mariadb) = (Redis::start(), Mariadb::start());
    calm("redis+mariadb", &stores(&mariadb.database("calm"), Some(&format!("redis://{}", redis.address())))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_pods_on_postgresql_alone_alert_five_times_and_count_all() {
    let postgres = Postgres::start();
    calm("postgresql", &stores(&postgres.database("calm"), None)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_pods_on_mariadb_alone_alert_five_times_and_count_all() {
    let mariadb = Mariadb::start();
    calm("mariadb", &stores(&mariadb.database("calm"), None)).await;
}

/// The pace of a channel is shared: two pods send no faster than one may.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_pods_keep_one_pace() {
    const ALERTS: usize = 30;
    // One in 50 ms in the long run, and 5 at once after a rest.
    const PER_MINUTE: u32 = 1_200;
    let (redis, postgres, sink) = (Redis::start(), Postgres::start(), Sink::start().await);
    let stores = stores(&postgres.database("pace"), Some(&format!("redis://{}", redis.address())));
    let channel = format!(
        "[[channel]]\nname = \"ops\"\ntype = \"webhook\"\nurl = \"{}\"\nfold = false\nper_minute = {PER_MINUTE}\n",
        sink.url()
    );
    let pods = [Server::start_on(&stores, &channel).await, Server::start_on(&stores, &channel).await];
    for nth in 0..ALERTS {
        pods[nth % 2].send(&json!({ "module": module(nth), "detail": "connection refused" })).await;
    }
    check_delivered(&sink, ALERTS).await;
    // A lower bound: what is beyond the burst takes its time, less the grain of the clocks.
    let received = sink.received();
    let took = received[ALERTS - 1].at - received[0].at;
    assert!(took >= Duration::from_millis(50) * (ALERTS as u32 - 5) - Duration::from_millis(30), "{took:?}");
}

/// A pod that stops in the middle of a delivery hands it to another within the lease, and its late result changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_pod_takes_over_what_a_dead_one_was_sending() {
    let postgres = Postgres::start();
    let (hung, released) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let (hangs, free) = (Arc::clone(&hung), Arc::clone(&released));
    let sink = Sink::reacting(move |_, _| {
        if free.load(Ordering::SeqCst) {
            return Reaction::status(200);
        }
        hangs.fetch_add(1, Ordering::SeqCst);
        Reaction::Hang
    })
    .await;
    let stores = stores(&postgres.database("handover"), None);
    let toml = format!("{}[deliver]\ntimeout = \"1s\"\nlease = \"2s\"\n", sink.as_channel());
    let (mut dying, other) = (Server::start_on(&stores, &toml).await, Server::start_on(&stores, &toml).await);
    dying.send(&json!({ "detail": "connection refused" })).await;
    wait_for("the first attempt", || hung.load(Ordering::SeqCst) == 1).await;
    dying.kill();
    released.store(true, Ordering::SeqCst);
    wait_until("the other pod to deliver it", async || {
        let delivered = other.api("/api/v1/deliveries?state=delivered").await;
        delivered["items"].as_array().unwrap().len() == 1
    })
    .await;
    assert_eq!(sink.count(), 2, "the attempt that hung, and the one that was taken");
}

#[cfg(feature = "dynamodb")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_pods_on_dynamodb_and_postgresql_alert_five_times_and_count_all() {
    let (dynamodb, postgres) = (DynamoDb::start(), Postgres::start());
    // Keys that the emulator does not check, and patience: it takes a thousandth of Amazon's load.
    let url =
        format!("dynamodb://key:secret@bongsu?region=local&endpoint=http://127.0.0.1:{}&create=true", dynamodb.port);
    let stores = stores(&postgres.database("calm"), Some(&url)) + "timeout = \"5s\"\nwrite_back = \"10s\"\n";
    calm("dynamodb+postgresql", &stores).await;
}

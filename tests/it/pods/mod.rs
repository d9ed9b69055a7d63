//! Several pods on the same stores: one gate.

mod faults;
mod storm;

use std::time::Duration;

use storm::{BUDGET, Storm, check_delivered};

use crate::harness::{Server, Sink};
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

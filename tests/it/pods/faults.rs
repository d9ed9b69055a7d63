//! The storm again, with one fault in the middle of it.
//!
//! `BONGSU_FAULTS=all cargo test --test it faults -- --nocapture` prints the table of docs/operations.md; without the
//! variable, the quick ones run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};

use super::storm::{BUDGET, Storm, check_delivered_within};
use super::{BATCH, CONNECTIONS, ERRORS, EVENTS, PODS, stores};
use crate::harness::{Server, Sink, client, wait_until};
use crate::servers::postgres::Postgres;
use crate::servers::redis::Redis;

/// So that the storm lasts some ten seconds.
const PAUSE: Duration = Duration::from_millis(40);

/// Errors that begin while the archive is away, and from which part of the load on, in percent.
const LATER: usize = 100;
const LATER_FROM: usize = 45;

/// Everything that a fault can hit.
struct Stage {
    redis: Redis,
    postgres: Postgres,
    pods: Vec<Server>,
    /// Between the first pod and Redis.
    wire: Wire,
    storm: Arc<Storm>,
    started: Instant,
    /// When every pod that a fault concerns had noticed, and when all was well again.
    noticed: Option<Duration>,
    returned: Option<Duration>,
}

/// A connection that can be cut.
struct Wire {
    port: u16,
    cut: Arc<AtomicBool>,
}

impl Wire {
    async fn to(address: String) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, cut) = (listener.local_addr().unwrap().port(), Arc::new(AtomicBool::new(false)));
        let is_cut = Arc::clone(&cut);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (address, is_cut) = (address.clone(), Arc::clone(&is_cut));
                tokio::spawn(async move {
                    if is_cut.load(Ordering::SeqCst) {
                        return;
                    }
                    let Ok(mut far) = TcpStream::connect(&address).await else { return };
                    let cut = async {
                        while !is_cut.load(Ordering::SeqCst) {
                            tokio::time::sleep(Duration::from_millis(5)).await;
                        }
                    };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        () = cut => {}
                    }
                });
            }
        });
        Wire { port, cut }
    }

    fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::SeqCst);
    }
}

async fn metric(pod: &Server, name: &str) -> u64 {
    let text = client().get(format!("{}/metrics", pod.base())).send().await.unwrap().bytes().await.unwrap();
    let text = String::from_utf8(text.to_vec()).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok());
    line.unwrap_or_else(|| panic!("{name} in {text}"))
}

impl Stage {
    async fn set(later: usize) -> (Stage, Sink) {
        let (redis, postgres, sink) = (Redis::start(), Postgres::start(), Sink::start().await);
        let (wire, archive) = (Wire::to(redis.address()).await, postgres.database("faults"));
        let quick = "[deliver]\ntimeout = \"2s\"\nlease = \"5s\"\nbackoff_first = \"100ms\"\nconcurrency = 8\n";
        let mut pods = Vec::new();
        for nth in 0..PODS {
            let cache = if nth == 0 { format!("127.0.0.1:{}", wire.port) } else { redis.address() };
            let stores = stores(&archive, Some(&format!("redis://{cache}")));
            pods.push(Server::start_on(&stores, &format!("{}{quick}", sink.as_channel())).await);
        }
        let storm = Storm::over(&pods, EVENTS, ERRORS, BATCH, PAUSE).with_later(later, LATER_FROM);
        let stage =
            Stage { redis, postgres, pods, wire, storm, started: Instant::now(), noticed: None, returned: None };
        (stage, sink)
    }

    /// Waits until the cache is asked (or not) by these pods. Answers how long that took.
    async fn until_cache_is(&self, up: bool, pods: impl Iterator<Item = usize> + Clone) -> Duration {
        self.until("bongsu_cache_up", up, pods).await
    }

    async fn until(&self, gauge: &str, up: bool, pods: impl Iterator<Item = usize> + Clone) -> Duration {
        let since = Instant::now();
        wait_until("the breaker", async || {
            for nth in pods.clone() {
                if metric(&self.pods[nth], gauge).await != u64::from(up) {
                    return false;
                }
            }
            true
        })
        .await;
        since.elapsed()
    }
}

/// A row of the table.
async fn run(name: &str, fault: impl AsyncFnOnce(&mut Stage)) {
    run_with(name, 0, 1, async |stage, _| fault(stage).await).await;
}

/// With errors that nobody has seen before the fault, of which each of so many may alert by itself.
async fn run_with(name: &str, later: usize, alone: usize, fault: impl AsyncFnOnce(&mut Stage, &Sink)) {
    let (mut stage, sink) = Stage::set(later).await;
    let storm = Arc::clone(&stage.storm);
    let raging = tokio::spawn({
        let storm = Arc::clone(&storm);
        async move { storm.rage(CONNECTIONS).await }
    });
    storm.reached(30).await;
    stage.started = Instant::now();
    fault(&mut stage, &sink).await;
    raging.await.unwrap();
    // Nobody was told what became of these; everything else is exact.
    let in_doubt = storm.sum(|known| known.unknown + known.refused);
    let more = storm.check(&stage.pods[1], in_doubt).await;
    let budget = BUDGET as usize;
    let delivered = (ERRORS + later) * budget..=(ERRORS + later * alone) * budget;
    let twice = check_delivered_within(&sink, delivered).await;
    let (acknowledged, refused) = (storm.sum(|known| known.acknowledged), storm.sum(|known| known.refused));
    let shown = |span: Option<Duration>| span.map_or_else(|| "-".to_owned(), |span| format!("{span:.2?}"));
    eprintln!(
        "| {name} | {BUDGET} | {acknowledged} | {} | {refused} | {} | {:.0?} | {} | {} | {twice} |",
        acknowledged + more,
        storm.sum(|known| known.unknown),
        storm.longest(),
        shown(stage.noticed),
        shown(stage.returned),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_killed_and_back_empty() {
    run("Redis killed, back empty", async |stage| {
        stage.redis.kill_and_restart();
        stage.returned = Some(stage.until_cache_is(true, 0..PODS).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_flushed() {
    run("FLUSHALL", async |stage| {
        stage.redis.command(&["FLUSHALL"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_paused() {
    run("Redis paused for 5 s", async |stage| {
        stage.redis.process.pause();
        stage.noticed = Some(stage.until_cache_is(false, 0..PODS).await);
        tokio::time::sleep(Duration::from_secs(5)).await;
        stage.redis.process.resume();
        stage.returned = Some(stage.until_cache_is(true, 0..PODS).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_cut_off_from_one_pod() {
    run("Redis cut off from one pod", async |stage| {
        stage.wire.cut(true);
        stage.noticed = Some(stage.until_cache_is(false, 0..1).await);
        stage.storm.reached(70).await;
        stage.wire.cut(false);
        stage.returned = Some(stage.until_cache_is(true, 0..1).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_killed() {
    run("a pod killed, and started again", async |stage| {
        stage.pods[2].kill_and_restart().await;
        stage.storm.moved(2, stage.pods[2].base());
        stage.returned = Some(stage.started.elapsed());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_killed_and_back() {
    run("PostgreSQL killed, and back", async |stage| {
        stage.postgres.stop();
        stage.storm.reached(50).await;
        stage.postgres.start_again();
        stage.returned = Some(stage.started.elapsed());
    })
    .await;
}

/// Alerts of the later errors have arrived, although nothing was stored.
async fn later_ones_alert(stage: &Stage, sink: &Sink) {
    let later =
        |alert: &serde_json::Value| alert["attributes"]["module"].as_str().is_some_and(|m| stage.storm.is_later(m));
    let arrived = || sink.payloads("alert").iter().filter(|alert| later(alert)).count();
    wait_until("alerts from memory", async || arrived() >= LATER * BUDGET as usize).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_away_for_the_whole_window() {
    run_with("PostgreSQL away for the rest of the storm", LATER, 1, async |stage, sink| {
        stage.postgres.stop();
        stage.noticed = Some(stage.until("bongsu_archive_up", false, 0..PODS).await);
        stage.storm.reached(100).await;
        later_ones_alert(stage, sink).await;
        assert_eq!(readiness(&stage.pods[0]).await, (200, "cache".to_owned()));
        stage.postgres.start_again();
        let started = Instant::now();
        stage.until("bongsu_archive_up", true, 0..PODS).await;
        stage.returned = Some(started.elapsed());
        assert_eq!(readiness(&stage.pods[0]).await, (200, "cache+archive".to_owned()));
    })
    .await;
}

/// What `/readyz` says: its status, and who decides.
async fn readiness(pod: &Server) -> (u16, String) {
    let response = client().get(format!("{}/readyz", pod.base())).send().await.unwrap();
    let status = response.status().as_u16();
    let body: serde_json::Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    (status, body["decides"].as_str().unwrap().to_owned())
}

/// Alerts are sent without the archive, and a pod that ends says which of them nobody will find in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_ends_while_the_archive_is_away() {
    let (redis, mut postgres, sink) = (Redis::start(), Postgres::start(), Sink::start().await);
    let stores = stores(&postgres.database("ends"), Some(&format!("redis://{}", redis.address())));
    let mut pod = Server::start_on(&stores, &sink.as_channel()).await;
    postgres.stop();
    let sent = async |detail: &str| pod.send(&serde_json::json!({ "module": "cart", "detail": detail })).await;
    for ordinal in 1..=6 {
        let answer = sent("connection reset by peer").await;
        let outcome = if ordinal <= BUDGET { "alerted" } else { "suppressed" };
        assert_eq!(answer["outcomes"][0]["outcome"], outcome, "{answer}");
        assert_eq!(answer["outcomes"][0]["occurrences"], ordinal, "{answer}");
    }
    wait_until("the alerts", async || sink.payloads("alert").len() == BUDGET as usize).await;
    let ordinals: Vec<u64> = sink.payloads("alert").iter().map(|alert| alert["ordinal"].as_u64().unwrap()).collect();
    assert_eq!(ordinals, [1, 2, 3, 4, 5]);
    assert!(pod.stop().success());
    let forgotten =
        |line: &String| line.contains("could not be recorded and are forgotten") && line.contains("\"lost\":5");
    wait_until("its last words", async || pod.log().iter().any(forgotten)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_and_postgresql_away() {
    run_with("Redis and PostgreSQL away for the rest of the storm", LATER, PODS, async |stage, sink| {
        stage.redis.process.kill();
        stage.postgres.stop();
        stage.noticed = Some(stage.until("bongsu_archive_up", false, 0..PODS).await);
        stage.storm.reached(100).await;
        later_ones_alert(stage, sink).await;
        assert_eq!(readiness(&stage.pods[0]).await, (200, "memory".to_owned()));
        let started = Instant::now();
        stage.redis.kill_and_restart();
        stage.postgres.start_again();
        stage.until("bongsu_archive_up", true, 0..PODS).await;
        stage.returned = Some(started.elapsed());
    })
    .await;
}

//! The storm again, with one fault in the middle of it.
//!
//! `cargo test --test it faults -- --nocapture --test-threads=1` prints the rows of the table in docs/operations.md: the
//! fault; alerts for each error; acknowledged; counted in the end; refused; without an answer; the longest
//! acknowledgement; when all pods concerned had noticed; when all was well again; alerts sent twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};

use super::storm::{BUDGET, Storm, check_delivered_within};
use super::{BATCH, CONNECTIONS, ERRORS, EVENTS, PODS, stores};
use crate::harness::{Server, Sink, client, wait_until};
use crate::servers::mariadb::Mariadb;
use crate::servers::postgres::Postgres;
use crate::servers::redis::{Cluster, Redis, Watched};

/// So that the storm lasts some ten seconds.
const PAUSE: Duration = Duration::from_millis(40);

/// Errors that begin while the archive is away, and from which part of the load on, in percent.
const LATER: usize = 100;
const LATER_FROM: usize = 45;

/// Everything that a fault can hit.
struct Stage {
    cache: CacheServer,
    archive: ArchiveServer,
    pods: Vec<Server>,
    /// Between the first pod and Redis.
    wire: Option<Wire>,
    storm: Arc<Storm>,
    started: Instant,
    /// When every pod that a fault concerns had noticed, and when all was well again.
    noticed: Option<Duration>,
    returned: Option<Duration>,
}

enum CacheServer {
    Redis(Redis),
    Sentinel(Watched),
    Cluster(Cluster),
}

impl CacheServer {
    fn url(&self) -> String {
        match self {
            CacheServer::Redis(redis) => format!("redis://{}", redis.address()),
            CacheServer::Sentinel(watched) => format!("redis-sentinel://{}/main", watched.addresses()),
            CacheServer::Cluster(cluster) => format!("redis-cluster://{}", cluster.addresses()),
        }
    }

    /// The server that a fault hits.
    fn redis(&mut self) -> &mut Redis {
        match self {
            CacheServer::Redis(redis) => redis,
            CacheServer::Sentinel(watched) => &mut watched.servers[0],
            CacheServer::Cluster(cluster) => &mut cluster.masters[0],
        }
    }
}

enum ArchiveServer {
    Postgres(Postgres),
    Mariadb(Mariadb),
}

impl ArchiveServer {
    fn database(&self) -> String {
        match self {
            ArchiveServer::Postgres(server) => server.database("faults"),
            ArchiveServer::Mariadb(server) => server.database("faults"),
        }
    }

    fn stop(&mut self) {
        match self {
            ArchiveServer::Postgres(server) => server.stop(),
            ArchiveServer::Mariadb(server) => server.stop(),
        }
    }

    fn start_again(&mut self) {
        match self {
            ArchiveServer::Postgres(server) => server.start_again(),
            ArchiveServer::Mariadb(server) => server.start_again(),
        }
    }
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
    async fn set(
        cache: CacheServer,
        archive: ArchiveServer,
        clocks: [Option<i64>; PODS],
        later: usize,
    ) -> (Stage, Sink) {
        let (sink, database) = (Sink::start().await, archive.database());
        let wire = match &cache {
            CacheServer::Redis(redis) => Some(Wire::to(redis.address()).await),
            _ => None,
        };
        let quick = "[deliver]\ntimeout = \"2s\"\nlease = \"15s\"\nbackoff_first = \"100ms\"\nconcurrency = 8\n";
        let toml = format!("{}{quick}", sink.as_channel());
        let mut pods = Vec::new();
        for (nth, clock) in clocks.into_iter().enumerate() {
            let url = match &wire {
                Some(wire) if nth == 0 => format!("redis://127.0.0.1:{}", wire.port),
                _ => cache.url(),
            };
            let stores = stores(&database, Some(&url));
            pods.push(match clock {
                Some(clock) => Server::start_with_clock(&stores, &toml, clock).await,
                None => Server::start_on(&stores, &toml).await,
            });
        }
        let storm = Storm::over(&pods, EVENTS, ERRORS, BATCH, PAUSE).with_later(later, LATER_FROM);
        let stage = Stage { cache, archive, pods, wire, storm, started: Instant::now(), noticed: None, returned: None };
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

/// A row of the table, on one Redis and PostgreSQL.
async fn run(name: &str, fault: impl AsyncFnOnce(&mut Stage)) {
    run_with(name, 0, 1, async |stage, _| fault(stage).await).await;
}

/// With errors that nobody has seen before the fault, of which each of so many may alert by itself.
async fn run_with(name: &str, later: usize, alone: usize, fault: impl AsyncFnOnce(&mut Stage, &Sink)) {
    let (redis, postgres) = (CacheServer::Redis(Redis::start()), ArchiveServer::Postgres(Postgres::start()));
    let (stage, sink) = Stage::set(redis, postgres, [None; PODS], later).await;
    run_on(name, (stage, sink), (later, alone), fault).await;
}

async fn run_on(
    name: &str,
    (mut stage, sink): (Stage, Sink),
    (later, alone): (usize, usize),
    fault: impl AsyncFnOnce(&mut Stage, &Sink),
) {
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
        stage.cache.redis().kill_and_restart();
        stage.returned = Some(stage.until_cache_is(true, 0..PODS).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_flushed() {
    run("FLUSHALL", async |stage| {
        stage.cache.redis().command(&["FLUSHALL"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_paused() {
    run("Redis paused for 5 s", async |stage| {
        stage.cache.redis().process.pause();
        stage.noticed = Some(stage.until_cache_is(false, 0..PODS).await);
        tokio::time::sleep(Duration::from_secs(5)).await;
        stage.cache.redis().process.resume();
        stage.returned = Some(stage.until_cache_is(true, 0..PODS).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_cut_off_from_one_pod() {
    run("Redis cut off from one pod", async |stage| {
        stage.wire.as_ref().unwrap().cut(true);
        stage.noticed = Some(stage.until_cache_is(false, 0..1).await);
        stage.storm.reached(70).await;
        stage.wire.as_ref().unwrap().cut(false);
        stage.returned = Some(stage.until_cache_is(true, 0..1).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sentinel_fails_over() {
    let (watched, postgres) = (CacheServer::Sentinel(Watched::start()), ArchiveServer::Postgres(Postgres::start()));
    run_on(
        "Sentinel fail-over, the master killed",
        Stage::set(watched, postgres, [None; PODS], 0).await,
        (0, 1),
        async |stage, _| {
            stage.cache.redis().process.kill();
            stage.noticed = Some(stage.until_cache_is(false, 0..PODS).await);
            stage.returned = Some(stage.until_cache_is(true, 0..PODS).await);
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_of_the_cluster_killed() {
    let (cluster, postgres) = (CacheServer::Cluster(Cluster::start()), ArchiveServer::Postgres(Postgres::start()));
    run_on(
        "a Cluster master killed, back empty",
        Stage::set(cluster, postgres, [None; PODS], 0).await,
        (0, 1),
        async |stage, _| {
            stage.cache.redis().process.kill();
            stage.noticed = Some(stage.until_cache_is(false, 0..PODS).await);
            stage.storm.reached(60).await;
            stage.cache.redis().kill_and_restart();
            stage.returned = Some(stage.until_cache_is(true, 0..PODS).await);
        },
    )
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
async fn clocks_apart() {
    let (redis, postgres) = (CacheServer::Redis(Redis::start()), ArchiveServer::Postgres(Postgres::start()));
    let stage = Stage::set(redis, postgres, [None, Some(3), Some(-3)], 0).await;
    run_on("clocks 3 s apart, each way", stage, (0, 1), async |_, _| {}).await;
}

async fn archive_killed(name: &str, archive: ArchiveServer) {
    let redis = CacheServer::Redis(Redis::start());
    run_on(name, Stage::set(redis, archive, [None; PODS], 0).await, (0, 1), async |stage, _| {
        stage.archive.stop();
        stage.storm.reached(50).await;
        stage.archive.start_again();
        stage.returned = Some(stage.started.elapsed());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_killed_and_back() {
    archive_killed("PostgreSQL killed, and back", ArchiveServer::Postgres(Postgres::start())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_killed_and_back() {
    archive_killed("MariaDB killed, and back", ArchiveServer::Mariadb(Mariadb::start())).await;
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
        stage.archive.stop();
        stage.noticed = Some(stage.until("bongsu_archive_up", false, 0..PODS).await);
        stage.storm.reached(100).await;
        later_ones_alert(stage, sink).await;
        assert_eq!(readiness(&stage.pods[0]).await, (200, "cache".to_owned()));
        stage.archive.start_again();
        let started = Instant::now();
        stage.until("bongsu_archive_up", true, 0..PODS).await;
        stage.returned = Some(started.elapsed());
        assert_eq!(readiness(&stage.pods[0]).await, (200, "cache+archive".to_owned()));
    })
    .await;
}

/// It keeps its connections and answers nothing: events are acknowledged all the same, by the cache.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_paused_for_the_whole_window() {
    run_with("PostgreSQL paused for the rest of the storm", LATER, 1, async |stage, sink| {
        let ArchiveServer::Postgres(postgres) = &stage.archive else { unreachable!("it runs on PostgreSQL") };
        postgres.process().pause_all();
        stage.noticed = Some(stage.until("bongsu_archive_up", false, 0..PODS).await);
        stage.storm.reached(100).await;
        later_ones_alert(stage, sink).await;
        assert_eq!(readiness(&stage.pods[0]).await, (200, "cache".to_owned()));
        postgres.process().resume_all();
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
    // With what people were told of the archive itself.
    let forgotten =
        |line: &String| line.contains("could not be recorded and are forgotten") && line.contains("\"lost\":6");
    wait_until("its last words", async || pod.log().iter().any(forgotten)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_and_postgresql_away() {
    run_with("Redis and PostgreSQL away for the rest of the storm", LATER, PODS, async |stage, sink| {
        stage.cache.redis().process.kill();
        stage.archive.stop();
        stage.noticed = Some(stage.until("bongsu_archive_up", false, 0..PODS).await);
        stage.storm.reached(100).await;
        later_ones_alert(stage, sink).await;
        assert_eq!(readiness(&stage.pods[0]).await, (200, "memory".to_owned()));
        let started = Instant::now();
        stage.cache.redis().kill_and_restart();
        stage.archive.start_again();
        stage.until("bongsu_archive_up", true, 0..PODS).await;
        stage.returned = Some(started.elapsed());
    })
    .await;
}

/// One after the other: what the archive knew of the errors that were quiet is in each pod's memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_and_then_postgresql_away() {
    run_with("Redis away, then PostgreSQL as well", LATER, PODS, async |stage, sink| {
        stage.cache.redis().process.kill();
        stage.until_cache_is(false, 0..PODS).await;
        stage.storm.reached(40).await;
        stage.archive.stop();
        stage.noticed = Some(stage.until("bongsu_archive_up", false, 0..PODS).await);
        stage.storm.reached(100).await;
        later_ones_alert(stage, sink).await;
        assert_eq!(readiness(&stage.pods[0]).await, (200, "memory".to_owned()));
        let started = Instant::now();
        stage.archive.start_again();
        stage.until("bongsu_archive_up", true, 0..PODS).await;
        stage.cache.redis().kill_and_restart();
        stage.until_cache_is(true, 0..PODS).await;
        stage.returned = Some(started.elapsed());
    })
    .await;
}

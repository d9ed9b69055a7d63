//! Self-watching: the way of an alert is broken at one place after the other, and somebody hears of it by another way.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::harness::{DEADLINE, Reaction, Server, Sink, client, wait_for, wait_until};
use crate::servers::postgres::Postgres;
use crate::servers::redis::Redis;

const EVERY: Duration = Duration::from_secs(2);
const WITHIN: Duration = Duration::from_millis(1_500);
/// What a busy machine may add.
const BUSY: Duration = Duration::from_secs(5);
const DELIVER: &str =
    "[deliver]\ntimeout = \"1s\"\nlease = \"2s\"\nbackoff_first = \"50ms\"\nbackoff_longest = \"200ms\"\n";

/// How a channel fails.
const WORKS: u8 = 0;
const REFUSES: u8 = 1;
const HANGS: u8 = 2;
const BREAKS_OFF: u8 = 3;
const IS_GONE: u8 = 4;

/// A receiver that can be broken.
async fn fragile() -> (Sink, Arc<AtomicU8>) {
    let how = Arc::new(AtomicU8::new(WORKS));
    let now = Arc::clone(&how);
    let sink = Sink::reacting(move |_, _| match now.load(Ordering::SeqCst) {
        WORKS => Reaction::status(200),
        REFUSES => Reaction::status(503),
        HANGS => Reaction::Hang,
        IS_GONE => Reaction::status(404),
        _ => Reaction::Drop,
    });
    (sink.await, how)
}

fn channel(name: &str, sink: &Sink) -> String {
    format!("[[channel]]\nname = \"{name}\"\ntype = \"webhook\"\nurl = \"{}\"\n", sink.url())
}

fn watch(more: &str) -> String {
    format!(
        "{DELIVER}[watch]\nevery = \"{}ms\"\nwithin = \"{}ms\"\ntell = [\"backup\"]\n{more}\n",
        EVERY.as_millis(),
        WITHIN.as_millis()
    )
}

/// What the second channel was told, by where it says that it happened.
fn told(sink: &Sink) -> Vec<String> {
    let location = |payload: Value| payload["attributes"]["location"].as_str().unwrap().to_owned();
    sink.payloads("health").into_iter().map(location).collect()
}

fn text(sink: &Sink, nth: usize) -> String {
    sink.payloads("health")[nth]["text"].as_str().unwrap().to_owned()
}

/// Milliseconds since 1970.
fn clock() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis()
}

/// The moment that a message says it was made.
fn said_at(payload: &Value) -> u128 {
    let text = payload["granted_at"].as_str().unwrap();
    u128::try_from(text.parse::<jiff::Timestamp>().unwrap().as_millisecond()).unwrap()
}

async fn ready(server: &Server) -> Value {
    let answer = client().get(format!("{}/readyz", server.base())).send().await.unwrap();
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

async fn canaries(server: &Server, result: &str) -> u64 {
    let answer = client().get(format!("{}/metrics", server.base())).send().await.unwrap().bytes().await.unwrap();
    let name = format!("bongsu_canaries_total{{result=\"{result}\"}} ");
    let text = String::from_utf8(answer.to_vec()).unwrap();
    text.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
}

/// Waits until so many more have ended so.
async fn more(server: &Server, result: &str, count: u64) {
    let aim = canaries(server, result).await + count;
    wait_until(&format!("{count} more {result}"), async || canaries(server, result).await >= aim).await;
}

/// Nothing of the canaries is left for people to see, but the one on its way.
async fn nothing_is_left(server: &Server) {
    wait_until("the canaries to be gone", async || {
        let lists = ["issues", "alerts", "deliveries"].map(|list| format!("/api/v1/{list}"));
        for list in lists {
            if server.api(&list).await["items"] != json!([]) {
                return false;
            }
        }
        true
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_fails_is_noticed_told_once_and_told_again_when_it_works() {
    let ((canary, how), backup, heart) = (fragile().await, Sink::start().await, Sink::start().await);
    let toml = format!("channel = \"canaries\"\nheartbeat = \"{}\"\n", heart.url());
    let server =
        Server::start(&format!("{}{}{}", watch(&toml), channel("canaries", &canary), channel("backup", &backup))).await;
    for (nth, (broken, name)) in
        [(REFUSES, "refuses"), (HANGS, "hangs"), (BREAKS_OFF, "breaks off")].into_iter().enumerate()
    {
        let beats = heart.count();
        wait_for("heartbeats", || heart.count() >= beats + 2).await;
        let (before, at) = (told(&backup).len(), clock());
        assert_eq!(before, 2 * nth);
        how.store(broken, Ordering::SeqCst);
        wait_for(name, || told(&backup).len() > before).await;
        let noticed = said_at(&backup.payloads("health")[before]).saturating_sub(at);
        assert!(noticed <= (EVERY + WITHIN + BUSY).as_millis(), "{name}: noticed after {noticed} ms");
        eprintln!("{name}: noticed after {noticed} ms");
        let beats = heart.count();
        more(&server, "stopped", 2).await;
        assert_eq!((told(&backup).len(), heart.count()), (before + 1, beats), "{name}: told once, and no heartbeat");
        assert_eq!(told(&backup)[before], "watch.stopped");
        let said = text(&backup, before);
        assert!(
            said.starts_with("⚠️ bongsu · alerts may not arrive\n") && said.contains("through its channel"),
            "{said}"
        );
        let canary_is = ready(&server).await["canary"].clone();
        assert_eq!((&canary_is["state"], &canary_is["stopped_at"]), (&json!("stopped"), &json!("channel")), "{name}");
        how.store(WORKS, Ordering::SeqCst);
        wait_for("that to be told too", || told(&backup).len() == before + 2).await;
        assert_eq!(told(&backup)[before + 1], "watch.works");
        assert!(text(&backup, before + 1).contains("Away for: "), "{}", text(&backup, before + 1));
        wait_for("the heartbeat", || heart.count() > beats).await;
    }
    assert_eq!(ready(&server).await["canary"]["state"], "arrives");
    assert!(canary.payloads("health").iter().all(|payload| payload["attributes"]["location"] == "watch.canary"));
    nothing_is_left(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_that_is_gone_is_told_past_it() {
    let (mut postgres, backup, heart) = (Postgres::start(), Sink::start().await, Sink::start().await);
    let stores = format!("[archive]\nurl = \"{}\"\ntimeout = \"500ms\"\n", postgres.database("watch"));
    let toml = watch(&format!("heartbeat = \"{}\"\n", heart.url())) + &channel("backup", &backup);
    let server = Server::start_on(&stores, &toml).await;
    wait_for("heartbeats", || heart.count() >= 2).await;
    let at = clock();
    postgres.stop();
    wait_for("the archive to be missed", || told(&backup) == ["watch.stopped"]).await;
    let noticed = said_at(&backup.payloads("health")[0]).saturating_sub(at);
    eprintln!("noticed after {noticed} ms");
    assert!(noticed <= (EVERY + WITHIN + BUSY).as_millis(), "noticed after {noticed} ms");
    let beats = heart.count();
    more(&server, "stopped", 2).await;
    assert_eq!((told(&backup).len(), heart.count()), (1, beats));
    assert_eq!(ready(&server).await["canary"]["stopped_at"], "door");
    assert!(text(&backup, 0).contains("was not taken at its own door"), "{}", text(&backup, 0));
    assert!(text(&backup, 0).contains("Answer: answered 503: "), "{}", text(&backup, 0));
    postgres.start_again();
    wait_for("its return to be told", || told(&backup) == ["watch.stopped", "watch.works"]).await;
    wait_for("the heartbeat", || heart.count() > beats).await;
    nothing_is_left(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_cache_canaries_arrive_without_the_archive_and_what_fails_then_is_told() {
    let (redis, mut postgres) = (Redis::start(), Postgres::start());
    let ((canary, how), backup, heart) = (fragile().await, Sink::start().await, Sink::start().await);
    let stores = format!(
        "[archive]\nurl = \"{}\"\n[cache]\nurl = \"redis://{}\"\n",
        postgres.database("watch"),
        redis.address()
    );
    // What bongsu says of its stores goes to the channel that fails: only past it does anybody hear of them.
    let health = "[health]\nchannels = [\"canaries\"]\n";
    let toml = watch(&format!("channel = \"canaries\"\nheartbeat = \"{}\"\n", heart.url()))
        + health
        + &channel("canaries", &canary)
        + &channel("backup", &backup);
    let server = Server::start_on(&stores, &toml).await;
    wait_for("a heartbeat", || heart.count() >= 1).await;
    postgres.stop();
    wait_until("the archive to be left alone", async || ready(&server).await["decides"] == "cache").await;
    // One may have been on its way through the archive.
    more(&server, "arrived", 2).await;
    let before = told(&backup);
    assert!(before.is_empty() || before == ["watch.stopped", "watch.works"], "{before:?}");
    how.store(REFUSES, Ordering::SeqCst);
    wait_for("the failure to be told", || told(&backup).len() == before.len() + 1).await;
    let said = text(&backup, before.len());
    assert!(said.contains("does not get through its channel") && said.contains("answered 503"), "{said}");
    postgres.start_again();
    wait_for("the archive's return to be told", || told(&backup).last().unwrap() == "archive.back").await;
    how.store(WORKS, Ordering::SeqCst);
    wait_for("the end to be told", || told(&backup).last().unwrap() == "watch.works").await;
    assert_eq!(told(&backup)[before.len()..], ["watch.stopped", "archive.back", "watch.works"]);
}

/// A channel that others stand in for is broken all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_that_only_a_fallback_took_has_not_arrived() {
    let ((canary, how), spare, backup) = (fragile().await, Sink::start().await, Sink::start().await);
    how.store(IS_GONE, Ordering::SeqCst);
    let toml = watch("channel = \"canaries\"\n")
        + &channel("canaries", &canary)
        + "fallback = \"spare\"\n"
        + &channel("spare", &spare)
        + &channel("backup", &backup);
    let server = Server::start(&toml).await;
    wait_for("the failure to be told", || told(&backup) == ["watch.stopped"]).await;
    assert!(text(&backup, 0).contains("Answer: answered 404"), "{}", text(&backup, 0));
    wait_for("the fallback", || spare.count() > 0).await;
    assert_eq!(canaries(&server, "arrived").await, 0);
}

/// Of several servers one tells, and the same one tells the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_servers_tell_once() {
    let (postgres, (canary, how), backup) = (Postgres::start(), fragile().await, Sink::start().await);
    let stores = format!("[archive]\nurl = \"{}\"\n", postgres.database("watch"));
    let toml = watch("channel = \"canaries\"\n") + &channel("canaries", &canary) + &channel("backup", &backup);
    let mut pods = Vec::new();
    for _ in 0..3 {
        pods.push(Server::start_on(&stores, &toml).await);
    }
    for pod in &pods {
        more(pod, "arrived", 1).await;
    }
    how.store(REFUSES, Ordering::SeqCst);
    for pod in &pods {
        more(pod, "stopped", 3).await;
    }
    assert_eq!(told(&backup), ["watch.stopped"]);
    how.store(WORKS, Ordering::SeqCst);
    for pod in &pods {
        more(pod, "arrived", 2).await;
    }
    wait_for("the end to be told", || told(&backup).len() == 2).await;
    assert_eq!(told(&backup), ["watch.stopped", "watch.works"]);
    nothing_is_left(&pods[0]).await;
}

/// Nobody would hear of it: nothing is sent. And it begins when a reload names somebody.
#[tokio::test]
async fn it_is_off_until_somebody_would_hear_of_it() {
    let backup = Sink::start().await;
    let server = Server::start(&channel("backup", &backup)).await;
    assert_eq!(ready(&server).await["canary"], json!({ "state": "off", "last_arrival": null }));
    server.configure(&(watch("") + &channel("backup", &backup)));
    server.hang_up();
    wait_until("a canary", async || ready(&server).await["canary"]["state"] == "arrives").await;
    let seen: Mutex<BTreeMap<String, usize>> = Mutex::default();
    server.configure(&channel("backup", &backup));
    server.hang_up();
    wait_until("the end", async || {
        let state = ready(&server).await["canary"]["state"].as_str().unwrap().to_owned();
        *seen.lock().unwrap().entry(state.clone()).or_default() += 1;
        state == "off"
    })
    .await;
    assert!(!seen.lock().unwrap().contains_key("stopped"), "{:?} within {DEADLINE:?}", seen.lock().unwrap());
    assert_eq!(backup.count(), 0);
    nothing_is_left(&server).await;
}

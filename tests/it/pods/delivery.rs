//! Delivery at its hardest: receivers that ask for patience, break off, hang and restart, under three pods that share a
//! pace.
//!
//! Invariant under test: *Delivery.* Every granted alert reaches its channel at least once, of one issue in their order, or
//! lies in the dead letters with the reason; it comes twice only where an answer was lost, and no more often than counted.

use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;
use std::time::Instant;

use bytes::Bytes;
use serde_json::Value;

use super::*;
use crate::crash::{all, number, text};
use crate::harness::Received;

/// Several alerts in one message would not be counted here.
const EACH_BY_ITSELF: &str = "digest_above = 0\n[storm]\nspan = \"0s\"\n";
const PER_MINUTE: usize = 3_000;
/// Messages that may go at once after a rest (`BURST` of the pacer).
const BURST: usize = 5;
/// Requests of one pod to one channel at a time.
const CONCURRENCY: usize = 4;
const ORDINALS: usize = 5;
/// A part of the alerts that takes less than the harness waits.
const STAGE: usize = 200;

/// A receiver, and how it treats the requests.
struct Receiver {
    sink: Sink,
    alerts: usize,
    /// The different messages that it took.
    took: Arc<Mutex<HashSet<Bytes>>>,
}

impl Receiver {
    /// Asks every third request for patience, mostly for a moment, now and then for a second. Of the others it takes what it
    /// breaks off and what it leaves hanging as well: that is what nobody knows.
    async fn start(alerts: usize, drops: usize, hangs: usize) -> Receiver {
        let took: Arc<Mutex<HashSet<Bytes>>> = Arc::default();
        let takes = Arc::clone(&took);
        let sink = Sink::reacting(move |n, one| {
            if n % 3 == 0 {
                return patience(if n % 300 == 0 { "1" } else { "0.005" });
            }
            takes.lock().unwrap().insert(one.body.clone());
            match n {
                n if n % drops == 1 => Reaction::Drop,
                n if n % hangs == 2 => Reaction::Hang,
                _ => Reaction::status(200),
            }
        });
        Receiver { sink: sink.await, alerts, took }
    }

    async fn reached(&self, messages: usize) {
        wait_for("the next part", || self.took.lock().unwrap().len() >= messages).await;
    }

    /// What it took, by whose it is: the answer may have been lost.
    fn taken<K: Ord>(&self, whose: impl Fn(&Received) -> Option<K>) -> BTreeMap<K, Vec<Received>> {
        let mut taken: BTreeMap<K, Vec<Received>> = BTreeMap::new();
        for (n, one) in self.sink.received().into_iter().enumerate() {
            if let Some(whose) = whose(&one).filter(|_| n % 3 != 0) {
                taken.entry(whose).or_default().push(one);
            }
        }
        taken
    }

    /// No part of a minute saw more than the pace, what may go at once, and what was under way when that part began.
    fn check_pace(&self) {
        let at: Vec<Instant> = self.sink.received().iter().map(|one| one.at).collect();
        for (span, pace) in [(Duration::from_secs(1), PER_MINUTE / 60), (Duration::from_secs(60), PER_MINUTE)] {
            let most = (0..at.len()).map(|n| at[n..].iter().take_while(|other| **other - at[n] < span).count()).max();
            let most = most.unwrap_or(0);
            eprintln!("    {most} requests within {span:?}, the pace is {pace}");
            assert!(most <= pace + BURST + PODS * CONCURRENCY, "{most} within {span:?}");
        }
    }
}

fn patience(seconds: &str) -> Reaction {
    Reaction::Answer(429, vec![("retry-after", seconds.to_owned())], "slow down".to_owned())
}

/// What the archive says of each alert of a channel.
struct Told {
    module: String,
    ordinal: u64,
    state: String,
    unanswered: usize,
    error: String,
}

async fn told(pod: &Server, channel: &str) -> BTreeMap<u64, Told> {
    let deliveries = all(pod, "/api/v1/deliveries").await;
    let alerts = all(pod, "/api/v1/alerts").await;
    let alerts: BTreeMap<u64, &Value> = alerts.iter().map(|alert| (number(alert, "id"), alert)).collect();
    let of = |one: &Value| {
        let alert = alerts[&number(one, "alert")];
        let told = Told {
            module: text(alert, "module").to_owned(),
            ordinal: number(alert, "ordinal"),
            state: text(one, "state").to_owned(),
            unanswered: number(one, "unanswered") as usize,
            error: one["error"].as_str().unwrap_or_default().to_owned(),
        };
        (number(one, "alert"), told)
    };
    deliveries
        .iter()
        .filter(|one| text(one, "channel") == channel)
        .map(of)
        .filter(|(_, told)| told.module != "bongsu")
        .collect()
}

fn toml(ops: &Receiver, chat: &Receiver) -> String {
    let channel = |name: &str, kind: &str, receiver: &Receiver| {
        let url = receiver.sink.url();
        format!("[[channel]]\nname = \"{name}\"\ntype = \"{kind}\"\nurl = \"{url}\"\nper_minute = {PER_MINUTE}\n")
    };
    [
        &channel("ops", "webhook", ops),
        &channel("chat", "slack", chat),
        "[[route]]\nmatch = { environment = \"chat\" }\nchannels = [\"chat\"]\n[[route]]\nchannels = [\"ops\"]\n",
        "[policy]\nwindow = \"1h\"\n",
        "[deliver]\ntimeout = \"1s\"\nlease = \"6s\"\nbackoff_first = \"20ms\"\nbackoff_longest = \"500ms\"\n",
        EACH_BY_ITSELF,
    ]
    .concat()
}

/// Each of so many errors, often enough to spend its budget, over all pods.
async fn grant(pods: &[Server], environment: &str, errors: usize) {
    for nth in 0..ORDINALS {
        let events: Vec<Value> = (0..errors)
            .map(|error| json!({ "environment": environment, "module": module(error), "detail": "connection refused" }))
            .collect();
        for events in events.chunks(100) {
            pods[nth % PODS].send(&json!(events)).await;
        }
    }
}

/// Ordinal and module, of what Slack is shown: `🔥▫️ 2/5 [chat] module · connection refused`.
fn slack_says(one: &Received) -> Option<(String, u64)> {
    let title = one.json.pointer("/blocks/0/text/text")?.as_str()?;
    let ordinal = title.split_once("/5 ")?.0.rsplit(' ').next()?.parse().ok()?;
    Some((title.split_once("] ")?.1.split_once(" · ")?.0.to_owned(), ordinal))
}

/// Ends it in the middle, and starts it again when a pod has noticed.
async fn restart(receiver: &mut Receiver, pods: &[Server]) {
    let refused = || pods.iter().flat_map(Server::log).filter(|line| line.contains("no connection")).count();
    let before = refused();
    receiver.sink.stop().await;
    wait_for("a pod to find nobody there", || refused() > before).await;
    receiver.sink.start_again().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receivers_at_their_worst_get_every_alert_in_order_and_at_their_pace() {
    let (redis, postgres) = (Redis::start(), Postgres::start());
    let mut ops = Receiver::start(400 * ORDINALS, 40, 97).await;
    let mut chat = Receiver::start(40 * ORDINALS, 10, 29).await;
    let stores = stores(&postgres.database("delivery"), Some(&format!("redis://{}", redis.address())));
    let toml = toml(&ops, &chat);
    let mut pods = Vec::new();
    for _ in 0..PODS {
        pods.push(Server::start_on(&stores, &toml).await);
    }
    grant(&pods, "chat", chat.alerts / ORDINALS).await;
    chat.reached(chat.alerts / 4).await;
    restart(&mut chat, &pods).await;
    grant(&pods, "prod", ops.alerts / ORDINALS).await;
    let key = |one: &Received| (text(&one.json, "kind") == "alert").then(|| number(&one.json, "id"));
    for stage in 1..=ops.alerts / STAGE {
        ops.reached(stage * STAGE).await;
        if stage == 2 || stage == 6 {
            restart(&mut ops, &pods).await;
        }
    }
    wait_until("all to be settled", async || {
        pods[0].api("/api/v1/deliveries?state=pending").await["items"].as_array().unwrap().is_empty()
    })
    .await;
    check_keyed(&ops, &told(&pods[0], "ops").await, key);
    check_keyless(&chat, &told(&pods[0], "chat").await);
    ops.check_pace();
    chat.check_pace();
}

/// The far side can tell what comes twice: everything is delivered.
fn check_keyed(ops: &Receiver, told: &BTreeMap<u64, Told>, key: impl Fn(&Received) -> Option<u64>) {
    let taken = ops.taken(key);
    assert_eq!((told.len(), taken.len()), (ops.alerts, ops.alerts));
    let (mut twice, mut unanswered) = (0, 0);
    for (alert, told) in told {
        let times = taken[alert].len();
        assert_eq!(told.state, "delivered", "{alert}: {}", told.error);
        assert!(times <= 1 + told.unanswered, "{alert}: {times} times, {} unanswered", told.unanswered);
        let keys = taken[alert].iter().map(|one| &one.headers["idempotency-key"]).collect::<Vec<_>>();
        assert!(keys.windows(2).all(|pair| pair[0] == pair[1]), "{alert}");
        twice += times - 1;
        unanswered += told.unanswered;
    }
    eprintln!(
        "webhook: {} alerts, {} requests, {twice} sent twice, {unanswered} unanswered",
        told.len(),
        ops.sink.count()
    );
    assert!(twice > 0, "none came twice: nothing was tried");
    in_order(ops, |one| {
        (text(&one.json, "kind") == "alert")
            .then(|| (text(&one.json, "fingerprint").to_owned(), number(&one.json, "ordinal")))
    });
}

/// It cannot: the first of a window is repeated, a later one is not, and lies in the dead letters when nobody knows.
fn check_keyless(chat: &Receiver, told: &BTreeMap<u64, Told>) {
    let taken = chat.taken(slack_says);
    assert_eq!(told.len(), chat.alerts);
    let (mut twice, mut dead) = (0, 0);
    for told in told.values() {
        let times = taken.get(&(told.module.clone(), told.ordinal)).map_or(0, Vec::len);
        let what = format!("{} {}: {times} times, {} {}", told.module, told.ordinal, told.unanswered, told.error);
        match told.state.as_str() {
            "delivered" => assert!((1..=1 + told.unanswered).contains(&times), "{what}"),
            state => {
                assert!(state == "dead" && told.ordinal > 1 && told.unanswered == 1 && times <= 1, "{what}");
                assert!(told.error.starts_with("nobody knows whether it arrived; not sent again: "), "{what}");
                dead += 1;
            }
        }
        assert!(told.ordinal == 1 || times <= 1, "{what}");
        twice += times.saturating_sub(1);
    }
    eprintln!("slack: {} alerts, {} requests, {twice} sent twice, {dead} dead letters", told.len(), chat.sink.count());
    assert!(dead > 0, "no answer of a later alert was lost: nothing was tried");
    in_order(chat, slack_says);
}

/// Of one issue the alerts came in their order.
fn in_order(receiver: &Receiver, says: impl Fn(&Received) -> Option<(String, u64)>) {
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    for (issue, ordinal) in receiver.sink.received().iter().filter_map(says) {
        let before = last.insert(issue.clone(), ordinal).unwrap_or(0);
        assert!(ordinal >= before, "{issue}: {ordinal} after {before}");
    }
}

/// What a receiver asks one pod for, all pods give it; and a channel without a pace as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patience_that_one_pod_was_asked_for_is_had_by_all() {
    let (redis, postgres) = (Redis::start(), Postgres::start());
    for per_minute in ["per_minute = 6000\n", ""] {
        let sink = Sink::reacting(|n, _| if n == 0 { patience("2") } else { Reaction::status(200) }).await;
        let database = if per_minute.is_empty() { "unpaced" } else { "paced" };
        let stores = stores(&postgres.database(database), Some(&format!("redis://{}", redis.address())));
        let toml = format!("{}{per_minute}[deliver]\n{EACH_BY_ITSELF}", sink.as_channel());
        let mut pods = Vec::new();
        for _ in 0..PODS {
            pods.push(Server::start_on(&stores, &toml).await);
        }
        pods[0].send(&json!({ "module": module(0), "detail": "connection refused" })).await;
        wait_until("the pod to have understood", async || {
            let pending = pods[0].api("/api/v1/deliveries?state=pending").await;
            pending["items"][0]["error"].as_str().is_some_and(|error| error.starts_with("answered 429"))
        })
        .await;
        for (nth, pod) in pods.iter().enumerate() {
            pod.send(&json!({ "module": module(1 + nth), "detail": "connection refused" })).await;
        }
        check_delivered(&sink, 1 + PODS).await;
        let received = sink.received();
        for later in &received[1..] {
            // A lower bound, less the grain of the clocks.
            let after = later.at - received[0].at;
            assert!(after >= Duration::from_millis(1_990), "{per_minute:?}: {after:?}");
        }
    }
}

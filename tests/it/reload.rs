//! SIGHUP: another configuration, under load, without a request or a delivery being lost or doubled.
//!
//! Invariants under test: *Conservation*, *Delivery*, and that an event falls wholly under the old or the new rules.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::crash::{all, module, number, text};
use crate::harness::{KEY, Reaction, Received, Server, Sink, client, wait_for, wait_until};
use crate::servers::postgres::Postgres;
use crate::servers::redis::Redis;

const CONNECTIONS: usize = 12;
/// Events acknowledged between two reloads.
const BETWEEN: u64 = 1_200;
/// Occurrences of an error: more than its budget.
const OCCURRENCES: usize = 8;
/// Every so many requests to `ops` one is refused for now.
const REFUSED_EVERY: usize = 13;
/// Leases that end within the test: what a worker that leaves had in hand and did not settle would be sent again.
const DELIVER: &str = "[deliver]\ntimeout = \"1s\"\nlease = \"2s\"\nbackoff_first = \"20ms\"\nconcurrency = 16\n";

/// Senders that go on until they are told to stop.
struct Load {
    next: AtomicUsize,
    acknowledged: AtomicU64,
    counted: Mutex<BTreeMap<String, u64>>,
    done: AtomicBool,
    url: String,
}

impl Load {
    fn of(server: &Server) -> Arc<Load> {
        Arc::new(Load {
            next: 0.into(),
            acknowledged: 0.into(),
            counted: Mutex::default(),
            done: false.into(),
            url: format!("{}/api/v1/events", server.base()),
        })
    }

    async fn run(self: Arc<Load>) {
        let client = client();
        while !self.done.load(Ordering::SeqCst) {
            let module = module(self.next.fetch_add(1, Ordering::SeqCst) / OCCURRENCES);
            let event = json!({ "module": module, "location": format!("{module}.Work.run"), "detail": "refused" });
            let answer = client.post(&self.url).bearer_auth(KEY).body(event.to_string()).send().await.unwrap();
            assert_eq!(answer.status(), 202);
            answer.bytes().await.unwrap();
            *self.counted.lock().unwrap().entry(module).or_default() += 1;
            self.acknowledged.fetch_add(1, Ordering::SeqCst);
        }
    }

    async fn goes_on(&self) {
        let aim = self.acknowledged.load(Ordering::SeqCst) + BETWEEN;
        wait_for("some load", || self.acknowledged.load(Ordering::SeqCst) >= aim).await;
    }
}

/// A channel that is told of each alert by itself.
fn channel(name: &str, sink: &Sink, more: &str) -> String {
    format!("[[channel]]\nname = \"{name}\"\ntype = \"webhook\"\nurl = \"{}\"\nfold = false\n{more}\n", sink.url())
}

/// The lines of the log that say what became of a reload.
fn said(server: &Server) -> Vec<String> {
    server.log().into_iter().filter(|line| line.contains("the configuration was read again")).collect()
}

/// Has the server go by another configuration; answers the line that says what became of it.
async fn reload(server: &Server, toml: &str) -> String {
    let before = said(server).len();
    server.configure(toml);
    server.hang_up();
    wait_for("the reload", || said(server).len() > before).await;
    said(server).pop().unwrap()
}

async fn metric(server: &Server, name: &str) -> Option<u64> {
    let text = client().get(format!("{}/metrics", server.base())).send().await.unwrap().bytes().await.unwrap();
    let text = String::from_utf8(text.to_vec()).unwrap();
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

/// The channels that an error is told on that alerts for the first time now.
async fn told_on(server: &Server, name: &str) -> BTreeSet<String> {
    let answer =
        server.send(&json!({ "module": name, "location": format!("{name}.Probe.run"), "detail": "probe" })).await;
    let fingerprint = text(&answer["outcomes"][0], "fingerprint").to_owned();
    let deliveries = server.api("/api/v1/deliveries?limit=500").await;
    let of = deliveries["items"].as_array().unwrap().iter().filter(|one| one["fingerprint"] == *fingerprint);
    of.map(|one| text(one, "channel").to_owned()).collect()
}

fn names(of: &[&str]) -> BTreeSet<String> {
    of.iter().map(|name| (*name).to_owned()).collect()
}

/// *Delivery*: what each receiver took is what the archive says it was sent, each once.
fn check_delivered(deliveries: &[Value], sinks: [(&str, &Sink); 3]) {
    let mut keys = BTreeSet::new();
    let mut taken: BTreeMap<(String, u64), usize> = BTreeMap::new();
    for (name, sink) in sinks {
        for (nth, one) in sink.received().iter().enumerate() {
            if name == "ops" && nth % REFUSED_EVERY == 0 {
                continue;
            }
            assert!(keys.insert(one.headers["idempotency-key"].clone()), "{name} was told twice: {}", one.json);
            *taken.entry((name.to_owned(), number(&one.json, "id"))).or_default() += 1;
        }
    }
    for one in deliveries {
        let key = (text(one, "channel").to_owned(), number(one, "alert"));
        let expected = match text(one, "state") {
            "delivered" => Some(1),
            // Only a channel that was removed leaves anything behind.
            "dead" => {
                assert_eq!((text(one, "channel"), text(one, "error")), ("new", "the channel is no longer configured"));
                None
            }
            state => panic!("{state}: {one}"),
        };
        assert_eq!(taken.remove(&key), expected, "{one}");
    }
    assert!(taken.is_empty(), "told without a delivery: {taken:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_under_load_lose_nothing_and_double_nothing() {
    let refuse = |n: usize| if n.is_multiple_of(REFUSED_EVERY) { 503 } else { 200 };
    let (ops, db, new) =
        (Sink::reacting(move |n, _| Reaction::status(refuse(n))).await, Sink::start().await, Sink::start().await);
    let route = |channels: &str| format!("[[route]]\nmatch = {{ module = \"shop-*\" }}\nchannels = [{channels}]\n");
    let (plain, other) = (channel("ops", &ops, ""), channel("ops", &ops, "headers = { X-Version = \"2\" }"));
    let (db_channel, new_channel) = (channel("db", &db, ""), channel("new", &new, ""));
    let two = format!("{DELIVER}{plain}{db_channel}");
    let three = format!("{DELIVER}{plain}{db_channel}{new_channel}{}", route("\"ops\", \"new\""));
    let changed =
        format!("{DELIVER}[policy]\nbudget = 2\n{db_channel}{other}{new_channel}{}", route("\"new\", \"ops\""));
    let removed = format!("{DELIVER}[policy]\nbudget = 2\n{db_channel}{other}{}", route("\"db\""));
    let server = Server::start(&two).await;
    let load = Load::of(&server);
    let senders: Vec<_> = (0..CONNECTIONS).map(|_| tokio::spawn(Arc::clone(&load).run())).collect();

    load.goes_on().await;
    assert!(reload(&server, &three).await.contains("is in force"));
    assert_eq!(told_on(&server, "shop-first").await, names(&["ops", "new"]));
    load.goes_on().await;
    let refused = reload(&server, &three.replace("[[route]]", "[[route]]\nchanels = []")).await;
    assert!(refused.contains("refused") && refused.contains("did you mean `channels`?"), "{refused}");
    assert!(refused.contains("bongsu.toml, line "), "{refused}");
    let refused = reload(&server, &three.replace("channels = [\"ops\"", "channels = [\"obs\"")).await;
    assert!(refused.contains("route 1") && refused.contains("did you mean \\\"ops\\\"?"), "{refused}");
    assert_eq!(told_on(&server, "shop-second").await, names(&["ops", "new"]));
    load.goes_on().await;
    assert!(reload(&server, &changed).await.contains("is in force"));
    assert_eq!(told_on(&server, "shop-third").await, names(&["ops", "new"]));
    load.goes_on().await;
    assert!(reload(&server, &removed).await.contains("is in force"));
    assert_eq!(told_on(&server, "shop-fourth").await, names(&["db"]));
    load.goes_on().await;
    load.done.store(true, Ordering::SeqCst);
    for sender in senders {
        sender.await.unwrap();
    }
    assert_eq!(metric(&server, "bongsu_config_reloads_total{result=\"taken\"}").await, Some(3));
    assert_eq!(metric(&server, "bongsu_config_reloads_total{result=\"refused\"}").await, Some(2));
    assert!(metric(&server, "bongsu_config_last_success_timestamp_seconds").await > Some(1_700_000_000));

    wait_until("all deliveries", async || {
        server.api("/api/v1/deliveries?state=pending&limit=1").await["items"] == json!([])
    })
    .await;
    let counted = load.counted.lock().unwrap().clone();
    for issue in all(&server, "/api/v1/issues").await {
        let module = text(&issue["attributes"], "module");
        let acknowledged = counted.get(module).copied().unwrap_or(1);
        assert_eq!(number(&issue, "occurrences"), acknowledged, "{issue}");
    }
    let deliveries = all(&server, "/api/v1/deliveries").await;
    let mut told: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    for one in &deliveries {
        assert!(told.entry(number(one, "alert")).or_default().insert(text(one, "channel").to_owned()), "{one}");
    }
    let phases = [names(&["ops", "db"]), names(&["ops", "new"]), names(&["db"])];
    for on in told.values() {
        assert!(phases.contains(on), "neither under the old rules nor under the new: {on:?}");
    }
    let alerts = all(&server, "/api/v1/alerts").await;
    assert_eq!(told.len(), alerts.len(), "an alert without a delivery");
    check_delivered(&deliveries, [("ops", &ops), ("db", &db), ("new", &new)]);
    let versioned = ops.received().iter().filter(|one| one.headers.contains_key("x-version")).count();
    let dead = deliveries.iter().filter(|one| one["state"] == "dead").count();
    eprintln!(
        "{} acknowledged, {} alerts, {} deliveries, {dead} of them dead, {versioned} by the changed channel",
        load.acknowledged.load(Ordering::SeqCst),
        alerts.len(),
        deliveries.len()
    );
    assert!(versioned > 0, "nothing went by the changed channel");
}

/// What was granted without the archive, and not sent yet, is sent by the new worker; and recorded as sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_while_the_archive_is_away_doubles_nothing_that_is_held_in_memory() {
    const ERRORS: usize = 60;
    let (redis, mut postgres) = (Redis::start(), Postgres::start());
    let (works, taken) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let (now, takes) = (Arc::clone(&works), Arc::clone(&taken));
    // Some are taken before the reload, most are not.
    let ops = Sink::reacting(move |n, one: &Received| {
        if !now.load(Ordering::SeqCst) && !n.is_multiple_of(5) {
            return Reaction::status(503);
        }
        if one.json["kind"] == "alert" {
            takes.lock().unwrap().push(one.headers["idempotency-key"].clone());
        }
        Reaction::status(200)
    })
    .await;
    let stores = format!(
        "[archive]\nurl = \"{}\"\n[cache]\nurl = \"redis://{}\"\n",
        postgres.database("reload"),
        redis.address()
    );
    let server = Server::start_on(&stores, &format!("{DELIVER}{}", channel("ops", &ops, ""))).await;
    postgres.stop();
    let decides = async || {
        let answer = client().get(format!("{}/readyz", server.base())).send().await.unwrap();
        let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        answer["decides"].as_str().unwrap().to_owned()
    };
    wait_until("the archive to be left alone", async || decides().await == "cache").await;
    let send = async |from: usize| {
        for nth in from..from + ERRORS {
            let module = module(nth);
            let event = json!({ "module": module, "location": format!("{module}.Work.run"), "detail": "refused" });
            assert_eq!(server.send(&event).await["outcomes"][0]["outcome"], "alerted");
        }
    };
    send(0).await;
    wait_for("some attempts", || ops.count() > 20).await;
    let before = taken.lock().unwrap().len();
    let changed = format!("{DELIVER}{}", channel("ops", &ops, "headers = { X-Version = \"2\" }"));
    assert!(reload(&server, &changed).await.contains("is in force"));
    send(ERRORS).await;
    works.store(true, Ordering::SeqCst);
    wait_for("all alerts", || taken.lock().unwrap().len() >= 2 * ERRORS).await;
    postgres.start_again();
    wait_until("the archive to be asked again", async || decides().await == "cache+archive").await;
    wait_until("all to be recorded as sent", async || {
        let all = all(&server, "/api/v1/deliveries").await;
        all.len() >= 2 * ERRORS && all.iter().all(|one| one["state"] == "delivered")
    })
    .await;
    let taken = taken.lock().unwrap().clone();
    let different: BTreeSet<_> = taken.iter().collect();
    assert_eq!((taken.len(), different.len()), (2 * ERRORS, 2 * ERRORS));
    assert!(before < ERRORS, "nothing was left to the new worker: {before}");
    assert!(ops.received().last().unwrap().headers.contains_key("x-version"));
}

/// A worker whose channel did not change knows on what it waits.
#[tokio::test]
async fn a_channel_that_did_not_change_is_left_alone_as_long_as_it_asked() {
    let too_many = || Reaction::Answer(429, vec![("retry-after", "3".to_owned())], String::new());
    let ops = Sink::reacting(move |n, _| if n == 0 { too_many() } else { Reaction::status(200) }).await;
    let (db, quiet) = (Sink::start().await, channel("ops", &ops, ""));
    let server = Server::start(&quiet).await;
    server.send(&json!({ "detail": "first", "location": "a.B.c" })).await;
    wait_for("an attempt", || ops.count() == 1).await;
    let line = reload(&server, &format!("{quiet}{}[policy]\nbudget = 1\n", channel("db", &db, ""))).await;
    assert!(line.contains("is in force"), "{line}");
    server.send(&json!({ "detail": "second", "location": "d.E.f" })).await;
    wait_for("the others", || ops.count() == 3).await;
    let received = ops.received();
    // A lower bound: what the receiver asked for, less the grain of the clocks.
    assert!(received[1].at - received[0].at >= Duration::from_millis(2_900), "{:?}", received[1].at - received[0].at);
    assert_eq!(db.count(), 1, "the new channel has the second error only");
}

#[tokio::test]
async fn what_is_fixed_at_the_start_is_named_and_keys_and_token_are_not() {
    const OTHER: &str = "fedcba9876543210fedcba9876543210";
    let sink = Sink::start().await;
    let server = Server::start(&sink.as_channel()).await;
    let more =
        format!("[[project]]\nname = \"more\"\nkey = \"{OTHER}\"\n[limits]\ntags = 3\n[cache]\ngrace = \"1h\"\n");
    let send = async |key: &str| {
        let url = format!("{}/api/v1/events", server.base());
        let request = client().post(url).bearer_auth(key).body(json!({ "detail": "x" }).to_string());
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(send(OTHER).await, 401);
    let line = reload(&server, &format!("{}{more}[log]\nlevel = \"debug\"\n", sink.as_channel())).await;
    assert!(line.contains("is in force"), "{line}");
    assert_eq!(send(OTHER).await, 202);
    let waits = "takes effect when the server is started again";
    let warned = server.log().into_iter().find(|line| line.contains(waits)).unwrap();
    assert!(warned.contains("\"keys\":\"cache.grace, limits.tags\""), "{warned}");
    wait_for("a line of a lower level", || server.log().iter().any(|line| line.contains("\"level\":\"DEBUG\""))).await;
    reload(&server, &sink.as_channel()).await;
    assert_eq!((send(OTHER).await, send(KEY).await), (401, 202));

    // An emptied file is good TOML.
    let line = reload(&server, "").await;
    assert!(line.contains("refused") && line.contains("no [[channel]], where there were some"), "{line}");
    assert_eq!(send(KEY).await, 202);
    let before = said(&server).len();
    std::fs::write(server.config_file(), "").unwrap();
    server.hang_up();
    wait_for("the reload", || said(&server).len() > before).await;
    assert!(said(&server).pop().unwrap().contains("refused"));
    assert_eq!(send(KEY).await, 202, "nobody is turned away");

    let token = "another-token-for-tests-of-32-characters";
    server.configure_with_token(token, &sink.as_channel());
    let before = said(&server).len();
    server.hang_up();
    wait_for("the reload", || said(&server).len() > before).await;
    let read = |token| client().get(format!("{}/api/v1/issues", server.base())).bearer_auth(token).send();
    assert_eq!(read(token).await.unwrap().status(), 200);
    assert_eq!(read(crate::harness::TOKEN).await.unwrap().status(), 401);
}

//! Kill -9 in the middle of a load: what was acknowledged is counted exactly once, and nobody is told a sixth time.
//!
//! Invariants under test: *Budget*, *Conservation*, *No silent loss*, *Delivery*.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::harness::{KEY, Server, Sink, client, wait_until};

const EVENTS: usize = 20_000;
const CONNECTIONS: usize = 64;
const KILLS: usize = 3;
const ERRORS: usize = 300;
const BUDGET: u64 = 5;

/// What the clients know of one error.
#[derive(Clone, Default)]
struct Known {
    acknowledged: u64,
    alerted: u64,
    /// Sent, but the server died before it answered: counted or not.
    unknown: u64,
}

/// A load that many connections share.
struct Load {
    next: AtomicUsize,
    acknowledged: AtomicUsize,
    known: Mutex<BTreeMap<String, Known>>,
    base: watch::Receiver<String>,
}

impl Load {
    /// One connection: sends, and remembers what it was told. A request whose answer got lost is not sent again.
    async fn run(self: Arc<Load>) {
        let mut base = self.base.clone();
        let client = client();
        loop {
            let n = self.next.fetch_add(1, Ordering::SeqCst);
            if n >= EVENTS {
                return;
            }
            let module = module(n % ERRORS);
            let body = json!({ "module": module, "detail": "connection reset by peer" }).to_string();
            // Sent again only when no connection came about: nothing was sent then.
            let answer = loop {
                let url = format!("{}/api/v1/events", *base.borrow_and_update());
                match client.post(&url).bearer_auth(KEY).body(body.clone()).send().await {
                    Err(error) if error.is_connect() => base.changed().await.unwrap(),
                    Err(_) => {
                        // Until the restart nothing more is sent, so that at most one request is in doubt.
                        base.changed().await.unwrap();
                        break None;
                    }
                    Ok(response) => {
                        let status = response.status();
                        break response.bytes().await.ok().map(|body| (status, body));
                    }
                }
            };
            let answer = answer.map(|(status, body)| {
                assert_eq!(status, 202, "{}", String::from_utf8_lossy(&body));
                serde_json::from_slice::<Value>(&body).unwrap()
            });
            let mut known = self.known.lock().unwrap();
            let known = known.entry(module).or_default();
            match answer {
                None => known.unknown += 1,
                Some(answer) => {
                    known.acknowledged += 1;
                    known.alerted += u64::from(answer["outcomes"][0]["outcome"] == "alerted");
                    self.acknowledged.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
    }
}

/// The n-th module's name, of letters only: digits could be taken for an instance's.
pub(crate) fn module(n: usize) -> String {
    let letter = |n: usize| char::from(b'a' + (n % 26) as u8);
    format!("shop-{}{}{}", letter(n / 676), letter(n / 26), letter(n))
}

/// All pages of a list.
pub(crate) async fn all(server: &Server, path: &str) -> Vec<Value> {
    let (mut items, mut after) = (Vec::new(), String::new());
    loop {
        let mut page = server.api(&format!("{path}?limit=500{after}")).await;
        items.append(page["items"].as_array_mut().unwrap());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return items,
        }
    }
}

pub(crate) fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_else(|| panic!("{name} of {value}"))
}

pub(crate) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} of {value}"))
}

/// *Conservation*: of each error as many occurrences as were acknowledged, and at most those that nobody heard of besides.
async fn check_counts(server: &Server, known: &BTreeMap<String, Known>) {
    let issues = all(server, "/api/v1/issues").await;
    assert_eq!(issues.len(), ERRORS);
    for issue in &issues {
        let Known { acknowledged, alerted, unknown } = known[text(&issue["attributes"], "module")].clone();
        let (occurrences, alerts) = (number(issue, "occurrences"), number(issue, "alerts"));
        assert!((acknowledged..=acknowledged + unknown).contains(&occurrences), "{acknowledged} + {unknown}: {issue}");
        assert!((alerted..=alerted + unknown).contains(&alerts), "{alerted} + {unknown}: {issue}");
        assert_eq!(alerts, BUDGET.min(occurrences), "{issue}");
        let detail = server.api(&format!("/api/v1/issues/{}", text(issue, "fingerprint"))).await;
        let minutes = detail["minutes"].as_array().unwrap();
        let total = |outcome: &str| -> u64 {
            let of = minutes.iter().filter(|minute| outcome.is_empty() || minute["outcome"] == outcome);
            of.map(|minute| number(minute, "occurrences")).sum()
        };
        assert_eq!((total(""), total("alerted")), (occurrences, alerts), "{detail}");
        assert_eq!(number(&detail["window"], "occurrences"), occurrences, "{detail}");
    }
}

/// *Budget*: in each window the ordinals are 1 to at most 5, each once.
fn check_alerts(alerts: &[Value]) {
    let mut granted: BTreeMap<(&str, &str), Vec<u64>> = BTreeMap::new();
    for alert in alerts.iter().rev() {
        let window = (text(alert, "fingerprint"), text(alert, "window_opened_at"));
        granted.entry(window).or_default().push(number(alert, "ordinal"));
    }
    assert_eq!(granted.len(), ERRORS, "each error has one window");
    for (window, ordinals) in granted {
        assert_eq!(ordinals, (1..=BUDGET).collect::<Vec<_>>(), "{window:?}");
    }
}

/// *Delivery*: each alert arrived, under one idempotency key, and of each error in order.
fn check_received(sink: &Sink, alerts: &[Value]) {
    let mut keys = BTreeSet::new();
    let mut told: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let received = sink.received();
    for one in &received {
        if keys.insert(one.headers["idempotency-key"].clone()) {
            told.entry(text(&one.json, "fingerprint").to_owned()).or_default().push(number(&one.json, "ordinal"));
        }
    }
    eprintln!("{} alerts, {} requests to the receiver", alerts.len(), received.len());
    assert_eq!((keys.len(), told.len()), (alerts.len(), ERRORS));
    for (fingerprint, ordinals) in told {
        assert_eq!(ordinals, (1..=BUDGET).collect::<Vec<_>>(), "{fingerprint}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_under_load_neither_loses_nor_doubles_what_was_acknowledged() {
    let sink = Sink::start().await;
    let quick = "[deliver]\ntimeout = \"1s\"\nlease = \"2s\"\nbackoff_first = \"50ms\"\nconcurrency = 16\n";
    let mut server = Server::start(&format!("{}{quick}", sink.as_channel())).await;
    let (moved, base) = watch::channel(server.base().to_owned());
    let load = Arc::new(Load { next: 0.into(), acknowledged: 0.into(), known: Mutex::default(), base });
    let connections: Vec<_> = (0..CONNECTIONS).map(|_| tokio::spawn(Arc::clone(&load).run())).collect();
    for kill in 1..=KILLS {
        wait_until("some load", async || load.acknowledged.load(Ordering::SeqCst) > kill * EVENTS / (KILLS + 1)).await;
        server.kill_and_restart().await;
        moved.send(server.base().to_owned()).unwrap();
    }
    for connection in connections {
        connection.await.unwrap();
    }
    let known = load.known.lock().unwrap().clone();
    let sum = |of: fn(&Known) -> u64| known.values().map(of).sum::<u64>();
    let (acknowledged, unknown) = (sum(|known| known.acknowledged), sum(|known| known.unknown));
    eprintln!("{acknowledged} acknowledged, {unknown} without an answer");
    assert_eq!(acknowledged + unknown, EVENTS as u64);
    assert!(unknown > 0, "no kill met a request");
    assert!(unknown <= (CONNECTIONS * KILLS) as u64, "{unknown}");

    check_counts(&server, &known).await;
    let alerts = all(&server, "/api/v1/alerts").await;
    check_alerts(&alerts);
    wait_until("all deliveries", async || {
        sink.count() >= alerts.len()
            && server.api("/api/v1/deliveries?state=pending&limit=1").await["items"] == json!([])
    })
    .await;
    check_received(&sink, &alerts);
    assert_eq!(server.api("/api/v1/deliveries?state=dead").await["items"], json!([]));
}

//! A storm over several pods: many clients, few errors; and what must hold when it is over.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::crash::{all, module, number, text};
use crate::harness::{KEY, Received, Server, Sink, client, wait_until};

pub(super) const BUDGET: u64 = 5;

/// What the clients know of one error.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) acknowledged: u64,
    /// Answered 429 or 503: to be sent again, and not counted.
    pub(super) refused: u64,
    /// Sent, but the pod died before it answered: counted or not.
    pub(super) unknown: u64,
}

/// The load, shared by all its connections.
pub(super) struct Storm {
    pods: Vec<Mutex<String>>,
    events: usize,
    errors: usize,
    batch: usize,
    /// So many further errors, in every other event from this part of the load on, in percent.
    later: (usize, usize),
    /// Between an answer and the next request of a connection: how long the storm lasts.
    pause: Duration,
    next: AtomicUsize,
    answered: AtomicUsize,
    known: Mutex<BTreeMap<String, Known>>,
    longest: Mutex<Duration>,
}

impl Storm {
    pub(super) fn over(pods: &[Server], events: usize, errors: usize, batch: usize, pause: Duration) -> Arc<Storm> {
        Arc::new(Storm {
            pods: pods.iter().map(|pod| Mutex::new(pod.base().to_owned())).collect(),
            events,
            errors,
            batch,
            later: (0, 0),
            pause,
            next: 0.into(),
            answered: 0.into(),
            known: Mutex::default(),
            longest: Mutex::default(),
        })
    }

    /// The same with so many further errors from this part of the load on, in percent.
    pub(super) fn with_later(self: Arc<Storm>, errors: usize, percent: usize) -> Arc<Storm> {
        Arc::new(Storm { later: (errors, percent), ..Arc::into_inner(self).unwrap() })
    }

    /// Whether a module is one of the further errors'.
    pub(super) fn is_later(&self, name: &str) -> bool {
        (self.errors..self.errors + self.later.0).any(|nth| module(nth) == name)
    }

    fn module_of(&self, nth: usize) -> String {
        let (errors, percent) = self.later;
        let is_later = errors > 0 && nth.is_multiple_of(2) && nth * 100 >= self.events * percent;
        module(if is_later { self.errors + nth / 2 % errors } else { nth % self.errors })
    }

    /// Where a pod is now.
    pub(super) fn moved(&self, pod: usize, base: &str) {
        base.clone_into(&mut self.pods[pod].lock().unwrap());
    }

    /// Waits until this part of the load, in percent, is answered.
    pub(super) async fn reached(&self, percent: usize) {
        wait_until("the storm to go on", async || self.answered.load(Ordering::SeqCst) * 100 >= self.events * percent)
            .await;
    }

    /// Sends all of it over so many connections. Answers when every event is answered for.
    pub(super) async fn rage(self: &Arc<Storm>, connections: usize) {
        let tasks: Vec<_> = (0..connections).map(|nth| tokio::spawn(Arc::clone(self).connection(nth))).collect();
        for task in tasks {
            task.await.unwrap();
        }
    }

    async fn connection(self: Arc<Storm>, nth: usize) {
        let client = client();
        let mut pod = nth % self.pods.len();
        loop {
            let first = self.next.fetch_add(self.batch, Ordering::SeqCst);
            if first >= self.events {
                return;
            }
            let modules: Vec<String> =
                (first..self.events.min(first + self.batch)).map(|nth| self.module_of(nth)).collect();
            let events: Vec<Value> = modules
                .iter()
                .map(|module| json!({ "module": module, "detail": "connection reset by peer" }))
                .collect();
            let body = Value::Array(events).to_string();
            let base = self.pods[pod].lock().unwrap().clone();
            tokio::time::sleep(self.pause).await;
            let started = Instant::now();
            let answer = client.post(format!("{base}/api/v1/events")).bearer_auth(KEY).body(body).send().await;
            match answer {
                Ok(response) => {
                    let status = response.status();
                    let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
                    let mut longest = self.longest.lock().unwrap();
                    *longest = started.elapsed().max(*longest);
                    drop(longest);
                    assert!(matches!(status.as_u16(), 202 | 429 | 503), "{status}: {body}");
                    self.note(&modules, |nth, known| {
                        let taken = status == 202 && body["outcomes"][nth]["outcome"] != "rejected";
                        *(if taken { &mut known.acknowledged } else { &mut known.refused }) += 1;
                    });
                }
                // The next pod, as a load balancer would.
                Err(error) => {
                    let sent = !error.is_connect();
                    self.note(&modules, |_, known| *(if sent { &mut known.unknown } else { &mut known.refused }) += 1);
                    pod = (pod + 1) % self.pods.len();
                }
            }
        }
    }

    fn note(&self, modules: &[String], mut one: impl FnMut(usize, &mut Known)) {
        let mut known = self.known.lock().unwrap();
        for (nth, module) in modules.iter().enumerate() {
            one(nth, known.entry(module.clone()).or_default());
        }
        self.answered.fetch_add(modules.len(), Ordering::SeqCst);
    }

    pub(super) fn longest(&self) -> Duration {
        *self.longest.lock().unwrap()
    }

    pub(super) fn sum(&self, of: fn(&Known) -> u64) -> u64 {
        self.known.lock().unwrap().values().map(of).sum()
    }

    /// *Conservation* and *Budget*: waits until the archive's totals are what was acknowledged, and checks each error.
    /// `in_doubt`: how many may have been counted besides. Answers how many were.
    pub(super) async fn check(&self, pod: &Server, in_doubt: u64) -> u64 {
        let known = self.known.lock().unwrap().clone();
        let acknowledged: u64 = known.values().map(|known| known.acknowledged).sum();
        let counted = async || issues(pod).await.iter().map(|issue| number(issue, "occurrences")).sum::<u64>();
        wait_until("the write-back", async || counted().await >= acknowledged).await;
        let issues = issues(pod).await;
        assert_eq!(issues.len(), known.len());
        let mut more = 0;
        for issue in &issues {
            let one = &known[text(&issue["attributes"], "module")];
            let occurrences = number(issue, "occurrences");
            assert!(occurrences >= one.acknowledged, "{occurrences} of {one:?}");
            more += occurrences - one.acknowledged;
            assert_eq!(number(issue, "alerts"), BUDGET.min(occurrences), "{issue}");
            let detail = pod.api(&format!("/api/v1/issues/{}", text(issue, "fingerprint"))).await;
            let minutes = detail["minutes"].as_array().unwrap();
            let total: u64 = minutes.iter().map(|minute| number(minute, "occurrences")).sum();
            assert_eq!(total, occurrences, "{detail}");
            assert_eq!(number(&detail["window"], "occurrences"), occurrences, "{detail}");
        }
        assert!(more <= in_doubt, "{more} more than acknowledged, {in_doubt} were in doubt");
        let mut alerts = all(pod, "/api/v1/alerts").await;
        alerts.retain(|alert| issues.iter().any(|issue| issue["fingerprint"] == alert["fingerprint"]));
        check_alerts(&alerts, issues.len());
        more
    }
}

/// All but what bongsu says of its own stores.
async fn issues(pod: &Server) -> Vec<Value> {
    let mut issues = all(pod, "/api/v1/issues").await;
    issues.retain(|issue| text(&issue["attributes"], "module") != "bongsu");
    issues
}

/// *Budget*: each error has one window, with the ordinals 1 to 5.
fn check_alerts(alerts: &[Value], errors: usize) {
    let mut granted: BTreeMap<(&str, &str), BTreeSet<u64>> = BTreeMap::new();
    for alert in alerts {
        let window = (text(alert, "fingerprint"), text(alert, "window_opened_at"));
        assert!(granted.entry(window).or_default().insert(number(alert, "ordinal")), "twice: {alert}");
    }
    assert_eq!(granted.len(), errors, "windows");
    for (window, ordinals) in granted {
        assert_eq!(ordinals, (1..=BUDGET).collect(), "{window:?}");
    }
}

/// *Delivery*: each alert arrived, whoever sent it. Answers how many came more than once.
pub(super) async fn check_delivered(sink: &Sink, alerts: usize) -> usize {
    check_delivered_within(sink, alerts..=alerts).await
}

/// The same, where each pod may have alerted by itself.
pub(super) async fn check_delivered_within(sink: &Sink, alerts: RangeInclusive<usize>) -> usize {
    let alert = |one: &Received| (one.json["kind"] != "health").then(|| one.headers["idempotency-key"].clone());
    let all = || sink.received().iter().filter_map(alert).collect::<Vec<_>>();
    let keys = || all().into_iter().collect::<BTreeSet<_>>();
    wait_until("all deliveries", async || keys().len() >= *alerts.start()).await;
    assert!(alerts.contains(&keys().len()), "{} of {alerts:?}", keys().len());
    all().len() - keys().len()
}

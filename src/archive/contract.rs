//! What every archive promises, asked of SQLite, PostgreSQL and MariaDB alike. The servers are real: each test starts its
//! own and stops it.

mod names;
mod replay;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::sql::{Sql, values};
use super::*;
use crate::alert::{DeliveryState, Kind, Route};
use crate::config::{Archive as Settings, Secret, Span};
use crate::event::{Attributes, Event, Packed};
use crate::gate::Fate;
use crate::issue::{CauseKey, Policy, Rules, State};
use crate::servers::mariadb::Mariadb;
use crate::servers::postgres::Postgres;
use crate::time::{DAY_MS, MINUTE_MS};

const T0: Time = Time(1_764_000_000_000);
const EXPIRY: Duration = Duration::from_secs(6 * 3_600);
const HOUR: Duration = Duration::from_secs(3_600);

fn at(seconds: u64) -> Time {
    T0.plus(Duration::from_secs(seconds))
}

fn settings(url: &str) -> Settings {
    Settings { url: Secret::new(url), connections: 8, timeout: Span::secs(20), ..Settings::default() }
}

async fn open(url: &str) -> Archive {
    Archive::open(&settings(url)).await.unwrap()
}

fn policy(budget: u32) -> Arc<Policy> {
    Arc::new(Policy { budget, window: HOUR, spacing: Vec::new(), closing: true })
}

/// `count` events of each issue.
fn batch(issues: impl IntoIterator<Item = u128>, count: usize) -> Arc<Batch> {
    let tally = |issue: u128| {
        let attributes = Attributes {
            module: "order-api".into(),
            environment: "prod".into(),
            location: format!("Orders.place{issue}").into(),
            detail: format!("한도 100% of \u{0}_{issue}_ 'quoted' \"too\" 🔥").into(),
            ..Attributes::default()
        };
        let event = Event { attributes, ..Event::default() };
        Tally {
            fingerprint: Fingerprint(issue),
            cause: CauseKey(issue),
            rules: Rules::none(),
            project: "shop".into(),
            route: Arc::new(Route { policy: policy(5), channels: vec!["ops".into(), "dev".into()] }),
            events: (0..count).map(|_| Packed::of(&event)).collect(),
            remembered: None,
        }
    };
    let tallies = issues.into_iter().map(tally).collect();
    Arc::new(Batch { tallies, source: "archive", samples_per_day: 3, expiry: EXPIRY })
}

async fn admit(archive: &Archive, issues: impl IntoIterator<Item = u128>, count: usize, now: Time) -> Vec<Admitted> {
    archive.admit(batch(issues, count), Arc::new([]), now).await.unwrap().0
}

fn claim(channel: &str, limit: usize) -> Claim {
    Claim { channel: channel.into(), limit, lease: Duration::from_secs(30) }
}

async fn claimed(archive: &Archive, channel: &str, limit: usize, now: Time) -> Vec<Delivery> {
    archive.exchange(Vec::new(), claim(channel, limit), now).await.unwrap().0
}

async fn settle(archive: &Archive, delivery: &Delivery, end: End, now: Time) {
    let settled = vec![Settlement { id: delivery.id, fence: delivery.fence, end }];
    archive.exchange(settled, claim("none", 0), now).await.unwrap();
}

async fn detail(archive: &Archive, issue: u128) -> IssueDetail {
    archive.issue(Fingerprint(issue)).await.unwrap().unwrap()
}

async fn all_alerts(archive: &Archive) -> Vec<AlertRow> {
    archive.alerts(None, None, 10_000).await.unwrap().items
}

/// What was counted is in the minutes, in the issue and in its windows.
async fn is_conserved(archive: &Archive, issue: u128, total: u64) {
    let IssueDetail { issue, windows, minutes, .. } = detail(archive, issue).await;
    assert_eq!(issue.occurrences, total, "the issue's");
    assert_eq!(minutes.iter().map(|minute| minute.total).sum::<u64>(), total, "the minutes'");
    let newest = issue.standing.window.as_ref().unwrap();
    let older = windows.iter().filter(|window| window.opened_at != newest.opened_at).map(|window| window.seen);
    assert_eq!(newest.seen + older.sum::<u64>(), total, "the windows'");
}

async fn projects_keys_and_settings_are_kept(url: &str) {
    let archive = open(url).await;
    let id = archive.add_project("shop".to_owned(), T0).await.unwrap();
    assert_eq!(archive.add_project("shop".to_owned(), at(9)).await.unwrap(), id);
    let other = archive.add_project("Shop".to_owned(), T0).await.unwrap();
    assert!(other > id, "names differ by case");
    archive.add_key(id, [7; 32], T0).await.unwrap();
    assert!(archive.add_key(id, [7; 32], T0).await.is_err(), "a key is there once");
    let projects = archive.projects().await.unwrap();
    let seen: Vec<_> = projects.iter().map(|one| (one.id, &*one.name, one.created_at, one.keys)).collect();
    assert_eq!(seen, [(id, "shop", T0, 1), (other, "Shop", T0, 0)]);
    assert_eq!(archive.keys().await.unwrap(), [([7; 32], id)]);
    assert!(archive.set_once("token", vec![1, 0, 2]).await.unwrap());
    assert!(!archive.set_once("token", vec![3]).await.unwrap());
    assert_eq!(archive.setting("token").await.unwrap(), Some(vec![1, 0, 2]));
    assert_eq!(archive.setting("none").await.unwrap(), None);
    archive.probe().await.unwrap();
}

async fn a_batch_is_counted_decided_and_read_back(url: &str) {
    let archive = open(url).await;
    // More issues than one list holds.
    let many = 1_500_u128;
    let admitted = admit(&archive, 1..=many, 7, T0).await;
    assert_eq!(admitted.len(), many as usize);
    assert!(admitted.iter().all(|one| one.decision.granted() == 5 && one.seen_before == 0 && one.revision == 1));
    let again = admit(&archive, [3, 1, 2], 2, at(70)).await;
    assert!(again.iter().all(|one| one.decision.granted() == 0 && one.seen_before == 7 && one.revision == 2));
    is_conserved(&archive, 1, 9).await;
    is_conserved(&archive, many, 7).await;

    let IssueDetail { issue, minutes, events, events_stored, .. } = detail(&archive, 2).await;
    assert_eq!((issue.alerts, issue.first_seen, issue.last_seen, issue.revision), (5, T0, at(70), 2));
    assert_eq!((&*issue.project, &*issue.attributes.module), ("shop", "order-api"));
    assert_eq!(
        issue.attributes.detail,
        format!("한도 100% of \u{0}_2_ 'quoted' \"too\" 🔥"),
        "texts come back as they were"
    );
    assert_eq!((events_stored, events.len()), (8, 8), "five that alerted, and three of that day");
    let minutes: Vec<_> = minutes.iter().map(|one| (one.at, &*one.outcome, one.total)).collect();
    assert_eq!(minutes, [(T0.minute(), "alerted", 5), (T0.minute(), "budget", 2), (at(70).minute(), "budget", 2)]);

    // Alerts and deliveries, in pages whose cursor stays valid.
    let first = archive.alerts(Some(Fingerprint(2)), None, 3).await.unwrap();
    let ordinals: Vec<_> = first.items.iter().map(|alert| alert.ordinal).collect();
    assert_eq!(ordinals, [5, 4, 3]);
    let before = first.next.map(|next| next.parse().unwrap());
    let rest = archive.alerts(Some(Fingerprint(2)), before, 3).await.unwrap();
    assert_eq!((rest.items.len(), rest.next), (2, None));
    assert!(rest.items.iter().all(|alert| alert.fingerprint == Fingerprint(2) && alert.module == "order-api"));
    let deliveries = archive.deliveries(Some(DeliveryState::Pending), None, 20_000).await.unwrap().items;
    assert_eq!(deliveries.len() as u128, many * 5 * 2);
    let per_alert: BTreeSet<_> = deliveries.iter().map(|one| (one.alert, one.channel.clone())).collect();
    assert_eq!(per_alert.len() as u128, many * 5 * 2, "one for each alert and channel");
    assert_eq!(archive.backlog().await.unwrap(), (many as u64 * 10, 0));
}

async fn issues_are_found(url: &str) {
    let archive = open(url).await;
    for issue in 1..=5 {
        admit(&archive, [issue], 1, at(issue as u64)).await;
    }
    admit(&archive, [1 << 100], 1, at(5)).await;
    let page = |after, limit| IssueFilter { after, limit, ..IssueFilter::default() };
    let first = archive.issues(page(None, 4)).await.unwrap();
    let seen = |page: &Page<Issue>| page.items.iter().map(|issue| issue.fingerprint.0).collect::<Vec<_>>();
    assert_eq!(seen(&first), [1 << 100, 5, 4, 3]);
    let (ms, id) = first.next.as_ref().unwrap().split_once('-').unwrap();
    let rest = archive.issues(page(Some((Time(ms.parse().unwrap()), id.parse().unwrap())), 4)).await.unwrap();
    assert_eq!((seen(&rest), rest.next.is_none()), (vec![2, 1], true));
    let found = async |text: &str| {
        let filter = IssueFilter { text: Some(text.to_owned()), limit: 10, ..IssueFilter::default() };
        archive.issues(filter).await.unwrap().items.len()
    };
    assert_eq!(found("oRDERS.pLACE4").await, 1, "of small and capital letters");
    assert_eq!((found("100% of").await, found("100%of").await, found("_3_").await), (6, 0, 1), "signs mean themselves");
    assert_eq!((found("한도").await, found("'").await, found("!").await, found("🔥").await), (6, 6, 0, 6));
    let by = async |state: &str, module: &str, environment: &str| {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let (state, module, environment) = (some(state), some(module), some(environment));
        archive
            .issues(IssueFilter { state, module, environment, limit: 10, ..IssueFilter::default() })
            .await
            .unwrap()
            .items
            .len()
    };
    assert_eq!((by("open", "order-api", "prod").await, by("muted", "", "").await, by("", "", "dev").await), (6, 0, 0));
    let prefix = async |prefix: &str| archive.fingerprints(prefix.to_owned()).await.unwrap().len();
    assert_eq!((prefix("00000010").await, prefix("0000000").await, prefix("f").await), (1, 2, 0));
    assert!(archive.issue(Fingerprint(99)).await.unwrap().is_none());
}

/// Invariant: *Budget.* Over all pods, and *Conservation.* under races. No pair of batches waits for each other for ever.
async fn races_grant_the_budget_exactly(url: &str) {
    const TASKS: usize = 64;
    const ISSUES: u128 = 8;
    let pods = [open(url).await, open(url).await, open(url).await];
    let tasks: Vec<_> = (0..TASKS)
        .map(|nth| {
            let archive = pods[nth % pods.len()].clone();
            // In opposite orders, and each with an issue that another task makes at the same time.
            let mut issues: Vec<u128> = (0..ISSUES).chain([100 + nth as u128 / 2]).collect();
            if nth % 2 == 0 {
                issues.reverse();
            }
            tokio::spawn(async move { admit(&archive, issues, 3, at(nth as u64)).await })
        })
        .collect();
    let mut granted: BTreeMap<usize, u64> = BTreeMap::new();
    let mut revisions: BTreeSet<u64> = BTreeSet::new();
    for (nth, task) in tasks.into_iter().enumerate() {
        let admitted = task.await.unwrap();
        let issue = |place: usize| if nth % 2 == 0 { ISSUES as usize - place } else { place };
        for (place, one) in admitted.iter().enumerate().filter(|(place, _)| issue(*place) < ISSUES as usize) {
            *granted.entry(issue(place)).or_default() += one.decision.granted();
            if issue(place) == 0 {
                revisions.insert(one.revision);
            }
        }
    }
    assert_eq!(
        granted.into_iter().collect::<Vec<_>>(),
        (0..ISSUES as usize).map(|issue| (issue, 5)).collect::<Vec<_>>()
    );
    assert_eq!(
        revisions.into_iter().collect::<Vec<_>>(),
        (1..=TASKS as u64).collect::<Vec<_>>(),
        "each has one of its own"
    );
    for issue in 0..ISSUES {
        is_conserved(&pods[0], issue, 3 * TASKS as u64).await;
    }
    for issue in 100..100 + TASKS as u128 / 2 {
        is_conserved(&pods[1], issue, 6).await;
    }
    let mut ordinals: BTreeMap<Fingerprint, BTreeSet<u32>> = BTreeMap::new();
    for alert in all_alerts(&pods[2]).await {
        assert!(ordinals.entry(alert.fingerprint).or_default().insert(alert.ordinal), "an ordinal is there once");
    }
    assert!(ordinals.values().all(|ordinals| ordinals.iter().copied().eq(1..=5)));
}

async fn the_end_of_a_window_is_told_once(url: &str) {
    let pods = [open(url).await, open(url).await, open(url).await];
    admit(&pods[0], 1..=20, 9, T0).await;
    admit(&pods[0], [50], 2, T0).await;
    admit(&pods[0], 1..=20, 6, at(3_590)).await;
    assert_eq!(pods[0].close_windows(EXPIRY, 100, at(3_599)).await.unwrap(), 0, "not before its end");
    let now = at(3_600);
    let ended: Vec<_> = pods
        .iter()
        .cloned()
        .map(|pod| tokio::spawn(async move { pod.close_windows(EXPIRY, 100, now).await }))
        .collect();
    let mut windows = 0;
    for one in ended {
        windows += one.await.unwrap().unwrap();
    }
    // What was locked was left to the next turn.
    windows += pods[0].close_windows(EXPIRY, 100, now).await.unwrap();
    assert_eq!(windows, 21);
    let closings: Vec<_> = all_alerts(&pods[0]).await.into_iter().filter(|alert| alert.ordinal == 0).collect();
    assert_eq!(closings.len(), 20, "an issue that held nothing back is not told");
    assert!(closings.iter().all(|closing| (closing.granted, closing.occurrences) == (5, 15)));
    let before = detail(&pods[0], 1).await;
    assert_eq!((before.windows.len(), before.windows[0].seen, before.issue.revision), (1, 15, 3));

    // The next occurrence opens another; its end is told by the occurrence after it, when nobody was there in time.
    admit(&pods[0], [1], 8, at(3_700)).await;
    admit(&pods[0], [1], 1, at(9_000)).await;
    let closings = all_alerts(&pods[0]).await.into_iter().filter(|alert| alert.ordinal == 0).count();
    assert_eq!(closings, 21);
    is_conserved(&pods[0], 1, 24).await;
    let of_first = async |now| {
        let mut sent = Vec::new();
        loop {
            let claimed = claimed(&pods[1], "ops", 500, now).await;
            if claimed.is_empty() {
                return sent;
            }
            for delivery in &claimed {
                settle(&pods[1], delivery, End::Delivered, now).await;
            }
            sent.extend(claimed.into_iter().map(|one| one.alert).filter(|alert| alert.fingerprint == Fingerprint(1)));
        }
    };
    let sent = of_first(at(9_001)).await;
    let story: Vec<_> = sent.iter().map(|alert| (alert.kind.name(), alert.ordinal)).collect();
    let window = [("alert", 1), ("alert", 2), ("alert", 3), ("alert", 4), ("alert", 5), ("closing", 5)];
    assert_eq!(story, [&window[..], &window[..], &window[..1]].concat());
    let ends: Vec<_> = sent.iter().map(|alert| alert.kind).filter(|kind| *kind != Kind::Alert).collect();
    assert_eq!(
        ends,
        [Kind::Closing { peak_per_minute: 9, ongoing: true }, Kind::Closing { peak_per_minute: 8, ongoing: true }]
    );
}

async fn people_decide(url: &str) {
    let archive = open(url).await;
    admit(&archive, [1], 2, T0).await;
    let act = async |action, now| {
        archive.act(Fingerprint(1), action, "kim".to_owned(), "알았다".to_owned(), now).await.unwrap()
    };
    let issue = act(Action::Resolve, at(10)).await.unwrap();
    assert_eq!((issue.standing.state, issue.revision), (State::Resolved, 2));
    let again = admit(&archive, [1], 1, at(20)).await;
    assert_eq!((again[0].decision.granted(), again[0].revision), (1, 3));
    assert!(again[0].decision.next.window.as_ref().unwrap().regression);
    let sent = claimed(&archive, "ops", 1, at(21)).await;
    assert!(sent[0].alert.regression.is_none());
    for nth in 0..3 {
        let sent = claimed(&archive, "ops", 9, at(60 + nth * 60)).await;
        if let Some(alert) = sent.iter().map(|one| &one.alert).find(|alert| alert.regression.is_some()) {
            let decided = alert.regression.as_ref().unwrap();
            assert_eq!((decided.at, &*decided.by, &*decided.note), (Some(at(10)), "kim", "알았다"));
            assert_eq!(nth, 2, "the older ones go first");
        }
        for delivery in &sent {
            settle(&archive, delivery, End::Delivered, at(60 + nth * 60)).await;
        }
    }
    let muted = act(Action::Mute { until: Some(at(500)), more: Some(3) }, at(300)).await.unwrap();
    assert_eq!(muted.standing.state, State::Muted { until: Some(at(500)), more: Some(3) });
    let held = admit(&archive, [1], 5, at(310)).await;
    assert_eq!(held[0].decision.runs[0].count, 3);
    assert_eq!(held[0].decision.runs[1].fate, Fate::Granted { first_ordinal: 1 });
    assert!(archive.act(Fingerprint(9), Action::Reopen, String::new(), String::new(), T0).await.unwrap().is_none());
}

async fn pods_share_the_outbox(url: &str) {
    let pods = [open(url).await, open(url).await, open(url).await];
    admit(&pods[0], 1..=40, 3, T0).await;
    let mut order: BTreeMap<u128, Vec<u32>> = BTreeMap::new();
    for _ in 0..3 {
        let turns: Vec<_> = (0..12)
            .map(|nth| {
                let pod = pods[nth % 3].clone();
                tokio::spawn(async move {
                    let mine = claimed(&pod, "ops", 10, at(1)).await;
                    for delivery in &mine {
                        settle(&pod, delivery, End::Delivered, at(1)).await;
                    }
                    mine
                })
            })
            .collect();
        for turn in turns {
            for delivery in turn.await.unwrap() {
                assert_eq!((delivery.attempt, delivery.fence, delivery.claimed_until), (1, 1, at(31)));
                order.entry(delivery.alert.fingerprint.0).or_default().push(delivery.alert.ordinal);
            }
        }
    }
    loop {
        let rest = claimed(&pods[0], "ops", 100, at(1)).await;
        if rest.is_empty() {
            break;
        }
        for delivery in rest {
            order.entry(delivery.alert.fingerprint.0).or_default().push(delivery.alert.ordinal);
            settle(&pods[0], &delivery, End::Delivered, at(1)).await;
        }
    }
    assert_eq!(order.len(), 40);
    for ordinals in order.values_mut() {
        // Turns are looked at one after the other, but ran at the same time.
        ordinals.sort_unstable();
        assert_eq!(*ordinals, [1, 2, 3], "each once");
    }
}

async fn claims_are_fenced(url: &str) {
    let archive = open(url).await;
    let (_, mine) = archive.admit(batch([1], 2), Arc::new([claim("ops", 10)]), T0).await.unwrap();
    assert_eq!(mine.len(), 1, "the second waits for the first");
    assert!(claimed(&archive, "ops", 10, at(29)).await.is_empty(), "it is the first claimer's alone");
    let late = claimed(&archive, "ops", 10, at(30)).await;
    assert_eq!((late[0].id, late[0].fence, late[0].attempt), (mine[0].id, 2, 2), "the lease is over");
    settle(&archive, &mine[0], End::Delivered, at(31)).await;
    let state = async || {
        let rows = archive.deliveries(None, None, 100).await.unwrap().items;
        let row = rows.into_iter().find(|row| row.id == mine[0].id).unwrap();
        (row.state, row.attempts, row.due_at, row.error)
    };
    assert_eq!(state().await.0, DeliveryState::Pending, "a late result changes nothing");
    settle(&archive, &late[0], End::Back { due_at: at(40) }, at(31)).await;
    assert_eq!(state().await, (DeliveryState::Pending, 1, at(40), None));
    let third = claimed(&archive, "ops", 10, at(40)).await;
    let again = End::Again { due_at: at(100), asked: false, error: "503".to_owned() };
    settle(&archive, &third[0], again, at(41)).await;
    assert!(claimed(&archive, "ops", 10, at(99)).await.is_empty(), "and those after it wait too");
    let (_, next) = archive.exchange(Vec::new(), claim("ops", 10), at(99)).await.unwrap();
    assert_eq!(next, Some(at(100)));
    let fourth = claimed(&archive, "ops", 10, at(100)).await;
    settle(&archive, &fourth[0], End::Expired, at(101)).await;
    assert_eq!(state().await.3.as_deref(), Some("given up after 2 attempts: 503"));
    assert_eq!(archive.backlog().await.unwrap(), (3, 1));
    assert_eq!(archive.resend(Some(mine[0].id), EXPIRY, at(102)).await.unwrap(), 1);
    assert_eq!(archive.resend(None, EXPIRY, at(102)).await.unwrap(), 0);
    let bury = async |grace| archive.bury_orphans(vec!["ops".into()], grace, at(103)).await.unwrap();
    assert_eq!((bury(Duration::from_secs(104)).await, bury(Duration::from_secs(103)).await), (0, 2));
    assert_eq!(archive.backlog().await.unwrap(), (2, 2));
}

async fn one_process_holds_a_lease(url: &str) {
    let pods = [open(url).await, open(url).await, open(url).await];
    let span = Duration::from_secs(10);
    for round in 0..3 {
        let now = at(round * 20);
        let asked: Vec<_> = (0..12)
            .map(|nth| {
                let pod = pods[nth % 3].clone();
                let holder: Arc<str> = format!("pod {round} {nth}").into();
                tokio::spawn(async move { pod.lease("housekeeping".into(), holder, span, now).await.unwrap() })
            })
            .collect();
        let mut holders = 0;
        for one in asked {
            holders += usize::from(one.await.unwrap());
        }
        assert_eq!(holders, 1, "round {round}");
    }
    let lease = async |holder: &str, now| pods[0].lease("other".into(), holder.into(), span, now).await.unwrap();
    assert!(lease("a", at(0)).await && !lease("b", at(9)).await && lease("a", at(9)).await);
    assert!(!lease("b", at(10)).await, "it was renewed");
    assert!(lease("b", at(19)).await && !lease("a", at(19)).await);
}

async fn write_back_is_idempotent(url: &str) {
    let archive = open(url).await;
    admit(&archive, [1, 2], 1, T0).await;
    let counted = |issue: u128, at: Time, source: &str, outcome: &'static str, total: u64| Counted {
        fingerprint: Fingerprint(issue),
        minute: at.minute(),
        source: source.to_owned(),
        outcome,
        total,
    };
    let write = async |rows: &[Counted]| archive.write_back(rows.into()).await.unwrap();
    let rows = [
        counted(1, T0, "epoch-1", "budget", 10),
        counted(1, at(60), "epoch-1", "budget", 4),
        counted(1, at(60), "pod-7", "budget", 2),
        counted(2, at(60), "pod-7", "muted", 3),
        counted(9, T0, "epoch-1", "budget", 5),
    ];
    assert_eq!(write(&rows).await, WrittenBack { added: 19, unknown: vec![Fingerprint(9)] });
    let revision = detail(&archive, 1).await.issue.revision;
    assert_eq!(write(&rows).await.added, 0, "a replay changes nothing");
    assert_eq!(write(&[counted(1, T0, "epoch-1", "budget", 8)]).await.added, 0, "nor does an older total");
    assert_eq!(write(&[counted(1, T0, "epoch-1", "budget", 12)]).await.added, 2);
    is_conserved(&archive, 1, 19).await;
    let IssueDetail { issue, .. } = detail(&archive, 1).await;
    assert_eq!((issue.revision, issue.last_seen), (revision, at(60).minute()), "counts decide nothing");
    let IssueDetail { issue, .. } = detail(&archive, 2).await;
    assert_eq!((issue.occurrences, issue.standing.window.unwrap().seen), (4, 1), "muted ones lie in no window");

    // A window that is over by now; a minute that lies in none is counted all the same.
    archive.close_windows(EXPIRY, 10, at(3_600)).await.unwrap();
    admit(&archive, [1], 1, at(4_000)).await;
    write(&[counted(1, at(600), "epoch-1", "budget", 100), counted(1, at(3_800), "epoch-1", "budget", 1)]).await;
    let IssueDetail { issue, windows, .. } = detail(&archive, 1).await;
    assert_eq!((issue.occurrences, windows[0].seen, issue.standing.window.unwrap().seen), (121, 119, 1));

    // Two writers at once.
    let pods = [open(url).await, open(url).await];
    let writes: Vec<_> = (0..20_u64)
        .map(|nth| {
            let pod = pods[nth as usize % 2].clone();
            let mut rows =
                [counted(1, at(4_000), "epoch-2", "budget", nth), counted(2, at(4_000), "epoch-2", "budget", nth)];
            if nth % 2 == 0 {
                rows.reverse();
            }
            tokio::spawn(async move { pod.write_back(rows.into()).await.unwrap().added })
        })
        .collect();
    let mut added = 0;
    for write in writes {
        added += write.await.unwrap();
    }
    assert_eq!(added, 2 * 19, "the largest, whichever came last");
    assert_eq!(detail(&archive, 1).await.issue.occurrences, 121 + 19);
}

fn provisional(issue: u128, opened: u64, ordinal: u32) -> Provisional {
    let tally = batch([issue], 1);
    let tally = &tally.tallies[0];
    let opened_at = at(opened);
    let way = |channel: &Arc<str>| Way::new(Arc::clone(channel), opened_at);
    Provisional {
        fingerprint: tally.fingerprint,
        cause: tally.cause,
        rules: Arc::clone(&tally.rules),
        project: Arc::clone(&tally.project),
        route: Arc::clone(&tally.route),
        event: tally.events[0].clone(),
        revision: 0,
        window_opened_at: opened_at,
        window_ends_at: opened_at.plus(HOUR),
        budget: 5,
        ordinal,
        occurrences: u64::from(ordinal),
        granted_at: opened_at,
        expires_at: opened_at.plus(EXPIRY),
        ways: tally.route.channels.iter().map(way).collect(),
    }
}

async fn alerts_granted_elsewhere_are_adopted(url: &str) {
    let archive = open(url).await;
    let adopt = async |alerts: Vec<Provisional>, now| {
        let adopted = archive.adopt(alerts.into(), EXPIRY, now).await.unwrap();
        adopted.into_iter().map(|one| (one.fingerprint.0, one.recorded)).collect::<Vec<_>>()
    };
    let window = async |issue| detail(&archive, issue).await.issue.standing.window.unwrap();

    // A new issue; twice is once.
    let mut two = vec![provisional(1, 10, 1), provisional(1, 10, 2)];
    two[0].ways[0].state = DeliveryState::Delivered;
    two[0].ways[0].settled_at = Some(at(11));
    assert_eq!(adopt(two.clone(), at(20)).await, [(1, 2)]);
    assert_eq!(adopt(two, at(21)).await, [(1, 0)]);
    let issue = detail(&archive, 1).await.issue;
    assert_eq!((issue.alerts, issue.occurrences, issue.first_seen), (2, 0, at(10)), "counts are written back");
    let first = window(1).await;
    assert_eq!((first.opened_at, first.ends_at, first.granted, first.seen), (at(10), at(3_610), 2, 0));
    assert_eq!(archive.backlog().await.unwrap(), (3, 0), "one was sent");
    let waiting = claimed(&archive, "ops", 9, at(22)).await;
    assert_eq!(waiting.iter().map(|one| one.alert.ordinal).collect::<Vec<_>>(), [2]);

    // The rest of its window is granted by the archive; another pod's window of the same time gives way.
    assert_eq!(admit(&archive, [1], 9, at(30)).await[0].decision.granted(), 3);
    assert_eq!(adopt(vec![provisional(1, 5, 1), provisional(1, 15, 4)], at(40)).await, [(1, 0)]);
    assert_eq!(window(1).await.opened_at, at(10));

    // An issue that is known: within its window, after it, and before it.
    admit(&archive, [2], 2, at(100)).await;
    let later = vec![provisional(2, 100, 3), provisional(2, 3_700, 1), provisional(2, 7_300, 1)];
    assert_eq!(adopt(later, at(7_400)).await, [(2, 3)]);
    assert_eq!((window(2).await.opened_at, window(2).await.granted), (at(7_300), 1));
    assert_eq!(adopt(vec![provisional(2, 3_710, 2)], at(7_410)).await, [(2, 1)], "into a window that is over");
    let windows = detail(&archive, 2).await.windows;
    assert_eq!(windows.iter().map(|one| one.opened_at).collect::<Vec<_>>(), [at(3_700), at(100)]);

    // What is being sent is left; only its window is known, so that nobody grants its ordinal.
    let interim = Interim::default();
    interim.put(vec![provisional(3, 10, 1)]);
    assert_eq!(interim.claim(&claim("ops", 1), at(10)).len(), 1);
    let taken = interim.to_record(9);
    assert_eq!(adopt(vec![taken[0].1.clone()], at(20)).await, [(3, 0)]);
    assert_eq!(admit(&archive, [3], 9, at(30)).await[0].decision.granted(), 4);
    assert_eq!(adopt(vec![provisional(3, 10, 1)], at(40)).await, [(3, 1)]);

    // What the cache remembers counts before it is adopted.
    let mut known = Arc::into_inner(batch([4], 9)).unwrap();
    known.tallies[0].remembered = Some(Remembered {
        revision: 0,
        window_opened_at: at(10),
        seen: 2,
        held: 0,
        window_ends_at: Some(at(3_610)),
        budget: 5,
        granted: 2,
    });
    let (admitted, _) = archive.admit(Arc::new(known), Arc::new([]), at(20)).await.unwrap();
    assert_eq!(admitted[0].decision.runs[0].fate, Fate::Granted { first_ordinal: 3 });
    assert_eq!(adopt(vec![provisional(4, 10, 1), provisional(4, 10, 2)], at(40)).await, [(4, 2)]);
    let mut ordinals: Vec<u32> =
        archive.alerts(Some(Fingerprint(4)), None, 9).await.unwrap().items.iter().map(|a| a.ordinal).collect();
    ordinals.sort_unstable();
    assert_eq!(ordinals, [1, 2, 3, 4, 5]);
}

async fn what_is_too_old_is_forgotten(url: &str) {
    let archive = open(url).await;
    let day = Duration::from_millis(DAY_MS as u64);
    for minute in 0..130 {
        admit(&archive, [1], 7, at(minute * 60)).await;
    }
    admit(&archive, [2, 3], 7, T0).await;
    archive.close_windows(EXPIRY, 100, at(10 * 3_600)).await.unwrap();
    archive.bury_orphans(Vec::new(), Duration::ZERO, at(10 * 3_600)).await.unwrap();
    admit(&archive, [3], 1, T0.plus(day * 20)).await;
    let keep = Keep(config::Retention {
        events: Span::secs(5 * 86_400),
        minutes: Span::secs(2 * 86_400),
        hours: Span::secs(400 * 86_400),
        alerts: Span::secs(5 * 86_400),
        issues: Span::secs(400 * 86_400),
        samples_per_day: 3,
    });
    let forget = async |keep: &Keep, now| while archive.forget(keep.clone(), now).await.unwrap() {};
    forget(&keep, T0.plus(day)).await;
    assert_eq!(detail(&archive, 1).await.minutes.len(), 130 + 3, "not yet: each minute, and those that alerted");

    forget(&keep, T0.plus(day * 30)).await;
    let one = detail(&archive, 1).await;
    assert_eq!((one.issue.occurrences, one.minutes.len(), one.windows.len(), one.events.len()), (910, 0, 0, 0));
    let hours = hours(&archive).await;
    assert_eq!(hours.iter().map(|(_, total)| total).sum::<i64>(), 910 + 2 * 7 + 1, "counts survive");
    assert!(hours.iter().all(|(at, _)| at % (60 * MINUTE_MS) == 0));
    assert_eq!(all_alerts(&archive).await.len(), 1, "one is still to be sent");
    assert_eq!(archive.backlog().await.unwrap(), (2, 0));

    let short = Keep(config::Retention { issues: Span::secs(15 * 86_400), ..keep.0.clone() });
    forget(&short, T0.plus(day * 30)).await;
    assert!(archive.issue(Fingerprint(1)).await.unwrap().is_none());
    assert!(archive.issue(Fingerprint(3)).await.unwrap().is_some(), "it was seen again");
    let again = admit(&archive, [1], 1, T0.plus(day * 31)).await;
    assert_eq!((again[0].decision.granted(), again[0].revision), (1, 1));
    let hours_too = Keep(config::Retention { hours: Span::secs(86_400), ..short.0 });
    forget(&hours_too, T0.plus(day * 60)).await;
    assert_eq!(self::hours(&archive).await, []);
}

async fn hours(archive: &Archive) -> Vec<(i64, i64)> {
    static HOURS: Sql = Sql::new("SELECT at, total FROM tallies WHERE span_ms = 3600000");
    let work: Work<(), Vec<(i64, i64)>> =
        |tx, ()| Box::pin(async { tx.query(&HOURS, &[], |row| Ok((row.get(0)?, row.get(1)?))).await });
    archive.store.read((), work).await.unwrap()
}

/// A write that fails is undone, and harms no other.
async fn what_fails_is_undone(url: &str) {
    static FINE: Sql = Sql::new("INSERT INTO settings (name, value) VALUES ('fine', ?)");
    static BREAK: Sql =
        Sql::new("INSERT INTO tallies (span_ms, at, issue, source, outcome, total) VALUES (60000, 1, 1, 'a', 'b', -1)");
    let archive = open(url).await;
    let work: Work<(), ()> = |tx, ()| {
        Box::pin(async {
            tx.execute(&FINE, &values![&[1_u8][..]]).await?;
            tx.execute(&BREAK, &[]).await.map(drop)
        })
    };
    let failing = archive.store.write((), work);
    let (failed, fine) = tokio::join!(failing, archive.set_once("other", vec![1]));
    assert!(matches!(failed, Err(Error::Failed(_))), "{failed:?}");
    assert!(fine.unwrap());
    assert_eq!(archive.setting("fine").await.unwrap(), None);
}

async fn many_may_start_at_once(url: &str) {
    let starts: Vec<_> = (0..10)
        .map(|_| {
            let settings = settings(url);
            tokio::spawn(async move { Archive::open(&settings).await.map(drop) })
        })
        .collect();
    for start in starts {
        start.await.unwrap().unwrap();
    }
    let archive = open(url).await;
    admit(&archive, [1], 1, T0).await;
}

async fn newer_tables_are_refused(url: &str) {
    static NEWER: Sql = Sql::spelled(
        "PRAGMA user_version = 99",
        "INSERT INTO bongsu_tables (version) VALUES (99)",
        "INSERT INTO bongsu_tables (version) VALUES (99)",
    );
    let work: Work<(), ()> = |tx, ()| Box::pin(async { tx.execute(&NEWER, &[]).await.map(drop) });
    open(url).await.store.write((), work).await.unwrap();
    let refused = Archive::open(&settings(url)).await.err().unwrap().to_string();
    assert!(refused.contains("it was written by a newer version (tables 99, known are 2)"), "{refused}");
    assert!(!refused.contains("hush"), "{refused}");
}

/// Runs each part on a database of its own.
macro_rules! run_all {
    ($database:expr) => {
        run_all!($database; projects_keys_and_settings_are_kept, a_batch_is_counted_decided_and_read_back, issues_are_found,
            races_grant_the_budget_exactly, the_end_of_a_window_is_told_once, people_decide, pods_share_the_outbox,
            claims_are_fenced, one_process_holds_a_lease, write_back_is_idempotent, alerts_granted_elsewhere_are_adopted, what_is_too_old_is_forgotten,
            what_fails_is_undone, many_may_start_at_once, newer_tables_are_refused,
            names::an_issue_goes_on_under_its_new_name, names::what_new_rules_join_or_split_alerts_nobody_again,
            names::several_servers_rename_an_issue_once, names::people_merge_and_unmerge, names::servers_learn_together_what_is_a_parameter,
            replay::what_is_stored_can_be_read_over_again)
    };
    ($database:expr; $($part:path),*) => {
        $(
            // Named, so that a failure says where.
            let url: String = $database(stringify!($part).rsplit(' ').next().unwrap());
            let done = tokio::spawn(async move { $part(&url).await }).await;
            assert!(done.is_ok(), "{} failed", stringify!($part));
        )*
    };
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    run_all!(|name: &str| format!("sqlite:{}", folder.path().join(name).display()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_keeps_the_contract() {
    let mut server = Postgres::start();
    run_all!(|name: &str| server.database(name));
    let url = server.database("restart");
    let archive = Archive::open(&Settings { timeout: Span::secs(2), ..settings(&url) }).await.unwrap();
    assert!(archive.kind().starts_with("PostgreSQL "), "{}", archive.kind());
    admit(&archive, [1], 1, T0).await;
    server.stop();
    is_away(&archive).await;
    server.start_again();
    is_back(&archive).await;
    refuses_without_the_password(&url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mariadb_keeps_the_contract() {
    let mut server = Mariadb::start();
    run_all!(|name: &str| server.database(name));
    let url = server.database("restart");
    let archive = Archive::open(&Settings { timeout: Span::secs(2), ..settings(&url) }).await.unwrap();
    assert!(archive.kind().starts_with("MariaDB "), "{}", archive.kind());
    the_database_forgets_by_itself(&archive, &server).await;
    admit(&archive, [1], 1, T0).await;
    server.stop();
    is_away(&archive).await;
    server.start_again();
    is_back(&archive).await;
    refuses_without_the_password(&url).await;
}

async fn the_database_forgets_by_itself(archive: &Archive, server: &Mariadb) {
    let keep = Keep(config::Retention::default());
    let by_scheduler = "old rows are removed by the database's event scheduler";
    assert_eq!(archive.expire_by_itself(&keep).await, by_scheduler);
    assert_eq!(archive.expire_by_itself(&keep).await, by_scheduler, "again and again");
    // What an event does is tried at once; its minute is the database's affair.
    admit(archive, [77], 1, Time(DAY_MS)).await;
    for (_, statement) in retention::by_age(&keep) {
        assert!(server.run(&format!("USE restart; {statement}")), "{statement}");
    }
    assert_eq!(detail(archive, 77).await.events_stored, 0);
    assert!(server.run("SET GLOBAL event_scheduler = OFF"));
    let by_us = "old rows are removed by bongsu (the database's event scheduler is off)";
    assert_eq!(archive.expire_by_itself(&keep).await, by_us);
}

/// Nothing is stored, and the error says so.
async fn is_away(archive: &Archive) {
    let failed = archive.admit(batch([1], 1), Arc::new([]), at(1)).await;
    assert!(matches!(failed, Err(Error::Lost(_))), "{:?}", failed.err());
    assert!(matches!(archive.backlog().await, Err(Error::Lost(_))));
}

/// The pool finds the server again by itself.
async fn is_back(archive: &Archive) {
    let admitted = admit(archive, [1], 2, at(2)).await;
    assert_eq!((admitted[0].seen_before, admitted[0].revision), (1, 2));
    is_conserved(archive, 1, 3).await;
}

async fn refuses_without_the_password(url: &str) {
    let wrong = url.replace("hush-hush", "hush-wrong").replace("restart", "nowhere");
    let settings = Settings { timeout: Span::secs(1), ..settings(&wrong) };
    let refused = Archive::open(&settings).await.err().unwrap();
    for said in [refused.to_string(), format!("{refused:?}"), format!("{settings:?}")] {
        assert!(!said.contains("hush"), "{said}");
    }
    assert!(refused.to_string().contains("/nowhere"), "{refused}");
}

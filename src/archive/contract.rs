//! What every archive promises, asked of SQLite, PostgreSQL and MariaDB alike. The servers are real: each test starts its
//! own and stops it.

mod counts;
mod issues;
mod names;
mod outbox;
mod replay;
mod threads;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::sql::{Sql, values};
use super::*;
use crate::alert::{DeliveryState, InsteadOf, Kind, Route};
use crate::config::{Archive as Settings, Secret, Span};
use crate::event::{Attributes, Event, Packed};
use crate::gate::Fate;
use crate::issue::{Policy, Rules, State};
use crate::servers::mariadb::Mariadb;
use crate::servers::postgres::Postgres;
use crate::storm::Folding;
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
    Arc::new(Policy { budget, window: HOUR, spacing: Vec::new(), closing: true, maintenance_until: None })
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
            rules: Rules::none(),
            project: "shop".into(),
            route: Arc::new(Route::to(policy(5), ["ops".into(), "dev".into()])),
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
    Claim { channel: channel.into(), limit, lease: Duration::from_secs(30), folding: Folding::NONE }
}

async fn claimed(archive: &Archive, channel: &str, limit: usize, now: Time) -> Vec<Delivery> {
    archive.exchange(Vec::new(), claim(channel, limit), now).await.unwrap().0
}

async fn settle(archive: &Archive, delivery: &Delivery, end: End, now: Time) {
    let settled = vec![Settlement { id: delivery.id, fence: delivery.fence, unanswered: false, end, divert_to: None }];
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
    assert!(refused.contains("it was written by a newer version (tables 99, known are 3)"), "{refused}");
    assert!(!refused.contains("hush"), "{refused}");
}

/// Runs each part on a database of its own.
macro_rules! run_all {
    ($database:expr) => {
        run_all!($database; projects_keys_and_settings_are_kept, issues::a_batch_is_counted_decided_and_read_back, issues::issues_are_found,
            issues::races_grant_the_budget_exactly, issues::the_end_of_a_window_is_told_once, issues::people_decide, outbox::pods_share_the_outbox, outbox::later_alerts_know_the_servers,
            outbox::claims_are_fenced, outbox::what_fails_is_diverted_once, outbox::what_is_folded_shares_the_fate_of_its_message, outbox::what_waits_hides_nothing, outbox::what_leads_is_tried_again, outbox::one_process_holds_a_lease, counts::write_back_is_idempotent, counts::alerts_granted_elsewhere_are_adopted, what_is_too_old_is_forgotten,
            what_fails_is_undone, many_may_start_at_once, newer_tables_are_refused,
            names::an_issue_goes_on_under_its_new_name, names::what_new_rules_join_or_split_alerts_nobody_again,
            names::several_servers_rename_an_issue_once, names::people_merge_and_unmerge, names::servers_learn_together_what_is_a_parameter,
            replay::what_is_stored_can_be_read_over_again,
            threads::a_window_is_a_thread_that_one_edits_at_a_time, threads::a_thread_that_is_gone_is_followed_by_another,
            threads::a_signed_request_is_taken_once)
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

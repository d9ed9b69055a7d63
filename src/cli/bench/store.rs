//! A store under measurement: opened aside, asked what the gate asks, and cleaned up after.
//!
//! Promises: what is written has names of its own, and goes away again; nobody else's records are touched. Decisions go
//! the server's own ways: the cache's and the archive's calls, and the real lanes. Deliberately not here: the load.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tokio::sync::Notify;

use super::load::{Decide, Deciding};
use crate::admit::{self, Admission, Arrival, Duties, Hold, Lane};
use crate::alert::Route;
use crate::archive::{Archive, Aside, Error, IssueFilter};
use crate::cache::{Cache, Claim, Marker, Settings, Sighting};
use crate::config::{self, Config, Secret};
use crate::event::{Attributes, Event, Packed};
use crate::fingerprint::Sameness;
use crate::issue::{Fingerprint, Policy, Reason, Rules};
use crate::metrics::Metrics;
use crate::outcome::Outcome;
use crate::server;
use crate::time::Time;

/// Errors that the decisions are about, of each kind: as many as a bad day has.
const ERRORS: usize = 200;
/// How long they stay quiet: longer than anything here takes.
const QUIET: Duration = Duration::from_secs(6 * 3_600);
/// Above every revision of a measurement, so that the last word is the one that cleans up.
const LAST_REVISION: u64 = 1 << 52;
/// Decisions that may wait for a lane: more than the load has under way.
const QUEUED_MAX: usize = 1_000_000;
/// Records read at a time when cleaning up.
const PAGE: usize = 500;

/// What is measured.
pub(super) enum Store {
    /// A cache, with the errors that are quiet in it and those that are granted by it.
    Cache { cache: Arc<Cache>, quiet: Arc<[Fingerprint]>, granted: Arc<[Fingerprint]> },
    /// An archive, with its errors. Without a place of its own, it is the configured one.
    Archive { archive: Archive, aside: Option<Aside>, errors: Arc<[Fingerprint]> },
}

/// One kind of decision, asked in one way.
pub(super) struct Asked {
    pub(super) decision: &'static str,
    pub(super) way: &'static str,
    pub(super) decide: Decide,
}

/// What a store is for, and how what is over goes away.
pub(super) struct Words {
    pub(super) kind: String,
    pub(super) version: Option<String>,
    pub(super) purpose: &'static str,
    pub(super) mechanism: &'static str,
}

/// Whether a URL is an archive's.
pub(super) fn is_archive(url: &Secret) -> bool {
    ["sqlite:", "postgres:", "postgresql:", "mysql:", "mariadb:"].iter().any(|scheme| url.expose().starts_with(scheme))
}

/// An archive's settings with another URL.
pub(super) fn archive_settings(config: &Config, url: &Secret) -> config::Archive {
    config::Archive { url: url.clone(), ..config.archive.clone() }
}

/// A cache's settings with another URL; what is over is not kept for a write-back.
pub(super) fn cache_settings(config: &Config, url: &Secret) -> Result<Settings> {
    let cache = config::Cache { url: Some(url.clone()), grace: config::Span::secs(0), ..config.cache.clone() };
    let settings = server::cache_settings(&cache).map_err(anyhow::Error::msg)?;
    settings.context("the URL is there")
}

/// Where a store is, without user and password.
pub(super) fn place(config: &Config, url: &Secret) -> Result<String> {
    if is_archive(url) {
        let settings = archive_settings(config, url);
        return Ok(settings.sqlite_path().map_or_else(|| settings.place(), |path| format!("sqlite:{path}")));
    }
    Ok(cache_settings(config, url)?.place())
}

fn draw(count: usize) -> Result<Arc<[Fingerprint]>> {
    let one = || Ok(Fingerprint(u128::from(getrandom::u64()?) << 64 | u128::from(getrandom::u64()?)));
    (0..count).map(|_| one()).collect()
}

impl Store {
    /// Opens it under `name`, and says on the way what it writes.
    pub(super) async fn open(
        config: &Config,
        url: &Secret,
        name: &str,
        yes: bool,
        say: impl Fn(&str),
    ) -> Result<Store> {
        if is_archive(url) {
            return Store::open_archive(&archive_settings(config, url), name, yes, say).await;
        }
        let settings = cache_settings(config, url)?.aside(name);
        let cache = Arc::new(Cache::new(&settings).map_err(anyhow::Error::msg)?);
        cache.ping().await?;
        if !matches!(*cache, Cache::Memory(_)) {
            say(&format!("some {} records named {name} are written, and removed again", 2 * ERRORS));
        }
        let store = Store::Cache { cache, quiet: draw(ERRORS)?, granted: draw(ERRORS)? };
        store.remember_quiet().await?;
        Ok(store)
    }

    async fn open_archive(settings: &config::Archive, name: &str, yes: bool, say: impl Fn(&str)) -> Result<Store> {
        let errors = draw(ERRORS)?;
        let why = match Aside::make(settings, name).await {
            Ok(aside) => {
                say(&format!(
                    "tables of their own ({name}) are written, and removed again; those of the archive stay as they are"
                ));
                return match Archive::open(aside.settings()).await {
                    Ok(archive) => Ok(Store::Archive { archive, aside: Some(aside), errors }),
                    Err(error) => {
                        aside.remove().await.ok();
                        Err(error.into())
                    }
                };
            }
            Err(Error::Failed(why)) => why,
            Err(error) => return Err(error.into()),
        };
        let archive = Archive::open(settings).await?;
        let holds_issues = !archive.issues(IssueFilter { limit: 1, ..IssueFilter::default() }).await?.items.is_empty();
        if holds_issues && !yes {
            bail!(
                "this user may make no place for the measurement ({why}), and the archive holds issues; let it (PostgreSQL: \
                 GRANT CREATE ON DATABASE … TO …; MySQL, MariaDB: GRANT ALL ON `bongsu\\_bench\\_%`.* TO …), or say --yes: \
                 then {ERRORS} issues are written into the archive itself, and removed again"
            );
        }
        say(&format!(
            "{ERRORS} issues of the project bongsu-bench are written into the archive itself ({why}), and removed again"
        ));
        Ok(Store::Archive { archive, aside: None, errors })
    }

    /// What it is and is for.
    pub(super) async fn words(&self) -> Result<Words> {
        let (kind, version) = match self {
            Store::Archive { archive, .. } => {
                let version = archive.kind();
                (version.split(' ').next().unwrap_or_default().to_owned(), Some(version))
            }
            Store::Cache { cache, .. } => {
                let said = cache.describe().await?;
                (said.kind.to_owned(), said.version)
            }
        };
        let (purpose, mechanism) = words_of(&kind);
        Ok(Words { kind, version, purpose, mechanism })
    }

    /// What the gate asks of such a store, one by one and with group commit.
    pub(super) fn decisions(&self) -> Vec<Asked> {
        let asked = |decision, way, decide| Asked { decision, way, decide };
        const ALONE: &str = "one by one";
        const TOGETHER: &str = "group commit";
        match self {
            Store::Cache { cache, quiet, granted } => vec![
                asked("count", ALONE, alone(cache, quiet, |cache, those| Box::pin(count(cache, those)))),
                asked("count", TOGETHER, together(cache, quiet, |cache, those| Box::pin(count(cache, those)))),
                asked("grant", ALONE, alone(cache, granted, |cache, those| Box::pin(grant(cache, those)))),
                asked("grant", TOGETHER, together(cache, granted, |cache, those| Box::pin(grant(cache, those)))),
            ],
            Store::Archive { archive, errors, .. } => vec![
                asked("admit", ALONE, admit_alone(archive, errors)),
                asked("admit", TOGETHER, admit_together(archive, errors)),
            ],
        }
    }

    async fn remember_quiet(&self) -> Result<()> {
        let Store::Cache { cache, quiet, .. } = self else { return Ok(()) };
        let now = server::now();
        let markers: Vec<_> = quiet.iter().map(|one| (*one, marker(1, now, now.plus(QUIET)))).collect();
        Ok(cache.remember(&markers, now).await?)
    }

    /// Removes what was written.
    pub(super) async fn clean_up(self) -> Result<()> {
        match self {
            Store::Cache { cache, quiet, granted } => {
                let ours: Vec<Fingerprint> = quiet.iter().chain(&*granted).copied().collect();
                forget(&cache, &ours).await
            }
            Store::Archive { archive, aside: Some(aside), .. } => {
                // What is still written is waited for, or it would come into a file that is gone.
                archive.probe().await.ok();
                drop(archive);
                Ok(aside.remove().await?)
            }
            Store::Archive { archive, aside: None, errors } => Ok(archive.remove(errors).await?),
        }
    }
}

fn words_of(kind: &str) -> (&'static str, &'static str) {
    const SHARED: &str = "the shared memory of many pods: which errors are quiet, and how often they were seen";
    const ARCHIVE: &str =
        "the archive of many pods: it grants alerts and keeps everything, and judges alone without a cache";
    const ROWS: &str = "rows, removed by the housekeeping of bongsu";
    match kind {
        "memory" => (
            "one pod alone, and the last resort: shared with nobody, gone with the process",
            "compared with the clock; removed at a sweep, or when room is needed",
        ),
        "dynamodb" => (
            "the shared memory of many pods, where no server is to be run",
            "a TTL attribute: deleted up to days later, so bongsu compares by itself",
        ),
        "SQLite" => {
            ("the archive of one server on one machine: a file cannot be shared; its writes share commits anyway", ROWS)
        }
        "MySQL" | "MariaDB" => (
            ARCHIVE,
            "rows, removed by the database's event scheduler where it is on, else by the housekeeping of bongsu",
        ),
        "PostgreSQL" => (ARCHIVE, ROWS),
        _ => (SHARED, "PEXPIRE: removed actively, and when touched"),
    }
}

/// A marker of a window that ends when it is quiet no more.
pub(super) fn marker(revision: u64, now: Time, until: Time) -> Marker {
    Marker {
        revision,
        reason: Reason::Budget,
        quiet_until: until,
        more: None,
        window_opened_at: now,
        window_ends_at: Some(until),
        budget: 5,
        granted: 5,
        seen: 5,
    }
}

/// Lets records lapse now, and takes them off the list of what is to be written back.
pub(super) async fn forget(cache: &Cache, ours: &[Fingerprint]) -> Result<()> {
    // Minutes that are over are dropped as a whole.
    let later = server::now().plus(Duration::from_secs(600));
    let mut after = None;
    loop {
        let mut page = cache.sweep(after, PAGE, later).await?;
        page.unswept.retain(|one| ours.contains(&one.fingerprint));
        if !page.unswept.is_empty() {
            cache.swept(&page.unswept, later).await?;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let now = server::now();
    let lapsed: Vec<_> = ours.iter().map(|one| (*one, marker(LAST_REVISION, now, now))).collect();
    Ok(cache.remember(&lapsed, now).await?)
}

/// Answers each of what was asked.
type Ask = fn(Arc<Cache>, Vec<Fingerprint>) -> std::pin::Pin<Box<dyn Future<Output = Vec<Result<(), String>>> + Send>>;

async fn count(cache: Arc<Cache>, those: Vec<Fingerprint>) -> Vec<Result<(), String>> {
    let (batch, places) = admit::fold_counts(&those);
    let sightings = cache.count(&batch, server::now()).await;
    let answers: Vec<Result<(), String>> = sightings
        .into_iter()
        .map(|sighting| match sighting {
            Ok(Sighting::Quiet { .. }) => Ok(()),
            Ok(Sighting::Ask { .. }) => Err("it did not know an error that is quiet".to_owned()),
            Err(error) => Err(error.to_string()),
        })
        .collect();
    places.into_iter().map(|place| answers[place].clone()).collect()
}

async fn grant(cache: Arc<Cache>, those: Vec<Fingerprint>) -> Vec<Result<(), String>> {
    let (batch, places) = admit::fold_counts(&those);
    let claim = |(fingerprint, count): &(Fingerprint, u64)| Claim {
        fingerprint: *fingerprint,
        count: *count,
        budget: 5,
        window: QUIET,
        held_until: None,
    };
    let claims: Vec<Claim> = batch.iter().map(claim).collect();
    let grants = cache.grant(&claims, server::now()).await;
    let answers: Vec<_> = grants.into_iter().map(|one| one.map(drop).map_err(|error| error.to_string())).collect();
    places.into_iter().map(|place| answers[place].clone()).collect()
}

fn alone(cache: &Arc<Cache>, those: &Arc<[Fingerprint]>, ask: Ask) -> Decide {
    let (cache, those) = (Arc::clone(cache), Arc::clone(those));
    Box::new(move |nth| {
        let asked = ask(Arc::clone(&cache), vec![pick(&those, nth)]);
        Box::pin(async move { asked.await.pop().unwrap_or_else(unanswered) })
    })
}

fn together(cache: &Arc<Cache>, those: &Arc<[Fingerprint]>, ask: Ask) -> Decide {
    let (cache, those) = (Arc::clone(cache), Arc::clone(those));
    let (lane, _) = Lane::start(QUEUED_MAX, move |batch| ask(Arc::clone(&cache), batch));
    let lane = Arc::new(lane);
    Box::new(move |nth| {
        let (lane, one) = (Arc::clone(&lane), pick(&those, nth));
        Box::pin(async move {
            let mut answers = lane.ask(vec![one], hold()).await.map_err(|turned| format!("{turned:?}"))?;
            answers.pop().unwrap_or_else(unanswered)
        })
    })
}

fn admit_alone(archive: &Archive, errors: &Arc<[Fingerprint]>) -> Decide {
    let (archive, errors, duties) = (archive.clone(), Arc::clone(errors), duties());
    let route = route(QUIET, 5);
    Box::new(move |nth| {
        let arrival = arrival(pick(&errors, nth), &route);
        let (archive, folded) = (archive.clone(), admit::fold(std::iter::once(arrival), &duties));
        Box::pin(async move {
            let admitted = archive.admit(folded.batch, Arc::new([]), server::now()).await;
            admitted.map(drop).map_err(|error| error.to_string())
        })
    })
}

fn admit_together(archive: &Archive, errors: &Arc<[Fingerprint]>) -> Decide {
    let errors = Arc::clone(errors);
    let (admission, _) = Admission::start(archive.clone(), None, settings(), Arc::new(Notify::new()));
    let (admission, route) = (Arc::new(admission), route(QUIET, 5));
    Box::new(move |nth| -> Deciding {
        let (admission, arrival) = (Arc::clone(&admission), arrival(pick(&errors, nth), &route));
        Box::pin(async move {
            match admission.admit(vec![arrival], hold()).await.pop() {
                Some(Outcome::Rejected(reject)) => Err(reject.detail),
                Some(_) => Ok(()),
                None => unanswered(),
            }
        })
    })
}

/// Admits one occurrence; answers how many alerts it was granted.
pub(super) async fn admit_one(archive: &Archive, error: Fingerprint, window: Duration) -> Result<u32> {
    let folded = admit::fold(std::iter::once(arrival(error, &route(window, 1))), &duties());
    let (admitted, _) = archive.admit(folded.batch, Arc::new([]), server::now()).await?;
    let granted = admitted.first().map(|one| one.decision.granted());
    granted
        .ok_or_else(|| anyhow!("the archive answered nothing"))
        .map(|granted| u32::try_from(granted).unwrap_or(u32::MAX))
}

fn unanswered() -> Result<(), String> {
    Err("it answered nothing".to_owned())
}

fn hold() -> Hold {
    Arc::new(())
}

fn pick(those: &[Fingerprint], nth: u64) -> Fingerprint {
    those[(nth % those.len() as u64) as usize]
}

/// Nobody is told: what is measured is the decision.
fn route(window: Duration, budget: u32) -> Arc<Route> {
    let policy = Policy { budget, window, spacing: Vec::new(), closing: false, maintenance_until: None };
    Arc::new(Route::to(Arc::new(policy), []))
}

/// The rules that a server has whose user adds none.
static RULES: LazyLock<Arc<Rules>> = LazyLock::new(|| Arc::new(Sameness::default()).rules());

fn arrival(fingerprint: Fingerprint, route: &Arc<Route>) -> Arrival {
    let attributes = Attributes {
        module: "bongsu-bench".into(),
        environment: "bench".into(),
        location: "bongsu.Bench.measure".into(),
        detail: "an error of a measurement".into(),
        ..Attributes::default()
    };
    Arrival {
        fingerprint,
        project: "bongsu-bench".into(),
        route: Arc::clone(route),
        rules: Arc::clone(&RULES),
        remembered: None,
        event: Packed::of(&Event { attributes, ..Event::default() }),
    }
}

fn duties() -> Duties {
    Duties { samples_per_day: config::Retention::default().samples_per_day, expiry: QUIET, handoffs: Vec::new() }
}

fn settings() -> admit::Settings {
    admit::Settings {
        queued_events: QUEUED_MAX,
        duties: Duties::fixed(duties().samples_per_day, QUIET),
        archive_max: QUIET,
        patience: QUIET,
        metrics: Arc::new(Metrics::new()),
        now: server::now,
    }
}

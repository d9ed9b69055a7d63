//! The server: the one place where the stages are put together, the clock is read and sockets are opened.
//!
//! Promises: a signal to stop closes the doors, answers what has come in, lets deliveries on their way end, and then
//! returns; what was not sent is in the outbox for the next start. Deliberately not here: any decision.

mod crew;
mod doors;
mod janitor;
mod orders;
mod reload;

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::admit::{self, Admission, Duties, Shared, Times, WriteBack};
use crate::alert::Canary;
use crate::archive::{Archive, Interim, Keep, KeyHash, KnownProject};
use crate::cache::{self, Cache};
use crate::config::{Config, Limits, Outgoing};
use crate::deliver::Courier;
use crate::fingerprint::Merges;
use crate::health::{self, Herald};
use crate::ingest::{Ingest, native};
use crate::keys::{self, Keys};
use crate::metrics::Metrics;
use crate::normalize;
use crate::river::River;
use crate::time::Time;
use crate::watch::{Home, Watch};
use crate::web::{self, SlackDoor, Web};

use crew::{Crew, Post};
pub(crate) use janitor::FORGET_EVERY;
use janitor::Janitor;
use orders::Orders;
pub(crate) use orders::cache_settings;
pub use reload::Again;
use reload::Reloader;

/// How long open requests may take to end after the signal to stop.
const DRAIN_MAX: Duration = Duration::from_secs(20);
/// How long the last write-back may take, when everything else has ended.
const RECORD_MAX: Duration = Duration::from_secs(10);
/// How many turns of the write-back the end of a window waits for what the cache counted in it.
const CLOSING_LAG_TURNS: u32 = 4;

/// How long one of several servers may take to make the first project, before another does.
const FIRST_PROJECT_LEASE: Duration = Duration::from_secs(10);

/// The wall clock.
pub(crate) fn now() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A number in [0, 1).
fn random() -> f64 {
    getrandom::u32().map_or(0.5, |n| f64::from(n) / (f64::from(u32::MAX) + 1.0))
}

/// What the first start made: shown once, since only hashes are stored.
#[derive(Default)]
pub struct Made {
    /// A project and its key, when there was no project at all.
    pub(crate) key: Option<(KnownProject, String)>,
    /// The token for reads and actions, when neither the configuration nor the archive had one.
    pub(crate) token: Option<String>,
}

/// What a server has to do about the memory that it shares with others.
struct Sharing {
    shared: Arc<Shared>,
    write_back: WriteBack,
    duties: watch::Receiver<Arc<Duties>>,
    archive_max: Duration,
}

/// A server that is ready to accept connections.
pub struct Server {
    made: Made,
    listener: TcpListener,
    app: Router,
    limits: Limits,
    reloader: Reloader,
    admission: tokio::task::JoinHandle<()>,
    shared: Option<Sharing>,
    herald: Herald,
    watcher: Watch,
    janitor: Janitor,
}

impl Server {
    /// Opens the archive, puts the stages together and binds the address.
    ///
    /// # Errors
    /// When the configuration names something that cannot be used, or the archive or the address cannot be opened.
    pub async fn open(config: Config) -> Result<Server> {
        // Everything that can be wrong comes before the archive is written to: a second server started by mistake must
        // not touch the first one's outbox, and what the first start makes can be shown only once.
        let orders = Orders::new(config, None).map_err(anyhow::Error::msg)?;
        let config = &orders.config;
        let pod = getrandom::u64()?;
        let (cache, own) =
            open_caches(orders.cache.as_ref(), pod).map_err(|why| anyhow::anyhow!("cache.url: {why}"))?;
        let pacing: Vec<Arc<Cache>> = cache.iter().chain([&own]).map(Arc::clone).collect();
        let listener =
            TcpListener::bind(config.listen).await.with_context(|| format!("cannot listen on {}", config.listen))?;
        let home = own_doors(&listener, config)?;
        let archive = open_archive(config).await?;
        orders.terms.sameness.remember(archive.oldest_rules(normalize::VERSION).await?);
        orders.terms.sameness.learn(archive.parameters().await?);
        let merges = Merges::default();
        merges.set(archive.merges().await?);
        let (made, token) = make_missing(&archive, config).await?;
        let keys = Arc::new(Keys::load(archive.clone(), &config.project, &home.key, now()).await?);

        let metrics = Arc::new(Metrics::new());
        let (granted, pressed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let expiry = config.deliver.expiry.get();
        let interim = Arc::new(Interim::default());
        let post = Post {
            archive: archive.clone(),
            interim: Arc::clone(&interim),
            pacing,
            metrics: Arc::clone(&metrics),
            granted: Arc::clone(&granted),
            pressed: Arc::clone(&pressed),
        };
        let (crew, duties) = Crew::new(&orders, post, &home);
        let settings = admit::Settings {
            queued_events: config.limits.queued_events,
            duties: duties.clone(),
            archive_max: config.archive.timeout.get(),
            patience: config.archive.patience.get(),
            metrics: Arc::clone(&metrics),
            now,
        };
        let share = |cache| Arc::new(Shared::new((cache, own), pod, Arc::clone(&interim), Arc::clone(&metrics), now));
        let shared = cache.map(share);
        let (admission, committer) = Admission::start(archive.clone(), shared.clone(), settings, Arc::clone(&granted));
        let write_back = config.cache.write_back.get();
        let times = Times { every: write_back, archive_max: config.archive.timeout.get() };
        let shared = shared.map(|shared| {
            let write_back = WriteBack::new(Arc::clone(&shared), archive.clone(), times, duties.clone(), now);
            Sharing { shared, write_back, archive_max: times.archive_max, duties }
        });
        let river = River::new(Arc::clone(&orders.terms), merges, admission, Arc::clone(&metrics), now);
        let river = Arc::new(river);
        let (herald, changes) = Herald::new(Arc::clone(&river));
        if let Some(sharing) = &shared {
            sharing.shared.tell_changes(changes);
        }
        let read_timeout = config.limits.read_timeout.get();
        let closing_lag = if shared.is_some() { CLOSING_LAG_TURNS * write_back } else { Duration::ZERO };
        let (web_settings, told) = watch::channel(web::Settings { token, expiry, slack: web::slack_secrets(config) });
        let (seen, canary) = watch::channel(Canary::default());
        let own = web::Own { key: keys::hash(&home.key), canary };
        let ingest = Ingest::new(
            Arc::clone(&river),
            Arc::clone(&keys),
            config.limits.clone(),
            normalize::location::of_frames,
            now,
        );
        let slack = SlackDoor::new(archive.clone(), Arc::clone(&river), told.clone(), ingest.bodies(), pressed, now);
        let web = Web::new(archive.clone(), Arc::clone(&river), told, own, read_timeout, Arc::clone(&granted), now);
        let limits = config.limits.clone();
        let read = Arc::new(move |text: &str| native::one(text, &limits, now()).map_err(|reject| reject.detail));
        let app = ingest
            .router()
            .merge(slack.router())
            .merge(web.router(Ingest::description(), read))
            .method_not_allowed_fallback(web::wrong_method);
        let name: Arc<str> = keys::new_key().into();
        let (watch_settings, told) = watch::channel(Arc::clone(&orders.watch));
        let watcher = Watch {
            settings: told,
            home,
            archive: archive.clone(),
            interim,
            river: Arc::clone(&river),
            metrics: Arc::clone(&metrics),
            seen,
            name: Arc::clone(&name),
            server: health::server_name(),
            now,
        };
        let away_at_ms = AtomicI64::new(0);
        let limits = config.limits.clone();
        let (orders, told) = watch::channel(Arc::new(orders));
        let janitor = Janitor {
            archive: archive.clone(),
            river: Arc::clone(&river),
            metrics: Arc::clone(&metrics),
            granted,
            orders: told,
            manned: crew.manned(),
            closing_lag,
            away_at_ms,
            name,
        };
        let reloader =
            Reloader { orders, web: web_settings, watch: watch_settings, crew, river, keys, archive, metrics };
        Ok(Server { made, listener, app, limits, reloader, admission: committer, shared, herald, watcher, janitor })
    }

    /// What this start made, to be shown once.
    pub fn made(&self) -> &Made {
        &self.made
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// When the operating system does not say.
    pub fn address(&self) -> std::io::Result<std::net::SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` is ready, then drains. `again`: how it comes by another configuration meanwhile.
    pub async fn run(mut self, stop: impl Future<Output = ()>, again: Option<Again>) {
        let (stopped, stopping) = watch::channel(false);
        let (ended, ending) = watch::channel(false);
        let mut recording = JoinSet::new();
        let mut watching = JoinSet::new();
        if let Some(Sharing { shared, write_back, duties, archive_max }) = self.shared {
            let archive = self.janitor.archive.clone();
            watching.spawn(shared.watch(archive, duties, archive_max, stopping));
            recording.spawn(write_back.run(ending));
        }
        let (resting, rest) = watch::channel(false);
        let orders = Arc::clone(&self.reloader.orders.borrow());
        self.reloader.crew.muster(&orders);
        let (janitor, herald) =
            (tokio::spawn(self.janitor.run(rest.clone())), tokio::spawn(self.herald.run(rest.clone())));
        let watcher = tokio::spawn(self.watcher.run(rest.clone()));
        let reloader = tokio::spawn(self.reloader.run(again, rest));
        doors::accept(self.listener, self.app, &self.limits, stop).await;
        // All requests are answered or given up: the committer ends when the last sender of the queue is gone, and janitor,
        // herald, watcher and reloader hold one.
        resting.send(true).ok();
        let crew = reloader.await;
        let drained = async {
            janitor.await.ok();
            herald.await.ok();
            watcher.await.ok();
            self.admission.await.ok();
        };
        if tokio::time::timeout(DRAIN_MAX, drained).await.is_err() {
            tracing::warn!("the last events were still being stored; their senders were not answered");
        }
        stopped.send(true).ok();
        let settled = match crew {
            Ok(crew) => crew.stop(DRAIN_MAX).await,
            Err(_) => false,
        };
        if !settled {
            tracing::warn!("deliveries were still on their way; they go again when their lease ends");
        }
        tokio::time::timeout(DRAIN_MAX, async { while watching.join_next().await.is_some() {} }).await.ok();
        // What was sent is known now.
        ended.send(true).ok();
        tokio::time::timeout(RECORD_MAX, async { while recording.join_next().await.is_some() {} }).await.ok();
        tracing::info!("stopped");
    }
}

/// Whether a server could go by the configuration: all that is compiled at the start, with nothing opened.
///
/// # Errors
/// What cannot be used of it.
pub(crate) fn fit(config: &Config) -> Result<(), String> {
    Orders::new(config.clone(), None).map(drop)
}

/// Where this server reaches itself: at the address that it listens on, or at its host's own when that is any.
fn own_doors(listener: &TcpListener, config: &Config) -> Result<Home> {
    let mut address = listener.local_addr()?;
    if address.ip().is_unspecified() {
        let own: IpAddr = if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
        address.set_ip(own);
    }
    let courier = Courier::new(&Outgoing { allow_private: true }, config.deliver.timeout.get())?;
    Ok(Home { base: format!("http://{address}"), key: keys::new_key(), courier })
}

async fn open_archive(config: &Config) -> Result<Archive> {
    let archive = Archive::open(&config.archive).await?;
    if archive.is_shared() {
        let who = archive.expire_by_itself(&Keep(config.retention.clone())).await;
        tracing::info!(archive = archive.kind(), "{who}");
    }
    Ok(archive)
}

/// The cache that the configuration names, if any, and this process's memory, the last resort. Connects to nothing yet: a
/// cache is asked only while it answers.
fn open_caches(settings: Option<&cache::Settings>, pod: u64) -> Result<(Option<Arc<Cache>>, Arc<Cache>), String> {
    let Some(settings) = settings else {
        return Ok((None, Arc::new(Cache::new(&cache::Settings::default())?)));
    };
    let mut settings = settings.clone();
    settings.pod = pod;
    Ok((Some(Arc::new(Cache::new(&settings)?)), Arc::new(Cache::new(&settings.in_memory())?)))
}

/// Makes what a server cannot do without: a project, and a token for reads and actions. Answers the token's hash too.
async fn make_missing(archive: &Archive, config: &Config) -> Result<(Made, KeyHash)> {
    const TOKEN: &str = "api-token-hash";
    const FIRST_PROJECT: &str = "default";
    let mut made = Made::default();
    // Of several servers that start at once one makes it: each would print a key of its own.
    let mine = async || match archive.is_shared() {
        true => archive.lease("first-project".into(), keys::new_key().into(), FIRST_PROJECT_LEASE, now()).await,
        false => Ok(true),
    };
    if config.project.is_empty() && archive.projects().await?.is_empty() && mine().await? {
        let key = keys::new_key();
        let id = archive.add_project(FIRST_PROJECT.to_owned(), now()).await?;
        archive.add_key(id, keys::hash(&key), now()).await?;
        made.key = Some((KnownProject { id, name: FIRST_PROJECT.into(), created_at: now(), keys: 1 }, key));
    }
    if let Some(token) = &config.api.token {
        return Ok((made, keys::hash(token.expose())));
    }
    let token = keys::new_token();
    if archive.set_once(TOKEN, keys::hash(&token).to_vec()).await? {
        made.token = Some(token);
    }
    let stored = archive.setting(TOKEN).await?.and_then(|hash| hash.try_into().ok());
    Ok((made, stored.context("the archive's hash of the API token is damaged; set [api] token")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::servers::postgres::Postgres;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn of_several_servers_that_start_at_once_one_makes_the_first_project() {
        let postgres = Postgres::start();
        let toml = format!("listen = \"127.0.0.1:0\"\n[archive]\nurl = \"{}\"\n", postgres.database("first"));
        let open = || Server::open(config::from_toml(&toml).unwrap());
        let (one, other, third) = tokio::join!(open(), open(), open());
        let servers = [one.unwrap(), other.unwrap(), third.unwrap()];
        assert_eq!(servers.iter().filter(|server| server.made().key.is_some()).count(), 1);
        assert_eq!(servers.iter().filter(|server| server.made().token.is_some()).count(), 1);
    }
}

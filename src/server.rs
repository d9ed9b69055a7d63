//! The server: the one place where the stages are put together, the clock is read and sockets are opened.
//!
//! Promises: a signal to stop closes the doors, answers what has come in, lets deliveries on their way end, and then
//! returns; what was not sent is in the outbox for the next start. Deliberately not here: any decision.

mod janitor;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::admit::{self, Admission, Handoff, Shared, Times, WriteBack};
use crate::alert::Delivery;
use crate::archive::{Archive, Interim, Keep, KeyHash, KnownProject};
use crate::cache::{self, Cache};
use crate::config::{self, Config, Limits};
use crate::deliver::{self, Channels, Courier, Editor, Pacer, Routes, Worker};
use crate::fingerprint::{Merges, Sameness};
use crate::health::Herald;
use crate::ingest::{Ingest, native};
use crate::keys::{self, Keys};
use crate::metrics::Metrics;
use crate::normalize;
use crate::river::River;
use crate::scrub::Scrubber;
use crate::time::Time;
use crate::web::{self, SlackDoor, Web};

pub(crate) use janitor::FORGET_EVERY;
use janitor::Janitor;

/// Header fields of a request: far more than any client sends, far fewer than would cost memory.
const HEADERS_MAX: usize = 100;
/// Bytes of a request's head. DSN, token and a proxy's additions fit several times.
const HEAD_BYTES_MAX: usize = 64 << 10;
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

/// A server that is ready to accept connections.
pub struct Server {
    made: Made,
    listener: TcpListener,
    app: Router,
    limits: Limits,
    workers: Vec<(Arc<Worker>, mpsc::Receiver<Delivery>)>,
    editors: Vec<Arc<Editor>>,
    admission: tokio::task::JoinHandle<()>,
    shared: Option<(Arc<Shared>, WriteBack, Times)>,
    herald: Herald,
    janitor: Janitor,
}

/// What the workers of all channels share.
struct Post {
    archive: Archive,
    interim: Arc<Interim>,
    courier: Courier,
    /// Where turns are kept, the first that answers.
    pacing: Vec<Arc<Cache>>,
    metrics: Arc<Metrics>,
    granted: Arc<Notify>,
    pressed: Arc<Notify>,
}

impl Post {
    fn pacer(&self, channel: &Arc<deliver::Channel>, config: &Config) -> Option<Pacer> {
        let configured = config.channel.iter().find(|one| one.name == **channel.name());
        configured.and_then(|configured| Pacer::of(configured, self.pacing.clone()))
    }

    fn editor(&self, channel: &Arc<deliver::Channel>, config: &Config) -> Arc<Editor> {
        Arc::new(Editor {
            channel: Arc::clone(channel),
            archive: self.archive.clone(),
            interim: Arc::clone(&self.interim),
            courier: self.courier.clone(),
            pacer: self.pacer(channel, config).map(Pacer::of_edits),
            metrics: Arc::clone(&self.metrics),
            pressed: Arc::clone(&self.pressed),
            now,
        })
    }

    fn worker(&self, channel: &Arc<deliver::Channel>, config: &Config) -> Arc<Worker> {
        Arc::new(Worker {
            pacer: self.pacer(channel, config),
            channel: Arc::clone(channel),
            archive: self.archive.clone(),
            interim: Arc::clone(&self.interim),
            courier: self.courier.clone(),
            settings: config.deliver.clone(),
            metrics: Arc::clone(&self.metrics),
            granted: Arc::clone(&self.granted),
            now,
            random,
        })
    }
}

impl Server {
    /// Opens the archive, puts the stages together and binds the address.
    ///
    /// # Errors
    /// When the configuration names something that cannot be used, or the archive or the address cannot be opened.
    pub async fn open(config: Config) -> Result<Server> {
        // Everything that can be wrong comes before the archive is written to: a second server started by mistake must
        // not touch the first one's outbox, and what the first start makes can be shown only once.
        let channels = Channels::new(&config).map_err(anyhow::Error::msg)?;
        let routes = Routes::new(&config).map_err(anyhow::Error::msg)?;
        let sameness = Arc::new(Sameness::new(&config.sameness).map_err(anyhow::Error::msg)?);
        let scrubber = Scrubber::new(&config.scrub).map_err(anyhow::Error::msg)?;
        let courier = Courier::new(&config.outgoing, config.deliver.timeout.get())?;
        let pod = getrandom::u64()?;
        let (cache, own) = open_caches(&config.cache, pod).map_err(|why| anyhow::anyhow!("cache.url: {why}"))?;
        let pacing: Vec<Arc<Cache>> = cache.iter().chain([&own]).map(Arc::clone).collect();
        let listener =
            TcpListener::bind(config.listen).await.with_context(|| format!("cannot listen on {}", config.listen))?;
        let archive = open_archive(&config).await?;
        sameness.remember(archive.oldest_rules(normalize::VERSION).await?);
        sameness.learn(archive.parameters().await?);
        let merges = Merges::default();
        merges.set(archive.merges().await?);
        let (made, token) = make_missing(&archive, &config).await?;
        let keys = Arc::new(Keys::load(archive.clone(), &config.project, now()).await?);

        let metrics = Arc::new(Metrics::new());
        let granted = Arc::new(Notify::new());
        let expiry = config.deliver.expiry.get();
        let (handoffs, fresh): (Vec<_>, Vec<_>) = channels
            .iter()
            .map(|channel| {
                let (to, fresh) = mpsc::channel(Worker::ahead(&config.deliver).max(1));
                (Handoff { channel: Arc::clone(channel.name()), lease: config.deliver.lease.get(), to }, fresh)
            })
            .unzip();
        let settings = admit::Settings {
            queued_events: config.limits.queued_events,
            samples_per_day: config.retention.samples_per_day,
            expiry,
            rules: Arc::clone(&sameness).rules(),
            archive_max: config.archive.timeout.get(),
            patience: config.archive.patience.get(),
            handoffs,
            metrics: Arc::clone(&metrics),
            now,
        };
        let interim = Arc::new(Interim::default());
        let share = |cache| Arc::new(Shared::new((cache, own), pod, Arc::clone(&interim), Arc::clone(&metrics), now));
        let shared = cache.map(share);
        let (admission, committer) = Admission::start(archive.clone(), shared.clone(), settings, Arc::clone(&granted));
        let write_back = config.cache.write_back.get();
        let times = Times { every: write_back, expiry, archive_max: config.archive.timeout.get() };
        let shared =
            shared.map(|shared| (Arc::clone(&shared), WriteBack::new(shared, archive.clone(), times, now), times));
        let river = Arc::new(River { scrubber, sameness, merges, routes, admission, metrics: Arc::clone(&metrics) });
        let names: Vec<Arc<str>> = channels.iter().map(|channel| Arc::clone(channel.name())).collect();
        let (herald, changes) = Herald::new(&config, &names, Arc::clone(&river));
        if let Some((shared, ..)) = &shared {
            shared.tell_changes(changes);
        }
        let post = Post {
            archive: archive.clone(),
            interim,
            courier,
            pacing,
            metrics: Arc::clone(&metrics),
            granted: Arc::clone(&granted),
            pressed: Arc::default(),
        };
        let editors = channels.iter().filter(|one| one.edits()).map(|one| post.editor(one, &config)).collect();
        let workers = channels.iter().map(|channel| post.worker(channel, &config)).zip(fresh).collect();
        let read_timeout = config.limits.read_timeout.get();
        let closing_lag = if shared.is_some() { CLOSING_LAG_TURNS * write_back } else { Duration::ZERO };
        let web = Web::new(archive.clone(), Arc::clone(&river), token, expiry, read_timeout, Arc::clone(&granted), now);
        let ingest = Ingest::new(Arc::clone(&river), keys, config.limits.clone(), normalize::location::of_frames, now);
        let limits = config.limits.clone();
        let read = Arc::new(move |text: &str| native::one(text, &limits, now()).map_err(|reject| reject.detail));
        let slack = SlackDoor::new(archive.clone(), Arc::clone(&river), &config, Arc::clone(&post.pressed), now);
        let app = ingest
            .router()
            .merge(slack.router())
            .merge(web.router(Ingest::description(), read))
            .method_not_allowed_fallback(web::wrong_method);
        let name = keys::new_key().into();
        let keep = Keep(config.retention);
        let away_at_ms = AtomicI64::new(0);
        let janitor =
            Janitor { archive, river, metrics, granted, expiry, keep, channels: names, closing_lag, away_at_ms, name };
        Ok(Server {
            made,
            listener,
            app,
            limits: config.limits,
            workers,
            editors,
            admission: committer,
            shared,
            herald,
            janitor,
        })
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

    /// Serves until `stop` is ready, then drains.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let (stopped, stopping) = watch::channel(false);
        let (ended, ending) = watch::channel(false);
        let mut recording = JoinSet::new();
        let mut tasks = JoinSet::new();
        for (worker, fresh) in self.workers {
            tasks.spawn(worker.run(fresh, stopping.clone()));
        }
        for editor in self.editors {
            tasks.spawn(editor.run(stopping.clone()));
        }
        if let Some((shared, write_back, Times { expiry, archive_max, .. })) = self.shared {
            let archive = self.janitor.archive.clone();
            tasks.spawn(shared.watch(archive, expiry, archive_max, stopping.clone()));
            recording.spawn(write_back.run(ending));
        }
        let (resting, rest) = watch::channel(false);
        let (janitor, herald) = (tokio::spawn(self.janitor.run(rest.clone())), tokio::spawn(self.herald.run(rest)));
        accept(self.listener, self.app, &self.limits, stop).await;
        // All requests are answered or given up: the committer ends when the last sender of the queue is gone, and janitor
        // and herald hold one.
        resting.send(true).ok();
        let drained = async {
            janitor.await.ok();
            herald.await.ok();
            self.admission.await.ok();
        };
        if tokio::time::timeout(DRAIN_MAX, drained).await.is_err() {
            tracing::warn!("the last events were still being stored; their senders were not answered");
        }
        stopped.send(true).ok();
        if tokio::time::timeout(DRAIN_MAX, async { while tasks.join_next().await.is_some() {} }).await.is_err() {
            tracing::warn!("deliveries were still on their way; they go again when their lease ends");
        }
        // What was sent is known now.
        ended.send(true).ok();
        tokio::time::timeout(RECORD_MAX, async { while recording.join_next().await.is_some() {} }).await.ok();
        tracing::info!("stopped");
    }
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
fn open_caches(settings: &config::Cache, pod: u64) -> Result<(Option<Arc<Cache>>, Arc<Cache>), String> {
    let Some(mut settings) = cache_settings(settings)? else {
        return Ok((None, Arc::new(Cache::new(&cache::Settings::default())?)));
    };
    settings.pod = pod;
    Ok((Some(Arc::new(Cache::new(&settings)?)), Arc::new(Cache::new(&settings.in_memory())?)))
}

/// What the configuration says of the cache, if there is one.
///
/// # Errors
/// What is wrong with its URL, and what to write instead.
pub(crate) fn cache_settings(settings: &config::Cache) -> Result<Option<cache::Settings>, String> {
    let Some(url) = &settings.url else { return Ok(None) };
    let mut parsed = cache::Settings::parse(url)?;
    parsed.timeout = settings.timeout.get();
    parsed.grace = settings.grace.get();
    Ok(Some(parsed))
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

async fn accept(listener: TcpListener, app: Router, limits: &Limits, stop: impl Future<Output = ()>) {
    let connections = Arc::new(Semaphore::new(limits.connections));
    let open = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.read_timeout.get());
    http.max_headers(HEADERS_MAX).max_buf_size(HEAD_BYTES_MAX).half_close(true);
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = async {
            let permit = Arc::clone(&connections).acquire_owned().await;
            (listener.accept().await, permit)
        };
        let (accepted, permit) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut stop => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                // Out of file descriptors, most likely: without a pause this loop would only burn a core.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        stream.set_nodelay(true).ok();
        let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app.clone()));
        let connection = open.watch(connection);
        tokio::spawn(async move {
            // A client that breaks off is not ours to report.
            connection.await.ok();
            drop(permit);
        });
    }
    drop(listener);
    drop(app);
    tracing::info!("stopping: answering what has come in");
    if tokio::time::timeout(DRAIN_MAX, open.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time and were given up unacknowledged");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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

//! Self-watching: an error of bongsu's own goes the whole way of an alert again and again, and somebody is told by another
//! way when it does not arrive.
//!
//! Promises: a canary is an event of the project `bongsu` ([`OWN_PROJECT`]) that comes in by this server's own door, falls
//! under a route of its own, is granted, lies in the outbox, and is sent by whichever server claims it. Each is an issue of
//! its own, so that the gate grants each; once it is known what became of it, it is removed with all its rows: it is in no
//! list, no statistic and no retention. It is counted in the metrics as the event that it is. What is told goes past gate
//! and outbox, since those may be what is broken; once for each trouble, by one of several servers as long as the archive
//! divides them. Deliberately not here: words (`deliver/message`), the gate, the outbox.

mod canary;
mod notice;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::alert::{CANARY, Canary, CanaryState, OWN_CHANNEL, OWN_PROJECT, Route};
use crate::archive::{Archive, Interim, IssueFilter};
use crate::config::{self, Config, Outgoing, Secret};
use crate::deliver::{Channel, Channels, Courier, Parcel, check_url};
use crate::issue::Policy;
use crate::metrics::Metrics;
use crate::river::River;
use crate::time::Time;

use canary::Stopped;
use notice::Notice;

/// What watches go by: compiled from the configuration.
pub(crate) struct Settings {
    on: bool,
    every: Duration,
    within: Duration,
    tell: Vec<Arc<Channel>>,
    heartbeat: Option<Secret>,
    courier: Courier,
}

impl Settings {
    /// Compiles them.
    ///
    /// # Errors
    /// When the heartbeat's URL cannot be requested.
    pub(crate) fn new(config: &Config, channels: &Channels, courier: &Courier) -> Result<Settings, String> {
        let config::Watch { every, within, tell, heartbeat, .. } = &config.watch;
        if let Some(url) = heartbeat {
            let Outgoing { allow_private } = config.outgoing;
            check_url(url.expose(), allow_private).map_err(|why| format!("watch.heartbeat: {why}"))?;
        }
        let told = |channel: &&Arc<Channel>| tell.iter().any(|name| **name == **channel.name());
        Ok(Settings {
            on: config.watch.is_on(),
            every: every.get(),
            within: within.get(),
            tell: channels.iter().filter(told).cloned().collect(),
            heartbeat: heartbeat.clone(),
            courier: courier.clone(),
        })
    }
}

/// The route of canaries: each is granted, and none is told of again.
pub(crate) fn route(config: &config::Watch) -> Route {
    let window = config.every.get().max(Duration::from_secs(1));
    let policy = Policy { budget: 1, window, spacing: Vec::new(), closing: false, maintenance_until: None };
    let channel = config.channel.as_deref().unwrap_or(OWN_CHANNEL);
    Route::to(Arc::new(policy), [channel.into()])
}

/// This server's own doors, and the key to them.
#[derive(Clone)]
pub(crate) struct Home {
    /// `http://ADDRESS`.
    pub(crate) base: String,
    /// Made at the start, known to nobody else.
    pub(crate) key: String,
    /// Who may go there, whatever `outgoing` says.
    pub(crate) courier: Courier,
}

impl Home {
    fn parcel(&self, path: &str, body: String) -> Parcel {
        let header = |name: &str, value: String| (name.to_owned(), Secret::new(value));
        Parcel::Post {
            url: Secret::new(format!("{}{path}", self.base)),
            headers: vec![
                header("Authorization", format!("Bearer {}", self.key)),
                header("Content-Type", "application/json".to_owned()),
            ],
            body: body.into(),
        }
    }

    /// The channel whose messages come back here.
    pub(crate) fn channel(&self) -> Channel {
        Channel::own(OWN_CHANNEL, format!("{}/api/v1/canary", self.base), &self.key)
    }
}

/// How long somebody else is asked before it counts as no answer.
const ASKED_MAX: Duration = Duration::from_secs(1);
/// How often what could not be told is tried again, and who decides is looked at, while there is trouble.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How much longer than its time a canary is left to whoever sent it.
const LEFT_FOR: Duration = Duration::from_secs(600);
/// Canaries that were left behind, removed at a time.
const LEFT_MAX: usize = 100;

/// One server's.
pub(crate) struct Watch {
    pub(crate) settings: watch::Receiver<Arc<Settings>>,
    pub(crate) home: Home,
    pub(crate) archive: Archive,
    pub(crate) interim: Arc<Interim>,
    pub(crate) river: Arc<River>,
    pub(crate) metrics: Arc<Metrics>,
    /// What is known of the last canary.
    pub(crate) seen: watch::Sender<Canary>,
    /// This process, among those that share the archive.
    pub(crate) name: Arc<str>,
    /// This server's name, for people.
    pub(crate) server: String,
    pub(crate) now: fn() -> Time,
}

/// Canaries do not arrive.
struct Trouble {
    /// When the first was sent that did not.
    since: Time,
    /// Whether this server has told it, and so tells its end.
    told: bool,
    /// Who decided when somebody was told last.
    decides: &'static str,
}

/// What is in hand from turn to turn.
#[derive(Default)]
struct Hand {
    trouble: Option<Trouble>,
    notice: Option<Notice>,
    look_for_left_at: Time,
}

impl Watch {
    /// Watches until `stop` says so.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            () = self.watch() => {}
            _ = stop.changed() => {}
        }
    }

    async fn watch(&mut self) {
        let mut hand = Hand::default();
        loop {
            let settings = Arc::clone(&self.settings.borrow_and_update());
            if !settings.on {
                hand = Hand::default();
                self.note(CanaryState::Off);
                if self.settings.changed().await.is_err() {
                    return;
                }
                continue;
            }
            let sent_at = (self.now)();
            match self.canary(settings.within).await {
                Ok(()) => self.arrived(&settings, &mut hand).await,
                Err(stopped) => self.stopped(&settings, &mut hand, sent_at, &stopped).await,
            }
            self.forget_left(&settings, &mut hand).await;
            self.wait(&settings, &mut hand, sent_at.plus(settings.every)).await;
        }
    }

    async fn arrived(&self, settings: &Settings, hand: &mut Hand) {
        let now = (self.now)();
        self.metrics.count_canary(true, now);
        self.note(CanaryState::Arrives);
        if let Some(url) = settings.heartbeat.clone() {
            let (courier, metrics) = (settings.courier.clone(), Arc::clone(&self.metrics));
            tokio::spawn(async move { beat(url, &courier, &metrics).await });
        }
        let Some(trouble) = hand.trouble.take() else { return };
        tracing::warn!("canaries arrive again");
        if trouble.told {
            hand.notice = Some(Notice::works(self, settings, trouble.since, now));
            self.tell(settings, hand).await;
        }
    }

    async fn stopped(&self, settings: &Settings, hand: &mut Hand, sent_at: Time, stopped: &Stopped) {
        self.metrics.count_canary(false, (self.now)());
        let (at, said) = (stopped.at, &*stopped.said);
        tracing::error!(at, said, "a canary did not arrive");
        self.note(CanaryState::Stopped { at, said: said.to_owned() });
        let decides = self.river.admission.decides();
        let trouble = hand.trouble.get_or_insert(Trouble { since: sent_at, told: false, decides });
        // Also to keep what it holds.
        let mine = self.is_mine(settings).await;
        if mine && !trouble.told {
            trouble.told = true;
            trouble.decides = decides;
            hand.notice = Some(Notice::stopped(self, settings, trouble.since, (self.now)(), stopped));
            self.tell(settings, hand).await;
        }
    }

    /// Whether it is for this server to tell: one of several does, while the archive says which. The lease outlives the
    /// trouble by as long as another server's canary may still be on its way.
    async fn is_mine(&self, settings: &Settings) -> bool {
        if !self.archive.is_shared() {
            return true;
        }
        let span = settings.every + 2 * settings.within + 5 * ASKED_MAX;
        let lease = self.archive.lease("watch".into(), Arc::clone(&self.name), span, (self.now)());
        !matches!(tokio::time::timeout(ASKED_MAX, lease).await, Ok(Ok(false)))
    }

    /// Waits for the next turn; meanwhile tries again what could not be told, and tells what becomes of the stores while
    /// there is trouble: the ordinary way may not.
    async fn wait(&mut self, settings: &Settings, hand: &mut Hand, until: Time) {
        loop {
            let left = until.since((self.now)());
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(left.min(LOOK_EVERY)) => {}
                changed = self.settings.changed() => if changed.is_ok() { return },
            }
            let decides = self.river.admission.decides();
            if let Some(trouble) = hand.trouble.as_mut().filter(|trouble| trouble.told && trouble.decides != decides) {
                let notice = Notice::decides(self, settings, trouble.decides, decides, (self.now)());
                trouble.decides = decides;
                // What could not be told before is more than this.
                hand.notice.get_or_insert(notice);
            }
            self.tell(settings, hand).await;
        }
    }

    async fn tell(&self, settings: &Settings, hand: &mut Hand) {
        if let Some(notice) = &mut hand.notice
            && notice.tell(&settings.courier, (self.now)(), self.now).await
        {
            hand.notice = None;
        }
    }

    fn note(&self, state: CanaryState) {
        let now = (self.now)();
        self.seen.send_modify(|seen| {
            if state == CanaryState::Arrives {
                seen.last_arrival = Some(now);
            }
            seen.state = state;
        });
    }

    /// Removes what servers left behind that died, or that could not ask the archive.
    async fn forget_left(&self, settings: &Settings, hand: &mut Hand) {
        let now = (self.now)();
        if now < hand.look_for_left_at || self.interim.is_away() {
            return;
        }
        hand.look_for_left_at = now.plus(LEFT_FOR);
        let (module, text) = (Some(OWN_PROJECT.to_owned()), Some(CANARY.to_owned()));
        let filter = IssueFilter { module, text, limit: LEFT_MAX, ..IssueFilter::default() };
        let before = now.minus(settings.within + LEFT_FOR);
        let left = match self.archive.issues(filter).await {
            Err(error) => return tracing::warn!(%error, "canaries that were left behind could not be looked for"),
            Ok(page) => page.items.into_iter().filter(|issue| {
                issue.project == OWN_PROJECT && issue.attributes.location == CANARY && issue.last_seen < before
            }),
        };
        self.forget(left.map(|issue| issue.fingerprint).collect()).await;
    }
}

/// Says that a canary has arrived to whoever waits for that, and raises an alarm when it stays away.
async fn beat(url: Secret, courier: &Courier, metrics: &Metrics) {
    let brought = courier.carry(Parcel::Post { url, headers: Vec::new(), body: bytes::Bytes::new() }).await;
    let why = match brought {
        Ok(reply) if (200..300).contains(&reply.status) => None,
        Ok(reply) => Some(format!("answered {}", reply.status)),
        Err(failure) => Some(failure.to_string()),
    };
    metrics.count_heartbeat(why.is_none());
    if let Some(why) = why {
        tracing::warn!(why, "the heartbeat could not be sent");
    }
}

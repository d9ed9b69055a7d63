//! The configuration: one TOML file, every key optional, every value also from the environment.
//!
//! Promises: an unknown key or a bad value is an error that names the place and the nearest right word; secrets never
//! appear in `Debug`. Deliberately not here: opening anything the configuration names; `bongsu check` does that.

mod channel;
mod fixed;
mod load;
mod routing;
mod sameness;
mod value;
mod watch;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

pub use channel::{Channel, ChannelKind, Locale, Method};
pub use load::{ConfigError, from_toml, load};
pub(crate) use load::{check_project_name, hint, nearest};
pub use routing::{Label, Link, Maintenance, Owner, Quiet};
pub use sameness::{Mask, Merge, Protect, Sameness, SamenessRule, Split};
pub(crate) use value::percent_decoded;
pub use value::{Secret, Source, Span};
pub use watch::Watch;

use crate::issue::Policy;

/// Everything that can be set. `bongsu.toml` documents each key at its default.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the server listens.
    pub listen: SocketAddr,
    /// How people and clients reach this server, for links and DSNs. Absent: `http://` and `listen`.
    pub public_url: Option<String>,
    /// Where the state lives.
    pub archive: Archive,
    /// What several bongsu share besides it.
    pub cache: Cache,
    /// Reads and actions.
    pub api: Api,
    /// How often the same error may alert.
    pub policy: PolicySettings,
    /// Projects besides those made by `bongsu project add`.
    pub project: Vec<Project>,
    /// Where alerts go.
    pub channel: Vec<Channel>,
    /// Which alerts go where. First match wins unless it says `continue = true`.
    pub route: Vec<Route>,
    /// Links that messages have besides the issue's page.
    pub link: Vec<Link>,
    /// Who looks after which errors.
    pub owner: Vec<Owner>,
    /// Hours in which channels are not told.
    pub quiet: Vec<Quiet>,
    /// Times in which nothing alerts.
    pub maintenance: Vec<Maintenance>,
    /// What people are told of bongsu's own stores.
    pub health: Health,
    /// An error that bongsu sends itself.
    pub watch: Watch,
    /// What is added to the rules of sameness.
    pub sameness: Sameness,
    /// What is replaced by a mark before anything is stored or sent.
    pub scrub: Scrub,
    /// Limits on what comes in.
    pub limits: Limits,
    /// What one cause breaks is told in one message.
    pub storm: Storm,
    /// How alerts are sent.
    pub deliver: Deliver,
    /// What is kept for how long.
    pub retention: Retention,
    /// Which addresses outgoing requests may reach.
    pub outgoing: Outgoing,
    /// The server's own log.
    pub log: Log,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 8505)),
            public_url: None,
            archive: Archive::default(),
            cache: Cache::default(),
            api: Api::default(),
            policy: PolicySettings::default(),
            project: Vec::new(),
            channel: Vec::new(),
            route: Vec::new(),
            link: Vec::new(),
            owner: Vec::new(),
            quiet: Vec::new(),
            maintenance: Vec::new(),
            health: Health::default(),
            watch: Watch::default(),
            sameness: Sameness::default(),
            scrub: Scrub::default(),
            limits: Limits::default(),
            storm: Storm::default(),
            deliver: Deliver::default(),
            retention: Retention::default(),
            outgoing: Outgoing::default(),
            log: Log::default(),
        }
    }
}

impl Config {
    /// The address for links and DSNs, without a trailing slash.
    pub fn public_url(&self) -> String {
        match &self.public_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("http://{}", self.listen),
        }
    }
}

/// Where the state lives.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Archive {
    /// `sqlite:PATH`, `postgres://…` or `mysql://…`.
    pub url: Secret,
    /// Connections to a server at a time. Not for SQLite.
    pub connections: u32,
    /// How long a server may take for one statement, or for a connection. Not for SQLite.
    pub timeout: Span,
    /// With a cache: how long an event waits for an archive that gives no sign of life.
    pub patience: Span,
}

impl Archive {
    /// The path of `sqlite:PATH`; `None` for a server.
    pub(crate) fn sqlite_path(&self) -> Option<&str> {
        self.url.expose().strip_prefix("sqlite:")
    }

    /// Where it is, for people: a path, or host and database. Never the user's name or password.
    pub(crate) fn place(&self) -> String {
        match (self.sqlite_path(), url::Url::parse(self.url.expose())) {
            (Some(path), _) => path.to_owned(),
            (None, Err(_)) => "at the configured URL".to_owned(),
            (None, Ok(url)) => {
                let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
                format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
            }
        }
    }
}

impl Default for Archive {
    fn default() -> Archive {
        Archive {
            url: Secret::new("sqlite:./bongsu-data/bongsu.db"),
            connections: 10,
            timeout: Span::secs(2),
            patience: Span::millis(500),
        }
    }
}

/// The memory that several bongsu on one archive share.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cache {
    /// `redis://…`, `rediss://…`, `redis-sentinel://…`, `redis-cluster://…` or `dynamodb://…`. Absent: the archive alone.
    pub url: Option<Secret>,
    /// The longest that a call may take; beyond it the archive is asked.
    pub timeout: Span,
    /// How often what was counted is written back to the archive.
    pub write_back: Span,
    /// How long a record is kept after its window is over, for its last write-back.
    pub grace: Span,
}

impl Default for Cache {
    fn default() -> Cache {
        Cache { url: None, timeout: Span::millis(200), write_back: Span::secs(1), grace: Span::secs(15 * 60) }
    }
}

/// Reads and actions over HTTP.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Api {
    /// The token for reads and actions, 32 characters or more. Absent: made at the first start and printed once.
    pub token: Option<Secret>,
}

/// A policy in which every part is optional: a route's own says only what differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicySettings {
    /// Alerts in one window, at most. 1 to 100.
    pub budget: Option<u32>,
    /// How long a window lasts.
    pub window: Option<Span>,
    /// Minimum gaps between alerts.
    pub spacing: Option<Vec<Span>>,
    /// Whether a window that held something back is closed with a message.
    pub closing: Option<bool>,
}

impl PolicySettings {
    /// These settings where they say something, otherwise those of `base`.
    pub fn over(&self, base: &Policy) -> Policy {
        Policy {
            budget: self.budget.unwrap_or(base.budget),
            window: self.window.map_or(base.window, Span::get),
            spacing: self
                .spacing
                .as_ref()
                .map_or_else(|| base.spacing.clone(), |gaps| gaps.iter().map(|gap| gap.get()).collect()),
            closing: self.closing.unwrap_or(base.closing),
            maintenance_until: base.maintenance_until,
        }
    }

    /// The default policy with these settings: five alerts an hour, no gaps, with a closing message.
    pub fn resolved(&self) -> Policy {
        self.over(&Policy {
            budget: 5,
            window: Duration::from_secs(3600),
            spacing: Vec::new(),
            closing: true,
            maintenance_until: None,
        })
    }
}

/// A project of the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// Its name, which is the module of events that name none.
    pub name: String,
    /// Its key, 32 hexadecimal digits. May only send.
    pub key: Secret,
}

/// Which alerts go where.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Route {
    /// Attribute names with a pattern each (`*` stands for any run of characters); all must match. Besides the seven:
    /// `level` (that or graver), `project`, `tags.NAME`, `cause` (the beginning of a cause key), and `ordinal` (that
    /// alert of a window and later ones).
    #[serde(rename = "match")]
    pub matchers: BTreeMap<String, String>,
    /// Channels by name. Empty: nobody is told; occurrences are counted all the same.
    pub channels: Vec<String>,
    /// What differs from the default policy.
    pub policy: PolicySettings,
    /// Go on to later routes after this one; their channels are added.
    #[serde(rename = "continue")]
    pub go_on: bool,
}

/// What people are told of bongsu's own stores.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Health {
    /// Channels that are told when the cache or the archive goes away, and when it is back. Empty: all of them.
    pub channels: Vec<String>,
}

/// What is replaced by a mark before anything is stored or sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scrub {
    /// The rules in force, by name.
    pub rules: Vec<String>,
    /// Further names whose values are removed (`api_pin`: the value in `api_pin=…`, `"api_pin": "…"`, a tag so named).
    pub keys: Vec<String>,
}

impl Default for Scrub {
    fn default() -> Scrub {
        let rules = ["secret", "bearer", "jwt", "card", "resident", "phone", "email"];
        Scrub { rules: rules.map(str::to_owned).to_vec(), keys: Vec::new() }
    }
}

/// Limits on what comes in. Each has a counted and visible overflow.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// A request's body as sent, in bytes.
    pub body_bytes: usize,
    /// A request's body after decompression, in bytes.
    pub decoded_bytes: usize,
    /// Bytes that the bodies of all requests hold together, as sent and decompressed; beyond, clients get 429.
    pub held_bytes: usize,
    /// Events of one request.
    pub batch_events: usize,
    /// Characters of one text of an event (message, location, …); longer ones keep their beginning and their end.
    pub text_chars: usize,
    /// Stack frames of one exception; the innermost are kept.
    pub frames: usize,
    /// Exceptions of one chain; the innermost are kept.
    pub exceptions: usize,
    /// Tags of one event.
    pub tags: usize,
    /// Events that wait for the archive; beyond, clients get 503 and `Retry-After`.
    pub queued_events: usize,
    /// Connections at a time; further ones wait in the listener's queue.
    pub connections: usize,
    /// How long a client may take to send a request's head, and then its body.
    pub read_timeout: Span,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            body_bytes: 2 << 20,
            decoded_bytes: 16 << 20,
            held_bytes: 128 << 20,
            batch_events: 10_000,
            text_chars: 8_192,
            frames: 100,
            exceptions: 20,
            tags: 50,
            queued_events: 20_000,
            connections: 4_096,
            read_timeout: Span::secs(15),
        }
    }
}

/// What one cause breaks is told in one message.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Storm {
    /// Alerts of one cause belong together when no more than this lies between them. Zero: never.
    pub span: Span,
    /// How long they are gathered before they are told, and told again for the first time.
    pub wait: Span,
    /// Messages of one cause that go singly before the others are folded.
    pub above: u32,
}

impl Default for Storm {
    fn default() -> Storm {
        Storm { span: Span::secs(60), wait: Span::secs(15), above: 3 }
    }
}

/// How alerts are sent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Deliver {
    /// How long one request may take.
    pub timeout: Span,
    /// How long a claimed delivery is this process's alone; at least twice the timeout.
    pub lease: Span,
    /// The first retry's delay; each further one doubles, with jitter.
    pub backoff_first: Span,
    /// The longest delay between retries.
    pub backoff_longest: Span,
    /// After this long an alert is too old to help and goes to the dead letters.
    pub expiry: Span,
    /// Requests to one channel at a time.
    pub concurrency: usize,
    /// Messages that may be due on a channel before a digest replaces them. 0: any number.
    pub digest_above: usize,
}

impl Default for Deliver {
    fn default() -> Deliver {
        Deliver {
            timeout: Span::secs(10),
            lease: Span::secs(30),
            backoff_first: Span::secs(1),
            backoff_longest: Span::secs(300),
            expiry: Span::secs(6 * 3600),
            concurrency: 4,
            digest_above: 20,
        }
    }
}

/// What is kept for how long.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Stored events.
    pub events: Span,
    /// Counts by the minute; older ones are folded to hours.
    pub minutes: Span,
    /// Counts by the hour.
    pub hours: Span,
    /// Delivered alerts and windows, and dead letters.
    pub alerts: Span,
    /// Issues not seen for this long, with all that belongs to them.
    pub issues: Span,
    /// Stored events of one issue and day, besides those that alerted.
    pub samples_per_day: u32,
}

impl Default for Retention {
    fn default() -> Retention {
        let day = 86_400;
        Retention {
            events: Span::secs(30 * day),
            minutes: Span::secs(14 * day),
            hours: Span::secs(400 * day),
            alerts: Span::secs(90 * day),
            issues: Span::secs(400 * day),
            samples_per_day: 10,
        }
    }
}

/// Which addresses outgoing requests may reach. Link-local and cloud metadata addresses never.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outgoing {
    /// Whether private and loopback addresses are allowed.
    pub allow_private: bool,
}

impl Default for Outgoing {
    fn default() -> Outgoing {
        Outgoing { allow_private: true }
    }
}

/// The server's own log, on standard error.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,bongsu::deliver=debug`.
    pub level: String,
    /// How it is written.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Log {
        Log { level: "info".to_owned(), format: LogFormat::Auto }
    }
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Text,
    /// One object a line.
    Json,
}

//! `[cache] url`, read: which store, where, and how to get in.
//!
//! Promises: what is wrong is said with what to write instead, and neither a password nor the URL that holds it is ever
//! part of what is said. Deliberately not here: connecting, and reading the files that it names.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Secret, percent_decoded};

/// The forms of the URL, for messages.
const FORMS: &str = "write redis://HOST:6379, rediss://HOST:6379, redis-sentinel://HOST1,HOST2/MASTER-NAME, \
                     redis-cluster://HOST1,HOST2 or dynamodb://TABLE?region=REGION";

/// Everything a cache needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Which store.
    pub(super) store: Store,
    /// This process, among those that count: drawn anew at each start.
    pub(crate) pod: u64,
    /// The longest that a call may take.
    pub(crate) timeout: Duration,
    /// How long a record is kept after it and its window are over, so that its last totals can be written back.
    pub(crate) grace: Duration,
    /// Records that the memory store holds.
    pub(crate) records: usize,
}

/// A store and its place.
#[derive(Clone, Debug)]
pub(super) enum Store {
    /// This process.
    Memory,
    /// Redis or Valkey.
    Redis(RedisSettings),
    /// DynamoDB.
    DynamoDb(DynamoDbSettings),
}

/// A Redis, of whichever deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RedisSettings {
    /// Which servers to ask first.
    pub(super) deployment: Deployment,
    /// Whether all connections are encrypted.
    pub(super) tls: bool,
    /// Certificate authorities in PEM, instead of the system's.
    pub(super) ca: Option<PathBuf>,
    /// The user of the servers; `None`: the default user.
    pub(super) user: Option<String>,
    /// Its password.
    pub(super) password: Option<Secret>,
    /// The database's number.
    pub(super) database: u32,
    /// What every key begins with.
    pub(super) prefix: String,
}

/// How the servers hang together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deployment {
    /// One server.
    Standalone(Address),
    /// A master that sentinels know.
    Sentinel {
        /// The sentinels.
        sentinels: Vec<Address>,
        /// What they call the master.
        master: String,
        /// The user of the sentinels.
        user: Option<String>,
        /// Its password.
        password: Option<Secret>,
    },
    /// A cluster, by some of its nodes.
    Cluster(Vec<Address>),
}

/// Host and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Address {
    /// Name or address, without brackets.
    pub(super) host: String,
    /// Port.
    pub(super) port: u16,
}

/// A DynamoDB table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DynamoDbSettings {
    /// Its name.
    pub(super) table: String,
    /// Access key and secret; `None`: from where Amazon's own tools take them.
    pub(super) credentials: Option<(String, Secret)>,
    /// The region; `None`: the environment's.
    pub(super) region: Option<String>,
    /// Where to connect to, for another service than Amazon's.
    pub(super) endpoint: Option<String>,
    /// Whether a missing table is made.
    pub(super) create: bool,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Settings {
    /// These, of this process's memory: the last resort.
    pub(crate) fn in_memory(&self) -> Settings {
        Settings { store: Store::Memory, ..self.clone() }
    }

    /// The settings of a URL, everything else at its default.
    ///
    /// # Errors
    /// What is wrong with the URL, and what to write instead.
    pub(crate) fn parse(url: &Secret) -> Result<Settings, String> {
        let url = url.expose().trim();
        let (scheme, rest) = url.split_once(':').ok_or_else(|| format!("the URL names no store; {FORMS}"))?;
        let parts = Parts::of(rest.trim_start_matches("//"))?;
        let store = match scheme {
            "memory" => Store::Memory,
            "redis" | "rediss" => Store::Redis(standalone(parts, scheme == "rediss")?),
            "redis-sentinel" => Store::Redis(sentinel(parts)?),
            "redis-cluster" => Store::Redis(cluster(parts)?),
            "dynamodb" => Store::DynamoDb(dynamodb(parts)?),
            // Not quoted: what stands before the first colon of a URL that was cut off may be a secret.
            _ => return Err(format!("the URL begins with no known scheme; {FORMS}")),
        };
        Ok(Settings { store, ..Settings::default() })
    }

    /// Where it is, for people. Never a user's name or password.
    pub(crate) fn place(&self) -> String {
        match &self.store {
            Store::Memory => "memory:".to_owned(),
            Store::Redis(redis) => redis.place(),
            Store::DynamoDb(table) => format!("dynamodb://{}", table.table),
        }
    }

    /// The same store under keys of its own, which nobody else reads. A table of DynamoDB is used as it is: its records
    /// are told apart by their fingerprints.
    pub(crate) fn aside(mut self, name: &str) -> Settings {
        if let Store::Redis(redis) = &mut self.store {
            // Longer, so that a user who may touch the configured prefix alone may touch this one.
            redis.prefix = format!("{}:{name}", redis.prefix);
        }
        self
    }
}

impl RedisSettings {
    fn place(&self) -> String {
        let list = |addresses: &[Address]| addresses.iter().map(Address::to_string).collect::<Vec<_>>().join(",");
        match &self.deployment {
            Deployment::Standalone(address) if self.tls => format!("rediss://{address}"),
            Deployment::Standalone(address) => format!("redis://{address}"),
            Deployment::Sentinel { sentinels, master, .. } => format!("redis-sentinel://{}/{master}", list(sentinels)),
            Deployment::Cluster(nodes) => format!("redis-cluster://{}", list(nodes)),
        }
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            store: Store::Memory,
            pod: 0,
            timeout: Duration::from_millis(500),
            grace: Duration::from_mins(15),
            records: 100_000,
        }
    }
}

/// A URL without its scheme, taken apart. `url` cannot do it: there are several hosts.
struct Parts {
    user: Option<String>,
    password: Option<Secret>,
    hosts: String,
    path: String,
    query: Vec<(String, String)>,
}

impl Parts {
    fn of(rest: &str) -> Result<Parts, String> {
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        // The password may hold anything but an unwritten `/`, and nobody writes `@` in a host.
        let (access, rest) = match rest.rsplit_once('@') {
            Some((access, rest)) => (Some(access), rest),
            None => (None, rest),
        };
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, password) = match access {
            None => (None, None),
            Some(access) => {
                let (user, password) = access.split_once(':').unwrap_or((access, ""));
                let user = Some(percent_decoded(user)?).filter(|user| !user.is_empty());
                (user, Some(percent_decoded(password)?).filter(|password| !password.is_empty()).map(Secret::new))
            }
        };
        if user.is_some() && password.is_none() {
            return Err("the URL has a user but no password; write USER:PASSWORD@, or :PASSWORD@ for the default user"
                .to_owned());
        }
        Ok(Parts { user, password, hosts: hosts.to_owned(), path: path.trim_end_matches('/').to_owned(), query })
    }

    /// Takes a parameter out of the query.
    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.query.iter().position(|(key, _)| key == name)?;
        Some(self.query.remove(at).1).filter(|value| !value.is_empty())
    }

    /// Takes a yes-or-no parameter out of the query.
    fn take_flag(&mut self, name: &str) -> Result<bool, String> {
        match self.take(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(format!("the URL's {name} is neither true nor false")),
        }
    }

    /// Complains about parameters that nobody took. Their values may be secrets.
    fn nothing_left(&self, known: &[&str]) -> Result<(), String> {
        match self.query.first() {
            None => Ok(()),
            Some((name, _)) => {
                let hint = crate::config::nearest(name, known.iter().copied())
                    .map_or_else(String::new, |word| format!(" (did you mean `{word}`?)"));
                Err(format!(
                    "the URL has an unknown or repeated parameter `{name}`{hint}; known here: {}",
                    known.join(", ")
                ))
            }
        }
    }

    fn addresses(&self, default_port: u16) -> Result<Vec<Address>, String> {
        let addresses: Result<Vec<Address>, String> =
            self.hosts.split(',').filter(|host| !host.is_empty()).map(|host| address(host, default_port)).collect();
        match addresses {
            Ok(none) if none.is_empty() => Err(format!("the URL names no host; {FORMS}")),
            addresses => addresses,
        }
    }
}

fn address(text: &str, default_port: u16) -> Result<Address, String> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = match port {
        None => default_port,
        Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
            "the URL has a host with something else than a port after its colon; write HOST:PORT, an IPv6 address in \
             brackets, and `@`, `/`, `:` and `%` of a password as %40, %2F, %3A and %25"
                .to_owned()
        })?,
    };
    if host.is_empty() {
        return Err("the URL has a port without a host; write HOST:PORT".to_owned());
    }
    Ok(Address { host: host.to_owned(), port })
}

const COMMON: [&str; 2] = ["ca", "prefix"];

/// What all deployments have; the deployment itself is a placeholder.
fn common(parts: &mut Parts, tls: bool) -> Result<RedisSettings, String> {
    let ca = parts.take("ca").map(PathBuf::from);
    if ca.is_some() && !tls {
        return Err("the URL names a `ca` but no encryption; write rediss:// or `tls=true`".to_owned());
    }
    let prefix = parts.take("prefix").unwrap_or_else(|| "bongsu".to_owned());
    if !prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte)) {
        return Err("the URL's prefix may have letters, digits, `-`, `_`, `.` and `:` only".to_owned());
    }
    Ok(RedisSettings {
        deployment: Deployment::Cluster(Vec::new()),
        tls,
        ca,
        user: parts.user.take(),
        password: parts.password.take(),
        database: 0,
        prefix,
    })
}

fn database(text: &str) -> Result<u32, String> {
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(|_| "the URL's path is not the number of a database; write redis://HOST:6379/0".to_owned())
}

fn standalone(mut parts: Parts, tls: bool) -> Result<RedisSettings, String> {
    let mut addresses = parts.addresses(6379)?;
    if addresses.len() > 1 {
        return Err("a redis:// URL names one host; several are for redis-sentinel:// and redis-cluster://".to_owned());
    }
    let mut settings = common(&mut parts, tls)?;
    settings.database = database(&parts.path)?;
    settings.deployment = Deployment::Standalone(addresses.remove(0));
    parts.nothing_left(&COMMON)?;
    Ok(settings)
}

fn sentinel(mut parts: Parts) -> Result<RedisSettings, String> {
    let sentinels = parts.addresses(26379)?;
    let tls = parts.take_flag("tls")?;
    let mut settings = common(&mut parts, tls)?;
    let path = parts.path.clone();
    let (master, number) = path.split_once('/').unwrap_or((&path, ""));
    if master.is_empty() {
        return Err("the URL does not say what the sentinels call the master; write \
                    redis-sentinel://HOST1,HOST2/MASTER-NAME"
            .to_owned());
    }
    settings.database = database(number)?;
    let user = parts.take("sentinel_user");
    let password = parts.take("sentinel_password").map(Secret::new);
    settings.deployment = Deployment::Sentinel { sentinels, master: master.to_owned(), user, password };
    parts.nothing_left(&["ca", "prefix", "sentinel_password", "sentinel_user", "tls"])?;
    Ok(settings)
}

fn cluster(mut parts: Parts) -> Result<RedisSettings, String> {
    let seeds = parts.addresses(6379)?;
    let tls = parts.take_flag("tls")?;
    let mut settings = common(&mut parts, tls)?;
    if !matches!(parts.path.as_str(), "" | "0") {
        return Err("a cluster has database 0 only; write redis-cluster://HOST1,HOST2 without a path".to_owned());
    }
    settings.deployment = Deployment::Cluster(seeds);
    parts.nothing_left(&["ca", "prefix", "tls"])?;
    Ok(settings)
}

fn dynamodb(mut parts: Parts) -> Result<DynamoDbSettings, String> {
    if parts.password.is_some() && parts.user.is_none() {
        return Err(
            "the URL has a secret without an access key; write dynamodb://ACCESS_KEY:SECRET@TABLE, or neither for \
                    the environment's, a web identity or the machine's role"
                .to_owned(),
        );
    }
    let credentials = parts.user.take().zip(parts.password.take());
    let table = std::mem::take(&mut parts.hosts);
    let well_formed = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if !(3..=255).contains(&table.len()) || !well_formed(&table) || !parts.path.is_empty() {
        return Err("the URL's table is not 3 to 255 letters, digits, `-`, `_` or `.`; write \
                    dynamodb://TABLE?region=REGION"
            .to_owned());
    }
    let region = parts.take("region");
    let endpoint = parts.take("endpoint");
    if endpoint.as_deref().is_some_and(|url| url::Url::parse(url).is_err()) {
        return Err("the URL's endpoint is not a URL; write endpoint=http://HOST:PORT".to_owned());
    }
    let create = parts.take_flag("create")?;
    parts.nothing_left(&["create", "endpoint", "region"])?;
    Ok(DynamoDbSettings { table, credentials, region, endpoint, create })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn read(url: &str) -> RedisSettings {
        match Settings::parse(&Secret::new(url)).unwrap().store {
            Store::Redis(settings) => settings,
            other => panic!("{other:?}"),
        }
    }

    fn check(url: &str, expected: Expect) {
        let said = match Settings::parse(&Secret::new(url)) {
            Ok(settings) => format!("{:?}", settings.store),
            Err(why) => why,
        };
        assert!(!said.contains("hunter2"), "{said}");
        expected.assert_eq(&said);
    }

    #[test]
    fn every_deployment_has_its_form() {
        let plain = read("redis://cache");
        assert_eq!(plain.deployment, Deployment::Standalone(Address { host: "cache".into(), port: 6379 }));
        assert_eq!((plain.tls, plain.database, plain.prefix.as_str()), (false, 0, "bongsu"));
        let full = read("rediss://bong%40su:p%2Fw%25@[::1]:7000/3?ca=/etc/ca.pem&prefix=team:a");
        assert_eq!(full.deployment, Deployment::Standalone(Address { host: "::1".into(), port: 7000 }));
        assert_eq!(
            (full.user.as_deref(), full.password, full.database),
            (Some("bong@su"), Some(Secret::new("p/w%")), 3)
        );
        assert_eq!((full.tls, full.ca, full.prefix.as_str()), (true, Some("/etc/ca.pem".into()), "team:a"));
        let sentinel = read("redis-sentinel://:pw@a,b:7/main/2?sentinel_password=other&tls=true");
        assert_eq!((sentinel.user, sentinel.database, sentinel.tls), (None, 2, true));
        let Deployment::Sentinel { sentinels, master, password, .. } = sentinel.deployment else { panic!() };
        assert_eq!(sentinels.iter().map(Address::to_string).collect::<Vec<_>>(), ["a:26379", "b:7"]);
        assert_eq!((master.as_str(), password), ("main", Some(Secret::new("other"))));
        assert!(matches!(read("redis-cluster://a:1,b:2,c").deployment, Deployment::Cluster(nodes) if nodes.len() == 3));
    }

    #[test]
    fn a_place_is_named_without_the_secret_and_keys_aside_keep_their_prefix() {
        let place = |url: &str| Settings::parse(&Secret::new(url)).unwrap().place();
        for (url, expected) in [
            ("memory:", "memory:"),
            ("redis://bongsu:hunter2@cache", "redis://cache:6379"),
            ("rediss://:hunter2@[::1]:7000/3?prefix=a", "rediss://[::1]:7000"),
            ("redis-sentinel://:hunter2@a,b:7/main", "redis-sentinel://a:26379,b:7/main"),
            ("redis-cluster://:hunter2@a,b", "redis-cluster://a:6379,b:6379"),
            ("dynamodb://AK:hunter2@errors?region=eu-west-1", "dynamodb://errors"),
        ] {
            assert_eq!(place(url), expected);
        }
        let Store::Redis(aside) = Settings::parse(&Secret::new("redis://cache")).unwrap().aside("bench-7").store else {
            panic!()
        };
        assert_eq!(aside.prefix, "bongsu:bench-7");
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secret() {
        check(
            "redis//hunter2",
            expect![
                "the URL names no store; write redis://HOST:6379, rediss://HOST:6379, redis-sentinel://HOST1,HOST2/MASTER-NAME, redis-cluster://HOST1,HOST2 or dynamodb://TABLE?region=REGION"
            ],
        );
        check(
            "redis://user:hunter2/x@host:6379",
            expect![[r#"
                Redis(RedisSettings { deployment: Standalone(Address { host: "host", port: 6379 }), tls: false, ca: None, user: Some("user"), password: Some((secret)), database: 0, prefix: "bongsu" })"#]],
        );
        check(
            "redis://user:hunter2",
            expect![
                "the URL has a host with something else than a port after its colon; write HOST:PORT, an IPv6 address in brackets, and `@`, `/`, `:` and `%` of a password as %40, %2F, %3A and %25"
            ],
        );
        check(
            "redis://host?passwort=hunter2",
            expect!["the URL has an unknown or repeated parameter `passwort`; known here: ca, prefix"],
        );
        check("redis://host/one", expect!["the URL's path is not the number of a database; write redis://HOST:6379/0"]);
        check(
            "redis-sentinel://a,b",
            expect![
                "the URL does not say what the sentinels call the master; write redis-sentinel://HOST1,HOST2/MASTER-NAME"
            ],
        );
        check(
            "redis-cluster://a,b/1",
            expect!["a cluster has database 0 only; write redis-cluster://HOST1,HOST2 without a path"],
        );
        check(
            "redis-cluster://a?prefx=x",
            expect![
                "the URL has an unknown or repeated parameter `prefx` (did you mean `prefix`?); known here: ca, prefix, tls"
            ],
        );
        check(
            "dynamodb://AK:hunter2@errors?region=eu-west-1&create=true",
            expect![[r#"
                DynamoDb(DynamoDbSettings { table: "errors", credentials: Some(("AK", (secret))), region: Some("eu-west-1"), endpoint: None, create: true })"#]],
        );
        check(
            "dynamodb://x",
            expect![
                "the URL's table is not 3 to 255 letters, digits, `-`, `_` or `.`; write dynamodb://TABLE?region=REGION"
            ],
        );
    }
}

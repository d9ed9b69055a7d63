//! Keys and tokens: made, hashed, looked up.
//!
//! Promises: only hashes are stored; a flood of unknown keys costs the archive at most one read a second. Deliberately
//! not here: what a key allows. A project's key may send and nothing else; the API token may read and act.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::alert::OWN_PROJECT;
use crate::archive::{Archive, Error, KeyHash, KnownProject};
use crate::config;
use crate::time::Time;

/// How long after a look-up the next unknown key may cause another.
const REFRESH_EVERY: Duration = Duration::from_secs(1);

/// A new random key: 128 bits as 32 hexadecimal digits.
///
/// # Panics
/// When the operating system gives no random numbers: nothing secret could be made at all then.
pub(crate) fn new_key() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives random numbers");
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// A new random API token: 192 bits, 48 hexadecimal digits, marked as ours for secret scanners.
pub(crate) fn new_token() -> String {
    format!("bongsu_{}{}", new_key(), &new_key()[..16])
}

/// What is stored and compared of a key.
pub(crate) fn hash(key: &str) -> KeyHash {
    Sha256::digest(key.as_bytes()).into()
}

/// The projects of a configuration, by their keys.
#[derive(Default)]
pub(crate) struct Configured(HashMap<KeyHash, Arc<KnownProject>>);

/// The projects that may send.
pub(crate) struct Keys {
    archive: Archive,
    /// Keys of the configuration: never stored, gone with it.
    configured: RwLock<Configured>,
    /// The server's own key, for what it sends itself. Its project is in no table.
    own: (KeyHash, Arc<KnownProject>),
    stored: RwLock<HashMap<KeyHash, Arc<KnownProject>>>,
    /// When the stored keys were read last. Held while they are read, so that whoever waits finds them fresh.
    refreshed_at: tokio::sync::Mutex<Time>,
}

impl Keys {
    /// Loads the stored keys and adds those of the configuration, whose projects are made when they are not there.
    ///
    /// # Errors
    /// When the archive fails.
    pub(crate) async fn load(
        archive: Archive,
        configured: &[config::Project],
        own: &str,
        now: Time,
    ) -> Result<Keys, Error> {
        let (stored, refreshed_at) = (RwLock::default(), tokio::sync::Mutex::new(now));
        let project = KnownProject { id: 0, name: OWN_PROJECT.into(), created_at: now, keys: 1 };
        let own = (hash(own), Arc::new(project));
        let keys = Keys { archive, configured: RwLock::default(), own, stored, refreshed_at };
        keys.go_by(keys.ready(configured, now).await?);
        keys.refresh().await?;
        Ok(keys)
    }

    /// Makes the projects of a configuration that are not there, and so asks nobody when all are known.
    ///
    /// # Errors
    /// When the archive fails.
    pub(crate) async fn ready(&self, configured: &[config::Project], now: Time) -> Result<Configured, Error> {
        let mut keys = HashMap::new();
        for project in configured {
            let key = hash(&project.key.expose().to_ascii_lowercase());
            let before = self.configured().0.values().find(|known| *known.name == *project.name).cloned();
            let known = match before {
                Some(known) => known,
                None => {
                    let id = self.archive.add_project(project.name.clone(), now).await?;
                    Arc::new(KnownProject { id, name: project.name.as_str().into(), created_at: now, keys: 1 })
                }
            };
            keys.insert(key, known);
        }
        Ok(Configured(keys))
    }

    /// From now on, the configuration's keys are these.
    pub(crate) fn go_by(&self, configured: Configured) {
        *self.configured.write().unwrap_or_else(PoisonError::into_inner) = configured;
    }

    fn configured(&self) -> RwLockReadGuard<'_, Configured> {
        self.configured.read().unwrap_or_else(PoisonError::into_inner)
    }

    async fn refresh(&self) -> Result<(), Error> {
        let projects: HashMap<i64, Arc<KnownProject>> =
            self.archive.projects().await?.into_iter().map(|project| (project.id, Arc::new(project))).collect();
        let keys = self.archive.keys().await?;
        let stored = keys.into_iter().filter_map(|(key, id)| Some((key, Arc::clone(projects.get(&id)?)))).collect();
        *self.stored.write().unwrap_or_else(PoisonError::into_inner) = stored;
        Ok(())
    }

    fn known(&self, key: &KeyHash) -> Option<Arc<KnownProject>> {
        let stored = self.stored.read().unwrap_or_else(PoisonError::into_inner);
        let own = Some(&self.own).filter(|(own, _)| own == key).map(|(_, project)| project);
        self.configured().0.get(key).or_else(|| stored.get(key)).or(own).cloned()
    }

    /// The project that a key sends for.
    pub(crate) async fn project_of(&self, key: &str, now: Time) -> Option<Arc<KnownProject>> {
        if key.len() != 32 {
            return None;
        }
        let hash = hash(&key.to_ascii_lowercase());
        if let Some(project) = self.known(&hash) {
            return Some(project);
        }
        let mut refreshed_at = self.refreshed_at.lock().await;
        if let Some(project) = self.known(&hash) {
            return Some(project);
        }
        if now >= *refreshed_at && now.since(*refreshed_at) < REFRESH_EVERY {
            return None;
        }
        *refreshed_at = now;
        if let Err(error) = self.refresh().await {
            tracing::warn!(%error, "the stored keys could not be read; those known so far still hold");
        }
        self.known(&hash)
    }
}

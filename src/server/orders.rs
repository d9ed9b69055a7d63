//! The orders: all that is compiled from a configuration, and that the stages go by.
//!
//! Promises: what can be wrong with a configuration is found here, before anything of it takes effect; nothing is opened
//! and nothing is asked. Deliberately not here: state. The archive has it, and `admit` for what the archive does not know
//! yet.

use std::sync::Arc;

use crate::cache;
use crate::config::{self, Config};
use crate::deliver::{Channels, Courier, Routes};
use crate::fingerprint::Sameness;
use crate::health;
use crate::river::Terms;
use crate::scrub::Scrubber;
use crate::watch;

/// What is compiled from one configuration.
pub(super) struct Orders {
    /// The configuration itself.
    pub(super) config: Config,
    /// Where messages go.
    pub(super) channels: Channels,
    /// Who carries them.
    pub(super) courier: Courier,
    /// What the cache is, if there is one.
    pub(super) cache: Option<cache::Settings>,
    /// What events are judged by.
    pub(super) terms: Arc<Terms>,
    /// What canaries go by.
    pub(super) watch: Arc<watch::Settings>,
}

impl Orders {
    /// Compiles a configuration. What `before` has compiled of the same words is taken over, with what it has learned and
    /// the connections that it has open.
    ///
    /// # Errors
    /// What cannot be used of it.
    pub(super) fn new(config: Config, before: Option<&Orders>) -> Result<Orders, String> {
        let channels = Channels::new(&config)?;
        let names: Vec<Arc<str>> = channels.iter().map(|channel| Arc::clone(channel.name())).collect();
        let sameness = match before {
            None => Arc::new(Sameness::new(&config.sameness)?),
            Some(before) if before.config.sameness == config.sameness => Arc::clone(&before.terms.sameness),
            Some(before) => Arc::new(before.terms.sameness.with(&config.sameness)?),
        };
        let terms = Terms {
            scrubber: Scrubber::new(&config.scrub)?,
            rules: Arc::clone(&sameness).rules(),
            sameness,
            routes: Routes::new(&config)?,
            own: Arc::new(health::route(&config, &names)),
            canary: Arc::new(watch::route(&config.watch)),
        };
        let carries = |config: &Config| (config.outgoing.clone(), config.deliver.timeout);
        let courier = match before {
            Some(before) if carries(&before.config) == carries(&config) => before.courier.clone(),
            _ => Courier::new(&config.outgoing, config.deliver.timeout.get()).map_err(|why| format!("{why:#}"))?,
        };
        let cache = cache_settings(&config.cache).map_err(|why| format!("cache.url: {why}"))?;
        let watch = Arc::new(watch::Settings::new(&config, &channels, &courier)?);
        Ok(Orders { config, channels, courier, cache, terms: Arc::new(terms), watch })
    }
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

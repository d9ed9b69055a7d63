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
use crate::scrub::Scrubber;

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
    /// What tells errors apart.
    pub(super) sameness: Arc<Sameness>,
    /// Which error falls under which policy, and goes where.
    pub(super) routes: Routes,
    /// What is replaced by a mark.
    pub(super) scrubber: Scrubber,
}

impl Orders {
    /// Compiles a configuration.
    ///
    /// # Errors
    /// What cannot be used of it.
    pub(super) fn new(config: Config) -> Result<Orders, String> {
        Ok(Orders {
            channels: Channels::new(&config)?,
            routes: Routes::new(&config)?,
            sameness: Arc::new(Sameness::new(&config.sameness)?),
            scrubber: Scrubber::new(&config.scrub)?,
            courier: Courier::new(&config.outgoing, config.deliver.timeout.get()).map_err(|why| format!("{why:#}"))?,
            cache: cache_settings(&config.cache).map_err(|why| format!("cache.url: {why}"))?,
            config,
        })
    }

    /// The names of the channels.
    pub(super) fn names(&self) -> Vec<Arc<str>> {
        self.channels.iter().map(|channel| Arc::clone(channel.name())).collect()
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

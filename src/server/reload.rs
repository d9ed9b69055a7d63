//! The reload: a running server goes by another configuration.
//!
//! Promises: a configuration that cannot be used, or that looks like a file cut short, changes nothing and is said to be
//! refused, in one line. One that can be used takes
//! effect as a whole, without a request or a delivery being lost: windows, budgets and the outbox are the archive's, and
//! only what is compiled is replaced. What is fixed at the start (`config/fixed.rs`) is named. Deliberately not here: when
//! to read and from where; whoever runs the server knows.

use std::sync::Arc;

use tokio::signal::unix::Signal;
use tokio::sync::watch;

use super::crew::Crew;
use super::now;
use super::orders::Orders;
use crate::archive::{Archive, Keep};
use crate::config::Config;
use crate::keys::{self, Keys};
use crate::metrics::Metrics;
use crate::river::River;
use crate::web;

/// How a running server comes by another configuration.
pub struct Again {
    /// Asks for it.
    pub asked: Signal,
    /// Reads it.
    pub read: Box<dyn Fn() -> anyhow::Result<Config> + Send>,
    /// Is told what the server goes by from now on.
    pub taken: Box<dyn Fn(&Config) + Send>,
}

/// All that goes by orders.
pub(super) struct Reloader {
    pub(super) orders: watch::Sender<Arc<Orders>>,
    pub(super) web: watch::Sender<web::Settings>,
    pub(super) watch: watch::Sender<Arc<crate::watch::Settings>>,
    pub(super) crew: Crew,
    pub(super) river: Arc<River>,
    pub(super) keys: Arc<Keys>,
    pub(super) archive: Archive,
    pub(super) metrics: Arc<Metrics>,
}

impl Reloader {
    /// Reloads whenever it is asked to, until `stop` says so. Answers the crew that is there then.
    pub(super) async fn run(mut self, again: Option<Again>, mut stop: watch::Receiver<bool>) -> Crew {
        self.metrics.config_loaded(now());
        if let Some(mut again) = again {
            tokio::select! {
                () = self.serve(&mut again) => {}
                _ = stop.changed() => {}
            }
        } else {
            stop.changed().await.ok();
        }
        self.crew
    }

    async fn serve(&mut self, again: &mut Again) {
        while again.asked.recv().await.is_some() {
            let done = match (again.read)() {
                Ok(config) => self.reload(config).await,
                Err(why) => Err(format!("{why:#}")),
            };
            match done {
                Ok(()) => {
                    let orders = Arc::clone(&self.orders.borrow());
                    (again.taken)(&orders.config);
                    self.metrics.count_reload(true);
                    self.metrics.config_loaded(now());
                    let (channels, routes) = (orders.config.channel.len(), orders.config.route.len());
                    tracing::info!(channels, routes, "the configuration was read again and is in force");
                }
                Err(why) => {
                    self.metrics.count_reload(false);
                    let error = why.lines().map(str::trim).collect::<Vec<_>>().join("; ").replace(":; ", ": ");
                    tracing::error!(
                        error,
                        "the configuration was read again and refused; the one before stays in force"
                    );
                }
            }
        }
    }

    async fn reload(&mut self, config: Config) -> Result<(), String> {
        let before = Arc::clone(&self.orders.borrow());
        cut_short(&config, &before.config)?;
        // Also what does not take effect must be fit for the next start.
        Orders::new(config.clone(), Some(&before))?;
        let (config, waiting) = config.continuing(&before.config);
        let orders = Arc::new(Orders::new(config, Some(&before))?);
        let configured = self.keys.ready(&orders.config.project, now()).await;
        let configured = configured.map_err(|why| format!("project: the archive could not be asked: {why}"))?;
        if !waiting.is_empty() {
            let keys = waiting.join(", ");
            tracing::warn!(keys, "what has changed here takes effect when the server is started again");
        }
        // From here on nothing fails. The workers come first: what is routed to a new channel must find one.
        self.crew.muster(&orders);
        self.river.go_by(Arc::clone(&orders.terms));
        self.keys.go_by(configured);
        self.watch.send_replace(Arc::clone(&orders.watch));
        let expiry = orders.config.deliver.expiry.get();
        self.web.send_modify(|settings| {
            settings.expiry = expiry;
            settings.slack = web::slack_secrets(&orders.config);
            if let Some(token) = &orders.config.api.token {
                settings.token = keys::hash(token.expose());
            }
        });
        let (kept, keep) = (&before.config.retention, &orders.config.retention);
        if self.archive.is_shared() && kept != keep {
            let who = self.archive.expire_by_itself(&Keep(keep.clone())).await;
            tracing::info!(archive = self.archive.kind(), "{who}");
        }
        self.orders.send_replace(orders);
        Ok(())
    }
}

/// A file that was emptied, or is half written, may well be good TOML: it would turn every client away and tell nobody.
fn cut_short(config: &Config, before: &Config) -> Result<(), String> {
    let lost = |key: &str| {
        Err(format!(
            "it has no [[{key}]], where there were some: is the file cut short? If it is meant, start the server anew"
        ))
    };
    if config.channel.is_empty() && !before.channel.is_empty() {
        return lost("channel");
    }
    if config.project.is_empty() && !before.project.is_empty() {
        return lost("project");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::cut_short;
    use crate::config::from_toml;

    #[test]
    fn a_file_that_lost_all_its_channels_or_projects_is_cut_short() {
        const PROJECT: &str = "[[project]]\nname = \"shop\"\nkey = \"0123456789abcdef0123456789abcdef\"\n";
        const CHANNEL: &str = "[[channel]]\nname = \"out\"\ntype = \"console\"\n";
        let both = format!("{PROJECT}{CHANNEL}");
        let lost = |after: &str, before: &str| {
            cut_short(&from_toml(after).unwrap(), &from_toml(before).unwrap()).err().unwrap_or_default()
        };
        assert!(lost("", &both).contains("no [[channel]]"));
        assert!(lost(PROJECT, &both).contains("no [[channel]]"));
        assert!(lost(CHANNEL, &both).contains("no [[project]]"));
        for (after, before) in [(&*both, &*both), (&both, ""), ("", ""), (CHANNEL, CHANNEL), (&both, PROJECT)] {
            assert_eq!(lost(after, before), "", "{before:?} → {after:?}");
        }
    }
}

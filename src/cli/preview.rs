//! `bongsu preview`: what a channel would send, without sending it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use clap::builder::PossibleValuesParser;

use super::print;
use super::sameness::{events, read, scrubber};
use crate::config::{Config, hint};
use crate::deliver::{Channels, Occasion, Routes, Supposed, preview};
use crate::event::Event;
use crate::fingerprint::Sameness;
use crate::server;

/// Whose error it is when the configuration has no project: the first start makes one of that name.
const PROJECT: &str = "default";

#[derive(Args)]
pub(super) struct Preview {
    /// The channel's name
    channel: String,
    /// A native event as JSON, `-` for standard input; without one, a sample
    event: Option<PathBuf>,
    /// What is told
    #[arg(long, default_value = "alert", value_parser = PossibleValuesParser::new(Occasion::ALL.map(|(name, _)| name)))]
    kind: String,
    /// Which alert of its window
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    ordinal: u32,
    /// For machines
    #[arg(long)]
    json: bool,
}

impl Preview {
    pub(super) fn run(self, config: &Config) -> Result<ExitCode> {
        let channels = Channels::new(config).map_err(anyhow::Error::msg)?;
        let Some(channel) = channels.iter().find(|channel| **channel.name() == *self.channel) else {
            let known = channels.iter().map(|channel| &**channel.name());
            bail!("there is no channel {:?}{}", self.channel, hint(&self.channel, known));
        };
        let occasion = Occasion::ALL.into_iter().find(|(name, _)| *name == self.kind).map(|(_, occasion)| occasion);
        let occasion = occasion.unwrap_or(Occasion::Alert);
        let supposed = match &self.event {
            None => Supposed::sample(),
            Some(_) if occasion.is_own() => bail!("--kind {} is of bongsu's own; leave the event out", self.kind),
            Some(file) => supposed(file, config)?,
        };
        if self.ordinal > supposed.budget {
            bail!("--ordinal {}: a window has {} alerts at most", self.ordinal, supposed.budget);
        }
        let shown = preview(channel, &supposed.delivery(occasion, self.ordinal), server::now());
        if self.json {
            print::json(&shown);
        } else {
            print::line(&shown.to_string());
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Whose an error is supposed to be.
fn project(config: &Config) -> &str {
    config.project.first().map_or(PROJECT, |project| &project.name)
}

/// The event of a file, as the configuration would have it, in a window that opens now.
pub(super) fn supposed(file: &std::path::Path, config: &Config) -> Result<Supposed> {
    let mut found = events(&read(file)?, &config.limits)?;
    let mut event: Event<'static> = match found.len() {
        1 => found.remove(0).map_err(anyhow::Error::msg)?,
        count => bail!("one event is wanted; there are {count}"),
    };
    let project = project(config).to_owned();
    if event.attributes.module.is_empty() {
        event.attributes.module = project.clone().into();
    }
    scrubber(config)?.scrub(&mut event);
    let sameness = Sameness::new(&config.sameness).map_err(anyhow::Error::msg)?;
    let routes = Routes::new(config).map_err(anyhow::Error::msg)?;
    let route = routes.usual(&event, &project, &|| sameness.cause(&event));
    Ok(Supposed {
        project,
        fingerprint: sameness.identify(&event),
        cause: sameness.cause(&event),
        normalized: sameness.normalize(&event).into_owned(),
        budget: route.policy.budget,
        window: route.policy.window,
        opened_at: server::now(),
        event,
    })
}

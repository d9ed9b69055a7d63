//! `bongsu deliveries`, `bongsu resend`: what is on its way, what lies in the dead letters, and sending that again.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;

use super::{archive, print};
use crate::alert::{DeliveryState, InsteadOf};
use crate::archive::DeliveryRow;
use crate::config::{Config, hint};
use crate::deliver::Channels;
use crate::server;
use crate::web::DeliveryView;

#[derive(Args)]
pub(super) struct List {
    /// Only those in this state; `dead` are the dead letters
    #[arg(long, value_parser = ["pending", "delivered", "dead"])]
    state: Option<String>,
    /// Only those to this channel
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,
    /// How many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// For machines
    #[arg(long)]
    json: bool,
}

impl List {
    pub(super) async fn run(self, config: Config) -> Result<ExitCode> {
        let state = self.state.as_deref().and_then(DeliveryState::parse);
        let page = archive(&config).await?.deliveries(state, self.channel, None, usize::from(self.limit)).await?;
        if self.json {
            print::json(&page.items.into_iter().map(DeliveryView::from).collect::<Vec<_>>());
            return Ok(ExitCode::SUCCESS);
        }
        print::page(&page, "deliveries", self.limit, row);
        Ok(ExitCode::SUCCESS)
    }
}

/// `17  dead  ops  5e0245a1c3b7  2026-11-23T05:02:11.000Z  3 attempts, 1 unanswered  answered 404: no such hook`
fn row(delivery: &DeliveryRow) -> String {
    let DeliveryRow { id, channel, attempts, unanswered, error, instead_of, .. } = delivery;
    let state = delivery.state.name();
    let at = delivery.settled_at.unwrap_or(delivery.created_at);
    let fingerprint = &delivery.fingerprint.to_string()[..12];
    let mut text = format!("{id:>8}  {state:<9}  {channel:<12}  {fingerprint}  {at}  {attempts} attempts");
    if *unanswered > 0 {
        text += &format!(", {unanswered} unanswered");
    }
    if let Some(InsteadOf { channel, .. }) = instead_of {
        text += &format!("  instead of {channel}");
    }
    text += &error.as_ref().map_or_else(String::new, |error| format!("  {error}"));
    text
}

#[derive(Args)]
#[command(group = clap::ArgGroup::new("which").required(true))]
pub(super) struct Resend {
    /// Numbers of dead deliveries, as `bongsu deliveries --state dead` shows them
    #[arg(value_name = "ID", group = "which")]
    ids: Vec<i64>,
    /// All dead deliveries
    #[arg(long, group = "which")]
    all: bool,
    /// With --all: only those to this channel
    #[arg(long, value_name = "NAME", requires = "all", conflicts_with = "ids")]
    channel: Option<String>,
}

impl Resend {
    pub(super) async fn run(self, config: Config) -> Result<ExitCode> {
        if let Some(channel) = &self.channel {
            known(channel, &config)?;
        }
        let (archive, expiry) = (archive(&config).await?, config.deliver.expiry.get());
        if self.all {
            let resent = archive.resend(None, self.channel, expiry, server::now()).await?;
            print::line(&format!("{resent} deliveries are sent again"));
            return Ok(ExitCode::SUCCESS);
        }
        // In the order in which they were made, whatever order they are given in.
        let mut ids = self.ids;
        ids.sort_unstable();
        let mut unknown = Vec::new();
        for id in ids {
            match archive.resend(Some(id), None, expiry, server::now()).await? {
                0 => unknown.push(id.to_string()),
                _ => print::line(&format!("{id}  is sent again")),
            }
        }
        match unknown.as_slice() {
            [] => Ok(ExitCode::SUCCESS),
            [one] => bail!("there is no dead delivery {one}; `bongsu deliveries --state dead` lists them"),
            several => {
                bail!(
                    "there are no dead deliveries {}; `bongsu deliveries --state dead` lists them",
                    several.join(", ")
                )
            }
        }
    }
}

/// Refuses a channel that the configuration does not have: what is sent again to it would only be buried again.
fn known(channel: &str, config: &Config) -> Result<()> {
    let channels = Channels::new(config).map_err(anyhow::Error::msg)?;
    let names = || channels.iter().map(|one| &**one.name());
    match names().any(|name| name == channel) {
        true => Ok(()),
        false => bail!("there is no channel {channel:?}{}", hint(channel, names())),
    }
}

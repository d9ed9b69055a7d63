//! `bongsu issues`, `resolve`, `mute`, `ack`, `reopen`, `merge`, `unmerge`: what is wrong, and what people decide about it.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::{archive, print};
use crate::archive::{Archive, IssueDetail, IssueFilter, MergedRow, Unmergeable};
use crate::config::{Config, Span};
use crate::issue::{Action, Fingerprint, Issue, State};
use crate::server;
use crate::time::Time;
use crate::web::{IssueDetailView, IssueView};

#[derive(Args)]
pub(super) struct List {
    /// Show one issue: its fingerprint, or enough of its first digits
    fingerprint: Option<String>,
    /// Only those in this state
    #[arg(long, value_parser = ["open", "acknowledged", "muted", "resolved"])]
    state: Option<String>,
    /// Only those of this module
    #[arg(long)]
    module: Option<String>,
    /// Only those of this environment
    #[arg(long)]
    environment: Option<String>,
    /// Only those with this in their location or detail
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// How many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// For machines
    #[arg(long)]
    json: bool,
}

impl List {
    pub(super) async fn run(self, config: Config) -> Result<ExitCode> {
        let archive = archive(&config).await?;
        if let Some(prefix) = &self.fingerprint {
            let detail = archive.issue(find(&archive, prefix).await?).await?.context("the issue has just gone")?;
            if self.json {
                print::json(&IssueDetailView::from(detail));
            } else {
                show(&detail);
            }
            return Ok(ExitCode::SUCCESS);
        }
        let filter = IssueFilter {
            state: self.state,
            module: self.module.map(|module| module.to_lowercase()),
            environment: self.environment.map(|environment| environment.to_lowercase()),
            text: self.search,
            after: None,
            limit: usize::from(self.limit),
        };
        let page = archive.issues(filter).await?;
        if self.json {
            print::json(&page.items.into_iter().map(IssueView::from).collect::<Vec<_>>());
            return Ok(ExitCode::SUCCESS);
        }
        print::page(&page, "issues", self.limit, row);
        Ok(ExitCode::SUCCESS)
    }
}

fn row(issue: &Issue) -> String {
    let attributes = &issue.attributes;
    let place = [&attributes.environment, &attributes.module].map(|text| &**text).join("/");
    let what = if attributes.detail.is_empty() { &attributes.location } else { &attributes.detail };
    let what: String = what.lines().next().unwrap_or_default().chars().take(70).collect();
    format!(
        "{}  {:<12} {:>9} times  {:>3} alerts  last {}  {place}  {what}",
        &issue.fingerprint.to_string()[..12],
        issue.standing.state.name(),
        issue.occurrences,
        issue.alerts,
        issue.last_seen,
    )
}

fn show(detail: &IssueDetail) {
    let issue = &detail.issue;
    let mut lines = vec![("fingerprint", issue.fingerprint.to_string()), ("state", state(issue))];
    lines.extend(issue.attributes.each().into_iter().filter(|(_, v)| !v.is_empty()).map(|(n, v)| (n, v.to_string())));
    lines.push(("seen", format!("{} times, {} to {}", issue.occurrences, issue.first_seen, issue.last_seen)));
    lines.push(("alerts", format!("{}; {} held back", issue.alerts, issue.suppressed())));
    if let Some(window) = &issue.standing.window {
        let (seen, granted) = (window.seen, window.granted);
        lines.push((
            "window",
            format!("{} to {}: {seen} times, {granted}/{} alerts", window.opened_at, window.ends_at, window.budget),
        ));
    }
    if let Some(into) = issue.merged_into {
        lines.push(("merged into", into.to_string()));
    }
    for merged in &detail.merged {
        let by = if merged.merged_by.is_empty() { "the rules of sameness" } else { &merged.merged_by };
        let MergedRow { fingerprint, occurrences, merged_at, .. } = merged;
        lines.push(("merged", format!("{fingerprint} ({occurrences} times before), {merged_at}, {by}")));
    }
    lines.extend(detail.formers.iter().map(|former| ("formerly", former.to_string())));
    lines.push(("stored", format!("{} events", detail.events_stored)));
    for (name, value) in lines {
        print::line(&format!("{name:<12} {}", value.replace('\n', "\n             ")));
    }
}

fn state(issue: &Issue) -> String {
    let mut text = issue.standing.state.name().to_owned();
    if let State::Muted { until, more } = issue.standing.state {
        text += &until.map_or_else(String::new, |until| format!(" until {until}"));
        text += &more.map_or_else(String::new, |more| format!(" for {more} more"));
    }
    if let Some(at) = issue.decided.at {
        text += &format!(" ({at}");
        for part in [&issue.decided.by, &issue.decided.note] {
            text += &if part.is_empty() { String::new() } else { format!(", {part}") };
        }
        text += ")";
    }
    text
}

/// What people may add to a decision.
#[derive(Args)]
struct Words {
    /// The issue's fingerprint, or enough of its first digits
    fingerprint: String,
    /// Who decides; without it, the user of this terminal
    #[arg(long, env = "USER", default_value = "")]
    by: String,
    /// A note, shown when the issue comes back
    #[arg(long, default_value = "")]
    note: String,
}

impl Words {
    async fn act(self, config: &Config, action: Action, now: Time) -> Result<ExitCode> {
        let archive = archive(config).await?;
        let fingerprint = find(&archive, &self.fingerprint).await?;
        let issue =
            archive.act(fingerprint, action, self.by, self.note, now).await?.context("the issue has just gone")?;
        print::line(&format!("{}  {}", issue.fingerprint, state(&issue)));
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Args)]
pub(super) struct Resolve {
    #[command(flatten)]
    words: Words,
}

#[derive(Args)]
pub(super) struct Ack {
    #[command(flatten)]
    words: Words,
}

#[derive(Args)]
pub(super) struct Reopen {
    #[command(flatten)]
    words: Words,
}

#[derive(Args)]
#[command(group = clap::ArgGroup::new("end").required(true).multiple(true))]
pub(super) struct Mute {
    #[command(flatten)]
    words: Words,
    /// For so long, such as 30m or 2h
    #[arg(long = "for", value_name = "SPAN", group = "end", value_parser = Span::parse)]
    span: Option<Span>,
    /// Until so many more occurrences
    #[arg(long, value_name = "N", group = "end", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000_000))]
    more: Option<u64>,
}

impl Resolve {
    pub(super) async fn run(self, config: Config) -> Result<ExitCode> {
        self.words.act(&config, Action::Resolve, server::now()).await
    }
}

impl Ack {
    pub(super) async fn run(self, config: Config) -> Result<ExitCode> {
        self.words.act(&config, Action::Acknowledge, server::now()).await
    }
}

impl Reopen {
    pub(super) async fn run(self, config: Config) -> Result<ExitCode> {
        self.words.act(&config, Action::Reopen, server::now()).await
    }
}

impl Mute {
    pub(super) async fn run(self, config: Config) -> Result<ExitCode> {
        let now = server::now();
        let until = self.span.map(|span| now.plus(span.get()));
        self.words.act(&config, Action::Mute { until, more: self.more }, now).await
    }
}

#[derive(Args)]
pub(super) struct Merge {
    /// The issue's fingerprint, or enough of its first digits
    fingerprint: String,
    /// The issue that its occurrences are counted with from now on
    #[arg(long, value_name = "FINGERPRINT")]
    into: String,
    /// Who decides; without it, the user of this terminal
    #[arg(long, env = "USER", default_value = "cli")]
    by: String,
}

#[derive(Args)]
pub(super) struct Unmerge {
    /// The fingerprint of the issue that was merged into another, or enough of its first digits
    fingerprint: String,
}

impl Merge {
    pub(super) async fn run(self, config: Config) -> Result<ExitCode> {
        let archive = archive(&config).await?;
        let issue = find(&archive, &self.fingerprint).await?;
        let into = find(&archive, &self.into).await?;
        let by = if self.by.is_empty() { "cli".to_owned() } else { self.by };
        let merged = archive.merge(issue, into, by, config.deliver.expiry.get(), server::now()).await?;
        match merged.context("the issue has just gone")? {
            Ok(into) => print::line(&format!("{issue}  merged into {}", into.fingerprint)),
            Err(Unmergeable::Same) => bail!("{issue} and {into} are one issue already"),
            Err(Unmergeable::NoTarget) => bail!("there is no issue {into}; `bongsu issues` lists them"),
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Unmerge {
    pub(super) async fn run(self, config: Config) -> Result<ExitCode> {
        let archive = archive(&config).await?;
        let issue = find(&archive, &self.fingerprint).await?;
        if !archive.unmerge(issue).await?.context("the issue has just gone")? {
            bail!("{issue} is not merged into another issue");
        }
        print::line(&format!("{issue}  counted on its own again"));
        Ok(ExitCode::SUCCESS)
    }
}

pub(super) async fn find(archive: &Archive, prefix: &str) -> Result<Fingerprint> {
    match archive.fingerprints(prefix.to_lowercase()).await?.as_slice() {
        [one] => Ok(*one),
        [] => bail!("there is no issue {prefix:?}; `bongsu issues` lists them"),
        _ => bail!("more than one issue begins with {prefix:?}; give more digits"),
    }
}

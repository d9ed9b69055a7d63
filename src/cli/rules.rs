//! `bongsu rules preview`: what a changed `[sameness]` would make of the stored events.
//!
//! Promises: reads only, in pages; the rules, the routes and the gate are the server's own. What is approximate is said with
//! the figures. Deliberately not here: changing anything.

mod simulate;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::{archive, print};
use crate::archive::{Archive, Shown, Stored};
use crate::config::Config;
use crate::deliver::Routes;
use crate::event::Attributes;
use crate::fingerprint::Sameness;
use crate::issue::{Fingerprint, Policy};
use crate::server;
use crate::time::Time;

/// Events read at a time.
const PAGE: usize = 500;
/// Issues or parts listed under one line.
const LISTED: usize = 10;
/// Characters of the line that tells people which error it is.
const LINE_CHARS: usize = 70;

#[derive(Subcommand)]
pub(super) enum Rules {
    /// Say what the rules of --config would make of the stored events: which issues would join, which would split
    Preview(Preview),
}

#[derive(Args)]
pub(super) struct Preview {
    /// How far back
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=400))]
    days: u16,
    /// For machines
    #[arg(long)]
    json: bool,
}

/// What would be otherwise.
#[derive(Debug, Serialize)]
struct Report {
    days: u16,
    events: u64,
    issues_before: usize,
    issues_after: usize,
    alerts_before: u64,
    alerts_after: u64,
    /// Issues that would be one.
    joins: Vec<Join>,
    /// Issues that would be several.
    splits: Vec<Split>,
    approximate: &'static str,
}

const APPROXIMATE: &str = "Alerts of issues that change are simulated, all occurrences of a minute at once, without what people \
     decided; the parts of a split have the share that its stored events have.";

#[derive(Debug, Serialize)]
struct Join {
    fingerprint: Fingerprint,
    alerts_after: u64,
    issues: Vec<Named>,
}

#[derive(Debug, Serialize)]
struct Split {
    #[serde(flatten)]
    issue: Named,
    parts: Vec<Part>,
}

#[derive(Debug, Serialize)]
struct Named {
    fingerprint: Fingerprint,
    events: u64,
    alerts: u64,
    line: String,
}

#[derive(Debug, Serialize)]
struct Part {
    fingerprint: Fingerprint,
    events: u64,
    alerts_after: u64,
    line: String,
}

/// An identity under the changed rules.
struct Coming {
    /// Stored events by the number of the issue that they are counted with now.
    from: BTreeMap<i64, u64>,
    policy: Arc<Policy>,
    line: String,
}

/// Everything that was read and compared.
struct Replay {
    coming: HashMap<Fingerprint, Coming>,
    /// By issue: stored events, and under how many identities they would come.
    issues: HashMap<i64, (u64, usize)>,
    events: u64,
}

impl Rules {
    pub(super) async fn run(self, config: Config) -> Result<ExitCode> {
        let Rules::Preview(preview) = self;
        preview.run(config).await
    }
}

impl Preview {
    async fn run(self, config: Config) -> Result<ExitCode> {
        let sameness = Sameness::new(&config.sameness).map_err(anyhow::Error::msg)?;
        let routes = Routes::new(&config).map_err(anyhow::Error::msg)?;
        let archive = archive(&config).await?;
        sameness.learn(archive.parameters().await?);
        let now = server::now();
        let since = Time(now.ms() - Duration::from_secs(u64::from(self.days) * 86_400).as_millis() as i64);
        let merged = archive.merged_numbers().await?;
        let replay = replay(&archive, &sameness, &routes, &merged, since).await?;
        let changed = replay.changed();
        let granted = simulate::alerts(&archive, &replay, &changed, &merged, since, now).await?;
        print::progress("");
        let report = self.report(&archive, &replay, &changed, &granted, &merged, since).await?;
        if self.json {
            print::json(&report);
        } else {
            show(&report);
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn report(
        &self,
        archive: &Archive,
        replay: &Replay,
        changed: &HashSet<i64>,
        granted: &HashMap<Fingerprint, u64>,
        merged: &HashMap<i64, i64>,
        since: Time,
    ) -> Result<Report> {
        let mut recorded: HashMap<i64, u64> = HashMap::new();
        for (issue, alerts) in archive.alerts_since(since).await? {
            *recorded.entry(counted_with(merged, issue)).or_default() += alerts;
        }
        recorded.retain(|issue, _| replay.issues.contains_key(issue));
        let shown = archive.shown(changed.iter().copied().collect()).await?;
        let named = |issue: i64, events: u64| {
            let shown = shown.get(&issue);
            Named {
                fingerprint: shown.map_or(Fingerprint(0), |shown| shown.fingerprint),
                events,
                alerts: recorded.get(&issue).copied().unwrap_or(0),
                line: shown.map_or_else(String::new, |shown| line(&shown.attributes)),
            }
        };
        let alerts = |fingerprint: &Fingerprint| granted.get(fingerprint).copied().unwrap_or(0);
        let mut joins = Vec::new();
        let mut parts: BTreeMap<i64, Vec<Part>> = BTreeMap::new();
        for (fingerprint, coming) in &replay.coming {
            let fingerprint = *fingerprint;
            if coming.from.len() > 1 {
                let mut issues: Vec<Named> = coming.from.iter().map(|(issue, events)| named(*issue, *events)).collect();
                issues.sort_by(|a, b| b.alerts.cmp(&a.alerts).then(a.fingerprint.cmp(&b.fingerprint)));
                joins.push(Join { fingerprint, alerts_after: alerts(&fingerprint), issues });
            }
            for (issue, events) in &coming.from {
                if replay.issues[issue].1 > 1 {
                    let line = coming.line.clone();
                    let part = Part { fingerprint, events: *events, alerts_after: alerts(&fingerprint), line };
                    parts.entry(*issue).or_default().push(part);
                }
            }
        }
        joins.sort_by(|a, b| b.issues.len().cmp(&a.issues.len()).then(a.fingerprint.cmp(&b.fingerprint)));
        let split = |(issue, mut parts): (i64, Vec<Part>)| {
            parts.sort_by(|a, b| b.events.cmp(&a.events).then(a.fingerprint.cmp(&b.fingerprint)));
            Split { issue: named(issue, replay.issues[&issue].0), parts }
        };
        let mut splits: Vec<Split> = parts.into_iter().map(split).collect();
        splits.sort_by_key(|split| std::cmp::Reverse(split.parts.len()));
        let unchanged = recorded.iter().filter(|(issue, _)| !changed.contains(issue)).map(|(_, alerts)| alerts);
        Ok(Report {
            days: self.days,
            events: replay.events,
            issues_before: replay.issues.len(),
            issues_after: replay.coming.len(),
            alerts_before: recorded.values().sum(),
            alerts_after: unchanged.sum::<u64>() + granted.values().sum::<u64>(),
            joins,
            splits,
            approximate: APPROXIMATE,
        })
    }
}

/// The issue that counts what this one's events are.
fn counted_with(merged: &HashMap<i64, i64>, issue: i64) -> i64 {
    merged.get(&issue).copied().unwrap_or(issue)
}

async fn replay(
    archive: &Archive,
    sameness: &Sameness,
    routes: &Routes,
    merged: &HashMap<i64, i64>,
    since: Time,
) -> Result<Replay> {
    let total = archive.stored_since(since).await?;
    let by_people = archive.merges().await?;
    let mut replay = Replay { coming: HashMap::new(), issues: HashMap::new(), events: 0 };
    let mut projects: HashMap<i64, Shown> = HashMap::new();
    let mut after = 0;
    loop {
        let page = archive.stored(since, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        let new: HashSet<i64> =
            page.iter().map(|one| one.issue).filter(|issue| !projects.contains_key(issue)).collect();
        projects.extend(archive.shown(new.into_iter().collect()).await?);
        for Stored { issue, event, .. } in page {
            let fingerprint = sameness.identify(&event);
            let fingerprint = by_people.get(&fingerprint).copied().unwrap_or(fingerprint);
            let issue_now = counted_with(merged, issue);
            let coming = replay.coming.entry(fingerprint).or_insert_with(|| Coming {
                from: BTreeMap::new(),
                policy: {
                    let project = projects.get(&issue).map_or("", |shown| &shown.project);
                    routes.usual(&event, project, &|| sameness.cause(&event)).policy.clone()
                },
                line: line(&event.attributes),
            });
            let (events, identities) = replay.issues.entry(issue_now).or_default();
            let from = coming.from.entry(issue_now).or_default();
            *identities += usize::from(*from == 0);
            *from += 1;
            *events += 1;
            replay.events += 1;
        }
        print::progress(&format!("replaying stored events: {} of {total}", replay.events));
    }
    Ok(replay)
}

impl Replay {
    /// Issues that would not stay what they are.
    fn changed(&self) -> HashSet<i64> {
        let joined = self.coming.values().filter(|coming| coming.from.len() > 1).flat_map(|coming| coming.from.keys());
        let split = self.issues.iter().filter(|(_, (_, identities))| *identities > 1).map(|(issue, _)| issue);
        joined.chain(split).copied().collect()
    }
}

fn line(attributes: &Attributes<'_>) -> String {
    let place = [&attributes.environment, &attributes.module].map(|text| &**text).join("/");
    let what = if attributes.detail.is_empty() { &attributes.location } else { &attributes.detail };
    let what: String = what.lines().next().unwrap_or_default().chars().take(LINE_CHARS).collect();
    format!("{place}  {what}")
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn short(fingerprint: Fingerprint) -> String {
    fingerprint.to_string()[..12].to_owned()
}

fn show(report: &Report) {
    let Report { days, events, issues_before, issues_after, alerts_before, alerts_after, joins, splits, .. } = report;
    if *events == 0 {
        print::line(&format!("no event was stored in the last {days} days: there is nothing to replay"));
        return;
    }
    if joins.is_empty() && splits.is_empty() {
        print::line(&format!(
            "{} would stay as they are ({events} stored events of the last {days} days replayed)",
            count(*issues_before, "issue")
        ));
        return;
    }
    print::line(&format!(
        "{} would become {issues_after}; {alerts_after} alerts instead of {alerts_before} in the last {days} days \
         ({events} stored events replayed)",
        count(*issues_before, "issue"),
    ));
    for join in joins {
        let before: u64 = join.issues.iter().map(|issue| issue.alerts).sum();
        let head = format!("{} would join into {}", count(join.issues.len(), "issue"), short(join.fingerprint));
        print::line(&format!("\n{head}: {} alerts instead of {before}", join.alerts_after));
        for Named { fingerprint, alerts, line, .. } in join.issues.iter().take(LISTED) {
            print::line(&format!("  {}  {alerts:>4} alerts  {line}", short(*fingerprint)));
        }
        more(join.issues.len());
    }
    for split in splits {
        let Named { fingerprint, alerts, line, events } = &split.issue;
        let parts = split.parts.len();
        print::line(&format!("\n{} would split into {parts}; it had {alerts} alerts  {line}", short(*fingerprint)));
        for part in split.parts.iter().take(LISTED) {
            let share = part.events * 100 / events.max(&1);
            let alerts = part.alerts_after;
            print::line(&format!("  {}  {share:>3} %  {alerts:>4} alerts  {}", short(part.fingerprint), part.line));
        }
        more(parts);
    }
    print::line(&format!("\n{APPROXIMATE}"));
}

fn more(listed: usize) {
    if listed > LISTED {
        print::line(&format!("  and {} more", listed - LISTED));
    }
}

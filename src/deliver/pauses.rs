//! When alerts wait, and when there are none: quiet hours and maintenance.
//!
//! Promises: what is grave enough goes through quiet hours at once; what they hold back is sent when they end, and not
//! lost; maintenance holds an alert back for good, and says so. Deliberately not here: what becomes of what has piled up
//! when quiet hours end; like any backlog it is folded to a digest when it is too much.

use crate::config::{self, Config, hint};
use crate::event::{Event, Level};
use crate::issue::CauseKey;
use crate::matching::{Also, Matchers};
use crate::time::Time;

use super::channels;
use super::hours::{Hours, Written, first_outside};

/// All of them, compiled.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    quiet: Vec<Quiet>,
    maintenance: Vec<Maintenance>,
}

#[derive(Debug)]
struct Quiet {
    name: String,
    matchers: Matchers,
    hours: Hours,
    channels: Vec<String>,
    /// What is as grave goes through; `None`: nothing does.
    except: Option<Level>,
}

#[derive(Debug)]
struct Maintenance {
    name: String,
    matchers: Matchers,
    hours: Hours,
}

impl Pauses {
    /// Compiles the configured ones. The error names every one that cannot work.
    pub(crate) fn new(config: &Config) -> Result<Pauses, Vec<String>> {
        let mut problems = Vec::new();
        let mut pauses = Pauses::default();
        for configured in &config.quiet {
            match quiet(configured, config) {
                Ok(quiet) => pauses.quiet.push(quiet),
                Err(wrong) => problems.extend(wrong.iter().map(|what| format!("quiet {:?}: {what}", configured.name))),
            }
        }
        for configured in &config.maintenance {
            match maintenance(configured) {
                Ok(maintenance) => pauses.maintenance.push(maintenance),
                Err(wrong) => {
                    problems.extend(wrong.iter().map(|what| format!("maintenance {:?}: {what}", configured.name)));
                }
            }
        }
        if problems.is_empty() { Ok(pauses) } else { Err(problems) }
    }

    /// Whether any channel is quiet at the moment.
    pub(crate) fn is_quiet(&self, now: Time) -> bool {
        self.quiet.iter().any(|quiet| quiet.hours.end(now).is_some())
    }

    /// Whether the channel is quiet at the moment, for some errors at least.
    pub(crate) fn is_quiet_for(&self, channel: &str, now: Time) -> bool {
        let mut here = self.quiet.iter().filter(|quiet| quiet.channels.iter().any(|held| held == channel));
        here.any(|quiet| quiet.hours.end(now).is_some())
    }

    /// Until when a channel is not to be told of an event; `None`: it may be told now.
    pub(crate) fn quiet_until(&self, channel: &str, event: &Event<'_>, project: &str, now: Time) -> Option<Time> {
        let here = self.quiet.iter().filter(|quiet| quiet.holds(channel, event, project));
        first_outside(here.map(|quiet| &quiet.hours), now)
    }

    /// Until when nothing is granted for an event.
    pub(crate) fn maintenance_until(
        &self,
        event: &Event<'_>,
        project: &str,
        cause: &dyn Fn() -> CauseKey,
        now: Time,
    ) -> Option<Time> {
        let on = self.maintenance.iter().filter(|one| one.hours.end(now).is_some());
        let mine = on.filter(|one| one.matchers.matches_with(event, project, cause));
        mine.filter_map(|one| one.hours.end(now)).max()
    }

    /// The names of those in force for an event, each with its end: quiet hours of a channel, and maintenance.
    pub(crate) fn in_force<'a>(
        &'a self,
        event: &'a Event<'_>,
        project: &'a str,
        cause: &'a dyn Fn() -> CauseKey,
        now: Time,
    ) -> impl Iterator<Item = (&'static str, &'a str, Time)> {
        let quiet = self.quiet.iter().filter(move |quiet| {
            quiet.matchers.matches(event, project) && quiet.except.is_none_or(|except| event.level < except)
        });
        let quiet = quiet.filter_map(move |one| Some(("quiet", &*one.name, one.hours.end(now)?)));
        let all = self.maintenance.iter();
        let maintenance = all.filter(move |one| one.matchers.matches_with(event, project, cause));
        quiet.chain(maintenance.filter_map(move |one| Some(("maintenance", &*one.name, one.hours.end(now)?))))
    }
}

impl Quiet {
    fn holds(&self, channel: &str, event: &Event<'_>, project: &str) -> bool {
        self.channels.iter().any(|held| held == channel)
            && self.except.is_none_or(|except| event.level < except)
            && self.matchers.matches(event, project)
    }
}

fn quiet(configured: &config::Quiet, config: &Config) -> Result<Quiet, Vec<String>> {
    let mut problems = Vec::new();
    let (name, matchers) = named(&configured.name, Matchers::new(&configured.matchers), &mut problems);
    let config::Quiet { days, from, to, time_zone, .. } = configured;
    let hours = Hours::weekly(&Written { days, from, to, time_zone: time_zone.as_deref() });
    if configured.channels.is_empty() {
        problems.push("`channels` is empty: name those that are to be quiet".to_owned());
    }
    let all = channels::names(config);
    for name in configured.channels.iter().filter(|name| !all.iter().any(|known| **known == ***name)) {
        let near = hint(name, all.iter().map(|name| &**name));
        problems.push(format!("there is no channel {name:?}{near}"));
    }
    let except = match &*configured.except_level {
        "none" => None,
        level => Level::parse(level).map(Some).unwrap_or_else(|| {
            let known = ["fatal", "error", "warning", "info", "debug", "none"];
            problems.push(format!("`except_level`: {level:?} is not a level{}", hint(level, known.into_iter())));
            None
        }),
    };
    let hours = hours.map_err(|wrong| problems.extend(wrong)).ok();
    match hours.filter(|_| problems.is_empty()) {
        Some(hours) => Ok(Quiet { name, matchers, hours, channels: configured.channels.clone(), except }),
        None => Err(problems),
    }
}

fn maintenance(configured: &config::Maintenance) -> Result<Maintenance, Vec<String>> {
    let mut problems = Vec::new();
    let matchers = Matchers::knowing(&configured.matchers, &[Also::Cause]);
    let (name, matchers) = named(&configured.name, matchers, &mut problems);
    let config::Maintenance { days, from, to, time_zone, .. } = configured;
    let hours = Hours::new(&Written { days, from, to, time_zone: time_zone.as_deref() });
    let hours = hours.map_err(|wrong| problems.extend(wrong)).ok();
    match hours.filter(|_| problems.is_empty()) {
        Some(hours) => Ok(Maintenance { name, matchers, hours }),
        None => Err(problems),
    }
}

fn named(name: &str, matchers: Result<Matchers, Vec<String>>, problems: &mut Vec<String>) -> (String, Matchers) {
    if name.trim().is_empty() {
        problems.push("it needs a name".to_owned());
    }
    let matchers = matchers.unwrap_or_else(|wrong| {
        problems.extend(wrong);
        Matchers::default()
    });
    (name.to_owned(), matchers)
}

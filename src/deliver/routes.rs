//! Which route an event falls under: its policy and its channels.
//!
//! Promises: the first route that matches decides, and those before it that said `continue` add their channels. An event
//! that no route matches goes to **all** channels under the default policy: a hole in the configuration must not make
//! errors disappear; to tell nobody takes a last route with `channels = []`. A route by `ordinal` is there for that alert
//! of a window and later ones; for earlier ones it is as if it were not written. Cheap: it runs for every event, and only
//! an event that falls under several routes, or into quiet hours, costs an allocation. Deliberately not here: what is done
//! with the answer.

use std::cell::OnceCell;
use std::sync::Arc;

use crate::alert::{Recipient, Route};
use crate::config::{self, Config, PolicySettings, hint};
use crate::event::Event;
use crate::issue::{CauseKey, Policy};
use crate::matching::{Also, Matchers};
use crate::time::Time;

use super::channels;
use super::pauses::Pauses;

/// All routes, compiled.
#[derive(Clone, Debug)]
pub(crate) struct Routes {
    rules: Vec<Rule>,
    /// For what no rule matches.
    otherwise: Arc<Route>,
    pauses: Arc<Pauses>,
}

#[derive(Clone, Debug)]
struct Rule {
    /// Which of the configuration, from 1.
    number: usize,
    matchers: Matchers,
    /// The first alert of a window that it is for.
    from: u32,
    /// What an event gets that falls under this rule alone.
    route: Arc<Route>,
    /// Whether the rule has a policy of its own, or leaves that to a later one.
    has_policy: bool,
    go_on: bool,
}

impl Routes {
    /// Compiles the configured routes. The error names every route that cannot work, and the nearest right word.
    pub(crate) fn new(config: &Config) -> Result<Routes, String> {
        let default_policy = Arc::new(config.policy.resolved());
        let all = channels::names(config);
        let mut problems = Vec::new();
        let mut rules = Vec::new();
        for (i, configured) in config.route.iter().enumerate() {
            match rule(configured, i + 1, &default_policy, &all) {
                Ok(rule) => rules.push(rule),
                Err(wrong) => problems.extend(wrong.into_iter().map(|what| format!("route {}: {what}", i + 1))),
            }
        }
        let budgets = rules.iter().map(|rule| rule.route.policy.budget);
        let most = budgets.chain([default_policy.budget]).max().unwrap_or_default();
        problems.extend(rules.iter().filter(|rule| rule.from > most).map(|rule| {
            format!(
                "route {}: no window has an alert with the `ordinal` {}: no budget is above {most}",
                rule.number, rule.from
            )
        }));
        let pauses = Pauses::new(config).unwrap_or_else(|wrong| {
            problems.extend(wrong);
            Pauses::default()
        });
        match problems.is_empty() {
            true => Ok(Routes { rules, otherwise: Arc::new(Route::to(default_policy, all)), pauses: Arc::new(pauses) }),
            false => Err(problems.join("\n")),
        }
    }

    /// Under what the event of that project falls at the moment. `cause` is asked for only where something goes by it.
    pub(crate) fn of(&self, event: &Event<'_>, project: &str, cause: &dyn Fn() -> CauseKey, now: Time) -> Arc<Route> {
        let known = OnceCell::new();
        let cause = || *known.get_or_init(cause);
        self.paused(self.usual(event, project, &cause), event, project, &cause, now)
    }

    /// The same without regard to quiet hours and maintenance.
    pub(crate) fn usual(&self, event: &Event<'_>, project: &str, cause: &dyn Fn() -> CauseKey) -> Arc<Route> {
        let mut under = self.under(event, project, cause);
        match (under.next(), under.next()) {
            (None, _) => Arc::clone(&self.otherwise),
            (Some(alone), None) if alone.from == 1 => Arc::clone(&alone.route),
            (first, second) => {
                let several: Vec<&Rule> = first.into_iter().chain(second).chain(under).collect();
                Arc::new(self.together(&several))
            }
        }
    }

    /// The numbers of the routes that an event falls under, from 1; for an explanation.
    pub(crate) fn numbers(&self, event: &Event<'_>, project: &str, cause: &dyn Fn() -> CauseKey) -> Vec<usize> {
        self.under(event, project, cause).map(|rule| rule.number).collect()
    }

    /// When alerts wait, and when there are none.
    pub(crate) fn pauses(&self) -> &Arc<Pauses> {
        &self.pauses
    }

    /// The rules that match, up to the first that ends the search for every alert.
    fn under<'a>(
        &'a self,
        event: &'a Event<'_>,
        project: &'a str,
        cause: &'a dyn Fn() -> CauseKey,
    ) -> impl Iterator<Item = &'a Rule> {
        let mut ended = false;
        let matching = self.rules.iter().filter(move |rule| rule.matchers.matches_with(event, project, cause));
        matching.take_while(move |rule| !std::mem::replace(&mut ended, !rule.go_on && rule.from == 1))
    }

    /// For each alert the channels of all that are for it, each once; the policy of the first that has one.
    fn together(&self, rules: &[&Rule]) -> Route {
        let mut begins: Vec<u32> = rules.iter().map(|rule| rule.from).chain([1]).collect();
        begins.sort_unstable();
        begins.dedup();
        let mut recipients: Vec<Recipient> = Vec::new();
        for (nth, begin) in begins.iter().enumerate() {
            let ordinals = (*begin, begins.get(nth + 1).map_or(u32::MAX, |next| next - 1));
            let part = self.channels(rules, *begin);
            for (i, channel) in part.iter().enumerate() {
                if part[..i].contains(channel) {
                    continue;
                }
                let goes_on = |one: &&mut Recipient| one.channel == **channel && one.ordinals.1 == ordinals.0 - 1;
                match recipients.iter_mut().find(goes_on) {
                    Some(known) => known.ordinals.1 = ordinals.1,
                    None => recipients.push(Recipient { channel: Arc::clone(channel), ordinals, not_before: None }),
                }
            }
        }
        // Without a policy of its own, a rule's route holds the default.
        let decides = rules.iter().find(|rule| rule.has_policy);
        let policy = decides.map_or(&self.otherwise.policy, |rule| &rule.route.policy);
        Route { policy: Arc::clone(policy), recipients }
    }

    /// Who is told of the alert with that ordinal.
    fn channels<'a>(&'a self, rules: &[&'a Rule], ordinal: u32) -> Vec<&'a Arc<str>> {
        let mut channels = Vec::new();
        let mut none = true;
        for rule in rules.iter().filter(|rule| rule.from <= ordinal) {
            none = false;
            channels.extend(rule.route.recipients.iter().map(|one| &one.channel));
            if !rule.go_on {
                break;
            }
        }
        if none {
            channels.extend(self.otherwise.recipients.iter().map(|one| &one.channel));
        }
        channels
    }

    /// The route with what waits for quiet hours to end, and with maintenance.
    fn paused(
        &self,
        route: Arc<Route>,
        event: &Event<'_>,
        project: &str,
        cause: &dyn Fn() -> CauseKey,
        now: Time,
    ) -> Arc<Route> {
        let maintenance_until = self.pauses.maintenance_until(event, project, cause, now);
        if maintenance_until.is_none() && !self.pauses.is_quiet(now) {
            return route;
        }
        let mut paused = Route::clone(&route);
        for one in &mut paused.recipients {
            one.not_before = self.pauses.quiet_until(&one.channel, event, project, now);
        }
        if maintenance_until.is_some() {
            paused.policy = Arc::new(Policy { maintenance_until, ..Policy::clone(&paused.policy) });
        }
        Arc::new(paused)
    }
}

fn rule(
    configured: &config::Route,
    number: usize,
    default_policy: &Arc<Policy>,
    all: &[Arc<str>],
) -> Result<Rule, Vec<String>> {
    let mut problems = Vec::new();
    let matchers = Matchers::knowing(&configured.matchers, &[Also::Cause, Also::Ordinal]).unwrap_or_else(|wrong| {
        problems = wrong;
        Matchers::default()
    });
    let mut channels: Vec<Arc<str>> = Vec::new();
    for name in &configured.channels {
        match all.iter().find(|channel| ***channel == **name) {
            Some(channel) if channels.contains(channel) => {}
            Some(channel) => channels.push(Arc::clone(channel)),
            None => {
                problems.push(format!("there is no channel {name:?}{}", hint(name, all.iter().map(|name| &**name))))
            }
        }
    }
    let has_policy = configured.policy != PolicySettings::default();
    if has_policy && matchers.first_ordinal().is_some() {
        problems.push("a route by `ordinal` has no policy of its own: that is decided before there is an alert".into());
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let policy = match has_policy {
        true => Arc::new(configured.policy.over(default_policy)),
        false => Arc::clone(default_policy),
    };
    let from = matchers.first_ordinal().unwrap_or(1);
    let route = Arc::new(Route::to(policy, channels));
    Ok(Rule { number, matchers, from, route, has_policy, go_on: configured.go_on })
}

#[cfg(test)]
mod tests;
